//! The dashboard over real sockets: what is answered, to whom, and at what cost.
#![allow(clippy::expect_used, clippy::panic)]

mod events;
mod security;
mod serving;
mod support;
