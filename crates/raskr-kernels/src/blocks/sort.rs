//! Sorting along an axis, the greatest or least elements of an axis, and places in a sorted block.
//!
//! NaN and not-a-time come last in ascending order, as in NumPy; -0 and 0 are equal. Ties keep their order.

use std::cmp::Ordering;

use num_complex::Complex64;
use raskr_base::{Chunk, ChunkMut, DType, Dims};
use serde::{Deserialize, Serialize};

use super::copy::{into_owned, to_contiguous};
use super::key::{KeyBits, Keyed, Keying, PlainKey, Sortable, with_key, with_sortable};
use super::number::{dense, expect_like};
use super::take::gather;
use super::view::transpose;
use crate::error::KernelError;

const ASCENDING: Keying = Keying { descending: false, nan_first: false };
const DESCENDING: Keying = Keying { descending: true, nan_first: true };

/// The block with the axis moved to the end, and the order of axes that moves it back.
pub(super) fn axis_last(chunk: &Chunk, axis: usize) -> Result<(Chunk, Dims), KernelError> {
    let ndim = chunk.ndim();
    if axis >= ndim {
        return Err(KernelError::Axis { axis, ndim });
    }
    let order: Dims = (0..ndim).filter(|&other| other != axis).chain([axis]).collect();
    let back: Dims = (0..axis).chain([ndim - 1]).chain(axis..ndim - 1).collect();
    Ok((transpose(chunk, &order)?, back))
}

/// Sorted along an axis. The result may be strided.
pub fn sort_axis(chunk: Chunk, axis: usize) -> Result<Chunk, KernelError> {
    let (lines, back) = axis_last(&chunk, axis)?;
    // Gives up this owner, so that a block that nobody else has is sorted in place.
    drop(chunk);
    let len = line_length(&lines);
    let dtype = lines.dtype();
    let mut sorted = into_owned(lines);
    with_sortable!(dtype, T, K => {
        let mut bits = Vec::with_capacity(len);
        for line in sorted.as_mut_slice::<T>().chunks_exact_mut(len) {
            bits.clear();
            bits.extend(line.iter().map(|&x| <K as Sortable<T>>::bits(x)));
            bits.sort_unstable();
            for (x, &bits) in line.iter_mut().zip(&bits) {
                *x = <K as Sortable<T>>::element(bits);
            }
        }
    }, else {
        let unsorted = sorted.freeze();
        let order = line_orders(&unsorted, len, len, ASCENDING);
        return transpose(&taken_by_line(&unsorted, len, &order, len)?, &back);
    });
    transpose(&sorted.freeze(), &back)
}

/// The length of the last axis, one where there are no elements.
fn line_length(lines: &Chunk) -> usize {
    lines.shape().last().copied().unwrap_or(0).max(1)
}

/// For each line along the last axis the indices of the `count` elements with the smallest keys, in the order of keys;
/// of equal keys the first come first.
fn line_orders(lines: &Chunk, len: usize, count: usize, keying: Keying) -> Vec<i64> {
    fn choose<K: Copy + Ord>(keyed: &mut [(K, u32)], count: usize, out: &mut Vec<i64>) {
        if count < keyed.len() && count > 0 {
            keyed.select_nth_unstable(count - 1);
        }
        keyed[..count].sort_unstable();
        out.extend(keyed[..count].iter().map(|&(_, i)| i64::from(i)));
    }
    let mut out = Vec::with_capacity(lines.len() / len * count);
    if lines.dtype() == DType::C128 {
        let mut keyed: Vec<(i128, u32)> = Vec::with_capacity(len);
        for line in dense::<Complex64>(lines).chunks_exact(len) {
            keyed.clear();
            keyed.extend((0..).zip(line).map(|(i, &x)| (<PlainKey as Keyed<Complex64>>::key(x, keying), i)));
            choose(&mut keyed, count, &mut out);
        }
        return out;
    }
    let mut keyed: Vec<(i64, u32)> = Vec::with_capacity(len);
    with_key!(lines.dtype(), T, K => {
        for line in dense::<T>(lines).chunks_exact(len) {
            keyed.clear();
            keyed.extend((0..).zip(line).map(|(i, &x)| (<K as Keyed<T>>::key(x, keying).narrowed(), i)));
            choose(&mut keyed, count, &mut out);
        }
    });
    out
}

/// The elements of each line at the given indices, `count` of them for each line.
fn taken_by_line(lines: &Chunk, len: usize, order: &[i64], count: usize) -> Result<Chunk, KernelError> {
    let flat: Vec<i64> = order.iter().enumerate().map(|(at, &i)| (at / count.max(1) * len) as i64 + i).collect();
    let whole = lines.reshaped(&[lines.len()]).unwrap_or_else(|| lines.clone());
    let mut shape: Dims = lines.shape().into();
    let last = shape.len() - 1;
    shape[last] = count;
    let taken = gather(&whole, 0, &flat)?;
    Ok(taken.reshaped(&shape).unwrap_or(taken))
}

/// The indices that would sort along an axis. The result may be strided.
pub fn argsort_axis(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    let (lines, back) = axis_last(chunk, axis)?;
    let lines = to_contiguous(&lines);
    let len = line_length(&lines);
    let order = Chunk::from_slice(&line_orders(&lines, len, len, ASCENDING), lines.shape());
    transpose(&order, &back)
}

/// The k greatest elements along an axis, greatest first (NaN counts as greatest); for negative k the -k least, least
/// first. With `positions`, an `int64` block like the chunk, those of the chosen elements come second.
pub fn top_k(
    chunk: &Chunk,
    k: i64,
    axis: usize,
    positions: Option<&Chunk>,
) -> Result<(Chunk, Option<Chunk>), KernelError> {
    let keying = if k < 0 { ASCENDING } else { DESCENDING };
    let (lines, back) = axis_last(chunk, axis)?;
    let lines = to_contiguous(&lines);
    let count = usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX).min(chunk.shape()[axis]);
    let len = line_length(&lines);
    let order = line_orders(&lines, len, count, keying);
    let values = transpose(&taken_by_line(&lines, len, &order, count)?, &back)?;
    let Some(positions) = positions else { return Ok((values, None)) };
    expect_like(1, positions, DType::I64, chunk.shape())?;
    let positions = to_contiguous(&axis_last(positions, axis)?.0);
    let chosen = transpose(&taken_by_line(&positions, len, &order, count)?, &back)?;
    Ok((values, Some(chosen)))
}

/// Which of several equal elements a place is sought beside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Side {
    Left,
    Right,
}

/// Where each value would be inserted into a sorted block of one dimension (`numpy.searchsorted`).
pub fn searchsorted(sorted: &Chunk, values: &Chunk, side: Side) -> Result<Chunk, KernelError> {
    if sorted.ndim() != 1 || sorted.dtype() != values.dtype() {
        return Err(KernelError::Operand {
            index: 0,
            expected: format!("sorted {} of one dimension", values.dtype()),
            got: format!("{} of shape {:?}", sorted.dtype(), sorted.shape()),
        });
    }
    let (sorted, values) = (to_contiguous(sorted), to_contiguous(values));
    let mut out = ChunkMut::new(DType::I64, values.shape());
    let places = out.as_mut_slice::<i64>();
    with_key!(values.dtype(), T, K => {
        let line = dense::<T>(&sorted);
        for (place, &x) in places.iter_mut().zip(dense::<T>(&values)) {
            let key = <K as Keyed<T>>::key(x, ASCENDING);
            *place = line.partition_point(|&y| match <K as Keyed<T>>::key(y, ASCENDING).cmp(&key) {
                Ordering::Less => true,
                Ordering::Equal => side == Side::Right,
                Ordering::Greater => false,
            }) as i64;
        }
    });
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use raskr_base::TimeUnit;

    use super::super::number::Along;
    use super::*;

    /// NaN after everything else.
    fn ascending(a: &f64, b: &f64) -> Ordering {
        a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }

    fn line(chunk: &Chunk, shape: [usize; 3], axis: usize, outer: usize, inner: usize) -> Vec<f64> {
        let whole = to_contiguous(chunk);
        let along = Along::new(&shape, axis).expect("an axis");
        let values = whole.as_slice::<f64>().expect("contiguous");
        (0..along.len).map(|k| values[(outer * along.len + k) * along.inner + inner]).collect()
    }

    fn same(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn sorting_and_choosing_agree_with_the_standard_sort(
            shape in prop::array::uniform3(1usize..9),
            axis in 0usize..3,
            k in -9i64..10,
            seeds in prop::collection::vec(0u8..20, 512),
        ) {
            let total = shape.iter().product::<usize>();
            let values: Vec<f64> = seeds[..total]
                .iter()
                .map(|&s| match s { 19 => f64::NAN, 18 => f64::INFINITY, 17 => -0.0, s => f64::from(s) - 8.0 })
                .collect();
            let chunk = Chunk::from_slice(&values, &shape);
            let sorted = sort_axis(chunk.clone(), axis).expect("an axis");
            let order = argsort_axis(&chunk, axis).expect("an axis");
            let all: Vec<i64> = (0..total as i64).collect();
            let (chosen, places) = top_k(&chunk, k, axis, Some(&Chunk::from_slice(&all, &shape))).expect("an axis");
            let mut chosen_shape = shape;
            chosen_shape[axis] = shape[axis].min(k.unsigned_abs() as usize);
            prop_assert_eq!(chosen.shape(), &chosen_shape);
            let (order, places) = (to_contiguous(&order), to_contiguous(&places.expect("asked for")));
            let (order, places) = (order.as_slice::<i64>().expect("ints"), places.as_slice::<i64>().expect("ints"));
            prop_assert!(same(
                to_contiguous(&chosen).as_slice::<f64>().expect("floats"),
                &places.iter().map(|&at| values[at as usize]).collect::<Vec<_>>()
            ));
            let along = Along::new(&shape, axis).expect("an axis");
            for outer in 0..along.outer {
                for inner in 0..along.inner {
                    let original = line(&chunk, shape, axis, outer, inner);
                    let mut expected = original.clone();
                    expected.sort_by(ascending);
                    prop_assert!(same(&line(&sorted, shape, axis, outer, inner), &expected));
                    let by_order: Vec<f64> = (0..along.len)
                        .map(|n| original[order[(outer * along.len + n) * along.inner + inner] as usize])
                        .collect();
                    prop_assert!(same(&by_order, &expected));
                    if k > 0 {
                        expected.reverse();
                    }
                    expected.truncate(k.unsigned_abs() as usize);
                    prop_assert!(same(&line(&chosen, chosen_shape, axis, outer, inner), &expected));
                }
            }
        }
    }

    #[test]
    fn places_in_a_sorted_block() {
        let sorted = Chunk::from_slice(&[1.0, 2.0, 2.0, 5.0, f64::NAN], &[5]);
        let values = Chunk::from_slice(&[0.0, 2.0, 6.0, f64::NAN], &[2, 2]);
        let left = searchsorted(&sorted, &values, Side::Left).expect("sorted");
        assert_eq!((left.shape(), left.as_slice::<i64>()), (&[2, 2][..], Some(&[0, 1, 4, 4][..])));
        let right = searchsorted(&sorted, &values, Side::Right).expect("sorted");
        assert_eq!(right.as_slice::<i64>(), Some(&[0, 3, 4, 5][..]));
        assert!(searchsorted(&values, &values, Side::Left).is_err());
        assert!(searchsorted(&Chunk::from_slice(&[1i32], &[1]), &values, Side::Left).is_err());
    }

    #[test]
    fn other_types_sort() {
        let bytes = sort_axis(Chunk::from_slice(&[3u8, 200, 1], &[3]), 0).expect("an axis");
        assert_eq!(bytes.as_slice::<u8>(), Some(&[1, 3, 200][..]));
        let large = sort_axis(Chunk::from_slice(&[u64::MAX, 0, 1 << 63], &[3]), 0).expect("an axis");
        assert_eq!(large.as_slice::<u64>(), Some(&[0, 1 << 63, u64::MAX][..]));
        let dates = Chunk::from_slice(&[i64::MIN, 5, -5], &[3]);
        let dates = dates.reinterpret(DType::DateTime(TimeUnit::Day)).expect("eight bytes");
        assert_eq!(sort_axis(dates, 0).expect("an axis").as_slice::<i64>(), Some(&[-5, 5, i64::MIN][..]));
        let empty = Chunk::from_slice::<f32>(&[], &[2, 0]);
        assert_eq!(sort_axis(empty.clone(), 1).expect("an axis").shape(), [2, 0]);
        assert_eq!(top_k(&empty, 3, 1, None).expect("an axis").0.shape(), [2, 0]);
        assert!(sort_axis(empty, 2).is_err());
    }
}
