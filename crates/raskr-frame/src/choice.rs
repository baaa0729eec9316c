//! Is there little enough left of a side of a join to go whole to every partition of the other one? Only who has cut the side knows.
//!
//! Tasks that cut it hand out all their rows besides, where these are few. [`Gathered`] puts them together, some tasks' at a time,
//! as long as they are few, so that no task ever holds a side that is large.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion_common::hash_utils::{RandomState, create_hashes};
use raskr_base::{Op, TaskContext, TaskError, Value};
use raskr_graph::{Call, Input};
use serde::{Deserialize, Serialize};

use crate::error::{FrameError, place_of};
use crate::narrow::resized;
use crate::ordered::table_of;
use crate::table::Table;
use crate::wire;

/// Tasks whose rows are put together at a time.
const AT_ONCE: usize = 4;
/// Rows of one key that the side may have: what is joined as it is read waits for the next stage, and must not be many times as
/// large as what was read.
const MATCHES_MAX: usize = 4;

/// All rows there are, or none: a list, where a table would be a piece of them.
pub fn whole_of(batches: Vec<RecordBatch>) -> Value {
    let table = batches.first().map(RecordBatch::schema).map(|schema| Table::new(schema, batches).into_value());
    Value::List(table.into_iter().collect())
}

/// More rows than go whole.
pub fn too_many() -> Value {
    Table::new(Arc::new(Schema::empty()), Vec::new()).into_value()
}

/// Are the values what [`whole_of`] gave?
pub fn whole_tables(values: &[Value]) -> bool {
    values.iter().any(|value| matches!(value, Value::List(_)))
}

/// Tables, one by one and in lists.
pub fn tables_of(values: &[Value]) -> impl Iterator<Item = Result<Table, FrameError>> {
    let each = values.iter().flat_map(|value| match value {
        Value::List(values) => values,
        single => std::slice::from_ref(single),
    });
    each.map(table_of)
}

/// Puts the rows of tasks together, unless they are too many.
#[derive(Clone, Serialize, Deserialize)]
pub struct Gathered {
    #[serde(with = "wire::schemas")]
    schema: SchemaRef,
    /// Bytes.
    most: u64,
    /// The columns by which rows meet others, where all rows have been put together and each of them may be in the result more
    /// than once.
    keys: Option<Vec<String>>,
}

impl Gathered {
    /// A call that gives all rows of a side whole, or tells that they are too many. `parts` are what its tasks hand out; `keys` are
    /// given where a row of the other side is in the result as often as it has matches.
    pub fn call(parts: Vec<Arc<Call>>, schema: &SchemaRef, most: u64, keys: Option<&[String]>) -> Arc<Call> {
        let call = |parts: &[Arc<Call>], keys: Option<&[String]>| {
            let op = Gathered { schema: Arc::clone(schema), most, keys: keys.map(<[String]>::to_vec) };
            Call::new(Arc::new(op), parts.iter().cloned().map(Input::Call).collect(), None)
        };
        let mut parts = parts;
        while parts.len() > AT_ONCE {
            parts = parts.chunks(AT_ONCE).map(|some| call(some, None)).collect();
        }
        call(&parts, keys)
    }

    fn gathered(&self, inputs: &[Value]) -> Result<Value, FrameError> {
        if inputs.iter().any(|value| !matches!(value, Value::List(_))) {
            return Ok(too_many());
        }
        let tables = tables_of(inputs).collect::<Result<Vec<_>, _>>()?;
        if tables.iter().map(|table| table.bytes_as(&self.schema)).sum::<u64>() > self.most {
            return Ok(too_many());
        }
        let batches = tables.iter().flat_map(Table::batches).map(|batch| resized(batch, &self.schema));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let all = concat_batches(&self.schema, &batches).map_err(FrameError::arrow("gathering a side of a join"))?;
        match &self.keys {
            Some(keys) if most_of_a_key(&all, keys)? > MATCHES_MAX => Ok(too_many()),
            _ => Ok(whole_of(vec![all])),
        }
    }
}

/// How often the most frequent key occurs, at most: keys of equal hashes count as one.
fn most_of_a_key(rows: &RecordBatch, keys: &[String]) -> Result<usize, FrameError> {
    let columns = keys.iter().map(|key| place_of(&rows.schema(), key).map(|place| rows.column(place)));
    let columns: Vec<&ArrayRef> = columns.collect::<Result<_, _>>()?;
    let mut hashes = vec![0; rows.num_rows()];
    create_hashes(columns, &RandomState::default(), &mut hashes).map_err(FrameError::datafusion("counting keys"))?;
    let mut counts: HashMap<u64, usize> = HashMap::with_capacity(hashes.len());
    hashes.into_iter().for_each(|hash| *counts.entry(hash).or_default() += 1);
    Ok(counts.into_values().max().unwrap_or_default())
}

impl Op for Gathered {
    fn name(&self) -> &str {
        "join-choice"
    }

    fn run(&self, _: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(self.gathered(inputs)?)
    }

    fn estimate(&self, _: u32) -> u64 {
        self.most
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
