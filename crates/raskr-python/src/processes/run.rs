//! The parent's side: batches of calls are pickled, sent, and their results taken in.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;
use raskr_base::sizes::format_bytes;
use raskr_base::{ErrorClass, Op, TaskError};
use raskr_exec::pool::message::{Body, Message, buffers_of};
use raskr_exec::pool::{self, Child, Encoded, Exit, SharedBuffer, Start};
use raskr_exec::{Remote, RemoteControl, RemoteTask};

use super::gather::{Prepared, Store, bytes_of_arguments};
use super::pickle::{Packed, failure};
use crate::call::{Callee, PyCall};
use crate::error::from_python;

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
    /// A pickled dictionary: `path`, `folder`, `initializer`, `settings`.
    pub setup: Encoded,
    /// Children that were set up for another purpose are not used.
    pub purpose: u64,
}

/// Runs Python calls in child processes, one child for each worker of a run.
pub struct Processes {
    conditions: Conditions,
    children: Vec<Mutex<Option<Child>>>,
    store: Store,
    /// How processes ended while they ran a task, by the task's operation and index.
    deaths: Mutex<HashMap<(usize, u32), Vec<Exit>>>,
}

/// How a conversation with a child ended.
enum End {
    /// It is free again.
    Free,
    /// The child was ended, or ended itself.
    Lost,
    /// The batch has to be sent call by call; a single call fails with this.
    Spoiled(TaskError),
}

impl Processes {
    pub fn new(conditions: Conditions, width: usize) -> Processes {
        Processes {
            conditions,
            children: (0..width.max(1)).map(|_| Mutex::new(None)).collect(),
            store: Store::default(),
            deaths: Mutex::default(),
        }
    }

    /// Runs the tasks at some places in one batch, and alone those that spoil it.
    fn run_some(&self, worker: u32, tasks: &[RemoteTask<'_>], places: &[usize], control: &mut dyn RemoteControl) {
        let prepared =
            Python::attach(|py| self.store.prepare(py, tasks, places).map_err(|error| from_python(py, error)));
        let end = match prepared {
            Ok(prepared) => {
                self.converse(worker, tasks, prepared, control).unwrap_or_else(|error| End::Spoiled(unusable(error)))
            }
            Err(error) => End::Spoiled(error),
        };
        let End::Spoiled(error) = end else { return };
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
        child.set_up(&self.conditions.setup)?;
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
        prepared: Prepared,
        control: &mut dyn RemoteControl,
    ) -> io::Result<End> {
        let mut slot = self.children[worker as usize % self.children.len()].lock();
        let mut child = match slot.take() {
            Some(child) => child,
            None => self.child()?,
        };
        let places: Vec<usize> = prepared.calls.iter().map(|call| call.id as usize).collect();
        let end = match send(&mut child, prepared) {
            Ok(()) => self.listen(&mut child, tasks, &places, control)?,
            Err(error) if is_gone(&error) => self.mourn(&mut child, tasks, &places, &error, control),
            Err(error) => return Err(error),
        };
        if child.is_alive() {
            *slot = Some(child);
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
        let mut end = End::Free;
        let mut buffers: HashMap<u64, Arc<SharedBuffer>> = HashMap::new();
        while left > 0 {
            let received = match child.receive(POLL) {
                Ok(received) => received,
                Err(error) if !is_gone(&error) => return Err(error),
                Err(error) => {
                    // Before any call has ended, the batch itself may be what it died of.
                    let untouched = if left == places.len() { places } else { &[] };
                    return Ok(self.mourn(child, tasks, untouched, &error, control));
                }
            };
            let stop = control.is_stopped();
            if (stop || control.is_overdue()) && left > 1 && !retracted {
                retracted = child.retract().is_ok();
            }
            if stop && stopping.get_or_insert_with(Instant::now).elapsed() > GRACE {
                child.end();
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
                    end = End::Spoiled(Python::attach(|py| failure(py, &encoded)));
                    break;
                }
                other => return Err(unexpected(&other)),
            }
        }
        // A retraction that crossed the last results is still to be answered.
        while retracted && !answered {
            match child.receive(SETUP_TIME)? {
                Some(received) => answered = matches!(received.message, Message::Retracted(_)),
                None => {
                    child.end();
                    return Ok(End::Lost);
                }
            }
        }
        Ok(end)
    }

    /// Finds the task that a child died of, and fails it when that happened too often. `untouched` are the tasks of a
    /// batch of which none has run.
    fn mourn(
        &self,
        child: &mut Child,
        tasks: &[RemoteTask<'_>],
        untouched: &[usize],
        error: &io::Error,
        control: &mut dyn RemoteControl,
    ) -> End {
        let running = child.running().map(|id| id as usize).filter(|&place| place < tasks.len());
        let exit = child.wait();
        let place = match (running, untouched) {
            (Some(place), _) | (None, &[place]) => place,
            // Between calls nobody is to blame: the child was ended from outside.
            (None, []) => return End::Lost,
            (None, _) => {
                let message =
                    format!("a child process ended when it was sent a batch of calls ({error}): {}", how(&exit));
                return End::Spoiled(TaskError::new(ErrorClass::Killed, message));
            }
        };
        let task = &tasks[place];
        let key = (Arc::as_ptr(task.op).cast::<()>() as usize, task.index);
        let history = {
            let mut deaths = self.deaths.lock();
            let history = deaths.entry(key).or_default();
            history.push(exit);
            history.clone()
        };
        if history.len() > DEATHS_ALLOWED {
            let endings: Vec<String> = history.iter().map(how).collect();
            let peak = history.iter().map(|exit| exit.peak_bytes).max().unwrap_or_default();
            let arguments = Python::attach(|py| bytes_of_arguments(py, task));
            let message = format!(
                "{} ended its process {} times: {}; peak memory {}, arguments {}",
                task.op.describe(task.index),
                history.len(),
                endings.join(", "),
                if peak == 0 { "unknown".to_owned() } else { format_bytes(peak as f64) },
                format_bytes(arguments as f64),
            );
            control.ended(place, Err(TaskError::new(ErrorClass::Killed, message)), Duration::ZERO);
        }
        End::Lost
    }
}

impl Remote for Processes {
    fn accepts(&self, op: &dyn Op) -> bool {
        let call = op.as_any().and_then(|op| op.downcast_ref::<PyCall>());
        call.is_some_and(|call| match &call.callee {
            Callee::Identity(_) => false,
            Callee::Function(function) => !function.stays(),
            Callee::Value(..) | Callee::Method(..) => true,
        })
    }

    fn run(&self, worker: u32, tasks: &[RemoteTask<'_>], control: &mut dyn RemoteControl) {
        let places: Vec<usize> = (0..tasks.len()).collect();
        self.run_some(worker, tasks, &places, control);
    }

    fn finish(&self) {
        let passing = self.store.clear();
        for slot in &self.children {
            if let Some(mut child) = slot.lock().take()
                && child.forget(&passing).is_ok()
            {
                pool::give_back(&self.conditions.start, self.conditions.purpose, child);
            }
        }
    }
}

/// Does an error tell that there is nobody at the other end? Others are failures of this process.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// Why there is no child: what its setup raised, or what the system says.
fn unusable(error: io::Error) -> TaskError {
    let message = "a child process could not be used";
    match error.downcast::<TaskError>() {
        Ok(raised) => raised.with_note(message),
        Err(error) => TaskError::new(ErrorClass::Os, format!("{message}: {error}")),
    }
}

fn send(child: &mut Child, prepared: Prepared) -> io::Result<()> {
    for (id, encoded) in &prepared.known {
        child.make_known(*id, encoded)?;
    }
    child.send_batch(&prepared.shared, prepared.calls)
}

fn encoded_of(body: Body, buffers: &mut HashMap<u64, Arc<SharedBuffer>>) -> Encoded {
    // Each buffer belongs to one value, and goes with it.
    Encoded { buffers: body.buffers.iter().filter_map(|id| buffers.remove(id)).collect(), bytes: body.bytes }
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
