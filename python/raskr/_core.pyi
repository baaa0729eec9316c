"""What the extension module offers. Only `raskr._bridge` imports it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, final

import numpy as np
from typing_extensions import disjoint_base

_Chunks = Sequence[Sequence[int | float]]

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
    def in_memory(self) -> bool:
        """Do all elements lie in memory, so that going through them again costs little?"""
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
    def full(chunks: _Chunks, dtype: np.dtype[Any], value: object, label: str = ...) -> Expr:
        """Every element is `value`."""
    @staticmethod
    def iota(chunks: _Chunks, dtype: np.dtype[Any], start: object, step: object, label: str = ...) -> Expr:
        """`start + step * i`, `i` being the row-major index of the element (one axis: arange, linspace)."""
    @staticmethod
    def eye(chunks: _Chunks, dtype: np.dtype[Any], k: int) -> Expr:
        """Ones on the k-th diagonal of two axes."""
    @staticmethod
    def from_numpy(array: np.ndarray[Any, Any], chunks: _Chunks, name: str | None = None, label: str = ...) -> Expr:
        """Blocks are views of `array`, which is not copied; native dtypes only."""
    @staticmethod
    def random(
        distribution: str,
        params: Sequence[object],
        chunks: _Chunks,
        dtype: np.dtype[Any],
        key: tuple[int, int],
        label: str = ...,
    ) -> Expr:
        """Random numbers that depend on the key and on each element's row-major index only.

        `params` are scalars, or `Expr`s that broadcast to the shape.
        """
    @staticmethod
    def from_nodes(
        nodes: Sequence[Node],
        chunks: _Chunks,
        dtype: np.dtype[Any],
        native: bool,
        name: str | None = None,
        label: str = ...,
    ) -> Expr:
        """One node a block, in row-major order."""
    @staticmethod
    def open_zarr(path: str, component: str | None = None, chunks: _Chunks | None = None) -> Expr:
        """An array stored as Zarr, version 2 or 3, in a folder of this machine; its own chunks by default."""
    @staticmethod
    def open_npy_stack(path: str) -> Expr:
        """An array stored as a stack of npy files with a JSON description."""
    @staticmethod
    def from_blocks(
        blocks: Sequence[Any], chunks: _Chunks, dtype: np.dtype[Any], native: bool, name: str | None = None
    ) -> Expr:
        """Blocks that are known already, in row-major order."""
    # --- elementwise -----------------------------------------------------------------------------------------------
    @staticmethod
    def elementwise(
        operation: str, inputs: Sequence[Expr], dtypes: Sequence[np.dtype[Any]], label: str | None = None
    ) -> Expr:
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
    def broadcast_to(self, chunks: _Chunks) -> Expr: ...
    def rechunk(self, chunks: _Chunks) -> Expr: ...
    def regions(self, ranges: Sequence[Sequence[tuple[int, int]]]) -> Expr:
        """Block k along an axis holds elements start..stop of the input (ranges may overlap: halos, windows)."""
    def take(self, axis: int, index: np.ndarray[Any, Any], chunks: Sequence[int]) -> Expr:
        """Elements `index` (any order, non-negative int64) along one axis, in blocks of the given lengths."""
    def points(self, axes: Sequence[int], positions: Sequence[np.ndarray[Any, Any]], chunks: Sequence[int]) -> Expr:
        """Elements at points: positions along some axes; the points are the first axis of the result."""
    def filter(self, mask: Expr) -> Expr:
        """The elements where a mask of the same blocks is true, along one axis of unknown length."""
    def compress(self, mask: Expr, axis: int) -> Expr:
        """The slices along an axis where a mask of one axis is true."""
    @staticmethod
    def histogram(
        samples: Sequence[Expr],
        weights: Expr | None,
        edges: Sequence[Sequence[float]],
        dtype: np.dtype[Any],
    ) -> Expr:
        """How many elements (points of several samples) are between edges, or the sums of their weights."""
    @staticmethod
    def bincount(numbers: Expr, weights: Expr | None, least: int, dtype: np.dtype[Any]) -> Expr:
        """How often each number from 0 is there, or the sums of the weights that belong to it."""
    def select_blocks(self, index: Sequence[Sequence[int]]) -> Expr:
        """The outer product of block numbers an axis; each axis keeps its place."""
    def reshape_blocks(self, chunks: _Chunks) -> Expr:
        """Row-major block k of the input, reshaped to be row-major block k of the result."""
    def with_chunks(self, chunks: _Chunks) -> Expr:
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
        ddof: float = 0.0,
        label: str | None = None,
    ) -> Expr:
        """A native tree reduction: sum prod min max any all mean var std count_nonzero nansum nanprod nanmin nanmax
        nanmean nanvar nanstd argmin argmax nanargmin nanargmax (arg kinds: one axis, or all of them for the flat index)."""
    @staticmethod
    def reduce_dtype(kind: str, dtype: np.dtype[Any]) -> np.dtype[Any] | None:
        """The accumulator that the native reduction of `dtype` gives by default, None when there is none."""
    def scan(self, kind: str, axis: int, dtype: np.dtype[Any]) -> Expr:
        """Cumulative sum prod nansum nanprod along one axis."""
    def sample_sort(self, positions: bool) -> Expr:
        """One dimension sorted across its blocks, or the int64 positions that sort it; the chunks stay."""
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
    def transform(self, steps: Sequence[tuple[str, int, int]], scaling: str, dtype: np.dtype[Any], label: str) -> Expr:
        """Fourier transforms `(kind, axis, n)` one after another, of elements cast to `dtype` first: kinds are fft ifft
        rfft irfft hfft ihfft, axes in one block each; `scaling` is backward, ortho or forward, as NumPy's `norm`."""
    @staticmethod
    def linear(
        step: str,
        numbers: Sequence[int],
        out_ind: Sequence[int],
        args: Sequence[tuple[Expr, Sequence[int]]],
        chunks: _Chunks,
        dtype: np.dtype[Any],
        native: bool,
        label: str,
    ) -> Expr:
        """A step of linear algebra with the blocks that `blockwise` would find, without the interpreter.

        factor triangle stack-factor stack-triangle orthogonal (QR), svd singular-values, cholesky, solve-lower
        solve-upper solve-below, lu-panel lu-update permutation, and part, which takes one of several results.
        """
    @staticmethod
    def choice(alone: Expr, shared: Expr, instead: Expr) -> Expr:
        """What `alone` is, made by `instead` where `shared`, of which that takes a part, is computed anyway."""
    # --- Python functions a block ----------------------------------------------------------------------------------
    @staticmethod
    def blockwise(
        function: Callable[..., Any],
        out_ind: Sequence[int],
        args: Sequence[tuple[Any, Sequence[int] | None]],
        chunks: _Chunks,
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
        chunks: _Chunks,
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
    def joined(self, blocks: Sequence[object]) -> Any:
        """The whole array of blocks that were computed elsewhere, in row-major order."""
    def to_zarr(
        self,
        path: str,
        component: str | None = None,
        chunks: Sequence[int] | None = None,
        version: int = 3,
        compressor: str | None = ...,
        overwrite: bool = False,
    ) -> Node:
        """A node that writes the array as a new Zarr array, which appears under its name when all of it is there."""
    def to_npy_stack(self, path: str, axis: int) -> Node:
        """A node that writes the array as a stack of npy files along an axis; other axes have one chunk."""
    def recipe(self) -> tuple[str, tuple[Any, ...]]:
        """The constructor's name and arguments, of which other expressions are a part."""
    def __reduce__(self) -> Any: ...

def rebuild_expr(constructor: str, args: tuple[Any, ...]) -> Expr:
    """Rebuilds a pickled array."""

@final
class ExprPart:
    """Stands for an earlier expression in the list that a long chain of them is pickled as."""
    def __new__(cls, number: int) -> ExprPart: ...
    def __reduce__(self) -> Any: ...

def rebuild_exprs(recipes: list[tuple[str, tuple[Any, ...]]]) -> Expr:
    """Rebuilds a pickled array from the recipes of all that it is made of, and its own as the last."""

@final
class Memory:
    """Keeps a chunk's memory alive for the NumPy array that shows it."""

@final
class OrderFunction:
    """A native function of blocks that has to do with order; `blockwise` and `group_blocks` take it as a function.

    Names and options: sort argsort (axis), partition argpartition (axis, places), median (axes, skip_nan, keep), quantile
    (axes, points, single, method, skip_nan, keep), searchsorted (side, added_axis), isin (invert), lexsort, top (axis, k),
    top_of_block (axis, k, starts), top_of_parts (axis, k, end), unique_of_block (starts, index, counts), unique_of_parts,
    part (number), inverse.
    """

    def __new__(cls, name: str, options: dict[str, Any]) -> OrderFunction: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    @property
    def __name__(self) -> str: ...

def unify_chunks(
    arrays: Sequence[tuple[_Chunks, Sequence[Any]]],
) -> dict[Any, tuple[int | float, ...]]:
    """The common refinement of chunks for each index; ValueError when lengths differ (1 broadcasts)."""

@final
class Node:
    """One value to be computed: a call and the nodes that it stands on."""

    @property
    def key(self) -> str: ...
    def __reduce__(self) -> Any: ...

def run(
    items: Sequence[Node | Delayed | Expr],
    *,
    scheduler: str = "threads",
    num_workers: int | None = None,
    memory_limit: int | None = None,
    spill_directory: str | PathLike[str] | None = None,
    monitor: object | None = None,
    keep_blocks: bool = False,
    children: tuple[str, list[str], list[tuple[str, str]], bytes, int] | None = None,
    chunksize: int | None = None,
) -> list[Any]:
    """Computes all items in one go. An `Expr` gives its NumPy array (or what NumPy-like blocks concatenate to), or, with
    `keep_blocks`, an `Expr` that holds its computed blocks; a Node its value, or with `keep_blocks` a Node that holds it.

    `scheduler` is `threads`, `sync` or `processes`, which needs `children`: program, arguments, environment, pickled setup
    and purpose (children of another one are not used); `chunksize` tasks are sent to a child at a time at most. `monitor` hears `run_started(keys, known keys)`, `task_started(key, worker, at)`,
    `task_finished(key, worker, at, took, bytes, value)`, `task_failed(key, worker)` and `run_finished(failed)`.
    """

# --- delayed calls -----------------------------------------------------------------------------------------------------
@disjoint_base
class Delayed:
    """A lazy value; `raskr.delayed` puts the methods on it that are written in Python."""

    def __new__(cls, key: object, dsk: object, length: int | None = None, layer: object = None) -> Delayed: ...
    @property
    def key(self) -> Any: ...
    @property
    def _key(self) -> Any: ...
    @property
    def _length(self) -> int | None: ...
    @property
    def _nout(self) -> int | None: ...
    @property
    def _pure(self) -> bool | None: ...
    @property
    def _obj(self) -> Any: ...
    @property
    def _attr(self) -> str | None: ...
    @property
    def _node(self) -> Node: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, index: Any, /) -> Any: ...
    def __len__(self) -> int: ...
    def __copy__(self) -> Delayed: ...
    def __deepcopy__(self, memo: Any) -> Delayed: ...
    def __iter__(self) -> Any: ...
    def __reduce__(self) -> Any: ...

@final
class DelayedLeaf(Delayed):
    """A lazy object that is known already, such as a function that was decorated."""

@final
class DelayedAttr(Delayed):
    """An attribute of a lazy value."""

def delayed(
    object: object, name: object = None, pure: bool | None = None, nout: object = None, traverse: bool = True
) -> Any:
    """Makes an object or a function lazy; see `raskr.delayed`."""

def delayed_of_node(node: Node, nout: int | None = None) -> Delayed:
    """The lazy value of a node."""

def node_of_source(node: Node, source: object, key: str) -> Node:
    """A node under a key of its own, that can be made again from an object whose method `node` gives it."""

def node_of_value(value: object, key: str | None = None, name: str = "value") -> Node:
    """A node that holds a value which is known already."""

def node_of_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    key: str | None = None,
    name: str | None = None,
) -> Node:
    """A node that calls `function(*args, **kwargs)`; nodes and lazy values in the arguments are computed first."""

def restore_node(calls: object) -> Node:
    """Rebuilds a pickled node."""

def restore_delayed(kind: str, content: object, name: object, pure: bool | None, nout: int | None) -> Any:
    """Rebuilds a pickled lazy value."""

def restore_task(calls: object, index: int) -> Task:
    """Rebuilds a pickled task."""

def annotation_entered(entered: bool) -> None:
    """A `with raskr.annotate(...)` block was entered or left."""

def child_main() -> None:
    """Serves the process at the other end of the standard input, until that one is gone."""

def close_children() -> None:
    """Ends the child processes and the threads that wait for work."""

def idle_children() -> list[int]:
    """Process ids of the child processes that wait for work."""

def digest(buffer: object) -> str:
    """The token of the bytes that an object shows by the buffer protocol, 32 hexadecimal digits."""

# --- task graphs as mappings -------------------------------------------------------------------------------------------
@final
class Task:
    """One task of a plan as a function of its inputs' values, for schedulers other than raskr's own."""

    @property
    def name(self) -> str: ...
    @property
    def native(self) -> bool:
        """Whether the task runs without the interpreter."""
    @property
    def movable(self) -> bool:
        """Whether the task can be pickled: calls can, operations of arrays can't."""
    def __call__(self, *values: Any) -> Any: ...
    def __reduce__(self) -> Any: ...

def nodes_of_graph(
    dsk: object, keys: Sequence[Any], annotations: dict[Any, dict[str, int]] | None = None
) -> tuple[list[Node], dict[str, Any]]:
    """The nodes of some keys of a raw graph, and the keys by the names that their tasks go under. Keys without annotations
    have those in force."""

def graph_of(items: Sequence[Node | Delayed]) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
    """The tasks that items need, as `{key: (task, *keys of its inputs)}`, and the key of each item."""

def draw(items: Sequence[Node | Delayed], format: str, rankdir: str, by_order: bool) -> bytes:
    """A picture of the tasks that items need: the bytes of a file in `dot`, `svg` or `png`."""

# --- text files --------------------------------------------------------------------------------------------------------
@final
class TextFile:
    """A file of text, or `data` fetched before (with `path` as its name), and how its lines are to be read.

    With `objects`, the options of an object store, `path` is a URL.

    `start` and `length` give a region of an uncompressed file: its lines are those that begin behind its first byte and
    up to its end, and the first line of the file, so that regions that meet have each line once.
    `newline` is None (universal, ends become `\\n`), `""` (universal, ends stay) or the text that ends lines.
    `threads` may decode one bz2 file.
    What is not native (encodings of several bytes but Unicode's, some handlers of errors) raises NotImplementedError.
    Errors while reading: OSError and its kinds, EOFError for compressed files that end too early, UnicodeDecodeError.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        *,
        data: bytes | bytearray | None = None,
        objects: dict[str, str] | None = None,
        compression: str | None = None,
        start: int | None = None,
        length: int | None = None,
        newline: str | None = None,
        encoding: str = "utf-8",
        errors: str = "strict",
        threads: int = 1,
    ) -> TextFile: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]: ...
    def lines(self) -> list[str]:
        """All lines, each with its end."""
    def count(self) -> int:
        """The number of lines; no string is made."""
    def read(self) -> bytes:
        """The bytes of the file or of the region, uncompressed but not decoded, without a byte order mark."""
    def __iter__(self) -> TextReader:
        """Lists of lines, each list of a piece of the file; memory holds one at a time."""

@final
class TextReader:
    """The lines of a `TextFile`, piece by piece."""

    def __iter__(self) -> TextReader: ...
    def __next__(self) -> list[str]: ...

def text_write(
    path: str | PathLike[str],
    lines: Iterable[str | bytes],
    *,
    compression: str | None = None,
    last_newline: bool = False,
) -> None:
    """Writes strings (as UTF-8) or bytes with a newline between any two, and behind the last one if asked to.

    The file takes its name when it is whole.
    """

# --- object stores -------------------------------------------------------------------------------------------------------
# Options are those of the Rust crate `object_store`. Errors: OSError and its kinds, NotImplementedError for what is no URL
# of a store and for options that it does not know.
def object_check(url: str, options: dict[str, str]) -> None:
    """NotImplementedError where a store can't be made of these."""

def object_about(url: str, options: dict[str, str]) -> tuple[int, float]:
    """A file's bytes, and when it was written, in seconds since 1970."""

def object_list(url: str, options: dict[str, str], all: bool) -> list[tuple[str, int | None, float]]:
    """URLs, bytes (None for folders) and times of all files below a folder, or of files and folders directly in it."""

def object_delete(url: str, options: dict[str, str]) -> None:
    """Takes a file away; it is no error if there is none."""

def object_copy(url: str, to: str, options: dict[str, str]) -> None:
    """Copies a file within its bucket."""

@final
class ObjectReader:
    """A file that is open."""

    size: int
    def __new__(cls, url: str, options: dict[str, str]) -> ObjectReader: ...
    def read_at(self, place: int, count: int) -> bytes:
        """So many bytes from a place on, or fewer at the file's end."""

@final
class ObjectWriter:
    """A file that is being written, and is there once it is finished."""

    def __new__(cls, url: str, options: dict[str, str]) -> ObjectWriter: ...
    def write(self, bytes: bytes) -> None: ...
    def finish(self) -> None: ...
    def give_up(self) -> None:
        """Nothing is kept of what was written."""

# --- frames --------------------------------------------------------------------------------------------------------------
@final
class FrameExpr:
    """A value for each row of a plan, with pandas' meaning of missing values. What is not native raises NotImplementedError."""

    @staticmethod
    def column(name: str) -> FrameExpr: ...
    @staticmethod
    def literal(value: bool | float | str) -> FrameExpr: ...
    @staticmethod
    def timestamp(value: int, unit: str, zone: str | None) -> FrameExpr:
        """A point in time, counted in a unit ("s", "ms", "us", "ns") from 1970 on."""
    @staticmethod
    def binary(operation: str, left: FrameExpr, right: FrameExpr) -> FrameExpr:
        """An operation by the name of a function of `operator`, such as "truediv" or "le"."""
    def negated(self) -> FrameExpr: ...
    def inverted(self) -> FrameExpr: ...
    def is_missing(self) -> FrameExpr: ...
    def is_in(self, values: Sequence[bool | float | str]) -> FrameExpr: ...
    def cast(self, to: str) -> FrameExpr:
        """The value as a type by NumPy's name; ValueError, once computed, where missing values have none there."""
    def otherwise(self, second: FrameExpr) -> FrameExpr:
        """The value, or the second one where it is missing."""

@final
class MadeUpSource:
    """Random values for the rows of a column, the same for the same seed and label."""

    @staticmethod
    def numbers(
        seed: Sequence[int], label: str, distribution: str, params: Sequence[float], whole: bool
    ) -> MadeUpSource:
        """Numbers of the distribution that NumPy's method of this name has; truncated if `whole`.

        `seed` are digits of 32 bits. Integers take the lowest one and how many there are. ValueError for parameters that the
        distribution does not have.
        """
    @staticmethod
    def texts(seed: Sequence[int], label: str, texts: Sequence[str | None]) -> MadeUpSource:
        """Some of these texts, of which None is a missing one."""
    @staticmethod
    def letters(seed: Sequence[int], label: str, length: int) -> MadeUpSource:
        """Texts of so many random letters and digits."""
    def values(self, first: int, rows: int) -> np.ndarray[Any, Any] | list[str]:
        """The values of rows from number `first` on: numbers, which of the texts, or texts of letters."""

@final
class FramePlan:
    """A table in partitions, before it is computed; a wrong name raises KeyError, what is not native NotImplementedError."""

    @staticmethod
    def read_python(
        name: str, schema: object, function: Callable[[int, list[str]], object], estimates: Sequence[int]
    ) -> FramePlan:
        """Partitions that `function(number, columns)` gives as objects with `__arrow_c_stream__`.

        `schema` has `__arrow_c_schema__`; `estimates` are the bytes of each partition, 0 when unknown.
        """
    @staticmethod
    def read_csv(
        files: Sequence[tuple[TextFile, bool, int]],
        columns: Sequence[tuple[str, int, str]],
        width: int,
        header: str | None,
        separator: str,
        missing: Sequence[str],
        again: Callable[[int, list[str]], object],
    ) -> FramePlan:
        """Files of delimited text: each with whether it begins with the header, and its bytes once read.

        `columns` are names, places in the file and NumPy's names of types; the last one is the column of row numbers.
        What is not as it should be is read by `again(number, columns)`, as in `read_python`.
        """
    @staticmethod
    def read_parquet(
        parts: Sequence[tuple[Sequence[tuple[str, Sequence[int] | None]], int]],
        columns: Sequence[tuple[str, str, str]],
        row_numbers: str | None,
        objects: dict[str, str] | None,
        again: Callable[[int, list[str]], object],
    ) -> FramePlan:
        """Parquet files, here or in the object store whose options are given: for each partition paths or URLs with the numbers of row groups, and its bytes once read.

        `columns` are names, names in the files and NumPy's names of types; `row_numbers` is a further column, which counts
        the rows of a partition. What is not as it should be is read by `again(number, columns)`, as in `read_python`.
        """
    @staticmethod
    def made_up(
        name: str,
        columns: Sequence[tuple[str, str, MadeUpSource | None]],
        parts: Sequence[tuple[int, int, int, int]],
    ) -> FramePlan:
        """Made-up rows: names, NumPy's names of types and sources of columns, of which None grows by steps.

        `parts` are, of each partition, the number of its first row, its rows, and where and by how much steps go on.
        """
    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names of columns with NumPy's names of their types."""
    @property
    def estimate(self) -> int:
        """Bytes of the sources, 0 when unknown."""
    def project(self, columns: Sequence[tuple[str, FrameExpr]]) -> FramePlan: ...
    def filter(self, predicate: FrameExpr) -> FramePlan: ...
    def aggregate(
        self, keys: Sequence[str], measures: Sequence[tuple[str, str | None, str, int]], drop_missing: bool
    ) -> FramePlan:
        """A row for each group, or one for all rows without keys; measures are (name, column, statistic, ddof)."""
    def join(self, right: FramePlan, on: Sequence[tuple[str, str]], how: str, way: str) -> FramePlan:
        """Rows of both with equal keys.

        `way` is "left" or "right" for the side that goes whole to all partitions of the other, "exchange", or "chosen".
        """
    def sort(self, keys: Sequence[tuple[str, bool, bool]], bounds: object = None) -> FramePlan:
        """Rows in the order of keys: (column, descending, missing values first).

        `bounds`, a table of one column of an Arrow library, are values of the first key where partitions begin.
        """
    def sort_whole(self, keys: Sequence[tuple[str, bool, bool]]) -> FramePlan:
        """Rows in the order of keys, in one partition."""
    def regroup(self, partitions: int) -> FramePlan:
        """The same rows in so many partitions."""
    def explain(self) -> str: ...

@final
class FrameTable:
    """A computed partition of a plan."""

    @property
    def num_rows(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The table as a stream of the Arrow C interface."""

def frame_nodes(
    plans: Sequence[FramePlan], threads: int, memory_limit: int | None, elsewhere: bool
) -> list[list[Node]]:
    """The partitions of plans, each a node that gives a `FrameTable`; what plans share is computed once."""

def frame_columns(tables: Sequence[Node], count: int, numbered: bool, together: bool, size: int) -> list[Node]:
    """The `count` columns of tables, one behind the other: a node for each, or one for a list of them if `together`.

    `size` is the tables' estimated size in bytes.

    Numbers, truth values and times are NumPy arrays (missing ones NaN, in floats, and not-a-time); texts, and truth values some
    of which are missing, are a `FrameTable` of one column. If `numbered`, the numbers of rows in their tables come last.
    """

def frame_stages(plans: Sequence[FramePlan], threads: int, memory_limit: int | None) -> str:
    """The stages that plans are cut in, and what DataFusion does in them."""

# --- clusters ----------------------------------------------------------------------------------------------------------
@disjoint_base
class Future:
    """A value that a cluster has or is to have; `raskr.distributed.future` puts the rest of its methods on.

    `Future(future)` is one more future of the same value, `Future(key, client)` one of a key that the scheduler knows.
    """

    def __new__(cls, key: Any, client: Any = None) -> Future: ...
    @property
    def key(self) -> Any: ...
    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def release(self) -> None: ...
    client: Any
    executor: Any
    status: str
    type: Any
    result: Any
    exception: Any
    traceback: Any
    add_done_callback: Any
    cancel: Any
    retry: Any
    bind_client: Any
    @property
    def _text(self) -> str:
        """The key as the scheduler knows it."""

    @property
    def _number(self) -> int:
        """By which listeners name the future."""

    @property
    def _native(self) -> ClusterClient: ...
    @property
    def _status(self) -> str:
        """`pending`, `finished`, `error`, `cancelled` or `lost`."""

    def _exception(self) -> BaseException | None:
        """What `result` would raise now."""

    def _failed(self) -> bool:
        """Whether `_exception` is the task's own."""

    def _raised(self) -> bytes | None:
        """The pickled pair of what the task raised and the text of its traceback."""

    @property
    def _node(self) -> Node:
        """The engine's node of the value."""

    def __await__(self) -> Any: ...

@final
class ClusterClient:
    """A client's connection to a scheduler. Calls that wait look for Ctrl-C."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str:
        """Where the scheduler was reached."""

    @property
    def about(self) -> str:
        """What the scheduler said of itself, as JSON."""

    @property
    def ended(self) -> str | None:
        """Why nothing can be asked any more; None while it can."""

    @property
    def workers(self) -> int:
        """How many workers there are."""

    def token(self) -> str:
        """The cluster's secret, for processes that are to join it."""

    def close(self, timeout: float = 1.0) -> None: ...
    def ask(
        self, question: str, buffers: Sequence[bytes] = ..., timeout: float | None = None
    ) -> tuple[str, list[bytes]]:
        """The scheduler's answer to a question, both JSON, and buffers with it."""

    def submit(
        self,
        function: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        key: object = None,
        pure: bool = True,
        options: dict[str, Any] | None = None,
    ) -> Future:
        """One call. Options: `workers`, `allow_other_workers`, `resources`, `retries`, `priority`."""

    def map(
        self,
        function: object,
        iterables: Sequence[list[Any]],
        kwargs: dict[str, Any] | None = None,
        keys: Sequence[Any] | None = None,
        name: str | None = None,
        pure: bool = True,
        options: dict[str, Any] | None = None,
    ) -> list[Future]:
        """A call for each of the items that iterables have at a place, as many as the shortest has."""

    def submit_items(
        self, items: Sequence[Node | Delayed | Expr], options: dict[str, Any] | None = None, waited_for: bool = False
    ) -> list[Any]:
        """The tasks that items need; a future of each item, for an array a list of those of its blocks.

        `waited_for`: nothing else is done until the futures are done, nor with them once they have been gathered.
        """

    def want(self, keys: Sequence[Any]) -> list[Future]:
        """Futures of keys that are known to the scheduler."""

    def scatter(
        self, keys: Sequence[Any] | None, objects: Sequence[Any], copies: int | None = None, waited_for: bool = False
    ) -> list[Future]:
        """Puts objects on workers under keys, or those of their content; `copies` says on how many, None on all.

        `waited_for`: nobody changes them until the futures are done.
        """

    def wait(self, futures: Sequence[Future], every: bool = True, timeout: float | None = None) -> bool:
        """Whether all, or any, of some futures are done, in time."""

    def wait_for_workers(self, workers: int, timeout: float | None = None) -> bool:
        """Whether there are so many workers, in time."""

    def gather(
        self, futures: Sequence[Future], errors: str = "raise", timeout: float | None = None
    ) -> tuple[list[Any], list[int]]:
        """The values of futures, once all are done, and with `errors="skip"` the places of those that have none."""

    def keys(self) -> list[tuple[str, str]]:
        """Key and status of everything that this client holds futures of."""

    def cancel(self, futures: Sequence[Future], force: bool = False) -> None: ...
    def retry(self, futures: Sequence[Future]) -> None: ...
    def replicate(self, futures: Sequence[Future], copies: int | None = None) -> None:
        """Keeps values on so many workers; None: on all."""

    def publish(self, name: str, futures: Sequence[Future]) -> None:
        """Keeps values under a name, beyond the life of the client."""

    def unpublish(self, name: str) -> None: ...
    def nbytes(self, future: Future) -> int | None:
        """Bytes of a value that is there."""

@final
class ClusterListener:
    """A queue of notices: futures that are done, events, conflicts of keys, the end of a connection."""

    def __init__(self) -> None: ...
    def watch(self, client: ClusterClient, futures: Sequence[Future]) -> None:
        """Has the end of each future come here, at once for those that are done."""

    def listen(self, client: ClusterClient) -> None:
        """Has events, conflicts of keys and the end of the connection come here."""

    def wake(self) -> None:
        """Wakes one who waits, with the notice `("woken", None)`."""

    def next(self, timeout: float | None = None) -> list[tuple[str, Any]]:
        """Those that are there and, when there are none, the next one, if it comes in time: what it is, and of what.

        `("done", number)`, `("event", (topic, event))`, `("conflict", key)`, `("ended", reason)`.
        """

def connect(options: dict[str, Any]) -> ClusterClient:
    """Connects to a scheduler.

    Options: `name` (needed), `address` or `scheduler_file`, `token`, `timeout` in seconds, `tls_ca_file`, `tls_cert`,
    `tls_key`, `insecure`, `about` (JSON for people), `kept_bytes` (of what it sends, to send it again).
    """

def futures_under(items: Sequence[Node | Delayed]) -> list[Future]:
    """Futures of the values that nodes stand on."""

def run_here(code: bytes, index: int, arguments: bytes | None, inputs: Sequence[Future]) -> Any:
    """What a task of a cluster gives, run in this process with the values of its inputs, which are fetched."""

# --- settings, sizes, errors -------------------------------------------------------------------------------------------
def settings() -> list[tuple[str, str, Any, str]]:
    """Every setting as `(name, kind, default, doc)`."""

def check_setting(name: str, value: object) -> Any:
    """The value in the form that the engine takes (bytes and durations as numbers), or an error of its kind."""

def settings_reference() -> str:
    """The reference page of all settings, in Markdown."""

def set_delayed_pure(pure: bool) -> None:
    """Tells the value of the setting `delayed_pure`, which every delayed call looks at."""

def default_memory_limit() -> int | None:
    """The limit of memory where none is set."""

def parse_bytes(value: object) -> int:
    """Bytes of a number, or of text such as `128 MiB`."""

def parse_duration(text: str, default: str | None) -> float:
    """Seconds of text such as `300 ms`; text without a unit is in units of `default`, or refused where that is None."""

def format_bytes(bytes: float) -> str: ...
def format_duration(seconds: float) -> str: ...
def exception_of(class_: str) -> None:
    """Raises the exception of an error class of the engine."""

class CancelledError(Exception):
    """The computation was cancelled before it ended."""

class KilledWorker(Exception):
    """A process that ran a task was ended from outside."""

__version__: str

# --- the cluster: schedulers --------------------------------------------------------------------------------------------

@final
class SchedulerHandle:
    """A scheduler that runs in this process, on threads of its own; it ends when it is closed or nobody holds it."""

    @property
    def address(self) -> str:
        """Where workers and clients reach it."""
    @property
    def id(self) -> str:
        """Unique among clusters."""
    @property
    def token(self) -> str:
        """What those who join have to show; 64 hexadecimal digits."""
    @property
    def dashboard_link(self) -> str | None:
        """The page's address with its token; None when there is none."""
    def ask(
        self, question: str, buffers: Sequence[bytes] = ..., timeout: float | None = None
    ) -> tuple[str, list[bytes]]:
        """The answer to a question, JSON as the question is, with buffers.

        A question that is refused raises the exception that the scheduler names.
        """
    def wait(self, timeout: float | None = None) -> bool:
        """Has it ended? Waits for that as long as `timeout` says."""
    def close(self, reason: str = ...) -> None:
        """Close all workers, tell clients, and end; returns when nothing is left of it."""

def start_scheduler(options: dict[str, Any]) -> SchedulerHandle:
    """Start a scheduler in this process; it listens when this returns.

    Options, all of which may be absent or None: `host`, `port` (0: the system's choice), `interface`, `protocol`
    ("tcp", "tls", "inproc"; by default TLS beyond this machine), `insecure`, `tls_ca_file`, `tls_cert`, `tls_key`,
    `token`, `scheduler_file`, `publish` (whether this user's processes find it by themselves), `idle_timeout`,
    `dashboard_address` (where the page is; none without), `dashboard_prefix`; times in seconds: `suspect_after`, `lost_after`, `resume_within`, `drain`, `latency`,
    `unknown_duration`; `kills_max`, `losses_max`, `bandwidth`, `admission`, `admission_spilling`, `story_len`.
    """

@final
class WorkerHandle:
    """A worker that runs in this process, on threads and children of its own; it ends when nobody holds it."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str:
        """Where peers and clients fetch values."""
    def wait(self, timeout: float | None = None) -> str | None:
        """How it ended: "closed" (by the scheduler), "left", "stopped", or an error in words; None while it runs."""
    def leave(self) -> None:
        """Have it end once the values that only it has are elsewhere."""
    def close(self) -> None:
        """Have it end at once."""

def start_worker(options: dict[str, Any]) -> WorkerHandle:
    """Start a worker in this process and wait until its scheduler has taken it in; raises when none does.

    Options, all but the first of which may be absent or None: `scheduler_address` or `scheduler_file`, `token`, `name`,
    `nthreads`, `memory_limit` in bytes, `target` (the share of it above which values are spilled), `resources`,
    `local_directory`, `spill_limit` in bytes, `host`, `port`, `interface`, `protocol`, `insecure`, `death_timeout` in seconds,
    `children` (as of `raskr.multiprocessing.children`; without, Python runs on threads of this process), `tls_ca_file`,
    `tls_cert`, `tls_key`.
    """

def current_task() -> dict[str, str] | None:
    """The `key` of the task of a cluster that runs on this thread, and its `worker`'s address."""

def secede() -> None:
    """Have the worker run another task while this one waits; `ValueError` outside of tasks."""

def rejoin() -> None:
    """The task that seceded goes on."""
