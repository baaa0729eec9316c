//! Every invariant of the scheduler, checked from scratch: for tests, and for a cluster that behaves oddly.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Scheduler;
use super::task::State;
use crate::error::Violation;
use crate::ids::WorkerId;

impl Scheduler {
    /// The first thing found wrong, with the story of the task.
    pub fn validate(&self) -> Result<(), Violation> {
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        let mut counts = [0; State::ALL.len()];
        let mut by_class = vec![[0; State::ALL.len()]; self.classes.len()];
        let mut dependents: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for slot in 0..self.tasks.slots() {
            let task = &self.tasks[slot];
            counts[task.state as usize] += 1;
            by_class[task.class.0 as usize][task.state as usize] += 1;
            if task.state == State::Forgotten {
                continue;
            }
            for &input in &task.inputs {
                let (alive, waiters) = dependents.entry(input).or_default();
                *alive += 1;
                *waiters += u32::from(task.state.needs_inputs());
            }
        }
        counts[State::Forgotten as usize] = self.counts[State::Forgotten as usize];
        self.whole("tasks", "counts by state", counts, self.counts)?;
        for (class, mut counts) in self.classes.iter().zip(by_class) {
            counts[State::Forgotten as usize] = class.counts[State::Forgotten as usize];
            self.whole(&class.name, "counts by state", counts, class.counts)?;
        }
        for slot in 0..self.tasks.slots() {
            if self.tasks[slot].state != State::Forgotten {
                self.validate_task(slot, dependents.get(&slot).copied().unwrap_or_default())?;
            }
        }
        for worker in 0..self.workers.len() as u32 {
            self.validate_worker(WorkerId(worker))?;
        }
        self.validate_queues()?;
        self.validate_clients()
    }

    fn whole<T: PartialEq + Debug>(
        &self,
        what: &str,
        rule: &'static str,
        expected: T,
        found: T,
    ) -> Result<(), Violation> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        Err(Violation::Whole { what: what.to_owned(), rule, expected, found })
    }

    fn of_task<T: PartialEq + Debug>(
        &self,
        slot: u32,
        rule: &'static str,
        expected: T,
        found: T,
    ) -> Result<(), Violation> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        let (key, story) = (self.tasks[slot].key.to_string(), self.story.text(self.tasks.id(slot)));
        Err(Violation::Task { key, rule, expected, found, story })
    }

    fn validate_task(&self, slot: u32, (alive, waiters): (u32, u32)) -> Result<(), Violation> {
        let task = &self.tasks[slot];
        let state = task.state;
        self.of_task(slot, "its key leads to it", Some(self.tasks.id(slot)), self.task(&task.key))?;
        self.of_task(slot, "dependents are counted", alive, task.dependents_alive)?;
        self.of_task(slot, "waiters are counted", waiters, task.waiters)?;
        let listed = task.dependents.iter().filter(|id| self.tasks.find(**id).is_some()).count();
        self.of_task(slot, "dependents are listed", alive as usize, listed)?;
        let needed = self.is_needed(slot);
        self.of_task(slot, "a value has holders, and only a value", state == State::Memory, !task.replicas.is_empty())?;
        self.of_task(
            slot,
            "a failure has a reason, and only a failure",
            state == State::Erred,
            self.failures.contains_key(&slot),
        )?;
        if state != State::Released {
            self.of_task(slot, "what is worked at is needed", true, needed)?;
        } else if needed {
            let waits = task.awaits_put || self.scarce.contains(&slot);
            self.of_task(slot, "what is needed is worked at", true, task.body.is_none() && waits)?;
        } else {
            let lent = !task.wants.is_empty();
            self.of_task(slot, "what nothing takes is forgotten", true, lent || task.dependents_alive > 0)?;
        }
        let absent = task.inputs.iter().filter(|&&input| self.tasks[input].state != State::Memory).count() as u32;
        match state {
            State::Waiting => {
                self.of_task(slot, "absent inputs are counted", absent, task.waiting_on)?;
                self.of_task(slot, "what waits for nothing is placed", true, absent > 0)?;
                let erred = task.inputs.iter().any(|&input| self.tasks[input].state == State::Erred);
                self.of_task(slot, "nothing waits for what failed", false, erred)?;
            }
            State::NoWorker | State::Queued => {
                self.of_task(slot, "inputs of what is ready are there", 0, absent)?;
                let none = self.constraint(slot).eligible().is_empty();
                self.of_task(slot, "without a worker it is not queued", state == State::NoWorker, none)?;
            }
            State::Processing => {
                let record = &self.workers[task.worker.0 as usize];
                self.of_task(slot, "its owner is there", false, record.gone)?;
                self.of_task(slot, "its owner knows", true, record.processing.contains(&(task.priority, slot)))?;
                if absent > 0 {
                    let settled = task.started || task.retracting;
                    self.of_task(slot, "without inputs it is asked back or runs", true, settled)?;
                }
            }
            State::Released | State::Memory | State::Erred | State::Forgotten => {}
        }
        for &worker in &task.replicas {
            let record = &self.workers[worker.0 as usize];
            self.of_task(slot, "its holder is there and knows", true, !record.gone && record.holds.contains(&slot))?;
        }
        Ok(())
    }

    fn validate_worker(&self, worker: WorkerId) -> Result<(), Violation> {
        let record = &self.workers[worker.0 as usize];
        let name = format!("worker {}", record.name);
        let mut used: BTreeMap<_, u64> = BTreeMap::new();
        let (mut micros, mut bytes) = (0, 0);
        for &(_, slot) in &record.processing {
            let task = &self.tasks[slot];
            self.of_task(
                slot,
                "what a worker has is processing",
                (State::Processing, worker),
                (task.state, task.worker),
            )?;
            micros += u64::from(task.expected_micros);
            bytes += task.expected_bytes;
            for (resource, amount) in &self.constraint(slot).resources {
                *used.entry(resource.clone()).or_default() += amount;
            }
        }
        self.whole(&name, "expected time is summed", micros, record.occupancy)?;
        self.whole(&name, "expected bytes are summed", bytes, record.expected_bytes)?;
        for (resource, (total, taken)) in &record.resources {
            self.whole(&name, "resources are summed", used.get(resource).copied().unwrap_or(0), *taken)?;
            self.whole(&name, "no more resources are taken than there are", true, taken <= total)?;
        }
        let held: u64 = record.holds.iter().map(|&slot| self.tasks[slot].bytes).sum();
        self.whole(&name, "bytes of values are summed", held, record.bytes)?;
        let coming: u64 = record.coming.values().sum();
        self.whole(&name, "bytes on their way are summed", coming, record.coming_bytes)?;
        for &slot in record.coming.keys() {
            let is_sent = self.puts.get(&slot).is_some_and(|put| put.workers.contains(&worker));
            self.of_task(
                slot,
                "what comes is sent and not there",
                (true, false),
                (is_sent, record.holds.contains(&slot)),
            )?;
        }
        for &slot in &record.holds {
            self.of_task(slot, "a holder is listed", true, self.tasks[slot].replicas.contains(&worker))?;
        }
        let away = record.processing.iter().filter(|(_, slot)| self.tasks[*slot].seceded).count();
        self.whole(&name, "tasks that have seceded are counted", away, record.away as usize)?;
        if record.gone {
            self.whole(&name, "who is gone has nothing", (0, 0), (record.processing.len(), record.holds.len()))?;
        }
        self.whole(&name, "who is there is listed", !record.gone, self.alive.contains(&worker))?;
        self.whole(&name, "who takes tasks has a place by load", record.is_running(), record.load.is_some())?;
        let load = (record.processing.len() as u64) << 10;
        let place = record.is_running().then(|| load / u64::from(record.threads.max(1)));
        self.whole(&name, "its place is by load", place, record.load)?;
        let listed = record.load.is_none_or(|load| self.by_load.contains(&(load, worker)));
        self.whole(&name, "its place is taken", true, listed)
    }

    fn validate_queues(&self) -> Result<(), Violation> {
        let (mut queued, mut parked, mut micros) = (0, 0, 0);
        for (number, constraint) in self.constraints.iter().enumerate() {
            for (set, state) in [(&constraint.queued, State::Queued), (&constraint.parked, State::NoWorker)] {
                for &(priority, slot) in set {
                    let task = &self.tasks[slot];
                    self.of_task(slot, "what is in a queue is queued", (state, priority), (task.state, task.priority))?;
                    if state == State::Queued {
                        micros += u64::from(task.expected_micros);
                    }
                }
            }
            queued += constraint.queued.len() as u64;
            parked += constraint.parked.len() as u64;
            let listed = self.constraints_queued.contains(&super::ConstraintId(number as u32));
            self.whole("queues", "queues that are not empty are listed", !constraint.queued.is_empty(), listed)?;
        }
        self.whole("queues", "all that is queued is in a queue", self.count(State::Queued), queued)?;
        self.whole("queues", "all without a worker is listed", self.count(State::NoWorker), parked)?;
        self.whole("queues", "expected time is summed", micros, self.queued_micros)?;
        let placed = self.workers.iter().filter(|record| record.load.is_some()).count();
        self.whole("workers", "places by load", placed, self.by_load.len())
    }

    fn validate_clients(&self) -> Result<(), Violation> {
        let mut futures = 0;
        for (client, record) in &self.clients {
            futures += record.futures.len();
            for (future, &slot) in &record.futures {
                let wants = &self.tasks[slot].wants;
                let known = wants.iter().filter(|want| want.client == *client && want.future == *future).count();
                self.of_task(slot, "a future is known to its task once", 1, known)?;
            }
        }
        let wants: usize = (0..self.tasks.slots()).map(|slot| self.tasks[slot].wants.len()).sum();
        self.whole("clients", "futures and wants are the same", futures, wants)?;
        let used: u64 = self.bodies.values().map(|body| body.tasks).sum();
        let alive = (0..self.tasks.slots()).map(|slot| &self.tasks[slot]);
        let with_body = alive.filter(|task| task.state != State::Forgotten && task.body.is_some()).count() as u64;
        self.whole("bodies", "tasks with a body are counted", with_body, used)
    }
}
