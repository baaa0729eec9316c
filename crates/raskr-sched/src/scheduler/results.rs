//! What workers say of their tasks, and what follows from it.

use super::Scheduler;
use super::task::State;
use crate::error::{Attempted, FailureKind, Outcome};
use crate::ids::{Attempt, Incarnation, TaskId, WorkerId};
use crate::protocol::{Death, FromWorker, Held, Keeping, Raised, ToWorker};
use crate::story::What;

/// Attempts that an error tells of.
const ATTEMPTS_TOLD: usize = 24;
/// A new duration or size counts for one in so many.
const AVERAGE_OVER: u64 = 8;

impl Scheduler {
    pub(super) fn on_worker(&mut self, worker: WorkerId, incarnation: Incarnation, messages: Vec<FromWorker>) {
        if !self.is_current(worker, incarnation) {
            self.actions.push(super::Action::Reject { worker, incarnation });
            return;
        }
        self.heard(worker);
        for message in messages {
            match message {
                FromWorker::Heartbeat { memory } => self.on_heartbeat(worker, memory),
                FromWorker::Started { task, attempt } => self.on_started(worker, task, attempt),
                FromWorker::Finished { task, attempt, bytes, micros, value } => {
                    self.passing = value;
                    self.on_finished(worker, task, attempt, bytes, micros);
                    self.passing = None;
                }
                FromWorker::Failed { task, attempt, error, micros } => {
                    self.on_failed(worker, task, attempt, error, micros);
                }
                FromWorker::Killed { task, attempt, death } => self.on_killed(worker, task, attempt, death),
                FromWorker::OutOfMemory { task, attempt, limit, disk_limit } => {
                    if let Some(slot) = self.owned(worker, task, attempt) {
                        let worker = self.workers[worker.0 as usize].name.clone();
                        let failure = self.failure(slot, FailureKind::OutOfMemory { worker, limit, disk_limit });
                        self.fail(slot, failure);
                    }
                }
                FromWorker::Retracted { task, attempt, given } => self.on_retracted(worker, task, attempt, given),
                FromWorker::Acquired { task, bytes } => self.on_acquired(worker, task, bytes),
                FromWorker::Dropped { task } => {
                    if let Some(slot) = self.tasks.find(task) {
                        self.remove_replica(slot, worker);
                    }
                }
                FromWorker::Missing { task, absent } => self.on_missing(worker, task, &absent),
                FromWorker::Paused(paused) => self.on_paused(worker, paused),
                FromWorker::Seceded { task, attempt, away } => {
                    if let Some(slot) = self.owned(worker, task, attempt) {
                        self.set_seceded(slot, away);
                        self.refresh(worker);
                    }
                }
                FromWorker::Leaving => self.retire(worker, Some(self.options.drain)),
            }
        }
    }

    /// The slot of a task that this worker has under this attempt.
    fn owned(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt) -> Option<u32> {
        if let Some(slot) = self.tasks.find(task) {
            let known = &self.tasks[slot];
            if known.state == State::Processing && known.worker == worker && known.attempt == attempt {
                return Some(slot);
            }
        }
        self.story.push(self.now, task, What::Outdated { worker, attempt });
        None
    }

    fn on_started(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt) {
        if let Some(slot) = self.owned(worker, task, attempt) {
            self.tasks[slot].started = true;
            self.tell(slot, What::Started { worker, attempt });
        }
    }

    /// A task that waits for others takes no thread of its worker: the worker counts as having one more.
    pub(super) fn set_seceded(&mut self, slot: u32, away: bool) {
        let task = &mut self.tasks[slot];
        if std::mem::replace(&mut task.seceded, away) == away {
            return;
        }
        let record = &mut self.workers[task.worker.0 as usize];
        if away {
            (record.away, record.threads) = (record.away + 1, record.threads + 1);
            self.threads += 1;
            self.steal_due = true;
        } else {
            (record.away, record.threads) = (record.away - 1, record.threads - 1);
            // Who is gone has been taken from the sum with all its threads.
            self.threads -= u64::from(!record.gone);
        }
    }

    fn on_finished(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, bytes: u64, micros: u64) {
        // A worker drops the result of an attempt that was cancelled when it hears of that.
        let Some(slot) = self.owned(worker, task, attempt) else { return };
        self.tell(slot, What::Finished { worker, attempt });
        let class = &mut self.classes[self.tasks[slot].class.0 as usize];
        class.seen += 1;
        let weight = class.seen.min(AVERAGE_OVER);
        class.micros = (class.micros * (weight - 1) + micros) / weight;
        class.bytes = (class.bytes * (weight - 1) + bytes) / weight;
        self.tasks[slot].bytes = bytes;
        self.workers[worker.0 as usize].unreported += bytes;
        self.add_replica(slot, worker);
        self.set_state(slot, State::Memory);
    }

    fn on_failed(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, error: Raised, _micros: u64) {
        let Some(slot) = self.owned(worker, task, attempt) else { return };
        if error.again {
            self.tell(slot, What::AskedAgain { worker, attempt });
            return self.begin_again(slot, worker);
        }
        self.tell(slot, What::Raised { worker, attempt });
        self.record(slot, Outcome::Raised(error.message.clone()));
        if self.tasks[slot].retries_left > 0 {
            self.tasks[slot].retries_left -= 1;
            self.wait(slot);
        } else {
            let failure = self.failure(slot, FailureKind::Raised(error));
            self.fail(slot, failure);
        }
    }

    /// A task begins again however often it asks for it: elsewhere, where another worker has room for it.
    fn begin_again(&mut self, slot: u32, worker: WorkerId) {
        self.wait(slot);
        let task = &self.tasks[slot];
        if task.state != State::Waiting || task.waiting_on > 0 || !self.is_needed(slot) || self.is_too_large(slot) {
            return;
        }
        let fits = |other: &WorkerId| *other != worker && self.may_run_on(slot, *other) && self.has_room(slot, *other);
        if let Some(other) = self.by_load.iter().map(|(_, other)| *other).find(fits) {
            self.assign(slot, other);
        }
    }

    fn on_killed(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, death: Death) {
        let Some(slot) = self.owned(worker, task, attempt) else { return };
        self.tell(slot, What::Killed { worker, attempt });
        self.record(slot, Outcome::Killed(death.how.clone()));
        let task = &mut self.tasks[slot];
        let (count, count_max) = if death.external {
            (&mut task.losses, self.options.losses_max)
        } else {
            (&mut task.kills, self.options.kills_max)
        };
        *count = count.saturating_add(1);
        if *count > count_max {
            let inputs_bytes = self.inputs_bytes(slot);
            let failure = self.failure(slot, FailureKind::Killed { death, inputs_bytes });
            self.fail(slot, failure);
        } else {
            self.wait(slot);
        }
    }

    /// A worker that ran a task is lost.
    pub(super) fn on_lost_with_worker(&mut self, slot: u32) {
        self.record(slot, Outcome::WorkerLost);
        let task = &mut self.tasks[slot];
        task.losses = task.losses.saturating_add(1);
        if task.losses > self.options.losses_max {
            let failure = self.failure(slot, FailureKind::WorkersLost);
            self.fail(slot, failure);
        } else {
            self.wait(slot);
        }
    }

    fn record(&mut self, slot: u32, outcome: Outcome) {
        let task = &self.tasks[slot];
        let worker = self.workers[task.worker.0 as usize].name.clone();
        let attempted = Attempted { attempt: task.attempt, worker, ended: self.now, outcome };
        let history = self.history.entry(slot).or_default();
        if history.len() == ATTEMPTS_TOLD {
            history.remove(0);
        }
        history.push(attempted);
    }

    /// Asks a worker to give a task back unless it runs.
    pub(super) fn ask_back(&mut self, slot: u32) {
        let id = self.tasks.id(slot);
        let task = &mut self.tasks[slot];
        if task.state == State::Processing && !task.retracting && !task.started {
            task.retracting = true;
            let (worker, attempt) = (task.worker, task.attempt);
            self.say_to_worker(worker, ToWorker::Retract { task: id, attempt });
            self.tell(slot, What::AskedBack { worker, attempt });
        }
    }

    fn on_retracted(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, given: bool) {
        let Some(slot) = self.owned(worker, task, attempt) else { return };
        let thief = self.steals.remove(&slot);
        if !given {
            self.tasks[slot].retracting = false;
            self.tell(slot, What::NotGivenBack { worker, attempt });
            return;
        }
        self.tell(slot, What::GivenBack { worker, attempt });
        self.wait(slot);
        // For whom it was taken gets it, if that still has nothing to do.
        if let Some(thief) = thief
            && self.tasks[slot].state == State::Waiting
            && self.tasks[slot].waiting_on == 0
            && self.is_needed(slot)
            && self.may_run_on(slot, thief)
            && self.workers[thief.0 as usize].is_running()
            && self.workers[thief.0 as usize].has_idle_thread()
            && self.constraint(slot).has_room(&self.workers[thief.0 as usize])
        {
            self.assign(slot, thief);
        }
    }

    /// Does a task, or a client, need the value? Who lends it has it.
    pub(super) fn is_needed(&self, slot: u32) -> bool {
        let task = &self.tasks[slot];
        let lenders = usize::from(task.keeping == Keeping::Lent && self.puts.contains_key(&slot));
        task.waiters > 0 || task.wants.len() > lenders
    }

    fn on_acquired(&mut self, worker: WorkerId, task: TaskId, bytes: u64) {
        self.fetching.remove(&(task, worker));
        if !self.accept(worker, &Held { task, bytes }) {
            self.say_to_worker(worker, ToWorker::Free { task, answer: true });
        }
        self.finish_move(task, worker);
    }

    /// A worker cannot get an input: holders that have it not are none, and the worker is told of the others.
    fn on_missing(&mut self, worker: WorkerId, task: TaskId, absent: &[WorkerId]) {
        let Some(slot) = self.tasks.find(task) else { return };
        for &holder in absent {
            self.doubt_replica(slot, holder);
        }
        let holders = self.tasks[slot].replicas.clone();
        if !holders.is_empty() {
            self.say_to_worker(worker, ToWorker::Locations { task, holders });
            return;
        }
        self.fetching.remove(&(task, worker));
        self.say_to_worker(worker, ToWorker::Free { task, answer: true });
        // Whoever waits for it there was asked back when the value was lost. If that was before it was handed over,
        // the word of it is still to come.
        self.for_waiting_at(slot, worker);
    }

    fn for_waiting_at(&mut self, slot: u32, worker: WorkerId) {
        let dependents = self.tasks[slot].dependents.clone();
        for dependent in dependents {
            if let Some(dependent) = self.tasks.find(dependent)
                && self.tasks[dependent].worker == worker
            {
                self.ask_back(dependent);
            }
        }
    }

    pub(super) fn add_replica(&mut self, slot: u32, worker: WorkerId) {
        let task = &mut self.tasks[slot];
        if task.replicas.contains(&worker) {
            return;
        }
        task.replicas.push(worker);
        let (bytes, copies, many) = (task.bytes, task.copies, task.replicas.len() > 1);
        let record = &mut self.workers[worker.0 as usize];
        record.comes_no_more(slot);
        record.holds.insert(slot);
        record.bytes += bytes;
        if many {
            self.spare.insert(slot);
            self.keep_due |= copies > 1 || self.workers.iter().any(|worker| worker.retirement.is_some());
        }
        self.tell(slot, What::Replica { worker });
    }

    /// A worker has a value no more; the last one to have it loses it.
    pub(super) fn remove_replica(&mut self, slot: u32, worker: WorkerId) {
        let task = &mut self.tasks[slot];
        let Some(at) = task.replicas.iter().position(|holder| *holder == worker) else { return };
        task.replicas.remove(at);
        let (bytes, left, copies) = (task.bytes, task.replicas.len(), task.copies);
        let record = &mut self.workers[worker.0 as usize];
        record.holds.remove(&slot);
        record.bytes -= bytes;
        self.tell(slot, What::ReplicaGone { worker });
        if left <= 1 {
            self.spare.remove(&slot);
        }
        if left < usize::from(copies) {
            self.scarce.insert(slot);
            self.keep_due = true;
        }
        if left == 0 && self.tasks[slot].state == State::Memory {
            self.set_state(slot, State::Released);
            self.look_at(slot);
        }
    }

    /// Somebody says that a worker has not what it is said to have.
    pub(super) fn doubt_replica(&mut self, slot: u32, worker: WorkerId) {
        if self.tasks[slot].replicas.contains(&worker) {
            let task = self.tasks.id(slot);
            self.say_to_worker(worker, ToWorker::Free { task, answer: true });
            self.remove_replica(slot, worker);
        }
    }

    /// Tells a worker to drop a value. What clients send does not come in order with what the scheduler says.
    pub(super) fn free(&mut self, slot: u32, worker: WorkerId) {
        let (task, answer) = (self.tasks.id(slot), self.tasks[slot].body.is_none());
        self.say_to_worker(worker, ToWorker::Free { task, answer });
    }

    /// Nobody needs a value: all who have it drop it.
    pub(super) fn free_replicas(&mut self, slot: u32) {
        for worker in std::mem::take(&mut self.tasks[slot].replicas) {
            let bytes = self.tasks[slot].bytes;
            let record = &mut self.workers[worker.0 as usize];
            record.holds.remove(&slot);
            record.bytes -= bytes;
            self.free(slot, worker);
        }
        self.spare.remove(&slot);
    }
}
