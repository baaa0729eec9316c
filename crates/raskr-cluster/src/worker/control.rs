//! What drives a worker's machine: everything that happens comes to it, everything that is to be done leaves from it.
//!
//! What has arrived is handled together: messages to the scheduler of one round go in one packet, tasks to the runner in one
//! call. A task carries the connection to the scheduler; all else is taken in by whoever brings it (`desk`). Nothing here
//! waits for a disk, for bulk data, or for Python.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raskr_base::{ErrorClass, TaskError};
use raskr_sched::{
    Attempt, Blob, Execute, Executed, FromWorker, Held, Instant, Link, MemoryReport, Registration, TaskId, Worker,
    WorkerAction, WorkerEvent,
};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::data::{Peers, Server};
use super::desk::Desk;
use super::inputs::{Input, Pending, Told, spawn_spiller};
use super::line::{Line, Linked, made, next, process_number};
use super::memory::{Processor, open_files, process_bytes};
use super::spill::SpillFolder;
use super::store::Store;
use super::{Contact, End, Ending, WorkerSettings};
use crate::address::Address;
use crate::connection::{Connection, Message, Receiver, Sender};
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::handshake::Role;
use crate::near;
use crate::runner::{Ended, Runner, Stored, Work};
use crate::security::Security;
use crate::wire::{WorkerHears, WorkerSays};

const TICK: Duration = Duration::from_millis(200);
/// Every so many ticks people are told how the process does.
const METRICS_TICKS: u32 = 5;
/// Packets that the scheduler did not acknowledge are sent again after this long.
const RESEND_AFTER: Duration = Duration::from_secs(3);
/// Between attempts to reach the scheduler, at first and at last.
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How long the last messages may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The machine hears at once of memory that differs by this part of the limit.
const REPORT_SHARE: u64 = 64;
/// Bytes of values that go with the word that they are there, in one packet.
const ALONG_BYTES_MAX: usize = 64 << 10;

pub(super) struct Control {
    machine: Worker,
    began: std::time::Instant,
    settings: WorkerSettings,
    about: String,
    address: Address,
    store: Arc<Store>,
    runner: Arc<dyn Runner>,
    peers: Arc<Peers>,
    /// Where data is moved.
    data: Handle,
    desk: Arc<Desk>,
    sender: Option<Sender<WorkerSays>>,
    linked: Option<Linked>,
    /// What was said last and not answered.
    registration: Option<Registration>,
    /// Messages and tasks of this round.
    outgoing: Vec<FromWorker>,
    /// Bytes of values among them.
    along: usize,
    executes: Vec<Work>,
    processor: Processor,
    ticks: u32,
    reported: MemoryReport,
    connect_error: Option<CommError>,
    leaving: bool,
    ended: Arc<Ending>,
    end: Option<End>,
}

impl Control {
    /// Listens; within the runtime in which data is to be moved.
    pub async fn new(
        mut settings: WorkerSettings,
        security: Security,
        runner: Arc<dyn Runner>,
    ) -> Result<Control, CommError> {
        let endpoint = Endpoint::new(Role::Worker, security).with_options(settings.connections);
        let listener = endpoint.listen(&settings.listen).await?;
        let mut address = listener.contact();
        if let Some(host) = &settings.contact_host {
            address = address.with_host(host);
        }
        let target = (settings.memory_limit > 0 && settings.target > 0.0)
            .then_some((settings.memory_limit as f64 * settings.target) as u64);
        let folder = SpillFolder::new(&settings.local_directory, settings.spill_limit);
        let store = Store::new(folder, target, Arc::clone(&runner));
        let desk = Arc::<Desk>::default();
        let server = Server { desk: Arc::clone(&desk), store: Arc::clone(&store), runner: Arc::clone(&runner) };
        // Without it, peers of this machine come by the other way.
        if let Some(path) = near::beside(&address)
            && let Ok(local) = endpoint.listen(&Address::Unix(path)).await
        {
            tokio::spawn(server.clone().run(local));
        }
        tokio::spawn(server.run(listener));
        if settings.name.is_empty() {
            settings.name = address.to_string().into();
        }
        let host: Arc<str> = address.host().map_or("inproc", |host| host.name.as_str()).into();
        let registration = Registration {
            name: Arc::clone(&settings.name),
            address: address.to_string().into(),
            host: Arc::clone(&host),
            process: process_number(),
            nonce: 0,
            threads: settings.threads.max(1),
            memory_limit: settings.memory_limit,
            resources: settings.resources.clone(),
            epoch: None,
            inventory: Vec::new(),
        };
        let mut about = settings.about.clone();
        about.insert("pid".into(), json!(std::process::id()));
        about.insert("local_directory".into(), json!(settings.local_directory.display().to_string()));
        Ok(Control {
            machine: Worker::new(registration, settings.machine.clone()),
            began: std::time::Instant::now(),
            about: Json::Object(about).to_string(),
            address,
            store,
            runner,
            peers: Peers::new(endpoint, host),
            data: Handle::current(),
            desk,
            sender: None,
            linked: None,
            registration: None,
            outgoing: Vec::new(),
            along: 0,
            executes: Vec::new(),
            processor: Processor::new(),
            ticks: 0,
            reported: MemoryReport::default(),
            connect_error: None,
            leaving: false,
            ended: Arc::default(),
            end: None,
            settings,
        })
    }

    /// What others need of it: its name and address, where to bring what happens, and what tells of its end.
    pub fn face(&self) -> (Arc<str>, Address, Arc<Desk>, Arc<Ending>) {
        let desk = Arc::clone(&self.desk);
        (Arc::clone(&self.settings.name), self.address.clone(), desk, Arc::clone(&self.ended))
    }

    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Until the worker has ended.
    pub async fn run(self) -> End {
        let desk = Arc::clone(&self.desk);
        let spiller = spawn_spiller(&self.store, &desk);
        let progress = Told { desk: Arc::clone(&desk), store: Arc::clone(&self.store) };
        self.runner.start(Arc::new(progress), self.settings.threads.max(1) as usize, &self.address.to_string());
        let mut receiver: Option<Receiver<WorkerHears>> = None;
        let mut connecting = Some(self.connect(Duration::ZERO));
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut failures = 0;
        desk.open(self);
        let mut ended = false;
        while !ended {
            tokio::select! {
                heard = next(&mut receiver) => ended = desk.round(|control| match heard {
                    Ok(message) => {
                        control.on_heard(message);
                        failures = 0;
                        while let Some(ready) = receiver.as_mut().and_then(|line| line.recv_ready().ok().flatten()) {
                            control.on_heard(ready);
                        }
                    }
                    Err(error) => {
                        (receiver, control.sender) = (None, None);
                        control.connect_error = error;
                        connecting = Some(control.connect(RETRY));
                    }
                }),
                () = desk.told() => ended = desk.round(|_| {}),
                made = made(&mut connecting) => ended = desk.round(|control| {
                    connecting = None;
                    match made {
                        Ok((sender, line)) => {
                            (control.sender, receiver) = (Some(sender), Some(line));
                            control.on_connected();
                        }
                        Err(error) => {
                            if control.is_hopeless(&error) {
                                control.end = Some(End::Failed(error.clone().into()));
                            }
                            control.connect_error = Some(error);
                            failures += 1;
                            connecting = Some(control.connect((RETRY * failures).min(RETRY_MAX)));
                        }
                    }
                }),
                _ = tick.tick() => ended = desk.round(Control::on_tick),
            }
        }
        let Some(control) = desk.close() else { return End::Stopped };
        control.part(spiller).await
    }

    async fn part(mut self, spiller: Option<std::thread::JoinHandle<()>>) -> End {
        self.store.stop();
        self.runner.stop();
        if let Some(sender) = self.sender.take() {
            let _ = sender.try_send(&WorkerSays::Farewell, Vec::new());
            let _ = sender.close(LAST_WORDS).await;
        }
        if let Some(spiller) = spiller {
            let _ = tokio::task::spawn_blocking(move || spiller.join()).await;
        }
        let store = Arc::clone(&self.store);
        let _ = tokio::task::spawn_blocking(move || store.clear()).await;
        self.end.unwrap_or(End::Stopped)
    }

    /// Begins to connect to the scheduler, after a while.
    fn connect(&self, after: Duration) -> JoinHandle<Result<Line, CommError>> {
        let (contact, options): (Contact, _) = (Arc::clone(&self.settings.scheduler), self.settings.connections);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let (address, security) = contact()?;
            let endpoint = Endpoint::new(Role::Worker, security).with_options(options);
            let connection: Connection = endpoint.connect(&address).await?;
            Ok(connection.split())
        })
    }

    /// Is there no sense in trying again? What is wrong before the first registration stays wrong.
    fn is_hopeless(&self, error: &CommError) -> bool {
        let wrong = matches!(
            error,
            CommError::WrongToken { .. }
                | CommError::NoToken { .. }
                | CommError::BadToken { .. }
                | CommError::Version { .. }
                | CommError::Foreign { .. }
                | CommError::Tls { .. }
                | CommError::Insecure { .. }
                | CommError::Address { .. }
                | CommError::Content { .. }
        );
        wrong && self.linked.is_none()
    }

    fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn on_connected(&mut self) {
        self.connect_error = None;
        let now = self.now();
        match &mut self.linked {
            Some(linked) if self.machine.is_attached() => {
                let (worker, incarnation) = (linked.worker, linked.incarnation);
                let packets = linked.link.resume(now);
                self.say(&WorkerSays::Resume { worker, incarnation });
                packets.into_iter().for_each(|packet| self.say(&WorkerSays::Packet(packet)));
            }
            _ => self.register(),
        }
    }

    fn register(&mut self) {
        if let Some(registration) = self.registration.clone() {
            let about = self.about.clone();
            self.say(&WorkerSays::Register { registration, about });
        }
    }

    /// What can't be queued now is said again: by the link, or by the machine.
    fn say(&self, message: &WorkerSays) {
        if let Some(sender) = &self.sender {
            let _ = sender.try_send_directly(message, Vec::new());
        }
    }

    /// Says what nobody repeats, as soon as there is room.
    fn say_once(&self, message: WorkerSays, buffers: Vec<Bytes>) {
        let Some(sender) = &self.sender else { return };
        if let Ok(Err(buffers)) = sender.try_send_directly(&message, buffers) {
            let sender = sender.clone();
            self.data.spawn(async move { sender.send(&message, buffers).await });
        }
    }

    fn on_heard(&mut self, message: Message<WorkerHears>) {
        match message.header {
            WorkerHears::Welcome(welcome) => {
                let (worker, incarnation) = (welcome.worker, welcome.incarnation);
                if self.linked.as_ref().is_none_or(|linked| linked.incarnation != incarnation) {
                    let number = u64::from(worker.0) << 32 | u64::from(incarnation.0);
                    self.linked = Some(Linked { worker, incarnation, link: Link::new(number, RESEND_AFTER) });
                }
                self.registration = None;
                self.handle(WorkerEvent::Welcomed(welcome), None);
                self.ended.tell_registered();
            }
            WorkerHears::Reject { incarnation } => self.handle(WorkerEvent::Rejected { incarnation }, None),
            WorkerHears::Packet(packet) => {
                let Some(linked) = &mut self.linked else { return };
                let (incarnation, messages) = (linked.incarnation, linked.link.receive(packet));
                if !messages.is_empty() {
                    self.handle(WorkerEvent::FromScheduler { incarnation, messages }, None);
                }
            }
            WorkerHears::Call { call, question } => self.runner.call(call, question, message.buffers),
        }
    }

    pub fn on_input(&mut self, input: Input) {
        match input {
            Input::Ended { task, attempt, ended } => self.on_ended(task, attempt, ended),
            Input::Began { task, attempt } => self.handle(WorkerEvent::Began { task, attempt }, None),
            Input::Seceded { task, attempt, away } => {
                self.handle(WorkerEvent::Seceded { task, attempt, away }, None);
            }
            Input::Topic { topic, event } => self.say_once(WorkerSays::Event { topic }, vec![event]),
            Input::Answered { call, answer, buffers } => {
                self.say_once(WorkerSays::Reply { call, answer }, buffers);
            }
            Input::Loaded(work) => self.executes.push(work),
            Input::NotLoaded { task, attempt, lost } => {
                self.on_lost(lost);
                self.on_ended(task, attempt, Ended::Untouched);
            }
            Input::Lost { task } => self.on_lost(task),
            Input::Asked { request, tasks, reply } => {
                self.handle(WorkerEvent::Asked { from: 0, request, tasks }, Some(Pending::Asked(reply)));
            }
            Input::Put { request, task, value, reply } => {
                let bytes = value.nbytes();
                let values = HashMap::from([(task, Stored::Packed(value))]);
                self.handle(WorkerEvent::Put { request, task, bytes }, Some(Pending::Values(values)));
                if self.machine.is_attached() {
                    // It waits no longer, or it has ended.
                    let _ = reply.send(());
                }
            }
            Input::Gathered { request, values, absent } => {
                let held = values.iter().map(|(task, value)| Held { task: *task, bytes: value.nbytes() }).collect();
                let values = values.into_iter().map(|(task, value)| (task, Stored::Packed(value))).collect();
                let event = WorkerEvent::Gathered { request, values: held, absent };
                self.handle(event, Some(Pending::Values(values)));
            }
            Input::GatherProgressed { request } => self.handle(WorkerEvent::GatherProgressed { request }, None),
            Input::GatherFailed { request } => self.handle(WorkerEvent::GatherFailed { request }, None),
            Input::StoreChanged => self.report_memory(),
            Input::Leave => {
                self.leaving = true;
                if self.machine.is_attached() {
                    self.handle(WorkerEvent::LeaveAsked, None);
                } else {
                    self.end = Some(End::Left);
                }
            }
            Input::Close => self.end = Some(End::Stopped),
        }
    }

    fn on_ended(&mut self, task: TaskId, attempt: Attempt, ended: Ended) {
        let (executed, value) = match ended {
            Ended::Done { value, micros } => {
                let along = self.along(task, attempt, &value);
                (Executed::Done { bytes: value.nbytes(), micros, value: along }, Some(value))
            }
            Ended::Raised { error, micros } => (Executed::Raised { error, micros }, None),
            Ended::Died(death) => (Executed::Died(death), None),
            Ended::Untouched => (Executed::Untouched, None),
        };
        let pending = value.map(|value| Pending::Values(HashMap::from([(task, value)])));
        self.handle(WorkerEvent::Executed { task, attempt, executed }, pending);
    }

    /// A small value that a client waits for goes with the word that it is there, which saves the client two questions.
    fn along(&mut self, task: TaskId, attempt: Attempt, value: &Stored) -> Option<Blob> {
        let Stored::Packed(value) = value else { return None };
        let small = value.small().filter(|small| self.along + small.len() <= ALONG_BYTES_MAX)?;
        self.machine.is_wanted(task, attempt).then(|| {
            self.along += small.len();
            Blob::from(small)
        })
    }

    fn on_lost(&mut self, task: TaskId) {
        self.store.remove(task);
        self.handle(WorkerEvent::ValueLost { task }, None);
    }

    fn on_tick(&mut self) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(METRICS_TICKS) {
            let children = self.runner.children();
            self.reported.process = process_bytes(&children);
            let metrics = self.metrics(&children);
            if self.machine.is_attached() {
                self.say(&WorkerSays::Metrics(metrics));
            }
            self.peers.tidy();
        }
        self.report_memory();
        self.handle(WorkerEvent::Ticked, None);
        let now = self.now();
        if let Some(linked) = &mut self.linked {
            let due = linked.link.due(now);
            if self.machine.is_attached() {
                due.into_iter().for_each(|packet| self.say(&WorkerSays::Packet(packet)));
            }
        }
    }

    fn metrics(&mut self, children: &[u32]) -> String {
        let held = self.store.held();
        json!({
            "cpu": self.processor.percent(children),
            "memory": self.reported.process,
            "managed_bytes": held.stored,
            "spilled_bytes": held.spilled,
            "in_memory": held.values,
            "executing": self.machine.executing(),
            "ready": self.machine.waiting(),
            "paused": self.machine.is_paused(),
            "num_fds": open_files(),
            "children": children.len(),
        })
        .to_string()
    }

    /// What came and went in a round may matter before the next tick.
    fn look_at_store(&mut self) {
        let limit = self.settings.memory_limit;
        if limit > 0 && self.store.held().stored.abs_diff(self.reported.stored) > limit / REPORT_SHARE {
            self.report_memory();
        }
    }

    fn report_memory(&mut self) {
        let held = self.store.held();
        let report = MemoryReport {
            stored: held.stored,
            spilled: held.spilled,
            process: self.reported.process,
            disk_full: held.disk_full,
        };
        if report != self.reported {
            self.reported = report;
            self.handle(WorkerEvent::MemoryChanged(report), None);
        }
    }

    fn handle(&mut self, event: WorkerEvent, mut pending: Option<Pending>) {
        let now = self.now();
        for action in self.machine.handle(event, now) {
            self.perform(action, &mut pending);
        }
    }

    fn perform(&mut self, action: WorkerAction, pending: &mut Option<Pending>) {
        match action {
            WorkerAction::Register(registration) => {
                // What was said to the scheduler before is of no use to it any more.
                self.outgoing.clear();
                self.registration = Some(registration);
                self.register();
            }
            WorkerAction::ToScheduler { incarnation, messages, .. } => {
                if self.linked.as_ref().is_some_and(|linked| linked.incarnation == incarnation) {
                    self.outgoing.extend(messages);
                }
            }
            WorkerAction::KeepBody { body, code } => self.runner.keep_body(body, code),
            WorkerAction::ForgetBody { body } => self.runner.forget_body(body),
            WorkerAction::Execute(execute) => self.execute(execute),
            WorkerAction::Interrupt { task, attempt } => {
                // It may be among those that are about to be handed over.
                self.hand_over();
                self.runner.interrupt(task, attempt);
            }
            WorkerAction::Keep { task, .. } => self.keep(task, pending),
            WorkerAction::Discard { .. } => *pending = None,
            WorkerAction::Take { tasks, .. } => tasks.into_iter().for_each(|task| self.keep(task, pending)),
            WorkerAction::Drop { task } => self.store.remove(task),
            WorkerAction::Gather { request, peer, tasks } => {
                self.data.spawn(Arc::clone(&self.peers).gather(request, peer, tasks, Arc::clone(&self.desk)));
            }
            WorkerAction::Serve { present, absent, .. } => {
                if let Some(Pending::Asked(reply)) = pending.take() {
                    // Whoever asked may be gone.
                    let _ = reply.send((present, absent));
                }
            }
            WorkerAction::Close { told } => self.end = Some(self.how_closed(told)),
        }
    }

    fn how_closed(&self, told: bool) -> End {
        match (self.leaving, told) {
            (true, _) => return End::Left,
            (false, true) => return End::Closed,
            (false, false) => {}
        }
        let seconds = self.settings.machine.keep_without_scheduler.as_secs_f64();
        let place =
            (self.settings.scheduler)().map_or_else(|error| error.to_string(), |(address, _)| address.to_string());
        let reason =
            self.connect_error.as_ref().map_or_else(|| format!("{place} does not answer"), ToString::to_string);
        let found = if self.linked.is_some() { "the scheduler was not found again" } else { "no scheduler was found" };
        let message = format!("worker '{}': {found} within {seconds} s: {reason}", self.settings.name);
        End::Failed(TaskError::new(ErrorClass::Timeout, message))
    }

    fn keep(&self, task: TaskId, pending: &mut Option<Pending>) {
        if let Some(Pending::Values(values)) = pending
            && let Some(value) = values.remove(&task)
        {
            self.store.insert(task, value);
        }
    }

    fn execute(&mut self, execute: Execute) {
        let Execute { task, attempt, key, body, index, arguments, inputs, short } = execute;
        let mut found = Vec::with_capacity(inputs.len());
        for input in &inputs {
            match self.store.ready(*input) {
                Some(value) => found.push((*input, value)),
                None => break,
            }
        }
        let complete = found.len() == inputs.len();
        let mut work = Work { task, attempt, key, body, index, arguments, inputs: found, short };
        if complete {
            return self.executes.push(work);
        }
        let (store, desk) = (Arc::clone(&self.store), Arc::clone(&self.desk));
        self.data.spawn_blocking(move || {
            for &input in &inputs[work.inputs.len()..] {
                match store.read(input, true) {
                    Ok(Some(value)) => work.inputs.push((input, value)),
                    read => {
                        if let Err(error) = read {
                            tracing::warn!("a spilled value can't be read back: {error}");
                        }
                        desk.bring([Input::NotLoaded { task, attempt, lost: input }]);
                        return;
                    }
                }
            }
            desk.bring([Input::Loaded(work)]);
        });
    }

    fn hand_over(&mut self) {
        if !self.executes.is_empty() {
            self.runner.execute(std::mem::take(&mut self.executes));
        }
    }

    /// What this round came to.
    pub fn flush(&mut self) {
        self.look_at_store();
        self.hand_over();
        self.along = 0;
        if self.outgoing.is_empty() {
            return;
        }
        let now = self.now();
        if let Some(linked) = &mut self.linked {
            let packet = linked.link.send(std::mem::take(&mut self.outgoing), now);
            self.say(&WorkerSays::Packet(packet));
        }
    }
}
