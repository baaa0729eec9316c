//! What the scheduler knows of a task, the states a task may be in, and the slab that tasks live in.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::ids::{Attempt, BodyId, ClientId, FutureId, Key, Priority, TaskId, WorkerId};
use crate::protocol::{Blob, Keeping};

/// Where a task is on its way to a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// Known, and nobody needs the value; or a value that its client has yet to send.
    Released,
    /// For inputs.
    Waiting,
    /// Ready, and no worker that is there may run it.
    NoWorker,
    /// Ready, and withheld.
    Queued,
    /// A worker has it.
    Processing,
    /// There is a value.
    Memory,
    /// There is none, and there will be none unless somebody asks to try again.
    Erred,
    /// The slot is free.
    Forgotten,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Released,
        State::Waiting,
        State::NoWorker,
        State::Queued,
        State::Processing,
        State::Memory,
        State::Erred,
        State::Forgotten,
    ];

    /// The table of transitions; all others are refused.
    pub fn may_become(self, to: State) -> bool {
        use State::*;
        match self {
            Released => matches!(to, Waiting | Memory | Erred | Forgotten),
            Waiting => matches!(to, Released | NoWorker | Queued | Processing | Memory | Erred),
            NoWorker => matches!(to, Released | Waiting | Queued | Memory | Erred),
            Queued => matches!(to, Released | Waiting | NoWorker | Processing | Memory | Erred),
            Processing => matches!(to, Released | Waiting | Memory | Erred),
            Memory => matches!(to, Released),
            Erred => matches!(to, Released),
            Forgotten => matches!(to, Released),
        }
    }

    /// Does a task in this state need the values of its inputs?
    pub(crate) fn needs_inputs(self) -> bool {
        matches!(self, State::Waiting | State::NoWorker | State::Queued | State::Processing)
    }
}

/// A future of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub client: ClientId,
    pub future: FutureId,
}

/// A task's class: what tasks that cost alike are counted under.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ClassId(pub u32);

/// Equal resources and restrictions, found once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ConstraintId(pub u32);

/// Neither resources nor restrictions.
pub(crate) const UNCONSTRAINED: ConstraintId = ConstraintId(0);

#[derive(Debug)]
pub(crate) struct Task {
    pub key: Key,
    pub arguments: Option<Blob>,
    /// Slots of the inputs; their tasks are not forgotten before this one.
    pub inputs: SmallVec<[u32; 4]>,
    /// May list tasks that are forgotten; `dependents_alive` counts the others.
    pub dependents: SmallVec<[TaskId; 2]>,
    pub wants: SmallVec<[Want; 1]>,
    pub replicas: SmallVec<[WorkerId; 4]>,
    /// Of the value, as last seen.
    pub bytes: u64,
    /// While processing: what the value is expected to add to its worker.
    pub expected_bytes: u64,
    /// None for values that clients sent.
    pub body: Option<BodyId>,
    pub index: u32,
    pub class: ClassId,
    pub constraint: ConstraintId,
    pub priority: Priority,
    pub generation: u32,
    pub attempt: Attempt,
    /// Who has it, while processing.
    pub worker: WorkerId,
    /// While waiting: inputs without a value.
    pub waiting_on: u32,
    /// Tasks that need this value now.
    pub waiters: u32,
    pub dependents_alive: u32,
    /// While processing: what it is expected to take.
    pub expected_micros: u32,
    pub retries: u16,
    pub retries_left: u16,
    /// On how many workers somebody asked the value to be.
    pub copies: u16,
    pub kills: u8,
    pub losses: u8,
    pub state: State,
    /// The worker said that it runs.
    pub started: bool,
    /// It runs, waits for others and takes no thread.
    pub seceded: bool,
    /// It was asked back, and the answer is under way.
    pub retracting: bool,
    /// Of a value that clients sent: what the last of them does with it.
    pub keeping: Keeping,
    /// There has been a value.
    pub arrived: bool,
    /// A client was told where to send the value.
    pub awaits_put: bool,
}

const CHUNK_BITS: u32 = 12;

/// Tasks by slot, in chunks: growing moves none, and leaves little unused.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    chunks: Vec<Vec<Task>>,
    free: Vec<u32>,
    len: u32,
}

impl Tasks {
    /// Slots in use or free.
    pub fn slots(&self) -> u32 {
        self.len
    }

    pub fn id(&self, slot: u32) -> TaskId {
        TaskId { slot, generation: self[slot].generation }
    }

    /// The slot of a task that is not forgotten.
    pub fn find(&self, id: TaskId) -> Option<u32> {
        let known =
            id.slot < self.len && self[id.slot].generation == id.generation && self[id.slot].state != State::Forgotten;
        known.then_some(id.slot)
    }

    /// A free slot is filled with what `make` makes of its generation.
    pub fn insert(&mut self, make: impl FnOnce(u32) -> Task) -> u32 {
        if let Some(slot) = self.free.pop() {
            let generation = self[slot].generation;
            self[slot] = make(generation);
            return slot;
        }
        let slot = self.len;
        if slot as usize >> CHUNK_BITS == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(1 << CHUNK_BITS));
        }
        self.chunks[slot as usize >> CHUNK_BITS].push(make(0));
        self.len += 1;
        slot
    }

    /// Gives a slot back; its task is in state `Forgotten`.
    pub fn remove(&mut self, slot: u32, no_key: &Key) {
        let task = &mut self[slot];
        task.generation = task.generation.wrapping_add(1);
        task.key = no_key.clone();
        task.arguments = None;
        task.inputs = SmallVec::new();
        task.dependents = SmallVec::new();
        self.free.push(slot);
    }

    pub fn alive(&self) -> usize {
        self.len as usize - self.free.len()
    }
}

impl Index<u32> for Tasks {
    type Output = Task;

    fn index(&self, slot: u32) -> &Task {
        &self.chunks[slot as usize >> CHUNK_BITS][slot as usize & ((1 << CHUNK_BITS) - 1)]
    }
}

impl IndexMut<u32> for Tasks {
    fn index_mut(&mut self, slot: u32) -> &mut Task {
        &mut self.chunks[slot as usize >> CHUNK_BITS][slot as usize & ((1 << CHUNK_BITS) - 1)]
    }
}
