//! `Table`: a partition, as record batches of one schema; a value of the engine that can be spilled.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use raskr_base::{ErrorClass, Foreign, TaskError, Value};

use crate::error::FrameError;

/// What [`Foreign::kind`] says of tables.
pub const KIND: &str = "table";

/// Rows of one partition.
#[derive(Clone)]
pub struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    nbytes: u64,
}

impl Table {
    /// The table of some batches, all of the schema.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Table {
        let nbytes = batches.iter().flat_map(|batch| batch.columns()).map(bytes_of).sum();
        Table { schema, batches, nbytes }
    }

    /// The table of one batch.
    pub fn of_batch(batch: RecordBatch) -> Table {
        Table::new(batch.schema(), vec![batch])
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Bytes of the rows where columns have the types of a schema, which may be wider.
    pub(crate) fn bytes_as(&self, schema: &SchemaRef) -> u64 {
        let width = |schema: &Schema| -> usize {
            schema.fields().iter().filter_map(|field| field.data_type().primitive_width()).sum()
        };
        self.nbytes + (self.rows() * width(schema).saturating_sub(width(&self.schema))) as u64
    }

    /// All rows as one batch.
    pub fn whole(&self) -> Result<RecordBatch, FrameError> {
        match self.batches.as_slice() {
            [single] => Ok(single.clone()),
            several => concat_batches(&self.schema, several).map_err(FrameError::arrow("putting rows together")),
        }
    }

    /// The same rows, without memory that only rows which are gone need.
    pub fn compact(self) -> Result<Table, FrameError> {
        let compacted = self.batches.iter().map(compacted).collect::<Result<Vec<_>, _>>()?;
        Ok(Table::new(self.schema, compacted))
    }

    pub fn into_value(self) -> Value {
        Value::Foreign(Arc::new(self))
    }

    /// The table that a value is.
    pub fn of(value: &Value) -> Result<&Table, FrameError> {
        let found = match value {
            Value::Foreign(object) => object.as_any().downcast_ref::<Table>(),
            _ => None,
        };
        found.ok_or_else(|| FrameError::Unexpected {
            operation: "a stage",
            expected: "a table".to_owned(),
            got: format!("{value:?}"),
        })
    }

    /// The table that [`Foreign::encode`] made these bytes of.
    pub fn decode(bytes: &[u8]) -> Result<Table, FrameError> {
        let failed = FrameError::arrow("reading a spilled table");
        let reader = StreamReader::try_new(bytes, None).map_err(failed)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(FrameError::arrow("reading a spilled table"))?;
        Ok(Table::new(schema, batches))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} rows, {} columns)", self.rows(), self.schema.fields().len())
    }
}

impl Foreign for Table {
    fn nbytes(&self) -> u64 {
        self.nbytes
    }

    fn encode(&self) -> Result<Vec<u8>, TaskError> {
        let failed = |error| TaskError::new(ErrorClass::Internal, format!("a table can't be written: {error}"));
        let bytes = Vec::with_capacity(self.nbytes as usize + 4096);
        let mut writer = StreamWriter::try_new(bytes, &self.schema).map_err(failed)?;
        for batch in &self.batches {
            writer.write(batch).map_err(failed)?;
        }
        writer.into_inner().map_err(failed)
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Bytes of a column's own values: memory that it shares with other rows counts as far as it needs it.
fn bytes_of(column: &ArrayRef) -> u64 {
    match column.data_type() {
        DataType::Utf8View => {
            let views = column.as_string_view();
            // Short texts stand in the views.
            let elsewhere = if views.data_buffers().is_empty() { 0 } else { views.total_buffer_bytes_used() };
            16 * views.len() as u64 + elsewhere as u64
        }
        _ => column.to_data().get_slice_memory_size().unwrap_or_default() as u64,
    }
}

/// A batch whose texts stand in memory of their own.
pub(crate) fn compacted(batch: &RecordBatch) -> Result<RecordBatch, FrameError> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => {
            let views = column.as_string_view();
            let held: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
            match held > 2 * views.total_buffer_bytes_used() + 4096 {
                true => Arc::new(views.gc()) as ArrayRef,
                false => Arc::clone(column),
            }
        }
        _ => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)
        .map_err(FrameError::arrow("putting rows together"))
}

/// A batch without rows.
pub(crate) fn empty_batch(schema: &SchemaRef) -> Result<RecordBatch, FrameError> {
    let columns = schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(0));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(FrameError::arrow("making an empty table"))
}
