//! Makes a reduction's partial chunks from the final state of its accumulators.
// `unsafe` is allowed here: the state of accumulators is raw words.
#![allow(unsafe_code)]

use num_complex::Complex64;
use raskr_base::{Buffer, Chunk, ChunkMut, DType, Element};
use smallvec::SmallVec;

use super::Program;
use super::accumulate::{Accumulator, WORD, compensated_value};
use super::instruction::ReductionPlan;
use super::layout::{CellWalk, Layout};
use crate::error::KernelError;
use crate::reduce::ReductionKind;

/// The cells of one accumulator, in the order of the walk.
struct State<'a> {
    accumulator: Accumulator,
    walk: &'a CellWalk,
    words: &'a Buffer,
}

impl State<'_> {
    /// One plane as elements.
    fn plane<T: Element>(&self, index: usize) -> &[T] {
        let start = self.words.as_ptr().wrapping_add(index * self.walk.count * WORD).cast::<T>();
        // SAFETY: a plane has a word for each cell, and no element is wider but complex ones, which have two planes.
        unsafe { std::slice::from_raw_parts(start, self.walk.count) }
    }

    /// Cells of the walk as a chunk whose dimensions are the region's kept axes.
    fn shaped(&self, cells: Chunk, region: &[usize], axes: u32) -> Result<Chunk, KernelError> {
        let kept: SmallVec<[usize; 4]> = (0..region.len()).filter(|axis| axes & (1 << axis) == 0).collect();
        let shape: SmallVec<[usize; 4]> = kept.iter().map(|axis| region[*axis]).collect();
        let strides: SmallVec<[isize; 4]> = if cells.len() == 1 {
            SmallVec::from_elem(0, kept.len())
        } else {
            kept.iter().map(|axis| self.walk.axis_strides[*axis]).collect()
        };
        cells.with_layout(&shape, &strides, 0).ok_or_else(|| KernelError::Shape {
            expected: format!("{} cells", cells.len()),
            got: format!("a partial chunk of shape {shape:?}"),
        })
    }
}

fn collect<T: Element>(dtype: DType, count: usize, mut cell: impl FnMut(usize) -> T) -> Chunk {
    let mut chunk = ChunkMut::new(T::DTYPE, &[count]);
    for (index, value) in chunk.as_mut_slice::<T>().iter_mut().enumerate() {
        *value = cell(index);
    }
    let chunk = chunk.freeze();
    chunk.clone().reinterpret(dtype).unwrap_or(chunk)
}

/// Appends the partial chunks of one reduction.
pub(super) fn extend(
    results: &mut Vec<Chunk>,
    program: &Program,
    plan: &ReductionPlan,
    region: &[usize],
    layout: &Layout,
    states: &[Buffer],
) -> Result<(), KernelError> {
    let axes = plan.reduction.axes;
    let state = |index: usize| State {
        accumulator: program.accumulators[index].accumulator,
        walk: &layout.cells[index],
        words: &states[index],
    };
    let first = state(plan.accumulator as usize);
    let cells = first.walk.count;
    let reduced: usize = (0..region.len()).filter(|axis| axes & (1 << axis) != 0).map(|axis| region[axis]).product();
    let elements = reduced as i64;
    let all_counts = || collect(DType::I64, 1, |_| elements);

    let mut push = |state: &State, chunk: Chunk| state.shaped(chunk, region, axes).map(|chunk| results.push(chunk));
    match plan.reduction.kind {
        ReductionKind::Any => {
            let counts = first.plane::<i64>(0);
            push(&first, collect(DType::Bool, cells, |i| u8::from(counts[i] > 0)))
        }
        ReductionKind::All => {
            let counts = first.plane::<i64>(0);
            push(&first, collect(DType::Bool, cells, |i| u8::from(counts[i] == elements)))
        }
        ReductionKind::CountNonzero => {
            let counts = first.plane::<i64>(0);
            push(&first, collect(DType::I64, cells, |i| counts[i]))
        }
        ReductionKind::Moments2 | ReductionKind::NanMoments2 => {
            let (counts, means, squares) = (first.plane::<f64>(0), first.plane::<f64>(1), first.plane::<f64>(2));
            if first.accumulator == Accumulator::NanMoments {
                push(&first, collect(DType::I64, cells, |i| counts[i] as i64))?;
            } else {
                push(&first, all_counts())?;
            }
            push(&first, collect(DType::F64, cells, |i| means[i]))?;
            push(&first, collect(DType::F64, cells, |i| squares[i]))
        }
        ReductionKind::Min | ReductionKind::Max | ReductionKind::NanMin | ReductionKind::NanMax => {
            push(&first, values(&first, plan, elements))?;
            push(&first, all_counts())
        }
        ReductionKind::Mean | ReductionKind::NanMean => {
            push(&first, values(&first, plan, elements))?;
            if plan.counted {
                let present = state(plan.accumulator as usize + 1);
                let counts = present.plane::<i64>(0);
                push(&present, collect(DType::I64, cells, |i| counts[i]))
            } else {
                push(&first, all_counts())
            }
        }
        ReductionKind::Sum | ReductionKind::Prod | ReductionKind::NanSum | ReductionKind::NanProd => {
            push(&first, values(&first, plan, elements))
        }
    }
}

/// The value of each cell of a sum, a product or an extremum.
fn values(state: &State, plan: &ReductionPlan, elements: i64) -> Chunk {
    let (dtype, cells) = (plan.dtypes[0], state.walk.count);
    match state.accumulator {
        Accumulator::Count => {
            let counts = state.plane::<i64>(0);
            let (if_false, if_true) = plan.choice.map_or((0, 1), |(f, t)| (f.as_i64(), t.as_i64()));
            // Exact: each number is at most 2^20 and the counts are far below 2^43; unsigned sums wrap as their own would.
            let sum = |i: usize| {
                let (yes, no) = (counts[i], elements.wrapping_sub(counts[i]));
                if_true.wrapping_mul(yes).wrapping_add(if_false.wrapping_mul(no))
            };
            match dtype {
                DType::F64 => collect(dtype, cells, |i| sum(i) as f64),
                _ => collect(dtype, cells, sum),
            }
        }
        Accumulator::SumF64 => {
            let (sums, losses, pending) = (state.plane::<f64>(0), state.plane::<f64>(1), state.plane::<f64>(2));
            collect(dtype, cells, |i| compensated_value(sums[i] + pending[i], losses[i]))
        }
        Accumulator::SumC128 => {
            let planes: [&[f64]; 4] = std::array::from_fn(|index| state.plane::<f64>(index));
            collect(dtype, cells, |i| {
                Complex64::new(
                    compensated_value(planes[0][i], planes[1][i]),
                    compensated_value(planes[2][i], planes[3][i]),
                )
            })
        }
        Accumulator::ProdC128 => {
            let (re, im) = (state.plane::<f64>(0), state.plane::<f64>(1));
            collect(dtype, cells, |i| Complex64::new(re[i], im[i]))
        }
        _ => match dtype.itemsize() {
            1 => copied::<u8>(state, dtype),
            2 => copied::<u16>(state, dtype),
            4 => copied::<u32>(state, dtype),
            _ => copied::<u64>(state, dtype),
        },
    }
}

/// The first plane as it is.
fn copied<T: Element>(state: &State, dtype: DType) -> Chunk {
    let plane = state.plane::<T>(0);
    collect(dtype, state.walk.count, |i| plane[i])
}
