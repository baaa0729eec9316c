"""Files as bytes: which files a path names, opening them whatever their compression, and writing them whole."""

from raskr.bytes import core, utils
from raskr.bytes.core import expand_paths, open_bytes

__all__ = ["core", "expand_paths", "open_bytes", "utils"]
