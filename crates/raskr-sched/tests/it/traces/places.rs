//! Which worker runs which task, when.

use std::sync::Arc;
use std::time::Duration;

use raskr_sched::{
    Adaptive, Annotations, Change, Event, FromClient, FromWorker, FutureId, Keeping, Reason, Registration, ScatterItem,
    State, ToClient, ToWorker, WorkerId,
};

use super::{Trace, gpu, note, on};

#[test]
fn a_task_is_given_to_a_worker_and_its_client_hears_of_the_value() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    trace.submit(&[("x", &[]), ("y", &["x"])], &["y"]);
    assert_eq!((trace.state("x"), trace.state("y")), (Some(State::Processing), Some(State::Waiting)));
    let bodies = trace.said_to(worker);
    assert!(matches!(bodies[..], [ToWorker::Body { .. }, ToWorker::Run(_)]), "{bodies:?}");
    trace.finish("x", 10);
    // The body is known by now, and x is where it is needed.
    let run = trace.said_to(worker);
    let [ToWorker::Run(run)] = &run[..] else { panic!("{run:?}") };
    assert_eq!((&*run.key, run.inputs[0].bytes, run.inputs[0].holders[0]), ("y", 10, worker));
    trace.finish("y", 4);
    let future = trace.future("y");
    assert_eq!(trace.told(), [raskr_sched::ToClient::Finished { future, bytes: 4, value: None }]);
    // Nobody needs x any more.
    assert!(matches!(trace.said_to(worker)[..], [ToWorker::Free { .. }]));
    assert_eq!(trace.state("x"), Some(State::Released));
}

/// Two workers, of which the first has a large value and the second a small one.
fn two_values() -> (Trace, WorkerId, WorkerId) {
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 1));
    trace.submit_with(&[("large", &[], on(&["a"])), ("small", &[], on(&["b"]))], &["large", "small"]);
    trace.finish("large", 50_000_000);
    trace.finish("small", 1_000);
    (trace, a, b)
}

#[test]
fn a_task_goes_to_the_larger_of_its_inputs() {
    let (mut trace, a, _) = two_values();
    trace.submit(&[("sum", &["large", "small"])], &["sum"]);
    assert_eq!(trace.owner("sum"), a);
}

#[test]
fn a_task_goes_elsewhere_when_its_inputs_are_moved_sooner_than_their_holder_is_free() {
    let (mut trace, a, b) = two_values();
    // 0.1 s each, as long as nothing is known of them; moving the large value takes 0.5 s.
    trace.submit_with(&[("1", &["large"], on(&["a"])), ("2", &["large"], on(&["a"]))], &["1", "2"]);
    trace.submit(&[("near", &["large"])], &["near"]);
    assert_eq!(trace.owner("near"), a);
    trace.submit(&[("far", &["small"])], &["far"]);
    assert_eq!(trace.owner("far"), b);
    trace.submit_with(&[("busy", &["small"], on(&["b"]))], &["busy"]);
    trace.submit_with(&[("busier", &["small"], on(&["b"]))], &["busier"]);
    trace.submit_with(&[("busiest", &["small"], on(&["b"]))], &["busiest"]);
    trace.submit(&[("moved", &["small"])], &["moved"]);
    assert_eq!(trace.owner("moved"), a);
}

#[test]
fn roots_are_withheld_until_a_thread_is_free_for_them() {
    let mut trace = Trace::new();
    trace.worker("a", 2);
    let keys: Vec<String> = (0..10).map(|number| format!("root-{number}")).collect();
    let tasks: Vec<(&str, &[&str])> = keys.iter().map(|key| (key.as_str(), &[] as &[&str])).collect();
    let wants: Vec<&str> = keys.iter().map(String::as_str).collect();
    trace.submit(&tasks, &wants);
    // Two threads, and one ahead since it is not known how long they take.
    assert_eq!((trace.scheduler.count(State::Processing), trace.scheduler.count(State::Queued)), (3, 7));
    assert_eq!(trace.scheduler.why("root-9"), [Reason::Behind { tasks: 6 }]);
    trace.finish("root-0", 1);
    // They take a millisecond: more are given ahead.
    assert_eq!(trace.scheduler.count(State::Queued), 0);
}

#[test]
fn a_root_is_withheld_while_its_expected_result_does_not_fit() {
    let mut trace = Trace::new();
    let worker = trace.register(Registration { memory_limit: 1000, ..Trace::registration("a", 4) });
    trace.submit(&[("first", &[])], &["first"]);
    trace.finish("first", 300);
    trace.submit(&[("second", &[]), ("third", &[]), ("user", &["first"])], &["second", "third", "user"]);
    // 300 bytes are there, and 300 more are expected of what has inputs, which is not held back: with a third 300 it
    // would be more than the 700 to which results are admitted.
    assert_eq!((trace.state("second"), trace.state("third")), (Some(State::Queued), Some(State::Queued)));
    assert_eq!(trace.owner("user"), worker);
    assert_eq!(trace.scheduler.why("second"), [Reason::Memory { expected_bytes: 300 }]);
    // With nothing to do the worker goes on with one of them.
    trace.finish("user", 300);
    assert_eq!((trace.state("second"), trace.state("third")), (Some(State::Processing), Some(State::Queued)));
    // A worker that spills anyway takes what it can.
    trace.heartbeat(worker, 200, 5000);
    trace.wait(Duration::from_millis(500));
    assert_eq!(trace.state("third"), Some(State::Processing));
}

#[test]
fn with_everything_full_one_task_goes_on() {
    let mut trace = Trace::new();
    let a = trace.register(Registration { memory_limit: 1000, ..Trace::registration("a", 4) });
    let b = trace.register(Registration { memory_limit: 1000, ..Trace::registration("b", 4) });
    for worker in [a, b] {
        trace.heartbeat(worker, 990, 0);
        trace.hear(worker, FromWorker::Paused(true));
    }
    trace.submit(&[("x", &[]), ("y", &[])], &["x", "y"]);
    assert_eq!((trace.state("x"), trace.state("y")), (Some(State::Processing), Some(State::Queued)));
    trace.finish("x", 1);
    assert_eq!(trace.state("y"), Some(State::Processing));
    trace.submit(&[("z", &[])], &["z"]);
    assert_eq!(trace.scheduler.why("z"), [Reason::WorkersNotTaking { paused: 2, silent: 0, leaving: 0 }]);
}

#[test]
fn priorities_are_the_users_then_by_submission_then_by_order() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    let priority = |priority| Annotations { priority, ..note() };
    trace.submit_with(&[("busy", &[], note()), ("busy-2", &[], note())], &["busy", "busy-2"]);
    trace.submit_with(&[("early", &[], note()), ("early-2", &[], note())], &["early", "early-2"]);
    trace.submit_with(
        &[("late", &[], note()), ("urgent", &[], priority(5)), ("idle", &[], priority(-5))],
        &["late", "urgent", "idle"],
    );
    trace.said_to(worker);
    trace.finish("busy", 1);
    let runs = trace.said_to(worker).into_iter().filter_map(|message| match message {
        ToWorker::Run(run) => Some(run.key.to_string()),
        _ => None,
    });
    assert_eq!(runs.collect::<Vec<_>>(), ["urgent", "early", "early-2", "late", "idle"]);
}

#[test]
fn an_idle_worker_gets_what_a_busy_one_has_not_begun() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("x", &[])], &["x"]);
    trace.finish("x", 10);
    let tasks: Vec<(&str, &[&str])> = ["1", "2", "3", "4"].map(|key| (key, &["x"] as &[&str])).to_vec();
    let slow: Vec<_> = tasks.iter().map(|(key, inputs)| (*key, *inputs, note())).collect();
    trace.submit_with(&slow, &["1", "2", "3", "4"]);
    trace.start("1");
    assert!(["1", "2", "3", "4"].iter().all(|key| trace.owner(key) == a));
    let b = trace.worker("b", 2);
    let asked: Vec<ToWorker> = trace.said_to(a).into_iter().filter(|m| matches!(m, ToWorker::Retract { .. })).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    trace.give_back("4", true);
    assert_eq!(trace.owner("4"), b);
    // What runs by now stays.
    trace.give_back("3", false);
    assert_eq!((trace.owner("3"), trace.state("3")), (a, Some(State::Processing)));
    trace.finish("3", 1);
    assert_eq!(trace.state("3"), Some(State::Memory));
}

#[test]
fn restricted_tasks_wait_for_their_workers_and_say_so() {
    let mut trace = Trace::new();
    trace.worker("a", 1);
    let loose = Annotations { allow_other_workers: true, ..on(&["b"]) };
    trace.submit_with(&[("strict", &[], on(&["b"])), ("loose", &[], loose)], &["strict", "loose"]);
    assert_eq!((trace.state("strict"), trace.state("loose")), (Some(State::NoWorker), Some(State::Processing)));
    assert_eq!(trace.scheduler.why("strict"), [Reason::NoWorkerNamed { workers: vec![Arc::from("b")] }]);
    let b = trace.worker("b", 1);
    assert_eq!(trace.owner("strict"), b);
    // By address and by host as well.
    trace.submit_with(&[("address", &[], on(&["tcp://b:1"]))], &["address"]);
    assert_eq!(trace.owner("address"), b);
}

#[test]
fn resources_are_given_once_and_missing_ones_are_named() {
    let mut trace = Trace::new();
    trace.worker("plain", 4);
    trace.submit_with(&[("1", &[], gpu(2)), ("2", &[], gpu(2)), ("3", &[], gpu(9))], &["1", "2", "3"]);
    let missing = Reason::NoWorkerWithResource { resource: Arc::from("GPU"), needed: 9, offered_max: 0 };
    assert_eq!(trace.scheduler.why("3"), [missing]);
    let resources = vec![(Arc::from("GPU"), 3)];
    let worker = trace.register(Registration { resources, ..Trace::registration("gpus", 4) });
    assert_eq!((trace.owner("1"), trace.state("2")), (worker, Some(State::Queued)));
    assert_eq!(trace.scheduler.why("2"), [Reason::ResourceTaken { resource: Arc::from("GPU"), needed: 2 }]);
    trace.finish("1", 1);
    assert_eq!(trace.owner("2"), worker);
    assert_eq!(trace.state("3"), Some(State::NoWorker));
}

#[test]
fn inputs_that_no_worker_can_hold_fail_their_task() {
    let mut trace = Trace::new();
    for name in ["a", "b"] {
        trace.register(Registration { memory_limit: 1000, ..Trace::registration(name, 1) });
    }
    trace.submit(&[("x", &[]), ("y", &[])], &["x", "y"]);
    trace.finish("x", 600);
    trace.finish("y", 600);
    trace.submit(&[("both", &["x", "y"])], &["both"]);
    let failure = trace.failure();
    assert_eq!(failure.class(), Some(raskr_base::ErrorClass::Memory));
    assert!(failure.to_string().contains("the inputs of task 'both'"), "{failure}");
}

#[test]
fn a_paused_worker_gives_back_what_it_has_not_begun() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("1", &[]), ("2", &[])], &["1", "2"]);
    trace.start("1");
    let b = trace.worker("b", 1);
    trace.give_back("2", false);
    trace.said_to(a);
    trace.hear(a, FromWorker::Paused(true));
    assert!(matches!(trace.said_to(a)[..], [ToWorker::Retract { .. }]));
    trace.give_back("2", true);
    assert_eq!(trace.owner("2"), b);
}

#[test]
fn a_leaving_worker_moves_its_only_copies_and_nothing_is_computed_again() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("x", &[])], &["x"]);
    trace.finish("x", 10);
    let b = trace.worker("b", 1);
    trace.on(Event::RetireAsked { workers: vec![a], deadline: None });
    let said = trace.said_to(b);
    let [ToWorker::Fetch(input)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(input.holders[..], [a]);
    let task = trace.scheduler.task("x").unwrap();
    trace.said_to(a);
    trace.hear(b, FromWorker::Acquired { task, bytes: 10 });
    let said = trace.said_to(a);
    assert!(matches!(said[..], [ToWorker::Free { .. }, ToWorker::Close]), "{said:?}");
    let incarnation = trace.incarnation(a);
    trace.on(Event::WorkerGone { worker: a, incarnation, how: raskr_sched::Gone::Closed });
    assert_eq!((trace.state("x"), trace.scheduler.holders("x")), (Some(State::Memory), vec![b]));
}

#[test]
fn copies_that_nobody_needs_make_way_when_memory_is_short() {
    let mut trace = Trace::new();
    let (a, b) =
        (trace.worker("a", 1), trace.register(Registration { memory_limit: 1000, ..Trace::registration("b", 1) }));
    trace.submit_with(&[("x", &[], on(&["a"]))], &["x"]);
    trace.finish("x", 500);
    let task = trace.scheduler.task("x").unwrap();
    trace.hear(b, FromWorker::Acquired { task, bytes: 500 });
    assert_eq!(trace.scheduler.holders("x"), [a, b]);
    trace.heartbeat(b, 900, 0);
    trace.wait(Duration::from_secs(1));
    assert_eq!(trace.scheduler.holders("x"), [a]);
}

#[test]
fn as_many_workers_are_asked_for_as_there_is_work_and_the_idlest_leave_after_a_while() {
    let mut trace = Trace::new();
    let mut adaptive = Adaptive::new(0, 10, Duration::from_millis(200), 2);
    assert_eq!(adaptive.decide(&trace.scheduler), Change::None);
    let keys: Vec<String> = (0..8).map(|number| format!("root-{number}")).collect();
    let tasks: Vec<(&str, &[&str])> = keys.iter().map(|key| (key.as_str(), &[] as &[&str])).collect();
    let wants: Vec<&str> = keys.iter().map(String::as_str).collect();
    trace.submit(&tasks, &wants);
    // Each is expected to take 0.1 s as long as nothing is known of it.
    assert_eq!(adaptive.decide(&trace.scheduler), Change::Up(4));
    let workers = ["a", "b", "c", "d"].map(|name| trace.worker(name, 1));
    assert_eq!(adaptive.decide(&trace.scheduler), Change::None);
    for key in &keys {
        trace.finish(key, 1000);
    }
    // Values keep one worker; which go is a matter of what they would have to move.
    assert_eq!(adaptive.decide(&trace.scheduler), Change::None);
    let Change::Down(leaving) = adaptive.decide(&trace.scheduler) else { panic!("three workers have nothing to do") };
    assert_eq!(leaving.len(), 3);
    let values = |worker: &WorkerId| trace.scheduler.worker(*worker).unwrap().values_bytes;
    let stays = workers.iter().find(|worker| !leaving.contains(worker)).unwrap();
    assert!(leaving.iter().all(|worker| values(worker) <= values(stays)));
}

#[test]
fn values_move_from_workers_that_hold_most_and_are_dropped_there_once_they_have_come() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 4);
    let keys = ["w", "x", "y", "z"];
    trace.submit(&keys.map(|key| (key, &[][..])), &keys);
    for key in keys {
        trace.finish(key, 1000);
    }
    let b = trace.worker("b", 4);
    trace.said_to(b);
    trace.on(Event::RebalanceAsked { tasks: None, workers: None });
    let fetched: Vec<_> = trace
        .said_to(b)
        .into_iter()
        .filter_map(|message| match message {
            ToWorker::Fetch(input) => Some(input.task),
            _ => None,
        })
        .collect();
    assert_eq!((fetched.len(), trace.scheduler.moving()), (2, 2));
    trace.said_to(a);
    for &task in &fetched {
        trace.hear(b, FromWorker::Acquired { task, bytes: 1000 });
    }
    let freed: Vec<_> = fetched.iter().map(|&task| ToWorker::Free { task, answer: false }).collect();
    assert_eq!((trace.said_to(a), trace.scheduler.moving()), (freed, 0));
    let bytes = |worker| trace.scheduler.worker(worker).map(|view| view.values_bytes);
    assert_eq!((bytes(a), bytes(b)), (Some(2000), Some(2000)));
    // What is even stays as it is.
    trace.on(Event::RebalanceAsked { tasks: None, workers: None });
    assert_eq!(trace.scheduler.moving(), 0);
}

#[test]
fn all_is_given_up_for_everybody() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("done", &[]), ("runs", &["done"]), ("waits", &["runs"])], &["done", "waits"]);
    trace.finish("done", 10);
    trace.say(FromClient::Publish { name: Arc::from("kept"), futures: vec![trace.future("done")] });
    trace.told();
    trace.said_to(a);
    trace.on(Event::Emptied);
    assert_eq!((trace.scheduler.tasks(), trace.scheduler.published_names().len()), (0, 0));
    assert_eq!(trace.told().len(), 2);
    let said = trace.said_to(a);
    assert!(said.iter().any(|message| matches!(message, ToWorker::Cancel { .. })), "{said:?}");
    assert!(said.iter().any(|message| matches!(message, ToWorker::Free { .. })), "{said:?}");
}

#[test]
fn values_that_come_together_are_dealt_to_workers_by_their_bytes() {
    let mut trace = Trace::new();
    let workers = [trace.worker("a", 1), trace.worker("b", 1)];
    let item = |number: u64, bytes| {
        let key = Arc::from(format!("own-{number}"));
        ScatterItem { key, future: FutureId(500 + number), bytes, copies: 1, keeping: Keeping::Kept }
    };
    let sizes = [100, 40, 40, 10, 60, 0, 0];
    trace.say(FromClient::Scatter((0..).zip(sizes).map(|(number, bytes)| item(number, bytes)).collect()));
    let mut sums = [0, 0];
    let mut counts = [0, 0];
    for message in trace.told() {
        let ToClient::Put { future, workers: chosen, .. } = message else { panic!("{message:?}") };
        let at = workers.iter().position(|worker| chosen == [*worker]).unwrap();
        sums[at] += sizes[(future.0 - 500) as usize];
        counts[at] += 1;
    }
    assert_eq!((sums, counts), ([100, 150], [3, 4]));
    // One that can't be sent frees the room that was kept for it.
    trace.say(FromClient::Release((500..507).map(FutureId).collect()));
    assert_eq!(trace.scheduler.tasks(), 0);
}

/// Sixteen roots, four to a task, and then what needs those.
fn families() -> (Vec<String>, Vec<Vec<String>>) {
    let roots: Vec<String> = (0..16).map(|number| format!("root-{number:02}")).collect();
    let families = roots.chunks(4).map(<[String]>::to_vec).collect();
    (roots, families)
}

/// Runs all roots, one after the other; where each ran, by families.
fn homes(trace: &mut Trace, bytes: u64) -> Vec<Vec<WorkerId>> {
    let (roots, families) = families();
    let sums: Vec<String> = (0..families.len()).map(|number| format!("sum-{number}")).collect();
    let inputs: Vec<Vec<&str>> = families.iter().map(|family| family.iter().map(String::as_str).collect()).collect();
    let mut tasks: Vec<(&str, &[&str])> = Vec::new();
    for (family, sum) in inputs.iter().zip(&sums) {
        tasks.extend(family.iter().map(|root| (*root, &[] as &[&str])));
        tasks.push((sum, family));
    }
    let wants: Vec<&str> = sums.iter().map(String::as_str).collect();
    trace.submit(&tasks, &wants);
    let mut places = vec![Vec::new(); families.len()];
    for _ in &roots {
        let runs = |root: &&String| trace.state(root) == Some(State::Processing);
        let next = roots.iter().find(runs).expect("a root that runs");
        let family = families.iter().position(|family| family.contains(next)).expect("a family");
        places[family].push(trace.owner(next));
        trace.wait(Duration::from_millis(30));
        trace.finish(next, bytes);
    }
    places
}

#[test]
fn what_is_needed_together_and_weighs_much_is_made_at_one_place() {
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 1));
    let homes = homes(&mut trace, 64 << 20);
    let whole = homes.iter().filter(|family| family.iter().all(|worker| *worker == family[0])).count();
    assert!(whole >= 3, "{homes:?}");
    let at = |worker| homes.iter().flatten().filter(|home| **home == worker).count();
    assert!(at(a) >= 4 && at(b) >= 4, "{homes:?}");
}

#[test]
fn nobody_idles_for_what_belongs_elsewhere() {
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 1));
    let roots: Vec<String> = (0..6).map(|number| format!("root-{number}")).collect();
    let family: Vec<&str> = roots.iter().map(String::as_str).collect();
    let mut tasks: Vec<(&str, &[&str])> = family.iter().map(|root| (*root, &[] as &[&str])).collect();
    tasks.push(("sum", &family));
    trace.submit(&tasks, &["sum"]);
    let owners: Vec<WorkerId> = roots
        .iter()
        .filter(|root| trace.state(root) == Some(State::Processing))
        .map(|root| trace.owner(root))
        .collect();
    assert!(owners.contains(&a) && owners.contains(&b), "{owners:?}");
}
