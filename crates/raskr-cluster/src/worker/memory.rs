//! What the system says of this process and its children: memory, processor time, open files.

use std::fs;
use std::time::Instant;

use raskr_exec::{private_bytes, resident_bytes};

/// Bytes of this process, and of children without what they share with it.
pub(super) fn process_bytes(children: &[u32]) -> u64 {
    resident_bytes() + children.iter().map(|&pid| private_bytes(pid)).sum::<u64>()
}

/// Seconds of processor time that a process took.
fn seconds(path: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    // The name, in parentheses, may hold anything.
    let rest = text.rsplit_once(')')?.1;
    let mut numbers = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = numbers.next()?.ok()? + numbers.next()?.ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Measures the share of a processor that is used between one look and the next.
pub(super) struct Processor {
    looked: Instant,
    seconds: f64,
}

impl Processor {
    pub fn new() -> Processor {
        Processor { looked: Instant::now(), seconds: 0.0 }
    }

    /// In percent of one processor, children included.
    pub fn percent(&mut self, children: &[u32]) -> f64 {
        let of = |pid: &u32| seconds(&format!("/proc/{pid}/stat")).unwrap_or_default();
        let used = seconds("/proc/self/stat").unwrap_or_default() + children.iter().map(of).sum::<f64>();
        let elapsed = self.looked.elapsed().as_secs_f64().max(1e-3);
        // A child that ended took its time with it.
        let percent = (used - self.seconds).max(0.0) / elapsed * 100.0;
        (self.looked, self.seconds) = (Instant::now(), used);
        (percent * 10.0).round() / 10.0
    }
}

/// Files that this process has open.
pub(super) fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
