//! Questions whose answers have to wait: who asked, until when, and what they get if nothing comes.
//!
//! Services keep the ids of waits in queues of their own; one that is over is no longer here, and passed over there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use raskr_sched::ClientId;
use tokio::time::Instant;

use super::core::Core;
use crate::wire::{Answer, ClientHears, Refusal};

/// Who asked a question.
#[derive(Clone)]
pub(super) enum Asker {
    Client {
        client: ClientId,
        request: u64,
    },
    /// Somebody in the scheduler's own process.
    Here(mpsc::Sender<(Answer, Vec<Bytes>)>),
}

impl Asker {
    pub fn client(&self) -> Option<ClientId> {
        match self {
            Asker::Client { client, .. } => Some(*client),
            Asker::Here(_) => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct WaitId(u64);

/// What is answered when the time is up.
pub(super) enum Otherwise {
    Say(Answer),
    /// What has come so far.
    Calls(u64),
    Restarts(u64),
}

impl Otherwise {
    pub fn timeout(what: impl Into<String>) -> Otherwise {
        Otherwise::Say(Err(Refusal { class: "TimeoutError".into(), message: what.into() }))
    }

    pub fn value(value: &serde_json::Value) -> Otherwise {
        Otherwise::Say(Ok(value.to_string()))
    }
}

pub(super) struct Wait {
    pub asker: Asker,
    deadline: Option<Instant>,
    pub otherwise: Otherwise,
}

#[derive(Default)]
pub(super) struct Waits {
    next: u64,
    waits: BTreeMap<WaitId, Wait>,
    deadlines: BTreeSet<(Instant, WaitId)>,
}

impl Waits {
    pub fn begin(&mut self, asker: &Asker, within: Option<Duration>, otherwise: Otherwise) -> WaitId {
        self.next += 1;
        let id = WaitId(self.next);
        // Longer than this nobody waits.
        let deadline = within.filter(|within| within.as_secs() < 1 << 30).map(|within| Instant::now() + within);
        self.deadlines.extend(deadline.map(|deadline| (deadline, id)));
        self.waits.insert(id, Wait { asker: asker.clone(), deadline, otherwise });
        id
    }

    pub fn is_on(&self, id: WaitId) -> bool {
        self.waits.contains_key(&id)
    }

    /// Who waits, while somebody does.
    pub fn asker(&self, id: WaitId) -> Option<&Asker> {
        self.waits.get(&id).map(|wait| &wait.asker)
    }

    /// Ends a wait.
    pub fn take(&mut self, id: WaitId) -> Option<Wait> {
        let wait = self.waits.remove(&id)?;
        if let Some(deadline) = wait.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        Some(wait)
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Waits whose time is up.
    pub fn expired(&mut self, now: Instant) -> Vec<Wait> {
        let mut over = Vec::new();
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            over.extend(self.take(id));
        }
        over
    }

    pub fn forget(&mut self, client: ClientId, request: u64) {
        self.forget_those(
            |asker| matches!(asker, Asker::Client { client: c, request: r } if *c == client && *r == request),
        );
    }

    pub fn forget_all(&mut self, client: ClientId) {
        self.forget_those(|asker| asker.client() == Some(client));
    }

    fn forget_those(&mut self, over: impl Fn(&Asker) -> bool) {
        let ids: Vec<WaitId> = self.waits.iter().filter(|(_, wait)| over(&wait.asker)).map(|(id, _)| *id).collect();
        for id in ids {
            self.take(id);
        }
    }
}

impl Core {
    pub fn answer(&mut self, asker: &Asker, answer: Answer, buffers: Vec<Bytes>) {
        match asker {
            Asker::Client { client, request } => {
                // What the machine said before comes before.
                self.send_client(*client);
                if let Some(end) = self.clients.get_mut(client) {
                    end.pipe.send(ClientHears::Answer { request: *request, answer }, buffers);
                }
            }
            // Nobody waits any more if this fails.
            Asker::Here(sender) => drop(sender.send((answer, buffers))),
        }
    }

    /// Answers a question that waited; nothing when nobody waits any more.
    pub fn resolve(&mut self, id: WaitId, value: &serde_json::Value, buffers: Vec<Bytes>) -> Option<()> {
        let wait = self.waits.take(id)?;
        self.answer(&wait.asker, Ok(value.to_string()), buffers);
        Some(())
    }

    pub fn give_up_wait(&mut self, wait: Wait) {
        match wait.otherwise {
            Otherwise::Say(answer) => self.answer(&wait.asker, answer, Vec::new()),
            Otherwise::Calls(group) => self.give_up_calls(group, &wait.asker),
            Otherwise::Restarts(number) => self.give_up_restart(number, &wait.asker),
        }
    }
}
