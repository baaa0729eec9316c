//! What happens in a worker's process and is told to its machine.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use raskr_sched::{Attempt, RequestId, TaskId};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::store::Store;
use crate::packed::Packed;
use crate::runner::{Ended, Progress, Stored, Work};
use crate::wire::Answer;

/// What happened elsewhere in this process.
pub(super) enum Input {
    Ended {
        task: TaskId,
        attempt: Attempt,
        ended: Ended,
    },
    Began {
        task: TaskId,
        attempt: Attempt,
    },
    Seceded {
        task: TaskId,
        attempt: Attempt,
        away: bool,
    },
    Topic {
        topic: Arc<str>,
        event: Bytes,
    },
    Answered {
        call: u64,
        answer: Answer,
        buffers: Vec<Bytes>,
    },
    /// Inputs of a task came from disk.
    Loaded(Work),
    NotLoaded {
        task: TaskId,
        attempt: Attempt,
        lost: TaskId,
    },
    Lost {
        task: TaskId,
    },
    Asked {
        request: RequestId,
        tasks: Vec<TaskId>,
        reply: oneshot::Sender<(Vec<TaskId>, Vec<TaskId>)>,
    },
    Put {
        request: RequestId,
        task: TaskId,
        value: Packed,
        reply: oneshot::Sender<()>,
    },
    Gathered {
        request: RequestId,
        values: Vec<(TaskId, Packed)>,
        absent: Vec<TaskId>,
    },
    GatherProgressed {
        request: RequestId,
    },
    GatherFailed {
        request: RequestId,
    },
    StoreChanged,
    Leave,
    Close,
}

/// What the runner tells goes to the machine.
pub(super) struct Told {
    pub desk: Arc<Desk>,
    pub store: Arc<Store>,
}

impl Told {
    fn tell(&self, input: Input) {
        // Nobody listens any more once the worker has ended.
        self.desk.bring([input]);
    }
}

impl Progress for Told {
    fn ended(&self, tasks: Vec<(TaskId, Attempt, Ended)>) {
        self.desk.bring(tasks.into_iter().map(|(task, attempt, ended)| Input::Ended { task, attempt, ended }));
    }

    fn began(&self, task: TaskId, attempt: Attempt) {
        self.tell(Input::Began { task, attempt });
    }

    fn replaced(&self, task: TaskId, value: Packed) {
        self.store.replace(task, Stored::Packed(value));
    }

    fn seceded(&self, task: TaskId, attempt: Attempt, away: bool) {
        self.tell(Input::Seceded { task, attempt, away });
    }

    fn event(&self, topic: Arc<str>, event: Bytes) {
        self.tell(Input::Topic { topic, event });
    }

    fn answered(&self, call: u64, answer: Answer, buffers: Vec<Bytes>) {
        self.tell(Input::Answered { call, answer, buffers });
    }
}

/// What an event came with.
pub(super) enum Pending {
    Values(HashMap<TaskId, Stored>),
    Asked(oneshot::Sender<(Vec<TaskId>, Vec<TaskId>)>),
}

/// Has values spilled on a thread of its own, which tells what came of it.
pub(super) fn spawn_spiller(store: &Arc<Store>, desk: &Arc<Desk>) -> Option<std::thread::JoinHandle<()>> {
    let (store, desk) = (Arc::clone(store), Arc::clone(desk));
    let spill = move || store.spill(|| desk.leave(Input::StoreChanged));
    let spawned = std::thread::Builder::new().name("raskr-spill".to_owned()).spawn(spill);
    spawned.inspect_err(|error| tracing::warn!("nothing can be spilled: {error}")).ok()
}
