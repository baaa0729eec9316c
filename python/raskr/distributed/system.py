"""What the machine has, as programs for clusters ask for it."""

from raskr.distributed.deploy._sizes import machine_memory

__all__ = ["MEMORY_LIMIT"]

#: Bytes of memory that this process may use; 0 where the system does not say.
MEMORY_LIMIT = machine_memory() or 0
