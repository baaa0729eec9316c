//! Rows of several batches in another order: where they are, and how they are gathered.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{ArrowPrimitiveType, SchemaRef};
use arrow::downcast_primitive_array;

use crate::error::FrameError;

/// Bits that the place of a row within any of the batches takes, where the number of its batch fits above them.
pub fn bits_for(batches: &[RecordBatch]) -> Option<u32> {
    let longest = batches.iter().map(RecordBatch::num_rows).max().unwrap_or_default();
    let bits = usize::BITS - longest.leading_zeros();
    u32::try_from((batches.len() as u64) << bits).is_ok().then_some(bits)
}

/// The number of a batch and the place there that a number is made of, which has `bits` for the latter.
pub fn unpacked(place: u32, bits: u32) -> (usize, usize) {
    let place = u64::from(place);
    ((place >> bits) as usize, (place & ((1 << bits) - 1)) as usize)
}

/// Rows of batches in an order.
pub struct Places {
    packed: Vec<u32>,
    bits: u32,
}

impl Places {
    pub fn new(packed: Vec<u32>, bits: u32) -> Places {
        Places { packed, bits }
    }

    pub fn len(&self) -> usize {
        self.packed.len()
    }

    pub fn all(&self) -> Chosen<'_> {
        self.between(0, self.len())
    }

    /// Those from `start` up to `end`.
    pub fn between(&self, start: usize, end: usize) -> Chosen<'_> {
        Chosen { packed: &self.packed[start..end], bits: self.bits }
    }

    /// So many at a time.
    pub fn chunks(&self, rows: usize) -> impl Iterator<Item = Chosen<'_>> {
        self.packed.chunks(rows).map(|packed| Chosen { packed, bits: self.bits })
    }
}

/// Some of the rows of batches in an order.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    packed: &'a [u32],
    bits: u32,
}

impl<'a> Chosen<'a> {
    pub fn len(self) -> usize {
        self.packed.len()
    }

    /// The number of each row's batch, and its place there.
    pub fn iter(self) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        self.packed.iter().map(move |&place| unpacked(place, self.bits))
    }

    /// The values of a column of numbers, whatever stands where one is missing.
    pub fn values<'p, T: ArrowPrimitiveType>(
        self,
        pieces: &[&'p PrimitiveArray<T>],
    ) -> impl Iterator<Item = T::Native> + use<'a, 'p, T> {
        let values: Vec<&'p [T::Native]> = pieces.iter().map(|piece| &piece.values()[..]).collect();
        self.iter().map(move |(piece, row)| values[piece][row])
    }

    /// The values of a column, of which each batch has a piece.
    pub fn column(self, pieces: &[&ArrayRef]) -> Result<ArrayRef, FrameError> {
        if let Some(first) = pieces.first() {
            downcast_primitive_array! {
                first => return Ok(self.primitive(first, pieces)),
                _ => {}
            }
        }
        let sources: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
        interleave(&sources, &self.iter().collect::<Vec<_>>()).map_err(FrameError::arrow("gathering rows"))
    }

    fn primitive<T: ArrowPrimitiveType>(self, like: &PrimitiveArray<T>, pieces: &[&ArrayRef]) -> ArrayRef {
        let pieces: Vec<&PrimitiveArray<T>> = pieces.iter().map(|piece| piece.as_primitive()).collect();
        let made: Vec<T::Native> = self.values(&pieces).collect();
        let valid = pieces.iter().any(|piece| piece.null_count() > 0).then(|| {
            let is_valid = |place: usize| {
                let (piece, row) = unpacked(self.packed[place], self.bits);
                pieces[piece].is_valid(row)
            };
            NullBuffer::new(BooleanBuffer::collect_bool(self.len(), is_valid))
        });
        Arc::new(PrimitiveArray::<T>::new(made.into(), valid).with_data_type(like.data_type().clone()))
    }

    /// The rows as a batch.
    pub fn batch(self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch, FrameError> {
        let column = |place| self.column(&batches.iter().map(|batch| batch.column(place)).collect::<Vec<_>>());
        let columns = (0..schema.fields().len()).map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(FrameError::arrow("gathering rows"))
    }
}
