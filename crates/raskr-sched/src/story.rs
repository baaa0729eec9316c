//! The last things that happened to tasks, in a ring: what `story(key)` and errors tell.

use std::collections::VecDeque;
use std::fmt;

use crate::ids::{Attempt, Instant, TaskId, WorkerId};
use crate::scheduler::State;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Became {
        from: State,
        to: State,
    },
    Assigned {
        worker: WorkerId,
        attempt: Attempt,
    },
    Started {
        worker: WorkerId,
        attempt: Attempt,
    },
    Finished {
        worker: WorkerId,
        attempt: Attempt,
    },
    Raised {
        worker: WorkerId,
        attempt: Attempt,
    },
    /// It asked to begin again.
    AskedAgain {
        worker: WorkerId,
        attempt: Attempt,
    },
    Killed {
        worker: WorkerId,
        attempt: Attempt,
    },
    AskedBack {
        worker: WorkerId,
        attempt: Attempt,
    },
    GivenBack {
        worker: WorkerId,
        attempt: Attempt,
    },
    NotGivenBack {
        worker: WorkerId,
        attempt: Attempt,
    },
    Replica {
        worker: WorkerId,
    },
    ReplicaGone {
        worker: WorkerId,
    },
    /// Said by a worker or of an attempt that counts no more.
    Outdated {
        worker: WorkerId,
        attempt: Attempt,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Became { from, to } => write!(f, "{from:?} -> {to:?}"),
            What::Assigned { worker, attempt } => write!(f, "assigned to {worker} ({attempt})"),
            What::Started { worker, attempt } => write!(f, "started on {worker} ({attempt})"),
            What::Finished { worker, attempt } => write!(f, "finished on {worker} ({attempt})"),
            What::Raised { worker, attempt } => write!(f, "raised on {worker} ({attempt})"),
            What::AskedAgain { worker, attempt } => write!(f, "asked on {worker} to begin again ({attempt})"),
            What::Killed { worker, attempt } => write!(f, "its process died on {worker} ({attempt})"),
            What::AskedBack { worker, attempt } => write!(f, "asked back from {worker} ({attempt})"),
            What::GivenBack { worker, attempt } => write!(f, "given back by {worker} ({attempt})"),
            What::NotGivenBack { worker, attempt } => write!(f, "not given back by {worker} ({attempt})"),
            What::Replica { worker } => write!(f, "its value is on {worker}"),
            What::ReplicaGone { worker } => write!(f, "its value is on {worker} no more"),
            What::Outdated { worker, attempt } => write!(f, "an outdated word of {worker} ({attempt})"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Instant,
    pub task: TaskId,
    pub what: What,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at, self.task, self.what)
    }
}

/// A ring of entries.
#[derive(Debug)]
pub(crate) struct Story {
    entries: VecDeque<Entry>,
    len_max: usize,
}

impl Story {
    pub fn new(len_max: usize) -> Story {
        Story { entries: VecDeque::new(), len_max }
    }

    pub fn push(&mut self, at: Instant, task: TaskId, what: What) {
        if self.len_max == 0 {
            return;
        }
        if self.entries.len() == self.len_max {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at, task, what });
    }

    pub fn of(&self, task: TaskId) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.task == task).copied().collect()
    }

    /// For messages: one line an entry.
    pub fn text(&self, task: TaskId) -> String {
        self.of(task).iter().map(|entry| format!("  {entry}")).collect::<Vec<_>>().join("\n")
    }
}
