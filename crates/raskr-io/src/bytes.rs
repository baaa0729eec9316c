//! Blocks as bytes: the elements of any strided block in row-major order, and regions of blocks.
// `unsafe` is allowed here: elements are copied by address from a block whose constructor checked every index of its
// shape; the element type is only a size here.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ops::Range;

use raskr_base::{Chunk, Strides};

/// The part of a block within `region` (one range per axis, inside the shape), without a copy.
pub(crate) fn part(chunk: &Chunk, region: &[Range<usize>]) -> Option<Chunk> {
    let shape: Vec<usize> = region.iter().map(Range::len).collect();
    if shape.contains(&0) {
        return chunk.with_layout(&shape, chunk.strides(), chunk.offset());
    }
    let inside = region.len() == chunk.ndim() && region.iter().zip(chunk.shape()).all(|(r, &n)| r.end <= n);
    let start: isize = region.iter().zip(chunk.strides()).map(|(r, &stride)| r.start as isize * stride).sum();
    let offset = chunk.offset().checked_add_signed(start)?;
    if inside { chunk.with_layout(&shape, chunk.strides(), offset) } else { None }
}

/// The elements in row-major order: borrowed where they lie so already.
pub(crate) fn row_major(chunk: &Chunk) -> Cow<'_, [u8]> {
    let size = chunk.dtype().itemsize();
    if chunk.is_contiguous() {
        let start = chunk.offset() * size;
        return match chunk.is_empty() {
            true => Cow::Borrowed(&[]),
            false => Cow::Borrowed(&chunk.buffer().as_bytes()[start..start + chunk.nbytes()]),
        };
    }
    let mut out: Vec<u8> = Vec::with_capacity(chunk.nbytes());
    match size {
        1 => gather::<u8>(chunk, &mut out),
        2 => gather::<u16>(chunk, &mut out),
        4 => gather::<u32>(chunk, &mut out),
        8 => gather::<u64>(chunk, &mut out),
        _ => gather::<[u64; 2]>(chunk, &mut out),
    }
    Cow::Owned(out)
}

/// Appends the elements, each a `T` in size, in row-major order.
fn gather<T: Copy>(chunk: &Chunk, out: &mut Vec<u8>) {
    let (shape, strides): (&[usize], &[isize]) = (chunk.shape(), chunk.strides());
    let Some((&inner, outer)) = shape.split_last() else { return };
    let step = strides[outer.len()];
    let start = chunk.as_ptr().cast::<T>();
    let mut index: Vec<usize> = vec![0; outer.len()];
    let mut at: isize = 0;
    loop {
        for i in 0..inner as isize {
            // SAFETY: the index lies within the shape, so the address lies within the buffer (an invariant of `Chunk`),
            // whose memory is initialised; reading bytes needs no alignment.
            let element =
                unsafe { std::slice::from_raw_parts(start.offset(at + i * step).cast::<u8>(), size_of::<T>()) };
            out.extend_from_slice(element);
        }
        if !advance(&mut index, outer, strides, &mut at) {
            return;
        }
    }
}

/// The next index in row-major order and its address; false after the last.
fn advance(index: &mut [usize], shape: &[usize], strides: &[isize], at: &mut isize) -> bool {
    for axis in (0..shape.len()).rev() {
        index[axis] += 1;
        *at += strides[axis];
        if index[axis] < shape[axis] {
            return true;
        }
        *at -= strides[axis] * shape[axis] as isize;
        index[axis] = 0;
    }
    false
}

/// Reverses the bytes of each number of `width` bytes.
pub(crate) fn swap_bytes(bytes: &mut [u8], width: usize) {
    for number in bytes.chunks_exact_mut(width) {
        number.reverse();
    }
}

/// Column-major strides of a shape.
pub(crate) fn column_major_strides(shape: &[usize]) -> Strides {
    let mut step = 1isize;
    shape
        .iter()
        .map(|&n| {
            let stride = step;
            step = step.saturating_mul(n.max(1) as isize);
            stride
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_layout_comes_out_row_major() {
        let chunk = Chunk::from_slice(&[0u16, 1, 2, 3, 4, 5], &[2, 3]);
        let transposed = chunk.with_layout(&[3, 2], &[1, 3], 0).expect("view");
        let expected: Vec<u8> = [0u16, 3, 1, 4, 2, 5].iter().flat_map(|x| x.to_ne_bytes()).collect();
        assert_eq!(row_major(&transposed), expected);
        let reversed = chunk.with_layout(&[2, 3], &[-3, -1], 5).expect("view");
        let expected: Vec<u8> = [5u16, 4, 3, 2, 1, 0].iter().flat_map(|x| x.to_ne_bytes()).collect();
        assert_eq!(row_major(&reversed), expected);
        let repeated = chunk.with_layout(&[2, 3], &[0, 1], 3).expect("view");
        let expected: Vec<u8> = [3u16, 4, 5, 3, 4, 5].iter().flat_map(|x| x.to_ne_bytes()).collect();
        assert_eq!(row_major(&repeated), expected);
    }

    #[test]
    fn parts_share_memory_and_stay_inside() {
        let chunk = Chunk::from_slice(&[0i64, 1, 2, 3, 4, 5], &[2, 3]);
        let found = part(&chunk, &[1..2, 1..3]).expect("inside");
        assert_eq!(found.as_slice::<i64>(), Some(&[4, 5][..]));
        assert!(part(&chunk, &[1..3, 0..1]).is_none());
        assert!(part(&chunk, &[1..1, 0..1]).expect("empty").is_empty());
    }
}
