//! Accumulators whose state is one value per cell: minimum, maximum, integer sums, products.
// `unsafe` is allowed here: the loops read raw tile memory and write raw cells, as `Loops` says.
#![allow(unsafe_code)]

use raskr_base::{DType, Element};

use super::{Accumulator, Cells, Columns, Loops, Rows};
use crate::program::kernel::{Context, LANES};

/// An operation that any order of merging serves.
trait Fold {
    type T: Element;
    const IDENTITY: Self::T;
    fn merge(state: Self::T, value: Self::T) -> Self::T;
}

unsafe fn initialise<F: Fold>(cells: Cells) {
    let plane = cells.plane::<F::T>(0);
    for i in 0..cells.count {
        // SAFETY: the plane has a word for each cell, and no element is wider.
        unsafe { plane.add(i).write(F::IDENTITY) };
    }
}

#[inline(always)]
fn fold_row<F: Fold>(values: &[F::T]) -> F::T {
    if values.len() < LANES {
        return values.iter().fold(F::IDENTITY, |state, value| F::merge(state, *value));
    }
    let mut lanes = [F::IDENTITY; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for i in 0..LANES {
            lanes[i] = F::merge(lanes[i], group[i]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = F::merge(*lane, *value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = F::merge(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

unsafe fn rows<F: Fold>(context: &Context, cells: Cells, tile: Rows) {
    let plane = cells.plane::<F::T>(0);
    context.widest(
        #[inline(always)]
        || {
            for row in 0..tile.rows {
                // SAFETY: see `Loops`.
                unsafe {
                    let start = tile.values.cast::<F::T>().add(row * tile.columns);
                    let cell = plane.add(tile.first + row * tile.step);
                    cell.write(F::merge(cell.read(), fold_row::<F>(std::slice::from_raw_parts(start, tile.columns))));
                }
            }
        },
    );
}

unsafe fn columns<F: Fold>(context: &Context, cells: Cells, run: Columns) {
    // SAFETY: see `Loops`; cells and tile memory are apart.
    let (state, values) = unsafe {
        (
            std::slice::from_raw_parts_mut(cells.plane::<F::T>(0).add(run.first), run.count),
            std::slice::from_raw_parts(run.values.cast::<F::T>(), run.count),
        )
    };
    context.widest(
        #[inline(always)]
        || {
            for (state, value) in state.iter_mut().zip(values) {
                *state = F::merge(*state, *value);
            }
        },
    );
}

fn loops<F: Fold>() -> Loops {
    Loops { initialise: initialise::<F>, rows: rows::<F>, columns: columns::<F> }
}

macro_rules! fold {
    ($type:ty, $identity:expr, |$state:ident, $value:ident| $body:expr) => {{
        struct Local;
        impl Fold for Local {
            type T = $type;
            const IDENTITY: $type = $identity;
            #[inline(always)]
            fn merge($state: $type, $value: $type) -> $type {
                $body
            }
        }
        loops::<Local>()
    }};
}

macro_rules! extremum {
    ($dtype:expr, $integer_identity:ident, $float_identity:expr, $compare:tt, $time:expr) => {
        match $dtype {
            DType::Bool | DType::U8 => fold!(u8, u8::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::U16 => fold!(u16, u16::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::U32 => fold!(u32, u32::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::U64 => fold!(u64, u64::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::I8 => fold!(i8, i8::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::I16 => fold!(i16, i16::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::I32 => fold!(i32, i32::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::I64 => fold!(i64, i64::$integer_identity, |s, x| if x $compare s { x } else { s }),
            DType::DateTime(_) | DType::TimeDelta(_) => $time,
            DType::F32 => fold!(f32, $float_identity as f32, |s, x| if x $compare s || x.is_nan() { x } else { s }),
            DType::F64 => fold!(f64, $float_identity, |s, x| if x $compare s || x.is_nan() { x } else { s }),
            _ => return None,
        }
    };
}

const NAT: i64 = i64::MIN;

pub(super) fn find(accumulator: Accumulator) -> Option<Loops> {
    Some(match accumulator {
        Accumulator::SumI64 => fold!(i64, 0, |s, x| s.wrapping_add(x)),
        Accumulator::ProdI64 => fold!(i64, 1, |s, x| s.wrapping_mul(x)),
        Accumulator::ProdF64 => fold!(f64, 1.0, |s, x| s * x),
        Accumulator::Min(dtype) => {
            extremum!(dtype, MAX, f64::INFINITY, <, fold!(i64, i64::MAX, |s, x| if x < s { x } else { s }))
        }
        Accumulator::Max(dtype) => extremum!(
            dtype,
            MIN,
            f64::NEG_INFINITY,
            >,
            fold!(i64, NAT + 1, |s, x| if (x > s && s != NAT) || x == NAT { x } else { s })
        ),
        Accumulator::NanMin(dtype) => match dtype {
            DType::F32 => fold!(f32, f32::NAN, |s, x| if x < s || s.is_nan() { x } else { s }),
            DType::F64 => fold!(f64, f64::NAN, |s, x| if x < s || s.is_nan() { x } else { s }),
            _ => return find(Accumulator::Min(dtype)),
        },
        Accumulator::NanMax(dtype) => match dtype {
            DType::F32 => fold!(f32, f32::NAN, |s, x| if x > s || s.is_nan() { x } else { s }),
            DType::F64 => fold!(f64, f64::NAN, |s, x| if x > s || s.is_nan() { x } else { s }),
            _ => return find(Accumulator::Max(dtype)),
        },
        _ => return None,
    })
}
