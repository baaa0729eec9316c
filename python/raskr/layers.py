"""Layers of task graphs under the name by which libraries know them."""

from raskr.blockwise import BlockIndex, Blockwise, BlockwiseDep, BlockwiseDepDict, blockwise
from raskr.highlevelgraph import Layer, MaterializedLayer

__all__ = ["BlockIndex", "Blockwise", "BlockwiseDep", "BlockwiseDepDict", "Layer", "MaterializedLayer", "blockwise"]
