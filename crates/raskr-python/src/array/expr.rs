//! `Expr`: a lazy array as Python holds it.

use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyTuple};
use raskr_array::expr::{Expr, Kind, Place};
use raskr_array::grid::{Axis, Grid, UNKNOWN};
use raskr_array::{ArrayError, ElementType};
use raskr_base::TaskError;
use raskr_graph::{Collection, Input};

use super::convert::element_to_python;
use crate::error::to_python;
use crate::node::Node;
use crate::origin::Origin;

/// A lazy array: shape, chunks and element type are known, nothing is computed.
#[pyclass(frozen, name = "Expr", module = "raskr._core", weakref)]
pub struct PyExpr {
    expr: Arc<Expr>,
    /// The constructor's name and arguments, from which the expression can be built again.
    recipe: Py<PyTuple>,
    chunks: PyOnceLock<Py<PyTuple>>,
    shape: PyOnceLock<Py<PyTuple>>,
    dtype: PyOnceLock<Py<PyAny>>,
}

struct Line(Origin);

impl Place for Line {
    fn text(&self) -> Option<&str> {
        self.0.text()
    }
}

impl PyExpr {
    /// An expression that `Expr.<constructor>(*args)` made.
    pub fn new<'py>(
        py: Python<'py>,
        mut expr: Arc<Expr>,
        constructor: &str,
        args: Bound<'py, PyTuple>,
    ) -> PyResult<PyExpr> {
        if let Some(sole) = Arc::get_mut(&mut expr) {
            sole.set_origin(Arc::new(Line(Origin::here(py))));
        }
        let recipe = (constructor, args).into_pyobject(py)?.unbind();
        Ok(PyExpr { expr, recipe, chunks: PyOnceLock::new(), shape: PyOnceLock::new(), dtype: PyOnceLock::new() })
    }

    pub fn expr(&self) -> &Arc<Expr> {
        &self.expr
    }
}

/// An array error as Python's exception.
pub fn raise(py: Python<'_>, error: ArrayError) -> PyErr {
    to_python(py, TaskError::from(error))
}

/// Chunks as Python gives them: sizes an axis, NaN where unknown.
pub fn grid_of(chunks: &Bound<'_, PyAny>) -> PyResult<Grid> {
    let py = chunks.py();
    let mut axes = Vec::new();
    for axis in chunks.try_iter()? {
        let mut sizes: Vec<u64> = Vec::new();
        for size in axis?.try_iter()? {
            sizes.push(size_of(&size?)?);
        }
        axes.push(Axis::new(sizes));
    }
    Grid::new(axes).map_err(|error| raise(py, error))
}

/// One axis' chunks.
pub fn axis_of(sizes: &Bound<'_, PyAny>) -> PyResult<Axis> {
    Ok(Axis::new(sizes.try_iter()?.map(|size| size_of(&size?)).collect::<PyResult<Vec<u64>>>()?))
}

fn size_of(size: &Bound<'_, PyAny>) -> PyResult<u64> {
    if size.is_exact_instance_of::<PyInt>() {
        return size
            .extract()
            .map_err(|_| PyValueError::new_err(format!("expected a chunk size of 0 or more, got {size}")));
    }
    if let Ok(float) = size.cast::<PyFloat>() {
        let float = float.value();
        if float.is_nan() {
            return Ok(UNKNOWN);
        }
        if float >= 0.0 && float.fract() == 0.0 {
            return Ok(float as u64);
        }
    } else if let Ok(number) = size.call_method0("__index__").and_then(|n| n.extract::<u64>()) {
        return Ok(number);
    }
    Err(PyTypeError::new_err(format!("expected a chunk size of 0 or more, got {size}")))
}

fn size_to_python(py: Python<'_>, size: u64) -> PyResult<Bound<'_, PyAny>> {
    if size == UNKNOWN {
        return Ok(PyFloat::new(py, f64::NAN).into_any());
    }
    Ok(size.into_pyobject(py)?.into_any())
}

pub fn axis_to_python<'py>(py: Python<'py>, axis: &Axis) -> PyResult<Bound<'py, PyTuple>> {
    let mut last: Option<(u64, Bound<'py, PyAny>)> = None;
    let mut sizes = Vec::with_capacity(axis.blocks());
    for size in axis.sizes() {
        let object = match &last {
            Some((same, object)) if same == size => object.clone(),
            _ => size_to_python(py, *size)?,
        };
        last = Some((*size, object.clone()));
        sizes.push(object);
    }
    PyTuple::new(py, sizes)
}

#[pymethods]
impl PyExpr {
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let shape = self.shape.get_or_try_init(py, || {
            let sizes =
                self.expr.grid().shape().iter().map(|n| size_to_python(py, *n)).collect::<PyResult<Vec<_>>>()?;
            PyTuple::new(py, sizes).map(Bound::unbind)
        })?;
        Ok(shape.bind(py).clone())
    }

    #[getter]
    pub fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let chunks = self.chunks.get_or_try_init(py, || {
            let axes = self.expr.grid().axes().iter().map(|a| axis_to_python(py, a)).collect::<PyResult<Vec<_>>>()?;
            PyTuple::new(py, axes).map(Bound::unbind)
        })?;
        Ok(chunks.bind(py).clone())
    }

    #[getter]
    fn numblocks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.expr.grid().axes().iter().map(Axis::blocks))
    }

    #[getter]
    pub fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dtype = self.dtype.get_or_try_init(py, || element_to_python(py, self.expr.element()).map(Bound::unbind))?;
        Ok(dtype.bind(py).clone())
    }

    #[getter]
    pub fn native(&self) -> bool {
        self.expr.is_native()
    }

    /// Do all elements lie in memory, so that going through them again costs little?
    #[getter]
    fn in_memory(&self) -> bool {
        matches!(self.expr.kind(), Kind::Memory { .. })
    }

    #[getter]
    fn label(&self) -> &str {
        self.expr.label()
    }

    #[getter]
    pub fn name(&self, py: Python<'_>) -> PyResult<String> {
        let expr = &self.expr;
        // Hashing large arrays takes time that other threads may use.
        py.detach(|| expr.name()).map_err(|error| to_python(py, error))
    }

    /// The same array under a name of the user's.
    fn with_name(slf: &Bound<'_, Self>, name: &str) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = raskr_array::Expr::renamed(&slf.get().expr, name);
        PyExpr::new(py, expr, "_renamed", (slf, name).into_pyobject(py)?)
    }

    #[staticmethod]
    fn _renamed(of: &Bound<'_, PyExpr>, name: &str) -> PyResult<PyExpr> {
        PyExpr::with_name(of, name)
    }

    /// The whole array as one value (a NumPy array).
    fn node(&self) -> PyResult<Node> {
        Ok(super::output::whole(&self.expr))
    }

    /// One node a block, in row-major order.
    fn block_nodes(&self, py: Python<'_>) -> PyResult<Vec<Node>> {
        let collection: Arc<dyn Collection> = Arc::clone(&self.expr) as Arc<dyn Collection>;
        let grid = self.expr.grid();
        let name = Arc::new(OnceLock::new());
        let name: &String = name.get_or_init(|| self.name(py).unwrap_or_else(|_| self.expr.label().to_owned()));
        Ok((0..grid.blocks())
            .map(|index| {
                let place = grid.unflat(index);
                let place: Vec<String> = place.iter().map(u32::to_string).collect();
                let comma = if place.is_empty() { "" } else { ", " };
                let key = format!("('{name}'{comma}{})", place.join(", "));
                Node::of_block(Input::Block(Arc::clone(&collection), index), key)
            })
            .collect())
    }

    /// The constructor's name and arguments, of which other expressions are a part.
    pub fn recipe<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        self.recipe.bind(py).clone()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        super::recipes::reduce(slf)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Expr({}, shape={}, dtype={})", self.expr.label(), self.shape(py)?, self.dtype(py)?))
    }
}

/// The expression that a recipe tells how to build.
#[pyfunction]
pub fn rebuild_expr<'py>(
    py: Python<'py>,
    constructor: &str,
    args: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    py.get_type::<PyExpr>().getattr(constructor)?.call1(args)
}

/// The element type to declare, and whether blocks may be native.
pub fn declared(dtype: &Bound<'_, PyAny>, native: bool) -> PyResult<(ElementType, bool)> {
    let element = super::convert::element_type(dtype)?;
    let native = native && element.native().is_some();
    Ok((element, native))
}
