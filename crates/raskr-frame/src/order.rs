//! `Order`: what rows are compared by, as numbers where one number a row will do, and as bytes otherwise.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{FrameError, place_of};
use crate::evaluate::with_one_zero;
use crate::gather::{Places, bits_for, unpacked};
use crate::packed::packed;
use crate::plan::SortKey;

/// The order of some keys.
pub struct Order {
    converter: RowConverter,
    places: Vec<usize>,
    options: Vec<SortOptions>,
}

impl Order {
    pub fn new(schema: &SchemaRef, keys: &[SortKey]) -> Result<Order, FrameError> {
        let mut places = Vec::with_capacity(keys.len());
        let mut fields = Vec::with_capacity(keys.len());
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let place = place_of(schema, &key.column)?;
            let options = SortOptions { descending: key.descending, nulls_first: key.missing_first };
            fields.push(SortField::new_with_options(schema.field(place).data_type().clone(), options));
            places.push(place);
            all.push(options);
        }
        let converter = RowConverter::new(fields).map_err(FrameError::arrow("sorting"))?;
        Ok(Order { converter, places, options: all })
    }

    /// Bytes that compare as rows do.
    fn rows(&self, batch: &RecordBatch) -> Result<Rows, FrameError> {
        let columns = self.places.iter().map(|&place| with_one_zero(batch.column(place)));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(FrameError::arrow("sorting"))?;
        self.converter.convert_columns(&columns).map_err(FrameError::arrow("sorting"))
    }

    /// Numbers that compare as rows do, where there is one key that has them.
    fn numbers(&self, batch: &RecordBatch) -> Result<Option<Vec<u64>>, FrameError> {
        match (self.places.as_slice(), self.options.as_slice()) {
            ([place], [options]) => numbers(batch.column(*place), *options),
            _ => Ok(None),
        }
    }

    /// The rows of batches in order by numbers; rows of equal keys stay as they come. `None` where rows have to be compared by
    /// more than a number.
    pub fn by_numbers(&self, batches: &[RecordBatch]) -> Result<Option<Places>, FrameError> {
        let Some(bits) = bits_for(batches) else { return Ok(None) };
        let single = batches.iter().map(|batch| self.numbers(batch)).collect::<Result<Option<Vec<_>>, FrameError>>();
        let numbers = match single? {
            Some(numbers) => numbers,
            None => match packed(batches, &self.places, &self.options)? {
                Some(numbers) => numbers,
                None => return Ok(None),
            },
        };
        let packed = by_digits(&numbers, bits).into_iter().map(|place| place as u32).collect();
        Ok(Some(Places::new(packed, bits)))
    }

    /// The rows of a batch in order, whatever they are compared by.
    pub fn by_bytes(&self, batch: &RecordBatch) -> Result<Places, FrameError> {
        let rows = self.rows(batch)?;
        // The first bytes of most rows tell their order, without a look at the rest, which is elsewhere in memory.
        let mut order: Vec<(u64, u32)> =
            rows.iter().enumerate().map(|(number, row)| (first_bytes(row.data()), number as u32)).collect();
        order.sort_unstable_by(|a, b| {
            let rest = || rows.row(a.1 as usize).cmp(&rows.row(b.1 as usize)).then(a.1.cmp(&b.1));
            a.0.cmp(&b.0).then_with(rest)
        });
        Ok(Places::new(order.into_iter().map(|(_, number)| number).collect(), u32::BITS))
    }
}

/// Rows that cut an order in ranges.
pub struct Limits {
    order: Order,
    rows: Rows,
    numbers: Option<Vec<u64>>,
}

impl Limits {
    /// Of rows with the columns of a schema; `bounds` have those of the keys.
    pub fn new(schema: &SchemaRef, keys: &[SortKey], bounds: &RecordBatch) -> Result<Limits, FrameError> {
        let own = Order::new(&bounds.schema(), keys)?;
        Ok(Limits { order: Order::new(schema, keys)?, rows: own.rows(bounds)?, numbers: own.numbers(bounds)? })
    }

    /// The range of each row: how many limits are not behind it.
    pub fn ranges(&self, batch: &RecordBatch) -> Result<Vec<u32>, FrameError> {
        if let (Some(limits), Some(numbers)) = (&self.numbers, self.order.numbers(batch)?) {
            let range = |number| limits.partition_point(|limit| *limit <= number) as u32;
            return Ok(numbers.into_iter().map(range).collect());
        }
        let count = self.rows.num_rows();
        let rows = self.order.rows(batch)?;
        let range = |row| partition_point(count, |place| self.rows.row(place).cmp(&row) != Ordering::Greater) as u32;
        Ok(rows.iter().map(range).collect())
    }
}

/// The first place of which something is not true, where it is true of all before it and of none behind.
fn partition_point(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The first eight bytes, as a number that compares as they do.
fn first_bytes(row: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = row.len().min(8);
    bytes[..count].copy_from_slice(&row[..count]);
    u64::from_be_bytes(bytes)
}

/// Numbers that compare as values do, missing ones before or behind all others; `None` where a number won't do.
pub fn numbers(column: &ArrayRef, options: SortOptions) -> Result<Option<Vec<u64>>, FrameError> {
    const SIGN: u64 = 1 << 63;
    let signed = |value: i64| value as u64 ^ SIGN;
    // No number is that of 0 or of u64::MAX, where there are missing values.
    Ok(Some(match column.data_type() {
        DataType::Int8 => each::<Int8Type>(column, options, |value| signed(value.into())),
        DataType::Int16 => each::<Int16Type>(column, options, |value| signed(value.into())),
        DataType::Int32 => each::<Int32Type>(column, options, |value| signed(value.into())),
        DataType::UInt8 => each::<UInt8Type>(column, options, |value| u64::from(value) + 1),
        DataType::UInt16 => each::<UInt16Type>(column, options, |value| u64::from(value) + 1),
        DataType::UInt32 => each::<UInt32Type>(column, options, |value| u64::from(value) + 1),
        DataType::Float32 => each::<Float32Type>(column, options, |value| of_float(value.into())),
        DataType::Float64 => each::<Float64Type>(column, options, of_float),
        _ if column.null_count() > 0 => return Ok(None),
        DataType::Int64 => each::<Int64Type>(column, options, signed),
        DataType::UInt64 => each::<UInt64Type>(column, options, |value| value),
        DataType::Timestamp(..) => {
            let counts = cast(column, &DataType::Int64).map_err(FrameError::arrow("sorting"))?;
            each::<Int64Type>(&counts, options, signed)
        }
        _ => return Ok(None),
    }))
}

/// Of numbers that are not NaN; 0 and -0 are the same.
fn of_float(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn each<T: ArrowPrimitiveType>(column: &ArrayRef, options: SortOptions, of: impl Fn(T::Native) -> u64) -> Vec<u64> {
    let values: &PrimitiveArray<T> = column.as_primitive();
    let flip = if options.descending { u64::MAX } else { 0 };
    let mut made: Vec<u64> = values.values().iter().map(|value| of(*value) ^ flip).collect();
    if let Some(valid) = values.nulls().filter(|nulls| nulls.null_count() > 0) {
        let missing = if options.nulls_first { 0 } else { u64::MAX };
        made.iter_mut().zip(valid).filter(|(_, valid)| !valid).for_each(|(number, _)| *number = missing);
    }
    made
}

/// The places of numbers in order, equal ones as they come, in the lower halves of numbers, as [`Places`] has them: places within
/// lists take no more than `bits`.
///
/// They are sorted by the first 32 of the bits in which they differ, byte after byte from the last of these, but for bytes
/// that are the same in all (radix sort; Knuth, The Art of Computer Programming 3, 5.2.5); what is then still the same is
/// compared.
fn by_digits(lists: &[Vec<u64>], bits: u32) -> Vec<u64> {
    const DIGITS: u32 = 4;
    let all = || lists.iter().flatten().copied();
    let (low, high) = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
    let shift = (u64::BITS - (high - low).leading_zeros()).saturating_sub(32);
    // The bits in the upper half, the place in the lower one.
    let mut packed: Vec<u64> = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    let mut counts = [[0_usize; 256]; DIGITS as usize];
    for (list, numbers) in lists.iter().enumerate() {
        packed.extend(numbers.iter().enumerate().map(|(place, number)| {
            let first = (number - low) >> shift;
            for (digit, counts) in (first as u32).to_le_bytes().into_iter().zip(&mut counts) {
                counts[usize::from(digit)] += 1;
            }
            first << 32 | (list << bits | place) as u64
        }));
    }
    let mut moved = vec![0; packed.len()];
    for (digit, counts) in counts.iter_mut().enumerate() {
        if counts.contains(&packed.len()) {
            continue;
        }
        let mut before = 0;
        for count in counts.iter_mut() {
            before += std::mem::replace(count, before);
        }
        let bits = 32 + 8 * digit;
        for &value in &packed {
            let place = &mut counts[usize::from((value >> bits) as u8)];
            moved[*place] = value;
            *place += 1;
        }
        std::mem::swap(&mut packed, &mut moved);
    }
    if shift > 0 {
        let number = |place: u64| {
            let (list, place) = unpacked(place as u32, bits);
            lists[list][place]
        };
        packed.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|same| same.len() > 1).for_each(|same| {
            same.sort_by_key(|&place| number(place));
        });
    }
    packed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn key(descending: bool, missing_first: bool) -> SortKey {
        SortKey { column: "a".to_owned(), descending, missing_first }
    }

    fn batch(column: ArrayRef) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("a", column.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap()
    }

    /// The order that a stable sort by comparison gives.
    fn expected<T: PartialOrd + Copy>(values: &[Option<T>], descending: bool, missing_first: bool) -> Vec<u32> {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|&a, &b| match (values[a as usize], values[b as usize]) {
            (Some(a), Some(b)) if descending => b.partial_cmp(&a).unwrap(),
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap(),
            (None, None) => Ordering::Equal,
            (None, _) => {
                if missing_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, None) => {
                if missing_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
        });
        order
    }

    fn check<T: PartialOrd + Copy>(column: ArrayRef, values: &[Option<T>], descending: bool, missing_first: bool) {
        let batch = batch(column);
        let keys = [key(descending, missing_first)];
        let order = || Order::new(&batch.schema(), &keys).unwrap();
        let found: Vec<u32> = order().by_bytes(&batch).unwrap().all().iter().map(|(_, row)| row as u32).collect();
        assert_eq!(found, expected(values, descending, missing_first));
        // The same in several batches, where numbers are compared.
        let (first, rest) = (batch.num_rows() / 3, batch.num_rows() - batch.num_rows() / 3);
        let parts = [batch.slice(0, first), batch.slice(first, rest)];
        if let Some(places) = order().by_numbers(&parts).unwrap() {
            let whole: Vec<u32> = places.all().iter().map(|(part, row)| (part * first + row) as u32).collect();
            assert_eq!(whole, found);
        }
        // Ranges that begin at two of the rows, wherever these are.
        if found.len() > 2 {
            let (low, high) = (found.len() / 3, found.len() * 2 / 3);
            let taken = |place: usize| batch.slice(found[place] as usize, 1);
            let bounds = arrow::compute::concat_batches(&batch.schema(), &[taken(low), taken(high)]).unwrap();
            let ranges = Limits::new(&batch.schema(), &keys, &bounds).unwrap().ranges(&batch).unwrap();
            let sorted: Vec<u32> = found.iter().map(|&row| ranges[row as usize]).collect();
            assert!(sorted.is_sorted() && sorted[low] >= 1 && sorted[high] == 2, "{sorted:?}");
        }
    }

    proptest! {
        #[test]
        fn rows_are_sorted_as_by_comparison(
            values in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![-5i64..5, any::<i64>()]), 0..600),
            descending in any::<bool>(), missing_first in any::<bool>(),
        ) {
            check(Arc::new(Int64Array::from(values.clone())), &values, descending, missing_first);
            let all: Vec<Option<i64>> = values.iter().flatten().map(|value| Some(*value)).collect();
            check(Arc::new(Int64Array::from(all.clone())), &all, descending, missing_first);
            let small: Vec<Option<i32>> = values.iter().map(|value| value.map(|value| value as i32)).collect();
            check(Arc::new(Int32Array::from(small.clone())), &small, descending, missing_first);
            let floats: Vec<Option<f64>> = small.iter().map(|value| value.map(|value| f64::from(value) / 8.0)).collect();
            check(Arc::new(Float64Array::from(floats.clone())), &floats, descending, missing_first);
            let texts: Vec<Option<String>> = small.iter().map(|value| value.map(|value| format!("{value:>30}"))).collect();
            let borrowed: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            check(Arc::new(StringViewArray::from(borrowed.clone())), &borrowed, descending, missing_first);
        }
    }

    #[test]
    fn zeros_of_both_signs_stay_as_they_come() {
        let values = [Some(1.0), Some(0.0), Some(-0.0), Some(0.0), Some(f64::NEG_INFINITY), Some(-0.0), None];
        check(Arc::new(Float64Array::from(values.to_vec())), &values, false, false);
    }
}
