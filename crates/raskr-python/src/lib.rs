//! `raskr._core`: everything of raskr that Python sees, and all that knows Python.
//!
//! Knows: Python objects, exceptions, the interpreter's lock. Does not know: algorithms; a loop over chunks or tasks
//! belongs below. Invariants: Rust locks are not held while Python runs; every way in that may take long goes through
//! [`enter`]. Tested from Python, in `tests/`.

mod enter;
mod error;
mod object;
mod settings;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        error::register(module)?;
        settings::register(module)?;
        // array::register(module)?;
        Ok(())
    }
}
