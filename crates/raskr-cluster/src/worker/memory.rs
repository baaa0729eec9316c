//! What the system says of this process and its children: memory, processor time, open files.

use std::fs;
use std::time::Instant;

/// Bytes of this process, and of children without what they share with it.
pub(super) fn process_bytes(children: &[u32]) -> u64 {
    let own = pages("/proc/self/statm").map_or(0, |(resident, _)| resident);
    let of = |pid: &u32| pages(&format!("/proc/{pid}/statm")).map_or(0, |(all, shared)| all.saturating_sub(shared));
    let pages = own + children.iter().map(of).sum::<u64>();
    pages * rustix::param::page_size() as u64
}

/// Pages in memory, and those of files among them.
fn pages(path: &str) -> Option<(u64, u64)> {
    let text = fs::read_to_string(path).ok()?;
    let mut numbers = text.split_ascii_whitespace().skip(1).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
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
