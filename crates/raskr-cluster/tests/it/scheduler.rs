//! The scheduler's shell with real sockets: workers that join, are cut off, come back and go; clients' work; the end.

use std::time::Duration;

use raskr_cluster::{Address, Endpoint, Role};
use serde_json::json;

use crate::faults::{Fault, proxy};
use crate::players::{FakeClient, FakeWorker, address_of, keys, server, submission};
use crate::support::addresses;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_graph_is_run_by_workers_over_every_transport() {
    for address in addresses() {
        let (server, security) = server(&address, |_| ());
        let worker = FakeWorker::join(&server, &security, "one").await;
        let worker = tokio::spawn(worker.run());
        let mut client = FakeClient::join(&server, &security).await;
        assert_eq!(client.about["address"], address_of(&server).to_string());
        let mut tasks = keys("leaf", 50);
        tasks.push(("sum".into(), (0..50).collect()));
        client.say(submission(1, 0, &tasks)).await;
        client.finished(51).await;
        let holders = client.ask(json!({ "op": "who_has", "keys": ["sum", "nothing"] })).await;
        assert_eq!(holders, json!({ "sum": ["tcp://127.0.0.1:1/one"], "nothing": [] }));
        // Within a process the end waits for the other side, which is this task.
        let closing = tokio::task::spawn_blocking(move || {
            server.close("enough");
            server.wait(None)
        });
        while client.closing.is_none() {
            client.step().await;
        }
        assert_eq!(client.closing.as_deref(), Some("enough"));
        assert_eq!(closing.await.expect("closed").as_deref(), Some("enough"));
        assert_eq!(worker.await.expect("ended").ran, 51);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_cut_off_comes_back_as_the_same_and_nothing_is_lost_or_done_twice() {
    let (server, security) = server(&Address::loopback(), |options| options.resume_within = Duration::from_secs(20));
    let mut worker = FakeWorker::join(&server, &security, "one").await;
    let mut client = FakeClient::join(&server, &security).await;
    let at = worker.at;
    for round in 0..10u32 {
        client.say(submission(u64::from(round), u64::from(round) * 100, &keys(&format!("r{round}"), 100))).await;
        for _ in 0..round % 4 {
            worker.step().await.expect("open");
        }
        worker.reconnect().await;
    }
    let work = tokio::spawn(worker.run());
    client.finished(1000).await;
    server.close("done");
    let worker = work.await.expect("ended");
    assert_eq!((worker.at, worker.rejected, worker.ran), (at, 0, 1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_within_messages_lose_nothing_and_have_nothing_done_twice() {
    let (server, security) = server(&Address::loopback(), |options| options.resume_within = Duration::from_secs(20));
    let by = proxy(&address_of(&server), Fault::Cut(10_000), Fault::Cut(30_011)).await;
    let mut worker = FakeWorker::join_at(&by, &security, "one").await;
    let work = tokio::spawn(async move {
        let mut connections = 1;
        loop {
            while worker.step().await.is_some() {}
            if worker.closed {
                return (worker, connections);
            }
            worker.reconnect().await;
            connections += 1;
        }
    });
    let mut client = FakeClient::join(&server, &security).await;
    client.say(submission(1, 0, &keys("x", 3000))).await;
    client.finished(3000).await;
    assert_eq!(server.view(0, 0).expect("there").finished, 3000);
    server.close("done");
    let (worker, connections) = work.await.expect("ended");
    assert_eq!((worker.rejected, worker.ran), (0, 3000));
    assert!(connections > 3, "{connections}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_does_not_come_back_is_lost_and_its_work_goes_to_another() {
    let (server, security) = server(&Address::loopback(), |options| options.resume_within = Duration::from_millis(50));
    let mut first = FakeWorker::join(&server, &security, "one").await;
    first.never = "";
    let mut client = FakeClient::join(&server, &security).await;
    client.say(submission(1, 0, &keys("x", 10))).await;
    first.step().await.expect("open");
    first.cut();
    let second = tokio::spawn(FakeWorker::join(&server, &security, "two").await.run());
    client.finished(10).await;
    // It is told that it was lost, and joins as another incarnation.
    first.never = "never";
    let (_, before) = first.at.expect("welcomed");
    first.reconnect().await;
    while first.at.is_none_or(|(_, incarnation)| incarnation == before) {
        first.step().await.expect("open");
    }
    assert!(first.rejected > 0);
    let first = tokio::spawn(first.run());
    server.close("done");
    first.await.expect("ended");
    second.await.expect("ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_workers_with_one_name_the_second_waits_until_the_first_is_gone() {
    let (server, security) = server(&Address::loopback(), |options| options.resume_within = Duration::ZERO);
    let first = FakeWorker::join(&server, &security, "twin").await;
    let running = tokio::spawn(first.run());
    let address = address_of(&server);
    let second = tokio::spawn(async move { FakeWorker::join_as(&address, &security, "twin", 99).await });
    let mut lines = vec![];
    while !lines.iter().any(|text: &String| text.starts_with("another worker named 'twin'")) {
        lines = server.view(0, 10).expect("there").lines.into_iter().map(|line| line.text).collect();
        tokio::task::yield_now().await;
    }
    running.abort();
    assert!(running.await.is_err_and(|error| error.is_cancelled()));
    let second = second.await.expect("joined");
    assert_eq!((second.rejected, second.at.expect("welcomed").1.0), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tasks_come_in_batches_and_all_are_done() {
    let (server, security) = server(&Address::loopback(), |_| ());
    let workers: Vec<_> = {
        let mut workers = vec![];
        for name in ["one", "two", "three"] {
            workers.push(tokio::spawn(FakeWorker::join(&server, &security, name).await.run()));
        }
        workers
    };
    let mut client = FakeClient::join(&server, &security).await;
    for batch in 0..20u64 {
        client.say(submission(batch, batch * 5000, &keys(&format!("b{batch}"), 5000))).await;
    }
    client.finished(100_000).await;
    let view = server.view(0, 10).expect("there");
    assert_eq!((view.finished, view.failed, view.ran.len(), view.clients), (100_000, 0, 10, 1));
    assert_eq!(view.classes.len(), 1);
    drop(client);
    server.close("done");
    let mut ran = 0;
    for worker in workers {
        ran += worker.await.expect("ended").ran;
    }
    assert_eq!(ran, 100_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_port_and_a_clients_sudden_end_leave_the_scheduler_as_it_was() {
    use tokio::io::AsyncWriteExt;
    let (server, security) = server(&Address::loopback(), |_| ());
    let place = address_of(&server).place();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"", b"RASKR WIRE 1\r\n\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(&place).await.expect("connected");
        stream.write_all(garbage).await.expect("written");
    }
    // Members that say what nobody understands lose their connection, and nobody else does.
    for role in [Role::Client, Role::Worker] {
        let endpoint = Endpoint::new(role, security.clone());
        let connection = endpoint.connect(&address_of(&server)).await.expect("connected");
        let (sender, mut receiver) = connection.split::<[u8; 9], ()>();
        sender.send(&[0xff; 9], vec![]).await.expect("sent");
        assert!(!matches!(receiver.recv().await, Ok(Some(_))));
    }
    let worker = FakeWorker::join(&server, &security, "one").await;
    let work = tokio::spawn(worker.run());
    let gone = FakeClient::join(&server, &security).await;
    gone.say(submission(1, 0, &keys("gone", 10))).await;
    drop(gone);
    let mut client = FakeClient::join(&server, &security).await;
    client.say(submission(1, 0, &keys("kept", 10))).await;
    client.finished(10).await;
    while client.ask(json!({ "op": "task_states" })).await.as_object().is_some_and(|states| states.len() > 10) {
        tokio::task::yield_now().await;
    }
    server.close("done");
    work.await.expect("ended");
}
