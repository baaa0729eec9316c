//! Columns of computed tables, each in one piece, as NumPy and other libraries take them without another copy.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeStringArray, MAX_INLINE_VIEW_LEN, NullBufferBuilder, PrimitiveArray, RecordBatch,
    StringViewArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
    TimeUnit as ArrowUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use raskr_base::{ChunkMut, DType, Element, Op, TaskContext, TaskError, TimeUnit, Value};
use raskr_graph::{Call, Input};
use serde::{Deserialize, Serialize};

use crate::error::FrameError;
use crate::gather::Places;
use crate::ordered::Ordered;
use crate::pieces::ROWS_AT_ONCE;
use crate::table::Table;

/// Texts whose places are looked up before any of them is copied.
const ROWS_LOOKED_UP: usize = 256;

/// What is made of tables with the same columns, one behind the other. Columns of numbers, of truth values and of times are
/// chunks: missing numbers are NaN, in `float64` if they are whole ones, missing times are not-a-time. Columns of texts, and of
/// truth values some of which are missing, are tables of one column.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Columns {
    /// One column.
    One(usize),
    /// Every column of so many, in a list; and the numbers of rows behind them if they are wanted.
    All { count: usize, numbered: bool },
    /// The numbers of the rows in their tables.
    Numbers,
}

impl Columns {
    /// The task that makes it of tables; `bytes` is how large it is estimated to be.
    pub fn call(self, tables: Vec<Input>, bytes: u64) -> Arc<Call> {
        Call::new(Arc::new(ColumnsOp { columns: self, bytes }), tables, None)
    }
}

pub(crate) struct ColumnsOp {
    pub columns: Columns,
    pub bytes: u64,
}

impl Op for ColumnsOp {
    fn name(&self) -> &str {
        "columns"
    }

    fn run(&self, _: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let tables = inputs.iter().map(Rows::of).collect::<Result<Vec<_>, _>>()?;
        Ok(match &self.columns {
            Columns::One(place) => column(&tables, *place)?,
            Columns::Numbers => numbers(&tables),
            Columns::All { count, numbered } => {
                let mut made = (0..*count).map(|place| column(&tables, place)).collect::<Result<Vec<_>, _>>()?;
                made.extend(numbered.then(|| numbers(&tables)));
                Value::List(made.into())
            }
        })
    }

    fn estimate(&self, _: u32) -> u64 {
        self.bytes
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// The rows of a table, gathered or not.
struct Rows<'a> {
    table: &'a Table,
    places: Option<&'a Places>,
}

impl<'a> Rows<'a> {
    fn of(value: &'a Value) -> Result<Rows<'a>, FrameError> {
        Ok(match Ordered::of(value) {
            Some(ordered) => Rows { table: ordered.table(), places: Some(ordered.places()) },
            None => Rows { table: Table::of(value)?, places: None },
        })
    }

    fn column(&self, place: usize) -> Part<'a> {
        let pieces = self.table.batches().iter().map(|batch| Arc::clone(batch.column(place)));
        Part { pieces: pieces.collect(), places: self.places }
    }
}

/// A column of a table.
struct Part<'a> {
    pieces: Vec<ArrayRef>,
    /// The order of its values, where it is another than that of the pieces.
    places: Option<&'a Places>,
}

impl Part<'_> {
    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    fn has_missing(&self) -> bool {
        self.pieces.iter().any(|piece| piece.null_count() > 0)
    }

    fn converted(self, kind: &DataType) -> Result<Self, FrameError> {
        let pieces = self.pieces.iter().map(|piece| cast(piece, kind)).collect::<Result<_, _>>();
        Ok(Part { pieces: pieces.map_err(FrameError::arrow("putting rows together"))?, ..self })
    }

    /// Its values in their order.
    fn settled(self) -> Result<Vec<ArrayRef>, FrameError> {
        let Some(places) = self.places else { return Ok(self.pieces) };
        let pieces: Vec<&ArrayRef> = self.pieces.iter().collect();
        places.chunks(ROWS_AT_ONCE).map(|rows| rows.column(&pieces)).collect()
    }
}

fn numbers(tables: &[Rows<'_>]) -> Value {
    let rows = tables.iter().map(|rows| rows.table.rows()).sum();
    let mut made = ChunkMut::new(DType::I64, &[rows]);
    let mut places = made.as_mut_slice::<i64>().iter_mut();
    for rows in tables {
        (0..rows.table.rows() as i64).zip(&mut places).for_each(|(number, place)| *place = number);
    }
    made.freeze().into()
}

fn column(tables: &[Rows<'_>], place: usize) -> Result<Value, FrameError> {
    let Some(first) = tables.first() else {
        return Err(FrameError::Unexpected {
            operation: "columns",
            expected: "tables".to_owned(),
            got: "none".to_owned(),
        });
    };
    let field = first.table.schema().field(place);
    let parts: Vec<Part<'_>> = tables.iter().map(|rows| rows.column(place)).collect();
    let missing = parts.iter().any(Part::has_missing);
    Ok(match field.data_type() {
        DataType::Int8 => whole_numbers::<Int8Type>(parts, missing)?,
        DataType::Int16 => whole_numbers::<Int16Type>(parts, missing)?,
        DataType::Int32 => whole_numbers::<Int32Type>(parts, missing)?,
        DataType::Int64 => whole_numbers::<Int64Type>(parts, missing)?,
        DataType::UInt8 => whole_numbers::<UInt8Type>(parts, missing)?,
        DataType::UInt16 => whole_numbers::<UInt16Type>(parts, missing)?,
        DataType::UInt32 => whole_numbers::<UInt32Type>(parts, missing)?,
        DataType::UInt64 => whole_numbers::<UInt64Type>(parts, missing)?,
        DataType::Float32 => joined::<Float32Type>(&parts, DType::F32, f32::NAN),
        DataType::Float64 => joined::<Float64Type>(&parts, DType::F64, f64::NAN),
        DataType::Timestamp(unit, None) => times(parts, *unit)?,
        DataType::Boolean if !missing => truths(&settled(parts)?),
        DataType::Utf8View => one_column(&Field::new(field.name(), DataType::LargeUtf8, true), vec![texts(&parts)?])?,
        _ => one_column(field, settled(parts)?)?,
    })
}

fn settled(parts: Vec<Part<'_>>) -> Result<Vec<ArrayRef>, FrameError> {
    let settled = parts.into_iter().map(Part::settled).collect::<Result<Vec<_>, _>>()?;
    Ok(settled.into_iter().flatten().collect())
}

fn converted<'a>(parts: Vec<Part<'a>>, kind: &DataType) -> Result<Vec<Part<'a>>, FrameError> {
    parts.into_iter().map(|part| part.converted(kind)).collect()
}

fn one_column(field: &Field, pieces: Vec<ArrayRef>) -> Result<Value, FrameError> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let batches = pieces.into_iter().map(|piece| RecordBatch::try_new(Arc::clone(&schema), vec![piece]));
    let batches = batches.collect::<Result<Vec<_>, _>>().map_err(FrameError::arrow("putting rows together"))?;
    Ok(Table::new(schema, batches).into_value())
}

fn whole_numbers<T: ArrowPrimitiveType<Native: Element>>(
    parts: Vec<Part<'_>>,
    missing: bool,
) -> Result<Value, FrameError> {
    if missing {
        return Ok(joined::<Float64Type>(&converted(parts, &DataType::Float64)?, DType::F64, f64::NAN));
    }
    Ok(joined::<T>(&parts, T::Native::DTYPE, T::Native::default()))
}

/// Values one behind the other; `missing` where there is none.
fn joined<T: ArrowPrimitiveType<Native: Element>>(parts: &[Part<'_>], dtype: DType, missing: T::Native) -> Value {
    let rows = parts.iter().map(Part::len).sum();
    let mut made = ChunkMut::new(dtype, &[rows]);
    let mut rest = made.as_mut_slice::<T::Native>();
    for part in parts {
        let (own, behind) = rest.split_at_mut(part.len());
        rest = behind;
        let pieces: Vec<&PrimitiveArray<T>> = part.pieces.iter().map(|piece| piece.as_primitive()).collect();
        match part.places {
            Some(places) => gather(own, &pieces, places, missing),
            None => copy(own, &pieces, missing),
        }
    }
    made.freeze().into()
}

fn copy<T: ArrowPrimitiveType>(mut rest: &mut [T::Native], pieces: &[&PrimitiveArray<T>], missing: T::Native) {
    for piece in pieces {
        let (own, behind) = rest.split_at_mut(piece.len());
        rest = behind;
        own.copy_from_slice(piece.values());
        if let Some(valid) = piece.nulls().filter(|nulls| nulls.null_count() > 0) {
            own.iter_mut().zip(valid).filter(|(_, valid)| !valid).for_each(|(place, _)| *place = missing);
        }
    }
}

fn gather<T: ArrowPrimitiveType>(
    made: &mut [T::Native],
    pieces: &[&PrimitiveArray<T>],
    places: &Places,
    missing: T::Native,
) {
    made.iter_mut().zip(places.all().values(pieces)).for_each(|(made, value)| *made = value);
    if pieces.iter().any(|piece| piece.null_count() > 0) {
        let is_missing = |(_, (piece, row)): &(_, (usize, usize))| pieces[*piece].is_null(*row);
        made.iter_mut().zip(places.all().iter()).filter(is_missing).for_each(|(made, _)| *made = missing);
    }
}

fn times(parts: Vec<Part<'_>>, unit: ArrowUnit) -> Result<Value, FrameError> {
    let unit = match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Millisecond,
        ArrowUnit::Microsecond => TimeUnit::Microsecond,
        ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
    };
    // No copy: times are counts already.
    Ok(joined::<Int64Type>(&converted(parts, &DataType::Int64)?, DType::DateTime(unit), i64::MIN))
}

fn truths(pieces: &[ArrayRef]) -> Value {
    let rows = pieces.iter().map(|piece| piece.len()).sum();
    let mut made = ChunkMut::new(DType::Bool, &[rows]);
    let all = pieces.iter().flat_map(|piece| piece.as_boolean().values());
    made.as_mut_slice::<u8>().iter_mut().zip(all).for_each(|(place, value)| *place = value.into());
    made.freeze().into()
}

fn texts(parts: &[Part<'_>]) -> Result<ArrayRef, FrameError> {
    let rows = parts.iter().map(Part::len).sum();
    let all = parts.iter().flat_map(|part| &part.pieces).map(|piece| piece.as_string_view());
    let bytes: u64 = all.flat_map(|views| views.lengths()).map(u64::from).sum();
    let mut made = Texts::with_capacity(rows, bytes as usize);
    let mut found: Vec<u128> = Vec::with_capacity(ROWS_LOOKED_UP);
    for part in parts {
        let pieces: Vec<&StringViewArray> = part.pieces.iter().map(|piece| piece.as_string_view()).collect();
        match part.places {
            Some(places) => places.chunks(ROWS_LOOKED_UP).for_each(|rows| {
                // Views come from everywhere: looked up alone, many at a time are on their way.
                found.clear();
                found.extend(rows.iter().map(|(piece, row)| pieces[piece].views()[row]));
                rows.iter().zip(&found).for_each(|((piece, row), &view)| made.push(pieces[piece], row, view));
            }),
            None => pieces.iter().for_each(|piece| {
                piece.views().iter().enumerate().for_each(|(row, &view)| made.push(piece, row, view));
            }),
        }
    }
    made.finish()
}

/// Texts one behind the other.
struct Texts {
    bytes: Vec<u8>,
    offsets: Vec<i64>,
    valid: NullBufferBuilder,
}

impl Texts {
    fn with_capacity(rows: usize, bytes: usize) -> Texts {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Texts { bytes: Vec::with_capacity(bytes), offsets, valid: NullBufferBuilder::new(rows) }
    }

    /// The text of a row, whose view is this one.
    fn push(&mut self, texts: &StringViewArray, row: usize, view: u128) {
        let is_valid = texts.is_valid(row);
        if is_valid {
            let length = view as u32;
            match length <= MAX_INLINE_VIEW_LEN {
                true => self.bytes.extend_from_slice(&view.to_le_bytes()[4..4 + length as usize]),
                false => self.bytes.extend_from_slice(texts.value(row).as_bytes()),
            }
        }
        self.valid.append(is_valid);
        self.offsets.push(self.bytes.len() as i64);
    }

    fn finish(mut self) -> Result<ArrayRef, FrameError> {
        let offsets = OffsetBuffer::new(self.offsets.into());
        let made = LargeStringArray::try_new(offsets, self.bytes.into(), self.valid.finish());
        Ok(Arc::new(made.map_err(FrameError::arrow("putting rows together"))?))
    }
}
