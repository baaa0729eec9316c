//! Booking of what was done, and the choice of what a worker does next. All under the lock of the run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use raskr_base::Value;
use smallvec::SmallVec;

use super::memory::Admission;
use super::{BATCH_TASKS_MAX, BATCH_TIME, Local, Run, State, Step, TAKEN, Taken, cost_class};
use crate::profile::Profile;

impl Run {
    pub(super) fn book(&self, state: &mut State, local: &mut Local) {
        if let Some(error) = local.failed.take()
            && !state.over
        {
            state.over = true;
            state.failure = Some(error);
            self.stop.store(true, Ordering::Relaxed);
            self.work.notify_all();
        }
        for done in local.done.drain(..) {
            let task = done.task;
            state.taken -= 1;
            state.left -= 1;
            state.reserved -= done.reserved;
            state.profiles.note(cost_class(&self.plan, task), done.took, &done.measure);
            if state.uses[task as usize] > 0 {
                state.store.insert(task, done.value, &done.measure);
            } else {
                local.garbage.push(done.value);
            }
            // Rule 7: only now, since the result may hold the same buffer.
            for account in &done.accounts {
                state.store.ledger.release(account);
            }
            for &dependent in self.plan.dependents(task) {
                let unmet = &mut state.unmet[dependent as usize];
                *unmet -= 1;
                if *unmet == 0 {
                    state.ready.queue(self.plan.is_interpreted(dependent)).push(dependent);
                }
            }
        }
        if state.left == 0 && !state.over {
            state.over = true;
            self.work.notify_all();
        }
        // A batch that was cut short: by a failure (nothing is done with it) or because it proved long (rule 6).
        for taken in local.batch.drain(..) {
            state.returned[usize::from(self.plan.is_interpreted(taken.task))].push(taken);
        }
    }

    pub(super) fn take(&self, state: &mut State, local: &mut Local, inside: bool) -> Step {
        if state.over {
            return Step::Leave;
        }
        if let Some(taken) = state.returned[usize::from(inside)].pop() {
            local.batch.push(taken);
            return Step::Batch;
        }
        if self.options.remote.is_some() {
            return self.take_remote(state, local);
        }
        let native = state.ready.native.peek();
        let interpreted = state.ready.interpreted.peek();
        if inside {
            return match (native, interpreted) {
                (_, None) => Step::Outside,
                (Some(native), Some(interpreted)) if native < interpreted => Step::Outside,
                (_, Some(task)) => self.fill(state, local, true, task),
            };
        }
        let unattended = state.ready.interpreted.len() + state.returned[1].len() > state.entering;
        if unattended && native.is_none_or(|native| interpreted.is_some_and(|interpreted| interpreted < native)) {
            if let Some(task) = interpreted
                && state.returned[1].is_empty()
                && let Admission::First(step) = self.admit(state, local, task, true)
            {
                if let Step::Load { .. } = step {
                    state.ready.interpreted.pop();
                }
                return step;
            }
            state.entering += 1;
            return Step::Enter;
        }
        match native {
            Some(task) => self.fill(state, local, false, task),
            None => Step::Sleep,
        }
    }

    /// Takes a batch of one kind (rule 6), beginning with its most urgent task.
    pub(super) fn fill(&self, state: &mut State, local: &mut Local, interpreted: bool, first: u32) -> Step {
        let mut expected = Duration::ZERO;
        let mut bytes = 0u64;
        let limits = self.limits(interpreted);
        let share = state.ready.queue(interpreted).len().div_ceil(limits.shares * self.width).min(limits.tasks);
        let mut next = Some(first);
        while let Some(task) = next {
            let begun = !local.batch.is_empty();
            let profile = state.profiles.of(cost_class(&self.plan, task)).map(Profile::duration);
            let estimate = self.estimate(state, task);
            if begun {
                let other = state.ready.queue(!interpreted).peek();
                let too_long = |most| profile.is_none_or(|duration| expected + duration > most);
                if local.batch.len() >= share
                    || other.is_some_and(|other| other < task)
                    || limits.time.is_some_and(too_long)
                    || bytes + estimate > limits.bytes
                {
                    break;
                }
            }
            let reserved = match self.admit(state, local, task, !begun) {
                Admission::Granted(reserved) => reserved,
                Admission::First(_) if begun => break,
                Admission::First(step) => {
                    if let Step::Load { .. } = step {
                        state.ready.queue(interpreted).pop();
                    }
                    return step;
                }
            };
            state.ready.queue(interpreted).pop();
            let spare = local.spare.pop().unwrap_or_default();
            let taken = self.hand_out(state, local, task, reserved, spare);
            local.batch.push(taken);
            bytes += estimate;
            expected += profile.unwrap_or_default();
            if limits.time.is_some_and(|most| profile.is_none_or(|duration| duration >= most)) {
                break;
            }
            next = state.ready.queue(interpreted).peek();
        }
        Step::Batch
    }

    fn hand_out(
        &self,
        state: &mut State,
        local: &mut Local,
        task: u32,
        reserved: u64,
        mut inputs: Vec<Value>,
    ) -> Taken {
        let mut accounts = SmallVec::new();
        for &input in self.plan.inputs(task) {
            let uses = &mut state.uses[input as usize];
            *uses -= 1;
            if *uses == 0 {
                let held = state.store.take(input);
                inputs.extend(held.value);
                accounts.push(held.account);
                local.files.extend(held.file);
            } else {
                inputs.extend(state.store.share(input));
            }
        }
        state.unmet[task as usize] = TAKEN;
        state.taken += 1;
        state.reserved += reserved;
        Taken { task, inputs, accounts, reserved }
    }

    /// Makes tasks that others have taken but not begun free for all (rule 6). Were there any?
    pub(super) fn clear_desks(&self, state: &mut State) -> bool {
        let mut found = false;
        for desk in &self.desks {
            for taken in desk.try_lock().map(|mut desk| std::mem::take(&mut *desk)).unwrap_or_default() {
                state.returned[usize::from(self.plan.is_interpreted(taken.task))].push(taken);
                found = true;
            }
        }
        found
    }

    /// Wakes a sleeper when this worker leaves work behind (rule 5); gives the number of a worker to be called when all
    /// that there are are at work.
    pub(super) fn call_others(&self, state: &mut State, local: &Local) -> Option<u32> {
        let [native, interpreted] = &state.returned;
        let native = state.ready.native.len() + native.len();
        let interpreted = (state.ready.interpreted.len() + interpreted.len()).saturating_sub(state.entering);
        if native + interpreted == 0 || (state.sleeping == 0 && state.workers >= self.width) {
            return None;
        }
        // A few short tasks are done sooner than a thread wakes up, if this worker is soon back for them.
        let short = |task: Option<u32>| {
            let profile = |task| state.profiles.of(cost_class(&self.plan, task));
            task.is_none_or(|task| profile(task).is_some_and(|profile| profile.duration() < BATCH_TIME))
        };
        let soon_back = local.batch.first().is_some_and(|taken| short(Some(taken.task)));
        let few = native <= BATCH_TASKS_MAX && short(state.ready.native.peek());
        let crowded = self.options.remote.is_none()
            && (self.options.interpreter.is_exclusive() || interpreted <= BATCH_TASKS_MAX);
        if soon_back
            && state.sleeping > 0
            && few
            && (interpreted == 0 || (crowded && short(state.ready.interpreted.peek())))
        {
            return None;
        }
        if state.sleeping > 0 {
            self.work.notify_one();
            return None;
        }
        state.workers += 1;
        Some(state.workers as u32 - 1)
    }
}
