//! The parent's side: batches of calls are pickled, sent, and their results taken in.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyList;
use raskr_base::sizes::format_bytes;
use raskr_base::{ErrorClass, Op, TaskError, Value};
use raskr_exec::pool::message::{Body, Message, buffers_of};
use raskr_exec::pool::{self, CallOut, Child, Encoded, Exit, SHARED_BYTES_MIN, SharedBuffer, Start};
use raskr_exec::{Remote, RemoteControl, RemoteTask};

use super::child::explained;
use super::code::{self, Sink};
use super::pickle::{Packed, failure, pickle};
use crate::call::{Callee, PyCall};
use crate::error::from_python;
use crate::object::{PyForeign, to_object};

/// How often a worker that waits for a child looks whether it should stop.
const POLL: Duration = Duration::from_millis(20);
/// How long calls that are under way may take to end when everything stops, before their child is ended.
const GRACE: Duration = Duration::from_millis(100);
/// How often a task is run again after its process died.
const DEATHS_ALLOWED: usize = 3;
/// How long a new child may take until it is set up.
const SETUP_TIME: Duration = Duration::from_secs(30);

/// What all children of a run are told.
pub struct Conditions {
    pub start: Start,
    /// A pickled dictionary: `path`, `folder`, `initializer`.
    pub setup: Vec<u8>,
    /// Children that were set up for another purpose are not used.
    pub purpose: u64,
}

/// Runs Python calls in child processes, one child for each worker of a run.
pub struct Processes {
    conditions: Conditions,
    children: Vec<Mutex<Option<Child>>>,
    known: Mutex<KnownObjects>,
    /// Held while an object is pickled that travels once, so that two workers don't do it twice.
    pickling: std::sync::Mutex<()>,
    /// How processes ended while they ran a task, by the task's operation and index.
    deaths: Mutex<HashMap<(usize, u32), Vec<Exit>>>,
}

/// Objects that travel once to each child: by their address, while they are kept alive here.
#[derive(Default)]
struct KnownObjects {
    by_address: HashMap<usize, (u64, Py<PyAny>)>,
    encoded: HashMap<u64, Arc<Encoded>>,
    /// Ids of constants, which mean nothing to later runs. Those of functions do, since they are made of their content.
    constants: Vec<u64>,
}

/// Collects the objects of a batch.
struct Gathering<'a, 'py> {
    processes: &'a Processes,
    constants: Bound<'py, PyList>,
    known: Vec<u64>,
}

impl Sink for Gathering<'_, '_> {
    fn function(&mut self, function: &Bound<'_, PyAny>) -> PyResult<u64> {
        self.know(function, true)
    }

    fn large(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        if PyForeign::new(object.clone()).size() < SHARED_BYTES_MIN as u64 {
            return Ok(None);
        }
        self.know(object, false).map(Some)
    }

    fn constant(&mut self, object: &Bound<'_, PyAny>) -> PyResult<u32> {
        self.constants.append(object)?;
        Ok(self.constants.len() as u32 - 1)
    }
}

impl Gathering<'_, '_> {
    fn know(&mut self, object: &Bound<'_, PyAny>, by_content: bool) -> PyResult<u64> {
        let address = object.as_ptr() as usize;
        let known = || self.processes.known.lock().by_address.get(&address).map(|(id, _)| *id);
        let mut found = known();
        // Waits without the interpreter, which the other one may need.
        let pickling = found.is_none().then(|| self.processes.pickling.lock_py_attached(object.py()));
        found = found.or_else(known);
        let id = match found {
            Some(id) => id,
            None => {
                let encoded = pickle(object, true).map_err(|error| explained(object.py(), object, error))?;
                let mut known = self.processes.known.lock();
                let id = if by_content { content_id(&encoded) } else { pool::fresh_id() };
                if !by_content {
                    known.constants.push(id);
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

/// A batch that is ready to be sent.
struct Prepared {
    shared: Encoded,
    calls: Vec<Vec<u8>>,
    inputs: Vec<Vec<Arc<Encoded>>>,
    known: Vec<(u64, Arc<Encoded>)>,
}

/// How a conversation with a child ended.
enum End {
    /// It is free again.
    Free,
    /// The batch has to be sent call by call.
    Unreadable(TaskError),
    /// The child was ended, or ended itself.
    Lost,
}

impl Processes {
    pub fn new(conditions: Conditions, width: usize) -> Processes {
        Processes {
            conditions,
            children: (0..width.max(1)).map(|_| Mutex::new(None)).collect(),
            known: Mutex::default(),
            pickling: std::sync::Mutex::new(()),
            deaths: Mutex::default(),
        }
    }

    fn prepare(&self, py: Python<'_>, tasks: &[RemoteTask<'_>], places: &[usize]) -> PyResult<Prepared> {
        let mut gathering = Gathering { processes: self, constants: PyList::empty(py), known: Vec::new() };
        let (mut calls, mut inputs) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for &place in places {
            let task = &tasks[place];
            let Some(call) = task.op.as_any().and_then(|op| op.downcast_ref::<PyCall>()) else { continue };
            calls.push(code::encode(py, call, &mut gathering)?);
            inputs.push(task.inputs.iter().map(|input| encoded_input(py, input)).collect::<PyResult<Vec<_>>>()?);
        }
        let constants = gathering.constants.as_any();
        let shared = pickle(constants, true).map_err(|error| explained(py, constants, error))?;
        let known = self.known.lock();
        let known =
            gathering.known.iter().filter_map(|id| known.encoded.get(id).map(|one| (*id, Arc::clone(one)))).collect();
        Ok(Prepared { shared, calls, inputs, known })
    }

    /// Runs the tasks at some places in one batch, and alone those that spoil it.
    fn run_some(&self, worker: u32, tasks: &[RemoteTask<'_>], places: &[usize], control: &mut dyn RemoteControl) {
        let prepared = Python::attach(|py| self.prepare(py, tasks, places).map_err(|error| from_python(py, error)));
        let end = match prepared {
            Ok(prepared) => match self.converse(worker, tasks, places, &prepared, control) {
                Ok(End::Unreadable(error)) => Err(error),
                Ok(End::Free | End::Lost) => Ok(()),
                Err(error) => {
                    Err(TaskError::new(ErrorClass::Os, format!("a child process could not be used: {error}")))
                }
            },
            Err(error) => Err(error),
        };
        let Err(error) = end else { return };
        if let [place] = places {
            control.ended(*place, Err(error), Duration::ZERO);
            return;
        }
        for &place in places {
            if !control.is_stopped() {
                self.run_some(worker, tasks, &[place], control);
            }
        }
    }

    /// A child that is set up, for a worker.
    fn child(&self) -> io::Result<Child> {
        let mut failures = 0;
        loop {
            let (mut child, new) = pool::check_out(&self.conditions.start, self.conditions.purpose)?;
            match self.set_up(&mut child) {
                Ok(()) => return Ok(child),
                // What the setup itself raises, it raises every time.
                Err(error) if failures == DEATHS_ALLOWED || error.kind() == io::ErrorKind::Other => return Err(error),
                // One that was waiting may have ended just now, and a new one may have been ended by others.
                Err(_) => failures += usize::from(new),
            }
        }
    }

    fn set_up(&self, child: &mut Child) -> io::Result<()> {
        child.set_up(&Encoded { bytes: self.conditions.setup.clone(), buffers: Vec::new() })?;
        let begun = Instant::now();
        while begun.elapsed() < SETUP_TIME {
            match child.receive(POLL) {
                Ok(None) => {}
                Ok(Some(received)) => match received.message {
                    Message::Ready(None) => return Ok(()),
                    Message::Ready(Some(body)) => {
                        let error = Python::attach(|py| failure(py, &encoded_of(body, &mut HashMap::new())));
                        return Err(io::Error::other(error));
                    }
                    other => return Err(unexpected(&other)),
                },
                Err(error) => {
                    let exit = child.wait();
                    return Err(io::Error::new(error.kind(), format!("it ended at once: {}", how(&exit))));
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "it was not ready within half a minute"))
    }

    fn converse(
        &self,
        worker: u32,
        tasks: &[RemoteTask<'_>],
        places: &[usize],
        prepared: &Prepared,
        control: &mut dyn RemoteControl,
    ) -> io::Result<End> {
        let mut slot = self.children[worker as usize % self.children.len()].lock();
        let mut child = match slot.take() {
            Some(child) => child,
            None => self.child()?,
        };
        let sent = send(&mut child, places, prepared);
        let end = match sent {
            Ok(()) => self.listen(&mut child, tasks, places, control),
            // It has gone in the meantime; the tasks are handed back.
            Err(_) => Ok(End::Lost),
        }?;
        match end {
            End::Lost => drop(child),
            End::Free | End::Unreadable(_) => *slot = Some(child),
        }
        Ok(end)
    }

    /// Takes in what a child says until it has nothing left to do.
    fn listen(
        &self,
        child: &mut Child,
        tasks: &[RemoteTask<'_>],
        places: &[usize],
        control: &mut dyn RemoteControl,
    ) -> io::Result<End> {
        let mut left = places.len();
        let (mut retracted, mut answered) = (false, false);
        let mut stopping: Option<Instant> = None;
        let mut buffers: HashMap<u64, Arc<SharedBuffer>> = HashMap::new();
        while left > 0 {
            let received = match child.receive(POLL) {
                Ok(received) => received,
                Err(_) => {
                    self.mourn(child, tasks, control);
                    return Ok(End::Lost);
                }
            };
            let stop = control.is_stopped();
            if (stop || control.is_overdue()) && left > 1 && !retracted {
                retracted = child.retract().is_ok();
            }
            if stop && stopping.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Ok(End::Lost);
            }
            let Some(received) = received else {
                child.look_at_memory();
                continue;
            };
            match received.message {
                Message::Buffers(list) => {
                    let new = buffers_of(&list, received.descriptors)?;
                    buffers.extend(new.into_iter().map(|buffer| (buffer.id(), buffer)));
                }
                Message::Ended(ended) => {
                    for one in ended {
                        left = left.saturating_sub(1);
                        let result = match one.outcome {
                            Ok(body) => Ok(Packed::value(encoded_of(body, &mut buffers))),
                            Err(body) => {
                                let encoded = encoded_of(body, &mut buffers);
                                Err(Python::attach(|py| failure(py, &encoded)))
                            }
                        };
                        control.ended(one.id as usize, result, Duration::from_nanos(one.nanoseconds));
                    }
                }
                Message::Retracted(ids) => {
                    left = left.saturating_sub(ids.len());
                    answered = true;
                }
                Message::Unreadable(body) => {
                    let encoded = encoded_of(body, &mut buffers);
                    return Ok(End::Unreadable(Python::attach(|py| failure(py, &encoded))));
                }
                other => return Err(unexpected(&other)),
            }
        }
        // A retraction that crossed the last results is still to be answered.
        while retracted && !answered {
            match child.receive(SETUP_TIME)? {
                Some(received) => answered = matches!(received.message, Message::Retracted(_)),
                None => return Ok(End::Lost),
            }
        }
        Ok(End::Free)
    }

    /// Finds the task that a child died of, and fails it when it did so too often.
    fn mourn(&self, child: &mut Child, tasks: &[RemoteTask<'_>], control: &mut dyn RemoteControl) {
        let running = child.running().map(|id| id as usize).filter(|&place| place < tasks.len());
        let exit = child.wait();
        // Between calls nobody is to blame: the child was ended from outside.
        let Some(place) = running else { return };
        let task = &tasks[place];
        let key = (Arc::as_ptr(task.op).cast::<()>() as usize, task.index);
        let mut deaths = self.deaths.lock();
        let history = deaths.entry(key).or_default();
        history.push(exit);
        if history.len() > DEATHS_ALLOWED {
            let endings: Vec<String> = history.iter().map(how).collect();
            let peak = history.iter().map(|exit| exit.peak_bytes).max().unwrap_or_default();
            let arguments: u64 = task.inputs.iter().map(Value::nbytes).sum();
            let message = format!(
                "{} ended its process {} times: {}; {}inputs {}",
                task.op.describe(task.index),
                history.len(),
                endings.join(", "),
                if peak == 0 { String::new() } else { format!("peak memory {}, ", format_bytes(peak as f64)) },
                format_bytes(arguments as f64),
            );
            drop(deaths);
            control.ended(place, Err(TaskError::new(ErrorClass::Killed, message)), Duration::ZERO);
        }
    }
}

impl Remote for Processes {
    fn accepts(&self, op: &dyn Op) -> bool {
        let call = op.as_any().and_then(|op| op.downcast_ref::<PyCall>());
        call.is_some_and(|call| !matches!(call.callee, Callee::Identity(_)))
    }

    fn run(&self, worker: u32, tasks: &[RemoteTask<'_>], control: &mut dyn RemoteControl) {
        let places: Vec<usize> = (0..tasks.len()).collect();
        self.run_some(worker, tasks, &places, control);
    }

    fn finish(&self) {
        let known = std::mem::take(&mut *self.known.lock());
        for slot in &self.children {
            if let Some(mut child) = slot.lock().take()
                && child.forget(&known.constants).is_ok()
            {
                pool::give_back(&self.conditions.start, self.conditions.purpose, child);
            }
        }
        Python::attach(|_| drop(known));
    }
}

fn send(child: &mut Child, places: &[usize], prepared: &Prepared) -> io::Result<()> {
    for (id, encoded) in &prepared.known {
        child.make_known(*id, encoded)?;
    }
    let calls = places.iter().zip(&prepared.calls).zip(&prepared.inputs);
    let calls = calls.map(|((&place, call), inputs)| CallOut {
        id: place as u32,
        call: call.clone(),
        inputs: inputs.iter().map(Arc::as_ref).collect(),
    });
    child.send_batch(&prepared.shared, calls.collect())
}

fn encoded_input(py: Python<'_>, value: &Value) -> PyResult<Arc<Encoded>> {
    match Packed::of(value) {
        Some(packed) => Ok(Arc::clone(packed.encoded())),
        None => {
            let object = to_object(py, value)?;
            pickle(&object, false).map(Arc::new).map_err(|error| explained(py, &object, error))
        }
    }
}

fn encoded_of(body: Body, buffers: &mut HashMap<u64, Arc<SharedBuffer>>) -> Encoded {
    Encoded { buffers: body.buffers.iter().filter_map(|id| buffers.get(id).cloned()).collect(), bytes: body.bytes }
}

fn unexpected(message: &Message) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a child sent what it should not: {message:?}"))
}

/// How a process ended, in words.
fn how(exit: &Exit) -> String {
    match (exit.signal, exit.code) {
        (Some(signal), _) => format!("signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "nobody knows how".to_owned(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
