//! The scheduler: which worker runs which task when, and what becomes of values.
//!
//! `handle` applies an event, then settles every task that it touched (`transitions`), then places what became ready
//! (`place`), then takes work from workers that have too much of it (`steal`). Nothing else changes a task's state.

mod clients;
mod constraints;
mod keep;
mod place;
mod rebalance;
mod results;
mod siblings;
mod steal;
mod task;
mod transitions;
mod validate;
mod view;
mod why;
mod workers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Attempted, Failure, Violation};
use crate::ids::{BodyId, ClientId, Epoch, FutureId, Incarnation, Instant, Key, Priority, TaskId, WorkerId};
use crate::options::SchedulerOptions;
use crate::protocol::{Annotations, Blob, FromClient, FromWorker, Registration, ToClient, ToWorker, Welcome};
use crate::story::{Entry, Story, What};

use constraints::Constraint;
use task::{ClassId, ConstraintId, Tasks};
use workers::WorkerRecord;

pub use task::State;
pub use view::{Recipe, TaskView};
pub use why::Reason;
pub use workers::{WorkerStatus, WorkerView};

/// Whose futures published values are.
const PUBLISHER: ClientId = ClientId(u32::MAX);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Registered(Registration),
    FromWorker {
        worker: WorkerId,
        incarnation: Incarnation,
        messages: Vec<FromWorker>,
    },
    /// The worker's process ended, or its connection for good.
    WorkerGone {
        worker: WorkerId,
        incarnation: Incarnation,
        how: Gone,
    },
    ClientJoined {
        client: ClientId,
    },
    FromClient {
        client: ClientId,
        messages: Vec<FromClient>,
    },
    ClientGone {
        client: ClientId,
    },
    /// Somebody wants these workers to end without a loss; after the deadline, if there is one, with losses.
    RetireAsked {
        workers: Vec<WorkerId>,
        deadline: Option<Duration>,
    },
    /// Moves values from workers that hold most to those that hold least; of all tasks, and of all workers, for `None`.
    RebalanceAsked {
        tasks: Option<Vec<TaskId>>,
        workers: Option<Vec<WorkerId>>,
    },
    /// Everything is given up, for all clients.
    Emptied,
    /// Time went by: at least twice within `SchedulerOptions::suspect_after`.
    Ticked,
}

/// Why a worker is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It said farewell after it was told to close.
    Closed,
    /// Its process or connection ended.
    Died,
    /// It was not heard for too long.
    Silent,
    /// It registered anew.
    Replaced,
}

/// What a shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    ToWorker {
        worker: WorkerId,
        incarnation: Incarnation,
        messages: Vec<ToWorker>,
    },
    ToClient {
        client: ClientId,
        messages: Vec<ToClient>,
    },
    /// Answer a registration; it may be a repeated answer.
    Welcome(Welcome),
    /// What this incarnation says counts no more: tell it so, that it may register again.
    Reject {
        worker: WorkerId,
        incarnation: Incarnation,
    },
    Tell(Notice),
}

/// What a log tells, with counts rather than keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    WorkerJoined {
        name: Arc<str>,
        incarnation: Incarnation,
        values: usize,
    },
    WorkerSilent {
        name: Arc<str>,
        since: Duration,
    },
    WorkerHeardAgain {
        name: Arc<str>,
    },
    /// `running` were blamed, `assigned` were not, `values` were the only ones.
    WorkerLost {
        worker: WorkerId,
        name: Arc<str>,
        how: Gone,
        running: usize,
        assigned: usize,
        values: usize,
    },
    WorkerRetired {
        worker: WorkerId,
        name: Arc<str>,
    },
}

/// What is known of tasks that cost alike.
#[derive(Debug, Default)]
struct Class {
    name: Arc<str>,
    seen: u64,
    /// Moving averages.
    micros: u64,
    bytes: u64,
    /// How many of its tasks are in a state.
    counts: [u64; State::ALL.len()],
}

#[derive(Debug)]
struct Body {
    token: u128,
    code: Blob,
    tasks: u64,
}

#[derive(Debug, Default)]
struct ClientRecord {
    futures: BTreeMap<FutureId, u32>,
    outbox: Vec<ToClient>,
}

/// A client that has a value.
#[derive(Debug)]
struct Put {
    client: ClientId,
    future: FutureId,
    workers: Vec<WorkerId>,
}

#[derive(Debug)]
pub struct Scheduler {
    options: SchedulerOptions,
    epoch: Epoch,
    now: Instant,
    tasks: Tasks,
    /// Looked up, never listed.
    keys: HashMap<Key, TaskId>,
    no_key: Key,
    counts: [u64; State::ALL.len()],
    classes: Vec<Class>,
    class_names: BTreeMap<Arc<str>, ClassId>,
    bodies: BTreeMap<BodyId, Body>,
    body_tokens: BTreeMap<u128, BodyId>,
    body_next: u32,
    constraints: Vec<Constraint>,
    /// Constraints of which tasks are queued.
    constraints_queued: BTreeSet<ConstraintId>,
    workers: Vec<WorkerRecord>,
    worker_names: BTreeMap<Arc<str>, WorkerId>,
    /// Workers that take new tasks, the least loaded first.
    by_load: BTreeSet<(u64, WorkerId)>,
    alive: BTreeSet<WorkerId>,
    threads: u64,
    clients: BTreeMap<ClientId, ClientRecord>,
    published: BTreeMap<Arc<str>, Vec<FutureId>>,
    publish_next: u64,
    submissions: u32,
    failures: BTreeMap<u32, Arc<Failure>>,
    history: BTreeMap<u32, Vec<Attempted>>,
    /// The value of the task of which a worker says that it is finished, for the clients that want it.
    passing: Option<Blob>,
    /// Tasks to look at before the event is over.
    work: Vec<TaskId>,
    /// Tasks whose inputs are all there, to be placed once nothing is left in `work`.
    ready: Vec<(Priority, TaskId)>,
    /// Values that no task yields, to be asked for likewise, by who takes them.
    lacking: Vec<(Priority, TaskId)>,
    /// For whom tasks were asked back.
    steals: BTreeMap<u32, WorkerId>,
    /// Tasks with more replicas than somebody asked for.
    spare: BTreeSet<u32>,
    /// Tasks with fewer replicas than somebody asked for.
    scarce: BTreeSet<u32>,
    /// Who has, or had, values that no task yields, and to which workers they were last told to send them.
    puts: BTreeMap<u32, Put>,
    /// Copies that workers were told to fetch, and when.
    fetching: BTreeMap<(TaskId, WorkerId), Instant>,
    /// Of those, which are to replace the copy of whom.
    moving: BTreeMap<(TaskId, WorkerId), WorkerId>,
    /// Microseconds that queued tasks are expected to take.
    queued_micros: u64,
    /// Where to go on looking at them.
    spare_next: u32,
    /// How often work was taken from busy workers.
    steal_turn: usize,
    steal_due: bool,
    keep_due: bool,
    present: Vec<u64>,
    story: Story,
    violation: Option<Violation>,
    actions: Vec<Action>,
    workers_dirty: BTreeSet<WorkerId>,
    clients_dirty: BTreeSet<ClientId>,
}

impl Scheduler {
    pub fn new(options: SchedulerOptions, epoch: Epoch) -> Scheduler {
        let story = Story::new(options.story_len);
        Scheduler {
            options,
            epoch,
            now: Instant::default(),
            tasks: Tasks::default(),
            keys: HashMap::new(),
            no_key: Key::from(""),
            counts: [0; State::ALL.len()],
            classes: Vec::new(),
            class_names: BTreeMap::new(),
            bodies: BTreeMap::new(),
            body_tokens: BTreeMap::new(),
            body_next: 0,
            constraints: vec![Constraint::of(&Annotations::default())],
            constraints_queued: BTreeSet::new(),
            workers: Vec::new(),
            worker_names: BTreeMap::new(),
            by_load: BTreeSet::new(),
            alive: BTreeSet::new(),
            threads: 0,
            clients: BTreeMap::from([(PUBLISHER, ClientRecord::default())]),
            published: BTreeMap::new(),
            publish_next: 0,
            submissions: 0,
            failures: BTreeMap::new(),
            history: BTreeMap::new(),
            passing: None,
            work: Vec::new(),
            ready: Vec::new(),
            lacking: Vec::new(),
            steals: BTreeMap::new(),
            spare: BTreeSet::new(),
            scarce: BTreeSet::new(),
            puts: BTreeMap::new(),
            fetching: BTreeMap::new(),
            moving: BTreeMap::new(),
            queued_micros: 0,
            spare_next: 0,
            steal_turn: 0,
            steal_due: false,
            keep_due: false,
            present: Vec::new(),
            story,
            violation: None,
            actions: Vec::new(),
            workers_dirty: BTreeSet::new(),
            clients_dirty: BTreeSet::new(),
        }
    }

    /// Applies an event and tells what is to be done, to each worker and client at most one batch.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        self.now = self.now.max(now);
        match event {
            Event::Registered(registration) => self.on_registered(registration),
            Event::FromWorker { worker, incarnation, messages } => self.on_worker(worker, incarnation, messages),
            Event::WorkerGone { worker, incarnation, how } => {
                if self.is_current(worker, incarnation) {
                    self.lose_worker(worker, how);
                }
            }
            Event::ClientJoined { client } => self.on_client_joined(client),
            Event::FromClient { client, messages } => {
                let mut released = false;
                for message in messages {
                    match &message {
                        FromClient::Release(_) => released = true,
                        // What was given up is gone by then: the same keys may stand for something else now, such as memory
                        // that was written to.
                        FromClient::Submit(_) | FromClient::Scatter(_) if std::mem::take(&mut released) => {
                            self.settle_all();
                        }
                        _ => {}
                    }
                    self.on_client(client, message);
                }
            }
            Event::ClientGone { client } => self.on_client_gone(client),
            Event::RetireAsked { workers, deadline } => {
                for worker in workers {
                    self.retire(worker, deadline);
                }
            }
            Event::RebalanceAsked { tasks, workers } => self.rebalance(tasks.as_deref(), workers.as_deref()),
            Event::Emptied => self.on_emptied(),
            Event::Ticked => self.on_ticked(),
        }
        self.settle_all();
        if std::mem::take(&mut self.steal_due) {
            self.steal();
        }
        if std::mem::take(&mut self.keep_due) {
            self.keep();
            self.settle_all();
        }
        self.flush();
        std::mem::take(&mut self.actions)
    }

    fn flush(&mut self) {
        for worker in std::mem::take(&mut self.workers_dirty) {
            let record = &mut self.workers[worker.0 as usize];
            let messages = std::mem::take(&mut record.outbox);
            if !messages.is_empty() {
                let incarnation = record.incarnation;
                self.actions.push(Action::ToWorker { worker, incarnation, messages });
            }
        }
        for client in std::mem::take(&mut self.clients_dirty) {
            if let Some(record) = self.clients.get_mut(&client) {
                let messages = std::mem::take(&mut record.outbox);
                self.actions.push(Action::ToClient { client, messages });
            }
        }
    }

    fn say_to_worker(&mut self, worker: WorkerId, message: ToWorker) {
        let record = &mut self.workers[worker.0 as usize];
        if !record.gone {
            record.outbox.push(message);
            self.workers_dirty.insert(worker);
        }
    }

    fn say_to_client(&mut self, client: ClientId, message: ToClient) {
        if client != PUBLISHER
            && let Some(record) = self.clients.get_mut(&client)
        {
            record.outbox.push(message);
            self.clients_dirty.insert(client);
        }
    }

    fn tell(&mut self, slot: u32, what: What) {
        self.story.push(self.now, self.tasks.id(slot), what);
    }

    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The id of a key's task.
    pub fn task(&self, key: &str) -> Option<TaskId> {
        self.keys.get(key).copied()
    }

    pub fn state(&self, key: &str) -> Option<State> {
        self.task(key).map(|id| self.tasks[id.slot].state)
    }

    /// Workers that have the value of a key.
    pub fn holders(&self, key: &str) -> Vec<WorkerId> {
        self.task(key).map_or_else(Vec::new, |id| self.tasks[id.slot].replicas.to_vec())
    }

    /// How many tasks are in a state.
    pub fn count(&self, state: State) -> u64 {
        self.counts[state as usize]
    }

    /// Tasks that are not forgotten.
    pub fn tasks(&self) -> usize {
        self.tasks.alive()
    }

    /// What happened to a key's task lately, oldest first.
    pub fn story(&self, key: &str) -> Vec<Entry> {
        self.task(key).map_or_else(Vec::new, |id| self.story.of(id))
    }

    /// What happened to a task lately; it may be forgotten.
    pub fn story_of(&self, task: TaskId) -> Vec<Entry> {
        self.story.of(task)
    }

    /// Keys that were published under a name.
    pub fn published(&self, name: &str) -> Option<Vec<Key>> {
        let futures = &self.clients.get(&PUBLISHER)?.futures;
        let slots = self.published.get(name)?.iter().filter_map(|future| futures.get(future));
        Some(slots.map(|&slot| self.tasks[slot].key.clone()).collect())
    }

    /// What is known of tasks that cost alike: the class, how many were seen, what they took and yielded on average.
    pub fn classes(&self) -> impl Iterator<Item = (&str, u64, Duration, u64)> {
        self.classes.iter().map(|class| (&*class.name, class.seen, Duration::from_micros(class.micros), class.bytes))
    }

    pub fn published_names(&self) -> Vec<Arc<str>> {
        self.published.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BodySpec, Submission, TaskSpec};

    fn with_task() -> Scheduler {
        let mut scheduler = Scheduler::new(SchedulerOptions::default(), Epoch(1));
        let client = ClientId(0);
        scheduler.handle(Event::ClientJoined { client }, Instant::default());
        let key: Key = Arc::from("x");
        let body = BodySpec { token: 1, code: Blob::from(vec![]), class: Arc::from("c") };
        let task = TaskSpec { key, body: 0, index: 0, arguments: None, inputs: vec![], annotations: None };
        let submission = Submission {
            bodies: vec![body],
            tasks: vec![task],
            wants: vec![(0, FutureId(1))],
            ..Submission::default()
        };
        scheduler
            .handle(Event::FromClient { client, messages: vec![FromClient::Submit(submission)] }, Instant::default());
        scheduler
    }

    #[test]
    fn a_transition_that_the_table_does_not_have_is_refused_and_told_with_the_story() {
        let mut scheduler = with_task();
        assert_eq!((scheduler.state("x"), scheduler.validate()), (Some(State::NoWorker), Ok(())));
        scheduler.set_state(0, State::Processing);
        assert_eq!(scheduler.state("x"), Some(State::NoWorker));
        let text = scheduler.validate().unwrap_err().to_string();
        let story = "  0.000000s t0.0 Released -> Waiting\n  0.000000s t0.0 Waiting -> NoWorker";
        assert_eq!(text, format!("task 'x' may not go from NoWorker to Processing\n{story}"));
    }

    #[test]
    fn what_contradicts_itself_is_found_and_named() {
        let spoil: [fn(&mut Scheduler); 6] = [
            |scheduler| scheduler.tasks[0].waiters += 1,
            |scheduler| scheduler.tasks[0].state = State::Memory,
            |scheduler| scheduler.tasks[0].wants.clear(),
            |scheduler| scheduler.constraints[0].parked.clear(),
            |scheduler| scheduler.queued_micros += 1,
            |scheduler| scheduler.bodies.clear(),
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let mut scheduler = with_task();
            spoil(&mut scheduler);
            assert!(scheduler.validate().is_err(), "number {number}");
        }
    }
}
