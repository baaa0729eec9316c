"""The parameters of array functions are Dask's, or NumPy's where Dask has no such function: names, order, defaults."""

import importlib
import inspect

import numpy as np
import pytest

import raskr.array as da

#: The parameters of Dask's functions with their defaults (dots for what is not written so briefly); raskr's may have more
#: behind them. A star stands for any arguments.
DASK = """
all: a axis=None keepdims=False split_every=None out=None
allclose: arr1 arr2 rtol=1e-05 atol=1e-08 equal_nan=False
angle: x deg=0
any: a axis=None keepdims=False split_every=None out=None
append: arr values axis=None
apply_along_axis: func1d axis arr dtype=None shape=None
apply_gufunc: func signature axes=None axis=None keepdims=False output_dtypes=None output_sizes=None vectorize=None allow_rechunk=False meta=None
apply_over_axes: func a axes
arange: start=None stop=None step=1 chunks='auto' like=None dtype=None
argmax: a axis=None keepdims=False split_every=None out=None
argmin: a axis=None keepdims=False split_every=None out=None
argtopk: a k axis=-1 split_every=None
argwhere: a
around: x decimals=0
array: x dtype=None ndmin=None like=None
array_expr_enabled:
as_gufunc: signature=None
asanyarray: a dtype=None order=None like=None inline_array=False
asarray: a allow_unknown_chunksizes=False dtype=None order=None like=None
atleast_1d:
atleast_2d:
atleast_3d:
atop: *
average: a axis=None weights=None returned=False keepdims=False
bincount: x weights=None minlength=0 split_every=None
block: arrays allow_unknown_chunksizes=False
blockwise: func out_ind name=None token=None dtype=None adjust_chunks=None new_axes=None align_arrays=True concatenate=None meta=None
broadcast_arrays: subok=False
broadcast_to: x shape chunks=None meta=None
choose: a choices
clip: *
coarsen: reduction x axes trim_excess=False
compress: condition a axis=None
compute: traverse=True optimize_graph=True scheduler=None get=None
concatenate: seq axis=0 allow_unknown_chunksizes=False
corrcoef: x y=None rowvar=1
count_nonzero: a axis=None
cov: m y=None rowvar=True bias=False ddof=None fweights=None aweights=None dtype=None
cumprod: x axis=None dtype=None out=None method='sequential'
cumsum: x axis=None dtype=None out=None method='sequential'
delete: arr obj axis
diag: v k=0
diagonal: a offset=0 axis1=0 axis2=1
diff: a n=1 axis=-1 prepend=None append=None
digitize: a bins right=False
divmod: x y
dot: a b
dstack: tup allow_unknown_chunksizes=False
ediff1d: ary to_end=None to_begin=None
einsum: dtype=None optimize=False split_every=None
empty_like: a dtype=None order='C' chunks=None name=None shape=None
expand_dims: a axis
extract: condition arr
eye: N chunks='auto' M=None k=0 dtype=...
fft.fft: a n=None axis=None norm=None
fft.fft2: a s=None axes=None norm=None
fft.fft_wrap: fft_func kind=None dtype=None allow_fftpack=False
fft.fftfreq: n d=1.0 chunks='auto'
fft.fftn: a s=None axes=None norm=None
fft.fftshift: x axes=None
fft.hfft: a n=None axis=None norm=None
fft.ifft: a n=None axis=None norm=None
fft.ifft2: a s=None axes=None norm=None
fft.ifftn: a s=None axes=None norm=None
fft.ifftshift: x axes=None
fft.ihfft: a n=None axis=None norm=None
fft.irfft: a n=None axis=None norm=None
fft.irfft2: a s=None axes=None norm=None
fft.irfftn: a s=None axes=None norm=None
fft.rfft: a n=None axis=None norm=None
fft.rfft2: a s=None axes=None norm=None
fft.rfftfreq: n d=1.0 chunks='auto'
fft.rfftn: a s=None axes=None norm=None
fix: *
flatnonzero: a
flip: m axis=None
fliplr: m
flipud: m
frexp: x
from_array: x chunks='auto' name=None lock=False asarray=None fancy=True getitem=None meta=None inline_array=False
from_delayed: value shape dtype=None meta=None name=None
from_npy_stack: dirname mmap_mode='r'
from_tiledb: uri attribute=None chunks=None storage_options=None
from_zarr: url component=None storage_options=None chunks=None name=None inline_array=False
fromfunction: func chunks='auto' shape=None dtype=None
frompyfunc: func nin nout
full: shape fill_value
full_like: a fill_value order='C' dtype=None chunks=None name=None shape=None
gradient: f axis=None
histogram: a bins=None range=None normed=False weights=None density=None
histogram2d: x y bins=10 range=None normed=None weights=None density=None
histogramdd: sample bins range=None normed=None weights=None density=None
hstack: tup allow_unknown_chunksizes=False
i0: *
imag: *
indices: dimensions dtype=... chunks='auto'
insert: arr obj values axis
isclose: arr1 arr2 rtol=1e-05 atol=1e-08 equal_nan=False
iscomplex: *
isin: element test_elements assume_unique=False invert=False kind=None
isnull: values
isreal: *
linalg.cholesky: a lower=False
linalg.compression_level: n q n_oversamples=10 min_subspace_size=20
linalg.compression_matrix: data q iterator='power' n_power_iter=0 n_oversamples=10 seed=None compute=False
linalg.inv: a
linalg.lstsq: a b
linalg.lu: a
linalg.norm: x ord=None axis=None keepdims=False
linalg.qr: a
linalg.sfqr: data name=None
linalg.solve: a b sym_pos=None assume_a='gen'
linalg.solve_triangular: a b lower=False
linalg.svd: a coerce_signs=True full_matrices=False
linalg.svd_compressed: a k iterator='power' n_power_iter=0 n_oversamples=10 seed=None compute=False coerce_signs=True
linalg.tsqr: data compute_svd=False _max_vchunk_size=None
linspace: start stop num=50 endpoint=True retstep=False chunks='auto' dtype=None
ma.average: a axis=None weights=None returned=False keepdims=False
ma.count: a axis=None keepdims=False split_every=None
ma.empty_like: a
ma.filled: a fill_value=None
ma.fix_invalid: a fill_value=None
ma.getdata: a
ma.getmaskarray: a
ma.masked_array: data mask=... fill_value=None
ma.masked_equal: a value
ma.masked_inside: x v1 v2
ma.masked_invalid: a
ma.masked_outside: x v1 v2
ma.masked_values: x value rtol=1e-05 atol=1e-08 shrink=True
ma.masked_where: condition a
ma.nonzero: a
ma.ones_like: a
ma.set_fill_value: a fill_value
ma.where: condition x=None y=None
ma.zeros_like: a
map_blocks: func name=None token=None dtype=None chunks=None drop_axis=None new_axis=None enforce_ndim=False meta=None
map_overlap: func depth=None boundary=None trim=True align_arrays=True allow_rechunk=True
matmul: a b
max: a axis=None keepdims=False split_every=None out=None
mean: a axis=None dtype=None keepdims=False split_every=None out=None
median: a axis=None keepdims=False out=None
meshgrid: sparse=False indexing='xy'
min: a axis=None keepdims=False split_every=None out=None
modf: x
moment: a order axis=None dtype=None keepdims=False ddof=0 split_every=None out=None
moveaxis: a source destination
nan_to_num: *
nanargmax: a axis=None keepdims=False split_every=None out=None
nanargmin: a axis=None keepdims=False split_every=None out=None
nancumprod: x axis dtype=None out=None method='sequential'
nancumsum: x axis dtype=None out=None method='sequential'
nanmax: a axis=None keepdims=False split_every=None out=None
nanmean: a axis=None dtype=None keepdims=False split_every=None out=None
nanmedian: a axis=None keepdims=False out=None
nanmin: a axis=None keepdims=False split_every=None out=None
nanpercentile: a q
nanprod: a axis=None dtype=None keepdims=False split_every=None out=None
nanquantile: a q axis=None out=None overwrite_input=False method='linear' keepdims=False weights=None interpolation=None
nanstd: a axis=None dtype=None keepdims=False ddof=0 split_every=None out=None
nansum: a axis=None dtype=None keepdims=False split_every=None out=None
nanvar: a axis=None dtype=None keepdims=False ddof=0 split_every=None out=None
ndim: a
nonzero: a
notnull: values
ones_like: a dtype=None order='C' chunks=None name=None shape=None
outer: a b
overlap.boundaries: x depth=None kind=None
overlap.coerce_boundary: ndim boundary
overlap.coerce_depth: ndim depth
overlap.constant: x axis depth value
overlap.ensure_minimum_chunksize: size chunks
overlap.map_overlap: func depth=None boundary=None trim=True align_arrays=True allow_rechunk=True
overlap.nearest: x axis depth
overlap.overlap: x depth boundary allow_rechunk=True
overlap.overlap_internal: x axes
overlap.periodic: x axis depth
overlap.push: array n axis
overlap.reflect: x axis depth
overlap.sliding_window_view: x window_shape axis=None automatic_rechunk=True
overlap.trim_internal: x axes boundary=None
overlap.trim_overlap: x depth boundary=None
pad: array pad_width mode='constant'
percentile: a q method='linear' internal_method='default'
piecewise: x condlist funclist
prod: a axis=None dtype=None keepdims=False split_every=None out=None
ptp: a axis=None
push: array n axis
quantile: a q axis=None out=None overwrite_input=False method='linear' keepdims=False weights=None interpolation=None
random.beta: *
random.binomial: *
random.chisquare: *
random.choice: *
random.default_rng: seed=None
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
rechunk: x chunks='auto' threshold=None block_size_limit=None balance=False method=None
reduction: x chunk aggregate axis=None keepdims=False dtype=None split_every=None combine=None name=None out=None concatenate=True output_size=1 meta=None weights=None
register_chunk_type: type
repeat: a repeats axis=None
reshape: x shape merge_chunks=True limit=None
reshape_blockwise: x shape chunks=None
result_type:
roll: array shift axis=None
rollaxis: a axis start=0
rot90: m k=1 axes=(0,1)
round: a decimals=0
searchsorted: a v side='left' sorter=None
select: condlist choicelist default=0
shape: array
shuffle: x indexer axis chunks='auto'
sinc: *
squeeze: a axis=None
stack: seq axis=0 allow_unknown_chunksizes=False
stats.chisquare: f_obs f_exp=None ddof=0 axis=0
stats.f_oneway:
stats.kurtosis: a axis=0 fisher=True bias=True nan_policy='propagate'
stats.kurtosistest: a axis=0 nan_policy='propagate'
stats.moment: a moment=1 axis=0 nan_policy='propagate'
stats.normaltest: a axis=0 nan_policy='propagate'
stats.power_divergence: f_obs f_exp=None ddof=0 axis=0 lambda_=None
stats.skew: a axis=0 bias=True nan_policy='propagate'
stats.skewtest: a axis=0 nan_policy='propagate'
stats.ttest_1samp: a popmean axis=0 nan_policy='propagate'
stats.ttest_ind: a b axis=0 equal_var=True
stats.ttest_rel: a b axis=0 nan_policy='propagate'
std: a axis=None dtype=None keepdims=False ddof=0 split_every=None out=None
store: sources targets lock=True regions=None compute=True return_stored=False load_stored=None
sum: a axis=None dtype=None keepdims=False split_every=None out=None
swapaxes: a axis1 axis2
take: a indices axis=0
tensordot: lhs rhs axes=2
tile: A reps
to_hdf5: filename chunks=True
to_npy_stack: dirname x axis=0
to_tiledb: darray uri compute=True return_stored=False storage_options=None key=None
to_zarr: arr url component=None storage_options=None region=None compute=True return_stored=False mode='a'
topk: a k axis=-1 split_every=None
trace: a offset=0 axis1=0 axis2=1 dtype=None
transpose: a axes=None
tri: N M=None k=0 dtype=... chunks='auto' like=None
tril: m k=0
tril_indices: n k=0 m=None chunks='auto'
tril_indices_from: arr k=0
triu: m k=0
triu_indices: n k=0 m=None chunks='auto'
triu_indices_from: arr k=0
unify_chunks: *
union1d: ar1 ar2
unique: ar return_index=False return_inverse=False return_counts=False
unravel_index: indices shape order='C'
var: a axis=None dtype=None keepdims=False ddof=0 split_every=None out=None
vdot: a b
vstack: tup allow_unknown_chunksizes=False
where: condition x=None y=None
zeros_like: a dtype=None order='C' chunks=None name=None shape=None
""".strip().splitlines()


def parameters(function):
    """The parameters that have names of their own."""
    found = inspect.signature(function).parameters.values()
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def resolved(path):
    module, _, name = ("raskr.array." + path).rpartition(".")
    return getattr(importlib.import_module(module), name)


#: Parameters that may be left out in raskr, or are spelled otherwise, and why.
OTHER_DEFAULTS = {
    "angle": "deg is a bool, which 0 is too",
    "corrcoef": "rowvar is a bool, which 1 is too",
    "nancumprod": "the flattened array by default, as NumPy has it",
    "nancumsum": "the flattened array by default, as NumPy has it",
    **{
        f"fft.{name}": "NumPy's own, which Dask's None comes to"
        for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2")
    },
}


@pytest.mark.parametrize("line", DASK, ids=lambda line: line.split(":")[0])
def test_parameters_are_those_of_dask(line):
    path, _, written = line.partition(":")
    own = parameters(resolved(path))
    if written.strip() == "*":
        return
    wanted = [part.partition("=") for part in written.split()]
    assert [p.name for p in own[: len(wanted)]] == [name for name, _, _ in wanted]
    defaults = {name: default for name, _, default in wanted if default != "..."}
    found = {p.name: "" if p.default is p.empty else repr(p.default).replace(" ", "") for p in own}
    same = {name: found[name] for name in defaults}
    if path in OTHER_DEFAULTS:
        assert same != defaults, f"{path} does not differ from Dask's any more: take it off the list"
    else:
        assert same == defaults


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
    "linalg.multi_dot": "out: the product is a new array",
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
