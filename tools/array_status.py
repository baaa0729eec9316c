"""Writes docs/status/array.md: for every array function, whether its tasks run natively, by NumPy block by block, or on a whole axis.

    python tools/array_status.py [--check]

Nothing is claimed by hand: each function is called on small chunked arrays, and the plan that it gives is looked at. The
columns come from the tasks of the plan. With `--check` nothing is written, and the exit status tells whether the page is up to date.
"""

import argparse
import inspect
import pathlib
import re
import sys
import warnings

import numpy as np

import raskr
import raskr.array as da

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "status" / "array.md"
#: modules whose public functions are listed, with the name that users know them by
MODULES = {
    "raskr.array": da,
    "raskr.array.linalg": da.linalg,
    "raskr.array.fft": da.fft,
    "raskr.array.random": da.random,
    "raskr.array.stats": da.stats,
    "raskr.array.ma": da.ma,
}
#: modules of helpers, whose names others import
PRIVATE = {"raskr.array._apply", "raskr.array._docs", "raskr.array.utils"}
HELPERS = {"checked", "numpy_generator", "numpy_only", "one_block_last"}
SHAPE, CHUNKS = (12, 8), (3, 2)


def example(dtype="f8", shape=SHAPE, chunks=CHUNKS):
    """A chunked array of distinct small positive values."""
    values = (np.arange(1, 1 + np.prod(shape)) * 7 % 101).reshape(shape)
    return da.from_array(
        (values / 101).astype(dtype) if np.dtype(dtype).kind in "fc" else (values % 5).astype(dtype), chunks=chunks
    )


def arguments():
    """Argument lists, the first of which that a function accepts is used."""
    matrix, vector, whole = example(), example(shape=(12,), chunks=3), example("i8")
    square, counts = example(shape=(12, 12), chunks=4), example("i8", (12,), 3)
    flags = example("f8") > 0.5
    yield from (
        (matrix,),
        (matrix, matrix),
        (vector,),
        (vector, vector),
        (square,),
        (square, square),
        (counts,),
        (counts, counts),
    )
    yield from (
        (whole,),
        (whole, whole),
        (flags,),
        (flags, flags),
        (matrix, 0),
        (matrix, 1),
        (vector, 1),
        ([matrix, matrix],),
        ([vector, vector],),
    )
    yield from (
        (flags, matrix),
        (flags, matrix, matrix),
        (vector, vector, vector),
        (counts, 3),
        (matrix, (1, 0)),
        (matrix, 0, 1),
        (np.max, matrix),
    )
    yield from ((SHAPE,), (SHAPE, 1.0), (12,), (1.0, 2.0), (example("M8[s]", (12,), 3),), ())


def distributions() -> list[str]:
    """Names of random distributions whose functions take a size."""
    found = (name for name in dir(da.random) if name.islower() and callable(getattr(da.random, name)))
    return [name for name in found if "size" in str(inspect.signature(getattr(da.random, name)))]


def drawn(name: str):
    """Numbers from a distribution, with whatever parameters it accepts."""
    for parameters in (
        (),
        (0.5,),
        (3,),
        (1.0, 2.0),
        (3, 0.5),
        (1.0, 2.0, 3.0),
        (5, 5, 3),
        (3, [0.5, 0.5]),
        ([1.0, 2.0],),
        ([0, 0], np.eye(2)),
    ):
        try:
            return getattr(da.random, name)(*parameters, size=SHAPE, chunks=CHUNKS)
        except (AttributeError, IndexError, TypeError, ValueError):
            continue
    raise SystemExit(f"no parameters known for random.{name}")


#: calls where the first accepted argument list would say little about the function, or where none fits
CALLS = {
    "raskr.array": {
        "apply_along_axis": lambda x: da.apply_along_axis(np.sum, 0, x),
        "apply_gufunc": lambda x: da.apply_gufunc(lambda a: a.mean(-1), "(i)->()", x.rechunk({1: -1})),
        "apply_over_axes": lambda x: da.apply_over_axes(da.sum, x, [0]),
        "argtopk": lambda x: da.argtopk(x[:, 0], 3),
        "as_gufunc": lambda x: da.as_gufunc("(i)->()")(lambda a: a.mean(-1))(x.rechunk({1: -1})),
        "average": lambda x: da.average(x, axis=0),
        "bincount": lambda x: da.bincount(example("i8", (12,), 3), minlength=5),
        "blockwise": lambda x: da.blockwise(np.negative, "ij", x, "ij", dtype=float),
        "block": lambda x: da.block([[x, x]]),
        "broadcast_to": lambda x: da.broadcast_to(x, (2, *SHAPE)),
        "choose": lambda x: da.choose(example("i8") % 2, [x, x]),
        "clip": lambda x: da.clip(x, 0.2, 0.8),
        "coarsen": lambda x: da.coarsen(np.mean, x, {0: 3, 1: 2}),
        "compress": lambda x: da.compress([True, False] * 6, x, axis=0),
        "concatenate": lambda x: da.concatenate([x, x]),
        "convolve": lambda x: da.convolve(x[:, 0], np.ones(3)),
        "correlate": lambda x: da.correlate(x[:, 0], np.ones(3)),
        "delete": lambda x: da.delete(x, 2, axis=0),
        "digitize": lambda x: da.digitize(x, np.linspace(0, 1, 5)),
        "einsum": lambda x: da.einsum("ij,ik->jk", x, x),
        "extract": lambda x: da.extract(x > 0.5, x),
        "from_array": lambda x: da.from_array(np.ones(SHAPE), chunks=CHUNKS),
        "from_delayed": lambda x: da.from_delayed(raskr.delayed(np.ones)(3), (3,), dtype=float),
        "fromfunction": lambda x: da.fromfunction(lambda i, j: i + j, shape=SHAPE, chunks=CHUNKS, dtype=float),
        "frompyfunc": lambda x: da.frompyfunc(abs, 1, 1)(x),
        "full_like": lambda x: da.full_like(x, 2.0),
        "gradient": lambda x: da.gradient(x, axis=0),
        "histogram": lambda x: da.histogram(x, bins=5, range=(0, 1))[0],
        "histogram2d": lambda x: da.histogram2d(x[:, 0], x[:, 1], bins=4, range=((0, 1), (0, 1)))[0],
        "histogramdd": lambda x: da.histogramdd(x.rechunk({1: -1})[:, :2], bins=(3, 3), range=((0, 1), (0, 1)))[0],
        "insert": lambda x: da.insert(x, 2, 1.0, axis=0),
        "interp": lambda x: da.interp(x, [0.0, 1.0], [1.0, 2.0]),
        "map_blocks": lambda x: da.map_blocks(np.negative, x),
        "map_overlap": lambda x: da.map_overlap(np.negative, x, depth=1, boundary="reflect"),
        "median": lambda x: da.median(x, axis=1),
        "nanmedian": lambda x: da.nanmedian(x, axis=1),
        "nanpercentile": lambda x: da.nanpercentile(x, 30, axis=1),
        "nanquantile": lambda x: da.nanquantile(x, 0.3, axis=1),
        "overlap": lambda x: da.overlap.overlap(x, depth=1, boundary="reflect"),
        "pad": lambda x: da.pad(x, 1),
        "partition": lambda x: da.partition(x, 2),
        "argpartition": lambda x: da.argpartition(x, 2),
        "percentile": lambda x: da.percentile(x[:, 0], [30, 60]),
        "piecewise": lambda x: da.piecewise(x, [x < 0.5, x >= 0.5], [-1, 1]),
        "quantile": lambda x: da.quantile(x, 0.3, axis=1),
        "ravel_multi_index": lambda x: da.ravel_multi_index(example("i8", (2, 12), (2, 3)), SHAPE),
        "rechunk": lambda x: da.rechunk(x, (4, 4)),
        "reduction": lambda x: da.reduction(x, np.sum, np.sum, dtype=float),
        "repeat": lambda x: da.repeat(x, 2, axis=0),
        "reshape": lambda x: da.reshape(x, (6, 16)),
        "roll": lambda x: da.roll(x, 2, axis=0),
        "searchsorted": lambda x: da.searchsorted(da.arange(10, chunks=5), x),
        "select": lambda x: da.select([x < 0.5, x >= 0.5], [x, x]),
        "shuffle": lambda x: da.shuffle(x, [[1, 0, 2], [5, 4, 3], [6, 7, 8, 9, 10, 11]], axis=0),
        "sliding_window_view": lambda x: da.lib.stride_tricks.sliding_window_view(x, 2, axis=0),
        "split": lambda x: da.split(x, 3)[0],
        "take": lambda x: da.take(x, [3, 1], axis=0),
        "take_along_axis": lambda x: da.take_along_axis(x, example("i8") % 3, axis=1),
        "tensordot": lambda x: da.tensordot(x, x, axes=((0,), (0,))),
        "tile": lambda x: da.tile(x, (2, 1)),
        "topk": lambda x: da.topk(x[:, 0], 3),
        "unravel_index": lambda x: da.unravel_index(example("i8", (12,), 3), (3, 4)),
        "where": lambda x: da.where(x > 0.5, x, 0.0),
    },
    "raskr.array.linalg": {
        "cholesky": lambda x: da.linalg.cholesky(definite()),
        "inv": lambda x: da.linalg.inv(definite()),
        "lu": lambda x: da.linalg.lu(definite())[2],
        "solve": lambda x: da.linalg.solve(definite(), definite()[:, 0]),
        "solve_triangular": lambda x: da.linalg.solve_triangular(da.tril(definite()), definite()[:, 0], lower=True),
        "lstsq": lambda x: da.linalg.lstsq(tall(), tall()[:, 0])[0],
        "qr": lambda x: da.linalg.qr(tall())[1],
        "tsqr": lambda x: da.linalg.tsqr(tall())[1],
        "sfqr": lambda x: da.linalg.sfqr(tall().T)[1],
        "svd": lambda x: da.linalg.svd(tall())[1],
        "svd_compressed": lambda x: da.linalg.svd_compressed(tall(), 2, seed=1)[1],
    },
    "raskr.array.fft": {
        name: (lambda x, name=name: getattr(da.fft, name)(x.rechunk({0: 3, 1: -1}), axis=1))
        for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
    },
    "raskr.array.random": {
        **{name: (lambda x, name=name: drawn(name)) for name in distributions()},
        "choice": lambda x: da.random.choice(5, size=12, chunks=3),
        "permutation": lambda x: da.random.permutation(x),
    },
}


#: functions that want an axis in one chunk, which their example call therefore has
RECHUNKED = {"apply_gufunc", "as_gufunc", "histogramdd", *CALLS["raskr.array.fft"]}


def definite():
    """A symmetric positive definite matrix."""
    return da.from_array(np.eye(12) * 40 + np.ones((12, 12)), chunks=4)


def tall():
    """A tall matrix in one column of chunks."""
    return da.from_array(np.random.default_rng(0).random((24, 3)), chunks=(6, 3))


def plan_of(result) -> list | None:
    """The tasks of what a function gave; None when it gave nothing lazy."""
    items = result if isinstance(result, (tuple, list)) else [result]
    items = [item for item in items if raskr.is_dask_collection(item)]
    if not items:
        return None
    tasks = []
    for item in items:
        tasks += [
            task
            for task in dict(item.__dask_graph__()).values()
            if isinstance(task, tuple) and hasattr(task[0], "native")
        ]
    return tasks


def gathers(tasks) -> bool:
    """Whether a task holds a whole axis that was in several chunks. Tasks without inputs count when others stand on them."""
    if not any(inputs for _, *inputs in tasks):
        return False
    for task, *_ in tasks:
        found = re.search(r"block \(.*?\) of shape \((.*?)\) in an array of shape \((.*?)\)", repr(task))
        if found is None:
            continue
        block, whole = (
            tuple(int(side) for side in part.split(",") if side.strip().isdigit()) for part in found.groups()
        )
        if len(block) == len(whole) and any(side == length >= 8 for side, length in zip(block, whole)):
            return True
    return False


def verdict(function, arguments, rechunked=False) -> str | None:
    """`native` or `NumPy per block`, either with `whole`; `-` for a function without tasks; None when the call fails."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            tasks = plan_of(function(*arguments))
        except Exception:
            return None
    if tasks is None:
        return "-"
    whole = not rechunked and gathers(tasks)
    return ("native" if all(task.native for task, *_ in tasks) else "NumPy per block") + (", whole" if whole else "")


def functions(module) -> list[str]:
    """Public functions of a module, not its types and submodules."""
    names = getattr(module, "__all__", None) or dir(module)
    return sorted(
        name
        for name in set(names)
        if not name.startswith("_")
        and name not in HELPERS
        # What a module merely imported for its own use is no part of it.
        and (hasattr(module, "__all__") or getattr(module, name, None).__doc__)
        and getattr(getattr(module, name), "__module__", None) not in PRIVATE
        and callable(getattr(module, name, None))
        and not inspect.isclass(getattr(module, name))
    )


def table(title: str, module) -> dict[str, str]:
    """What each function of a module does."""
    overrides, found = CALLS.get(title, {}), {}
    for name in functions(module):
        if name in overrides:
            found[name] = verdict(overrides[name], (example(),), name in RECHUNKED) or "?"
            continue
        answers = (verdict(getattr(module, name), given) for given in arguments())
        found[name] = next((answer for answer in answers if answer not in (None, "-")), "-")
    return found


HEAD = """# Arrays: what runs natively

Made by `tools/array_status.py`, which calls every function on small chunked float64 arrays (integers or booleans where the
function wants them) and looks at the tasks of its plan. *Native* tasks run in Rust, without the interpreter, and are fused with
their neighbours where that is possible. *NumPy per block* calls NumPy's or SciPy's own function on each block: the same results,
without the gain. *Whole* means that some task holds all of an axis that was in several chunks. Functions that give no lazy
array for such arguments (they compute, read files, or only look at types and shapes) are in the last row.

Blocks of bool, integers, float16/32/64, complex64/128 (elementwise functions beyond arithmetic, `exp`, `log` and `sqrt` take NumPy per block),
datetime64 and timedelta64 run natively. Object, string, structured, masked and foreign blocks always take NumPy's or their own functions.

"""


def page() -> str:
    """The page's text."""
    text = HEAD
    rows = (
        ("native", "native"),
        ("native, on whole axes", "native, whole"),
        ("NumPy per block", "NumPy per block"),
        ("NumPy, on whole axes", "NumPy per block, whole"),
        ("no tasks", "-"),
    )
    for title, module in MODULES.items():
        found = table(title, module)
        broken = [name for name, answer in found.items() if answer == "?"]
        if broken:
            raise SystemExit(f"{title}: the example calls of {', '.join(broken)} fail")
        text += f"## `{title}`\n\n| how | functions |\n| --- | --- |\n"
        for label, answer in rows:
            names = [name for name, given in found.items() if given == answer]
            if names:
                text += f"| {label} ({len(names)}) | {' '.join(f'`{name}`' for name in names)} |\n"
        text += "\n"
    return text.rstrip("\n") + "\n\n" + REST


REST = """## Storage

| format | native | through Python packages |
| --- | --- | --- |
| npy stacks | native types, mapped from the files | - |
| Zarr 2 and 3 in folders | native types; chunks raw or compressed by zstd, gzip, zlib, blosc; sharded; row- and column-major; either byte order | other filters and codecs, other element types, remote stores: `zarr` |
| HDF5 | - | `h5py` |
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only tell whether the page is up to date")
    options = parser.parse_args()
    text = page()
    if options.check:
        return 0 if PAGE.read_text() == text else 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
