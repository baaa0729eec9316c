//! `Node`: what one task of a stage does, as a tree that becomes a physical plan of DataFusion's when the task runs.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::{NullEquality, ScalarValue};
use datafusion_expr::AggregateUDF;
use datafusion_functions_aggregate::{
    average::avg_udaf, count::count_udaf, first_last::first_value_udaf, first_last::last_value_udaf,
    median::median_udaf, min_max::max_udaf, min_max::min_udaf, stddev::stddev_pop_udaf, stddev::stddev_udaf,
    sum::sum_udaf, variance::var_pop_udaf, variance::var_samp_udaf,
};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::{Column, cast, lit};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion_physical_plan::filter::FilterExec;
use datafusion_physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion_physical_plan::projection::{ProjectionExec, ProjectionExpr};

use crate::error::{FrameError, place_of};
use crate::evaluate::physical;
use crate::expr::{Binary, Expr};
use crate::groups::GroupsExec;
use crate::plan::{JoinKind, Measure, Statistic};
use crate::reader::PartitionReader;

/// What is done to rows on their way through a task.
#[derive(Clone)]
pub enum Node {
    Read {
        reader: Arc<dyn PartitionReader>,
        columns: Vec<usize>,
    },
    /// Tables that earlier tasks made: those of the task's inputs that belong to this slot.
    Input {
        slot: usize,
        schema: SchemaRef,
    },
    Project {
        input: Box<Node>,
        columns: Vec<(String, Expr)>,
    },
    Filter {
        input: Box<Node>,
        predicate: Expr,
    },
    /// `Partial` gives states of groups, `Final` makes figures of states, `Single` figures of rows. `rows` is the schema
    /// of the rows.
    Aggregate {
        input: Box<Node>,
        mode: AggregateMode,
        keys: Vec<String>,
        measures: Vec<Measure>,
        /// Groups without a key are left out.
        drop_missing: bool,
        rows: SchemaRef,
    },
    /// Which side is held in memory while the other passes is told by `hold_left`.
    Join {
        left: Box<Node>,
        right: Box<Node>,
        on: Vec<(String, String)>,
        kind: JoinKind,
        hold_left: bool,
    },
    /// What is done is known when the task runs: `whole` where the values of the slot are lists of tables, which is how a side of
    /// a join that goes whole to the other one and rows that are joined already come, `pieces` where they are tables.
    Either {
        slot: usize,
        whole: Box<Node>,
        pieces: Box<Node>,
    },
}

/// What the inputs of a task are to its nodes.
pub trait Leaves {
    /// The rows of a leaf.
    fn rows(&self, leaf: &Node) -> Result<Arc<dyn ExecutionPlan>, FrameError>;

    /// Are the values of a slot lists of tables?
    fn are_whole(&self, slot: usize) -> bool;
}

impl Node {
    /// Is there something that is known only when a task runs?
    pub fn is_chosen_late(&self) -> bool {
        match self {
            Node::Read { .. } | Node::Input { .. } => false,
            Node::Project { input, .. } | Node::Filter { input, .. } | Node::Aggregate { input, .. } => {
                input.is_chosen_late()
            }
            Node::Join { left, right, .. } => left.is_chosen_late() || right.is_chosen_late(),
            Node::Either { .. } => true,
        }
    }

    /// The physical plan over what the leaves are.
    pub fn physical(&self, leaves: &dyn Leaves) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
        Ok(match self {
            Node::Read { .. } | Node::Input { .. } => leaves.rows(self)?,
            Node::Either { slot, whole, pieces } => match leaves.are_whole(*slot) {
                true => whole.physical(leaves)?,
                false => pieces.physical(leaves)?,
            },
            Node::Project { input, columns } => {
                let input = input.physical(leaves)?;
                let schema = input.schema();
                let columns = columns
                    .iter()
                    .map(|(name, expr)| Ok(ProjectionExpr { expr: physical(expr, &schema)?, alias: name.clone() }))
                    .collect::<Result<Vec<_>, FrameError>>()?;
                Arc::new(ProjectionExec::try_new(columns, input).map_err(FrameError::datafusion("a projection"))?)
            }
            Node::Filter { input, predicate } => filter(input.physical(leaves)?, predicate)?,
            Node::Aggregate { input, mode, keys, measures, drop_missing, rows } => {
                let input = input.physical(leaves)?;
                match GroupsExec::planned(&input, *mode, keys, measures, *drop_missing, rows)? {
                    Some(own) => own,
                    None if *drop_missing && *mode != AggregateMode::Partial => {
                        with_keys(aggregate(input, *mode, keys, measures, rows)?, keys)?
                    }
                    None => aggregate(input, *mode, keys, measures, rows)?,
                }
            }
            Node::Join { left, right, on, kind, hold_left } => {
                let (left, right) = (left.physical(leaves)?, right.physical(leaves)?);
                join(left, right, on, *kind, *hold_left)?
            }
        })
    }
}

fn aggregate(
    input: Arc<dyn ExecutionPlan>,
    mode: AggregateMode,
    keys: &[String],
    measures: &[Measure],
    rows: &SchemaRef,
) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
    let failed = || FrameError::datafusion("an aggregation");
    let given = input.schema();
    let groups = keys
        .iter()
        .map(|key| Ok((Arc::new(Column::new(key, place_of(&given, key)?)) as Arc<dyn PhysicalExpr>, key.clone())))
        .collect::<Result<Vec<_>, FrameError>>()?;
    let figures = measures.iter().map(|measure| figure(measure, rows)).collect::<Result<Vec<_>, FrameError>>()?;
    let filters = vec![None; figures.len()];
    let groups = PhysicalGroupBy::new_single(groups);
    let made = AggregateExec::try_new(mode, groups, figures, filters, input, Arc::clone(rows)).map_err(failed())?;
    if mode == AggregateMode::Partial {
        return Ok(Arc::new(made));
    }
    // Sums of no values are 0, and all figures get their declared types.
    let schema = made.schema();
    let mut columns: Vec<ProjectionExpr> = Vec::with_capacity(schema.fields().len());
    for (place, field) in schema.fields().iter().enumerate() {
        let column = Arc::new(Column::new(field.name(), place)) as Arc<dyn PhysicalExpr>;
        let measure = place.checked_sub(keys.len()).and_then(|place| measures.get(place));
        let expr = match measure {
            Some(measure) if measure.statistic == Statistic::Sum => {
                let zero = ScalarValue::new_zero(field.data_type()).map_err(failed())?;
                let sum = Expr::Otherwise(Box::new(Expr::column(field.name())), Box::new(Expr::Literal(zero)));
                physical(&sum, &schema)?
            }
            _ => column,
        };
        columns.push(ProjectionExpr { expr, alias: field.name().clone() });
    }
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::new(made)).map_err(failed())?))
}

fn filter(input: Arc<dyn ExecutionPlan>, predicate: &Expr) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
    let predicate = physical(predicate, &input.schema())?;
    Ok(Arc::new(FilterExec::try_new(predicate, input).map_err(FrameError::datafusion("a filter"))?))
}

/// Only the groups of which every key is there.
fn with_keys(groups: Arc<dyn ExecutionPlan>, keys: &[String]) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
    let there = keys.iter().map(|key| Expr::Not(Box::new(Expr::IsMissing(Box::new(Expr::column(key))))));
    match there.reduce(|all, next| Expr::binary(Binary::And, all, next)) {
        Some(predicate) => filter(groups, &predicate),
        None => Ok(groups),
    }
}

fn figure(measure: &Measure, rows: &SchemaRef) -> Result<Arc<AggregateFunctionExpr>, FrameError> {
    let failed = || FrameError::datafusion("an aggregation");
    let (function, takes): (Arc<AggregateUDF>, Option<DataType>) = match measure.statistic {
        Statistic::Count | Statistic::Size => (count_udaf(), None),
        Statistic::Min => (min_udaf(), None),
        Statistic::Max => (max_udaf(), None),
        Statistic::First => (first_value_udaf(), None),
        Statistic::Last => (last_value_udaf(), None),
        Statistic::Mean => (avg_udaf(), Some(DataType::Float64)),
        Statistic::Variance(0) => (var_pop_udaf(), Some(DataType::Float64)),
        Statistic::Variance(_) => (var_samp_udaf(), Some(DataType::Float64)),
        Statistic::Deviation(0) => (stddev_pop_udaf(), Some(DataType::Float64)),
        Statistic::Deviation(_) => (stddev_udaf(), Some(DataType::Float64)),
        Statistic::Median => (median_udaf(), Some(DataType::Float64)),
        Statistic::Sum => (sum_udaf(), None),
    };
    let argument: Arc<dyn PhysicalExpr> = match &measure.column {
        None => lit(1_i64),
        Some(name) => {
            let place = place_of(rows, name)?;
            let kind = rows.field(place).data_type();
            let takes = match (measure.statistic, kind) {
                (Statistic::Sum, kind) if kind.is_floating() => Some(DataType::Float64),
                (Statistic::Sum, kind) if kind.is_unsigned_integer() => Some(DataType::UInt64),
                (Statistic::Sum, _) => Some(DataType::Int64),
                (_, _) => takes,
            };
            let column = Arc::new(Column::new(name, place)) as Arc<dyn PhysicalExpr>;
            match takes {
                Some(takes) if takes != *kind => cast(column, rows, takes).map_err(failed())?,
                _ => column,
            }
        }
    };
    let skips = matches!(measure.statistic, Statistic::First | Statistic::Last);
    let made = AggregateExprBuilder::new(function, vec![argument])
        .schema(Arc::clone(rows))
        .alias(&measure.name)
        .with_ignore_nulls(skips)
        .build()
        .map_err(failed())?;
    Ok(Arc::new(made))
}

fn join(
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    on: &[(String, String)],
    kind: JoinKind,
    hold_left: bool,
) -> Result<Arc<dyn ExecutionPlan>, FrameError> {
    let failed = || FrameError::datafusion("a join");
    let (own, other) = (left.schema(), right.schema());
    let column = |schema: &SchemaRef, name: &str| {
        place_of(schema, name).map(|place| Arc::new(Column::new(name, place)) as Arc<dyn PhysicalExpr>)
    };
    let mut pairs = Vec::with_capacity(on.len());
    for (left_name, right_name) in on {
        let (first, second) = (column(&own, left_name)?, column(&other, right_name)?);
        pairs.push(if hold_left { (first, second) } else { (second, first) });
    }
    let join_type = if hold_left { kind.with_right_held().swap() } else { kind.with_right_held() };
    let (held, passing) = if hold_left { (left, right) } else { (right, left) };
    // pandas takes missing keys for equal.
    let nulls = NullEquality::NullEqualsNull;
    let mode = PartitionMode::CollectLeft;
    let made =
        HashJoinExec::try_new(held, passing, pairs, None, &join_type, None, mode, nulls, false).map_err(failed())?;
    // Our left columns come first.
    let semi = made.schema().fields().len() != own.fields().len() + other.fields().len();
    if hold_left || semi {
        return Ok(Arc::new(made));
    }
    let schema = made.schema();
    let (own, other) = (own.fields().len(), other.fields().len());
    let order = (other..other + own).chain(0..other).map(|place| {
        let name = schema.field(place).name().clone();
        ProjectionExpr { expr: Arc::new(Column::new(&name, place)), alias: name }
    });
    Ok(Arc::new(ProjectionExec::try_new(order, Arc::new(made)).map_err(failed())?))
}
