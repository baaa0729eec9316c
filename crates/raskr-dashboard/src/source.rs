//! What the dashboard is told: plain data about a cluster at one moment.

use serde::Serialize;

/// Who can tell how the cluster does.
pub trait Source: Send + Sync + 'static {
    /// How it is now, with tasks that ended: those with a number above `since`, the last `most` of them, in order.
    ///
    /// Called on a thread of the dashboard's own, by one at a time, at most twice a second; it may wait for whoever knows.
    /// `None` when there is no cluster any more.
    fn snapshot(&self, since: u64, most: usize) -> Option<Snapshot>;
}

/// A cluster at one moment. Times are seconds since 1970, sizes bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    pub time: f64,
    pub cluster: Cluster,
    pub workers: Vec<Worker>,
    /// Tasks of all groups.
    pub tasks: States,
    /// The largest groups, or those last seen, as many as are of use to a reader.
    pub groups: Vec<Group>,
    pub clients: usize,
    pub counters: Counters,
    /// The longest time in seconds that anything waited for the scheduler since it was last asked.
    pub loop_lag: f64,
    pub log: Vec<LogLine>,
    /// Not part of what is shown as such: it becomes the task stream.
    #[serde(skip)]
    pub ran: Vec<Ran>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cluster {
    pub id: String,
    pub address: String,
    pub version: String,
    pub started: f64,
    pub pid: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Running,
    /// It begins nothing, for want of memory.
    Paused,
    /// Not heard for a while.
    Silent,
    /// It is to end, and moves its values away.
    Retiring,
}

impl Status {
    pub(crate) const ALL: [(Status, &str); 4] = [
        (Status::Running, "running"),
        (Status::Paused, "paused"),
        (Status::Silent, "silent"),
        (Status::Retiring, "retiring"),
    ];
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Worker {
    pub name: String,
    pub address: String,
    pub status: Status,
    pub threads: u32,
    /// 0 when there is none.
    pub memory_limit: u64,
    /// Values in memory.
    pub stored: u64,
    pub spilled: u64,
    /// The worker's process and its children.
    pub process: u64,
    /// In threads: 1.5 is one and a half of them.
    pub cpu: f64,
    /// Tasks that it has, and how many of these run.
    pub processing: usize,
    pub running: usize,
    pub values: usize,
    /// Seconds since it was heard.
    pub silent: f64,
    /// 0 when it is not known.
    pub pid: u32,
}

/// How many tasks are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct States {
    pub released: u64,
    pub waiting: u64,
    pub no_worker: u64,
    pub queued: u64,
    pub processing: u64,
    pub memory: u64,
    pub erred: u64,
}

impl States {
    pub(crate) fn each(&self) -> [(&'static str, u64); 7] {
        [
            ("released", self.released),
            ("waiting", self.waiting),
            ("no-worker", self.no_worker),
            ("queued", self.queued),
            ("processing", self.processing),
            ("memory", self.memory),
            ("erred", self.erred),
        ]
    }
}

/// Tasks that belong together: those of one function.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    pub name: String,
    pub tasks: States,
    /// Mean seconds of a task, 0 before one ended.
    pub mean: f64,
}

/// Since the scheduler's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub finished: u64,
    pub failed: u64,
    pub workers_lost: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogLine {
    pub time: f64,
    /// `info`, `warning` or `error`.
    pub level: String,
    pub text: String,
}

/// A task that ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    /// Larger than those of tasks that ended before.
    pub number: u64,
    pub key: String,
    pub group: String,
    pub worker: String,
    pub start: f64,
    pub stop: f64,
    pub failed: bool,
}
