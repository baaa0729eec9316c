//! Constructors of native Fourier transforms.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raskr_kernels::fft::{FourierKind, Scaling, Step};

use super::build::derived;
use super::convert::native_of;
use super::expr::{PyExpr, raise};

fn kind_of(name: &str) -> PyResult<FourierKind> {
    Ok(match name {
        "fft" => FourierKind::Forward,
        "ifft" => FourierKind::Inverse,
        "rfft" => FourierKind::RealForward,
        "irfft" => FourierKind::RealInverse,
        "hfft" => FourierKind::HermitianForward,
        "ihfft" => FourierKind::HermitianInverse,
        _ => return Err(PyValueError::new_err(format!("unknown Fourier transform {name:?}"))),
    })
}

#[pymethods]
impl PyExpr {
    /// Transforms `(kind, axis, n)` one after another of elements that are first cast to `dtype`.
    fn transform<'py>(
        slf: &Bound<'py, Self>,
        steps: Vec<(String, usize, usize)>,
        scaling: &str,
        dtype: &Bound<'py, PyAny>,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = slf.py();
        let scale = match scaling {
            "backward" => Scaling::Backward,
            "ortho" => Scaling::Ortho,
            "forward" => Scaling::Forward,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "Invalid norm value {scaling:?}; should be \"backward\", \"ortho\" or \"forward\"."
                )));
            }
        };
        let planned = steps
            .iter()
            .map(|(name, axis, n)| Ok(Step { kind: kind_of(name)?, axis: *axis, n: *n }))
            .collect::<PyResult<Vec<_>>>()?;
        let expr = slf
            .get()
            .expr()
            .cast(native_of(dtype, label)?)
            .and_then(|input| input.transform(planned, scale, label))
            .map_err(|error| raise(py, error))?;
        let steps = PyTuple::new(py, steps)?;
        derived(slf, expr, "transform", (steps, scaling, dtype, label).into_pyobject(py)?)
    }
}
