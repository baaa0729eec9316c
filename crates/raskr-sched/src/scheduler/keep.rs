//! Where values are kept: copies that somebody asked for, copies that nobody needs, and the values of workers that leave.

use std::time::Duration;

use super::Scheduler;
use super::task::State;
use super::workers::Retirement;
use crate::ids::{TaskId, WorkerId};
use crate::protocol::ToWorker;

/// A copy that a worker was told to fetch, and that did not come for so long, is asked for again.
const FETCH_EXPECTED: Duration = Duration::from_secs(10);
/// Superfluous copies that are looked at in one go.
const SPARE_LOOKED_AT: usize = 1024;
/// Copies that a leaving worker's values are being fetched as, in one go.
const FETCHES_AT_ONCE: usize = 1024;

impl Scheduler {
    /// Brings the number of copies of values to what is asked for.
    pub(super) fn keep(&mut self) {
        let now = self.now;
        let tasks = &self.tasks;
        self.fetching.retain(|(task, _), asked| {
            now.since(*asked) < FETCH_EXPECTED
                && tasks.find(*task).is_some_and(|slot| tasks[slot].state == State::Memory)
        });
        let fetching = &self.fetching;
        self.moving.retain(|copy, _| fetching.contains_key(copy));
        self.replenish();
        self.evacuate();
        self.thin_out();
    }

    pub(super) fn set_copies(&mut self, slot: u32, copies: u16) {
        self.tasks[slot].copies = copies;
        if copies > 1 {
            self.scarce.insert(slot);
        }
        self.keep_due = true;
    }

    /// Workers that take new values and do not have this one, those with most room first.
    pub(super) fn roomiest(&self, slot: u32, wanted: usize) -> Vec<WorkerId> {
        let task = &self.tasks[slot];
        let mut workers: Vec<(u64, u64, usize, WorkerId)> = self
            .by_load
            .iter()
            .map(|(_, worker)| *worker)
            .filter(|worker| !task.replicas.contains(worker))
            .map(|worker| {
                let record = &self.workers[worker.0 as usize];
                let (used, values) = (record.used(), record.holds.len() + record.coming.len());
                // Those that have as much room as each other take turns.
                (used * 1024 / record.memory_limit.max(1), used, values, worker)
            })
            .collect();
        workers.sort_unstable();
        workers.truncate(wanted);
        workers.into_iter().map(|(.., worker)| worker).collect()
    }

    pub(super) fn fetch(&mut self, slot: u32, target: WorkerId) {
        let key = (self.tasks.id(slot), target);
        if !self.fetching.contains_key(&key) {
            self.fetching.insert(key, self.now);
            let input = self.input_at(slot);
            self.say_to_worker(target, ToWorker::Fetch(input));
        }
    }

    /// Copies of a value that are on their way.
    fn coming(&self, slot: u32) -> usize {
        let id = self.tasks.id(slot);
        let of_task = (id, WorkerId(0))..(TaskId { slot, generation: id.generation.wrapping_add(1) }, WorkerId(0));
        if of_task.start >= of_task.end { 0 } else { self.fetching.range(of_task).count() }
    }

    fn replenish(&mut self) {
        for slot in std::mem::take(&mut self.scarce) {
            let task = &self.tasks[slot];
            match task.state {
                State::Memory => {
                    let there = task.replicas.len() + self.coming(slot);
                    let wanted = usize::from(task.copies);
                    for target in self.roomiest(slot, wanted.saturating_sub(there)) {
                        self.fetch(slot, target);
                    }
                    if self.tasks[slot].replicas.len() < wanted {
                        self.scarce.insert(slot);
                    }
                }
                State::Released if task.body.is_none() && !task.awaits_put => self.look_at(slot),
                State::Forgotten => {}
                _ => {
                    // Looked at again once there is a value.
                    if task.copies > 1 {
                        self.scarce.insert(slot);
                    }
                }
            }
        }
    }

    /// Asks a worker to end without a loss.
    pub(super) fn retire(&mut self, worker: WorkerId, deadline: Option<Duration>) {
        let Some(record) = self.workers.get_mut(worker.0 as usize).filter(|record| !record.gone) else { return };
        let deadline = deadline.map(|wait| self.now + wait);
        match &mut record.retirement {
            Some(retirement) => {
                retirement.deadline = [retirement.deadline, deadline].into_iter().flatten().min();
            }
            none => *none = Some(Retirement { deadline, closing: false }),
        }
        self.refresh(worker);
        self.dismiss_everywhere(worker);
        self.ask_all_back(worker);
        self.keep_due = true;
    }

    /// Moves what only leaving workers have to others, and closes those that have nothing left.
    fn evacuate(&mut self) {
        let retiring = |scheduler: &Scheduler, worker: WorkerId| {
            scheduler.workers[worker.0 as usize].retirement.is_some_and(|retirement| !retirement.closing)
        };
        let leaving: Vec<WorkerId> = self.alive.iter().copied().filter(|worker| retiring(self, *worker)).collect();
        for worker in leaving {
            let holds: Vec<u32> = self.workers[worker.0 as usize].holds.iter().copied().collect();
            let mut fetches = 0;
            for slot in holds {
                let elsewhere = |holder: &WorkerId| self.workers[holder.0 as usize].retirement.is_none();
                if self.tasks[slot].replicas.iter().any(elsewhere) {
                    self.free(slot, worker);
                    self.remove_replica(slot, worker);
                } else if fetches < FETCHES_AT_ONCE
                    && self.coming(slot) == 0
                    && let Some(&target) = self.roomiest(slot, 1).first()
                {
                    self.fetch(slot, target);
                    fetches += 1;
                }
            }
            let now = self.now;
            let record = &mut self.workers[worker.0 as usize];
            let empty = record.processing.is_empty() && record.holds.is_empty();
            if let Some(retirement) = &mut record.retirement
                && (empty || retirement.deadline.is_some_and(|deadline| deadline <= now))
            {
                retirement.closing = true;
                self.say_to_worker(worker, ToWorker::Close);
            }
        }
    }

    /// Drops copies that nobody asked for and no task there needs, from workers that are short of memory.
    fn thin_out(&mut self) {
        let short = |scheduler: &Scheduler, worker: WorkerId| {
            let record = &scheduler.workers[worker.0 as usize];
            record.memory_limit > 0 && record.used() as f64 > record.memory_limit as f64 * scheduler.options.admission
        };
        if !self.alive.iter().any(|worker| short(self, *worker)) {
            return;
        }
        // Beginning where the last look ended.
        let mut slots: Vec<u32> = self.spare.range(self.spare_next..).take(SPARE_LOOKED_AT).copied().collect();
        if slots.len() < SPARE_LOOKED_AT {
            slots.extend(self.spare.range(..self.spare_next).take(SPARE_LOOKED_AT - slots.len()).copied());
        }
        self.spare_next = slots.last().map_or(0, |last| last.wrapping_add(1));
        for slot in slots {
            let kept = usize::from(self.tasks[slot].copies.max(1));
            for worker in self.tasks[slot].replicas.clone() {
                // Copies on workers that leave, or are not heard, do not count as kept.
                let safe = self.tasks[slot].replicas.iter().filter(|w| self.workers[w.0 as usize].is_there()).count();
                if safe > kept && short(self, worker) && !self.is_used_at(slot, worker) {
                    self.free(slot, worker);
                    self.remove_replica(slot, worker);
                }
            }
        }
    }

    /// Workers that had best leave when there are more than are wanted: those with the least to do and to move.
    pub fn easiest_to_retire(&self, count: usize) -> Vec<WorkerId> {
        let mut workers: Vec<(usize, u64, WorkerId)> = self
            .alive
            .iter()
            .map(|worker| (&self.workers[worker.0 as usize], *worker))
            .filter(|(record, _)| record.retirement.is_none())
            .map(|(record, worker)| (record.processing.len(), record.bytes, worker))
            .collect();
        workers.sort_unstable();
        workers.into_iter().take(count).map(|(.., worker)| worker).collect()
    }

    pub(crate) fn load_of(&self, tasks: u64, waiting: u64) -> crate::adaptive::Load {
        let there =
            || self.alive.iter().map(|worker| &self.workers[worker.0 as usize]).filter(|w| w.retirement.is_none());
        let unlimited = there().any(|record| record.memory_limit == 0);
        let parked = self.count(State::NoWorker) * crate::ids::micros(self.options.unknown_duration);
        crate::adaptive::Load {
            tasks,
            micros: self.queued_micros + parked + there().map(|record| record.occupancy).sum::<u64>(),
            bytes: self.alive.iter().map(|worker| self.workers[worker.0 as usize].bytes).sum(),
            memory: if unlimited { 0 } else { there().map(|record| record.memory_limit).sum() },
            workers: there().count() as u64,
            threads: there().map(|record| u64::from(record.threads)).sum(),
            open: tasks + waiting,
        }
    }
}
