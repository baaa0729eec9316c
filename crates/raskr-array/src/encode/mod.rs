//! Expressions as bytes: for pickles, and for workers of a cluster, which lower them as whoever encoded them does.
//!
//! What is reached twice is written once, inputs before what is made of them, so that neither side recurses however long a
//! chain is. What only this process or an interpreter understands (users' functions, readers of files, element types, delayed
//! calls) and memory do not go into the bytes: they are listed in [`Beside`], and whoever sends the bytes says how those
//! travel, or that they don't. Decoding takes the same lists, filled with what stands for them there.
//!
//! Bytes are not trusted: numbers, shapes, maps and ranges are checked when they are read (`check.rs`), and what does not fit
//! is an error that says where.

mod check;
mod code;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use raskr_base::{Chunk, TaskError, Value};
use raskr_graph::{Call, Input};

use crate::expr::{Expr, ForeignType, Place};
use crate::function::{BlockFunction, BlockReader, BlockWriter};

pub use read::decode;
pub use write::{calls_of, encode};

/// What is encoded: an array, or a value that may stand on arrays.
#[derive(Clone)]
pub enum Root {
    Array(Arc<Expr>),
    Value(Input),
}

/// The elements of an array that are there already.
#[derive(Clone)]
pub enum Held {
    /// All of it in one chunk.
    Memory(Chunk),
    /// Blocks in row-major order.
    Blocks(Arc<[Value]>),
}

/// What the bytes refer to by number.
#[derive(Default)]
pub struct Beside {
    /// Functions of an interpreter's; native ones are part of the bytes.
    pub functions: Vec<Arc<dyn BlockFunction>>,
    pub readers: Vec<Arc<dyn BlockReader>>,
    pub writers: Vec<Arc<dyn BlockWriter>>,
    pub elements: Vec<Arc<ForeignType>>,
    pub held: Vec<Held>,
    /// Each call that arrays stand on, after those that it takes values of. One that stands on no arrays is taken as it is;
    /// of another the operation, the annotations and the key are.
    pub calls: Vec<Arc<Call>>,
    pub origins: Vec<Arc<dyn Place>>,
}

/// How memory is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Every array as it is.
    Whole,
    /// Arrays of more bytes than this become blocks that are there already, so that each can be sent by itself. For a run with
    /// a number that no other one has, their tokens are made without looking at what they hold, and are of no use beyond it.
    AsBlocks { above: usize, run: Option<u128> },
}

/// Memory of up to so many bytes is part of the bytes.
const INSIDE_BYTES_MAX: usize = 1 << 10;

fn undecodable(why: impl std::fmt::Display) -> TaskError {
    TaskError::value(format!("encoded arrays can't be read: {why}"))
}
