"""How large values are, under the name that programs for clusters know it by."""

from raskr.sizeof import sizeof

__all__ = ["sizeof"]
