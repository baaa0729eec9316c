//! `Profiles`: how long operations took and how large their results were, for batching and admission.

use std::time::Duration;

use crate::store::Measure;

/// Operations that are remembered at a time.
const OPERATIONS: usize = 256;

/// What was measured of an operation.
#[derive(Clone, Copy, Default)]
pub struct Profile {
    /// Address of the operation; 0 when the place is free.
    operation: usize,
    nanoseconds: f32,
    /// The largest result.
    pub bytes: u64,
}

impl Profile {
    /// A moving mean.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds as u64)
    }
}

/// What was measured in a run lately.
pub struct Profiles(Vec<Profile>);

fn place(operation: usize) -> usize {
    let mixed = (operation as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - OPERATIONS.ilog2())) as usize
}

impl Profiles {
    pub fn new() -> Profiles {
        Profiles(vec![Profile::default(); OPERATIONS])
    }

    /// `None` when no task of the operation has run lately.
    pub fn of(&self, operation: usize) -> Option<&Profile> {
        Some(&self.0[place(operation)]).filter(|profile| profile.operation == operation)
    }

    pub fn note(&mut self, operation: usize, took: Duration, measure: &Measure) {
        let profile = &mut self.0[place(operation)];
        let nanoseconds = took.as_nanos() as f32;
        if profile.operation == operation {
            profile.nanoseconds += (nanoseconds - profile.nanoseconds) * 0.25;
            profile.bytes = profile.bytes.max(measure.bytes());
        } else {
            *profile = Profile { operation, nanoseconds, bytes: measure.bytes() };
        }
    }
}
