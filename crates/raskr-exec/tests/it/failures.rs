//! Errors, panics, tries again and cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use raskr_base::{ErrorClass, OpKind, TaskError};
use raskr_exec::{RunError, run_on_caller, start};
use raskr_graph::Annotations;

use crate::support::{Row, chunk, function, mixing, number, options, plan_of};

#[test]
fn the_first_error_stops_the_run_and_says_where() {
    for threads in [0, 1, 3] {
        let after = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&after);
        let fails = function(OpKind::Native, |_, _| Err(TaskError::value("no such number")));
        let dependent = function(OpKind::Native, move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(chunk(1))
        });
        let rows = vec![Row::new(&fails, &[]), Row::new(&dependent, &[0])];
        let error = start(plan_of(rows, &[1]), options(threads)).wait(None).expect("first wait").expect_err("it fails");
        assert_eq!(error.class(), ErrorClass::Value);
        assert_eq!(
            error.to_string(),
            "no such number\n  in function (task 0)\n  built at script.py:7\n  task 'table-0'"
        );
        assert!(matches!(error, RunError::Task { key, .. } if key == "table-0"));
        assert_eq!(after.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_panic_is_an_internal_error_and_harms_no_later_run() {
    for threads in [0, 2] {
        let panics = function(OpKind::Interpreted, |_, _| panic!("chunk {} is odd", 3));
        let plan = plan_of(vec![Row::new(&panics, &[])], &[0]);
        let error = start(plan, options(threads)).wait(None).expect("first wait").expect_err("it panics");
        assert_eq!(error.class(), ErrorClass::Internal);
        assert!(error.to_string().starts_with("panic in function: chunk 3 is odd"), "{error}");
        let plan = plan_of(vec![Row::new(&mixing(OpKind::Interpreted, 1), &[])], &[0]);
        assert!(start(plan, options(threads)).wait(None).expect("first wait").is_ok());
    }
}

#[test]
fn tasks_are_tried_again_as_often_as_they_may_with_their_inputs() {
    for (retries, succeeds) in [(2, true), (1, false)] {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let flaky = function(OpKind::Native, move |_, inputs| {
            let input = inputs.pop().expect("the input is there at every try");
            if counted.fetch_add(1, Ordering::Relaxed) < 2 {
                return Err(TaskError::value("not yet"));
            }
            Ok(input)
        });
        let source = function(OpKind::Native, |_, _| Ok(chunk(5)));
        let annotations = Some(Arc::new(Annotations { retries, ..Annotations::default() }));
        let rows = vec![Row::new(&source, &[]), Row { annotations, ..Row::new(&flaky, &[0]) }];
        let result = start(plan_of(rows, &[1]), options(1)).wait(None).expect("first wait");
        assert_eq!(result.is_ok(), succeeds);
        assert_eq!(tries.load(Ordering::Relaxed), retries + 1);
        if let Ok(values) = result {
            assert_eq!(number(&values[0]), 5);
        }
    }
}

#[test]
fn cancelling_stops_between_tasks_and_is_told_to_long_ones() {
    let (started, has_started) = mpsc::channel();
    let started = parking_lot::Mutex::new(started);
    let long = function(OpKind::Native, move |context, _| {
        let _ = started.lock().send(());
        loop {
            context.check_cancelled()?;
            std::thread::yield_now();
        }
    });
    let rows = (0..50).map(|_| Row::new(&long, &[])).collect();
    let mut handle = start(plan_of(rows, &(0..50).collect::<Vec<u32>>()), options(2));
    has_started.recv().expect("a task starts");
    assert!(handle.wait(Some(Duration::ZERO)).is_none());
    handle.cancel();
    let error = handle.wait(None).expect("first outcome").expect_err("cancelled");
    assert_eq!(error.class(), ErrorClass::Cancelled);
    assert!(handle.wait(None).is_none(), "the outcome is given once");
}

#[test]
fn dropping_the_handle_waits_for_tasks_under_way() {
    let (started, has_started) = mpsc::channel();
    let started = parking_lot::Mutex::new(started);
    let finished = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&finished);
    let long = function(OpKind::Native, move |context, _| {
        let _ = started.lock().send(());
        while context.check_cancelled().is_ok() {
            std::thread::yield_now();
        }
        mark.store(true, Ordering::SeqCst);
        Ok(chunk(0))
    });
    let handle = start(plan_of(vec![Row::new(&long, &[])], &[0]), options(1));
    has_started.recv().expect("the task starts");
    drop(handle);
    assert!(finished.load(Ordering::SeqCst));
}

#[test]
fn an_interrupt_ends_a_run_on_the_caller() {
    // Enough tasks to take much longer than the time between two questions.
    let op = function(OpKind::Native, |_, _| Ok(chunk(0)));
    let rows = (0..1_000_000).map(|_| Row::new(&op, &[])).collect();
    let outputs: Vec<u32> = (0..1_000_000).collect();
    let error = run_on_caller(plan_of(rows, &outputs), options(0), &mut || true).expect_err("interrupted");
    assert_eq!(error.class(), ErrorClass::Cancelled);
}

#[test]
fn a_failing_output_handler_fails_the_run() {
    let mut options = options(2);
    options.on_output = Some(Arc::new(|_, _| Err(TaskError::new(ErrorClass::Os, "the target is read-only"))));
    let plan = plan_of(vec![Row::new(&mixing(OpKind::Native, 1), &[])], &[0]);
    let error = start(plan, options).wait(None).expect("first wait").expect_err("nothing can be written");
    assert_eq!(error.class(), ErrorClass::Os);
}
