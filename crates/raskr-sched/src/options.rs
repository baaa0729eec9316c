//! What shells may choose for the two machines; the defaults are what FAULTS and the settings promise.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerOptions {
    /// A worker that was not heard for this long gets nothing new.
    pub suspect_after: Duration,
    /// A worker that was not heard for this long is lost.
    pub lost_after: Duration,
    /// How often a task may kill its own process before it fails.
    pub kills_max: u8,
    /// How often a task may lose its worker, or be killed from outside, before it fails.
    pub losses_max: u8,
    /// How much work a worker gets ahead of what it runs, so that it never waits for the scheduler.
    pub ahead: Duration,
    /// And how many tasks of it at most, per thread.
    pub ahead_tasks_max: u32,
    /// What a task of an unknown class is expected to take.
    pub unknown_duration: Duration,
    /// Bytes that come over the network in a second, and what a transfer costs whatever its size.
    pub bandwidth: u64,
    pub latency: Duration,
    /// The share of a worker's memory up to which tasks that add to it are begun.
    pub admission: f64,
    /// The same for a worker that is spilling.
    pub admission_spilling: f64,
    /// Transitions that `story` can tell of.
    pub story_len: usize,
    /// How long a worker that was asked to end may take to move its values away.
    pub drain: Duration,
}

impl Default for SchedulerOptions {
    fn default() -> SchedulerOptions {
        SchedulerOptions {
            suspect_after: Duration::from_secs(5),
            lost_after: Duration::from_secs(15),
            kills_max: 3,
            losses_max: 20,
            ahead: Duration::from_millis(10),
            ahead_tasks_max: 128,
            unknown_duration: Duration::from_millis(100),
            bandwidth: 100_000_000,
            latency: Duration::from_micros(500),
            admission: 0.7,
            admission_spilling: 0.9,
            story_len: 100_000,
            drain: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct WorkerOptions {
    pub heartbeat_every: Duration,
    /// A registration that was not answered for this long is said again.
    pub register_every: Duration,
    /// A scheduler that was not heard for this long has lost us.
    pub scheduler_lost_after: Duration,
    /// How long values are kept without a scheduler.
    pub keep_without_scheduler: Duration,
    /// How much work that takes next to no time is handed over ahead of its turn, and how many tasks of it, per thread.
    pub ahead: Duration,
    pub ahead_tasks_max: usize,
    /// Bytes that are on their way from peers at most, unless it is one value.
    pub gather_bytes_max: u64,
    /// Bytes asked of one peer at once, unless it is one value.
    pub gather_batch_bytes: u64,
    /// Peers that are asked at the same time.
    pub gathers_max: usize,
    /// A peer that gave no sign for this long after it was asked gives none.
    pub gather_timeout: Duration,
    /// A peer that failed is left alone for this long at first, and for `peer_backoff_max` at last.
    pub peer_backoff: Duration,
    pub peer_backoff_max: Duration,
    /// Shares of the memory limit: nothing new is begun above the first, until memory is below the second.
    pub pause: f64,
    pub resume: f64,
    /// How long a worker waits for memory that cannot be had before it gives up a task.
    pub no_memory_after: Duration,
}

impl Default for WorkerOptions {
    fn default() -> WorkerOptions {
        WorkerOptions {
            heartbeat_every: Duration::from_millis(500),
            register_every: Duration::from_secs(1),
            scheduler_lost_after: Duration::from_secs(15),
            keep_without_scheduler: Duration::from_secs(60),
            ahead: Duration::from_millis(4),
            ahead_tasks_max: 128,
            gather_bytes_max: 256 << 20,
            gather_batch_bytes: 64 << 20,
            gathers_max: 32,
            gather_timeout: Duration::from_secs(15),
            peer_backoff: Duration::from_millis(200),
            peer_backoff_max: Duration::from_secs(5),
            pause: 0.8,
            resume: 0.75,
            no_memory_after: Duration::from_secs(5),
        }
    }
}
