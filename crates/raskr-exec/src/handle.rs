//! Starting runs, waiting for them and stopping them.

use std::sync::Arc;
use std::time::Duration;

use raskr_graph::Plan;

use crate::options::RunOptions;
use crate::run::{Outcome, Run};

/// A run under way. Dropping it cancels the run and waits until its workers have left, so whoever drops it must not
/// hold the interpreter.
pub struct RunHandle {
    run: Arc<Run>,
    ended: bool,
}

/// What a run has needed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The most bytes that values took at once.
    pub peak_bytes: u64,
    /// Bytes of values that were written to disk.
    pub spilled_bytes: u64,
    /// Tasks that are done.
    pub tasks_done: usize,
}

/// Starts running a plan. With `threads: 0` everything has run when this returns.
pub fn start(plan: Plan, options: RunOptions) -> RunHandle {
    let threads = options.threads;
    let run = Arc::new(Run::new(plan, options, threads));
    if threads == 0 {
        run.run_here(&mut || false);
    } else {
        run.launch();
    }
    RunHandle { run, ended: false }
}

/// Runs a plan on the calling thread. `interrupted` is asked some fifty times a second, between tasks; once it says so
/// the run ends as cancelled.
pub fn run_on_caller(plan: Plan, options: RunOptions, interrupted: &mut dyn FnMut() -> bool) -> Outcome {
    let run = Arc::new(Run::new(plan, options, 1));
    run.run_here(interrupted);
    run.wait(None).unwrap_or(Err(crate::RunError::Cancelled))
}

impl RunHandle {
    /// Waits until the run has ended, at most for `timeout`. The outcome is given once; later calls give `None`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<Outcome> {
        if self.ended {
            return None;
        }
        let outcome = self.run.wait(timeout);
        self.ended = outcome.is_some();
        outcome
    }

    pub fn statistics(&self) -> Statistics {
        self.run.statistics()
    }

    /// Asks the run to stop: tasks under way are finished (long operations look for this), no others are begun.
    pub fn cancel(&self) {
        self.run.cancel();
    }

    /// Cancels without waiting for the tasks under way.
    pub fn abandon(mut self) {
        self.run.cancel();
        self.ended = true;
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        if !self.ended {
            self.run.cancel();
            self.run.wait(None);
        }
    }
}
