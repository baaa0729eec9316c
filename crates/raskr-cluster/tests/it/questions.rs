//! Questions to the scheduler: what it answers at once, what waits for others, for time, or for clients that go.

use std::time::Duration;

use bytes::Bytes;
use raskr_cluster::{Address, SchedulerServer};
use serde_json::{Value, json};

use crate::players::{FakeClient, FakeWorker, keys, server, submission};

async fn two_clients() -> (SchedulerServer, FakeClient, FakeClient) {
    let (server, security) = server(&Address::loopback(), |_| ());
    let one = FakeClient::join(&server, &security).await;
    let two = FakeClient::join(&server, &security).await;
    (server, one, two)
}

fn bytes(text: &'static str) -> Vec<Bytes> {
    vec![Bytes::from_static(text.as_bytes())]
}

/// The answer and the buffers of a question, as text.
async fn told(client: &mut FakeClient, question: Value) -> (Value, Vec<String>) {
    let request = client.post(question, vec![]).await;
    let (answer, buffers) = client.answer(request).await;
    (answer.expect("an answer"), buffers.iter().map(|buffer| String::from_utf8_lossy(buffer).into_owned()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unknown_or_ill_formed_is_refused_with_what_was_expected() {
    let (_server, mut client, _) = two_clients().await;
    for (question, class, words) in [
        (json!({ "op": "who_hass" }), "ValueError", "did you mean who_has?"),
        (json!([1]), "ValueError", "a JSON object"),
        (json!({ "op": "event_set" }), "ValueError", "event_set: name: expected a text, got nothing"),
        (json!({ "op": "queue_get", "name": "q", "timeout": "x" }), "ValueError", "seconds from 0 on"),
        (json!({ "op": "lock_acquire", "names": 1, "id": "a" }), "ValueError", "a list of texts, got 1"),
        (json!({ "op": "dataset", "name": "d" }), "KeyError", "'d' not found"),
        (json!({ "op": "metadata_get", "keys": ["a", "b"] }), "KeyError", "a/b"),
        (json!({ "op": "call_workers", "workers": ["w"], "question": {} }), "ValueError", "no worker 'w'"),
        (json!({ "op": "variable_get", "name": "v", "timeout": 0.01 }), "TimeoutError", "'v' was not set"),
        (json!({ "op": "why", "key": "k" }), "KeyError", "'k' is not known"),
        (json!({ "op": "semaphore_value", "name": "s" }), "RuntimeError", "'s' is not known"),
    ] {
        let refusal = client.refused(question.clone()).await;
        assert!(refusal.class == class && refusal.message.contains(words), "{question}: {refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_and_queues_pass_values_to_who_waits_for_them() {
    let (_server, mut one, mut two) = two_clients().await;
    let waiting = one.post(json!({ "op": "variable_get", "name": "v", "timeout": null }), vec![]).await;
    let set = two.post(json!({ "op": "variable_set", "name": "v", "key": "k" }), bytes("value")).await;
    two.answer(set).await.0.expect("set");
    let (answer, buffers) = one.answer(waiting).await;
    assert_eq!((answer.expect("told"), buffers), (json!({ "key": "k" }), bytes("value")));
    two.ask(json!({ "op": "variable_delete", "name": "v" })).await;
    assert_eq!(two.refused(json!({ "op": "variable_get", "name": "v", "timeout": 0 })).await.class, "TimeoutError");

    // Room for one: the second value waits until the first is taken.
    let put = json!({ "op": "queue_put", "name": "q", "maxsize": 1, "timeout": null });
    let first = one.post(put.clone(), bytes("a")).await;
    one.answer(first).await.0.expect("room");
    let second = one.post(put.clone(), bytes("b")).await;
    let full = json!({ "op": "queue_put", "name": "q", "maxsize": 1, "timeout": 0.01 });
    let third = one.post(full, bytes("c")).await;
    assert_eq!(one.answer(third).await.0.expect_err("full").class, "TimeoutError");
    assert!(!one.has_answer(second));
    let get = json!({ "op": "queue_get", "name": "q", "batch": null, "timeout": null });
    assert_eq!(told(&mut two, get.clone()).await.1, ["a"]);
    one.answer(second).await.0.expect("room by now");
    assert_eq!(told(&mut two, json!({ "op": "queue_get", "name": "q", "batch": true })).await.1, ["b"]);
    assert_eq!(two.ask(json!({ "op": "queue_size", "name": "q" })).await, 0);
    // Two at once for one who waits for two.
    let pair = one.post(json!({ "op": "queue_get", "name": "r", "batch": 2, "timeout": null }), vec![]).await;
    for value in ["x", "y"] {
        let put = two.post(json!({ "op": "queue_put", "name": "r" }), bytes(value)).await;
        two.answer(put).await.0.expect("room");
    }
    assert_eq!(one.answer(pair).await.1, [bytes("x"), bytes("y")].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_events_and_semaphores_go_on_to_others_when_a_client_is_gone() {
    let (_server, mut one, mut two) = two_clients().await;
    let lock = |id: &str, names: &[&str], timeout: Value| {
        let count = names.len();
        json!({ "op": "lock_acquire", "names": names, "count": count, "id": id, "timeout": timeout })
    };
    assert_eq!(one.ask(lock("1", &["a", "b"], Value::Null)).await, true);
    assert_eq!(two.ask(lock("2", &["b"], json!(0.01))).await, false);
    assert_eq!(two.ask(json!({ "op": "lock_value", "name": "b" })).await, true);
    assert_eq!(two.ask(json!({ "op": "lock_release", "names": ["b"], "id": "2" })).await, false, "not its own");
    let waits = two.post(lock("2", &["b", "c"], Value::Null), vec![]).await;
    one.ask(json!({ "op": "semaphore_create", "name": "s", "max_leases": 1 })).await;
    let lease = |lease: &str, timeout: Value| json!({ "op": "semaphore_acquire", "name": "s", "lease": lease, "timeout": timeout });
    assert_eq!(one.ask(lease("l1", Value::Null)).await, true);
    assert_eq!(two.ask(lease("l2", json!(0.01))).await, false);
    assert_eq!(one.ask(json!({ "op": "semaphore_refresh", "name": "s", "lease": "l1" })).await, true);
    let leased = two.post(lease("l2", Value::Null), vec![]).await;
    let flag = |op: &str| json!({ "op": op, "name": "e", "timeout": 0.01 });
    assert_eq!(two.ask(flag("event_wait")).await, false);
    let set = two.post(json!({ "op": "event_wait", "name": "e", "timeout": null }), vec![]).await;
    one.ask(flag("event_set")).await;
    assert_eq!(two.answer(set).await.0.expect("told"), true);
    assert_eq!(two.ask(flag("event_is_set")).await, true);
    two.ask(flag("event_clear")).await;
    assert_eq!(two.ask(flag("event_is_set")).await, false);
    assert!(!two.has_answer(waits) && !two.has_answer(leased));
    drop(one);
    assert_eq!(two.answer(waits).await.0.expect("told"), true);
    assert_eq!(two.answer(leased).await.0.expect("told"), true);
    assert_eq!(two.ask(json!({ "op": "semaphore_value", "name": "s" })).await, 1);
    assert_eq!(two.ask(json!({ "op": "semaphore_release", "name": "s", "lease": "l2" })).await, true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_datasets_and_events_are_kept_and_told_to_listeners() {
    let (_server, mut one, mut two) = two_clients().await;
    let set = one.post(json!({ "op": "metadata_set", "keys": ["m"] }), bytes("data")).await;
    one.answer(set).await.0.expect("set");
    assert_eq!(told(&mut two, json!({ "op": "metadata_get", "keys": ["m"] })).await.1, ["data"]);
    let publish = json!({ "op": "publish", "name": "d", "override": false });
    let first = one.post(publish.clone(), bytes("set")).await;
    one.answer(first).await.0.expect("published");
    let again = one.post(publish, bytes("set")).await;
    assert_eq!(one.answer(again).await.0.expect_err("known").class, "KeyError");
    assert_eq!(two.ask(json!({ "op": "datasets" })).await, json!(["d"]));
    assert_eq!(told(&mut two, json!({ "op": "dataset", "name": "d" })).await.1, ["set"]);
    two.ask(json!({ "op": "subscribe", "topic": "t" })).await;
    let log = one.post(json!({ "op": "log_event", "topics": ["t", "u"] }), bytes("event")).await;
    one.answer(log).await.0.expect("logged");
    while two.events.is_empty() {
        two.step().await;
    }
    assert_eq!(two.events, [("t".to_owned(), bytes("event")[0].clone())]);
    let (all, buffers) = told(&mut two, json!({ "op": "events", "topic": null })).await;
    assert_eq!((all["topics"].as_object().map(|topics| topics.len()), buffers.len()), (Some(2), 2));
    let (of_topic, buffers) = told(&mut two, json!({ "op": "events", "topic": "t" })).await;
    assert_eq!((of_topic["events"][0][1].clone(), buffers), (json!(0), vec!["event".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_told_who_is_there_what_runs_where_and_why_not() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let worker = FakeWorker::join(&server, &security, "one").await;
    let work = tokio::spawn(worker.run());
    let mut client = FakeClient::join(&server, &security).await;
    client.say(submission(1, 0, &[keys("x", 3), vec![("never".into(), vec![])]].concat())).await;
    client.finished(3).await;
    let place = "tcp://127.0.0.1:1/one";
    let identity = client.ask(json!({ "op": "identity" })).await;
    let described = &identity["workers"][place];
    assert_eq!((&identity["type"], &identity["n_workers"]), (&json!("Scheduler"), &json!(1)));
    assert_eq!((&described["nthreads"], &described["local_directory"]), (&json!(2), &json!("/somewhere")));
    let states = json!({ "x-0": "memory", "x-1": "memory", "x-2": "memory", "never": "processing" });
    assert_eq!(client.ask(json!({ "op": "task_states" })).await, states);
    assert_eq!(client.ask(json!({ "op": "processing" })).await, json!({ place: ["never"] }));
    assert_eq!(client.ask(json!({ "op": "nbytes", "summary": true })).await, json!({ "add": 24 }));
    assert_eq!(client.ask(json!({ "op": "ncores" })).await, json!({ place: 2 }));
    assert_eq!(client.ask(json!({ "op": "load" })).await["open"], 1);
    let why = client.ask(json!({ "op": "why", "key": "never" })).await;
    assert!(why["text"].as_str().is_some_and(|text| text.contains("worker 'one'")), "{why}");
    assert!(client.ask(json!({ "op": "story", "keys": ["x-0"] })).await.as_array().is_some_and(|told| told.len() > 2));
    let stream = client.ask(json!({ "op": "task_stream", "count": 2 })).await;
    assert_eq!((stream.as_array().map(Vec::len), &stream[1]["status"]), (Some(2), &json!("OK")));
    let lines = client.ask(json!({ "op": "logs", "count": 1 })).await;
    assert_eq!((&lines[0]["level"], &lines[0]["text"]), (&json!("info"), &json!("worker 'one' joined")));
    let dump = client.ask(json!({ "op": "state" })).await;
    assert_eq!((&dump["tasks"]["x-0"]["who_has"], &dump["scheduler"]["n_workers"]), (&json!([place]), &json!(1)));
    // Questions are passed on to workers, and said again to those that join later.
    let call =
        json!({ "op": "keep_call", "name": "plugin", "workers": null, "question": { "op": "hello" }, "timeout": 20 });
    let request = client.post(call, vec![]).await;
    let (answer, buffers) = client.answer(request).await;
    let reply = &answer.expect("told")["replies"][0];
    assert_eq!((&reply["worker"], &reply["error"], &reply["buffers"]), (&json!(place), &Value::Null, &json!(1)));
    assert_eq!((reply["answer"]["heard"].as_str(), buffers), (Some("{\"op\":\"hello\"}"), bytes("reply")));
    let mut late = FakeWorker::join(&server, &security, "two").await;
    while late.calls.is_empty() {
        late.step().await.expect("open");
    }
    assert_eq!(late.calls, ["{\"op\":\"hello\"}"]);
    // Values go to where there are none, and a worker that begins anew is waited for.
    let even = json!({ "op": "rebalance", "keys": null, "workers": null, "timeout": 20 });
    let late = tokio::spawn(late.run());
    assert_eq!(client.ask(even).await, json!({ "status": "OK" }));
    let again = json!({ "op": "restart_workers", "workers": ["one"], "timeout": 0.01 });
    let replies = client.ask(again).await;
    assert_eq!(replies["replies"][0]["error"]["class"], "TimeoutError");
    // One leaves, with its values going to the other; then all are told to close.
    let retired = client.ask(json!({ "op": "retire_workers", "workers": ["two"], "timeout": 20 })).await;
    assert_eq!(retired, json!(["tcp://127.0.0.1:1/two"]));
    client.ask(json!({ "op": "shutdown" })).await;
    while client.closing.is_none() {
        client.step().await;
    }
    work.await.expect("ended");
    late.abort();
    assert!(server.wait(Some(Duration::from_secs(20))).is_some());
}
