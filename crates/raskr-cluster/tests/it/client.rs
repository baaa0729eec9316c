//! A client's shell with real sockets: what it is told when nobody answers, graphs in parts, futures, and a lost scheduler.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use raskr_cluster::{
    Address, Client, ClientOptions, CommError, Draft, FutureState, Host, Missing, Notice, SchedulerServer, Security,
    Token, Until,
};
use raskr_sched::{Blob, BodySpec, FutureId, Input, Key, State, TaskSpec};
use tokio::runtime::Runtime;

use crate::players::{FakeWorker, address_of, server};
use crate::support::SHORT;

fn options(address: &Address, token: &Token) -> ClientOptions {
    ClientOptions {
        address: Some(address.clone()),
        token: Some(token.clone()),
        name: "Client-0123456789abcdef".into(),
        about: "{}".into(),
        timeout: Some(Duration::from_millis(500)),
        ..ClientOptions::default()
    }
}

fn client(server: &SchedulerServer, security: &Security) -> Client {
    Client::connect(options(&address_of(server), security.token())).expect("connected")
}

/// A worker that runs whatever it is given, within a runtime of its own.
fn worker(server: &SchedulerServer, security: &Security) -> Runtime {
    let runtime = Runtime::new().expect("a runtime");
    let worker = runtime.block_on(FakeWorker::join(server, security, "one"));
    runtime.spawn(worker.run());
    runtime
}

fn task(key: String, inputs: Vec<Input>) -> TaskSpec {
    TaskSpec { key: key.into(), body: 0, index: 0, arguments: None, inputs, annotations: None }
}

/// Tasks of one body that are all wanted.
fn draft(tasks: Vec<TaskSpec>, wants: Vec<u32>) -> Draft {
    let body = BodySpec { token: 5, code: Blob::from(vec![1, 2, 3]), class: "add".into() };
    Draft { bodies: vec![body], tasks, wants, ..Draft::default() }
}

fn submit_one(client: &Client, key: &str) -> FutureId {
    client.submit(draft(vec![task(key.into(), vec![])], vec![0]))[0]
}

#[test]
fn who_does_not_answer_is_named_in_time() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mute_port = mute.local_addr().expect("an address").port();
    let token = Token::random().expect("random");
    let at = |port| Address::Tcp(Host::new("127.0.0.1", port));
    let begun = Instant::now();
    let refused = Client::connect(options(&at(free), &token)).err().expect("refused");
    assert!(matches!(refused, CommError::Refused { .. }), "{refused}");
    let silent = Client::connect(options(&at(mute_port), &token)).err().expect("nothing said");
    assert!(matches!(silent, CommError::Mute { .. }), "{silent}");
    let (server, _) = server(&Address::loopback(), |_| ());
    let stranger = Client::connect(options(&address_of(&server), &token)).err().expect("another token");
    assert!(matches!(stranger, CommError::WrongToken { .. }), "{stranger}");
    assert!(begun.elapsed() < SHORT);
}

#[test]
fn a_graph_that_goes_in_parts_is_one_graph() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let _worker = worker(&server, &security);
    let client = client(&server, &security);
    // Each takes the one before it and one that is 7,000 tasks back; only the last is wanted.
    let count = 12_000u32;
    let tasks = (0..count).map(|number| {
        let inputs =
            [number.checked_sub(1), number.checked_sub(7_000)].into_iter().flatten().map(Input::Here).collect();
        task(format!("t-{number}"), inputs)
    });
    let futures = client.submit(draft(tasks.collect(), vec![count - 1, count - 1]));
    assert_eq!(futures[0], futures[1]);
    assert!(client.waiting(vec![futures[0]], Until::All).wait(SHORT));
    assert_eq!(client.state(futures[0]), FutureState::Finished { bytes: 8 });
    client.release(&futures);
    assert!(matches!(client.state(futures[0]), FutureState::Cancelled(_)));
    // Nothing is left once nobody wants anything.
    let mut asked = client.ask(r#"{"op": "task_states"}"#.into(), vec![]);
    let (states, _) = asked.wait(SHORT).expect("in time").expect("an answer");
    assert_eq!(states, "{}");
}

#[test]
fn what_is_released_is_told_though_nothing_else_is_said() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let _worker = worker(&server, &security);
    let client = client(&server, &security);
    // The first release has the task look for others, which it comes to find by itself.
    for key in ["x", "y", "z"] {
        let future = submit_one(&client, key);
        assert!(client.waiting(vec![future], Until::All).wait(SHORT));
        client.release(&[future]);
        let begun = Instant::now();
        while server.view(0, 0).expect("there").counts[State::Memory as usize] > 0 {
            assert!(begun.elapsed() < SHORT, "{key} is still there");
            std::thread::yield_now();
        }
    }
}

#[test]
fn handles_to_a_key_share_a_future_until_it_is_given_up() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let client = client(&server, &security);
    let first = submit_one(&client, "x");
    assert_eq!(submit_one(&client, "x"), first);
    let key: Key = "x".into();
    assert_eq!(client.want(&[key]), [first]);
    let (listener, notices) = mpsc::channel();
    client.watch(&[first], &listener);
    client.cancel(&[first], false);
    assert!(matches!(notices.recv_timeout(SHORT), Ok(Notice::Done(future)) if future == first));
    assert!(matches!(client.state(first), FutureState::Cancelled(_)));
    let again = submit_one(&client, "x");
    assert!(again != first && client.state(again) == FutureState::Pending);
}

#[test]
fn the_same_key_for_another_task_is_told() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let client = client(&server, &security);
    let (listener, notices) = mpsc::channel();
    client.listen(listener);
    let _first = submit_one(&client, "x");
    let mut other = draft(vec![task("x".into(), vec![])], vec![0]);
    other.bodies[0] = BodySpec { token: 6, code: Blob::from(vec![9]), class: "multiply".into() };
    client.submit(other);
    assert!(matches!(notices.recv_timeout(SHORT), Ok(Notice::Conflict(key)) if &*key == "x"));
}

#[test]
fn whoever_waits_is_told_when_the_scheduler_ends() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let client = client(&server, &security);
    let future = submit_one(&client, "x");
    let (listener, notices) = mpsc::channel();
    client.listen(listener);
    let mut gathering = client.gather(vec![future, future], true);
    let mut asked = client.ask(r#"{"op": "event_wait", "name": "never", "timeout": null}"#.into(), vec![]);
    let mut waiting = client.waiting(vec![future], Until::All);
    assert!(!waiting.wait(Duration::from_millis(20)) && gathering.wait(Duration::from_millis(20)).is_none());
    server.close("enough");
    assert!(waiting.wait(SHORT));
    assert!(matches!(client.state(future), FutureState::Lost(reason) if reason.contains("enough")));
    let gathered = gathering.wait(SHORT).expect("in time");
    assert!(gathered.len() == 2 && gathered.iter().all(|one| matches!(one, Err(Missing::Lost(_)))));
    assert_eq!(asked.wait(SHORT).expect("in time").expect_err("a refusal").class, "OSError");
    assert!(matches!(notices.recv_timeout(SHORT), Ok(Notice::Ended(_))));
    // What is said afterwards ends at once too.
    let late = submit_one(&client, "y");
    assert!(matches!(client.state(late), FutureState::Lost(_)));
    assert!(client.ask("{}".into(), vec![]).wait(SHORT).expect("in time").is_err());
    client.close(Duration::from_secs(1));
    assert!(client.gather(vec![late], true).wait(SHORT).expect("in time")[0].is_err());
}

#[test]
fn a_task_that_takes_what_nobody_knows_is_refused() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let client = client(&server, &security);
    let unknown = Input::Known("gone".into());
    let future = client.submit(draft(vec![task("x".into(), vec![unknown])], vec![0]))[0];
    assert!(client.waiting(vec![future], Until::Any).wait(SHORT));
    assert!(matches!(client.state(future), FutureState::Cancelled(reason) if reason.contains("'gone'")));
}
