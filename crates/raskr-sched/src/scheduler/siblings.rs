//! Keeps withheld tasks together that feed the same task, where moving what they yield would cost more than they do.
//!
//! A worker that takes such a task begins a *family*; while others of it are near the front of the queue they are its, and
//! other workers begin families of their own. Nobody idles for that: where nothing else is near, the first task is given
//! to whoever has room.

use smallvec::SmallVec;

use super::Scheduler;
use super::task::{ConstraintId, State};
use crate::ids::{Priority, WorkerId, micros};

/// How far into the queue is looked at most.
const NEAR_MAX: usize = 32;
/// Tasks with more inputs than this take from everywhere.
const FAMILY_MAX: usize = 32;
/// Dependents of a task that are looked at.
const DEPENDENTS_MAX: usize = 4;
/// Values below this are nowhere in particular.
const BYTES_MIN: u64 = 64 << 10;

impl Scheduler {
    /// What of a queue a worker had best begin: the first that is of no other worker's family.
    pub(super) fn pick(&self, constraint: ConstraintId, worker: WorkerId) -> Option<(Priority, u32)> {
        let queued = &self.constraints[constraint.0 as usize].queued;
        let &first = queued.first()?;
        if self.by_load.len() < 2 || !self.weighs(first.1) {
            return Some(first);
        }
        let near = (2 * self.threads as usize).clamp(FAMILY_MAX / 2, NEAR_MAX);
        let alike =
            |other: &Priority| (other.against_user, other.submission) == (first.0.against_user, first.0.submission);
        let suits = |slot: u32| {
            self.home(slot).is_none_or(|home| home == worker)
                && (slot == first.1 || self.has_room(slot, worker) && !self.is_too_large(slot))
        };
        let found = queued.iter().take(near).find(|(priority, slot)| alike(priority) && suits(*slot));
        Some(found.copied().unwrap_or(first))
    }

    /// Does it yield what takes about as long to move as it took to make? Yes where nothing is known.
    fn weighs(&self, slot: u32) -> bool {
        let class = &self.classes[self.tasks[slot].class.0 as usize];
        let moving = class.bytes * 1_000_000 / self.options.bandwidth.max(1) + micros(self.options.latency);
        class.seen == 0 || class.bytes >= BYTES_MIN && 2 * moving >= class.micros
    }

    /// The worker that has, makes or is sent most of what is needed together with a task's value.
    pub(super) fn home(&self, slot: u32) -> Option<WorkerId> {
        let mut votes: SmallVec<[(WorkerId, u32); 8]> = SmallVec::new();
        let dependents = self.tasks[slot].dependents.iter().take(DEPENDENTS_MAX);
        for dependent in dependents.filter_map(|id| self.tasks.find(*id)) {
            let siblings = &self.tasks[dependent].inputs;
            if siblings.len() > FAMILY_MAX {
                continue;
            }
            for &sibling in siblings.iter().filter(|&&sibling| sibling != slot && !self.is_everybodys(sibling)) {
                let task = &self.tasks[sibling];
                let worker = match task.state {
                    State::Processing => Some(task.worker),
                    State::Memory => task.replicas.first().copied(),
                    State::Released => self.puts.get(&sibling).and_then(|put| put.workers.first().copied()),
                    _ => None,
                };
                let Some(worker) = worker.filter(|worker| self.workers[worker.0 as usize].is_running()) else {
                    continue;
                };
                match votes.iter_mut().find(|(voted, _)| *voted == worker) {
                    Some((_, count)) => *count += 1,
                    None => votes.push((worker, 1)),
                }
            }
        }
        votes.into_iter().min_by_key(|(worker, count)| (u32::MAX - count, *worker)).map(|(worker, _)| worker)
    }
}
