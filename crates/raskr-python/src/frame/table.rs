//! `FrameTable`: a computed partition as Python sees it, and tables of other libraries, by the Arrow C interface.
// `unsafe` is allowed here: the Arrow C interface hands over pointers in capsules.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use raskr_base::Value;
use raskr_frame::arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchOptions};
use raskr_frame::arrow::compute::cast;
use raskr_frame::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use raskr_frame::arrow::error::ArrowError;
use raskr_frame::arrow::ffi::FFI_ArrowSchema;
use raskr_frame::arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use raskr_frame::{FrameError, Table, without_nan};

use crate::error::to_python;

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";

/// A partition, which Arrow's libraries can take without a copy.
#[pyclass(frozen, module = "raskr._core")]
pub struct FrameTable {
    table: Table,
}

#[pymethods]
impl FrameTable {
    #[getter]
    fn num_rows(&self) -> usize {
        self.table.rows()
    }

    /// The table as a stream of the Arrow C interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A request is a wish that producers may leave unanswered, as the interface says.
        let _ = requested_schema;
        let schema = widely_known(self.table.schema());
        let batches = self.table.batches().to_vec();
        let own = Arc::clone(&schema);
        let converted = batches.into_iter().map(move |batch| as_schema(&batch, &own));
        let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(converted, schema)));
        PyCapsule::new_with_value(py, stream, STREAM)
    }
}

/// A table as a Python object.
pub fn table_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Option<Bound<'py, PyAny>>> {
    match raskr_frame::table_of(value) {
        Ok(table) => Ok(Some(Bound::new(py, FrameTable { table })?.into_any())),
        Err(_) => Ok(None),
    }
}

/// A schema in types that all of Arrow's libraries know.
fn widely_known(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8View => Field::new(field.name(), DataType::LargeUtf8, true),
        _ => (**field).clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A batch in the types of a schema with the same columns.
fn as_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)
}

/// The types in which the engine works: texts as views.
fn engine_types(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Field::new(field.name(), DataType::Utf8View, true),
        other => Field::new(field.name(), other.clone(), true),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema that an object of an Arrow library tells.
pub fn schema_of(object: &Bound<'_, PyAny>) -> PyResult<SchemaRef> {
    let capsule = object.call_method0("__arrow_c_schema__")?.cast_into::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
    // SAFETY: a capsule of this name holds an initialised schema, which lives as long as the capsule and is only read.
    let schema = unsafe { Schema::try_from(pointer.as_ref()) };
    let schema = schema.map_err(|error| to_python(object.py(), FrameError::arrow("a schema")(error).into()))?;
    Ok(engine_types(&schema))
}

/// The rows of an object of an Arrow library, in the types of a schema with the same columns.
pub fn table_of(object: &Bound<'_, PyAny>, schema: &SchemaRef) -> PyResult<Table> {
    let py = object.py();
    let failed = |error: ArrowError| to_python(py, FrameError::arrow("a table of Arrow")(error).into());
    let capsule = object.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds an initialised stream; it is moved out, which leaves a released one behind.
    let reader = unsafe { ArrowArrayStreamReader::from_raw(pointer.as_ptr()) }.map_err(failed)?;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = batch.map_err(failed)?;
        if batch.num_columns() != schema.fields().len() {
            let (expected, got) = (schema.fields().len().to_string(), batch.num_columns().to_string());
            let operation = "reading a table";
            let error = FrameError::Unexpected { operation, expected: format!("{expected} columns"), got };
            return Err(to_python(py, error.into()));
        }
        let batch = as_schema(&batch, schema).map_err(failed)?;
        let columns = batch.columns().iter().map(|column| without_nan(Arc::clone(column)));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        batches.push(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)?);
    }
    Ok(Table::new(Arc::clone(schema), batches))
}
