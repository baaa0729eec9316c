//! Python calls in child processes: what travels, who runs it there, and what becomes of it here.

mod child;
pub mod code;
mod gather;
mod pickle;
mod run;

use pyo3::prelude::*;

pub use child::{explained, failure_of};
pub use gather::blamed;
pub use pickle::{PACKED_KIND, Packed, dumps_with, failure, loads_with, pickle};
pub use run::{Conditions, Processes};

/// Ends the child processes and the threads that wait for work.
#[pyfunction]
fn close_children(py: Python<'_>) {
    py.detach(|| {
        raskr_exec::pool::close();
        raskr_exec::threads::close();
    });
}

/// Process ids of the child processes that wait for work.
#[pyfunction]
fn idle_children() -> Vec<u32> {
    raskr_exec::pool::idle_children()
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(child::child_main, module)?)?;
    module.add_function(wrap_pyfunction!(close_children, module)?)?;
    module.add_function(wrap_pyfunction!(idle_children, module)?)?;
    module.add_function(wrap_pyfunction!(pickle::digest, module)?)
}
