//! What scheduler, workers and clients say to each other: plain data, which shells put on the wire.
//!
//! Messages go in batches, in the order in which they were said. Tasks go by ids; keys travel with a task once. Bodies and
//! arguments are bytes that nobody here looks into.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::error::{Failure, Rejection};
use crate::ids::{Attempt, BodyId, Epoch, FutureId, Incarnation, Key, Priority, RequestId, TaskId, WorkerId};

/// Shared bytes that are passed on unseen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Arc<[u8]>);

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Blob {
        Blob(bytes.into())
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Blob {
        Blob(bytes.into())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob::from(bytes))
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob::from(bytes))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Blob, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element()? {
                    bytes.push(byte);
                }
                Ok(Blob::from(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// What a user asks for beside the value of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotations {
    /// Larger runs sooner.
    pub priority: i32,
    /// How often a task that failed is tried again.
    pub retries: u16,
    /// Names, addresses or hosts of the workers that may run it; any may when there are none.
    pub workers: Vec<Arc<str>>,
    /// Whether others may run it as long as none of `workers` is there.
    pub allow_other_workers: bool,
    /// What it takes while it runs, in millionths.
    pub resources: Vec<(Arc<str>, u64)>,
}

/// Code that tasks of a submission have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodySpec {
    /// The code's content, in short: equal tokens are equal code.
    pub token: u128,
    pub code: Blob,
    /// Tasks of one cost class are expected to take as long and to yield as much as those before them did.
    pub class: Arc<str>,
}

/// An input of a task of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A task of the same submission, listed before this one.
    Here(u32),
    /// A task that the scheduler knows already.
    Known(Key),
}

/// A task of a submission; tasks are listed in the order in which they had best be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    pub key: Key,
    /// Which of the submission's bodies.
    pub body: u32,
    /// Which of the body's calls.
    pub index: u32,
    pub arguments: Option<Blob>,
    /// Each once, however often the body uses it.
    pub inputs: Vec<Input>,
    /// Which of the submission's annotations.
    pub annotations: Option<u32>,
}

/// A graph, or a part of one: later parts name tasks of earlier ones by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// By which an answer is known; the client's number.
    pub request: RequestId,
    pub bodies: Vec<BodySpec>,
    pub annotations: Vec<Annotations>,
    pub tasks: Vec<TaskSpec>,
    /// Whose values the client wants, and under which futures.
    pub wants: Vec<(u32, FutureId)>,
}

/// What a client does with a value of its own when workers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keeping {
    /// It has it no longer.
    Given,
    /// It keeps it, and sends it again when it is lost.
    Kept,
    /// The same, and workers have it only while there are tasks, or others than the client, that need it.
    Lent,
}

/// A value that a client has and wants on workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScatterItem {
    pub key: Key,
    pub future: FutureId,
    pub bytes: u64,
    /// On how many workers; every one for `u16::MAX`.
    pub copies: u16,
    pub keeping: Keeping,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromClient {
    Submit(Submission),
    /// A future of a key that another client or an earlier submission made.
    Want {
        key: Key,
        future: FutureId,
    },
    /// The client has these no longer.
    Release(Vec<FutureId>),
    /// Gives up these futures and what was made of them; with `force` those of other clients as well.
    Cancel {
        futures: Vec<FutureId>,
        force: bool,
    },
    /// Tries failed tasks again, with those of their inputs that failed.
    Retry(Vec<FutureId>),
    Scatter(Vec<ScatterItem>),
    /// Where are the values?
    Locate {
        request: RequestId,
        futures: Vec<FutureId>,
    },
    /// A worker that was named as a holder said that it has no such value.
    Absent {
        future: FutureId,
        worker: WorkerId,
    },
    /// A value could not be sent where the scheduler said: the worker was not reached, or did not take it.
    NotPut {
        future: FutureId,
        worker: WorkerId,
    },
    /// Keeps values on this many workers.
    Replicate {
        futures: Vec<FutureId>,
        copies: u16,
    },
    /// Keeps values under a name beyond the life of the client.
    Publish {
        name: Arc<str>,
        futures: Vec<FutureId>,
    },
    Unpublish {
        name: Arc<str>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelReason {
    /// A client said so.
    Asked,
    /// No task of that key is known.
    UnknownKey,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub future: FutureId,
    pub task: TaskId,
    pub bytes: u64,
    /// Empty while the value is not there.
    pub holders: Vec<WorkerId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToClient {
    /// With the value itself where that came along; workers have it all the same.
    Finished {
        future: FutureId,
        bytes: u64,
        value: Option<Blob>,
    },
    /// A value that was there was lost, or a failed task is tried again.
    Recomputing {
        future: FutureId,
    },
    Failed {
        future: FutureId,
        failure: Arc<Failure>,
    },
    /// Nothing more is said about this future.
    Cancelled {
        future: FutureId,
        reason: CancelReason,
    },
    /// Where the client is to send a value of its own.
    Put {
        future: FutureId,
        task: TaskId,
        workers: Vec<WorkerId>,
    },
    Located {
        request: RequestId,
        found: Vec<Found>,
    },
    /// A submission has another body, other arguments or other inputs for a key; the task that was there first stays.
    KeyConflict {
        key: Key,
    },
    /// Nothing of a submission was taken.
    Rejected {
        request: RequestId,
        reason: Rejection,
    },
    /// Where workers listen that this client has not been told of.
    Workers(Vec<Peer>),
    WorkersLeft(Vec<WorkerId>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub worker: WorkerId,
    pub incarnation: Incarnation,
    pub name: Arc<str>,
    pub address: Arc<str>,
    pub host: Arc<str>,
}

/// A value that a worker has when it registers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub task: TaskId,
    pub bytes: u64,
}

/// A worker asks to be taken in; said again with the same nonce until it is welcomed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    pub name: Arc<str>,
    pub address: Arc<str>,
    pub host: Arc<str>,
    /// Which process, and which of its attempts to register.
    pub process: u64,
    pub nonce: u64,
    pub threads: u32,
    /// 0 when there is none.
    pub memory_limit: u64,
    /// In millionths.
    pub resources: Vec<(Arc<str>, u64)>,
    /// The life of the scheduler that the inventory's ids are of.
    pub epoch: Option<Epoch>,
    pub inventory: Vec<Held>,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub process: u64,
    pub nonce: u64,
    pub epoch: Epoch,
    pub worker: WorkerId,
    pub incarnation: Incarnation,
    /// What the scheduler has no use for.
    pub drop: Vec<TaskId>,
    pub peers: Vec<Peer>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Bytes of values in memory, without those spilled.
    pub stored: u64,
    pub spilled: u64,
    /// Bytes of the whole process and its children.
    pub process: u64,
    /// The folder for spilled values takes no more; its limit in bytes.
    pub disk_full: Option<u64>,
}

/// What a task's own code raised; opaque but for the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    pub message: String,
    pub encoded: Blob,
    /// The task asks to begin again, which is no failure.
    pub again: bool,
}

/// How the process in which a task ran came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Such as `SIGSEGV` or `exit 7`.
    pub how: String,
    /// Killed from outside, and not by our own guard of memory.
    pub external: bool,
    pub memory_peak: u64,
    pub memory_limit: u64,
    pub log: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    Heartbeat {
        memory: MemoryReport,
    },
    Started {
        task: TaskId,
        attempt: Attempt,
    },
    /// With the value itself, if that is small and the task was said to be `wanted`: it is passed on, and kept by nobody.
    Finished {
        task: TaskId,
        attempt: Attempt,
        bytes: u64,
        micros: u64,
        value: Option<Blob>,
    },
    Failed {
        task: TaskId,
        attempt: Attempt,
        error: Raised,
        micros: u64,
    },
    /// The task's process died under it; the worker lives on.
    Killed {
        task: TaskId,
        attempt: Attempt,
        death: Death,
    },
    /// The worker cannot hold what the task needs, and no spilling helps.
    OutOfMemory {
        task: TaskId,
        attempt: Attempt,
        limit: u64,
        disk_limit: u64,
    },
    /// The answer to `Retract`.
    Retracted {
        task: TaskId,
        attempt: Attempt,
        given: bool,
    },
    /// A copy of a value has come, from a peer or from a client.
    Acquired {
        task: TaskId,
        bytes: u64,
    },
    /// A value that was here is here no more.
    Dropped {
        task: TaskId,
    },
    /// Nobody that the worker knows of gives it this value; those in `absent` said that they have it not.
    Missing {
        task: TaskId,
        absent: SmallVec<[WorkerId; 2]>,
    },
    Paused(bool),
    /// A task that runs waits for others and needs no thread (`away`), or has one again.
    Seceded {
        task: TaskId,
        attempt: Attempt,
        away: bool,
    },
    /// Asked from outside to end: move what is unique here away, then say so.
    Leaving,
}

/// An input of a task, and who has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputAt {
    pub task: TaskId,
    pub bytes: u64,
    pub holders: SmallVec<[WorkerId; 4]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTask {
    pub task: TaskId,
    pub attempt: Attempt,
    pub key: Key,
    pub body: BodyId,
    pub index: u32,
    pub arguments: Option<Blob>,
    pub priority: Priority,
    /// In the order of the submission.
    pub inputs: Vec<InputAt>,
    pub resources: Vec<(Arc<str>, u64)>,
    /// A client waits for the value: if it is small, it had best come with the word that it is there.
    pub wanted: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Said before the first task that has this body.
    Body {
        body: BodyId,
        code: Blob,
    },
    ForgetBody {
        body: BodyId,
    },
    Run(RunTask),
    /// Give the task back unless it is running.
    Retract {
        task: TaskId,
        attempt: Attempt,
    },
    /// Nobody wants the task's value any more.
    Cancel {
        task: TaskId,
        attempt: Attempt,
    },
    /// Drop a value, and wait for it no longer. With `answer` the worker says `Dropped` if it had the value: what the
    /// scheduler believes may have been overtaken by what a client sent, or a peer said.
    Free {
        task: TaskId,
        answer: bool,
    },
    /// Fetch a copy.
    Fetch(InputAt),
    /// Who has it now; the answer to `Missing`.
    Locations {
        task: TaskId,
        holders: SmallVec<[WorkerId; 4]>,
    },
    PeerJoined(Peer),
    PeerLeft {
        worker: WorkerId,
        incarnation: Incarnation,
    },
    HeartbeatHeard,
    /// End: nothing here is needed any more.
    Close,
}
