//! Every kind of message survives the wire's encoding.

use std::fmt::Debug;
use std::sync::Arc;

use raskr_sched::{
    Annotations, Attempt, Attempted, Blob, BodyId, BodySpec, CancelReason, Death, Epoch, Failure, FailureKind, Found,
    FromClient, FromWorker, FutureId, Held, Incarnation, Input, InputAt, Instant, Keeping, Key, MemoryReport, Outcome,
    Packet, Peer, Priority, Raised, Registration, Rejection, RequestId, RunTask, ScatterItem, Submission, TaskId,
    TaskSpec, ToClient, ToWorker, Welcome, WorkerId,
};
use serde::{Serialize, de::DeserializeOwned};

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(messages: Vec<T>) {
    let packet = Packet { link: 3, number: 4, heard: 5, messages };
    let bytes = postcard::to_stdvec(&packet).unwrap();
    assert_eq!(postcard::from_bytes::<Packet<T>>(&bytes).unwrap(), packet);
}

const TASK: TaskId = TaskId { slot: 70_000, generation: 3 };
const FUTURE: FutureId = FutureId(9);
const WORKER: WorkerId = WorkerId(2);

fn text(text: &str) -> Arc<str> {
    Arc::from(text)
}

fn peer() -> Peer {
    Peer { worker: WORKER, incarnation: Incarnation(2), name: text("w"), address: text("tcp://a:1"), host: text("a") }
}

fn death() -> Death {
    Death { how: "SIGSEGV".into(), external: false, memory_peak: 1, memory_limit: 2, log: vec!["line".into()] }
}

fn input() -> InputAt {
    InputAt { task: TASK, bytes: 1 << 40, holders: [WORKER, WorkerId(3)].into_iter().collect() }
}

#[test]
fn of_clients() {
    let submission = Submission {
        request: RequestId(1),
        bodies: vec![BodySpec { token: u128::MAX - 1, code: Blob::from(vec![0, 255, 7]), class: text("sum") }],
        annotations: vec![Annotations {
            priority: -3,
            retries: 2,
            workers: vec![text("w-1")],
            allow_other_workers: true,
            resources: vec![(text("GPU"), 500_000)],
        }],
        tasks: vec![TaskSpec {
            key: Key::from("x"),
            body: 0,
            index: 7,
            arguments: Some(Blob::from(vec![1; 300])),
            inputs: vec![Input::Here(0), Input::Known(text("y"))],
            annotations: Some(0),
        }],
        wants: vec![(0, FUTURE)],
    };
    survives(vec![
        FromClient::Submit(submission),
        FromClient::Want { key: text("x"), future: FUTURE },
        FromClient::Release(vec![FUTURE]),
        FromClient::Cancel { futures: vec![FUTURE], force: true },
        FromClient::Retry(vec![FUTURE]),
        FromClient::Scatter(vec![ScatterItem {
            key: text("s"),
            future: FUTURE,
            bytes: 5,
            copies: u16::MAX,
            keeping: Keeping::Lent,
        }]),
        FromClient::Locate { request: RequestId(2), futures: vec![FUTURE] },
        FromClient::Absent { future: FUTURE, worker: WORKER },
        FromClient::NotPut { future: FUTURE, worker: WORKER },
        FromClient::Replicate { futures: vec![FUTURE], copies: 2 },
        FromClient::Publish { name: text("n"), futures: vec![FUTURE] },
        FromClient::Unpublish { name: text("n") },
    ]);
}

#[test]
fn to_clients() {
    let raised = Raised { message: "no".into(), encoded: Blob::from(vec![1, 2]), again: false };
    let attempts = vec![
        Attempted {
            attempt: Attempt(1),
            worker: text("w"),
            ended: Instant::from_micros(5),
            outcome: Outcome::WorkerLost,
        },
        Attempted {
            attempt: Attempt(2),
            worker: text("w"),
            ended: Instant::from_micros(6),
            outcome: Outcome::Killed("9".into()),
        },
        Attempted {
            attempt: Attempt(3),
            worker: text("w"),
            ended: Instant::from_micros(7),
            outcome: Outcome::Raised("no".into()),
        },
    ];
    let kinds = [
        FailureKind::Raised(raised),
        FailureKind::Killed { death: death(), inputs_bytes: 1 },
        FailureKind::WorkersLost,
        FailureKind::DataLost,
        FailureKind::TooLarge { inputs_bytes: 1, limit: 2 },
        FailureKind::OutOfMemory { worker: text("w"), limit: 1, disk_limit: 2 },
    ];
    let failures = kinds.map(|kind| Arc::new(Failure { key: text("x"), kind, attempts: attempts.clone() }));
    let mut messages: Vec<ToClient> =
        failures.into_iter().map(|failure| ToClient::Failed { future: FUTURE, failure }).collect();
    messages.extend([
        ToClient::Finished { future: FUTURE, bytes: 8, value: Some(Blob::from(vec![8])) },
        ToClient::Recomputing { future: FUTURE },
        ToClient::Cancelled { future: FUTURE, reason: CancelReason::Asked },
        ToClient::Put { future: FUTURE, task: TASK, workers: vec![WORKER] },
        ToClient::Located {
            request: RequestId(1),
            found: vec![Found { future: FUTURE, task: TASK, bytes: 1, holders: vec![WORKER] }],
        },
        ToClient::KeyConflict { key: text("x") },
        ToClient::Rejected {
            request: RequestId(1),
            reason: Rejection::UnknownInput { key: text("x"), input: text("y") },
        },
        ToClient::Workers(vec![peer()]),
        ToClient::WorkersLeft(vec![WORKER]),
    ]);
    survives(messages);
}

#[test]
fn of_workers() {
    let attempt = Attempt(4);
    survives(vec![
        FromWorker::Heartbeat { memory: MemoryReport { stored: 1, spilled: 2, process: 3, disk_full: Some(4) } },
        FromWorker::Started { task: TASK, attempt },
        FromWorker::Finished { task: TASK, attempt, bytes: 1, micros: 2, value: Some(Blob::from(vec![1])) },
        FromWorker::Failed {
            task: TASK,
            attempt,
            error: Raised { message: "m".into(), encoded: Blob::from(vec![]), again: true },
            micros: 1,
        },
        FromWorker::Killed { task: TASK, attempt, death: death() },
        FromWorker::OutOfMemory { task: TASK, attempt, limit: 1, disk_limit: 2 },
        FromWorker::Retracted { task: TASK, attempt, given: true },
        FromWorker::Acquired { task: TASK, bytes: 1 },
        FromWorker::Dropped { task: TASK },
        FromWorker::Missing { task: TASK, absent: [WORKER].into_iter().collect() },
        FromWorker::Paused(true),
        FromWorker::Leaving,
    ]);
    survives(vec![Registration {
        name: text("w"),
        address: text("tcp://a:1"),
        host: text("a"),
        process: 1,
        nonce: 2,
        threads: 3,
        memory_limit: 4,
        resources: vec![(text("GPU"), 1_000_000)],
        epoch: Some(Epoch(5)),
        inventory: vec![Held { task: TASK, bytes: 6 }],
    }]);
}

#[test]
fn to_workers() {
    let attempt = Attempt(4);
    let run = RunTask {
        task: TASK,
        attempt,
        key: text("x"),
        body: BodyId(1),
        index: 2,
        arguments: Some(Blob::from(vec![3])),
        priority: Priority { against_user: -1, submission: 2, order: 3 },
        inputs: vec![input()],
        resources: vec![(text("GPU"), 1)],
        wanted: true,
    };
    survives(vec![
        ToWorker::Body { body: BodyId(1), code: Blob::from(vec![9; 1000]) },
        ToWorker::ForgetBody { body: BodyId(1) },
        ToWorker::Run(run),
        ToWorker::Retract { task: TASK, attempt },
        ToWorker::Cancel { task: TASK, attempt },
        ToWorker::Free { task: TASK, answer: true },
        ToWorker::Fetch(input()),
        ToWorker::Locations { task: TASK, holders: [WORKER].into_iter().collect() },
        ToWorker::PeerJoined(peer()),
        ToWorker::PeerLeft { worker: WORKER, incarnation: Incarnation(1) },
        ToWorker::HeartbeatHeard,
        ToWorker::Close,
    ]);
    survives(vec![Welcome {
        process: 1,
        nonce: 2,
        epoch: Epoch(3),
        worker: WORKER,
        incarnation: Incarnation(4),
        drop: vec![TASK],
        peers: vec![peer()],
    }]);
}
