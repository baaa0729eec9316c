//! What the bytes of encoded expressions hold.

use std::sync::Arc;

use raskr_base::DType;
use raskr_kernels::blocks::{ArgKind, Bins, Counting, CumulativeKind};
use raskr_kernels::program::{OpCode, ReductionKind, Source};
use raskr_kernels::random::DistributionKind;
use raskr_kernels::reduce::Ending;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::expr::Contraction;
use crate::index::Coordinate;
use crate::native::NativeFunction;
use crate::ops::ordering::Ordering;

/// Changes with the meaning of the bytes.
pub const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
pub struct Code {
    pub version: u16,
    /// Chunks of axes: sizes, and how often each comes in a row.
    pub axes: Vec<Vec<(u64, u32)>>,
    pub functions: Vec<FunctionCode>,
    /// Each refers to earlier ones only.
    pub records: Vec<Record>,
    pub roots: Vec<RootCode>,
}

#[derive(Serialize, Deserialize)]
pub enum Record {
    Array(ArrayCode),
    Call(CallCode),
}

#[derive(Serialize, Deserialize)]
pub enum RootCode {
    Array(u32),
    Value(InputCode),
}

#[derive(Serialize, Deserialize)]
pub struct CallCode {
    /// Its number among the calls beside.
    pub call: u32,
    /// What it takes, when it stands on arrays.
    pub inputs: Option<Vec<InputCode>>,
}

#[derive(Serialize, Deserialize)]
pub enum InputCode {
    Call(u32),
    Block(u32, u32),
}

#[derive(Serialize, Deserialize)]
pub struct ArrayCode {
    pub kind: KindCode,
    /// Numbers of the grid's axes.
    pub axes: Vec<u32>,
    pub element: ElementCode,
    pub native: bool,
    pub label: Arc<str>,
    pub origin: Option<u32>,
    pub name: Option<Arc<str>>,
    pub token: Option<u128>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum ElementCode {
    Native(DType),
    Foreign(u32),
}

#[derive(Serialize, Deserialize)]
pub enum FunctionCode {
    Native(NativeFunction),
    Ordering(Ordering),
    /// An interpreter's.
    Beside(u32),
}

#[derive(Serialize, Deserialize)]
pub enum CountingCode {
    Numbers(usize),
    /// Edges an axis.
    Bins(Vec<Vec<f64>>),
}

impl CountingCode {
    pub fn of(how: &Counting) -> CountingCode {
        match how {
            Counting::Numbers { least } => CountingCode::Numbers(*least),
            Counting::Bins(axes) => CountingCode::Bins(axes.iter().map(Bins::edges).collect()),
        }
    }

    pub fn counting(&self) -> Result<Counting, raskr_kernels::KernelError> {
        Ok(match self {
            CountingCode::Numbers(least) => Counting::Numbers { least: *least },
            CountingCode::Bins(axes) => {
                Counting::Bins(axes.iter().map(|edges| Bins::new(edges)).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// Numbers are those of records.
#[derive(Serialize, Deserialize)]
pub enum KindCode {
    Source {
        source: Source,
        base: i64,
        strides: Vec<i64>,
    },
    /// Elements in row-major order; `repeated` axes have the same ones at every place.
    Memory {
        elements: ByteBuf,
        repeated: Vec<bool>,
    },
    MemoryBeside(u32),
    Stored(u32),
    Calls(Vec<u32>),
    Read(u32),
    Elementwise {
        code: OpCode,
        inputs: Vec<u32>,
    },
    Cast(u32),
    View {
        input: u32,
        map: Vec<Coordinate>,
    },
    Rechunk(u32),
    Regions {
        input: u32,
        ranges: Vec<Vec<(u64, u64)>>,
    },
    Take {
        input: u32,
        axis: usize,
        index: Arc<[i64]>,
    },
    Points {
        input: u32,
        axes: Vec<usize>,
        positions: Arc<[Vec<i64>]>,
    },
    Filter {
        input: u32,
        mask: u32,
    },
    Compress {
        input: u32,
        mask: u32,
        axis: usize,
    },
    Count {
        inputs: Vec<u32>,
        weighted: bool,
        how: CountingCode,
    },
    SelectBlocks {
        input: u32,
        index: Arc<[Vec<u32>]>,
    },
    ReshapeBlocks(u32),
    Relabel(u32),
    Concatenate {
        inputs: Vec<u32>,
        axis: usize,
    },
    Reduce {
        input: u32,
        kind: ReductionKind,
        ending: Ending,
        axes: Vec<usize>,
        split: Option<usize>,
    },
    ArgReduce {
        input: u32,
        kind: ArgKind,
        axis: Option<usize>,
    },
    Scan {
        input: u32,
        kind: CumulativeKind,
        axis: usize,
    },
    SampleSort {
        input: u32,
        positions: bool,
    },
    Contract {
        a: u32,
        b: u32,
        how: Contraction,
    },
    RandomWith {
        distribution: DistributionKind,
        key: [u64; 2],
        parameters: Vec<u32>,
    },
    Blockwise {
        function: u32,
        out_indices: Vec<i64>,
        arguments: Vec<(u32, Vec<i64>)>,
        extras: Vec<u32>,
        concatenate: bool,
    },
    Choice {
        alone: u32,
        shared: u32,
        instead: u32,
    },
    Write {
        input: u32,
        writer: u32,
    },
    Group {
        input: u32,
        function: u32,
        group: Vec<(usize, u32)>,
        concatenate: bool,
    },
    ScanWith {
        input: u32,
        block: u32,
        last: u32,
        combine: u32,
        axis: usize,
    },
}
