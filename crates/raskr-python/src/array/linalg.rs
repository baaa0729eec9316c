//! Constructors of native linear algebra.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raskr_array::Expr;
use raskr_array::expr::BlockArgument;
use raskr_array::native::{Linear, NativeFunction};

use super::expr::{PyExpr, declared, grid_of, raise};

fn step_of(name: &str, numbers: &[usize]) -> PyResult<Linear> {
    Ok(match (name, numbers) {
        ("triangle", []) => Linear::Triangle,
        ("factor", []) => Linear::Factor,
        ("stack-triangle", []) => Linear::StackTriangle,
        ("stack-factor", []) => Linear::StackFactor,
        ("orthogonal", []) => Linear::Orthogonal,
        ("svd", []) => Linear::Svd,
        ("singular-values", []) => Linear::SingularValues,
        ("part", [number]) => Linear::Part(*number),
        ("cholesky", []) => Linear::Cholesky,
        ("solve-lower", []) => Linear::Solve { lower: true },
        ("solve-upper", []) => Linear::Solve { lower: false },
        ("solve-below", []) => Linear::SolveBelow,
        ("lu-panel", [start]) => Linear::LuPanel { start: *start },
        ("lu-update", [start, current]) => Linear::LuUpdate { start: *start, current: *current },
        ("permutation", []) => Linear::Permutation,
        _ => {
            return Err(PyValueError::new_err(format!(
                "no step of linear algebra is called {name:?} with {numbers:?}"
            )));
        }
    })
}

#[pymethods]
impl PyExpr {
    /// A step of linear algebra with blocks, which are found as `blockwise` finds them.
    #[staticmethod]
    #[allow(clippy::too_many_arguments)]
    fn linear<'py>(
        step: &str,
        numbers: Vec<usize>,
        out_ind: Vec<i64>,
        args: Vec<(Bound<'py, PyExpr>, Vec<i64>)>,
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        native: bool,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = chunks.py();
        let function = Arc::new(NativeFunction::Linear(step_of(step, &numbers)?));
        let (element, native) = declared(dtype, native)?;
        let arguments = args
            .iter()
            .map(|(expr, indices)| BlockArgument {
                array: Arc::clone(expr.get().expr()),
                indices: indices.as_slice().into(),
            })
            .collect();
        let grid = grid_of(chunks)?;
        let expr = Expr::blockwise(function, &out_ind, arguments, Vec::new(), false, grid, element, native, label)
            .map_err(|error| raise(py, error))?;
        let (numbers, out_ind) = (PyTuple::new(py, numbers)?, PyTuple::new(py, out_ind)?);
        let args = args
            .into_iter()
            .map(|(expr, indices)| (expr, PyTuple::new(py, indices)?).into_pyobject(py))
            .collect::<PyResult<Vec<_>>>()?;
        let recipe = (step, numbers, out_ind, PyTuple::new(py, args)?, chunks, dtype, native, label);
        PyExpr::new(py, expr, "linear", recipe.into_pyobject(py)?)
    }

    /// What `alone` is, made as `instead` where `shared` is computed anyway.
    #[staticmethod]
    fn choice<'py>(
        alone: &Bound<'py, PyExpr>,
        shared: &Bound<'py, PyExpr>,
        instead: &Bound<'py, PyExpr>,
    ) -> PyResult<PyExpr> {
        let py = alone.py();
        let expr = Expr::choice(alone.get().expr(), shared.get().expr(), instead.get().expr())
            .map_err(|error| raise(py, error))?;
        PyExpr::new(py, expr, "choice", (alone, shared, instead).into_pyobject(py)?)
    }
}
