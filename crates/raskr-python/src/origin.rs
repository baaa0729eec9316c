//! `Origin`: the user's line that made a call, noted in a few nanoseconds and put into words only for an error.
// `unsafe` is allowed here: the frame that runs is read through the C API, which has no safe face for it.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyFrame, PyFrameMethods};

/// A place in Python code.
pub struct Origin {
    place: Option<(Py<PyCode>, i32)>,
    text: OnceLock<Option<String>>,
}

impl Origin {
    /// The innermost line that is not raskr's own.
    pub fn here(py: Python<'_>) -> Origin {
        Origin { place: place(py), text: OnceLock::new() }
    }

    pub fn unknown() -> Origin {
        Origin { place: None, text: OnceLock::new() }
    }

    /// `script.py:12`.
    pub fn text(&self) -> Option<&str> {
        if self.text.get().is_none() {
            // Made before it is put in place: nothing is held while the interpreter is entered.
            let text = Python::attach(|py| {
                let (code, instruction) = self.place.as_ref()?;
                describe(code.bind(py), *instruction).ok()
            });
            let _ = self.text.set(text);
        }
        self.text.get()?.as_deref()
    }
}

fn describe(code: &Bound<'_, PyCode>, instruction: i32) -> PyResult<String> {
    let file: String = code.getattr(intern!(code.py(), "co_filename"))?.extract()?;
    for span in code.call_method0(intern!(code.py(), "co_lines"))?.try_iter()? {
        let (start, end, line): (i32, i32, Option<i32>) = span?.extract()?;
        if let Some(line) = line
            && (start..end).contains(&instruction)
        {
            return Ok(format!("{file}:{line}"));
        }
    }
    Ok(file)
}

/// Frames of the package itself are told by their module's name.
fn is_own(frame: &Bound<'_, PyFrame>) -> bool {
    let py = frame.py();
    let globals = frame.globals();
    let name = globals.get_item(intern!(py, "__name__"));
    let Ok(Some(name)) = name else { return false };
    name.extract::<&str>()
        .is_ok_and(|name| name.strip_prefix("raskr").is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn place(py: Python<'_>) -> Option<(Py<PyCode>, i32)> {
    // SAFETY: the interpreter is held, as `py` shows; the result is borrowed, or null where no Python code runs.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }?;
    let mut frame = frame.cast_into::<PyFrame>().ok()?;
    while is_own(&frame) {
        frame = frame.outer()?;
    }
    let instruction = frame.getattr(intern!(py, "f_lasti")).ok()?.extract().ok()?;
    Some((frame.code().unbind(), instruction))
}
