//! Numeric kernels on blocks of memory: tile programs, reductions, random sources, vector mathematics.
//!
//! Knows: element types, shapes, strides, vector instructions. Does not know: graphs, tasks, threads, files, Python.
//! Invariant: a kernel's result depends on its arguments only, never on the thread or the time it runs at.
//! Tested beside each module and against naive models in `tests/`.

pub mod blocks;
pub mod error;
pub mod fft;
pub mod linalg;
pub mod math;
pub mod program;
pub mod random;
pub mod reduce;

pub use error::KernelError;
