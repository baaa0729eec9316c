//! `RowNumbers`: a column that counts the rows of a partition, among those that were read.

use std::sync::Arc;

use raskr_frame::FrameError;
use raskr_frame::arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use raskr_frame::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// Gives batches their last form: with the column of row numbers, where one is wanted.
pub(crate) struct RowNumbers {
    /// Where the column goes.
    place: Option<usize>,
    /// Of the columns with it.
    schema: SchemaRef,
    next: i64,
}

/// The columns of a table, and behind them that of row numbers where it has a name.
pub(crate) fn schema_with(own: impl Iterator<Item = Field>, row_numbers: Option<&str>) -> SchemaRef {
    let numbers = row_numbers.map(|name| Field::new(name, DataType::Int64, true));
    Arc::new(Schema::new(own.chain(numbers).collect::<Vec<_>>()))
}

impl RowNumbers {
    /// Among the columns at these places of a schema, of which the first `own` are read.
    pub fn among(columns: &[usize], schema: &SchemaRef, own: usize) -> Result<RowNumbers, FrameError> {
        let schema = schema.project(columns).map_err(FrameError::arrow("choosing columns"))?;
        let place = columns.iter().position(|&place| place >= own);
        Ok(RowNumbers { place, schema: Arc::new(schema), next: 0 })
    }

    /// Passes over rows that are not read.
    pub fn skip(&mut self, rows: i64) {
        self.next += rows;
    }

    /// The next rows: these columns and their numbers.
    pub fn batch(&mut self, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, FrameError> {
        let first = self.next;
        self.next += rows as i64;
        if let Some(place) = self.place {
            columns.insert(place, Arc::new(Int64Array::from_iter_values(first..self.next)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(FrameError::arrow("numbering rows"))
    }
}
