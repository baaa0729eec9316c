"""`secede` and `rejoin`, under the name of the module that they come from in older programs."""

from raskr.distributed.worker import rejoin, secede

__all__ = ["rejoin", "secede"]
