//! The machines by what they answer: small traces, random events, messages on the wire, and the simulated cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod properties;
mod sim;
mod traces;
mod wire;
