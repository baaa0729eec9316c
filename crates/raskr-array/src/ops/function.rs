//! Operations that call an interpreter's functions with blocks.

use std::sync::Arc;

use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};
use smallvec::SmallVec;

use super::arrange::view_block;
use super::{About, about};
use crate::function::{Argument, BlockFunction, foreign};
use crate::grid::Grid;
use crate::index::AffineMap;

/// How one array argument's blocks reach the function.
pub struct ArgumentPlan {
    /// Blocks along each contracted index, outermost first; empty when the argument is one block.
    pub nesting: SmallVec<[u32; 2]>,
    /// Axes of the argument that the nesting runs along.
    pub nested_axes: SmallVec<[usize; 2]>,
    /// A view to be taken of each block first: the source's grid, the map, and the view's own grid.
    pub view: Option<(Grid, AffineMap, Grid)>,
}

/// Calls a function once for every block of the result.
pub struct FunctionOp {
    pub about: About,
    pub function: Arc<dyn BlockFunction>,
    pub arguments: Vec<ArgumentPlan>,
    /// For each argument and each block of it in order, its number in the argument's grid, as the inputs are listed.
    pub numbers: Box<dyn Fn(u32, usize) -> SmallVec<[u32; 4]> + Send + Sync>,
    pub concatenate: bool,
}

/// Puts a row-major run of blocks into lists nested as the counts say.
pub fn nest(values: &mut impl Iterator<Item = Value>, counts: &[u32]) -> Result<Argument, TaskError> {
    match counts.split_first() {
        None => values.next().map(Argument::Block).ok_or_else(|| TaskError::internal("a block is missing")),
        Some((many, rest)) => {
            Ok(Argument::List((0..*many).map(|_| nest(values, rest)).collect::<Result<Vec<_>, _>>()?))
        }
    }
}

/// Joins nested blocks along their axes.
pub fn join(argument: Argument, axes: &[usize]) -> Result<Value, TaskError> {
    let (Argument::List(parts), Some((axis, rest))) = (argument, axes.split_first()) else {
        return Err(TaskError::internal("nested blocks were expected"));
    };
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        values.push(match part {
            Argument::Block(value) => value,
            nested => join(nested, rest)?,
        });
    }
    join_values(values, *axis)
}

/// Joins arrays along one axis, native or not.
pub fn join_values(mut values: Vec<Value>, axis: usize) -> Result<Value, TaskError> {
    if values.len() == 1
        && let Some(only) = values.pop()
    {
        return Ok(only);
    }
    let chunks: Option<Vec<_>> = values.iter().map(|value| value.as_chunk().cloned()).collect();
    if let Some(mut chunks) = chunks {
        for chunk in &mut chunks {
            // A function that gave a bare element where a block was declared.
            if chunk.ndim() == 0
                && let Some(block) = chunk.reshaped(&vec![1; axis + 1])
            {
                *chunk = block;
            }
        }
        return raskr_kernels::blocks::concatenate(&chunks, axis)
            .map(Value::Chunk)
            .map_err(|error| TaskError::new(error.class(), error.to_string()));
    }
    let arrays = foreign()?;
    let (mut end, mut shape) = (0usize, Vec::new());
    let mut pieces = Vec::with_capacity(values.len());
    for value in values {
        shape = match &value {
            Value::Chunk(chunk) => chunk.shape().to_vec(),
            other => arrays.shape(other)?,
        };
        let mut target = vec![0; shape.len()];
        if let (Some(at), Some(len)) = (target.get_mut(axis), shape.get(axis)) {
            *at = end;
            end += len;
        }
        pieces.push((target, value));
    }
    if let Some(len) = shape.get_mut(axis) {
        *len = end;
    }
    arrays.assemble(&shape, pieces)
}

impl Op for FunctionOp {
    about!();

    fn kind(&self) -> OpKind {
        self.function.kind()
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let mut values = inputs.drain(..);
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for (number, plan) in self.arguments.iter().enumerate() {
            let many: u32 = plan.nesting.iter().product();
            let numbers = (self.numbers)(context.index, number);
            let mut blocks = Vec::with_capacity(many as usize);
            for at in 0..many as usize {
                let value = values.next().ok_or_else(|| TaskError::internal("a block is missing"))?;
                blocks.push(match &plan.view {
                    Some((source, map, grid)) => {
                        view_block(value, source, map, grid, numbers.get(at).copied().unwrap_or(0), &self.about.name)?
                    }
                    None => value,
                });
            }
            let nested = nest(&mut blocks.into_iter(), &plan.nesting)?;
            arguments.push(if self.concatenate && !plan.nesting.is_empty() {
                Argument::Block(join(nested, &plan.nested_axes)?)
            } else {
                nested
            });
        }
        let extras: Vec<Value> = values.collect();
        self.function.call(&block, arguments, extras)
    }
}

/// Calls a function with groups of neighbouring blocks.
pub struct GroupOp {
    pub about: About,
    pub function: Arc<dyn BlockFunction>,
    /// The input's blocks an axis, and how many of them make a group: `(axis, blocks, group)`.
    pub group: Vec<(usize, u32, u32)>,
    pub concatenate: bool,
}

impl GroupOp {
    /// How many blocks a group has along each grouped axis, at this place.
    pub fn counts(&self, block: &[u32]) -> SmallVec<[u32; 4]> {
        self.group.iter().map(|(axis, blocks, group)| (*group).min(blocks - block[*axis] * group)).collect()
    }
}

impl Op for GroupOp {
    about!();

    fn kind(&self) -> OpKind {
        self.function.kind()
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let counts = self.counts(&block);
        let nested = nest(&mut std::mem::take(inputs).into_iter(), &counts)?;
        let argument = if self.concatenate && !self.group.is_empty() {
            let axes: SmallVec<[usize; 4]> = self.group.iter().map(|(axis, _, _)| *axis).collect();
            Argument::Block(join(nested, &axes)?)
        } else {
            nested
        };
        self.function.call(&block, vec![argument], Vec::new())
    }
}

/// Calls a function with all its inputs as they are.
pub struct PlainCallOp {
    pub about: About,
    pub function: Arc<dyn BlockFunction>,
    /// The function joins two values; where there is one only, that is the result.
    pub joins: bool,
}

impl Op for PlainCallOp {
    about!();

    fn kind(&self) -> OpKind {
        self.function.kind()
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        if self.joins
            && inputs.len() == 1
            && let Some(only) = inputs.pop()
        {
            return Ok(only);
        }
        let block = self.about.grid.unflat(context.index);
        let arguments = inputs.drain(..).map(Argument::Block).collect();
        self.function.call(&block, arguments, Vec::new())
    }
}
