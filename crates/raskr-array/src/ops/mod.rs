//! The operations that lowered array expressions run.

pub mod arrange;
pub mod contract;
pub mod count;
pub mod feed;
pub mod filter;
pub mod function;
pub mod fused;
pub mod order;
pub mod ordering;
pub mod parts;
pub mod positions;
pub mod reduce;
pub mod scan;
pub mod store;
pub mod take;

use std::sync::Arc;

use raskr_base::{Chunk, DType, ErrorClass, TaskError, Value};
use raskr_kernels::blocks;

use crate::expr::{Expr, Place};
use crate::grid::{Grid, shape_words};

/// What every operation on blocks says of itself.
#[derive(Clone)]
pub struct About {
    pub name: String,
    /// The expression that the operation computes, or a part of it.
    expr: Arc<Expr>,
    pub origin: Option<Arc<dyn Place>>,
    /// Blocks of the result.
    pub grid: Grid,
    pub itemsize: usize,
}

impl About {
    pub fn new(expr: &Arc<Expr>, suffix: &str) -> About {
        About {
            expr: Arc::clone(expr),
            name: format!("{}{suffix}", expr.label()),
            origin: expr.origin().cloned(),
            grid: expr.grid().clone(),
            itemsize: expr.element().itemsize(),
        }
    }

    /// The expression that the operation computes, or a part of it.
    pub fn expr(&self) -> &Arc<Expr> {
        &self.expr
    }

    pub fn with_grid(mut self, grid: Grid) -> About {
        self.grid = grid;
        self
    }

    /// Bytes of a block; 0 when its size is unknown.
    pub fn bytes(&self, index: u32) -> u64 {
        let block = self.grid.unflat(index);
        if self.grid.block_shape(&block).contains(&crate::grid::UNKNOWN) {
            return 0;
        }
        self.grid.block_elements(&block).saturating_mul(self.itemsize as u64)
    }

    /// The name of the operation's content, and the block's place.
    pub fn key(&self, index: u32) -> Option<String> {
        let name = self.expr.name().ok()?;
        // Partial results are told from the whole by what the operation's name has beyond the expression's.
        let part = self.name.strip_prefix(self.expr.label()).unwrap_or(&self.name);
        let place: Vec<String> = self.grid.unflat(index).iter().map(u32::to_string).collect();
        let comma = if place.is_empty() { "" } else { ", " };
        let extra = if index < self.grid.blocks() { String::new() } else { format!(", {index}") };
        Some(format!("('{name}{part}'{comma}{}{extra})", place.join(", ")))
    }

    pub fn describe(&self, index: u32) -> String {
        let block = self.grid.unflat(index);
        let place: Vec<String> = block.iter().map(u32::to_string).collect();
        format!(
            "{}: block ({}) of shape {} in an array of shape {}",
            self.name,
            place.join(", "),
            shape_words(&self.grid.block_shape(&block)),
            shape_words(&self.grid.shape())
        )
    }
}

/// Implements the parts of `Op` that `About` answers, or all but the estimate.
macro_rules! about {
    () => {
        about!(but estimate);

        fn estimate(&self, index: u32) -> u64 {
            self.about.bytes(index)
        }
    };
    (but estimate) => {
        fn name(&self) -> &str {
            &self.about.name
        }

        fn origin(&self) -> Option<&str> {
            self.about.origin.as_ref().and_then(|place| place.text())
        }

        fn describe(&self, index: u32) -> String {
            self.about.describe(index)
        }

        fn key(&self, index: u32) -> Option<String> {
            self.about.key(index)
        }
    };
}
pub(crate) use about;

/// A native chunk of the element type that was declared.
pub fn chunk_of(value: Value, dtype: DType, operation: &str) -> Result<Chunk, TaskError> {
    match value {
        Value::Chunk(chunk) if chunk.dtype() == dtype => Ok(chunk),
        Value::Chunk(chunk) => cast(&chunk, dtype, operation),
        other => Err(TaskError::new(
            ErrorClass::Type,
            format!("{operation}: expected a block of {dtype}, got {}", kind_of(&other)),
        )),
    }
}

/// The chunk as another native element type.
pub fn cast(chunk: &Chunk, dtype: DType, operation: &str) -> Result<Chunk, TaskError> {
    blocks::cast(chunk, dtype).ok_or_else(|| {
        TaskError::new(
            ErrorClass::Type,
            format!("{operation}: expected a block of {dtype}, got one of {}", chunk.dtype()),
        )
    })
}

/// What a value is, in words.
pub fn kind_of(value: &Value) -> String {
    match value {
        Value::Unit => "nothing".to_owned(),
        Value::Chunk(chunk) => format!("a block of {} elements of {}", chunk.len(), chunk.dtype()),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::List(values) => format!("a list of {} values", values.len()),
        Value::Foreign(object) => format!("an object ({object:?})"),
    }
}

/// The chunks of a list value, in order.
pub fn chunks_of(value: Value, operation: &str) -> Result<Vec<Chunk>, TaskError> {
    let Value::List(values) = value else {
        return Err(TaskError::internal(format!("{operation}: expected partial results, got {}", kind_of(&value))));
    };
    values
        .iter()
        .map(|value| match value {
            Value::Chunk(chunk) => Ok(chunk.clone()),
            other => Err(TaskError::internal(format!("{operation}: expected a partial block, got {}", kind_of(other)))),
        })
        .collect()
}

/// Chunks as one value.
pub fn list_of(chunks: Vec<Chunk>) -> Value {
    Value::List(chunks.into_iter().map(Value::Chunk).collect())
}
