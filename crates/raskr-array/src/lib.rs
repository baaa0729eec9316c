//! Chunked arrays: grids of chunks, lazy expressions over them, and their lowering to task graphs.
//!
//! Knows: shapes, chunks, element types, which operations fuse. Does not know: threads, files, Python.
//! Invariant: building an expression costs by operation, never by chunk; the same expression with the same chunks gives
//! the same bits whatever runs it.

pub mod encode;
pub mod error;
pub mod expr;
pub mod function;
pub mod grid;
pub mod index;
pub mod lower;
pub mod native;
pub mod ops;

pub use error::ArrayError;
pub use expr::{ElementType, Expr, Kind};
pub use grid::{Axis, Grid, UNKNOWN};
