//! `StageOp`: one task of a stage, which runs a physical plan of DataFusion's over one partition.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion_execution::TaskContext as EngineContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::memory_pool::{GreedyMemoryPool, MemoryPool, UnboundedMemoryPool};
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use datafusion_physical_plan::{ExecutionPlan, displayable};
use futures::StreamExt;
use futures::executor::block_on;
use raskr_base::{ErrorClass, Op, TaskContext, TaskError, Value};
use raskr_graph::{Call, Input};
use serde::{Deserialize, Serialize};

use crate::choice::{tables_of, too_many, whole_of, whole_tables};
use crate::error::{FrameError, place_of};
use crate::expr::Expr;
use crate::groups::{PROBED_RATIO, PROBED_ROWS};
use crate::narrow::resized;
use crate::operators::{Leaves, Node};
use crate::ordered::Ordered;
use crate::pieces::{bounds, by_hash, by_range, in_one, sample, sorted};
use crate::plan::SortKey;
use crate::reader::Batches;
use crate::source::SourceExec;
use crate::table::Table;
use crate::wire;

/// Rows of a batch within a stage.
const BATCH_ROWS: usize = 8192;
/// Keys of a partition that tell where ranges begin.
const SAMPLE_ROWS: usize = 2000;

/// What becomes of the rows that a stage gives.
#[derive(Clone, Serialize, Deserialize)]
pub enum Ending {
    /// A table.
    Collect,
    /// A list of tables, by the hash of their keys.
    Hash { keys: Vec<String>, count: usize },
    /// The same, and all rows behind the pieces, where they take no more than so many bytes.
    Measured { keys: Vec<String>, count: usize, most: u64 },
    /// The same as by hash where the values of a slot are tables. Where they are whole, rows are joined already: all are in the piece
    /// that is that of the partition among so many, whole as well.
    Joined {
        keys: Vec<String>,
        count: usize,
        slot: usize,
        partitions: u32,
        #[serde(with = "wire::schemas")]
        schema: SchemaRef,
    },
    /// A list of tables, by ranges whose bounds are in the last slot; each in memory of its own if `apart`.
    Ranges { keys: Vec<SortKey>, count: usize, apart: bool },
    /// Some rows' keys.
    Sample { keys: Vec<SortKey> },
    /// A table in order, whose rows are gathered later if it is not `settled`.
    Sorted { keys: Vec<SortKey>, settled: bool },
}

/// What the tasks of a stage have in common.
pub struct Stage {
    pub name: String,
    pub node: Node,
    pub schema: SchemaRef,
    pub ending: Ending,
}

/// One task of a stage.
pub struct StageOp {
    pub(crate) stage: Arc<Stage>,
    pub(crate) partition: u32,
    /// How many of the inputs belong to each slot, in order.
    pub(crate) slots: Vec<usize>,
    pub(crate) estimate: u64,
}

impl StageOp {
    pub fn new(stage: &Arc<Stage>, partition: u32, slots: Vec<usize>, estimate: u64) -> Arc<StageOp> {
        Arc::new(StageOp { stage: Arc::clone(stage), partition, slots, estimate })
    }

    /// The physical plan of a task with nothing in it.
    pub fn explain(stage: &Stage) -> Result<String, FrameError> {
        let shown = |are_whole: bool| {
            let plan = stage.node.physical(&NoRows { are_whole })?;
            Ok::<_, FrameError>(displayable(&*plan).indent(false).to_string())
        };
        let text = match stage.node.is_chosen_late() {
            true => format!(
                "chosen when it runs: where little is left of the side that is measured\n{}otherwise\n{}",
                shown(true)?,
                shown(false)?
            ),
            false => shown(false)?,
        };
        Ok(match &stage.ending {
            Ending::Measured { most, .. } => {
                format!("measured: if no more than {} KiB are left, all go whole to the other side\n{text}", most >> 10)
            }
            _ => text,
        })
    }

    /// The inputs of a slot.
    fn slot<'a>(&self, inputs: &'a [Value], slot: usize) -> &'a [Value] {
        let before: usize = self.slots.iter().take(slot).sum();
        let count = self.slots.get(slot).copied().unwrap_or_default();
        inputs.get(before..before + count).unwrap_or_default()
    }

    /// The batches that the stage's plan gives, one after another.
    fn rows<'a>(
        &self,
        context: &'a TaskContext<'_>,
        inputs: &[Value],
        again: bool,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, FrameError>> + use<'a>, FrameError> {
        let plan = self.stage.node.physical(&Inputs { task: self, context, inputs, again })?;
        let mut stream =
            plan.execute(0, engine_context(context.memory_limit)?).map_err(FrameError::datafusion("a stage"))?;
        let next = move || {
            block_on(stream.next()).map(|batch| {
                context.check_cancelled()?;
                batch.map_err(FrameError::datafusion("a stage"))
            })
        };
        Ok(std::iter::from_fn(next).filter(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0)))
    }

    /// The result where it is no more than columns of a table whose rows are not gathered yet.
    fn passed_on(&self, inputs: &[Value]) -> Result<Option<Value>, FrameError> {
        let ([value], Ending::Collect) = (inputs, &self.stage.ending) else { return Ok(None) };
        let Some(ordered) = Ordered::of(value) else { return Ok(None) };
        let names: Vec<&String> = match &self.stage.node {
            Node::Input { .. } => return Ok(Some(value.clone())),
            Node::Project { input, columns } if matches!(**input, Node::Input { .. }) => {
                let names = columns.iter().map(|(_, expr)| match expr {
                    Expr::Column(name) => Some(name),
                    _ => None,
                });
                match names.collect() {
                    Some(names) => names,
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        let places =
            names.iter().map(|name| place_of(ordered.table().schema(), name)).collect::<Result<Vec<_>, _>>()?;
        let schema = &self.stage.schema;
        let chosen = ordered.with_columns(schema, |batch| {
            let columns = places.iter().map(|&place| Arc::clone(batch.column(place))).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
                .map_err(FrameError::arrow("choosing columns"))
        })?;
        Ok(Some(chosen.into_value()))
    }

    fn work(&self, context: &TaskContext<'_>, inputs: &[Value], again: bool) -> Result<Value, FrameError> {
        if let Some(passed) = self.passed_on(inputs)? {
            return Ok(passed);
        }
        let rows = self.rows(context, inputs, again)?;
        let schema = &self.stage.schema;
        let listed = |tables: Vec<Table>| Value::List(tables.into_iter().map(Table::into_value).collect());
        let bounds = |value: Option<&Value>| value.map(Table::of).transpose()?.ok_or_else(not_a_leaf)?.whole();
        // Rows that are cut need not all be there at once.
        let whole = match &self.stage.ending {
            Ending::Hash { keys, count } => return Ok(listed(by_hash(schema, rows, keys, *count)?)),
            Ending::Measured { keys, count, most } => {
                let pieces = by_hash(schema, rows, keys, *count)?;
                let all = match pieces.iter().map(|piece| piece.bytes_as(schema)).sum::<u64>() <= *most {
                    true => whole_of(pieces.iter().flat_map(Table::batches).cloned().collect()),
                    false => too_many(),
                };
                return Ok(Value::List(pieces.into_iter().map(Table::into_value).chain([all]).collect()));
            }
            Ending::Joined { keys, count, slot, partitions, schema: joined } => {
                if !whole_tables(self.slot(inputs, *slot)) {
                    return Ok(listed(by_hash(schema, rows, keys, *count)?));
                }
                let own = self.partition as usize * count / (*partitions).max(1) as usize;
                let mut pieces = vec![whole_of(Vec::new()); *count];
                let batches = in_one(joined, rows)?.iter().flat_map(Table::batches).cloned().collect();
                pieces[own] = whole_of(batches);
                return Ok(Value::List(pieces.into()));
            }
            Ending::Ranges { keys, count, apart } => {
                let mut pieces = by_range(schema, rows, keys, &bounds(inputs.last())?, *apart)?;
                pieces.resize_with(*count, || Table::new(Arc::clone(schema), Vec::new()));
                return Ok(listed(pieces));
            }
            _ => Table::new(Arc::clone(schema), rows.collect::<Result<_, _>>()?),
        };
        Ok(match &self.stage.ending {
            Ending::Sample { keys } => sample(schema, whole.batches(), keys, SAMPLE_ROWS)?,
            Ending::Sorted { keys, settled } => {
                let ordered = sorted(whole, keys)?;
                if !settled {
                    return Ok(ordered.into_value());
                }
                ordered.settled()?
            }
            _ => whole.compact()?,
        }
        .into_value())
    }
}

/// What the leaves of a task are.
struct Inputs<'a, 'c> {
    task: &'a StageOp,
    context: &'a TaskContext<'c>,
    inputs: &'a [Value],
    /// Are rows read in the slower way?
    again: bool,
}

impl Leaves for Inputs<'_, '_> {
    fn rows(&self, leaf: &Node) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
        match leaf {
            Node::Read { reader, columns } => {
                let schema = reader.schema().project(columns).map_err(FrameError::arrow("choosing columns"))?;
                let partition = self.task.partition;
                let reread = if self.again { reader.reread(partition, columns) } else { None };
                let batches: Batches = match reread {
                    Some(table) => Box::new(table?.batches().to_vec().into_iter().map(Ok)),
                    None => reader.read(partition, columns, self.context)?,
                };
                Ok(SourceExec::new(reader.name(), Arc::new(schema), batches))
            }
            Node::Input { slot, schema } => {
                let mut batches = Vec::new();
                for table in tables_of(self.task.slot(self.inputs, *slot)) {
                    batches.extend(table?.batches().iter().cloned());
                }
                let wide = Arc::clone(schema);
                let batches = batches.into_iter().map(move |batch| resized(&batch, &wide));
                Ok(SourceExec::new("input", Arc::clone(schema), Box::new(batches)))
            }
            _ => Err(not_a_leaf()),
        }
    }

    fn are_whole(&self, slot: usize) -> bool {
        whole_tables(self.task.slot(self.inputs, slot))
    }
}

/// Leaves without rows, for plans that are looked at only.
pub(crate) struct NoRows {
    pub(crate) are_whole: bool,
}

impl Leaves for NoRows {
    fn rows(&self, leaf: &Node) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
        let (name, schema) = match leaf {
            Node::Read { reader, columns } => {
                let schema = reader.schema().project(columns).map_err(FrameError::arrow("choosing columns"))?;
                (reader.name().to_owned(), Arc::new(schema))
            }
            Node::Input { slot, schema } => (format!("input {slot}"), Arc::clone(schema)),
            _ => return Err(not_a_leaf()),
        };
        Ok(SourceExec::new(&name, schema, Box::new(std::iter::empty())))
    }

    fn are_whole(&self, _: usize) -> bool {
        self.are_whole
    }
}

fn not_a_leaf() -> FrameError {
    FrameError::Engine { operation: "a stage", message: "rows were expected where an operation stands".to_owned() }
}

fn engine_context(limit: Option<u64>) -> Result<Arc<EngineContext>, FrameError> {
    let pool: Arc<dyn MemoryPool> = match limit {
        Some(limit) => Arc::new(GreedyMemoryPool::new(usize::try_from(limit).unwrap_or(usize::MAX))),
        None => Arc::new(UnboundedMemoryPool::default()),
    };
    // What does not fit is spilled between stages, by the engine's own store.
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(FrameError::datafusion("a stage"))?;
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    let execution = &mut config.options_mut().execution;
    execution.skip_partial_aggregation_probe_rows_threshold = PROBED_ROWS;
    execution.skip_partial_aggregation_probe_ratio_threshold = PROBED_RATIO;
    Ok(Arc::new(EngineContext::default().with_session_config(config).with_runtime(runtime)))
}

impl Op for StageOp {
    fn name(&self) -> &str {
        &self.stage.name
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(match self.work(context, inputs, false) {
            Err(FrameError::Doubt(_)) => self.work(context, inputs, true)?,
            other => other?,
        })
    }

    fn estimate(&self, _: u32) -> u64 {
        self.estimate
    }

    fn cost_class(&self) -> Option<usize> {
        Some(Arc::as_ptr(&self.stage) as usize)
    }

    fn describe(&self, _: u32) -> String {
        format!("{} (partition {})", self.stage.name, self.partition)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// One table of a list.
pub struct Pick {
    pub number: usize,
}

impl Op for Pick {
    fn name(&self) -> &str {
        "pick"
    }

    fn run(&self, _: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        match inputs.first() {
            Some(Value::List(values)) => values.get(self.number).cloned(),
            _ => None,
        }
        .ok_or_else(|| TaskError::new(ErrorClass::Internal, format!("there is no piece {}", self.number)))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Where ranges begin.
pub enum Bounds {
    Known(Table),
    /// From samples of all partitions.
    Sampled {
        keys: Vec<SortKey>,
        count: usize,
    },
}

impl Bounds {
    pub fn call(self, samples: Vec<Arc<Call>>) -> Arc<Call> {
        Call::new(Arc::new(self), samples.into_iter().map(Input::Call).collect(), None)
    }
}

impl Op for Bounds {
    fn name(&self) -> &str {
        "sort-bounds"
    }

    fn run(&self, _: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        match self {
            Bounds::Known(table) => Ok(table.clone().into_value()),
            Bounds::Sampled { keys, count } => {
                let samples = inputs.iter().map(Table::of).collect::<Result<Vec<_>, _>>()?;
                Ok(Table::of_batch(bounds(&samples, keys, *count)?).into_value())
            }
        }
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
