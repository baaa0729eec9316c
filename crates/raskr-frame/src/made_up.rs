//! `MadeUp`: a table of random values, made a batch at a time; whoever makes a row gets the same values.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray,
    StringViewBuilder,
};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use raskr_base::{DType, TaskContext};
use raskr_kernels::random::{Distribution, RandomSource};
use serde::{Deserialize, Serialize};

use crate::error::FrameError;
use crate::reader::{Batches, PartitionReader};
use crate::wire;

/// Rows of a batch.
const BATCH_ROWS: u64 = 16 << 10;
/// Letters that are drawn at a time.
const LETTERS_DRAWN: usize = 4 << 10;
/// Bytes of texts that a row may share with others before it gets its own.
const SHARED_TEXT: usize = 64;
/// What texts of random letters are made of.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What the values of a column are; those of a row depend on these and the row's number alone.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub enum MadeUpValues {
    /// Numbers, which `whole` truncates before they take the column's type.
    Numbers { source: RandomSource, whole: bool },
    /// Some of these texts, each as likely as any other.
    Texts { key: [u64; 2], texts: Vec<Option<String>> },
    /// Texts of so many random letters and digits.
    Letters { key: [u64; 2], length: usize },
    /// Numbers that grow by the same step from row to row of a partition, such as those of an index.
    Steps,
}

/// What [`MadeUpValues::drawn`] gives.
#[derive(Clone, Debug)]
pub enum Drawn {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
    Texts(StringViewArray),
}

/// Whole numbers from 0 to below `count`.
fn below(key: [u64; 2], count: usize) -> RandomSource {
    let span = (count as u64).saturating_sub(1);
    RandomSource::new(key, Distribution::Integers { low: 0, span, dtype: DType::I64 })
}

fn integers(source: &RandomSource, first: u64, rows: usize) -> Drawn {
    let mut values = vec![0; rows];
    source.fill_i64(first, 1, &mut values);
    Drawn::Integers(values)
}

fn letters(key: [u64; 2], length: usize, first: u64, rows: usize) -> StringViewArray {
    let source = below(key, LETTERS.len());
    let mut drawn = vec![0; LETTERS_DRAWN.min(length)];
    let mut text = String::with_capacity(length);
    let mut made = StringViewBuilder::with_capacity(rows);
    for row in 0..rows as u64 {
        text.clear();
        let start = first.wrapping_add(row).wrapping_mul(length as u64);
        for place in (0..length).step_by(LETTERS_DRAWN) {
            let drawn = &mut drawn[..LETTERS_DRAWN.min(length - place)];
            source.fill_i64(start.wrapping_add(place as u64), 1, drawn);
            text.extend(drawn.iter().map(|&letter| char::from(LETTERS[letter as usize])));
        }
        made.append_value(&text);
    }
    made.finish()
}

impl MadeUpValues {
    /// What the rows from number `first` on have: their values before they take the column's type, which of the texts, or their
    /// own numbers where there are steps.
    pub fn drawn(&self, first: u64, rows: usize) -> Drawn {
        match self {
            MadeUpValues::Numbers { source, whole: true } => integers(source, first, rows),
            MadeUpValues::Numbers { source, whole: false } => {
                let mut values = vec![0.0; rows];
                source.fill_f64(first, 1, &mut values);
                Drawn::Floats(values)
            }
            MadeUpValues::Texts { key, texts } => integers(&below(*key, texts.len()), first, rows),
            MadeUpValues::Letters { key, length } => Drawn::Texts(letters(*key, *length, first, rows)),
            MadeUpValues::Steps => {
                Drawn::Integers((0..rows as u64).map(|row| first.wrapping_add(row) as i64).collect())
            }
        }
    }

    /// Can a column of the type have these values?
    fn check(&self, kind: &DataType) -> Result<(), FrameError> {
        let refused = |expected: &str, got: String| {
            Err(FrameError::Unexpected { operation: "made-up rows", expected: expected.to_owned(), got })
        };
        match self {
            MadeUpValues::Numbers { source, .. } => match source.validate() {
                Err(error) => refused("parameters that the distribution has", error.to_string()),
                Ok(()) if kind.is_numeric() || *kind == DataType::Boolean => Ok(()),
                Ok(()) => refused("a column of numbers", kind.to_string()),
            },
            MadeUpValues::Texts { texts, .. } if texts.is_empty() => refused("texts to choose from", "none".to_owned()),
            MadeUpValues::Texts { .. } | MadeUpValues::Letters { .. } => match kind {
                DataType::Utf8View => Ok(()),
                _ => refused("a column of texts", kind.to_string()),
            },
            MadeUpValues::Steps => match kind {
                DataType::Timestamp(_, None) => Ok(()),
                kind if kind.is_numeric() => Ok(()),
                _ => refused("a column of numbers or times", kind.to_string()),
            },
        }
    }

    /// Bytes of a row.
    fn width(&self, kind: &DataType) -> u64 {
        // A view of a text holds the text itself up to 12 bytes.
        let apart = |length: usize| if length > 12 { length as u64 } else { 0 };
        match self {
            MadeUpValues::Numbers { .. } | MadeUpValues::Steps => kind.primitive_width().unwrap_or(1) as u64,
            MadeUpValues::Letters { length, .. } => 16 + apart(*length),
            MadeUpValues::Texts { texts, .. } => {
                let whole: u64 = texts.iter().flatten().map(|text| apart(text.len())).sum();
                16 + whole / texts.len().max(1) as u64
            }
        }
    }
}

/// A column of made-up rows.
#[derive(Clone, Debug)]
pub struct MadeUpColumn {
    pub name: String,
    pub data_type: DataType,
    pub values: MadeUpValues,
}

/// A partition of made-up rows.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct MadeUpPart {
    /// The number of its first row, by which random values are known.
    pub first: u64,
    pub rows: u64,
    /// Where [`MadeUpValues::Steps`] begins, and how far its rows are apart.
    pub start: i64,
    pub step: i64,
}

/// A table of made-up rows.
#[derive(Serialize, Deserialize)]
pub struct MadeUp {
    name: String,
    #[serde(with = "wire::schemas")]
    schema: SchemaRef,
    values: Vec<MadeUpValues>,
    parts: Vec<MadeUpPart>,
}

impl MadeUp {
    pub fn new(
        name: impl Into<String>,
        columns: Vec<MadeUpColumn>,
        parts: Vec<MadeUpPart>,
    ) -> Result<Arc<MadeUp>, FrameError> {
        let fields = columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let values = columns.into_iter().map(|column| column.values).collect();
        MadeUp { name: name.into(), schema, values, parts }.checked()
    }

    fn checked(self) -> Result<Arc<MadeUp>, FrameError> {
        let (there, named) = (self.values.len(), self.schema.fields().len());
        if there != named {
            let (expected, got) = (format!("{named} columns"), there.to_string());
            return Err(FrameError::Unexpected { operation: "made-up rows", expected, got });
        }
        for (values, field) in self.values.iter().zip(self.schema.fields()) {
            values.check(field.data_type())?;
        }
        Ok(Arc::new(self))
    }

    /// The table that [`PartitionReader::encoded`] made bytes of.
    pub fn decode(bytes: &[u8]) -> Result<Arc<MadeUp>, FrameError> {
        let made: Result<MadeUp, _> = postcard::from_bytes(bytes);
        made.map_err(|error| malformed(&error))?.checked()
    }
}

fn malformed(error: &postcard::Error) -> FrameError {
    FrameError::Engine { operation: "made-up rows on their way", message: error.to_string() }
}

impl PartitionReader for MadeUp {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> u32 {
        self.parts.len() as u32
    }

    fn read(&self, partition: u32, columns: &[usize], _: &TaskContext<'_>) -> Result<Batches, FrameError> {
        let schema = self.schema.project(columns).map_err(FrameError::arrow("choosing columns"))?;
        let wanted = columns.iter().map(|&place| self.values[place].clone()).collect();
        let schema = Arc::new(schema);
        let making = Making::new(schema, wanted, self.parts[partition as usize]);
        Ok(Box::new((0..making.part.rows).step_by(BATCH_ROWS as usize).map(move |offset| making.batch(offset))))
    }

    fn travels(&self) -> bool {
        true
    }

    fn encoded(&self) -> Result<Vec<u8>, FrameError> {
        postcard::to_stdvec(self).map_err(|error| malformed(&error))
    }

    fn estimate(&self, partition: u32) -> u64 {
        let kinds = self.schema.fields().iter().map(|field| field.data_type());
        let width: u64 = self.values.iter().zip(kinds).map(|(values, kind)| values.width(kind)).sum();
        self.parts[partition as usize].rows.saturating_mul(width)
    }
}

/// The rows of a partition while they are made.
struct Making {
    schema: SchemaRef,
    columns: Vec<MadeUpValues>,
    /// The texts that columns choose from, of which rows take views.
    texts: Vec<Option<ArrayRef>>,
    part: MadeUpPart,
}

impl Making {
    fn new(schema: SchemaRef, columns: Vec<MadeUpValues>, part: MadeUpPart) -> Making {
        let texts = columns.iter().map(|values| match values {
            MadeUpValues::Texts { texts, .. } => {
                let there: StringViewArray = texts.iter().map(Option::as_deref).collect();
                Some(Arc::new(there) as ArrayRef)
            }
            _ => None,
        });
        let texts = texts.collect();
        Making { schema, columns, texts, part }
    }

    /// The rows from the one at `offset` on.
    fn batch(&self, offset: u64) -> Result<RecordBatch, FrameError> {
        let rows = BATCH_ROWS.min(self.part.rows - offset) as usize;
        let columns = self.columns.iter().zip(&self.texts).zip(self.schema.fields());
        let arrays = columns.map(|((values, texts), field)| {
            self.array(values, texts.as_ref(), field.data_type(), offset, rows)
                .map_err(FrameError::arrow("making rows"))
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(FrameError::arrow("making rows"))
    }

    fn array(
        &self,
        values: &MadeUpValues,
        texts: Option<&ArrayRef>,
        kind: &DataType,
        offset: u64,
        rows: usize,
    ) -> Result<ArrayRef, ArrowError> {
        let MadeUpPart { first, start, step, .. } = self.part;
        if *values == MadeUpValues::Steps {
            let at = |row: u64| start.wrapping_add(step.wrapping_mul(row as i64));
            return whole_in_type((offset..offset + rows as u64).map(at).collect(), kind);
        }
        match (values.drawn(first.wrapping_add(offset), rows), texts) {
            (Drawn::Integers(places), Some(texts)) => {
                let taken = take(texts, &Int64Array::from(places), None)?;
                // Many long texts would go along with rows that have few of them.
                let views = taken.as_string_view();
                let shared: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
                Ok(if shared > SHARED_TEXT * rows { Arc::new(views.gc()) } else { taken })
            }
            (Drawn::Integers(values), None) => whole_in_type(values, kind),
            (Drawn::Floats(values), _) => in_type(Arc::new(Float64Array::from(values)), kind),
            (Drawn::Texts(texts), _) => Ok(Arc::new(texts)),
        }
    }
}

/// Numbers as values of a type, in the way of NumPy: what does not fit wraps around.
fn whole_in_type(values: Vec<i64>, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    use arrow::datatypes::{Int8Type, Int16Type, Int32Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
    let values = Int64Array::from(values);
    Ok(match kind {
        DataType::Boolean => Arc::new(BooleanArray::from_unary(&values, |value| value != 0)),
        DataType::Int8 => Arc::new(values.unary::<_, Int8Type>(|value| value as i8)),
        DataType::Int16 => Arc::new(values.unary::<_, Int16Type>(|value| value as i16)),
        DataType::Int32 => Arc::new(values.unary::<_, Int32Type>(|value| value as i32)),
        DataType::UInt8 => Arc::new(values.unary::<_, UInt8Type>(|value| value as u8)),
        DataType::UInt16 => Arc::new(values.unary::<_, UInt16Type>(|value| value as u16)),
        DataType::UInt32 => Arc::new(values.unary::<_, UInt32Type>(|value| value as u32)),
        DataType::UInt64 => Arc::new(values.unary::<_, UInt64Type>(|value| value as u64)),
        _ => return in_type(Arc::new(values), kind),
    })
}

fn in_type(values: ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.data_type() == kind {
        return Ok(values);
    }
    cast_with_options(&values, kind, &CastOptions { safe: false, ..CastOptions::default() })
}
