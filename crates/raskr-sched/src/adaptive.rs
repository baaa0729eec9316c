//! How many workers are wanted: a decision from a few sums, made every now and then.

use std::time::Duration;

use crate::ids::{WorkerId, micros};
use crate::scheduler::{Scheduler, State};

/// What there is to do and who is there to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Tasks that could run, or do.
    pub tasks: u64,
    /// Microseconds that they are expected to take one thread.
    pub micros: u64,
    /// Bytes of values, and the memory of the workers that are there; 0 when it has no limit.
    pub bytes: u64,
    pub memory: u64,
    /// Workers that are there and not leaving, and their threads.
    pub workers: u64,
    pub threads: u64,
    /// Tasks that are not done and not failed.
    pub open: u64,
}

/// What is to be done about the number of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// Bring it up to this.
    Up(usize),
    /// Retire these.
    Down(Vec<WorkerId>),
}

/// Rules for the number of workers.
#[derive(Clone, Debug)]
pub struct Adaptive {
    pub minimum: usize,
    pub maximum: usize,
    /// In how long what is there should be done.
    pub target_duration: Duration,
    /// How often in a row a worker must be superfluous before it goes.
    pub wait_count: u32,
    /// Share of the memory above which more workers are wanted.
    pub memory_share: f64,
    superfluous: u32,
}

impl Adaptive {
    pub fn new(minimum: usize, maximum: usize, target_duration: Duration, wait_count: u32) -> Adaptive {
        Adaptive { minimum, maximum, target_duration, wait_count, memory_share: 0.6, superfluous: 0 }
    }

    /// How many workers a load asks for.
    pub fn target(&self, load: &Load) -> usize {
        let per_worker = load.threads.checked_div(load.workers).unwrap_or(1).max(1);
        let threads = load.micros.div_ceil(micros(self.target_duration).max(1)).min(load.tasks);
        let mut wanted = threads.div_ceil(per_worker);
        if load.open > 0 || load.bytes > 0 {
            wanted = wanted.max(1);
        }
        if load.memory > 0 && load.bytes as f64 > load.memory as f64 * self.memory_share {
            wanted = wanted.max(load.workers + load.workers.div_ceil(4));
        }
        usize::try_from(wanted).unwrap_or(usize::MAX).clamp(self.minimum.min(self.maximum), self.maximum)
    }

    /// What to do now; called at even intervals.
    pub fn decide(&mut self, scheduler: &Scheduler) -> Change {
        let load = scheduler.load();
        let (wanted, there) = (self.target(&load), load.workers as usize);
        if wanted >= there {
            self.superfluous = 0;
            return if wanted > there { Change::Up(wanted) } else { Change::None };
        }
        self.superfluous += 1;
        if self.superfluous < self.wait_count {
            return Change::None;
        }
        self.superfluous = 0;
        Change::Down(scheduler.easiest_to_retire(there - wanted))
    }
}

impl Scheduler {
    /// What adaptive scaling looks at.
    pub fn load(&self) -> Load {
        let states = [State::Queued, State::NoWorker, State::Processing];
        self.load_of(states.iter().map(|state| self.count(*state)).sum(), self.count(State::Waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load { tasks: 0, micros: 0, bytes: 0, memory: 4 << 30, workers: 4, threads: 8, open: 0 }
    }

    #[test]
    fn as_many_workers_as_finish_the_work_in_time_but_no_more_than_have_something_to_do() {
        let adaptive = Adaptive::new(0, 100, Duration::from_secs(5), 3);
        let second = 1_000_000;
        assert_eq!(adaptive.target(&load()), 0);
        assert_eq!(adaptive.target(&Load { tasks: 100, micros: 100 * second, open: 100, ..load() }), 10);
        assert_eq!(adaptive.target(&Load { tasks: 3, micros: 300 * second, open: 3, ..load() }), 2);
        assert_eq!(adaptive.target(&Load { tasks: 1, micros: 1, open: 1, ..load() }), 1);
        assert_eq!(adaptive.target(&Load { tasks: 9999, micros: 9999 * second, open: 9999, ..load() }), 100);
    }

    #[test]
    fn values_keep_a_worker_and_full_memory_asks_for_more() {
        let adaptive = Adaptive::new(0, 100, Duration::from_secs(5), 3);
        assert_eq!(adaptive.target(&Load { bytes: 1, ..load() }), 1);
        assert_eq!(adaptive.target(&Load { bytes: 3 << 30, ..load() }), 5);
    }
}
