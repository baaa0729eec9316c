//! Lazy arrays: the `Expr` class, its constructors, and NumPy arrays in and out.

mod build;
pub mod convert;
pub mod expr;
mod files;
mod function;
mod numeric;
pub mod output;

use pyo3::prelude::*;

pub use expr::PyExpr;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    convert::check_numpy(module.py())?;
    raskr_array::function::install_foreign(Box::new(function::NumpyLike));
    module.add_class::<PyExpr>()?;
    module.add_class::<convert::Memory>()?;
    module.add_function(wrap_pyfunction!(expr::rebuild_expr, module)?)?;
    module.add_function(wrap_pyfunction!(build::unify_chunks, module)?)
}
