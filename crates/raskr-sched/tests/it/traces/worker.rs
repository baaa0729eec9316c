//! What a worker does with tasks, values and silence.

use std::sync::Arc;
use std::time::Duration;

use raskr_sched::{
    Attempt, Blob, BodyId, Epoch, Executed, FromWorker, Held, Incarnation, InputAt, Instant, MemoryReport, Peer,
    Priority, Raised, Registration, RequestId, RunTask, TaskId, ToWorker, Welcome, Worker, WorkerAction, WorkerEvent,
    WorkerId, WorkerOptions,
};

use super::Trace;

const ME: WorkerId = WorkerId(0);
const PEER: WorkerId = WorkerId(1);
const OTHER: WorkerId = WorkerId(2);

/// What a task takes that others can't wait behind.
const LONG: u64 = 100_000;

struct Host {
    worker: Worker,
    now: Instant,
}

fn peer(worker: WorkerId) -> Peer {
    let name: Arc<str> = Arc::from(worker.to_string());
    Peer { worker, incarnation: Incarnation(1), name: name.clone(), address: name.clone(), host: name }
}

fn id(slot: u32) -> TaskId {
    TaskId { slot, generation: 0 }
}

fn run(slot: u32, inputs: &[(u32, u64, &[WorkerId])]) -> RunTask {
    RunTask {
        task: id(slot),
        attempt: Attempt(1),
        key: Arc::from(format!("task-{slot}")),
        body: BodyId(0),
        index: 0,
        arguments: None,
        priority: Priority { order: slot, ..Priority::default() },
        inputs: inputs
            .iter()
            .map(|(slot, bytes, holders)| InputAt {
                task: id(*slot),
                bytes: *bytes,
                holders: holders.iter().copied().collect(),
            })
            .collect(),
        resources: vec![],
        wanted: false,
    }
}

impl Host {
    fn new(threads: u32) -> Host {
        Host::with(Registration { memory_limit: 1000, ..Trace::registration("me", threads) }, WorkerOptions::default())
    }

    fn with(me: Registration, options: WorkerOptions) -> Host {
        let mut host = Host { worker: Worker::new(Registration { nonce: 0, ..me }, options), now: Instant::default() };
        let said = host.on(WorkerEvent::Ticked);
        assert!(matches!(said[..], [WorkerAction::Register(_)]));
        host.welcome(1, 1);
        host
    }

    fn welcome(&mut self, nonce: u64, incarnation: u32) -> Vec<WorkerAction> {
        let (epoch, worker, incarnation) = (Epoch(1), ME, Incarnation(incarnation));
        let peers = vec![peer(PEER), peer(OTHER)];
        self.on(WorkerEvent::Welcomed(Welcome { process: 1, nonce, epoch, worker, incarnation, drop: vec![], peers }))
    }

    fn on(&mut self, event: WorkerEvent) -> Vec<WorkerAction> {
        let actions = self.worker.handle(event, self.now);
        if let Err(violation) = self.worker.validate() {
            panic!("{violation}");
        }
        actions
    }

    fn told(&mut self, messages: Vec<ToWorker>) -> Vec<WorkerAction> {
        self.on(WorkerEvent::FromScheduler { incarnation: Incarnation(1), messages })
    }

    fn run(&mut self, runs: Vec<RunTask>) -> Vec<WorkerAction> {
        self.told(runs.into_iter().map(ToWorker::Run).collect())
    }

    fn done(&mut self, slot: u32, bytes: u64) -> Vec<WorkerAction> {
        let executed = Executed::Done { bytes, micros: LONG, value: None };
        self.on(WorkerEvent::Executed { task: id(slot), attempt: Attempt(1), executed })
    }

    fn wait(&mut self, wait: Duration) -> Vec<WorkerAction> {
        self.now = self.now + wait;
        self.on(WorkerEvent::Ticked)
    }

    fn memory(&mut self, stored: u64, disk_full: Option<u64>) -> Vec<WorkerAction> {
        self.on(WorkerEvent::MemoryChanged(MemoryReport { stored, spilled: 0, process: 0, disk_full }))
    }
}

fn executed(actions: &[WorkerAction]) -> Vec<u32> {
    let slots = actions.iter().filter_map(|action| match action {
        WorkerAction::Execute(execute) => Some(execute.task.slot),
        _ => None,
    });
    slots.collect()
}

fn gathers(actions: &[WorkerAction]) -> Vec<(RequestId, WorkerId, Vec<u32>)> {
    let gathers = actions.iter().filter_map(|action| match action {
        WorkerAction::Gather { request, peer, tasks } => {
            Some((*request, peer.worker, tasks.iter().map(|task| task.slot).collect()))
        }
        _ => None,
    });
    gathers.collect()
}

fn said(actions: &[WorkerAction]) -> Vec<FromWorker> {
    let batches = actions.iter().filter_map(|action| match action {
        WorkerAction::ToScheduler { messages, .. } => Some(messages.clone()),
        _ => None,
    });
    batches.flatten().collect()
}

#[test]
fn tasks_run_by_priority_as_threads_become_free() {
    let mut host = Host::new(2);
    let actions = host.run(vec![run(3, &[]), run(1, &[]), run(2, &[])]);
    assert_eq!(executed(&actions), [1, 2]);
    let actions = host.done(2, 7);
    assert_eq!(executed(&actions), [3]);
    let finished = FromWorker::Finished { task: id(2), attempt: Attempt(1), bytes: 7, micros: LONG, value: None };
    let started = FromWorker::Started { task: id(3), attempt: Attempt(1) };
    assert_eq!(said(&actions), [finished, started]);
}

#[test]
fn a_message_that_comes_twice_does_no_harm() {
    let mut host = Host::new(1);
    assert_eq!(executed(&host.run(vec![run(1, &[])])), [1]);
    assert_eq!(host.run(vec![run(1, &[])]), []);
    host.done(1, 1);
    assert_eq!(host.done(1, 1), []);
}

#[test]
fn inputs_are_asked_of_one_peer_together_and_come_before_the_task() {
    let mut host = Host::new(1);
    let actions = host.run(vec![run(5, &[(1, 10, &[PEER]), (2, 10, &[PEER]), (3, 10, &[OTHER])])]);
    let asked = gathers(&actions);
    assert_eq!((asked[0].1, &asked[0].2[..], asked[1].1, &asked[1].2[..]), (PEER, &[1, 2][..], OTHER, &[3][..]));
    let values = vec![Held { task: id(1), bytes: 10 }, Held { task: id(2), bytes: 10 }];
    let actions = host.on(WorkerEvent::Gathered { request: asked[0].0, values, absent: vec![] });
    assert_eq!(executed(&actions), []);
    assert_eq!(said(&actions).len(), 2);
    let values = vec![Held { task: id(3), bytes: 10 }];
    let actions = host.on(WorkerEvent::Gathered { request: asked[1].0, values, absent: vec![] });
    assert_eq!(executed(&actions), [5]);
}

#[test]
fn bytes_on_their_way_are_bounded_but_for_a_single_value() {
    let options = WorkerOptions { gather_bytes_max: 100, gather_batch_bytes: 60, ..WorkerOptions::default() };
    let mut host = Host::with(Trace::registration("me", 1), options);
    let inputs: [(u32, u64, &[WorkerId]); 5] =
        [(1, 50, &[PEER]), (2, 50, &[PEER]), (3, 40, &[OTHER]), (4, 40, &[OTHER]), (5, 500, &[PEER])];
    let actions = host.run(vec![run(9, &inputs)]);
    let asked = gathers(&actions);
    assert_eq!(asked.iter().map(|asked| asked.2.clone()).collect::<Vec<_>>(), [vec![1], vec![3]]);
    let mut order = Vec::new();
    let mut pending = asked;
    while let Some((request, _, slots)) = pending.pop() {
        order.extend(slots.clone());
        let values = slots.iter().map(|slot| Held { task: id(*slot), bytes: 1 }).collect();
        pending.extend(gathers(&host.on(WorkerEvent::Gathered { request, values, absent: vec![] })));
    }
    // What is larger than all that may be under way comes at last, and alone.
    assert_eq!(order.last(), Some(&5));
}

#[test]
fn an_absent_input_is_reported_and_looked_for_where_the_scheduler_says() {
    let mut host = Host::new(1);
    let asked = gathers(&host.run(vec![run(5, &[(1, 10, &[PEER])])]));
    let actions = host.on(WorkerEvent::Gathered { request: asked[0].0, values: vec![], absent: vec![id(1)] });
    let missing = FromWorker::Missing { task: id(1), absent: [PEER].into_iter().collect() };
    assert_eq!(said(&actions), [missing]);
    let holders = [OTHER].into_iter().collect();
    let actions = host.told(vec![ToWorker::Locations { task: id(1), holders }]);
    assert_eq!(gathers(&actions)[0].1, OTHER);
}

#[test]
fn word_of_holders_counts_while_a_peer_is_being_asked() {
    // Found by the simulator (seed 295): it was not heeded, and nothing was asked any more.
    let mut host = Host::new(1);
    let first = gathers(&host.run(vec![run(5, &[(1, 10, &[PEER, OTHER])])]));
    let second = gathers(&host.on(WorkerEvent::GatherFailed { request: first[0].0 }));
    assert_eq!(second[0].1, OTHER);
    host.told(vec![ToWorker::Locations { task: id(1), holders: [PEER].into_iter().collect() }]);
    host.on(WorkerEvent::Gathered { request: second[0].0, values: vec![], absent: vec![id(1)] });
    let third = gathers(&host.wait(Duration::from_secs(1)));
    assert_eq!(third[0].1, PEER);
}

#[test]
fn a_peer_that_fails_is_left_alone_for_a_while_and_the_silent_fail() {
    let mut host = Host::new(1);
    let asked = gathers(&host.run(vec![run(5, &[(1, 10, &[PEER])])]));
    let actions = host.on(WorkerEvent::GatherFailed { request: asked[0].0 });
    assert_eq!(said(&actions), [FromWorker::Missing { task: id(1), absent: Default::default() }]);
    assert_eq!(gathers(&host.wait(Duration::from_millis(100))), []);
    let asked = gathers(&host.wait(Duration::from_millis(100)));
    assert_eq!(asked.len(), 1);
    // A sign of life puts the end off.
    host.now = host.now + Duration::from_secs(14);
    host.on(WorkerEvent::GatherProgressed { request: asked[0].0 });
    host.told(vec![ToWorker::HeartbeatHeard]);
    host.now = host.now + Duration::from_secs(14);
    host.told(vec![ToWorker::HeartbeatHeard]);
    assert_eq!(gathers(&host.wait(Duration::ZERO)), []);
    host.wait(Duration::from_secs(1));
    assert_eq!(gathers(&host.wait(Duration::from_millis(400))).len(), 1);
}

#[test]
fn what_has_not_begun_is_given_back_and_what_runs_is_not() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[]), run(2, &[])]);
    let retract = |slot| ToWorker::Retract { task: id(slot), attempt: Attempt(1) };
    let answers = said(&host.told(vec![retract(1), retract(2), retract(3)]));
    let given: Vec<bool> = answers.iter().map(|m| matches!(m, FromWorker::Retracted { given: true, .. })).collect();
    assert_eq!(given, [false, true, false]);
    assert_eq!(executed(&host.done(1, 1)), []);
}

#[test]
fn the_result_of_a_cancelled_task_is_discarded() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[])]);
    let cancel = ToWorker::Cancel { task: id(1), attempt: Attempt(1) };
    let actions = host.told(vec![cancel.clone()]);
    assert_eq!(actions, [WorkerAction::Interrupt { task: id(1), attempt: Attempt(1) }]);
    assert_eq!(host.done(1, 1), [WorkerAction::Discard { task: id(1), attempt: Attempt(1) }]);
    // Had it been done by then, its value would go.
    host.run(vec![run(2, &[])]);
    host.done(2, 1);
    let cancel = ToWorker::Cancel { task: id(2), attempt: Attempt(1) };
    assert_eq!(host.told(vec![cancel]), [WorkerAction::Drop { task: id(2) }]);
}

#[test]
fn a_value_that_may_go_goes_when_nothing_here_takes_it() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[])]);
    host.done(1, 5);
    host.run(vec![run(2, &[]), run(3, &[(1, 5, &[ME])])]);
    assert_eq!(host.told(vec![ToWorker::Free { task: id(1), answer: false }]), []);
    assert_eq!(executed(&host.done(2, 1)), [3]);
    assert!(host.done(3, 1).contains(&WorkerAction::Drop { task: id(1) }));
}

#[test]
fn resources_are_not_exceeded() {
    let me = Registration { resources: vec![(Arc::from("GPU"), 1)], ..Trace::registration("me", 4) };
    let mut host = Host::with(me, WorkerOptions::default());
    let with_gpu = |slot| RunTask { resources: vec![(Arc::from("GPU"), 1)], ..run(slot, &[]) };
    assert_eq!(executed(&host.run(vec![with_gpu(1), with_gpu(2), run(3, &[])])), [1, 3]);
    assert_eq!(executed(&host.done(1, 1)), [2]);
}

#[test]
fn short_of_memory_one_task_runs_at_a_time() {
    let mut host = Host::new(4);
    assert_eq!(said(&host.memory(850, None)), [FromWorker::Paused(true)]);
    assert_eq!(executed(&host.run(vec![run(1, &[]), run(2, &[])])), [1]);
    assert_eq!(executed(&host.done(1, 1)), [2]);
    // It resumes with some room only, not at the first byte.
    assert_eq!(host.memory(790, None), []);
    assert_eq!(said(&host.memory(700, None)), [FromWorker::Paused(false)]);
}

#[test]
fn memory_that_cannot_be_had_is_an_error_that_names_both_limits() {
    let mut host = Host::new(1);
    host.memory(900, Some(5000));
    assert_eq!(executed(&host.run(vec![run(1, &[]), run(2, &[])])), []);
    host.wait(Duration::ZERO);
    assert!(said(&host.wait(Duration::from_millis(4900))).iter().all(|m| matches!(m, FromWorker::Heartbeat { .. })));
    let error = FromWorker::OutOfMemory { task: id(1), attempt: Attempt(1), limit: 1000, disk_limit: 5000 };
    assert!(said(&host.wait(Duration::from_millis(100))).contains(&error));
    // With room on the disk the other one runs.
    assert_eq!(executed(&host.memory(900, None)), [2]);
}

#[test]
fn without_its_scheduler_a_worker_keeps_values_for_a_while_and_offers_them() {
    let mut host = Host::new(2);
    host.run(vec![run(1, &[]), run(2, &[]), run(3, &[])]);
    host.done(1, 5);
    let actions = host.wait(Duration::from_secs(15));
    let [WorkerAction::Register(registration)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((registration.nonce, registration.epoch), (2, Some(Epoch(1))));
    assert_eq!(registration.inventory, [Held { task: id(1), bytes: 5 }]);
    // What runs goes on, and its value is kept as well.
    assert_eq!(host.done(2, 6), [WorkerAction::Keep { task: id(2), attempt: Attempt(1) }]);
    let said = said(&host.welcome(2, 2));
    assert_eq!(said[0], FromWorker::Acquired { task: id(2), bytes: 6 });
    // What the old incarnation is told is not heard any more.
    assert_eq!(host.told(vec![ToWorker::Close]), []);
}

#[test]
fn a_worker_that_finds_no_scheduler_ends_by_itself() {
    let mut host = Host::new(1);
    host.wait(Duration::from_secs(15));
    for _ in 0..59 {
        let said = host.wait(Duration::from_secs(1));
        assert!(matches!(said[..], [WorkerAction::Register(_)]), "{said:?}");
    }
    assert_eq!(host.wait(Duration::from_secs(1)), [WorkerAction::Close { told: false }]);
    assert_eq!(host.wait(Duration::from_secs(1)), []);
}

#[test]
fn errors_and_deaths_are_told_and_the_worker_goes_on() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[]), run(2, &[])]);
    let error = Raised { message: "no".into(), encoded: Blob::from(vec![]), again: false };
    let executed_ = Executed::Raised { error: error.clone(), micros: 3 };
    let actions = host.on(WorkerEvent::Executed { task: id(1), attempt: Attempt(1), executed: executed_ });
    assert_eq!(said(&actions)[0], FromWorker::Failed { task: id(1), attempt: Attempt(1), error, micros: 3 });
    assert_eq!(executed(&actions), [2]);
}

#[test]
fn a_value_that_the_store_lost_is_fetched_again_or_reported() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[])]);
    host.done(1, 5);
    host.run(vec![run(2, &[]), run(3, &[(1, 5, &[ME])])]);
    let said = said(&host.on(WorkerEvent::ValueLost { task: id(1) }));
    let missing = FromWorker::Missing { task: id(1), absent: Default::default() };
    assert_eq!(said, [FromWorker::Dropped { task: id(1) }, missing]);
    assert_eq!(executed(&host.done(2, 1)), []);
}

#[test]
fn a_copy_that_is_counted_on_does_not_go_with_an_attempt_at_the_same_task() {
    // Found by the simulator (seed 14809): a value was fetched from a worker that had been given up while the task was
    // computed again here; when that was cancelled, the copy went too.
    let mut host = Host::new(1);
    let asked = gathers(&host.run(vec![run(5, &[(1, 10, &[PEER])]), run(9, &[])]));
    host.run(vec![run(1, &[])]);
    let values = vec![Held { task: id(1), bytes: 10 }];
    host.on(WorkerEvent::Gathered { request: asked[0].0, values, absent: vec![] });
    assert_eq!(executed(&host.done(9, 1)), [1]);
    assert!(host.done(1, 10).contains(&WorkerAction::Discard { task: id(1), attempt: Attempt(1) }));
    assert_eq!(host.told(vec![ToWorker::Cancel { task: id(1), attempt: Attempt(1) }]), []);
}

#[test]
fn a_value_that_a_client_sends_again_stays_though_it_was_to_go() {
    // Found by the simulator (seed 31959): the scheduler was told that it is here, and it went with its last taker.
    let mut host = Host::new(1);
    host.on(WorkerEvent::Put { request: RequestId(90), task: id(1), bytes: 10 });
    host.run(vec![run(2, &[]), run(3, &[(1, 10, &[ME])])]);
    let actions = host.told(vec![ToWorker::Free { task: id(1), answer: true }]);
    assert_eq!(said(&actions), [FromWorker::Dropped { task: id(1) }]);
    let actions = host.on(WorkerEvent::Put { request: RequestId(91), task: id(1), bytes: 10 });
    assert_eq!(said(&actions), [FromWorker::Acquired { task: id(1), bytes: 10 }]);
    host.done(2, 1);
    assert!(!host.done(3, 1).contains(&WorkerAction::Drop { task: id(1) }));
}

/// The slots that were said to have begun.
fn begun(actions: &[WorkerAction]) -> Vec<u32> {
    let said = said(actions);
    let begun = said.iter().filter_map(|message| match message {
        FromWorker::Started { task, .. } => Some(task.slot),
        _ => None,
    });
    begun.collect()
}

#[test]
fn short_tasks_are_handed_over_ahead_and_come_back_when_one_proves_long() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[])]);
    let short = Executed::Done { bytes: 1, micros: 500, value: None };
    host.on(WorkerEvent::Executed { task: id(1), attempt: Attempt(1), executed: short });
    let actions = host.run((2..30).map(|slot| run(slot, &[])).collect());
    // 4 ms of them at 500 us each; none is said to run before it proves long.
    assert_eq!(executed(&actions), (2..10).collect::<Vec<_>>());
    assert_eq!(begun(&actions), [] as [u32; 0]);
    let began = WorkerEvent::Began { task: id(2), attempt: Attempt(1) };
    assert_eq!(begun(&host.on(began)), [2]);
    for slot in (3..10).rev() {
        let executed = Executed::Untouched;
        assert_eq!(host.on(WorkerEvent::Executed { task: id(slot), attempt: Attempt(1), executed }), []);
    }
    let retract = vec![ToWorker::Retract { task: id(3), attempt: Attempt(1) }];
    assert_eq!(said(&host.told(retract)), [FromWorker::Retracted { task: id(3), attempt: Attempt(1), given: true }]);
    assert_eq!(executed(&host.done(2, 1)), [4]);
}

#[test]
fn a_short_task_that_is_tried_again_is_said_to_run_lest_it_ends_one_worker_after_the_other() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[])]);
    let short = Executed::Done { bytes: 1, micros: 500, value: None };
    host.on(WorkerEvent::Executed { task: id(1), attempt: Attempt(1), executed: short });
    assert_eq!(begun(&host.run(vec![RunTask { attempt: Attempt(2), ..run(2, &[]) }])), [2]);
}

#[test]
fn a_task_that_secedes_leaves_its_thread_to_others() {
    let mut host = Host::new(1);
    host.run(vec![run(1, &[]), run(2, &[]), run(3, &[])]);
    let seceded = |away| WorkerEvent::Seceded { task: id(1), attempt: Attempt(1), away };
    let actions = host.on(seceded(true));
    assert_eq!(said(&actions)[0], FromWorker::Seceded { task: id(1), attempt: Attempt(1), away: true });
    assert_eq!(executed(&actions), [2]);
    assert_eq!(executed(&host.on(seceded(false))), [] as [u32; 0]);
    assert_eq!(executed(&host.done(2, 1)), [] as [u32; 0]);
    assert_eq!(executed(&host.done(1, 1)), [3]);
}
