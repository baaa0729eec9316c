//! Sorting along an axis, the greatest or least elements of an axis, and places in a sorted block.
//!
//! NaN and not-a-time come last in ascending order, as in NumPy; -0 and 0 are equal. Positions of equal elements keep their
//! order.

use std::hint::select_unpredictable;

use num_complex::{Complex32, Complex64};
use raskr_base::{Chunk, ChunkMut, DType, Dims};
use serde::{Deserialize, Serialize};

use super::copy::{into_owned, to_contiguous};
use super::key::{KeyBits, Keyed, Keying, PlainKey, with_key};
use super::number::{Number, dense, expect_like};
use super::sort_keys::{Ordered, VectorKey, sort_pairs, with_ordered};
use super::take::gather;
use super::view::transpose;
use crate::error::KernelError;

pub(super) const ASCENDING: Keying = Keying { descending: false, nan_first: false };
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
    with_ordered!(dtype, T, K => {
        for line in sorted.as_mut_slice::<T>().chunks_exact_mut(len) {
            <K as Ordered<T>>::sort(line);
        }
    });
    transpose(&sorted.freeze(), &back)
}

/// With the elements at some places of each line where a sort would put them, lesser or equal ones before and greater or
/// equal ones after each. The result may be strided.
pub fn partition_axis(chunk: Chunk, places: &[usize], axis: usize) -> Result<Chunk, KernelError> {
    let (lines, back) = axis_last(&chunk, axis)?;
    drop(chunk);
    let len = line_length(&lines);
    check_places(places, axis, len)?;
    let dtype = lines.dtype();
    let mut parted = into_owned(lines);
    with_ordered!(dtype, T, K => {
        for line in parted.as_mut_slice::<T>().chunks_exact_mut(len) {
            select(line, places, &|x: &T| <K as Ordered<T>>::order(*x));
        }
    });
    transpose(&parted.freeze(), &back)
}

/// The positions that [`partition_axis`] would take elements from.
pub fn argpartition_axis(chunk: &Chunk, places: &[usize], axis: usize) -> Result<Chunk, KernelError> {
    let (lines, back) = axis_last(chunk, axis)?;
    let lines = to_contiguous(&lines);
    let len = line_length(&lines);
    check_places(places, axis, len)?;
    let mut order = ChunkMut::new(DType::I64, lines.shape());
    with_ordered!(lines.dtype(), T, K => {
        let all = order.as_mut_slice::<i64>().chunks_exact_mut(len);
        for (line, out) in dense::<T>(&lines).chunks_exact(len).zip(all) {
            let mut keyed: Vec<_> = line.iter().zip(0i64..).map(|(&x, i)| (<K as Ordered<T>>::order(x), i)).collect();
            select(&mut keyed, places, &|pair| pair.0);
            for (out, (_, i)) in out.iter_mut().zip(keyed) {
                *out = i;
            }
        }
    });
    transpose(&order.freeze(), &back)
}

fn check_places(places: &[usize], axis: usize, size: usize) -> Result<(), KernelError> {
    match places.iter().find(|&&place| place >= size) {
        Some(&place) => Err(KernelError::Index { index: place as i64, axis, size }),
        None => Ok(()),
    }
}

/// Puts the items at some places, given in ascending order, where a sort would.
fn select<T, Key: Ord>(items: &mut [T], places: &[usize], key: &dyn Fn(&T) -> Key) {
    let Some(&middle) = places.get(places.len() / 2) else { return };
    let (before, after) = (&places[..places.len() / 2], &places[places.len() / 2 + 1..]);
    items.select_nth_unstable_by_key(middle, key);
    let (low, high) = items.split_at_mut(middle);
    select(low, before, key);
    let after: Vec<usize> = after.iter().filter(|&&place| place > middle).map(|place| place - middle - 1).collect();
    select(&mut high[1..], &after, key);
}

/// The length of the last axis, one where there are no elements.
fn line_length(lines: &Chunk) -> usize {
    lines.shape().last().copied().unwrap_or(0).max(1)
}

/// Keys of real elements in ascending order, and whether they fit 32 bits.
pub(super) fn ascending_keys(elements: &Chunk) -> Option<(Vec<i64>, bool)> {
    if elements.dtype().is_complex() {
        return None;
    }
    with_key!(elements.dtype(), T, K => {
        let keys = dense::<T>(elements).iter().map(|&x| <K as Keyed<T>>::key(x, ASCENDING).narrowed()).collect();
        Some((keys, size_of::<<K as Keyed<T>>::Key>() == 4))
    })
}

/// Positions `from + i` in the order of the keys; of equal keys the first come first. The keys are sorted with them.
pub(super) fn sort_positions(keys: &mut [i64], short: bool, from: i64, out: &mut [i64]) {
    if short && keys.len() <= u32::MAX as usize {
        // Key and position in one integer.
        for (i, key) in keys.iter_mut().enumerate() {
            *key = *key << 32 | i as i64;
        }
        i64::sort(keys);
        for (key, out) in keys.iter_mut().zip(out) {
            *out = (*key & i64::from(u32::MAX)) + from;
            *key >>= 32;
        }
        return;
    }
    for (out, i) in out.iter_mut().zip(from..) {
        *out = i;
    }
    sort_pairs(keys, out);
}

/// Positions in the order of complex numbers.
pub(super) fn complex_order(elements: &Chunk) -> Vec<i64> {
    let mut order: Vec<i64> = (0..elements.len() as i64).collect();
    if elements.dtype() == DType::C64 {
        let line = dense::<Complex32>(elements);
        order.sort_by_key(|&i| <PlainKey as Ordered<Complex32>>::order(line[i as usize]));
    } else {
        let line = dense::<Complex64>(elements);
        order.sort_by_key(|&i| <PlainKey as Ordered<Complex64>>::order(line[i as usize]));
    }
    order
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
    with_key!(lines.dtype(), T, K => {
        let mut keyed: Vec<(<K as Keyed<T>>::Key, u32)> = Vec::with_capacity(len);
        for line in dense::<T>(lines).chunks_exact(len) {
            keyed.clear();
            keyed.extend((0..).zip(line).map(|(i, &x)| (<K as Keyed<T>>::key(x, keying), i)));
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

/// The indices that would sort along an axis, those of equal elements in ascending order. The result may be strided.
pub fn argsort_axis(chunk: &Chunk, axis: usize) -> Result<Chunk, KernelError> {
    let (lines, back) = axis_last(chunk, axis)?;
    let lines = to_contiguous(&lines);
    let len = line_length(&lines);
    let mut order = ChunkMut::new(DType::I64, lines.shape());
    match ascending_keys(&lines) {
        Some((mut keys, short)) => {
            let all = order.as_mut_slice::<i64>().chunks_exact_mut(len);
            for (keys, out) in keys.chunks_exact_mut(len).zip(all) {
                sort_positions(keys, short, 0, out);
            }
        }
        None => {
            for (number, out) in order.as_mut_slice::<i64>().chunks_exact_mut(len).enumerate() {
                let line = lines.with_layout(&[len], &[1], lines.offset() + number * len);
                out.copy_from_slice(&complex_order(&line.unwrap_or_else(|| lines.clone())));
            }
        }
    }
    transpose(&order.freeze(), &back)
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

/// Values that are searched for together, so that their waits for memory overlap.
const TOGETHER: usize = 16;

/// Places of at most [`TOGETHER`] keys in a sorted line.
#[inline(always)]
fn search<Key: Copy + Ord>(line: &[Key], keys: impl ExactSizeIterator<Item = Key>, side: Side, places: &mut [i64]) {
    let Some(&any) = line.first() else { return places.fill(0) };
    let (mut wanted, mut bases) = ([any; TOGETHER], [0usize; TOGETHER]);
    let count = keys.len().min(TOGETHER);
    for (wanted, key) in wanted.iter_mut().zip(keys) {
        *wanted = key;
    }
    let before = |at: usize, key: Key| if side == Side::Left { line[at] < key } else { line[at] <= key };
    let mut size = line.len();
    while size > 1 {
        let half = size / 2;
        for (base, &key) in bases.iter_mut().zip(&wanted) {
            // Either way is as likely, and a branch that is guessed wrongly costs more than all else here.
            *base = select_unpredictable(before(*base + half - 1, key), *base + half, *base);
        }
        size -= half;
    }
    for ((place, &base), &key) in places.iter_mut().zip(&bases[..count]).zip(&wanted) {
        *place = (base + usize::from(before(base, key))) as i64;
    }
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
    with_ordered!(values.dtype(), T, K => {
        // Adding zero makes -0 the equal of 0.
        let key = |&x: &T| <K as Ordered<T>>::order(Number::plus(x, T::ZERO));
        let line: Vec<_> = dense::<T>(&sorted).iter().map(key).collect();
        for (places, values) in places.chunks_mut(TOGETHER).zip(dense::<T>(&values).chunks(TOGETHER)) {
            search(&line, values.iter().map(key), side, places);
        }
    });
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

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
