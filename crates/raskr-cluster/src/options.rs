//! Limits and times of connections.

use std::time::Duration;

use crate::frame::Limits;

/// How connections behave; the defaults suit a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// For connecting, TLS and the handshake together; also how long an unknown peer may take to show who it is.
    pub connect_timeout: Duration,
    /// How often a connection on which nothing else is sent shows that its process is alive.
    pub heartbeat: Duration,
    /// After this long without a byte from the other side, `recv` gives it up. `None`: never.
    pub silence_max: Option<Duration>,
    /// What is accepted of others, and sent.
    pub limits: Limits,
    /// How many messages may wait to be written before senders wait.
    pub queue_messages_max: usize,
    /// How many bytes may wait to be written before senders wait.
    pub queue_bytes_max: usize,
    /// How many peers may be at their handshake at a time; when more come, those that have taken longest, and more than a
    /// second, are dropped.
    pub unknown_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connect_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(1),
            silence_max: Some(Duration::from_secs(15)),
            limits: Limits::default(),
            queue_messages_max: 100_000,
            queue_bytes_max: 64 << 20,
            unknown_max: 256,
        }
    }
}
