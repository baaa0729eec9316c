//! Running the tasks that were taken. All without the lock of the run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raskr_base::{ErrorClass, TaskContext, TaskError, Value};

use super::{BATCH_OVERDUE, Done, Local, Run, Taken};
use crate::error::RunError;
use crate::options::TaskEvent;
use crate::store::Measure;

impl Local {
    /// Notes that a task ran, to be booked. Its emptied inputs serve the next one.
    pub(super) fn note_done(&mut self, taken: Taken, value: Value, measure: Measure, took: Duration) {
        let Taken { task, mut inputs, accounts, reserved } = taken;
        inputs.clear();
        self.spare.push(inputs);
        self.done.push(Done { task, value, measure, took, accounts, reserved });
    }
}

impl Run {
    /// Runs the batch without the lock; what it leaves in the batch is handed back.
    pub(super) fn run_batch(&self, local: &mut Local) {
        let begun = Instant::now();
        let mut before = begun;
        let desk = &self.desks[local.worker as usize];
        let alone = local.batch.len() == 1;
        // Taken from the end, so turned round first: the most urgent task was taken first.
        local.batch.reverse();
        let mut next = local.batch.pop();
        if !alone {
            desk.lock().append(&mut local.batch);
        }
        while let Some(mut taken) = next {
            let result = self.run_task(&mut taken, local.worker, before);
            let after = Instant::now();
            let took = after - before;
            before = after;
            match result {
                Ok((value, measure)) => local.note_done(taken, value, measure, took),
                Err(error) => local.failed = Some(error),
            }
            if alone {
                break;
            }
            let mut desk = desk.lock();
            if local.failed.is_some() || after - begun > BATCH_OVERDUE || self.stop.load(Ordering::Relaxed) {
                local.batch.append(&mut desk);
                break;
            }
            next = desk.pop();
        }
    }

    pub(super) fn run_task(&self, taken: &mut Taken, worker: u32, at: Instant) -> Result<(Value, Measure), RunError> {
        let task = taken.task;
        let index = self.plan.task(task).index;
        let mut retries = self.retries(task);
        let event = TaskEvent { run: self.id, plan: &self.plan, task, worker, at };
        loop {
            // An operation may consume its inputs, so a copy is kept while another try is possible.
            let kept = (retries > 0).then(|| taken.inputs.clone());
            if let Some(listener) = &self.options.listener {
                listener.task_started(&event);
            }
            let result = self.call(task, index, &mut taken.inputs);
            match result {
                Ok(value) => {
                    taken.inputs.clear();
                    let measure = Measure::of(&value);
                    if let Some(listener) = &self.options.listener {
                        listener.task_finished(&event, at.elapsed(), measure.bytes(), &value);
                    }
                    self.hand_over(task, &value).map_err(|error| self.explain(task, error))?;
                    return Ok((value, measure));
                }
                Err(error) => {
                    if let Some(listener) = &self.options.listener {
                        listener.task_failed(&event, at.elapsed(), &error);
                    }
                    if let Some(kept) = kept
                        && error.class != ErrorClass::Cancelled
                        && !self.stop.load(Ordering::Relaxed)
                    {
                        taken.inputs = kept;
                        retries -= 1;
                        continue;
                    }
                    return Err(self.explain(task, error));
                }
            }
        }
    }

    /// How often a task that failed is run again.
    pub(super) fn retries(&self, task: u32) -> u32 {
        self.plan.annotations(task).map_or(0, |annotations| annotations.retries)
    }

    fn call(&self, task: u32, index: u32, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let context = TaskContext { index, cancelled: &self.stop, memory_limit: self.options.memory_limit };
        let op = self.plan.op(task);
        match catch_unwind(AssertUnwindSafe(|| op.run(&context, inputs))) {
            Ok(result) => result,
            Err(panic) => {
                let message = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_string())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "unknown panic".to_string());
                Err(TaskError::internal(format!("panic in {}: {message}", op.name())))
            }
        }
    }

    /// Gives an output to the handler, when there is one.
    pub(super) fn hand_over(&self, task: u32, value: &Value) -> Result<(), TaskError> {
        let Some(handler) = &self.options.on_output else { return Ok(()) };
        let first = self.outputs.partition_point(|&(other, _)| other < task);
        for &(_, place) in self.outputs[first..].iter().take_while(|&&(other, _)| other == task) {
            handler(place as usize, value.clone())?;
        }
        Ok(())
    }

    /// Says which task failed and where it comes from.
    pub(super) fn explain(&self, task: u32, error: TaskError) -> RunError {
        let op = self.plan.op(task);
        let key = self.plan.key(task);
        let mut error = error.with_note(format!("in {}", op.describe(self.plan.task(task).index)));
        if let Some(origin) = op.origin() {
            error = error.with_note(format!("built at {origin}"));
        }
        error = error.with_note(format!("task '{key}'"));
        RunError::Task { key, error }
    }
}
