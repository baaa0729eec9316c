//! Functions of blocks that need no interpreter and don't fuse: transforms and factorisations.

use std::any::Any;

use raskr_base::{Chunk, ErrorClass, OpKind, TaskError, Value};
use raskr_graph::Token;
use raskr_kernels::blocks::{self, AxisSlice};
use raskr_kernels::fft::{Scaling, Step, transform};
use raskr_kernels::linalg::{self, Reflectors};
use serde::{Deserialize, Serialize};

use crate::function::{Argument, BlockFunction};
use crate::ops::{chunks_of, kind_of, list_of};

/// What is done to the blocks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum NativeFunction {
    /// Fourier transforms along several axes, one after another.
    Transform {
        steps: Vec<Step>,
        scaling: Scaling,
    },
    Linear(Linear),
}

/// A step of linear algebra with whole blocks. Several results are a list, of which `Part` takes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Linear {
    /// R of a block.
    Triangle,
    /// Of a block: its reflections (two chunks), and R.
    Factor,
    /// R of the triangles of all blocks, stacked.
    StackTriangle,
    /// Of what `Factor` gives for all blocks: R, then the rows of the stack's Q that belong to each block (none where there
    /// is one block only, whose Q is that of the whole).
    StackFactor,
    /// A block of Q, from what `Factor` gave for it and what `StackFactor` gave; with what `Svd` gave, a block of U.
    Orthogonal,
    /// Left vectors, values, and right vectors in rows; both matrices of vectors are square.
    Svd,
    SingularValues,
    Part(usize),
    Cholesky,
    /// x of `a x = b`, for a triangle a.
    Solve {
        lower: bool,
    },
    /// x of `x a* = b`, for a lower triangle a.
    SolveBelow,
    /// LU of the rows from `start` on of a panel of columns: the order of rows, and the packed factors.
    LuPanel {
        start: usize,
    },
    /// A panel after the step `current`, whose panel began at row `start`, and the other's result.
    LuUpdate {
        start: usize,
        current: usize,
    },
    /// P of P L U from the results of all steps.
    Permutation,
}

impl BlockFunction for NativeFunction {
    fn call(&self, block: &[u32], arguments: Vec<Argument>, _extras: Vec<Value>) -> Result<Value, TaskError> {
        let mut arguments = arguments.into_iter();
        match self {
            NativeFunction::Transform { steps, scaling } => {
                let chunk = block_of(arguments.next(), "a transform")?;
                Ok(Value::Chunk(transform(chunk, steps, *scaling)?))
            }
            NativeFunction::Linear(step) => step.call(block, arguments.collect()),
        }
    }

    fn kind(&self) -> OpKind {
        OpKind::Native
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn token(&self) -> Result<u128, TaskError> {
        Ok(Token::of("native-function", |hasher| {
            hasher.str(&format!("{self:?}"));
        })
        .0)
    }
}

impl Linear {
    fn call(self, block: &[u32], arguments: Vec<Argument>) -> Result<Value, TaskError> {
        const WHAT: &str = "linear algebra";
        let mut values: Vec<Vec<Value>> = arguments.into_iter().map(flat).collect();
        let missing = || TaskError::internal("linear algebra: a block is missing");
        let mut next = || if values.is_empty() { Vec::new() } else { values.remove(0) };
        let chunk = |values: Vec<Value>| match values.into_iter().next() {
            Some(value) => block_of(Some(Argument::Block(value)), WHAT),
            None => Err(missing()),
        };
        let parts = |values: Vec<Value>| match values.into_iter().next() {
            Some(value) => chunks_of(value, WHAT),
            None => Err(missing()),
        };
        Ok(match self {
            Linear::Triangle => Value::Chunk(linalg::triangle(&chunk(next())?)?),
            Linear::Factor => {
                let (reflectors, r) = linalg::factor(&chunk(next())?)?;
                list_of(vec![reflectors.vectors, reflectors.triangles, r])
            }
            Linear::StackTriangle => {
                let triangles = next().into_iter().map(|v| chunk(vec![v])).collect::<Result<Vec<_>, _>>()?;
                match triangles.as_slice() {
                    [only] => Value::Chunk(only.clone()),
                    all => Value::Chunk(linalg::triangle(&blocks::concatenate(all, 0)?)?),
                }
            }
            Linear::StackFactor => {
                let triangles = next()
                    .into_iter()
                    .map(|v| parts(vec![v])?.pop().ok_or_else(missing))
                    .collect::<Result<Vec<_>, _>>()?;
                if let [only] = triangles.as_slice() {
                    return Ok(list_of(vec![only.clone()]));
                }
                let (reflectors, r) = linalg::factor(&blocks::concatenate(&triangles, 0)?)?;
                let q = linalg::orthogonal(&reflectors, None)?;
                let mut all = vec![r];
                let mut start = 0;
                for triangle in &triangles {
                    let rows = triangle.shape().first().copied().unwrap_or(0);
                    let columns = AxisSlice::full(q.shape().get(1).copied().unwrap_or(0));
                    all.push(blocks::slice(&q, &[AxisSlice { start, step: 1, len: rows }, columns])?);
                    start += rows;
                }
                list_of(all)
            }
            Linear::Orthogonal => {
                let [vectors, triangles, _] = <[Chunk; 3]>::try_from(parts(next())?).map_err(|_| missing())?;
                let stack = parts(next())?;
                let number = block.first().map_or(0, |at| *at as usize);
                let turn = next();
                let turn = if turn.is_empty() { None } else { parts(turn)?.into_iter().next() };
                let right = match (stack.get(number + 1).cloned(), turn) {
                    (Some(piece), Some(turn)) => Some(blocks::matmul(&piece, &turn)?),
                    (piece, turn) => piece.or(turn),
                };
                Value::Chunk(linalg::orthogonal(&Reflectors { vectors, triangles }, right.as_ref())?)
            }
            Linear::Svd => {
                let found = linalg::svd(&chunk(next())?, true)?;
                list_of(vec![found.left, found.values, found.right])
            }
            Linear::SingularValues => Value::Chunk(linalg::singular_values(&chunk(next())?)?),
            Linear::Part(number) => Value::Chunk(parts(next())?.into_iter().nth(number).ok_or_else(missing)?),
            Linear::Cholesky => Value::Chunk(linalg::cholesky(&chunk(next())?)?),
            Linear::Solve { lower } => {
                let triangle = chunk(next())?;
                Value::Chunk(linalg::solve_triangular(&triangle, chunk(next())?, lower)?)
            }
            Linear::SolveBelow => {
                let triangle = chunk(next())?;
                let turned = linalg::adjoint(&chunk(next())?)?;
                Value::Chunk(linalg::adjoint(&linalg::solve_triangular(&triangle, turned, true)?)?)
            }
            Linear::LuPanel { start } => {
                let (order, factors) = linalg::lu(&chunk(next())?, start)?;
                list_of(vec![order, factors])
            }
            Linear::LuUpdate { start, current } => {
                let panel = chunk(next())?;
                let [order, factors] = <[Chunk; 2]>::try_from(parts(next())?).map_err(|_| missing())?;
                let number = block.get(1).map_or(0, |at| *at as usize);
                let (own, right) = (number == current, number > current);
                Value::Chunk(linalg::lu_update(&panel, &order, &factors, start, own, right)?)
            }
            Linear::Permutation => {
                let orders = values
                    .into_iter()
                    .map(|step| parts(step)?.into_iter().next().ok_or_else(missing))
                    .collect::<Result<Vec<_>, _>>()?;
                Value::Chunk(linalg::permutation(&orders)?)
            }
        })
    }
}

/// The blocks of an argument in order, however they are nested.
fn flat(argument: Argument) -> Vec<Value> {
    match argument {
        Argument::Block(value) => vec![value],
        Argument::List(parts) => parts.into_iter().flat_map(flat).collect(),
    }
}

/// The block that an argument is.
fn block_of(argument: Option<Argument>, operation: &str) -> Result<Chunk, TaskError> {
    match argument {
        Some(Argument::Block(Value::Chunk(chunk))) => Ok(chunk),
        Some(Argument::Block(other)) => Err(TaskError::new(
            ErrorClass::Type,
            format!("{operation}: expected a native block, got {}", kind_of(&other)),
        )),
        Some(Argument::List(_)) => Err(TaskError::internal(format!("{operation}: expected one block, got several"))),
        None => Err(TaskError::internal(format!("{operation}: a block is missing"))),
    }
}
