//! Takes back tasks that a busy worker has not begun, for workers that have nothing to do.
//!
//! A task is asked back only when it is expected to start sooner elsewhere, what has to be moved included, and a worker
//! that runs it already keeps it; so a task that was taken is not taken again soon, and no work is lost.

use super::Scheduler;
use super::task::State;
use crate::ids::WorkerId;
use crate::ids::micros;

/// Tasks of one busy worker that are compared for one idle worker.
const COMPARED: usize = 16;
/// Idle workers that are looked at in one go, busy ones that are looked for, and how many of these each idle one tries:
/// the bounds of what an event may cost. Whom it tries first changes from one time to the next.
const IDLE: usize = 16;
const BUSY: usize = 64;
const TRIED: usize = 4;

impl Scheduler {
    pub(super) fn steal(&mut self) {
        let idle: Vec<WorkerId> = self
            .by_load
            .iter()
            .map(|(_, worker)| *worker)
            .take_while(|worker| self.workers[worker.0 as usize].has_idle_thread())
            .take(IDLE)
            .collect();
        let busy: Vec<WorkerId> = self
            .by_load
            .iter()
            .rev()
            .map(|(_, worker)| *worker)
            .take_while(|worker| self.excess(*worker) > 0)
            .take(BUSY)
            .collect();
        if busy.is_empty() {
            return;
        }
        self.steal_turn = self.steal_turn.wrapping_add(1);
        for (at, thief) in idle.into_iter().enumerate() {
            let record = &self.workers[thief.0 as usize];
            let coming = self.steals.values().filter(|worker| **worker == thief).count();
            let mut wanted = (record.threads as usize).saturating_sub(record.processing.len() + coming);
            let first = (self.steal_turn * TRIED).wrapping_add(at) % busy.len();
            for &victim in busy.iter().cycle().skip(first).take(TRIED.min(busy.len())) {
                if wanted == 0 {
                    break;
                }
                wanted -= self.steal_from(victim, thief, wanted);
            }
        }
    }

    /// Tasks beyond those that a worker can run at once.
    fn excess(&self, worker: WorkerId) -> usize {
        let record = &self.workers[worker.0 as usize];
        record.processing.len().saturating_sub(record.threads as usize)
    }

    fn steal_from(&mut self, victim: WorkerId, thief: WorkerId, wanted: usize) -> usize {
        let record = &self.workers[victim.0 as usize];
        let mut excess = record.processing.len().saturating_sub(record.threads as usize);
        let threads = u64::from(record.threads.max(1));
        let mut wait = record.occupancy / threads;
        let mut taken: Vec<u32> = Vec::new();
        // From the end: what its worker would begin last.
        for &(_, slot) in record.processing.iter().rev().take(COMPARED) {
            if excess == 0 || taken.len() == wanted {
                break;
            }
            let task = &self.tasks[slot];
            if task.state != State::Processing || task.retracting {
                excess = excess.saturating_sub(1);
                continue;
            }
            if task.started || !self.may_run_on(slot, thief) {
                continue;
            }
            let there = &self.workers[thief.0 as usize];
            if !self.constraint(slot).has_room(there) {
                continue;
            }
            let here = wait.saturating_sub(u64::from(task.expected_micros) / threads);
            // Asking costs a message there and back beside the move.
            let elsewhere = self.moving_micros(slot, thief) + 2 * micros(self.options.latency);
            if elsewhere < here {
                wait -= u64::from(task.expected_micros) / threads;
                excess -= 1;
                taken.push(slot);
            }
        }
        for &slot in &taken {
            self.steals.insert(slot, thief);
            self.ask_back(slot);
        }
        taken.len()
    }
}
