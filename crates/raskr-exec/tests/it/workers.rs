//! Threads, what they share, and who hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use proptest::prelude::*;
use raskr_base::{ErrorClass, OpKind, TaskError, Value};
use raskr_exec::{Listener, RunError, TaskEvent, start, threads};
use raskr_graph::Plan;

use crate::results::dags;
use crate::support::{Row, chunk, function, mixing, number, options, plan_of};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_cancelled_run_ends_either_way(dag in dags(60), threads in 1usize..4, wait in 0u32..40) {
        let mut handle = start(plan_of(dag.rows(1), &dag.outputs), options(threads));
        for _ in 0..wait {
            std::thread::yield_now();
        }
        handle.cancel();
        match handle.wait(None).expect("first wait") {
            Ok(values) => prop_assert_eq!(values.iter().map(number).collect::<Vec<_>>(), dag.expected()),
            Err(error) => prop_assert_eq!(error.class(), ErrorClass::Cancelled),
        }
    }

    #[test]
    fn one_failing_task_fails_every_run_that_needs_it(
        dag in dags(60), threads in 0usize..4, which in any::<prop::sample::Index>(),
    ) {
        let mut rows = dag.rows(1);
        let failing = which.index(rows.len());
        rows[failing].op = function(OpKind::Interpreted, |_, _| Err(TaskError::value("told to fail")));
        let plan = plan_of(rows, &dag.outputs);
        let needed = (0..plan.len() as u32).any(|id| plan.task(id).index as usize == failing);
        match start(plan, options(threads)).wait(None).expect("first wait") {
            Ok(_) => prop_assert!(!needed),
            Err(RunError::Task { key, .. }) => prop_assert_eq!(key, format!("table-{failing}")),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn runs_one_after_the_other_use_the_same_threads() {
    for _ in 0..200 {
        let rows = (0..100).map(|_| Row::new(&mixing(OpKind::Native, 1), &[])).collect();
        let outputs: Vec<u32> = (0..100).collect();
        assert!(start(plan_of(rows, &outputs), options(3)).wait(None).expect("first wait").is_ok());
    }
    assert!(threads::started_count() < 200, "{} threads were started", threads::started_count());
}

/// Tasks that were short, and then some that each wait until two of them are under way at once.
#[test]
fn tasks_that_prove_long_are_shared_with_idle_workers() {
    for kind in [OpKind::Native, OpKind::Interpreted] {
        let meeting = Arc::new((Mutex::new(0usize), Condvar::new()));
        let op = function(kind, move |context, _| {
            if context.index >= 500 {
                let (arrived, changed) = &*meeting;
                let mut arrived = arrived.lock();
                *arrived += 1;
                changed.notify_all();
                let late = changed.wait_while_for(&mut arrived, |arrived| *arrived < 2, Duration::from_secs(30));
                if late.timed_out() {
                    return Err(TaskError::value("nobody else came"));
                }
            }
            Ok(chunk(0))
        });
        let rows = (0..516).map(|_| Row::new(&op, &[])).collect();
        let outputs: Vec<u32> = (0..516).collect();
        // Interpreted tasks let others inside while they wait, as Python's functions do.
        let options = raskr_exec::RunOptions { threads: 2, ..raskr_exec::RunOptions::default() };
        let result = start(plan_of(rows, &outputs), options).wait(None).expect("first wait");
        assert!(result.is_ok(), "{:?}", result.err());
    }
}

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<(&'static str, u32, u64)>>,
    runs: AtomicUsize,
}

impl Listener for Heard {
    fn run_started(&self, _: u64, plan: &Plan) {
        self.events.lock().push(("run started", plan.len() as u32, 0));
    }
    fn task_started(&self, event: &TaskEvent<'_>) {
        assert!(event.at <= Instant::now() && event.worker < 2);
        self.events.lock().push(("started", event.task, 0));
    }
    fn task_finished(&self, event: &TaskEvent<'_>, _: Duration, bytes: u64, value: &Value) {
        assert_eq!(value.nbytes(), bytes);
        self.events.lock().push(("finished", event.task, bytes));
    }
    fn task_failed(&self, event: &TaskEvent<'_>, _: Duration, _: &TaskError) {
        self.events.lock().push(("failed", event.task, 0));
    }
    fn run_finished(&self, _: u64, _: &Plan, error: Option<&RunError>) {
        self.events.lock().push(("run finished", u32::from(error.is_some()), 0));
        self.runs.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn listeners_hear_of_every_task_once_and_in_order() {
    for threads in [0, 2] {
        let heard = Arc::new(Heard::default());
        let mut options = options(threads);
        options.listener = Some(heard.clone());
        let op = mixing(OpKind::Native, 3);
        let rows = vec![Row::new(&op, &[]), Row::new(&op, &[0]), Row::new(&op, &[0, 1])];
        assert!(start(plan_of(rows, &[2]), options.clone()).wait(None).expect("first wait").is_ok());
        let expected = [
            ("run started", 3, 0),
            ("started", 0, 0),
            ("finished", 0, 24),
            ("started", 1, 0),
            ("finished", 1, 24),
            ("started", 2, 0),
            ("finished", 2, 24),
            ("run finished", 0, 0),
        ];
        assert_eq!(*heard.events.lock(), expected);
        heard.events.lock().clear();
        let fails = function(OpKind::Native, |_, _| Err(TaskError::value("told to fail")));
        assert!(start(plan_of(vec![Row::new(&fails, &[])], &[0]), options).wait(None).expect("first wait").is_err());
        let expected = [("run started", 1, 0), ("started", 0, 0), ("failed", 0, 0), ("run finished", 1, 0)];
        assert_eq!(*heard.events.lock(), expected);
        assert_eq!(heard.runs.load(Ordering::Relaxed), 2);
    }
}
