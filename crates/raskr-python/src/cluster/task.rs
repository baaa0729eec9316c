//! Python calls as the tasks of a cluster: what of a call is code that tasks share, what are its own arguments, and back.
//!
//! A body is the pickled function, sent once to each worker however many tasks call it. Arguments are the shape of the call
//! (`processes/code.rs`), in which inputs are numbered as the task lists them and the function has the number 0, and the
//! constants, pickled as one list.

use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use raskr_graph::Token;
use raskr_sched::Blob;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::plain;
use crate::call::{Function, PyCall};
use crate::object::{PyForeign, dumps, loads};
use crate::processes::code::{self, Sink, Source};
use crate::processes::{blamed, explained};

/// What tasks have in common: `BodySpec::code`, encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyCode {
    /// A pickled function.
    Function(ByteBuf),
    /// The call says by itself what it does: it calls one of its inputs or a method of one, or builds a container.
    NoFunction,
    /// Encoded expressions of arrays; a task's index says which of their plan's tasks it is.
    Native(ByteBuf),
    /// What tasks of frames have in common; the rest is in their arguments.
    Frame(ByteBuf),
}

/// What is a Python task's own: `TaskSpec::arguments`, encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallArguments {
    pub call: ByteBuf,
    /// A pickled list; empty when there are no constants.
    pub constants: ByteBuf,
}

fn undecodable(what: &str, error: postcard::Error) -> PyErr {
    PyValueError::new_err(format!("{what} can't be decoded: {error}"))
}

impl BodyCode {
    pub fn encoded(&self) -> PyResult<Blob> {
        let bytes = postcard::to_stdvec(self)
            .map_err(|error| PyValueError::new_err(format!("the code of tasks can't be encoded: {error}")))?;
        Ok(Blob::from(bytes))
    }

    pub fn decoded(bytes: &[u8]) -> PyResult<BodyCode> {
        postcard::from_bytes(bytes).map_err(|error| undecodable("the code of tasks", error))
    }

    /// The code of calls of a function.
    pub fn of_function(function: &Bound<'_, PyAny>) -> PyResult<BodyCode> {
        let bytes = dumps(function).map_err(|error| explained(function, error, None))?;
        Ok(BodyCode::Function(ByteBuf::from(bytes.as_bytes())))
    }

    /// The function, for the calls of this code.
    pub fn function(&self, py: Python<'_>) -> PyResult<Option<Arc<Function>>> {
        match self {
            BodyCode::Function(bytes) => Ok(Some(Arc::new(Function::new(loads(py, bytes)?.unbind())))),
            BodyCode::NoFunction | BodyCode::Native(_) | BodyCode::Frame(_) => Ok(None),
        }
    }
}

/// By what equal code is known.
pub fn token_of(code: &Blob) -> u128 {
    Token::of("body", |hasher| {
        hasher.bytes(&code.0);
    })
    .0
}

impl CallArguments {
    pub fn encoded(&self) -> PyResult<Blob> {
        let bytes = postcard::to_stdvec(self)
            .map_err(|error| PyValueError::new_err(format!("the arguments of a task can't be encoded: {error}")))?;
        Ok(Blob::from(bytes))
    }

    pub fn decoded(bytes: &[u8]) -> PyResult<CallArguments> {
        postcard::from_bytes(bytes).map_err(|error| undecodable("the arguments of a task", error))
    }
}

/// Constants from this size on travel as data of their own, once for all tasks that take them.
pub const CONSTANT_BYTES_MIN: u64 = 1 << 20;

/// A call without what it shares with others.
pub struct CallParts<'py> {
    pub arguments: CallArguments,
    /// Large constants: the inputs that follow those that the call has.
    pub large: Vec<Bound<'py, PyAny>>,
}

/// Collects the objects of one call.
struct Collected<'a, 'py> {
    constants: Vec<Bound<'py, PyAny>>,
    /// For each input of the call the place in the task's list, in which each is named once.
    places: &'a [u32],
    inputs: u32,
    large: Vec<Bound<'py, PyAny>>,
}

impl<'py> Sink<'py> for Collected<'_, 'py> {
    fn function(&mut self, _function: &Bound<'py, PyAny>) -> PyResult<u64> {
        Ok(0)
    }

    fn large(&mut self, _object: &Bound<'py, PyAny>) -> PyResult<Option<u64>> {
        Ok(None)
    }

    fn constant(&mut self, object: &Bound<'py, PyAny>) -> PyResult<u32> {
        self.constants.push(object.clone());
        Ok(self.constants.len() as u32 - 1)
    }

    fn input(&mut self, place: u32) -> u32 {
        self.places.get(place as usize).copied().unwrap_or(place)
    }

    fn as_input(&mut self, object: &Bound<'py, PyAny>) -> PyResult<Option<u32>> {
        if plain::is_small(object) || PyForeign::new(object.clone()).size() < CONSTANT_BYTES_MIN {
            return Ok(None);
        }
        let known = self.large.iter().position(|known| known.is(object));
        let place = known.unwrap_or_else(|| {
            self.large.push(object.clone());
            self.large.len() - 1
        });
        Ok(Some(self.inputs + place as u32))
    }
}

/// Takes a call apart. `places` says for each of its inputs where the task lists it, `inputs` how many the task lists.
pub fn encode<'py>(py: Python<'py>, call: &PyCall, places: &[u32], inputs: u32) -> PyResult<CallParts<'py>> {
    let mut sink = Collected { constants: Vec::new(), places, inputs, large: Vec::new() };
    let shape = code::encode(py, call, &mut sink)?;
    let constants = constants_of(py, call, &sink.constants)?;
    let arguments = CallArguments { call: ByteBuf::from(shape), constants: ByteBuf::from(constants) };
    Ok(CallParts { arguments, large: sink.large })
}

fn constants_of(py: Python<'_>, call: &PyCall, constants: &[Bound<'_, PyAny>]) -> PyResult<Vec<u8>> {
    if constants.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(bytes) = plain::pickle_list(constants) {
        return Ok(bytes);
    }
    let pickled = dumps(PyList::new(py, constants)?.as_any());
    Ok(pickled.map_err(|error| blamed(py, call, error))?.as_bytes().to_vec())
}

/// Where the one function of a body is found.
struct Body(Option<Arc<Function>>);

impl Source for Body {
    fn known<'py>(&self, _py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>> {
        Err(PyRuntimeError::new_err(format!("a task refers to the object {id}, which no task of a cluster brings")))
    }

    fn function(&self, _py: Python<'_>, _id: u64) -> PyResult<Arc<Function>> {
        self.0.clone().ok_or_else(|| PyRuntimeError::new_err("a task calls a function that its code does not have"))
    }
}

/// The call that [`encode`] took apart, with the function of its body.
pub fn decode(py: Python<'_>, function: Option<Arc<Function>>, arguments: &CallArguments) -> PyResult<PyCall> {
    let constants = if arguments.constants.is_empty() {
        PyList::empty(py)
    } else {
        let loads = py.import(intern!(py, "pickle"))?.getattr(intern!(py, "loads"))?;
        loads.call1((PyBytes::new(py, &arguments.constants),))?.cast_into::<PyList>()?
    };
    code::decode(py, &arguments.call, &constants, &Body(function))
}
