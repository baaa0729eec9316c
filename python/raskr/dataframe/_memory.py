"""Where Arrow's library for Python, which pandas keeps its texts in, gets its memory from."""

import os
import sys


def return_freed_memory() -> None:
    """Have Arrow allocate with the system's allocator, which gives back what is freed.

    Arrow's own choice keeps some 15 MB that nothing needs, and is no faster for columns of a partition. A choice of the
    user's, by `ARROW_DEFAULT_MEMORY_POOL`, stays.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
        arrow.set_memory_pool(arrow.system_memory_pool())
