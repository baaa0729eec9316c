//! `Runner`: what a worker's shell leaves to the language above: running tasks, and packing what they yield.

use std::sync::Arc;

use bytes::Bytes;
use raskr_base::Value;
use raskr_sched::{Attempt, Blob, BodyId, Death, Key, Raised, TaskId};

use crate::packed::Packed;
use crate::wire::Answer;

/// A value as a worker's store holds it.
#[derive(Clone)]
pub enum Stored {
    Packed(Packed),
    /// What a native operation yielded; packed when it is sent or spilled.
    Native(Value),
}

/// A task that is to be run.
pub struct Work {
    pub task: TaskId,
    pub attempt: Attempt,
    pub key: Key,
    pub body: BodyId,
    /// Which of the body's calls.
    pub index: u32,
    pub arguments: Option<Blob>,
    /// In the order of the submission.
    pub inputs: Vec<(TaskId, Stored)>,
    /// Tasks of its body take next to no time: it may wait behind others of the kind.
    pub short: bool,
}

/// How a task ended.
pub enum Ended {
    Done {
        value: Stored,
        micros: u64,
    },
    Raised {
        error: Raised,
        micros: u64,
    },
    /// The process in which it ran died under it.
    Died(Death),
    /// It had not begun when its process died, or when what it waited for proved to take long.
    Untouched,
}

/// What became of tasks, told to the shell. Never waits; may be called from any thread, without locks that [`Runner`] takes.
pub trait Progress: Send + Sync {
    /// What this leads to may be done before it returns.
    fn ended(&self, tasks: Vec<(TaskId, Attempt, Ended)>);
    /// A task that was expected to be short, or that others wait behind, has been running for a while.
    fn began(&self, task: TaskId, attempt: Attempt);
    /// An input in a form that had better be kept in place of the one that was given: in memory that children can map.
    fn replaced(&self, task: TaskId, value: Packed);
    /// The task waits for others and needs no thread until it ends (`secede`), or wants one again (`rejoin`).
    fn seceded(&self, task: TaskId, attempt: Attempt, away: bool);
    /// Something for those who listen to a topic at the scheduler.
    fn event(&self, topic: Arc<str>, event: Bytes);
    /// The answer to a question that was passed on by [`Runner::call`].
    fn answered(&self, call: u64, answer: Answer, buffers: Vec<Bytes>);
}

/// Runs tasks. All calls return at once; what comes of them is told to the [`Progress`] that `start` was given.
pub trait Runner: Send + Sync + 'static {
    /// Before all else; `threads` tasks run at a time, of the worker that others reach at this address.
    fn start(&self, progress: Arc<dyn Progress>, threads: usize, address: &str);
    fn keep_body(&self, body: BodyId, code: Blob);
    fn forget_body(&self, body: BodyId);
    /// Begins tasks; more than `threads` may be under way, of which those above wait their turn in the same order. Those
    /// that would wait behind one that takes long are given back as [`Ended::Untouched`].
    fn execute(&self, work: Vec<Work>);
    /// Stops a task if that is possible; its end is told all the same.
    fn interrupt(&self, task: TaskId, attempt: Attempt);
    /// A question for this process, as JSON with buffers.
    fn call(&self, call: u64, question: String, buffers: Vec<Bytes>);
    /// Packs what a native operation yielded.
    fn pack(&self, value: &Value) -> Result<Packed, String>;
    /// Process ids of children, whose memory counts as the worker's.
    fn children(&self) -> Vec<u32>;
    /// Ends all children and what runs in them; nothing is told any more.
    fn stop(&self);
}
