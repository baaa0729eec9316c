//! A worker: which of its tasks runs next, which values it fetches from whom, and what it tells the scheduler.
//!
//! Knows tasks that it was given (`runs`), values that it has or needs (`data`), and with whom it speaks (`session`). The
//! shell runs bodies, moves bytes and stores values; what it holds of a value that the machine knows of is its business.
//! Invariant: while a session lasts, all that the machine has is known to the scheduler, or said in the next batch.

mod data;
mod runs;
mod session;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{Attempt, BodyId, Epoch, Incarnation, Instant, Key, Priority, RequestId, TaskId, WorkerId};
use crate::options::WorkerOptions;
use crate::protocol::{Blob, Death, FromWorker, Held, MemoryReport, Peer, Raised, Registration, ToWorker, Welcome};

use data::{Datum, DatumState, Gather, PeerRecord};
use runs::{Execution, Load, Run};
use session::Session;

/// How the execution of a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Executed {
    /// With the value itself where it is small and wanted ([`Worker::is_wanted`]).
    Done {
        bytes: u64,
        micros: u64,
        value: Option<Blob>,
    },
    Raised {
        error: Raised,
        micros: u64,
    },
    /// The process in which it ran died under it.
    Died(Death),
    /// It was not begun, and has to wait for its turn again.
    Untouched,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerEvent {
    Welcomed(Welcome),
    FromScheduler {
        incarnation: Incarnation,
        messages: Vec<ToWorker>,
    },
    /// The scheduler counts this incarnation as lost.
    Rejected {
        incarnation: Incarnation,
    },
    /// The connection ended for good.
    SchedulerGone,
    /// A peer or a client wants values; `from` is the shell's.
    Asked {
        from: u64,
        request: RequestId,
        tasks: Vec<TaskId>,
    },
    /// The answer to `Gather`.
    Gathered {
        request: RequestId,
        values: Vec<Held>,
        absent: Vec<TaskId>,
    },
    /// Some of the answer came.
    GatherProgressed {
        request: RequestId,
    },
    GatherFailed {
        request: RequestId,
    },
    /// A client sent a value; it is stored if `Take` says so.
    Put {
        request: RequestId,
        task: TaskId,
        bytes: u64,
    },
    Executed {
        task: TaskId,
        attempt: Attempt,
        executed: Executed,
    },
    /// A task has been running for longer than those that are handed over ahead of their turn ought to.
    Began {
        task: TaskId,
        attempt: Attempt,
    },
    /// A task that runs waits for others and needs no thread (`away`), or wants one again.
    Seceded {
        task: TaskId,
        attempt: Attempt,
        away: bool,
    },
    /// The store lost a value.
    ValueLost {
        task: TaskId,
    },
    MemoryChanged(MemoryReport),
    /// Somebody outside wants this process to end.
    LeaveAsked,
    /// Time went by: at least twice within `WorkerOptions::heartbeat_every`.
    Ticked,
}

/// What a shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerAction {
    Register(Registration),
    ToScheduler {
        worker: WorkerId,
        incarnation: Incarnation,
        messages: Vec<FromWorker>,
    },
    KeepBody {
        body: BodyId,
        code: Blob,
    },
    ForgetBody {
        body: BodyId,
    },
    Execute(Execute),
    /// Stop an execution if that is possible; its end is reported all the same.
    Interrupt {
        task: TaskId,
        attempt: Attempt,
    },
    /// Store the result of an execution.
    Keep {
        task: TaskId,
        attempt: Attempt,
    },
    /// Nobody needs the result of an execution.
    Discard {
        task: TaskId,
        attempt: Attempt,
    },
    /// Remove a value from the store.
    Drop {
        task: TaskId,
    },
    /// Ask a peer for values.
    Gather {
        request: RequestId,
        peer: Peer,
        tasks: Vec<TaskId>,
    },
    /// Store these of the values that came with an answer or from a client, and no others.
    Take {
        request: RequestId,
        tasks: Vec<TaskId>,
    },
    /// Answer who asked.
    Serve {
        from: u64,
        request: RequestId,
        present: Vec<TaskId>,
        absent: Vec<TaskId>,
    },
    /// End the process: told to, or without a scheduler for too long.
    Close {
        told: bool,
    },
}

/// A task to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Execute {
    pub task: TaskId,
    pub attempt: Attempt,
    pub key: Key,
    pub body: BodyId,
    pub index: u32,
    pub arguments: Option<Blob>,
    pub inputs: Vec<TaskId>,
    /// Tasks of its body take next to no time: it may wait behind others of the kind.
    pub short: bool,
}

#[derive(Debug)]
pub struct Worker {
    options: WorkerOptions,
    /// What a registration says of this process.
    me: Registration,
    now: Instant,
    session: Session,
    epoch: Option<Epoch>,
    heartbeat_due: Instant,
    runs: BTreeMap<TaskId, Run>,
    ready: BTreeSet<(Priority, TaskId)>,
    executing: BTreeMap<(TaskId, Attempt), Execution>,
    /// What is under way, by what it asks of threads.
    load: Load,
    /// What tasks of a body took lately.
    body_micros: BTreeMap<BodyId, u64>,
    /// In all, and taken by what is executing.
    resources: BTreeMap<Arc<str>, (u64, u64)>,
    data: BTreeMap<TaskId, Datum>,
    peers: BTreeMap<WorkerId, PeerRecord>,
    gathers: BTreeMap<RequestId, Gather>,
    gather_bytes: u64,
    request_next: u64,
    memory: MemoryReport,
    paused: bool,
    /// Since when nothing goes on for want of memory that cannot be had.
    stuck_since: Option<Instant>,
    leaving: bool,
    closed: bool,
    outbox: Vec<FromWorker>,
    actions: Vec<WorkerAction>,
}

impl Worker {
    /// `me` tells name, address, host, process, threads, memory limit and resources; the rest of it is filled in.
    pub fn new(me: Registration, options: WorkerOptions) -> Worker {
        let resources = me.resources.iter().map(|(name, total)| (name.clone(), (*total, 0))).collect();
        Worker {
            options,
            me,
            now: Instant::default(),
            session: Session::New,
            epoch: None,
            heartbeat_due: Instant::default(),
            runs: BTreeMap::new(),
            ready: BTreeSet::new(),
            executing: BTreeMap::new(),
            load: Load::default(),
            body_micros: BTreeMap::new(),
            resources,
            data: BTreeMap::new(),
            peers: BTreeMap::new(),
            gathers: BTreeMap::new(),
            gather_bytes: 0,
            request_next: 0,
            memory: MemoryReport::default(),
            paused: false,
            stuck_since: None,
            leaving: false,
            closed: false,
            outbox: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// Applies an event and tells what is to be done, in this order.
    pub fn handle(&mut self, event: WorkerEvent, now: Instant) -> Vec<WorkerAction> {
        self.now = self.now.max(now);
        if self.closed {
            return Vec::new();
        }
        match event {
            WorkerEvent::Welcomed(welcome) => self.on_welcomed(welcome),
            WorkerEvent::FromScheduler { incarnation, messages } => {
                if self.is_from(incarnation) {
                    for message in messages {
                        self.on_message(message);
                    }
                }
            }
            WorkerEvent::Rejected { incarnation } => {
                if self.is_from(incarnation) {
                    self.detach();
                }
            }
            WorkerEvent::SchedulerGone => self.detach(),
            WorkerEvent::Asked { from, request, tasks } => self.on_asked(from, request, tasks),
            WorkerEvent::Gathered { request, values, absent } => self.on_gathered(request, values, &absent),
            WorkerEvent::GatherProgressed { request } => {
                if let Some(gather) = self.gathers.get_mut(&request) {
                    gather.heard = self.now;
                }
            }
            WorkerEvent::GatherFailed { request } => self.on_gather_failed(request),
            WorkerEvent::Put { request, task, bytes } => self.on_put(request, task, bytes),
            WorkerEvent::Executed { task, attempt, executed } => self.on_executed(task, attempt, executed),
            WorkerEvent::Began { task, attempt } => self.on_began(task, attempt),
            WorkerEvent::Seceded { task, attempt, away } => self.on_seceded(task, attempt, away),
            WorkerEvent::ValueLost { task } => self.on_value_lost(task),
            WorkerEvent::MemoryChanged(report) => self.on_memory(report),
            WorkerEvent::LeaveAsked => {
                self.leaving = true;
                self.say(FromWorker::Leaving);
            }
            WorkerEvent::Ticked => self.on_ticked(),
        }
        self.start_runs();
        self.start_gathers();
        self.flush();
        std::mem::take(&mut self.actions)
    }

    fn on_message(&mut self, message: ToWorker) {
        match message {
            ToWorker::Body { body, code } => self.actions.push(WorkerAction::KeepBody { body, code }),
            ToWorker::ForgetBody { body } => {
                self.body_micros.remove(&body);
                self.actions.push(WorkerAction::ForgetBody { body });
            }
            ToWorker::Run(run) => self.on_run(run),
            ToWorker::Retract { task, attempt } => self.on_retract(task, attempt),
            ToWorker::Cancel { task, attempt } => self.on_cancel(task, attempt),
            ToWorker::Free { task, answer } => self.on_free(task, answer),
            ToWorker::Fetch(input) => self.on_fetch(input),
            ToWorker::Locations { task, holders } => self.on_locations(task, &holders),
            ToWorker::PeerJoined(peer) => self.on_peer_joined(peer),
            ToWorker::PeerLeft { worker, incarnation } => self.on_peer_left(worker, incarnation),
            ToWorker::HeartbeatHeard => self.on_heard(),
            ToWorker::Close => self.close(true),
        }
    }

    fn on_ticked(&mut self) {
        self.tick_session();
        self.tick_gathers();
        self.tick_memory();
    }

    fn close(&mut self, told: bool) {
        self.closed = true;
        self.outbox.clear();
        self.actions.push(WorkerAction::Close { told });
    }

    /// Tasks that are executing, whether or not somebody still wants them.
    pub fn executing(&self) -> usize {
        self.executing.len()
    }

    /// Tasks that were given and have not begun.
    pub fn waiting(&self) -> usize {
        self.runs.values().filter(|run| !run.executing).count()
    }

    /// Values that are here.
    pub fn holds(&self) -> impl Iterator<Item = TaskId> {
        self.data.iter().filter(|(_, datum)| datum.state == DatumState::Held).map(|(task, _)| *task)
    }

    /// Is there a scheduler that counts on this worker, as far as it knows?
    pub fn is_attached(&self) -> bool {
        self.attached()
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }
}
