"""Functions that NumPy has and Dask lacks: what they refuse, what stays lazy, what changes in place."""

import pickle
import warnings

import numpy as np
import pytest

import raskr
import raskr.array as da


# --- polynomials ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "y", "options", "error", "text"),
    [
        ([1, 2], [1, 2], {"deg": -1}, ValueError, "deg >= 0"),
        ([[1, 2]], [1, 2], {"deg": 1}, TypeError, "1D vector"),
        ([], [], {"deg": 1}, TypeError, "non-empty"),
        ([1, 2], 3, {"deg": 1}, TypeError, "1D or 2D"),
        ([1, 2], [1, 2, 3], {"deg": 1}, TypeError, "same length, got 2 and 3"),
        ([1, 2], [1, 2], {"deg": 1, "w": [[1, 2]]}, TypeError, "1-d array for weights"),
        ([1, 2], [1, 2], {"deg": 1, "w": [1, 2, 3]}, TypeError, "w and y"),
        ([1, 2], np.ones(2, "f2"), {"deg": 1}, TypeError, "unsupported"),
    ],
)
def test_fits_that_cannot_be(x, y, options, error, text):
    with pytest.raises(error, match=text):
        da.polyfit(da.asarray(x), da.asarray(y), **options)


def test_a_fit_of_low_rank_warns_when_it_is_computed_unless_everything_is_asked_for():
    x, y = da.asarray([1.0, 1.0, 1.0]), da.asarray([1.0, 2.0, 3.0])
    fit = da.polyfit(x, y, 2)
    with pytest.warns(np.exceptions.RankWarning, match="poorly conditioned"):
        np.testing.assert_allclose(fit.compute(scheduler="sync"), np.full(3, 2 / 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, residuals, rank, _, _ = da.polyfit(x, y, 2, full=True)
        assert residuals.compute(scheduler="sync").shape == (0,) and int(rank.compute(scheduler="sync")) == 1


def test_scaled_covariances_need_more_points_than_coefficients():
    _, covariances = da.polyfit(da.arange(3.0), da.arange(3.0), 2, cov=True)
    with pytest.raises(ValueError, match="number of data points must exceed order"):
        covariances.compute()


def test_a_fit_is_stable_where_normal_equations_are_not():
    x = np.linspace(1000, 1001, 200)
    y = (x - 1000.5) ** 2
    ours, theirs = da.polyfit(da.from_array(x, chunks=33), da.from_array(y, chunks=50), 2), np.polyfit(x, y, 2)
    np.testing.assert_allclose(ours.compute(), theirs, rtol=1e-4)


def test_points_of_unknown_number_are_fitted():
    x = da.arange(20.0, chunks=6)
    chosen = x > 3
    np.testing.assert_allclose(da.polyfit(x[chosen], (2 * x + 1)[chosen], 1).compute(), [2, 1], rtol=1e-10)


# --- changes in place -------------------------------------------------------------------------------------------------
def test_only_lazy_arrays_change():
    with pytest.raises(TypeError, match="use numpy.fill_diagonal"):
        da.fill_diagonal(np.zeros((2, 2)), 1)
    with pytest.raises(TypeError, match="use numpy.put_along_axis"):
        da.put_along_axis(np.zeros(2), [0], 1, 0)
    with pytest.raises(TypeError, match="in place, not tuple"):
        da.random.shuffle((1, 2))


def test_diagonals_need_two_axes_and_cubes():
    with pytest.raises(ValueError, match="at least 2-d"):
        da.fill_diagonal(da.zeros(3), 1)
    with pytest.raises(ValueError, match="equal length"):
        da.fill_diagonal(da.zeros((2, 2, 3)), 1)
    with pytest.raises(ValueError, match="equal length"):
        da.diag_indices_from(da.zeros((2, 3)))
    with pytest.raises(ValueError, match="at least 2-d"):
        da.diag_indices_from(da.zeros(3))


def test_values_and_positions_have_to_fit():
    x = da.zeros((3, 4), chunks=2)
    with pytest.raises(IndexError, match="integer array"):
        da.put_along_axis(x, da.zeros((3, 1)), 1, 1)
    with pytest.raises(ValueError, match="same number of dimensions"):
        da.put_along_axis(x, [0], 1, 1)
    with pytest.raises(IndexError, match="do not fit"):
        da.put_along_axis(x, np.zeros((2, 1), int), 1, 1)
    with pytest.raises(ValueError, match="single dimension"):
        da.put_along_axis(x, np.zeros((2, 1), int), 1, None)
    with pytest.raises(np.exceptions.AxisError):
        da.put_along_axis(x, np.zeros((2, 1), int), 1, 2)


def test_arrays_made_before_a_change_keep_their_elements():
    x = da.zeros((3, 3), chunks=2)
    before, copy = x + 1, x.copy()
    da.fill_diagonal(x, 5)
    assert before.compute().sum() == 9 and copy.compute().sum() == 0 and x.compute().trace() == 15


# --- other lengths ----------------------------------------------------------------------------------------------------
def test_shapes_are_checked_and_lazy():
    with pytest.raises(ValueError, match="non-negative"):
        da.resize(da.arange(3), (2, -1))
    with pytest.raises(ValueError, match="unexpected character"):
        da.trim_zeros(da.arange(3), "x")
    assert da.resize(da.ones(10, chunks=5), (1000, 1000)).shape == (1000, 1000)
    assert max(map(max, da.resize(da.ones(1), 10**10).chunks)) < 10**9


# --- states of streams ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("legacy", [True, False])
def test_a_stream_goes_on_from_its_state(legacy):
    state = da.random.RandomState(5)
    state.normal(size=3)
    place = pickle.loads(pickle.dumps(state.get_state(legacy=legacy)))
    wanted = state.normal(size=4).compute()
    other = da.random.RandomState(9)
    other.set_state(place)
    np.testing.assert_array_equal(other.normal(size=4).compute(), wanted)


@pytest.mark.parametrize("state", [None, 3, {"a": 1}, ("MT19937", 1, 2), ("raskr", 1)])
def test_states_of_other_generators_are_refused(state):
    with pytest.raises(ValueError, match="get_state gives"):
        da.random.RandomState(1).set_state(state)


def test_the_module_has_a_state_of_its_own():
    place = da.random.get_state()
    one = da.random.random(3).compute()
    da.random.set_state(place)
    np.testing.assert_array_equal(da.random.random(3).compute(), one)


def test_bytes_come_at_once_and_repeat():
    one, other = (da.random.default_rng(3).bytes(10) for _ in range(2))
    assert type(one) is bytes and len(one) == 10 and one == other
    assert len(da.random.bytes(4)) == 4


def test_lists_and_numpy_arrays_are_shuffled_in_place():
    listed, array = list(range(20)), np.arange(20)
    da.random.RandomState(1).shuffle(listed)
    da.random.default_rng(1).shuffle(array)
    assert sorted(listed) == list(range(20)) != listed
    assert sorted(array.tolist()) == list(range(20)) != array.tolist()


def test_spawned_generators_differ():
    parent = da.random.default_rng(1)
    children = parent.spawn(2)
    drawn = [rng.random(3).compute().tolist() for rng in (parent, *children)]
    assert len({tuple(row) for row in drawn}) == 3
    again = da.random.default_rng(1).spawn(2)
    assert again[1].random(3).compute().tolist() == drawn[2]


def test_permutation_along_an_axis_keeps_lines():
    x = da.arange(12, chunks=5).reshape(3, 4)
    columns = da.random.default_rng(2).permutation(x, axis=1).compute()
    assert sorted(columns[0].tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(columns - columns[0], np.repeat([[0], [4], [8]], 4, axis=1))


# --- masked arrays ----------------------------------------------------------------------------------------------------
def test_every_name_of_numpy_ma_is_there():
    missing = {name for name in np.ma.__all__ if not hasattr(da.ma, name)}
    assert missing == {"core", "extras", "mr_"}


def masked():
    return da.ma.masked_equal(da.arange(6, chunks=4).reshape(2, 3), 4)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: da.ma.ids(masked()), TypeError, "compute it first"),
        (lambda: da.ma.power(masked(), 2, 3), np.ma.MaskError, "3-argument"),
        (lambda: da.ma.add(masked()), TypeError, "2 arguments"),
        (lambda: da.ma.add(masked(), 1, out=masked()), TypeError, "neither out nor where"),
        (lambda: da.ma.log.reduce(masked()), AttributeError, "no reduce"),
        (lambda: da.ma.choose(masked(), [1, 2], mode="x"), ValueError, "mode must be"),
        (lambda: da.ma.take(masked(), [0], mode="x"), ValueError, "mode must be"),
        (lambda: da.ma.put(masked(), [9], [1]), IndexError, "out of bounds"),
        (lambda: da.ma.put(np.ma.zeros(3), [0], [1]), TypeError, "raskr Array"),
        (lambda: da.ma.harden_mask(np.ma.zeros(3)), TypeError, "raskr Array"),
        (lambda: da.ma.mask_rowcols(da.ma.zeros(3)), NotImplementedError, "2D"),
        (lambda: da.ma.compress_rows(da.ma.zeros(3)), NotImplementedError, "2D"),
        (lambda: da.ma.cov(masked(), ddof=1.5), ValueError, "integer"),
        (lambda: da.ma.cov(masked(), allow_masked=False).compute(), ValueError, "Cannot process masked data"),
        (lambda: da.ma.average(masked(), weights=[1, 2, 3]), TypeError, "Axis must be specified"),
        (lambda: da.ma.average(masked(), axis=0, weights=[1, 2, 3]), ValueError, "consistent with"),
        (lambda: da.ma.convolve(masked(), [1]), ValueError, "vectors"),
        (lambda: da.ma.convolve([1, 2], [1], mode="x"), ValueError, "mode must be"),
        (lambda: da.ma.polyfit([1, 2], 3, 1), TypeError, "1D or 2D"),
        (lambda: da.ma.fromflex(da.zeros(3)), ValueError, "_data and _mask"),
        (lambda: da.ma.flatten_structured_array(masked()), TypeError, "records"),
        (lambda: da.ma.sum(masked(), axis=2), np.exceptions.AxisError, "out of bounds"),
    ],
)
def test_what_masked_arrays_refuse(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_masked_functions_stay_lazy_and_declare_masked_blocks():
    x = masked()
    for result in (
        da.ma.sqrt(x), da.ma.add(x, 1), da.ma.sum(x, axis=0), da.ma.median(x), da.ma.sort(x), da.ma.unique(x),
        da.ma.mask_rows(x), da.ma.concatenate([x, x]), da.ma.cov(x), da.ma.ones((2, 2)), da.ma.asarray(da.ones(2)),
    ):  # fmt: skip
        assert isinstance(result, da.Array) and da.ma.isMA(result)


def test_what_has_nothing_left_is_masked():
    x = da.ma.masked_all((4,), dtype=int, chunks=3)
    for name in ("sum", "mean", "min", "max", "prod", "all", "any", "median", "ptp"):
        assert getattr(da.ma, name)(x).compute() is np.ma.masked, name


def test_masked_functions_of_numbers_are_numpys():
    assert da.ma.add(1, 2) == 3 and not isinstance(da.ma.add(1, 2), da.Array)
    assert isinstance(da.ma.sqrt(np.ma.masked_array([4.0])), np.ma.MaskedArray)


def test_masked_functions_take_delayed_values():
    result = da.ma.add(masked(), raskr.delayed(3))
    assert result.dtype == int and result.compute().tolist() == [[3, 4, 5], [6, None, 8]]


def test_masked_ufuncs_are_pickled_and_named():
    again = pickle.loads(pickle.dumps(da.ma.add))
    assert again(masked(), 1).name == da.ma.add(masked(), 1).name
    assert repr(da.ma.add) == "<masked ufunc 'add'>"


def test_fill_values_go_along():
    x = da.ma.masked_array(da.arange(4, chunks=2), mask=[0, 1, 0, 0], fill_value=-9)
    for result in (da.ma.ravel(x), da.ma.add(x, 1), x[1:], da.ma.sort(x), x.reshape(2, 2), da.ma.diag(x)):
        assert result.compute().fill_value == -9
        assert da.ma.common_fill_value(result, result) == -9


def test_records_become_masked_arrays_and_rows():
    records = np.ma.array([(1, 2.5), (3, 4.5)], mask=[(0, 1), (0, 0)], dtype=[("a", "i8"), ("b", "f8")])
    lazy = da.from_array(records, chunks=1, asarray=False)
    ours, theirs = da.ma.flatten_structured_array(lazy).compute(), np.ma.flatten_structured_array(records)
    np.testing.assert_array_equal(np.ma.getmaskarray(ours), np.ma.getmaskarray(theirs))
    np.testing.assert_array_equal(ours.filled(0), theirs.filled(0))
    mask = da.from_array(records.mask, chunks=1)
    np.testing.assert_array_equal(da.ma.flatten_mask(mask).compute(), np.ma.flatten_mask(records.mask))
