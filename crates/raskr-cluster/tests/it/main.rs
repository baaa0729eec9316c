//! Connections between endpoints: over real sockets, through a proxy that damages what passes, and beset by strangers.
#![allow(clippy::expect_used, clippy::panic)]

mod client;
mod faults;
mod limits;
mod players;
mod processes;
mod questions;
mod scheduler;
mod scheduler_processes;
mod strangers;
mod support;
mod tls;
mod transports;
mod workers;
