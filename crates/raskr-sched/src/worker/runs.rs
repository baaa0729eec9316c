//! Tasks that a worker was given: ready when their inputs are here, run by priority as threads and resources allow.

use std::sync::Arc;

use super::data::{Datum, DatumState};
use super::{Execute, Executed, Worker, WorkerAction};
use crate::ids::{Attempt, BodyId, Priority, TaskId, micros};
use crate::protocol::{FromWorker, MemoryReport, RunTask};

/// A new duration counts for one in so many.
const AVERAGE_OVER: u64 = 8;

/// A task that this worker has.
#[derive(Debug)]
pub(super) struct Run {
    pub spec: RunTask,
    /// Inputs that are not here.
    pub absent: usize,
    pub executing: bool,
}

/// A body that runs, or was handed over to run after others.
#[derive(Debug)]
pub(super) struct Execution {
    pub body: BodyId,
    pub resources: Vec<(Arc<str>, u64)>,
    /// What it is expected to take, when that is next to nothing.
    pub short: Option<u64>,
    /// It waits for others and needs no thread.
    pub away: bool,
    /// The scheduler was told that it runs.
    pub told: bool,
    /// The scheduler waits for this attempt.
    pub current: bool,
    /// It was current when the session ended: its value may be of use.
    pub orphan: bool,
}

/// What executions ask of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// That take a thread each.
    pub long: usize,
    pub short: usize,
    /// What the short ones are expected to take together.
    pub short_micros: u64,
}

impl Load {
    pub fn add(&mut self, execution: &Execution) {
        match execution.short {
            _ if execution.away => {}
            Some(micros) => {
                self.short += 1;
                self.short_micros += micros;
            }
            None => self.long += 1,
        }
    }

    fn remove(&mut self, execution: &Execution) {
        match execution.short {
            _ if execution.away => {}
            Some(micros) => {
                self.short -= 1;
                self.short_micros -= micros;
            }
            None => self.long -= 1,
        }
    }
}

impl Worker {
    pub(super) fn on_run(&mut self, spec: RunTask) {
        let task = spec.task;
        let known = self.runs.get(&task).is_some_and(|run| run.spec.attempt >= spec.attempt);
        if known || self.executing.contains_key(&(task, spec.attempt)) {
            return;
        }
        self.give_up(task);
        self.wait_for_inputs(spec);
    }

    /// The task is ready once all of its inputs are here.
    fn wait_for_inputs(&mut self, spec: RunTask) {
        let task = spec.task;
        let mut absent = 0;
        for input in &spec.inputs {
            absent += usize::from(!self.need(input.task, input.bytes, &input.holders, Some((spec.priority, task))));
        }
        if absent == 0 {
            self.ready.insert((spec.priority, task));
        }
        self.runs.insert(task, Run { spec, absent, executing: false });
    }

    /// The worker has this task no longer; a body that runs for it runs for nobody.
    pub(super) fn give_up(&mut self, task: TaskId) {
        let Some(run) = self.runs.remove(&task) else { return };
        self.ready.remove(&(run.spec.priority, task));
        if run.executing
            && let Some(execution) = self.executing.get_mut(&(task, run.spec.attempt))
        {
            execution.current = false;
            self.actions.push(WorkerAction::Interrupt { task, attempt: run.spec.attempt });
        }
        for input in &run.spec.inputs {
            self.no_longer_need(input.task, task);
        }
    }

    pub(super) fn on_retract(&mut self, task: TaskId, attempt: Attempt) {
        let given = self.runs.get(&task).is_some_and(|run| run.spec.attempt == attempt && !run.executing);
        if given {
            self.give_up(task);
        }
        self.say(FromWorker::Retracted { task, attempt, given });
    }

    pub(super) fn on_cancel(&mut self, task: TaskId, attempt: Attempt) {
        if self.runs.get(&task).is_some_and(|run| run.spec.attempt == attempt) {
            self.give_up(task);
        } else if self.data.get(&task).is_some_and(|datum| datum.result_of == Some(attempt)) {
            self.on_free(task, false);
        }
    }

    /// An input came.
    pub(super) fn on_input(&mut self, user: TaskId) {
        if let Some(run) = self.runs.get_mut(&user) {
            run.absent -= 1;
            if run.absent == 0 {
                self.ready.insert((run.spec.priority, user));
            }
        }
    }

    /// An input is here no more.
    pub(super) fn on_input_lost(&mut self, user: TaskId) {
        if let Some(run) = self.runs.get_mut(&user)
            && !run.executing
        {
            run.absent += 1;
            self.ready.remove(&(run.spec.priority, user));
        }
    }

    pub(super) fn start_runs(&mut self) {
        loop {
            let threads = self.me.threads.max(1) as usize;
            let Load { long, short, .. } = self.load;
            if long >= threads {
                return;
            }
            // Only what ends frees memory: short of it, one thing goes on at a time, unless nothing can be spilled.
            if self.paused && (!self.executing.is_empty() || self.is_stuck()) {
                return;
            }
            let fits = |task: &TaskId| self.runs.get(task).is_some_and(|run| self.has_resources(&run.spec.resources));
            let Some((_, task)) = self.ready.iter().copied().find(|(_, task)| fits(task)) else { return };
            if long + short >= threads && !self.may_go_ahead(task, threads - long) {
                return;
            }
            self.start(task, long + short < threads);
        }
    }

    /// May a task be handed over although all threads have something to do? Tasks that take next to no time are, so that
    /// nobody waits between two of them.
    fn may_go_ahead(&self, task: TaskId, threads: usize) -> bool {
        let Some(spec) = self.runs.get(&task).map(|run| &run.spec) else { return false };
        let Some(expected) = self.short_micros(spec.body) else { return false };
        let ahead = micros(self.options.ahead).saturating_mul(threads as u64);
        spec.resources.is_empty()
            && self.load.short < threads * self.options.ahead_tasks_max
            && self.load.short_micros + expected <= ahead
    }

    fn short_micros(&self, body: BodyId) -> Option<u64> {
        let lately = self.body_micros.get(&body).copied()?;
        (lately < micros(self.options.ahead) / 4).then_some(lately)
    }

    /// It takes longer than tasks that others can wait behind.
    pub(super) fn on_began(&mut self, task: TaskId, attempt: Attempt) {
        let Some(execution) = self.executing.get_mut(&(task, attempt)) else { return };
        self.load.remove(execution);
        execution.short = None;
        self.load.add(execution);
        if !std::mem::replace(&mut execution.told, true) && execution.current {
            self.say(FromWorker::Started { task, attempt });
        }
    }

    pub(super) fn on_seceded(&mut self, task: TaskId, attempt: Attempt, away: bool) {
        let Some(execution) = self.executing.get_mut(&(task, attempt)) else { return };
        if execution.away == away {
            return;
        }
        self.load.remove(execution);
        (execution.away, execution.short) = (away, None);
        self.load.add(execution);
        if execution.current {
            self.say(FromWorker::Seceded { task, attempt, away });
        }
    }

    fn has_resources(&self, wanted: &[(Arc<str>, u64)]) -> bool {
        wanted.iter().all(|(name, amount)| {
            self.resources.get(name).is_some_and(|(total, used)| total.saturating_sub(*used) >= *amount)
        })
    }

    fn start(&mut self, task: TaskId, at_once: bool) {
        let short = self.runs.get(&task).and_then(|run| self.short_micros(run.spec.body));
        let Some(run) = self.runs.get_mut(&task) else { return };
        run.executing = true;
        let spec = &run.spec;
        let attempt = spec.attempt;
        // Of one that takes next to no time its end is word enough; should the worker end with it, it is told the next time.
        let told = at_once && (short.is_none() || attempt > Attempt(1));
        self.ready.remove(&(spec.priority, task));
        for (name, amount) in &spec.resources {
            if let Some((_, used)) = self.resources.get_mut(name) {
                *used += amount;
            }
        }
        let execution = Execution {
            body: spec.body,
            resources: spec.resources.clone(),
            short,
            away: false,
            told,
            current: true,
            orphan: false,
        };
        self.load.add(&execution);
        self.executing.insert((task, attempt), execution);
        self.actions.push(WorkerAction::Execute(Execute {
            task,
            attempt,
            key: spec.key.clone(),
            body: spec.body,
            index: spec.index,
            arguments: spec.arguments.clone(),
            inputs: spec.inputs.iter().map(|input| input.task).collect(),
            short: short.is_some(),
        }));
        if told {
            self.say(FromWorker::Started { task, attempt });
        }
    }

    /// Does a client wait for what this attempt yields?
    pub fn is_wanted(&self, task: TaskId, attempt: Attempt) -> bool {
        self.runs.get(&task).is_some_and(|run| run.spec.wanted && run.spec.attempt == attempt)
    }

    pub(super) fn on_executed(&mut self, task: TaskId, attempt: Attempt, executed: Executed) {
        let Some(execution) = self.executing.remove(&(task, attempt)) else { return };
        for (name, amount) in &execution.resources {
            if let Some((_, used)) = self.resources.get_mut(name) {
                *used -= amount;
            }
        }
        self.load.remove(&execution);
        if let Executed::Done { micros, .. } | Executed::Raised { micros, .. } = executed {
            let lately = self.body_micros.entry(execution.body).or_insert(micros);
            *lately = (*lately * (AVERAGE_OVER - 1) + micros) / AVERAGE_OVER;
        }
        if !execution.current {
            if let Executed::Done { bytes, .. } = executed {
                // Without a session the value is kept, to be offered at the next registration.
                if execution.orphan && !self.attached() && !self.data.contains_key(&task) {
                    self.actions.push(WorkerAction::Keep { task, attempt });
                    self.data.insert(task, Datum::held(bytes, Some(attempt)));
                } else {
                    self.actions.push(WorkerAction::Discard { task, attempt });
                }
            }
            return;
        }
        if executed == Executed::Untouched {
            return self.wait_again(task);
        }
        if let Some(run) = self.runs.remove(&task) {
            for input in &run.spec.inputs {
                self.no_longer_need(input.task, task);
            }
        }
        match executed {
            Executed::Done { bytes, micros, value } => {
                if self.data.get(&task).is_some_and(|datum| datum.state == DatumState::Held) {
                    self.actions.push(WorkerAction::Discard { task, attempt });
                    // One that was being released stays, as the result of this attempt. One that the scheduler counts on
                    // already does not go with the attempt, should that be cancelled.
                    if let Some(datum) = self.data.get_mut(&task)
                        && std::mem::take(&mut datum.releasing)
                    {
                        datum.result_of = Some(attempt);
                    }
                } else {
                    self.actions.push(WorkerAction::Keep { task, attempt });
                    self.arrive(task, bytes, Some(attempt));
                }
                self.say(FromWorker::Finished { task, attempt, bytes, micros, value });
            }
            Executed::Raised { error, micros } => self.say(FromWorker::Failed { task, attempt, error, micros }),
            Executed::Died(death) => self.say(FromWorker::Killed { task, attempt, death }),
            Executed::Untouched => {}
        }
    }

    /// A task that was handed over and not begun is ready again, unless it lost an input meanwhile.
    fn wait_again(&mut self, task: TaskId) {
        if let Some(run) = self.runs.remove(&task) {
            self.wait_for_inputs(run.spec);
        }
    }

    pub(super) fn on_memory(&mut self, report: MemoryReport) {
        self.memory = report;
        let limit = self.me.memory_limit as f64;
        let share = if self.paused { self.options.resume } else { self.options.pause };
        let paused = limit > 0.0 && report.stored as f64 > limit * share;
        if paused != self.paused {
            self.paused = paused;
            self.say(FromWorker::Paused(paused));
        }
        if !self.is_stuck() {
            self.stuck_since = None;
        }
    }

    /// Is memory full of what cannot be spilled?
    pub(super) fn is_stuck(&self) -> bool {
        self.paused && self.memory.disk_full.is_some()
    }

    /// A worker that is stuck with nothing running gives up one task after another, each after a wait.
    pub(super) fn tick_memory(&mut self) {
        if !self.is_stuck() || !self.executing.is_empty() || self.runs.is_empty() {
            self.stuck_since = None;
            return;
        }
        let since = *self.stuck_since.get_or_insert(self.now);
        if self.now.since(since) < self.options.no_memory_after {
            return;
        }
        self.stuck_since = Some(self.now);
        let first: Option<(Priority, TaskId)> = self.runs.iter().map(|(task, run)| (run.spec.priority, *task)).min();
        if let Some((_, task)) = first
            && let Some(attempt) = self.runs.get(&task).map(|run| run.spec.attempt)
        {
            self.give_up(task);
            let (limit, disk_limit) = (self.me.memory_limit, self.memory.disk_full.unwrap_or(0));
            self.say(FromWorker::OutOfMemory { task, attempt, limit, disk_limit });
        }
    }
}
