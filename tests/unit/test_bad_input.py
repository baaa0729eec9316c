"""Bad input: what class of error it gives (Dask's), and the words that tell what was expected and what came."""

import pickle
import re
import threading

import numpy as np
import pytest
from numpy.exceptions import AxisError

import raskr
import raskr.array as da
from raskr import delayed
from raskr.threaded import get


def x():
    """An array of shape (4, 6) in four blocks."""
    return da.ones((4, 6), chunks=(2, 3))


def unknown():
    """An array whose length only its computation tells."""
    v = da.arange(10, chunks=4)
    return v[v > 3]


def setitem(target, index, value):
    target[index] = value


def with_config(settings, program):
    with raskr.config.set(settings):
        return program()


def fail(block):
    raise RuntimeError(f"a block of {block.shape}")


# Program, class, and the texts that the message must hold.
TABLE = {
    # --- shapes ---
    "add": (lambda: da.ones(3) + da.ones(4), ValueError, ["could not be broadcast", "(3,)", "(4,)"]),
    "add planes": (lambda: x() + da.ones((4, 5), chunks=2), ValueError, ["(4, 6)", "(4, 5)", "lengths 6 and 5"]),
    "where": (lambda: da.where(x() > 0, da.ones(5), 0), ValueError, ["(4, 6)", "(5,)"]),
    "broadcast_to": (lambda: da.broadcast_to(x(), (4, 7)), ValueError, ["shape (4, 6) to shape (4, 7)"]),
    "reshape": (lambda: x().reshape(5, 5), ValueError, ["(4, 6) has 24 elements", "(5, 5) has 25"]),
    "reshape two unknown": (lambda: x().reshape(-1, -1), ValueError, ["one unknown dimension", "(-1, -1)"]),
    "matmul": (
        lambda: da.matmul(da.ones((4, 5), chunks=2), da.ones((4, 5), chunks=2)),
        ValueError,
        ["axis 1 of length 5 and axis 0 of length 4"],
    ),
    "tensordot": (lambda: da.tensordot(x(), x(), axes=1), ValueError, ["length 6", "length 4"]),
    "einsum": (lambda: da.einsum("ij,jk->ik", x(), x()), ValueError, ["'j' has lengths 6 and 4"]),
    "concatenate": (
        lambda: da.concatenate([x(), da.ones((4, 5), chunks=2)]),
        ValueError,
        ["(4, 6)", "(4, 5)", "only axis 0 may"],
    ),
    "concatenate nothing": (lambda: da.concatenate([]), ValueError, ["need array(s) to concatenate, got none"]),
    "stack": (lambda: da.stack([da.ones(3), da.ones(4)]), ValueError, ["(3,)", "(4,)"]),
    "diag": (lambda: da.diag(da.ones((2, 2, 2))), ValueError, ["1d or 2d", "3"]),
    "assign": (
        lambda: setitem(x(), slice(0, 2), np.ones((3, 3))),
        ValueError,
        ["(3, 3) could not be broadcast", "(2, 6)"],
    ),
    "store": (lambda: da.store([x(), x()], [np.zeros((4, 6))]), ValueError, ["sources [2] and targets [1]"]),
    "blockwise": (lambda: da.blockwise(np.add, "ij", x(), "i", dtype="f8"), ValueError, ["'j'", "no input index"]),
    # --- chunks ---
    "chunks that don't add up": (
        lambda: da.ones((10,), chunks=((3, 3),)),
        ValueError,
        ["((3, 3),)", "chunks[0] adds up to 6, axis 0 has 10"],
    ),
    "chunks of another rank": (
        lambda: da.ones((10, 10), chunks=((5, 5), (5, 5), (1,))),
        ValueError,
        ["3 entries", "2 axes"],
    ),
    "negative chunks": (lambda: da.ones((10,), chunks=-5), ValueError, ["chunks[0] = -5: must be >= 1 (or -1"]),
    "chunks of words": (lambda: da.ones((10,), chunks="lots"), ValueError, ["'lots'"]),
    "chunks of halves": (lambda: da.ones((10,), chunks=2.5), ValueError, ["chunks[0] = 2.5", "whole number"]),
    "no chunks": (lambda: da.ones((10,), chunks=None), ValueError, ["chunks is None", "'auto'"]),
    "from_array": (
        lambda: da.from_array(np.ones((4, 4)), chunks=((2, 3), (4,))),
        ValueError,
        ["chunks[0] adds up to 5, axis 0 has 4"],
    ),
    "rechunk": (lambda: x().rechunk(((1, 1), (6,))), ValueError, ["chunks[0] adds up to 2, axis 0 has 4"]),
    "rechunk unknown": (lambda: unknown().rechunk(2), ValueError, ["unknown lengths", "compute_chunk_sizes()"]),
    "length of unknown": (lambda: len(unknown()), ValueError, ["unknown chunk size", "compute_chunk_sizes()"]),
    "random": (
        lambda: da.random.default_rng(0).normal(size=(3,), chunks=((2, 2),)),
        ValueError,
        ["chunks[0] adds up to 4, axis 0 has 3"],
    ),
    # --- axes ---
    "sum": (lambda: x().sum(axis=2), AxisError, ["axis 2 is out of bounds for array of dimension 2"]),
    "sum from behind": (lambda: x().sum(axis=-3), AxisError, ["axis -3 is out of bounds for array of dimension 2"]),
    "sum along a word": (lambda: x().sum(axis="a"), TypeError, ["str"]),
    "cumsum": (lambda: da.cumsum(x(), axis=4), AxisError, ["axis 4 is out of bounds for array of dimension 2"]),
    "argmax": (lambda: x().argmax(axis=(0, 1)), TypeError, ["(0, 1)", "integer or None"]),
    "argmax of nothing": (lambda: da.ones((0,), chunks=1).argmax().compute(), ValueError, ["empty sequence"]),
    "max of nothing": (lambda: da.ones((0,), chunks=1).max().compute(), ValueError, ["zero-size array", "identity"]),
    "topk": (lambda: da.topk(x(), 2, axis=3), AxisError, ["axis 3 is out of bounds for array of dimension 2"]),
    "transpose": (lambda: x().transpose((0, 0)), ValueError, ["each of 0..1 once", "(0, 0)"]),
    "transpose of another rank": (lambda: x().transpose((0, 1, 2)), ValueError, ["3 axes given", "the array has 2"]),
    "swapaxes": (lambda: x().swapaxes(0, 5), IndexError, ["axis 5 is out of bounds for array of dimension 2"]),
    "moveaxis": (lambda: da.moveaxis(x(), 0, 5), AxisError, ["axis 5 is out of bounds for array of dimension 2"]),
    "squeeze": (lambda: x().squeeze(axis=0), ValueError, ["axes of length 1", "axis 0 of shape (4, 6)"]),
    "flip": (lambda: da.flip(x(), 5), ValueError, ["axis 5", "2"]),
    "roll": (lambda: da.roll(x(), 1, axis=5), IndexError, ["axis 5", "2"]),
    "concatenate along": (lambda: da.concatenate([x(), x()], axis=5), ValueError, ["2 dimensions", "axis=5"]),
    # --- indices ---
    "index": (lambda: x()[10], IndexError, ["Index 10 is out of bounds for axis 0 with size 4"]),
    "second index": (lambda: x()[0, 9], IndexError, ["Index 9 is out of bounds for axis 1 with size 6"]),
    "too many indices": (lambda: x()[0, 0, 0], IndexError, ["Too many indices", "3 given", "2 axes"]),
    "field": (lambda: x()["a"], KeyError, ["no fields in dtype float64"]),
    "half an index": (lambda: x()[1.5], IndexError, ["integer", "1.5"]),
    "list of indices": (lambda: x()[[0, 9]], IndexError, ["Index 9 is out of bounds for axis 0 with size 4"]),
    "mask": (lambda: x()[np.array([True, False])], IndexError, ["2 elements along axis 0, the array 4"]),
    "vindex": (lambda: x().vindex[[0, 9], [0, 1]], IndexError, ["axis 0 of size 4", "9"]),
    "blocks": (lambda: x().blocks[5], IndexError, ["Index 5 is out of bounds for axis 0 with size 2"]),
    "take": (lambda: da.take(x(), [9], axis=0), IndexError, ["Index 9 is out of bounds for axis 0 with size 4"]),
    # --- arguments ---
    "arange": (lambda: da.arange(0, 10, 0), ZeroDivisionError, ["a step that is not 0"]),
    "percentile": (lambda: da.percentile(da.arange(9, chunks=4), 150), ValueError, ["[0, 100]"]),
    "pad": (lambda: da.pad(x(), 1, mode="wavy"), ValueError, ["'wavy'", "'constant'", "'reflect'"]),
    "repeat": (lambda: da.repeat(x(), -1, axis=0), ValueError, ["-1"]),
    "normal": (lambda: da.random.default_rng(0).normal(0, -1, size=5).compute(), ValueError, ["scale < 0"]),
    "integers": (lambda: da.random.default_rng(0).integers(5, 2, size=3).compute(), ValueError, ["low >= high"]),
    "astype": (lambda: x().astype("no-such-type"), TypeError, ["'no-such-type'"]),
    "truth": (lambda: bool(x() > 0), ValueError, ["(4, 6)", "a.any() or a.all()"]),
    "number": (lambda: float(x()), TypeError, ["length-1 arrays", "(4, 6)"]),
    "map_blocks": (lambda: da.map_blocks("f", x()), TypeError, ["callable function, not str"]),
    "drop_axis": (lambda: x().map_blocks(np.sum, drop_axis=9, dtype="f8"), ValueError, ["[9]", "2 axes"]),
    # --- running ---
    "scheduler": (lambda: x().sum().compute(scheduler="thraeds"), ValueError, ["'thraeds'", "'threads'"]),
    "scheduler of another type": (lambda: x().sum().compute(scheduler=5), ValueError, ["5", "scheduler"]),
    "workers of another type": (lambda: x().sum().compute(num_workers="many"), TypeError, ["num_workers", "'many'"]),
    "setting that is not": (lambda: raskr.config.get("no.such.key"), KeyError, ["no"]),
    "memory limit": (
        lambda: with_config({"memory_limit": "lots"}, lambda: x().sum().compute()),
        ValueError,
        ["memory-limit", "'lots'", "128 MiB"],
    ),
    "chunk size": (
        lambda: with_config({"array.chunk-size": "lots"}, lambda: da.ones((10,), chunks="auto")),
        ValueError,
        ["'lots'"],
    ),
    "cycle": (lambda: get({"a": (abs, "b"), "b": (abs, "a")}, "a"), RuntimeError, ["Cycle", "a", "b"]),
    "missing key": (lambda: get({"a": (abs, "a1")}, "c"), KeyError, ["c"]),
    "failing block": (
        lambda: x().map_blocks(fail, dtype="f8").compute(),
        RuntimeError,
        ["a block of (2, 3)"],
    ),
    # --- delayed ---
    "failing call": (lambda: delayed(divmod)(1, 0).compute(), ZeroDivisionError, ["zero"]),
    "iterating": (lambda: list(delayed([1, 2])), TypeError, ["unspecified length"]),
    "truth of delayed": (lambda: bool(delayed(1)), TypeError, ["Truth"]),
    "nout": (lambda: delayed(divmod, nout=-1)(1, 2), ValueError, ["nout", "-1"]),
    "setting an item": (lambda: setitem(delayed([1]), 0, 2), TypeError, ["immutable"]),
    "setting an attribute": (lambda: setattr(delayed(1), "x", 2), TypeError, ["immutable"]),
}


@pytest.mark.parametrize("name", TABLE)
def test_bad_input_is_told(name):
    program, kind, texts = TABLE[name]
    with pytest.raises(kind) as caught:
        program()
    for text in texts:
        assert text in str(caught.value)


def stored(tmp_path):
    path = tmp_path / "x.zarr"
    da.arange(100, chunks=50).to_zarr(str(path), compressors=None)
    return path


def cut(path, nbytes):
    path.write_bytes(path.read_bytes()[:-nbytes])


def missing_zarr(tmp_path):
    return da.from_zarr(str(tmp_path / "none.zarr"))


def truncated_zarr(tmp_path):
    path = stored(tmp_path)
    cut(path / "c" / "1", 7)
    return da.from_zarr(str(path)).compute()


def damaged_zarr(tmp_path):
    (stored(tmp_path) / "zarr.json").write_text("{")
    return da.from_zarr(str(tmp_path / "x.zarr"))


def existing_zarr(tmp_path):
    da.ones(3).to_zarr(str(stored(tmp_path)))


def unknown_to_zarr(tmp_path):
    unknown().to_zarr(str(tmp_path / "u.zarr"))


def missing_stack(tmp_path):
    return da.from_npy_stack(str(tmp_path / "none"))


def pickled_stack(tmp_path):
    (tmp_path / "info").write_bytes(pickle.dumps({"chunks": ((2,),), "dtype": np.dtype("f8"), "axis": 0}))
    return da.from_npy_stack(str(tmp_path))


def truncated_stack(tmp_path):
    da.to_npy_stack(str(tmp_path / "s"), da.arange(100, chunks=50))
    cut(tmp_path / "s" / "1.npy", 9)
    return da.from_npy_stack(str(tmp_path / "s")).compute()


@pytest.mark.parametrize(
    ("program", "kind", "texts"),
    [
        (missing_zarr, FileNotFoundError, ["none.zarr"]),
        (truncated_zarr, ValueError, ["x.zarr/c/1", "393 bytes where 400 were expected"]),
        (damaged_zarr, ValueError, ["zarr.json"]),
        (existing_zarr, ValueError, ["x.zarr"]),
        (unknown_to_zarr, ValueError, ["unknown chunk sizes", "compute_chunk_sizes()"]),
        (missing_stack, FileNotFoundError, ["none", "info.json"]),
        (pickled_stack, ValueError, ["pickle", "to_npy_stack"]),
        (truncated_stack, ValueError, ["1.npy", "391 bytes where 400 were expected"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_files_are_told(program, kind, texts, tmp_path):
    with pytest.raises(kind) as caught:
        program(tmp_path)
    for text in texts:
        assert text in str(caught.value)


def test_a_users_error_says_where():
    with pytest.raises(RuntimeError) as caught:
        x().map_blocks(fail, dtype="f8").sum().compute()
    notes = "\n".join(getattr(caught.value, "__notes__", ()))
    frames = []
    traceback = caught.value.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert frames[-1] == "fail"
    told = str(caught.value) + notes
    assert "test_bad_input.py" in told and re.search(r"\([01], [01]\)", told), told


@pytest.mark.parametrize("writer", ["to_zarr", "to_npy_stack"])
def test_a_failed_write_leaves_nothing(writer, tmp_path):
    target = tmp_path / "target"
    broken = da.ones((4, 4), chunks=(2, 4)).map_blocks(fail, dtype="f8")
    with pytest.raises(RuntimeError):
        if writer == "to_zarr":
            broken.to_zarr(str(target))
        else:
            da.to_npy_stack(str(target), broken)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_overwrite_keeps_the_old(tmp_path):
    path = stored(tmp_path)
    with pytest.raises(RuntimeError):
        da.ones((4, 4), chunks=2).map_blocks(fail, dtype="f8").to_zarr(str(path), overwrite=True)
    assert da.from_zarr(str(path)).compute().tolist() == list(range(100))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]


def test_an_error_stops_what_has_not_begun():
    begun = []
    lock = threading.Lock()

    def count(i):
        with lock:
            begun.append(i)
        if i == 0:
            raise RuntimeError("first")
        return i

    with pytest.raises(RuntimeError, match="first"):
        raskr.compute(*[delayed(count, pure=False)(i) for i in range(10_000)], scheduler="synchronous")
    assert len(begun) < 10_000
