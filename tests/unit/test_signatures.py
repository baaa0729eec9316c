"""The parameters of array functions are Dask's, or NumPy's where Dask has no such function: names, order, defaults."""

import importlib
import inspect

import numpy as np
import pytest

import raskr.array as da

#: The names of the parameters of Dask's functions; raskr's may have more behind them. A star stands for any arguments.
DASK = """
all: a axis keepdims split_every out
allclose: arr1 arr2 rtol atol equal_nan
angle: x deg
any: a axis keepdims split_every out
append: arr values axis
apply_along_axis: func1d axis arr dtype shape
apply_gufunc: func signature axes axis keepdims output_dtypes output_sizes vectorize allow_rechunk meta
apply_over_axes: func a axes
arange: start stop step chunks like dtype
argmax: a axis keepdims split_every out
argmin: a axis keepdims split_every out
argtopk: a k axis split_every
argwhere: a
around: x decimals
array: x dtype ndmin like
array_expr_enabled:
as_gufunc: signature
asanyarray: a dtype order like inline_array
asarray: a allow_unknown_chunksizes dtype order like
atleast_1d:
atleast_2d:
atleast_3d:
atop: *
average: a axis weights returned keepdims
bincount: x weights minlength split_every
block: arrays allow_unknown_chunksizes
blockwise: func out_ind name token dtype adjust_chunks new_axes align_arrays concatenate meta
broadcast_arrays: subok
broadcast_to: x shape chunks meta
choose: a choices
clip: *
coarsen: reduction x axes trim_excess
compress: condition a axis
compute: traverse optimize_graph scheduler get
concatenate: seq axis allow_unknown_chunksizes
corrcoef: x y rowvar
count_nonzero: a axis
cov: m y rowvar bias ddof fweights aweights dtype
cumprod: x axis dtype out method
cumsum: x axis dtype out method
delete: arr obj axis
diag: v k
diagonal: a offset axis1 axis2
diff: a n axis prepend append
digitize: a bins right
divmod: x y
dot: a b
dstack: tup allow_unknown_chunksizes
ediff1d: ary to_end to_begin
einsum: dtype optimize split_every
empty_like: a dtype order chunks name shape
expand_dims: a axis
extract: condition arr
eye: N chunks M k dtype
fft.fft: a n axis norm
fft.fft2: a s axes norm
fft.fft_wrap: fft_func kind dtype allow_fftpack
fft.fftfreq: n d chunks
fft.fftn: a s axes norm
fft.fftshift: x axes
fft.hfft: a n axis norm
fft.ifft: a n axis norm
fft.ifft2: a s axes norm
fft.ifftn: a s axes norm
fft.ifftshift: x axes
fft.ihfft: a n axis norm
fft.irfft: a n axis norm
fft.irfft2: a s axes norm
fft.irfftn: a s axes norm
fft.rfft: a n axis norm
fft.rfft2: a s axes norm
fft.rfftfreq: n d chunks
fft.rfftn: a s axes norm
fix: *
flatnonzero: a
flip: m axis
fliplr: m
flipud: m
frexp: x
from_array: x chunks name lock asarray fancy getitem meta inline_array
from_delayed: value shape dtype meta name
from_npy_stack: dirname mmap_mode
from_tiledb: uri attribute chunks storage_options
from_zarr: url component storage_options chunks name inline_array
fromfunction: func chunks shape dtype
frompyfunc: func nin nout
full: shape fill_value
full_like: a fill_value order dtype chunks name shape
gradient: f axis
histogram: a bins range normed weights density
histogram2d: x y bins range normed weights density
histogramdd: sample bins range normed weights density
hstack: tup allow_unknown_chunksizes
i0: *
imag: *
indices: dimensions dtype chunks
insert: arr obj values axis
isclose: arr1 arr2 rtol atol equal_nan
iscomplex: *
isin: element test_elements assume_unique invert kind
isnull: values
isreal: *
linalg.cholesky: a lower
linalg.compression_level: n q n_oversamples min_subspace_size
linalg.compression_matrix: data q iterator n_power_iter n_oversamples seed compute
linalg.inv: a
linalg.lstsq: a b
linalg.lu: a
linalg.norm: x ord axis keepdims
linalg.qr: a
linalg.sfqr: data name
linalg.solve: a b sym_pos assume_a
linalg.solve_triangular: a b lower
linalg.svd: a coerce_signs full_matrices
linalg.svd_compressed: a k iterator n_power_iter n_oversamples seed compute coerce_signs
linalg.tsqr: data compute_svd _max_vchunk_size
linspace: start stop num endpoint retstep chunks dtype
ma.average: a axis weights returned keepdims
ma.count: a axis keepdims split_every
ma.empty_like: a
ma.filled: a fill_value
ma.fix_invalid: a fill_value
ma.getdata: a
ma.getmaskarray: a
ma.masked_array: data mask fill_value
ma.masked_equal: a value
ma.masked_inside: x v1 v2
ma.masked_invalid: a
ma.masked_outside: x v1 v2
ma.masked_values: x value rtol atol shrink
ma.masked_where: condition a
ma.nonzero: a
ma.ones_like: a
ma.set_fill_value: a fill_value
ma.where: condition x y
ma.zeros_like: a
map_blocks: func name token dtype chunks drop_axis new_axis enforce_ndim meta
map_overlap: func depth boundary trim align_arrays allow_rechunk
matmul: a b
max: a axis keepdims split_every out
mean: a axis dtype keepdims split_every out
median: a axis keepdims out
meshgrid: sparse indexing
min: a axis keepdims split_every out
modf: x
moment: a order axis dtype keepdims ddof split_every out
moveaxis: a source destination
nan_to_num: *
nanargmax: a axis keepdims split_every out
nanargmin: a axis keepdims split_every out
nancumprod: x axis dtype out method
nancumsum: x axis dtype out method
nanmax: a axis keepdims split_every out
nanmean: a axis dtype keepdims split_every out
nanmedian: a axis keepdims out
nanmin: a axis keepdims split_every out
nanpercentile: a q
nanprod: a axis dtype keepdims split_every out
nanquantile: a q axis out overwrite_input method keepdims weights interpolation
nanstd: a axis dtype keepdims ddof split_every out
nansum: a axis dtype keepdims split_every out
nanvar: a axis dtype keepdims ddof split_every out
ndim: a
nonzero: a
notnull: values
ones_like: a dtype order chunks name shape
outer: a b
overlap.boundaries: x depth kind
overlap.coerce_boundary: ndim boundary
overlap.coerce_depth: ndim depth
overlap.constant: x axis depth value
overlap.ensure_minimum_chunksize: size chunks
overlap.map_overlap: func depth boundary trim align_arrays allow_rechunk
overlap.nearest: x axis depth
overlap.overlap: x depth boundary allow_rechunk
overlap.overlap_internal: x axes
overlap.periodic: x axis depth
overlap.push: array n axis
overlap.reflect: x axis depth
overlap.sliding_window_view: x window_shape axis automatic_rechunk
overlap.trim_internal: x axes boundary
overlap.trim_overlap: x depth boundary
pad: array pad_width mode
percentile: a q method internal_method
piecewise: x condlist funclist
prod: a axis dtype keepdims split_every out
ptp: a axis
push: array n axis
quantile: a q axis out overwrite_input method keepdims weights interpolation
random.beta: *
random.binomial: *
random.chisquare: *
random.choice: *
random.default_rng: seed
random.exponential: *
random.f: *
random.gamma: *
random.geometric: *
random.gumbel: *
random.hypergeometric: *
random.laplace: *
random.logistic: *
random.lognormal: *
random.logseries: *
random.multinomial: *
random.negative_binomial: *
random.noncentral_chisquare: *
random.noncentral_f: *
random.normal: *
random.pareto: *
random.permutation: *
random.poisson: *
random.power: *
random.randint: *
random.random: *
random.random_integers: *
random.random_sample: *
random.rayleigh: *
random.seed: *
random.standard_cauchy: *
random.standard_exponential: *
random.standard_gamma: *
random.standard_normal: *
random.standard_t: *
random.triangular: *
random.uniform: *
random.vonmises: *
random.wald: *
random.weibull: *
random.zipf: *
ravel: array_like
real: *
rechunk: x chunks threshold block_size_limit balance method
reduction: x chunk aggregate axis keepdims dtype split_every combine name out concatenate output_size meta weights
register_chunk_type: type
repeat: a repeats axis
reshape: x shape merge_chunks limit
reshape_blockwise: x shape chunks
result_type:
roll: array shift axis
rollaxis: a axis start
rot90: m k axes
round: a decimals
searchsorted: a v side sorter
select: condlist choicelist default
shape: array
shuffle: x indexer axis chunks
sinc: *
squeeze: a axis
stack: seq axis allow_unknown_chunksizes
stats.chisquare: f_obs f_exp ddof axis
stats.f_oneway:
stats.kurtosis: a axis fisher bias nan_policy
stats.kurtosistest: a axis nan_policy
stats.moment: a moment axis nan_policy
stats.normaltest: a axis nan_policy
stats.power_divergence: f_obs f_exp ddof axis lambda_
stats.skew: a axis bias nan_policy
stats.skewtest: a axis nan_policy
stats.ttest_1samp: a popmean axis nan_policy
stats.ttest_ind: a b axis equal_var
stats.ttest_rel: a b axis nan_policy
std: a axis dtype keepdims ddof split_every out
store: sources targets lock regions compute return_stored load_stored
sum: a axis dtype keepdims split_every out
swapaxes: a axis1 axis2
take: a indices axis
tensordot: lhs rhs axes
tile: A reps
to_hdf5: filename chunks
to_npy_stack: dirname x axis
to_tiledb: darray uri compute return_stored storage_options key
to_zarr: arr url component storage_options region compute return_stored mode
topk: a k axis split_every
trace: a offset axis1 axis2 dtype
transpose: a axes
tri: N M k dtype chunks like
tril: m k
tril_indices: n k m chunks
tril_indices_from: arr k
triu: m k
triu_indices: n k m chunks
triu_indices_from: arr k
unify_chunks: *
union1d: ar1 ar2
unique: ar return_index return_inverse return_counts
unravel_index: indices shape order
var: a axis dtype keepdims ddof split_every out
vdot: a b
vstack: tup allow_unknown_chunksizes
where: condition x y
zeros_like: a dtype order chunks name shape
""".strip().splitlines()


def parameters(function):
    """The parameters that have names of their own."""
    found = inspect.signature(function).parameters.values()
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def resolved(path):
    module, _, name = ("raskr.array." + path).rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("line", DASK, ids=lambda line: line.split(":")[0])
def test_parameters_are_those_of_dask(line):
    path, _, names = line.partition(":")
    own = [p.name for p in parameters(resolved(path))]
    if names.strip() != "*":
        assert own[: len(names.split())] == names.split()


# --- NumPy's ------------------------------------------------------------------------------------------------------------
#: Parameters of NumPy's that functions of lazy arrays need not have, and why.
WITHOUT = {
    "order": "how elements lie in memory, or which fields of records are compared, is NumPy's business block by block",
    "subok": "blocks keep their type",
    "like": "the result is a lazy array",
    "device": "there is one device",
    "stable": "`kind` says it",
    "copy": "lazy arrays are never changed",
    "casting": "`astype` has it",
    "where": "`da.where` says it",
    "initial": "`da.maximum` of the result says it",
    "signature": "functions of one dtype do not choose loops",
    "axes": "`apply_gufunc` has it",
}
#: Where else a function differs from NumPy's, and why.
DIFFERENT = {
    "amax": "is `max`, as Dask has it",
    "amin": "is `min`, as Dask has it",
    "concat": "is `concatenate`, as Dask has it",
    "geomspace": "limits are numbers, so that there is no axis to choose",
    "logspace": "limits are numbers, so that there is no axis to choose",
    "argpartition": "NumPy has one `kind` too",
    "partition": "NumPy has one `kind` too",
    "matvec": "is made of `matmul`, not a generalised ufunc",
    "vecdot": "is made of `sum`, not a generalised ufunc",
    "vecmat": "is made of `matmul`, not a generalised ufunc",
    "linalg.matrix_rank": "hermitian matrices are found by their singular values like others",
    "linalg.multi_dot": "out: the product is a new array",
    "linalg.pinv": "hermitian matrices are inverted by their singular values like others",
    "ma.amax": "is `ma.max`",
    "ma.amin": "is `ma.min`",
    "ma.clip": "fill values and hard masks are kept",
    "ma.indices": "is that of `raskr.array`, which is Dask's",
    "ma.hstack": "is that of `raskr.array`, which is Dask's",
    "ma.stack": "is that of `raskr.array`, which is Dask's",
    "ma.vstack": "is that of `raskr.array`, which is Dask's",
    "ma.mask_cols": "axis: NumPy ignores it, and is about to take it away",
    "ma.mask_rows": "axis: NumPy ignores it, and is about to take it away",
    "ma.squeeze": "fill values and hard masks are kept",
    "ma.std": "mean: the one pass finds it on the way",
    "ma.var": "mean: the one pass finds it on the way",
}
_UNSET = (None, np._NoValue, inspect.Parameter.empty)


def names_shared_with(ours, theirs):
    """Names of functions that both modules have and that Dask says nothing about."""
    prefix = ours.__name__.removeprefix("raskr.array").lstrip(".")
    documented = {line.split(":")[0] for line in DASK}
    for name in sorted(vars(ours)):
        own, numpys = getattr(ours, name), getattr(theirs, name, None)
        path = f"{prefix}.{name}" if prefix else name
        if name.startswith("_") or path in documented or not callable(own) or not callable(numpys):
            continue
        if isinstance(own, type) or not _has_signature(own, numpys):
            continue
        if type(own).__name__ in ("ufunc", "MaskedUfunc"):
            continue  # these have NumPy's keywords or refuse them by name
        yield path, own, numpys


def _has_signature(*functions):
    try:
        return all(inspect.signature(f) for f in functions)
    except (TypeError, ValueError):
        return False


def differences(own, numpys):
    """What is missing, elsewhere, or has another default than in NumPy's function."""
    mine = {p.name: p for p in parameters(own)}
    found = []
    place = -1
    for wanted in parameters(numpys):
        if wanted.name not in mine:
            if wanted.kind is not wanted.POSITIONAL_ONLY and wanted.name not in WITHOUT:
                found.append(f"{wanted.name} is missing")
            continue
        here = list(mine).index(wanted.name)
        if wanted.kind is not wanted.KEYWORD_ONLY and mine[wanted.name].kind is not wanted.KEYWORD_ONLY:
            if here < place:
                found.append(f"{wanted.name} is elsewhere")
            place = max(place, here)
        own_default = mine[wanted.name].default
        if not any(own_default is unset for unset in _UNSET) and not any(wanted.default is unset for unset in _UNSET):
            if own_default != wanted.default:
                found.append(f"{wanted.name}={own_default!r} instead of {wanted.default!r}")
    return found


CASES = [
    case
    for ours, theirs in ((da, np), (da.linalg, np.linalg), (da.fft, np.fft), (da.ma, np.ma))
    for case in names_shared_with(ours, theirs)
]


@pytest.mark.parametrize(("path", "own", "numpys"), CASES, ids=[case[0] for case in CASES])
def test_parameters_are_those_of_numpy(path, own, numpys):
    found = differences(own, numpys)
    if path in DIFFERENT:
        assert found, f"{path} does not differ from NumPy's any more: take it off the list"
    else:
        assert not found, f"{path}{inspect.signature(own)} and NumPy's {inspect.signature(numpys)}"


def test_every_exception_is_about_a_function():
    assert set(DIFFERENT) <= {path for path, _, _ in CASES}
