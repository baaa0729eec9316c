//! The vocabulary every other crate speaks: element types, values, operations, errors, sizes and settings.
//!
//! Knows: nothing but the standard library. Does not know: graphs, threads that run tasks, files, Python.
//! Invariant: a [`Value`] is immutable once shared; a [`Chunk`]'s elements are always initialised memory.
//! Tested beside each module.

pub mod buffer;
pub mod chunk;
pub mod dtype;
pub mod error;
pub mod op;
pub mod settings;
pub mod sizes;
pub mod value;

pub use buffer::Buffer;
pub use chunk::{Chunk, ChunkMut, Dims, Strides};
pub use dtype::{DType, Element, TimeUnit};
pub use error::{ErrorClass, TaskError};
pub use op::{Op, OpKind, TaskContext};
pub use value::{Foreign, Value};
