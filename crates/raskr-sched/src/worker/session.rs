//! With whom a worker speaks: registration, heartbeats, and what is kept when the scheduler is not heard any more.

use super::data::DatumState;
use super::{Worker, WorkerAction};
use crate::ids::{Incarnation, Instant, WorkerId};
use crate::protocol::{FromWorker, Held, Registration, Welcome};

#[derive(Debug)]
pub(super) enum Session {
    /// Nothing was said yet.
    New,
    /// This was said, last at `said`, and not answered.
    Registering {
        registration: Registration,
        since: Instant,
        said: Instant,
    },
    Attached {
        worker: WorkerId,
        incarnation: Incarnation,
        heard: Instant,
    },
}

impl Worker {
    pub(super) fn attached(&self) -> bool {
        matches!(self.session, Session::Attached { .. })
    }

    pub(super) fn worker_id(&self) -> Option<WorkerId> {
        match self.session {
            Session::Attached { worker, .. } => Some(worker),
            _ => None,
        }
    }

    /// Is it the scheduler that we are registered with?
    pub(super) fn is_from(&self, from: Incarnation) -> bool {
        matches!(self.session, Session::Attached { incarnation, .. } if incarnation == from)
    }

    /// The scheduler heard us: that we hear it alone would not tell whether it still counts on us.
    pub(super) fn on_heard(&mut self) {
        if let Session::Attached { heard, .. } = &mut self.session {
            *heard = self.now;
        }
    }

    /// Told with the next batch, while there is somebody to tell it to.
    pub(super) fn say(&mut self, message: FromWorker) {
        if self.attached() {
            self.outbox.push(message);
        }
    }

    pub(super) fn flush(&mut self) {
        if let Session::Attached { worker, incarnation, .. } = self.session
            && !self.outbox.is_empty()
        {
            let messages = std::mem::take(&mut self.outbox);
            self.actions.push(WorkerAction::ToScheduler { worker, incarnation, messages });
        }
    }

    pub(super) fn tick_session(&mut self) {
        let (now, options) = (self.now, self.options.clone());
        match &mut self.session {
            Session::New => self.register(),
            Session::Registering { since, .. } if now.since(*since) >= options.keep_without_scheduler => {
                self.close(false)
            }
            Session::Registering { registration, said, .. } => {
                if now.since(*said) >= options.register_every {
                    *said = now;
                    self.actions.push(WorkerAction::Register(registration.clone()));
                }
            }
            Session::Attached { heard, .. } => {
                if now.since(*heard) >= options.scheduler_lost_after {
                    self.detach();
                } else if now >= self.heartbeat_due {
                    self.heartbeat_due = now + options.heartbeat_every;
                    self.say(FromWorker::Heartbeat { memory: self.memory });
                }
            }
        }
    }

    fn register(&mut self) {
        self.me.nonce += 1;
        let held = self.data.iter().filter(|(_, datum)| datum.state == DatumState::Held);
        let inventory = held.map(|(task, datum)| Held { task: *task, bytes: datum.bytes }).collect();
        let registration = Registration { epoch: self.epoch, inventory, ..self.me.clone() };
        self.actions.push(WorkerAction::Register(registration.clone()));
        let since = match self.session {
            Session::Registering { since, .. } => since,
            _ => self.now,
        };
        self.session = Session::Registering { registration, since, said: self.now };
    }

    /// The session is over: what was not begun is nobody's, what runs goes on, values are kept to be offered again.
    pub(super) fn detach(&mut self) {
        if !self.attached() {
            return;
        }
        self.outbox.clear();
        self.runs.clear();
        self.ready.clear();
        for execution in self.executing.values_mut() {
            execution.orphan |= execution.current;
            execution.current = false;
        }
        self.gathers.clear();
        self.gather_bytes = 0;
        self.peers.clear();
        self.stuck_since = None;
        let actions = &mut self.actions;
        self.data.retain(|task, datum| {
            if datum.state == DatumState::Held && datum.releasing {
                actions.push(WorkerAction::Drop { task: *task });
            }
            datum.users.clear();
            datum.replicate = false;
            datum.holders.clear();
            datum.state == DatumState::Held && !datum.releasing
        });
        self.register();
    }

    pub(super) fn on_welcomed(&mut self, welcome: Welcome) {
        let Session::Registering { registration, .. } = &self.session else { return };
        if registration.nonce != welcome.nonce || registration.process != welcome.process {
            return;
        }
        let offered: Vec<Held> = registration.inventory.clone();
        self.session = Session::Attached { worker: welcome.worker, incarnation: welcome.incarnation, heard: self.now };
        self.epoch = Some(welcome.epoch);
        self.heartbeat_due = self.now + self.options.heartbeat_every;
        for peer in welcome.peers {
            self.on_peer_joined(peer);
        }
        for task in &welcome.drop {
            self.drop_value(*task);
        }
        // What changed since the registration was sent: values that came, values that went.
        for held in &offered {
            if !self.data.contains_key(&held.task) && !welcome.drop.contains(&held.task) {
                self.say(FromWorker::Dropped { task: held.task });
            }
        }
        let offered: std::collections::BTreeSet<_> = offered.iter().map(|held| held.task).collect();
        let new: Vec<_> = self.data.iter().filter(|(task, _)| !offered.contains(*task)).collect();
        let new: Vec<_> = new.into_iter().map(|(task, datum)| (*task, datum.bytes)).collect();
        for (task, bytes) in new {
            self.say(FromWorker::Acquired { task, bytes });
        }
        for execution in self.executing.values_mut() {
            execution.orphan = false;
        }
        self.say(FromWorker::Heartbeat { memory: self.memory });
        if self.paused {
            self.say(FromWorker::Paused(true));
        }
        if self.leaving {
            self.say(FromWorker::Leaving);
        }
    }
}
