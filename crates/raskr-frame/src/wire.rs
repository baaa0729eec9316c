//! How Arrow's types are written within serde's formats: as streams of Arrow's own interprocess format.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use raskr_base::Foreign;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

use crate::table::Table;

fn write<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes = table.encode().map_err(|error| S::Error::custom(error.message))?;
    serializer.serialize_bytes(&bytes)
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
    let bytes = Vec::<u8>::deserialize(deserializer)?;
    Table::decode(&bytes).map_err(D::Error::custom)
}

fn one_field(table: &Table) -> Option<&Arc<Field>> {
    match &table.schema().fields()[..] {
        [field] => Some(field),
        _ => None,
    }
}

fn named(kind: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("", kind, true)]))
}

pub mod tables {
    use super::{Deserializer, Serializer, Table, read, write};

    pub fn serialize<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
        write(table, serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
        read(deserializer)
    }
}

pub mod schemas {
    use super::{Arc, Deserializer, SchemaRef, Serializer, Table, read, write};

    pub fn serialize<S: Serializer>(schema: &SchemaRef, serializer: S) -> Result<S::Ok, S::Error> {
        write(&Table::new(Arc::clone(schema), Vec::new()), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SchemaRef, D::Error> {
        read(deserializer).map(|table| Arc::clone(table.schema()))
    }
}

pub mod types {
    use super::{DataType, Deserializer, Serializer, Table, named, one_field, read, write};
    use serde::de::Error as _;

    pub fn serialize<S: Serializer>(kind: &DataType, serializer: S) -> Result<S::Ok, S::Error> {
        write(&Table::new(named(kind.clone()), Vec::new()), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DataType, D::Error> {
        let table = read(deserializer)?;
        let field = one_field(&table).ok_or_else(|| D::Error::custom("a type stands as the only column of a table"))?;
        Ok(field.data_type().clone())
    }
}

/// A value of one row.
struct Scalar(ScalarValue);

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&column_of(self.0.to_array()).map_err(S::Error::custom)?, serializer)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        let batch = read(deserializer)?.whole().map_err(D::Error::custom)?;
        match (batch.columns(), batch.num_rows()) {
            ([column], 1) => ScalarValue::try_from_array(column, 0).map(Scalar).map_err(D::Error::custom),
            _ => Err(D::Error::custom("a constant stands as a table of one row and one column")),
        }
    }
}

fn column_of(array: Result<ArrayRef, impl ToString>) -> Result<Table, String> {
    let array = array.map_err(|error| error.to_string())?;
    let batch = RecordBatch::try_new(named(array.data_type().clone()), vec![array]);
    batch.map(Table::of_batch).map_err(|error| error.to_string())
}

pub mod scalar {
    use super::{Deserialize, Deserializer, Scalar, ScalarValue, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &ScalarValue, serializer: S) -> Result<S::Ok, S::Error> {
        Scalar(value.clone()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScalarValue, D::Error> {
        Scalar::deserialize(deserializer).map(|scalar| scalar.0)
    }
}

pub mod scalars {
    use super::{Deserialize, Deserializer, Scalar, ScalarValue, Serializer};

    pub fn serialize<S: Serializer>(values: &[ScalarValue], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| Scalar(value.clone())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ScalarValue>, D::Error> {
        Ok(Vec::<Scalar>::deserialize(deserializer)?.into_iter().map(|scalar| scalar.0).collect())
    }
}
