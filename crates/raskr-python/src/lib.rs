//! `raskr._core`: everything of raskr that Python sees, and all that knows Python.
//!
//! Knows: Python objects, exceptions, the interpreter's lock. Does not know: algorithms; a loop over chunks or tasks
//! belongs below. Invariants: Rust locks are not held while Python runs; every way in that may take long goes through
//! [`enter`]. Tested from Python, in `tests/`.

mod allocator;
mod array;
mod call;
mod cluster;
mod delayed;
mod dictgraph;
mod enter;
mod error;
mod frame;
mod hashing;
mod hooks;
mod interpreter;
mod listen;
mod node;
mod object;
mod objects;
mod operators;
mod origin;
mod picture;
mod processes;
mod run;
mod settings;
mod template;
mod text;
mod transfer;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        allocator::set_up(None);
        raskr_graph::install_hashing(hashing::side_by_side);
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        error::register(module)?;
        settings::register(module)?;
        delayed::register(module)?;
        dictgraph::register(module)?;
        node::register(module)?;
        picture::register(module)?;
        processes::register(module)?;
        objects::register(module)?;
        text::register(module)?;
        transfer::register(module)?;
        array::register(module)?;
        cluster::register(module)?;
        frame::register(module)?;
        module.add_function(wrap_pyfunction!(run::run, module)?)
    }
}
