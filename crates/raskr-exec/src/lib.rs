//! The local engine: runs plans on threads or on the calling thread, within a limit of memory.
//!
//! Knows: plans, values, threads, spill files, child processes. Does not know: the network, Python (an [`Interpreter`]
//! and a [`Remote`] stand for it), arrays.
//! Invariants: none of the engine's locks is held while user code runs, while the interpreter is entered or while values
//! are dropped; a value lives no longer than its last consumer; a run that ended leaves no thread and no file behind.
//! Tested on random graphs against a naive evaluator, with failures, cancellation and limits that force spilling.

pub mod error;
pub mod handle;
mod limit;
pub mod options;
pub mod pool;
mod profile;
mod ready;
mod run;
mod spill;
mod store;
pub mod threads;

pub use error::RunError;
pub use handle::{RunHandle, Statistics, run_on_caller, start};
pub use limit::{default_memory_limit, private_bytes, resident_bytes};
pub use options::{
    ForeignCodec, Interpreter, Listener, NoCodec, NoInterpreter, OutputHandler, Remote, RemoteControl, RemoteTask,
    RunOptions, TaskEvent,
};
