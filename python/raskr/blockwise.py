"""Layers of tasks that follow an index rule: `z[i, j] = f(x[i, k], y[k, j])` for blocks, and making one layer of several.

This serves libraries that build graphs of such layers by themselves. raskr's own arrays have their own form in Rust, which
is fused there.
"""

from raskr._blockwise_fusion import optimize_blockwise, rewrite_blockwise
from raskr._blockwise_layers import _BLOCKWISE_DEFAULT_PREFIX as _BLOCKWISE_DEFAULT_PREFIX
from raskr._blockwise_layers import (
    BlockIndex,
    Blockwise,
    BlockwiseDep,
    BlockwiseDepDict,
    blockwise,
    blockwise_token,
    broadcast_dimensions,
    index_subs,
)
from raskr._blockwise_layers import _unique_dep as _unique_dep

__all__ = [
    "BlockIndex",
    "Blockwise",
    "BlockwiseDep",
    "BlockwiseDepDict",
    "blockwise",
    "blockwise_token",
    "broadcast_dimensions",
    "index_subs",
    "optimize_blockwise",
    "rewrite_blockwise",
]
