//! Constructors of selections by masks and points, and of counts.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use raskr_array::Expr;
use raskr_kernels::blocks::{Bins, Counting};

use super::build::derived;
use super::convert::{native_of, numpy_to_chunk};
use super::expr::{PyExpr, axis_of, raise};
use raskr_array::error::ArrayError;

/// The elements of a NumPy array of int64.
fn positions_of(array: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let array = array.py().import("numpy")?.call_method1("ascontiguousarray", (array, "int64"))?;
    match numpy_to_chunk(&array)? {
        Some(chunk) => Ok(chunk.as_slice::<i64>().unwrap_or_default().to_vec()),
        None => Err(PyTypeError::new_err("expected an array of int64 positions")),
    }
}

#[pymethods]
impl PyExpr {
    /// The elements where a mask of the same blocks is true.
    fn filter<'py>(slf: &Bound<'py, Self>, mask: &Bound<'py, PyExpr>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().filter(mask.get().expr(), "getitem").map_err(|error| raise(py, error))?;
        derived(slf, expr, "filter", (mask,).into_pyobject(py)?)
    }

    /// The slices along an axis where a mask of one axis is true.
    fn compress<'py>(slf: &Bound<'py, Self>, mask: &Bound<'py, PyExpr>, axis: usize) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().compress(mask.get().expr(), axis).map_err(|error| raise(py, error))?;
        derived(slf, expr, "compress", (mask, axis).into_pyobject(py)?)
    }

    /// The elements at points, which become the first axis.
    fn points<'py>(
        slf: &Bound<'py, Self>,
        axes: Vec<usize>,
        positions: Vec<Bound<'py, PyAny>>,
        chunks: &Bound<'py, PyAny>,
    ) -> PyResult<PyExpr> {
        let py = slf.py();
        let lists = positions.iter().map(positions_of).collect::<PyResult<Vec<_>>>()?;
        let expr = slf.get().expr().points(axes.clone(), lists, axis_of(chunks)?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "points", (axes, positions, chunks).into_pyobject(py)?)
    }

    /// How many elements are between edges, or the sums of their weights.
    #[staticmethod]
    fn histogram<'py>(
        py: Python<'py>,
        samples: Vec<Bound<'py, PyExpr>>,
        weights: Option<Bound<'py, PyExpr>>,
        edges: Vec<Vec<f64>>,
        dtype: &Bound<'py, PyAny>,
    ) -> PyResult<PyExpr> {
        let bins = edges.iter().map(|edges| Bins::new(edges)).collect::<Result<Vec<_>, _>>();
        let bins = bins.map_err(|error| raise(py, ArrayError::from(error)))?;
        let expr = count(py, &samples, weights.as_ref(), Counting::Bins(bins), dtype, "histogram")?;
        PyExpr::new(py, expr, "histogram", (samples, weights, edges, dtype).into_pyobject(py)?)
    }

    /// How often each number from 0 is there, or the sums of the weights that belong to it.
    #[staticmethod]
    fn bincount<'py>(
        numbers: &Bound<'py, PyExpr>,
        weights: Option<Bound<'py, PyExpr>>,
        least: usize,
        dtype: &Bound<'py, PyAny>,
    ) -> PyResult<PyExpr> {
        let py = numbers.py();
        let samples = [numbers.clone()];
        let expr = count(py, &samples, weights.as_ref(), Counting::Numbers { least }, dtype, "bincount")?;
        PyExpr::new(py, expr, "bincount", (numbers, weights, least, dtype).into_pyobject(py)?)
    }
}

fn count<'py>(
    py: Python<'py>,
    samples: &[Bound<'py, PyExpr>],
    weights: Option<&Bound<'py, PyExpr>>,
    how: Counting,
    dtype: &Bound<'py, PyAny>,
    label: &str,
) -> PyResult<Arc<Expr>> {
    let samples: Vec<Arc<Expr>> = samples.iter().map(|sample| Arc::clone(sample.get().expr())).collect();
    let weights = weights.map(|weights| weights.get().expr());
    Expr::count(&samples, weights, Arc::new(how), native_of(dtype, label)?, label).map_err(|error| raise(py, error))
}
