//! A slot of a worker's runner: a thread that runs tasks one after the other, with a child process or by itself.
//!
//! A child is sent several short tasks at a time. When one proves long, those behind it are taken back; when the child dies,
//! only the task that ran is blamed.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::process::ChildStderr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;
use raskr_base::{ErrorClass, OpKind, TaskError, Value};
use raskr_cluster::{Ended, Packed, Stored, Work};
use raskr_exec::Interpreter;
use raskr_exec::pool::message::{Body as Sent, Message, buffers_of};
use raskr_exec::pool::{self, CallOut, Encoded, Exit, SharedBuffer};
use raskr_sched::{Attempt, Blob, Death, Raised, TaskId};

use super::child::{self, ChildCall, Current, Entered, carried, raised_there};
use super::frames::FrameBody;
use super::native::NativeBody;
use super::runner::{ADDRESS_VARIABLE, Body, NAME_VARIABLE, Native, Read, Ready, Run, Shared, packed};
use super::task::BodyCode;
use super::values::{input_value, unpack_value};
use crate::error::{from_python, to_python};
use crate::object::PyForeign;
use crate::processes::failure;

/// How long a child is waited for at a time.
const POLL: Duration = Duration::from_millis(10);
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
    process: pool::Child,
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

/// Runs tasks until the worker ends, or this slot is one too many.
pub fn run(shared: &Arc<Shared>, slot: u64) {
    let mut mine = Mine { shared, slot, child: None, coming: None, away: false };
    if shared.options.children.is_some() {
        // Native tasks need not wait for it.
        let own = Arc::clone(shared);
        let start = move || Child::start(&own);
        mine.coming = std::thread::Builder::new().name("raskr-child".to_owned()).spawn(start).ok();
    }
    while let Some(work) = shared.take() {
        mine.run(work);
        if mine.away {
            mine.away = false;
            if shared.slot_returns() {
                break;
            }
        }
    }
    mine.leave();
}

struct Mine<'a> {
    shared: &'a Arc<Shared>,
    slot: u64,
    child: Option<Child>,
    /// The first child, on its way.
    coming: Option<JoinHandle<io::Result<Child>>>,
    /// The task that runs has seceded.
    away: bool,
}

/// A conversation with a child.
struct Talk {
    /// What the child was sent and has not ended, in its order.
    left: VecDeque<(u32, Work)>,
    next: u32,
    buffers: HashMap<u64, Arc<SharedBuffer>>,
    /// When the first of them began, as far as can be told.
    since: Instant,
    told: bool,
    retracting: bool,
}

impl Mine<'_> {
    /// The child that is on its way, the one that waits for another to die, or a new one.
    fn new_child(&mut self) -> io::Result<Child> {
        let coming = self.coming.take().and_then(|coming| coming.join().ok()).and_then(Result::ok);
        let mut spare = {
            let mut state = self.shared.state.lock();
            if state.stopping {
                return Err(io::ErrorKind::Interrupted.into());
            }
            coming.or_else(|| state.spare.take())
        };
        let child = match spare.take_if(|spare| spare.process.is_alive()) {
            Some(spare) => spare,
            None => Child::start(self.shared)?,
        };
        let stopping = {
            let mut state = self.shared.state.lock();
            state.children.insert(self.slot, child.process.pid());
            state.stopping
        };
        if stopping { Err(io::ErrorKind::Interrupted.into()) } else { Ok(child) }
    }

    /// The child is kept for when another one dies, if none is.
    fn leave(&mut self) {
        let coming = self.coming.take().and_then(|coming| coming.join().ok()).and_then(Result::ok);
        let child = self.child.take().or(coming);
        let mut state = self.shared.state.lock();
        state.children.remove(&self.slot);
        let dropped = match child {
            Some(child) if state.spare.is_none() && !state.stopping => state.spare.replace(child),
            child => child,
        };
        drop(state);
        drop(dropped);
    }

    fn run(&mut self, work: Vec<Work>) {
        let body = work.first().and_then(|first| self.shared.bodies.read().get(&first.body).cloned());
        let reason = match body.as_deref() {
            Some(Body::Python { .. }) if self.shared.options.children.is_some() => return self.in_child(work),
            Some(Body::Python { code, function }) => {
                return work.into_iter().for_each(|one| self.on_thread(one, code, function));
            }
            Some(Body::Native { code, body }) => {
                return work.into_iter().for_each(|one| self.native(&one, code, body));
            }
            Some(Body::Unreadable(reason)) => reason.clone(),
            None => "a task came without its code".to_owned(),
        };
        for one in work {
            self.fail(&one, TaskError::internal(reason.clone()));
        }
    }

    fn ended(&self, work: &Work, ended: Ended) {
        self.all_ended(vec![(work.task, work.attempt, ended)]);
    }

    fn all_ended(&self, ended: Vec<(TaskId, Attempt, Ended)>) {
        {
            let mut state = self.shared.state.lock();
            if !state.interrupted.is_empty() {
                for (task, attempt, _) in &ended {
                    state.interrupted.remove(&(*task, *attempt));
                }
            }
        }
        self.shared.tell(|progress| progress.ended(ended));
    }

    fn fail(&self, work: &Work, error: TaskError) {
        let error = Python::attach(|py| child::raised(py, &to_python(py, error)));
        self.ended(work, Ended::Raised { error, micros: 0 });
    }

    /// A task of arrays or frames, on this thread; the interpreter is entered where a user's function runs.
    fn native(&self, work: &Work, code: &Blob, body: &Ready) {
        let begun = Instant::now();
        let cancelled = Arc::new(AtomicBool::new(false));
        let run: Run = (work.task, work.attempt);
        self.shared.state.lock().natives.insert(run, Arc::clone(&cancelled));
        let outcome = self.native_value(work, code, body, &cancelled);
        self.shared.state.lock().natives.remove(&run);
        let micros = begun.elapsed().as_micros() as u64;
        match outcome {
            Ok(value) => self.ended(work, Ended::Done { value: Stored::Native(value), micros }),
            Err(error) => {
                let error = Python::attach(|py| child::raised(py, &to_python(py, error)));
                self.ended(work, Ended::Raised { error, micros });
            }
        }
    }

    fn native_value(&self, work: &Work, code: &Blob, body: &Ready, cancelled: &AtomicBool) -> Result<Value, TaskError> {
        let body =
            body.get_or_init(|| Python::attach(|py| native_body(py, code).map_err(|error| from_python(py, error))));
        let body = body.as_ref().map_err(Clone::clone)?;
        let inputs = work.inputs.iter().map(|(_, input)| match input {
            Stored::Packed(packed) => unpack_value(packed),
            Stored::Native(value) => Ok(value.clone()),
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let arguments = work.arguments.as_ref().map(|arguments| &*arguments.0);
        let body = match body {
            Native::Array(body) => body,
            Native::Frame(body) => {
                let limit = Some(self.shared.options.memory_limit).filter(|limit| *limit > 0);
                return body.run(arguments.unwrap_or_default(), &inputs, cancelled, limit);
            }
        };
        if body.kind(work.index)? == OpKind::Native {
            return body.run(work.index, inputs, arguments, cancelled);
        }
        let (mut inputs, mut outcome) = (Some(inputs), None);
        self.shared.options.interpreter.scoped(&mut || {
            let worker = self.shared.address.get().cloned().unwrap_or_else(|| "".into());
            let _current = Entered::new(Current { key: work.key.to_string(), worker, told: None });
            outcome = Some(body.run(work.index, inputs.take().unwrap_or_default(), arguments, cancelled));
        });
        outcome.unwrap_or_else(|| Err(TaskError::internal("the interpreter was not entered")))
    }

    fn on_thread(&mut self, work: Work, code: &Encoded, function: &Read) {
        let begun = Instant::now();
        let seceded = Arc::new(Mutex::new(false));
        let told = {
            let (shared, seceded, task, attempt) =
                (Arc::clone(self.shared), Arc::clone(&seceded), work.task, work.attempt);
            Arc::new(move |away| {
                if away && !std::mem::replace(&mut *seceded.lock(), true) {
                    shared.slot_leaves();
                }
                shared.tell(|progress| progress.seceded(task, attempt, away));
            })
        };
        let mut outcome: Option<Result<Packed, Raised>> = None;
        self.shared.options.interpreter.scoped(&mut || {
            let worker = self.shared.address.get().cloned().unwrap_or_else(|| "".into());
            let current = Current { key: work.key.to_string(), worker, told: Some(told.clone()) };
            let _current = Entered::new(current);
            outcome =
                Some(Python::attach(|py| call(py, &work, code, function).map_err(|error| child::raised(py, &error))));
        });
        self.away = *seceded.lock();
        let micros = begun.elapsed().as_micros() as u64;
        let ended = match outcome {
            Some(Ok(value)) => Ended::Done { value: Stored::Packed(value), micros },
            Some(Err(error)) => Ended::Raised { error, micros },
            None => Ended::Untouched,
        };
        self.ended(&work, ended);
    }

    fn in_child(&mut self, work: Vec<Work>) {
        let mut child = match self.child.take() {
            Some(child) => child,
            None => match self.new_child() {
                Ok(child) => child,
                Err(error) => {
                    let error = unusable(error);
                    return work.iter().for_each(|one| self.fail(one, error.clone()));
                }
            },
        };
        let mut talk = Talk {
            left: VecDeque::new(),
            next: 0,
            buffers: HashMap::new(),
            since: Instant::now(),
            told: false,
            retracting: false,
        };
        let spoken = self.send(&mut child, &mut talk, work).and_then(|()| self.listen(&mut child, &mut talk));
        match spoken {
            Ok(()) => {
                self.child = Some(child);
                self.shared.first_spare();
            }
            Err(_) => self.mourn(child, talk),
        }
    }

    fn send(&self, child: &mut Child, talk: &mut Talk, work: Vec<Work>) -> io::Result<()> {
        let forgotten = self.shared.forgotten.lock().get(child.forgot..).map_or_else(Vec::new, <[u64]>::to_vec);
        if !forgotten.is_empty() {
            child.forgot += forgotten.len();
            child.process.forget_known(&forgotten)?;
        }
        let mut calls = Vec::with_capacity(work.len());
        let mut unsent = Ok(());
        for one in work {
            let body = self.shared.bodies.read().get(&one.body).cloned();
            let Some(Body::Python { code, .. }) = body.as_deref() else {
                self.fail(&one, TaskError::internal("a task came without its code"));
                continue;
            };
            let (call, inputs) = match self.encode(&one) {
                Ok(encoded) => encoded,
                Err(error) => {
                    self.fail(&one, error);
                    continue;
                }
            };
            if unsent.is_ok() {
                unsent = child.process.make_known(u64::from(one.body.0), code);
            }
            let id = talk.next;
            talk.next = talk.next.wrapping_add(1) % (u32::MAX - 1);
            if talk.left.is_empty() {
                (talk.since, talk.told) = (Instant::now(), false);
            }
            talk.left.push_back((id, one));
            calls.push(CallOut { id, call, inputs });
        }
        unsent?;
        if calls.is_empty() { Ok(()) } else { child.process.send_batch(&Encoded::default(), calls) }
    }

    fn encode(&self, work: &Work) -> Result<(Vec<u8>, Vec<Arc<Encoded>>), TaskError> {
        let arguments = work.arguments.as_ref().map(|blob| serde_bytes::Bytes::new(&blob.0));
        let call = ChildCall { key: &work.key, body: u64::from(work.body.0), arguments };
        let call = postcard::to_stdvec(&call).map_err(|error| TaskError::internal(error.to_string()))?;
        let mut inputs = Vec::with_capacity(work.inputs.len());
        for (task, input) in &work.inputs {
            let (encoded, kept) = carried(&packed(input)?)?;
            if let Some(kept) = kept {
                self.shared.tell(|progress| progress.replaced(*task, kept));
            }
            inputs.push(Arc::new(encoded));
        }
        Ok((call, inputs))
    }

    /// Takes in what a child says until it has nothing left to do; an error when it is gone.
    fn listen(&mut self, child: &mut Child, talk: &mut Talk) -> io::Result<()> {
        while !talk.left.is_empty() || talk.retracting {
            if talk.left.len() < REFILL
                && !self.away
                && !talk.retracting
                && !talk.told
                && talk.left.iter().all(|(_, work)| work.short)
            {
                let more = self.shared.take_short();
                self.send(child, talk, more)?;
            }
            match child.process.receive(POLL)? {
                Some(received) => self.hear(child, talk, received)?,
                None => child.process.look_at_memory(),
            }
            self.look(child, talk)?;
        }
        Ok(())
    }

    fn hear(&mut self, child: &mut Child, talk: &mut Talk, received: pool::message::Received) -> io::Result<()> {
        match received.message {
            Message::Buffers(list) => {
                let new = buffers_of(&list, received.descriptors)?;
                talk.buffers.extend(new.into_iter().map(|buffer| (buffer.id(), buffer)));
            }
            Message::Ended(ended) => {
                let mut told = Vec::with_capacity(ended.len());
                for one in ended {
                    let Some(place) = talk.left.iter().position(|(id, _)| *id == one.id) else { continue };
                    let Some((_, work)) = talk.left.remove(place) else { continue };
                    let micros = one.nanoseconds.div_ceil(1000);
                    let ended = match one.outcome {
                        Ok(body) => Ended::Done { value: Stored::Packed(value_of(body, &mut talk.buffers)), micros },
                        Err(body) => {
                            let error = raised_there(&Encoded { bytes: body.bytes, buffers: Vec::new() });
                            Ended::Raised { error, micros }
                        }
                    };
                    told.push((work.task, work.attempt, ended));
                }
                self.all_ended(told);
                (talk.since, talk.told) = (Instant::now(), false);
            }
            Message::Away { id, away } => {
                if let Some((_, work)) = talk.left.iter().find(|(known, _)| *known == id) {
                    if away && !std::mem::replace(&mut self.away, true) {
                        self.shared.slot_leaves();
                    }
                    self.shared.tell(|progress| progress.seceded(work.task, work.attempt, away));
                    if talk.left.len() > 1 && !std::mem::replace(&mut talk.retracting, true) {
                        child.process.retract()?;
                    }
                }
            }
            Message::Retracted(ids) => {
                talk.retracting = false;
                let (back, left) = std::mem::take(&mut talk.left).into_iter().partition(|(id, _)| ids.contains(id));
                talk.left = left;
                let back: VecDeque<(u32, Work)> = back;
                self.shared.give_back(back.into_iter().map(|(_, work)| work).collect());
            }
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }

    /// What is due when a task runs for long, or when nobody wants it.
    fn look(&mut self, child: &mut Child, talk: &mut Talk) -> io::Result<()> {
        let Some((_, first)) = talk.left.front() else { return Ok(()) };
        if talk.since.elapsed() > SHORT && !std::mem::replace(&mut talk.told, true) {
            self.shared.tell(|progress| progress.began(first.task, first.attempt));
            if talk.left.len() > 1 && !std::mem::replace(&mut talk.retracting, true) {
                child.process.retract()?;
            }
            if first.short {
                self.shared.give_back_pending();
            }
        }
        let run: Run = (first.task, first.attempt);
        let unwanted = self.shared.state.lock().interrupted.get(&run).is_some_and(|since| since.elapsed() > GRACE);
        if unwanted {
            child.process.end();
        }
        Ok(())
    }

    /// A child is gone: the task that it ran is told so, the others wait for their turn again.
    fn mourn(&mut self, mut child: Child, mut talk: Talk) {
        let running = child.process.running();
        child.process.look_at_memory();
        let exit = child.process.wait();
        let pid = child.process.pid();
        let guarded = {
            let mut state = self.shared.state.lock();
            state.children.remove(&self.slot);
            state.guarded.remove(&pid)
        };
        // Before any has begun, the first one may be what it died of.
        let blamed = running.or_else(|| talk.left.front().map(|(id, _)| *id).filter(|id| *id == 0));
        let log: Vec<String> = child.log.lock().iter().cloned().collect();
        for (id, work) in talk.left.drain(..) {
            if blamed == Some(id) {
                let death = self.death(&exit, guarded, log.clone());
                self.ended(&work, Ended::Died(death));
            } else {
                self.shared.give_back(vec![work]);
            }
        }
        drop(child);
        self.child = self.new_child().ok();
        self.shared.want_spare();
    }

    fn death(&self, exit: &Exit, guarded: bool, log: Vec<String>) -> Death {
        let outside = !guarded && matches!(exit.signal, Some(9 | 15));
        let how = if guarded { "memory limit (ended by its worker)".to_owned() } else { how(exit) };
        let memory_limit = self.shared.options.memory_limit;
        Death { how, external: outside, memory_peak: exit.peak_bytes, memory_limit, log }
    }
}

/// A Python task on this thread.
fn call(py: Python<'_>, work: &Work, code: &Encoded, function: &Read) -> PyResult<Packed> {
    let function = match function.get() {
        Some(function) => function.clone(),
        None => {
            let read = BodyCode::decoded(&code.bytes)?.function(py)?;
            function.get_or_init(|| read).clone()
        }
    };
    let mut inputs: Vec<Value> = Vec::with_capacity(work.inputs.len());
    for (_, input) in &work.inputs {
        inputs.push(match input {
            Stored::Packed(packed) => input_value(py, packed, false)?,
            Stored::Native(value) => PyForeign::value(crate::object::to_object(py, value)?),
        });
    }
    child::run(py, function, work.arguments.as_ref().map(|blob| &*blob.0), inputs)
}

fn native_body(py: Python<'_>, code: &Blob) -> PyResult<Native> {
    match BodyCode::decoded(&code.0)? {
        BodyCode::Native(bytes) => NativeBody::decode(py, &bytes).map(Native::Array),
        BodyCode::Frame(bytes) => {
            let body = py.detach(|| FrameBody::decode(&bytes));
            body.map(Native::Frame).map_err(|error| to_python(py, error.into()))
        }
        _ => Err(to_python(py, TaskError::internal("the code of native tasks is another"))),
    }
}

fn value_of(body: Sent, buffers: &mut HashMap<u64, Arc<SharedBuffer>>) -> Packed {
    // Each buffer belongs to one value, and goes with it.
    let shared = body.buffers.iter().filter_map(|id| buffers.remove(id)).map(raskr_cluster::Buffer::Shared).collect();
    let bytes = Arc::try_unwrap(body.bytes).unwrap_or_else(|bytes| (*bytes).clone());
    Packed { head: bytes.into_vec().into(), buffers: shared }
}

/// Why there is no child: what its setup raised, or what the system says.
fn unusable(error: io::Error) -> TaskError {
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
