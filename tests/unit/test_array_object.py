"""The array object itself: attributes, conversion, pictures, pickles, joining, storage."""

import copy
import json
import operator
import pickle
import threading
import xml.etree.ElementTree

import numpy as np
import pytest

import raskr
import raskr.array as da


def values(x):
    return x.compute(scheduler="sync")


def test_attributes_are_known_without_computing():
    x = da.ones((4, 6), chunks=(3, 2), dtype="f4")
    assert x.shape == (4, 6) and x.chunks == ((3, 1), (2, 2, 2)) and x.chunksize == (3, 2)
    assert x.numblocks == (2, 3) and x.npartitions == 6 and x.ndim == 2 and x.size == 24
    assert x.itemsize == 4 and x.nbytes == 96 and x.dtype == "f4" and len(x) == 4
    assert x.T.chunks == ((2, 2, 2), (3, 1))
    assert repr(x).startswith("raskr.array<") and "shape=(4, 6)" in repr(x) and "dtype=float32" in repr(x)


def test_equal_arrays_have_equal_names():
    held = np.arange(6)
    x, y = da.from_array(held, chunks=2), da.from_array(held.copy(), chunks=2)
    assert x.name == y.name and (x + 1).name == (y + 1).name != (x + 2).name
    assert da.from_array(held, chunks=2, name="mine").name == "mine"
    assert da.from_array(held, name=False).name != da.from_array(held, name=False).name


def test_one_element_becomes_a_number():
    x = da.from_array(np.array([3]), chunks=1)
    assert bool(x) and int(x) == 3 and float(x) == 3.0 and complex(x) == 3 + 0j and operator.index(x) == 3
    two = da.ones(2, chunks=1)
    with pytest.raises(TypeError, match="length-1"):
        int(two)
    with pytest.raises(ValueError, match=r"ambiguous.*a.any\(\)"):
        bool(two)


def test_iteration_and_membership():
    x = da.from_array(np.arange(6).reshape(3, 2), chunks=2)
    assert [row.compute().tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    assert 5 in x and 6 not in x
    with pytest.raises(TypeError, match="0-d"):
        iter(x[0, 0]).__next__()


def test_copies_and_pickles():
    x = da.from_array(np.arange(6), chunks=4) + 1
    for twin in (x.copy(), copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin is not x and twin.name == x.name and values(twin).tolist() == values(x).tolist()
    twin = x.copy()
    twin[0] = 99
    assert values(x)[0] == 1 and values(twin)[0] == 99


def test_numpy_arrays_are_made_by_computing():
    x = da.from_array(np.arange(4), chunks=2)
    assert np.asarray(x).tolist() == [0, 1, 2, 3] and np.asarray(x, dtype=float).dtype == float
    with pytest.warns(FutureWarning, match="memory view"):
        x.__array__(copy=False)


def test_results_are_not_views_of_the_source():
    held = np.arange(10)
    for chunks in (5, 10):
        x = da.from_array(held, chunks=chunks)
        x.compute()[0] = 42
        assert held[0] == 0


@pytest.mark.parametrize("shape", [(10,), (10, 10), (3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5, 6, 7), (5000, 3)])
def test_pictures_are_xml(shape):
    text = da.ones(shape, chunks=2).to_svg()
    assert xml.etree.ElementTree.fromstring(text).tag.endswith("svg") and text.count("\n") < 300


def test_the_page_tells_sizes():
    x = da.ones((3000, 10000), chunks=(1000, 1000))
    page = x._repr_html_()
    xml.etree.ElementTree.fromstring(page)
    for part in (str(x.shape), "float64", "30 blocks", "228.88 MiB"):
        assert part in page
    for odd in (da.ones(()), da.ones(3)[:0], x[x > 1]):
        xml.etree.ElementTree.fromstring(odd._repr_html_())
        with pytest.raises(NotImplementedError):
            odd.to_svg()


def test_arrays_are_joined():
    a, b = np.arange(6).reshape(2, 3), np.arange(3.0).reshape(1, 3)
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=(1, 1))
    z = da.concatenate([x, y, x])
    assert z.dtype == float and np.array_equal(values(z), np.concatenate([a, b, a]))
    assert np.array_equal(values(da.stack([x, x + 1], axis=-1)), np.stack([a, a + 1], axis=-1))
    assert np.array_equal(values(da.block([[x, x], [y, y]])), np.block([[a, a], [b, b]]))
    left, right = da.broadcast_arrays(x[:, :1], y)
    assert left.shape == right.shape == (2, 3)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda x: da.concatenate([]), "need array"),
        (lambda x: da.concatenate([x, x[0]]), "same number of axes"),
        (lambda x: da.concatenate([x, x[:, :2]]), "lengths of axis 1 differ"),
        (lambda x: da.concatenate([x, x], axis=2), "2 dimensions, but got axis=2"),
        (lambda x: da.stack([x, x[:1]]), r"first array had shape \(2, 3\), while array 2 has shape \(1, 3\)"),
        (lambda x: da.broadcast_to(x, (2, 4)), r"cannot broadcast shape \(2, 3\) to shape \(2, 4\)"),
        (lambda x: da.block([[x], x]), "depths are mismatched"),
        (lambda x: x.transpose(0, 0), "expected each of 0..1 once"),
        (lambda x: x.astype("i4", casting="safe"), "according to the rule 'safe'"),
    ],
)
def test_what_does_not_fit_is_named(make, text):
    with pytest.raises((ValueError, TypeError), match=text):
        make(da.ones((2, 3), chunks=2))


def test_blocks_may_lie_anywhere_in_memory():
    raw = b"x" + np.arange(5.0).tobytes()
    part = raskr.delayed(np.frombuffer)(raw, offset=1)
    lazy = da.from_delayed(part, (5,), dtype=float)
    assert lazy.sum().compute() == 10 and (lazy + 1).compute().tolist() == [1, 2, 3, 4, 5]
    record = np.zeros(3, dtype=[("flag", "i1"), ("value", "f8")])
    record["value"] = [1, 2, 3]
    values = da.ones((3,), chunks=3).map_blocks(lambda block: record["value"], dtype=float)
    assert (values * 2).compute().tolist() == [2, 4, 6]


def test_sources_of_any_kind():
    class Source:
        shape, dtype, ndim = (5,), np.dtype("i8"), 1

        def __getitem__(self, index):
            return np.arange(5)[index]

    lock = threading.Lock()
    assert values(da.from_array(Source(), chunks=2, lock=lock)).tolist() == [0, 1, 2, 3, 4]
    assert values(da.from_array([[1, 2], [3, 4]], chunks=1)).tolist() == [[1, 2], [3, 4]]
    assert values(da.asarray([da.ones(2, chunks=1), da.zeros(2, chunks=1)])).tolist() == [[1, 1], [0, 0]]
    lazy = da.from_delayed(raskr.delayed(np.arange)(4), shape=(4,), dtype=int)
    assert values(lazy + 1).tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="already a raskr array"):
        da.from_array(lazy)
    with pytest.raises(TypeError, match="shape and dtype, got object"):
        da.from_array(object())


@pytest.mark.parametrize("field", ["f8", "c16", "i4", "M8[D]"])
def test_fields_of_packed_records_are_numbers(field):
    records = np.zeros(9, dtype=[("small", "i1"), ("field", field)])
    records["field"] = np.arange(9)
    for x in (da.from_array(records["field"], chunks=4), da.from_array(records, chunks=4)["field"]):
        assert x.dtype == field
        np.testing.assert_array_equal((x[1:] - x[:-1]).compute(), np.diff(records["field"]))
        np.testing.assert_array_equal(x.compute(), records["field"])
        assert (x[::-1].astype("f8").cumsum(axis=0)[-1]).compute() == 36
    odd = np.frombuffer(b"x" + np.arange(9.0).tobytes(), offset=1)
    assert (da.from_array(odd, chunks=4) + odd).sum().compute() == 72
    # They are views, as other arrays are: what is written before they are computed is seen.
    held = da.from_array(records["field"], chunks=4)
    records["field"][0] = 5
    assert held.astype("f8").sum().compute() == 41


def test_task_graphs_become_arrays_and_back():
    x = da.Array({("x", 0): (np.arange, 3), ("x", 1): (np.arange, 2)}, "x", chunks=((3, 2),), dtype=int)
    assert values(x + 1).tolist() == [1, 2, 3, 1, 2]
    blocks = x.to_delayed()
    assert blocks.shape == (2,) and blocks[1].compute().tolist() == [0, 1]
    y = da.from_array(np.array([0, 1, 2, 0, 1]), chunks=3) + 1
    graph = y.__dask_graph__()
    results = raskr.get(graph, y.__dask_keys__())
    finish, args = y.__dask_postcompute__()
    assert finish(results, *args).tolist() == [1, 2, 3, 1, 2]


def test_persisted_arrays_hold_their_blocks():
    calls = []

    def count(block):
        calls.append(1)
        return block

    x = da.ones(4, chunks=2).map_blocks(count, dtype=float).persist(scheduler="sync")
    done = len(calls)
    assert values(x).tolist() == values(x).tolist() == [1, 1, 1, 1] and len(calls) == done


def test_store_fills_targets_and_regions():
    x = da.from_array(np.arange(6).reshape(2, 3), chunks=(1, 2))
    target, wide = np.zeros((2, 3)), np.zeros((4, 3))
    assert da.store([x, x + 1], [target, wide], regions=[None, (slice(1, 3),)], scheduler="sync") is None
    assert target.tolist() == [[0, 1, 2], [3, 4, 5]] and wide.tolist() == [[0] * 3, [1, 2, 3], [4, 5, 6], [0] * 3]
    later = np.zeros((2, 3))
    lazy = x.store(later, compute=False, return_stored=True)
    assert not later.any() and values(lazy).tolist() == later.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match=r"sources \[1\] and targets \[2\]"):
        da.store([x], [target, target])
    with pytest.raises(ValueError, match="source 0 is ndarray"):
        da.store([target], [target])


def test_npy_stacks_are_described_by_json_and_never_unpickled(tmp_path):
    x = da.from_array(np.arange(12.0).reshape(4, 3), chunks=(2, 2))
    folder = tmp_path / "stack"
    da.to_npy_stack(folder, x)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack"]
    assert json.loads((folder / "info.json").read_text())["chunks"] == [[2, 2], [3]]
    assert values(da.from_npy_stack(folder)).tolist() == values(x).tolist()
    da.to_npy_stack(folder, x.T.astype("i4"), axis=1)
    assert da.from_npy_stack(folder).chunks == ((3,), (2, 2)) and da.from_npy_stack(folder).dtype == "i4"
    old = tmp_path / "old"
    old.mkdir()
    (old / "info").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises((ValueError, OSError), match="pickle"):
        da.from_npy_stack(old)


def test_an_error_leaves_no_half_written_stack_or_store(tmp_path):
    def fail(block, block_id=None):
        if block_id[0]:
            raise RuntimeError("no more")
        return block

    x = da.ones((4, 2), chunks=2).map_blocks(fail, dtype=float)
    with pytest.raises(RuntimeError, match="no more"):
        da.to_npy_stack(tmp_path / "stack", x)
    with pytest.raises(RuntimeError, match="no more"):
        x.to_zarr(tmp_path / "x.zarr")
    assert list(tmp_path.iterdir()) == []


def test_zarr_stores(tmp_path):
    zarr = pytest.importorskip("zarr")
    held = np.arange(20.0).reshape(4, 5)
    x = da.from_array(held, chunks=(2, 3))
    for version in (2, 3):
        path = tmp_path / f"v{version}.zarr"
        x.to_zarr(path, zarr_format=version)
        y = da.from_zarr(path)
        assert y.chunks == x.chunks and values(y).tolist() == held.tolist()
        assert zarr.open_array(path)[:].tolist() == held.tolist()
        assert da.from_zarr(path, chunks=(4, 2)).chunks == ((4,), (2, 2, 1))
        with pytest.raises(ValueError):
            x.to_zarr(path)
        (x + 1).to_zarr(path, overwrite=True)
        assert values(da.from_zarr(path)).tolist() == (held + 1).tolist()
    x.to_zarr(tmp_path / "group.zarr", component="deep/x")
    assert values(da.from_zarr(tmp_path / "group.zarr", component="deep/x")).tolist() == held.tolist()
    target = zarr.create_array({}, shape=(4, 5), chunks=(2, 5), dtype="f8")
    x.to_zarr(target)
    assert target[:].tolist() == held.tolist()
    with pytest.raises(FileNotFoundError):
        da.from_zarr(tmp_path / "missing.zarr")


def test_hdf5_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    x = da.from_array(np.arange(6.0), chunks=4)
    da.to_hdf5(tmp_path / "x.h5", "/x", x, compression="lzf")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["x"].chunks == (4,) and values(da.from_array(file["x"])).tolist() == list(range(6))


def test_missing_packages_are_named():
    with pytest.raises(ImportError, match="pip install tiledb"):
        da.from_tiledb("nowhere")
    with pytest.raises(ValueError, match="No backend dispatch registered for 'abacus'"):
        da.ones(2).to_backend("abacus")


def test_axes_that_do_not_exist_are_axis_errors_when_joining():
    for join in (da.concatenate, da.stack):
        with pytest.raises(np.exceptions.AxisError, match="axis=5"):
            join([da.ones((2, 3)), da.ones((2, 3))], axis=5)


def test_plugins_see_every_array_that_is_made():
    seen = []
    with raskr.config.set(array_plugins=[seen.append]):
        x = da.ones(4, chunks=2)
        y = x + 1
    assert [array.name for array in seen] == [x.name, y.name]
    with raskr.config.set(array_plugins=[lambda array: array.compute()]):
        assert isinstance(da.ones(4), np.ndarray)
    assert len(seen) == 2


def test_arrays_of_unknown_lengths_are_stacked_only_when_trusted():
    x, y = da.arange(6, chunks=3), da.arange(6, chunks=3)[::-1]
    x, y = x[x > 2], y[y > 2]
    with pytest.raises(ValueError, match="same shape.*nan"):
        da.stack([x, y])
    np.testing.assert_array_equal(da.stack([x, y], allow_unknown_chunksizes=True), [[3, 4, 5], [5, 4, 3]])
