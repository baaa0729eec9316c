//! Every invariant of a worker, checked from scratch: for tests, and for a worker that behaves oddly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::Worker;
use super::data::DatumState;
use super::runs::Load;
use super::session::Session;
use crate::error::Violation;

impl Worker {
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), Violation> {
        let threads = self.me.threads.max(1) as usize;
        let mut load = Load::default();
        self.executing.values().for_each(|execution| load.add(execution));
        self.rule("what threads have to do is summed", load, self.load)?;
        let ahead = self.executing.values().filter(|execution| !execution.told && execution.short.is_some()).count();
        self.rule("little is handed over ahead", true, ahead <= threads * self.options.ahead_tasks_max)?;
        let mut used: BTreeMap<_, u64> = BTreeMap::new();
        for execution in self.executing.values() {
            for (name, amount) in &execution.resources {
                *used.entry(name.clone()).or_default() += amount;
            }
        }
        for (name, (total, taken)) in &self.resources {
            self.rule("resources are summed", used.get(name).copied().unwrap_or(0), *taken)?;
            self.rule("no more resources are taken than there are", true, taken <= total)?;
        }
        for (task, run) in &self.runs {
            let current = self.executing.get(&(*task, run.spec.attempt)).is_some_and(|execution| execution.current);
            self.rule("what executes is known to", run.executing, current)?;
            let absent = run.spec.inputs.iter().filter(|input| !self.holds_value(&input.task)).count();
            if !run.executing {
                self.rule("absent inputs are counted", absent, run.absent)?;
            }
            let ready = self.ready.contains(&(run.spec.priority, *task));
            self.rule("what has its inputs is ready", !run.executing && run.absent == 0, ready)?;
            for input in &run.spec.inputs {
                let known = self.data.get(&input.task).is_some_and(|datum| datum.users.contains(task));
                self.rule("inputs know who takes them", true, known || run.executing)?;
            }
        }
        let current = self.executing.values().filter(|execution| execution.current).count();
        let running = self.runs.values().filter(|run| run.executing).count();
        self.rule("what executes for somebody has a run", running, current)?;
        self.rule("ready tasks are known", true, self.ready.iter().all(|(_, task)| self.runs.contains_key(task)))?;
        self.validate_data()?;
        if !matches!(self.session, Session::Attached { .. }) {
            let nothing = (self.runs.len(), self.gathers.len(), self.peers.len(), self.outbox.len());
            self.rule("without a session nothing is under way", (0, 0, 0, 0), nothing)?;
        }
        Ok(())
    }

    fn holds_value(&self, task: &crate::ids::TaskId) -> bool {
        self.data.get(task).is_some_and(|datum| datum.state == DatumState::Held)
    }

    fn validate_data(&self) -> Result<(), Violation> {
        let mut wanted = BTreeSet::new();
        for (task, datum) in &self.data {
            let users_known = datum.users.iter().all(|user| self.runs.contains_key(user));
            self.rule("takers are known", true, users_known)?;
            match datum.state {
                DatumState::Held => {
                    self.rule("what is kept is taken or counted", true, !datum.releasing || !datum.users.is_empty())?
                }
                DatumState::Fetching(request) => {
                    let asked = self.gathers.get(&request).is_some_and(|gather| gather.tasks.contains(task));
                    self.rule("what is fetched was asked for", true, asked)?;
                }
                DatumState::Wanted => {
                    self.rule("what is wanted is taken", true, datum.replicate || !datum.users.is_empty())?;
                    self.rule("what is wanted is asked of somebody", true, datum.asked || !datum.holders.is_empty())?;
                    for holder in &datum.holders {
                        wanted.insert((*holder, datum.priority, *task));
                    }
                }
            }
        }
        let listed = self
            .peers
            .iter()
            .flat_map(|(worker, peer)| peer.wanted.iter().map(|(priority, task)| (*worker, *priority, *task)));
        self.rule("lists of peers are what is wanted of them", &wanted, &listed.collect())?;
        let bytes: u64 = self.gathers.values().map(|gather| gather.bytes).sum();
        self.rule("bytes under way are summed", bytes, self.gather_bytes)?;
        for (worker, peer) in &self.peers {
            let asked = self.gathers.iter().find(|(_, gather)| gather.peer == *worker).map(|(request, _)| *request);
            self.rule("a peer is asked one thing at a time", asked, peer.busy)?;
        }
        Ok(())
    }

    fn rule<T: PartialEq + Debug>(&self, rule: &'static str, expected: T, found: T) -> Result<(), Violation> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        Err(Violation::Whole { what: format!("worker {}", self.me.name), rule, expected, found })
    }
}
