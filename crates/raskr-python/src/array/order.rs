//! Constructors of sorts and of the functions of blocks that sorting is made of.

use pyo3::prelude::*;

use super::build::derived;
use super::expr::{PyExpr, raise};

#[pymethods]
impl PyExpr {
    /// An array of one dimension sorted across its blocks, or the positions that sort it.
    fn sample_sort<'py>(slf: &Bound<'py, Self>, positions: bool) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().sample_sort(positions).map_err(|error| raise(py, error))?;
        derived(slf, expr, "sample_sort", (positions,).into_pyobject(py)?)
    }
}
