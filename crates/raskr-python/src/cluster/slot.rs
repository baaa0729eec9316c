//! A slot of a worker's runner: a thread that runs tasks one after the other, with a child process or by itself.
//!
//! With a child the slot is free again when its task secedes; while it has nothing to do it listens to the child, which says
//! when such a task has ended. Without one the task keeps the thread, and another slot comes in its place.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use pyo3::prelude::*;
use raskr_base::{OpKind, TaskError, Value};
use raskr_cluster::{Ended, Packed, Stored, Work};
use raskr_exec::Interpreter;
use raskr_exec::pool::{Bell, Encoded};
use raskr_sched::{Attempt, Blob, Raised, TaskId};

use super::child::{self, Current, Entered};
use super::frames::FrameBody;
use super::native::NativeBody;
use super::runner::{Body, Native, Read, Ready, Run, Shared};
use super::talk::{Child, Talk, unusable};
use super::task::BodyCode;
use super::values::{input_value, unpack_value};
use crate::error::{from_python, to_python};
use crate::object::PyForeign;

/// Runs tasks until the worker ends, or this slot is one too many.
pub fn run(shared: &Arc<Shared>, slot: u64) {
    let mut mine = Mine { shared, slot, talk: None, bell: None, coming: None, away: false };
    if shared.options.children.is_some() {
        mine.bell = Bell::new().ok().map(Arc::new);
        // Native tasks need not wait for it.
        let own = Arc::clone(shared);
        let start = move || Child::start(&own);
        mine.coming = std::thread::Builder::new().name("raskr-child".to_owned()).spawn(start).ok();
    }
    while let Some(work) = mine.next() {
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
    /// With the child, once there was work for it.
    talk: Option<Talk>,
    /// Rings when there is work while the child is listened to. Without it the child is listened to for short times.
    bell: Option<Arc<Bell>>,
    /// The first child, on its way.
    coming: Option<JoinHandle<io::Result<Child>>>,
    /// The task that ran on this thread had seceded.
    away: bool,
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
        let child = self.talk.take().filter(|talk| !talk.has_away()).map(|talk| talk.child).or(coming);
        let mut state = self.shared.state.lock();
        state.children.remove(&self.slot);
        let dropped = match child {
            Some(child) if state.spare.is_none() && !state.stopping => state.spare.replace(child),
            child => child,
        };
        drop(state);
        drop(dropped);
    }

    /// The next work, and until then what tasks that have seceded come to; nothing when the slot is to end.
    fn next(&mut self) -> Option<Vec<Work>> {
        loop {
            let Some(talk) = self.talk.as_mut().filter(|talk| talk.has_away()) else { return self.shared.take() };
            let work = self.shared.take_or_ring(self.bell.as_ref())?;
            if !work.is_empty() {
                return Some(work);
            }
            if talk.listen(self.shared, self.bell.as_deref()).is_err() {
                self.lose_child();
            }
        }
    }

    fn run(&mut self, work: Vec<Work>) {
        let body = work.first().and_then(|first| self.shared.bodies.read().get(&first.body).cloned());
        let shared = self.shared;
        let reason = match body.as_deref() {
            Some(Body::Python { .. }) if self.shared.options.children.is_some() => return self.in_child(work),
            Some(Body::Python { code, function }) => {
                return work.into_iter().for_each(|one| self.on_thread(one, code, function));
            }
            Some(Body::Native { code, body }) => {
                return work.iter().for_each(|one| self.listening(&|| native(shared, one, code, body)));
            }
            Some(Body::Unreadable(reason)) => reason.clone(),
            None => "a task came without its code".to_owned(),
        };
        for one in work {
            shared.fail(&one, TaskError::internal(reason.clone()));
        }
    }

    /// Does something on this thread, or, while tasks that have seceded may end, on another.
    fn listening(&mut self, task: &(dyn Fn() + Sync)) {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.has_away()) else { return task() };
        let (done, bell) = (AtomicBool::new(false), self.bell.as_deref());
        let mut is_gone = false;
        std::thread::scope(|scope| {
            let run = || {
                task();
                done.store(true, Ordering::Release);
                if let Some(bell) = bell {
                    bell.ring();
                }
            };
            match std::thread::Builder::new().name("raskr-native".to_owned()).spawn_scoped(scope, run) {
                Ok(thread) => {
                    while talk.has_away() && !is_gone && !done.load(Ordering::Acquire) && !thread.is_finished() {
                        is_gone = talk.listen(self.shared, bell).is_err();
                    }
                }
                Err(_) => task(),
            }
        });
        if is_gone {
            self.lose_child();
        }
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
        self.shared.ended(&work, ended);
    }

    fn in_child(&mut self, work: Vec<Work>) {
        if self.talk.is_none() {
            match self.new_child() {
                Ok(child) => self.talk = Some(Talk::new(child)),
                Err(error) => {
                    let error = unusable(error);
                    return work.iter().for_each(|one| self.shared.fail(one, error.clone()));
                }
            }
        }
        match self.talk.as_mut().map(|talk| talk.run(self.shared, work)) {
            Some(Err(_)) => self.lose_child(),
            _ => self.shared.first_spare(),
        }
    }

    fn lose_child(&mut self) {
        if let Some(talk) = self.talk.take() {
            talk.mourn(self.shared, self.slot);
        }
        self.talk = self.new_child().ok().map(Talk::new);
        self.shared.want_spare();
    }
}

impl Shared {
    pub fn ended(&self, work: &Work, ended: Ended) {
        self.all_ended(vec![(work.task, work.attempt, ended)]);
    }

    pub fn all_ended(&self, ended: Vec<(TaskId, Attempt, Ended)>) {
        {
            let mut state = self.state.lock();
            if !state.interrupted.is_empty() {
                for (task, attempt, _) in &ended {
                    state.interrupted.remove(&(*task, *attempt));
                }
            }
        }
        self.tell(|progress| progress.ended(ended));
    }

    pub fn fail(&self, work: &Work, error: TaskError) {
        let error = Python::attach(|py| child::raised(py, &to_python(py, error)));
        self.ended(work, Ended::Raised { error, micros: 0 });
    }
}

/// A task of arrays or frames, on this thread; the interpreter is entered where a user's function runs.
fn native(shared: &Shared, work: &Work, code: &Blob, body: &Ready) {
    let begun = Instant::now();
    let cancelled = Arc::new(AtomicBool::new(false));
    let run: Run = (work.task, work.attempt);
    shared.state.lock().natives.insert(run, Arc::clone(&cancelled));
    let outcome = native_value(shared, work, code, body, &cancelled);
    shared.state.lock().natives.remove(&run);
    let micros = begun.elapsed().as_micros() as u64;
    match outcome {
        Ok(value) => shared.ended(work, Ended::Done { value: Stored::Native(value), micros }),
        Err(error) => {
            let error = Python::attach(|py| child::raised(py, &to_python(py, error)));
            shared.ended(work, Ended::Raised { error, micros });
        }
    }
}

fn native_value(
    shared: &Shared,
    work: &Work,
    code: &Blob,
    body: &Ready,
    cancelled: &AtomicBool,
) -> Result<Value, TaskError> {
    let body = body.get_or_init(|| Python::attach(|py| native_body(py, code).map_err(|error| from_python(py, error))));
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
            let limit = Some(shared.options.memory_limit).filter(|limit| *limit > 0);
            return body.run(arguments.unwrap_or_default(), &inputs, cancelled, limit);
        }
    };
    if body.kind(work.index)? == OpKind::Native {
        return body.run(work.index, inputs, arguments, cancelled);
    }
    let (mut inputs, mut outcome) = (Some(inputs), None);
    shared.options.interpreter.scoped(&mut || {
        let worker = shared.address.get().cloned().unwrap_or_else(|| "".into());
        let _current = Entered::new(Current { key: work.key.to_string(), worker, told: None });
        outcome = Some(body.run(work.index, inputs.take().unwrap_or_default(), arguments, cancelled));
    });
    outcome.unwrap_or_else(|| Err(TaskError::internal("the interpreter was not entered")))
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
