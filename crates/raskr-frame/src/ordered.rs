//! `Ordered`: a table whose rows are in another order than in memory, where they wait to be gathered for good.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use raskr_base::{Foreign, TaskError, Value};

use crate::error::FrameError;
use crate::gather::Places;
use crate::pieces::ROWS_AT_ONCE;
use crate::table::{KIND, Table};

/// Rows in order. What takes columns apart gathers each at once where it goes; all else settles the rows.
#[derive(Clone)]
pub struct Ordered {
    table: Table,
    places: Arc<Places>,
}

impl Ordered {
    pub fn new(table: Table, places: Places) -> Ordered {
        Ordered { table, places: Arc::new(places) }
    }

    pub fn of(value: &Value) -> Option<&Ordered> {
        match value {
            Value::Foreign(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    pub fn into_value(self) -> Value {
        Value::Foreign(Arc::new(self))
    }

    /// The rows as they are in memory.
    pub fn table(&self) -> &Table {
        &self.table
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Other columns of the same rows.
    pub fn with_columns(
        &self,
        schema: &SchemaRef,
        columns: impl Fn(&RecordBatch) -> Result<RecordBatch, FrameError>,
    ) -> Result<Ordered, FrameError> {
        let batches = self.table.batches().iter().map(columns).collect::<Result<_, _>>()?;
        Ok(Ordered { table: Table::new(Arc::clone(schema), batches), places: Arc::clone(&self.places) })
    }

    /// The table with its rows in order.
    pub fn settled(&self) -> Result<Table, FrameError> {
        let (schema, batches) = (self.table.schema(), self.table.batches());
        let taken = self.places.chunks(ROWS_AT_ONCE).map(|rows| rows.batch(schema, batches));
        Ok(Table::new(Arc::clone(schema), taken.collect::<Result<_, _>>()?))
    }
}

impl fmt::Debug for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ordered({:?})", self.table)
    }
}

impl Foreign for Ordered {
    fn nbytes(&self) -> u64 {
        self.table.nbytes() + 4 * self.places.len() as u64
    }

    fn encode(&self) -> Result<Vec<u8>, TaskError> {
        self.settled()?.encode()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The table that a value is, in the order of its rows.
pub fn table_of(value: &Value) -> Result<Table, FrameError> {
    match Ordered::of(value) {
        Some(ordered) => ordered.settled(),
        None => Table::of(value).cloned(),
    }
}
