//! The worker's shell, two of them with a scheduler: results, transfers, ends, spilling, full disks, no scheduler.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Take, Sender as Give, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use raskr_base::Value;
use raskr_cluster::{
    Address, Buffer, DataHears, DataSays, End, Ended, Endpoint, Packed, Progress, Role, Runner, SchedulerServer,
    Security, Sent, Stored, Work, WorkerHears, WorkerSays, WorkerServer, WorkerSettings,
};
use raskr_sched::{
    Annotations, Attempt, Blob, BodyId, BodySpec, Epoch, FromClient, FutureId, Incarnation, Input, Key, Peer,
    RequestId, Submission, TaskId, TaskSpec, ToClient, Welcome, WorkerId,
};
use serde_json::json;

use crate::players::{FakeClient, address_of, server};
use crate::support::{SHORT, unique};

/// What bodies do, by the first byte of their code.
const COUNT: u8 = 1;
const BLOCK: u8 = 2;

/// Runs bodies on threads: counts tasks below each, makes blocks of a length.
#[derive(Default)]
struct Threads {
    progress: Mutex<Option<Arc<dyn Progress>>>,
    give: Mutex<Option<Give<Work>>>,
    codes: Mutex<std::collections::HashMap<BodyId, u8>>,
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn run(code: u8, work: &Work) -> Packed {
    let inputs = work.inputs.iter().map(|(_, value)| match value {
        Stored::Packed(packed) => packed,
        Stored::Native(_) => panic!("nothing native is made here"),
    });
    match code {
        COUNT => {
            // A block counts its bytes, after a look at them.
            let counted = inputs.map(|input| match input.buffers.first() {
                Some(block) => {
                    assert!(block.as_slice().iter().all(|byte| *byte == block.as_slice()[0]));
                    block.len() as u64
                }
                None => number(&input.head),
            });
            let sum: u64 = 1 + counted.sum::<u64>();
            Packed { head: Bytes::copy_from_slice(&sum.to_le_bytes()), buffers: vec![] }
        }
        BLOCK => {
            let bytes = number(&work.arguments.as_ref().expect("a length").0);
            let block = vec![work.index as u8; bytes as usize];
            Packed { head: Bytes::from_static(b"block"), buffers: vec![Buffer::Plain(block.into())] }
        }
        other => panic!("no such body: {other}"),
    }
}

impl Runner for Threads {
    fn start(&self, progress: Arc<dyn Progress>, threads: usize, _address: &str) {
        *self.progress.lock() = Some(Arc::clone(&progress));
        let (give, take) = channel::<Work>();
        let take: Arc<Mutex<Take<Work>>> = Arc::new(Mutex::new(take));
        *self.give.lock() = Some(give);
        for _ in 0..threads {
            let (take, progress) = (Arc::clone(&take), Arc::clone(&progress));
            thread::spawn(move || {
                loop {
                    let Ok(work) = take.lock().recv() else { return };
                    let value = Stored::Packed(run(work.index_code(), &work));
                    progress.ended(vec![(work.task, work.attempt, Ended::Done { value, micros: 100 })]);
                }
            });
        }
    }

    fn keep_body(&self, body: BodyId, code: Blob) {
        self.codes.lock().insert(body, code.0[0]);
    }

    fn forget_body(&self, body: BodyId) {
        self.codes.lock().remove(&body);
    }

    fn execute(&self, work: Vec<Work>) {
        for one in work {
            let code = self.codes.lock()[&one.body];
            assert_eq!(code, one.index_code());
            // After `stop` nothing is run.
            if let Some(give) = &*self.give.lock() {
                give.send(one).expect("threads");
            }
        }
    }

    fn interrupt(&self, task: TaskId, attempt: Attempt) {
        let progress = self.progress.lock().clone().expect("started");
        progress.ended(vec![(task, attempt, Ended::Untouched)]);
    }

    fn call(&self, call: u64, question: String, buffers: Vec<Bytes>) {
        let progress = self.progress.lock().clone().expect("started");
        progress.answered(call, Ok(json!({ "heard": question }).to_string()), buffers);
    }

    fn pack(&self, _value: &Value) -> Result<Packed, String> {
        Err("nothing native is made here".to_owned())
    }

    fn children(&self) -> Vec<u32> {
        vec![]
    }

    fn stop(&self) {
        *self.give.lock() = None;
        *self.progress.lock() = None;
    }
}

trait Code {
    fn index_code(&self) -> u8;
}

impl Code for Work {
    fn index_code(&self) -> u8 {
        if self.arguments.is_some() { BLOCK } else { COUNT }
    }
}

fn settings(name: &str, address: &Address, security: &Security) -> WorkerSettings {
    let (address, security) = (address.clone(), security.clone());
    WorkerSettings::new(name, Arc::new(move || Ok((address.clone(), security.clone()))))
}

/// Started beside the test's runtime, since it has one of its own.
fn start(settings: WorkerSettings) -> (WorkerServer, Arc<Threads>) {
    let runner = Arc::new(Threads::default());
    let own = Arc::clone(&runner);
    let started = thread::spawn(move || {
        let worker = WorkerServer::start(settings, own).expect("started");
        let (end, registered) = worker.wait_registered(SHORT);
        assert!(end.is_none() && registered, "{end:?}");
        worker
    });
    (started.join().expect("started"), runner)
}

fn end(worker: &WorkerServer) -> End {
    worker.wait(SHORT).expect("ended in time")
}

/// A task: its key, the inputs by number, and its block's length or what it does.
struct Task {
    key: String,
    inputs: Vec<u32>,
    block: Option<u64>,
    worker: Option<&'static str>,
}

fn count(key: impl Into<String>, inputs: Vec<u32>) -> Task {
    Task { key: key.into(), inputs, block: None, worker: None }
}

fn block(key: impl Into<String>, bytes: u64) -> Task {
    Task { key: key.into(), inputs: vec![], block: Some(bytes), worker: None }
}

impl Task {
    fn on(mut self, worker: &'static str) -> Task {
        self.worker = Some(worker);
        self
    }
}

fn submit(tasks: &[Task]) -> FromClient {
    let body = |code: u8, class: &str| BodySpec {
        token: u128::from(code),
        code: Blob::from(vec![code]),
        class: Arc::from(class),
    };
    let workers = ["one", "two"];
    let annotations =
        workers.iter().map(|name| Annotations { workers: vec![Arc::from(*name)], ..Annotations::default() });
    let specs = tasks.iter().enumerate().map(|(place, task)| TaskSpec {
        key: Key::from(task.key.as_str()),
        body: u32::from(task.block.is_some()),
        index: place as u32 % 200,
        arguments: task.block.map(|bytes| Blob::from(bytes.to_le_bytes().to_vec())),
        inputs: task.inputs.iter().map(|input| Input::Here(*input)).collect(),
        annotations: task.worker.map(|name| workers.iter().position(|known| *known == name).expect("known") as u32),
    });
    FromClient::Submit(Submission {
        request: RequestId(1),
        bodies: vec![body(COUNT, "count"), body(BLOCK, "block")],
        annotations: annotations.collect(),
        tasks: specs.collect(),
        wants: (0..tasks.len() as u32).map(|task| (task, FutureId(u64::from(task)))).collect(),
    })
}

/// A client that fetches what is finished.
struct Reader {
    client: FakeClient,
    endpoint: Endpoint,
}

impl Reader {
    async fn join(server: &SchedulerServer, security: &Security) -> Reader {
        let client = FakeClient::join(server, security).await;
        Reader { client, endpoint: Endpoint::new(Role::Client, security.clone()) }
    }

    async fn run(&mut self, tasks: &[Task]) {
        self.client.say(submit(tasks)).await;
        tokio::time::timeout(SHORT, self.client.finished(tasks.len())).await.expect("finished in time");
    }

    fn peers(&self) -> Vec<Peer> {
        let told = self.client.heard.iter().filter_map(|message| match message {
            ToClient::Workers(peers) => Some(peers.clone()),
            _ => None,
        });
        told.flatten().collect()
    }

    /// The values of futures, each asked for by itself.
    async fn values(&mut self, futures: std::ops::Range<u64>) -> Vec<Packed> {
        let request = RequestId(99);
        let all = futures.clone().map(FutureId).collect();
        self.client.say(FromClient::Locate { request, futures: all }).await;
        let found = loop {
            let located = self.client.heard.iter().find_map(|message| match message {
                ToClient::Located { found, .. } => Some(found.clone()),
                _ => None,
            });
            match located {
                Some(found) => break found,
                None => self.client.step().await,
            }
        };
        let peers = self.peers();
        let mut values = Vec::new();
        for one in found {
            let holder = *one.holders.first().expect("a holder");
            let peer = peers.iter().rfind(|peer| peer.worker == holder).expect("known");
            let connection =
                self.endpoint.connect(&peer.address.parse().expect("an address")).await.expect("connected");
            let (sender, mut receiver) = connection.split::<DataSays, DataHears>();
            sender.send(&DataSays::Get { request, tasks: vec![one.task] }, vec![]).await.expect("sent");
            let message = receiver.recv().await.expect("heard").expect("open");
            let DataHears::Values { values: came, absent, last, .. } = message.header else { panic!("no values") };
            assert!(absent.is_empty() && last);
            let [(task, sent)] = <[(TaskId, Sent); 1]>::try_from(came).expect("one value");
            assert_eq!(task, one.task);
            values.push(Packed::receive(sent, &mut message.buffers.into_iter()).expect("whole"));
        }
        values
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(unique())
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn results_are_counted_moved_and_fetched_whoever_made_them() {
    let (server, security) = server(&Address::loopback(), |_| {});
    let (one, _) = start(settings("one", &address_of(&server), &security));
    let (two, _) = start(settings("two", &address_of(&server), &security));
    let mut reader = Reader::join(&server, &security).await;
    let tasks = [
        block("a", 3 << 20).on("one"),
        block("b", 100).on("two"),
        count("c", vec![0, 1]).on("two"),
        count("d", vec![0, 2]).on("one"),
        block("e", 9 << 20).on("two"),
        count("f", vec![4, 1, 3]).on("one"),
    ];
    reader.run(&tasks).await;
    let values = reader.values(0..6).await;
    let (c, d) = (1 + (3 << 20) + 100, 2 + (3 << 20) + (3 << 20) + 100);
    assert_eq!((number(&values[2].head), number(&values[3].head)), (c, d));
    assert_eq!(number(&values[5].head), 1 + (9 << 20) + 100 + d);
    assert_eq!(values[4].buffers[0].as_slice(), vec![4; 9 << 20]);
    let asked = json!({ "op": "call_workers", "workers": null, "question": { "op": "x" }, "timeout": 10 });
    let replies = reader.client.ask(asked).await;
    assert_eq!(replies["replies"].as_array().map(Vec::len), Some(2), "{replies}");
    one.leave();
    assert!(matches!(end(&one), End::Left));
    two.close();
    assert!(matches!(end(&two), End::Stopped));
}

#[tokio::test]
async fn small_values_come_along_with_the_word_of_them_and_clients_need_not_fetch_them() {
    let (server, security) = server(&Address::loopback(), |_| {});
    let (one, _) = start(settings("one", &address_of(&server), &security));
    let mut reader = Reader::join(&server, &security).await;
    // A number, a block that is too large, and one that has a buffer.
    reader.run(&[count("a", vec![]), block("b", 1 << 20), block("c", 10), count("d", vec![2])]).await;
    let came = |future: u64| {
        reader.client.heard.iter().find_map(|message| match message {
            ToClient::Finished { future: told, value, .. } if told.0 == future => Some(value.clone()),
            _ => None,
        })
    };
    let along = |count: u64| Some(Some(Blob::from(count.to_le_bytes().to_vec())));
    assert_eq!([came(0), came(1), came(2), came(3)], [along(1), Some(None), Some(None), along(11)]);
    // The worker has them all the same.
    assert_eq!(number(&reader.values(3..4).await[0].head), 11);
    let options = raskr_cluster::ClientOptions {
        address: Some(address_of(&server)),
        token: Some(security.token().clone()),
        name: "Client-00000000000000aa".into(),
        ..Default::default()
    };
    let fetched = thread::spawn(move || {
        let client = raskr_cluster::Client::connect(options).expect("connected");
        let futures = client.want(&["a".into(), "b".into(), "d".into()]);
        let all = client.gather(futures, true).wait(SHORT).expect("in time");
        all.into_iter().map(|value| value.expect("a value").value.nbytes()).collect::<Vec<_>>()
    });
    assert_eq!(fetched.join().expect("fetched"), [8, 5 + (1 << 20), 8]);
    one.close();
}

#[tokio::test]
async fn a_hundred_thousand_tasks_are_done_although_a_worker_goes_meanwhile() {
    let (server, security) = server(&Address::loopback(), |_| {});
    let (one, _) = start(settings("one", &address_of(&server), &security));
    let (two, _) = start(settings("two", &address_of(&server), &security));
    let mut reader = Reader::join(&server, &security).await;
    // Each of the second half takes three of the first one's.
    let half = 50_000;
    let tasks: Vec<Task> = (0..2 * half)
        .map(|i| count(format!("t-{i}"), if i < half { vec![] } else { vec![i - half, (i * 7) % half, half / 2] }))
        .map(|mut task| {
            task.inputs.sort_unstable();
            task.inputs.dedup();
            task
        })
        .collect();
    reader.client.say(submit(&tasks)).await;
    reader.client.finished(20_000).await;
    one.close();
    let wanted = 2 * half as usize;
    let mut done = std::collections::HashSet::new();
    let deadline = Instant::now() + Duration::from_secs(50);
    let mut looked = 0;
    while done.len() < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} are done", done.len());
        for message in &reader.client.heard[looked..] {
            match message {
                ToClient::Finished { future, .. } => drop(done.insert(*future)),
                ToClient::Recomputing { future } => drop(done.remove(future)),
                ToClient::Failed { failure, .. } => panic!("{failure}"),
                _ => {}
            }
        }
        looked = reader.client.heard.len();
        if done.len() < wanted {
            reader.client.step().await;
        }
    }
    assert!(matches!(end(&one), End::Stopped));
    let values = reader.values(u64::from(half)..u64::from(half) + 20).await;
    for (i, value) in (half..).zip(&values) {
        assert_eq!(number(&value.head), 1 + tasks[i as usize].inputs.len() as u64);
    }
    drop(two);
}

#[tokio::test]
async fn what_does_not_fit_is_spilled_once_and_comes_back() {
    let (server, security) = server(&Address::loopback(), |_| {});
    let folder = folder();
    let mut limited = settings("one", &address_of(&server), &security);
    (limited.memory_limit, limited.local_directory) = (8 << 20, folder.clone());
    let (one, _) = start(limited);
    let mut reader = Reader::join(&server, &security).await;
    let mut tasks: Vec<Task> = (0..32).map(|i| block(format!("b-{i}"), 1 << 20)).collect();
    tasks.extend((0..32).map(|i| count(format!("c-{i}"), vec![i, (i + 1) % 32])));
    reader.run(&tasks).await;
    let written = files(&folder);
    assert!((20..=32).contains(&written), "{written} files");
    for (i, value) in reader.values(0..64).await.iter().enumerate() {
        match i {
            0..32 => assert_eq!(value.buffers[0].as_slice(), vec![i as u8; 1 << 20]),
            _ => assert_eq!(number(&value.head), 1 + (2 << 20)),
        }
    }
    drop(one);
    assert_eq!(files(&folder), 0);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn a_full_disk_ends_in_an_error_that_names_both_limits() {
    let (server, security) = server(&Address::loopback(), |_| {});
    let folder = folder();
    let mut limited = settings("one", &address_of(&server), &security);
    (limited.memory_limit, limited.local_directory) = (4 << 20, folder.clone());
    limited.spill_limit = Some(2 << 20);
    limited.machine.no_memory_after = Duration::from_millis(200);
    let (one, _) = start(limited);
    let mut reader = Reader::join(&server, &security).await;
    let tasks: Vec<Task> = (0..20).map(|i| block(format!("b-{i}"), 1 << 20)).collect();
    reader.client.say(submit(&tasks)).await;
    let failed = loop {
        let failed = reader.client.heard.iter().find_map(|message| match message {
            ToClient::Failed { failure, .. } => Some(failure.to_string()),
            _ => None,
        });
        match failed {
            Some(failed) => break failed,
            None => reader.client.step().await,
        }
    };
    assert!(failed.contains("memory limit of 4096 KiB") && failed.contains("the 2048 KiB for spilled"), "{failed}");
    drop(one);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn without_a_scheduler_a_worker_ends_in_time_and_says_why() {
    let security = crate::players::security();
    let nobody: Address = "tcp://127.0.0.1:1".parse().expect("an address");
    let ended = |settings: WorkerSettings| {
        thread::spawn(move || {
            let worker = WorkerServer::start(settings, Arc::new(Threads::default())).expect("started");
            match end(&worker) {
                End::Failed(error) => error.to_string(),
                other => panic!("{other:?}"),
            }
        })
    };
    let mut lonely = settings("one", &nobody, &security);
    lonely.death_timeout = Some(Duration::from_millis(300));
    let why = ended(lonely).join().expect("ended");
    assert!(why.contains("no scheduler was found within 0.3 s") && why.contains("127.0.0.1:1"), "{why}");

    let (server, _) = server(&Address::loopback(), |_| {});
    let why = ended(settings("one", &address_of(&server), &security)).join().expect("ended");
    assert!(why.contains("has another token"), "{why}");
}

#[tokio::test]
async fn a_scheduler_that_dies_is_missed_for_so_long_and_values_are_kept_meanwhile() {
    let security = crate::players::security();
    let mut listener =
        Endpoint::new(Role::Scheduler, security.clone()).listen(&Address::loopback()).await.expect("bound");
    let mut patient = settings("one", listener.address(), &security);
    patient.death_timeout = Some(Duration::from_millis(1500));
    patient.machine.scheduler_lost_after = Duration::from_millis(500);
    let starting = thread::spawn(|| start(patient).0);
    let (sender, mut receiver) = listener.accept().await.expect("accepted").split::<WorkerHears, WorkerSays>();
    let said = receiver.recv().await.expect("heard").expect("open");
    let WorkerSays::Register { registration, .. } = said.header else { panic!("no registration") };
    let welcome = Welcome {
        process: registration.process,
        nonce: registration.nonce,
        epoch: Epoch(1),
        worker: WorkerId(3),
        incarnation: Incarnation(1),
        drop: vec![],
        peers: vec![],
    };
    sender.send(&WorkerHears::Welcome(welcome), vec![]).await.expect("sent");
    let one = tokio::task::spawn_blocking(|| starting.join()).await.expect("waited").expect("started");

    let client = Endpoint::new(Role::Client, security);
    let (ask, mut answers) = client.connect(one.address()).await.expect("connected").split::<DataSays, DataHears>();
    let (request, task) = (RequestId(5), TaskId { slot: 1, generation: 0 });
    let mut buffers = vec![];
    let sent = Packed { head: vec![7; 100_000].into(), buffers: vec![] }.send(&mut buffers);
    ask.send(&DataSays::Put { request, values: vec![(task, sent)], loans: Vec::new() }, buffers).await.expect("sent");
    let taken = answers.recv().await.expect("heard").expect("open").header;
    assert_eq!(taken, DataHears::Taken { request, tasks: vec![task] });
    drop((sender, receiver, listener));
    ask.send(&DataSays::Get { request, tasks: vec![task] }, vec![]).await.expect("sent");
    let message = answers.recv().await.expect("heard").expect("open");
    assert!(matches!(message.header, DataHears::Values { values, .. } if values.len() == 1));
    let End::Failed(why) = end(&one) else { panic!("no error") };
    assert!(why.to_string().contains("the scheduler was not found again within 1.5 s"), "{why}");
}
