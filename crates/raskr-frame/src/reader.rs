//! `PartitionReader`: where the rows of a plan come from.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use raskr_base::TaskContext;

use crate::condition::Condition;
use crate::error::FrameError;
use crate::table::Table;

/// The batches of a partition, one after another.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, FrameError>> + Send>;

/// A table in partitions that can be read, also some of its columns only.
pub trait PartitionReader: Send + Sync {
    /// What the plan calls it, such as `read-csv`.
    fn name(&self) -> &str;

    /// All columns that there are.
    fn schema(&self) -> SchemaRef;

    fn partitions(&self) -> u32;

    /// The rows of a partition: the columns at these places of the schema, in this order.
    fn read(&self, partition: u32, columns: &[usize], context: &TaskContext<'_>) -> Result<Batches, FrameError>;

    /// The same table, of whose rows only those need be read that may satisfy all conditions; `None` where that is no help.
    fn with_conditions(&self, _conditions: &[Condition]) -> Option<Arc<dyn PartitionReader>> {
        None
    }

    /// The rows of a partition by a slower way that knows all cases, after `read` failed with [`FrameError::Doubt`];
    /// `None` where there is no other way.
    fn reread(&self, _partition: u32, _columns: &[usize]) -> Option<Result<Table, FrameError>> {
        None
    }

    /// Can other processes make this reader? Otherwise only this one has what is to be read.
    fn travels(&self) -> bool {
        false
    }

    /// Bytes of which other processes make this reader, if it travels.
    fn encoded(&self) -> Result<Vec<u8>, FrameError> {
        let message = format!("{} stays in its process", self.name());
        Err(FrameError::Engine { operation: "a reader", message })
    }

    /// Estimated bytes of all columns of a partition, once read; 0 when unknown.
    fn estimate(&self, _partition: u32) -> u64 {
        0
    }
}

/// Tables that are in memory already, one a partition.
pub struct Tables {
    name: String,
    schema: SchemaRef,
    tables: Vec<Table>,
}

impl Tables {
    pub fn new(name: impl Into<String>, schema: SchemaRef, tables: Vec<Table>) -> Arc<Tables> {
        Arc::new(Tables { name: name.into(), schema, tables })
    }
}

impl PartitionReader for Tables {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> u32 {
        self.tables.len() as u32
    }

    fn read(&self, partition: u32, columns: &[usize], _: &TaskContext<'_>) -> Result<Batches, FrameError> {
        let batches = self.tables[partition as usize].batches().to_vec();
        let columns = columns.to_vec();
        Ok(Box::new(
            batches
                .into_iter()
                .map(move |batch| batch.project(&columns).map_err(FrameError::arrow("choosing columns"))),
        ))
    }

    fn estimate(&self, partition: u32) -> u64 {
        raskr_base::Foreign::nbytes(&self.tables[partition as usize])
    }
}
