//! Workers as the scheduler sees them: who is there, who is silent, what they have, what becomes of it when they go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::task::State;
use super::{Action, Gone, Notice, Scheduler};
use crate::ids::{BodyId, Incarnation, Instant, Key, Priority, TaskId, WorkerId};
use crate::protocol::{Held, MemoryReport, Peer, Registration, ToClient, ToWorker, Welcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerStatus {
    Running,
    /// It begins nothing, for want of memory.
    Paused,
    /// Not heard for a while.
    Suspect,
    /// It is to end, and moves its values away.
    Retiring,
    Gone,
}

/// A worker for those who look on.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerView {
    pub worker: WorkerId,
    pub incarnation: Incarnation,
    pub name: Arc<str>,
    pub address: Arc<str>,
    pub host: Arc<str>,
    pub status: WorkerStatus,
    pub threads: u32,
    pub memory_limit: u64,
    /// In millionths.
    pub resources: Vec<(Arc<str>, u64)>,
    pub memory: MemoryReport,
    /// Tasks that it has, and how many of them it is known to run.
    pub processing: usize,
    pub running: usize,
    pub values: usize,
    pub values_bytes: u64,
    pub last_heard: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Retirement {
    pub deadline: Option<Instant>,
    pub closing: bool,
}

#[derive(Debug)]
pub(super) struct WorkerRecord {
    pub name: Arc<str>,
    pub address: Arc<str>,
    pub host: Arc<str>,
    pub incarnation: Incarnation,
    process: u64,
    nonce: u64,
    /// What it is to drop, until it is heard: the answer to its registration may have to be repeated.
    drop: Vec<TaskId>,
    pub gone: bool,
    pub paused: bool,
    pub suspect: bool,
    pub retirement: Option<Retirement>,
    /// Tasks that it can run at once, those that have seceded among them.
    pub threads: u32,
    /// Tasks that have seceded.
    pub away: u32,
    pub memory_limit: u64,
    /// In all, and taken by tasks that it has.
    pub resources: BTreeMap<Arc<str>, (u64, u64)>,
    pub processing: BTreeSet<(Priority, u32)>,
    /// Microseconds that `processing` is expected to take one thread.
    pub occupancy: u64,
    /// Bytes that `processing` is expected to yield.
    pub expected_bytes: u64,
    pub holds: BTreeSet<u32>,
    /// Bytes of `holds`, in memory or not.
    pub bytes: u64,
    pub memory: MemoryReport,
    /// Bytes that came since the last report.
    pub unreported: u64,
    /// Values that clients were told to send to it, with their bytes, until they are there.
    pub coming: BTreeMap<u32, u64>,
    /// Bytes of `coming`.
    pub coming_bytes: u64,
    pub bodies: BTreeSet<BodyId>,
    pub last_heard: Instant,
    /// Its place among the others, while it takes new tasks.
    pub load: Option<u64>,
    pub outbox: Vec<ToWorker>,
}

impl WorkerRecord {
    /// Does it take new tasks?
    pub fn is_running(&self) -> bool {
        self.is_there() && !self.paused
    }

    /// Will it do what it has been given?
    pub fn is_there(&self) -> bool {
        !self.gone && !self.suspect && self.retirement.is_none()
    }

    pub fn has_idle_thread(&self) -> bool {
        self.processing.len() < self.threads as usize
    }

    /// Bytes in memory, now and when what it has is done and what is sent to it has come.
    pub fn used(&self) -> u64 {
        self.memory.stored + self.unreported + self.expected_bytes + self.coming_bytes
    }

    /// A value comes no more, or is there.
    pub fn comes_no_more(&mut self, slot: u32) {
        self.coming_bytes -= self.coming.remove(&slot).unwrap_or(0);
    }

    pub fn take(&mut self, resources: &[(Arc<str>, u64)]) {
        for (name, amount) in resources {
            if let Some((_, used)) = self.resources.get_mut(name) {
                *used += amount;
            }
        }
    }

    pub fn give_back(&mut self, resources: &[(Arc<str>, u64)]) {
        for (name, amount) in resources {
            if let Some((_, used)) = self.resources.get_mut(name) {
                *used -= amount;
            }
        }
    }

    pub fn status(&self) -> WorkerStatus {
        if self.gone {
            WorkerStatus::Gone
        } else if self.suspect {
            WorkerStatus::Suspect
        } else if self.retirement.is_some() {
            WorkerStatus::Retiring
        } else if self.paused {
            WorkerStatus::Paused
        } else {
            WorkerStatus::Running
        }
    }
}

impl Scheduler {
    pub(super) fn is_current(&self, worker: WorkerId, incarnation: Incarnation) -> bool {
        self.workers.get(worker.0 as usize).is_some_and(|record| !record.gone && record.incarnation == incarnation)
    }

    pub(super) fn on_registered(&mut self, registration: Registration) {
        let known = self.worker_names.get(&registration.name).copied();
        if let Some(worker) = known {
            let record = &self.workers[worker.0 as usize];
            let (process, nonce) = (record.process, record.nonce);
            if process == registration.process && nonce >= registration.nonce {
                // The answer was lost, or this was sent before it came; an older one asks for nothing any more.
                if !record.gone && nonce == registration.nonce {
                    self.welcome(worker);
                }
                return;
            }
            if !record.gone {
                self.lose_worker(worker, Gone::Replaced);
            }
        }
        let worker = known.unwrap_or(WorkerId(self.workers.len() as u32));
        let incarnation =
            known.map_or(Incarnation(1), |worker| Incarnation(self.workers[worker.0 as usize].incarnation.0 + 1));
        let Registration { name, address, host, process, nonce, threads, memory_limit, resources, epoch, inventory } =
            registration;
        let record = WorkerRecord {
            name: name.clone(),
            address,
            host,
            incarnation,
            process,
            nonce,
            drop: Vec::new(),
            gone: false,
            paused: false,
            suspect: false,
            retirement: None,
            threads: threads.max(1),
            away: 0,
            memory_limit,
            resources: resources.into_iter().map(|(name, total)| (name, (total, 0))).collect(),
            processing: BTreeSet::new(),
            occupancy: 0,
            expected_bytes: 0,
            holds: BTreeSet::new(),
            bytes: 0,
            memory: MemoryReport::default(),
            unreported: 0,
            coming: BTreeMap::new(),
            coming_bytes: 0,
            bodies: BTreeSet::new(),
            last_heard: self.now,
            load: None,
            outbox: Vec::new(),
        };
        match known {
            Some(worker) => self.workers[worker.0 as usize] = record,
            None => self.workers.push(record),
        }
        self.worker_names.insert(name.clone(), worker);
        self.alive.insert(worker);
        self.threads += u64::from(threads.max(1));
        let peer = self.peer(worker);
        for other in self.alive.clone() {
            if other != worker {
                self.say_to_worker(other, ToWorker::PeerJoined(peer.clone()));
            }
        }
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.say_to_client(client, ToClient::Workers(vec![peer.clone()]));
        }
        let same_life = epoch == Some(self.epoch);
        let (mut drop, mut values) = (Vec::new(), 0);
        for held in inventory {
            if same_life && self.accept(worker, &held) { values += 1 } else { drop.push(held.task) }
        }
        self.workers[worker.0 as usize].drop = drop;
        self.welcome(worker);
        self.admit_everywhere(worker);
        self.refresh(worker);
        self.work.extend(self.scarce.iter().map(|&slot| self.tasks.id(slot)));
        self.keep_due = true;
        self.steal_due = true;
        self.actions.push(Action::Tell(Notice::WorkerJoined { name, incarnation, values }));
    }

    /// A value that a worker brings: taken where it is of use, whoever else is at work on it.
    pub(super) fn accept(&mut self, worker: WorkerId, held: &Held) -> bool {
        let Some(slot) = self.tasks.find(held.task) else { return false };
        match self.tasks[slot].state {
            State::Memory if self.tasks[slot].replicas.contains(&worker) => return true,
            State::Memory => {}
            State::Waiting | State::NoWorker | State::Queued | State::Processing => {
                if self.tasks[slot].state == State::Processing {
                    self.cancel_at_worker(slot);
                }
                self.tasks[slot].bytes = held.bytes;
                self.set_state(slot, State::Memory);
            }
            State::Released if self.tasks[slot].awaits_put || self.is_needed(slot) => {
                self.tasks[slot].bytes = held.bytes;
                self.set_state(slot, State::Memory);
            }
            State::Released | State::Erred | State::Forgotten => return false,
        }
        self.workers[worker.0 as usize].unreported += held.bytes;
        self.add_replica(slot, worker);
        self.look_at(slot);
        true
    }

    fn welcome(&mut self, worker: WorkerId) {
        let record = &self.workers[worker.0 as usize];
        let peers = self.alive.iter().filter(|other| **other != worker).map(|other| self.peer(*other)).collect();
        let (process, nonce, incarnation) = (record.process, record.nonce, record.incarnation);
        let (epoch, drop) = (self.epoch, record.drop.clone());
        self.actions.push(Action::Welcome(Welcome { process, nonce, epoch, worker, incarnation, drop, peers }));
    }

    pub(super) fn peer(&self, worker: WorkerId) -> Peer {
        let record = &self.workers[worker.0 as usize];
        Peer {
            worker,
            incarnation: record.incarnation,
            name: record.name.clone(),
            address: record.address.clone(),
            host: record.host.clone(),
        }
    }

    pub(super) fn heard(&mut self, worker: WorkerId) {
        let record = &mut self.workers[worker.0 as usize];
        record.last_heard = self.now;
        record.drop = Vec::new();
        if std::mem::take(&mut record.suspect) {
            let name = record.name.clone();
            self.actions.push(Action::Tell(Notice::WorkerHeardAgain { name }));
            self.refresh(worker);
        }
    }

    pub(super) fn on_heartbeat(&mut self, worker: WorkerId, memory: MemoryReport) {
        let record = &mut self.workers[worker.0 as usize];
        record.memory = memory;
        record.unreported = 0;
        self.say_to_worker(worker, ToWorker::HeartbeatHeard);
    }

    pub(super) fn on_paused(&mut self, worker: WorkerId, paused: bool) {
        self.workers[worker.0 as usize].paused = paused;
        self.refresh(worker);
        if paused && !self.by_load.is_empty() {
            self.ask_all_back(worker);
        }
    }

    /// Asks a worker for all that it has not begun.
    pub(super) fn ask_all_back(&mut self, worker: WorkerId) {
        let slots: Vec<u32> = self.workers[worker.0 as usize].processing.iter().map(|(_, slot)| *slot).collect();
        for slot in slots {
            self.ask_back(slot);
        }
    }

    pub(super) fn on_ticked(&mut self) {
        for worker in self.alive.clone() {
            let record = &mut self.workers[worker.0 as usize];
            let silent = self.now.since(record.last_heard);
            if silent >= self.options.lost_after {
                self.lose_worker(worker, Gone::Silent);
            } else if silent >= self.options.suspect_after && !record.suspect {
                record.suspect = true;
                let name = record.name.clone();
                self.actions.push(Action::Tell(Notice::WorkerSilent { name, since: silent }));
                self.refresh(worker);
            }
        }
        self.steal_due = true;
        self.keep_due = true;
    }

    /// Takes a worker from the books: tasks that it ran are blamed, those that it only had are not; what nobody else has
    /// is computed again as far as somebody needs it.
    pub(super) fn lose_worker(&mut self, worker: WorkerId, how: Gone) {
        let record = &mut self.workers[worker.0 as usize];
        record.gone = true;
        record.outbox.clear();
        record.coming.clear();
        record.coming_bytes = 0;
        let (name, incarnation, threads) = (record.name.clone(), record.incarnation, record.threads);
        self.alive.remove(&worker);
        self.threads -= u64::from(threads);
        self.refresh(worker);
        self.dismiss_everywhere(worker);
        self.fetching.retain(|(_, target), _| *target != worker);
        let record = &self.workers[worker.0 as usize];
        let processing: Vec<u32> = record.processing.iter().map(|(_, slot)| *slot).collect();
        let holds: Vec<u32> = record.holds.iter().copied().collect();
        let values = holds.iter().filter(|&&slot| self.tasks[slot].replicas.len() == 1).count();
        let running = processing.iter().filter(|&&slot| self.tasks[slot].started).count();
        let assigned = processing.len() - running;
        for slot in holds {
            self.remove_replica(slot, worker);
        }
        for slot in processing {
            // Losing a value may have failed the task already.
            if self.tasks[slot].state != State::Processing || self.tasks[slot].worker != worker {
                continue;
            }
            if self.tasks[slot].started { self.on_lost_with_worker(slot) } else { self.wait(slot) }
        }
        let asked: Vec<u32> = self.puts.keys().copied().collect();
        for slot in asked {
            self.not_put(slot, worker);
        }
        for other in self.alive.clone() {
            self.say_to_worker(other, ToWorker::PeerLeft { worker, incarnation });
        }
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.say_to_client(client, ToClient::WorkersLeft(vec![worker]));
        }
        self.workers[worker.0 as usize].bodies.clear();
        let lost = Notice::WorkerLost { worker, name: name.clone(), how, running, assigned, values };
        let notice = if how == Gone::Closed { Notice::WorkerRetired { worker, name } } else { lost };
        self.actions.push(Action::Tell(notice));
        self.keep_due = true;
        self.steal_due = true;
    }

    /// Every worker that is there, and those that were.
    pub fn workers(&self) -> Vec<WorkerView> {
        (0..self.workers.len() as u32).filter_map(|worker| self.worker(WorkerId(worker))).collect()
    }

    pub fn worker(&self, worker: WorkerId) -> Option<WorkerView> {
        let record = self.workers.get(worker.0 as usize)?;
        Some(WorkerView {
            worker,
            incarnation: record.incarnation,
            name: record.name.clone(),
            address: record.address.clone(),
            host: record.host.clone(),
            status: record.status(),
            threads: record.threads - record.away,
            memory_limit: record.memory_limit,
            resources: record.resources.iter().map(|(name, (total, _))| (name.clone(), *total)).collect(),
            memory: record.memory,
            processing: record.processing.len(),
            running: record.processing.iter().filter(|(_, slot)| self.tasks[*slot].started).count(),
            values: record.holds.len(),
            values_bytes: record.bytes,
            last_heard: record.last_heard,
        })
    }

    /// Values that a worker has.
    pub fn has_what(&self, worker: WorkerId) -> Vec<(Key, TaskId)> {
        let holds = self.workers.get(worker.0 as usize).into_iter().flat_map(|record| record.holds.iter());
        holds.map(|&slot| (self.tasks[slot].key.clone(), self.tasks.id(slot))).collect()
    }

    /// How long a worker has not been heard.
    pub fn silent_for(&self, worker: WorkerId, now: Instant) -> Option<Duration> {
        self.workers.get(worker.0 as usize).map(|record| now.since(record.last_heard))
    }
}
