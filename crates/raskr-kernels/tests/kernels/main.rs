//! The crate's integration tests: programs and reductions against naive models.

mod model;
mod operations;
mod programs;
mod reductions;
