//! Players for the tests of the scheduler's shell: a server, workers that speak the protocol and whose bodies yield a number
//! of bytes, and clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use raskr_cluster::{
    Address, ClientHears, ClientSays, Endpoint, Message, Receiver, Role, SchedulerServer, Security, Sender,
    ServerOptions, Token, WorkerHears, WorkerSays,
};
use raskr_sched::{
    Blob, BodySpec, Executed, FromClient, FromWorker, FutureId, Held, Incarnation, Input, Instant, Link, Registration,
    RequestId, Submission, TaskSpec, ToClient, ToWorker, Worker, WorkerAction, WorkerEvent, WorkerId, WorkerOptions,
};
use serde_json::{Value, json};

use crate::support::SHORT;

pub fn security() -> Security {
    Security::new(Token::random().expect("random"))
}

/// A server that the test starts within its runtime; its own threads run it.
pub fn server(address: &Address, change: impl FnOnce(&mut ServerOptions)) -> (SchedulerServer, Security) {
    let security = security();
    let mut options = ServerOptions::new(address.clone(), security.clone());
    change(&mut options);
    (SchedulerServer::start(options).expect("started"), security)
}

pub fn address_of(server: &SchedulerServer) -> Address {
    server.address().expect("an address").clone()
}

/// A worker that runs whatever it is given at once, over a connection that the test can cut.
pub struct FakeWorker {
    endpoint: Endpoint,
    address: Address,
    machine: Worker,
    sender: Sender<WorkerSays>,
    receiver: Receiver<WorkerHears>,
    link: Option<Link<FromWorker, ToWorker>>,
    pub at: Option<(WorkerId, Incarnation)>,
    began: Clock,
    pub ran: usize,
    /// Tasks whose key begins so are never done.
    pub never: &'static str,
    pub rejected: usize,
    /// It was told to close.
    pub closed: bool,
    pub calls: Vec<String>,
}

impl FakeWorker {
    pub async fn join(server: &SchedulerServer, security: &Security, name: &str) -> FakeWorker {
        Self::join_at(&address_of(server), security, name).await
    }

    pub async fn join_at(address: &Address, security: &Security, name: &str) -> FakeWorker {
        let process = name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte));
        Self::join_as(address, security, name, process).await
    }

    pub async fn join_as(address: &Address, security: &Security, name: &str, process: u64) -> FakeWorker {
        let endpoint = Endpoint::new(Role::Worker, security.clone());
        let (sender, receiver) = endpoint.connect(address).await.expect("connected").split();
        let me = Registration {
            name: Arc::from(name),
            address: Arc::from(format!("tcp://127.0.0.1:1/{name}")),
            host: Arc::from("127.0.0.1"),
            process,
            nonce: 0,
            threads: 2,
            memory_limit: 0,
            resources: vec![],
            epoch: None,
            inventory: vec![],
        };
        let mut worker = FakeWorker {
            endpoint,
            address: address.clone(),
            machine: Worker::new(me, WorkerOptions::default()),
            sender,
            receiver,
            link: None,
            at: None,
            began: Clock::now(),
            ran: 0,
            never: "never",
            rejected: 0,
            closed: false,
            calls: vec![],
        };
        worker.feed(WorkerEvent::Ticked).await;
        while worker.at.is_none() {
            worker.step().await.expect("joined");
        }
        worker
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.began.elapsed().as_micros() as u64)
    }

    async fn say(&self, header: WorkerSays) {
        // The connection may have been cut by the test.
        let _ = self.sender.send(&header, vec![]).await;
    }

    async fn feed(&mut self, event: WorkerEvent) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.now();
            for action in self.machine.handle(event, now) {
                match action {
                    WorkerAction::Register(registration) => {
                        let about = json!({ "pid": 1, "local_directory": "/somewhere" }).to_string();
                        self.say(WorkerSays::Register { registration, about }).await;
                    }
                    WorkerAction::ToScheduler { messages, .. } => {
                        let link = self.link.as_mut().expect("a link");
                        let packet = link.send(messages, now);
                        self.say(WorkerSays::Packet(packet)).await;
                    }
                    WorkerAction::Execute(run) if !run.key.starts_with(self.never) => {
                        self.ran += 1;
                        let executed = Executed::Done { bytes: 8, micros: 10, value: None };
                        events.push_back(WorkerEvent::Executed { task: run.task, attempt: run.attempt, executed });
                    }
                    // Whatever is asked of a peer comes at once.
                    WorkerAction::Gather { request, tasks, .. } => {
                        let values = tasks.into_iter().map(|task| Held { task, bytes: 8 }).collect();
                        events.push_back(WorkerEvent::Gathered { request, values, absent: vec![] });
                    }
                    WorkerAction::Close { .. } => {
                        self.closed = true;
                        self.say(WorkerSays::Farewell).await;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Hears one message, or that time goes by.
    pub async fn step(&mut self) -> Option<()> {
        let heard = tokio::time::timeout(Duration::from_millis(100), self.receiver.recv()).await;
        let Ok(heard) = heard else {
            self.feed(WorkerEvent::Ticked).await;
            return Some(());
        };
        let Message { header, .. } = heard.ok()??;
        match header {
            WorkerHears::Welcome(welcome) => {
                let (worker, incarnation) = (welcome.worker, welcome.incarnation);
                if self.at != Some((worker, incarnation)) {
                    let number = u64::from(worker.0) << 32 | u64::from(incarnation.0);
                    self.link = Some(Link::new(number, Duration::from_secs(3600)));
                    self.at = Some((worker, incarnation));
                }
                self.feed(WorkerEvent::Welcomed(welcome)).await;
            }
            WorkerHears::Reject { incarnation } => {
                self.rejected += 1;
                self.feed(WorkerEvent::Rejected { incarnation }).await;
            }
            WorkerHears::Packet(packet) => {
                let messages = self.link.as_mut().expect("a link").receive(packet);
                let incarnation = self.at.expect("welcomed").1;
                self.feed(WorkerEvent::FromScheduler { incarnation, messages }).await;
            }
            WorkerHears::Call { call, question } => {
                let answer = Ok(json!({ "heard": question }).to_string());
                self.calls.push(question);
                let reply = WorkerSays::Reply { call, answer };
                self.sender.send(&reply, vec![Bytes::from_static(b"reply")]).await.expect("sent");
            }
        }
        Some(())
    }

    /// Works until its connection ends.
    pub async fn run(mut self) -> FakeWorker {
        while self.step().await.is_some() {}
        self
    }

    /// Cuts the connection without a word, and comes back over another one.
    pub async fn reconnect(&mut self) {
        self.sender.abort();
        let connected = self.endpoint.connect(&self.address).await.expect("connected");
        (self.sender, self.receiver) = connected.split();
        let (worker, incarnation) = self.at.expect("welcomed");
        self.say(WorkerSays::Resume { worker, incarnation }).await;
        let now = self.now();
        for packet in self.link.as_mut().expect("a link").resume(now) {
            self.say(WorkerSays::Packet(packet)).await;
        }
    }

    /// Says something, and cuts the connection before the scheduler can answer.
    pub fn cut(&self) {
        self.sender.abort();
    }
}

pub struct FakeClient {
    sender: Sender<ClientSays>,
    receiver: Receiver<ClientHears>,
    request: u64,
    pub about: Value,
    /// What came that is no answer.
    pub heard: Vec<ToClient>,
    pub events: Vec<(String, Bytes)>,
    pub closing: Option<String>,
    answers: BTreeMap<u64, (raskr_cluster::Answer, Vec<Bytes>)>,
}

impl FakeClient {
    pub async fn join(server: &SchedulerServer, security: &Security) -> FakeClient {
        let endpoint = Endpoint::new(Role::Client, security.clone());
        let (sender, mut receiver) = endpoint.connect(&address_of(server)).await.expect("connected").split();
        let hello = ClientSays::Hello { name: Arc::from("Client-0123456789abcdef"), about: "{}".into() };
        sender.send(&hello, vec![]).await.expect("sent");
        let Some(Message { header: ClientHears::Welcome { about, .. }, .. }) = receiver.recv().await.expect("heard")
        else {
            panic!("no welcome");
        };
        FakeClient {
            sender,
            receiver,
            request: 0,
            about: serde_json::from_str(&about).expect("JSON"),
            heard: vec![],
            events: vec![],
            closing: None,
            answers: BTreeMap::new(),
        }
    }

    pub async fn say(&self, message: FromClient) {
        self.sender.send(&ClientSays::Batch(vec![message]), vec![]).await.expect("sent");
    }

    pub async fn post(&mut self, question: Value, buffers: Vec<Bytes>) -> u64 {
        self.request += 1;
        let ask = ClientSays::Ask { request: self.request, question: question.to_string() };
        self.sender.send(&ask, buffers).await.expect("sent");
        self.request
    }

    /// The answer to a question that was posted.
    pub async fn answer(&mut self, request: u64) -> (Result<Value, raskr_cluster::Refusal>, Vec<Bytes>) {
        while !self.answers.contains_key(&request) {
            self.step().await;
        }
        let (answer, buffers) = self.answers.remove(&request).expect("answered");
        (answer.map(|text| serde_json::from_str(&text).expect("JSON")), buffers)
    }

    pub fn has_answer(&self, request: u64) -> bool {
        self.answers.contains_key(&request)
    }

    pub async fn ask(&mut self, question: Value) -> Value {
        let request = self.post(question, vec![]).await;
        self.answer(request).await.0.expect("an answer")
    }

    pub async fn refused(&mut self, question: Value) -> raskr_cluster::Refusal {
        let request = self.post(question, vec![]).await;
        self.answer(request).await.0.expect_err("a refusal")
    }

    pub async fn step(&mut self) {
        let heard = tokio::time::timeout(SHORT, self.receiver.recv()).await.expect("in time");
        let Message { header, buffers } = heard.expect("heard").expect("open");
        match header {
            ClientHears::Batch(messages) => self.heard.extend(messages),
            ClientHears::Answer { request, answer } => drop(self.answers.insert(request, (answer, buffers))),
            ClientHears::Event { topic } => self.events.push((topic.to_string(), buffers[0].clone())),
            ClientHears::Closing { reason } => self.closing = Some(reason),
            ClientHears::Welcome { .. } => panic!("welcomed twice"),
        }
    }

    /// Waits until so many futures are finished.
    pub async fn finished(&mut self, count: usize) {
        let (mut seen, mut done) = (0, 0);
        loop {
            let new = &self.heard[seen..];
            done += new.iter().filter(|message| matches!(message, ToClient::Finished { .. })).count();
            seen = self.heard.len();
            if done >= count {
                return;
            }
            self.step().await;
        }
    }
}

/// Tasks of one body, each with the inputs that it names by number.
pub fn submission(request: u64, first: u64, tasks: &[(String, Vec<u32>)]) -> FromClient {
    let body = BodySpec { token: 5, code: Blob::from(vec![1, 2, 3]), class: Arc::from("add") };
    let spec = |(key, inputs): &(String, Vec<u32>)| TaskSpec {
        key: Arc::from(key.as_str()),
        body: 0,
        index: 0,
        arguments: None,
        inputs: inputs.iter().map(|input| Input::Here(*input)).collect(),
        annotations: None,
    };
    FromClient::Submit(Submission {
        request: RequestId(request),
        bodies: vec![body],
        annotations: vec![],
        tasks: tasks.iter().map(spec).collect(),
        wants: (0..tasks.len() as u32).map(|task| (task, FutureId(first + u64::from(task)))).collect(),
    })
}

pub fn keys(prefix: &str, count: u32) -> Vec<(String, Vec<u32>)> {
    (0..count).map(|number| (format!("{prefix}-{number}"), vec![])).collect()
}
