//! `Run`: a plan being run by several workers. This page is the protocol; the code below cites its rules.
//!
//! **States.** A task is *waiting* (inputs are missing), *ready* (in a queue), *taken* (with a worker, inputs in hand) or
//! *done* (its value in the store, or gone). It only moves forward, except that a worker may hand a taken task that it
//! has not begun back to `State::returned`.
//!
//! **Who may touch what.**
//! 1. Everything that workers share and change is in `State`, behind the one lock of the run; the plan and the options
//!    never change. A worker's `Local` is its own.
//! 2. The lock is held for book-keeping alone: never while an operation, the listener, the output handler or the
//!    interpreter runs, while a file is read or written, or while a value is dropped. Values to be dropped are carried
//!    out of the lock in `Local::garbage`.
//! 3. A worker that goes into the interpreter takes no task along: it takes interpreted tasks inside, with the lock of
//!    the interpreter held and then the lock of the run. Nobody waits for the interpreter with the lock of the run, so
//!    the two are always taken in this order. It stays for at most `HOLD_TIME` and as long as the most urgent task is an
//!    interpreted one.
//! 4. `State::entering` counts workers between their decision to go inside and their first look there, so that no more
//!    of them queue for the interpreter than there is work.
//! 5. A worker sleeps only when, under the lock, it found nothing it may take; whoever makes work under the lock wakes a
//!    sleeper or borrows another thread, unless it takes all of that work itself.
//! 6. Short tasks are taken in small batches. A batch holds tasks of operations that were measured and found short; one
//!    that proves longer is handed back (`returned`) after the task that showed it.
//! 7. Values: the last consumer moves its input out of the store, others share it. What an input was charged with is
//!    released when its last consumer is done, after that one's result was charged, so that a buffer passed on is never
//!    counted as free in between.
//! 8. `State::over` is set once, by the first failure, by a cancellation, or when the last task is done. Workers that
//!    see it leave. The last one to leave, and only it, makes the outcome known (`Run::conclude`): then no operation of
//!    the run is under way any more.
//!
//! **Races.** *Cancel against the end*: `over` is set by whoever takes the lock first; the other finds it set. *Hand-back
//! against sleep*: both are under the lock, and a hand-back wakes (rule 5). *A panic in a worker*: operations are caught
//! one by one; should the engine itself panic, the guard in `work` still counts the worker out and fails the run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use raskr_base::{ErrorClass, TaskContext, TaskError, Value};
use raskr_graph::Plan;
use smallvec::SmallVec;

use crate::error::RunError;
use crate::options::{RunOptions, TaskEvent};
use crate::profile::Profiles;
use crate::ready::Ready;
use crate::store::{Account, Measure, Store};
use crate::threads;

/// The most tasks a worker takes at once.
const BATCH_TASKS_MAX: usize = 16;
/// The most work, by what was measured before, that a worker takes at once.
const BATCH_TIME: Duration = Duration::from_micros(20);
/// The most estimated bytes that a worker takes at once, beyond its first task.
const BATCH_BYTES: u64 = 1 << 20;
/// A batch that took longer than this hands back what it has not begun.
const BATCH_OVERDUE: Duration = Duration::from_micros(500);
/// How long a worker stays inside the interpreter when there is more to do.
const HOLD_TIME: Duration = Duration::from_millis(2);
/// How often a run on the calling thread asks whether it was interrupted.
const POLL_TIME: Duration = Duration::from_millis(20);

static NEXT_RUN: AtomicU64 = AtomicU64::new(1);

/// How a run ended: the values of its outputs, or why there are none.
pub type Outcome = Result<Vec<Value>, RunError>;

/// A task in a worker's hands.
struct Taken {
    task: u32,
    inputs: Vec<Value>,
    /// Charges of inputs that this task is the last to use.
    accounts: SmallVec<[Account; 2]>,
    /// Bytes kept free for its result.
    reserved: u64,
}

/// A task that ran.
struct Done {
    task: u32,
    value: Value,
    measure: Measure,
    took: Duration,
    accounts: SmallVec<[Account; 2]>,
    reserved: u64,
}

struct State {
    ready: Ready,
    store: Store,
    /// Inputs of each task that are not done.
    unmet: Vec<u32>,
    /// Uses of each value that are still to come: input positions, and outputs unless they are handed over.
    uses: Vec<u32>,
    profiles: Profiles,
    /// Tasks that were taken and handed back: native ones, interpreted ones.
    returned: [Vec<Taken>; 2],
    /// Tasks that are not done.
    left: usize,
    /// Tasks that are taken.
    taken: usize,
    /// Bytes kept free for the results of taken tasks.
    reserved: u64,
    /// Workers of this run, sleeping ones included.
    workers: usize,
    sleeping: usize,
    entering: usize,
    over: bool,
    failure: Option<RunError>,
}

/// What a worker does next.
enum Step {
    /// Run the batch that was taken.
    Batch,
    /// Go into the interpreter.
    Enter,
    /// The most urgent task is not for a worker inside the interpreter.
    Outside,
    /// Nothing may be taken now.
    Sleep,
    Leave,
}

/// What a worker owns.
struct Local {
    worker: u32,
    batch: Vec<Taken>,
    done: Vec<Done>,
    failed: Option<RunError>,
    /// Values to be dropped without the lock.
    garbage: Vec<Value>,
    /// Emptied vectors for the inputs of tasks to come.
    spare: Vec<Vec<Value>>,
}

pub struct Run {
    id: u64,
    plan: Plan,
    options: RunOptions,
    /// (task, place among the outputs), ascending.
    outputs: Vec<(u32, u32)>,
    /// Threads that may work at the same time.
    width: usize,
    /// Seen by operations: stop when convenient.
    stop: AtomicBool,
    state: Mutex<State>,
    work: Condvar,
    outcome: Mutex<Option<Outcome>>,
    concluded: Condvar,
}

impl Run {
    pub fn new(plan: Plan, options: RunOptions, width: usize) -> Run {
        let mut outputs: Vec<(u32, u32)> =
            plan.outputs().iter().zip(0u32..).map(|(&task, place)| (task, place)).collect();
        outputs.sort_unstable();
        let mut uses = plan.uses();
        if options.on_output.is_some() {
            for &(task, _) in &outputs {
                uses[task as usize] -= 1;
            }
        }
        let state = State {
            ready: Ready::of(&plan),
            store: Store::new(plan.len()),
            unmet: (0..plan.len() as u32).map(|id| plan.inputs(id).len() as u32).collect(),
            uses,
            profiles: Profiles::new(plan.graph().layers.len()),
            returned: [Vec::new(), Vec::new()],
            left: plan.len(),
            taken: 0,
            reserved: 0,
            workers: 0,
            sleeping: 0,
            entering: 0,
            over: plan.is_empty(),
            failure: None,
        };
        Run {
            id: NEXT_RUN.fetch_add(1, Ordering::Relaxed),
            outputs,
            width: width.max(1).min(plan.len().max(1)),
            stop: AtomicBool::new(false),
            state: Mutex::new(state),
            work: Condvar::new(),
            outcome: Mutex::new(None),
            concluded: Condvar::new(),
            plan,
            options,
        }
    }

    /// Starts the first worker on a thread of its own; it calls others when there is work for them.
    pub fn launch(self: &Arc<Run>) {
        self.announce();
        self.state.lock().workers = 1;
        if let Err(error) = self.call_worker(0) {
            self.fail(RunError::Threads { reason: error.to_string() });
            self.leave();
        }
    }

    /// Runs everything on the calling thread.
    pub fn run_here(self: &Arc<Run>, interrupted: &mut dyn FnMut() -> bool) {
        self.announce();
        self.state.lock().workers = 1;
        self.work(0, Some(interrupted));
    }

    fn announce(&self) {
        if let Some(listener) = &self.options.listener {
            listener.run_started(self.id, &self.plan);
        }
    }

    pub fn cancel(&self) {
        self.fail(RunError::Cancelled);
    }

    /// Waits until the run has ended, and takes its outcome, which is there once.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Outcome> {
        let mut outcome = self.outcome.lock();
        match timeout {
            None => self.concluded.wait_while(&mut outcome, |outcome| outcome.is_none()),
            Some(timeout) => {
                self.concluded.wait_while_for(&mut outcome, |outcome| outcome.is_none(), timeout);
            }
        }
        outcome.take()
    }

    fn fail(&self, error: RunError) {
        let mut state = self.state.lock();
        if !state.over {
            state.over = true;
            state.failure = Some(error);
            self.stop.store(true, Ordering::Relaxed);
        }
        drop(state);
        self.work.notify_all();
    }

    fn call_worker(self: &Arc<Run>, worker: u32) -> std::io::Result<()> {
        let run = Arc::clone(self);
        threads::borrow(Box::new(move || run.work(worker, None)))
    }

    /// A worker's life. `interrupted` is asked now and then, between tasks.
    fn work(self: &Arc<Run>, worker: u32, mut interrupted: Option<&mut dyn FnMut() -> bool>) {
        struct Counted<'a>(&'a Arc<Run>);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    let message = "the engine itself failed in a worker thread";
                    let error = TaskError::internal(message);
                    self.0.fail(RunError::Task { key: String::new(), error });
                }
                self.0.leave();
            }
        }
        let _counted = Counted(self);
        let mut local = Local {
            worker,
            batch: Vec::with_capacity(BATCH_TASKS_MAX),
            done: Vec::with_capacity(BATCH_TASKS_MAX),
            failed: None,
            garbage: Vec::new(),
            spare: Vec::new(),
        };
        let mut asked = Instant::now();
        loop {
            if let Some(interrupted) = &mut interrupted
                && asked.elapsed() >= POLL_TIME
            {
                if interrupted() {
                    self.cancel();
                }
                asked = Instant::now();
            }
            match self.turn(&mut local, false) {
                Step::Batch => self.run_batch(&mut local),
                Step::Enter => self.enter(&mut local),
                Step::Outside | Step::Sleep => {}
                Step::Leave => break,
            }
        }
    }

    /// Works inside the interpreter for a while (rule 3).
    fn enter(self: &Arc<Run>, local: &mut Local) {
        let mut been_inside = false;
        let interpreter = Arc::clone(&self.options.interpreter);
        interpreter.scoped(&mut || {
            if std::mem::replace(&mut been_inside, true) {
                return;
            }
            self.state.lock().entering -= 1;
            let since = Instant::now();
            while let Step::Batch = self.turn(local, true) {
                self.run_batch(local);
                if since.elapsed() >= HOLD_TIME {
                    self.settle(local);
                    break;
                }
            }
        });
        if !been_inside {
            self.state.lock().entering -= 1;
            let error = TaskError::internal("the interpreter did not run what it was given");
            self.fail(RunError::Task { key: String::new(), error });
        }
    }

    /// Books what was done and takes what is next.
    fn turn(self: &Arc<Run>, local: &mut Local, inside: bool) -> Step {
        let mut state = self.state.lock();
        self.book(&mut state, local);
        let mut step = self.take(&mut state, local, inside);
        match step {
            Step::Batch | Step::Enter | Step::Outside => self.call_others(&mut state, local),
            Step::Sleep if inside => step = Step::Outside,
            // Values must not be dropped under the lock, nor kept while sleeping: come back and look again.
            Step::Sleep if !local.garbage.is_empty() => {}
            Step::Sleep => {
                state.sleeping += 1;
                self.work.wait(&mut state);
                state.sleeping -= 1;
            }
            Step::Leave => {}
        }
        drop(state);
        local.garbage.clear();
        step
    }

    fn settle(self: &Arc<Run>, local: &mut Local) {
        let mut state = self.state.lock();
        self.book(&mut state, local);
        drop(state);
        local.garbage.clear();
    }

    fn book(&self, state: &mut State, local: &mut Local) {
        if let Some(error) = local.failed.take()
            && !state.over
        {
            state.over = true;
            state.failure = Some(error);
            self.stop.store(true, Ordering::Relaxed);
            self.work.notify_all();
        }
        for done in local.done.drain(..) {
            let task = done.task;
            state.taken -= 1;
            state.left -= 1;
            state.reserved -= done.reserved;
            state.profiles.note(task_layer(&self.plan, task), op_address(&self.plan, task), done.took, &done.measure);
            if state.uses[task as usize] > 0 {
                let account = state.store.ledger.charge(&done.measure);
                state.store.insert(task, done.value, account);
            } else {
                local.garbage.push(done.value);
            }
            // Rule 7: only now, since the result may hold the same buffer.
            for account in &done.accounts {
                state.store.ledger.release(account);
            }
            for &dependent in self.plan.dependents(task) {
                let unmet = &mut state.unmet[dependent as usize];
                *unmet -= 1;
                if *unmet == 0 {
                    state.ready.queue(self.plan.is_interpreted(dependent)).push(dependent);
                }
            }
        }
        if state.left == 0 && !state.over {
            state.over = true;
            self.work.notify_all();
        }
        // A batch that was cut short: by a failure (nothing is done with it) or because it proved long (rule 6).
        for taken in local.batch.drain(..) {
            state.returned[usize::from(self.plan.is_interpreted(taken.task))].push(taken);
        }
    }

    fn take(&self, state: &mut State, local: &mut Local, inside: bool) -> Step {
        if state.over {
            return Step::Leave;
        }
        if let Some(taken) = state.returned[usize::from(inside)].pop() {
            local.batch.push(taken);
            return Step::Batch;
        }
        let native = state.ready.native.peek();
        let interpreted = state.ready.interpreted.peek();
        if inside {
            match (native, interpreted) {
                (_, None) => Step::Outside,
                (Some(native), Some(interpreted)) if native < interpreted => Step::Outside,
                _ => self.fill(state, local, true),
            }
        } else {
            let unattended = state.ready.interpreted.len() + state.returned[1].len() > state.entering;
            let enter = unattended
                && match (native, interpreted) {
                    (Some(native), Some(interpreted)) => interpreted < native,
                    (native, _) => native.is_none(),
                };
            match native {
                _ if enter => {
                    state.entering += 1;
                    Step::Enter
                }
                Some(_) => self.fill(state, local, false),
                None => Step::Sleep,
            }
        }
    }

    /// Takes a batch of one kind (rule 6). There is a ready task of the kind.
    fn fill(&self, state: &mut State, local: &mut Local, interpreted: bool) -> Step {
        let mut expected = Duration::ZERO;
        let mut bytes = 0;
        while local.batch.len() < BATCH_TASKS_MAX {
            let Some(task) = state.ready.queue(interpreted).peek() else { break };
            let profile = state.profiles.duration(op_address(&self.plan, task));
            let estimate = self.plan.bytes(task);
            if !local.batch.is_empty() {
                let other = state.ready.queue(!interpreted).peek();
                let Some(duration) = profile else { break };
                if other.is_some_and(|other| other < task)
                    || expected + duration > BATCH_TIME
                    || bytes + estimate > BATCH_BYTES
                {
                    break;
                }
            }
            state.ready.queue(interpreted).pop();
            let taken = self.hand_out(state, task, estimate, local.spare.pop().unwrap_or_default());
            local.batch.push(taken);
            bytes += estimate;
            match profile {
                Some(duration) if duration < BATCH_TIME => expected += duration,
                _ => break,
            }
        }
        Step::Batch
    }

    fn hand_out(&self, state: &mut State, task: u32, reserved: u64, mut inputs: Vec<Value>) -> Taken {
        let mut accounts = SmallVec::new();
        for &input in self.plan.inputs(task) {
            let uses = &mut state.uses[input as usize];
            *uses -= 1;
            if *uses == 0 {
                if let Some((value, account)) = state.store.take(input) {
                    inputs.push(value);
                    accounts.push(account);
                }
            } else {
                inputs.extend(state.store.share(input));
            }
        }
        state.taken += 1;
        state.reserved += reserved;
        Taken { task, inputs, accounts, reserved }
    }

    /// Wakes a sleeper or borrows a thread when this worker leaves work behind (rule 5).
    fn call_others(self: &Arc<Run>, state: &mut MutexGuard<'_, State>, local: &Local) {
        let [native, interpreted] = &state.returned;
        let native = state.ready.native.len() + native.len();
        let interpreted = (state.ready.interpreted.len() + interpreted.len()).saturating_sub(state.entering);
        if native + interpreted == 0 || (state.sleeping == 0 && state.workers >= self.width) {
            return;
        }
        // A few short tasks are done sooner than a thread wakes up, if this worker is soon back for them.
        let short = |task: Option<u32>| {
            task.is_none_or(|task| {
                state.profiles.duration(op_address(&self.plan, task)).is_some_and(|d| d < BATCH_TIME)
            })
        };
        let soon_back = local.batch.first().is_some_and(|taken| short(Some(taken.task)));
        let few = native <= BATCH_TASKS_MAX && short(state.ready.native.peek());
        let crowded = self.options.interpreter.is_exclusive() || interpreted <= BATCH_TASKS_MAX;
        if soon_back && few && (interpreted == 0 || (crowded && short(state.ready.interpreted.peek()))) {
            return;
        }
        if state.sleeping > 0 {
            self.work.notify_one();
        } else {
            let worker = state.workers as u32;
            state.workers += 1;
            // Without another thread the run is only slower.
            if self.call_worker(worker).is_err() {
                state.workers -= 1;
            }
        }
    }

    /// Runs the batch without the lock; what it leaves in the batch is handed back.
    fn run_batch(&self, local: &mut Local) {
        let begun = Instant::now();
        let mut before = begun;
        let mut batch = std::mem::take(&mut local.batch);
        // Taken from the end, so turned round first: the most urgent task was taken first.
        batch.reverse();
        while let Some(mut taken) = batch.pop() {
            let result = self.run_task(&mut taken, local.worker, before);
            let after = Instant::now();
            let took = after - before;
            before = after;
            match result {
                Ok((value, measure)) => {
                    let Taken { task, mut inputs, accounts, reserved } = taken;
                    inputs.clear();
                    local.spare.push(inputs);
                    local.done.push(Done { task, value, measure, took, accounts, reserved });
                }
                Err(error) => {
                    local.failed = Some(error);
                    break;
                }
            }
            if !batch.is_empty() && (after - begun > BATCH_OVERDUE || self.stop.load(Ordering::Relaxed)) {
                break;
            }
        }
        local.batch = batch;
    }

    fn run_task(&self, taken: &mut Taken, worker: u32, at: Instant) -> Result<(Value, Measure), RunError> {
        let task = taken.task;
        let index = self.plan.task(task).index;
        let mut retries = self.plan.annotations(task).map_or(0, |annotations| annotations.retries);
        let event = TaskEvent { run: self.id, plan: &self.plan, task, worker, at };
        loop {
            // An operation may consume its inputs, so a copy is kept while another try is possible.
            let kept = (retries > 0).then(|| taken.inputs.clone());
            if let Some(listener) = &self.options.listener {
                listener.task_started(&event);
            }
            let result = self.call(task, index, &mut taken.inputs);
            match result {
                Ok(value) => {
                    let measure = Measure::of(&value);
                    if let Some(listener) = &self.options.listener {
                        listener.task_finished(&event, at.elapsed(), measure.bytes(), &value);
                    }
                    self.hand_over(task, &value).map_err(|error| self.explain(task, error))?;
                    return Ok((value, measure));
                }
                Err(error) => {
                    if let Some(listener) = &self.options.listener {
                        listener.task_failed(&event, at.elapsed(), &error);
                    }
                    if let Some(kept) = kept
                        && error.class != ErrorClass::Cancelled
                        && !self.stop.load(Ordering::Relaxed)
                    {
                        taken.inputs = kept;
                        retries -= 1;
                        continue;
                    }
                    return Err(self.explain(task, error));
                }
            }
        }
    }

    fn call(&self, task: u32, index: u32, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let context = TaskContext { index, cancelled: &self.stop };
        let op = self.plan.op(task);
        match catch_unwind(AssertUnwindSafe(|| op.run(&context, inputs))) {
            Ok(result) => result,
            Err(panic) => {
                let message = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_string())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "unknown panic".to_string());
                Err(TaskError::internal(format!("panic in {}: {message}", op.name())))
            }
        }
    }

    /// Gives an output to the handler, when there is one.
    fn hand_over(&self, task: u32, value: &Value) -> Result<(), TaskError> {
        let Some(handler) = &self.options.on_output else { return Ok(()) };
        let first = self.outputs.partition_point(|&(other, _)| other < task);
        for &(_, place) in self.outputs[first..].iter().take_while(|&&(other, _)| other == task) {
            handler(place as usize, value.clone())?;
        }
        Ok(())
    }

    /// Says which task failed and where it comes from.
    fn explain(&self, task: u32, error: TaskError) -> RunError {
        let op = self.plan.op(task);
        let key = self.plan.key(task);
        let mut error = error.with_note(format!("in {}", op.describe(self.plan.task(task).index)));
        if let Some(origin) = op.origin() {
            error = error.with_note(format!("built at {origin}"));
        }
        error = error.with_note(format!("task '{key}'"));
        RunError::Task { key, error }
    }

    /// Counts a worker out; the last one concludes the run (rule 8).
    fn leave(&self) {
        let mut state = self.state.lock();
        state.workers -= 1;
        let last = state.workers == 0;
        drop(state);
        if last {
            self.conclude();
        }
    }

    fn conclude(&self) {
        let (failure, mut store, returned) = {
            let mut state = self.state.lock();
            let store = std::mem::replace(&mut state.store, Store::new(0));
            (state.failure.take(), store, std::mem::take(&mut state.returned))
        };
        drop(returned);
        let outcome = match failure {
            Some(error) => Err(error),
            None if self.options.on_output.is_some() => Ok(vec![Value::Unit; self.plan.outputs().len()]),
            None => Ok(self.plan.outputs().iter().map(|&task| store.share(task).unwrap_or(Value::Unit)).collect()),
        };
        drop(store);
        if let Some(listener) = &self.options.listener {
            listener.run_finished(self.id, &self.plan, outcome.as_ref().err());
        }
        *self.outcome.lock() = Some(outcome);
        self.concluded.notify_all();
    }
}

fn op_address(plan: &Plan, task: u32) -> usize {
    Arc::as_ptr(plan.op(task)).cast::<()>() as usize
}

fn task_layer(plan: &Plan, task: u32) -> usize {
    plan.task(task).layer.0 as usize
}
