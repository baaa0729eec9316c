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

/// Bytes of a cache line.
const LINE: usize = 64;
/// A plane is transposed in strips one cache line wide and this many rows high.
const STRIP: usize = 64;
/// Planes of at least so many bytes are written past the caches, which could not hold them: several times faster, since
/// the old contents of each line need not be fetched first.
const STREAMED_MIN: usize = 2 << 20;

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
            1 => copy_axes::<u8, 64>(to, from, &axes),
            2 => copy_axes::<u16, 32>(to, from, &axes),
            4 => copy_axes::<u32, 16>(to, from, &axes),
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

/// `W` elements fill a cache line.
///
/// # Safety
/// As [`copy_raw`], for elements of type `T`.
unsafe fn copy_axes<T: Copy + Default, const W: usize>(to: *mut u8, from: *const u8, axes: &[Axis]) {
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
    let contiguous_in_source = outer.iter().rposition(|axis| axis.from == item && axis.len >= 8);
    if let Some(position) = contiguous_in_source
        && last.to == item
        && last.len >= 8
    {
        let column = outer[position];
        let mut rest: SmallVec<[Axis; 4]> = SmallVec::from_slice(outer);
        rest.remove(position);
        unsafe { walk(&rest, to, from, &mut |to, from| transpose_plane::<T, W>(to, from, last, column)) };
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

/// Copies a plane whose `row` axis is contiguous in the destination and whose `column` axis is contiguous in the source:
/// whole cache lines of the source are collected from many rows, then written as long runs.
///
/// # Safety
/// As [`copy_raw`].
unsafe fn transpose_plane<T: Copy + Default, const W: usize>(to: *mut u8, from: *const u8, row: Axis, column: Axis) {
    debug_assert_eq!(W * size_of::<T>(), LINE);
    let stream = row.len * column.len * size_of::<T>() >= STREAMED_MIN;
    let mut strip = [[T::default(); W]; STRIP];
    for i in (0..row.len).step_by(STRIP) {
        let height = STRIP.min(row.len - i);
        for j in (0..column.len).step_by(W) {
            let width = W.min(column.len - j);
            // SAFETY: i + height and j + width are inside the axes.
            unsafe {
                let corner = from.offset(i as isize * row.from + j as isize * column.from);
                for (n, line) in strip.iter_mut().enumerate().take(height) {
                    let source = corner.offset(n as isize * row.from);
                    fetch_ahead(source.wrapping_add(LINE));
                    if width == W {
                        *line = source.cast::<[T; W]>().read_unaligned();
                    } else {
                        ptr::copy_nonoverlapping(source, line.as_mut_ptr().cast(), width * size_of::<T>());
                    }
                }
                let corner = to.offset(i as isize * row.to + j as isize * column.to);
                for k in 0..width {
                    let run = corner.offset(k as isize * column.to);
                    if stream && height == STRIP {
                        stream_run(run, &strip, k);
                    } else {
                        for (n, line) in strip.iter().enumerate().take(height) {
                            run.cast::<T>().add(n).write_unaligned(line[k]);
                        }
                    }
                }
            }
        }
    }
    if stream {
        stream_end();
    }
}

/// Asks for the cache line that the next strip reads; the address may lie outside the memory.
#[inline(always)]
fn fetch_ahead(address: *const u8) {
    // SAFETY: a prefetch reads nothing that the program can see and never faults.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Writes element k of each line of the strip to consecutive places, past the caches.
///
/// # Safety
/// `to` has room for [`STRIP`] elements.
#[inline(always)]
unsafe fn stream_run<T: Copy + Default, const W: usize>(to: *mut u8, strip: &[[T; W]; STRIP], k: usize) {
    let words = size_of::<T>() / 8;
    // SAFETY: all elements together have a multiple of eight bytes, and so has the place they are written to.
    unsafe {
        if words > 0 {
            for (n, line) in strip.iter().enumerate() {
                let element = (&raw const line[k]).cast::<i64>();
                for word in 0..words {
                    stream(to.cast::<i64>().add(n * words + word), element.add(word).read_unaligned());
                }
            }
            return;
        }
        let mut run = [T::default(); STRIP];
        for (x, line) in run.iter_mut().zip(strip) {
            *x = line[k];
        }
        for word in 0..size_of_val(&run) / 8 {
            stream(to.cast::<i64>().add(word), run.as_ptr().cast::<i64>().add(word).read_unaligned());
        }
    }
}

/// Writes eight bytes past the caches where the processor can.
///
/// # Safety
/// `to` is valid for a write of eight bytes; it need not be aligned.
#[inline(always)]
unsafe fn stream(to: *mut i64, value: i64) {
    // SAFETY: promised by the caller.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::x86_64::_mm_stream_si64(to, value);
        #[cfg(not(target_arch = "x86_64"))]
        to.write_unaligned(value);
    }
}

/// Orders streamed writes before whatever the thread writes next, as other writes are by themselves.
fn stream_end() {
    // SAFETY: every x86-64 processor has the instruction.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_sfence();
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
        planes(101, 77, |i| i as u64);
        planes(601, 777, |i| i as u64);
        planes(1111, 999, |i| i as u32);
        planes(1111, 999, |i| i as u16);
        planes(2111, 1999, |i| (i % 251) as u8);
        planes(501, 777, |i| [i as u64, !i as u64]);
    }

    fn planes<T: Copy + Default + PartialEq + std::fmt::Debug>(rows: usize, columns: usize, make: fn(usize) -> T) {
        let from: Vec<T> = (0..rows * columns).map(make).collect();
        let mut to = vec![T::default(); rows * columns];
        let item = size_of::<T>() as isize;
        // SAFETY: both layouts are dense in their vectors.
        unsafe {
            copy_raw(
                to.as_mut_ptr().cast(),
                &[rows as isize * item, item],
                from.as_ptr().cast(),
                &[item, columns as isize * item],
                &[columns, rows],
                item as usize,
            );
        }
        for i in 0..rows {
            for j in 0..columns {
                assert_eq!(to[j * rows + i], from[i * columns + j]);
            }
        }
    }
}
