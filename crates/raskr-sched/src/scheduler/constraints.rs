//! Equal restrictions and resources are one constraint, which knows the workers that fit and the tasks that wait for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Scheduler;
use super::task::{ConstraintId, UNCONSTRAINED};
use super::workers::WorkerRecord;
use crate::ids::{Priority, WorkerId};
use crate::protocol::Annotations;

#[derive(Debug)]
pub(super) struct Constraint {
    pub workers: Vec<Arc<str>>,
    pub allow_other_workers: bool,
    pub resources: Vec<(Arc<str>, u64)>,
    /// Workers that are there and have the resources at all.
    capable: BTreeSet<WorkerId>,
    /// Those of them that `workers` names.
    named: BTreeSet<WorkerId>,
    pub queued: BTreeSet<(Priority, u32)>,
    /// Tasks in state `NoWorker`.
    pub parked: BTreeSet<(Priority, u32)>,
}

impl Constraint {
    pub fn of(annotations: &Annotations) -> Constraint {
        let mut workers = annotations.workers.clone();
        workers.sort();
        workers.dedup();
        let mut resources: Vec<_> = annotations.resources.iter().filter(|(_, amount)| *amount > 0).cloned().collect();
        resources.sort();
        Constraint {
            allow_other_workers: annotations.allow_other_workers && !workers.is_empty(),
            workers,
            resources,
            capable: BTreeSet::new(),
            named: BTreeSet::new(),
            queued: BTreeSet::new(),
            parked: BTreeSet::new(),
        }
    }

    fn same(&self, other: &Constraint) -> bool {
        self.workers == other.workers
            && self.allow_other_workers == other.allow_other_workers
            && self.resources == other.resources
    }

    /// Workers that may run such tasks, whether or not they have room now.
    pub fn eligible(&self) -> &BTreeSet<WorkerId> {
        if self.workers.is_empty() || self.named.is_empty() && self.allow_other_workers {
            &self.capable
        } else {
            &self.named
        }
    }

    pub fn has_resources(&self, worker: &WorkerRecord) -> bool {
        self.resources.iter().all(|(name, amount)| worker.resources.get(name).is_some_and(|(total, _)| total >= amount))
    }

    pub fn names(&self, worker: &WorkerRecord) -> bool {
        self.workers.iter().any(|name| *name == worker.name || *name == worker.address || *name == worker.host)
    }

    /// Are the resources free now?
    pub fn has_room(&self, worker: &WorkerRecord) -> bool {
        self.resources.iter().all(|(name, amount)| {
            worker.resources.get(name).is_some_and(|(total, used)| total.saturating_sub(*used) >= *amount)
        })
    }
}

impl Scheduler {
    pub(super) fn constraint_of(&mut self, annotations: &Annotations) -> ConstraintId {
        let wanted = Constraint::of(annotations);
        let known = self.constraints.iter().position(|constraint| constraint.same(&wanted));
        if let Some(known) = known {
            return ConstraintId(known as u32);
        }
        self.constraints.push(wanted);
        let id = ConstraintId(self.constraints.len() as u32 - 1);
        for worker in self.alive.clone() {
            self.admit(id, worker);
        }
        id
    }

    /// Counts a worker among those that fit, if it does.
    fn admit(&mut self, id: ConstraintId, worker: WorkerId) {
        let record = &self.workers[worker.0 as usize];
        let constraint = &mut self.constraints[id.0 as usize];
        if !record.gone && record.retirement.is_none() && constraint.has_resources(record) {
            constraint.capable.insert(worker);
            if constraint.names(record) {
                constraint.named.insert(worker);
            }
        }
    }

    /// A worker came, or is there for new tasks again.
    pub(super) fn admit_everywhere(&mut self, worker: WorkerId) {
        for id in 0..self.constraints.len() as u32 {
            self.admit(ConstraintId(id), worker);
            let constraint = &self.constraints[id as usize];
            if !constraint.eligible().is_empty() {
                let parked = constraint.parked.iter();
                self.work.extend(parked.map(|&(_, slot)| self.tasks.id(slot)));
            }
        }
    }

    /// A worker left, or is there for no new tasks.
    pub(super) fn dismiss_everywhere(&mut self, worker: WorkerId) {
        for constraint in &mut self.constraints {
            constraint.capable.remove(&worker);
            constraint.named.remove(&worker);
            if constraint.eligible().is_empty() {
                self.work.extend(constraint.queued.iter().map(|&(_, slot)| self.tasks.id(slot)));
            }
        }
    }

    pub(super) fn constraint(&self, slot: u32) -> &Constraint {
        &self.constraints[self.tasks[slot].constraint.0 as usize]
    }

    pub(super) fn may_run_on(&self, slot: u32, worker: WorkerId) -> bool {
        self.constraint(slot).eligible().contains(&worker)
    }

    pub(super) fn takes_resources(&self, slot: u32) -> bool {
        self.tasks[slot].constraint != UNCONSTRAINED && !self.constraint(slot).resources.is_empty()
    }
}
