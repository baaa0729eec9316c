//! `RowNumbers`: a column that counts the rows of a partition, among those that were read.

use std::sync::Arc;

use raskr_frame::FrameError;
use raskr_frame::arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use raskr_frame::arrow::datatypes::SchemaRef;

/// Gives batches their last form: with the column of row numbers, where one is wanted.
pub(crate) struct RowNumbers {
    /// Where the column goes.
    place: Option<usize>,
    /// Of the columns with it.
    schema: SchemaRef,
    next: i64,
}

impl RowNumbers {
    pub fn new(place: Option<usize>, schema: SchemaRef) -> RowNumbers {
        RowNumbers { place, schema, next: 0 }
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
