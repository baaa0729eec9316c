//! What the processes of a cluster say to each other: the headers of messages on its connections.
//!
//! Tasks, values and futures are `raskr-sched`'s words, passed on in batches. Beside them stand questions: an operation as
//! JSON and buffers that only the ends look into, for whatever is asked now and then by people rather than by tasks.

use std::sync::Arc;

use raskr_sched::{
    ClientId, Epoch, FromClient, FromWorker, Incarnation, Packet, Registration, RequestId, TaskId, ToClient, ToWorker,
    Welcome, WorkerId,
};
use serde::{Deserialize, Serialize};

use crate::loan::Loan;
use crate::packed::Sent;

/// The answer to a question: JSON, and buffers of the message; or an error's class and its words.
pub type Answer = Result<String, Refusal>;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Python's name of the exception that fits: `ValueError`, `KeyError`, `TimeoutError`, ...
    pub class: String,
    pub message: String,
}

/// From a worker to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WorkerSays {
    /// A new process, or one that was told that it is lost. `about` is JSON for people: process id, versions, folder.
    Register {
        registration: Registration,
        about: String,
    },
    /// The connection was made anew; the worker is still the same.
    Resume {
        worker: WorkerId,
        incarnation: Incarnation,
    },
    Packet(Packet<FromWorker>),
    /// Processor share, memory and the like as JSON, every second or so.
    Metrics(String),
    /// The answer to `WorkerHears::Call`; buffers are the message's.
    Reply {
        call: u64,
        answer: Answer,
    },
    /// Something for a topic that clients may listen to; the event is the message's buffer.
    Event {
        topic: Arc<str>,
    },
    /// The last word of one that was told to close.
    Farewell,
}

/// From the scheduler to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WorkerHears {
    Welcome(Welcome),
    /// The scheduler counts this incarnation as lost.
    Reject {
        incarnation: Incarnation,
    },
    Packet(Packet<ToWorker>),
    /// A question for the worker's process, passed on; buffers are the message's.
    Call {
        call: u64,
        question: String,
    },
}

/// From a client to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientSays {
    /// First. The name is unique: `Client-` and 16 hexadecimal digits, or `Client-worker-...` within a task.
    Hello {
        name: Arc<str>,
        about: String,
    },
    Batch(Vec<FromClient>),
    /// A question; buffers are the message's.
    Ask {
        request: u64,
        question: String,
    },
    /// Nobody waits for this any more.
    Forget {
        request: u64,
    },
    Bye,
}

/// From the scheduler to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientHears {
    /// The answer to `Hello`: JSON with the scheduler's id, address, dashboard and version.
    Welcome {
        client: ClientId,
        epoch: Epoch,
        about: String,
    },
    Batch(Vec<ToClient>),
    Answer {
        request: u64,
        answer: Answer,
    },
    /// Somebody said something under a topic that this client listens to; the event is the message's buffer.
    Event {
        topic: Arc<str>,
    },
    /// The scheduler ends: nothing more will come.
    Closing {
        reason: String,
    },
}

/// To a worker, from another one or from a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DataSays {
    Get {
        request: RequestId,
        tasks: Vec<TaskId>,
    },
    /// Values that a client has; their buffers are the message's, in this order. Some of these, by their places, are
    /// empty, and lie in memory that the client lends.
    Put {
        request: RequestId,
        values: Vec<(TaskId, Sent)>,
        loans: Vec<(u32, Loan)>,
    },
}

/// From a worker, to another one or to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DataHears {
    /// A part of the answer to `Get`; the last one says so. Buffers are the message's, in this order.
    Values { request: RequestId, values: Vec<(TaskId, Sent)>, absent: Vec<TaskId>, last: bool },
    /// Which values of a `Put` were taken.
    Taken { request: RequestId, tasks: Vec<TaskId> },
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
