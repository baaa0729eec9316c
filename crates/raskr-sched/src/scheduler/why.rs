//! Why a task has no value yet, in terms that a person can act on.

use std::sync::Arc;
use std::time::Duration;

use super::Scheduler;
use super::task::State;
use crate::error::{Attempted, Failure};
use crate::ids::Key;

/// Inputs that are listed.
const INPUTS_TOLD: usize = 10;

#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    UnknownKey,
    /// There is a value, on so many workers.
    Finished {
        holders: usize,
    },
    Failed(Arc<Failure>),
    /// Nobody wants it.
    NotWanted,
    /// Some of the inputs that are not there, with their states, and how many there are.
    Inputs {
        absent: usize,
        listed: Vec<(Key, State)>,
    },
    /// There is no worker at all.
    NoWorkers,
    /// None of these is there.
    NoWorkerNamed {
        workers: Vec<Arc<str>>,
    },
    /// No worker that may run it has as much; in millionths.
    NoWorkerWithResource {
        resource: Arc<str>,
        needed: u64,
        offered_max: u64,
    },
    /// Workers that may run it have given the resource to others.
    ResourceTaken {
        resource: Arc<str>,
        needed: u64,
    },
    /// Workers that may run it begin nothing: paused for memory, silent, leaving.
    WorkersNotTaking {
        paused: usize,
        silent: usize,
        leaving: usize,
    },
    /// Withheld until there is memory for what it is expected to yield.
    Memory {
        expected_bytes: u64,
    },
    /// So many tasks go first.
    Behind {
        tasks: usize,
    },
    OnWorker {
        worker: Arc<str>,
        started: bool,
        silent_for: Duration,
    },
    /// A client has yet to send it.
    ClientHasNotSent,
    /// Attempts that gave no value.
    Attempts(Vec<Attempted>),
}

impl Scheduler {
    /// What a key waits for; the most important first.
    pub fn why(&self, key: &str) -> Vec<Reason> {
        let Some(id) = self.task(key) else { return vec![Reason::UnknownKey] };
        let slot = id.slot;
        let task = &self.tasks[slot];
        let mut reasons = match task.state {
            State::Memory => vec![Reason::Finished { holders: task.replicas.len() }],
            State::Erred => self.failures.get(&slot).cloned().map(Reason::Failed).into_iter().collect(),
            State::Released if task.body.is_none() && self.is_needed(slot) => vec![Reason::ClientHasNotSent],
            State::Released | State::Forgotten => vec![Reason::NotWanted],
            State::Waiting => vec![self.why_waiting(slot)],
            State::NoWorker => vec![self.why_no_worker(slot)],
            State::Queued => vec![self.why_queued(slot)],
            State::Processing => {
                let record = &self.workers[task.worker.0 as usize];
                let silent_for = self.now.since(record.last_heard);
                vec![Reason::OnWorker { worker: record.name.clone(), started: task.started, silent_for }]
            }
        };
        if let Some(attempts) = self.history.get(&slot)
            && task.state != State::Erred
        {
            reasons.push(Reason::Attempts(attempts.clone()));
        }
        reasons
    }

    fn why_waiting(&self, slot: u32) -> Reason {
        let inputs = self.tasks[slot].inputs.iter().map(|&input| &self.tasks[input]);
        let absent = inputs.filter(|input| input.state != State::Memory);
        let all: Vec<(Key, State)> = absent.map(|input| (input.key.clone(), input.state)).collect();
        Reason::Inputs { absent: all.len(), listed: all.into_iter().take(INPUTS_TOLD).collect() }
    }

    fn why_no_worker(&self, slot: u32) -> Reason {
        let there: Vec<_> = self
            .alive
            .iter()
            .map(|worker| &self.workers[worker.0 as usize])
            .filter(|w| w.retirement.is_none())
            .collect();
        if there.is_empty() {
            return Reason::NoWorkers;
        }
        let constraint = self.constraint(slot);
        let restricted = !constraint.workers.is_empty() && !constraint.allow_other_workers;
        let named: Vec<_> = there.into_iter().filter(|record| !restricted || constraint.names(record)).collect();
        if named.is_empty() {
            return Reason::NoWorkerNamed { workers: constraint.workers.clone() };
        }
        for (resource, needed) in &constraint.resources {
            let offered = named.iter().map(|record| record.resources.get(resource).map_or(0, |(total, _)| *total));
            let offered_max = offered.max().unwrap_or(0);
            if offered_max < *needed {
                return Reason::NoWorkerWithResource { resource: resource.clone(), needed: *needed, offered_max };
            }
        }
        // Each resource is offered, but not all by one worker.
        match constraint.resources.first() {
            Some((resource, needed)) => Reason::ResourceTaken { resource: resource.clone(), needed: *needed },
            None => Reason::NoWorkerNamed { workers: constraint.workers.clone() },
        }
    }

    fn why_queued(&self, slot: u32) -> Reason {
        let constraint = self.constraint(slot);
        let records: Vec<_> = constraint.eligible().iter().map(|worker| &self.workers[worker.0 as usize]).collect();
        let running: Vec<_> = records.iter().filter(|record| record.is_running()).collect();
        if running.is_empty() {
            return Reason::WorkersNotTaking {
                paused: records.iter().filter(|record| record.paused).count(),
                silent: records.iter().filter(|record| record.suspect).count(),
                leaving: records.iter().filter(|record| record.retirement.is_some()).count(),
            };
        }
        let task = &self.tasks[slot];
        let before = constraint.queued.range(..(task.priority, slot)).count();
        if before > 0 {
            return Reason::Behind { tasks: before };
        }
        for (resource, needed) in &constraint.resources {
            let free = |used: &(u64, u64)| used.0.saturating_sub(used.1);
            if running.iter().all(|record| record.resources.get(resource).is_none_or(|used| free(used) < *needed)) {
                return Reason::ResourceTaken { resource: resource.clone(), needed: *needed };
            }
        }
        if running.iter().any(|record| record.has_idle_thread()) {
            let (_, expected_bytes) = self.expectation(slot);
            return Reason::Memory { expected_bytes };
        }
        Reason::Behind { tasks: running.iter().map(|record| record.processing.len()).sum() }
    }
}
