//! `Store`: results that wait for their consumers, and how many bytes they keep alive.
//!
//! Memory is counted by buffer: values that share one (views, a value passed on) count once. A buffer that somebody
//! outside the run holds as well (the user's own array) counts nothing, as releasing it here would free nothing.

use std::collections::HashMap;
use std::sync::Arc;

use raskr_base::Value;
use smallvec::SmallVec;

/// Buffers below this size are counted without a look at who shares them.
const SHARED_MIN: usize = 64 << 10;

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
        measure.add(value);
        measure
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Chunk(chunk) if chunk.buffer().len() >= SHARED_MIN => self.buffers.push(BufferUse {
                address: Arc::as_ptr(chunk.buffer()) as usize,
                bytes: chunk.buffer().len() as u64,
                owners: Arc::strong_count(chunk.buffer()),
            }),
            Value::Chunk(chunk) => self.own += chunk.buffer().len() as u64,
            Value::List(values) => values.iter().for_each(|value| self.add(value)),
            other => self.own += other.nbytes(),
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

struct Entry {
    value: Option<Value>,
    account: Account,
}

/// The results that are kept, by task id.
pub struct Store {
    /// Place of each task's entry, plus one.
    places: Vec<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    pub ledger: Ledger,
}

impl Store {
    pub fn new(tasks: usize) -> Store {
        Store { places: vec![0; tasks], entries: Vec::new(), free: Vec::new(), ledger: Ledger::default() }
    }

    pub fn insert(&mut self, task: u32, value: Value, account: Account) {
        let entry = Entry { value: Some(value), account };
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place as usize] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.places[task as usize] = place + 1;
    }

    fn entry(&mut self, task: u32) -> Option<&mut Entry> {
        let place = self.places[task as usize].checked_sub(1)?;
        self.entries.get_mut(place as usize)
    }

    /// The value, for a consumer that others follow.
    pub fn share(&mut self, task: u32) -> Option<Value> {
        self.entry(task)?.value.clone()
    }

    /// The value, for its last consumer, with what is to be released when that consumer is done.
    pub fn take(&mut self, task: u32) -> Option<(Value, Account)> {
        let place = self.places[task as usize].checked_sub(1)?;
        self.places[task as usize] = 0;
        self.free.push(place);
        let entry = &mut self.entries[place as usize];
        Some((entry.value.take()?, std::mem::take(&mut entry.account)))
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
