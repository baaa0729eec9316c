//! A worker's child and what it was told: tasks that it runs one after the other, and those that have seceded.
//!
//! A child is sent several short tasks at a time. When one proves long, those behind it are taken back. A task that secedes goes
//! on beside those that come after it, on a thread of its own, and may end in another order. When the child dies, the tasks that
//! ran are blamed: the one whose turn it was, and those that had seceded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::process::ChildStderr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;
use raskr_base::{ErrorClass, TaskError};
use raskr_cluster::{Ended, Packed, Stored, Work};
use raskr_exec::pool::message::{Body as Sent, Message, Received, buffers_of};
use raskr_exec::pool::{self, Bell, CallOut, Encoded, Exit, SharedBuffer};
use raskr_sched::Death;

use super::child::{ChildCall, carried, raised_there};
use super::runner::{ADDRESS_VARIABLE, Body, NAME_VARIABLE, Run, Shared, packed};
use crate::processes::failure;

/// How long a child that runs tasks is waited for at a time.
const POLL: Duration = Duration::from_millis(10);
/// How long one is whose tasks have all seceded.
const AWAY_POLL: Duration = Duration::from_millis(250);
/// A task that runs for longer is not short, whatever was expected.
const SHORT: Duration = Duration::from_millis(20);
/// How long a task that nobody wants any more may go on before its process is ended.
const GRACE: Duration = Duration::from_millis(500);
const SETUP_TIME: Duration = Duration::from_secs(60);
/// Lines of what a child wrote that are kept for the error of its death.
const LOG_LINES: usize = 20;
/// When so few short tasks are left with a child, it gets more.
const REFILL: usize = 16;

type Log = Arc<Mutex<VecDeque<String>>>;

/// A child that is set up.
pub struct Child {
    pub process: pool::Child,
    log: Log,
    /// How much of what is to be forgotten it was told.
    forgot: usize,
}

impl Child {
    pub fn start(shared: &Shared) -> io::Result<Child> {
        let Some((start, setup)) = &shared.options.children else { return Err(io::ErrorKind::NotFound.into()) };
        let mut start = start.clone();
        let address = shared.address.get().map_or("", |address| address);
        start.variables.push((ADDRESS_VARIABLE.into(), address.into()));
        if let Some(name) = shared.options.about.get("name").and_then(|name| name.as_str()) {
            start.variables.push((NAME_VARIABLE.into(), name.into()));
        }
        // A new one knows nothing that it could forget.
        let forgot = shared.forgotten.lock().len();
        let (mut process, errors) = pool::Child::start_watched(&start)?;
        let log = Log::default();
        let kept = Arc::clone(&log);
        std::thread::Builder::new().name("raskr-log".to_owned()).spawn(move || pass_on(errors, &kept))?;
        process.set_up(setup)?;
        let begun = Instant::now();
        while begun.elapsed() < SETUP_TIME {
            match process.receive(POLL) {
                Ok(None) => {}
                Ok(Some(received)) => match received.message {
                    Message::Ready(None) => return Ok(Child { process, log, forgot }),
                    Message::Ready(Some(body)) => {
                        let encoded = Encoded { bytes: body.bytes, buffers: Vec::new() };
                        return Err(io::Error::other(Python::attach(|py| failure(py, &encoded))));
                    }
                    other => return Err(unexpected(&other)),
                },
                Err(error) => {
                    let exit = process.wait();
                    return Err(io::Error::new(error.kind(), format!("it ended at once: {}", how(&exit))));
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "it was not ready within a minute"))
    }
}

/// Passes on what a child writes to its standard error, and keeps the last of it.
fn pass_on(errors: ChildStderr, kept: &Log) {
    let mut from = BufReader::new(errors);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        // Nobody may be there to read it.
        let _ = io::stderr().write_all(&line);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let mut kept = kept.lock();
        if kept.len() == LOG_LINES {
            kept.pop_front();
        }
        kept.push_back(text);
        drop(kept);
        line.clear();
    }
}

/// A child, and what it has to do.
pub struct Talk {
    pub child: Child,
    /// What it was sent and has not ended, in its order: it runs the first one.
    left: VecDeque<(u32, Work)>,
    /// Tasks that have seceded, and run beside the others.
    away: BTreeMap<u32, Away>,
    next: u32,
    /// What it was sent first since it had nothing left.
    first: Option<u32>,
    buffers: HashMap<u64, Arc<SharedBuffer>>,
    /// When the first of those left began, as far as can be told.
    since: Instant,
    told: bool,
    retracting: bool,
    /// The call that was last asked to leave those behind it to another thread, and when: it may not have begun then.
    passing: Option<(u32, Instant)>,
}

struct Away {
    run: Run,
    /// Nobody wants it any more.
    unwanted: bool,
}

impl Talk {
    pub fn new(child: Child) -> Talk {
        Talk {
            child,
            left: VecDeque::new(),
            away: BTreeMap::new(),
            next: 0,
            first: None,
            buffers: HashMap::new(),
            since: Instant::now(),
            told: false,
            retracting: false,
            passing: None,
        }
    }

    /// Do tasks run that have seceded?
    pub fn has_away(&self) -> bool {
        !self.away.is_empty()
    }

    /// Has the child do work, until nothing but what has seceded is left; an error when it is gone.
    pub fn run(&mut self, shared: &Arc<Shared>, work: Vec<Work>) -> io::Result<()> {
        self.send(shared, work)?;
        while !self.left.is_empty() || self.retracting {
            if self.left.len() < REFILL
                && !self.retracting
                && !self.told
                && self.left.iter().all(|(_, work)| work.short)
            {
                self.send(shared, shared.take_short())?;
            }
            match self.child.process.receive(POLL)? {
                Some(received) => self.hear(shared, received)?,
                None => self.child.process.look_at_memory(),
            }
            self.look(shared)?;
        }
        Ok(())
    }

    /// Listens for a while to a child whose tasks have all seceded, or until the bell rings.
    pub fn listen(&mut self, shared: &Shared, bell: Option<&Bell>) -> io::Result<()> {
        let begun = Instant::now();
        let received = match bell {
            Some(bell) => self.child.process.receive_or_bell(AWAY_POLL, bell)?,
            None => self.child.process.receive(POLL)?,
        };
        match received {
            Some(received) => self.hear(shared, received)?,
            None if begun.elapsed() >= POLL => self.child.process.look_at_memory(),
            None => {}
        }
        self.drop_unwanted(shared)
    }

    fn send(&mut self, shared: &Shared, work: Vec<Work>) -> io::Result<()> {
        let forgotten = shared.forgotten.lock().get(self.child.forgot..).map_or_else(Vec::new, <[u64]>::to_vec);
        // Should the child be gone, the work counts as its own all the same.
        let mut unsent = Ok(());
        if !forgotten.is_empty() {
            self.child.forgot += forgotten.len();
            unsent = self.child.process.forget_known(&forgotten);
        }
        let mut calls = Vec::with_capacity(work.len());
        for one in work {
            let body = shared.bodies.read().get(&one.body).cloned();
            let Some(Body::Python { code, .. }) = body.as_deref() else {
                shared.fail(&one, TaskError::internal("a task came without its code"));
                continue;
            };
            let (call, inputs) = match encode(shared, &one) {
                Ok(encoded) => encoded,
                Err(error) => {
                    shared.fail(&one, error);
                    continue;
                }
            };
            if unsent.is_ok() {
                unsent = self.child.process.make_known(u64::from(one.body.0), code);
            }
            let id = self.next;
            self.next = self.next.wrapping_add(1) % (u32::MAX - 1);
            if self.left.is_empty() {
                (self.since, self.told, self.first) = (Instant::now(), false, Some(id));
            }
            self.left.push_back((id, one));
            calls.push(CallOut { id, call, inputs });
        }
        unsent?;
        if calls.is_empty() { Ok(()) } else { self.child.process.send_batch(&Encoded::default(), calls) }
    }

    fn hear(&mut self, shared: &Shared, received: Received) -> io::Result<()> {
        match received.message {
            Message::Buffers(list) => {
                let new = buffers_of(&list, received.descriptors)?;
                self.buffers.extend(new.into_iter().map(|buffer| (buffer.id(), buffer)));
            }
            Message::Ended(ended) => {
                let mut told = Vec::with_capacity(ended.len());
                for one in ended {
                    let Some((task, attempt)) = self.take(one.id) else { continue };
                    let micros = one.nanoseconds.div_ceil(1000);
                    let ended = match one.outcome {
                        Ok(body) => Ended::Done { value: Stored::Packed(value_of(body, &mut self.buffers)), micros },
                        Err(body) => {
                            let error = raised_there(&Encoded { bytes: body.bytes, buffers: Vec::new() });
                            Ended::Raised { error, micros }
                        }
                    };
                    told.push((task, attempt, ended));
                }
                shared.all_ended(told);
            }
            Message::Away { id, away } => {
                let began = !self.told;
                if let Some(known) = self.away.get(&id) {
                    let (task, attempt) = known.run;
                    shared.tell(|progress| progress.seceded(task, attempt, away));
                } else if away && let Some((task, attempt)) = self.take(id) {
                    self.away.insert(id, Away { run: (task, attempt), unwanted: false });
                    shared.tell(|progress| {
                        if began {
                            progress.began(task, attempt);
                        }
                        progress.seceded(task, attempt, true);
                    });
                }
            }
            Message::Retracted(ids) => {
                self.retracting = false;
                let (back, left) = std::mem::take(&mut self.left).into_iter().partition(|(id, _)| ids.contains(id));
                self.left = left;
                let back: VecDeque<(u32, Work)> = back;
                shared.give_back(back.into_iter().map(|(_, work)| work).collect());
            }
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }

    /// The task of a call, which is none of those that the child has any more.
    fn take(&mut self, id: u32) -> Option<Run> {
        if let Some(away) = self.away.remove(&id) {
            return Some(away.run);
        }
        let place = self.left.iter().position(|(known, _)| *known == id)?;
        let (_, work) = self.left.remove(place)?;
        // Another one has its turn.
        (self.since, self.told) = (Instant::now(), false);
        Some((work.task, work.attempt))
    }

    /// What is due when a task runs for long, or when nobody wants it.
    fn look(&mut self, shared: &Shared) -> io::Result<()> {
        if let Some((_, first)) = self.left.front()
            && self.since.elapsed() > SHORT
            && !std::mem::replace(&mut self.told, true)
        {
            shared.tell(|progress| progress.began(first.task, first.attempt));
            if self.left.len() > 1 && !std::mem::replace(&mut self.retracting, true) {
                self.child.process.retract()?;
            }
            if first.short {
                shared.give_back_pending();
            }
        }
        self.drop_unwanted(shared)
    }

    /// Tasks that nobody wants any more end with their process, unless others run there: beside those they go on.
    fn drop_unwanted(&mut self, shared: &Shared) -> io::Result<()> {
        let first = {
            let state = shared.state.lock();
            let unwanted = |run: Run| state.interrupted.get(&run).is_some_and(|since| since.elapsed() > GRACE);
            if !state.interrupted.is_empty() {
                for away in self.away.values_mut() {
                    away.unwanted |= unwanted(away.run);
                }
            }
            self.left.front().map(|(id, work)| (*id, unwanted((work.task, work.attempt))))
        };
        let alone = self.away.values().all(|away| away.unwanted);
        match first {
            None if alone && self.has_away() => {
                self.child.process.end();
                // It is not to be sent anything more.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Some((_, true)) if alone => {
                self.child.process.end();
            }
            Some((id, true)) if self.passing.is_none_or(|(last, since)| last != id || since.elapsed() > GRACE) => {
                self.passing = Some((id, Instant::now()));
                self.child.process.pass_on(id)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The child of a slot is gone: the tasks that ran are told so, the others wait for their turn again.
    pub fn mourn(mut self, shared: &Shared, slot: u64) {
        let process = &mut self.child.process;
        let running = process.running();
        process.look_at_memory();
        let exit = process.wait();
        let pid = process.pid();
        let guarded = {
            let mut state = shared.state.lock();
            state.children.remove(&slot);
            state.guarded.remove(&pid)
        };
        // Before any has begun, the first one may be what it died of.
        let first = self.left.front().map(|(id, _)| *id).filter(|id| Some(*id) == self.first);
        let blamed = running.or(first);
        let (ran, waited): (Vec<_>, Vec<_>) = self.left.into_iter().partition(|(id, _)| blamed == Some(*id));
        let away = self.away.into_values().map(|away| away.run);
        let runs = away.chain(ran.into_iter().map(|(_, work)| (work.task, work.attempt)));
        let log: Vec<String> = self.child.log.lock().iter().cloned().collect();
        let death = shared.death(&exit, guarded, log);
        shared.all_ended(runs.map(|(task, attempt)| (task, attempt, Ended::Died(death.clone()))).collect());
        shared.give_back(waited.into_iter().map(|(_, work)| work).collect());
    }
}

impl Shared {
    fn death(&self, exit: &Exit, guarded: bool, log: Vec<String>) -> Death {
        let outside = !guarded && matches!(exit.signal, Some(9 | 15));
        let how = if guarded { "memory limit (ended by its worker)".to_owned() } else { how(exit) };
        let memory_limit = self.options.memory_limit;
        Death { how, external: outside, memory_peak: exit.peak_bytes, memory_limit, log }
    }
}

fn encode(shared: &Shared, work: &Work) -> Result<(Vec<u8>, Vec<Arc<Encoded>>), TaskError> {
    let arguments = work.arguments.as_ref().map(|blob| serde_bytes::Bytes::new(&blob.0));
    let call = ChildCall { key: &work.key, body: u64::from(work.body.0), arguments };
    let call = postcard::to_stdvec(&call).map_err(|error| TaskError::internal(error.to_string()))?;
    let mut inputs = Vec::with_capacity(work.inputs.len());
    for (task, input) in &work.inputs {
        let (encoded, kept) = carried(&packed(input)?)?;
        if let Some(kept) = kept {
            shared.tell(|progress| progress.replaced(*task, kept));
        }
        inputs.push(Arc::new(encoded));
    }
    Ok((call, inputs))
}

fn value_of(body: Sent, buffers: &mut HashMap<u64, Arc<SharedBuffer>>) -> Packed {
    // Each buffer belongs to one value, and goes with it.
    let shared = body.buffers.iter().filter_map(|id| buffers.remove(id)).map(raskr_cluster::Buffer::Shared).collect();
    let bytes = Arc::try_unwrap(body.bytes).unwrap_or_else(|bytes| (*bytes).clone());
    Packed { head: bytes.into_vec().into(), buffers: shared }
}

/// Why there is no child: what its setup raised, or what the system says.
pub fn unusable(error: io::Error) -> TaskError {
    let message = "a child process could not be used";
    match error.downcast::<TaskError>() {
        Ok(raised) => raised.with_note(message),
        Err(error) => TaskError::new(ErrorClass::Os, format!("{message}: {error}")),
    }
}

fn unexpected(message: &Message) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a child sent what it should not: {message:?}"))
}

/// How a process ended, in a word.
fn how(exit: &Exit) -> String {
    match (exit.signal, exit.code) {
        (Some(signal), _) => match signal {
            4 => "SIGILL".to_owned(),
            6 => "SIGABRT".to_owned(),
            7 => "SIGBUS".to_owned(),
            8 => "SIGFPE".to_owned(),
            9 => "SIGKILL".to_owned(),
            11 => "SIGSEGV".to_owned(),
            15 => "SIGTERM".to_owned(),
            other => format!("signal {other}"),
        },
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "ended".to_owned(),
    }
}
