//! `PyForeign`: a Python object as a value of the engine.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyNone, PyString, PyTuple};
use raskr_base::{Foreign, TaskError, Value};

use crate::array::convert::chunk_to_numpy;
use crate::error::from_python;
use crate::frame::table_object;
use crate::processes::Packed;

/// What [`Foreign::kind`] says of Python objects.
pub const KIND: &str = "python";

/// A Python object. Its size is estimated once, when the interpreter is at hand anyway.
pub struct PyForeign {
    object: Py<PyAny>,
    nbytes: u64,
}

impl PyForeign {
    pub fn new(object: Bound<'_, PyAny>) -> PyForeign {
        PyForeign { nbytes: size_of(&object), object: object.unbind() }
    }

    pub fn value(object: Bound<'_, PyAny>) -> Value {
        Value::Foreign(Arc::new(PyForeign::new(object)))
    }

    /// Estimated bytes.
    pub fn size(&self) -> u64 {
        self.nbytes
    }

    /// The Python object of a value, when it is one.
    pub fn of(value: &Value) -> Option<&PyForeign> {
        match value {
            Value::Foreign(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Debug for PyForeign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PyForeign({} bytes)", self.nbytes)
    }
}

impl Foreign for PyForeign {
    fn nbytes(&self) -> u64 {
        self.nbytes
    }

    fn encode(&self) -> Result<Vec<u8>, TaskError> {
        Python::attach(|py| {
            let dumped = dumps(self.object.bind(py)).map_err(|error| from_python(py, error))?;
            Ok(dumped.as_bytes().to_vec())
        })
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The Python object of any value.
pub fn to_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Unit => Ok(py.None().into_bound(py)),
        Value::Bytes(bytes) => Ok(PyBytes::new(py, bytes).into_any()),
        Value::List(values) => {
            let values = values.iter().map(|value| to_object(py, value)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, values)?.into_any())
        }
        Value::Foreign(_) => match (PyForeign::of(value), Packed::of(value)) {
            (Some(foreign), _) => Ok(foreign.object.bind(py).clone()),
            (None, Some(packed)) => packed.object(py),
            (None, None) => table_object(py, value)?
                .ok_or_else(|| PyTypeError::new_err("a value of another language can't be shown to Python")),
        },
        Value::Chunk(chunk) => chunk_to_numpy(py, chunk),
    }
}

/// Pickles an object, functions of `__main__` and closures included.
pub fn dumps<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = object.py();
    let dumped = py.import(intern!(py, "cloudpickle"))?.call_method1(intern!(py, "dumps"), (object,))?;
    Ok(dumped.cast_into::<PyBytes>()?)
}

/// The object that [`dumps`] made these bytes of.
pub fn loads<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    py.import(intern!(py, "pickle"))?.call_method1(intern!(py, "loads"), (PyBytes::new(py, bytes),))
}

/// Bytes that an object keeps alive, estimated in about the time that a comparison takes for the usual types.
fn size_of(object: &Bound<'_, PyAny>) -> u64 {
    const OBJECT: u64 = 32;
    if object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyNone>()
        || object.is_exact_instance_of::<PyComplex>()
    {
        return OBJECT;
    }
    if let Ok(text) = object.cast_exact::<PyString>() {
        return OBJECT + text.len().unwrap_or_default() as u64;
    }
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return OBJECT + bytes.as_bytes().len() as u64;
    }
    if let Ok(bytes) = object.cast_exact::<PyByteArray>() {
        return OBJECT + bytes.len() as u64;
    }
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return OBJECT + (array.len() * array.dtype().itemsize()) as u64;
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        return sampled(list.len(), list.iter());
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return sampled(tuple.len(), tuple.iter());
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        return 2 * sampled(dict.len(), dict.iter().map(|(_, value)| value));
    }
    foreign_size(object).unwrap_or(OBJECT)
}

/// The size of a container, judged by its first items.
fn sampled<'py>(len: usize, items: impl Iterator<Item = Bound<'py, PyAny>>) -> u64 {
    const SAMPLE: usize = 4;
    let overhead = 64 + 8 * len as u64;
    let sample = len.min(SAMPLE) as u64;
    if sample == 0 {
        return overhead;
    }
    let seen: u64 = items.take(SAMPLE).map(|item| flat_size(&item)).sum();
    overhead + seen * len as u64 / sample
}

/// Like [`size_of`], without looking into containers in turn.
fn flat_size(item: &Bound<'_, PyAny>) -> u64 {
    if item.is_exact_instance_of::<PyList>() || item.is_exact_instance_of::<PyDict>() {
        let len = item.len().unwrap_or_default() as u64;
        return 64 + 40 * len;
    }
    if item.is_exact_instance_of::<PyTuple>() {
        return 64 + 40 * item.len().unwrap_or_default() as u64;
    }
    size_of(item)
}

/// What an object says of itself: `raskr.sizeof` knows frames and whatever the user registered there.
fn foreign_size(object: &Bound<'_, PyAny>) -> Option<u64> {
    let py = object.py();
    let module = py.import(intern!(py, "raskr.sizeof")).ok()?;
    module.call_method1(intern!(py, "sizeof"), (object,)).ok()?.extract().ok()
}
