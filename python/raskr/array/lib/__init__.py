"""The counterpart of `numpy.lib`."""

from raskr.array.lib import stride_tricks

__all__ = ["stride_tricks"]
