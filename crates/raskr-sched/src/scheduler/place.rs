//! Decides which worker runs a ready task, and when.
//!
//! A task whose inputs lie somewhere in particular goes at once to where it is expected to start soonest: bytes to move
//! against what a worker has to do. A task that could start anywhere, since it has no inputs or takes what everybody
//! takes, is withheld until a worker has a thread for it and memory for its result: what is begun first is what others
//! wait for. A worker gets a few tasks ahead of those it runs, the more the shorter they are.
//! Invariant: a task is assigned to at most one worker.

use std::sync::Arc;

use super::task::{ConstraintId, State, UNCONSTRAINED};
use super::{PUBLISHER, Scheduler};
use crate::error::FailureKind;
use crate::ids::micros;
use crate::ids::{Attempt, WorkerId};
use crate::protocol::{InputAt, RunTask, ToWorker};
use crate::story::What;

/// Workers that are compared for a task beside the holders of its inputs.
const IDLE_COMPARED: usize = 4;

impl Scheduler {
    /// A task whose inputs are there gets a worker, or waits for one.
    pub(super) fn place(&mut self, slot: u32) {
        if self.constraint(slot).eligible().is_empty() {
            self.set_state(slot, State::NoWorker);
        } else if self.is_withheld(slot) {
            self.set_state(slot, State::Queued);
        } else if self.is_too_large(slot) {
            self.fail_too_large(slot);
        } else {
            match self.best_worker(slot) {
                Some(worker) => self.assign(slot, worker),
                None => self.set_state(slot, State::Queued),
            }
        }
    }

    /// Could it run anywhere as well as anywhere else, or does it take what others may have taken?
    fn is_withheld(&self, slot: u32) -> bool {
        self.takes_resources(slot) || self.tasks[slot].inputs.iter().all(|&input| self.is_everybodys(input))
    }

    /// Do most tasks take this value, so that it is nowhere in particular?
    pub(super) fn is_everybodys(&self, slot: u32) -> bool {
        self.tasks[slot].dependents_alive > (2 * self.threads).max(8) as u32
    }

    /// Are its inputs alone more than any worker that may run it can hold?
    pub(super) fn is_too_large(&self, slot: u32) -> bool {
        self.largest_limit(slot).is_some_and(|limit| self.inputs_bytes(slot) > limit)
    }

    /// The most memory of a worker that may run a task; nothing when one of them has no limit, or none is there.
    fn largest_limit(&self, slot: u32) -> Option<u64> {
        let limits =
            || self.constraint(slot).eligible().iter().map(|worker| self.workers[worker.0 as usize].memory_limit);
        if limits().any(|limit| limit == 0) { None } else { limits().max() }
    }

    pub(super) fn inputs_bytes(&self, slot: u32) -> u64 {
        self.tasks[slot].inputs.iter().map(|&input| self.tasks[input].bytes).sum()
    }

    fn fail_too_large(&mut self, slot: u32) {
        let limit = self.largest_limit(slot).unwrap_or(0);
        let kind = FailureKind::TooLarge { inputs_bytes: self.inputs_bytes(slot), limit };
        let failure = self.failure(slot, kind);
        self.fail(slot, failure);
    }

    /// The worker on which a task is expected to start first; of equal ones that with the least in memory.
    pub(super) fn best_worker(&mut self, slot: u32) -> Option<WorkerId> {
        let mut present = std::mem::take(&mut self.present);
        present.resize(self.workers.len(), 0);
        let mut candidates: Vec<WorkerId> = Vec::new();
        for &input in &self.tasks[slot].inputs {
            let input = &self.tasks[input];
            for &holder in &input.replicas {
                let sum = &mut present[holder.0 as usize];
                if *sum == 0 {
                    candidates.push(holder);
                }
                *sum += input.bytes.max(1);
            }
        }
        let touched = candidates.clone();
        let constraint = self.constraint(slot);
        let fits = |worker: &WorkerId| constraint.eligible().contains(worker);
        candidates.retain(|worker| self.workers[worker.0 as usize].is_running() && fits(worker));
        candidates.extend(self.by_load.iter().map(|(_, worker)| *worker).filter(fits).take(IDLE_COMPARED));
        let cost = |worker: &WorkerId| {
            let record = &self.workers[worker.0 as usize];
            (self.start_after(slot, *worker), record.used(), *worker)
        };
        let best = candidates.iter().min_by_key(|worker| cost(worker)).copied();
        for worker in touched {
            present[worker.0 as usize] = 0;
        }
        self.present = present;
        best
    }

    /// Microseconds until a task could start on a worker.
    pub(super) fn start_after(&self, slot: u32, worker: WorkerId) -> u64 {
        let record = &self.workers[worker.0 as usize];
        record.occupancy / u64::from(record.threads.max(1)) + self.moving_micros(slot, worker)
    }

    /// Microseconds that a task's inputs take to get to a worker.
    pub(super) fn moving_micros(&self, slot: u32, worker: WorkerId) -> u64 {
        let absent = self.tasks[slot].inputs.iter().filter(|&&input| !self.tasks[input].replicas.contains(&worker));
        let (mut bytes, mut transfers) = (0, 0);
        for &input in absent {
            bytes += self.tasks[input].bytes;
            transfers += 1;
        }
        bytes * 1_000_000 / self.options.bandwidth.max(1) + transfers * micros(self.options.latency)
    }

    /// Microseconds and bytes that a task is expected to take and to yield.
    pub(super) fn expectation(&self, slot: u32) -> (u64, u64) {
        let task = &self.tasks[slot];
        let class = &self.classes[task.class.0 as usize];
        if class.seen == 0 { (micros(self.options.unknown_duration), task.bytes) } else { (class.micros, class.bytes) }
    }

    /// Hands a task to a worker.
    pub(super) fn assign(&mut self, slot: u32, worker: WorkerId) {
        self.set_state(slot, State::Processing);
        let (expected_micros, expected_bytes) = self.expectation(slot);
        let id = self.tasks.id(slot);
        let task = &mut self.tasks[slot];
        if task.state != State::Processing {
            return;
        }
        task.attempt = Attempt(task.attempt.0 + 1);
        task.worker = worker;
        task.expected_micros = u32::try_from(expected_micros).unwrap_or(u32::MAX);
        task.expected_bytes = expected_bytes;
        let (attempt, expected_micros) = (task.attempt, u64::from(task.expected_micros));
        let resources = self.constraint(slot).resources.clone();
        let task = &self.tasks[slot];
        let record = &mut self.workers[worker.0 as usize];
        record.processing.insert((task.priority, slot));
        record.occupancy += expected_micros;
        record.expected_bytes += expected_bytes;
        record.take(&resources);
        if let Some(body) = task.body
            && record.bodies.insert(body)
            && let Some(known) = self.bodies.get(&body)
        {
            let code = known.code.clone();
            self.say_to_worker(worker, ToWorker::Body { body, code });
        }
        let task = &self.tasks[slot];
        let run = RunTask {
            task: id,
            attempt,
            key: task.key.clone(),
            body: task.body.unwrap_or_default(),
            index: task.index,
            arguments: task.arguments.clone(),
            priority: task.priority,
            inputs: task.inputs.iter().map(|&input| self.input_at(input)).collect(),
            resources,
            wanted: task.wants.iter().any(|want| want.client != PUBLISHER),
        };
        self.say_to_worker(worker, ToWorker::Run(run));
        self.tell(slot, What::Assigned { worker, attempt });
        self.refresh(worker);
    }

    pub(super) fn input_at(&self, slot: u32) -> InputAt {
        let task = &self.tasks[slot];
        InputAt { task: self.tasks.id(slot), bytes: task.bytes, holders: task.replicas.clone() }
    }

    /// What an owner's books say of a task is taken back; the state says what becomes of it.
    pub(super) fn unassign(&mut self, slot: u32) {
        let resources = self.constraint(slot).resources.clone();
        self.set_seceded(slot, false);
        let task = &mut self.tasks[slot];
        (task.started, task.retracting) = (false, false);
        let worker = task.worker;
        let record = &mut self.workers[worker.0 as usize];
        record.processing.remove(&(task.priority, slot));
        record.occupancy -= u64::from(task.expected_micros);
        record.expected_bytes -= task.expected_bytes;
        record.give_back(&resources);
        self.steals.remove(&slot);
        self.refresh(worker);
    }

    /// Gives withheld tasks to workers that have room for them.
    pub(super) fn feed(&mut self) {
        let mut blocked: Vec<ConstraintId> = Vec::new();
        loop {
            let tops = self.constraints_queued.iter().filter(|id| !blocked.contains(id));
            let top = tops.filter_map(|&id| Some((*self.constraints[id.0 as usize].queued.first()?, id))).min();
            let Some(((_, slot), constraint)) = top else { return };
            if self.is_too_large(slot) {
                self.fail_too_large(slot);
                continue;
            }
            match self.worker_with_room(slot) {
                Some(worker) => self.give_run(constraint, worker),
                None => blocked.push(constraint),
            }
        }
    }

    /// Gives a worker the next few tasks: neighbours are likely to be needed together, so they stay together, as long as
    /// no other worker goes without; those that are known to be needed together do so beyond (`siblings`).
    fn give_run(&mut self, constraint: ConstraintId, worker: WorkerId) {
        let queued = self.constraints[constraint.0 as usize].queued.len();
        let share = queued.div_ceil(self.by_load.len().max(1));
        let threads = self.workers[worker.0 as usize].threads.max(1) as usize;
        let idle = threads.saturating_sub(self.workers[worker.0 as usize].processing.len());
        for given in 0..share.min(if idle > 0 { idle } else { threads }).max(1) {
            let Some((priority, slot)) = self.pick(constraint, worker) else { return };
            let room = given == 0
                || !self.is_too_large(slot) && self.has_room(slot, worker) && self.is_first(priority, slot, constraint);
            if !room {
                return;
            }
            self.assign(slot, worker);
        }
    }

    fn is_first(&self, priority: crate::ids::Priority, slot: u32, constraint: ConstraintId) -> bool {
        self.constraints_queued.iter().all(|&id| {
            id == constraint || self.constraints[id.0 as usize].queued.first().is_none_or(|top| *top > (priority, slot))
        })
    }

    fn worker_with_room(&self, slot: u32) -> Option<WorkerId> {
        let nothing_runs = self.count(State::Processing) == 0;
        let constraint = self.constraint(slot);
        if self.tasks[slot].constraint == UNCONSTRAINED {
            // The least loaded has room if any has, but for memory: that is looked at worker by worker.
            for &(_, worker) in &self.by_load {
                if !self.has_thread(slot, worker) {
                    break;
                }
                if self.has_memory(slot, worker) {
                    return Some(worker);
                }
            }
        } else {
            let fits = |worker: &WorkerId| constraint.eligible().contains(worker) && self.has_room(slot, *worker);
            if let Some(worker) = self.by_load.iter().map(|(_, worker)| *worker).find(fits) {
                return Some(worker);
            }
        }
        // With nothing under way anywhere no memory becomes free by itself: one task goes on, at the worker that has most
        // room, even if that has paused.
        if !nothing_runs {
            return None;
        }
        let fits = |worker: &&WorkerId| {
            let record = &self.workers[worker.0 as usize];
            record.is_there() && constraint.has_room(record)
        };
        let room = |worker: &&WorkerId| {
            let record = &self.workers[worker.0 as usize];
            (record.paused, record.used().saturating_sub(record.memory_limit), record.used(), **worker)
        };
        constraint.eligible().iter().filter(fits).min_by_key(room).copied()
    }

    pub(super) fn has_room(&self, slot: u32, worker: WorkerId) -> bool {
        self.has_thread(slot, worker)
            && self.has_memory(slot, worker)
            && self.constraint(slot).has_room(&self.workers[worker.0 as usize])
    }

    /// Would a worker begin the task soon?
    fn has_thread(&self, slot: u32, worker: WorkerId) -> bool {
        let record = &self.workers[worker.0 as usize];
        let class = &self.classes[self.tasks[slot].class.0 as usize];
        let ahead = if class.seen == 0 {
            1
        } else {
            let fit = micros(self.options.ahead) / class.micros.max(1);
            (fit.min(u64::from(self.options.ahead_tasks_max)) * u64::from(record.threads)).max(1)
        };
        (record.processing.len() as u64) < u64::from(record.threads) + ahead
    }

    /// Is there memory for its result, beside what is there and what was begun? A worker that has nothing to do goes on
    /// with one task in any case.
    fn has_memory(&self, slot: u32, worker: WorkerId) -> bool {
        let record = &self.workers[worker.0 as usize];
        if record.memory_limit == 0 {
            return true;
        }
        // Holding back was in vain where values are spilled already: then what is in memory makes way as fast as it can.
        let share = if record.memory.spilled > 0 { self.options.admission_spilling } else { self.options.admission };
        let (_, bytes) = self.expectation(slot);
        record.used() + bytes <= (record.memory_limit as f64 * share) as u64 || record.processing.is_empty()
    }

    /// The position of a worker among the others by load; out of it while it takes nothing new.
    pub(super) fn refresh(&mut self, worker: WorkerId) {
        let record = &mut self.workers[worker.0 as usize];
        let idle = record.processing.len() < record.threads as usize;
        let tasks = (record.processing.len() as u64) << 10;
        let load = record.is_running().then(|| tasks / u64::from(record.threads.max(1)));
        if load == record.load {
            return;
        }
        if let Some(old) = std::mem::replace(&mut record.load, load) {
            self.by_load.remove(&(old, worker));
        }
        if let Some(new) = load {
            self.by_load.insert((new, worker));
            self.steal_due |= idle;
        }
    }

    pub(super) fn class_of(&mut self, name: &Arc<str>) -> super::task::ClassId {
        if let Some(&class) = self.class_names.get(name) {
            return class;
        }
        let class = super::task::ClassId(self.classes.len() as u32);
        self.classes.push(super::Class { name: name.clone(), ..super::Class::default() });
        self.class_names.insert(name.clone(), class);
        class
    }
}
