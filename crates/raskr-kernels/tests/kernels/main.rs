//! The crate's integration tests: programs and reductions against naive models.

// Helpers of tests, not tests themselves, fail by panicking too.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod model;
mod operations;
mod programs;
mod reductions;
