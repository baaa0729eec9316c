//! `Plan`: what a table is made of, operation by operation, before it is cut into stages.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::JoinType;
use serde::{Deserialize, Serialize};

use crate::error::{FrameError, place_of};
use crate::expr::Expr;
use crate::reader::PartitionReader;

/// A figure of a group, from the values of one column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum Statistic {
    Sum,
    Mean,
    Min,
    Max,
    /// Values that are not missing.
    Count,
    /// Rows.
    Size,
    /// With a divisor of the number of values less this.
    Variance(u8),
    Deviation(u8),
    First,
    Last,
    Median,
}

impl Statistic {
    /// The figure of pandas' name; `ddof` is that of variances.
    pub fn from_name(name: &str, ddof: u8) -> Option<Statistic> {
        Some(match name {
            "sum" => Statistic::Sum,
            "mean" => Statistic::Mean,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "count" => Statistic::Count,
            "size" => Statistic::Size,
            "var" if ddof < 2 => Statistic::Variance(ddof),
            "std" if ddof < 2 => Statistic::Deviation(ddof),
            "first" => Statistic::First,
            "last" => Statistic::Last,
            "median" => Statistic::Median,
            _ => return None,
        })
    }

    /// Must all rows of a group be together before it can be begun?
    pub fn needs_whole_groups(self) -> bool {
        self == Statistic::Median
    }
}

/// A column of an aggregation's result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Measure {
    pub name: String,
    /// What it is made of; `None` for the number of rows.
    pub column: Option<String>,
    pub statistic: Statistic,
}

/// Which rows of a join stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Outer,
    LeftSemi,
    LeftAnti,
}

impl JoinKind {
    pub fn from_name(name: &str) -> Option<JoinKind> {
        Some(match name {
            "inner" => JoinKind::Inner,
            "left" => JoinKind::Left,
            "right" => JoinKind::Right,
            "outer" => JoinKind::Outer,
            "leftsemi" => JoinKind::LeftSemi,
            "leftanti" => JoinKind::LeftAnti,
            _ => return None,
        })
    }

    /// DataFusion's word, whose left side is the one that is held in memory: our right one.
    pub(crate) fn with_right_held(self) -> JoinType {
        match self {
            JoinKind::Inner => JoinType::Inner,
            JoinKind::Left => JoinType::Right,
            JoinKind::Right => JoinType::Left,
            JoinKind::Outer => JoinType::Full,
            JoinKind::LeftSemi => JoinType::RightSemi,
            JoinKind::LeftAnti => JoinType::RightAnti,
        }
    }

    /// Are the rows right that come of the left side whole and a part of the right one, part by part?
    pub(crate) fn may_hold_left(self) -> bool {
        matches!(self, JoinKind::Inner | JoinKind::Right)
    }

    /// The same with the sides exchanged.
    pub(crate) fn may_hold_right(self) -> bool {
        matches!(self, JoinKind::Inner | JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti)
    }

    fn keeps_right_columns(self) -> bool {
        !matches!(self, JoinKind::LeftSemi | JoinKind::LeftAnti)
    }
}

/// How the rows of a join's sides meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Way {
    /// By what is known of their sizes when the plan is lowered, and by what is left of them when it runs.
    Chosen,
    /// The left side goes whole to every partition of the right one, where the kind of join allows that.
    LeftWhole,
    RightWhole,
    /// Both by the hash of their keys.
    Exchange,
}

impl Way {
    pub fn from_name(name: &str) -> Option<Way> {
        Some(match name {
            "chosen" => Way::Chosen,
            "left" => Way::LeftWhole,
            "right" => Way::RightWhole,
            "exchange" => Way::Exchange,
            _ => return None,
        })
    }
}

/// A key of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortKey {
    pub column: String,
    pub descending: bool,
    pub missing_first: bool,
}

/// What is done.
pub enum Operation {
    /// Columns of a reader by their places, and the rows that satisfy a condition.
    Read {
        reader: Arc<dyn PartitionReader>,
        columns: Vec<usize>,
    },
    Project {
        input: Arc<Plan>,
        columns: Vec<(String, Expr)>,
    },
    Filter {
        input: Arc<Plan>,
        predicate: Expr,
    },
    /// One row for each group, or one for all rows where there are no keys; groups without a key are left out on demand.
    Aggregate {
        input: Arc<Plan>,
        keys: Vec<String>,
        measures: Vec<Measure>,
        drop_missing: bool,
    },
    /// Rows of both sides with equal keys; the names of columns differ.
    Join {
        left: Arc<Plan>,
        right: Arc<Plan>,
        on: Vec<(String, String)>,
        kind: JoinKind,
        way: Way,
    },
    /// All rows, partition by partition in order. `bounds` are values of the first key where partitions begin, but for the
    /// first one; without them samples tell.
    Sort {
        input: Arc<Plan>,
        keys: Vec<SortKey>,
        bounds: Option<RecordBatch>,
    },
    /// All rows in order in one partition.
    SortWhole {
        input: Arc<Plan>,
        keys: Vec<SortKey>,
    },
    /// Neighbouring partitions put together, or empty ones added, so that there are so many.
    Regroup {
        input: Arc<Plan>,
        partitions: u32,
    },
}

/// A table in partitions.
pub struct Plan {
    operation: Operation,
    schema: SchemaRef,
}

impl Plan {
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn of(operation: Operation, schema: SchemaRef) -> Arc<Plan> {
        Arc::new(Plan { operation, schema })
    }

    /// All that a reader has.
    pub fn read(reader: Arc<dyn PartitionReader>) -> Arc<Plan> {
        let schema = reader.schema();
        let columns = (0..schema.fields().len()).collect();
        Plan::of(Operation::Read { reader, columns }, schema)
    }

    /// Some columns of a reader.
    pub(crate) fn read_columns(reader: Arc<dyn PartitionReader>, columns: Vec<usize>) -> Result<Arc<Plan>, FrameError> {
        let schema = reader.schema().project(&columns).map_err(FrameError::arrow("choosing columns"))?;
        Ok(Plan::of(Operation::Read { reader, columns }, Arc::new(schema)))
    }

    /// Columns made of those of a table.
    pub fn project(self: &Arc<Plan>, columns: Vec<(String, Expr)>) -> Result<Arc<Plan>, FrameError> {
        let fields = columns
            .iter()
            .map(|(name, expr)| Ok(Field::new(name, expr.data_type(&self.schema)?, true)))
            .collect::<Result<Vec<_>, FrameError>>()?;
        distinct(&fields)?;
        let schema = Arc::new(Schema::new(fields));
        Ok(Plan::of(Operation::Project { input: Arc::clone(self), columns }, schema))
    }

    /// The rows that satisfy a condition.
    pub fn filter(self: &Arc<Plan>, predicate: Expr) -> Result<Arc<Plan>, FrameError> {
        match predicate.data_type(&self.schema)? {
            DataType::Boolean => {
                Ok(Plan::of(Operation::Filter { input: Arc::clone(self), predicate }, Arc::clone(&self.schema)))
            }
            other => Err(FrameError::Unexpected {
                operation: "a filter",
                expected: "a condition".to_owned(),
                got: format!("values of type {other}"),
            }),
        }
    }

    /// Figures of groups.
    pub fn aggregate(
        self: &Arc<Plan>,
        keys: Vec<String>,
        measures: Vec<Measure>,
        drop_missing: bool,
    ) -> Result<Arc<Plan>, FrameError> {
        let mut fields = Vec::with_capacity(keys.len() + measures.len());
        for key in &keys {
            fields.push(self.schema.field(place_of(&self.schema, key)?).clone().with_nullable(true));
        }
        for measure in &measures {
            let of = match &measure.column {
                Some(column) => Some(self.schema.field(place_of(&self.schema, column)?).data_type()),
                None => None,
            };
            fields.push(Field::new(&measure.name, statistic_type(measure.statistic, of)?, true));
        }
        distinct(&fields)?;
        let operation = Operation::Aggregate { input: Arc::clone(self), keys, measures, drop_missing };
        Ok(Plan::of(operation, Arc::new(Schema::new(fields))))
    }

    /// Rows of this table and of another one with equal keys.
    pub fn join(
        self: &Arc<Plan>,
        right: &Arc<Plan>,
        on: Vec<(String, String)>,
        kind: JoinKind,
    ) -> Result<Arc<Plan>, FrameError> {
        self.join_by(right, on, kind, Way::Chosen)
    }

    /// The same, with a word on how the rows meet.
    pub fn join_by(
        self: &Arc<Plan>,
        right: &Arc<Plan>,
        on: Vec<(String, String)>,
        kind: JoinKind,
        way: Way,
    ) -> Result<Arc<Plan>, FrameError> {
        for (own, other) in &on {
            let own_type = self.schema.field(place_of(&self.schema, own)?).data_type();
            let other_type = right.schema.field(place_of(&right.schema, other)?).data_type();
            if own_type != other_type {
                return Err(FrameError::NotNative {
                    operation: "a join".to_owned(),
                    types: format!("keys of types {own_type} and {other_type}"),
                });
            }
        }
        let mut fields: Vec<Field> = self.schema.fields().iter().map(|field| (**field).clone()).collect();
        if kind.keeps_right_columns() {
            fields.extend(right.schema.fields().iter().map(|field| (**field).clone()));
        }
        let fields: Vec<Field> = fields.into_iter().map(|field| field.with_nullable(true)).collect();
        distinct(&fields)?;
        let operation = Operation::Join { left: Arc::clone(self), right: Arc::clone(right), on, kind, way };
        Ok(Plan::of(operation, Arc::new(Schema::new(fields))))
    }

    fn checked(&self, keys: &[SortKey]) -> Result<(), FrameError> {
        keys.iter().try_for_each(|key| place_of(&self.schema, &key.column).map(|_| ()))
    }

    /// All rows in order, in as many partitions as there is need for.
    pub fn sort(self: &Arc<Plan>, keys: Vec<SortKey>) -> Result<Arc<Plan>, FrameError> {
        self.checked(&keys)?;
        let operation = Operation::Sort { input: Arc::clone(self), keys, bounds: None };
        Ok(Plan::of(operation, Arc::clone(&self.schema)))
    }

    /// All rows in order, in partitions that begin at `bounds`, a column of values of the first key.
    pub fn sort_at(self: &Arc<Plan>, keys: Vec<SortKey>, bounds: ArrayRef) -> Result<Arc<Plan>, FrameError> {
        self.checked(&keys)?;
        let Some(first) = keys.first() else { return self.sort(keys) };
        let field = self.schema.field(place_of(&self.schema, &first.column)?).clone().with_nullable(true);
        if field.data_type() != bounds.data_type() {
            return Err(FrameError::NotNative {
                operation: "a sort".to_owned(),
                types: format!("bounds of type {} for values of type {}", bounds.data_type(), field.data_type()),
            });
        }
        let schema = Arc::new(Schema::new(vec![field]));
        let bounds = RecordBatch::try_new(schema, vec![bounds]).map_err(FrameError::arrow("sorting"))?;
        let operation = Operation::Sort { input: Arc::clone(self), keys, bounds: Some(bounds) };
        Ok(Plan::of(operation, Arc::clone(&self.schema)))
    }

    /// All rows in order in one partition.
    pub fn sort_whole(self: &Arc<Plan>, keys: Vec<SortKey>) -> Result<Arc<Plan>, FrameError> {
        self.checked(&keys)?;
        Ok(Plan::of(Operation::SortWhole { input: Arc::clone(self), keys }, Arc::clone(&self.schema)))
    }

    /// The same rows in so many partitions.
    pub fn regroup(self: &Arc<Plan>, partitions: u32) -> Arc<Plan> {
        Plan::of(Operation::Regroup { input: Arc::clone(self), partitions }, Arc::clone(&self.schema))
    }

    /// The tables that it is made of.
    pub fn inputs(&self) -> Vec<&Arc<Plan>> {
        match &self.operation {
            Operation::Read { .. } => Vec::new(),
            Operation::Project { input, .. }
            | Operation::Filter { input, .. }
            | Operation::Aggregate { input, .. }
            | Operation::Sort { input, .. }
            | Operation::SortWhole { input, .. }
            | Operation::Regroup { input, .. } => vec![input],
            Operation::Join { left, right, .. } => vec![left, right],
        }
    }

    /// Estimated bytes of the readers below.
    pub fn estimate(&self) -> u64 {
        match &self.operation {
            Operation::Read { reader, columns } => {
                let all = reader.schema().fields().len().max(1) as u64;
                let bytes: u64 = (0..reader.partitions()).map(|partition| reader.estimate(partition)).sum();
                bytes / all * columns.len() as u64
            }
            _ => self.inputs().iter().map(|input| input.estimate()).sum(),
        }
    }

    /// One line for the operation.
    pub fn line(&self) -> String {
        let listed = |names: &[String]| names.join(", ");
        let order = |keys: &[SortKey]| {
            let text = |key: &SortKey| format!("{}{}", key.column, if key.descending { " descending" } else { "" });
            listed(&keys.iter().map(text).collect::<Vec<_>>())
        };
        match &self.operation {
            Operation::Read { reader, .. } => {
                let names: Vec<String> = self.schema.fields().iter().map(|field| field.name().clone()).collect();
                format!("{} [{}], {} partitions", reader.name(), listed(&names), reader.partitions())
            }
            Operation::Project { columns, .. } => {
                let texts = columns.iter().map(|(name, expr)| match expr {
                    Expr::Column(own) if own == name => name.clone(),
                    _ => format!("{name} = {expr}"),
                });
                format!("project {}", listed(&texts.collect::<Vec<_>>()))
            }
            Operation::Filter { predicate, .. } => format!("filter {predicate}"),
            Operation::Aggregate { keys, measures, .. } => {
                let texts = measures.iter().map(|measure| {
                    format!("{:?}({})", measure.statistic, measure.column.as_deref().unwrap_or("rows")).to_lowercase()
                });
                format!("aggregate {} by [{}]", listed(&texts.collect::<Vec<_>>()), listed(keys))
            }
            Operation::Join { on, kind, way, .. } => {
                let pairs = on.iter().map(|(own, other)| format!("{own} = {other}"));
                let how = match way {
                    Way::Chosen => "",
                    Way::LeftWhole => ", left side whole to every partition",
                    Way::RightWhole => ", right side whole to every partition",
                    Way::Exchange => ", both sides exchanged",
                };
                format!("join {kind:?} on {}{how}", listed(&pairs.collect::<Vec<_>>())).to_lowercase()
            }
            Operation::Sort { keys, .. } => format!("sort by {}", order(keys)),
            Operation::SortWhole { keys, .. } => format!("sort in one partition by {}", order(keys)),
            Operation::Regroup { partitions, .. } => format!("regroup to {partitions} partitions"),
        }
    }

    /// The plan as text, one operation a line, what it is made of below it.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let mut waiting = vec![(self, 0)];
        while let Some((plan, depth)) = waiting.pop() {
            let _ = writeln!(text, "{:indent$}{}", "", plan.line(), indent = 2 * depth);
            waiting.extend(plan.inputs().into_iter().rev().map(|input| (&**input, depth + 1)));
        }
        text
    }
}

fn distinct(fields: &[Field]) -> Result<(), FrameError> {
    let mut names: Vec<&String> = fields.iter().map(Field::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(FrameError::Unexpected {
            operation: "a table",
            expected: "columns of different names".to_owned(),
            got: format!("{:?} twice", pair[0]),
        }),
        None => Ok(()),
    }
}

/// The type of a figure of values of a type.
fn statistic_type(statistic: Statistic, of: Option<&DataType>) -> Result<DataType, FrameError> {
    let refuse = |of: &DataType| FrameError::NotNative {
        operation: format!("{statistic:?}").to_lowercase(),
        types: of.to_string(),
    };
    let Some(of) = of else {
        return Ok(DataType::Int64);
    };
    Ok(match statistic {
        Statistic::Count | Statistic::Size => DataType::Int64,
        Statistic::Sum if of.is_floating() && *of != DataType::Float16 => DataType::Float64,
        Statistic::Sum if of.is_unsigned_integer() => DataType::UInt64,
        Statistic::Sum if of.is_signed_integer() || *of == DataType::Boolean => DataType::Int64,
        Statistic::Mean | Statistic::Variance(_) | Statistic::Deviation(_) | Statistic::Median
            if of.is_integer() || matches!(of, DataType::Float32 | DataType::Float64) =>
        {
            DataType::Float64
        }
        Statistic::Min | Statistic::Max | Statistic::First | Statistic::Last
            if of.is_numeric() || matches!(of, DataType::Utf8View | DataType::Timestamp(..)) =>
        {
            of.clone()
        }
        _ => return Err(refuse(of)),
    })
}
