//! What encoded expressions refer to, on its way to other processes: users' functions taken apart into Python objects, which
//! whoever sends them pickles, readers of files by their paths, lines of the user's as text.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use raskr_array::encode::Beside;
use raskr_array::expr::{ForeignType, Place};
use raskr_array::function::{BlockFunction, BlockReader};
use raskr_base::{ErrorClass, TaskError};
use serde::{Deserialize, Serialize};

use super::convert::element_type;
use super::files::ReaderCode;
use super::function::{PyBlockFunction, Slot};
use crate::error::to_python;

/// Lines of the user's beyond these are not told: each takes a look at its code.
const LINES_MAX: usize = 256;

/// A list of Python objects, each once.
pub struct Objects<'py> {
    list: Bound<'py, PyList>,
}

impl<'py> Objects<'py> {
    pub fn new(py: Python<'py>) -> Objects<'py> {
        Objects { list: PyList::empty(py) }
    }

    pub fn add(&mut self, object: &Bound<'py, PyAny>) -> PyResult<u32> {
        self.list.append(object)?;
        Ok(self.list.len() as u32 - 1)
    }

    pub fn list(&self) -> &Bound<'py, PyList> {
        &self.list
    }
}

/// The object with this number.
pub fn object_at<'py>(objects: &Bound<'py, PyList>, number: u32) -> PyResult<Bound<'py, PyAny>> {
    objects.get_item(number as usize).map_err(|_| {
        let many = objects.len();
        PyValueError::new_err(format!("encoded arrays refer to object {number}, but only {many} came with them"))
    })
}

#[derive(Serialize, Deserialize)]
enum SlotCode {
    Array,
    Literal(u32),
    Extra(usize),
}

#[derive(Serialize, Deserialize)]
struct FunctionCode {
    function: u32,
    slots: Vec<SlotCode>,
    keywords: Vec<(String, SlotCode)>,
    per_block: Option<u32>,
    native: bool,
    token: Option<String>,
}

/// The parts of [`Beside`] that are the same wherever the bytes go; numbers are those of objects.
#[derive(Serialize, Deserialize)]
pub struct BesideCode {
    functions: Vec<FunctionCode>,
    readers: Vec<ReaderCode>,
    elements: Vec<u32>,
    origins: Vec<Option<String>>,
}

/// A line of the user's that another process put into words.
struct Told(Option<String>);

impl Place for Told {
    fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl BesideCode {
    pub fn of<'py>(py: Python<'py>, beside: &Beside, objects: &mut Objects<'py>) -> PyResult<BesideCode> {
        let raised = |error| to_python(py, error);
        if !beside.writers.is_empty() {
            let text = "writing an array to a store can't be sent to another process";
            return Err(raised(TaskError::new(ErrorClass::NotImplemented, text)));
        }
        let functions = beside.functions.iter().map(|function| function_code(py, &**function, objects));
        let functions = functions.collect::<PyResult<_>>()?;
        let readers = beside.readers.iter().map(|reader| ReaderCode::of(&**reader).map_err(raised));
        let elements = beside.elements.iter().map(|foreign| match foreign.handle.downcast_ref::<Py<PyAny>>() {
            Some(descr) => objects.add(descr.bind(py)),
            None => Err(PyValueError::new_err(format!("{} is no NumPy element type", foreign.name))),
        });
        Ok(BesideCode {
            functions,
            readers: readers.collect::<PyResult<_>>()?,
            elements: elements.collect::<PyResult<_>>()?,
            origins: beside
                .origins
                .iter()
                .enumerate()
                .map(|(number, origin)| if number < LINES_MAX { origin.text().map(str::to_owned) } else { None })
                .collect(),
        })
    }

    /// What the code stands for, with nothing yet that is held in memory or called.
    pub fn beside(self, objects: &Bound<'_, PyList>) -> PyResult<Beside> {
        let py = objects.py();
        let raised = |error| to_python(py, error);
        let functions = self.functions.into_iter().map(|code| function(code, objects));
        let elements = self.elements.into_iter().map(|number| foreign_type(&object_at(objects, number)?));
        let origins = self.origins.into_iter().map(|text| Arc::new(Told(text)) as Arc<dyn Place>);
        Ok(Beside {
            functions: functions.collect::<PyResult<_>>()?,
            readers: self
                .readers
                .iter()
                .map(|code| code.reader().map_err(raised))
                .collect::<PyResult<Vec<Arc<dyn BlockReader>>>>()?,
            elements: elements.collect::<PyResult<_>>()?,
            origins: origins.collect(),
            ..Beside::default()
        })
    }
}

fn foreign_type(descr: &Bound<'_, PyAny>) -> PyResult<Arc<ForeignType>> {
    match element_type(descr)? {
        raskr_array::ElementType::Foreign(foreign) => Ok(foreign),
        raskr_array::ElementType::Native(dtype) => {
            Err(PyValueError::new_err(format!("expected an element type of NumPy's alone, got {dtype}")))
        }
    }
}

fn function_code<'py>(
    py: Python<'py>,
    function: &dyn BlockFunction,
    objects: &mut Objects<'py>,
) -> PyResult<FunctionCode> {
    let Some(function) = function.as_any().and_then(|any| any.downcast_ref::<PyBlockFunction>()) else {
        return Err(to_python(py, TaskError::internal("a function of blocks that can't be sent to other processes")));
    };
    let slot = |slot: &Slot, objects: &mut Objects<'py>| -> PyResult<SlotCode> {
        Ok(match slot {
            Slot::Array => SlotCode::Array,
            Slot::Literal(object) => SlotCode::Literal(objects.add(object.bind(py))?),
            Slot::Extra(number) => SlotCode::Extra(*number),
        })
    };
    let slots = function.slots.iter().map(|one| slot(one, objects)).collect::<PyResult<_>>()?;
    let keywords =
        function.keywords.iter().map(|(name, one)| Ok((name.clone(), slot(one, objects)?))).collect::<PyResult<_>>()?;
    Ok(FunctionCode {
        function: objects.add(function.function.bind(py))?,
        slots,
        keywords,
        per_block: function.per_block.as_ref().map(|callback| objects.add(callback.bind(py))).transpose()?,
        native: function.native,
        token: function.token.clone(),
    })
}

fn function(code: FunctionCode, objects: &Bound<'_, PyList>) -> PyResult<Arc<dyn BlockFunction>> {
    let slot = |code: SlotCode| -> PyResult<Slot> {
        Ok(match code {
            SlotCode::Array => Slot::Array,
            SlotCode::Literal(number) => Slot::Literal(object_at(objects, number)?.unbind()),
            SlotCode::Extra(number) => Slot::Extra(number),
        })
    };
    let per_block = code.per_block.map(|number| object_at(objects, number).map(Bound::unbind)).transpose()?;
    Ok(Arc::new(PyBlockFunction {
        function: object_at(objects, code.function)?.unbind(),
        slots: code.slots.into_iter().map(slot).collect::<PyResult<_>>()?,
        keywords: code.keywords.into_iter().map(|(name, code)| Ok((name, slot(code)?))).collect::<PyResult<_>>()?,
        per_block,
        native: code.native,
        token: code.token,
    }))
}
