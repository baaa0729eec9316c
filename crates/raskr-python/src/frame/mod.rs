//! Frames for Python: plans and their expressions, tables by the Arrow C interface, readers that are Python functions, made-up rows.

mod expr;
mod made_up;
mod plan;
mod reader;
mod table;

use pyo3::prelude::*;

pub use reader::reader_of;
pub use table::{FrameTable, table_object};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameTable>()?;
    expr::register(module)?;
    made_up::register(module)?;
    plan::register(module)
}
