//! The values that a worker has, in memory or in files: those needed least lately are spilled by a thread of its own.
//!
//! A value that came back from its file keeps it, so that nothing is written twice: values don't change. Invariants: the sums
//! are those of the entries; no value is dropped, packed, read or written while the lock is held.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use raskr_sched::TaskId;

use super::spill::{SpillFile, SpillFolder};
use crate::packed::Packed;
use crate::runner::{Runner, Stored};

/// Smaller values stay in memory: a file would hardly be smaller.
const SPILLED_BYTES_MIN: u64 = 1 << 10;
/// A disk that took nothing is tried again after this long.
const DISK_AGAIN: Duration = Duration::from_secs(1);

impl Stored {
    pub(super) fn nbytes(&self) -> u64 {
        match self {
            Stored::Packed(packed) => packed.nbytes(),
            Stored::Native(value) => value.nbytes(),
        }
    }

    pub(super) fn packed(&self, runner: &dyn Runner) -> Result<Packed, String> {
        match self {
            Stored::Packed(packed) => Ok(packed.clone()),
            Stored::Native(value) => runner.pack(value),
        }
    }
}

struct Entry {
    value: Option<Stored>,
    file: Option<Arc<SpillFile>>,
    bytes: u64,
    /// When it was needed last; its place in `by_use` while it is in memory and may be spilled.
    used: u64,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<TaskId, Entry>,
    by_use: BTreeMap<u64, TaskId>,
    clock: u64,
    /// Bytes in memory, and bytes in files only.
    stored: u64,
    spilled: u64,
    disk_full: Option<u64>,
    stopping: bool,
}

/// What the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub stored: u64,
    pub spilled: u64,
    pub disk_full: Option<u64>,
    pub values: usize,
}

pub(super) struct Store {
    inner: Mutex<Inner>,
    changed: Condvar,
    folder: Arc<SpillFolder>,
    /// Bytes in memory above which values are spilled.
    target: Option<u64>,
    runner: Arc<dyn Runner>,
}

impl Store {
    pub fn new(folder: Arc<SpillFolder>, target: Option<u64>, runner: Arc<dyn Runner>) -> Arc<Store> {
        Arc::new(Store { inner: Mutex::default(), changed: Condvar::new(), folder, target, runner })
    }

    pub fn held(&self) -> Held {
        let inner = self.inner.lock();
        let Inner { stored, spilled, disk_full, ref entries, .. } = *inner;
        Held { stored, spilled, disk_full, values: entries.len() }
    }

    pub fn insert(&self, task: TaskId, value: Stored) {
        let bytes = value.nbytes();
        let before = {
            let mut inner = self.inner.lock();
            let before = inner.take_out(task);
            inner.stored += bytes;
            let used = inner.tick();
            if bytes >= SPILLED_BYTES_MIN {
                inner.by_use.insert(used, task);
            }
            inner.entries.insert(task, Entry { value: Some(value), file: None, bytes, used });
            before
        };
        drop(before);
        self.look();
    }

    pub fn remove(&self, task: TaskId) {
        let removed = self.inner.lock().take_out(task);
        drop(removed);
    }

    /// Puts a value in place of an equal one, if that is still in memory.
    pub fn replace(&self, task: TaskId, value: Stored) {
        let mut inner = self.inner.lock();
        let Some(entry) = inner.entries.get_mut(&task) else { return };
        let before = if entry.value.is_some() { entry.value.replace(value) } else { None };
        drop(inner);
        drop(before);
    }

    /// A value that is in memory.
    pub fn ready(&self, task: TaskId) -> Option<Stored> {
        self.inner.lock().touch(task)
    }

    /// A value, from its file if it has to be, and whether it is here at all. Waits for the disk. What is `kept` stays in
    /// memory, since it is about to be needed.
    pub fn read(&self, task: TaskId, kept: bool) -> io::Result<Option<Stored>> {
        let file = {
            let mut inner = self.inner.lock();
            if let Some(value) = inner.touch(task) {
                return Ok(Some(value));
            }
            match inner.entries.get(&task).map(|entry| entry.file.clone()) {
                Some(Some(file)) => file,
                _ => return Ok(None),
            }
        };
        let value = Stored::Packed(file.read()?);
        if kept {
            let mut inner = self.inner.lock();
            let inner = &mut *inner;
            if let Some(entry) = inner.entries.get_mut(&task)
                && entry.value.is_none()
            {
                inner.clock += 1;
                entry.used = inner.clock;
                entry.value = Some(value.clone());
                inner.by_use.insert(entry.used, task);
                (inner.stored, inner.spilled) = (inner.stored + entry.bytes, inner.spilled - entry.bytes);
            }
        }
        self.look();
        Ok(Some(value))
    }

    pub fn stop(&self) {
        self.inner.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Drops everything, files included, once nothing is spilled any more: others may still hold the store.
    pub fn clear(&self) {
        let mut inner = self.inner.lock();
        let entries = std::mem::take(&mut inner.entries);
        (inner.stored, inner.spilled) = (0, 0);
        inner.by_use.clear();
        drop(inner);
        drop(entries);
        self.folder.remove();
    }

    /// Wakes the spilling thread if there is something for it.
    fn look(&self) {
        if self.target.is_some_and(|target| self.inner.lock().stored > target) {
            self.changed.notify_one();
        }
    }

    /// Spills while there is too much in memory, until the store is stopped. `told` is called when the sums have changed.
    pub fn spill(&self, told: impl Fn()) {
        let Some(target) = self.target else { return };
        let mut inner = self.inner.lock();
        while !inner.stopping {
            let next = if inner.stored > target { inner.by_use.pop_first() } else { None };
            let Some((_, task)) = next else {
                self.changed.wait(&mut inner);
                continue;
            };
            let (value, used) = match inner.begin_spilling(task) {
                Some(Spilling::Write(value, used)) => (value, used),
                Some(Spilling::Written(value)) => {
                    MutexGuard::unlocked(&mut inner, || {
                        drop(value);
                        told();
                    });
                    continue;
                }
                None => continue,
            };
            let written = MutexGuard::unlocked(&mut inner, || {
                let packed = value.packed(self.runner.as_ref());
                let written = packed.map(|packed| self.folder.write(&packed));
                drop(value);
                written
            });
            let (mut dropped, mut wait) = (None, false);
            match written {
                Ok(Ok(file)) => {
                    inner.disk_full = None;
                    dropped = inner.spilled_to(task, used, Arc::new(file));
                }
                // It has no encoding: others may still be spilled.
                Err(reason) => tracing::warn!("a value can't be spilled: {reason}"),
                Ok(Err(error)) => {
                    if inner.disk_full.is_none() {
                        tracing::warn!("values can't be spilled to {}: {error}", self.folder.base().display());
                    }
                    inner.disk_full = Some(self.folder.limit());
                    if inner.entries.get(&task).is_some_and(|entry| entry.used == used) {
                        inner.by_use.insert(used, task);
                    }
                    wait = true;
                }
            }
            MutexGuard::unlocked(&mut inner, || {
                drop(dropped);
                told();
            });
            if wait && !inner.stopping {
                self.changed.wait_for(&mut inner, DISK_AGAIN);
            }
        }
    }
}

/// What is to be done about a value that leaves memory.
enum Spilling {
    /// As it was needed last at this time.
    Write(Stored, u64),
    /// It has a file, and is in memory no more.
    Written(Stored),
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn take_out(&mut self, task: TaskId) -> Option<Entry> {
        let entry = self.entries.remove(&task)?;
        self.by_use.remove(&entry.used);
        match entry.value {
            Some(_) => self.stored -= entry.bytes,
            None => self.spilled -= entry.bytes,
        }
        Some(entry)
    }

    fn touch(&mut self, task: TaskId) -> Option<Stored> {
        let used = self.clock + 1;
        let entry = self.entries.get_mut(&task)?;
        let value = entry.value.clone()?;
        self.clock = used;
        // While it is being written it is in no list, and stays in memory once it is needed again.
        let before = std::mem::replace(&mut entry.used, used);
        let listed = self.by_use.remove(&before).is_some();
        if listed || entry.bytes >= SPILLED_BYTES_MIN {
            self.by_use.insert(used, task);
        }
        Some(value)
    }

    fn begin_spilling(&mut self, task: TaskId) -> Option<Spilling> {
        let entry = self.entries.get_mut(&task)?;
        if entry.file.is_none() {
            return Some(Spilling::Write(entry.value.clone()?, entry.used));
        }
        let value = entry.value.take()?;
        (self.stored, self.spilled) = (self.stored - entry.bytes, self.spilled + entry.bytes);
        Some(Spilling::Written(value))
    }

    /// A value was written: it leaves memory, unless it was needed meanwhile.
    fn spilled_to(&mut self, task: TaskId, used: u64, file: Arc<SpillFile>) -> Option<Stored> {
        let entry = self.entries.get_mut(&task)?;
        entry.file = Some(file);
        if entry.used != used {
            return None;
        }
        (self.stored, self.spilled) = (self.stored - entry.bytes, self.spilled + entry.bytes);
        entry.value.take()
    }
}
