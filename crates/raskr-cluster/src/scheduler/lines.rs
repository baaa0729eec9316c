//! Workers' connections, and the link of each incarnation, which outlives them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raskr_sched::{Event, FromWorker, Gone, Incarnation, Link, Packet, Registration, ToWorker, Welcome, WorkerId};
use serde_json::Value;

use super::arrivals::ConnectionId;
use super::core::Core;
use super::pipe::Pipe;
use crate::connection::{Message, Sender};
use crate::error::CommError;
use crate::handshake::Peer;
use crate::process;
use crate::wire::{WorkerHears, WorkerSays};

/// Connections lose nothing as long as they last: packets are said again on a new one only.
const RESEND_AFTER: Duration = Duration::from_secs(1 << 30);
/// A worker that was not heard for so long makes way for another of its name.
const NAMESAKE_SILENT: Duration = Duration::from_secs(2);
/// Bytes of messages that are sent together, by estimate.
const PACKET_BYTES: usize = 8 << 20;

/// A worker's connection.
pub(super) struct WorkerEnd {
    pub pipe: Pipe<WorkerHears>,
    pub peer: Peer,
    about: Value,
    /// Which process registered over it.
    process: Option<u64>,
    /// Whose connection it is.
    line: Option<(WorkerId, Incarnation)>,
}

impl WorkerEnd {
    pub fn new(sender: Sender<WorkerHears>, peer: Peer) -> WorkerEnd {
        WorkerEnd { pipe: Pipe::new(sender), peer, about: Value::Null, process: None, line: None }
    }
}

/// An incarnation of a worker on which the machine counts.
pub(super) struct Line {
    pub incarnation: Incarnation,
    link: Link<ToWorker, FromWorker>,
    outbox: Vec<ToWorker>,
    pub at: Option<ConnectionId>,
    /// Since when there is no connection, and whether the worker closed it in all form.
    pub cut: Option<(tokio::time::Instant, bool)>,
    process: Process,
    /// Its process's number.
    registered: Option<u64>,
    /// What it said of itself when it registered.
    pub about: Value,
    /// Its last word on processor, memory and the like.
    pub metrics: String,
    /// It was told to close.
    closing: bool,
}

/// A worker's process, as far as its life can be looked after from here.
struct Process {
    pid: u32,
    /// On this machine, and not this very process.
    near: bool,
    began: Option<u64>,
}

impl Process {
    fn of(peer: &Peer) -> Process {
        let near = !peer.machine.is_empty() && peer.machine == process::machine_id() && peer.pid != std::process::id();
        Process { pid: peer.pid, near, began: if near { process::started(peer.pid) } else { None } }
    }
}

fn link_of(worker: WorkerId, incarnation: Incarnation) -> u64 {
    u64::from(worker.0) << 32 | u64::from(incarnation.0)
}

/// Roughly what a message takes on the wire.
fn size(message: &ToWorker) -> usize {
    match message {
        ToWorker::Body { code, .. } => code.0.len(),
        ToWorker::Run(run) => 64 + run.arguments.as_ref().map_or(0, |blob| blob.0.len()) + run.inputs.len() * 16,
        _ => 16,
    }
}

/// Splits so that no message becomes too large to be sent.
pub(super) fn split<T>(messages: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    let total: usize = messages.iter().map(&size).sum();
    if total <= PACKET_BYTES {
        return vec![messages];
    }
    for message in messages {
        let more = size(&message);
        if bytes + more > PACKET_BYTES && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += more;
        part.push(message);
    }
    parts.push(part);
    parts
}

impl Core {
    pub fn on_worker(&mut self, id: ConnectionId, messages: Vec<Message<WorkerSays>>) {
        let mut said = Vec::new();
        for Message { header, buffers } in messages {
            if let WorkerSays::Packet(packet) = header {
                self.on_packet(id, packet, &mut said);
                continue;
            }
            self.hear(id, &mut said);
            match header {
                WorkerSays::Register { registration, about } => {
                    if self.is_ending() || self.is_namesake(id, &registration) {
                        continue;
                    }
                    let Some(end) = self.workers.get_mut(&id) else { continue };
                    end.about = Core::parse(&about);
                    end.process = Some(registration.process);
                    self.registering.insert(registration.process, id);
                    self.feed(Event::Registered(registration));
                }
                WorkerSays::Resume { worker, incarnation } => self.resume(id, worker, incarnation),
                WorkerSays::Packet(_) => {}
                WorkerSays::Metrics(metrics) => {
                    if let Some(line) = self.line_at(id) {
                        line.metrics = metrics;
                    }
                }
                WorkerSays::Reply { call, answer } => self.on_reply(call, answer, buffers),
                WorkerSays::Event { topic } => self.on_event(&topic, buffers.into_iter().next().unwrap_or_default()),
                WorkerSays::Farewell => {
                    if let Some((worker, _)) = self.workers.get(&id).and_then(|end| end.line) {
                        self.gone(worker, Gone::Closed);
                    }
                }
            }
        }
        self.hear(id, &mut said);
    }

    /// Is there another worker of that name, alive and heard? Who registers says so again and again: it is taken in once the
    /// other one is gone, and the two do not take the place from each other for ever.
    fn is_namesake(&mut self, id: ConnectionId, registration: &Registration) -> bool {
        let Some(known) = self.machine.worker_of_name(&registration.name) else { return false };
        let at = self.lines.get(&known).and_then(|line| line.at).filter(|at| *at != id);
        let Some(end) = at.and_then(|at| self.workers.get(&at)) else { return false };
        let (heard, now) = (self.machine.silent_for(known, self.now()), self.seconds(self.now()));
        if end.process == Some(registration.process) || heard.is_none_or(|silent| silent > NAMESAKE_SILENT) {
            return false;
        }
        let text = format!("another worker named '{}' wants to join, while the first is there", registration.name);
        self.log.line(now, "warning", text);
        true
    }

    fn line_at(&mut self, id: ConnectionId) -> Option<&mut Line> {
        let (worker, incarnation) = self.workers.get(&id)?.line?;
        self.lines.get_mut(&worker).filter(|line| line.incarnation == incarnation)
    }

    fn on_packet(&mut self, id: ConnectionId, packet: Packet<FromWorker>, said: &mut Vec<FromWorker>) {
        if let Some(line) = self.line_at(id) {
            let messages = line.link.receive(packet);
            if said.is_empty() {
                *said = messages
            } else {
                said.extend(messages)
            }
            return;
        }
        let (worker, incarnation) = (WorkerId((packet.link >> 32) as u32), Incarnation(packet.link as u32));
        // What came over a connection that was replaced is said again on its successor.
        let replaced = self.lines.get(&worker).is_some_and(|line| line.incarnation == incarnation);
        if !replaced && let Some(end) = self.workers.get_mut(&id) {
            end.pipe.send(WorkerHears::Reject { incarnation }, Vec::new());
        }
    }

    /// Gives the machine what came from a worker.
    fn hear(&mut self, id: ConnectionId, said: &mut Vec<FromWorker>) {
        if said.is_empty() {
            return;
        }
        let messages = std::mem::take(said);
        let Some((worker, incarnation)) = self.workers.get(&id).and_then(|end| end.line) else { return };
        let now = self.now();
        self.stream.watch(&self.machine, worker, &messages, now);
        self.feed(Event::FromWorker { worker, incarnation, messages });
    }

    pub fn welcome(&mut self, welcome: Welcome) {
        let (worker, incarnation) = (welcome.worker, welcome.incarnation);
        let Some(&id) = self.registering.get(&welcome.process) else { return };
        let now = self.now();
        let Some(end) = self.workers.get_mut(&id) else { return };
        end.line = Some((worker, incarnation));
        end.pipe.send(WorkerHears::Welcome(welcome), Vec::new());
        let known = self.lines.get_mut(&worker).filter(|line| line.incarnation == incarnation);
        if let Some(line) = known {
            // The answer is said again, over a new connection perhaps.
            if line.at != Some(id) {
                let packets = line.link.resume(now);
                (line.at, line.cut) = (Some(id), None);
                if let Some(end) = self.workers.get_mut(&id) {
                    packets.into_iter().for_each(|packet| end.pipe.send(WorkerHears::Packet(packet), Vec::new()));
                }
            }
            return;
        }
        let line = Line {
            incarnation,
            link: Link::new(link_of(worker, incarnation), RESEND_AFTER),
            outbox: Vec::new(),
            at: Some(id),
            cut: None,
            process: Process::of(&end.peer),
            registered: end.process,
            about: end.about.clone(),
            metrics: String::new(),
            closing: false,
        };
        self.lines.insert(worker, line);
        self.on_worker_joined(worker);
    }

    fn resume(&mut self, id: ConnectionId, worker: WorkerId, incarnation: Incarnation) {
        let now = self.now();
        let Some(line) = self.lines.get_mut(&worker).filter(|line| line.incarnation == incarnation) else {
            if let Some(end) = self.workers.get_mut(&id) {
                end.pipe.send(WorkerHears::Reject { incarnation }, Vec::new());
            }
            return;
        };
        let before = line.at.replace(id);
        line.cut = None;
        let process = line.registered;
        let packets = line.link.resume(now);
        if let Some(before) = before.filter(|before| *before != id)
            && let Some(end) = self.workers.remove(&before)
        {
            end.pipe.sender().abort();
            self.fail_calls_over(before);
        }
        if let Some(end) = self.workers.get_mut(&id) {
            end.line = Some((worker, incarnation));
            end.process = process;
            packets.into_iter().for_each(|packet| end.pipe.send(WorkerHears::Packet(packet), Vec::new()));
        }
    }

    pub fn reject(&mut self, worker: WorkerId, incarnation: Incarnation) {
        for end in self.workers.values_mut().filter(|end| end.line == Some((worker, incarnation))) {
            end.pipe.send(WorkerHears::Reject { incarnation }, Vec::new());
        }
    }

    /// Says something to a worker that is not the machine's.
    pub fn say_beside(&mut self, worker: WorkerId, header: WorkerHears, buffers: Vec<Bytes>) -> Option<ConnectionId> {
        let id = self.lines.get(&worker)?.at?;
        self.workers.get_mut(&id)?.pipe.send(header, buffers);
        Some(id)
    }

    pub fn tell_worker(&mut self, worker: WorkerId, incarnation: Incarnation, messages: Vec<ToWorker>) {
        let Some(line) = self.lines.get_mut(&worker).filter(|line| line.incarnation == incarnation) else { return };
        line.closing |= messages.iter().any(|message| matches!(message, ToWorker::Close));
        if line.outbox.is_empty() {
            line.outbox = messages;
            self.lines_dirty.push(worker);
        } else {
            line.outbox.extend(messages);
        }
    }

    pub fn send_line(&mut self, worker: WorkerId) {
        let now = self.now();
        let Some(line) = self.lines.get_mut(&worker) else { return };
        let messages = std::mem::take(&mut line.outbox);
        if messages.is_empty() {
            return;
        }
        let mut end = line.at.and_then(|id| self.workers.get_mut(&id));
        for messages in split(messages, size) {
            let packet = line.link.send(messages, now);
            if let Some(end) = &mut end {
                end.pipe.send(WorkerHears::Packet(packet), Vec::new());
            }
        }
    }

    /// Acknowledges what nothing else has acknowledged.
    pub fn acknowledge(&mut self) {
        let now = self.now();
        for line in self.lines.values_mut() {
            if let Some(end) = line.at.and_then(|id| self.workers.get_mut(&id)) {
                for packet in line.link.due(now) {
                    end.pipe.send(WorkerHears::Packet(packet), Vec::new());
                }
            }
        }
    }

    pub fn close_line(&mut self, worker: WorkerId) {
        if let Some(line) = self.lines.get(&worker) {
            let incarnation = line.incarnation;
            self.tell_worker(worker, incarnation, vec![ToWorker::Close]);
        }
    }

    pub fn on_worker_ended(&mut self, id: ConnectionId, error: Option<CommError>) {
        self.registering.retain(|_, connection| *connection != id);
        let Some(end) = self.workers.remove(&id) else { return };
        self.fail_calls_over(id);
        let Some((worker, incarnation)) = end.line else { return };
        let Some(line) = self.lines.get_mut(&worker) else { return };
        if line.incarnation != incarnation || line.at != Some(id) {
            return;
        }
        line.at = None;
        line.cut = Some((tokio::time::Instant::now(), error.is_none()));
        if let Some(error) = error {
            tracing::debug!("the connection of worker {worker} ended: {error}");
        }
        self.judge(worker);
    }

    pub fn look_after_cut_lines(&mut self) {
        let cut = self.lines.iter().filter(|(_, line)| line.cut.is_some());
        for worker in cut.map(|(worker, _)| *worker).collect::<Vec<_>>() {
            self.judge(worker);
        }
    }

    /// What has become of a worker without a connection? A process of this machine that runs is waited for as long as one
    /// that is silent; of others it can't be told, and they would have come back by now.
    fn judge(&mut self, worker: WorkerId) {
        let Some(line) = self.lines.get(&worker) else { return };
        let Some((since, in_form)) = line.cut else { return };
        let waited = since.elapsed() >= self.options.resume_within;
        let dead = line.process.near && !process::is_running(line.process.pid, line.process.began);
        if line.closing {
            self.gone(worker, Gone::Closed);
        } else if dead || waited && (in_form || !line.process.near) {
            self.gone(worker, Gone::Died);
        }
    }

    fn gone(&mut self, worker: WorkerId, how: Gone) {
        if let Some(line) = self.lines.get(&worker) {
            let incarnation = line.incarnation;
            self.feed(Event::WorkerGone { worker, incarnation, how });
        }
    }

    /// The machine counts on an incarnation no longer. A lost one that lives is told, so that it registers anew.
    pub fn drop_line(&mut self, worker: WorkerId, lost: bool) {
        let Some(line) = self.lines.remove(&worker) else { return };
        if let Some(id) = line.at {
            self.fail_calls_over(id);
            if let Some(end) = self.workers.get_mut(&id) {
                end.line = None;
                if lost {
                    let incarnation = line.incarnation;
                    end.pipe.send(WorkerHears::Reject { incarnation }, Vec::new());
                }
            }
        }
        self.on_worker_left(worker);
    }

    /// A worker by its name or address.
    pub fn worker_named(&self, name: &str) -> Option<WorkerId> {
        let is = |text: &Arc<str>| **text == *name;
        self.machine
            .workers()
            .iter()
            .find(|view| self.lines.contains_key(&view.worker) && (is(&view.name) || is(&view.address)))
            .map(|view| view.worker)
    }
}
