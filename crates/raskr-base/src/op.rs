//! `Op`: what a task does, on whichever executor runs it.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{ErrorClass, TaskError};
use crate::value::Value;

/// Who does the work of an operation; executors treat the kinds differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OpKind {
    /// Rust code that needs no interpreter.
    Native,
    /// Code that runs inside an interpreter and holds its lock (a Python function).
    Interpreted,
}

/// What an operation may know about the task it runs as.
pub struct TaskContext<'a> {
    /// The task's index within its layer: the row-major block index for array layers.
    pub index: u32,
    /// Set when the run was cancelled; long operations look at it now and then.
    pub cancelled: &'a AtomicBool,
    /// Bytes that all values of the run may take together, when there is a limit.
    pub memory_limit: Option<u64>,
}

impl TaskContext<'_> {
    /// An error when the run was cancelled, for long loops.
    pub fn check_cancelled(&self) -> Result<(), TaskError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(TaskError::new(ErrorClass::Cancelled, "the computation was cancelled"));
        }
        Ok(())
    }
}

/// What a task does. One `Op` serves all tasks of a layer; the task's block is in the context.
pub trait Op: Send + Sync {
    /// The user's name of the operation, such as `sum` or `map_blocks(f)`.
    fn name(&self) -> &str;

    /// Does the work. `inputs` holds the values of the task's inputs in order; the operation may take them out (and so
    /// reuse a buffer whose last owner it is); the executor clears what is left.
    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError>;

    fn kind(&self) -> OpKind {
        OpKind::Native
    }

    /// Estimated bytes of the result of task `index` and of the scratch memory it needs while it runs; 0 when unknown.
    fn estimate(&self, _index: u32) -> u64 {
        0
    }

    /// Where the user built the operation (`script.py:12`), when known.
    fn origin(&self) -> Option<&str> {
        None
    }

    /// A number that operations of about equal duration share, such as calls of one function; by default an operation's
    /// duration says nothing about others.
    fn cost_class(&self) -> Option<usize> {
        None
    }

    /// The operation itself, for whoever made it to know it again.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// The key of task `index`, equal for tasks of equal content, when the operation knows one.
    fn key(&self, _index: u32) -> Option<String> {
        None
    }

    /// Words for an error of task `index`: block index and shapes.
    fn describe(&self, index: u32) -> String {
        format!("{} (task {index})", self.name())
    }
}
