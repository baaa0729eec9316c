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
//!    sleeper or borrows another thread, unless it is about to do that work itself at once. Since that is a guess,
//!    sleepers look again by themselves after a nap, the longer the oftener they found nothing.
//! 6. Short tasks are taken in small batches, never more than a fair share of what is ready. A batch holds tasks of
//!    operations that were measured and found short. While it is worked on, what is not begun lies on the worker's
//!    desk (`Run::desks`, a lock each, taken alone or under the lock of the run): after a task that proved long the
//!    worker hands the rest back (`State::returned`), and a sleeper whose nap was in vain takes it from the desk.
//!    With a `Remote`, workers do not go into the interpreter for interpreted tasks: they hand batches of them to
//!    processes, larger ones, since going there and back takes longer, and the process hands back what it has not begun.
//! 7. Values: the last consumer moves its input out of the store, others share it. What an input was charged with is
//!    released when its last consumer is done, after that one's result was charged, so that a buffer passed on is never
//!    counted as free in between.
//! 8. Memory: a task is taken only if what is alive, what is kept free for taken tasks and its own estimate fit the limit.
//!    If not, the worker that wanted it writes values to disk that are needed later than the task's result (outside the
//!    lock; `State::busy` counts such workers), or sleeps until others are done. When nothing is taken and nobody is
//!    busy, any value may go to disk, and when none is left the task runs all the same: there is always progress. A value
//!    that is being written stays in the store and may be used; the file is dropped if it was used up meanwhile.
//!    A task with inputs on disk leaves its queue while a worker reads them back into the store, and then returns to it.
//! 9. `State::over` is set once, by the first failure, by a cancellation, or when the last task is done. Workers that
//!    see it leave. The last one to leave, and only it, makes the outcome known (`Run::conclude`) and removes the spill
//!    folder: then no operation of the run is under way any more.
//!
//! **Races.** *Cancel against the end*: `over` is set by whoever takes the lock first; the other finds it set. *Hand-back
//! against sleep*: both are under the lock, and a hand-back wakes (rule 5). *A panic in a worker*: operations are caught
//! one by one; should the engine itself panic, the guard in `work` still counts the worker out and fails the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use raskr_base::{TaskError, Value};
use raskr_graph::Plan;
use smallvec::SmallVec;

use crate::error::RunError;
use crate::handle::Statistics;
use crate::options::RunOptions;
use crate::profile::Profiles;
use crate::ready::Ready;
use crate::spill::{Disk, RealDisk, SpillFile, SpillFolder};
use crate::store::{Account, Measure, Store, Victim};
use crate::threads;

mod memory;
mod remote;
mod take;
mod task;

/// The most tasks a worker takes at once.
const BATCH_TASKS_MAX: usize = 16;
/// The most work, by what was measured before, that a worker takes at once.
const BATCH_TIME: Duration = Duration::from_micros(20);
/// The most estimated bytes that a worker takes at once, beyond its first task.
const BATCH_BYTES: u64 = 1 << 20;
/// A batch that took longer than this hands back what it has not begun.
const BATCH_OVERDUE: Duration = Duration::from_micros(500);
/// A sleeper's first nap; each nap in vain doubles the next, up to a limit.
const NAP_TIME: Duration = Duration::from_millis(2);
const NAP_DOUBLINGS_MAX: u32 = 5;
/// How long a worker stays inside the interpreter when there is more to do.
const HOLD_TIME: Duration = Duration::from_millis(2);
/// The same for tasks that other processes run: going there and back takes longer.
const REMOTE_TASKS_MAX: usize = 4096;
const REMOTE_TIME: Duration = Duration::from_millis(10);
const REMOTE_BYTES: u64 = 16 << 20;
const REMOTE_OVERDUE: Duration = Duration::from_millis(40);
/// How often a run on the calling thread asks whether it was interrupted.
const POLL_TIME: Duration = Duration::from_millis(20);

static NEXT_RUN: AtomicU64 = AtomicU64::new(1);

/// In place of a task's missing inputs, once it was taken.
const TAKEN: u32 = u32::MAX;

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
    /// Workers that write values to disk or read them back.
    busy: usize,
    /// Why nothing is spilled any more.
    disk_failure: Option<String>,
    spilled: u64,
    over: bool,
    failure: Option<RunError>,
}

/// What a worker does next.
enum Step {
    /// Run the batch that was taken.
    Batch,
    /// Go into the interpreter.
    Enter,
    /// Write these values to disk (rule 8).
    Spill(Vec<Victim>),
    /// Read these values back, which the task needs (rule 8).
    Load {
        task: u32,
        files: Vec<(u32, Arc<SpillFile>)>,
    },
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
    /// Files to be removed without the lock.
    files: Vec<Arc<SpillFile>>,
    /// Emptied vectors for the inputs of tasks to come.
    spare: Vec<Vec<Value>>,
    /// Naps in a row that nobody ended.
    naps: u32,
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
    folder: Arc<SpillFolder>,
    /// By worker: taken tasks that are not begun (rule 6).
    desks: Vec<Mutex<Vec<Taken>>>,
    state: Mutex<State>,
    work: Condvar,
    outcome: Mutex<Option<Outcome>>,
    concluded: Condvar,
}

impl Run {
    pub fn new(plan: Plan, options: RunOptions, width: usize) -> Run {
        Run::with_disk(plan, options, width, Box::new(RealDisk))
    }

    fn with_disk(plan: Plan, options: RunOptions, width: usize, disk: Box<dyn Disk>) -> Run {
        let mut outputs: Vec<(u32, u32)> =
            plan.outputs().iter().zip(0u32..).map(|(&task, place)| (task, place)).collect();
        outputs.sort_unstable();
        let mut uses = plan.uses();
        if options.on_output.is_some() {
            for &(task, _) in &outputs {
                uses[task as usize] -= 1;
            }
        }
        if let Some(limit) = options.memory_limit {
            raskr_base::buffer::limit_pool(limit);
        }
        let failure = options.memory_limit.and_then(|limit| memory::impossible_task(&plan, limit));
        let over = plan.is_empty() || failure.is_some();
        let state = State {
            ready: Ready::of(&plan),
            store: Store::new(plan.len()),
            unmet: (0..plan.len() as u32).map(|id| plan.inputs(id).len() as u32).collect(),
            uses,
            profiles: Profiles::new(),
            returned: [Vec::new(), Vec::new()],
            left: plan.len(),
            taken: 0,
            reserved: 0,
            workers: 0,
            sleeping: 0,
            entering: 0,
            busy: 0,
            disk_failure: None,
            spilled: 0,
            over,
            failure,
        };
        let width = width.max(1).min(plan.len().max(1));
        Run {
            id: NEXT_RUN.fetch_add(1, Ordering::Relaxed),
            outputs,
            width,
            desks: (0..width).map(|_| Mutex::default()).collect(),
            stop: AtomicBool::new(false),
            folder: SpillFolder::new(options.spill_directory.clone(), options.spill_limit, disk),
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

    pub fn statistics(&self) -> Statistics {
        let state = self.state.lock();
        Statistics {
            peak_bytes: state.store.ledger.peak(),
            spilled_bytes: state.spilled,
            tasks_done: self.plan.len() - state.left,
        }
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
            files: Vec::new(),
            spare: Vec::new(),
            naps: 0,
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
            let mut step = self.turn(&mut local, false);
            if let Step::Enter = step {
                step = self.enter(&mut local);
            }
            match step {
                Step::Batch if self.is_remote(&local) => self.run_remote(&mut local),
                Step::Batch => self.run_batch(&mut local),
                Step::Spill(victims) => self.spill(victims),
                Step::Load { task, files } => self.load(task, files),
                Step::Enter | Step::Outside | Step::Sleep => {}
                Step::Leave => break,
            }
        }
    }

    /// Works inside the interpreter for a while (rule 3); gives what is to be done outside.
    fn enter(self: &Arc<Run>, local: &mut Local) -> Step {
        let mut last = None;
        let interpreter = Arc::clone(&self.options.interpreter);
        interpreter.scoped(&mut || {
            if last.is_some() {
                return;
            }
            self.state.lock().entering -= 1;
            let since = Instant::now();
            last = loop {
                match self.turn(local, true) {
                    Step::Batch => self.run_batch(local),
                    step => break Some(step),
                }
                if since.elapsed() >= HOLD_TIME {
                    self.settle(local);
                    break Some(Step::Outside);
                }
            };
        });
        last.unwrap_or_else(|| {
            self.state.lock().entering -= 1;
            let error = TaskError::internal("the interpreter did not run what it was given");
            self.fail(RunError::Task { key: String::new(), error });
            Step::Leave
        })
    }

    /// Books what was done and takes what is next.
    fn turn(self: &Arc<Run>, local: &mut Local, inside: bool) -> Step {
        let mut state = self.state.lock();
        self.book(&mut state, local);
        let step = self.take(&mut state, local, inside);
        let mut called = None;
        match step {
            Step::Leave => {}
            // Values must not be dropped under the lock, nor kept while sleeping: come back and look again.
            Step::Sleep if inside || !local.garbage.is_empty() => {}
            Step::Sleep if local.naps > 0 && self.clear_desks(&mut state) => local.naps = 0,
            Step::Sleep => {
                let nap = NAP_TIME * (1 << local.naps.min(NAP_DOUBLINGS_MAX));
                state.sleeping += 1;
                let in_vain = self.work.wait_for(&mut state, nap).timed_out();
                state.sleeping -= 1;
                local.naps = if in_vain { local.naps + 1 } else { 0 };
            }
            _ => {
                local.naps = 0;
                called = self.call_others(&mut state, local);
            }
        }
        drop(state);
        if let Some(worker) = called
            && self.call_worker(worker).is_err()
        {
            // Without another thread the run is only slower.
            self.state.lock().workers -= 1;
        }
        local.garbage.clear();
        local.files.clear();
        step
    }

    fn settle(self: &Arc<Run>, local: &mut Local) {
        let mut state = self.state.lock();
        self.book(&mut state, local);
        drop(state);
        local.garbage.clear();
    }

    /// Counts a worker out; the last one concludes the run (rule 9).
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
        let (failure, store, returned) = {
            let mut state = self.state.lock();
            let peak = state.store.ledger.peak();
            let store = std::mem::replace(&mut state.store, Store::new(0));
            state.store.ledger.remember_peak(peak);
            (state.failure.take(), store, std::mem::take(&mut state.returned))
        };
        drop(returned);
        if let Some(remote) = &self.options.remote {
            remote.finish();
        }
        let outcome = match failure {
            Some(error) => Err(error),
            None if self.options.on_output.is_some() => Ok(vec![Value::Unit; self.plan.outputs().len()]),
            None => self.plan.outputs().iter().map(|&task| self.output(&store, task)).collect(),
        };
        drop(store);
        self.folder.remove();
        if let Some(listener) = &self.options.listener {
            listener.run_finished(self.id, &self.plan, outcome.as_ref().err());
        }
        *self.outcome.lock() = Some(outcome);
        self.concluded.notify_all();
    }
}

/// Tasks with the same number take about equally long.
fn cost_class(plan: &Plan, task: u32) -> usize {
    let op = plan.op(task);
    op.cost_class().unwrap_or_else(|| Arc::as_ptr(op).cast::<()>() as usize)
}
