//! Lines along an axis, brought together in panels that fit the cache, handed to a function, and put where they belong.
// `unsafe` is allowed here: strided copies between a block and a panel; offsets are made from the shapes checked here.
#![allow(unsafe_code)]

use raskr_base::chunk::contiguous_strides;
use raskr_base::{Chunk, ChunkMut, Dims, Element, Strides};

use crate::blocks::copy::byte_strides;
use crate::blocks::strided::copy_raw;

/// Bytes of a panel, about: a share of the second-level cache.
const PANEL: usize = 1 << 20;
/// A panel has at least so many lines, since each element of a strided line is on a page of its own, and at most so many.
const WIDTH_MIN: usize = 16;
const WIDTH_MAX: usize = 64;

/// What becomes of a line: elements read, elements that the function is given (zeros beyond those read), elements made.
#[derive(Clone, Copy)]
pub struct Shape {
    pub read: usize,
    pub line: usize,
    pub out: usize,
}

/// Where the panels of a block are: the axis that runs across a panel's lines, and the axes outside of it.
struct Panels {
    /// Lines along the axis across; a block of one axis has one line.
    across: usize,
    across_in: isize,
    across_out: isize,
    /// Byte offsets of the first line in the input and the output, for every place of the outer axes.
    starts: Vec<(isize, isize)>,
}

impl Panels {
    /// `input` and `output` are strides in bytes.
    fn new(shape: &[usize], axis: usize, input: &[isize], output: &[isize]) -> Panels {
        let mut others: Dims = (0..shape.len()).filter(|other| *other != axis).collect();
        let across = others.pop();
        let mut starts = vec![(0isize, 0isize)];
        for other in others {
            starts = starts
                .into_iter()
                .flat_map(|(from, to)| {
                    (0..shape[other] as isize).map(move |k| (from + k * input[other], to + k * output[other]))
                })
                .collect();
        }
        let stride = |strides: &[isize]| across.map_or(0, |axis| strides[axis]);
        Panels {
            across: across.map_or(1, |axis| shape[axis]),
            across_in: stride(input),
            across_out: stride(output),
            starts,
        }
    }

    fn width(&self, bytes_of_a_line: usize) -> usize {
        (PANEL / bytes_of_a_line.max(1)).clamp(WIDTH_MIN, WIDTH_MAX).min(self.across.max(1))
    }
}

/// A new block, each of whose lines the function makes of a copy of the chunk's line, which it may use as it likes.
pub fn through<I: Element, O: Element>(
    chunk: &Chunk,
    axis: usize,
    shape: Shape,
    mut each: impl FnMut(&mut [I], &mut [O]),
) -> ChunkMut {
    let mut out_shape: Dims = chunk.shape().into();
    out_shape[axis] = shape.out;
    let mut result = ChunkMut::new(O::DTYPE, &out_shape);
    if result.is_empty() {
        return result;
    }
    let from_strides = byte_strides(chunk.strides(), size_of::<I>());
    let to_strides = byte_strides(&contiguous_strides(&out_shape), size_of::<O>());
    let panels = Panels::new(&out_shape, axis, &from_strides, &to_strides);
    let direct = axis + 1 == out_shape.len();
    let width = panels.width(shape.line * size_of::<I>() + if direct { 0 } else { shape.out * size_of::<O>() });
    let mut taken = ChunkMut::new(I::DTYPE, &[width, shape.line]);
    let mut made = ChunkMut::new(O::DTYPE, &[if direct { 0 } else { width }, shape.out]);
    let target = result.as_mut_ptr();
    for &(from, to) in &panels.starts {
        for start in (0..panels.across).step_by(width) {
            let lines = width.min(panels.across - start);
            let source = chunk.as_ptr().wrapping_offset(from + start as isize * panels.across_in);
            let place = target.wrapping_offset(to + start as isize * panels.across_out);
            // SAFETY: the chunk vouches for its elements; the panel has room for `lines` lines of at least `read`.
            unsafe {
                copy_raw(
                    taken.as_mut_ptr(),
                    &[(shape.line * size_of::<I>()) as isize, size_of::<I>() as isize],
                    source,
                    &[panels.across_in, from_strides[axis]],
                    &[lines, shape.read],
                    size_of::<I>(),
                );
            }
            let inputs = taken.as_mut_slice::<I>().chunks_exact_mut(shape.line).take(lines);
            let outputs = if direct {
                // SAFETY: lines along the last axis follow one another in the result, which is owned here alone.
                unsafe { std::slice::from_raw_parts_mut(place.cast::<O>(), lines * shape.out) }
            } else {
                &mut made.as_mut_slice::<O>()[..lines * shape.out]
            };
            for (input, output) in inputs.zip(outputs.chunks_exact_mut(shape.out)) {
                input[shape.read..].fill(I::default());
                each(input, output);
            }
            if !direct {
                // SAFETY: the places of these lines lie in the result; the panel holds `lines` lines.
                unsafe {
                    copy_raw(
                        place,
                        &[panels.across_out, to_strides[axis]],
                        made.as_mut_ptr().cast_const(),
                        &[(shape.out * size_of::<O>()) as isize, size_of::<O>() as isize],
                        &[lines, shape.out],
                        size_of::<O>(),
                    );
                }
            }
        }
    }
    result
}

/// The chunk's lines, cut or filled up with zeros to `n` elements, as the function leaves them. It gets several lines, one
/// after another in memory. A chunk that is the sole owner of its memory is changed in place.
pub fn within<T: Element>(chunk: Chunk, axis: usize, n: usize, mut each: impl FnMut(&mut [T])) -> ChunkMut {
    let item = size_of::<T>();
    let read = n.min(chunk.shape()[axis]);
    let mut out_shape: Dims = chunk.shape().into();
    out_shape[axis] = n;
    let direct = axis + 1 == out_shape.len();
    if chunk.shape()[axis] == n && chunk.is_contiguous() {
        return match chunk.into_mut() {
            Ok(mut block) => {
                let strides = byte_strides(&contiguous_strides(&out_shape), item);
                let start = block.as_mut_ptr();
                if block.is_empty() {
                    return block;
                }
                if direct {
                    block.as_mut_slice::<T>().chunks_mut(n * WIDTH_MIN).for_each(each);
                } else {
                    rearranged(&out_shape, axis, start, &strides, start, &strides, read, each);
                }
                block
            }
            Err(chunk) => fresh(&chunk, &out_shape, axis, read, direct, &mut each),
        };
    }
    fresh(&chunk, &out_shape, axis, read, direct, &mut each)
}

fn fresh<T: Element>(
    chunk: &Chunk,
    out_shape: &[usize],
    axis: usize,
    read: usize,
    direct: bool,
    each: &mut impl FnMut(&mut [T]),
) -> ChunkMut {
    let item = size_of::<T>();
    let mut result = ChunkMut::new(T::DTYPE, out_shape);
    if result.is_empty() {
        return result;
    }
    let from_strides = byte_strides(chunk.strides(), item);
    let to_strides: Strides = byte_strides(&contiguous_strides(out_shape), item);
    let target = result.as_mut_ptr();
    if !direct {
        rearranged(out_shape, axis, chunk.as_ptr(), &from_strides, target, &to_strides, read, each);
        return result;
    }
    let n = out_shape[axis];
    let panels = Panels::new(out_shape, axis, &from_strides, &to_strides);
    let width = panels.width(n * item);
    for &(from, to) in &panels.starts {
        for start in (0..panels.across).step_by(width) {
            let lines = width.min(panels.across - start);
            let place = target.wrapping_offset(to + start as isize * panels.across_out);
            // SAFETY: the chunk vouches for its elements; the lines follow one another in the result, owned here alone.
            let whole = unsafe {
                copy_raw(
                    place,
                    &[(n * item) as isize, item as isize],
                    chunk.as_ptr().wrapping_offset(from + start as isize * panels.across_in),
                    &[panels.across_in, from_strides[axis]],
                    &[lines, read],
                    item,
                );
                std::slice::from_raw_parts_mut(place.cast::<T>(), lines * n)
            };
            if read < n {
                whole.chunks_exact_mut(n).for_each(|line| line[read..].fill(T::default()));
            }
            each(whole);
        }
    }
    result
}

/// Lines along an axis that isn't the last: gathered from `source`, changed, and written to `target`, which may be the
/// same memory with the same strides.
#[allow(clippy::too_many_arguments)]
fn rearranged<T: Element>(
    out_shape: &[usize],
    axis: usize,
    source: *const u8,
    from_strides: &[isize],
    target: *mut u8,
    to_strides: &[isize],
    read: usize,
    mut each: impl FnMut(&mut [T]),
) {
    let (item, n) = (size_of::<T>(), out_shape[axis]);
    let panels = Panels::new(out_shape, axis, from_strides, to_strides);
    let width = panels.width(n * item);
    let mut panel = ChunkMut::new(T::DTYPE, &[width, n]);
    let along_panel = [(n * item) as isize, item as isize];
    for &(from, to) in &panels.starts {
        for start in (0..panels.across).step_by(width) {
            let lines = width.min(panels.across - start);
            // SAFETY: both layouts lie inside their blocks; the panel, of its own memory, has room for these lines, which
            // are read as a whole before they are written.
            unsafe {
                copy_raw(
                    panel.as_mut_ptr(),
                    &along_panel,
                    source.wrapping_offset(from + start as isize * panels.across_in),
                    &[panels.across_in, from_strides[axis]],
                    &[lines, read],
                    item,
                );
                let whole = &mut panel.as_mut_slice::<T>()[..lines * n];
                if read < n {
                    whole.chunks_exact_mut(n).for_each(|line| line[read..].fill(T::default()));
                }
                each(whole);
                copy_raw(
                    target.wrapping_offset(to + start as isize * panels.across_out),
                    &[panels.across_out, to_strides[axis]],
                    panel.as_mut_ptr().cast_const(),
                    &along_panel,
                    &[lines, n],
                    item,
                );
            }
        }
    }
}
