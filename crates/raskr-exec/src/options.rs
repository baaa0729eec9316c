//! What a caller may choose for a run, and what it may plug in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raskr_base::{ErrorClass, Foreign, Op, TaskError, Value};
use raskr_graph::Plan;

use crate::error::RunError;

/// Takes an output (its place among the graph's outputs, its value) as soon as it is there. An error fails the run.
pub type OutputHandler = Arc<dyn Fn(usize, Value) -> Result<(), TaskError> + Send + Sync>;

/// How a plan is run.
#[derive(Clone)]
pub struct RunOptions {
    /// Threads that run tasks; 0 runs them on the calling thread.
    pub threads: usize,
    /// Bytes that values and the estimates of running tasks may take together.
    pub memory_limit: Option<u64>,
    /// Bytes of the limit that the program takes itself, for its code and what it holds: values are spilled earlier by as
    /// much. A task that needs the whole limit is run all the same, alone.
    pub occupied: u64,
    /// Folder below which values are spilled; the system's folder for temporary files when not given.
    pub spill_directory: Option<PathBuf>,
    /// Bytes that spill files may take on disk.
    pub spill_limit: Option<u64>,
    pub listener: Option<Arc<dyn Listener>>,
    pub interpreter: Arc<dyn Interpreter>,
    pub codec: Arc<dyn ForeignCodec>,
    /// Runs interpreted operations elsewhere, where it accepts them.
    pub remote: Option<Arc<dyn Remote>>,
    /// How many tasks are handed to it at a time, at most; by their measured durations when not given.
    pub remote_tasks: Option<usize>,
    /// Takes outputs over; the run's result then holds [`Value::Unit`] in their place.
    pub on_output: Option<OutputHandler>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_limit: None,
            occupied: 0,
            spill_directory: None,
            spill_limit: None,
            listener: None,
            interpreter: Arc::new(NoInterpreter),
            codec: Arc::new(NoCodec),
            remote: None,
            remote_tasks: None,
            on_output: None,
        }
    }
}

/// The lock of an interpreter, as far as the engine needs it.
pub trait Interpreter: Send + Sync {
    /// Runs `body` once with the interpreter's lock held. Interpreted operations are run inside, many in one hold.
    fn scoped(&self, body: &mut dyn FnMut());

    /// Can only one thread at a time be inside? Threads are not woken for short tasks when it is so.
    fn is_exclusive(&self) -> bool {
        true
    }
}

/// For runs without interpreted operations.
pub struct NoInterpreter;

impl Interpreter for NoInterpreter {
    fn scoped(&self, body: &mut dyn FnMut()) {
        body();
    }

    fn is_exclusive(&self) -> bool {
        false
    }
}

/// A task that is run elsewhere.
pub struct RemoteTask<'a> {
    pub op: &'a Arc<dyn Op>,
    pub index: u32,
    pub inputs: &'a [Value],
}

/// What a [`Remote`] tells and asks while it runs tasks.
pub trait RemoteControl {
    /// A task ended; `place` is its place among those that were handed over.
    fn ended(&mut self, place: usize, result: Result<Value, TaskError>, took: Duration);
    /// Has the batch taken so long that others should have what is not begun?
    fn is_overdue(&self) -> bool;
    /// Should everything stop?
    fn is_stopped(&self) -> bool;
}

/// Runs interpreted operations in other processes. Called from several worker threads at once.
pub trait Remote: Send + Sync {
    fn accepts(&self, op: &dyn Op) -> bool;
    /// Runs tasks in order. Tasks of which nothing is told were not run, and are handed back to the engine.
    fn run(&self, worker: u32, tasks: &[RemoteTask<'_>], control: &mut dyn RemoteControl);
    /// The run has ended: nothing more will be asked for.
    fn finish(&self);
}

/// Rebuilds foreign values from their encoding.
pub trait ForeignCodec: Send + Sync {
    fn decode(&self, kind: &str, bytes: Vec<u8>) -> Result<Arc<dyn Foreign>, TaskError>;
}

/// For runs without foreign values.
pub struct NoCodec;

impl ForeignCodec for NoCodec {
    fn decode(&self, kind: &str, _: Vec<u8>) -> Result<Arc<dyn Foreign>, TaskError> {
        Err(TaskError::new(
            ErrorClass::Internal,
            format!("no decoder for values of kind '{kind}' was given to the run"),
        ))
    }
}

/// A task at a moment of its life.
pub struct TaskEvent<'a> {
    /// Unique within the process.
    pub run: u64,
    pub plan: &'a Plan,
    /// The task's id within the plan.
    pub task: u32,
    /// Which of the run's workers has it, counted from 0.
    pub worker: u32,
    pub at: Instant,
}

/// Hears what happens in a run. Called from worker threads, without any lock of the engine's; inside the interpreter
/// when the task is interpreted.
pub trait Listener: Send + Sync {
    fn run_started(&self, _run: u64, _plan: &Plan) {}
    fn task_started(&self, _event: &TaskEvent<'_>) {}
    /// `bytes` is the measured size of the value.
    fn task_finished(&self, _event: &TaskEvent<'_>, _took: Duration, _bytes: u64, _value: &Value) {}
    /// Also called for a failure that is followed by another try.
    fn task_failed(&self, _event: &TaskEvent<'_>, _took: Duration, _error: &TaskError) {}
    /// All workers have left the run.
    fn run_finished(&self, _run: u64, _plan: &Plan, _error: Option<&RunError>) {}
}
