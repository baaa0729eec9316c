//! A machine with a worker on it: runs bodies, stores values and moves them, as the worker says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use raskr_sched::{
    Attempt, Death, Execute, Executed, FromWorker, Held, Incarnation, Key, Link, MemoryReport, Peer, Raised,
    Registration, RequestId, TaskId, ToWorker, Worker, WorkerAction, WorkerEvent, WorkerId, WorkerOptions,
};

use super::RESEND;
use super::graph::{Plans, content_of};
use super::network::{Moved, Node, Wire};

/// What the simulator is to do for a host.
pub enum Effect {
    Send(Node, Wire),
    /// After so long, this happens within the process that is there now.
    After(u64, WorkerEvent),
    Closed {
        told: bool,
    },
}

pub struct Host {
    pub number: usize,
    pub worker: Option<Worker>,
    /// Tells processes on one host apart.
    pub process: u64,
    pub frozen: bool,
    /// How many times slower than others it runs bodies.
    pub slowness: u64,
    pub memory_limit: u64,
    pub disk_full: bool,
    pub link: Option<(WorkerId, Incarnation, Link<FromWorker, ToWorker>)>,
    pub values: BTreeMap<TaskId, (u64, u64)>,
    results: BTreeMap<(TaskId, Attempt), (u64, u64)>,
    answers: BTreeMap<RequestId, Vec<Moved>>,
    bodies: BTreeSet<u32>,
    put_next: u64,
    /// Tasks that were to be run.
    handed: u64,
    threads: u32,
    gpus: u64,
}

pub fn link_number(worker: WorkerId, incarnation: Incarnation) -> u64 {
    u64::from(worker.0) << 32 | u64::from(incarnation.0)
}

impl Host {
    pub fn new(number: usize, threads: u32, gpus: u64, memory_limit: u64, slowness: u64) -> Host {
        Host {
            number,
            worker: None,
            process: 0,
            frozen: false,
            slowness,
            memory_limit,
            disk_full: false,
            link: None,
            values: BTreeMap::new(),
            results: BTreeMap::new(),
            answers: BTreeMap::new(),
            bodies: BTreeSet::new(),
            put_next: 1 << 40,
            handed: 0,
            threads,
            gpus,
        }
    }

    /// A new process with nothing in it.
    pub fn start(&mut self, process: u64) {
        let name: Arc<str> = Arc::from(format!("worker-{}", self.number));
        let me = Registration {
            address: name.clone(),
            host: Arc::from("host"),
            name,
            process,
            nonce: 0,
            threads: self.threads,
            memory_limit: self.memory_limit,
            resources: if self.gpus > 0 { vec![(Arc::from("GPU"), self.gpus * 1_000_000)] } else { Vec::new() },
            epoch: None,
            inventory: Vec::new(),
        };
        self.process = process;
        self.frozen = false;
        self.worker = Some(Worker::new(me, WorkerOptions::default()));
        self.link = None;
        self.values.clear();
        self.results.clear();
        self.answers.clear();
        self.bodies.clear();
    }

    pub fn memory(&self) -> MemoryReport {
        let total: u64 = self.values.values().map(|(bytes, _)| *bytes).sum();
        let target = self.memory_limit * 6 / 10;
        let stored = if self.disk_full || self.memory_limit == 0 { total } else { total.min(target) };
        let disk_full = self.disk_full.then_some(1 << 20);
        MemoryReport { stored, spilled: total - stored, process: stored, disk_full }
    }

    /// A peer's or a client's question.
    pub fn on_answer(&mut self, request: RequestId, values: Vec<Moved>, absent: Vec<TaskId>) -> WorkerEvent {
        let held = values.iter().map(|value| Held { task: value.task, bytes: value.bytes }).collect();
        self.answers.insert(request, values);
        WorkerEvent::Gathered { request, values: held, absent }
    }

    pub fn on_put(&mut self, value: Moved) -> (RequestId, WorkerEvent) {
        self.put_next += 1;
        let (request, task, bytes) = (RequestId(self.put_next), value.task, value.bytes);
        self.answers.insert(request, vec![value]);
        (request, WorkerEvent::Put { request, task, bytes })
    }

    /// Does what the worker said.
    pub fn perform(
        &mut self,
        action: WorkerAction,
        plans: &Plans,
        tries: &mut BTreeMap<Key, u32>,
        now: raskr_sched::Instant,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match action {
            WorkerAction::Register(registration) => {
                effects.push(Effect::Send(Node::Scheduler, Wire::Register(registration)));
            }
            WorkerAction::ToScheduler { worker, incarnation, messages } => {
                if self.link.as_ref().is_none_or(|link| link.1 != incarnation) {
                    let number = link_number(worker, incarnation);
                    self.link = Some((worker, incarnation, Link::new(number, RESEND)));
                }
                if let Some((.., link)) = &mut self.link {
                    effects.push(Effect::Send(Node::Scheduler, Wire::WorkerUp(link.send(messages, now))));
                }
            }
            WorkerAction::KeepBody { body, .. } => {
                self.bodies.insert(body.0);
            }
            WorkerAction::ForgetBody { body } => {
                self.bodies.remove(&body.0);
            }
            WorkerAction::Execute(execute) => self.execute(execute, plans, tries, effects)?,
            WorkerAction::Interrupt { .. } => {}
            WorkerAction::Keep { task, attempt } => {
                let value = self.results.remove(&(task, attempt)).ok_or("a result was kept that is not there")?;
                self.values.insert(task, value);
            }
            WorkerAction::Discard { task, attempt } => {
                self.results.remove(&(task, attempt)).ok_or("a result was discarded that is not there")?;
            }
            WorkerAction::Drop { task } => {
                self.values.remove(&task).ok_or("a value was dropped that is not there")?;
            }
            WorkerAction::Gather { request, peer, tasks } => {
                effects.push(Effect::Send(node_of(&peer), Wire::Ask { request, tasks }));
            }
            WorkerAction::Take { request, tasks } => {
                for value in self.answers.remove(&request).unwrap_or_default() {
                    if tasks.contains(&value.task) {
                        self.values.insert(value.task, (value.bytes, value.content));
                    }
                }
            }
            WorkerAction::Serve { from, request, present, absent } => {
                let mut values = Vec::new();
                for task in present {
                    let (bytes, content) = *self.values.get(&task).ok_or("a value is said to be here that is not")?;
                    values.push(Moved { task, bytes, content });
                }
                let to =
                    if from >= CLIENTS { Node::Client((from - CLIENTS) as usize) } else { Node::Worker(from as usize) };
                effects.push(Effect::Send(to, Wire::Answer { request, values, absent }));
            }
            WorkerAction::Close { told } => effects.push(Effect::Closed { told }),
        }
        Ok(())
    }

    fn execute(
        &mut self,
        execute: Execute,
        plans: &Plans,
        tries: &mut BTreeMap<Key, u32>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let Execute { task, attempt, key, body, inputs, short, .. } = execute;
        self.handed += 1;
        if short && self.handed.is_multiple_of(5) {
            // Its turn did not come.
            let executed = Executed::Untouched;
            effects.push(Effect::After(100, WorkerEvent::Executed { task, attempt, executed }));
            return Ok(());
        }
        if self.handed.is_multiple_of(7) {
            effects.push(Effect::After(50, WorkerEvent::Seceded { task, attempt, away: true }));
            if self.handed.is_multiple_of(2) {
                effects.push(Effect::After(90, WorkerEvent::Seceded { task, attempt, away: false }));
            }
        } else if self.handed.is_multiple_of(3) {
            effects.push(Effect::After(60, WorkerEvent::Began { task, attempt }));
        }
        if !self.bodies.contains(&body.0) {
            return Err(format!("'{key}' runs without its body"));
        }
        let mut contents = Vec::new();
        for input in inputs {
            contents.push(self.values.get(&input).ok_or_else(|| format!("'{key}' runs without its input {input}"))?.1);
        }
        let plan = &plans.plans[&key];
        let content = content_of(&key, contents.into_iter());
        let tries = tries.entry(key.clone()).or_default();
        *tries += 1;
        let micros = plan.micros * self.slowness;
        let executed = if *tries <= plan.kills {
            Executed::Died(Death {
                how: "SIGSEGV".into(),
                external: false,
                memory_peak: 0,
                memory_limit: self.memory_limit,
                log: Vec::new(),
            })
        } else if *tries <= plan.kills + plan.raises {
            Executed::Raised { error: raised("ValueError: no", false), micros }
        } else if *tries <= plan.kills + plan.raises + plan.agains {
            Executed::Raised { error: raised("Reschedule: ", true), micros }
        } else {
            self.results.insert((task, attempt), (plan.bytes, content));
            let wanted = self.worker.as_ref().is_some_and(|worker| worker.is_wanted(task, attempt));
            // Some are too large to come along.
            let small = wanted && !self.handed.is_multiple_of(4);
            let value = small.then(|| content.to_le_bytes().to_vec().into());
            Executed::Done { bytes: plan.bytes, micros, value }
        };
        effects.push(Effect::After(micros, WorkerEvent::Executed { task, attempt, executed }));
        Ok(())
    }
}

fn raised(message: &str, again: bool) -> Raised {
    Raised { message: message.into(), encoded: Vec::new().into(), again }
}

/// Numbers of askers from here on are clients.
pub const CLIENTS: u64 = 1 << 32;

pub fn node_of(peer: &Peer) -> Node {
    let number = peer.address.rsplit('-').next().and_then(|number| number.parse().ok());
    Node::Worker(number.expect("addresses of simulated workers end in a number"))
}
