//! `Expr`: a lazy array: what it is made of, its grid and its element type.
//!
//! An expression is immutable and shared. Sources without memory and arrays in memory can be evaluated anywhere; the rest
//! is evaluated block by block. Dropping a long chain of expressions never recurses.

mod combine;
mod native;
mod order;
mod products;
mod rename;
mod select;
mod sources;
mod structure;
pub(crate) mod token;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use raskr_base::{Chunk, DType, Value};
use raskr_graph::Call;
use raskr_kernels::blocks::{ArgKind, Counting, CumulativeKind};
use raskr_kernels::program::{OpCode, ReductionKind, Source};
use raskr_kernels::reduce::Ending;
use smallvec::SmallVec;

use crate::function::{BlockFunction, BlockReader, BlockWriter};
use crate::grid::Grid;
use crate::index::AffineMap;

pub use combine::broadcast_grid;
pub use products::Contraction;
pub use structure::Index;

/// An element type of an interpreter's.
#[derive(Clone)]
pub struct ForeignType {
    pub name: String,
    pub itemsize: usize,
    pub handle: Arc<dyn Any + Send + Sync>,
}

/// What an array's elements are.
#[derive(Clone)]
pub enum ElementType {
    Native(DType),
    Foreign(Arc<ForeignType>),
}

impl ElementType {
    pub fn itemsize(&self) -> usize {
        match self {
            ElementType::Native(dtype) => dtype.itemsize(),
            ElementType::Foreign(foreign) => foreign.itemsize,
        }
    }

    pub fn native(&self) -> Option<DType> {
        match self {
            ElementType::Native(dtype) => Some(*dtype),
            ElementType::Foreign(_) => None,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElementType::Native(dtype) => dtype.fmt(f),
            ElementType::Foreign(foreign) => f.write_str(&foreign.name),
        }
    }
}

/// A line of the user's, put into words (`script.py:12`) only when an error is told.
pub trait Place: Send + Sync {
    fn text(&self) -> Option<&str>;
}

/// One array argument of a block function, with the index letter of each of its axes.
#[derive(Clone)]
pub struct BlockArgument {
    pub array: Arc<Expr>,
    pub indices: SmallVec<[i64; 4]>,
}

/// What an expression is made of.
pub enum Kind {
    /// Elements are a function of a linear index: `base + strides . place`.
    Source {
        source: Source,
        base: i64,
        strides: SmallVec<[i64; 4]>,
    },
    /// The whole array lies in memory.
    Memory {
        chunk: Chunk,
    },
    /// Blocks that were computed before.
    Stored {
        blocks: Arc<[Value]>,
    },
    /// One call a block.
    Calls {
        calls: Vec<Arc<Call>>,
    },
    Read {
        reader: Arc<dyn BlockReader>,
    },
    /// Inputs have the expression's own grid, and the element types that the operation's loop takes.
    Elementwise {
        code: OpCode,
        inputs: SmallVec<[Arc<Expr>; 3]>,
    },
    Cast {
        input: Arc<Expr>,
    },
    /// Elements of the input picked by an affine map of the place.
    View {
        input: Arc<Expr>,
        map: AffineMap,
    },
    Rechunk {
        input: Arc<Expr>,
    },
    /// Block k along an axis holds elements `ranges[axis][k]` of the input.
    Regions {
        input: Arc<Expr>,
        ranges: Arc<[Vec<(u64, u64)>]>,
    },
    Take {
        input: Arc<Expr>,
        axis: usize,
        index: Arc<[i64]>,
    },
    /// Elements at points: positions along some axes, one list an axis.
    Points {
        input: Arc<Expr>,
        axes: Vec<usize>,
        positions: Arc<[Vec<i64>]>,
    },
    /// Elements where a mask of the same grid is true, block by block.
    Filter {
        input: Arc<Expr>,
        mask: Arc<Expr>,
    },
    /// Slices along an axis where a mask of one axis is true.
    Compress {
        input: Arc<Expr>,
        mask: Arc<Expr>,
        axis: usize,
    },
    /// How many elements fall where: samples, then weights if there are any.
    Count {
        inputs: Vec<Arc<Expr>>,
        weighted: bool,
        how: Arc<Counting>,
    },
    SelectBlocks {
        input: Arc<Expr>,
        index: Arc<[Vec<u32>]>,
    },
    /// Row-major block k of the input, reshaped.
    ReshapeBlocks {
        input: Arc<Expr>,
    },
    /// The input's blocks with other declared sizes.
    Relabel {
        input: Arc<Expr>,
    },
    Concatenate {
        inputs: Vec<Arc<Expr>>,
        axis: usize,
    },
    Reduce {
        input: Arc<Expr>,
        kind: ReductionKind,
        ending: Ending,
        axes: SmallVec<[usize; 4]>,
        split: Option<usize>,
    },
    ArgReduce {
        input: Arc<Expr>,
        kind: ArgKind,
        axis: Option<usize>,
    },
    Scan {
        input: Arc<Expr>,
        kind: CumulativeKind,
        axis: usize,
    },
    /// The elements of one dimension in ascending order, or the positions that they are taken from.
    SampleSort {
        input: Arc<Expr>,
        positions: bool,
    },
    Contract {
        a: Arc<Expr>,
        b: Arc<Expr>,
        how: Contraction,
    },
    /// Random numbers whose parameters are arrays of the expression's grid.
    RandomWith {
        distribution: raskr_kernels::random::DistributionKind,
        key: [u64; 2],
        parameters: Vec<Arc<Expr>>,
    },
    Blockwise {
        function: Arc<dyn BlockFunction>,
        out_indices: SmallVec<[i64; 4]>,
        arguments: Vec<BlockArgument>,
        extras: Vec<Arc<Call>>,
        concatenate: bool,
    },
    /// The same array made in two ways: by `alone`, or, where `shared` is computed anyway, by `instead`, which takes part of
    /// what that gives.
    Choice {
        alone: Arc<Expr>,
        shared: Arc<Expr>,
        instead: Arc<Expr>,
    },
    /// Each block goes to a store; nothing is yielded.
    Write {
        input: Arc<Expr>,
        writer: Arc<dyn BlockWriter>,
    },
    /// A function of groups of neighbouring blocks; entries are `(axis, how many)`.
    Group {
        input: Arc<Expr>,
        function: Arc<dyn BlockFunction>,
        group: Vec<(usize, u32)>,
        concatenate: bool,
    },
    /// Prefix combination of blocks by an interpreter's functions along an axis.
    ScanWith {
        input: Arc<Expr>,
        block: Arc<dyn BlockFunction>,
        last: Arc<dyn BlockFunction>,
        combine: Arc<dyn BlockFunction>,
        axis: usize,
    },
}

/// A lazy array.
pub struct Expr {
    kind: Kind,
    grid: Grid,
    element: ElementType,
    /// Blocks are chunks of a native element type.
    native: bool,
    label: Arc<str>,
    origin: Option<Arc<dyn Place>>,
    name: Option<Arc<str>>,
    token: OnceLock<u128>,
}

impl Expr {
    pub(crate) fn make(kind: Kind, grid: Grid, element: ElementType, native: bool, label: &str) -> Expr {
        let native = native && element.native().is_some();
        Expr { kind, grid, element, native, label: label.into(), origin: None, name: None, token: OnceLock::new() }
    }

    pub(crate) fn native_of(kind: Kind, grid: Grid, dtype: DType, label: &str) -> Expr {
        Expr::make(kind, grid, ElementType::Native(dtype), true, label)
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    pub fn ndim(&self) -> usize {
        self.grid.ndim()
    }

    pub fn element(&self) -> &ElementType {
        &self.element
    }

    /// The element type when blocks are native chunks.
    pub fn dtype(&self) -> Option<DType> {
        if self.native { self.element.native() } else { None }
    }

    pub fn is_native(&self) -> bool {
        self.native
    }

    /// The operation's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The user's line that built the expression.
    pub fn origin(&self) -> Option<&Arc<dyn Place>> {
        self.origin.as_ref()
    }

    /// Tells which line of the user's built the expression, unless that is known.
    pub fn set_origin(&mut self, origin: Arc<dyn Place>) {
        self.origin.get_or_insert(origin);
    }

    pub fn given_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Expressions that this one is made of.
    pub fn inputs(&self) -> SmallVec<[&Arc<Expr>; 4]> {
        match &self.kind {
            Kind::Source { .. }
            | Kind::Memory { .. }
            | Kind::Stored { .. }
            | Kind::Calls { .. }
            | Kind::Read { .. } => SmallVec::new(),
            Kind::Elementwise { inputs, .. } => inputs.iter().collect(),
            Kind::Concatenate { inputs, .. } | Kind::Count { inputs, .. } => inputs.iter().collect(),
            Kind::Filter { input, mask } | Kind::Compress { input, mask, .. } => SmallVec::from_slice(&[input, mask]),
            Kind::RandomWith { parameters, .. } => parameters.iter().collect(),
            Kind::Contract { a, b, .. } => SmallVec::from_slice(&[a, b]),
            Kind::Choice { alone, instead, .. } => SmallVec::from_slice(&[alone, instead]),
            Kind::Blockwise { arguments, .. } => arguments.iter().map(|argument| &argument.array).collect(),
            Kind::Cast { input }
            | Kind::View { input, .. }
            | Kind::Rechunk { input }
            | Kind::Regions { input, .. }
            | Kind::Take { input, .. }
            | Kind::Points { input, .. }
            | Kind::SelectBlocks { input, .. }
            | Kind::ReshapeBlocks { input }
            | Kind::Relabel { input }
            | Kind::Reduce { input, .. }
            | Kind::ArgReduce { input, .. }
            | Kind::Scan { input, .. }
            | Kind::SampleSort { input, .. }
            | Kind::Group { input, .. }
            | Kind::Write { input, .. }
            | Kind::ScanWith { input, .. } => SmallVec::from_slice(&[input]),
        }
    }
}

impl Drop for Expr {
    fn drop(&mut self) {
        // Takes chains apart one by one: the default would recurse as deep as the chain is long.
        let mut waiting: Vec<Arc<Expr>> = self.take_inputs();
        while let Some(expr) = waiting.pop() {
            if let Some(mut expr) = Arc::into_inner(expr) {
                waiting.append(&mut expr.take_inputs());
            }
        }
    }
}

impl Expr {
    fn take_inputs(&mut self) -> Vec<Arc<Expr>> {
        if self.inputs().is_empty() {
            return Vec::new();
        }
        let nothing = Kind::Stored { blocks: Arc::new([]) };
        match std::mem::replace(&mut self.kind, nothing) {
            Kind::Elementwise { inputs, .. } => inputs.into_vec(),
            Kind::Concatenate { inputs, .. } | Kind::Count { inputs, .. } => inputs,
            Kind::Filter { input, mask } | Kind::Compress { input, mask, .. } => vec![input, mask],
            Kind::RandomWith { parameters, .. } => parameters,
            Kind::Contract { a, b, .. } => vec![a, b],
            Kind::Choice { alone, shared, instead } => vec![alone, shared, instead],
            Kind::Blockwise { arguments, .. } => arguments.into_iter().map(|argument| argument.array).collect(),
            Kind::Cast { input }
            | Kind::View { input, .. }
            | Kind::Rechunk { input }
            | Kind::Regions { input, .. }
            | Kind::Take { input, .. }
            | Kind::Points { input, .. }
            | Kind::SelectBlocks { input, .. }
            | Kind::ReshapeBlocks { input }
            | Kind::Relabel { input }
            | Kind::Reduce { input, .. }
            | Kind::ArgReduce { input, .. }
            | Kind::Scan { input, .. }
            | Kind::SampleSort { input, .. }
            | Kind::Group { input, .. }
            | Kind::Write { input, .. }
            | Kind::ScanWith { input, .. } => vec![input],
            Kind::Source { .. }
            | Kind::Memory { .. }
            | Kind::Stored { .. }
            | Kind::Calls { .. }
            | Kind::Read { .. } => Vec::new(),
        }
    }
}

impl Expr {
    /// An expression that was taken apart before, of parts that fit each other.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn restored(
        kind: Kind,
        grid: Grid,
        element: ElementType,
        native: bool,
        label: Arc<str>,
        origin: Option<Arc<dyn Place>>,
        name: Option<Arc<str>>,
        token: OnceLock<u128>,
    ) -> Expr {
        Expr { kind, grid, element, native, label, origin, name, token }
    }
}
