//! What has been seen of the scheduler: tasks that ran, lines of its log, how long events waited for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use raskr_sched::{FromWorker, Instant, Key, Notice, Scheduler, State, TaskId, WorkerId};

/// Tasks that are remembered, and lines.
const RAN_MAX: usize = 100_000;
const LINES_MAX: usize = 10_000;
/// Lines in a second; more are counted only.
const LINES_A_SECOND: u32 = 20;

/// A task that ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Counts from 1.
    pub number: u64,
    pub key: Key,
    pub class: Arc<str>,
    pub worker: WorkerId,
    /// When it ended, as the scheduler heard, and how long it took.
    pub ended: Instant,
    pub micros: u64,
    pub bytes: u64,
    pub ok: bool,
}

/// The last tasks that ran, and how many did in all.
#[derive(Default)]
pub(super) struct Stream {
    ran: VecDeque<Ran>,
    number: u64,
    pub finished: u64,
    pub failed: u64,
}

impl Stream {
    /// Notes what a worker's words tell, before the machine hears them.
    pub fn watch(&mut self, machine: &Scheduler, worker: WorkerId, said: &[FromWorker], now: Instant) {
        for message in said {
            let (task, micros, bytes, ok) = match message {
                FromWorker::Finished { task, micros, bytes, .. } => (*task, *micros, *bytes, true),
                // One that asks to begin again has neither failed nor ended.
                FromWorker::Failed { error, .. } if error.again => continue,
                FromWorker::Failed { task, micros, .. } => (*task, *micros, 0, false),
                FromWorker::Killed { task, .. } => (*task, 0, 0, false),
                _ => continue,
            };
            self.note(machine, worker, task, (micros, bytes, ok), now);
        }
    }

    fn note(
        &mut self,
        machine: &Scheduler,
        worker: WorkerId,
        task: TaskId,
        (micros, bytes, ok): (u64, u64, bool),
        ended: Instant,
    ) {
        let Some(view) = machine.task_view_of(task) else { return };
        if view.state != State::Processing || view.worker != Some(worker) {
            return;
        }
        *(if ok { &mut self.finished } else { &mut self.failed }) += 1;
        self.number += 1;
        if self.ran.len() == RAN_MAX {
            self.ran.pop_front();
        }
        let (key, class) = (view.key.clone(), view.class.clone());
        self.ran.push_back(Ran { number: self.number, key, class, worker, ended, micros, bytes, ok });
    }

    /// The last of those with a greater number, oldest first.
    pub fn since(&self, number: u64, most: usize) -> impl Iterator<Item = &Ran> {
        let first = self.ran.partition_point(|ran| ran.number <= number);
        self.ran.range(first.max(self.ran.len().saturating_sub(most))..)
    }
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// In seconds since 1970.
    pub at: f64,
    pub level: &'static str,
    pub text: String,
}

#[derive(Default)]
pub(super) struct Log {
    lines: VecDeque<Line>,
    /// The second of the last line, and how many there were in it.
    second: u64,
    count: u32,
    /// Workers that were lost, since the start.
    pub lost: u64,
}

impl Log {
    pub fn line(&mut self, at: f64, level: &'static str, text: String) {
        let second = at as u64;
        if second != self.second {
            let left_out = self.count.saturating_sub(LINES_A_SECOND);
            (self.second, self.count) = (second, 0);
            if left_out > 0 {
                self.push(at, "info", format!("{left_out} more lines were left out"));
            }
        }
        self.count += 1;
        if self.count <= LINES_A_SECOND {
            self.push(at, level, text);
        }
    }

    fn push(&mut self, at: f64, level: &'static str, text: String) {
        match level {
            "warning" => tracing::warn!("{text}"),
            _ => tracing::info!("{text}"),
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at, level, text });
    }

    pub fn notice(&mut self, notice: &Notice, at: f64) {
        self.lost += u64::from(matches!(notice, Notice::WorkerLost { .. }));
        let (level, text) = match notice {
            Notice::WorkerJoined { name, incarnation, values } if incarnation.0 > 1 => {
                ("info", format!("worker '{name}' is back, with {values} values"))
            }
            Notice::WorkerJoined { name, .. } => ("info", format!("worker '{name}' joined")),
            Notice::WorkerSilent { name, since } => {
                ("warning", format!("worker '{name}' was not heard for {:.1} s", since.as_secs_f64()))
            }
            Notice::WorkerHeardAgain { name } => ("info", format!("worker '{name}' is heard again")),
            Notice::WorkerLost { name, how, running, assigned, values, .. } => (
                "warning",
                format!(
                    "worker '{name}' is lost ({how:?}): {running} tasks were running, {assigned} assigned, {values} \
                     values were there only"
                ),
            ),
            Notice::WorkerRetired { name, .. } => ("info", format!("worker '{name}' has closed")),
        };
        self.line(at, level, text);
    }

    pub fn last(&self, most: usize) -> impl Iterator<Item = &Line> {
        self.lines.range(self.lines.len().saturating_sub(most)..)
    }
}

/// How long what arrives waits for the scheduler.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lag {
    /// Turns, and the longest, since somebody asked last.
    pub turns: u64,
    pub longest: Duration,
    /// The most that a tick came late.
    pub latest: Duration,
}

impl Lag {
    pub(super) fn turn(&mut self, took: Duration) {
        self.turns += 1;
        self.longest = self.longest.max(took);
    }

    pub(super) fn late(&mut self, by: Duration) {
        self.latest = self.latest.max(by);
    }
}
