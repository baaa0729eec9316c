//! The scheduler's shell: listens, carries what comes to the machine and what it answers to the wire, and answers questions.
//!
//! [`SchedulerServer`] has a thread and a runtime of its own. Connections are accepted and read by tasks (`arrivals`) that
//! hand over batches through one bounded queue; one task (`core`) has the machine: it takes all that has arrived, handles it,
//! and sends what follows in one message a peer. It never waits for a peer: what a connection does not take waits in its
//! `pipe`. Beside the machine stand services that answer questions (`services`); an answer that has to wait (`waits`) holds
//! no thread.
//! Invariants: a worker's messages pass its incarnation's `Link`, so that they come once and in order however often the
//! connection is made anew; the link lives as long as the machine counts on the incarnation. A client's connection is its life.

mod arrivals;
mod asked;
mod clients;
mod core;
mod lines;
mod observed;
mod options;
mod pipe;
mod server;
mod services;
mod waits;

pub use observed::{Lag, Line as LogLine, Ran};
pub use options::ServerOptions;
pub use server::{Asked, ClassSeen, SchedulerServer, View, WorkerSeen};
