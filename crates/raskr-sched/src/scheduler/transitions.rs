//! Changes of state: the one function that makes them, and the rules that say when one is due.

use std::sync::Arc;

use smallvec::SmallVec;

use super::task::State;
use super::{Put, Scheduler};
use crate::error::{Failure, FailureKind, Violation};
use crate::ids::{ClientId, FutureId, Key, Priority, TaskId, WorkerId};
use crate::protocol::{Keeping, ToClient, ToWorker};
use crate::story::What;

/// A value that no more tasks take is sent to where they have their other inputs.
const FEW_TAKERS: u32 = 2;

impl Scheduler {
    /// Makes a transition that the table allows, with everything that always goes with it; refuses any other.
    pub(super) fn set_state(&mut self, slot: u32, to: State) {
        let task = &self.tasks[slot];
        let from = task.state;
        if !from.may_become(to) {
            let (key, story) = (task.key.to_string(), self.story.text(self.tasks.id(slot)));
            self.violation.get_or_insert(Violation::Transition { key, from, to, story });
            return;
        }
        self.tell(slot, What::Became { from, to });
        self.leave(slot, from);
        self.counts[from as usize] -= 1;
        self.counts[to as usize] += 1;
        let counts = &mut self.classes[self.tasks[slot].class.0 as usize].counts;
        counts[from as usize] -= 1;
        counts[to as usize] += 1;
        self.tasks[slot].state = to;
        if from.needs_inputs() != to.needs_inputs() {
            self.count_waiter(slot, to.needs_inputs());
        }
        self.enter(slot, to);
    }

    fn leave(&mut self, slot: u32, from: State) {
        match from {
            State::Queued => self.unqueue(slot),
            State::NoWorker => {
                let task = &self.tasks[slot];
                self.constraints[task.constraint.0 as usize].parked.remove(&(task.priority, slot));
            }
            State::Processing => self.unassign(slot),
            State::Memory => {
                self.for_dependents(slot, |scheduler, dependent| match scheduler.tasks[dependent].state {
                    State::Waiting => scheduler.tasks[dependent].waiting_on += 1,
                    State::NoWorker | State::Queued => scheduler.look_at(dependent),
                    // The worker may have the input, or even run the task: it gives it back if it does not.
                    State::Processing => scheduler.ask_back(dependent),
                    _ => {}
                });
                self.tell_clients(slot, |future| ToClient::Recomputing { future });
            }
            State::Erred => {
                self.failures.remove(&slot);
                self.history.remove(&slot);
                let task = &mut self.tasks[slot];
                (task.kills, task.losses, task.retries_left) = (0, 0, task.retries);
                self.tell_clients(slot, |future| ToClient::Recomputing { future });
            }
            State::Released | State::Waiting | State::Forgotten => {}
        }
    }

    fn enter(&mut self, slot: u32, to: State) {
        match to {
            State::Waiting => {
                let inputs = &self.tasks[slot].inputs;
                let absent = inputs.iter().filter(|&&input| self.tasks[input].state != State::Memory).count();
                self.tasks[slot].waiting_on = absent as u32;
                if absent == 0 {
                    self.ready.push((self.tasks[slot].priority, self.tasks.id(slot)));
                }
            }
            State::NoWorker => {
                let task = &self.tasks[slot];
                self.constraints[task.constraint.0 as usize].parked.insert((task.priority, slot));
            }
            State::Memory => {
                let task = &mut self.tasks[slot];
                (task.kills, task.losses, task.awaits_put, task.arrived) = (0, 0, false, true);
                let bytes = task.bytes;
                self.history.remove(&slot);
                self.for_dependents(slot, |scheduler, dependent| {
                    let id = scheduler.tasks.id(dependent);
                    let task = &mut scheduler.tasks[dependent];
                    if task.state == State::Waiting {
                        task.waiting_on -= 1;
                        if task.waiting_on == 0 {
                            scheduler.ready.push((task.priority, id));
                        }
                    }
                });
                let value = self.passing.take();
                self.tell_clients(slot, |future| ToClient::Finished { future, bytes, value: value.clone() });
            }
            State::Queued => {
                let (expected, _) = self.expectation(slot);
                let task = &mut self.tasks[slot];
                task.expected_micros = u32::try_from(expected).unwrap_or(u32::MAX);
                self.queued_micros += u64::from(task.expected_micros);
                self.constraints[task.constraint.0 as usize].queued.insert((task.priority, slot));
                self.constraints_queued.insert(task.constraint);
            }
            State::Released | State::Processing | State::Erred | State::Forgotten => {}
        }
    }

    fn unqueue(&mut self, slot: u32) {
        let task = &self.tasks[slot];
        self.queued_micros -= u64::from(task.expected_micros);
        let constraint = &mut self.constraints[task.constraint.0 as usize];
        constraint.queued.remove(&(task.priority, slot));
        if constraint.queued.is_empty() {
            self.constraints_queued.remove(&task.constraint);
        }
    }

    /// A task began, or ceased, to need its inputs.
    fn count_waiter(&mut self, slot: u32, needs: bool) {
        for at in 0..self.tasks[slot].inputs.len() {
            let input = self.tasks[slot].inputs[at];
            let task = &mut self.tasks[input];
            if needs {
                task.waiters += 1;
                if task.state == State::Released {
                    self.look_at(input);
                }
            } else {
                task.waiters -= 1;
                if task.waiters == 0 {
                    self.look_at(input);
                }
            }
        }
    }

    fn for_dependents(&mut self, slot: u32, mut each: impl FnMut(&mut Scheduler, u32)) {
        let dependents = std::mem::take(&mut self.tasks[slot].dependents);
        for &dependent in &dependents {
            if let Some(dependent) = self.tasks.find(dependent) {
                each(self, dependent);
            }
        }
        self.tasks[slot].dependents = dependents;
    }

    fn tell_clients(&mut self, slot: u32, message: impl Fn(FutureId) -> ToClient) {
        let wants = self.tasks[slot].wants.clone();
        for want in wants {
            self.say_to_client(want.client, message(want.future));
        }
    }

    /// Settles a task before the event is over.
    pub(super) fn look_at(&mut self, slot: u32) {
        self.work.push(self.tasks.id(slot));
    }

    pub(super) fn settle_all(&mut self) {
        loop {
            while let Some(id) = self.work.pop() {
                if let Some(slot) = self.tasks.find(id) {
                    self.settle(slot);
                }
            }
            if !self.lacking.is_empty() {
                // In the order in which tasks take them: those that come first are put to use first.
                let mut lacking = std::mem::take(&mut self.lacking);
                lacking.sort_unstable();
                for (_, id) in lacking {
                    if let Some(slot) = self.tasks.find(id)
                        && self.tasks[slot].state == State::Released
                        && !self.tasks[slot].awaits_put
                        && self.is_needed(slot)
                    {
                        self.lack_data(slot);
                    }
                }
            } else if !self.ready.is_empty() {
                let mut ready = std::mem::take(&mut self.ready);
                ready.sort_unstable();
                for (_, id) in ready.drain(..) {
                    if let Some(slot) = self.tasks.find(id)
                        && self.tasks[slot].state == State::Waiting
                        && self.tasks[slot].waiting_on == 0
                    {
                        self.place(slot);
                    }
                }
                if self.ready.is_empty() {
                    self.ready = ready;
                }
            } else {
                self.feed();
                if self.work.is_empty() && self.ready.is_empty() {
                    return;
                }
            }
        }
    }

    /// Brings one task to the state that it ought to be in; repeating it changes nothing.
    fn settle(&mut self, slot: u32) {
        let (task, needed) = (&self.tasks[slot], self.is_needed(slot));
        match task.state {
            State::Released if needed => {
                if task.body.is_some() {
                    self.wait(slot);
                } else if !task.awaits_put {
                    self.lacking.push((self.first_taker(slot), self.tasks.id(slot)));
                }
            }
            State::Released if task.dependents_alive == 0 && task.wants.is_empty() => self.forget(slot),
            State::Waiting if !needed => self.set_state(slot, State::Released),
            State::Queued | State::NoWorker => {
                let absent = task.inputs.iter().any(|&input| self.tasks[input].state != State::Memory);
                let eligible = !self.constraint(slot).eligible().is_empty();
                if !needed {
                    self.set_state(slot, State::Released);
                } else if absent {
                    self.wait(slot);
                } else if eligible && task.state == State::NoWorker {
                    self.set_state(slot, State::Queued);
                } else if !eligible && task.state == State::Queued {
                    self.set_state(slot, State::NoWorker);
                }
            }
            State::Processing if !needed => {
                self.cancel_at_worker(slot);
                self.set_state(slot, State::Released);
            }
            State::Memory if !needed => {
                self.set_state(slot, State::Released);
                self.free_replicas(slot);
            }
            State::Erred if !needed => self.set_state(slot, State::Released),
            _ => return,
        }
        let task = &self.tasks[slot];
        if task.state == State::Released && task.wants.is_empty() && task.waiters == 0 && task.dependents_alive == 0 {
            self.forget(slot);
        }
    }

    /// Waits for inputs, or fails with one of them.
    pub(super) fn wait(&mut self, slot: u32) {
        let inputs = &self.tasks[slot].inputs;
        let erred = inputs.iter().find(|&&input| self.tasks[input].state == State::Erred);
        match erred.and_then(|input| self.failures.get(input)).cloned() {
            Some(failure) => self.fail(slot, failure),
            None => self.set_state(slot, State::Waiting),
        }
    }

    /// A task, and what waits for it, will have no value.
    pub(super) fn fail(&mut self, slot: u32, failure: Arc<Failure>) {
        let mut failing = vec![slot];
        while let Some(slot) = failing.pop() {
            if self.tasks[slot].state == State::Erred {
                continue;
            }
            self.set_state(slot, State::Erred);
            if self.tasks[slot].state != State::Erred {
                continue;
            }
            self.failures.insert(slot, failure.clone());
            self.tell_clients(slot, |future| ToClient::Failed { future, failure: failure.clone() });
            self.for_dependents(slot, |scheduler, dependent| {
                if scheduler.tasks[dependent].state == State::Waiting {
                    failing.push(dependent);
                }
            });
            self.look_at(slot);
        }
    }

    pub(super) fn failure(&mut self, slot: u32, kind: FailureKind) -> Arc<Failure> {
        let attempts = self.history.get(&slot).cloned().unwrap_or_default();
        Arc::new(Failure { key: self.tasks[slot].key.clone(), kind, attempts })
    }

    /// A value that no task yields is needed and on no worker: the client that has it sends it, or nobody can.
    fn lack_data(&mut self, slot: u32) {
        let task = &self.tasks[slot];
        let sender = self.puts.get(&slot).map(|put| (put.client, put.future));
        match sender {
            Some((client, future)) if task.keeping != Keeping::Given || !task.arrived => {
                let workers = self.destinations(slot);
                if workers.is_empty() {
                    // Asked again when a worker comes.
                    self.scarce.insert(slot);
                    return;
                }
                let id = self.tasks.id(slot);
                let bytes = task.bytes;
                self.tasks[slot].awaits_put = true;
                self.drop_put(slot);
                for worker in &workers {
                    let record = &mut self.workers[worker.0 as usize];
                    record.coming.insert(slot, bytes);
                    record.coming_bytes += bytes;
                }
                self.puts.insert(slot, Put { client, future, workers: workers.clone() });
                self.say_to_client(client, ToClient::Put { future, task: id, workers });
            }
            _ => {
                let failure = self.failure(slot, FailureKind::DataLost);
                self.fail(slot, failure);
            }
        }
    }

    /// Workers to which a value had best be sent: what is taken together with others goes where those go.
    fn destinations(&self, slot: u32) -> Vec<WorkerId> {
        let task = &self.tasks[slot];
        let beside = task.copies <= 1 && task.dependents_alive <= FEW_TAKERS;
        let fits = |worker: &WorkerId| {
            let record = &self.workers[worker.0 as usize];
            let most = record.memory_limit as f64 * self.options.admission;
            record.memory_limit == 0 || (record.used() + task.bytes) as f64 <= most
        };
        match self.home(slot).filter(|home| beside && fits(home)) {
            Some(home) => vec![home],
            None => self.roomiest(slot, usize::from(task.copies.max(1))),
        }
    }

    /// The priority of the first task that needs a value now, or else of the value itself.
    fn first_taker(&self, slot: u32) -> Priority {
        let dependents = self.tasks[slot].dependents.iter().filter_map(|id| self.tasks.find(*id));
        let waiting = dependents.map(|dependent| &self.tasks[dependent]).filter(|task| task.state.needs_inputs());
        waiting.map(|task| task.priority).min().unwrap_or(self.tasks[slot].priority)
    }

    /// One of the workers to which a value was to be sent does not have it and will not; that it may come back counts for
    /// nothing.
    pub(super) fn not_put(&mut self, slot: u32, worker: WorkerId) {
        // Only of those that were asked for is anything said that counts.
        if let Some(put) = self.puts.get_mut(&slot)
            && put.workers.contains(&worker)
        {
            self.workers[worker.0 as usize].comes_no_more(slot);
            put.workers.retain(|asked| *asked != worker);
            if put.workers.is_empty() {
                self.give_up_put(slot);
            }
        }
    }

    /// Nobody is known to send a value any more.
    pub(super) fn drop_put(&mut self, slot: u32) {
        for worker in self.puts.remove(&slot).map(|put| put.workers).unwrap_or_default() {
            self.workers[worker.0 as usize].comes_no_more(slot);
        }
    }

    /// Who was asked to send a value will not: it is asked anew, or the value is lost.
    pub(super) fn give_up_put(&mut self, slot: u32) {
        if std::mem::take(&mut self.tasks[slot].awaits_put) {
            self.look_at(slot);
        }
    }

    fn forget(&mut self, slot: u32) {
        self.set_state(slot, State::Forgotten);
        let task = &self.tasks[slot];
        let (key, body) = (task.key.clone(), task.body);
        self.keys.remove(&key);
        self.spare.remove(&slot);
        self.scarce.remove(&slot);
        self.drop_put(slot);
        let inputs: SmallVec<[u32; 4]> = std::mem::take(&mut self.tasks[slot].inputs);
        let no_key: Key = self.no_key.clone();
        self.tasks.remove(slot, &no_key);
        for input in inputs {
            let task = &mut self.tasks[input];
            task.dependents_alive -= 1;
            let (alive, listed) = (task.dependents_alive as usize, task.dependents.len());
            if alive == 0 {
                task.dependents = SmallVec::new();
                self.look_at(input);
            } else if listed > 2 * alive + 8 {
                let mut dependents = std::mem::take(&mut self.tasks[input].dependents);
                dependents.retain(|id: &mut TaskId| self.tasks.find(*id).is_some());
                self.tasks[input].dependents = dependents;
            }
        }
        if let Some(body) = body {
            self.drop_body(body, 1);
        }
    }

    /// A task is not wanted where it is; its worker is told.
    pub(super) fn cancel_at_worker(&mut self, slot: u32) {
        let (id, task) = (self.tasks.id(slot), &self.tasks[slot]);
        let (worker, attempt) = (task.worker, task.attempt);
        self.say_to_worker(worker, ToWorker::Cancel { task: id, attempt });
    }

    /// A client's future is no more.
    pub(super) fn unwant(&mut self, client: ClientId, future: FutureId) -> Option<u32> {
        let slot = self.clients.get_mut(&client)?.futures.remove(&future)?;
        if self.puts.get(&slot).is_some_and(|put| put.client == client && put.future == future) {
            self.drop_put(slot);
            self.give_up_put(slot);
        }
        self.tasks[slot].wants.retain(|want| want.client != client || want.future != future);
        self.look_at(slot);
        Some(slot)
    }
}
