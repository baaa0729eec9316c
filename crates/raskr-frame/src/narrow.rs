//! Whole numbers in the fewest bytes that hold them, while rows are on their way from one stage to the next.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Int8Type, Int16Type, Int32Type, Int64Type, Schema, SchemaRef, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};

use crate::error::FrameError;

const SIGNED: [DataType; 4] = [DataType::Int8, DataType::Int16, DataType::Int32, DataType::Int64];
const UNSIGNED: [DataType; 4] = [DataType::UInt8, DataType::UInt16, DataType::UInt32, DataType::UInt64];

/// A schema in which numbers take no more bytes than all batches so far need.
pub struct Narrow {
    wide: SchemaRef,
    own: SchemaRef,
}

impl Narrow {
    /// As narrow as it can be, since nothing is known yet.
    pub fn new(wide: &SchemaRef) -> Narrow {
        let kinds = wide.fields().iter().map(|field| match steps_of(field.data_type()) {
            Some(steps) => steps[0].clone(),
            None => field.data_type().clone(),
        });
        Narrow { wide: Arc::clone(wide), own: with_types(wide, kinds) }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.own
    }

    /// Makes room for the numbers of batches; says whether the schema is another one then.
    pub fn widen(&mut self, batches: &[RecordBatch]) -> bool {
        let kinds: Vec<DataType> = (0..self.wide.fields().len())
            .map(|place| {
                let own = self.own.field(place).data_type();
                let needed = |batch: &RecordBatch| needed(batch.column(place)).cloned();
                let all = batches.iter().filter_map(needed).chain([own.clone()]);
                all.max_by_key(|kind| kind.primitive_width()).unwrap_or_else(|| own.clone())
            })
            .collect();
        let changed = kinds.iter().zip(self.own.fields()).any(|(kind, field)| kind != field.data_type());
        if changed {
            self.own = with_types(&self.wide, kinds.into_iter());
        }
        changed
    }
}

fn with_types(schema: &SchemaRef, kinds: impl Iterator<Item = DataType>) -> SchemaRef {
    let fields = schema.fields().iter().zip(kinds).map(|(field, kind)| (**field).clone().with_data_type(kind));
    Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
}

/// The types with the same sign, the narrowest first.
fn steps_of(kind: &DataType) -> Option<&'static [DataType; 4]> {
    [&SIGNED, &UNSIGNED].into_iter().find(|steps| steps.contains(kind))
}

/// The narrowest type for the numbers of a column; `None` for columns of other types.
fn needed(column: &ArrayRef) -> Option<&'static DataType> {
    match column.data_type() {
        DataType::Int8 => Some(&SIGNED[0]),
        DataType::Int16 => signed::<Int16Type>(column),
        DataType::Int32 => signed::<Int32Type>(column),
        DataType::Int64 => signed::<Int64Type>(column),
        DataType::UInt8 => Some(&UNSIGNED[0]),
        DataType::UInt16 => unsigned::<UInt16Type>(column),
        DataType::UInt32 => unsigned::<UInt32Type>(column),
        DataType::UInt64 => unsigned::<UInt64Type>(column),
        _ => None,
    }
}

fn signed<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef) -> Option<&'static DataType> {
    // Without its sign, a number needs the bits up to the first that is not as the sign is. What stands where a value is missing
    // is looked at as well: it can only take more bits.
    let used = |all: i64, value: &T::Native| {
        let value: i64 = (*value).into();
        all | value ^ (value >> 63)
    };
    let all = column.as_primitive::<T>().values().iter().fold(0, used);
    Some(&SIGNED[step(65 - all.leading_zeros())])
}

fn unsigned<T: ArrowPrimitiveType<Native: Into<u64>>>(column: &ArrayRef) -> Option<&'static DataType> {
    let all = column.as_primitive::<T>().values().iter().fold(0, |all, value| all | (*value).into());
    Some(&UNSIGNED[step(64 - all.leading_zeros())])
}

/// The place of the type of so many bits.
fn step(bits: u32) -> usize {
    match bits {
        0..=8 => 0,
        9..=16 => 1,
        17..=32 => 2,
        _ => 3,
    }
}

/// A batch with the types of a schema, which differ from its own in how many bytes whole numbers take.
pub fn resized(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, FrameError> {
    let columns = batch.columns().iter().zip(schema.fields());
    if columns.clone().all(|(column, field)| column.data_type() == field.data_type()) {
        return Ok(batch.clone());
    }
    let columns = columns.map(|(column, field)| match column.data_type() {
        kind if kind == field.data_type() => Arc::clone(column),
        DataType::Int8 => of_signed::<Int8Type>(column, field.data_type()),
        DataType::Int16 => of_signed::<Int16Type>(column, field.data_type()),
        DataType::Int32 => of_signed::<Int32Type>(column, field.data_type()),
        DataType::Int64 => of_signed::<Int64Type>(column, field.data_type()),
        DataType::UInt8 => of_unsigned::<UInt8Type>(column, field.data_type()),
        DataType::UInt16 => of_unsigned::<UInt16Type>(column, field.data_type()),
        DataType::UInt32 => of_unsigned::<UInt32Type>(column, field.data_type()),
        DataType::UInt64 => of_unsigned::<UInt64Type>(column, field.data_type()),
        _ => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect(), &options)
        .map_err(FrameError::arrow("exchanging rows"))
}

fn of_signed<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef, kind: &DataType) -> ArrayRef {
    let values = column.as_primitive::<T>();
    match kind {
        DataType::Int8 => Arc::new(values.unary::<_, Int8Type>(|value| value.into() as i8)),
        DataType::Int16 => Arc::new(values.unary::<_, Int16Type>(|value| value.into() as i16)),
        DataType::Int32 => Arc::new(values.unary::<_, Int32Type>(|value| value.into() as i32)),
        _ => Arc::new(values.unary::<_, Int64Type>(Into::into)),
    }
}

fn of_unsigned<T: ArrowPrimitiveType<Native: Into<u64>>>(column: &ArrayRef, kind: &DataType) -> ArrayRef {
    let values = column.as_primitive::<T>();
    match kind {
        DataType::UInt8 => Arc::new(values.unary::<_, UInt8Type>(|value| value.into() as u8)),
        DataType::UInt16 => Arc::new(values.unary::<_, UInt16Type>(|value| value.into() as u16)),
        DataType::UInt32 => Arc::new(values.unary::<_, UInt32Type>(|value| value.into() as u32)),
        _ => Arc::new(values.unary::<_, UInt64Type>(Into::into)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray, UInt64Array};
    use proptest::prelude::*;

    use super::*;

    fn batch(signed: Vec<Option<i64>>, unsigned: Vec<u64>) -> RecordBatch {
        let texts: StringViewArray = unsigned.iter().map(|value| Some(value.to_string())).collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("signed", Arc::new(Int64Array::from(signed))),
            ("unsigned", Arc::new(UInt64Array::from(unsigned))),
            ("texts", Arc::new(texts)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    fn numbers() -> impl Strategy<Value = Vec<(Option<i64>, u64)>> {
        let near = |power: u32| (-2..3_i64).prop_map(move |offset| (1_i64 << power).wrapping_add(offset));
        let signed = prop_oneof![any::<i8>().prop_map(i64::from), near(7), near(15), near(31), any::<i64>()];
        let signed =
            (signed, any::<bool>()).prop_map(|(value, negative)| if negative { value.wrapping_neg() } else { value });
        let unsigned =
            prop_oneof![0..3_u64, 254..258_u64, 65_534..65_538_u64, any::<u32>().prop_map(u64::from), any::<u64>()];
        prop::collection::vec((prop::option::weighted(0.9, signed), unsigned), 0..20)
    }

    proptest! {
        #[test]
        fn numbers_are_the_same_again(first in numbers(), second in numbers()) {
            let batches: Vec<RecordBatch> = [first, second].into_iter().map(|rows| { let (a, b) = rows.into_iter().unzip(); batch(a, b) }).collect();
            let mut narrow = Narrow::new(&batches[0].schema());
            narrow.widen(&batches[..1]);
            narrow.widen(&batches[1..]);
            for wide in &batches {
                let small = resized(wide, narrow.schema()).unwrap();
                prop_assert_eq!(&small.schema(), narrow.schema());
                prop_assert_eq!(&resized(&small, &wide.schema()).unwrap(), wide);
            }
        }
    }

    #[test]
    fn as_few_bytes_as_hold_all_numbers() {
        let of = |low: i64, high: u64| {
            let all = batch(vec![Some(low), None], vec![high, 0]);
            let mut narrow = Narrow::new(&all.schema());
            narrow.widen(&[all]);
            narrow.schema().fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(-128, 255), [DataType::Int8, DataType::UInt8, DataType::Utf8View]);
        assert_eq!(of(128, 256), [DataType::Int16, DataType::UInt16, DataType::Utf8View]);
        assert_eq!(of(-32_769, 65_536), [DataType::Int32, DataType::UInt32, DataType::Utf8View]);
        assert_eq!(of(i64::MIN, u64::MAX), [DataType::Int64, DataType::UInt64, DataType::Utf8View]);
    }
}
