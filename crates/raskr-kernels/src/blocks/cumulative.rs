//! Running sums, products, minima and maxima along an axis, with what was carried from the block before.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use raskr_base::{Chunk, ChunkMut, DType, Dims};
use serde::{Deserialize, Serialize};

use super::copy::to_contiguous;
use super::number::{Along, Number, Order, dense, expect_like, with_order};
use super::target::Cell;
use crate::error::KernelError;

/// What is accumulated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CumulativeKind {
    Sum,
    Prod,
    Min,
    Max,
    /// As the plain kinds, with NaN taken for the identity.
    NanSum,
    NanProd,
    NanMin,
    NanMax,
}

/// The running values along an axis, joined to `carry`: what came before, a slice of length one along the axis. Bools are
/// accumulated as bytes: cast them first for NumPy's sum.
pub fn cumulative(
    kind: CumulativeKind,
    chunk: &Chunk,
    axis: usize,
    carry: Option<&Chunk>,
) -> Result<Chunk, KernelError> {
    let mut out = ChunkMut::new(chunk.dtype(), chunk.shape());
    with_order!(chunk.dtype(), T, O => {
        scan::<T, O>(kind, chunk, axis, carry, Some(out.as_mut_slice::<T>()))?;
    });
    Ok(out.freeze())
}

/// As [`cumulative`], to a place of an array under construction; the place has the block's shape.
pub fn cumulative_to(
    kind: CumulativeKind,
    chunk: &Chunk,
    axis: usize,
    carry: Option<&Chunk>,
    cell: &mut Cell<'_>,
) -> Result<(), KernelError> {
    if cell.shape() == chunk.shape() && cell.dtype() == chunk.dtype() {
        let done = with_order!(chunk.dtype(), T, O => match cell.as_mut_slice::<T>() {
            Some(out) => scan::<T, O>(kind, chunk, axis, carry, Some(out)).map(Some)?,
            None => None,
        }.is_some());
        if done {
            return Ok(());
        }
    }
    cell.write(&[], &cumulative(kind, chunk, axis, carry)?)
}

/// The last of the running values along an axis, as a slice of length one; of nothing, what leaves others unchanged.
pub fn cumulative_last(kind: CumulativeKind, chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    with_order!(chunk.dtype(), T, O => scan::<T, O>(kind, chunk, axis, None, None))
}

fn scan<T: Number, O: Order<T>>(
    kind: CumulativeKind,
    chunk: &Chunk,
    axis: usize,
    carry: Option<&Chunk>,
    out: Option<&mut [T]>,
) -> Result<Chunk, KernelError> {
    let along = Along::new(chunk.shape(), axis)?;
    let dtype = chunk.dtype();
    let mut last_shape: Dims = chunk.shape().into();
    last_shape[axis] = 1;
    if let Some(carry) = carry {
        expect_like(1, carry, dtype, &last_shape)?;
    }
    let sums = matches!(kind, CumulativeKind::Sum | CumulativeKind::NanSum);
    let products = matches!(kind, CumulativeKind::Prod | CumulativeKind::NanProd);
    if products && dtype.is_time() || sums && matches!(dtype, DType::DateTime(_)) {
        return Err(KernelError::NoLoop { operation: format!("cumulative {kind:?}"), inputs: vec![dtype] });
    }
    let carry = carry.map(to_contiguous);
    let chunk = to_contiguous(chunk);
    let mut last = ChunkMut::new(dtype, &last_shape);
    let scan = Scan {
        kind,
        along,
        values: dense::<T>(&chunk),
        out,
        carry: carry.as_ref().map(dense::<T>),
        last: last.as_mut_slice::<T>(),
        order: PhantomData::<O>,
    };
    if along.inner > 1 {
        Arch::new().dispatch(Vectorised(scan))
    } else {
        scan.run_kind()
    }
    Ok(last.freeze())
}

struct Vectorised<'a, T, O>(Scan<'a, T, O>);

impl<T: Number, O: Order<T>> WithSimd for Vectorised<'_, T, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.0.run_kind();
    }
}

/// Differences of neighbours along an axis, one element shorter (`numpy.diff`): of bools whether they differ, of dates
/// durations.
pub fn diff(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    let Along { outer, len, inner } = Along::new(chunk.shape(), axis)?;
    let dtype = match chunk.dtype() {
        DType::DateTime(unit) => DType::TimeDelta(unit),
        other => other,
    };
    let mut shape: Dims = chunk.shape().into();
    shape[axis] = len.saturating_sub(1);
    let mut out = ChunkMut::new(dtype, &shape);
    if out.is_empty() {
        return Ok(out.freeze());
    }
    let chunk = to_contiguous(chunk);
    let short = (len - 1) * inner;
    with_order!(chunk.dtype(), T, O => {
        let values = dense::<T>(&chunk);
        for (o, out) in out.as_mut_slice::<T>().chunks_exact_mut(short).enumerate().take(outer) {
            let block = &values[o * len * inner..][..len * inner];
            for ((out, &before), &after) in out.iter_mut().zip(block).zip(&block[inner..]) {
                *out = if dtype == DType::Bool {
                    if before == after { T::ZERO } else { T::ONE }
                } else if <O as Order<T>>::is_nan(before) {
                    before
                } else if <O as Order<T>>::is_nan(after) {
                    after
                } else {
                    after.minus(before)
                };
            }
        }
    });
    Ok(out.freeze())
}

struct Scan<'a, T, O> {
    kind: CumulativeKind,
    along: Along,
    values: &'a [T],
    /// Where the running values go; without it only the last are wanted.
    out: Option<&'a mut [T]>,
    carry: Option<&'a [T]>,
    last: &'a mut [T],
    order: PhantomData<O>,
}

/// Addition that keeps not-a-time; NaN keeps itself.
#[inline(always)]
fn add<T: Number, O: Order<T>>(a: T, x: T) -> T {
    if !O::NAN_ADDS && O::is_nan(a) {
        a
    } else if !O::NAN_ADDS && O::is_nan(x) {
        x
    } else {
        a.plus(x)
    }
}

impl<T: Number, O: Order<T>> Scan<'_, T, O> {
    #[inline(always)]
    fn run_kind(self) {
        match self.kind {
            CumulativeKind::Sum => self.run(Some(T::ZERO), |x| x, add::<T, O>),
            CumulativeKind::Prod => self.run(Some(T::ONE), |x| x, |a, x| a.times(x)),
            CumulativeKind::NanSum => self.run(Some(T::ZERO), |x| if O::is_nan(x) { T::ZERO } else { x }, add::<T, O>),
            CumulativeKind::NanProd => {
                self.run(Some(T::ONE), |x| if O::is_nan(x) { T::ONE } else { x }, |a, x| a.times(x));
            }
            CumulativeKind::Min => self.run(None, |x| x, |a, x| if O::is_nan(a) || O::less(a, x) { a } else { x }),
            CumulativeKind::Max => self.run(None, |x| x, |a, x| if O::is_nan(a) || O::less(x, a) { a } else { x }),
            CumulativeKind::NanMin => self.run(None, |x| x, |a, x| if O::is_nan(x) || O::less(a, x) { a } else { x }),
            CumulativeKind::NanMax => self.run(None, |x| x, |a, x| if O::is_nan(x) || O::less(x, a) { a } else { x }),
        }
    }

    /// Without an identity the first element starts: combined with itself it stays as it is.
    #[inline(always)]
    fn run(mut self, identity: Option<T>, enter: impl Fn(T) -> T + Copy, combine: impl Fn(T, T) -> T + Copy) {
        let Along { outer, len, inner } = self.along;
        for o in 0..outer {
            let values = &self.values[o * len * inner..][..len * inner];
            let running = &mut self.last[o * inner..][..inner];
            match identity {
                Some(identity) => running.fill(identity),
                None if len == 0 => running.fill(T::ZERO),
                None => running.copy_from_slice(&values[..inner]),
            }
            let Some(out) = &mut self.out else {
                last_of_block(values, running, enter, combine);
                continue;
            };
            let out = &mut out[o * len * inner..][..len * inner];
            // The block's own values run by themselves and are joined to the carry one by one, so that the last of them
            // is to the bit what the next block's carry is made of.
            match self.carry {
                None => scan_block(values, out, running, enter, combine, |_, x| x),
                Some(carry) => {
                    let carry = &carry[o * inner..][..inner];
                    scan_block(values, out, running, enter, combine, |i, x| combine(carry[i], x));
                }
            }
        }
    }
}

/// The combination of all rows of a block with the running row.
#[inline(always)]
fn last_of_block<T: Copy>(
    values: &[T],
    running: &mut [T],
    enter: impl Fn(T) -> T + Copy,
    combine: impl Fn(T, T) -> T + Copy,
) {
    if let [single] = running {
        *single = values.iter().fold(*single, |accumulator, &value| combine(accumulator, enter(value)));
        return;
    }
    for row in values.chunks_exact(running.len().max(1)) {
        for (accumulator, &value) in running.iter_mut().zip(row) {
            *accumulator = combine(*accumulator, enter(value));
        }
    }
}

/// One block of rows: each row becomes the combination of the running row and itself, finished by its place in the row.
#[inline(always)]
fn scan_block<T: Copy>(
    values: &[T],
    out: &mut [T],
    running: &mut [T],
    enter: impl Fn(T) -> T + Copy,
    combine: impl Fn(T, T) -> T + Copy,
    finish: impl Fn(usize, T) -> T + Copy,
) {
    if let [single] = running {
        let mut accumulator = *single;
        for (out, &value) in out.iter_mut().zip(values) {
            accumulator = combine(accumulator, enter(value));
            *out = finish(0, accumulator);
        }
        *single = accumulator;
        return;
    }
    let width = running.len().max(1);
    for (row, out) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        for (i, ((accumulator, &value), out)) in running.iter_mut().zip(row).zip(out).enumerate() {
            *accumulator = combine(*accumulator, enter(value));
            *out = finish(i, *accumulator);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use raskr_base::TimeUnit;

    use super::super::copy::concatenate;
    use super::super::target::Target;
    use super::super::view::{AxisSlice, slice};
    use super::*;

    fn naive(kind: CumulativeKind, values: &[f64]) -> Vec<f64> {
        use CumulativeKind::*;
        let skip = matches!(kind, NanSum | NanProd | NanMin | NanMax);
        let mut running: Option<f64> = None;
        let mut out = Vec::new();
        for &x in values {
            let next = match (running, kind) {
                (None, NanSum) if x.is_nan() => 0.0,
                (None, NanProd) if x.is_nan() => 1.0,
                (None, _) => x,
                (Some(a), _) if skip && x.is_nan() => a,
                (Some(a), Sum | NanSum) => a + x,
                (Some(a), Prod | NanProd) => a * x,
                (Some(a), NanMin) => a.min(x),
                (Some(a), NanMax) => a.max(x),
                (Some(a), Min | Max) if a.is_nan() || x.is_nan() => f64::NAN + a,
                (Some(a), Min) => a.min(x),
                (Some(a), Max) => a.max(x),
            };
            running = Some(next);
            out.push(next);
        }
        out
    }

    const KINDS: [CumulativeKind; 8] = [
        CumulativeKind::Sum,
        CumulativeKind::Prod,
        CumulativeKind::Min,
        CumulativeKind::Max,
        CumulativeKind::NanSum,
        CumulativeKind::NanProd,
        CumulativeKind::NanMin,
        CumulativeKind::NanMax,
    ];

    proptest! {
        #[test]
        fn agrees_with_the_naive_scan_in_one_or_two_blocks(
            kind in prop::sample::select(KINDS.to_vec()),
            shape in prop::array::uniform3(1usize..7),
            axis in 0usize..3,
            cut in 0usize..8,
            seeds in prop::collection::vec(0u8..12, 216),
        ) {
            let total = shape.iter().product::<usize>();
            let values: Vec<f64> =
                seeds[..total].iter().map(|&s| if s == 11 { f64::NAN } else { f64::from(s) - 4.0 }).collect();
            let chunk = Chunk::from_slice(&values, &shape);
            let whole = cumulative(kind, &chunk, axis, None).expect("an axis");
            let last = cumulative_last(kind, &chunk, axis).expect("an axis");
            let along = Along::new(&shape, axis).expect("an axis");
            let got = whole.as_slice::<f64>().expect("contiguous");
            for o in 0..along.outer {
                for i in 0..along.inner {
                    let at = |k: usize| (o * along.len + k) * along.inner + i;
                    let line: Vec<f64> = (0..along.len).map(|k| values[at(k)]).collect();
                    let expected = naive(kind, &line);
                    for (k, expected) in expected.iter().enumerate() {
                        prop_assert!(got[at(k)] == *expected || got[at(k)].is_nan() && expected.is_nan());
                    }
                    let end = last.as_slice::<f64>().expect("contiguous")[o * along.inner + i];
                    let expected = expected[along.len - 1];
                    prop_assert!(end == expected || end.is_nan() && expected.is_nan());
                }
            }
            let cut = cut % shape[axis];
            if cut > 0 {
                let part = |start, len| {
                    let mut slices = shape.map(AxisSlice::full);
                    slices[axis] = AxisSlice { start, step: 1, len };
                    slice(&chunk, &slices).expect("inside")
                };
                let first = cumulative(kind, &part(0, cut), axis, None).expect("an axis");
                let carry = cumulative_last(kind, &part(0, cut), axis).expect("an axis");
                let rest = part(cut, shape[axis] - cut);
                let second = cumulative(kind, &rest, axis, Some(&carry)).expect("an axis");
                let target = Target::new(DType::F64, &rest.shape().iter().map(|&n| vec![n]).collect::<Vec<_>>());
                let written =
                    target.fill(&[0; 3], rest.shape(), |mut cell| cumulative_to(kind, &rest, axis, Some(&carry), &mut cell));
                prop_assert_eq!(written, Ok(true));
                let bits = |chunk: &Chunk| chunk.as_slice::<f64>().expect("whole").iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&target.take()), bits(&second));
                let joined = concatenate(&[first, second], axis).expect("agree");
                let joined = joined.as_slice::<f64>().expect("contiguous");
                prop_assert!(joined.iter().zip(got).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
            }
        }
    }

    #[test]
    fn integers_wrap_and_times_keep_not_a_time() {
        let sum = cumulative(CumulativeKind::Sum, &Chunk::from_slice(&[i8::MAX, 1], &[2]), 0, None).expect("an axis");
        assert_eq!(sum.as_slice::<i8>(), Some(&[127, -128][..]));
        let spans = Chunk::from_slice(&[5, i64::MIN, 1], &[3]);
        let spans = spans.reinterpret(DType::TimeDelta(TimeUnit::Second)).expect("eight bytes");
        let sum = cumulative(CumulativeKind::Sum, &spans, 0, None).expect("an axis");
        assert_eq!(sum.as_slice::<i64>(), Some(&[5, i64::MIN, i64::MIN][..]));
        let max = cumulative(CumulativeKind::NanMax, &spans, 0, None).expect("an axis");
        assert_eq!(max.as_slice::<i64>(), Some(&[5, 5, 5][..]));
        assert!(cumulative(CumulativeKind::Prod, &spans, 0, None).is_err());
    }

    #[test]
    fn differences_of_neighbours() {
        let grid = Chunk::from_slice(&[1i32, 4, 9, 16, 25, 36], &[2, 3]);
        assert_eq!(diff(&grid, 0).expect("an axis").as_slice::<i32>(), Some(&[15, 21, 27][..]));
        let along = diff(&grid, 1).expect("an axis");
        assert_eq!((along.shape(), along.as_slice::<i32>()), (&[2, 2][..], Some(&[3, 5, 9, 11][..])));
        let bits = Chunk::from_slice(&[1u8, 0, 0], &[3]).reinterpret(DType::Bool).expect("one byte");
        assert_eq!(diff(&bits, 0).expect("an axis").as_slice::<u8>(), Some(&[1, 0][..]));
        assert_eq!(diff(&Chunk::from_slice(&[3u8, 1], &[2]), 0).expect("an axis").as_slice::<u8>(), Some(&[254][..]));
        let dates = Chunk::from_slice(&[3, i64::MIN, 5, 9], &[4]);
        let dates = dates.reinterpret(DType::DateTime(TimeUnit::Second)).expect("eight bytes");
        let spans = diff(&dates, 0).expect("an axis");
        assert_eq!(spans.dtype(), DType::TimeDelta(TimeUnit::Second));
        assert_eq!(spans.as_slice::<i64>(), Some(&[i64::MIN, i64::MIN, 4][..]));
        assert_eq!(diff(&Chunk::from_slice(&[1.0], &[1]), 0).expect("an axis").shape(), [0]);
    }

    #[test]
    fn empty_axes_and_misfitting_carries() {
        let empty = Chunk::from_slice::<f32>(&[], &[0, 3]);
        let out = cumulative(CumulativeKind::Sum, &empty, 0, None).expect("an axis");
        let last = cumulative_last(CumulativeKind::Sum, &empty, 0).expect("an axis");
        assert_eq!((out.shape(), last.as_slice::<f32>()), (&[0, 3][..], Some(&[0.0; 3][..])));
        let carry = Chunk::from_slice(&[1.0f32], &[1, 1]);
        assert!(cumulative(CumulativeKind::Sum, &empty, 0, Some(&carry)).is_err());
        assert!(cumulative(CumulativeKind::Sum, &empty, 2, None).is_err());
    }
}
