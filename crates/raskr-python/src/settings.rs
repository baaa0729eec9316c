//! The engine's table of settings, sizes and durations, for Python.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use raskr_base::settings::{Kind, Preset, SETTINGS, find, reference};
use raskr_base::sizes::{self, SizeError};

/// The setting `delayed_pure`, which every delayed call looks at.
static DELAYED_PURE: AtomicBool = AtomicBool::new(false);

pub fn delayed_pure() -> bool {
    DELAYED_PURE.load(Ordering::Relaxed)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(settings, module)?)?;
    module.add_function(wrap_pyfunction!(check_setting, module)?)?;
    module.add_function(wrap_pyfunction!(settings_reference, module)?)?;
    module.add_function(wrap_pyfunction!(set_delayed_pure, module)?)?;
    module.add_function(wrap_pyfunction!(default_memory_limit, module)?)?;
    module.add_function(wrap_pyfunction!(parse_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(parse_duration, module)?)?;
    module.add_function(wrap_pyfunction!(format_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(format_duration, module)?)
}

#[pyfunction]
fn set_delayed_pure(pure: bool) {
    DELAYED_PURE.store(pure, Ordering::Relaxed);
}

/// Every setting as `(name, kind, default, doc)`.
#[pyfunction]
fn settings(py: Python<'_>) -> PyResult<Vec<(&'static str, String, Py<PyAny>, &'static str)>> {
    SETTINGS
        .iter()
        .map(|setting| {
            let default = match setting.default {
                Preset::Unset => py.None(),
                Preset::Bool(value) => value.into_py_any(py)?,
                Preset::Int(value) => value.into_py_any(py)?,
                Preset::Float(value) => value.into_py_any(py)?,
                Preset::Text(value) => value.into_py_any(py)?,
            };
            Ok((setting.name, setting.kind.describe(), default, setting.doc))
        })
        .collect()
}

/// The reference page of all settings, in Markdown.
#[pyfunction]
fn settings_reference() -> String {
    reference()
}

/// The value in the form that the engine takes (bytes and durations as numbers), or an error of its kind.
#[pyfunction]
fn check_setting(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let setting = find(name).ok_or_else(|| PyKeyError::new_err(format!("raskr has no setting {name:?}")))?;
    let py = value.py();
    let shown = value.repr().map(|text| text.to_string()).unwrap_or_default();
    let expected = || format!("setting {:?} = {shown}: expected {}", setting.name, setting.kind.describe());
    let wrong = || PyTypeError::new_err(expected());
    let is_bool = value.is_instance_of::<PyBool>();
    match setting.kind {
        Kind::Bool if is_bool => Ok(value.clone().unbind()),
        Kind::Int if value.is_instance_of::<PyInt>() && !is_bool => Ok(value.clone().unbind()),
        Kind::Float if !is_bool => value.extract::<f64>().map_err(|_| wrong())?.into_py_any(py),
        Kind::Bytes | Kind::Duration if is_bool => Err(wrong()),
        Kind::Bytes => bytes_of(value).map_err(|error| explain(py, error, expected()))?.into_py_any(py),
        Kind::Duration => seconds_of(value).map_err(|error| explain(py, error, expected()))?.into_py_any(py),
        Kind::Text if value.is_instance_of::<PyString>() => Ok(value.clone().unbind()),
        Kind::Path => value.py().import("os")?.call_method1("fspath", (value,)).map(Bound::unbind).map_err(|_| wrong()),
        Kind::Choice(words) => match value.extract::<&str>() {
            Ok(word) if words.contains(&word) => Ok(value.clone().unbind()),
            Ok(_) => Err(PyValueError::new_err(expected())),
            Err(_) => Err(wrong()),
        },
        Kind::WordOrObject => Ok(value.clone().unbind()),
        Kind::Bool | Kind::Int | Kind::Float | Kind::Text => Err(wrong()),
    }
}

fn explain(py: Python<'_>, error: PyErr, expected: String) -> PyErr {
    if error.is_instance_of::<PyValueError>(py) {
        PyValueError::new_err(expected)
    } else {
        PyTypeError::new_err(expected)
    }
}

fn value_error(error: SizeError) -> PyErr {
    match error {
        SizeError::TimeUnit(_) => PyKeyError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<i128> {
    if let Ok(text) = value.extract::<&str>() {
        return sizes::parse_bytes(text).map_err(value_error);
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(value.extract::<f64>()? as i128);
    }
    value.extract()
}

fn seconds_of(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if let Ok(text) = value.extract::<&str>() {
        return sizes::parse_duration(text).map_err(|error| PyValueError::new_err(error.to_string()));
    }
    value.extract()
}

/// The limit of memory where none is set.
#[pyfunction]
fn default_memory_limit() -> Option<u64> {
    raskr_exec::default_memory_limit()
}

/// Bytes of a number, or of text such as `"128 MiB"`.
#[pyfunction]
fn parse_bytes(value: &Bound<'_, PyAny>) -> PyResult<i128> {
    bytes_of(value)
}

/// Seconds of text such as `"300 ms"`; text without a unit is in units of `default`, or refused where that is None.
#[pyfunction]
fn parse_duration(text: &str, default: Option<&str>) -> PyResult<f64> {
    if sizes::has_unit(text) {
        return sizes::parse_duration(text).map_err(value_error);
    }
    let Some(default) = default else { return Err(PyValueError::new_err(format!("Missing time unit: {text}"))) };
    Ok(sizes::parse_duration(text).map_err(value_error)? * sizes::duration_unit(default).map_err(value_error)?)
}

#[pyfunction]
fn format_bytes(bytes: f64) -> String {
    sizes::format_bytes(bytes)
}

#[pyfunction]
fn format_duration(seconds: f64) -> String {
    sizes::format_duration(seconds)
}
