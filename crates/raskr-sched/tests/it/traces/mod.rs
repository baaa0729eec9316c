//! Small traces: a few events to one machine, and what it does about them.

mod clients;
mod faults;
mod places;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use raskr_sched::{
    Action, Annotations, Blob, BodySpec, ClientId, Death, Epoch, Event, Failure, FromClient, FromWorker, FutureId,
    Gone, Incarnation, Input, Instant, MemoryReport, Notice, Raised, Registration, RequestId, RunTask, Scheduler,
    SchedulerOptions, State, Submission, TaskSpec, ToClient, ToWorker, WorkerId,
};

pub const CLIENT: ClientId = ClientId(0);

/// A scheduler, and all that it said.
pub struct Trace {
    pub scheduler: Scheduler,
    pub now: Instant,
    pub runs: BTreeMap<String, (WorkerId, RunTask)>,
    pub said: Vec<(WorkerId, ToWorker)>,
    pub told: Vec<ToClient>,
    pub notices: Vec<Notice>,
    pub others: Vec<Action>,
    incarnations: BTreeMap<WorkerId, Incarnation>,
    futures: BTreeMap<String, FutureId>,
    next: u64,
    /// Goes with the next message of the client.
    held_back: Vec<FromClient>,
}

impl Trace {
    pub fn new() -> Trace {
        Trace::with(SchedulerOptions::default())
    }

    pub fn with(options: SchedulerOptions) -> Trace {
        let mut trace = Trace {
            scheduler: Scheduler::new(options, Epoch(1)),
            now: Instant::default(),
            runs: BTreeMap::new(),
            said: Vec::new(),
            told: Vec::new(),
            notices: Vec::new(),
            others: Vec::new(),
            incarnations: BTreeMap::new(),
            futures: BTreeMap::new(),
            next: 0,
            held_back: Vec::new(),
        };
        trace.on(Event::ClientJoined { client: CLIENT });
        trace.told.clear();
        trace
    }

    pub fn on(&mut self, event: Event) {
        for action in self.scheduler.handle(event, self.now) {
            match action {
                Action::ToWorker { worker, messages, .. } => {
                    for message in messages {
                        if let ToWorker::Run(run) = &message {
                            self.runs.insert(run.key.to_string(), (worker, run.clone()));
                        }
                        self.said.push((worker, message));
                    }
                }
                Action::ToClient { messages, .. } => self.told.extend(messages),
                Action::Tell(notice) => self.notices.push(notice),
                Action::Welcome(welcome) => {
                    self.incarnations.insert(welcome.worker, welcome.incarnation);
                    self.others.push(Action::Welcome(welcome));
                }
                other => self.others.push(other),
            }
        }
        if let Err(violation) = self.scheduler.validate() {
            panic!("{violation}");
        }
    }

    pub fn registration(name: &str, threads: u32) -> Registration {
        Registration {
            name: Arc::from(name),
            address: Arc::from(format!("tcp://{name}:1")),
            host: Arc::from("host"),
            process: 1,
            nonce: 1,
            threads,
            memory_limit: 0,
            resources: vec![],
            epoch: None,
            inventory: vec![],
        }
    }

    /// A worker of that many threads.
    pub fn worker(&mut self, name: &str, threads: u32) -> WorkerId {
        self.register(Trace::registration(name, threads))
    }

    pub fn register(&mut self, registration: Registration) -> WorkerId {
        let name = registration.name.clone();
        self.on(Event::Registered(registration));
        self.told.retain(|message| !matches!(message, ToClient::Workers(_)));
        let view = self.scheduler.workers().into_iter().find(|view| view.name == name);
        view.map(|view| view.worker).expect("a registered worker is known")
    }

    /// Tasks as `key <- inputs`, with annotations; wants those whose keys are listed.
    pub fn submit_with(&mut self, tasks: &[(&str, &[&str], Annotations)], wants: &[&str]) {
        let bodies = vec![BodySpec { token: 1, code: Blob::from(vec![1]), class: Arc::from("task") }];
        let annotations = tasks.iter().map(|task| task.2.clone()).collect();
        let at = |key: &str| tasks.iter().position(|task| task.0 == key);
        let specs = tasks.iter().enumerate().map(|(number, (key, inputs, _))| TaskSpec {
            key: Arc::from(*key),
            body: 0,
            index: 0,
            arguments: None,
            inputs: inputs
                .iter()
                .map(|input| at(input).map_or_else(|| Input::Known(Arc::from(*input)), |at| Input::Here(at as u32)))
                .collect(),
            annotations: Some(number as u32),
        });
        let specs = specs.collect();
        let mut wanted = Vec::new();
        for key in wants {
            self.next += 1;
            self.futures.insert((*key).to_owned(), FutureId(self.next));
            wanted.push((at(key).expect("what is wanted is listed") as u32, FutureId(self.next)));
        }
        let submission = Submission { request: RequestId(1), bodies, annotations, tasks: specs, wants: wanted };
        self.say(FromClient::Submit(submission));
    }

    pub fn submit(&mut self, tasks: &[(&str, &[&str])], wants: &[&str]) {
        let tasks: Vec<_> = tasks.iter().map(|(key, inputs)| (*key, *inputs, Annotations::default())).collect();
        self.submit_with(&tasks, wants);
    }

    pub fn future(&self, key: &str) -> FutureId {
        self.futures[key]
    }

    pub fn say(&mut self, message: FromClient) {
        let mut messages = std::mem::take(&mut self.held_back);
        messages.push(message);
        self.on(Event::FromClient { client: CLIENT, messages });
    }

    pub fn say_with_next(&mut self, message: FromClient) {
        self.held_back.push(message);
    }

    pub fn hear(&mut self, worker: WorkerId, message: FromWorker) {
        let incarnation = self.incarnations[&worker];
        self.on(Event::FromWorker { worker, incarnation, messages: vec![message] });
    }

    /// Which worker was last given a task.
    pub fn owner(&self, key: &str) -> WorkerId {
        self.runs.get(key).unwrap_or_else(|| panic!("'{key}' was given to nobody")).0
    }

    pub fn start(&mut self, key: &str) {
        let (worker, run) = self.runs[key].clone();
        self.hear(worker, FromWorker::Started { task: run.task, attempt: run.attempt });
    }

    pub fn finish(&mut self, key: &str, bytes: u64) {
        let (worker, run) = self.runs[key].clone();
        self.hear(
            worker,
            FromWorker::Finished { task: run.task, attempt: run.attempt, bytes, micros: 1000, value: None },
        );
    }

    pub fn raise(&mut self, key: &str) {
        self.end_raising(key, false);
    }

    /// The task asks to begin again.
    pub fn reschedule(&mut self, key: &str) {
        self.end_raising(key, true);
    }

    fn end_raising(&mut self, key: &str, again: bool) {
        let (worker, run) = self.runs[key].clone();
        let error = Raised { message: "ValueError: no".into(), encoded: Blob::from(vec![]), again };
        self.hear(worker, FromWorker::Failed { task: run.task, attempt: run.attempt, error, micros: 10 });
    }

    pub fn kill(&mut self, key: &str, external: bool) {
        let (worker, run) = self.runs[key].clone();
        let death =
            Death { how: "SIGSEGV".into(), external, memory_peak: 412 << 20, memory_limit: 400 << 20, log: vec![] };
        self.hear(worker, FromWorker::Killed { task: run.task, attempt: run.attempt, death });
    }

    pub fn give_back(&mut self, key: &str, given: bool) {
        let (worker, run) = self.runs[key].clone();
        self.hear(worker, FromWorker::Retracted { task: run.task, attempt: run.attempt, given });
    }

    pub fn lose(&mut self, worker: WorkerId) {
        let incarnation = self.incarnations[&worker];
        self.on(Event::WorkerGone { worker, incarnation, how: Gone::Died });
    }

    pub fn incarnation(&self, worker: WorkerId) -> Incarnation {
        self.incarnations[&worker]
    }

    pub fn heartbeat(&mut self, worker: WorkerId, stored: u64, spilled: u64) {
        let memory = MemoryReport { stored, spilled, process: stored, disk_full: None };
        self.hear(worker, FromWorker::Heartbeat { memory });
    }

    pub fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.on(Event::Ticked);
    }

    pub fn state(&self, key: &str) -> Option<State> {
        self.scheduler.state(key)
    }

    /// What was said to a worker since the last time.
    pub fn said_to(&mut self, worker: WorkerId) -> Vec<ToWorker> {
        let (to, others) = std::mem::take(&mut self.said).into_iter().partition(|(to, _)| *to == worker);
        self.said = others;
        let to: Vec<(WorkerId, ToWorker)> = to;
        to.into_iter().map(|(_, message)| message).collect()
    }

    /// What clients were told since the last time.
    pub fn told(&mut self) -> Vec<ToClient> {
        std::mem::take(&mut self.told)
    }

    pub fn failure(&mut self) -> Arc<Failure> {
        let failed = self.told().into_iter().find_map(|message| match message {
            ToClient::Failed { failure, .. } => Some(failure),
            _ => None,
        });
        failed.expect("something failed")
    }
}

pub fn note() -> Annotations {
    Annotations::default()
}

pub fn gpu(amount: u64) -> Annotations {
    Annotations { resources: vec![(Arc::from("GPU"), amount)], ..note() }
}

pub fn on(workers: &[&str]) -> Annotations {
    Annotations { workers: workers.iter().map(|name| Arc::from(*name)).collect(), ..note() }
}
