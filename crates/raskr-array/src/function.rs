//! Functions of an interpreter that run a block at a time, and the few things its arrays must be able to do.

use std::any::Any;
use std::sync::OnceLock;

use raskr_base::{Chunk, OpKind, TaskError, Value};

use crate::index::Run;

/// What a block function gets for one argument: a block, or (nested) lists of blocks for contracted axes.
#[derive(Debug)]
pub enum Argument {
    Block(Value),
    List(Vec<Argument>),
}

/// A function called once for every block of its result.
pub trait BlockFunction: Send + Sync {
    /// Calls the function for the result's block. `extras` are the values of the calls it stands on.
    fn call(&self, block: &[u32], arguments: Vec<Argument>, extras: Vec<Value>) -> Result<Value, TaskError>;

    /// Who does the work.
    fn kind(&self) -> OpKind {
        OpKind::Interpreted
    }

    /// Equal for functions that do the same.
    fn token(&self) -> Result<u128, TaskError>;

    /// The function itself, for whoever made it to know it again.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// Reads boxes of elements from a store (a file, a Zarr array).
pub trait BlockReader: Send + Sync {
    fn read(&self, start: &[u64], shape: &[u64]) -> Result<Chunk, TaskError>;

    /// Equal for readers of the same content.
    fn token(&self) -> Result<u128, TaskError>;

    /// The reader itself, for whoever made it to know it again.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// Takes blocks to a store, each when it is there.
pub trait BlockWriter: Send + Sync {
    /// Writes the block with this number an axis, whose first element stands at `start`.
    fn write(&self, block: &[u32], start: &[u64], chunk: &Chunk) -> Result<(), TaskError>;

    /// The writer itself, for whoever made it to know it again.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// Structure operations on array objects of an interpreter, which raskr can't look into.
pub trait ForeignArrays: Send + Sync {
    fn shape(&self, value: &Value) -> Result<Vec<usize>, TaskError>;
    /// `value[runs]`, one run an axis, then the axes in `keep` in that order (others, of one element, are dropped) with a
    /// new axis of `lengths` elements, all alike, where `keep` is `None`.
    fn view(&self, value: &Value, runs: &[Run], keep: &[Option<usize>], lengths: &[usize]) -> Result<Value, TaskError>;
    /// Pieces, given with the place of their first element, put together to one array of the shape.
    fn assemble(&self, shape: &[usize], pieces: Vec<(Vec<usize>, Value)>) -> Result<Value, TaskError>;
    /// Elements `index` along an axis.
    fn take(&self, value: &Value, axis: usize, index: &[i64]) -> Result<Value, TaskError>;
    fn reshape(&self, value: &Value, shape: &[usize]) -> Result<Value, TaskError>;
}

static FOREIGN: OnceLock<Box<dyn ForeignArrays>> = OnceLock::new();

/// Tells how to handle an interpreter's arrays; the first to say so wins.
pub fn install_foreign(arrays: Box<dyn ForeignArrays>) {
    let _ = FOREIGN.set(arrays);
}

/// How to handle an interpreter's arrays.
pub fn foreign() -> Result<&'static dyn ForeignArrays, TaskError> {
    FOREIGN.get().map(AsRef::as_ref).ok_or_else(|| {
        TaskError::new(
            raskr_base::ErrorClass::Type,
            "expected blocks of a native element type, got an interpreter's object (no interpreter is attached)",
        )
    })
}
