//! Whether to look for something for a moment before sleeping until it is told.
//!
//! To be woken costs more than a short task does, most of all where the processor has gone to sleep meanwhile; and a
//! processor that is awake spares those who make what is waited for the same. Who looks lets everybody else run, and when
//! looking was in vain the next waits go without it: one after the first time, three after the second, and so on. It is in
//! vain as well where somebody else had the processor for long meanwhile: there, whoever sleeps has it back sooner.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

/// What takes longer is slept for.
const LOOK: Duration = Duration::from_micros(400);
/// What is made for us lets us look again within this time; other work does not.
const ELSEWHERE: Duration = Duration::from_micros(200);
/// So many waits go without looking at most.
const REST_MAX: u32 = 15;

pub struct Patience {
    /// With one processor, whoever looks keeps others from running.
    several: bool,
    /// Waits that are still to go without looking, and how many it were when that began.
    rest: AtomicU32,
    rested: AtomicU32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience::new(available_parallelism().is_ok_and(|processors| processors.get() > 1))
    }
}

impl Patience {
    fn new(several: bool) -> Patience {
        Patience { several, rest: AtomicU32::new(0), rested: AtomicU32::new(0) }
    }

    /// Looks for a moment, unless that was in vain lately; whether it has come has to be asked again.
    pub fn look(&self, come: impl Fn() -> bool) {
        if !self.pays() {
            return;
        }
        let begun = Instant::now();
        let mut last = begun;
        while !come() {
            yield_now();
            let now = Instant::now();
            if now - begun >= LOOK || now - last >= ELSEWHERE {
                let rest = (2 * self.rested.load(Ordering::Relaxed) + 1).min(REST_MAX);
                self.rested.store(rest, Ordering::Relaxed);
                return self.rest.store(rest, Ordering::Relaxed);
            }
            last = now;
        }
        self.rested.store(0, Ordering::Relaxed);
    }

    fn pays(&self) -> bool {
        let fewer = |rest: u32| rest.checked_sub(1);
        self.several && self.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_err()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How many of some waits look, when what they wait for comes late or at once.
    fn looks(patience: &Patience, waits: usize, comes: bool) -> usize {
        let looked = Cell::new(false);
        let wait = || {
            looked.set(false);
            patience.look(|| {
                looked.set(true);
                comes
            });
            looked.get()
        };
        (0..waits).filter(|_| wait()).count()
    }

    #[test]
    fn what_comes_soon_is_always_looked_for() {
        assert_eq!(looks(&Patience::new(true), 100, true), 100);
    }

    #[test]
    fn looking_in_vain_becomes_rare_and_comes_back_when_it_pays() {
        let patience = Patience::new(true);
        // At the 1st, the 3rd, the 7th, the 15th and every 16th wait from there on.
        assert_eq!(looks(&patience, 127, false), 11);
        let before_it_looks = looks(&patience, 15, true);
        assert_eq!(before_it_looks, 0);
        assert_eq!(looks(&patience, 100, true), 100);
        assert_eq!(looks(&patience, 3, false), 2);
    }

    #[test]
    fn one_processor_is_for_others() {
        assert_eq!(looks(&Patience::new(false), 10, true), 0);
    }
}
