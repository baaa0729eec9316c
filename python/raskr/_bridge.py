"""The only module that imports the extension; everything else takes what it needs from here."""

from raskr import _core as core

__all__ = ["core"]
