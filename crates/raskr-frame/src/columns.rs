//! Columns of computed tables, each in one piece, as NumPy and other libraries take them without another copy.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringBuilder, PrimitiveArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
    TimeUnit as ArrowUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use raskr_base::{ChunkMut, DType, Element, Op, TaskContext, TaskError, TimeUnit, Value};
use raskr_graph::{Call, Input};

use crate::error::FrameError;
use crate::table::Table;

/// What is made of tables with the same columns, one behind the other. Columns of numbers, of truth values and of times are
/// chunks: missing numbers are NaN, in `float64` if they are whole ones, missing times are not-a-time. Columns of texts, and of
/// truth values some of which are missing, are tables of one column.
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

struct ColumnsOp {
    columns: Columns,
    bytes: u64,
}

impl Op for ColumnsOp {
    fn name(&self) -> &str {
        "columns"
    }

    fn run(&self, _: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let tables = inputs.iter().map(Table::of).collect::<Result<Vec<_>, _>>()?;
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
}

fn numbers(tables: &[&Table]) -> Value {
    let rows = tables.iter().map(|table| table.rows()).sum();
    let mut made = ChunkMut::new(DType::I64, &[rows]);
    let mut places = made.as_mut_slice::<i64>().iter_mut();
    for table in tables {
        (0..table.rows() as i64).zip(&mut places).for_each(|(number, place)| *place = number);
    }
    made.freeze().into()
}

fn column(tables: &[&Table], place: usize) -> Result<Value, FrameError> {
    let pieces: Vec<&ArrayRef> =
        tables.iter().flat_map(|table| table.batches()).map(|batch| batch.column(place)).collect();
    let Some(first) = tables.first() else {
        return Err(FrameError::Unexpected {
            operation: "columns",
            expected: "tables".to_owned(),
            got: "none".to_owned(),
        });
    };
    let field = first.schema().field(place);
    let missing = pieces.iter().any(|piece| piece.null_count() > 0);
    Ok(match field.data_type() {
        DataType::Int8 => whole_numbers::<Int8Type>(&pieces, missing)?,
        DataType::Int16 => whole_numbers::<Int16Type>(&pieces, missing)?,
        DataType::Int32 => whole_numbers::<Int32Type>(&pieces, missing)?,
        DataType::Int64 => whole_numbers::<Int64Type>(&pieces, missing)?,
        DataType::UInt8 => whole_numbers::<UInt8Type>(&pieces, missing)?,
        DataType::UInt16 => whole_numbers::<UInt16Type>(&pieces, missing)?,
        DataType::UInt32 => whole_numbers::<UInt32Type>(&pieces, missing)?,
        DataType::UInt64 => whole_numbers::<UInt64Type>(&pieces, missing)?,
        DataType::Float32 => joined::<Float32Type>(&pieces, DType::F32, f32::NAN),
        DataType::Float64 => joined::<Float64Type>(&pieces, DType::F64, f64::NAN),
        DataType::Timestamp(unit, None) => times(&pieces, *unit)?,
        DataType::Boolean if !missing => truths(&pieces),
        DataType::Utf8View => one_column(&Field::new(field.name(), DataType::LargeUtf8, true), vec![texts(&pieces)])?,
        _ => one_column(field, pieces.into_iter().cloned().collect())?,
    })
}

fn one_column(field: &Field, pieces: Vec<ArrayRef>) -> Result<Value, FrameError> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let batches = pieces.into_iter().map(|piece| RecordBatch::try_new(Arc::clone(&schema), vec![piece]));
    let batches = batches.collect::<Result<Vec<_>, _>>().map_err(FrameError::arrow("putting rows together"))?;
    Ok(Table::new(schema, batches).into_value())
}

fn whole_numbers<T: ArrowPrimitiveType<Native: Element>>(
    pieces: &[&ArrayRef],
    missing: bool,
) -> Result<Value, FrameError> {
    if missing {
        let floats = converted(pieces, &DataType::Float64)?;
        return Ok(joined::<Float64Type>(&floats.iter().collect::<Vec<_>>(), DType::F64, f64::NAN));
    }
    Ok(joined::<T>(pieces, T::Native::DTYPE, T::Native::default()))
}

fn converted(pieces: &[&ArrayRef], kind: &DataType) -> Result<Vec<ArrayRef>, FrameError> {
    let made = pieces.iter().map(|piece| cast(piece, kind)).collect::<Result<_, _>>();
    made.map_err(FrameError::arrow("putting rows together"))
}

/// Values one behind the other; `missing` where there is none.
fn joined<T: ArrowPrimitiveType<Native: Element>>(pieces: &[&ArrayRef], dtype: DType, missing: T::Native) -> Value {
    let rows = pieces.iter().map(|piece| piece.len()).sum();
    let mut made = ChunkMut::new(dtype, &[rows]);
    let mut rest = made.as_mut_slice::<T::Native>();
    for piece in pieces {
        let piece: &PrimitiveArray<T> = piece.as_primitive();
        let (own, behind) = rest.split_at_mut(piece.len());
        rest = behind;
        own.copy_from_slice(piece.values());
        if let Some(valid) = piece.nulls().filter(|nulls| nulls.null_count() > 0) {
            own.iter_mut().zip(valid).filter(|(_, valid)| !valid).for_each(|(place, _)| *place = missing);
        }
    }
    made.freeze().into()
}

fn times(pieces: &[&ArrayRef], unit: ArrowUnit) -> Result<Value, FrameError> {
    let unit = match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Millisecond,
        ArrowUnit::Microsecond => TimeUnit::Microsecond,
        ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
    };
    // No copy: times are counts already.
    let counts = converted(pieces, &DataType::Int64)?;
    Ok(joined::<Int64Type>(&counts.iter().collect::<Vec<_>>(), DType::DateTime(unit), i64::MIN))
}

fn truths(pieces: &[&ArrayRef]) -> Value {
    let rows = pieces.iter().map(|piece| piece.len()).sum();
    let mut made = ChunkMut::new(DType::Bool, &[rows]);
    let all = pieces.iter().flat_map(|piece| piece.as_boolean().values());
    made.as_mut_slice::<u8>().iter_mut().zip(all).for_each(|(place, value)| *place = value.into());
    made.freeze().into()
}

fn texts(pieces: &[&ArrayRef]) -> ArrayRef {
    let views = || pieces.iter().map(|piece| piece.as_string_view());
    let rows = views().map(Array::len).sum();
    let bytes: u64 = views().flat_map(|views| views.lengths()).map(u64::from).sum();
    let mut made = LargeStringBuilder::with_capacity(rows, bytes as usize);
    for views in views() {
        match views.null_count() {
            0 => (0..views.len()).for_each(|row| made.append_value(views.value(row))),
            _ => views.iter().for_each(|text| made.append_option(text)),
        }
    }
    Arc::new(made.finish())
}
