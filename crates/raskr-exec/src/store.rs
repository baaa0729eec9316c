//! `Store`: results that wait for their consumers, and how many bytes they keep alive.
//!
//! Memory is counted by buffer: values that share one (views, a value passed on) count once. A buffer that somebody
//! outside the run holds as well (the user's own array) counts nothing, as releasing it here would free nothing.

use std::collections::HashMap;
use std::sync::Arc;

use raskr_base::Value;
use raskr_graph::Plan;
use smallvec::SmallVec;

use crate::spill::SpillFile;

/// Buffers (and objects) below this size are counted without a look at who shares them.
const SHARED_MIN: u64 = 64 << 10;

/// What a value was found to keep alive, taken outside the engine's lock.
#[derive(Default)]
pub struct Measure {
    own: u64,
    buffers: SmallVec<[BufferUse; 1]>,
}

struct BufferUse {
    address: usize,
    bytes: u64,
    owners: usize,
}

impl Measure {
    pub fn of(value: &Value) -> Measure {
        let mut measure = Measure::default();
        measure.add(value, 1);
        measure
    }

    /// `holders` have the list that the value stands in.
    fn add(&mut self, value: &Value, holders: usize) {
        let (address, bytes, owners) = match value {
            Value::Unit => return,
            Value::List(values) => {
                let holders = holders.max(Arc::strong_count(values));
                return values.iter().for_each(|value| self.add(value, holders));
            }
            Value::Chunk(chunk) => {
                let buffer = chunk.buffer();
                (Arc::as_ptr(buffer) as usize, buffer.len() as u64, Arc::strong_count(buffer))
            }
            Value::Bytes(bytes) => (bytes.as_ptr() as usize, bytes.len() as u64, Arc::strong_count(bytes)),
            Value::Foreign(object) => {
                (Arc::as_ptr(object).cast::<()>() as usize, object.nbytes(), Arc::strong_count(object))
            }
        };
        if bytes < SHARED_MIN {
            self.own += bytes;
        } else {
            self.buffers.push(BufferUse { address, bytes, owners: owners.max(holders) });
        }
    }

    /// Bytes that the value keeps alive, were it alone.
    pub fn bytes(&self) -> u64 {
        self.own + self.buffers.iter().map(|buffer| buffer.bytes).sum::<u64>()
    }
}

/// What is to be taken off the count when a value is gone.
#[derive(Default)]
pub struct Account {
    own: u64,
    buffers: SmallVec<[usize; 1]>,
}

struct SharedBuffer {
    holders: u32,
    bytes: u64,
}

/// Bytes kept alive by values, each buffer once.
#[derive(Default)]
pub struct Ledger {
    live: u64,
    peak: u64,
    shared: HashMap<usize, SharedBuffer>,
}

impl Ledger {
    pub fn live(&self) -> u64 {
        self.live
    }

    pub fn peak(&self) -> u64 {
        self.peak
    }

    pub fn remember_peak(&mut self, peak: u64) {
        self.peak = self.peak.max(peak);
    }

    pub fn charge(&mut self, measure: &Measure) -> Account {
        let mut account = Account { own: measure.own, buffers: SmallVec::new() };
        self.live += measure.own;
        for buffer in &measure.buffers {
            let mine = measure.buffers.iter().filter(|other| other.address == buffer.address).count();
            let shared = self.shared.entry(buffer.address).or_insert_with(|| {
                // More owners than this value has references: somebody outside holds the buffer.
                let bytes = if buffer.owners > mine { 0 } else { buffer.bytes };
                self.live += bytes;
                SharedBuffer { holders: 0, bytes }
            });
            shared.holders += 1;
            account.buffers.push(buffer.address);
        }
        self.peak = self.peak.max(self.live);
        account
    }

    /// Does the account hold anything that was counted?
    fn counts(&self, account: &Account) -> bool {
        account.own > 0 || account.buffers.iter().any(|address| self.shared.get(address).is_some_and(|s| s.bytes > 0))
    }

    /// Bytes that releasing the account would free. `left` says how many shares of each buffer are yet to be released.
    fn gain(&self, account: &Account, left: &mut HashMap<usize, u32>) -> u64 {
        let mut gain = account.own;
        for address in &account.buffers {
            if let Some(left) = left.get_mut(address) {
                *left -= 1;
                if *left == 0 {
                    gain += self.shared.get(address).map_or(0, |shared| shared.bytes);
                }
            }
        }
        gain
    }

    pub fn release(&mut self, account: &Account) {
        self.live -= account.own;
        for address in &account.buffers {
            if let Some(shared) = self.shared.get_mut(address) {
                shared.holders -= 1;
                if shared.holders == 0 {
                    self.live -= shared.bytes;
                    self.shared.remove(address);
                }
            }
        }
    }
}

/// Values below this size are not worth a file.
const SPILLED_MIN: u64 = 4 << 10;
/// In place of a place: the entry is not among the large ones.
const NOT_LARGE: u32 = u32::MAX;

struct Entry {
    task: u32,
    /// Missing while the value is on disk only.
    value: Option<Value>,
    account: Account,
    /// There once the value was spilled; kept while it is in memory again, so that it need not be written twice.
    file: Option<Arc<SpillFile>>,
    /// Is being written, or can't be.
    fixed: bool,
    /// Place among the large entries.
    large: u32,
    /// Dependents before this one, in the order of the plan, have taken the value.
    next_dependent: u32,
}

/// A value taken from the store, or the file it is in.
#[derive(Default)]
pub struct Held {
    pub value: Option<Value>,
    pub account: Account,
    pub file: Option<Arc<SpillFile>>,
}

/// A value that is to go to disk.
pub struct Victim {
    pub task: u32,
    pub value: Value,
}

/// What can be done to free memory.
#[derive(Default)]
pub struct Eviction {
    /// To be written first.
    pub victims: Vec<Victim>,
    /// In memory no more, being on disk already: to be dropped outside the lock.
    pub dropped: Vec<Value>,
}

/// The results that are kept, by task id.
pub struct Store {
    /// Place of each task's entry, plus one.
    places: Vec<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Places of entries that may be worth spilling.
    large: Vec<u32>,
    /// Entries whose value is on disk only.
    absent: usize,
    pub ledger: Ledger,
}

impl Store {
    pub fn new(tasks: usize) -> Store {
        Store {
            places: vec![0; tasks],
            entries: Vec::new(),
            free: Vec::new(),
            large: Vec::new(),
            absent: 0,
            ledger: Ledger::default(),
        }
    }

    pub fn insert(&mut self, task: u32, value: Value, measure: &Measure) {
        let account = self.ledger.charge(measure);
        let place = self.free.pop().unwrap_or(self.entries.len() as u32);
        let mut large = NOT_LARGE;
        if measure.bytes() >= SPILLED_MIN {
            large = self.large.len() as u32;
            self.large.push(place);
        }
        let entry = Entry { task, value: Some(value), account, file: None, fixed: false, large, next_dependent: 0 };
        match self.entries.get_mut(place as usize) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.places[task as usize] = place + 1;
    }

    fn entry(&self, task: u32) -> Option<&Entry> {
        let place = self.places[task as usize].checked_sub(1)?;
        self.entries.get(place as usize)
    }

    fn entry_mut(&mut self, task: u32) -> Option<&mut Entry> {
        let place = self.places[task as usize].checked_sub(1)?;
        self.entries.get_mut(place as usize)
    }

    /// The value, for a consumer that others follow. It is in memory.
    pub fn share(&self, task: u32) -> Option<Value> {
        self.entry(task)?.value.clone()
    }

    /// The value, for its last consumer, with what is to be released when that consumer is done.
    pub fn take(&mut self, task: u32) -> Held {
        let Some(place) = self.places[task as usize].checked_sub(1) else { return Held::default() };
        self.places[task as usize] = 0;
        self.free.push(place);
        let entry = &mut self.entries[place as usize];
        let held =
            Held { value: entry.value.take(), account: std::mem::take(&mut entry.account), file: entry.file.take() };
        let large = std::mem::replace(&mut entry.large, NOT_LARGE);
        if held.value.is_none() {
            self.absent -= 1;
        }
        if large != NOT_LARGE {
            self.large.swap_remove(large as usize);
            if let Some(&moved) = self.large.get(large as usize) {
                self.entries[moved as usize].large = large;
            }
        }
        held
    }

    /// Which of the tasks' values are on disk only.
    pub fn absent(&self, tasks: &[u32]) -> Vec<(u32, Arc<SpillFile>)> {
        if self.absent == 0 {
            return Vec::new();
        }
        let mut absent: Vec<(u32, Arc<SpillFile>)> = Vec::new();
        for &task in tasks {
            if let Some(Entry { value: None, file: Some(file), .. }) = self.entry(task)
                && !absent.iter().any(|(other, _)| *other == task)
            {
                absent.push((task, Arc::clone(file)));
            }
        }
        absent
    }

    /// Frees `bytes` by values that are needed later than `horizon`, latest first, other than those of `spared`.
    /// `pending` tells of a task whether it has not yet taken its inputs.
    pub fn evict(
        &mut self,
        bytes: u64,
        horizon: u32,
        spared: &[u32],
        plan: &Plan,
        pending: impl Fn(u32) -> bool,
    ) -> Eviction {
        let mut candidates: Vec<(u32, u32)> = Vec::new();
        for &place in &self.large {
            let entry = &mut self.entries[place as usize];
            if entry.fixed || entry.value.is_none() || spared.contains(&entry.task) {
                continue;
            }
            let dependents = plan.dependents(entry.task);
            while dependents.get(entry.next_dependent as usize).is_some_and(|&dependent| !pending(dependent)) {
                entry.next_dependent += 1;
            }
            // A value without consumers to come is an output, needed when all else is done.
            let needed = dependents.get(entry.next_dependent as usize).copied().unwrap_or(u32::MAX);
            if needed > horizon {
                candidates.push((needed, place));
            }
        }
        candidates.sort_unstable_by(|a, b| b.cmp(a));
        let mut shares: HashMap<usize, u32> = HashMap::new();
        for &(_, place) in &candidates {
            for address in &self.entries[place as usize].account.buffers {
                *shares.entry(*address).or_default() += 1;
            }
        }
        // A buffer is freed by its last share, so only those count of which every share may go.
        shares.retain(|address, shares| self.ledger.shared.get(address).is_some_and(|all| all.holders == *shares));
        let mut eviction = Eviction::default();
        let mut freed = 0;
        for (_, place) in candidates {
            if freed >= bytes {
                break;
            }
            let entry = &mut self.entries[place as usize];
            let useful = entry.account.buffers.iter().any(|address| shares.contains_key(address));
            if entry.account.own == 0 && !(useful && self.ledger.counts(&entry.account)) {
                continue;
            }
            freed += self.ledger.gain(&entry.account, &mut shares);
            if entry.file.is_some() {
                self.ledger.release(&std::mem::take(&mut entry.account));
                eviction.dropped.extend(entry.value.take());
                self.absent += 1;
            } else {
                entry.fixed = true;
                eviction.victims.extend(entry.value.clone().map(|value| Victim { task: entry.task, value }));
            }
        }
        eviction
    }

    /// The value is in the file now: gives it up, unless it was taken meanwhile.
    pub fn spilled(&mut self, task: u32, file: Arc<SpillFile>) -> Option<Value> {
        let entry = self.entry_mut(task)?;
        entry.fixed = false;
        entry.file = Some(file);
        let value = entry.value.take()?;
        let account = std::mem::take(&mut entry.account);
        self.ledger.release(&account);
        self.absent += 1;
        Some(value)
    }

    /// The value could not be written; unless `for_ever`, it may be tried again.
    pub fn not_spilled(&mut self, task: u32, for_ever: bool) {
        if let Some(entry) = self.entry_mut(task) {
            entry.fixed = for_ever;
        }
    }

    /// Puts a value that was read back into memory; gives it back when it is there already or not needed any more.
    pub fn restore(&mut self, task: u32, value: Value, measure: &Measure) -> Option<Value> {
        if self.entry(task).is_none_or(|entry| entry.value.is_some()) {
            return Some(value);
        }
        let account = self.ledger.charge(measure);
        self.absent -= 1;
        let entry = self.entry_mut(task)?;
        entry.account = account;
        entry.value = Some(value);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskr_base::Chunk;

    fn chunk(bytes: usize) -> Chunk {
        Chunk::from_slice(&vec![0u8; bytes], &[bytes])
    }

    #[test]
    fn views_of_one_buffer_count_once() {
        let mut ledger = Ledger::default();
        let whole = chunk(100_000);
        let view = whole.with_layout(&[10], &[1], 5).expect("inside");
        let list = Value::List([Value::Chunk(whole), Value::Chunk(view)].into());
        let first = ledger.charge(&Measure::of(&list));
        let Value::List(values) = &list else { panic!("made above") };
        let view = values[1].clone();
        assert_eq!(ledger.live(), 100_000);
        let second = ledger.charge(&Measure::of(&view));
        assert_eq!(ledger.live(), 100_000);
        ledger.release(&first);
        assert_eq!(ledger.live(), 100_000, "the view keeps the whole buffer alive");
        ledger.release(&second);
        assert_eq!((ledger.live(), ledger.peak()), (0, 100_000));
    }

    #[test]
    fn kept_lists_and_bytes_count_nothing() {
        let mut ledger = Ledger::default();
        let bytes: Arc<[u8]> = vec![0; 100_000].into();
        let values = [Value::Bytes(Arc::clone(&bytes)), Value::Chunk(chunk(100_000)), Value::Unit];
        let list = Value::List(values.into());
        let kept = list.clone();
        ledger.charge(&Measure::of(&list));
        assert_eq!(ledger.live(), 0);
        let fresh = Value::List([Value::Chunk(chunk(100_000)), Value::Bytes(vec![0; 70_000].into())].into());
        let account = ledger.charge(&Measure::of(&fresh));
        assert_eq!(ledger.live(), 170_000);
        ledger.release(&account);
        assert_eq!(ledger.live(), 0);
        drop((kept, bytes));
    }

    #[test]
    fn what_the_user_holds_counts_nothing() {
        let mut ledger = Ledger::default();
        let users = chunk(100_000);
        let account = ledger.charge(&Measure::of(&Value::Chunk(users.clone())));
        assert_eq!(ledger.live(), 0);
        ledger.release(&account);
        assert_eq!(ledger.live(), 0);
        let small = ledger.charge(&Measure::of(&Value::Chunk(chunk(100))));
        assert_eq!(ledger.live(), 100);
        ledger.release(&small);
        drop(users);
    }
}
