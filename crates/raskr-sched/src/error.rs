//! Why a task failed, why a submission was not taken, and what a machine found wrong with itself.

use std::fmt;
use std::sync::Arc;

use raskr_base::ErrorClass;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, Instant, Key};
use crate::protocol::{Death, Raised};
use crate::scheduler::State;

/// How an attempt at a task ended without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Raised(String),
    /// Its process died under it.
    Killed(String),
    /// The worker that ran it was lost.
    WorkerLost,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Raised(message) => f.write_str(message),
            Outcome::Killed(how) => f.write_str(how),
            Outcome::WorkerLost => f.write_str("worker lost"),
        }
    }
}

/// One attempt at a task that gave no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    pub attempt: Attempt,
    pub worker: Arc<str>,
    pub ended: Instant,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The task's own code raised.
    Raised(Raised),
    /// The task's process died under it, as often as it may; the last death.
    Killed { death: Death, inputs_bytes: u64 },
    /// Workers were lost while they ran it, as often as may be.
    WorkersLost,
    /// A value that cannot be computed again, since a client sent it, is on no worker any more.
    DataLost,
    /// Its inputs alone are more than any worker that may run it can hold.
    TooLarge { inputs_bytes: u64, limit: u64 },
    /// A worker's memory is full of what cannot be spilled.
    OutOfMemory { worker: Arc<str>, limit: u64, disk_limit: u64 },
}

/// Why there is no value, told to whoever wants it or what was to be made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The task that failed, of which the others needed the value.
    pub key: Key,
    pub kind: FailureKind,
    /// The last attempts, oldest first.
    pub attempts: Vec<Attempted>,
}

impl Failure {
    /// Nothing for what the task raised: its class is within the bytes that came with it.
    pub fn class(&self) -> Option<ErrorClass> {
        match self.kind {
            FailureKind::Raised(_) => None,
            FailureKind::Killed { .. } | FailureKind::WorkersLost => Some(ErrorClass::Killed),
            FailureKind::DataLost => Some(ErrorClass::Cancelled),
            FailureKind::TooLarge { .. } | FailureKind::OutOfMemory { .. } => Some(ErrorClass::Memory),
        }
    }
}

/// Bytes as a person reads them.
fn mebibytes(bytes: u64) -> String {
    if bytes < 10 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let outcomes =
            || self.attempts.iter().map(|attempt| attempt.outcome.to_string()).collect::<Vec<_>>().join(", ");
        match &self.kind {
            FailureKind::Raised(raised) => write!(f, "task '{key}': {}", raised.message),
            FailureKind::Killed { death, inputs_bytes } => {
                let times =
                    self.attempts.iter().filter(|attempt| matches!(attempt.outcome, Outcome::Killed(_))).count();
                write!(f, "task '{key}' killed its process {times} times: {}; ", outcomes())?;
                write!(f, "peak {} of {}; ", mebibytes(death.memory_peak), mebibytes(death.memory_limit))?;
                write!(f, "inputs {}", mebibytes(*inputs_bytes))
            }
            FailureKind::WorkersLost => {
                let workers: Vec<&str> = self.attempts.iter().map(|attempt| &*attempt.worker).collect();
                write!(
                    f,
                    "task '{key}' was running on each of {} workers that were lost: {}",
                    workers.len(),
                    workers.join(", ")
                )
            }
            FailureKind::DataLost => {
                write!(f, "'{key}' was sent by a client and every worker that had it was lost: scatter it again")
            }
            FailureKind::TooLarge { inputs_bytes, limit } => write!(
                f,
                "the inputs of task '{key}' are {} and no worker that may run it has more than {}: use smaller chunks",
                mebibytes(*inputs_bytes),
                mebibytes(*limit)
            ),
            FailureKind::OutOfMemory { worker, limit, disk_limit } => write!(
                f,
                "no room for task '{key}' on worker '{worker}': its memory limit of {} is reached, and the {} for spilled \
                 values are full",
                mebibytes(*limit),
                mebibytes(*disk_limit)
            ),
        }
    }
}

/// Why a submission, or a scattered value, was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    #[error(
        "task '{key}' takes task number {input} of the submission, which is not listed before it (it is number {number})"
    )]
    InputNotBefore { key: Key, number: u32, input: u32 },
    #[error("task '{key}' takes '{input}', which the scheduler does not know: it was released or never submitted")]
    UnknownInput { key: Key, input: Key },
    #[error("task '{key}' takes '{input}' twice; each input is listed once")]
    InputTwice { key: Key, input: Key },
    #[error("'{what}' number {number} of the submission is asked for, which has {len}")]
    NoSuchPart { what: String, number: u32, len: usize },
    #[error("future {future} is in use")]
    FutureInUse { future: u64 },
}

impl Rejection {
    pub fn class(&self) -> ErrorClass {
        match self {
            Rejection::UnknownInput { .. } => ErrorClass::Cancelled,
            Rejection::FutureInUse { .. } => ErrorClass::Internal,
            Rejection::InputNotBefore { .. } | Rejection::InputTwice { .. } | Rejection::NoSuchPart { .. } => {
                ErrorClass::Value
            }
        }
    }
}

/// A machine contradicts itself; the story of the task is part of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("task '{key}' may not go from {from:?} to {to:?}\n{story}")]
    Transition { key: String, from: State, to: State, story: String },
    #[error("task '{key}': {rule}: expected {expected}, found {found}\n{story}")]
    Task { key: String, rule: &'static str, expected: String, found: String, story: String },
    #[error("{what}: {rule}: expected {expected}, found {found}")]
    Whole { what: String, rule: &'static str, expected: String, found: String },
}

impl Violation {
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Internal
    }
}
