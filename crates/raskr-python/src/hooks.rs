//! Python functions of `raskr._hooks` that Rust calls back into, each imported once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// A function of `raskr._hooks`.
pub fn hook<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let module = MODULE.get_or_try_init(py, || py.import("raskr._hooks").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}
