//! What becomes of tasks and values when workers fail.

use std::sync::Arc;
use std::time::Duration;

use raskr_base::ErrorClass;
use raskr_sched::{
    Action, Annotations, Epoch, Event, FailureKind, FromWorker, Held, Notice, Outcome, Reason, Registration, State,
    ToClient, ToWorker, WorkerStatus,
};

use super::{Trace, note, on};

#[test]
fn only_what_ran_on_a_lost_worker_is_blamed() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("ran", &[]), ("waited", &[])], &["ran", "waited"]);
    trace.start("ran");
    trace.lose(a);
    let lost = Notice::WorkerLost {
        worker: a,
        name: Arc::from("a"),
        how: raskr_sched::Gone::Died,
        running: 1,
        assigned: 1,
        values: 0,
    };
    assert!(trace.notices.contains(&lost), "{:?}", trace.notices);
    let attempts = |trace: &Trace, key| {
        trace.scheduler.why(key).into_iter().find_map(|reason| match reason {
            Reason::Attempts(attempts) => Some(attempts.len()),
            _ => None,
        })
    };
    assert_eq!((attempts(&trace, "ran"), attempts(&trace, "waited")), (Some(1), None));
    let b = trace.worker("b", 2);
    assert_eq!((trace.owner("ran"), trace.owner("waited")), (b, b));
}

#[test]
fn a_task_that_kills_its_process_fails_with_the_history_of_its_attempts() {
    let mut trace = Trace::new();
    trace.worker("a", 1);
    trace.submit(&[("bad", &[])], &["bad"]);
    for _ in 0..3 {
        trace.start("bad");
        trace.kill("bad", false);
        assert_eq!(trace.state("bad"), Some(State::Processing));
    }
    trace.kill("bad", false);
    let failure = trace.failure();
    assert_eq!((failure.class(), failure.attempts.len()), (Some(ErrorClass::Killed), 4));
    let text = "task 'bad' killed its process 4 times: SIGSEGV, SIGSEGV, SIGSEGV, SIGSEGV; peak 412 MiB of 400 MiB; inputs 0 KiB";
    assert_eq!(failure.to_string(), text);
}

#[test]
fn kills_from_outside_have_a_larger_budget_of_their_own() {
    let mut trace = Trace::new();
    trace.worker("a", 1);
    trace.submit(&[("unlucky", &[])], &["unlucky"]);
    for _ in 0..20 {
        trace.kill("unlucky", true);
    }
    trace.kill("unlucky", false);
    assert_eq!(trace.state("unlucky"), Some(State::Processing));
    trace.kill("unlucky", true);
    assert_eq!(trace.state("unlucky"), Some(State::Erred));
}

#[test]
fn workers_lost_under_a_task_end_it_at_last() {
    let mut trace = Trace::new();
    trace.submit(&[("heavy", &[])], &["heavy"]);
    for number in 0..21 {
        let worker = trace.worker(&format!("w{number}"), 1);
        trace.start("heavy");
        trace.lose(worker);
    }
    let failure = trace.failure();
    assert_eq!(failure.kind, FailureKind::WorkersLost);
    assert!(failure.attempts.iter().all(|attempt| attempt.outcome == Outcome::WorkerLost));
}

#[test]
fn a_task_is_tried_again_as_often_as_it_may_and_its_failure_is_that_of_what_needs_it() {
    let mut trace = Trace::new();
    trace.worker("a", 1);
    let retries = Annotations { retries: 1, ..note() };
    trace.submit_with(&[("x", &[], retries), ("y", &["x"], note())], &["y"]);
    trace.raise("x");
    assert_eq!((trace.state("x"), trace.told()), (Some(State::Processing), vec![]));
    trace.raise("x");
    let failure = trace.failure();
    assert_eq!((&*failure.key, failure.attempts.len(), failure.class()), ("x", 2, None));
    // Asked for again, all of it is tried again.
    let future = trace.future("y");
    trace.say(raskr_sched::FromClient::Retry(vec![future]));
    assert_eq!(trace.told(), [ToClient::Recomputing { future }]);
    assert_eq!((trace.state("x"), trace.state("y")), (Some(State::Processing), Some(State::Waiting)));
    trace.finish("x", 1);
    trace.finish("y", 1);
    assert_eq!(trace.told(), [ToClient::Finished { future, bytes: 1, value: None }]);
}

#[test]
fn a_task_that_asks_to_begin_again_does_so_elsewhere_and_as_often_as_it_asks() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    let retries = Annotations { retries: 1, ..note() };
    trace.submit_with(&[("x", &[], retries)], &["x"]);
    for _ in 0..30 {
        trace.start("x");
        trace.reschedule("x");
        assert_eq!((trace.state("x"), trace.owner("x")), (Some(State::Processing), a));
    }
    let b = trace.worker("b", 1);
    for owner in [b, a, b] {
        trace.start("x");
        trace.reschedule("x");
        assert_eq!((trace.state("x"), trace.owner("x"), trace.told()), (Some(State::Processing), owner, vec![]));
    }
    // What it asked for counts neither as a retry nor as an attempt that failed.
    trace.raise("x");
    assert_eq!(trace.state("x"), Some(State::Processing));
    trace.raise("x");
    assert_eq!(trace.failure().attempts.len(), 2);
}

#[test]
fn of_what_is_lost_only_what_is_needed_is_computed_again() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 4);
    trace.submit_with(
        &[("source", &[], on(&["a"])), ("left", &["source"], on(&["a"])), ("right", &["source"], on(&["b"]))],
        &["left", "right"],
    );
    trace.finish("source", 10);
    trace.finish("left", 10);
    let b = trace.worker("b", 4);
    trace.finish("right", 10);
    trace.told();
    trace.runs.clear();
    trace.lose(b);
    // The source was released in the meantime, and is needed for what was lost; the left side is not.
    assert_eq!(trace.owner("source"), a);
    assert_eq!((trace.runs.len(), trace.state("left")), (1, Some(State::Memory)));
    assert_eq!(trace.told(), [ToClient::Recomputing { future: trace.future("right") }, ToClient::WorkersLeft(vec![b])]);
}

#[test]
fn a_task_whose_input_is_lost_is_asked_back_but_for_one_that_runs() {
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 2));
    trace.submit_with(
        &[("x", &[], on(&["a"])), ("begun", &["x"], on(&["b"])), ("not-begun", &["x"], on(&["b"]))],
        &["begun", "not-begun"],
    );
    trace.finish("x", 10);
    trace.start("begun");
    trace.said_to(b);
    trace.lose(a);
    let said = trace.said_to(b);
    let asked: Vec<_> = said.iter().filter(|message| matches!(message, ToWorker::Retract { .. })).collect();
    assert_eq!(asked.len(), 1, "{said:?}");
    trace.give_back("not-begun", true);
    assert_eq!((trace.state("begun"), trace.state("not-begun")), (Some(State::Processing), Some(State::Waiting)));
    trace.finish("begun", 1);
    assert_eq!(trace.state("begun"), Some(State::Memory));
}

#[test]
fn a_silent_worker_is_suspected_after_five_seconds_and_lost_after_fifteen() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.wait(Duration::from_secs(4));
    assert_eq!(trace.scheduler.worker(a).unwrap().status, WorkerStatus::Running);
    trace.wait(Duration::from_secs(1));
    assert_eq!(trace.scheduler.worker(a).unwrap().status, WorkerStatus::Suspect);
    trace.submit(&[("x", &[])], &["x"]);
    assert_eq!(trace.state("x"), Some(State::Queued));
    trace.heartbeat(a, 0, 0);
    assert_eq!(trace.owner("x"), a);
    trace.wait(Duration::from_secs(15));
    assert_eq!(trace.scheduler.worker(a).unwrap().status, WorkerStatus::Gone);
    assert_eq!(trace.state("x"), Some(State::NoWorker));
}

/// A worker was lost with the value of x; x is under way on another.
fn lost_with_a_value() -> (Trace, raskr_sched::WorkerId, raskr_sched::WorkerId, Registration) {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("x", &[])], &["x"]);
    trace.finish("x", 10);
    let b = trace.worker("b", 1);
    trace.lose(a);
    assert_eq!(trace.owner("x"), b);
    let task = trace.scheduler.task("x").unwrap();
    let inventory = vec![Held { task, bytes: 10 }];
    let again = Registration { nonce: 2, epoch: Some(Epoch(1)), inventory, ..Trace::registration("a", 1) };
    (trace, a, b, again)
}

#[test]
fn a_worker_that_comes_back_brings_its_values_along() {
    let (mut trace, a, b, again) = lost_with_a_value();
    trace.said_to(b);
    trace.register(again);
    assert_eq!((trace.state("x"), trace.scheduler.holders("x")), (Some(State::Memory), vec![a]));
    assert!(trace.said_to(b).iter().any(|message| matches!(message, ToWorker::Cancel { .. })));
    // The result of the attempt that was given up counts for nothing.
    trace.finish("x", 99);
    assert_eq!(trace.scheduler.holders("x"), [a]);
}

#[test]
fn values_of_another_life_of_the_scheduler_are_dropped() {
    let (mut trace, _, b, again) = lost_with_a_value();
    trace.register(Registration { epoch: Some(Epoch(77)), ..again });
    assert_eq!((trace.state("x"), trace.owner("x")), (Some(State::Processing), b));
}

#[test]
fn what_a_lost_incarnation_says_is_refused() {
    let (mut trace, a, _, again) = lost_with_a_value();
    trace.register(again);
    let incarnation = raskr_sched::Incarnation(1);
    trace.on(Event::FromWorker { worker: a, incarnation, messages: vec![FromWorker::Paused(true)] });
    assert_eq!(trace.others.last(), Some(&Action::Reject { worker: a, incarnation }));
    assert_eq!(trace.scheduler.worker(a).unwrap().status, WorkerStatus::Running);
}

#[test]
fn a_repeated_registration_gets_the_same_answer() {
    // Found by the simulator (seed 169): the repeated answer did not say what to drop, and it was kept for ever.
    let (mut trace, _, _, mut again) = lost_with_a_value();
    again.inventory.push(Held { task: raskr_sched::TaskId { slot: 40, generation: 0 }, bytes: 1 });
    trace.register(again.clone());
    trace.register(again);
    let welcomes: Vec<_> = trace.others.iter().rev().take(2).collect();
    assert_eq!(welcomes[0], welcomes[1]);
    let Action::Welcome(welcome) = welcomes[0] else { panic!("{welcomes:?}") };
    assert_eq!(welcome.drop.len(), 1);
}

#[test]
fn a_task_without_a_worker_fails_with_its_input() {
    // Found by the simulator (seed 672): the table had no way from NoWorker to Erred, and the event never ended.
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    let future = raskr_sched::FutureId(70);
    let item = raskr_sched::ScatterItem {
        key: Arc::from("own"),
        future,
        bytes: 5,
        copies: 1,
        keeping: raskr_sched::Keeping::Given,
    };
    trace.say(raskr_sched::FromClient::Scatter(vec![item]));
    let task = trace.scheduler.task("own").unwrap();
    trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
    trace.submit_with(&[("user", &["own"], on(&["nobody"]))], &["user"]);
    assert_eq!(trace.state("user"), Some(State::NoWorker));
    trace.told();
    trace.lose(a);
    assert_eq!((trace.state("user"), trace.failure().kind.clone()), (Some(State::Erred), FailureKind::DataLost));
}

#[test]
fn a_worker_without_room_fails_the_task_with_both_limits() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    trace.submit(&[("x", &[])], &["x"]);
    let (_, run) = trace.runs["x"].clone();
    let (limit, disk_limit) = (400 << 20, 100 << 20);
    trace.hear(worker, FromWorker::OutOfMemory { task: run.task, attempt: run.attempt, limit, disk_limit });
    let failure = trace.failure();
    assert_eq!(failure.class(), Some(ErrorClass::Memory));
    let text = "no room for task 'x' on worker 'a': its memory limit of 400 MiB is reached, and the 100 MiB for spilled values are full";
    assert_eq!(failure.to_string(), text);
}
