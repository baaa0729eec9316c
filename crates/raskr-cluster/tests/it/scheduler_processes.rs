//! The scheduler's shell and workers that are processes of their own: one that is killed is missed at once, one that lives
//! and was cut off is waited for.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use raskr_cluster::{Address, SchedulerServer, Security, TOKEN_VARIABLE, Token};
use raskr_sched::ToClient;
use serde_json::json;

use crate::players::{FakeClient, FakeWorker, address_of, keys, server, submission};

const VARIABLE: &str = "RASKR_TEST_SCHEDULER";

struct Other(Child);

impl Other {
    /// A worker in another process; with `cuts` it cuts its own connection, takes its time, and comes back.
    fn start(server: &SchedulerServer, cuts: bool) -> Other {
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "scheduler_processes::the_other_process", "--nocapture"])
            .env(VARIABLE, format!("{} {cuts}", address_of(server)))
            .env(TOKEN_VARIABLE, server.token().reveal())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        Other(child)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_other_process() {
    let Ok(text) = std::env::var(VARIABLE) else {
        assert!(std::env::var_os(TOKEN_VARIABLE).is_none(), "tests run without a cluster's token");
        return;
    };
    let (address, cuts) = text.split_once(' ').expect("an address and more");
    let security = Security::new(Token::from_environment().expect("a token").expect("set"));
    let address: Address = address.parse().expect("an address");
    let mut worker = FakeWorker::join_at(&address, &security, "other").await;
    if cuts == "true" {
        worker.cut();
        // Longer than the scheduler waits for those of whom it cannot tell whether they live.
        tokio::time::sleep(Duration::from_millis(300)).await;
        worker.reconnect().await;
    }
    worker.run().await;
}

/// A cluster in which silence alone loses nobody while a test lasts.
fn patient() -> (SchedulerServer, Security) {
    server(&Address::loopback(), |options| {
        options.machine.lost_after = Duration::from_secs(1000);
        options.resume_within = Duration::from_millis(1);
    })
}

async fn joined(client: &mut FakeClient) {
    while client.ask(json!({ "op": "identity" })).await["n_workers"] == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_process_is_killed_is_missed_without_waiting_for_silence() {
    let (server, security) = patient();
    let mut client = FakeClient::join(&server, &security).await;
    let mut other = Other::start(&server, false);
    joined(&mut client).await;
    client.say(submission(1, 0, &[("never".into(), vec![])])).await;
    other.0.kill().expect("killed");
    while !client.heard.iter().any(|message| matches!(message, ToClient::WorkersLeft(_))) {
        client.step().await;
    }
    assert_eq!(client.ask(json!({ "op": "task_states" })).await, json!({ "never": "no-worker" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_process_lives_may_take_its_time_to_come_back() {
    let (server, security) = patient();
    let mut client = FakeClient::join(&server, &security).await;
    let _other = Other::start(&server, true);
    joined(&mut client).await;
    client.say(submission(1, 0, &keys("x", 100))).await;
    client.finished(100).await;
    assert!(!client.heard.iter().any(|message| matches!(message, ToClient::WorkersLeft(_))));
    let lines = server.view(0, 100).expect("there").lines;
    assert_eq!(lines.len(), 1, "{lines:?}");
}
