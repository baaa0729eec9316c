//! Accumulators: the running state of a reduction, one cell per kept element, fed tile by tile.
//!
//! A tile is fed by rows (the inner dimension is reduced: each row ends in one cell) or by columns (it is kept: a run of
//! elements goes to a run of cells). State lies in planes of one 8-byte word per cell; all loops of an accumulator agree
//! on what the planes mean. The order of additions follows from the region alone.

mod fold;
mod moments;
mod sum;

use raskr_base::DType;
use serde::{Deserialize, Serialize};

pub(crate) use self::sum::compensated_value;
use super::kernel::Context;

/// Bytes of one cell in one plane.
pub(crate) const WORD: usize = 8;

/// What is accumulated, by the type of the elements that are fed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Accumulator {
    /// True elements, of booleans. One plane of `i64`.
    Count,
    /// Planes: sum, compensation, pending elements of columns.
    SumF64,
    /// One plane of wrapping `i64`, for unsigned integers too.
    SumI64,
    /// Planes: real sum and compensation, imaginary sum and compensation.
    SumC128,
    ProdF64,
    ProdI64,
    /// Planes: real and imaginary part.
    ProdC128,
    /// NaN and not-a-time win.
    Min(DType),
    Max(DType),
    /// NaN loses; a cell that saw nothing else is NaN.
    NanMin(DType),
    NanMax(DType),
    /// Planes: count, mean, sum of squared deviations. Columns leave the count alone: it is the ordinal.
    Moments,
    NanMoments,
}

/// The state of one accumulator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells {
    pub start: *mut u8,
    /// How many cells there are.
    pub count: usize,
}

impl Cells {
    /// The first word of a plane.
    pub fn plane<T>(self, index: usize) -> *mut T {
        self.start.wrapping_add(index * self.count * WORD).cast()
    }
}

/// A tile that is fed by rows: row i is `columns` elements from `values + i * columns`, for cell `first + i * step`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub first: usize,
    pub step: usize,
    pub values: *const u8,
    pub rows: usize,
    pub columns: usize,
}

/// A run that is fed by columns: element i belongs to cell `first + i`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub first: usize,
    pub values: *const u8,
    pub count: usize,
    /// How many elements each of these cells was fed before.
    pub ordinal: u64,
}

/// The loops of an accumulator.
///
/// Safety of all three: the cells have room for the accumulator's planes, indices stay below their count, and `values`
/// points to the elements said, of the accumulator's type.
#[derive(Clone, Copy)]
pub(crate) struct Loops {
    pub initialise: unsafe fn(Cells),
    pub rows: unsafe fn(&Context, Cells, Rows),
    pub columns: unsafe fn(&Context, Cells, Columns),
}

impl Accumulator {
    pub fn planes(self) -> usize {
        match self {
            Accumulator::SumF64 | Accumulator::Moments | Accumulator::NanMoments => 3,
            Accumulator::SumC128 => 4,
            Accumulator::ProdC128 => 2,
            _ => 1,
        }
    }

    /// The element type that is fed.
    pub fn input(self) -> DType {
        match self {
            Accumulator::Count => DType::Bool,
            Accumulator::SumI64 | Accumulator::ProdI64 => DType::I64,
            Accumulator::SumF64 | Accumulator::ProdF64 | Accumulator::Moments | Accumulator::NanMoments => DType::F64,
            Accumulator::SumC128 | Accumulator::ProdC128 => DType::C128,
            Accumulator::Min(dtype)
            | Accumulator::Max(dtype)
            | Accumulator::NanMin(dtype)
            | Accumulator::NanMax(dtype) => dtype,
        }
    }

    /// `None` for an extremum of a type without order.
    pub fn loops(self) -> Option<Loops> {
        Some(match self {
            Accumulator::Count => sum::COUNT,
            Accumulator::SumF64 => sum::SUM_F64,
            Accumulator::SumC128 => sum::SUM_C128,
            Accumulator::ProdC128 => sum::PROD_C128,
            Accumulator::Moments => moments::MOMENTS,
            Accumulator::NanMoments => moments::NAN_MOMENTS,
            _ => return fold::find(self),
        })
    }
}
