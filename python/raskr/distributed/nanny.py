"""`Nanny` under the name that Dask has it by."""

from raskr.distributed.deploy.servers import Nanny

__all__ = ["Nanny"]
