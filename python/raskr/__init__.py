"""raskr: Dask's Python API on a Rust engine."""

from raskr._bridge import core

__version__: str = core.__version__
