//! Runs plans call by call on the calling thread, and shows rows as text.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use raskr_base::{Op, TaskContext, Value};
use raskr_frame::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use raskr_frame::arrow::datatypes::SchemaRef;
use raskr_frame::arrow::util::display::{ArrayFormatter, FormatOptions};
use raskr_frame::{
    Batches, Columns, Condition, Encoder, FrameError, Options, PartitionReader, Plan, Received, Table, Tables, lower,
    table_of,
};
use raskr_graph::{Call, Input};

pub const OPTIONS: Options = Options { threads: 3, memory_limit: None, elsewhere: false };

pub type Column = (&'static str, ArrayRef);

pub fn ints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<Int64Array>())
}

/// NaN for missing values.
pub fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect::<Float64Array>())
}

/// An empty text for missing values.
pub fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(values.iter().map(|value| (!value.is_empty()).then_some(*value)).collect::<StringViewArray>())
}

fn reader(parts: &[&[Column]]) -> Arc<Tables> {
    let tables: Vec<Table> = parts
        .iter()
        .map(|columns| {
            let columns = columns.iter().map(|(name, column)| (*name, Arc::clone(column), true));
            Table::of_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
        })
        .collect();
    Tables::new("tables", Arc::clone(tables[0].schema()), tables)
}

pub fn read(parts: &[&[Column]]) -> Arc<Plan> {
    Plan::read(reader(parts))
}

type Asked = Arc<Mutex<Vec<Vec<usize>>>>;

type Told = Arc<Mutex<Vec<Condition>>>;

#[derive(Clone)]
struct Recording {
    inner: Arc<Tables>,
    asked: Asked,
    told: Told,
}

impl PartitionReader for Recording {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    fn read(&self, partition: u32, columns: &[usize], context: &TaskContext<'_>) -> Result<Batches, FrameError> {
        self.asked.lock().push(columns.to_vec());
        self.inner.read(partition, columns, context)
    }

    fn with_conditions(&self, conditions: &[Condition]) -> Option<Arc<dyn PartitionReader>> {
        self.told.lock().extend_from_slice(conditions);
        Some(Arc::new(self.clone()))
    }
}

/// A plan that reads tables, what columns it was asked for, and what conditions it was told.
pub fn recording(parts: &[&[Column]]) -> (Arc<Plan>, Asked, Told) {
    let (asked, told) = (Asked::default(), Told::default());
    let recording = Recording { inner: reader(parts), asked: Arc::clone(&asked), told: Arc::clone(&told) };
    (Plan::read(Arc::new(recording)), asked, told)
}

/// The columns of all rows of a plan, each in one piece.
pub fn columns(plan: &Arc<Plan>) -> Vec<Value> {
    let calls = lower(std::slice::from_ref(plan), OPTIONS).unwrap().remove(0);
    let tables: Vec<Input> = calls.into_iter().map(Input::Call).collect();
    let count = plan.schema().fields().len();
    let all = Columns::All { count, numbered: true }.call(tables.clone(), 0);
    let each: Vec<Arc<Call>> = (0..count).map(|place| Columns::One(place).call(tables.clone(), 0)).collect();
    let mut known = HashMap::new();
    let each: Vec<Value> = each.iter().map(|call| value(call, &mut known)).collect();
    let Value::List(all) = value(&all, &mut known) else { panic!("all columns are a list") };
    assert_eq!(all.len(), count + 1);
    for (one, other) in each.iter().zip(all.iter()) {
        assert_eq!(one.nbytes(), other.nbytes());
    }
    each
}

/// The partitions of plans.
pub fn tables(plans: &[Arc<Plan>]) -> Vec<Vec<Table>> {
    tables_by(plans, OPTIONS)
}

pub fn tables_by(plans: &[Arc<Plan>], options: Options) -> Vec<Vec<Table>> {
    let lowered = lower(plans, options).unwrap();
    let mut known = HashMap::new();
    lowered.iter().map(|calls| calls.iter().map(|call| table_of(&value(call, &mut known)).unwrap()).collect()).collect()
}

/// The partitions of plans, of whose tasks all that can be are done as by other processes: of what was encoded.
pub fn tables_made_elsewhere(plans: &[Arc<Plan>]) -> Vec<Vec<Table>> {
    let lowered = lower(plans, Options { elsewhere: true, ..OPTIONS }).unwrap();
    let (mut known, mut encoder) = (HashMap::new(), Encoder::default());
    let mut there = |op: &Arc<dyn Op>| match encoder.encode(op.as_ref()).unwrap() {
        Some(task) => {
            let no_reader = |_: &[u8]| panic!("tables in memory are read here");
            Received::decode(&task.body, &no_reader).unwrap().task(&task.own).unwrap()
        }
        None => Arc::clone(op),
    };
    let made = lowered
        .iter()
        .map(|calls| calls.iter().map(|call| table_of(&value_by(call, &mut known, &mut there)).unwrap()).collect());
    made.collect()
}

fn value(call: &Arc<Call>, known: &mut HashMap<*const Call, Value>) -> Value {
    value_by(call, known, &mut |op| Arc::clone(op))
}

fn value_by(
    call: &Arc<Call>,
    known: &mut HashMap<*const Call, Value>,
    done_by: &mut dyn FnMut(&Arc<dyn Op>) -> Arc<dyn Op>,
) -> Value {
    if let Some(found) = known.get(&Arc::as_ptr(call)) {
        return found.clone();
    }
    let mut inputs = Vec::new();
    for input in call.inputs() {
        let Input::Call(needed) = input else { panic!("plans stand on calls only") };
        inputs.push(value_by(needed, known, done_by));
    }
    let cancelled = AtomicBool::new(false);
    let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
    let made = done_by(call.op()).run(&context, &mut inputs).unwrap();
    known.insert(Arc::as_ptr(call), made.clone());
    made
}

/// All rows of a plan in one batch.
pub fn whole(plan: &Arc<Plan>) -> RecordBatch {
    let parts = tables(std::slice::from_ref(plan)).remove(0);
    let batches = parts.iter().flat_map(|table| table.batches().to_vec()).collect();
    Table::new(Arc::clone(plan.schema()), batches).whole().unwrap()
}

/// The rows of a plan as text, `-` for what is missing.
pub fn rows_of(plan: &Arc<Plan>) -> Vec<String> {
    shown(&whole(plan))
}

pub fn rows_of_all(plans: &[Arc<Plan>]) -> Vec<Vec<String>> {
    let made = tables(plans).into_iter().zip(plans);
    made.map(|(parts, plan)| shown_tables(plan, &parts)).collect()
}

/// The rows of a plan's partitions as text.
pub fn shown_tables(plan: &Plan, parts: &[Table]) -> Vec<String> {
    let batches = parts.iter().flat_map(|table| table.batches().to_vec()).collect();
    shown(&Table::new(Arc::clone(plan.schema()), batches).whole().unwrap())
}

fn shown(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" "))
        .collect()
}

/// The first value of a column as rows show it.
pub fn cell(column: &ArrayRef) -> String {
    let options = FormatOptions::default().with_null("-");
    ArrayFormatter::try_new(column, &options).unwrap().value(0).to_string()
}
