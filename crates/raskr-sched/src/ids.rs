//! The numbers that tasks, workers, clients and messages go by, and time as callers bring it in.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The text that users know a task by; kept once per task.
pub type Key = Arc<str>;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }
    };
}

number!(
    /// A worker, by the order in which names were first seen; a worker that comes back under its name keeps it.
    WorkerId(u32), "w"
);
number!(
    /// How often a worker has been registered: what it said before it was lost does not count afterwards.
    Incarnation(u32), "i"
);
number!(
    /// A client's connection; the scheduler's shell numbers them and uses no number twice.
    ClientId(u32), "c"
);
number!(
    /// A future, numbered by its client, which uses no number twice. A client that holds a key twice has two.
    FutureId(u64), "f"
);
number!(
    /// How often a task has been handed to a worker.
    Attempt(u32), "a"
);
number!(
    /// What tasks have in common: code that workers keep, sent to each of them once.
    BodyId(u32), "b"
);
number!(
    /// A question, numbered by who asks.
    RequestId(u64), "r"
);
number!(
    /// One life of a scheduler: task ids of another life mean nothing.
    Epoch(u64), "e"
);

/// A task: a slot, and how often the slot had been used before. A forgotten task's id is never given to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct TaskId {
    pub slot: u32,
    pub generation: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}.{}", self.slot, self.generation)
    }
}

/// Which of two ready tasks goes first: the smaller one. Users' priorities come before the order of submission, which
/// comes before the order within a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Priority {
    /// The user's priority with its sign turned, so that larger ones of the user's come first.
    pub against_user: i32,
    pub submission: u32,
    pub order: u32,
}

/// A time, in microseconds since a start that the caller chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros)
    }

    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; nothing when it was not.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, wait: Duration) -> Instant {
        Instant(self.0.saturating_add(micros(wait)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A duration in the unit that the machines count in.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
