//! `Groups`: which rows belong together, by keys that are whole numbers and fit one number of 64 or 128 bits.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, SchemaRef};

use crate::error::FrameError;

/// Rows that are looked up at once: what they need of the table fits the nearest cache.
const ROWS_AT_ONCE: usize = 512;
const SLOTS_MIN: usize = 2048;
/// Up to so many slots a table that is full grows by four, beyond by two.
const SLOTS_LARGE: usize = 1 << 20;
const FREE: u32 = u32::MAX;

/// Bits of a key, where it is a whole number or counted as one.
pub fn bits_of(kind: &DataType) -> Option<u32> {
    Some(match kind {
        DataType::Int8 | DataType::UInt8 => 8,
        DataType::Int16 | DataType::UInt16 => 16,
        DataType::Int32 | DataType::UInt32 | DataType::Date32 => 32,
        DataType::Int64 | DataType::UInt64 | DataType::Date64 | DataType::Timestamp(..) => 64,
        _ => return None,
    })
}

/// The keys of a row as one number, the first one in the highest bits.
pub trait Packed: Copy + Eq + Default + std::hash::Hash + Send + 'static {
    fn push(self, bits: u32, value: u64) -> Self;

    /// The number without the last key, and that.
    fn pop(self, bits: u32) -> (Self, u64);

    fn mixed(self) -> u64;
}

impl Packed for u64 {
    fn push(self, bits: u32, value: u64) -> u64 {
        self.checked_shl(bits).unwrap_or_default() | value
    }

    fn pop(self, bits: u32) -> (u64, u64) {
        (self.checked_shr(bits).unwrap_or_default(), self & (u64::MAX >> (64 - bits)))
    }

    /// The finalizer of MurmurHash3: every bit of the number changes every bit of the hash.
    fn mixed(self) -> u64 {
        let mixed = (self ^ (self >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        mixed ^ (mixed >> 33)
    }
}

impl Packed for u128 {
    fn push(self, bits: u32, value: u64) -> u128 {
        self << bits | u128::from(value)
    }

    fn pop(self, bits: u32) -> (u128, u64) {
        (self >> bits, self as u64 & (u64::MAX >> (64 - bits)))
    }

    fn mixed(self) -> u64 {
        ((self as u64) ^ ((self >> 64) as u64).mixed()).mixed()
    }
}

/// Rows of a batch by their keys: which of these are missing is told bit by bit, and they count as 0.
pub struct Keyed<K> {
    pub numbers: Vec<K>,
    pub missing: Option<Vec<u32>>,
}

impl<K: Packed> Keyed<K> {
    pub fn of(columns: &[ArrayRef], rows: usize) -> Keyed<K> {
        let mut keyed = Keyed { numbers: vec![K::default(); rows], missing: None };
        for (place, column) in columns.iter().enumerate() {
            match bits_of(column.data_type()) {
                Some(8) => keyed.push::<u8>(place, column),
                Some(16) => keyed.push::<u16>(place, column),
                Some(32) => keyed.push::<u32>(place, column),
                _ => keyed.push::<u64>(place, column),
            }
        }
        keyed
    }

    fn push<T: ArrowNativeType + Into<u64>>(&mut self, place: usize, column: &ArrayRef) {
        let bits = 8 * size_of::<T>() as u32;
        let data = column.to_data();
        let values = ScalarBuffer::<T>::new(data.buffers()[0].clone(), data.offset(), data.len());
        let Some(valid) = column.nulls().filter(|nulls| nulls.null_count() > 0) else {
            let pairs = self.numbers.iter_mut().zip(values.iter());
            pairs.for_each(|(number, value)| *number = number.push(bits, (*value).into()));
            return;
        };
        let missing = self.missing.get_or_insert_with(|| vec![0; values.len()]);
        for (((number, missing), value), valid) in self.numbers.iter_mut().zip(missing).zip(values.iter()).zip(valid) {
            *number = number.push(bits, if valid { (*value).into() } else { 0 });
            *missing |= u32::from(!valid) << place;
        }
    }
}

#[derive(Clone, Copy)]
struct Slot<K> {
    key: K,
    group: u32,
}

/// Groups by their keys, numbered as they first appear.
///
/// Open addressing with linear probing (Knuth, The Art of Computer Programming 3, 6.4), at most half of the slots taken.
pub struct Groups<K> {
    slots: Vec<Slot<K>>,
    keys: Vec<K>,
    /// Groups of which a key is missing, which are few: by what is there and which are missing.
    partial: HashMap<(K, u32), u32>,
    /// The groups of `partial`, and which of their keys are missing.
    patterns: Vec<(u32, u32)>,
}

impl<K: Packed> Groups<K> {
    pub fn new() -> Groups<K> {
        Groups { slots: Vec::new(), keys: Vec::new(), partial: HashMap::new(), patterns: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn bytes(&self) -> usize {
        size_of::<Slot<K>>() * self.slots.len() + size_of::<K>() * self.keys.capacity()
    }

    /// The group of each row; those that are new are added.
    pub fn find(&mut self, rows: &Keyed<K>, groups: &mut Vec<u32>) {
        groups.clear();
        groups.reserve(rows.numbers.len());
        let mut homes = [0; ROWS_AT_ONCE];
        let mut before = 0;
        for chunk in rows.numbers.chunks(ROWS_AT_ONCE) {
            self.make_room(chunk.len());
            let mask = self.slots.len() - 1;
            // All at once, so that what is not in a cache is waited for together.
            let mut touched = 0;
            for (home, key) in homes.iter_mut().zip(chunk) {
                *home = key.mixed() as usize & mask;
                touched ^= self.slots[*home].group;
            }
            std::hint::black_box(touched);
            match &rows.missing {
                None => groups.extend(chunk.iter().zip(homes).map(|(key, home)| self.group(*key, home))),
                Some(missing) => {
                    let missing = &missing[before..before + chunk.len()];
                    for ((key, home), missing) in chunk.iter().zip(homes).zip(missing) {
                        groups.push(match missing {
                            0 => self.group(*key, home),
                            _ => self.partial_group(*key, *missing),
                        });
                    }
                }
            }
            before += chunk.len();
        }
    }

    #[inline]
    fn group(&mut self, key: K, home: usize) -> u32 {
        let mask = self.slots.len() - 1;
        let mut place = home;
        loop {
            let slot = &mut self.slots[place & mask];
            if slot.group == FREE {
                let group = self.keys.len() as u32;
                *slot = Slot { key, group };
                self.keys.push(key);
                return group;
            }
            if slot.key == key {
                return slot.group;
            }
            place += 1;
        }
    }

    fn partial_group(&mut self, key: K, missing: u32) -> u32 {
        let next = self.keys.len() as u32;
        let group = *self.partial.entry((key, missing)).or_insert(next);
        if group == next {
            self.keys.push(key);
            self.patterns.push((group, missing));
        }
        group
    }

    /// Makes sure that at most half of the slots are taken once so many groups were added.
    fn make_room(&mut self, more: usize) {
        let wanted = (2 * (self.keys.len() + more)).next_power_of_two();
        if wanted <= self.slots.len() {
            return;
        }
        let growth = if self.slots.len() < SLOTS_LARGE { 4 } else { 2 };
        let size = wanted.max(growth * self.slots.len()).max(SLOTS_MIN);
        self.slots = vec![Slot { key: K::default(), group: FREE }; size];
        let mask = size - 1;
        let mut patterns = self.patterns.iter().peekable();
        for (group, key) in self.keys.iter().enumerate() {
            if patterns.next_if(|(partial, _)| *partial == group as u32).is_some() {
                continue;
            }
            let mut place = key.mixed() as usize & mask;
            while self.slots[place].group != FREE {
                place = (place + 1) & mask;
            }
            self.slots[place] = Slot { key: *key, group: group as u32 };
        }
    }

    /// The groups of which every key is there, where any is not.
    pub fn complete(&self) -> Option<BooleanBuffer> {
        let mut patterns = self.patterns.iter().peekable();
        let complete = |group| patterns.next_if(|(partial, _)| *partial == group as u32).is_none();
        (!self.patterns.is_empty()).then(|| (0..self.keys.len()).map(complete).collect())
    }

    /// The keys of the groups, columns of the first fields of a schema.
    pub fn columns(mut self, schema: &SchemaRef, count: usize) -> Result<Vec<ArrayRef>, FrameError> {
        self.slots = Vec::new();
        let mut made = Vec::with_capacity(count);
        for place in (0..count).rev() {
            let kind = schema.field(place).data_type();
            let values = match bits_of(kind) {
                Some(8) => self.last(8, |value| value as u8),
                Some(16) => self.last(16, |value| value as u16),
                Some(32) => self.last(32, |value| value as u32),
                _ => self.last(64, |value| value),
            };
            let missing = |group| self.patterns.binary_search_by_key(&(group as u32), |(group, _)| *group);
            let is_there = |group| missing(group).map_or(true, |at| self.patterns[at].1 >> place & 1 == 0);
            let any = self.patterns.iter().any(|(_, pattern)| pattern >> place & 1 == 1);
            let valid = any.then(|| NullBuffer::new(BooleanBuffer::collect_bool(self.keys.len(), is_there)));
            let data = ArrayData::builder(kind.clone()).len(self.keys.len()).add_buffer(values).nulls(valid);
            made.push(make_array(data.build().map_err(FrameError::arrow("an aggregation"))?));
        }
        made.reverse();
        Ok(made)
    }

    /// Takes the last key off.
    fn last<T: ArrowNativeType>(&mut self, bits: u32, narrow: impl Fn(u64) -> T) -> Buffer {
        let values: Vec<T> = self
            .keys
            .iter_mut()
            .map(|key| {
                let (rest, value) = key.pop(bits);
                *key = rest;
                narrow(value)
            })
            .collect();
        Buffer::from_vec(values)
    }
}

/// Columns of batches, as they are asked for by place.
pub fn columns_at(columns: &[ArrayRef], places: &[usize]) -> Vec<ArrayRef> {
    places.iter().map(|&place| Arc::clone(&columns[place])).collect()
}
