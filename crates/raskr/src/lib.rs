//! raskr for Rust programs: lazy arrays cut into chunks and tables cut into partitions, computed on all processors within a
//! limit of memory.
//!
//! Everything that needs no Python is here under ordinary Rust names. An [`array::Array`] is an expression; nothing is
//! computed before [`array::Array::compute`], which runs the expression chunk by chunk.
//!
//! ```
//! use raskr::array::{self, Chunks};
//!
//! let x = array::arange(0, 1_000_000, 1, 100_000);
//! let mean = ((&x + 1) * 2).mean(..);
//! assert_eq!(mean.item::<f64>()?, 1_000_001.0);
//! assert_eq!(array::ones([300, 200], Chunks::AUTO).sum(0).to_vec::<f64>()?, vec![300.0; 200]);
//! # Ok::<(), raskr::Error>(())
//! ```
//!
//! Knows: the names that users write. Does not know: how anything is computed (the crates below do), Python.
//! Invariant: no mistake of the user's panics; each is an [`Error`], told by whatever asks for the result.

#![warn(missing_docs)]

pub mod array;
mod error;
pub mod frame;

pub use error::{Error, Result};
pub use raskr_base::{Chunk, DType, Element, ErrorClass};
