"""Blocks that are not NumPy's own arrays: a library's type that refuses to become dense, and masked arrays."""

import sys

import numpy as np
import pytest

import raskr.array as da


class Boxed(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of another library, as `sparse` has them: NumPy's protocols, and no way to NumPy but `todense`."""

    __array_priority__ = 5

    def __init__(self, values):
        self.values = values

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)
    ndim = property(lambda self: self.values.ndim)
    size = property(lambda self: self.values.size)
    nbytes = property(lambda self: self.values.nbytes)
    T = property(lambda self: boxed(self.values.T))

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("cannot convert to a dense array automatically: use todense")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return boxed(getattr(ufunc, method)(*unboxed(inputs), **unboxed(kwargs)))

    def __array_function__(self, function, types, args, kwargs):
        if not all(issubclass(kind, (Boxed, np.ndarray)) for kind in types):
            return NotImplemented
        return boxed(function(*unboxed(args), **unboxed(kwargs)))

    def __getitem__(self, index):
        return boxed(self.values[index])

    def __getattr__(self, name):
        method = getattr(np.ndarray, name, None)
        if not callable(method) or name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: boxed(getattr(self.values, name)(*unboxed(args), **unboxed(kwargs)))

    def todense(self):
        return self.values


def boxed(value):
    return Boxed(value) if isinstance(value, np.ndarray) else value


def unboxed(value):
    if isinstance(value, Boxed):
        return value.values
    if isinstance(value, (list, tuple)):
        return type(value)(unboxed(one) for one in value)
    if isinstance(value, dict):
        return {name: unboxed(one) for name, one in value.items()}
    return value


da.register_chunk_type(Boxed)

DENSE = np.random.default_rng(1).random((12, 8)).round(2)
DENSE[DENSE < 0.5] = 0

CALLS = {
    "itself": lambda x: x,
    "twice": lambda x: x + x,
    "by a number": lambda x: 2 * x - 1,
    "with dense": lambda x: x * DENSE,
    "ufunc": lambda x: np.sin(x),
    "compared": lambda x: x > 0.7,
    "power": lambda x: abs(-x) ** 2,
    "cast": lambda x: x.astype("f4"),
    "sliced": lambda x: x[2:9, ::2],
    "row": lambda x: x[3],
    "chosen": lambda x: x[[3, 1, 7]],
    "masked rows": lambda x: x[np.arange(12) % 2 == 0],
    "new axis": lambda x: x[None],
    "turned": lambda x: x.T,
    "reshaped": lambda x: x.reshape(96),
    "rechunked": lambda x: x.rechunk((5, 3)) if hasattr(x, "chunks") else x,
    "joined": lambda x: np.concatenate([x, x], axis=1),
    "stacked": lambda x: np.stack([x, x]),
    "flipped": lambda x: np.flip(x, 0),
    "rolled": lambda x: np.roll(x, 2, 0),
    "where": lambda x: np.where(x > 0.7, x, 0),
    "clipped": lambda x: np.clip(x, 0.2, 0.8),
    "triangle": lambda x: np.tril(x),
    "product": lambda x: x.T @ x,
    "tensordot": lambda x: np.tensordot(x, x, axes=((0,), (0,))),
    "einsum": lambda x: np.einsum("ij,ij->i", x, x),
    **{
        f"{name} {axis} {keepdims}": lambda x, name=name, axis=axis, keepdims=keepdims: getattr(x, name)(
            axis=axis, keepdims=keepdims
        )
        for name in ("sum", "prod", "max", "min", "mean", "std", "var", "any", "all")
        for axis, keepdims in ((0, False), (1, True), (None, False))
    },
    "count_nonzero": lambda x: np.count_nonzero(x, axis=0),
}


def dense(value):
    return value.todense() if isinstance(value, Boxed) else value


@pytest.mark.parametrize("name", CALLS)
def test_blocks_of_another_library(name):
    wanted = CALLS[name](DENSE)
    from_array = da.from_array(Boxed(DENSE), chunks=(5, 4), asarray=False)
    from_blocks = da.from_array(DENSE, chunks=(5, 4)).map_blocks(Boxed)
    for x in (from_array, from_blocks):
        assert isinstance(x._meta, Boxed)
        result = CALLS[name](x)
        value = result.compute()
        assert isinstance(value, Boxed) or np.ndim(wanted) == 0 or not isinstance(result._meta, Boxed)
        np.testing.assert_allclose(dense(value), wanted)
        assert dense(value).dtype == result.dtype == wanted.dtype


def test_made_dense_block_by_block():
    x = da.from_array(Boxed(DENSE), chunks=(5, 4), asarray=False)
    assert "Boxed" in repr(x)
    for plain in (x.map_blocks(Boxed.todense, meta=np.empty((0, 0))), x.to_backend("numpy")):
        assert isinstance(plain._meta, np.ndarray)
        np.testing.assert_allclose(plain.sum(axis=0).compute(), DENSE.sum(axis=0))


def test_a_type_gives_way_only_once_it_is_registered():
    class Stranger(Boxed):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return "the stranger decides"

    class Late:
        __array_ufunc__ = Stranger.__array_ufunc__

    x = da.ones(3, chunks=2)
    assert np.add(x, Late()) == "the stranger decides"
    with pytest.raises(RuntimeError, match="todense"):
        np.asarray(Boxed(DENSE))
    assert isinstance(Boxed(np.arange(3)) + x, da.Array)


MASKED = np.ma.masked_equal(DENSE, 0)


# NumPy's own functions of these names drop masks, or see the values under them.
UNLIKE_NUMPY = {"with dense", "joined", "stacked", "product", "tensordot", "einsum", "count_nonzero"}


@pytest.mark.parametrize("name", [name for name in CALLS if name not in UNLIKE_NUMPY])
def test_masked_blocks(name):
    wanted = CALLS[name](MASKED)
    for x in (da.from_array(MASKED, chunks=(5, 4)), da.ma.masked_equal(da.from_array(DENSE, chunks=(5, 4)), 0)):
        assert isinstance(x._meta, np.ma.MaskedArray)
        value = CALLS[name](x).compute()
        np.testing.assert_array_equal(np.ma.getmaskarray(value), np.ma.getmaskarray(wanted))
        np.testing.assert_allclose(np.ma.filled(value, 7), np.ma.filled(wanted, 7))


def test_joined_masked_blocks_keep_their_masks():
    x = da.from_array(MASKED, chunks=(5, 4))
    for join in (lambda m, one: m.concatenate([one, one]), lambda m, one: m.stack([one, one])):
        value, wanted = join(da, x).compute(), join(np.ma, MASKED)
        np.testing.assert_array_equal(value.mask, wanted.mask)
        np.testing.assert_array_equal(value.filled(7), wanted.filled(7))


def test_images_are_read_by_a_function(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((4, 5), number))
    x = da.image.imread(str(tmp_path / "*.npy"), imread=np.load, preprocess=lambda image: image[:2] + 1)
    assert x.shape == (3, 2, 5) and x.chunks == ((1, 1, 1), (2,), (5,))
    assert x[:, 0, 0].compute().tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="No files"):
        da.image.imread(str(tmp_path / "*.png"), imread=np.load)


def test_what_an_absent_package_is_needed_for_is_said(monkeypatch, tmp_path):
    for package in ("skimage", "tiledb", "cupy"):
        monkeypatch.setitem(sys.modules, package, None)
    x = da.ones(3, chunks=2)
    for call, package in [
        (lambda: da.image.imread(str(tmp_path / "*.png")), "scikit-image"),
        (lambda: x.to_tiledb(str(tmp_path / "x")), "tiledb"),
        (lambda: da.from_tiledb(str(tmp_path / "x")), "tiledb"),
        (lambda: x.to_backend("cupy"), "cupy"),
    ]:
        with pytest.raises(ImportError, match=package):
            call()
    with pytest.raises(ValueError, match="'torch'"):
        x.to_backend("torch")
