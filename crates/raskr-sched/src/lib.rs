//! The cluster's scheduler and its workers as two state machines: events in, actions out.
//!
//! Knows: keys, sizes, places, priorities, time as it is told. Does not know: sockets, clocks, threads, files, what a
//! task's body means, Python. [`Scheduler::handle`] and [`Worker::handle`] are all that changes a machine; a shell carries
//! what they answer to the wire, the threads and the store. [`Link`] makes an unreliable connection one that delivers
//! each message once and in order; the machines rely on that within one incarnation of a worker, and on nothing else.
//!
//! Invariants (checked by [`Scheduler::validate`] and [`Worker::validate`], which tests call after every event):
//! * states change as [`State::may_become`] says; a task has an owner only while it is processing, and one at most;
//! * the same events at the same times give the same actions, whatever the machine: no order of a hash map is looked at;
//! * what an owner says counts only with the attempt and the incarnation that are current.
//!
//! Tested by small traces beside a simulator that drives both machines through a network that loses, repeats, delays and
//! cuts, with crashes, frozen processes and restarts, thousands of seeds of it (`tests/it`).

mod adaptive;
mod error;
mod ids;
mod link;
mod options;
mod protocol;
mod scheduler;
mod story;
mod worker;

pub use adaptive::{Adaptive, Change, Load};
pub use error::{Attempted, Failure, FailureKind, Outcome, Rejection, Violation};
pub use ids::{
    Attempt, BodyId, ClientId, Epoch, FutureId, Incarnation, Instant, Key, Priority, RequestId, TaskId, WorkerId,
};
pub use link::{Link, Packet};
pub use options::{SchedulerOptions, WorkerOptions};
pub use protocol::{
    Annotations, Blob, BodySpec, CancelReason, Death, Found, FromClient, FromWorker, Held, Input, InputAt, Keeping,
    MemoryReport, Peer, Raised, Registration, RunTask, ScatterItem, Submission, TaskSpec, ToClient, ToWorker, Welcome,
};
pub use scheduler::{
    Action, Event, Gone, Notice, Reason, Recipe, Scheduler, State, TaskView, WorkerStatus, WorkerView,
};
pub use story::{Entry, What};
pub use worker::{Execute, Executed, Worker, WorkerAction, WorkerEvent};
