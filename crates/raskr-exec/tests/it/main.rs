//! The engine as its callers see it, on graphs written down or drawn at random.
#![allow(clippy::expect_used)]

mod failures;
mod memory;
mod messages;
mod remote;
mod results;
mod support;
mod workers;
