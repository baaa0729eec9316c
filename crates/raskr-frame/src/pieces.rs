//! Tables in pieces: by the hash of their keys, by ranges of an order; and what ranges are made of.

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion_common::hash_utils::{RandomState, create_hashes};

use crate::deal::Dealt;
use crate::error::{FrameError, place_of};
use crate::gather::bits_for;
use crate::narrow::{Narrow, resized};
use crate::order::{Limits, Order};
use crate::ordered::Ordered;
use crate::plan::SortKey;
use crate::table::{Table, compacted, empty_batch};

/// Rows that are gathered at a time, and the most that are put together before they are cut.
pub const ROWS_AT_ONCE: usize = 1 << 18;
/// Rows that are put together before they are cut, at least, and for each piece, so that these are not tiny.
const ROWS_MIN: usize = 1 << 16;
const ROWS_OF_PIECE: usize = 1 << 13;
/// Other than the seeds that tables of groups use, whose buckets would otherwise be filled unevenly.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Batches in `count` pieces, in which whole numbers take as few bytes as they need; rows of equal keys are in the same piece,
/// whatever the batches are.
pub fn by_hash(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, FrameError>>,
    keys: &[String],
    count: usize,
) -> Result<Vec<Table>, FrameError> {
    let places = keys.iter().map(|key| place_of(schema, key)).collect::<Result<Vec<_>, _>>()?;
    let state = RandomState::with_seed(SEED);
    cut(schema, batches, count, Some(Narrow::new(schema)), true, |batch| {
        let columns: Vec<&ArrayRef> = places.iter().map(|&place| batch.column(place)).collect();
        let mut hashes = vec![0; batch.num_rows()];
        create_hashes(columns, &state, &mut hashes).map_err(FrameError::datafusion("cutting rows by key"))?;
        // The upper bits, since tables of groups look at the lower ones.
        Ok(hashes.into_iter().map(|hash| ((u128::from(hash) * count as u128) >> 64) as u32).collect())
    })
}

/// Batches put together in their order, with whole numbers as in pieces by hash.
pub fn in_one(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, FrameError>>,
) -> Result<Vec<Table>, FrameError> {
    cut(schema, batches, 1, Some(Narrow::new(schema)), true, |batch| Ok(vec![0; batch.num_rows()]))
}

/// Batches in pieces, each with the rows from one row of `bounds` up to the next in the order of the keys; each in memory of its
/// own if `apart`.
pub fn by_range(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, FrameError>>,
    keys: &[SortKey],
    bounds: &RecordBatch,
    apart: bool,
) -> Result<Vec<Table>, FrameError> {
    let limits = Limits::new(schema, keys, bounds)?;
    cut(schema, batches, bounds.num_rows() + 1, None, apart, |batch| limits.ranges(batch))
}

fn cut(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, FrameError>>,
    count: usize,
    mut narrow: Option<Narrow>,
    apart: bool,
    piece_of: impl Fn(&RecordBatch) -> Result<Vec<u32>, FrameError>,
) -> Result<Vec<Table>, FrameError> {
    let mut pieces: Vec<Vec<RecordBatch>> = vec![Vec::new(); count];
    let mut flush = |waiting: &[RecordBatch]| -> Result<(), FrameError> {
        if waiting.is_empty() {
            return Ok(());
        }
        let together;
        let (waiting, bits) = match bits_for(waiting) {
            Some(bits) => (waiting, bits),
            None => {
                together = [concat_batches(schema, waiting).map_err(FrameError::arrow("cutting rows"))?];
                (&together[..], u32::BITS)
            }
        };
        let numbers = waiting.iter().map(&piece_of).collect::<Result<Vec<_>, _>>()?;
        let small;
        let (schema, waiting) = match &mut narrow {
            Some(narrow) => {
                if narrow.widen(waiting) {
                    for batch in pieces.iter_mut().flatten() {
                        *batch = resized(batch, narrow.schema())?;
                    }
                }
                small = waiting.iter().map(|batch| resized(batch, narrow.schema())).collect::<Result<Vec<_>, _>>()?;
                (narrow.schema(), &small[..])
            }
            None => (schema, waiting),
        };
        for (piece, batch) in pieces.iter_mut().zip(Dealt::new(numbers, count, bits, apart).batches(schema, waiting)?) {
            if batch.num_rows() > 0 {
                piece.push(compacted(&batch)?);
            }
        }
        Ok(())
    };
    let at_once = (count * ROWS_OF_PIECE).clamp(ROWS_MIN, ROWS_AT_ONCE);
    let mut waiting: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows();
        waiting.push(batch);
        if rows >= at_once {
            flush(&waiting)?;
            waiting.clear();
            rows = 0;
        }
    }
    flush(&waiting)?;
    let schema = narrow.as_ref().map_or(schema, Narrow::schema);
    Ok(pieces.into_iter().map(|batches| Table::new(SchemaRef::clone(schema), batches)).collect())
}

/// The rows of a table in order; rows of equal keys stay as they come.
pub fn sorted(table: Table, keys: &[SortKey]) -> Result<Ordered, FrameError> {
    let order = Order::new(table.schema(), keys)?;
    if let Some(places) = order.by_numbers(table.batches())? {
        return Ok(Ordered::new(table, places));
    }
    let whole = table.whole()?;
    drop(table);
    let places = order.by_bytes(&whole)?;
    Ok(Ordered::new(Table::of_batch(whole), places))
}

/// Some rows' keys, evenly spread over the batches.
pub fn sample(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    keys: &[SortKey],
    count: usize,
) -> Result<Table, FrameError> {
    let places = keys.iter().map(|key| place_of(schema, &key.column)).collect::<Result<Vec<_>, _>>()?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let chosen = SchemaRef::new(schema.project(&places).map_err(FrameError::arrow("sampling"))?);
    let step = (rows / count.max(1)).max(1);
    let mut pieces = Vec::new();
    let mut before = 0;
    for batch in batches {
        let first = (step - before % step) % step;
        let taken: Vec<u32> = (first..batch.num_rows()).step_by(step).map(|row| row as u32).collect();
        before += batch.num_rows();
        let keys = batch.project(&places).map_err(FrameError::arrow("sampling"))?;
        let keys = take_record_batch(&keys, &UInt32Array::from(taken)).map_err(FrameError::arrow("sampling"))?;
        pieces.push(compacted(&keys)?);
    }
    Ok(Table::new(chosen, pieces))
}

/// Up to `count - 1` rows that cut what was sampled in `count` pieces of about the same size.
pub fn bounds(samples: &[&Table], keys: &[SortKey], count: usize) -> Result<RecordBatch, FrameError> {
    let Some(first) = samples.first() else {
        return Err(FrameError::Unexpected {
            operation: "sorting",
            expected: "samples of all partitions".to_owned(),
            got: "none".to_owned(),
        });
    };
    let batches = samples.iter().flat_map(|sample| sample.batches().to_vec()).collect();
    let sorted = sorted(Table::new(SchemaRef::clone(first.schema()), batches), keys)?.settled()?.whole()?;
    let rows = sorted.num_rows();
    if rows == 0 {
        return empty_batch(first.schema());
    }
    let mut places: Vec<u32> = (1..count).map(|number| (number * rows / count) as u32).collect();
    places.dedup();
    take_record_batch(&sorted, &UInt32Array::from(places)).map_err(FrameError::arrow("sorting"))
}
