//! Readers that are Python functions, and native ones that fall back on these where they are not sure.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyList;
use raskr_base::TaskContext;
use raskr_frame::arrow::datatypes::SchemaRef;
use raskr_frame::{Batches, Condition, FrameError, PartitionReader, Table};

use super::table::table_of;
use crate::error::from_python;

/// Calls `function(partition, columns)`, with a number and the names of the columns that are wanted.
pub struct PythonReader {
    name: String,
    schema: SchemaRef,
    function: Py<PyAny>,
    /// Bytes of each partition.
    estimates: Vec<u64>,
}

impl PythonReader {
    pub fn new(name: String, schema: SchemaRef, function: Py<PyAny>, estimates: Vec<u64>) -> Arc<PythonReader> {
        Arc::new(PythonReader { name, schema, function, estimates })
    }

    fn table(&self, partition: u32, columns: &[usize]) -> Result<Table, FrameError> {
        let schema = Arc::new(self.schema.project(columns).map_err(FrameError::arrow("choosing columns"))?);
        Python::attach(|py| {
            let read = || {
                let names = PyList::new(py, schema.fields().iter().map(|field| field.name()))?;
                table_of(&self.function.bind(py).call1((partition, names))?, &schema)
            };
            read().map_err(|error| FrameError::Task(from_python(py, error)))
        })
    }
}

impl PartitionReader for PythonReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> u32 {
        self.estimates.len() as u32
    }

    fn read(&self, partition: u32, columns: &[usize], _: &TaskContext<'_>) -> Result<Batches, FrameError> {
        let table = self.table(partition, columns)?;
        // Large batches are cut, so that what is made of them fits the cache.
        const ROWS: usize = 32 << 10;
        let pieces = table.batches().to_vec().into_iter().flat_map(|batch| {
            let rows = batch.num_rows();
            (0..rows).step_by(ROWS).map(move |start| Ok(batch.slice(start, ROWS.min(rows - start))))
        });
        Ok(Box::new(pieces))
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.estimates[partition as usize]
    }
}

/// A native reader, and a Python function that reads again what this one is not sure of.
pub struct CarefulReader {
    native: Arc<dyn PartitionReader>,
    python: Arc<PythonReader>,
}

impl CarefulReader {
    pub fn new(native: Arc<dyn PartitionReader>, python: Arc<PythonReader>) -> Arc<CarefulReader> {
        Arc::new(CarefulReader { native, python })
    }
}

impl PartitionReader for CarefulReader {
    fn name(&self) -> &str {
        self.native.name()
    }

    fn schema(&self) -> SchemaRef {
        self.native.schema()
    }

    fn partitions(&self) -> u32 {
        self.native.partitions()
    }

    fn read(&self, partition: u32, columns: &[usize], context: &TaskContext<'_>) -> Result<Batches, FrameError> {
        self.native.read(partition, columns, context)
    }

    fn with_conditions(&self, conditions: &[Condition]) -> Option<Arc<dyn PartitionReader>> {
        let native = self.native.with_conditions(conditions)?;
        Some(CarefulReader::new(native, Arc::clone(&self.python)))
    }

    fn reread(&self, partition: u32, columns: &[usize]) -> Option<Result<Table, FrameError>> {
        Some(self.python.table(partition, columns))
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.native.estimate(partition)
    }
}
