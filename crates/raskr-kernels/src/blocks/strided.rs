//! The strided copy: elements of one layout written to another, in the order that memory likes best.
//!
//! Axes of length one are dropped, axes that are contiguous in both layouts merged, and the rest ordered by the
//! destination's strides. What remains is rows to copy, a value to repeat, a plane to transpose, or the plain loop.
// `unsafe` is allowed here: raw strided memory; every function states what its caller guarantees.
#![allow(unsafe_code)]

use std::ptr;

use smallvec::SmallVec;

#[derive(Clone, Copy, Debug)]
struct Axis {
    len: usize,
    to: isize,
    from: isize,
}

/// A plane is transposed in squares of this many elements along each side.
const SQUARE: usize = 32;

/// Copies `shape` elements of `itemsize` bytes from `from` to `to`. Strides count bytes and may be zero (in the source)
/// or negative; memory need not be aligned.
///
/// # Safety
/// Every address that either layout reaches is valid for reading (`from`) or writing (`to`) of `itemsize` bytes, the
/// source is initialised, no other thread touches the destination, and the two do not overlap.
pub unsafe fn copy_raw(
    to: *mut u8,
    to_strides: &[isize],
    from: *const u8,
    from_strides: &[isize],
    shape: &[usize],
    itemsize: usize,
) {
    debug_assert!(to_strides.len() == shape.len() && from_strides.len() == shape.len());
    if shape.contains(&0) {
        return;
    }
    let axes = simplified(to_strides, from_strides, shape, itemsize);
    // SAFETY: the axes describe the same set of addresses; the element types have the size given.
    unsafe {
        match itemsize {
            1 => copy_axes::<u8, 16>(to, from, &axes),
            2 => copy_axes::<u16, 16>(to, from, &axes),
            4 => copy_axes::<u32, 8>(to, from, &axes),
            8 => copy_axes::<u64, 8>(to, from, &axes),
            16 => copy_axes::<[u64; 2], 4>(to, from, &axes),
            _ => copy_axes_of_bytes(to, from, &axes, itemsize),
        }
    }
}

/// The axes to walk, outermost first: the destination's largest strides outside, mergeable axes merged.
fn simplified(to_strides: &[isize], from_strides: &[isize], shape: &[usize], itemsize: usize) -> SmallVec<[Axis; 4]> {
    let mut axes: SmallVec<[Axis; 4]> = shape
        .iter()
        .zip(to_strides.iter().zip(from_strides))
        .filter(|(len, _)| **len != 1)
        .map(|(&len, (&to, &from))| Axis { len, to, from })
        .collect();
    // Stable, so that axes of equal stride keep their order.
    axes.sort_by_key(|axis| (std::cmp::Reverse(axis.to.unsigned_abs()), std::cmp::Reverse(axis.from.unsigned_abs())));
    let mut merged: SmallVec<[Axis; 4]> = SmallVec::new();
    for axis in axes {
        match merged.last_mut() {
            Some(outer) if outer.to == axis.to * axis.len as isize && outer.from == axis.from * axis.len as isize => {
                *outer = Axis { len: outer.len * axis.len, to: axis.to, from: axis.from };
            }
            _ => merged.push(axis),
        }
    }
    if merged.is_empty() {
        merged.push(Axis { len: 1, to: itemsize as isize, from: itemsize as isize });
    }
    merged
}

/// Calls `visit` with the address pairs of every combination of the axes' indices.
///
/// # Safety
/// The addresses that the axes reach are inside the two allocations.
unsafe fn walk(axes: &[Axis], to: *mut u8, from: *const u8, visit: &mut impl FnMut(*mut u8, *const u8)) {
    match axes.split_first() {
        None => visit(to, from),
        Some((axis, rest)) => {
            for i in 0..axis.len as isize {
                // SAFETY: index i is inside the axis.
                unsafe { walk(rest, to.offset(i * axis.to), from.offset(i * axis.from), visit) };
            }
        }
    }
}

/// # Safety
/// As [`copy_raw`], for elements of type `T`.
unsafe fn copy_axes<T: Copy, const B: usize>(to: *mut u8, from: *const u8, axes: &[Axis]) {
    let item = size_of::<T>() as isize;
    let Some((&last, outer)) = axes.split_last() else { return };
    // SAFETY (all below): indices stay inside the axes, whose addresses the caller vouches for.
    if last.to == item && last.from == item {
        unsafe {
            walk(outer, to, from, &mut |to, from| ptr::copy_nonoverlapping(from, to, last.len * item as usize));
        }
        return;
    }
    if last.from == 0 {
        unsafe {
            walk(outer, to, from, &mut |to, from| {
                let value = from.cast::<T>().read_unaligned();
                for i in 0..last.len as isize {
                    to.offset(i * last.to).cast::<T>().write_unaligned(value);
                }
            });
        }
        return;
    }
    let contiguous_in_source = outer.iter().rposition(|axis| axis.from == item && axis.len >= B);
    if let Some(position) = contiguous_in_source
        && last.to == item
        && last.len >= B
    {
        let column = outer[position];
        let mut rest: SmallVec<[Axis; 4]> = SmallVec::from_slice(outer);
        rest.remove(position);
        unsafe { walk(&rest, to, from, &mut |to, from| transpose_plane::<T, B>(to, from, last, column)) };
        return;
    }
    unsafe {
        walk(outer, to, from, &mut |to, from| {
            for i in 0..last.len as isize {
                let value = from.offset(i * last.from).cast::<T>().read_unaligned();
                to.offset(i * last.to).cast::<T>().write_unaligned(value);
            }
        });
    }
}

/// Copies a plane whose `row` axis is contiguous in the destination and whose `column` axis is contiguous in the source.
///
/// # Safety
/// As [`copy_raw`].
unsafe fn transpose_plane<T: Copy, const B: usize>(to: *mut u8, from: *const u8, row: Axis, column: Axis) {
    // SAFETY (all below): i < row.len and j < column.len.
    let one = |i: usize, j: usize| unsafe {
        let value = from.offset(i as isize * row.from + j as isize * column.from).cast::<T>().read_unaligned();
        to.offset(i as isize * row.to + j as isize * column.to).cast::<T>().write_unaligned(value);
    };
    let (whole_rows, whole_columns) = (row.len / B * B, column.len / B * B);
    for i_square in (0..whole_rows).step_by(SQUARE) {
        let i_end = (i_square + SQUARE).min(whole_rows);
        for j_square in (0..whole_columns).step_by(SQUARE) {
            let j_end = (j_square + SQUARE).min(whole_columns);
            for j in (j_square..j_end).step_by(B) {
                for i in (i_square..i_end).step_by(B) {
                    unsafe {
                        transpose_tile::<T, B>(
                            to.offset(i as isize * row.to + j as isize * column.to),
                            column.to,
                            from.offset(i as isize * row.from + j as isize * column.from),
                            row.from,
                        );
                    }
                }
            }
        }
        for i in i_square..i_end {
            (whole_columns..column.len).for_each(|j| one(i, j));
        }
    }
    for j in 0..column.len {
        (whole_rows..row.len).for_each(|i| one(i, j));
    }
}

/// A square of B x B elements through registers: whole cache lines are read, then whole ones written.
///
/// # Safety
/// B rows of B contiguous elements are readable at `from` and writable at `to`.
#[inline(always)]
unsafe fn transpose_tile<T: Copy, const B: usize>(to: *mut u8, to_stride: isize, from: *const u8, from_stride: isize) {
    // SAFETY: promised by the caller.
    unsafe {
        let rows: [[T; B]; B] =
            std::array::from_fn(|i| from.offset(i as isize * from_stride).cast::<[T; B]>().read_unaligned());
        (0..B).for_each(|j| {
            let column: [T; B] = std::array::from_fn(|i| rows[i][j]);
            to.offset(j as isize * to_stride).cast::<[T; B]>().write_unaligned(column);
        });
    }
}

/// # Safety
/// As [`copy_raw`].
unsafe fn copy_axes_of_bytes(to: *mut u8, from: *const u8, axes: &[Axis], itemsize: usize) {
    // SAFETY: each visited pair of addresses holds one element.
    unsafe { walk(axes, to, from, &mut |to, from| ptr::copy_nonoverlapping(from, to, itemsize)) };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(to: &mut [u8], to_strides: &[isize], from: &[u8], from_strides: &[isize], shape: &[usize], item: usize) {
        let total: usize = shape.iter().product();
        let low = |strides: &[isize]| -> isize {
            shape.iter().zip(strides).map(|(&n, &s)| if s < 0 { (n as isize - 1) * -s } else { 0 }).sum()
        };
        let (to_base, from_base) = (low(to_strides), low(from_strides));
        for linear in 0..total {
            let (mut rest, mut t, mut f) = (linear, to_base, from_base);
            for axis in (0..shape.len()).rev() {
                let i = (rest % shape[axis]) as isize;
                rest /= shape[axis];
                t += i * to_strides[axis];
                f += i * from_strides[axis];
            }
            for b in 0..item {
                to[t as usize + b] = from[f as usize + b];
            }
        }
    }

    /// Strides of a dense layout with the axes in the order given, some of them reversed.
    fn layout(shape: &[usize], order: &[usize], reversed: u32, item: usize) -> (Vec<isize>, usize, usize) {
        let mut strides = vec![0isize; shape.len()];
        let mut step = item as isize;
        for &axis in order {
            strides[axis] = step;
            step *= shape[axis] as isize;
        }
        let mut base = 0;
        for axis in 0..shape.len() {
            if reversed >> axis & 1 == 1 {
                base += (shape[axis] as isize - 1) * strides[axis];
                strides[axis] = -strides[axis];
            }
        }
        (strides, base as usize, step as usize)
    }

    proptest! {
        #[test]
        fn agrees_with_the_index_loop(
            shape in prop::collection::vec(1usize..20, 1..4),
            to_seed in any::<u64>(),
            from_seed in any::<u64>(),
            reversed in any::<u32>(),
            broadcast in any::<u32>(),
            item in prop::sample::select(vec![1usize, 2, 3, 4, 8, 16]),
        ) {
            let order = |seed: u64| {
                let mut order: Vec<usize> = (0..shape.len()).collect();
                order.sort_by_key(|&axis| (seed >> (axis * 8)) & 255);
                order
            };
            let (to_strides, to_base, bytes) = layout(&shape, &order(to_seed), reversed, item);
            let (mut from_strides, from_base, _) = layout(&shape, &order(from_seed), 0, item);
            for (axis, stride) in from_strides.iter_mut().enumerate() {
                if broadcast >> axis & 3 == 3 {
                    *stride = 0;
                }
            }
            let from: Vec<u8> = (0..bytes).map(|i| (i * 131 % 251) as u8).collect();
            let (mut got, mut expected) = (vec![0u8; bytes], vec![0u8; bytes]);
            // SAFETY: both layouts are dense in buffers of `bytes` bytes.
            unsafe {
                copy_raw(got.as_mut_ptr().add(to_base), &to_strides, from.as_ptr().add(from_base), &from_strides, &shape, item);
            }
            naive(&mut expected, &to_strides, &from, &from_strides, &shape, item);
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn large_planes_are_transposed_with_their_edges() {
        let (rows, columns) = (101usize, 77usize);
        let from: Vec<u64> = (0..(rows * columns) as u64).collect();
        let mut to = vec![0u64; rows * columns];
        // SAFETY: both layouts are dense in their vectors.
        unsafe {
            copy_raw(
                to.as_mut_ptr().cast(),
                &[rows as isize * 8, 8],
                from.as_ptr().cast(),
                &[8, columns as isize * 8],
                &[columns, rows],
                8,
            );
        }
        for i in 0..rows {
            for j in 0..columns {
                assert_eq!(to[j * rows + i], from[i * columns + j]);
            }
        }
    }
}
