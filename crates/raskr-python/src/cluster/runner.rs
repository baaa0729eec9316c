//! `PyRunner`: runs the tasks of a worker, Python's in child processes (or on threads of this one), native ones on threads.
//!
//! A *slot* is a thread that runs one task at a time: with its child, or by itself. Work waits in one queue; a slot takes one
//! task, or several short ones. A task that secedes leaves its slot to others: a child goes on with it beside them, a thread of
//! this process is replaced. Nothing of the state is locked while Python runs, while a child is spoken to, or while values are
//! dropped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raskr_base::{TaskError, Value};
use raskr_cluster::{Answer, Packed, Progress, Refusal, Runner, Stored, Work};
use raskr_exec::pool::{self, Bell, Encoded, Start};
use raskr_sched::{Attempt, Blob, BodyId, TaskId};
use serde_json::{Map, Value as Json, json};

use super::frames::FrameBody;
use super::native::NativeBody;
use super::slot;
use super::talk::Child;
use super::task::BodyCode;
use super::values::pack_value;
use crate::call::Function;
use crate::interpreter::Lock;

/// Tells children, and what runs in them, whose they are.
pub const ADDRESS_VARIABLE: &str = "RASKR_WORKER_ADDRESS";
pub const NAME_VARIABLE: &str = "RASKR_WORKER_NAME";

/// How many short tasks a slot takes at once.
const SHORT_TASKS_MAX: usize = 64;
/// How often the memory of children is looked at.
const GUARD_EVERY: Duration = Duration::from_millis(100);
/// A first spare child waits for so long: starting it takes a processor for a while, which tasks that have just come could use, and
/// few programs see a child die in their first seconds.
const FIRST_SPARE_AFTER: Duration = Duration::from_secs(2);
/// How long it is remembered that nobody wants a task that runs.
const INTERRUPTED: Duration = Duration::from_secs(60);
/// The share of the memory limit that children may take together, before the largest is ended.
const GUARD_SHARE: f64 = 0.95;

pub struct RunnerOptions {
    /// How children are started and set up; calls run on threads of this process without.
    pub children: Option<(Start, Encoded)>,
    pub memory_limit: u64,
    pub interpreter: Lock,
    /// What questions are told about the worker, beside its address.
    pub about: Map<String, Json>,
}

/// Code that tasks share.
pub enum Body {
    /// Sent to children as it is.
    Python { code: Encoded, function: Read },
    /// Tasks that are done without Python, made ready when the first of them is run.
    Native { code: Blob, body: Ready },
    /// Why there is none.
    Unreadable(String),
}

/// The function of a body, once it was read on a thread of this process.
pub type Read = OnceLock<Option<Arc<Function>>>;
/// What native tasks have in common, once the first of them was run.
pub type Ready = OnceLock<Result<Native, TaskError>>;

/// What native tasks have in common.
pub enum Native {
    Array(NativeBody),
    Frame(FrameBody),
}

/// A task under way.
pub type Run = (TaskId, Attempt);

#[derive(Default)]
pub struct State {
    pub pending: VecDeque<Work>,
    /// Threads that run tasks, without those that a task which has seceded keeps.
    slots: usize,
    next_slot: u64,
    /// The child of each slot.
    pub children: HashMap<u64, u32>,
    /// Tasks that nobody wants any more, since when.
    pub interrupted: HashMap<Run, Instant>,
    /// What native tasks that run look at now and then: whether they are still wanted.
    pub natives: HashMap<Run, Arc<AtomicBool>>,
    /// Children that were ended for their memory.
    pub guarded: HashSet<u32>,
    /// Slots that listen to their child while there is no work.
    listening: Vec<Arc<Bell>>,
    /// A child that is ready, for when another one dies.
    pub spare: Option<Child>,
    spare_coming: bool,
    pub stopping: bool,
}

pub struct Shared {
    pub options: RunnerOptions,
    pub bodies: RwLock<HashMap<BodyId, Arc<Body>>>,
    pub state: Mutex<State>,
    changed: Condvar,
    /// It is to end: for those who wait for nothing else.
    ending: Condvar,
    /// Was a first spare child asked for?
    spare_wanted: AtomicBool,
    progress: OnceLock<Arc<dyn Progress>>,
    pub address: OnceLock<Arc<str>>,
    threads: OnceLock<usize>,
    /// Bodies that children are to forget, in the order in which that was said; each child knows how far it is.
    pub forgotten: Mutex<Vec<u64>>,
}

pub struct PyRunner(Arc<Shared>);

impl PyRunner {
    pub fn new(options: RunnerOptions) -> PyRunner {
        PyRunner(Arc::new(Shared {
            options,
            bodies: RwLock::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            ending: Condvar::new(),
            spare_wanted: AtomicBool::new(false),
            progress: OnceLock::new(),
            address: OnceLock::new(),
            threads: OnceLock::new(),
            forgotten: Mutex::default(),
        }))
    }
}

impl Shared {
    pub fn tell(&self, tell: impl FnOnce(&dyn Progress)) {
        let stopping = self.state.lock().stopping;
        if let Some(progress) = self.progress.get().filter(|_| !stopping) {
            tell(progress.as_ref());
        }
    }

    fn threads(&self) -> usize {
        self.threads.get().copied().unwrap_or(1)
    }

    /// The next work of a slot: one task, or several short ones; nothing when it is to end.
    pub fn take(&self) -> Option<Vec<Work>> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return None;
            }
            let some = take_some(&mut state);
            if !some.is_empty() {
                return Some(some);
            }
            self.changed.wait(&mut state);
        }
    }

    /// The same without waiting: no work when there is none, and the bell rings when there is; nothing when the slot is to end.
    pub fn take_or_ring(&self, bell: Option<&Arc<Bell>>) -> Option<Vec<Work>> {
        let mut state = self.state.lock();
        if state.stopping {
            return None;
        }
        if let Some(bell) = bell {
            state.listening.retain(|other| !Arc::ptr_eq(other, bell));
        }
        let some = take_some(&mut state);
        if some.is_empty() {
            state.listening.extend(bell.cloned());
        }
        Some(some)
    }

    /// Has slots that have nothing to do look for work: one, or all.
    fn wake(&self, all: bool) {
        let woken = if all { self.changed.notify_all() > 0 } else { self.changed.notify_one() };
        if all || !woken {
            let listening = {
                let mut state = self.state.lock();
                if all { std::mem::take(&mut state.listening) } else { state.listening.pop().into_iter().collect() }
            };
            listening.iter().for_each(|bell| bell.ring());
        }
    }

    /// More short work for a child, without waiting.
    pub fn take_short(&self) -> Vec<Work> {
        let is_python =
            |work: &Work| matches!(self.bodies.read().get(&work.body).map(Arc::as_ref), Some(Body::Python { .. }));
        let mut state = self.state.lock();
        match state.pending.front() {
            Some(work) if work.short && !state.stopping && is_python(work) => take_some(&mut state),
            _ => Vec::new(),
        }
    }

    /// Puts work that was not begun where it can be given back from; it goes to whom it came from.
    pub fn give_back(&self, work: Vec<Work>) {
        if !work.is_empty() {
            let untouched = |one: &Work| (one.task, one.attempt, raskr_cluster::Ended::Untouched);
            self.tell(|progress| progress.ended(work.iter().map(untouched).collect()));
        }
        drop(work);
    }

    /// Everything that waits for a slot, since all are busy for longer.
    pub fn give_back_pending(&self) {
        let pending = {
            let mut state = self.state.lock();
            let (short, other) = std::mem::take(&mut state.pending).into_iter().partition(|work: &Work| work.short);
            state.pending = other;
            Vec::from_iter::<VecDeque<Work>>(short)
        };
        self.give_back(pending);
    }

    /// A task on a slot's own thread waits for others: another slot comes in its place.
    pub fn slot_leaves(self: &Arc<Shared>) {
        self.state.lock().slots -= 1;
        self.fill_slots();
    }

    /// A slot whose task had seceded is free again; true when it is one too many.
    pub fn slot_returns(&self) -> bool {
        let mut state = self.state.lock();
        if state.slots >= self.threads() {
            return true;
        }
        state.slots += 1;
        false
    }

    fn fill_slots(self: &Arc<Shared>) {
        loop {
            let slot = {
                let mut state = self.state.lock();
                if state.slots >= self.threads() || state.stopping {
                    return;
                }
                state.slots += 1;
                state.next_slot += 1;
                state.next_slot
            };
            let shared = Arc::clone(self);
            let run = move || slot::run(&shared, slot);
            if std::thread::Builder::new().name(format!("raskr-slot-{slot}")).spawn(run).is_err() {
                // With fewer threads, tasks wait longer.
                self.state.lock().slots -= 1;
                return;
            }
        }
    }

    /// Has a child ready for when another one dies, from now on: there is none as long as tasks need no children.
    pub fn first_spare(self: &Arc<Shared>) {
        if !self.spare_wanted.swap(true, Ordering::Relaxed) {
            self.bring_spare(FIRST_SPARE_AFTER);
        }
    }

    /// Has a child ready for when another one dies.
    pub fn want_spare(self: &Arc<Shared>) {
        self.bring_spare(Duration::ZERO);
    }

    fn bring_spare(self: &Arc<Shared>, after: Duration) {
        {
            let mut state = self.state.lock();
            if state.stopping || state.spare.is_some() || std::mem::replace(&mut state.spare_coming, true) {
                return;
            }
        }
        let shared = Arc::clone(self);
        let start = move || {
            if !after.is_zero() {
                let mut state = shared.state.lock();
                if !state.stopping {
                    shared.ending.wait_for(&mut state, after);
                }
                if state.stopping {
                    return;
                }
            }
            let child = shared.options.children.as_ref().map(|_| Child::start(&shared));
            let mut state = shared.state.lock();
            state.spare_coming = false;
            if let Some(Ok(child)) = child
                && !state.stopping
            {
                state.spare = Some(child);
            }
        };
        if std::thread::Builder::new().name("raskr-spare".to_owned()).spawn(start).is_err() {
            self.state.lock().spare_coming = false;
        }
    }

    /// Ends the largest child while all of them together take more than there is.
    fn guard(self: &Arc<Shared>) {
        let limit = (self.options.memory_limit as f64 * GUARD_SHARE) as u64;
        loop {
            let pids: Vec<u32> = {
                let mut state = self.state.lock();
                if !state.stopping {
                    self.ending.wait_for(&mut state, GUARD_EVERY);
                }
                if state.stopping {
                    return;
                }
                state.children.values().copied().collect()
            };
            let sizes: Vec<(u64, u32)> = pids.into_iter().map(|pid| (raskr_exec::private_bytes(pid), pid)).collect();
            let total: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
            if total > limit
                && let Some(&(_, pid)) = sizes.iter().max()
            {
                self.state.lock().guarded.insert(pid);
                pool::kill(pid);
            }
        }
    }

    fn answer(&self, question: &str, buffers: &[Bytes]) -> (Answer, Vec<Bytes>) {
        let mut about = self.options.about.clone();
        let address = self.address.get().map_or("", |address| address);
        about.insert("address".into(), json!(address));
        if about.get("name").is_none_or(|name| name == "") {
            about.insert("name".into(), json!(address));
        }
        let about = Json::Object(about).to_string();
        let answered = Python::attach(|py| -> PyResult<(String, Vec<Bytes>)> {
            let handle = py.import(intern!(py, "raskr.distributed._worker_calls"))?.getattr(intern!(py, "handle"))?;
            let buffers: Vec<Bound<'_, PyBytes>> = buffers.iter().map(|bytes| PyBytes::new(py, bytes)).collect();
            let (text, buffers): (String, Vec<Vec<u8>>) = handle.call1((question, buffers, about))?.extract()?;
            Ok((text, buffers.into_iter().map(Bytes::from).collect()))
        });
        match answered {
            Ok((text, buffers)) => (Ok(text), buffers),
            Err(error) => Python::attach(|py| {
                let class = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
                let message = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
                (Err(Refusal { class, message }), Vec::new())
            }),
        }
    }
}

fn take_some(state: &mut State) -> Vec<Work> {
    let Some(first) = state.pending.pop_front() else { return Vec::new() };
    let mut some = vec![first];
    if !some[0].short {
        return some;
    }
    let share = (state.pending.len() / state.slots.max(1)).min(SHORT_TASKS_MAX);
    while some.len() < share && state.pending.front().is_some_and(|work| work.short && work.body == some[0].body) {
        some.extend(state.pending.pop_front());
    }
    some
}

impl Runner for PyRunner {
    fn start(&self, progress: Arc<dyn Progress>, threads: usize, address: &str) {
        let shared = &self.0;
        let _ = shared.progress.set(progress);
        let _ = shared.address.set(address.into());
        let _ = shared.threads.set(threads);
        shared.fill_slots();
        if shared.options.children.is_some() && shared.options.memory_limit > 0 {
            let guard = Arc::clone(shared);
            // Without it a child may take more than its share.
            let _ = std::thread::Builder::new().name("raskr-guard".to_owned()).spawn(move || guard.guard());
        }
    }

    fn keep_body(&self, body: BodyId, code: Blob) {
        let kept = match BodyCode::decoded(&code.0) {
            Ok(BodyCode::Function(_) | BodyCode::NoFunction) => {
                Body::Python { code: Encoded::new(code.0.to_vec(), Vec::new()), function: OnceLock::new() }
            }
            Ok(BodyCode::Native(_) | BodyCode::Frame(_)) => Body::Native { code, body: OnceLock::new() },
            Err(error) => Body::Unreadable(error.to_string()),
        };
        self.0.bodies.write().insert(body, Arc::new(kept));
    }

    fn forget_body(&self, body: BodyId) {
        let forgotten = self.0.bodies.write().remove(&body);
        self.0.forgotten.lock().push(u64::from(body.0));
        // What Python objects it has go where the interpreter may be waited for.
        if let Some(body) = forgotten
            && match &*body {
                Body::Python { function, .. } => function.get().is_some(),
                Body::Native { body, .. } => body.get().is_some(),
                Body::Unreadable(_) => false,
            }
        {
            std::thread::spawn(move || Python::attach(|_| drop(body)));
        }
    }

    fn execute(&self, work: Vec<Work>) {
        let slots = work.len();
        self.0.state.lock().pending.extend(work);
        self.0.wake(slots != 1);
    }

    fn interrupt(&self, task: TaskId, attempt: Attempt) {
        let waiting = {
            let mut state = self.0.state.lock();
            let place = state.pending.iter().position(|work| (work.task, work.attempt) == (task, attempt));
            let waiting = place.and_then(|place| state.pending.remove(place));
            if let Some(cancelled) = state.natives.get(&(task, attempt)) {
                cancelled.store(true, Ordering::Relaxed);
            } else if waiting.is_none() {
                // One that has just ended is never looked for.
                state.interrupted.retain(|_, since| since.elapsed() < INTERRUPTED);
                state.interrupted.insert((task, attempt), Instant::now());
            }
            waiting
        };
        if let Some(work) = waiting {
            self.0.give_back(vec![work]);
        }
    }

    fn call(&self, call: u64, question: String, buffers: Vec<Bytes>) {
        let shared = Arc::clone(&self.0);
        let run = move || {
            let (answer, buffers) = shared.answer(&question, &buffers);
            shared.tell(|progress| progress.answered(call, answer, buffers));
        };
        if std::thread::Builder::new().name("raskr-question".to_owned()).spawn(run).is_err() {
            let refusal = Refusal { class: "OSError".into(), message: "the worker can't start a thread".into() };
            self.0.tell(|progress| progress.answered(call, Err(refusal), Vec::new()));
        }
    }

    fn pack(&self, value: &Value) -> Result<Packed, String> {
        pack_value(value).map_err(|error| error.to_string())
    }

    fn children(&self) -> Vec<u32> {
        self.0.state.lock().children.values().copied().collect()
    }

    fn stop(&self) {
        let (pending, spare, pids) = {
            let mut state = self.0.state.lock();
            state.stopping = true;
            let pids: Vec<u32> = state.children.values().copied().collect();
            (std::mem::take(&mut state.pending), state.spare.take(), pids)
        };
        self.0.wake(true);
        self.0.ending.notify_all();
        // Slots that wait for their child notice.
        pids.into_iter().for_each(pool::kill);
        drop((pending, spare));
    }
}

/// Values that tasks yield and take, as far as runners are concerned.
pub fn packed(stored: &Stored) -> Result<Packed, raskr_base::TaskError> {
    match stored {
        Stored::Packed(packed) => Ok(packed.clone()),
        Stored::Native(value) => pack_value(value),
    }
}
