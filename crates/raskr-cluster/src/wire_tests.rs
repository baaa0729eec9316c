//! Messages as they are on the wire: what differs here needs a new version of the protocol.

use raskr_sched::{
    Annotations, Attempt, Blob, BodyId, BodySpec, FromClient, FromWorker, FutureId, Input, InputAt, Keeping, Key,
    MemoryReport, Packet, Priority, Raised, RunTask, ScatterItem, Submission, TaskId, TaskSpec, ToClient, ToWorker,
};
use serde::Serialize;

use super::*;
use crate::handshake::PROTOCOL_VERSIONS;
use crate::packed::Packed;

fn bytes(message: &impl Serialize) -> String {
    let encoded = postcard::to_stdvec(message).expect("encoded");
    encoded.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packet<M>(message: M) -> Packet<M> {
    Packet { link: 1, number: 2, heard: 3, messages: vec![message] }
}

/// What is said of a task from its submission to its value.
fn life() -> Vec<String> {
    let (key, task, attempt) = (Key::from("k"), TaskId { slot: 4, generation: 5 }, Attempt(6));
    let blob = || Blob::from(vec![7, 8]);
    let annotations = Annotations { priority: -1, retries: 2, workers: vec!["w".into()], ..Annotations::default() };
    let submission = Submission {
        request: RequestId(1),
        bodies: vec![BodySpec { token: 9, code: blob(), class: "c".into() }],
        annotations: vec![annotations],
        tasks: vec![TaskSpec {
            key: key.clone(),
            body: 0,
            index: 1,
            arguments: Some(blob()),
            inputs: vec![Input::Here(0), Input::Known(key.clone())],
            annotations: Some(0),
        }],
        wants: vec![(0, FutureId(3))],
    };
    let run = RunTask {
        task,
        attempt,
        key: key.clone(),
        body: BodyId(2),
        index: 1,
        arguments: Some(blob()),
        priority: Priority { against_user: 1, submission: 2, order: 3 },
        inputs: vec![InputAt { task, bytes: 10, holders: [WorkerId(1)].into_iter().collect() }],
        resources: vec![("gpu".into(), 11)],
        wanted: true,
    };
    let finished = FromWorker::Finished { task, attempt, bytes: 12, micros: 13, value: Some(blob()) };
    let heartbeat = FromWorker::Heartbeat { memory: MemoryReport { disk_full: Some(1), ..MemoryReport::default() } };
    let error = Raised { message: "m".into(), encoded: blob(), again: true };
    let failed = FromWorker::Failed { task, attempt, error, micros: 13 };
    let told = ToClient::Finished { future: FutureId(3), bytes: 12, value: Some(blob()) };
    let item = ScatterItem { key, future: FutureId(3), bytes: 14, copies: 1, keeping: Keeping::Lent };
    vec![
        bytes(&ClientSays::Batch(vec![FromClient::Submit(submission), FromClient::Scatter(vec![item])])),
        bytes(&WorkerHears::Packet(packet(ToWorker::Body { body: BodyId(2), code: blob() }))),
        bytes(&WorkerHears::Packet(packet(ToWorker::Run(run)))),
        bytes(&WorkerSays::Packet(packet(finished))),
        bytes(&WorkerSays::Packet(packet(failed))),
        bytes(&WorkerSays::Packet(packet(heartbeat))),
        bytes(&ClientHears::Batch(vec![told])),
        bytes(&DataSays::Get { request: RequestId(1), tasks: vec![task] }),
        bytes(&DataSays::Put {
            request: RequestId(1),
            values: vec![(task, Packed::default().send(&mut Vec::new()))],
            loans: vec![(0, Loan::default())],
        }),
        bytes(&DataHears::Taken { request: RequestId(1), tasks: vec![task] }),
    ]
}

#[test]
fn messages_of_another_form_are_another_version() {
    let known = [
        "0102000101090207080163010102010177000001016b00010102070802000001016b01000100030501016b030e0102",
        "02010203010002020708",
        "020102030102040506016b0201010207080202030104050a010101036770750b01",
        "0201020301020405060c0d01020708",
        "020102030103040506016d020708010d",
        "0201020301000000000101",
        "010100030c01020708",
        "0001010405",
        "010101040501000001000000000000",
        "0101010405",
    ];
    assert_eq!((PROTOCOL_VERSIONS, life()), ((4, 4), known.map(str::to_owned).to_vec()));
}
