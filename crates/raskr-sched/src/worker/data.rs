//! Values that a worker has, fetches or needs: asked of peers in batches, bounded in bytes, the most urgent first.

use std::collections::BTreeSet;
use std::time::Duration;

use smallvec::SmallVec;

use super::{Worker, WorkerAction};
use crate::ids::{Attempt, Incarnation, Instant, Priority, RequestId, TaskId, WorkerId};
use crate::protocol::{FromWorker, Held, InputAt, Peer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DatumState {
    Wanted,
    Fetching(RequestId),
    Held,
}

#[derive(Debug)]
pub(super) struct Datum {
    pub bytes: u64,
    pub state: DatumState,
    /// Who has it, as far as we were told; never ourselves.
    pub holders: SmallVec<[WorkerId; 4]>,
    /// Tasks here that take it.
    pub users: BTreeSet<TaskId>,
    pub priority: Priority,
    /// The scheduler wants a copy here, whoever takes it.
    pub replicate: bool,
    /// It goes once nobody here takes it; the scheduler does not count on it.
    pub releasing: bool,
    /// The scheduler was asked who has it, and has not answered.
    pub asked: bool,
    /// Which attempt here yielded it.
    pub result_of: Option<Attempt>,
}

impl Datum {
    pub fn held(bytes: u64, result_of: Option<Attempt>) -> Datum {
        Datum {
            bytes,
            state: DatumState::Held,
            holders: SmallVec::new(),
            users: BTreeSet::new(),
            priority: Priority::default(),
            replicate: false,
            releasing: false,
            asked: false,
            result_of,
        }
    }
}

#[derive(Debug)]
pub(super) struct PeerRecord {
    pub peer: Peer,
    /// What it has and we want.
    pub wanted: BTreeSet<(Priority, TaskId)>,
    pub busy: Option<RequestId>,
    failures: u32,
    not_before: Instant,
}

/// A question that a peer has not answered.
#[derive(Debug)]
pub(super) struct Gather {
    pub peer: WorkerId,
    pub tasks: Vec<TaskId>,
    pub bytes: u64,
    /// When it was asked, or gave a sign.
    pub heard: Instant,
}

impl Worker {
    /// Somebody here needs a value, which others have; is it here?
    pub(super) fn need(
        &mut self,
        task: TaskId,
        bytes: u64,
        holders: &[WorkerId],
        user: Option<(Priority, TaskId)>,
    ) -> bool {
        let me = self.worker_id();
        let priority = user.map_or(Priority::default(), |(priority, _)| priority);
        if let Some(datum) = self.data.get_mut(&task)
            && datum.state == DatumState::Held
        {
            datum.users.extend(user.map(|(_, user)| user));
            if std::mem::take(&mut datum.releasing) {
                let bytes = datum.bytes;
                self.say(FromWorker::Acquired { task, bytes });
            }
            return true;
        }
        self.unqueue(task);
        let datum = self.data.entry(task).or_insert_with(|| Datum {
            state: DatumState::Wanted,
            priority,
            ..Datum::held(bytes, None)
        });
        datum.bytes = bytes;
        datum.priority = datum.priority.min(priority);
        datum.holders = holders.iter().copied().filter(|holder| Some(*holder) != me).collect();
        datum.asked = false;
        match user {
            Some((_, user)) => {
                datum.users.insert(user);
            }
            None => datum.replicate = true,
        }
        let said_to_be_here = me.filter(|me| holders.contains(me));
        if datum.state == DatumState::Wanted {
            self.queue(task, said_to_be_here);
        }
        false
    }

    /// Puts a wanted value on the lists of its holders; without any, the scheduler is asked.
    fn queue(&mut self, task: TaskId, absent: Option<WorkerId>) {
        let Some(datum) = self.data.get_mut(&task) else { return };
        let peers = &self.peers;
        datum.holders.retain(|holder| peers.contains_key(holder));
        for holder in &datum.holders {
            if let Some(peer) = self.peers.get_mut(holder) {
                peer.wanted.insert((datum.priority, task));
            }
        }
        if (datum.holders.is_empty() || absent.is_some()) && !datum.asked {
            datum.asked = true;
            self.say(FromWorker::Missing { task, absent: absent.into_iter().collect() });
        }
    }

    fn unqueue(&mut self, task: TaskId) {
        let Some(datum) = self.data.get(&task) else { return };
        for holder in &datum.holders {
            if let Some(peer) = self.peers.get_mut(holder) {
                peer.wanted.remove(&(datum.priority, task));
            }
        }
    }

    pub(super) fn no_longer_need(&mut self, task: TaskId, user: TaskId) {
        let Some(datum) = self.data.get_mut(&task) else { return };
        datum.users.remove(&user);
        if !datum.users.is_empty() {
            return;
        }
        match datum.state {
            DatumState::Held if datum.releasing => self.drop_value(task),
            DatumState::Wanted if !datum.replicate => {
                self.unqueue(task);
                self.data.remove(&task);
            }
            _ => {}
        }
    }

    pub(super) fn drop_value(&mut self, task: TaskId) {
        if self.data.get(&task).is_some_and(|datum| datum.state == DatumState::Held) {
            self.data.remove(&task);
            self.actions.push(WorkerAction::Drop { task });
        }
    }

    pub(super) fn on_free(&mut self, task: TaskId, answer: bool) {
        let Some(datum) = self.data.get_mut(&task) else { return };
        datum.replicate = false;
        if answer && datum.state == DatumState::Held {
            self.outbox.push(FromWorker::Dropped { task });
        }
        let used = !datum.users.is_empty();
        match datum.state {
            DatumState::Held if used => datum.releasing = true,
            DatumState::Held => self.drop_value(task),
            DatumState::Wanted if !used => {
                self.unqueue(task);
                self.data.remove(&task);
            }
            _ => {}
        }
    }

    pub(super) fn on_fetch(&mut self, input: InputAt) {
        // If it is here, the scheduler was told so when it came.
        self.need(input.task, input.bytes, &input.holders, None);
    }

    pub(super) fn on_locations(&mut self, task: TaskId, holders: &[WorkerId]) {
        let me = self.worker_id();
        self.unqueue(task);
        let Some(datum) = self.data.get_mut(&task) else { return };
        if datum.state == DatumState::Held {
            return;
        }
        // Also while a peer is being asked: it may turn out not to have it.
        datum.asked = false;
        datum.holders = holders.iter().copied().filter(|holder| Some(*holder) != me).collect();
        if datum.state == DatumState::Wanted {
            self.queue(task, me.filter(|me| holders.contains(me)));
        }
    }

    pub(super) fn on_peer_joined(&mut self, peer: Peer) {
        let worker = peer.worker;
        if let Some(known) = self.peers.get(&worker) {
            let incarnation = known.peer.incarnation;
            self.on_peer_left(worker, incarnation);
        }
        let record =
            PeerRecord { peer, wanted: BTreeSet::new(), busy: None, failures: 0, not_before: Instant::default() };
        self.peers.insert(worker, record);
    }

    pub(super) fn on_peer_left(&mut self, worker: WorkerId, incarnation: Incarnation) {
        if self.peers.get(&worker).is_none_or(|known| known.peer.incarnation != incarnation) {
            return;
        }
        let Some(left) = self.peers.remove(&worker) else { return };
        let wanted: Vec<TaskId> = left.wanted.into_iter().map(|(_, task)| task).collect();
        for task in wanted {
            self.queue(task, None);
        }
        if let Some(gather) = left.busy.and_then(|request| self.end_gather(request)) {
            for task in gather.tasks {
                self.want_again(task, None);
            }
        }
    }

    /// Asks peers for what is wanted, as much as may be under way.
    pub(super) fn start_gathers(&mut self) {
        if !self.attached() || self.is_stuck() {
            return;
        }
        // Short of memory, values come one at a time, for the one task that may go on.
        let crawls = self.paused;
        if crawls && !(self.executing.is_empty() && self.ready.is_empty()) {
            return;
        }
        let gathers_max = if crawls { 1 } else { self.options.gathers_max };
        while self.gathers.len() < gathers_max {
            let free = self.peers.iter().filter(|(_, peer)| peer.busy.is_none() && peer.not_before <= self.now);
            let next = free.filter_map(|(worker, peer)| Some((*peer.wanted.first()?, *worker))).min();
            let Some((_, worker)) = next else { return };
            let mut room = self.options.gather_bytes_max.saturating_sub(self.gather_bytes);
            room = room.min(self.options.gather_batch_bytes);
            let (mut tasks, mut bytes) = (Vec::new(), 0);
            let wanted = self.peers.get(&worker).into_iter().flat_map(|peer| peer.wanted.iter());
            for &(_, task) in wanted {
                let size = self.data.get(&task).map_or(0, |datum| datum.bytes);
                let alone = tasks.is_empty() && self.gathers.is_empty();
                if !alone && bytes + size > room || crawls && !tasks.is_empty() {
                    break;
                }
                bytes += size;
                tasks.push(task);
            }
            if tasks.is_empty() {
                return;
            }
            self.gather(worker, tasks, bytes);
        }
    }

    fn gather(&mut self, worker: WorkerId, tasks: Vec<TaskId>, bytes: u64) {
        let request = RequestId(self.request_next);
        self.request_next += 1;
        for &task in &tasks {
            self.unqueue(task);
            if let Some(datum) = self.data.get_mut(&task) {
                datum.state = DatumState::Fetching(request);
            }
        }
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        peer.busy = Some(request);
        let peer = peer.peer.clone();
        self.gather_bytes += bytes;
        self.gathers.insert(request, Gather { peer: worker, tasks: tasks.clone(), bytes, heard: self.now });
        self.actions.push(WorkerAction::Gather { request, peer, tasks });
    }

    fn end_gather(&mut self, request: RequestId) -> Option<Gather> {
        let gather = self.gathers.remove(&request)?;
        self.gather_bytes -= gather.bytes;
        if let Some(peer) = self.peers.get_mut(&gather.peer) {
            peer.busy = None;
        }
        Some(gather)
    }

    pub(super) fn on_gathered(&mut self, request: RequestId, values: Vec<Held>, absent: &[TaskId]) {
        let Some(gather) = self.end_gather(request) else {
            self.actions.push(WorkerAction::Take { request, tasks: Vec::new() });
            return;
        };
        if let Some(peer) = self.peers.get_mut(&gather.peer) {
            peer.failures = 0;
        }
        let wanted = |worker: &Worker, task: TaskId| {
            let datum = worker.data.get(&task);
            datum.is_some_and(|datum| {
                datum.state == DatumState::Fetching(request) && (datum.replicate || !datum.users.is_empty())
            })
        };
        let taken: Vec<Held> = values.into_iter().filter(|value| wanted(self, value.task)).collect();
        let tasks = taken.iter().map(|value| value.task).collect();
        self.actions.push(WorkerAction::Take { request, tasks });
        for Held { task, bytes } in taken {
            self.arrive(task, bytes, None);
            self.say(FromWorker::Acquired { task, bytes });
        }
        for task in gather.tasks {
            let said_absent = absent.contains(&task).then_some(gather.peer);
            self.want_again(task, said_absent);
        }
    }

    /// What was asked for and did not come is wanted again, or not wanted any more.
    fn want_again(&mut self, task: TaskId, absent: Option<WorkerId>) {
        let Some(datum) = self.data.get_mut(&task) else { return };
        let DatumState::Fetching(request) = datum.state else { return };
        if self.gathers.contains_key(&request) {
            return;
        }
        datum.state = DatumState::Wanted;
        if let Some(absent) = absent {
            datum.holders.retain(|holder| *holder != absent);
        }
        if datum.users.is_empty() && !datum.replicate {
            self.data.remove(&task);
        } else {
            self.queue(task, absent);
        }
    }

    /// A value is here.
    pub(super) fn arrive(&mut self, task: TaskId, bytes: u64, result_of: Option<Attempt>) {
        self.unqueue(task);
        let datum = self.data.entry(task).or_insert_with(|| Datum::held(bytes, result_of));
        datum.state = DatumState::Held;
        datum.bytes = bytes;
        datum.result_of = result_of;
        datum.replicate = false;
        datum.holders.clear();
        let users: Vec<TaskId> = datum.users.iter().copied().collect();
        for user in users {
            self.on_input(user);
        }
    }

    pub(super) fn on_gather_failed(&mut self, request: RequestId) {
        let Some(gather) = self.end_gather(request) else { return };
        if let Some(peer) = self.peers.get_mut(&gather.peer) {
            let wait = self.options.peer_backoff.saturating_mul(1 << peer.failures.min(16));
            peer.failures += 1;
            peer.not_before = self.now + wait.min(self.options.peer_backoff_max);
        }
        for task in gather.tasks {
            self.want_again(task, None);
            // Others may have it by now.
            if let Some(datum) = self.data.get_mut(&task)
                && !datum.asked
            {
                datum.asked = true;
                self.say(FromWorker::Missing { task, absent: SmallVec::new() });
            }
        }
    }

    pub(super) fn tick_gathers(&mut self) {
        let (now, timeout): (Instant, Duration) = (self.now, self.options.gather_timeout);
        let silent = self.gathers.iter().filter(|(_, gather)| now.since(gather.heard) >= timeout);
        for request in silent.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.on_gather_failed(request);
        }
    }

    pub(super) fn on_asked(&mut self, from: u64, request: RequestId, tasks: Vec<TaskId>) {
        let here = |task: &TaskId| self.data.get(task).is_some_and(|datum| datum.state == DatumState::Held);
        let (present, absent) = tasks.into_iter().partition(here);
        self.actions.push(WorkerAction::Serve { from, request, present, absent });
    }

    /// A client's value is taken while there is a scheduler to tell of it.
    pub(super) fn on_put(&mut self, request: RequestId, task: TaskId, bytes: u64) {
        let held = self.data.get(&task).is_some_and(|datum| datum.state == DatumState::Held);
        let tasks = if self.attached() && !held { vec![task] } else { Vec::new() };
        if !tasks.is_empty() {
            self.arrive(task, bytes, None);
        } else if let Some(datum) = self.data.get_mut(&task)
            && held
        {
            // What is said below makes the scheduler count on it again.
            datum.releasing = false;
        }
        self.actions.push(WorkerAction::Take { request, tasks });
        // Said again, since what the scheduler knows may have changed.
        self.say(FromWorker::Acquired { task, bytes });
    }

    /// The store lost a value: whoever takes it here waits for it again.
    pub(super) fn on_value_lost(&mut self, task: TaskId) {
        let Some(datum) = self.data.get_mut(&task) else { return };
        if datum.state != DatumState::Held {
            return;
        }
        let counted = !datum.releasing;
        datum.state = DatumState::Wanted;
        (datum.releasing, datum.result_of, datum.asked) = (false, None, false);
        let users: Vec<TaskId> = datum.users.iter().copied().collect();
        if counted {
            self.say(FromWorker::Dropped { task });
        }
        for &user in &users {
            self.on_input_lost(user);
        }
        let waits = |worker: &Worker, user: &TaskId| worker.runs.get(user).is_some_and(|run| !run.executing);
        if users.iter().any(|user| waits(self, user)) {
            self.queue(task, None);
        } else {
            self.data.remove(&task);
        }
    }
}
