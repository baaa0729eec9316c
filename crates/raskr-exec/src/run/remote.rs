//! Interpreted tasks that other processes run.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raskr_base::{ErrorClass, TaskError, Value};

use super::{
    BATCH_BYTES, BATCH_TASKS_MAX, BATCH_TIME, Local, REMOTE_BYTES, REMOTE_OVERDUE, REMOTE_TASKS_MAX, REMOTE_TIME, Run,
    State, Step, Taken,
};
use crate::options::{RemoteControl, RemoteTask, TaskEvent};
use crate::store::Measure;

/// How much a worker takes at once.
pub(super) struct Limits {
    pub tasks: usize,
    /// What a batch may take by what was measured before; without a limit, tasks that were never measured come along.
    pub time: Option<Duration>,
    pub bytes: u64,
    /// A worker leaves this many times what it takes for each worker.
    pub shares: usize,
}

/// A task that was handed over.
struct Out {
    taken: Taken,
    /// How often it is run again when it fails.
    retries: u32,
    /// It failed, and is to be run again.
    again: bool,
}

/// Tells the run what became of the tasks of a batch.
struct Control<'a> {
    run: &'a Run,
    local: &'a mut Local,
    /// The tasks that were handed over, until they end.
    out: &'a mut [Option<Out>],
    since: Instant,
}

impl Run {
    pub(super) fn limits(&self, interpreted: bool) -> Limits {
        match (&self.options.remote, self.options.remote_tasks) {
            (Some(_), Some(tasks)) if interpreted => Limits { tasks, time: None, bytes: u64::MAX, shares: 1 },
            (Some(_), None) if interpreted => {
                Limits { tasks: REMOTE_TASKS_MAX, time: Some(REMOTE_TIME), bytes: REMOTE_BYTES, shares: 2 }
            }
            _ => Limits { tasks: BATCH_TASKS_MAX, time: Some(BATCH_TIME), bytes: BATCH_BYTES, shares: 1 },
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
        if !here.is_empty() {
            local.batch = here;
            self.options.interpreter.scoped(&mut || self.run_batch(local));
        }
        let handed = |taken: Taken| Out { retries: self.retries(taken.task), taken, again: false };
        let mut away: Vec<Out> = away.into_iter().map(handed).collect();
        while !away.is_empty() && local.failed.is_none() && !self.stop.load(Ordering::Relaxed) {
            away = self.run_away(away, local);
        }
        local.batch.extend(away.into_iter().map(|out| out.taken));
    }

    /// Gives the tasks that failed and are to be run again.
    fn run_away(&self, mut away: Vec<Out>, local: &mut Local) -> Vec<Out> {
        let Some(remote) = &self.options.remote else { return away };
        let since = Instant::now();
        if let Some(listener) = &self.options.listener {
            for out in &away {
                listener.task_started(&self.event(out.taken.task, local.worker, since));
            }
        }
        // Inputs stay here while tasks are under way, so that a task can be run again.
        let inputs: Vec<Vec<Value>> = away.iter_mut().map(|out| std::mem::take(&mut out.taken.inputs)).collect();
        let task_of = |(out, inputs): (&Out, _)| {
            let task = out.taken.task;
            RemoteTask { op: self.plan.op(task), index: self.plan.task(task).index, inputs }
        };
        let tasks: Vec<RemoteTask<'_>> = away.iter().zip(inputs.iter().map(Vec::as_slice)).map(task_of).collect();
        let mut out: Vec<Option<Out>> = away.into_iter().map(Some).collect();
        remote.run(local.worker, &tasks, &mut Control { run: self, local, out: &mut out, since });
        let mut again = Vec::new();
        for (out, inputs) in out.into_iter().zip(inputs) {
            let Some(mut out) = out else { continue };
            out.taken.inputs = inputs;
            if std::mem::take(&mut out.again) { again.push(out) } else { local.batch.push(out.taken) }
        }
        again
    }

    fn event(&self, task: u32, worker: u32, at: Instant) -> TaskEvent<'_> {
        TaskEvent { run: self.id, plan: &self.plan, task, worker, at }
    }
}

impl RemoteControl for Control<'_> {
    fn ended(&mut self, place: usize, result: Result<Value, TaskError>, took: Duration) {
        let Some(mut out) = self.out.get_mut(place).and_then(Option::take) else { return };
        let (run, task) = (self.run, out.taken.task);
        let begun = Instant::now().checked_sub(took).unwrap_or(self.since);
        let event = run.event(task, self.local.worker, begun);
        match result {
            Ok(value) => {
                let measure = Measure::of(&value);
                if let Some(listener) = &run.options.listener {
                    listener.task_finished(&event, took, measure.bytes(), &value);
                }
                match run.hand_over(task, &value) {
                    Ok(()) => self.local.note_done(out.taken, value, measure, took),
                    Err(error) => self.local.failed = Some(run.explain(task, error)),
                }
            }
            Err(error) => {
                if let Some(listener) = &run.options.listener {
                    listener.task_failed(&event, took, &error);
                }
                if out.retries > 0 && error.class != ErrorClass::Cancelled {
                    out.retries -= 1;
                    out.again = true;
                    self.out[place] = Some(out);
                } else if self.local.failed.is_none() {
                    self.local.failed = Some(run.explain(task, error));
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
