//! Lazy arrays: the `Expr` class, its constructors, and NumPy arrays in and out.

pub mod build;
pub mod convert;
pub mod encoded;
pub mod expr;
mod fft;
pub mod files;
pub mod function;
mod linalg;
mod numeric;
pub mod order;
pub mod output;
mod recipes;
mod selection;

use pyo3::prelude::*;
use pyo3::types::PyList;
use raskr_base::Value;

pub use expr::PyExpr;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    convert::check_numpy(module.py())?;
    raskr_array::function::install_foreign(Box::new(function::NumpyLike));
    module.add_class::<PyExpr>()?;
    module.add_class::<convert::Memory>()?;
    module.add_class::<order::OrderFunction>()?;
    module.add_class::<recipes::ExprPart>()?;
    module.add_function(wrap_pyfunction!(expr::rebuild_expr, module)?)?;
    module.add_function(wrap_pyfunction!(recipes::rebuild_exprs, module)?)?;
    module.add_function(wrap_pyfunction!(build::unify_chunks, module)?)
}

/// What a native operation takes for an object that another scheduler hands over: arrays as chunks, also in lists.
pub fn native_value(object: Bound<'_, PyAny>) -> PyResult<Value> {
    if object.is_none() {
        return Ok(Value::Unit);
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        return Ok(Value::List(list.iter().map(native_value).collect::<PyResult<_>>()?));
    }
    convert::block_value(object, true)
}
