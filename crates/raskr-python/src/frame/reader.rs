//! Readers that are Python functions, and native ones that fall back on these where they are not sure.

use std::sync::{Arc, OnceLock};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use raskr_base::{Foreign, TaskContext, TaskError};
use raskr_frame::arrow::datatypes::SchemaRef;
use raskr_frame::{Batches, Condition, FrameError, MadeUp, Operation, PartitionReader, Table};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::made_up::MadeUpReader;
use super::plan::FramePlan;
use super::table::table_of;
use crate::error::from_python;
use crate::object::{dumps, loads};

/// A reader on its way to other processes.
#[derive(Serialize, Deserialize)]
pub enum ReaderBytes {
    /// A table without rows of the schema, the pickled function and what it is known by.
    Python { name: String, schema: ByteBuf, function: ByteBuf, estimates: Vec<u64> },
    /// The method of `FramePlan` that makes it, its pickled arguments but the last one, which is the pickled function that
    /// reads again, and what was asked for since.
    Native { method: String, arguments: ByteBuf, again: ByteBuf, conditions: Vec<Condition> },
    /// Rows that nobody reads, for which Python is not needed.
    MadeUp(ByteBuf),
}

impl ReaderBytes {
    pub fn encoded(&self) -> Result<Vec<u8>, FrameError> {
        postcard::to_stdvec(self).map_err(|error| failed(format!("a reader can't be encoded: {error}")))
    }
}

fn failed(message: String) -> FrameError {
    FrameError::Task(TaskError::internal(message))
}

fn pickled(object: &Bound<'_, PyAny>) -> Result<ByteBuf, FrameError> {
    let bytes = dumps(object).map_err(|error| FrameError::Task(from_python(object.py(), error)))?;
    Ok(ByteBuf::from(bytes.as_bytes()))
}

/// The reader that [`PartitionReader::encoded`] encoded.
pub fn reader_of(bytes: &[u8]) -> Result<Arc<dyn PartitionReader>, FrameError> {
    let reader = postcard::from_bytes(bytes).map_err(|error| failed(format!("a reader can't be decoded: {error}")))?;
    match reader {
        ReaderBytes::MadeUp(bytes) => Ok(MadeUpReader::new(MadeUp::decode(&bytes)?)),
        ReaderBytes::Python { name, schema, function, estimates } => {
            let schema = Arc::clone(Table::decode(&schema)?.schema());
            Python::attach(|py| {
                let function = loads(py, &function).map_err(|error| FrameError::Task(from_python(py, error)))?.unbind();
                Ok(PythonReader::new(py, name, schema, function, estimates) as Arc<dyn PartitionReader>)
            })
        }
        ReaderBytes::Native { method, arguments, again, conditions } => Python::attach(|py| {
            let made = || -> PyResult<FramePlan> {
                let arguments = loads(py, &arguments)?.cast_into::<PyTuple>()?.to_list();
                arguments.append(LateFunction { pickled: again.into_vec(), function: OnceLock::new() })?;
                let arguments = arguments.to_tuple();
                let made = py.get_type::<FramePlan>().call_method1(&*method, arguments)?;
                Ok(made.cast::<FramePlan>()?.get().clone())
            };
            let made = made().map_err(|error| FrameError::Task(from_python(py, error)))?;
            let Operation::Read { reader, .. } = made.plan().operation() else {
                return Err(failed(format!("{method} makes no reader")));
            };
            let asked = if conditions.is_empty() { None } else { reader.with_conditions(&conditions) };
            Ok(asked.unwrap_or_else(|| Arc::clone(reader)))
        }),
    }
}

/// A function that is unpickled when it is called: pandas, which it needs, takes a second to import.
#[pyclass(frozen, module = "raskr._core")]
struct LateFunction {
    pickled: Vec<u8>,
    function: OnceLock<Py<PyAny>>,
}

#[pymethods]
impl LateFunction {
    #[pyo3(signature = (*arguments))]
    fn __call__<'py>(&self, py: Python<'py>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let function = match self.function.get() {
            Some(function) => function,
            None => {
                let function = loads(py, &self.pickled)?.unbind();
                self.function.get_or_init(|| function)
            }
        };
        function.bind(py).call1(arguments)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.import("pickle")?.getattr("loads")?, (PyBytes::new(py, &self.pickled),)))
    }
}

/// Calls `function(partition, columns)`, with a number and the names of the columns that are wanted.
pub struct PythonReader {
    name: String,
    schema: SchemaRef,
    function: Py<PyAny>,
    /// Bytes of each partition.
    estimates: Vec<u64>,
    /// Does the function hold the rows themselves?
    stays: bool,
}

impl PythonReader {
    /// A function that says that it `stays_here` is not sent to other processes.
    pub fn new(
        py: Python<'_>,
        name: String,
        schema: SchemaRef,
        function: Py<PyAny>,
        estimates: Vec<u64>,
    ) -> Arc<PythonReader> {
        let said = function.bind(py).getattr(intern!(py, "stays_here"));
        let stays = said.is_ok_and(|said| said.is_truthy().unwrap_or(false));
        Arc::new(PythonReader { name, schema, function, estimates, stays })
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

    fn travels(&self) -> bool {
        !self.stays
    }

    fn encoded(&self) -> Result<Vec<u8>, FrameError> {
        let schema = ByteBuf::from(Table::new(self.schema(), Vec::new()).encode()?);
        let function = Python::attach(|py| pickled(self.function.bind(py)))?;
        let (name, estimates) = (self.name.clone(), self.estimates.clone());
        ReaderBytes::Python { name, schema, function, estimates }.encoded()
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.estimates[partition as usize]
    }
}

/// How a native reader is made: the method of `FramePlan`, and its arguments but the last one, which reads again.
pub struct Recipe {
    pub method: &'static str,
    pub arguments: Py<PyTuple>,
}

/// A native reader, and a Python function that reads again what this one is not sure of.
pub struct CarefulReader {
    native: Arc<dyn PartitionReader>,
    python: Arc<PythonReader>,
    recipe: Arc<Recipe>,
    /// What was asked for since it was made.
    conditions: Vec<Condition>,
}

impl CarefulReader {
    pub fn new(native: Arc<dyn PartitionReader>, python: Arc<PythonReader>, recipe: Recipe) -> Arc<CarefulReader> {
        Arc::new(CarefulReader { native, python, recipe: Arc::new(recipe), conditions: Vec::new() })
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
        let (python, recipe) = (Arc::clone(&self.python), Arc::clone(&self.recipe));
        let conditions = self.conditions.iter().chain(conditions).cloned().collect();
        Some(Arc::new(CarefulReader { native, python, recipe, conditions }))
    }

    fn travels(&self) -> bool {
        true
    }

    fn encoded(&self) -> Result<Vec<u8>, FrameError> {
        let arguments = Python::attach(|py| pickled(self.recipe.arguments.bind(py)))?;
        let again = Python::attach(|py| pickled(self.python.function.bind(py)))?;
        let (method, conditions) = (self.recipe.method.to_owned(), self.conditions.clone());
        ReaderBytes::Native { method, arguments, again, conditions }.encoded()
    }

    fn reread(&self, partition: u32, columns: &[usize]) -> Option<Result<Table, FrameError>> {
        Some(self.python.table(partition, columns))
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.native.estimate(partition)
    }
}
