//! Whatever is said to the machines, in whatever order, sound or not: they stay consistent, and states change as the
//! table says.

use std::sync::Arc;

use proptest::prelude::*;
use raskr_sched::{
    Annotations, Attempt, Blob, BodySpec, ClientId, Death, Epoch, Event, Executed, FromClient, FromWorker, FutureId,
    Gone, Held, Incarnation, Input, InputAt, Instant, Keeping, Key, MemoryReport, Peer, Priority, Raised, Registration,
    RequestId, RunTask, ScatterItem, Scheduler, SchedulerOptions, State, Submission, TaskId, TaskSpec, ToWorker,
    Welcome, What, Worker, WorkerEvent, WorkerId, WorkerOptions,
};

fn task() -> impl Strategy<Value = TaskId> {
    (0..12_u32, 0..2_u32).prop_map(|(slot, generation)| TaskId { slot, generation })
}

fn worker() -> impl Strategy<Value = WorkerId> {
    (0..3_u32).prop_map(WorkerId)
}

fn registration() -> impl Strategy<Value = Registration> {
    let held = (task(), 0..1000_u64).prop_map(|(task, bytes)| Held { task, bytes });
    let inventory = proptest::collection::vec(held, 0..4);
    (0..3_u32, 1..4_u64, 0..4_u64, 1..3_u32, 0..2_u64, inventory).prop_map(
        |(name, process, nonce, threads, gpus, inventory)| Registration {
            name: Arc::from(format!("w{name}")),
            address: Arc::from(format!("a{name}")),
            host: Arc::from("h"),
            process,
            nonce,
            threads,
            memory_limit: 2000,
            resources: if gpus > 0 { vec![(Arc::from("GPU"), gpus)] } else { vec![] },
            epoch: Some(Epoch(1)),
            inventory,
        },
    )
}

fn death() -> Death {
    Death { how: "exit 1".into(), external: false, memory_peak: 0, memory_limit: 0, log: vec![] }
}

fn raised() -> Raised {
    Raised { message: "no".into(), encoded: Blob::from(vec![]), again: false }
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    let attempt = (0..4_u32).prop_map(Attempt);
    (0..14_u32, task(), attempt, worker(), 0..2500_u64).prop_map(|(kind, task, attempt, worker, bytes)| match kind {
        0 => FromWorker::Heartbeat { memory: MemoryReport { stored: bytes, ..MemoryReport::default() } },
        1 => FromWorker::Started { task, attempt },
        2..6 => {
            FromWorker::Finished { task, attempt, bytes, micros: 50, value: (bytes % 2 == 0).then(|| vec![1].into()) }
        }
        6 => FromWorker::Failed { task, attempt, error: raised(), micros: 5 },
        7 => FromWorker::Killed { task, attempt, death: death() },
        8 => FromWorker::Retracted { task, attempt, given: bytes % 2 == 0 },
        9 => FromWorker::Acquired { task, bytes },
        10 => FromWorker::Dropped { task },
        11 => FromWorker::Missing { task, absent: [worker].into_iter().collect() },
        12 => FromWorker::Paused(bytes % 2 == 0),
        _ => FromWorker::OutOfMemory { task, attempt, limit: 1, disk_limit: 1 },
    })
}

fn submission() -> impl Strategy<Value = FromClient> {
    let one = (0..10_u32, proptest::collection::vec(0..6_u32, 0..3), 0..4_u32);
    (proptest::collection::vec(one, 1..6), 0..40_u64).prop_map(|(tasks, future)| {
        let bodies = vec![BodySpec { token: 1, code: Blob::from(vec![1]), class: Arc::from("c") }];
        let annotations = vec![
            Annotations { resources: vec![(Arc::from("GPU"), 1)], ..Annotations::default() },
            Annotations { workers: vec![Arc::from("w1")], retries: 1, ..Annotations::default() },
        ];
        let wants = vec![(tasks.len() as u32 - 1, FutureId(future)), (0, FutureId(future + 100))];
        let tasks = tasks
            .into_iter()
            .map(|(key, inputs, note)| TaskSpec {
                key: Key::from(format!("k{key}")),
                body: 0,
                index: key,
                arguments: None,
                inputs: inputs.into_iter().map(Input::Here).collect(),
                annotations: (note < 2).then_some(note),
            })
            .collect();
        FromClient::Submit(Submission { request: RequestId(1), bodies, annotations, tasks, wants })
    })
}

fn from_client() -> impl Strategy<Value = FromClient> {
    let other = (0..9_u32, 0..40_u64, 0..10_u32, worker()).prop_map(|(kind, future, key, worker)| {
        let (key, future) = (Key::from(format!("k{key}")), FutureId(future));
        match kind {
            0 => FromClient::Want { key, future: FutureId(future.0 + 200) },
            1 => FromClient::Release(vec![future, FutureId(future.0 + 100), FutureId(future.0 + 200)]),
            2 => FromClient::Cancel { futures: vec![future], force: future.0 % 2 == 0 },
            3 => FromClient::Retry(vec![future]),
            4 => FromClient::Scatter(vec![ScatterItem {
                key,
                future: FutureId(future.0 + 300),
                bytes: 9,
                copies: 2,
                keeping: [Keeping::Given, Keeping::Kept, Keeping::Lent][(future.0 % 3) as usize],
            }]),
            5 => FromClient::Absent { future, worker },
            6 => FromClient::Replicate { futures: vec![future], copies: 2 },
            7 => FromClient::Publish { name: Arc::from("n"), futures: vec![future] },
            _ => FromClient::NotPut { future: FutureId(future.0 + 300), worker },
        }
    });
    prop_oneof![submission(), other]
}

fn event() -> impl Strategy<Value = Event> {
    let incarnation = (1..4_u32).prop_map(Incarnation);
    let words = proptest::collection::vec(from_worker(), 1..5);
    prop_oneof![
        2 => registration().prop_map(Event::Registered),
        6 => (worker(), incarnation, words)
            .prop_map(|(worker, incarnation, messages)| Event::FromWorker { worker, incarnation, messages }),
        1 => (worker(), (1..4_u32).prop_map(Incarnation))
            .prop_map(|(worker, incarnation)| Event::WorkerGone { worker, incarnation, how: Gone::Died }),
        4 => ((0..2_u32).prop_map(ClientId), from_client())
            .prop_map(|(client, message)| Event::FromClient { client, messages: vec![message] }),
        1 => (0..2_u32).prop_map(|client| Event::ClientGone { client: ClientId(client) }),
        1 => (0..2_u32).prop_map(|client| Event::ClientJoined { client: ClientId(client) }),
        1 => worker().prop_map(|worker| Event::RetireAsked { workers: vec![worker], deadline: None }),
        1 => Just(Event::Ticked),
    ]
}

fn scheduler_event_steps() -> impl Strategy<Value = Vec<(Event, u64)>> {
    proptest::collection::vec((event(), 0..3_000_000_u64), 1..60)
}

proptest! {
    #[test]
    fn a_scheduler_stays_consistent_whatever_it_is_told(steps in scheduler_event_steps()) {
        let mut scheduler = Scheduler::new(SchedulerOptions::default(), Epoch(1));
        let mut now = 0;
        scheduler.handle(Event::ClientJoined { client: ClientId(0) }, Instant::default());
        for (event, wait) in steps {
            now += wait;
            scheduler.handle(event.clone(), Instant::from_micros(now));
            prop_assert!(scheduler.validate().is_ok(), "{:?}\nafter {event:?}", scheduler.validate());
        }
        for slot in 0..12 {
            for generation in 0..3 {
                let mut before = None;
                for entry in scheduler.story_of(TaskId { slot, generation }) {
                    if let What::Became { from, to } = entry.what {
                        prop_assert!(from.may_become(to));
                        prop_assert!(before.is_none_or(|before| before == from), "a step is missing before {entry}");
                        before = Some(to);
                    }
                }
            }
        }
    }

    #[test]
    fn a_worker_stays_consistent_whatever_it_is_told(steps in worker_steps()) {
        let me = Registration { inventory: vec![], ..first_registration() };
        let mut worker = Worker::new(me, WorkerOptions::default());
        let mut now = 0;
        worker.handle(WorkerEvent::Ticked, Instant::default());
        worker.handle(WorkerEvent::Welcomed(welcome()), Instant::default());
        for (event, wait) in steps {
            now += wait;
            worker.handle(event.clone(), Instant::from_micros(now));
            prop_assert!(worker.validate().is_ok(), "{:?}\nAFTER {event:?}", worker.validate());
        }
    }
}

#[test]
fn a_state_never_becomes_itself_and_each_can_be_left() {
    for state in State::ALL {
        assert!(!state.may_become(state), "{state:?}");
        assert!(State::ALL.iter().any(|to| state.may_become(*to)), "{state:?}");
    }
    // A value is never forgotten while it is there, and nothing is taken from a failure but by asking again.
    assert!(!State::Memory.may_become(State::Forgotten) && !State::Erred.may_become(State::Processing));
}

fn first_registration() -> Registration {
    Registration {
        name: Arc::from("w0"),
        address: Arc::from("a0"),
        host: Arc::from("h"),
        process: 1,
        nonce: 0,
        threads: 2,
        memory_limit: 2000,
        resources: vec![(Arc::from("GPU"), 1)],
        epoch: None,
        inventory: vec![],
    }
}

fn peer(worker: u32, incarnation: u32) -> Peer {
    let text: Arc<str> = Arc::from(format!("w{worker}"));
    Peer {
        worker: WorkerId(worker),
        incarnation: Incarnation(incarnation),
        name: text.clone(),
        address: text.clone(),
        host: text,
    }
}

fn welcome() -> Welcome {
    let (epoch, worker, incarnation) = (Epoch(1), WorkerId(0), Incarnation(1));
    Welcome { process: 1, nonce: 1, epoch, worker, incarnation, drop: vec![], peers: vec![peer(1, 1), peer(2, 1)] }
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    let holders = proptest::collection::vec((0..4_u32).prop_map(WorkerId), 0..3);
    let inputs = proptest::collection::btree_set(0..12_u32, 0..3);
    (0..12_u32, task(), 0..4_u32, holders, inputs, 0..600_u64).prop_map(
        |(kind, task, attempt, holders, inputs, bytes)| {
            let attempt = Attempt(attempt);
            let holders: smallvec::SmallVec<[WorkerId; 4]> = holders.into_iter().collect();
            let at = |slot| InputAt { task: TaskId { slot, generation: 0 }, bytes, holders: holders.clone() };
            match kind {
                0..4 => ToWorker::Run(RunTask {
                    task,
                    attempt,
                    key: Key::from("k"),
                    body: raskr_sched::BodyId(0),
                    index: 0,
                    arguments: None,
                    priority: Priority { order: bytes as u32, ..Priority::default() },
                    inputs: inputs.into_iter().filter(|slot| *slot != task.slot).map(at).collect(),
                    resources: if bytes % 3 == 0 { vec![(Arc::from("GPU"), 1)] } else { vec![] },
                    wanted: bytes % 2 == 0,
                }),
                4 => ToWorker::Retract { task, attempt },
                5 => ToWorker::Cancel { task, attempt },
                6 => ToWorker::Free { task, answer: bytes % 2 == 0 },
                7 => ToWorker::Fetch(at(task.slot)),
                8 => ToWorker::Locations { task, holders },
                9 => ToWorker::PeerJoined(peer(1 + attempt.0 % 3, 1 + bytes as u32 % 2)),
                10 => ToWorker::PeerLeft {
                    worker: WorkerId(1 + attempt.0 % 3),
                    incarnation: Incarnation(1 + bytes as u32 % 2),
                },
                _ => ToWorker::HeartbeatHeard,
            }
        },
    )
}

fn worker_event() -> impl Strategy<Value = WorkerEvent> {
    let small =
        (0..12_u32, task(), 0..4_u32, 0..12_u64, 0..2500_u64).prop_map(|(kind, task, attempt, request, bytes)| {
            let (request, attempt) = (RequestId(request), Attempt(attempt));
            match kind {
                0..3 => {
                    WorkerEvent::Executed { task, attempt, executed: Executed::Done { bytes, micros: 1, value: None } }
                }
                3 => WorkerEvent::Executed { task, attempt, executed: Executed::Died(death()) },
                4..6 => WorkerEvent::Gathered { request, values: vec![Held { task, bytes }], absent: vec![task] },
                6 => WorkerEvent::GatherFailed { request },
                7 => WorkerEvent::Put { request, task, bytes },
                8 => WorkerEvent::ValueLost { task },
                9 => WorkerEvent::MemoryChanged(MemoryReport {
                    stored: bytes,
                    disk_full: (bytes % 2 == 0).then_some(1),
                    ..MemoryReport::default()
                }),
                10 => WorkerEvent::Asked { from: 1, request, tasks: vec![task] },
                _ => WorkerEvent::Rejected { incarnation: Incarnation(1) },
            }
        });
    let said = proptest::collection::vec(to_worker(), 1..4)
        .prop_map(|messages| WorkerEvent::FromScheduler { incarnation: Incarnation(1), messages });
    prop_oneof![5 => said, 5 => small, 1 => Just(WorkerEvent::Ticked), 1 => Just(WorkerEvent::Welcomed(welcome()))]
}

fn worker_steps() -> impl Strategy<Value = Vec<(WorkerEvent, u64)>> {
    proptest::collection::vec((worker_event(), 0..1_500_000_u64), 1..80)
}
