//! `Table`: the rows of a batch while it grows, column by column, and what was found where a type does not fit.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::dialect::{Dialect, Words};
use super::error::{ColumnMismatch, CsvError};
use super::number::{Integer, float, integer, short_decimal, short_integer};
use super::parser::Column;
use super::quoted::Unquoter;
use super::seen::Seen;
use super::text::{BadText, Texts};

/// So many rows are made room for at once, whatever the size of batches.
const ROWS_AT_FIRST: usize = 64 << 10;

/// The values of a column so far; those of missing ones are arbitrary, but NaN for floats.
#[derive(Debug)]
enum Values {
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    UInt8(Vec<u8>),
    UInt16(Vec<u16>),
    UInt32(Vec<u32>),
    UInt64(Vec<u64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Boolean(Vec<bool>),
    Text(Texts),
}

/// Does the same to the values of any type.
macro_rules! each {
    ($values:expr, $found:ident => $action:expr) => {
        match $values {
            Values::Int8($found) => $action,
            Values::Int16($found) => $action,
            Values::Int32($found) => $action,
            Values::Int64($found) => $action,
            Values::UInt8($found) => $action,
            Values::UInt16($found) => $action,
            Values::UInt32($found) => $action,
            Values::UInt64($found) => $action,
            Values::Float32($found) => $action,
            Values::Float64($found) => $action,
            Values::Boolean($found) => $action,
            Values::Text($found) => $action,
        }
    };
}

impl Values {
    fn new(data_type: &DataType, rows: usize) -> Option<Values> {
        Some(match data_type {
            DataType::Int8 => Values::Int8(Vec::with_capacity(rows)),
            DataType::Int16 => Values::Int16(Vec::with_capacity(rows)),
            DataType::Int32 => Values::Int32(Vec::with_capacity(rows)),
            DataType::Int64 => Values::Int64(Vec::with_capacity(rows)),
            DataType::UInt8 => Values::UInt8(Vec::with_capacity(rows)),
            DataType::UInt16 => Values::UInt16(Vec::with_capacity(rows)),
            DataType::UInt32 => Values::UInt32(Vec::with_capacity(rows)),
            DataType::UInt64 => Values::UInt64(Vec::with_capacity(rows)),
            DataType::Float32 => Values::Float32(Vec::with_capacity(rows)),
            DataType::Float64 => Values::Float64(Vec::with_capacity(rows)),
            DataType::Boolean => Values::Boolean(Vec::with_capacity(rows)),
            DataType::Utf8View => Values::Text(Texts::with_capacity(rows)),
            _ => return None,
        })
    }

    /// What the fields were that these values came from.
    fn seen(&self) -> Seen {
        let negative = match self {
            Values::Int8(values) => values.iter().any(|&value| value < 0),
            Values::Int16(values) => values.iter().any(|&value| value < 0),
            Values::Int32(values) => values.iter().any(|&value| value < 0),
            Values::Int64(values) => values.iter().any(|&value| value < 0),
            Values::Boolean(_) => return Seen::BOOLEAN,
            _ => false,
        };
        if negative { Seen::NUMBER | Seen::NEGATIVE } else { Seen::NUMBER }
    }

    fn clear(&mut self) {
        each!(self, values => values.clear());
    }

    fn push_missing(&mut self) {
        match self {
            Values::Int8(values) => values.push(0),
            Values::Int16(values) => values.push(0),
            Values::Int32(values) => values.push(0),
            Values::Int64(values) => values.push(0),
            Values::UInt8(values) => values.push(0),
            Values::UInt16(values) => values.push(0),
            Values::UInt32(values) => values.push(0),
            Values::UInt64(values) => values.push(0),
            Values::Float32(values) => values.push(f32::NAN),
            Values::Float64(values) => values.push(f64::NAN),
            Values::Boolean(values) => values.push(false),
            Values::Text(values) => values.push_empty(),
        }
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
            let rows = values.len();
            let values = mem::replace(values, Vec::with_capacity(rows));
            Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
        }
        match self {
            Values::Int8(values) => primitive::<Int8Type>(values, nulls),
            Values::Int16(values) => primitive::<Int16Type>(values, nulls),
            Values::Int32(values) => primitive::<Int32Type>(values, nulls),
            Values::Int64(values) => primitive::<Int64Type>(values, nulls),
            Values::UInt8(values) => primitive::<UInt8Type>(values, nulls),
            Values::UInt16(values) => primitive::<UInt16Type>(values, nulls),
            Values::UInt32(values) => primitive::<UInt32Type>(values, nulls),
            Values::UInt64(values) => primitive::<UInt64Type>(values, nulls),
            Values::Float32(values) => primitive::<Float32Type>(values, nulls),
            Values::Float64(values) => primitive::<Float64Type>(values, nulls),
            Values::Boolean(values) => {
                let array = BooleanArray::new(BooleanBuffer::from(values.as_slice()), nulls);
                values.clear();
                Arc::new(array)
            }
            Values::Text(values) => Arc::new(values.take(nulls)),
        }
    }
}

/// What words mean, for all columns.
#[derive(Debug)]
struct Meanings {
    missing: Words,
    /// Missing words are numbers too, and must be looked for before a field is taken for one.
    missing_numbers: bool,
    /// What missing words are as floats: fields of float columns that equal one are missing however they are written.
    missing_floats: Vec<f64>,
    true_words: Words,
    false_words: Words,
}

impl Meanings {
    fn new(dialect: &Dialect) -> Meanings {
        let missing = Words::new(&dialect.missing);
        let missing_floats: Vec<f64> = missing.iter().filter_map(float).collect();
        Meanings {
            missing_numbers: !missing_floats.is_empty(),
            missing_floats,
            missing,
            true_words: Words::new(&dialect.true_words),
            false_words: Words::new(&dialect.false_words),
        }
    }

    fn boolean(&self, field: &[u8]) -> Option<bool> {
        match field {
            _ if self.true_words.contains(field) => Some(true),
            _ if self.false_words.contains(field) => Some(false),
            _ if field.eq_ignore_ascii_case(b"true") => Some(true),
            _ if field.eq_ignore_ascii_case(b"false") => Some(false),
            _ => None,
        }
    }

    /// What pandas would take `field` for.
    fn classify(&self, field: &[u8]) -> Seen {
        if self.missing.contains(field) {
            return Seen::MISSING;
        }
        match integer(field) {
            Some(Integer::Small(value)) if value < 0 => Seen::NUMBER | Seen::NEGATIVE,
            Some(Integer::Small(_)) => Seen::NUMBER,
            Some(Integer::Large(_)) => Seen::NUMBER | Seen::LARGE,
            Some(Integer::Huge) => Seen::NUMBER | Seen::HUGE,
            None if float(field).is_some() => Seen::NUMBER | Seen::FRACTION,
            None if self.boolean(field).is_some() => Seen::BOOLEAN,
            None => Seen::TEXT,
        }
    }
}

/// What became of a field.
enum Outcome {
    Value,
    Missing,
    /// It is not of the column's type.
    Other,
    Bad(BadText),
}

#[derive(Debug)]
struct Builder {
    name: String,
    data_type: DataType,
    values: Values,
    /// The rows without a value.
    nulls: Vec<u32>,
    /// What the fields of a column were whose type proved wrong.
    seen: Seen,
    /// The line of the first field that is not of the column's type.
    wrong_since: Option<u64>,
}

impl Builder {
    #[inline(always)]
    fn push(&mut self, meanings: &Meanings, text: &[u8], start: usize, end: usize) -> Outcome {
        macro_rules! push_integer {
            ($values:expr) => {{
                if !meanings.missing_numbers
                    && let Some(value) = short_integer(text, start, end)
                    && let Ok(value) = value.value().try_into()
                {
                    $values.push(value);
                    return Outcome::Value;
                }
                push_long_integer($values, meanings, &text[start..end])
            }};
        }
        match &mut self.values {
            Values::Int8(values) => push_integer!(values),
            Values::Int16(values) => push_integer!(values),
            Values::Int32(values) => push_integer!(values),
            Values::Int64(values) => push_integer!(values),
            Values::UInt8(values) => push_integer!(values),
            Values::UInt16(values) => push_integer!(values),
            Values::UInt32(values) => push_integer!(values),
            Values::UInt64(values) => push_integer!(values),
            Values::Float32(values) => push_float(values, |value| value as f32, meanings, text, start, end),
            Values::Float64(values) => push_float(values, |value| value, meanings, text, start, end),
            Values::Boolean(values) => {
                let field = &text[start..end];
                match meanings.boolean(field).filter(|_| !meanings.missing.contains(field)) {
                    Some(value) => {
                        values.push(value);
                        Outcome::Value
                    }
                    None => Outcome::Other,
                }
            }
            Values::Text(values) => match meanings.missing.contains(&text[start..end]) {
                true => Outcome::Missing,
                false => values.push(text, start, end).map_or_else(Outcome::Bad, |()| Outcome::Value),
            },
        }
    }
}

#[inline(never)]
fn push_long_integer<T: TryFrom<i64> + TryFrom<u64>>(
    values: &mut Vec<T>,
    meanings: &Meanings,
    field: &[u8],
) -> Outcome {
    if meanings.missing.contains(field) {
        return Outcome::Other;
    }
    let value = match integer(field) {
        Some(Integer::Small(value)) => T::try_from(value).ok(),
        Some(Integer::Large(value)) => T::try_from(value).ok(),
        Some(Integer::Huge) | None => None,
    };
    match value {
        Some(value) => {
            values.push(value);
            Outcome::Value
        }
        None => Outcome::Other,
    }
}

#[inline(always)]
fn push_float<T>(
    values: &mut Vec<T>,
    convert: impl Fn(f64) -> T,
    meanings: &Meanings,
    text: &[u8],
    start: usize,
    end: usize,
) -> Outcome {
    if !meanings.missing_numbers {
        if let Some(value) = short_integer(text, start, end) {
            values.push(convert(value.float()));
            return Outcome::Value;
        }
        if let Some(value) = short_decimal(&text[start..end]) {
            values.push(convert(value));
            return Outcome::Value;
        }
    }
    push_long_float(values, convert, meanings, &text[start..end])
}

#[inline(never)]
fn push_long_float<T>(values: &mut Vec<T>, convert: impl Fn(f64) -> T, meanings: &Meanings, field: &[u8]) -> Outcome {
    if meanings.missing.contains(field) {
        return Outcome::Missing;
    }
    match float(field) {
        Some(value) if meanings.missing_floats.contains(&value) => Outcome::Missing,
        Some(value) => {
            values.push(convert(value));
            Outcome::Value
        }
        None => Outcome::Other,
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    /// By their places in the file.
    builders: Vec<Builder>,
    /// Where the column of each place in a batch is among them.
    order: Vec<usize>,
    schema: SchemaRef,
    meanings: Meanings,
    unquoter: Unquoter,
    batch_rows: usize,
    /// Rows of the batch that grows.
    rows: usize,
    batches: VecDeque<RecordBatch>,
    /// A type proved wrong: there will be no more batches.
    mismatched: bool,
    /// Where the line had a field of a wrong type, until its number is known.
    line_mismatched: bool,
    bad: Option<(usize, BadText)>,
}

impl Table {
    /// `columns` whose positions differ, and how many rows a batch has.
    pub(crate) fn new(dialect: &Dialect, columns: Vec<Column>, batch_rows: usize) -> Result<Table, CsvError> {
        let fields = columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut places: Vec<usize> = (0..columns.len()).collect();
        places.sort_by_key(|&place| columns[place].position);
        let mut order = vec![0; columns.len()];
        for (index, &place) in places.iter().enumerate() {
            order[place] = index;
        }
        let mut columns = columns;
        columns.sort_by_key(|column| column.position);
        let builders = columns.into_iter().map(|Column { name, data_type, .. }| {
            match Values::new(&data_type, batch_rows.min(ROWS_AT_FIRST)) {
                Some(values) => {
                    let (nulls, seen) = (Vec::new(), Seen::default());
                    Ok(Builder { name, data_type, values, nulls, seen, wrong_since: None })
                }
                None => Err(CsvError::Type { name, data_type }),
            }
        });
        Ok(Table {
            builders: builders.collect::<Result<_, _>>()?,
            order,
            schema,
            meanings: Meanings::new(dialect),
            unquoter: Unquoter::new(dialect),
            batch_rows,
            rows: 0,
            batches: VecDeque::new(),
            mismatched: false,
            line_mismatched: false,
            bad: None,
        })
    }

    /// `text[start..end]` is the next field of the `index`th column.
    #[inline]
    pub(crate) fn push(&mut self, index: usize, text: &[u8], start: usize, end: usize) {
        let (text, start, end) = self.unquoter.unquote(text, start, end);
        let builder = &mut self.builders[index];
        if builder.wrong_since.is_some() {
            builder.seen |= self.meanings.classify(&text[start..end]);
            return;
        }
        match builder.push(&self.meanings, text, start, end) {
            Outcome::Value => {}
            Outcome::Missing => {
                builder.nulls.push(self.rows as u32);
                builder.values.push_missing();
            }
            Outcome::Other => {
                let class = self.meanings.classify(&text[start..end]);
                self.mismatch(index, class);
            }
            Outcome::Bad(bad) => self.bad = Some((index, bad)),
        }
    }

    /// A field of the column is `class`, and so not what was expected.
    #[cold]
    fn mismatch(&mut self, index: usize, class: Seen) {
        let builder = &mut self.builders[index];
        if builder.wrong_since.is_none() {
            // The number of the line follows.
            builder.wrong_since = Some(0);
            self.line_mismatched = true;
            if self.rows > 0 {
                builder.seen |= builder.values.seen();
            }
        }
        builder.seen |= class;
    }

    /// The line is complete, and had fields for the columns before `from` only.
    #[inline]
    pub(crate) fn end_row(&mut self, from: usize, line: u64) -> Result<(), CsvError> {
        for index in from..self.builders.len() {
            let builder = &mut self.builders[index];
            match builder.values {
                _ if builder.wrong_since.is_some() => builder.seen |= Seen::MISSING,
                Values::Float32(_) | Values::Float64(_) | Values::Text(_) => {
                    builder.nulls.push(self.rows as u32);
                    builder.values.push_missing();
                }
                _ => self.mismatch(index, Seen::MISSING),
            }
        }
        if self.bad.is_some() || self.line_mismatched {
            self.end_bad_row(line)?;
        }
        self.rows += 1;
        if self.rows == self.batch_rows { self.end_batch() } else { Ok(()) }
    }

    #[cold]
    fn end_bad_row(&mut self, line: u64) -> Result<(), CsvError> {
        if let Some((index, bad)) = self.bad {
            let name = self.builders[index].name.clone();
            return Err(match bad {
                BadText::NotUtf8 => CsvError::NotUtf8 { name, line },
                BadText::Length(length) => CsvError::Length { name, line, length },
            });
        }
        for builder in &mut self.builders {
            if builder.wrong_since == Some(0) {
                builder.wrong_since = Some(line);
            }
        }
        self.line_mismatched = false;
        if !self.mismatched {
            self.mismatched = true;
            self.batches.clear();
        }
        Ok(())
    }

    fn end_batch(&mut self) -> Result<(), CsvError> {
        let rows = mem::take(&mut self.rows);
        for builder in self.builders.iter_mut().filter(|builder| builder.wrong_since.is_none()) {
            // Remembered for the case that the type proves wrong later.
            builder.seen |= builder.values.seen();
        }
        if self.mismatched {
            for builder in &mut self.builders {
                builder.values.clear();
                builder.nulls.clear();
            }
            return Ok(());
        }
        let arrays: Vec<ArrayRef> = self
            .builders
            .iter_mut()
            .map(|builder| {
                let nulls = validity(rows, &builder.nulls);
                builder.nulls.clear();
                builder.values.take(nulls)
            })
            .collect();
        let arrays = self.order.iter().map(|&index| Arc::clone(&arrays[index])).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        self.batches.push_back(batch.map_err(|error| CsvError::Batch { message: error.to_string() })?);
        Ok(())
    }

    /// There are no more rows.
    pub(crate) fn finish(&mut self) -> Result<(), CsvError> {
        if self.rows > 0 {
            self.end_batch()?;
        }
        let mut columns = Vec::new();
        for &index in &self.order {
            let builder = &self.builders[index];
            if let Some(line) = builder.wrong_since {
                let (name, expected) = (builder.name.clone(), builder.data_type.clone());
                columns.push(ColumnMismatch { name, found: builder.seen.found(), expected, line });
            }
        }
        match columns.iter().map(|column| column.line).min() {
            Some(line) => Err(CsvError::Mismatch { columns, line }),
            None => Ok(()),
        }
    }

    pub(crate) fn next_batch(&mut self) -> Option<RecordBatch> {
        self.batches.pop_front()
    }
}

/// Which of `rows` rows have a value, if not all have.
fn validity(rows: usize, nulls: &[u32]) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let mut bits = MutableBuffer::from_len_zeroed(rows.div_ceil(8));
    bits.as_slice_mut().fill(0xff);
    for &row in nulls {
        bits.as_slice_mut()[row as usize / 8] &= !(1 << (row % 8));
    }
    Some(NullBuffer::new(BooleanBuffer::new(bits.into(), 0, rows)))
}
