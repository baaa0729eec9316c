//! Native functions of blocks that have to do with order: sorts along an axis, quantiles, searches, unique elements.
//!
//! Partial results of trees are lists of chunks: of unique elements the values, the first positions and the numbers (the
//! latter two empty where nobody asked), of extremes the values and the positions.

use std::any::Any;

use raskr_base::{Chunk, ErrorClass, OpKind, TaskError, Value};
use raskr_graph::Token;
use raskr_kernels::KernelError;
use raskr_kernels::blocks::unique::{self, Unique, Wanted};
use raskr_kernels::blocks::{self, QuantileMethod, Side};
use serde::{Deserialize, Serialize};

use super::{kind_of, list_of};
use crate::function::{Argument, BlockFunction};

/// What is done with blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ordering {
    Sort {
        axis: usize,
    },
    Argsort {
        axis: usize,
    },
    Partition {
        axis: usize,
        places: Vec<usize>,
    },
    Argpartition {
        axis: usize,
        places: Vec<usize>,
    },
    /// Along some axes; `keep` leaves them with length one.
    Median {
        axes: Vec<usize>,
        skip_nan: bool,
        keep: bool,
    },
    /// Several quantiles become the first axis, one (`single`) none.
    Quantile {
        axes: Vec<usize>,
        points: Vec<f64>,
        single: bool,
        method: QuantileMethod,
        skip_nan: bool,
        keep: bool,
    },
    /// Places of the second argument's elements in the first.
    SearchSorted {
        side: Side,
        added_axis: bool,
    },
    IsIn {
        invert: bool,
    },
    Lexsort,
    /// Greatest elements (`k` > 0) or least, of a block or of joined partial results.
    Top {
        axis: usize,
        k: i64,
    },
    /// The same with positions, from where each block of the axis begins.
    TopOfBlock {
        axis: usize,
        k: i64,
        starts: Vec<i64>,
    },
    TopOfParts {
        axis: usize,
        k: i64,
        end: bool,
    },
    UniqueOfBlock {
        starts: Vec<i64>,
        index: bool,
        counts: bool,
    },
    UniqueOfParts,
    /// Element `number` of a list of chunks.
    Part {
        number: usize,
    },
    /// Which unique element each element is. Arguments: the block, the partial result.
    Inverse,
}

fn kernel(error: KernelError) -> TaskError {
    TaskError::new(error.class(), error.to_string())
}

/// The one block of an argument.
fn block(argument: Option<Argument>) -> Result<Chunk, TaskError> {
    match argument {
        Some(Argument::Block(Value::Chunk(chunk))) => Ok(chunk),
        Some(Argument::Block(other)) => {
            Err(TaskError::new(ErrorClass::Type, format!("expected a native block, got {}", kind_of(&other))))
        }
        Some(Argument::List(mut list)) if list.len() == 1 => block(list.pop()),
        _ => Err(TaskError::internal("a block is missing")),
    }
}

/// All values of an argument, in order.
fn flatten(argument: Argument, into: &mut Vec<Value>) {
    match argument {
        Argument::Block(value) => into.push(value),
        Argument::List(parts) => parts.into_iter().for_each(|part| flatten(part, into)),
    }
}

fn values_of(argument: Option<Argument>) -> Vec<Value> {
    let mut values = Vec::new();
    if let Some(argument) = argument {
        flatten(argument, &mut values);
    }
    values
}

fn empty() -> Chunk {
    Chunk::from_slice::<i64>(&[], &[0])
}

fn unique_value(unique: Unique) -> Value {
    // A missing part is told from an empty one by its axes.
    let none = || empty().reshaped(&[0, 0]).unwrap_or_else(empty);
    list_of(vec![unique.values, unique.index.unwrap_or_else(none), unique.counts.unwrap_or_else(none)])
}

fn unique_of(value: Value) -> Result<Unique, TaskError> {
    let mut parts = super::chunks_of(value, "unique")?.into_iter();
    let (Some(values), Some(index), Some(counts)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(TaskError::internal("unique: a partial result is not whole"));
    };
    let given = |chunk: Chunk| (chunk.ndim() == 1).then_some(chunk);
    Ok(Unique { values, index: given(index), counts: given(counts) })
}

/// The axes moved to the end and made one, and the shape that a result has with them kept.
fn merged(chunk: &Chunk, axes: &[usize]) -> Result<(Chunk, Vec<usize>), TaskError> {
    let kept: Vec<usize> = (0..chunk.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let turned = blocks::to_contiguous(&blocks::transpose(chunk, &order).map_err(kernel)?);
    let mut shape: Vec<usize> = kept.iter().map(|&axis| chunk.shape()[axis]).collect();
    shape.push(axes.iter().map(|&axis| chunk.shape()[axis]).product());
    let lines = turned.reshaped(&shape).ok_or_else(|| TaskError::internal("lines don't reshape"))?;
    let whole = (0..chunk.ndim()).map(|axis| if axes.contains(&axis) { 1 } else { chunk.shape()[axis] }).collect();
    Ok((lines, whole))
}

/// A result with the given leading axis, its reduced axes kept or dropped.
fn shaped(chunk: Chunk, lead: Option<usize>, whole: &[usize], axes: &[usize], keep: bool) -> Result<Chunk, TaskError> {
    let rest = whole.iter().enumerate().filter(|(axis, _)| keep || !axes.contains(axis)).map(|(_, n)| *n);
    let shape: Vec<usize> = lead.into_iter().chain(rest).collect();
    blocks::to_contiguous(&chunk).reshaped(&shape).ok_or_else(|| TaskError::internal("a result doesn't reshape"))
}

impl Ordering {
    fn run(&self, at: &[u32], arguments: Vec<Argument>) -> Result<Value, TaskError> {
        let mut arguments = arguments.into_iter();
        let mut next = || block(arguments.next());
        Ok(Value::Chunk(match self {
            Ordering::Sort { axis } => blocks::sort_axis(next()?, *axis).map_err(kernel)?,
            Ordering::Argsort { axis } => blocks::argsort_axis(&next()?, *axis).map_err(kernel)?,
            Ordering::Partition { axis, places } => blocks::partition_axis(next()?, places, *axis).map_err(kernel)?,
            Ordering::Argpartition { axis, places } => {
                blocks::argpartition_axis(&next()?, places, *axis).map_err(kernel)?
            }
            Ordering::Median { axes, skip_nan, keep } => {
                let (lines, whole) = merged(&next()?, axes)?;
                let middle = blocks::median(&lines, lines.ndim() - 1, *skip_nan).map_err(kernel)?;
                shaped(middle, None, &whole, axes, *keep)?
            }
            Ordering::Quantile { axes, points, single, method, skip_nan, keep } => {
                let (lines, whole) = merged(&next()?, axes)?;
                let found = blocks::quantile(&lines, points, lines.ndim() - 1, *method, *skip_nan).map_err(kernel)?;
                shaped(found, (!single).then_some(points.len()), &whole, axes, *keep)?
            }
            Ordering::SearchSorted { side, added_axis } => {
                let (sorted, values) = (next()?, next()?);
                let places = blocks::searchsorted(&sorted, &values, *side).map_err(kernel)?;
                let shape: Vec<usize> = places.shape().iter().copied().chain(added_axis.then_some(1)).collect();
                places.reshaped(&shape).unwrap_or(places)
            }
            Ordering::IsIn { invert } => {
                let (values, sorted) = (next()?, next()?);
                unique::is_in(&values, &sorted, *invert).map_err(kernel)?
            }
            Ordering::Lexsort => {
                let keys = arguments.map(|argument| block(Some(argument))).collect::<Result<Vec<_>, _>>()?;
                unique::lexsort(&keys).map_err(kernel)?
            }
            Ordering::Top { axis, k } => blocks::top_k(&next()?, *k, *axis, None).map_err(kernel)?.0,
            Ordering::TopOfBlock { axis, k, starts } => {
                let values = next()?;
                let from = at.get(*axis).and_then(|block| starts.get(*block as usize)).copied().unwrap_or(0);
                let mut shape = vec![1; values.ndim()];
                shape[*axis] = values.shape()[*axis];
                let numbers: Vec<i64> = (from..from + shape[*axis] as i64).collect();
                let numbers = blocks::broadcast_to(&Chunk::from_slice(&numbers, &shape), values.shape());
                return top(&values, &numbers.map_err(kernel)?, *k, *axis, false);
            }
            Ordering::TopOfParts { axis, k, end } => {
                let (mut all, mut places) = (Vec::new(), Vec::new());
                for value in values_of(arguments.next()) {
                    let mut parts = super::chunks_of(value, "argtopk")?.into_iter();
                    all.extend(parts.next());
                    places.extend(parts.next());
                }
                let all = blocks::concatenate(&all, *axis).map_err(kernel)?;
                let places = blocks::concatenate(&places, *axis).map_err(kernel)?;
                return top(&all, &places, *k, *axis, *end);
            }
            Ordering::UniqueOfBlock { starts, index, counts } => {
                let from = at.first().and_then(|block| starts.get(*block as usize)).copied().unwrap_or(0);
                let wanted = Wanted { index: *index, counts: *counts };
                return Ok(unique_value(unique::unique(&next()?, from, wanted).map_err(kernel)?));
            }
            Ordering::UniqueOfParts => {
                let parts = values_of(arguments.next()).into_iter().map(unique_of).collect::<Result<Vec<_>, _>>()?;
                return Ok(unique_value(unique::join_unique(&parts).map_err(kernel)?));
            }
            Ordering::Part { number } => {
                let list = values_of(arguments.next()).pop().ok_or_else(|| TaskError::internal("a list is missing"))?;
                let part = super::chunks_of(list, "unique")?.into_iter().nth(*number);
                part.ok_or_else(|| TaskError::internal("a part of a list is missing"))?
            }
            Ordering::Inverse => {
                let values = next()?;
                let list = values_of(arguments.next()).pop().ok_or_else(|| TaskError::internal("a list is missing"))?;
                blocks::searchsorted(&unique_of(list)?.values, &values, Side::Left).map_err(kernel)?
            }
        }))
    }
}

fn top(values: &Chunk, places: &Chunk, k: i64, axis: usize, end: bool) -> Result<Value, TaskError> {
    let (values, chosen) = blocks::top_k(values, k, axis, Some(places)).map_err(kernel)?;
    let chosen = chosen.ok_or_else(|| TaskError::internal("no positions"))?;
    Ok(if end { Value::Chunk(chosen) } else { list_of(vec![values, chosen]) })
}

impl BlockFunction for Ordering {
    fn call(&self, block: &[u32], arguments: Vec<Argument>, _extras: Vec<Value>) -> Result<Value, TaskError> {
        self.run(block, arguments)
    }

    fn token(&self) -> Result<u128, TaskError> {
        Ok(Token::of("ordering", |hasher| {
            hasher.str(&format!("{self:?}"));
        })
        .0)
    }

    fn kind(&self) -> OpKind {
        OpKind::Native
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
