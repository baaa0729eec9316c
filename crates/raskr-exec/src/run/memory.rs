//! Admission against the limit of memory, spilling and reading back (rule 8 of the protocol).
// `unsafe` is allowed here: the allocator is asked to give memory back.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use raskr_base::Value;
use raskr_graph::Plan;

use super::{Local, Run, State, Step, cost_class};
use crate::error::RunError;
use crate::spill::{SpillError, SpillFile};
use crate::store::{Measure, Store, Victim};

/// Whether a ready task may be taken.
pub(super) enum Admission {
    /// Yes, with this much kept free for its result.
    Granted(u64),
    /// Something else has to be done first.
    First(Step),
}

/// The first task whose inputs and result can't be in memory together, as far as sizes are known.
pub(super) fn impossible_task(plan: &Plan, limit: u64) -> Option<RunError> {
    let mut distinct: Vec<u32> = Vec::new();
    (0..plan.len() as u32).find_map(|task| {
        let inputs = plan.inputs(task);
        let sum = |ids: &[u32]| ids.iter().map(|&id| plan.bytes(id)).fold(plan.bytes(task), u64::saturating_add);
        if sum(inputs) <= limit {
            return None;
        }
        distinct.clear();
        distinct.extend_from_slice(inputs);
        distinct.sort_unstable();
        distinct.dedup();
        let needed = sum(&distinct);
        (needed > limit).then(|| RunError::TooLarge { key: plan.key(task), needed, limit })
    })
}

impl Run {
    /// Estimated bytes of a task's result: as the plan says, or as large as what its operation yielded before.
    pub(super) fn estimate(&self, state: &State, task: u32) -> u64 {
        match self.plan.bytes(task) {
            0 => state.profiles.of(cost_class(&self.plan, task)).map_or(0, |profile| profile.bytes),
            bytes => bytes,
        }
    }

    /// May a ready task be taken? Only asked for the most urgent one, or within a batch (`first` is false).
    pub(super) fn admit(&self, state: &mut State, local: &mut Local, task: u32, first: bool) -> Admission {
        let Some(limit) = self.options.memory_limit else { return Admission::Granted(0) };
        let inputs = self.plan.inputs(task);
        let estimate = self.estimate(state, task);
        let absent = state.store.absent(inputs);
        let wanted = estimate + absent.iter().map(|(_, file)| file.value_bytes).sum::<u64>();
        let mut live = state.store.ledger.live() + state.reserved + self.options.occupied;
        if live + wanted > limit {
            if !first {
                return Admission::First(Step::Sleep);
            }
            let alone = state.taken == 0 && state.busy == 0;
            if state.disk_failure.is_none() {
                let horizon = match (alone, self.plan.dependents(task).first()) {
                    (true, _) => 0,
                    (false, Some(&dependent)) => dependent,
                    (false, None) => u32::MAX,
                };
                let (plan, unmet) = (&self.plan, &state.unmet);
                let pending = |task: u32| unmet[task as usize] != super::TAKEN;
                let mut eviction = state.store.evict(live + wanted - limit, horizon, inputs, plan, pending);
                local.garbage.append(&mut eviction.dropped);
                if !eviction.victims.is_empty() {
                    state.busy += 1;
                    return Admission::First(Step::Spill(eviction.victims));
                }
                live = state.store.ledger.live() + state.reserved + self.options.occupied;
            }
            if live + wanted > limit {
                if !alone {
                    return Admission::First(Step::Sleep);
                }
                if let Some(reason) = &state.disk_failure {
                    local.failed = Some(RunError::Memory {
                        key: self.plan.key(task),
                        needed: wanted,
                        live,
                        limit,
                        folder: self.folder.base().to_path_buf(),
                        written: self.folder.written(),
                        reason: reason.clone(),
                    });
                    // Comes back to book the failure.
                    return Admission::First(Step::Outside);
                }
            }
        }
        if absent.is_empty() {
            return Admission::Granted(estimate);
        }
        if !first {
            return Admission::First(Step::Sleep);
        }
        state.busy += 1;
        state.reserved += absent.iter().map(|(_, file)| file.value_bytes).sum::<u64>();
        Admission::First(Step::Load { task, files: absent })
    }

    /// Writes values to disk and takes them out of memory.
    pub(super) fn spill(&self, victims: Vec<Victim>) {
        let mut failure: Option<String> = None;
        for Victim { task, value } in victims {
            let written = match &failure {
                // The run is over: nothing needs the room any more.
                _ if self.stop.load(Ordering::Relaxed) => break,
                None => self.folder.write(&value).map(Arc::new),
                // The disk failed for the one before: this one is only released.
                Some(reason) => Err(SpillError::Disk { reason: reason.clone() }),
            };
            let mut garbage: (Option<Value>, Option<Arc<SpillFile>>) = (None, None);
            let mut state = self.state.lock();
            match written {
                Ok(file) => {
                    state.spilled += file.value_bytes;
                    garbage.1 = Some(Arc::clone(&file));
                    garbage.0 = state.store.spilled(task, file);
                }
                Err(SpillError::Encoding) => state.store.not_spilled(task, true),
                Err(SpillError::Disk { reason }) => {
                    state.store.not_spilled(task, false);
                    failure = Some(reason);
                }
            }
            drop(state);
            // The last references to memory and, if it is not needed, to the file go without the lock.
            drop(garbage);
            drop(value);
        }
        give_back_freed_memory();
        let mut state = self.state.lock();
        if state.disk_failure.is_none() {
            state.disk_failure = failure;
        }
        state.busy -= 1;
        drop(state);
        self.work.notify_all();
    }

    /// Reads back what a task needs, and makes it ready again.
    pub(super) fn load(&self, task: u32, files: Vec<(u32, Arc<SpillFile>)>) {
        let mut bytes = 0;
        for (input, file) in &files {
            bytes += file.value_bytes;
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            match file.read(self.options.codec.as_ref()) {
                Ok(value) => {
                    let measure = Measure::of(&value);
                    let mut state = self.state.lock();
                    let superfluous = state.store.restore(*input, value, &measure);
                    drop(state);
                    drop(superfluous);
                }
                Err(error) => self.fail(self.explain(task, error)),
            }
        }
        drop(files);
        let mut state = self.state.lock();
        state.reserved -= bytes;
        state.busy -= 1;
        state.ready.queue(self.plan.is_interpreted(task)).push(task);
        drop(state);
        self.work.notify_all();
    }

    /// An output's value, read back if it is on disk.
    pub(super) fn output(&self, store: &Store, task: u32) -> Result<Value, RunError> {
        if let Some((_, file)) = store.absent(&[task]).first() {
            return file.read(self.options.codec.as_ref()).map_err(|error| self.explain(task, error));
        }
        Ok(store.share(task).unwrap_or(Value::Unit))
    }
}

/// Has the allocator give memory that was freed back to the system, where it would keep it: glibc raises what it keeps to
/// blocks of 32 MiB once blocks of that size were freed, and a limit of memory would be overshot by them.
fn give_back_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
