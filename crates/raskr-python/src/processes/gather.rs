//! What a batch of calls takes along: codes, constants, encoded inputs, and what a child is told once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyList;
use raskr_base::{Foreign, Op, Value};
use raskr_exec::RemoteTask;
use raskr_exec::pool::{self, CallOut, Encoded, SHARED_BYTES_MIN};

use super::child::explained;
use super::code::{self, Sink};
use super::pickle::{Packed, pickle};
use crate::call::PyCall;
use crate::object::{PyForeign, to_object};

/// What was pickled during a run and may be needed again.
#[derive(Default)]
pub struct Store {
    known: Mutex<KnownObjects>,
    /// Inputs by their address, for as long as the engine has them.
    inputs: Mutex<HashMap<usize, (Weak<dyn Foreign>, Arc<Encoded>)>>,
    /// Held while an object is pickled that travels once, so that two workers don't do it twice.
    pickling: std::sync::Mutex<()>,
}

/// Objects that travel once to each child: by their address, while they are kept alive here.
#[derive(Default)]
struct KnownObjects {
    by_address: HashMap<usize, (u64, Py<PyAny>)>,
    encoded: HashMap<u64, Arc<Encoded>>,
    /// Ids that children forget after the run: those of constants mean nothing to later ones. Those of functions do, since
    /// they are made of their content, but what is large is not kept.
    passing: Vec<u64>,
}

/// A batch that is ready to be sent.
pub struct Prepared {
    pub shared: Encoded,
    pub calls: Vec<CallOut>,
    pub known: Vec<(u64, Arc<Encoded>)>,
}

/// Collects the objects of a batch.
struct Gathering<'a, 'py> {
    store: &'a Store,
    constants: Bound<'py, PyList>,
    known: Vec<u64>,
}

impl<'py> Sink<'py> for Gathering<'_, 'py> {
    fn function(&mut self, function: &Bound<'py, PyAny>) -> PyResult<u64> {
        self.know(function, true)
    }

    fn large(&mut self, object: &Bound<'py, PyAny>) -> PyResult<Option<u64>> {
        if PyForeign::new(object.clone()).size() < SHARED_BYTES_MIN as u64 {
            return Ok(None);
        }
        self.know(object, false).map(Some)
    }

    fn constant(&mut self, object: &Bound<'py, PyAny>) -> PyResult<u32> {
        self.constants.append(object)?;
        Ok(self.constants.len() as u32 - 1)
    }
}

impl Gathering<'_, '_> {
    fn know(&mut self, object: &Bound<'_, PyAny>, by_content: bool) -> PyResult<u64> {
        let address = object.as_ptr() as usize;
        let known = || self.store.known.lock().by_address.get(&address).map(|(id, _)| *id);
        let mut found = known();
        // Waits without the interpreter, which the other one may need.
        let pickling = found.is_none().then(|| self.store.pickling.lock_py_attached(object.py()));
        found = found.or_else(known);
        let id = match found {
            Some(id) => id,
            None => {
                let encoded = pickle(object, true)
                    .map_err(|error| if by_content { explained(object, error, None) } else { error })?;
                let mut known = self.store.known.lock();
                let id = if by_content { content_id(&encoded) } else { pool::fresh_id() };
                if !by_content || encoded.nbytes() >= SHARED_BYTES_MIN {
                    known.passing.push(id);
                }
                known.by_address.insert(address, (id, object.clone().unbind()));
                known.encoded.insert(id, Arc::new(encoded));
                id
            }
        };
        drop(pickling);
        if !self.known.contains(&id) {
            self.known.push(id);
        }
        Ok(id)
    }
}

/// The same for equal content; never that of a fresh id.
fn content_id(encoded: &Encoded) -> u64 {
    let mut hasher = DefaultHasher::new();
    encoded.bytes.hash(&mut hasher);
    for buffer in &encoded.buffers {
        buffer.as_slice().hash(&mut hasher);
    }
    hasher.finish() | 1 << 63
}

/// The call that a task makes.
pub fn call_of<'a>(task: &RemoteTask<'a>) -> Option<&'a PyCall> {
    task.op.as_any().and_then(|op| op.downcast_ref())
}

impl Store {
    /// What the tasks at some places take along.
    pub fn prepare(&self, py: Python<'_>, tasks: &[RemoteTask<'_>], places: &[usize]) -> PyResult<Prepared> {
        self.inputs.lock().retain(|_, (value, _)| value.strong_count() > 0);
        let mut gathering = Gathering { store: self, constants: PyList::empty(py), known: Vec::new() };
        let mut calls = Vec::with_capacity(places.len());
        for &place in places {
            let task = &tasks[place];
            let Some(call) = call_of(task) else { continue };
            let code = code::encode(py, call, &mut gathering).map_err(|error| blamed(py, call, error))?;
            let inputs = task.inputs.iter().map(|input| self.input(py, input, call)).collect::<PyResult<Vec<_>>>()?;
            calls.push(CallOut { id: place as u32, call: code, inputs });
        }
        let shared = pickle(gathering.constants.as_any(), true).map_err(|error| {
            // Of a batch, the tasks are sent one by one then.
            let alone = if let &[place] = places { call_of(&tasks[place]) } else { None };
            match alone {
                Some(call) => blamed(py, call, error),
                None => error,
            }
        })?;
        let known = self.known.lock();
        let known =
            gathering.known.iter().filter_map(|id| known.encoded.get(id).map(|one| (*id, Arc::clone(one)))).collect();
        Ok(Prepared { shared, calls, known })
    }

    fn input(&self, py: Python<'_>, value: &Value, call: &PyCall) -> PyResult<Arc<Encoded>> {
        if let Some(packed) = Packed::of(value) {
            return Ok(Arc::clone(packed.encoded()));
        }
        let pickled = || {
            let object = to_object(py, value)?;
            let place = || format!("{}: a computed argument", call.name());
            pickle(&object, true).map(Arc::new).map_err(|error| explained(&object, error, Some(place())))
        };
        let Value::Foreign(object) = value else { return pickled() };
        let address = Arc::as_ptr(object).cast::<()>() as usize;
        if let Some((_, encoded)) = self.inputs.lock().get(&address) {
            return Ok(Arc::clone(encoded));
        }
        let encoded = pickled()?;
        self.inputs.lock().insert(address, (Arc::downgrade(object), Arc::clone(&encoded)));
        Ok(encoded)
    }

    /// Drops everything; gives the ids that children have to forget.
    pub fn clear(&self) -> Vec<u64> {
        let KnownObjects { by_address, passing, .. } = std::mem::take(&mut *self.known.lock());
        self.inputs.lock().clear();
        Python::attach(|_| drop(by_address));
        passing
    }
}

/// Says which constant of a call can't be pickled.
pub fn blamed(py: Python<'_>, call: &PyCall, error: PyErr) -> PyErr {
    match code::constants(py, call).into_iter().find(|(_, object)| pickle(object, false).is_err()) {
        Some((place, object)) => explained(&object, error, Some(format!("{}: {place}", call.name()))),
        None => error,
    }
}

/// Bytes of what a task takes, constants included.
pub fn bytes_of_arguments(py: Python<'_>, task: &RemoteTask<'_>) -> u64 {
    let constants = call_of(task).map(|call| code::constants(py, call)).unwrap_or_default();
    let constants = constants.into_iter().map(|(_, object)| PyForeign::new(object).size());
    task.inputs.iter().map(Value::nbytes).chain(constants).sum()
}
