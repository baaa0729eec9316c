//! Frames for Python: plans and their expressions, tables by the Arrow C interface, readers that are Python functions.

mod expr;
mod plan;
mod reader;
mod table;

use pyo3::prelude::*;

pub use reader::reader_of;
pub use table::{FrameTable, table_object};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameTable>()?;
    expr::register(module)?;
    plan::register(module)
}
