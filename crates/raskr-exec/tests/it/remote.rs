//! Interpreted tasks that are run elsewhere: how many go together, and what becomes of those that come back or fail.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use raskr_base::{ErrorClass, Op, OpKind, TaskContext, TaskError, Value};
use raskr_exec::{Remote, RemoteControl, RemoteTask, RunOptions, start};
use raskr_graph::Annotations;

use crate::support::{OneAtATime, Row, function, mixing, naive, number, options, plan_of};

/// What is to become of a task.
enum Fate {
    Runs,
    /// Nothing is told of it.
    ComesBack,
    Fails,
}

/// Runs tasks in this process, and keeps what it was given.
struct Elsewhere<F, A> {
    fate: F,
    accepts: A,
    batches: Mutex<Vec<usize>>,
    finished: AtomicU32,
}

impl<F, A> Elsewhere<F, A>
where
    F: Fn(&RemoteTask<'_>) -> Fate + Send + Sync,
    A: Fn(&dyn Op) -> bool + Send + Sync,
{
    fn new(fate: F, accepts: A) -> Arc<Elsewhere<F, A>> {
        Arc::new(Elsewhere { fate, accepts, batches: Mutex::default(), finished: AtomicU32::new(0) })
    }
}

impl<F, A> Remote for Elsewhere<F, A>
where
    F: Fn(&RemoteTask<'_>) -> Fate + Send + Sync,
    A: Fn(&dyn Op) -> bool + Send + Sync,
{
    fn accepts(&self, op: &dyn Op) -> bool {
        (self.accepts)(op)
    }

    fn run(&self, _worker: u32, tasks: &[RemoteTask<'_>], control: &mut dyn RemoteControl) {
        self.batches.lock().push(tasks.len());
        let cancelled = AtomicBool::new(false);
        for (place, task) in tasks.iter().enumerate() {
            if control.is_stopped() {
                return;
            }
            let result = match (self.fate)(task) {
                Fate::Runs => {
                    let context = TaskContext { index: task.index, cancelled: &cancelled, memory_limit: None };
                    task.op.run(&context, &mut task.inputs.to_vec())
                }
                Fate::ComesBack => continue,
                Fate::Fails => Err(TaskError::value("not yet")),
            };
            control.ended(place, result, Duration::from_micros(1));
        }
    }

    fn finish(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }
}

fn elsewhere(remote: &Arc<impl Remote + 'static>, tasks: Option<usize>) -> RunOptions {
    let remote = Arc::clone(remote) as Arc<dyn Remote>;
    RunOptions { remote: Some(remote), remote_tasks: tasks, ..options(2) }
}

#[test]
fn no_more_tasks_go_together_than_the_caller_says() {
    for (most, expected) in [(1, 1), (7, 7), (usize::MAX, 50)] {
        let remote = Elsewhere::new(|_| Fate::Runs, |_| true);
        let op = mixing(OpKind::Interpreted, 1);
        let rows = (0..100).map(|_| Row::new(&op, &[])).collect();
        let outputs: Vec<u32> = (0..100).collect();
        let values = start(plan_of(rows, &outputs), elsewhere(&remote, Some(most))).wait(None).expect("first wait");
        let numbers: Vec<u64> = values.expect("it runs").iter().map(number).collect();
        assert_eq!(numbers, naive(&vec![Vec::new(); 100]));
        let batches = remote.batches.lock();
        assert_eq!(batches.iter().copied().max(), Some(expected));
        assert_eq!(batches.iter().sum::<usize>(), 100);
        assert_eq!(remote.finished.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn tasks_that_failed_elsewhere_run_again_with_their_inputs() {
    for (retries, succeeds) in [(2, true), (1, false)] {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let fate = move |task: &RemoteTask<'_>| {
            if task.inputs.is_empty() {
                return Fate::Runs;
            }
            assert_eq!(task.inputs.iter().map(number).collect::<Vec<u64>>(), naive(&[Vec::new()]));
            if counted.fetch_add(1, Ordering::Relaxed) < 2 { Fate::Fails } else { Fate::Runs }
        };
        let remote = Elsewhere::new(fate, |_| true);
        let op = mixing(OpKind::Interpreted, 1);
        let annotations = Some(Arc::new(Annotations { retries, ..Annotations::default() }));
        let rows = vec![Row::new(&op, &[]), Row { annotations, ..Row::new(&op, &[0]) }];
        let result = start(plan_of(rows, &[1]), elsewhere(&remote, None)).wait(None).expect("first wait");
        assert_eq!(tries.load(Ordering::Relaxed), retries + 1);
        match result {
            Ok(values) => assert_eq!(number(&values[0]), naive(&[Vec::new(), vec![0]])[1]),
            Err(error) => assert_eq!(error.class(), ErrorClass::Value),
        }
        assert_eq!(tries.load(Ordering::Relaxed) == 3, succeeds);
    }
}

#[test]
fn what_is_not_accepted_runs_here_inside_the_interpreter() {
    let interpreter = OneAtATime::default();
    let inside = Arc::clone(&interpreter.inside);
    let here = function(OpKind::Interpreted, move |context, inputs| {
        assert!(inside.load(Ordering::SeqCst));
        mixing(OpKind::Interpreted, 1).run(context, inputs)
    });
    let there = mixing(OpKind::Interpreted, 1);
    let address = Arc::as_ptr(&there).cast::<()>() as usize;
    let remote = Elsewhere::new(|_| Fate::Runs, move |op| std::ptr::from_ref(op).cast::<()>() as usize == address);
    let shapes: Vec<Vec<u32>> = (0..60u32).map(|i| if i < 10 { Vec::new() } else { vec![i - 10, i - 7] }).collect();
    let rows = shapes.iter().zip(0..).map(|(inputs, i)| Row::new(if i % 3 == 0 { &here } else { &there }, inputs));
    let outputs: Vec<u32> = (0..60).collect();
    let options = RunOptions { interpreter: Arc::new(interpreter), ..elsewhere(&remote, None) };
    let values = start(plan_of(rows.collect(), &outputs), options).wait(None).expect("first wait").expect("it runs");
    assert_eq!(values.iter().map(number).collect::<Vec<u64>>(), naive(&shapes));
    assert_eq!(remote.batches.lock().iter().sum::<usize>(), 40);
}

/// Inputs of each task, all with smaller numbers.
fn shapes() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..60).prop_map(|rows| {
        let inputs = |(row, places): (usize, Vec<prop::sample::Index>)| -> Vec<u32> {
            if row == 0 { Vec::new() } else { places.iter().map(|place| place.index(row) as u32).collect() }
        };
        rows.into_iter().enumerate().map(inputs).collect()
    })
}

proptest! {
    #[test]
    fn results_are_the_same_whatever_comes_back_first(
        shapes in shapes(),
        native in prop::collection::hash_set(0..60u32, 0..20),
        comes_back in prop::collection::hash_set(0..60u32, 0..30),
        most in prop::option::of(1..9usize),
    ) {
        let seen: Mutex<HashSet<u32>> = Mutex::default();
        let fate = move |task: &RemoteTask<'_>| {
            let first = seen.lock().insert(task.index);
            if first && comes_back.contains(&task.index) { Fate::ComesBack } else { Fate::Runs }
        };
        let remote = Elsewhere::new(fate, |_| true);
        let kinds = [OpKind::Interpreted, OpKind::Native].map(|kind| mixing(kind, 3));
        let rows = shapes.iter().zip(0..).map(|(inputs, i)| Row::new(&kinds[usize::from(native.contains(&i))], inputs));
        let outputs: Vec<u32> = (0..shapes.len() as u32).collect();
        let run = start(plan_of(rows.collect(), &outputs), elsewhere(&remote, most)).wait(None);
        let values: Vec<Value> = run.expect("first wait").expect("it runs");
        prop_assert_eq!(values.iter().map(number).collect::<Vec<u64>>(), naive(&shapes));
    }
}
