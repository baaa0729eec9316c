//! What the worker's shell costs: short tasks a second, and a large value from worker to worker and from worker to client,
//! beside a plain copy of memory that is new.
#![allow(clippy::print_stdout, clippy::expect_used)]

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use raskr_base::Value;
use raskr_cluster::{
    Address, Buffer, ClientHears, ClientSays, DataHears, DataSays, Ended, Endpoint, Packed, Progress, Receiver, Role,
    Runner, SchedulerServer, Security, Sender, ServerOptions, Stored, Token, Work, WorkerServer, WorkerSettings,
};
use raskr_sched::{
    Annotations, Attempt, Blob, BodyId, BodySpec, FromClient, FutureId, Input, RequestId, Submission, TaskId, TaskSpec,
    ToClient,
};
use tokio::runtime::{Builder, Runtime};

const TASKS: u32 = 100_000;
const BULK: usize = 1 << 30;
const WAIT: Duration = Duration::from_secs(30);

/// Ends each task at once: a number when it has inputs or no arguments, else a block.
#[derive(Default)]
struct AtOnce(Mutex<Option<Arc<dyn Progress>>>);

impl Runner for AtOnce {
    fn start(&self, progress: Arc<dyn Progress>, _threads: usize, _address: &str) {
        *self.0.lock() = Some(progress);
    }
    fn keep_body(&self, _body: BodyId, _code: Blob) {}
    fn forget_body(&self, _body: BodyId) {}
    fn execute(&self, work: Vec<Work>) {
        let Some(progress) = self.0.lock().clone() else { return };
        let ended = work.into_iter().map(|one| {
            let buffers = match one.arguments {
                Some(_) => vec![Buffer::Plain(vec![1; BULK].into())],
                None => vec![],
            };
            let value = Stored::Packed(Packed { head: Bytes::from_static(b"value"), buffers });
            (one.task, one.attempt, Ended::Done { value, micros: 5 })
        });
        progress.ended(ended.collect());
    }
    fn interrupt(&self, _task: TaskId, _attempt: Attempt) {}
    fn call(&self, _call: u64, _question: String, _buffers: Vec<Bytes>) {}
    fn pack(&self, _value: &Value) -> Result<Packed, String> {
        Err("nothing native is made here".to_owned())
    }
    fn children(&self) -> Vec<u32> {
        vec![]
    }
    fn stop(&self) {
        *self.0.lock() = None;
    }
}

struct Client {
    runtime: Runtime,
    sender: Sender<ClientSays>,
    receiver: Receiver<ClientHears>,
    endpoint: Endpoint,
    finished: HashSet<u64>,
    located: Option<TaskId>,
}

impl Client {
    fn join(address: &Address, security: &Security) -> Client {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = Endpoint::new(Role::Client, security.clone());
        let (sender, receiver) = runtime.block_on(endpoint.connect(address)).expect("connected").split();
        let client = Client { runtime, sender, receiver, endpoint, finished: HashSet::new(), located: None };
        client.say(&ClientSays::Hello { name: "Client-0000000000000001".into(), about: "{}".into() });
        client
    }

    fn say(&self, message: &ClientSays) {
        self.runtime.block_on(self.sender.send(message, vec![])).expect("sent");
    }

    fn hear(&mut self) {
        let heard = self.runtime.block_on(self.receiver.recv()).expect("heard").expect("open");
        if let ClientHears::Batch(messages) = heard.header {
            for message in messages {
                match message {
                    ToClient::Finished { future, .. } => drop(self.finished.insert(future.0)),
                    ToClient::Located { found, .. } => self.located = found.first().map(|one| one.task),
                    _ => {}
                }
            }
        }
    }

    /// Seconds until all tasks are done.
    fn run(&mut self, submission: Submission) -> f64 {
        let wanted: Vec<u64> = submission.wants.iter().map(|(_, future)| future.0).collect();
        let begun = Instant::now();
        self.say(&ClientSays::Batch(vec![FromClient::Submit(submission)]));
        while !wanted.iter().all(|future| self.finished.contains(future)) {
            self.hear();
        }
        begun.elapsed().as_secs_f64()
    }

    /// Seconds until a value is here.
    fn fetch(&mut self, future: u64, worker: &Address) -> f64 {
        let request = RequestId(1);
        self.say(&ClientSays::Batch(vec![FromClient::Locate { request, futures: vec![FutureId(future)] }]));
        while self.located.is_none() {
            self.hear();
        }
        let tasks = self.located.into_iter().collect();
        self.runtime.block_on(async {
            let (sender, mut receiver) =
                self.endpoint.connect(worker).await.expect("connected").split::<DataSays, DataHears>();
            let begun = Instant::now();
            sender.send(&DataSays::Get { request, tasks }, vec![]).await.expect("sent");
            let message = receiver.recv().await.expect("heard").expect("open");
            assert_eq!(message.buffers.iter().map(Bytes::len).sum::<usize>(), BULK);
            begun.elapsed().as_secs_f64()
        })
    }
}

fn spec(key: String, arguments: Option<Blob>, inputs: Vec<Input>, worker: Option<u32>) -> TaskSpec {
    TaskSpec { key: key.into(), body: 0, index: 0, arguments, inputs, annotations: worker }
}

fn submission(tasks: Vec<TaskSpec>, first: u64) -> Submission {
    let on = |name: &str| Annotations { workers: vec![name.into()], ..Annotations::default() };
    Submission {
        request: RequestId(first),
        bodies: vec![BodySpec { token: 1, code: Blob::from(vec![1]), class: "f".into() }],
        annotations: vec![on("one"), on("two")],
        wants: (0..tasks.len() as u32).map(|task| (task, FutureId(first + u64::from(task)))).collect(),
        tasks,
    }
}

fn main() {
    let security = Security::new(Token::random().expect("random"));
    let server = SchedulerServer::start(ServerOptions::new(Address::loopback(), security.clone())).expect("started");
    let address = server.address().expect("an address").clone();
    let start = |name: &str| {
        let (address, security) = (address.clone(), security.clone());
        let contact = Arc::new(move || Ok((address.clone(), security.clone())));
        let worker = WorkerServer::start(WorkerSettings::new(name, contact), Arc::new(AtOnce::default()));
        let worker = worker.expect("started");
        assert!(worker.wait_registered(WAIT).1);
        worker
    };
    let (one, _two) = (start("one"), start("two"));
    let mut client = Client::join(&address, &security);

    let tasks = (0..TASKS).map(|i| spec(format!("task-{i}"), None, vec![], None)).collect();
    let seconds = client.run(submission(tasks, 0));
    println!("{TASKS} tasks that do nothing: {:.2} us each", seconds / f64::from(TASKS) * 1e6);

    let source = vec![3u8; BULK];
    let begun = Instant::now();
    let copy = black_box(source.clone());
    let rate = |seconds: f64| BULK as f64 / seconds / 1e9;
    println!("a copy of {BULK} bytes to new memory: {:.2} GB/s", rate(begun.elapsed().as_secs_f64()));
    drop((copy, source));

    let block = spec("block".to_owned(), Some(Blob::from(vec![1])), vec![], Some(0));
    client.run(submission(vec![block], 1 << 40));
    println!("worker to client: {:.2} GB/s", rate(client.fetch(1 << 40, one.address())));
    println!("worker to client again: {:.2} GB/s", rate(client.fetch(1 << 40, one.address())));
    let taken = spec("taken".to_owned(), None, vec![Input::Known("block".into())], Some(1));
    println!("worker to worker: {:.2} GB/s", rate(client.run(submission(vec![taken], 1 << 41))));
}
