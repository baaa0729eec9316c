//! Running expressions: on how many threads, within how much memory, and in what form the result is given.

use std::path::PathBuf;

use raskr_array::Expr;
use raskr_array::lower::results::{Destination, Lowered, lower_results};
use raskr_array::lower::{as_layer, lower};
use raskr_array::ops::store::join_all;
use raskr_base::{Chunk, Element, TaskError, Value};
use raskr_exec::{RunOptions, default_memory_limit, start};
use raskr_graph::{Builder, Plan, PlanOptions, TaskRef};
use raskr_kernels::blocks::{copied, to_contiguous};

use super::Array;
use crate::error::{Error, Result};

/// How a computation runs. What is not said is chosen by the machine: one thread for each processor, 80 % of memory.
///
/// ```
/// use raskr::array::{self, Options};
///
/// let options = Options::new().threads(2).memory_limit(64 << 20);
/// let sum = array::ones(1000, 100).sum(..).compute_with(&options)?;
/// assert_eq!(sum.item::<f64>(), Some(1000.0));
/// # Ok::<(), raskr::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    threads: Option<usize>,
    memory_limit: Option<u64>,
    spill_directory: Option<PathBuf>,
}

impl Options {
    /// The machine's own choice of everything.
    pub fn new() -> Options {
        Options::default()
    }

    /// How many threads run tasks; 0 runs them on the calling thread.
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = Some(threads);
        self
    }

    /// Bytes that chunks may take together; those that must wait longest are written to disk beyond it. The result
    /// itself is not counted.
    pub fn memory_limit(mut self, bytes: u64) -> Options {
        self.memory_limit = Some(bytes);
        self
    }

    /// The folder in which chunks wait on disk; the system's folder for temporary files by default.
    pub fn spill_directory(mut self, folder: impl Into<PathBuf>) -> Options {
        self.spill_directory = Some(folder.into());
        self
    }

    pub(crate) fn for_run(&self) -> RunOptions {
        let mut options = RunOptions {
            memory_limit: self.memory_limit.or_else(default_memory_limit),
            spill_directory: self.spill_directory.clone(),
            ..RunOptions::default()
        };
        if let Some(threads) = self.threads {
            options.threads = threads;
        }
        options
    }
}

/// Computes several arrays in one run, so that what they share is computed once.
///
/// ```
/// use raskr::array::{self, Options};
///
/// let x = array::random::Generator::new(7).normal([500, 500], 0.0, 1.0, 100);
/// let both = array::compute_all(&[&x.min(..), &x.max(..)], &Options::new())?;
/// assert!(both[0].item::<f64>() < both[1].item::<f64>());
/// # Ok::<(), raskr::Error>(())
/// ```
pub fn compute_all(arrays: &[&Array], options: &Options) -> Result<Vec<Chunk>> {
    let exprs = arrays.iter().map(|array| array.expr().cloned()).collect::<Result<Vec<_>>>()?;
    let mut builder = Builder::new();
    let lowered = lower_results(&exprs, &[], true, &mut builder)?;
    for Lowered { layer, tasks, .. } in &lowered {
        for index in 0..*tasks {
            builder.output(TaskRef { layer: *layer, index });
        }
    }
    let mut values = run(builder, options)?.into_iter();
    exprs
        .iter()
        .zip(lowered)
        .map(|(expr, lowered)| {
            let own: Vec<Value> = values.by_ref().take(lowered.tasks as usize).collect();
            let misfit = || Error::from(TaskError::internal(format!("{}: a block of another shape", expr.label())));
            match lowered.destination {
                Destination::Blocks => whole(expr, own),
                _ if own.iter().any(|value| !matches!(value, Value::Unit)) => Err(misfit()),
                Destination::Array(target) => Ok(target.take()),
                Destination::Found(room) => Ok(room.get().ok_or_else(misfit)?.take()),
            }
        })
        .collect()
}

/// Runs what a builder holds and gives the values of its outputs.
pub(super) fn run(builder: Builder, options: &Options) -> Result<Vec<Value>> {
    let plan = Plan::from_graph(builder.finish(), PlanOptions::default())?;
    let outcome = start(plan, options.for_run()).wait(None);
    Ok(outcome.unwrap_or_else(|| Err(raskr_exec::RunError::Cancelled))?)
}

/// The only block, in row-major order and without memory that it does not need.
fn whole(expr: &Expr, values: Vec<Value>) -> Result<Chunk> {
    match join_all(expr.grid(), values)? {
        Value::Chunk(chunk) if chunk.nbytes() * 2 < chunk.buffer().len() => Ok(copied(&chunk)),
        Value::Chunk(chunk) => Ok(to_contiguous(&chunk)),
        other => Err(TaskError::internal(format!("{}: expected a chunk, got {other:?}", expr.label())).into()),
    }
}

impl Array {
    /// Computes the array on all processors.
    ///
    /// ```
    /// let chunk = raskr::array::zeros([2, 3], 1).compute()?;
    /// assert_eq!(chunk.shape(), [2, 3]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    pub fn compute(&self) -> Result<Chunk> {
        self.compute_with(&Options::default())
    }

    /// Computes the array as the options say.
    pub fn compute_with(&self, options: &Options) -> Result<Chunk> {
        compute_all(&[self], options)?
            .pop()
            .ok_or_else(|| TaskError::internal("a run yielded fewer arrays than were asked for").into())
    }

    /// Computes the array and gives its elements in row-major order. `T` is the type that stores them: `u8` for truths.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let dtype = self.dtype()?;
        if !T::stores(dtype) {
            return Err(Error::Elements { expected: T::DTYPE, got: dtype });
        }
        let chunk = self.compute()?;
        Ok(to_contiguous(&chunk).as_slice::<T>().unwrap_or_default().to_vec())
    }

    /// Computes the array and gives its only element.
    pub fn item<T: Element>(&self) -> Result<T> {
        let elements = self.to_vec::<T>()?;
        match elements.as_slice() {
            [one] => Ok(*one),
            several => Err(Error::NotOne { got: several.len() }),
        }
    }

    /// Computes the chunks and gives an array that holds them, from which others can be made without computing them again.
    ///
    /// ```
    /// use raskr::array::{self, Options};
    ///
    /// let x = array::random::Generator::new(1).uniform(1000, 0.0, 1.0, 100).persist(&Options::new())?;
    /// assert_eq!(x.chunks()?, [vec![100; 10]]);
    /// assert!(x.max(..).item::<f64>()? < 1.0);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn persist(&self, options: &Options) -> Result<Array> {
        let expr = self.expr()?;
        let mut builder = Builder::new();
        let blocks = lower(std::slice::from_ref(expr), &mut builder)?.remove(0);
        let layer = as_layer(expr, &blocks, &mut builder);
        for index in 0..expr.grid().blocks() {
            builder.output(TaskRef { layer, index });
        }
        let own = |value: Value| match value {
            Value::Chunk(chunk) if chunk.nbytes() * 2 < chunk.buffer().len() => Value::Chunk(copied(&chunk)),
            other => other,
        };
        let values: Vec<Value> = run(builder, options)?.into_iter().map(own).collect();
        let stored = Expr::stored(values.into(), expr.grid().clone(), expr.element().clone(), true, expr.label());
        Ok(Array::built(stored))
    }
}
