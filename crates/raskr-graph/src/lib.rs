//! Task graphs: symbolic layers of tasks, and the passes that turn them into an executable plan.
//!
//! Knows: tasks, inputs, sizes, priorities. Does not know: threads, files, Python, arrays.
//! Invariant: nothing per-task exists before a plan is made of a graph; building costs by layer.
//! Tested beside each module, on classic shapes and on random graphs.

pub mod call;
pub mod csr;
pub mod draw;
pub mod error;
pub mod fuse;
pub mod graph;
pub mod order;
pub mod plan;
#[cfg(test)]
mod testing;
pub mod token;

pub use call::{Builder, Call, Collection, Input, collections_under};
pub use csr::Csr;
pub use error::GraphError;
pub use graph::{Annotations, Graph, Layer, LayerId, TaskRef};
pub use plan::{Plan, PlanOptions};
pub use token::{Hashing, Token, TokenHasher, install_hashing};
