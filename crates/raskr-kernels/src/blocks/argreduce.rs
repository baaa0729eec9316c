//! Positions of minima and maxima, within a block and across blocks.
//!
//! NumPy's rules: the first of equal elements wins, and NaN wins over every number unless NaN is skipped.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use raskr_base::{Chunk, ChunkMut, DType, Dims, Element};
use serde::{Deserialize, Serialize};

use super::copy::{concatenate, to_contiguous};
use super::key::{KeyBits, Keyed, Keying, with_key};
use super::number::{Along, dense, expect_like};
use super::view::{AxisSlice, slice};
use crate::error::KernelError;

/// Which extreme is sought, and whether NaN is left out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ArgKind {
    Min,
    Max,
    NanMin,
    NanMax,
}

impl ArgKind {
    fn name(self) -> &'static str {
        match self {
            ArgKind::Min => "argmin",
            ArgKind::Max => "argmax",
            ArgKind::NanMin => "nanargmin",
            ArgKind::NanMax => "nanargmax",
        }
    }

    fn skips_nan(self) -> bool {
        matches!(self, ArgKind::NanMin | ArgKind::NanMax)
    }

    fn keying(self) -> Keying {
        Keying { descending: matches!(self, ArgKind::Max | ArgKind::NanMax), nan_first: !self.skips_nan() }
    }
}

/// The extreme elements of a block and their positions, along an axis (which is kept with length one), or over all
/// elements (every axis of length one). `origin` is the block's place within an array of shape `whole`, in whose
/// coordinates positions are: along the axis, or in the row-major order of all elements.
pub fn arg_reduce(
    kind: ArgKind,
    chunk: &Chunk,
    axis: Option<usize>,
    origin: &[usize],
    whole: &[usize],
) -> Result<(Chunk, Chunk), KernelError> {
    if origin.len() != chunk.ndim() || whole.len() != chunk.ndim() {
        return Err(KernelError::Shape {
            expected: format!("an origin and a shape of {} dimensions", chunk.ndim()),
            got: format!("{origin:?} in {whole:?}"),
        });
    }
    let along = match axis {
        Some(axis) => Along::new(chunk.shape(), axis)?,
        None => Along { outer: 1, len: chunk.len(), inner: 1 },
    };
    if along.len == 0 {
        return Err(KernelError::Value(format!("attempt to get {} of an empty sequence", kind.name())));
    }
    let mut shape: Dims = chunk.shape().into();
    match axis {
        Some(axis) => shape[axis] = 1,
        None => shape.iter_mut().for_each(|len| *len = 1),
    }
    if !chunk.is_contiguous() && chunk.len() > SLAB {
        return in_slabs(kind, chunk, axis, origin, whole);
    }
    let chunk = to_contiguous(chunk);
    let mut values = ChunkMut::new(chunk.dtype(), &shape);
    let mut positions = ChunkMut::new(DType::I64, &shape);
    if positions.is_empty() {
        return Ok((values.freeze(), positions.freeze()));
    }
    let found = positions.as_mut_slice::<i64>();
    with_key!(chunk.dtype(), T, K => {
        let elements = dense::<T>(&chunk);
        let keying = kind.keying();
        let search = Search { keying, along, elements, positions: &mut *found, keys: PhantomData::<K> };
        if <K as Keyed<T>>::COMMON { Arch::new().dispatch(Vectorised(search)) } else { search.run() }
        for (at, (value, &position)) in values.as_mut_slice::<T>().iter_mut().zip(found.iter()).enumerate() {
            let (outer, inner) = (at / along.inner, at % along.inner);
            *value = elements[(outer * along.len + position as usize) * along.inner + inner];
        }
    });
    for position in found.iter_mut() {
        *position = match axis {
            Some(axis) => *position + origin[axis] as i64,
            None => {
                let (mut rest, mut step, mut global) = (*position as usize, 1, 0);
                for axis in (0..whole.len()).rev() {
                    let len = chunk.shape()[axis].max(1);
                    global += (rest % len + origin[axis]) * step;
                    rest /= len;
                    step *= whole[axis];
                }
                global as i64
            }
        };
    }
    Ok((values.freeze(), positions.freeze()))
}

/// Elements of a strided block that are copied together: few enough to be in the cache when they are looked at.
const SLAB: usize = 1 << 15;

/// The extremes of a strided block, slab by slab along its longest step in memory.
fn in_slabs(
    kind: ArgKind,
    chunk: &Chunk,
    axis: Option<usize>,
    origin: &[usize],
    whole: &[usize],
) -> Result<(Chunk, Chunk), KernelError> {
    let along = (0..chunk.ndim())
        .filter(|axis| chunk.shape()[*axis] > 1)
        .max_by_key(|axis| (chunk.strides()[*axis].unsigned_abs(), std::cmp::Reverse(*axis)))
        .unwrap_or(0);
    let len = chunk.shape()[along];
    let step = (SLAB * len / chunk.len()).clamp(1, len.saturating_sub(1).max(1));
    let mut parts = Vec::with_capacity(len.div_ceil(step));
    for start in (0..len).step_by(step) {
        let mut slices: Vec<AxisSlice> = chunk.shape().iter().map(|&len| AxisSlice::full(len)).collect();
        slices[along] = AxisSlice { start, step: 1, len: step.min(len - start) };
        let mut origin: Dims = origin.into();
        origin[along] += start;
        parts.push(arg_reduce(kind, &slice(chunk, &slices)?, axis, &origin, whole)?);
    }
    if axis.is_none_or(|axis| axis == along) {
        return arg_combine(kind, &parts);
    }
    let (values, positions): (Vec<Chunk>, Vec<Chunk>) = parts.into_iter().unzip();
    Ok((concatenate(&values, along)?, concatenate(&positions, along)?))
}

struct Search<'a, T, K> {
    keying: Keying,
    along: Along,
    elements: &'a [T],
    positions: &'a mut [i64],
    keys: PhantomData<K>,
}

/// Elements whose keys are looked at together: few, since the last step goes through one piece element by element.
const PIECE: usize = 256;

impl<T: Element, K: Keyed<T>> Search<'_, T, K> {
    #[inline(always)]
    fn run(self) {
        let Along { outer, len, inner } = self.along;
        let mut best: Vec<K::Key> = vec![K::Key::default(); if inner == 1 { 0 } else { inner }];
        for o in 0..outer {
            let block = &self.elements[o * len * inner..][..len * inner];
            if inner == 1 {
                self.positions[o] = search_line::<T, K>(block, self.keying) as i64;
                continue;
            }
            let positions = &mut self.positions[o * inner..][..inner];
            positions.fill(0);
            for (best, &x) in best.iter_mut().zip(block) {
                *best = K::key(x, self.keying);
            }
            for (i, row) in block.chunks_exact(inner).enumerate().skip(1) {
                for ((&x, best), position) in row.iter().zip(best.iter_mut()).zip(positions.iter_mut()) {
                    let key = K::key(x, self.keying);
                    *position = if key < *best { i as i64 } else { *position };
                    *best = key.min(*best);
                }
            }
        }
    }
}

/// The position of the first element with the smallest key in a line that is not empty: the smallest key of each piece,
/// then the place within the one piece that has the smallest of all.
#[inline(always)]
fn search_line<T: Copy, K: Keyed<T>>(line: &[T], keying: Keying) -> usize {
    let mut best = K::Key::GREATEST;
    let mut best_piece = 0;
    for (number, piece) in line.chunks(PIECE).enumerate() {
        // Several running minima, so that they fill a vector and don't wait for each other.
        let mut lanes = [K::Key::GREATEST; 32];
        let groups = piece.chunks_exact(lanes.len());
        let mut least = groups.remainder().iter().fold(K::Key::GREATEST, |least, &x| least.min(K::key(x, keying)));
        for group in groups {
            for (lane, &x) in lanes.iter_mut().zip(group) {
                let key = K::key(x, keying);
                *lane = if key < *lane { key } else { *lane };
            }
        }
        for lane in lanes {
            least = least.min(lane);
        }
        if least < best {
            (best, best_piece) = (least, number);
        }
    }
    let start = best_piece * PIECE;
    let piece = &line[start..line.len().min(start + PIECE)];
    start + piece.iter().position(|&x| K::key(x, keying) == best).unwrap_or(0)
}

struct Vectorised<'a, T, K>(Search<'a, T, K>);

impl<T: Element, K: Keyed<T>> WithSimd for Vectorised<'_, T, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.0.run();
    }
}

/// The better of several partial results of one shape, element by element; of equals the smallest position wins.
pub fn arg_combine(kind: ArgKind, parts: &[(Chunk, Chunk)]) -> Result<(Chunk, Chunk), KernelError> {
    let Some(((first_values, first_positions), rest)) = parts.split_first() else {
        return Err(KernelError::Value(format!("attempt to get {} of an empty sequence", kind.name())));
    };
    let (dtype, shape) = (first_values.dtype(), first_values.shape());
    for (index, (values, positions)) in parts.iter().enumerate() {
        expect_like(2 * index, values, dtype, shape)?;
        expect_like(2 * index + 1, positions, DType::I64, shape)?;
    }
    let mut values = super::copy::owned(first_values);
    let mut positions = super::copy::owned(first_positions);
    for (part_values, part_positions) in rest {
        let (part_values, part_positions) = (to_contiguous(part_values), to_contiguous(part_positions));
        let best_positions = positions.as_mut_slice::<i64>();
        let keying = kind.keying();
        with_key!(dtype, T, K => {
            let candidates = dense::<T>(&part_values).iter().zip(dense::<i64>(&part_positions));
            for ((best, at), (&x, &position)) in
                values.as_mut_slice::<T>().iter_mut().zip(best_positions.iter_mut()).zip(candidates)
            {
                let order = <K as Keyed<T>>::key(x, keying).cmp(&<K as Keyed<T>>::key(*best, keying));
                if order.then(position.cmp(at)).is_lt() {
                    (*best, *at) = (x, position);
                }
            }
        });
    }
    Ok((values.freeze(), positions.freeze()))
}

/// The positions of finished partial results; an error when NaN was to be skipped and nothing else was there.
pub fn arg_finish(kind: ArgKind, values: &Chunk, positions: Chunk) -> Result<Chunk, KernelError> {
    let values = to_contiguous(values);
    let only_nan = kind.skips_nan()
        && crate::blocks::number::with_order!(values.dtype(), T, O => dense::<T>(&values).iter().any(|&x| <O as crate::blocks::number::Order<T>>::is_nan(x)));
    if only_nan {
        return Err(KernelError::Value("All-NaN slice encountered".to_string()));
    }
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use raskr_base::TimeUnit;

    use super::super::view::transpose;
    use super::*;

    fn naive(kind: ArgKind, line: &[f32]) -> usize {
        let mut best: Option<usize> = None;
        for (i, &x) in line.iter().enumerate() {
            let wins = match best.map(|at| line[at]) {
                None => true,
                Some(b) if kind.skips_nan() && (b.is_nan() || x.is_nan()) => b.is_nan() && !x.is_nan(),
                Some(b) if b.is_nan() => false,
                Some(_) if x.is_nan() => true,
                Some(b) => {
                    if matches!(kind, ArgKind::Min | ArgKind::NanMin) {
                        x < b
                    } else {
                        x > b
                    }
                }
            };
            if wins {
                best = Some(i);
            }
        }
        best.expect("not empty")
    }

    const KINDS: [ArgKind; 4] = [ArgKind::Min, ArgKind::Max, ArgKind::NanMin, ArgKind::NanMax];

    proptest! {
        #[test]
        fn agrees_with_the_naive_search(
            kind in prop::sample::select(KINDS.to_vec()),
            shape in prop::array::uniform2(1usize..60),
            axis in prop::option::of(0usize..2),
            turned in any::<bool>(),
            cut in 1usize..60,
            seed in any::<u64>(),
            spread in 2u64..40,
        ) {
            let [rows, columns] = shape;
            let values: Vec<f32> = (0..(rows * columns) as u64)
                .map(|i| (i.wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % spread)
                .map(|x| if x == 37 { f32::NAN } else { x as f32 })
                .collect();
            let stored = Chunk::from_slice(&values, &shape);
            let chunk = if turned { transpose(&stored, &[1, 0]).expect("axes") } else { stored };
            let whole = [chunk.shape()[0], chunk.shape()[1]];
            let at = |i: usize, j: usize| if turned { values[j * columns + i] } else { values[i * columns + j] };
            let expected: Vec<i64> = match axis {
                None => {
                    let line: Vec<f32> = (0..whole[0] * whole[1]).map(|n| at(n / whole[1], n % whole[1])).collect();
                    vec![naive(kind, &line) as i64]
                }
                Some(0) => (0..whole[1]).map(|j| naive(kind, &(0..whole[0]).map(|i| at(i, j)).collect::<Vec<_>>()) as i64).collect(),
                Some(_) => (0..whole[0]).map(|i| naive(kind, &(0..whole[1]).map(|j| at(i, j)).collect::<Vec<_>>()) as i64).collect(),
            };
            let (_, positions) = arg_reduce(kind, &chunk, axis, &[0, 0], &whole).expect("not empty");
            prop_assert_eq!(positions.as_slice::<i64>().expect("contiguous"), &expected[..]);
            // The same in two blocks along an axis that is reduced.
            let split = axis.unwrap_or(1);
            let cut = cut % whole[split];
            if cut > 0 {
                let part = |start: usize, len: usize| {
                    let mut slices = whole.map(AxisSlice::full);
                    slices[split] = AxisSlice { start, step: 1, len };
                    let mut origin = [0, 0];
                    origin[split] = start;
                    arg_reduce(kind, &slice(&chunk, &slices).expect("inside"), axis, &origin, &whole).expect("not empty")
                };
                let parts = [part(cut, whole[split] - cut), part(0, cut)];
                let (_, positions) = arg_combine(kind, &parts).expect("one shape");
                prop_assert_eq!(positions.as_slice::<i64>().expect("contiguous"), &expected[..]);
            }
        }
    }

    #[test]
    fn long_lines_find_the_first_extreme() {
        let mut values = vec![1i32; 5000];
        values[3333] = -4;
        values[4999] = -4;
        let chunk = Chunk::from_slice(&values, &[5000]);
        let (least, position) = arg_reduce(ArgKind::Min, &chunk, Some(0), &[10], &[9000]).expect("not empty");
        assert_eq!((least.item::<i32>(), position.item::<i64>()), (Some(-4), Some(3343)));
    }

    #[test]
    fn large_strided_blocks_are_searched_in_slabs() {
        let (rows, columns) = (300, 500);
        let values: Vec<f32> =
            (0..rows * columns).map(|i| ((i * 7919) % 1009) as f32 - if i % 997 == 5 { 2000.0 } else { 0.0 }).collect();
        let dense = Chunk::from_slice(&values, &[rows, columns]);
        let turned = transpose(&dense, &[1, 0]).expect("axes");
        for axis in [None, Some(0), Some(1)] {
            let find = |chunk: &Chunk| {
                let whole: Vec<usize> = chunk.shape().iter().map(|n| n + 3).collect();
                arg_reduce(ArgKind::Min, chunk, axis, &[3, 0], &whole).expect("not empty")
            };
            let (values, positions) = find(&turned);
            let (expected, places) = find(&to_contiguous(&turned));
            assert_eq!(values.as_slice::<f32>(), expected.as_slice::<f32>());
            assert_eq!(positions.as_slice::<i64>(), places.as_slice::<i64>());
        }
    }

    #[test]
    fn not_a_time_and_nothing() {
        let dates =
            Chunk::from_slice(&[5, i64::MIN, 1], &[3]).reinterpret(DType::DateTime(TimeUnit::Day)).expect("size");
        let find = |kind| arg_reduce(kind, &dates, None, &[0], &[3]).expect("not empty").1.item::<i64>();
        assert_eq!([find(ArgKind::Max), find(ArgKind::NanMax), find(ArgKind::NanMin)], [Some(1), Some(0), Some(2)]);
        let nothing = Chunk::from_slice(&[f64::NAN; 2], &[2]);
        let (values, positions) = arg_reduce(ArgKind::NanMin, &nothing, Some(0), &[0], &[2]).expect("not empty");
        assert!(arg_finish(ArgKind::NanMin, &values, positions.clone()).is_err());
        assert!(arg_finish(ArgKind::Min, &values, positions).is_ok());
        let empty = Chunk::from_slice::<f64>(&[], &[0]);
        assert!(arg_reduce(ArgKind::Min, &empty, Some(0), &[0], &[0]).is_err());
        assert!(arg_combine(ArgKind::Min, &[]).is_err());
    }
}
