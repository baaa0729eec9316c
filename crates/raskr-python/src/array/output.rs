//! Results of array expressions: which tasks a run must yield, and the NumPy arrays made of them.

use std::any::Any;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raskr_array::lower::results::{Destination, Lowered, lower_results};
use raskr_array::ops::About;
use raskr_array::ops::store::{WholeOp, join_all};
use raskr_array::{Expr, Kind};
use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};
use raskr_graph::{Builder, Call, Collection, Input, TaskRef};
use raskr_kernels::blocks::copied;
use raskr_kernels::program::OpCode;
use serde::{Deserialize, Serialize};

use super::convert::{block_value, chunk_to_numpy};
use super::expr::PyExpr;
use crate::error::{from_python, to_python};
use crate::node::Node;
use crate::object::to_object;

/// Passes a value on; what an interpreter's call gave becomes a native block.
#[derive(Clone, Serialize, Deserialize)]
pub struct BlockOp {
    name: String,
    native: bool,
}

impl Op for BlockOp {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> OpKind {
        if self.native { OpKind::Interpreted } else { OpKind::Native }
    }

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a value is missing"))?;
        if !self.native || matches!(value, Value::Chunk(_)) {
            return Ok(value);
        }
        Python::attach(|py| {
            let object = to_object(py, &value).map_err(|error| from_python(py, error))?;
            block_value(object, true).map_err(|error| from_python(py, error))
        })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// A call that yields what `input` does.
pub fn pass(input: Input) -> Arc<Call> {
    Call::new(Arc::new(BlockOp { name: "block".to_owned(), native: false }), vec![input], None)
}

/// A call that yields the array which `call` gives as a native block.
pub fn as_block(call: Arc<Call>) -> Arc<Call> {
    let key = call.key().map(str::to_owned);
    let block =
        Call::new(Arc::new(BlockOp { name: call.op().name().to_owned(), native: true }), vec![Input::Call(call)], None);
    if let Some(key) = key {
        block.key_or_init(|| format!("{key}-block"));
    }
    block
}

/// A call that yields the whole array.
pub fn whole_call(expr: &Arc<Expr>) -> Arc<Call> {
    let collection: Arc<dyn Collection> = Arc::clone(expr) as Arc<dyn Collection>;
    let inputs = (0..expr.grid().blocks()).map(|index| Input::Block(Arc::clone(&collection), index)).collect();
    Call::new(Arc::new(WholeOp { about: About::new(expr, "-finalize") }), inputs, None)
}

pub fn whole(expr: &Arc<Expr>) -> Node {
    Node::of_call(whole_call(expr))
}

/// How an expression's result is put together when its tasks have run.
pub struct Gather {
    expr: Arc<Expr>,
    /// How many values of the run are its own.
    pub count: usize,
    destination: Destination,
}

/// Adds expressions to a graph, lowered together with those that calls stand on, and marks what the run must yield.
pub fn add(
    builder: &mut Builder,
    exprs: &[Arc<Expr>],
    under: &[Arc<Expr>],
    keep_blocks: bool,
) -> Result<Vec<Gather>, TaskError> {
    let mut gathers = Vec::with_capacity(exprs.len());
    for (expr, lowered) in exprs.iter().zip(lower_results(exprs, under, !keep_blocks, builder)?) {
        let Lowered { layer, tasks, destination } = lowered;
        for index in 0..tasks {
            builder.output(TaskRef { layer, index });
        }
        gathers.push(Gather { expr: Arc::clone(expr), count: tasks as usize, destination });
    }
    Ok(gathers)
}

impl Gather {
    /// The array of blocks that come as values.
    pub fn of_blocks(expr: &Arc<Expr>) -> Gather {
        Gather { expr: Arc::clone(expr), count: expr.grid().blocks() as usize, destination: Destination::Blocks }
    }

    /// The NumPy array (or what NumPy-like blocks join to) of the values that the run yielded.
    pub fn result(self, py: Python<'_>, values: Vec<Value>) -> PyResult<Py<PyAny>> {
        let raised = |error| to_python(py, error);
        let chunk = match &self.destination {
            Destination::Blocks => {
                if values.is_empty() {
                    return Err(to_python(py, TaskError::internal("an array without blocks")));
                }
                let whole = py.detach(|| join_all(self.expr.grid(), values)).map_err(raised)?;
                return finished(py, whole, stays_array(&self.expr));
            }
            Destination::Array(target) => target.take(),
            Destination::Found(room) => {
                let target = room.get().ok_or_else(|| TaskError::internal("an array whose size was not found"));
                target.map_err(raised)?.take()
            }
        };
        // The run's last hold on the array: it is the user's alone from here on.
        drop(self.destination);
        if values.iter().all(|value| matches!(value, Value::Unit)) {
            return Ok(chunk_to_numpy(py, &chunk)?.unbind());
        }
        // A user's function gave blocks of other shapes than it said: they are joined as they are.
        let grid = self.expr.grid().clone();
        let values = values
            .into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::Unit => part_of(&chunk, &grid, index as u32),
                other => Ok(other),
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(raised)?;
        finished(py, join_all(&grid, values).map_err(raised)?, false)
    }

    /// An expression that holds the computed blocks.
    pub fn kept(self, py: Python<'_>, values: Vec<Value>) -> PyResult<Py<PyAny>> {
        let expr = &self.expr;
        let name = expr.name().map_err(|error| to_python(py, error))?;
        let element = expr.element().clone();
        let native = expr.is_native() && values.iter().all(|value| matches!(value, Value::Chunk(_)));
        let values: Vec<Value> = values.into_iter().map(own).collect();
        let blocks: Vec<_> = values.iter().map(|value| to_object(py, value)).collect::<PyResult<_>>()?;
        let stored = Expr::stored(values.into(), expr.grid().clone(), element, native, expr.label())
            .map_err(|error| super::expr::raise(py, error))?;
        let stored = Expr::renamed(&stored, &name);
        let probe = PyExpr::new(py, Arc::clone(expr), "", ().into_pyobject(py)?)?;
        let (chunks, dtype) = (probe.chunks(py)?, probe.dtype(py)?);
        let blocks = pyo3::types::PyTuple::new(py, blocks)?;
        let made = PyExpr::new(py, stored, "from_blocks", (blocks, chunks, dtype, native, name).into_pyobject(py)?)?;
        Ok(Py::new(py, made)?.into_any())
    }
}

#[pymethods]
impl PyExpr {
    /// The array whose blocks were computed elsewhere: they come in row-major order.
    fn joined(&self, py: Python<'_>, blocks: Vec<Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let expected = self.expr().grid().blocks() as usize;
        if blocks.len() != expected {
            return Err(PyValueError::new_err(format!("joined: expected {expected} blocks, got {}", blocks.len())));
        }
        let native = self.expr().is_native();
        let values = blocks.into_iter().map(|block| block_value(block, native)).collect::<PyResult<Vec<Value>>>()?;
        Gather::of_blocks(self.expr()).result(py, values)
    }
}

/// A block that keeps no other memory alive than its own.
fn own(value: Value) -> Value {
    match value {
        Value::Chunk(chunk) if chunk.nbytes() * 2 < chunk.buffer().len() => Value::Chunk(copied(&chunk)),
        other => other,
    }
}

fn part_of(chunk: &raskr_base::Chunk, grid: &raskr_array::Grid, index: u32) -> Result<Value, TaskError> {
    let block = grid.unflat(index);
    let shape: Vec<usize> = grid.block_shape(&block).iter().map(|n| *n as usize).collect();
    let start = grid.block_start(&block);
    let offset: isize = start.iter().zip(chunk.strides()).map(|(at, stride)| *at as isize * stride).sum();
    chunk
        .with_layout(&shape, chunk.strides(), chunk.offset() + offset as usize)
        .map(Value::Chunk)
        .ok_or_else(|| TaskError::internal("a block outside of its array"))
}

/// Does NumPy's counterpart of an expression without axes give an array, rather than a scalar? Creation, `reshape`,
/// `squeeze` and `where` do; picking an element, reductions and universal functions do not.
fn stays_array(expr: &Arc<Expr>) -> bool {
    let mut expr = expr;
    loop {
        match expr.kind() {
            Kind::Source { .. } | Kind::Memory { .. } => return expr.label() != "getitem",
            Kind::ReshapeBlocks { .. } => return true,
            Kind::Elementwise { code, .. } => return *code == OpCode::Where,
            Kind::Cast { input }
            | Kind::View { input, .. }
            | Kind::Rechunk { input }
            | Kind::SelectBlocks { input, .. }
            | Kind::Relabel { input }
                if input.ndim() == 0 =>
            {
                expr = input;
            }
            _ => return false,
        }
    }
}

/// What the user gets: an array of its own, or a scalar for an array without dimensions.
fn finished(py: Python<'_>, value: Value, stays_array: bool) -> PyResult<Py<PyAny>> {
    let value = match value {
        // Nobody else's memory is handed out: writing to a result must not change its source.
        Value::Chunk(chunk) if !chunk.buffer().is_heap() || Arc::strong_count(chunk.buffer()) > 1 => {
            Value::Chunk(py.detach(|| copied(&chunk)))
        }
        other => other,
    };
    match &value {
        Value::Chunk(chunk) if chunk.ndim() == 0 && !stays_array => {
            Ok(chunk_to_numpy(py, chunk)?.get_item(pyo3::types::PyTuple::empty(py))?.unbind())
        }
        Value::Chunk(chunk) => Ok(chunk_to_numpy(py, chunk)?.unbind()),
        other => Ok(to_object(py, other)?.unbind()),
    }
}
