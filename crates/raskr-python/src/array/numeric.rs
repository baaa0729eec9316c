//! Constructors of native reductions, scans and products.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raskr_array::Expr;
use raskr_base::DType;
use raskr_kernels::blocks::{ArgKind, CumulativeKind};
use raskr_kernels::program::ReductionKind;
use raskr_kernels::reduce::Ending;

use super::build::derived;
use super::convert::{element_type, native_of, numpy_dtype};
use super::expr::{PyExpr, raise};

/// What a reduction's name stands for.
enum Reduction {
    Tree(ReductionKind, Ending),
    Arg(ArgKind),
}

fn reduction_of(kind: &str, ddof: f64) -> Option<Reduction> {
    use ReductionKind as K;
    let value = |kind| Some(Reduction::Tree(kind, Ending::Value));
    match kind {
        "sum" => value(K::Sum),
        "prod" => value(K::Prod),
        "min" => value(K::Min),
        "max" => value(K::Max),
        "any" => value(K::Any),
        "all" => value(K::All),
        "mean" => value(K::Mean),
        "count_nonzero" => value(K::CountNonzero),
        "nansum" => value(K::NanSum),
        "nanprod" => value(K::NanProd),
        "nanmin" => value(K::NanMin),
        "nanmax" => value(K::NanMax),
        "nanmean" => value(K::NanMean),
        "var" => Some(Reduction::Tree(K::Moments2, Ending::Variance { ddof })),
        "std" => Some(Reduction::Tree(K::Moments2, Ending::Deviation { ddof })),
        "nanvar" => Some(Reduction::Tree(K::NanMoments2, Ending::Variance { ddof })),
        "nanstd" => Some(Reduction::Tree(K::NanMoments2, Ending::Deviation { ddof })),
        "argmin" => Some(Reduction::Arg(ArgKind::Min)),
        "argmax" => Some(Reduction::Arg(ArgKind::Max)),
        "nanargmin" => Some(Reduction::Arg(ArgKind::NanMin)),
        "nanargmax" => Some(Reduction::Arg(ArgKind::NanMax)),
        _ => None,
    }
}

/// The element type that NumPy gives the reduction by default.
fn default_dtype(kind: &str, dtype: DType) -> DType {
    match kind {
        "sum" | "prod" | "nansum" | "nanprod" => match dtype {
            DType::Bool => DType::I64,
            dtype if dtype.is_signed_integer() => DType::I64,
            dtype if dtype.is_unsigned_integer() => DType::U64,
            dtype => dtype,
        },
        "any" | "all" => DType::Bool,
        "count_nonzero" | "argmin" | "argmax" | "nanargmin" | "nanargmax" => DType::I64,
        "mean" | "nanmean" if dtype.is_integer() || dtype == DType::Bool => DType::F64,
        "var" | "std" | "nanvar" | "nanstd" => match dtype {
            dtype if dtype.is_integer() || dtype == DType::Bool => DType::F64,
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            dtype => dtype,
        },
        _ => dtype,
    }
}

/// What the elements are cast to before they are accumulated, for a result of `wanted`.
fn accumulate_in(kind: &str, from: DType, wanted: DType) -> DType {
    match kind {
        "sum" | "prod" | "nansum" | "nanprod" | "mean" | "nanmean" => wanted,
        "var" | "std" | "nanvar" | "nanstd" if !from.is_complex() && wanted.is_float() => wanted,
        _ => from,
    }
}

#[pymethods]
impl PyExpr {
    #[pyo3(signature = (kind, axes, keepdims, dtype, split_every=None, ddof=0.0, label=None))]
    #[allow(clippy::too_many_arguments)]
    fn reduce<'py>(
        slf: &Bound<'py, Self>,
        kind: &str,
        axes: Vec<usize>,
        keepdims: bool,
        dtype: &Bound<'py, PyAny>,
        split_every: Option<&Bound<'py, PyDict>>,
        ddof: f64,
        label: Option<&str>,
    ) -> PyResult<PyExpr> {
        let py = slf.py();
        let input = slf.get().expr();
        let label_text = label.unwrap_or(kind);
        let expr = match reduction_of(kind, ddof) {
            None => return Err(PyValueError::new_err(format!("unknown reduction {kind:?}"))),
            Some(Reduction::Arg(arg)) => {
                let axis = match axes.as_slice() {
                    [axis] if input.ndim() > 1 || axes.len() == 1 => Some(*axis),
                    _ => None,
                };
                input.arg_reduce(arg, axis, keepdims, label_text)
            }
            Some(Reduction::Tree(tree, ending)) => {
                let wanted = native_of(dtype, kind)?;
                let Some(from) = input.dtype() else {
                    return Err(PyValueError::new_err(format!("{kind}: expected native blocks")));
                };
                let mut fan_in = None;
                if let Some(split_every) = split_every {
                    let mut product = 1usize;
                    for (_, many) in split_every.iter() {
                        product = product.saturating_mul(many.extract::<usize>()?);
                    }
                    fan_in = Some(product.max(2));
                }
                input.reduce(
                    tree,
                    ending,
                    &axes,
                    keepdims,
                    accumulate_in(kind, from, wanted),
                    wanted,
                    fan_in,
                    label_text,
                )
            }
        }
        .map_err(|error| raise(py, error))?;
        let axes = PyTuple::new(py, axes)?;
        derived(slf, expr, "reduce", (kind, axes, keepdims, dtype, split_every, ddof, label).into_pyobject(py)?)
    }

    /// The element type that the native reduction gives by default, None when there is none.
    #[staticmethod]
    fn reduce_dtype<'py>(
        py: Python<'py>,
        kind: &str,
        dtype: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(from) = element_type(dtype)?.native() else { return Ok(None) };
        let result = default_dtype(kind, from);
        let known = match reduction_of(kind, 0.0) {
            None => false,
            Some(Reduction::Arg(_)) => !from.is_complex(),
            Some(Reduction::Tree(tree, _)) => tree.partial_dtypes(accumulate_in(kind, from, result)).is_some(),
        };
        if known { Ok(Some(numpy_dtype(py, result)?.into_any())) } else { Ok(None) }
    }

    fn scan<'py>(slf: &Bound<'py, Self>, kind: &str, axis: usize, dtype: &Bound<'py, PyAny>) -> PyResult<PyExpr> {
        let py = slf.py();
        let (scanned, label) = match kind {
            "sum" | "cumsum" => (CumulativeKind::Sum, "cumsum"),
            "prod" | "cumprod" => (CumulativeKind::Prod, "cumprod"),
            "nansum" | "nancumsum" => (CumulativeKind::NanSum, "nancumsum"),
            "nanprod" | "nancumprod" => (CumulativeKind::NanProd, "nancumprod"),
            _ => return Err(PyValueError::new_err(format!("unknown scan {kind:?}"))),
        };
        let expr =
            slf.get().expr().scan(scanned, axis, native_of(dtype, label)?, label).map_err(|error| raise(py, error))?;
        derived(slf, expr, "scan", (kind, axis, dtype).into_pyobject(py)?)
    }

    #[staticmethod]
    fn tensordot<'py>(
        a: &Bound<'py, PyExpr>,
        b: &Bound<'py, PyExpr>,
        axes_a: Vec<usize>,
        axes_b: Vec<usize>,
        dtype: &Bound<'py, PyAny>,
    ) -> PyResult<PyExpr> {
        let py = a.py();
        let native = native_of(dtype, "tensordot")?;
        let (left, right): (&Arc<Expr>, &Arc<Expr>) = (a.get().expr(), b.get().expr());
        let expr =
            Expr::contract(left, right, &axes_a, &axes_b, native, "tensordot").map_err(|error| raise(py, error))?;
        let args = (a, b, PyTuple::new(py, axes_a)?, PyTuple::new(py, axes_b)?, dtype).into_pyobject(py)?;
        PyExpr::new(py, expr, "tensordot", args)
    }
}
