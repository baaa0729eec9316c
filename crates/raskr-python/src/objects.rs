//! Files in object stores for Python: looked up, listed, read from any place on, written whole.

use std::path::PathBuf;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raskr_io::objects::{self, ObjectFile, StoreOptions};

use crate::text::released;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ObjectReader>()?;
    module.add_class::<ObjectWriter>()?;
    module.add_function(wrap_pyfunction!(object_check, module)?)?;
    module.add_function(wrap_pyfunction!(object_about, module)?)?;
    module.add_function(wrap_pyfunction!(object_list, module)?)?;
    module.add_function(wrap_pyfunction!(object_delete, module)?)?;
    module.add_function(wrap_pyfunction!(object_copy, module)?)
}

/// NotImplementedError where a store can't be made of these.
#[pyfunction]
fn object_check(py: Python<'_>, url: &str, options: StoreOptions) -> PyResult<()> {
    released(py, || ObjectFile::find(url, &options).map(drop))
}

/// A file's bytes, and when it was written, in seconds since 1970.
#[pyfunction]
fn object_about(py: Python<'_>, url: &str, options: StoreOptions) -> PyResult<(u64, f64)> {
    released(py, || ObjectFile::find(url, &options)?.about())
}

/// URLs, bytes (nothing for folders) and times of what is below a folder: all files, or files and folders directly in it.
#[pyfunction]
fn object_list(
    py: Python<'_>,
    url: &str,
    options: StoreOptions,
    all: bool,
) -> PyResult<Vec<(String, Option<u64>, f64)>> {
    let found = released(py, || objects::list(url, &options, all))?;
    Ok(found.into_iter().map(|each| (each.url, each.size, each.modified)).collect())
}

/// Takes a file away; it is no error if there is none.
#[pyfunction]
fn object_delete(py: Python<'_>, url: &str, options: StoreOptions) -> PyResult<()> {
    released(py, || ObjectFile::find(url, &options)?.delete())
}

/// Copies a file within its bucket.
#[pyfunction]
fn object_copy(py: Python<'_>, url: &str, to: &str, options: StoreOptions) -> PyResult<()> {
    released(py, || ObjectFile::find(url, &options)?.copy(&ObjectFile::find(to, &options)?))
}

/// A file that is open.
#[pyclass(frozen, module = "raskr._core")]
struct ObjectReader {
    path: PathBuf,
    #[pyo3(get)]
    size: u64,
    reader: Mutex<objects::ObjectReader>,
}

#[pymethods]
impl ObjectReader {
    #[new]
    fn new(py: Python<'_>, url: &str, options: StoreOptions) -> PyResult<ObjectReader> {
        let reader = released(py, || ObjectFile::find(url, &options)?.reader())?;
        Ok(ObjectReader { path: PathBuf::from(url), size: reader.size(), reader: Mutex::new(reader) })
    }

    /// So many bytes from a place on, or fewer at the file's end.
    fn read_at<'py>(&self, py: Python<'py>, place: u64, count: u64) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = released(py, || self.reader.lock().read_at(&self.path, place, count))?;
        Ok(PyBytes::new(py, &bytes))
    }
}

/// A file that is being written, and is there once it is closed.
#[pyclass(frozen, module = "raskr._core")]
struct ObjectWriter {
    writer: Mutex<objects::ObjectWriter>,
}

#[pymethods]
impl ObjectWriter {
    #[new]
    fn new(py: Python<'_>, url: &str, options: StoreOptions) -> PyResult<ObjectWriter> {
        let file = released(py, || ObjectFile::find(url, &options))?;
        Ok(ObjectWriter { writer: Mutex::new(objects::ObjectWriter::new(file)) })
    }

    fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        released(py, || self.writer.lock().write(bytes))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        released(py, || self.writer.lock().finish())
    }

    /// Nothing is kept of what was written.
    fn give_up(&self, py: Python<'_>) -> PyResult<()> {
        released(py, || self.writer.lock().give_up())
    }
}
