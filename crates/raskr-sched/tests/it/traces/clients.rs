//! What clients ask for, and are told.

use std::sync::Arc;

use raskr_sched::{
    Attempt, Blob, BodySpec, CancelReason, Event, FailureKind, FromClient, FromWorker, FutureId, Input, Keeping,
    Reason, Rejection, RequestId, ScatterItem, State, Submission, TaskId, TaskSpec, ToClient, ToWorker, WorkerId,
};

use super::{CLIENT, Trace};

fn scattered(trace: &mut Trace, copies: u16, keeping: Keeping) -> (FutureId, TaskId) {
    let future = FutureId(500);
    trace.say(FromClient::Scatter(vec![ScatterItem { key: Arc::from("own"), future, bytes: 5, copies, keeping }]));
    (future, trace.scheduler.task("own").unwrap())
}

#[test]
fn a_value_is_kept_as_long_as_one_future_of_it_is() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    trace.submit(&[("x", &[])], &["x"]);
    let (first, second) = (trace.future("x"), FutureId(100));
    trace.say(FromClient::Want { key: Arc::from("x"), future: second });
    trace.finish("x", 3);
    assert_eq!(trace.told().len(), 2);
    trace.say(FromClient::Release(vec![first]));
    assert_eq!(trace.state("x"), Some(State::Memory));
    trace.said_to(worker);
    trace.say(FromClient::Release(vec![second]));
    let said = trace.said_to(worker);
    // The value and, since no other task has it, the body.
    assert!(matches!(said[..], [ToWorker::Free { .. }, ToWorker::ForgetBody { .. }]), "{said:?}");
    assert_eq!((trace.state("x"), trace.scheduler.tasks()), (None, 0));
}

#[test]
fn a_small_value_comes_along_to_those_who_want_it_and_is_not_kept() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 2);
    trace.submit(&[("x", &[]), ("y", &["x"])], &["y"]);
    let along = |trace: &mut Trace, key: &str, value: Option<Blob>| {
        let (worker, run) = trace.runs[key].clone();
        let (task, attempt) = (run.task, run.attempt);
        trace.hear(worker, FromWorker::Finished { task, attempt, bytes: 3, micros: 1, value });
        run.wanted
    };
    let value = Some(Blob::from(vec![1, 2, 3]));
    assert!(!along(&mut trace, "x", None));
    assert!(along(&mut trace, "y", value.clone()));
    assert_eq!(trace.told(), [ToClient::Finished { future: trace.future("y"), bytes: 3, value: value.clone() }]);
    // Who comes later fetches it.
    trace.say(FromClient::Want { key: Arc::from("y"), future: FutureId(100) });
    assert_eq!(trace.told(), [ToClient::Finished { future: FutureId(100), bytes: 3, value: None }]);
    // What comes along with outdated word is nobody's.
    let mut late = Trace::new();
    late.worker("a", 1);
    late.submit(&[("x", &[])], &["x"]);
    let (owner, run) = late.runs["x"].clone();
    late.hear(owner, FromWorker::Finished { task: run.task, attempt: Attempt(99), bytes: 3, micros: 1, value });
    late.finish("x", 3);
    assert_eq!(late.told(), [ToClient::Finished { future: late.future("x"), bytes: 3, value: None }]);
    trace.said_to(worker);
}

#[test]
fn what_is_released_is_taken_from_its_worker() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    trace.submit(&[("x", &[]), ("y", &["x"])], &["y"]);
    trace.said_to(worker);
    trace.say(FromClient::Release(vec![trace.future("y")]));
    assert!(trace.said_to(worker).iter().any(|message| matches!(message, ToWorker::Cancel { .. })));
    assert_eq!(trace.scheduler.tasks(), 0);
}

#[test]
fn a_client_that_leaves_takes_its_futures_along_but_not_what_it_published() {
    let mut trace = Trace::new();
    trace.worker("a", 1);
    trace.submit(&[("kept", &[]), ("not", &[])], &["kept", "not"]);
    trace.say(FromClient::Publish { name: Arc::from("name"), futures: vec![trace.future("kept")] });
    trace.on(Event::ClientGone { client: CLIENT });
    assert_eq!((trace.state("kept"), trace.state("not")), (Some(State::Processing), None));
    trace.finish("kept", 1);
    assert_eq!(trace.scheduler.published("name"), Some(vec![Arc::from("kept")]));
    trace.on(Event::ClientJoined { client: CLIENT });
    trace.say(FromClient::Unpublish { name: Arc::from("name") });
    assert_eq!(trace.scheduler.tasks(), 0);
}

#[test]
fn cancelling_gives_up_what_was_to_be_made_of_it() {
    let mut trace = Trace::new();
    trace.worker("a", 1);
    trace.submit(&[("x", &[]), ("y", &["x"])], &["x", "y"]);
    let other = raskr_sched::ClientId(1);
    trace.on(Event::ClientJoined { client: other });
    let theirs = FutureId(9);
    trace.on(Event::FromClient {
        client: other,
        messages: vec![FromClient::Want { key: Arc::from("x"), future: theirs }],
    });
    trace.told();
    let futures = vec![trace.future("x")];
    trace.say(FromClient::Cancel { futures: futures.clone(), force: false });
    let told = trace.told();
    assert_eq!(told.len(), 2, "{told:?}");
    // Another client wants it still.
    assert_eq!((trace.state("x"), trace.state("y")), (Some(State::Processing), None));
    let messages = vec![FromClient::Cancel { futures: vec![theirs], force: true }];
    trace.on(Event::FromClient { client: other, messages });
    assert_eq!(trace.told(), [ToClient::Cancelled { future: theirs, reason: CancelReason::Asked }]);
    assert_eq!(trace.scheduler.tasks(), 0);
}

#[test]
fn unknown_keys_are_told_at_once() {
    let mut trace = Trace::new();
    let future = FutureId(1);
    trace.say(FromClient::Want { key: Arc::from("nothing"), future });
    assert_eq!(trace.told(), [ToClient::Cancelled { future, reason: CancelReason::UnknownKey }]);
    assert_eq!(trace.scheduler.why("nothing"), [Reason::UnknownKey]);
}

#[test]
fn the_same_key_with_another_body_is_told() {
    let mut trace = Trace::new();
    trace.submit(&[("x", &[])], &["x"]);
    let spec =
        |index| TaskSpec { key: Arc::from("x"), body: 0, index, arguments: None, inputs: vec![], annotations: None };
    let submission = |token, index, future| Submission {
        request: RequestId(3),
        bodies: vec![BodySpec { token, code: Blob::from(vec![2]), class: Arc::from("task") }],
        annotations: vec![],
        tasks: vec![spec(index)],
        wants: vec![(0, FutureId(future))],
    };
    trace.say(FromClient::Submit(submission(1, 0, 300)));
    assert_eq!(trace.told(), []);
    trace.say(FromClient::Submit(submission(2, 0, 301)));
    trace.say(FromClient::Submit(submission(1, 1, 302)));
    let conflict = || ToClient::KeyConflict { key: Arc::from("x") };
    assert_eq!(trace.told(), [conflict(), conflict()]);
}

#[test]
fn nothing_of_an_unsound_submission_is_taken() {
    let mut trace = Trace::new();
    let task = |key: &str, inputs: Vec<Input>| TaskSpec {
        key: Arc::from(key),
        body: 0,
        index: 0,
        arguments: None,
        inputs,
        annotations: None,
    };
    let body = BodySpec { token: 1, code: Blob::from(vec![]), class: Arc::from("c") };
    let key = || Arc::from("y");
    let known = |text: &str| Input::Known(Arc::from(text));
    let cases = [
        (task("y", vec![Input::Here(1)]), Rejection::InputNotBefore { key: key(), number: 1, input: 1 }),
        (task("y", vec![known("no")]), Rejection::UnknownInput { key: key(), input: Arc::from("no") }),
        (task("y", vec![Input::Here(0), Input::Here(0)]), Rejection::InputTwice { key: key(), input: Arc::from("x") }),
        (TaskSpec { body: 4, ..task("y", vec![]) }, Rejection::NoSuchPart { what: "body".into(), number: 4, len: 1 }),
        (
            TaskSpec { annotations: Some(0), ..task("y", vec![]) },
            Rejection::NoSuchPart { what: "annotations".into(), number: 0, len: 0 },
        ),
    ];
    for (second, reason) in cases {
        trace.say(FromClient::Submit(Submission {
            request: RequestId(8),
            bodies: vec![body.clone()],
            annotations: vec![],
            tasks: vec![task("x", vec![]), second],
            wants: vec![(0, FutureId(1))],
        }));
        assert_eq!(trace.told(), [ToClient::Rejected { request: RequestId(8), reason }]);
        assert_eq!(trace.scheduler.tasks(), 0);
    }
}

#[test]
fn a_clients_own_value_is_put_where_there_is_room() {
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 1));
    trace.told();
    let (future, task) = scattered(&mut trace, u16::MAX, Keeping::Given);
    assert_eq!(trace.told(), [ToClient::Put { future, task, workers: vec![a, b] }]);
    assert_eq!(trace.scheduler.why("own"), [Reason::ClientHasNotSent]);
    trace.hear(b, FromWorker::Acquired { task, bytes: 5 });
    assert_eq!(trace.told(), [ToClient::Finished { future, bytes: 5, value: None }]);
    trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
    assert_eq!(trace.scheduler.holders("own"), [b, a]);
}

#[test]
fn a_lost_value_of_a_clients_own_is_asked_for_again_or_fails() {
    for keeping in [Keeping::Kept, Keeping::Given] {
        let mut trace = Trace::new();
        let a = trace.worker("a", 1);
        let (future, task) = scattered(&mut trace, 1, keeping);
        trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
        trace.told();
        trace.lose(a);
        if keeping == Keeping::Kept {
            // Not before there is a worker to send it to.
            let left = ToClient::WorkersLeft(vec![a]);
            assert_eq!(trace.told(), [ToClient::Recomputing { future }, left]);
            let b = trace.worker("b", 1);
            assert!(trace.told().contains(&ToClient::Put { future, task, workers: vec![b] }));
        } else {
            assert_eq!(trace.failure().kind, FailureKind::DataLost);
        }
    }
}

#[test]
fn what_a_client_lends_is_with_workers_only_while_a_task_takes_it() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.told();
    let (future, task) = scattered(&mut trace, 1, Keeping::Lent);
    assert_eq!(trace.told(), []);
    for made in ["one", "other"] {
        trace.submit(&[(made, &["own"])], &[made]);
        assert_eq!(trace.told(), [ToClient::Put { future, task, workers: vec![a] }]);
        trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
        assert_eq!(trace.scheduler.holders("own"), [a]);
        trace.finish(made, 3);
        assert_eq!((trace.state("own"), trace.scheduler.holders("own")), (Some(State::Released), vec![]));
        trace.told();
    }
    // Somebody else wants it: that it is lent is not enough.
    let other = FutureId(700);
    trace.say(FromClient::Want { key: Arc::from("own"), future: other });
    assert_eq!(trace.told(), [ToClient::Put { future, task, workers: vec![a] }]);
    trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
    trace.say(FromClient::Release(vec![future]));
    assert_eq!(trace.state("own"), Some(State::Memory));
    trace.say(FromClient::Release(vec![other, trace.future("one"), trace.future("other")]));
    assert_eq!(trace.scheduler.tasks(), 0);
}

#[test]
fn what_is_lent_is_asked_for_again_when_it_is_lost_and_needed() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    let (future, task) = scattered(&mut trace, 1, Keeping::Lent);
    trace.submit(&[("made", &["own"])], &["made"]);
    trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
    trace.finish("made", 3);
    let b = trace.worker("b", 1);
    trace.told();
    trace.lose(a);
    assert!(trace.told().contains(&ToClient::Put { future, task, workers: vec![b] }));
    trace.hear(b, FromWorker::Acquired { task, bytes: 5 });
    assert_eq!(trace.state("made"), Some(State::Processing));
}

#[test]
fn values_are_asked_for_in_the_order_of_tasks_and_those_of_one_task_for_one_worker() {
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 1));
    let own = ["x0", "x1", "y0", "y1"];
    let items = own.iter().enumerate().map(|(number, key)| {
        let (key, future) = (Arc::from(*key), FutureId(500 + number as u64));
        ScatterItem { key, future, bytes: 5, copies: 1, keeping: Keeping::Lent }
    });
    trace.say(FromClient::Scatter(items.collect()));
    trace.told();
    trace.submit(&[("sum0", &["x0", "y0"]), ("sum1", &["x1", "y1"])], &["sum0", "sum1"]);
    let asked = trace.told().into_iter().map(|message| match message {
        ToClient::Put { future, workers, .. } => (future.0 - 500, workers),
        other => panic!("{other:?}"),
    });
    assert_eq!(asked.collect::<Vec<_>>(), [(0, vec![a]), (2, vec![a]), (1, vec![b]), (3, vec![b])]);
}

#[test]
fn a_value_that_what_was_made_of_it_outlived_is_asked_for_again() {
    for keeping in [Keeping::Given, Keeping::Kept] {
        let mut trace = Trace::new();
        let worker = trace.worker("a", 1);
        let (future, task) = scattered(&mut trace, 1, keeping);
        trace.hear(worker, FromWorker::Acquired { task, bytes: 5 });
        trace.submit(&[("made", &["own"])], &["made"]);
        trace.finish("made", 3);
        trace.say(FromClient::Release(vec![future]));
        assert_eq!(trace.state("own"), Some(State::Released));
        trace.told();
        let again = FutureId(501);
        let item = ScatterItem { key: Arc::from("own"), future: again, bytes: 5, copies: 1, keeping };
        trace.say(FromClient::Scatter(vec![item]));
        assert_eq!(trace.told(), [ToClient::Put { future: again, task, workers: vec![worker] }]);
        trace.hear(worker, FromWorker::Acquired { task, bytes: 5 });
        assert_eq!(trace.state("own"), Some(State::Memory));
    }
}

#[test]
fn what_a_client_says_of_a_worker_that_it_was_not_told_of_counts_for_nothing() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    let (future, task) = scattered(&mut trace, 1, Keeping::Given);
    trace.say(FromClient::NotPut { future, worker: WorkerId(7) });
    trace.say(FromClient::Absent { future, worker: WorkerId(7) });
    trace.hear(worker, FromWorker::Acquired { task, bytes: 5 });
    assert_eq!(trace.state("own"), Some(State::Memory));
}

#[test]
fn what_is_given_up_and_asked_for_in_one_breath_is_made_anew() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    let (own, task) = scattered(&mut trace, 1, Keeping::Given);
    trace.hear(worker, FromWorker::Acquired { task, bytes: 5 });
    trace.submit(&[("made", &["own"])], &["made"]);
    trace.finish("made", 3);
    trace.told();
    // The client's memory has changed, and what is made of it has the same key.
    trace.say_with_next(FromClient::Release(vec![trace.future("made"), own]));
    let again = FutureId(501);
    let item = ScatterItem { key: Arc::from("own"), future: again, bytes: 5, copies: 1, keeping: Keeping::Given };
    trace.say_with_next(FromClient::Scatter(vec![item]));
    trace.submit(&[("made", &["own"])], &["made"]);
    let asked = trace.told();
    let [ToClient::Put { future, task: new, workers }] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((*future, &workers[..], *new == task), (again, &[worker][..], false));
    trace.hear(worker, FromWorker::Acquired { task: *new, bytes: 5 });
    assert_eq!(trace.state("made"), Some(State::Processing));
}

#[test]
fn a_value_that_could_not_be_sent_is_asked_for_elsewhere() {
    // Found by the simulator (seed 17): the process that was named was gone when the value came, and nobody knew.
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    let (future, task) = scattered(&mut trace, 1, Keeping::Given);
    let b = trace.worker("b", 1);
    trace.submit(&[("busy", &[])], &["busy"]);
    trace.told();
    trace.say(FromClient::NotPut { future, worker: a });
    let told = trace.told();
    assert!(matches!(&told[..], [ToClient::Put { workers, .. }] if workers.len() == 1), "{told:?}");
    trace.hear(b, FromWorker::Acquired { task, bytes: 5 });
    assert_eq!(trace.state("own"), Some(State::Memory));
}

#[test]
fn a_value_is_asked_for_again_when_those_it_was_to_go_to_refused_or_were_lost() {
    // Found by the simulator (seed 14452): one had refused and the other was lost, each of which left one to hope for.
    let mut trace = Trace::new();
    let (a, b) = (trace.worker("a", 1), trace.worker("b", 1));
    let (future, task) = scattered(&mut trace, 2, Keeping::Kept);
    trace.lose(a);
    trace.told();
    trace.say(FromClient::NotPut { future, worker: b });
    assert_eq!(trace.told(), [ToClient::Put { future, task, workers: vec![b] }]);
}

#[test]
fn the_result_of_an_attempt_that_was_given_up_does_not_count() {
    let mut trace = Trace::new();
    let worker = trace.worker("a", 1);
    trace.submit(&[("x", &[]), ("y", &["x"])], &["x", "y"]);
    let (_, first) = trace.runs["x"].clone();
    trace.say(FromClient::Release(vec![trace.future("x"), trace.future("y")]));
    trace.submit(&[("x", &[])], &["x"]);
    trace.told();
    trace.hear(
        worker,
        FromWorker::Finished { task: first.task, attempt: first.attempt, bytes: 1, micros: 1, value: None },
    );
    assert_eq!((trace.state("x"), trace.told()), (Some(State::Processing), vec![]));
    // The same task, given up and taken up again.
    let (_, second) = trace.runs["x"].clone();
    trace.lose(worker);
    let worker = trace.register(raskr_sched::Registration { nonce: 2, ..Trace::registration("a", 1) });
    trace.hear(
        worker,
        FromWorker::Finished { task: second.task, attempt: second.attempt, bytes: 1, micros: 1, value: None },
    );
    assert_eq!(trace.state("x"), Some(State::Processing));
    trace.finish("x", 1);
    assert_eq!(trace.state("x"), Some(State::Memory));
}

#[test]
fn what_a_worker_is_said_not_to_have_it_drops_and_says_so() {
    // Found by the simulator (seed 622): word that a value may go met the value on its way, and both sides were wrong.
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    let (future, task) = scattered(&mut trace, 1, Keeping::Kept);
    trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
    trace.said_to(a);
    trace.say(FromClient::Absent { future, worker: a });
    assert_eq!(trace.said_to(a), [ToWorker::Free { task, answer: true }]);
    // The worker had it all the same, and the client sends it once more.
    trace.hear(a, FromWorker::Acquired { task, bytes: 5 });
    assert_eq!(trace.scheduler.holders("own"), [a]);
    trace.hear(a, FromWorker::Dropped { task });
    assert_eq!(trace.scheduler.holders("own"), []);
}

#[test]
fn copies_are_made_and_made_good() {
    let mut trace = Trace::new();
    let workers: Vec<WorkerId> = ["a", "b", "c"].iter().map(|name| trace.worker(name, 1)).collect();
    trace.submit(&[("x", &[])], &["x"]);
    trace.finish("x", 10);
    let future = trace.future("x");
    let first = trace.owner("x");
    trace.said.clear();
    trace.say(FromClient::Replicate { futures: vec![future], copies: 2 });
    let task = trace.scheduler.task("x").unwrap();
    let fetching = |trace: &mut Trace| {
        let said = std::mem::take(&mut trace.said);
        said.into_iter().filter(|(_, m)| matches!(m, ToWorker::Fetch(_))).map(|(to, _)| to).collect::<Vec<_>>()
    };
    let second = fetching(&mut trace);
    assert_eq!(second.len(), 1);
    trace.hear(second[0], FromWorker::Acquired { task, bytes: 10 });
    trace.lose(first);
    let third: Vec<WorkerId> = workers.into_iter().filter(|w| *w != first && *w != second[0]).collect();
    assert_eq!(fetching(&mut trace), third);
}

#[test]
fn values_are_located() {
    let mut trace = Trace::new();
    let a = trace.worker("a", 1);
    trace.submit(&[("x", &[]), ("y", &[])], &["x", "y"]);
    trace.finish("x", 10);
    trace.told();
    let futures = vec![trace.future("x"), trace.future("y")];
    trace.say(FromClient::Locate { request: RequestId(4), futures });
    let told = trace.told();
    let [ToClient::Located { request: RequestId(4), found }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(found.iter().map(|found| found.holders.clone()).collect::<Vec<_>>(), [vec![a], vec![]]);
}
