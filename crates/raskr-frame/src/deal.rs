//! `Dealt`: the rows of batches dealt out to pieces, in which they keep their order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, SchemaRef};
use arrow::downcast_primitive_array;

use crate::error::FrameError;
use crate::gather::Places;

/// Where rows go.
pub struct Dealt {
    /// By batch, the place of each row among all rows once they are dealt, piece by piece.
    places: Vec<Vec<u32>>,
    /// Where the pieces begin there, and where the last one ends.
    starts: Vec<usize>,
    bits: u32,
    /// Has each piece memory of its own? Otherwise that of all goes with the last of them.
    apart: bool,
}

impl Dealt {
    /// `numbers` are those of the rows' pieces, by batch; the place of a row within a batch takes no more than `bits`.
    pub fn new(mut numbers: Vec<Vec<u32>>, count: usize, bits: u32, apart: bool) -> Dealt {
        let mut starts = vec![0; count + 1];
        for &number in numbers.iter().flatten() {
            starts[number as usize + 1] += 1;
        }
        for place in 1..=count {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        for number in numbers.iter_mut().flatten() {
            let place = &mut next[*number as usize];
            *number = *place as u32;
            *place += 1;
        }
        Dealt { places: numbers, starts, bits, apart }
    }

    /// The rows of each piece.
    pub fn batches(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, FrameError> {
        let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::with_capacity(schema.fields().len()); self.starts.len() - 1];
        let mut order = None;
        for place in 0..schema.fields().len() {
            let parts: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(place)).collect();
            for (piece, column) in columns.iter_mut().zip(self.column(&parts, &mut order)?) {
                piece.push(column);
            }
        }
        let sizes = self.starts.windows(2).map(|ends| ends[1] - ends[0]);
        let made = columns.into_iter().zip(sizes).map(|(columns, rows)| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        });
        made.collect::<Result<_, _>>().map_err(FrameError::arrow("cutting rows"))
    }

    /// The values of each piece of a column, of which each batch has a part.
    fn column(&self, parts: &[&ArrayRef], order: &mut Option<Places>) -> Result<Vec<ArrayRef>, FrameError> {
        if let Some(first) = parts.first() {
            downcast_primitive_array! {
                first => return Ok(self.primitive(first, parts)),
                _ => {}
            }
        }
        let order = order.get_or_insert_with(|| self.order());
        self.starts.windows(2).map(|ends| order.between(ends[0], ends[1]).column(parts)).collect()
    }

    /// Values are written to their places, which are as many runs as there are pieces, since reading them from their places
    /// would need a look at the batch of each.
    fn primitive<T: ArrowPrimitiveType>(&self, like: &PrimitiveArray<T>, parts: &[&ArrayRef]) -> Vec<ArrayRef> {
        let rows = self.starts.last().copied().unwrap_or_default();
        let mut values = vec![T::Native::default(); rows];
        for (places, part) in self.places.iter().zip(parts) {
            for (place, value) in places.iter().zip(part.as_primitive::<T>().values()) {
                values[*place as usize] = *value;
            }
        }
        let valid = parts.iter().any(|part| part.null_count() > 0).then(|| {
            let mut valid = vec![true; rows];
            for (places, part) in self.places.iter().zip(parts) {
                if let Some(nulls) = part.nulls().filter(|nulls| nulls.null_count() > 0) {
                    places.iter().zip(nulls).for_each(|(place, is_valid)| valid[*place as usize] = is_valid);
                }
            }
            valid
        });
        let whole = if self.apart { None } else { Some(ScalarBuffer::from(std::mem::take(&mut values))) };
        let piece = |ends: &[usize]| -> ArrayRef {
            let own = ends[0]..ends[1];
            let values = match &whole {
                Some(whole) => whole.slice(own.start, own.len()),
                None => values[own.clone()].to_vec().into(),
            };
            let valid = valid.as_ref().map(|valid| NullBuffer::new(BooleanBuffer::from(&valid[own.clone()])));
            let made = PrimitiveArray::<T>::new(values, valid);
            Arc::new(made.with_data_type(like.data_type().clone()))
        };
        self.starts.windows(2).map(piece).collect()
    }

    /// Which row goes to each place.
    fn order(&self) -> Places {
        let mut order = vec![0; self.starts.last().copied().unwrap_or_default()];
        for (batch, places) in self.places.iter().enumerate() {
            for (row, place) in places.iter().enumerate() {
                order[*place as usize] = ((batch as u64) << self.bits) as u32 | row as u32;
            }
        }
        Places::new(order, self.bits)
    }
}
