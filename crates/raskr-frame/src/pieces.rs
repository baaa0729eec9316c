//! Tables in pieces: by the hash of their keys, by ranges of an order; and what ranges are made of.

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion_common::hash_utils::{RandomState, create_hashes};

use crate::error::{FrameError, place_of};
use crate::plan::SortKey;
use crate::table::{Table, compacted, empty_batch};

/// Rows that are put together before they are cut, so that pieces are not tiny.
const ROWS_AT_ONCE: usize = 1 << 18;
/// Other than the seeds that tables of groups use, whose buckets would otherwise be filled unevenly.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Batches in `count` pieces; rows of equal keys are in the same piece, whatever the batches are.
pub fn by_hash(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    keys: &[String],
    count: usize,
) -> Result<Vec<Table>, FrameError> {
    let places = keys.iter().map(|key| place_of(schema, key)).collect::<Result<Vec<_>, _>>()?;
    let state = RandomState::with_seed(SEED);
    cut(schema, batches, count, |batch| {
        let columns: Vec<&ArrayRef> = places.iter().map(|&place| batch.column(place)).collect();
        let mut hashes = vec![0; batch.num_rows()];
        create_hashes(columns, &state, &mut hashes).map_err(FrameError::datafusion("cutting rows by key"))?;
        // The upper bits, since tables of groups look at the lower ones.
        Ok(hashes.into_iter().map(|hash| ((u128::from(hash) * count as u128) >> 64) as u32).collect())
    })
}

/// Batches in pieces, each with the rows from one row of `bounds` up to the next in the order of the keys.
pub fn by_range(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    keys: &[SortKey],
    bounds: &RecordBatch,
) -> Result<Vec<Table>, FrameError> {
    let order = Order::new(schema, keys)?;
    let own = SchemaRef::clone(&bounds.schema());
    let bounds = Order::new(&own, keys)?.rows(bounds)?;
    let limits: Vec<_> = bounds.iter().map(|row| row.owned()).collect();
    cut(schema, batches, limits.len() + 1, |batch| {
        let rows = order.rows(batch)?;
        Ok(rows.iter().map(|row| limits.partition_point(|limit| limit.row() <= row) as u32).collect())
    })
}

fn cut(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    count: usize,
    piece_of: impl Fn(&RecordBatch) -> Result<Vec<u32>, FrameError>,
) -> Result<Vec<Table>, FrameError> {
    let mut pieces: Vec<Vec<RecordBatch>> = vec![Vec::new(); count];
    let mut waiting: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    let mut flush = |waiting: &mut Vec<RecordBatch>| -> Result<(), FrameError> {
        let whole = match std::mem::take(waiting).as_slice() {
            [] => return Ok(()),
            [single] => single.clone(),
            several => concat_batches(schema, several).map_err(FrameError::arrow("cutting rows"))?,
        };
        let numbers = piece_of(&whole)?;
        let mut ends = vec![0_u32; count + 1];
        for &number in &numbers {
            ends[number as usize + 1] += 1;
        }
        for place in 1..=count {
            ends[place] += ends[place - 1];
        }
        let starts = ends.clone();
        let mut order = vec![0_u32; numbers.len()];
        for (row, &number) in numbers.iter().enumerate() {
            let end = &mut ends[number as usize];
            order[*end as usize] = row as u32;
            *end += 1;
        }
        let order = UInt32Array::from(order);
        for (number, piece) in pieces.iter_mut().enumerate() {
            let (start, end) = (starts[number] as usize, starts[number + 1] as usize);
            if end > start {
                let taken = take_record_batch(&whole, &order.slice(start, end - start))
                    .map_err(FrameError::arrow("cutting rows"))?;
                piece.push(compacted(&taken)?);
            }
        }
        Ok(())
    };
    for batch in batches {
        rows += batch.num_rows();
        waiting.push(batch);
        if rows >= ROWS_AT_ONCE {
            flush(&mut waiting)?;
            rows = 0;
        }
    }
    flush(&mut waiting)?;
    Ok(pieces.into_iter().map(|batches| Table::new(SchemaRef::clone(schema), batches)).collect())
}

/// Rows as bytes that compare as the keys of an order do.
struct Order {
    converter: RowConverter,
    places: Vec<usize>,
}

impl Order {
    fn new(schema: &SchemaRef, keys: &[SortKey]) -> Result<Order, FrameError> {
        let mut places = Vec::with_capacity(keys.len());
        let mut fields = Vec::with_capacity(keys.len());
        for key in keys {
            let place = place_of(schema, &key.column)?;
            let options = SortOptions { descending: key.descending, nulls_first: key.missing_first };
            fields.push(SortField::new_with_options(schema.field(place).data_type().clone(), options));
            places.push(place);
        }
        let converter = RowConverter::new(fields).map_err(FrameError::arrow("sorting"))?;
        Ok(Order { converter, places })
    }

    fn rows(&self, batch: &RecordBatch) -> Result<Rows, FrameError> {
        let columns: Vec<ArrayRef> = self.places.iter().map(|&place| ArrayRef::clone(batch.column(place))).collect();
        self.converter.convert_columns(&columns).map_err(FrameError::arrow("sorting"))
    }
}

/// The rows of tables in order; rows of equal keys stay as they come.
pub fn sorted(table: &Table, keys: &[SortKey]) -> Result<Table, FrameError> {
    let whole = table.whole()?;
    if keys.is_empty() || whole.num_rows() < 2 {
        return Ok(Table::of_batch(whole));
    }
    let rows = Order::new(table.schema(), keys)?.rows(&whole)?;
    // The first bytes of most rows tell their order, without a look at the rest, which is elsewhere in memory.
    let mut order: Vec<(u64, u32)> =
        rows.iter().enumerate().map(|(number, row)| (first_bytes(row.data()), number as u32)).collect();
    order.sort_unstable_by(|a, b| {
        let rest = || rows.row(a.1 as usize).cmp(&rows.row(b.1 as usize)).then(a.1.cmp(&b.1));
        a.0.cmp(&b.0).then_with(rest)
    });
    drop(rows);
    let order: Vec<u32> = order.into_iter().map(|(_, number)| number).collect();
    let taken = take_record_batch(&whole, &UInt32Array::from(order)).map_err(FrameError::arrow("sorting"))?;
    Ok(Table::of_batch(taken))
}

/// The first eight bytes, as a number that compares as they do.
fn first_bytes(row: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = row.len().min(8);
    bytes[..count].copy_from_slice(&row[..count]);
    u64::from_be_bytes(bytes)
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
    let sorted = sorted(&Table::new(SchemaRef::clone(first.schema()), batches), keys)?.whole()?;
    let rows = sorted.num_rows();
    if rows == 0 {
        return empty_batch(first.schema());
    }
    let mut places: Vec<u32> = (1..count).map(|number| (number * rows / count) as u32).collect();
    places.dedup();
    take_record_batch(&sorted, &UInt32Array::from(places)).map_err(FrameError::arrow("sorting"))
}
