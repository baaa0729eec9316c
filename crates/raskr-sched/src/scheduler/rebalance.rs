//! Evens out what workers hold: values go from those that have most to those that have least, as copies first.

use std::collections::BTreeSet;

use super::Scheduler;
use super::task::State;
use crate::ids::{TaskId, WorkerId};

/// How far from the mean a worker may be: one part in so many.
const TOLERANCE: u64 = 20;

impl Scheduler {
    /// Begins to move values, of these tasks or of all, between these workers or all that take new values.
    pub(super) fn rebalance(&mut self, tasks: Option<&[TaskId]>, workers: Option<&[WorkerId]>) {
        let taking = self.alive.iter().copied().filter(|worker| self.workers[worker.0 as usize].is_running());
        let among: Vec<WorkerId> =
            taking.filter(|worker| workers.is_none_or(|workers| workers.contains(worker))).collect();
        if among.len() < 2 {
            return;
        }
        let chosen: Option<BTreeSet<u32>> =
            tasks.map(|tasks| tasks.iter().filter_map(|task| self.tasks.find(*task)).collect());
        let bytes_of = |worker: &WorkerId| self.workers[worker.0 as usize].bytes;
        let mean = among.iter().map(bytes_of).sum::<u64>() / among.len() as u64;
        let (least, most) = (mean - mean / TOLERANCE, mean + mean / TOLERANCE);
        let mut targets: BTreeSet<(u64, WorkerId)> =
            among.iter().map(|worker| (bytes_of(worker), *worker)).filter(|(bytes, _)| *bytes < mean).collect();
        let mut sources: Vec<(u64, WorkerId)> =
            among.iter().map(|worker| (bytes_of(worker), *worker)).filter(|(bytes, _)| *bytes > most).collect();
        sources.sort_unstable_by(|one, other| other.cmp(one));
        for (mut left, source) in sources {
            let holds: Vec<u32> = self.workers[source.0 as usize].holds.iter().copied().collect();
            for slot in holds {
                let task = &self.tasks[slot];
                let fits = chosen.as_ref().is_none_or(|chosen| chosen.contains(&slot));
                if left <= most || targets.is_empty() {
                    break;
                }
                if !fits || task.bytes == 0 || task.state != State::Memory || left - task.bytes.min(left) < least {
                    continue;
                }
                let bytes = task.bytes;
                let free = |(there, target): &&(u64, WorkerId)| {
                    there + bytes <= most && !self.tasks[slot].replicas.contains(target)
                };
                let Some(&(there, target)) = targets.iter().find(free) else { continue };
                targets.remove(&(there, target));
                if there + bytes < mean {
                    targets.insert((there + bytes, target));
                }
                left -= bytes;
                self.moving.insert((self.tasks.id(slot), target), source);
                self.fetch(slot, target);
            }
        }
    }

    /// A copy has come: the one that it is to replace goes, unless a task there is about to take it.
    pub(super) fn finish_move(&mut self, task: TaskId, target: WorkerId) {
        let Some(source) = self.moving.remove(&(task, target)) else { return };
        let Some(slot) = self.tasks.find(task) else { return };
        let replicas = &self.tasks[slot].replicas;
        if replicas.contains(&source) && replicas.contains(&target) && !self.is_used_at(slot, source) {
            self.free(slot, source);
            self.remove_replica(slot, source);
        }
    }

    /// Does a worker have a task that takes this value?
    pub(super) fn is_used_at(&self, slot: u32, worker: WorkerId) -> bool {
        let dependents = self.tasks[slot].dependents.iter().filter_map(|id| self.tasks.find(*id));
        dependents.map(|slot| &self.tasks[slot]).any(|task| task.state == State::Processing && task.worker == worker)
    }

    /// Copies that are on their way to replace others.
    pub fn moving(&self) -> usize {
        self.moving.len()
    }
}
