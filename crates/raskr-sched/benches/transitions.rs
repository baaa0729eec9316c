//! What the scheduler itself costs: nanoseconds a transition and bytes a task, for a million tasks in one graph.
#![allow(clippy::print_stdout, clippy::expect_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use raskr_sched::{
    Action, Blob, BodySpec, ClientId, Epoch, Event, FromClient, FromWorker, FutureId, Incarnation, Input, Instant, Key,
    MemoryReport, Registration, RequestId, Scheduler, SchedulerOptions, State, Submission, TaskSpec, ToWorker,
    WorkerId,
};

/// Counts what is allocated: the lift of the denial of unsafe code is for this measurement alone.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged; only a counter is kept beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WORKERS: u32 = 16;
const THREADS: u32 = 4;

/// Pairs of roots and what is made of each, and sums of eight of those: the shape of many a program on blocks.
fn submission(tasks: u32) -> Submission {
    let mut specs: Vec<TaskSpec> = Vec::with_capacity(tasks as usize);
    let mut wants = Vec::new();
    let spec = |number: usize, name: &str, inputs: Vec<Input>| TaskSpec {
        key: Key::from(format!("{name}-0123456789abcdef0123456789abcdef-{number}")),
        body: u32::from(name == "sum"),
        index: number as u32,
        arguments: None,
        inputs,
        annotations: None,
    };
    while specs.len() + 17 <= tasks as usize {
        let mut inputs = Vec::new();
        for _ in 0..8 {
            specs.push(spec(specs.len(), "root", vec![]));
            let root = Input::Here(specs.len() as u32 - 1);
            specs.push(spec(specs.len(), "map", vec![root]));
            inputs.push(Input::Here(specs.len() as u32 - 1));
        }
        specs.push(spec(specs.len(), "sum", inputs));
        wants.push((specs.len() as u32 - 1, FutureId(specs.len() as u64)));
    }
    let body = |token, class: &str| BodySpec { token, code: Blob::from(vec![0; 100]), class: Arc::from(class) };
    let bodies = vec![body(1, "map"), body(2, "sum")];
    Submission { request: RequestId(1), bodies, annotations: vec![], tasks: specs, wants }
}

fn main() {
    let tasks = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let mut scheduler = Scheduler::new(SchedulerOptions::default(), Epoch(1));
    let mut clock = 0;
    let mut tick = || {
        clock += 1;
        Instant::from_micros(clock)
    };
    let client = ClientId(0);
    scheduler.handle(Event::ClientJoined { client }, tick());
    let before = ALLOCATED.load(Ordering::Relaxed);
    let graph = submission(tasks);
    let (count, edges) = (graph.tasks.len(), graph.tasks.iter().map(|task| task.inputs.len()).sum::<usize>());
    let keys: usize = graph.tasks.iter().map(|task| task.key.len()).sum();
    let begun = std::time::Instant::now();
    let event = Event::FromClient { client, messages: vec![FromClient::Submit(graph)] };
    scheduler.handle(event, tick());
    let submitting = begun.elapsed();
    let state = ALLOCATED.load(Ordering::Relaxed) - before;
    println!("{count} tasks, {edges} edges, {} bytes of keys a task", keys / count);
    println!("submit: {:.0} ns a task", submitting.as_nanos() as f64 / count as f64);
    // The submission is gone by now, but for the texts of keys, which changed hands.
    println!("state: {} bytes a task", state / count);

    let mut pending: VecDeque<(WorkerId, Vec<FromWorker>)> = VecDeque::new();
    let begun = std::time::Instant::now();
    for number in 0..WORKERS {
        let registration = Registration {
            name: Arc::from(format!("worker-{number}")),
            address: Arc::from(format!("tcp://127.0.0.1:{number}")),
            host: Arc::from("127.0.0.1"),
            process: 1,
            nonce: 1,
            threads: THREADS,
            memory_limit: 1 << 40,
            resources: vec![],
            epoch: None,
            inventory: vec![],
        };
        let actions = scheduler.handle(Event::Registered(registration), tick());
        answer(actions, &mut pending);
    }
    let (mut events, mut messages_heard, mut peak) = (0_u64, 0_u64, 0);
    while let Some((worker, messages)) = pending.pop_front() {
        events += 1;
        messages_heard += messages.len() as u64;
        let event = Event::FromWorker { worker, incarnation: Incarnation(1), messages };
        answer(scheduler.handle(event, tick()), &mut pending);
        if events.is_multiple_of(4096) {
            peak = peak.max(ALLOCATED.load(Ordering::Relaxed));
            let memory = MemoryReport { stored: 1 << 20, ..MemoryReport::default() };
            pending.push_back((worker, vec![FromWorker::Heartbeat { memory }]));
        }
    }
    let running = begun.elapsed();
    assert_eq!(scheduler.count(State::Waiting) + scheduler.count(State::Queued), 0, "all is done");
    // Each task: released, waiting, queued or not, processing, memory, and most of them released and forgotten.
    println!(
        "run: {:.0} ns a task, {events} events, {messages_heard} messages",
        running.as_nanos() as f64 / count as f64
    );
    println!("     about {:.0} ns a transition", running.as_nanos() as f64 / (count as f64 * 5.5));
    println!("peak of all that the scheduler and its messages hold: {} bytes a task", peak / count);
}

/// Workers that finish at once what they are given, a batch at a time.
fn answer(actions: Vec<Action>, pending: &mut VecDeque<(WorkerId, Vec<FromWorker>)>) {
    for action in actions {
        let Action::ToWorker { worker, messages, .. } = action else { continue };
        let mut answers = Vec::new();
        for message in messages {
            if let ToWorker::Run(run) = message {
                let (task, attempt) = (run.task, run.attempt);
                answers.push(FromWorker::Started { task, attempt });
                answers.push(FromWorker::Finished { task, attempt, bytes: 1000, micros: 100, value: None });
            }
        }
        if !answers.is_empty() {
            pending.push_back((worker, answers));
        }
    }
}
