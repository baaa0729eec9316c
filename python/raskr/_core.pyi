"""What the extension module offers. Only `raskr._bridge` imports it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

Chunks = Sequence[Sequence[int | float]]

@final
class Expr:
    """A lazy array: shape, chunks and element type are known, nothing is computed.

    Every method that gives an `Expr` costs the same whatever the number of chunks.
    A chunk of unknown size is NaN, and so is the length of its axis.
    `native` tells that the blocks are plain arrays of a native element type (bool, integers, float16 to float64,
    complex64/128, datetime64/timedelta64 with a unit step of one, machine byte order), which the engine handles by
    itself; other blocks are Python objects that NumPy's own functions handle, one block at a time.
    """

    @property
    def shape(self) -> tuple[int | float, ...]: ...
    @property
    def chunks(self) -> tuple[tuple[int | float, ...], ...]: ...
    @property
    def numblocks(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def native(self) -> bool: ...
    @property
    def label(self) -> str:
        """The operation's name, such as `sum`."""
    @property
    def name(self) -> str:
        """`label-token`: equal for equal content; made when it is first asked for."""
    def with_name(self, name: str) -> Expr:
        """The same array under a name of the user's."""
    # --- sources ---------------------------------------------------------------------------------------------------
    @staticmethod
    def full(chunks: Chunks, dtype: np.dtype[Any], value: object, label: str = ...) -> Expr:
        """Every element is `value`."""
    @staticmethod
    def iota(chunks: Chunks, dtype: np.dtype[Any], start: object, step: object, label: str = ...) -> Expr:
        """`start + step * i`, `i` being the row-major index of the element (one axis: arange, linspace)."""
    @staticmethod
    def eye(chunks: Chunks, dtype: np.dtype[Any], k: int) -> Expr:
        """Ones on the k-th diagonal of two axes."""
    @staticmethod
    def from_numpy(array: np.ndarray[Any, Any], chunks: Chunks, name: str | None = None, label: str = ...) -> Expr:
        """Blocks are views of `array`, which is not copied; native dtypes only."""
    @staticmethod
    def random(
        distribution: str,
        params: Sequence[object],
        chunks: Chunks,
        dtype: np.dtype[Any],
        key: tuple[int, int],
        label: str = ...,
    ) -> Expr:
        """Random numbers that depend on the key and on each element's row-major index only.

        `params` are scalars, or `Expr`s that broadcast to the shape.
        """
    @staticmethod
    def from_nodes(
        nodes: Sequence[Node], chunks: Chunks, dtype: np.dtype[Any], native: bool, name: str | None = None, label: str = ...
    ) -> Expr:
        """One node a block, in row-major order."""
    @staticmethod
    def open_zarr(path: str, component: str | None, chunks: Chunks | None) -> Expr: ...
    @staticmethod
    def open_npy_stack(path: str) -> Expr: ...
    # --- elementwise -----------------------------------------------------------------------------------------------
    @staticmethod
    def elementwise(operation: str, inputs: Sequence[Expr], dtypes: Sequence[np.dtype[Any]], label: str = ...) -> Expr:
        """A native loop over broadcast inputs, each first cast to its dtype of `dtypes` (NumPy's resolved loop).

        Chunks of the inputs are unified (rechunked to their common refinement).
        """
    @staticmethod
    def elementwise_dtype(operation: str, dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any] | None:
        """The result's dtype when there is a native loop for these dtypes, else None."""
    def astype(self, dtype: np.dtype[Any]) -> Expr:
        """Cast between native dtypes."""
    # --- structure (any blocks, native or not) ---------------------------------------------------------------------
    def view(self, index: Sequence[int | slice | None]) -> Expr:
        """Basic slicing: one entry an axis (an int drops the axis, `slice` with any step), None adds an axis of 1."""
    def transpose(self, axes: Sequence[int]) -> Expr: ...
    def broadcast_to(self, chunks: Chunks) -> Expr: ...
    def rechunk(self, chunks: Chunks) -> Expr: ...
    def regions(self, ranges: Sequence[Sequence[tuple[int, int]]]) -> Expr:
        """Block k along an axis holds elements start..stop of the input (ranges may overlap: halos, windows)."""
    def take(self, axis: int, index: np.ndarray[Any, Any], chunks: Sequence[int]) -> Expr:
        """Elements `index` (any order, non-negative int64) along one axis, in blocks of the given lengths."""
    def select_blocks(self, index: Sequence[Sequence[int]]) -> Expr:
        """The outer product of block numbers an axis; each axis keeps its place."""
    def reshape_blocks(self, chunks: Chunks) -> Expr:
        """Row-major block k of the input, reshaped to be row-major block k of the result."""
    def with_chunks(self, chunks: Chunks) -> Expr:
        """The same blocks with other declared sizes (known in place of unknown)."""
    @staticmethod
    def concatenate(inputs: Sequence[Expr], axis: int) -> Expr:
        """Blocks one after another; chunks of the other axes and dtypes are equal already."""
    @staticmethod
    def stack(inputs: Sequence[Expr], axis: int) -> Expr:
        """A new axis with one block of length 1 an input."""
    # --- reductions and scans --------------------------------------------------------------------------------------
    def reduce(
        self,
        kind: str,
        axes: Sequence[int],
        keepdims: bool,
        dtype: np.dtype[Any],
        split_every: Mapping[int, int] | None = None,
        ddof: float = 0,
        label: str = ...,
    ) -> Expr:
        """A native tree reduction: sum prod min max any all mean var std count_nonzero nansum nanprod nanmin nanmax
        nanmean nanvar nanstd argmin argmax nanargmin nanargmax (arg kinds: one axis, or all of them for the flat index)."""
    @staticmethod
    def reduce_dtype(kind: str, dtype: np.dtype[Any]) -> np.dtype[Any] | None:
        """The accumulator that the native reduction of `dtype` gives by default, None when there is none."""
    def scan(self, kind: str, axis: int, dtype: np.dtype[Any]) -> Expr:
        """Cumulative sum prod nansum nanprod along one axis."""
    def scan_with(
        self,
        block: Callable[..., Any],
        last: Callable[..., Any],
        combine: Callable[..., Any],
        axis: int,
        dtype: np.dtype[Any],
        native: bool,
        method: str = "sequential",
        label: str = ...,
    ) -> Expr:
        """`block(x)` a block, then blocks joined to `combine(last of everything before, block)`."""
    @staticmethod
    def tensordot(a: Expr, b: Expr, axes_a: Sequence[int], axes_b: Sequence[int], dtype: np.dtype[Any]) -> Expr:
        """Native contraction (float32/64, complex64/128, integers); chunks of contracted axes are unified."""
    # --- Python functions a block ----------------------------------------------------------------------------------
    @staticmethod
    def blockwise(
        function: Callable[..., Any],
        out_ind: Sequence[int],
        args: Sequence[tuple[Any, Sequence[int] | None]],
        chunks: Chunks,
        dtype: np.dtype[Any],
        native: bool,
        kwargs: Mapping[str, Any] | None = None,
        per_block: Callable[[tuple[int, ...]], dict[str, Any]] | None = None,
        concatenate: bool = False,
        label: str = ...,
        token: str | None = None,
    ) -> Expr:
        """`function(*blocks, **kwargs)` for every output block.

        `args` are `(Expr, indices)`, or `(object or Node, None)` for an argument that every block gets whole (a Node's
        computed value). An array index that is missing in `out_ind` is contracted: its blocks come as (nested) lists, or
        concatenated. An axis of one block stands for all blocks of its index. Chunks are aligned already.
        Values of `kwargs` may be Nodes. `per_block(block index)` gives further keyword arguments while computing; it may
        also give `"args"`: a tuple of further positional arguments put after the blocks.
        A result that is a plain array of a native dtype becomes a native block.
        """
    def group_blocks(
        self,
        function: Callable[..., Any],
        group: Mapping[int, int],
        chunks: Chunks,
        dtype: np.dtype[Any],
        native: bool,
        concatenate: bool = False,
        kwargs: Mapping[str, Any] | None = None,
        label: str = ...,
    ) -> Expr:
        """`function(nested list of blocks)` over groups of `group[axis]` neighbouring blocks (tree reductions).

        Result block i along an axis comes from input blocks i*group .. (i+1)*group; with `concatenate` the function gets
        one array. Lists nest one level an axis in `group`, in axis order (a bare block when `group` is empty).
        """
    # --- to nodes --------------------------------------------------------------------------------------------------
    def node(self) -> Node:
        """The whole array as one value (a NumPy array)."""
    def block_nodes(self) -> list[Node]:
        """One node a block, in row-major order."""
    def __reduce__(self) -> Any: ...

def unify_chunks(
    arrays: Sequence[tuple[Chunks, Sequence[Any]]],
) -> dict[Any, tuple[int | float, ...]]:
    """The common refinement of chunks for each index; ValueError when lengths differ (1 broadcasts)."""

@final
class Node:
    """One value to be computed: a call and the nodes that it stands on."""

    @property
    def key(self) -> str: ...

def run(
    items: Sequence[Node | Expr],
    *,
    scheduler: str = "threads",
    num_workers: int | None = None,
    memory_limit: int | None = None,
    spill_directory: str | None = None,
    callbacks: Sequence[Any] | None = None,
    keep_blocks: bool = False,
) -> list[Any]:
    """Computes all items in one go. An `Expr` gives its NumPy array (or what NumPy-like blocks concatenate to), or, with
    `keep_blocks`, an `Expr` that holds its computed blocks; a Node its value, or with `keep_blocks` a Node that holds it."""
