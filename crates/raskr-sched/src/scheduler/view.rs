//! Tasks and workers for those who look on: what shells answer questions from. Changes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::task::State;
use super::{Class, Scheduler};
use crate::ids::{ClientId, Key, TaskId, WorkerId};
use crate::protocol::Blob;

/// A task for those who look on.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    pub task: TaskId,
    pub key: &'a Key,
    pub state: State,
    /// Of the value, as last seen.
    pub bytes: u64,
    /// Who has the value.
    pub holders: &'a [WorkerId],
    /// Who has the task, while it is processing.
    pub worker: Option<WorkerId>,
    /// The worker said that it runs.
    pub started: bool,
    pub class: &'a Arc<str>,
    /// How many futures of clients are of it.
    pub wants: usize,
}

/// What a task does, for whoever runs it elsewhere.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub key: Key,
    pub code: Blob,
    pub index: u32,
    pub arguments: Option<Blob>,
    /// In the order of the submission.
    pub inputs: Vec<Key>,
}

impl Scheduler {
    fn view(&self, slot: u32) -> TaskView<'_> {
        let task = &self.tasks[slot];
        TaskView {
            task: self.tasks.id(slot),
            key: &task.key,
            state: task.state,
            bytes: task.bytes,
            holders: &task.replicas,
            worker: (task.state == State::Processing).then_some(task.worker),
            started: task.started && task.state == State::Processing,
            class: &self.classes[task.class.0 as usize].name,
            wants: task.wants.len(),
        }
    }

    /// The task of a key.
    pub fn task_view(&self, key: &str) -> Option<TaskView<'_>> {
        Some(self.view(self.task(key)?.slot))
    }

    /// A task that is not forgotten.
    pub fn task_view_of(&self, task: TaskId) -> Option<TaskView<'_>> {
        Some(self.view(self.tasks.find(task)?))
    }

    /// All tasks that are not forgotten.
    pub fn task_views(&self) -> impl Iterator<Item = TaskView<'_>> {
        (0..self.tasks.slots()).filter(|slot| self.tasks[*slot].state != State::Forgotten).map(|slot| self.view(slot))
    }

    /// What the task of a key does; nothing for a value that a client sent.
    pub fn recipe(&self, key: &str) -> Option<Recipe> {
        let task = &self.tasks[self.task(key)?.slot];
        let body = self.bodies.get(&task.body?)?;
        Some(Recipe {
            key: task.key.clone(),
            code: body.code.clone(),
            index: task.index,
            arguments: task.arguments.clone(),
            inputs: task.inputs.iter().map(|&input| self.tasks[input].key.clone()).collect(),
        })
    }

    /// The key of the task that the failure of a key's task began with.
    pub fn blamed(&self, key: &str) -> Option<&Key> {
        self.failures.get(&self.task(key)?.slot).map(|failure| &failure.key)
    }

    /// Tasks that a worker has, those that it is to begin first before the others.
    pub fn processing(&self, worker: WorkerId) -> impl Iterator<Item = TaskView<'_>> {
        let records = self.workers.get(worker.0 as usize).into_iter();
        records.flat_map(|record| record.processing.iter()).map(|(_, slot)| self.view(*slot))
    }

    /// Values that a worker has.
    pub fn held(&self, worker: WorkerId) -> impl Iterator<Item = TaskView<'_>> {
        let records = self.workers.get(worker.0 as usize).into_iter();
        records.flat_map(|record| record.holds.iter()).map(|slot| self.view(*slot))
    }

    /// The worker that has, or had, this name.
    pub fn worker_of_name(&self, name: &str) -> Option<WorkerId> {
        self.worker_names.get(name).copied()
    }

    /// Workers that are there.
    pub fn alive(&self) -> impl Iterator<Item = WorkerId> {
        self.alive.iter().copied()
    }

    /// Names of those classes of tasks that cost alike of which there are tasks, with how many are in each state, and how long
    /// one takes: nothing as long as none has ended.
    pub fn class_counts(&self) -> impl Iterator<Item = (&Arc<str>, &[u64; State::ALL.len()], Duration)> {
        let counts = self.classes.iter().map(|Class { name, counts, seen, micros, .. }| {
            (name, counts, Duration::from_micros(if *seen > 0 { *micros } else { 0 }))
        });
        counts.filter(|(_, counts, _)| counts[..State::Forgotten as usize].iter().any(|count| *count > 0))
    }

    /// Clients that are there.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.clients.keys().copied().filter(|client| *client != super::PUBLISHER)
    }

    /// Clients that have a future of a key, each once.
    pub fn wanted_by(&self, key: &str) -> Vec<ClientId> {
        let Some(task) = self.task(key) else { return Vec::new() };
        let mut clients: Vec<ClientId> = self.tasks[task.slot].wants.iter().map(|want| want.client).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }
}
