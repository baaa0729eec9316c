//! `Profiles`: how long operations took and how large their results were, for batching and admission.

use std::time::Duration;

use crate::store::Measure;

/// Operations that are remembered at a time.
const OPERATIONS: usize = 256;

#[derive(Clone, Copy, Default)]
struct Profile {
    /// Address of the operation; 0 when the place is free.
    operation: usize,
    nanoseconds: f32,
}

/// What was measured in a run so far.
pub struct Profiles {
    durations: Vec<Profile>,
    /// By layer, the largest result.
    bytes: Vec<u64>,
}

fn place(operation: usize) -> usize {
    (operation >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as usize) >> (usize::BITS as usize - 8)
}

impl Profiles {
    pub fn new(layers: usize) -> Profiles {
        Profiles { durations: vec![Profile::default(); OPERATIONS], bytes: vec![0; layers] }
    }

    /// How long a task of the operation takes; `None` when none has run lately.
    pub fn duration(&self, operation: usize) -> Option<Duration> {
        let profile = &self.durations[place(operation)];
        (profile.operation == operation).then(|| Duration::from_nanos(profile.nanoseconds as u64))
    }

    /// The largest result seen of a layer.
    pub fn bytes(&self, layer: usize) -> u64 {
        self.bytes[layer]
    }

    pub fn note(&mut self, layer: usize, operation: usize, took: Duration, measure: &Measure) {
        let profile = &mut self.durations[place(operation)];
        let nanoseconds = took.as_nanos() as f32;
        if profile.operation == operation {
            profile.nanoseconds += (nanoseconds - profile.nanoseconds) * 0.25;
        } else {
            *profile = Profile { operation, nanoseconds };
        }
        self.bytes[layer] = self.bytes[layer].max(measure.bytes());
    }
}
