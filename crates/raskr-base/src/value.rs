//! `Value`: what a task yields and another task takes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::chunk::Chunk;
use crate::error::TaskError;

/// An object of a language or library above, such as a Python object. Cheap to clone through its `Arc`.
pub trait Foreign: Send + Sync + Any + fmt::Debug {
    /// Estimated bytes of memory that the object keeps alive.
    fn nbytes(&self) -> u64;
    /// Bytes from which [`Foreign::kind`]'s decoder can rebuild the object, for spilling and sending.
    fn encode(&self) -> Result<Vec<u8>, TaskError>;
    /// Which decoder understands the encoding: `"python"`.
    fn kind(&self) -> &'static str;
    fn as_any(&self) -> &dyn Any;
}

/// The result of a task. Cloning is cheap: data is behind reference counts.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing: a task run for its effect.
    Unit,
    Chunk(Chunk),
    Bytes(Arc<[u8]>),
    List(Arc<[Value]>),
    Foreign(Arc<dyn Foreign>),
}

impl Value {
    /// Bytes of memory that the value keeps alive.
    pub fn nbytes(&self) -> u64 {
        match self {
            Value::Unit => 0,
            Value::Chunk(chunk) => chunk.nbytes() as u64,
            Value::Bytes(bytes) => bytes.len() as u64,
            Value::List(values) => values.iter().map(Value::nbytes).sum(),
            Value::Foreign(object) => object.nbytes(),
        }
    }

    pub fn as_chunk(&self) -> Option<&Chunk> {
        match self {
            Value::Chunk(chunk) => Some(chunk),
            _ => None,
        }
    }
}

impl From<Chunk> for Value {
    fn from(chunk: Chunk) -> Value {
        Value::Chunk(chunk)
    }
}
