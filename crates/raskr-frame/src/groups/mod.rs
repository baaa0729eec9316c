//! `GroupsExec`: aggregation by keys that are whole numbers, in the place of DataFusion's.
//!
//! The states of groups are columns, which rows are taken for as well: a task whose rows have hardly fewer groups hands
//! them on as states of one row each, and the task that gets all states of a group puts them together.

mod keys;
mod states;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion_physical_plan::aggregates::AggregateMode;
use datafusion_physical_plan::execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{FrameError, place_of};
use crate::plan::Measure;
use keys::{Groups, Keyed, Packed, bits_of, columns_at};
use states::{Figure, State, Wanted, chosen, planned};

/// States of groups are not worth while, and rows are handed on as they are, where so many rows have nearly as many groups:
/// some 300 thousand in all.
pub const PROBED_ROWS: usize = 30_000;
pub const PROBED_RATIO: f64 = 0.95;

/// What an aggregation does.
struct Aggregation {
    mode: AggregateMode,
    /// Where the keys are in what comes in; the states are behind them if these come in.
    keys: Vec<usize>,
    wanted: Vec<Wanted>,
    figures: Vec<Figure>,
    drop_missing: bool,
    schema: SchemaRef,
    text: String,
}

/// An aggregation of batches.
pub struct GroupsExec {
    input: Arc<dyn ExecutionPlan>,
    aggregation: Arc<Aggregation>,
    properties: Arc<PlanProperties>,
}

/// Can groups by these keys be made here? `rows` is the schema of the rows.
pub fn suits(keys: &[String], measures: &[Measure], rows: &SchemaRef) -> Result<bool, FrameError> {
    let mut bits = 0;
    for key in keys {
        match bits_of(rows.field(place_of(rows, key)?).data_type()) {
            Some(more) => bits += more,
            None => return Ok(false),
        }
    }
    Ok((1..=u128::BITS).contains(&bits) && planned(measures, rows)?.is_some())
}

impl GroupsExec {
    /// The aggregation, where it is one that is done here. `rows` is the schema of the rows, whatever comes in.
    pub fn planned(
        input: &Arc<dyn ExecutionPlan>,
        mode: AggregateMode,
        keys: &[String],
        measures: &[Measure],
        drop_missing: bool,
        rows: &SchemaRef,
    ) -> Result<Option<Arc<GroupsExec>>, FrameError> {
        if !suits(keys, measures, rows)? {
            return Ok(None);
        }
        let Some((wanted, figures)) = planned(measures, rows)? else { return Ok(None) };
        let given = input.schema();
        let places = keys.iter().map(|key| place_of(&given, key)).collect::<Result<Vec<_>, _>>()?;
        let mut fields: Vec<Field> = Vec::with_capacity(keys.len() + measures.len());
        for key in keys {
            fields.push(rows.field(place_of(rows, key)?).clone().with_nullable(true));
        }
        if mode == AggregateMode::Partial {
            let kinds = wanted.iter().flat_map(Wanted::kinds);
            fields.extend(kinds.enumerate().map(|(number, kind)| Field::new(format!("state {number}"), kind, true)));
        } else {
            let kinds = figures.iter().map(|figure| match figure {
                Figure::Known(_, kind) => kind.clone(),
                Figure::Mean(..) | Figure::Spread(..) => DataType::Float64,
            });
            fields.extend(measures.iter().zip(kinds).map(|(measure, kind)| Field::new(&measure.name, kind, true)));
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let states = wanted.iter().map(|wanted| wanted.text(rows)).collect::<Vec<_>>().join(", ");
        let text = format!("GroupsExec: mode={mode:?}, by=[{}], states=[{states}]", keys.join(", "));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let aggregation = Aggregation { mode, keys: places, wanted, figures, drop_missing, schema, text };
        Ok(Some(GroupsExec::over(Arc::clone(input), Arc::new(aggregation), Arc::new(properties))))
    }

    fn over(
        input: Arc<dyn ExecutionPlan>,
        aggregation: Arc<Aggregation>,
        properties: Arc<PlanProperties>,
    ) -> Arc<GroupsExec> {
        Arc::new(GroupsExec { input, aggregation, properties })
    }
}

/// Groups of which something is known already.
struct Begun<K> {
    aggregation: Arc<Aggregation>,
    groups: Groups<K>,
    states: Vec<Box<dyn State>>,
    /// The groups of the rows of a batch.
    found: Vec<u32>,
    rows: usize,
    /// Rows are handed on as they are.
    passing: bool,
    reservation: MemoryReservation,
}

impl<K: Packed> Begun<K> {
    fn new(aggregation: Arc<Aggregation>, reservation: MemoryReservation) -> Begun<K> {
        let states = aggregation.wanted.iter().map(Wanted::begun).collect();
        let (groups, found) = (Groups::new(), Vec::new());
        Begun { aggregation, groups, states, found, rows: 0, passing: false, reservation }
    }

    /// The states of the rows of a batch, those of each wanted one.
    fn states_of(&self, batch: &RecordBatch) -> Result<Vec<Vec<ArrayRef>>, FrameError> {
        let own = &self.aggregation;
        if own.mode != AggregateMode::Final {
            return own.wanted.iter().map(|wanted| wanted.of_rows(batch)).collect();
        }
        let mut rest = &batch.columns()[own.keys.len()..];
        let parts = own.wanted.iter().map(|wanted| {
            let (columns, behind) = rest.split_at(wanted.kinds().len());
            rest = behind;
            columns.to_vec()
        });
        Ok(parts.collect())
    }

    /// Takes a batch in; what goes on at once comes out.
    fn take(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let own = Arc::clone(&self.aggregation);
        let keys = columns_at(batch.columns(), &own.keys);
        let states = self.states_of(batch).map_err(FrameError::into_datafusion)?;
        if self.passing {
            let columns = keys.into_iter().chain(states.into_iter().flatten()).collect();
            return Ok(Some(RecordBatch::try_new(Arc::clone(&own.schema), columns)?));
        }
        let keyed = Keyed::<K>::of(&keys, batch.num_rows());
        self.groups.find(&keyed, &mut self.found);
        for (state, columns) in self.states.iter_mut().zip(&states) {
            state.add(&self.found, self.groups.len(), columns);
        }
        let before = self.rows;
        self.rows += batch.num_rows();
        let held = self.groups.bytes() + self.states.iter().map(|state| state.bytes()).sum::<usize>();
        let full = self.reservation.try_resize(held);
        if own.mode != AggregateMode::Partial {
            full?;
            return Ok(None);
        }
        let probed = before < PROBED_ROWS && self.rows >= PROBED_ROWS;
        self.passing = probed && self.groups.len() as f64 >= PROBED_RATIO * self.rows as f64;
        if full.is_err() || self.passing { self.finished().map(Some) } else { Ok(None) }
    }

    /// What is known of all groups; then nothing is known any more.
    fn finished(&mut self) -> Result<RecordBatch> {
        self.made().map_err(FrameError::into_datafusion)
    }

    fn made(&mut self) -> Result<RecordBatch, FrameError> {
        let own = Arc::clone(&self.aggregation);
        let groups = std::mem::replace(&mut self.groups, Groups::new());
        let begun = own.wanted.iter().map(Wanted::begun).collect();
        let mut known = Vec::with_capacity(own.wanted.len());
        for (mut state, wanted) in std::mem::replace(&mut self.states, begun).into_iter().zip(&own.wanted) {
            if groups.len() == 0 {
                let none: Vec<ArrayRef> = wanted.kinds().iter().map(arrow::array::new_empty_array).collect();
                state.add(&[], 0, &none);
            }
            known.push(state.columns());
        }
        let complete = if own.drop_missing { groups.complete() } else { None };
        let mut columns = groups.columns(&own.schema, own.keys.len())?;
        match own.mode {
            AggregateMode::Partial => columns.extend(known.into_iter().flatten()),
            _ => {
                for figure in &own.figures {
                    columns.push(figure.column(&known)?);
                }
            }
        }
        self.reservation.free();
        let batch =
            RecordBatch::try_new(Arc::clone(&own.schema), columns).map_err(FrameError::arrow("an aggregation"))?;
        match complete {
            Some(complete) => chosen(&batch, complete),
            None => Ok(batch),
        }
    }
}

/// The batches that an aggregation gives.
fn aggregated<K: Packed>(
    begun: Begun<K>,
    input: SendableRecordBatchStream,
) -> impl futures::Stream<Item = Result<RecordBatch>> + Send {
    stream::try_unfold(Some((begun, input)), |state| async move {
        let Some((mut begun, mut input)) = state else { return Ok(None) };
        while let Some(batch) = input.next().await {
            if let Some(made) = begun.take(&batch?)? {
                return Ok(Some((made, Some((begun, input)))));
            }
        }
        begun.finished().map(|last| Some((last, None)))
    })
    .try_filter(|batch| std::future::ready(batch.num_rows() > 0))
}

impl fmt::Debug for GroupsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.aggregation.text)
    }
}

impl DisplayAs for GroupsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.aggregation.text)
    }
}

impl ExecutionPlan for GroupsExec {
    fn name(&self) -> &str {
        "GroupsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(children).map_err(|children| {
            DataFusionError::Internal(format!("an aggregation has one input, got {}", children.len()))
        })?;
        Ok(GroupsExec::over(input, Arc::clone(&self.aggregation), Arc::clone(&self.properties)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new("groups").register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let own = Arc::clone(&self.aggregation);
        let schema = Arc::clone(&own.schema);
        let bits: u32 = own.keys.iter().filter_map(|&place| bits_of(input.schema().field(place).data_type())).sum();
        Ok(match bits > u64::BITS {
            true => {
                let made = aggregated(Begun::<u128>::new(own, reservation), input);
                Box::pin(RecordBatchStreamAdapter::new(schema, made))
            }
            false => {
                let made = aggregated(Begun::<u64>::new(own, reservation), input);
                Box::pin(RecordBatchStreamAdapter::new(schema, made))
            }
        })
    }
}
