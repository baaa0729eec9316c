//! Interpreted tasks that other processes run.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raskr_base::{ErrorClass, TaskError, Value};

use super::{
    BATCH_BYTES, BATCH_TASKS_MAX, BATCH_TIME, Done, Local, REMOTE_BYTES, REMOTE_OVERDUE, REMOTE_TASKS_MAX, REMOTE_TIME,
    Run, State, Step, Taken,
};
use crate::options::{RemoteControl, RemoteTask, TaskEvent};
use crate::store::Measure;

/// How much a worker takes at once.
pub(super) struct Limits {
    pub tasks: usize,
    pub time: Duration,
    pub bytes: u64,
    /// A worker leaves this many times what it takes for each worker.
    pub shares: usize,
}

/// Tells the run what became of the tasks of a batch.
struct Control<'a> {
    run: &'a Run,
    local: &'a mut Local,
    /// The tasks that were handed over, until they end.
    out: &'a mut [Option<Taken>],
    /// Tasks that failed and are tried again, with how often more.
    again: &'a mut Vec<(Taken, u32)>,
    retries: &'a [u32],
    since: Instant,
}

impl Run {
    pub(super) fn limits(&self, interpreted: bool) -> Limits {
        if interpreted && self.options.remote.is_some() {
            Limits { tasks: REMOTE_TASKS_MAX, time: REMOTE_TIME, bytes: REMOTE_BYTES, shares: 2 }
        } else {
            Limits { tasks: BATCH_TASKS_MAX, time: BATCH_TIME, bytes: BATCH_BYTES, shares: 1 }
        }
    }

    /// What a worker does next when it need not go into the interpreter for interpreted tasks.
    pub(super) fn take_remote(&self, state: &mut State, local: &mut Local) -> Step {
        let returned = state.returned[1].len();
        if returned > 0 {
            let share = returned.div_ceil(2 * self.width);
            local.batch.extend(state.returned[1].drain(returned - share..));
            return Step::Batch;
        }
        match (state.ready.native.peek(), state.ready.interpreted.peek()) {
            (native, Some(task)) if native.is_none_or(|native| task < native) => self.fill(state, local, true, task),
            (Some(task), _) => self.fill(state, local, false, task),
            (None, _) => Step::Sleep,
        }
    }

    /// Is the batch for other processes?
    pub(super) fn is_remote(&self, local: &Local) -> bool {
        self.options.remote.is_some() && local.batch.first().is_some_and(|taken| self.plan.is_interpreted(taken.task))
    }

    /// Runs a batch elsewhere, and here what can't go there. What it leaves in the batch is handed back.
    pub(super) fn run_remote(&self, local: &mut Local) {
        let Some(remote) = &self.options.remote else { return };
        let batch = std::mem::take(&mut local.batch);
        let (away, here): (Vec<Taken>, Vec<Taken>) =
            batch.into_iter().partition(|taken| remote.accepts(self.plan.op(taken.task).as_ref()));
        for mut taken in here {
            if local.failed.is_some() || self.stop.load(Ordering::Relaxed) {
                local.batch.push(taken);
                continue;
            }
            let start = Instant::now();
            match self.run_task(&mut taken, local.worker, start) {
                Ok((value, measure)) => {
                    let Taken { task, inputs, accounts, reserved } = taken;
                    local.spare.push(inputs);
                    local.done.push(Done { task, value, measure, took: start.elapsed(), accounts, reserved });
                }
                Err(error) => local.failed = Some(error),
            }
        }
        let retries = |taken: &Taken| self.plan.annotations(taken.task).map_or(0, |found| found.retries);
        let retried = |taken: Taken| {
            let retries = retries(&taken);
            (taken, retries)
        };
        let mut away: Vec<(Taken, u32)> = away.into_iter().map(retried).collect();
        while !away.is_empty() && local.failed.is_none() && !self.stop.load(Ordering::Relaxed) {
            away = self.run_away(away, local);
        }
        local.batch.extend(away.into_iter().map(|(taken, _)| taken));
    }

    /// Gives the tasks that failed and are to be tried again.
    fn run_away(&self, away: Vec<(Taken, u32)>, local: &mut Local) -> Vec<(Taken, u32)> {
        let Some(remote) = &self.options.remote else { return away };
        let started = Instant::now();
        let (away, retries): (Vec<Taken>, Vec<u32>) = away.into_iter().unzip();
        if let Some(listener) = &self.options.listener {
            for taken in &away {
                listener.task_started(&self.event(taken.task, local.worker, started));
            }
        }
        // Inputs stay with the engine while tasks are under way, so that a task can be run again.
        let inputs: Vec<Vec<Value>> = away.iter().map(|taken| taken.inputs.clone()).collect();
        let tasks: Vec<RemoteTask<'_>> = away
            .iter()
            .zip(&inputs)
            .map(|(taken, inputs)| RemoteTask {
                op: self.plan.op(taken.task),
                index: self.plan.task(taken.task).index,
                inputs,
            })
            .collect();
        let mut again = Vec::new();
        let worker = local.worker;
        let mut out: Vec<Option<Taken>> = away.into_iter().map(Some).collect();
        let mut control =
            Control { run: self, local, out: &mut out, again: &mut again, retries: &retries, since: started };
        remote.run(worker, &tasks, &mut control);
        local.batch.extend(out.into_iter().flatten());
        again
    }

    fn event(&self, task: u32, worker: u32, at: Instant) -> TaskEvent<'_> {
        TaskEvent { run: self.id, plan: &self.plan, task, worker, at }
    }
}

impl RemoteControl for Control<'_> {
    fn ended(&mut self, place: usize, result: Result<Value, TaskError>, took: Duration) {
        let Some(mut taken) = self.out.get_mut(place).and_then(Option::take) else { return };
        let run = self.run;
        let begun = Instant::now().checked_sub(took).unwrap_or(self.since);
        let event = run.event(taken.task, self.local.worker, begun);
        match result {
            Ok(value) => {
                taken.inputs.clear();
                let measure = Measure::of(&value);
                if let Some(listener) = &run.options.listener {
                    listener.task_finished(&event, took, measure.bytes(), &value);
                }
                if let Err(error) = run.hand_over(taken.task, &value) {
                    self.local.failed = Some(run.explain(taken.task, error));
                    return;
                }
                let Taken { task, inputs, accounts, reserved } = taken;
                self.local.spare.push(inputs);
                self.local.done.push(Done { task, value, measure, took, accounts, reserved });
            }
            Err(error) => {
                if let Some(listener) = &run.options.listener {
                    listener.task_failed(&event, took, &error);
                }
                let retries = self.retries[place];
                if retries > 0 && error.class != ErrorClass::Cancelled {
                    self.again.push((taken, retries - 1));
                } else if self.local.failed.is_none() {
                    self.local.failed = Some(run.explain(taken.task, error));
                }
            }
        }
    }

    fn is_overdue(&self) -> bool {
        self.since.elapsed() > REMOTE_OVERDUE
    }

    fn is_stopped(&self) -> bool {
        self.local.failed.is_some() || self.run.stop.load(Ordering::Relaxed)
    }
}
