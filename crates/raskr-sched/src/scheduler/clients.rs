//! What clients ask for: graphs, values of their own, futures, and to be rid of them.

use std::sync::Arc;

use smallvec::SmallVec;

use super::task::{ClassId, ConstraintId, State, Task, UNCONSTRAINED, Want};
use super::{Body, ClientRecord, PUBLISHER, Put, Scheduler};
use crate::error::Rejection;
use crate::ids::{Attempt, BodyId, ClientId, FutureId, Key, Priority, TaskId, WorkerId};
use crate::protocol::{
    Annotations, BodySpec, CancelReason, Found, FromClient, Input, Keeping, ScatterItem, Submission, TaskSpec,
    ToClient, ToWorker,
};

/// What a new task is made of; the rest follows.
struct Make {
    key: Key,
    body: Option<BodyId>,
    class: ClassId,
    constraint: ConstraintId,
    priority: Priority,
}

impl Scheduler {
    pub(super) fn on_client_joined(&mut self, client: ClientId) {
        if client != PUBLISHER && !self.clients.contains_key(&client) {
            self.clients.insert(client, ClientRecord::default());
            let peers = self.alive.iter().map(|worker| self.peer(*worker)).collect();
            self.say_to_client(client, ToClient::Workers(peers));
        }
    }

    pub(super) fn on_client_gone(&mut self, client: ClientId) {
        if client == PUBLISHER {
            return;
        }
        let futures: Vec<FutureId> =
            self.clients.get(&client).into_iter().flat_map(|c| c.futures.keys().copied()).collect();
        for future in futures {
            self.unwant(client, future);
        }
        self.clients.remove(&client);
    }

    pub(super) fn on_client(&mut self, client: ClientId, message: FromClient) {
        if client == PUBLISHER || !self.clients.contains_key(&client) {
            return;
        }
        match message {
            FromClient::Submit(submission) => self.on_submitted(client, submission),
            FromClient::Want { key, future } => match self.task(&key) {
                Some(task) => self.want(client, future, task.slot),
                None => self.say_to_client(client, ToClient::Cancelled { future, reason: CancelReason::UnknownKey }),
            },
            FromClient::Release(futures) => {
                for future in futures {
                    self.unwant(client, future);
                }
            }
            FromClient::Cancel { futures, force } => self.on_cancelled(client, &futures, force),
            FromClient::Retry(futures) => {
                for slot in self.slots(client, &futures) {
                    self.retry(slot);
                }
            }
            FromClient::Scatter(items) => {
                for item in items {
                    self.on_scattered(client, item);
                }
            }
            FromClient::Locate { request, futures } => {
                let found = futures.iter().filter_map(|future| self.found(client, *future)).collect();
                self.say_to_client(client, ToClient::Located { request, found });
            }
            FromClient::Absent { future, worker } => {
                if let Some(&slot) = self.clients.get(&client).and_then(|record| record.futures.get(&future)) {
                    self.doubt_replica(slot, worker);
                }
            }
            FromClient::NotPut { future, worker } => {
                if let Some(&slot) = self.clients.get(&client).and_then(|record| record.futures.get(&future))
                    && self.puts.get(&slot).is_some_and(|put| put.client == client)
                {
                    self.not_put(slot, worker);
                }
            }
            FromClient::Replicate { futures, copies } => {
                for slot in self.slots(client, &futures) {
                    self.set_copies(slot, copies);
                }
            }
            FromClient::Publish { name, futures } => {
                let slots = self.slots(client, &futures);
                self.unpublish(&name);
                let mut published = Vec::with_capacity(slots.len());
                for slot in slots {
                    let future = FutureId(self.publish_next);
                    self.publish_next += 1;
                    self.want(PUBLISHER, future, slot);
                    published.push(future);
                }
                self.published.insert(name, published);
            }
            FromClient::Unpublish { name } => self.unpublish(&name),
        }
    }

    pub(super) fn on_emptied(&mut self) {
        let all = |(client, record): (&ClientId, &super::ClientRecord)| {
            let client = *client;
            record.futures.keys().map(move |future| (client, *future)).collect::<Vec<_>>()
        };
        let wants: Vec<(ClientId, FutureId)> = self.clients.iter().flat_map(all).collect();
        for (client, future) in wants {
            self.unwant(client, future);
            self.say_to_client(client, ToClient::Cancelled { future, reason: CancelReason::Asked });
        }
        self.published.clear();
    }

    fn unpublish(&mut self, name: &str) {
        for future in self.published.remove(name).unwrap_or_default() {
            self.unwant(PUBLISHER, future);
        }
    }

    /// Tasks of futures that the client has.
    fn slots(&self, client: ClientId, futures: &[FutureId]) -> Vec<u32> {
        let Some(record) = self.clients.get(&client) else { return Vec::new() };
        futures.iter().filter_map(|future| record.futures.get(future).copied()).collect()
    }

    fn found(&self, client: ClientId, future: FutureId) -> Option<Found> {
        let &slot = self.clients.get(&client)?.futures.get(&future)?;
        let task = &self.tasks[slot];
        Some(Found { future, task: self.tasks.id(slot), bytes: task.bytes, holders: task.replicas.to_vec() })
    }

    fn want(&mut self, client: ClientId, future: FutureId, slot: u32) {
        let Some(record) = self.clients.get_mut(&client) else { return };
        if record.futures.contains_key(&future) {
            return;
        }
        record.futures.insert(future, slot);
        let task = &mut self.tasks[slot];
        task.wants.push(Want { client, future });
        let (state, bytes) = (task.state, task.bytes);
        match state {
            State::Memory => self.say_to_client(client, ToClient::Finished { future, bytes, value: None }),
            State::Erred => {
                if let Some(failure) = self.failures.get(&slot).cloned() {
                    self.say_to_client(client, ToClient::Failed { future, failure });
                }
            }
            _ => self.look_at(slot),
        }
    }

    fn on_submitted(&mut self, client: ClientId, submission: Submission) {
        if let Err(reason) = self.check(client, &submission) {
            self.say_to_client(client, ToClient::Rejected { request: submission.request, reason });
            return;
        }
        let Submission { bodies, annotations, tasks, wants, .. } = submission;
        let bodies: Vec<(BodyId, ClassId)> =
            bodies.into_iter().map(|body| (self.body_of(&body), self.class_of(&body.class))).collect();
        let constraints: Vec<ConstraintId> = annotations.iter().map(|note| self.constraint_of(note)).collect();
        self.submissions += 1;
        let plain = Annotations::default();
        let mut slots: Vec<u32> = Vec::with_capacity(tasks.len());
        for (order, spec) in tasks.into_iter().enumerate() {
            let (body, class) = bodies[spec.body as usize];
            let inputs = self.inputs_of(&spec, &slots);
            if let Some(known) = self.task(&spec.key).map(|task| task.slot) {
                let task = &self.tasks[known];
                let same = task.body == Some(body)
                    && task.index == spec.index
                    && task.arguments == spec.arguments
                    && task.inputs == inputs;
                if !same {
                    self.say_to_client(client, ToClient::KeyConflict { key: spec.key });
                }
                slots.push(known);
                continue;
            }
            let note = spec.annotations.map_or(&plain, |note| &annotations[note as usize]);
            let constraint = spec.annotations.map_or(UNCONSTRAINED, |note| constraints[note as usize]);
            let priority = Priority {
                against_user: note.priority.saturating_neg(),
                submission: self.submissions,
                order: order as u32,
            };
            let slot = self.insert(Make { key: spec.key, body: Some(body), class, constraint, priority });
            let id = self.tasks.id(slot);
            for &input in &inputs {
                let input = &mut self.tasks[input];
                input.dependents.push(id);
                input.dependents_alive += 1;
            }
            let task = &mut self.tasks[slot];
            task.arguments = spec.arguments;
            task.index = spec.index;
            task.inputs = inputs;
            (task.retries, task.retries_left) = (note.retries, note.retries);
            if let Some(body) = self.bodies.get_mut(&body) {
                body.tasks += 1;
            }
            slots.push(slot);
        }
        for (index, future) in wants {
            self.want(client, future, slots[index as usize]);
        }
        // What nobody wants and nothing takes is forgotten, and code that no task uses.
        for &slot in &slots {
            let task = &self.tasks[slot];
            if task.dependents_alive == 0 && task.wants.is_empty() {
                self.look_at(slot);
            }
        }
        for (body, _) in bodies {
            self.drop_body(body, 0);
        }
    }

    fn check(&self, client: ClientId, submission: &Submission) -> Result<(), Rejection> {
        let tasks = &submission.tasks;
        let part = |what: &str, number: u32, len: usize| {
            if (number as usize) < len {
                return Ok(());
            }
            Err(Rejection::NoSuchPart { what: what.to_owned(), number, len })
        };
        let mut texts: Vec<&Key> = Vec::new();
        for (number, task) in tasks.iter().enumerate() {
            part("body", task.body, submission.bodies.len())?;
            if let Some(note) = task.annotations {
                part("annotations", note, submission.annotations.len())?;
            }
            texts.clear();
            for input in &task.inputs {
                texts.push(match input {
                    Input::Here(input) if (*input as usize) < number => &tasks[*input as usize].key,
                    Input::Here(input) => {
                        let (key, number) = (task.key.clone(), number as u32);
                        return Err(Rejection::InputNotBefore { key, number, input: *input });
                    }
                    Input::Known(input) if self.keys.contains_key(input) => input,
                    Input::Known(input) => {
                        return Err(Rejection::UnknownInput { key: task.key.clone(), input: input.clone() });
                    }
                });
            }
            texts.sort_unstable();
            if let Some(twice) = texts.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Rejection::InputTwice { key: task.key.clone(), input: twice[0].clone() });
            }
        }
        let futures = self.clients.get(&client).map(|record| &record.futures);
        for (index, future) in &submission.wants {
            part("task", *index, tasks.len())?;
            if futures.is_some_and(|futures| futures.contains_key(future)) {
                return Err(Rejection::FutureInUse { future: future.0 });
            }
        }
        Ok(())
    }

    fn inputs_of(&self, spec: &TaskSpec, slots: &[u32]) -> SmallVec<[u32; 4]> {
        let slot = |input: &Input| match input {
            Input::Here(input) => Some(slots[*input as usize]),
            Input::Known(key) => self.keys.get(key).map(|task| task.slot),
        };
        spec.inputs.iter().filter_map(slot).collect()
    }

    fn insert(&mut self, make: Make) -> u32 {
        let Make { key, body, class, constraint, priority } = make;
        let slot = self.tasks.insert(|generation| Task {
            key: key.clone(),
            arguments: None,
            inputs: SmallVec::new(),
            dependents: SmallVec::new(),
            wants: SmallVec::new(),
            replicas: SmallVec::new(),
            bytes: 0,
            expected_bytes: 0,
            body,
            index: 0,
            class,
            constraint,
            priority,
            generation,
            attempt: Attempt::default(),
            worker: WorkerId::default(),
            waiting_on: 0,
            waiters: 0,
            dependents_alive: 0,
            expected_micros: 0,
            retries: 0,
            retries_left: 0,
            copies: 0,
            kills: 0,
            losses: 0,
            state: State::Released,
            started: false,
            seceded: false,
            retracting: false,
            keeping: Keeping::Given,
            arrived: false,
            awaits_put: false,
        });
        self.counts[State::Released as usize] += 1;
        self.classes[class.0 as usize].counts[State::Released as usize] += 1;
        self.keys.insert(key, self.tasks.id(slot));
        slot
    }

    fn body_of(&mut self, spec: &BodySpec) -> BodyId {
        if let Some(&body) = self.body_tokens.get(&spec.token) {
            return body;
        }
        let body = BodyId(self.body_next);
        self.body_next += 1;
        self.bodies.insert(body, Body { token: spec.token, code: spec.code.clone(), tasks: 0 });
        self.body_tokens.insert(spec.token, body);
        body
    }

    /// So many tasks have the body no longer; the last one takes it along.
    pub(super) fn drop_body(&mut self, id: BodyId, tasks: u64) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.tasks -= tasks;
        if body.tasks > 0 {
            return;
        }
        let token = body.token;
        self.bodies.remove(&id);
        self.body_tokens.remove(&token);
        for worker in self.alive.clone() {
            if self.workers[worker.0 as usize].bodies.remove(&id) {
                self.say_to_worker(worker, ToWorker::ForgetBody { body: id });
            }
        }
    }

    /// Gives up a client's futures of these tasks and of all that was to be made of them; everyone's with `force`.
    fn on_cancelled(&mut self, client: ClientId, futures: &[FutureId], force: bool) {
        let mut pending = self.slots(client, futures);
        let mut seen: std::collections::BTreeSet<u32> = pending.iter().copied().collect();
        while let Some(slot) = pending.pop() {
            for want in self.tasks[slot].wants.clone() {
                if want.client == client || force {
                    self.unwant(want.client, want.future);
                    let told = ToClient::Cancelled { future: want.future, reason: CancelReason::Asked };
                    self.say_to_client(want.client, told);
                }
            }
            let dependents: Vec<TaskId> = self.tasks[slot].dependents.to_vec();
            pending
                .extend(dependents.into_iter().filter_map(|id| self.tasks.find(id)).filter(|slot| seen.insert(*slot)));
        }
    }

    /// Tries a failed task again, with those of its inputs that failed.
    fn retry(&mut self, slot: u32) {
        let mut pending = vec![slot];
        while let Some(slot) = pending.pop() {
            if self.tasks[slot].state == State::Erred {
                pending.extend(self.tasks[slot].inputs.iter().copied());
                self.set_state(slot, State::Released);
                self.look_at(slot);
            }
        }
    }

    fn on_scattered(&mut self, client: ClientId, item: ScatterItem) {
        let ScatterItem { key, future, bytes, copies, keeping } = item;
        if self.clients.get(&client).is_none_or(|record| record.futures.contains_key(&future)) {
            return;
        }
        if let Some(known) = self.task(&key).map(|task| task.slot) {
            self.want(client, future, known);
            if self.tasks[known].body.is_some() {
                self.say_to_client(client, ToClient::KeyConflict { key });
            } else if self.tasks[known].state == State::Erred {
                // The value was lost, and here it is again.
                self.has_value(known, client, future, keeping);
                self.retry(known);
            } else if self.tasks[known].state == State::Released && !self.tasks[known].awaits_put {
                // What was made of it is still there, but nobody wanted it any more.
                self.has_value(known, client, future, keeping);
            }
            return;
        }
        let class = self.class_of(&Arc::from("scatter"));
        self.submissions += 1;
        let priority = Priority { against_user: 0, submission: self.submissions, order: 0 };
        let slot = self.insert(Make { key, body: None, class, constraint: UNCONSTRAINED, priority });
        (self.tasks[slot].bytes, self.tasks[slot].copies) = (bytes, copies);
        self.has_value(slot, client, future, keeping);
        self.want(client, future, slot);
    }

    /// A client has a value, and is asked for it when it is needed.
    fn has_value(&mut self, slot: u32, client: ClientId, future: FutureId, keeping: Keeping) {
        (self.tasks[slot].keeping, self.tasks[slot].arrived) = (keeping, false);
        self.drop_put(slot);
        self.puts.insert(slot, Put { client, future, workers: Vec::new() });
    }
}
