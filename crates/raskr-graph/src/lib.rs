//! Task graphs: symbolic layers of tasks, and the passes that turn them into an executable plan.
//!
//! Knows: tasks, inputs, sizes, priorities. Does not know: threads, files, Python, arrays.
//! Invariant: nothing per-task exists before a plan is made of a graph; building costs by layer.

pub mod call;
pub mod graph;

pub use call::{Builder, Call, Collection, Input};
pub use graph::{Annotations, Graph, Layer, LayerId, TaskRef};
