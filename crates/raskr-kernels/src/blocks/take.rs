//! Selection of elements by index along an axis, from one block or from several, and writing them back.
// `unsafe` is allowed here: indices are checked against the axis before raw addresses are formed from them.
#![allow(unsafe_code)]

use std::ptr;

use raskr_base::chunk::contiguous_strides;
use raskr_base::{Chunk, ChunkMut, Dims};

use super::copy::to_contiguous;
use super::strided::copy_raw;
use crate::error::KernelError;

/// The element offsets of all index combinations of some axes, in row-major order.
fn offsets(shape: &[usize], strides: &[isize]) -> Vec<isize> {
    let mut all = vec![0isize];
    for (&len, &stride) in shape.iter().zip(strides) {
        all = all.iter().flat_map(|&base| (0..len as isize).map(move |i| base + i * stride)).collect();
    }
    all
}

/// Do the axes after `axis` lie in row-major order without gaps?
fn inner_contiguous(chunk: &Chunk, axis: usize) -> bool {
    let mut step = 1isize;
    for (&len, &stride) in chunk.shape()[axis + 1..].iter().zip(&chunk.strides()[axis + 1..]).rev() {
        if len != 1 && stride != step {
            return false;
        }
        step *= len as isize;
    }
    true
}

/// Indices into an axis of `size` elements, negative ones counted from the end, each checked.
fn checked_indices(indices: &[i64], axis: usize, size: usize) -> Result<Vec<usize>, KernelError> {
    indices
        .iter()
        .map(|&index| {
            let from_start = if index < 0 { index + size as i64 } else { index };
            usize::try_from(from_start).ok().filter(|&i| i < size).ok_or(KernelError::Index { index, axis, size })
        })
        .collect()
}

fn check_axis(chunk: &Chunk, axis: usize) -> Result<(), KernelError> {
    if axis >= chunk.ndim() {
        return Err(KernelError::Axis { axis, ndim: chunk.ndim() });
    }
    Ok(())
}

/// Copies runs of `bytes` bytes from `from` offsets to consecutive places.
///
/// # Safety
/// Each offset addresses `bytes` readable bytes; `to` has room for all runs.
unsafe fn copy_runs(mut to: *mut u8, bytes: usize, sources: impl Iterator<Item = *const u8>) {
    macro_rules! typed {
        ($type:ty) => {
            for from in sources {
                // SAFETY: promised by the caller.
                unsafe {
                    to.cast::<$type>().write_unaligned(from.cast::<$type>().read_unaligned());
                    to = to.add(bytes);
                }
            }
        };
    }
    match bytes {
        1 => typed!(u8),
        2 => typed!(u16),
        4 => typed!(u32),
        8 => typed!(u64),
        16 => typed!([u64; 2]),
        _ => {
            for from in sources {
                // SAFETY: promised by the caller.
                unsafe {
                    ptr::copy_nonoverlapping(from, to, bytes);
                    to = to.add(bytes);
                }
            }
        }
    }
}

/// The elements at the given indices along an axis, in their order (`numpy.take`). Negative indices count from the end.
pub fn gather(chunk: &Chunk, axis: usize, indices: &[i64]) -> Result<Chunk, KernelError> {
    check_axis(chunk, axis)?;
    let indices = checked_indices(indices, axis, chunk.shape()[axis])?;
    let mut shape: Dims = chunk.shape().into();
    shape[axis] = indices.len();
    let mut out = ChunkMut::new(chunk.dtype(), &shape);
    if out.is_empty() {
        return Ok(out.freeze());
    }
    let item = chunk.dtype().itemsize();
    let inner: usize = shape[axis + 1..].iter().product();
    let step = chunk.strides()[axis] * item as isize;
    if inner_contiguous(chunk, axis) {
        let run = inner * item;
        let outer = offsets(&chunk.shape()[..axis], &chunk.strides()[..axis]);
        for (i, base) in outer.iter().enumerate() {
            // SAFETY: checked indices inside the chunk; the output holds outer x indices runs.
            unsafe {
                let start = chunk.as_ptr().offset(base * item as isize);
                let to = out.as_mut_ptr().add(i * indices.len() * run);
                copy_runs(to, run, indices.iter().map(|&index| start.offset(index as isize * step)));
            }
        }
        return Ok(out.freeze());
    }
    // Scattered inner elements: one strided copy per index.
    let in_bytes = |strides: &[isize]| strides.iter().map(|stride| stride * item as isize).collect::<Vec<_>>();
    let to_strides = in_bytes(&contiguous_strides(&shape));
    let from_strides = in_bytes(chunk.strides());
    shape[axis] = 1;
    for (i, &index) in indices.iter().enumerate() {
        // SAFETY: the index is inside the axis, so both slabs of thickness one are inside their blocks.
        unsafe {
            let to = out.as_mut_ptr().offset(i as isize * to_strides[axis]);
            let from = chunk.as_ptr().offset(index as isize * step);
            copy_raw(to, &to_strides, from, &from_strides, &shape, item);
        }
    }
    Ok(out.freeze())
}

/// Elements picked along an axis out of several chunks: `which` names the chunk and the index within it. The chunks must
/// agree in element type and in all other axes.
pub fn gather_many(chunks: &[Chunk], which: &[(u32, u64)], axis: usize) -> Result<Chunk, KernelError> {
    let Some(first) = chunks.first() else {
        return Err(KernelError::Value("need at least one block to select from".to_string()));
    };
    check_axis(first, axis)?;
    for chunk in chunks {
        let agrees = chunk.dtype() == first.dtype()
            && chunk.ndim() == first.ndim()
            && (0..chunk.ndim()).all(|other| other == axis || chunk.shape()[other] == first.shape()[other]);
        if !agrees {
            return Err(KernelError::Shape {
                expected: format!("{} blocks like {:?} outside axis {axis}", first.dtype(), first.shape()),
                got: format!("{} {:?}", chunk.dtype(), chunk.shape()),
            });
        }
    }
    for &(chunk, index) in which {
        let Some(chunk) = chunks.get(chunk as usize) else {
            return Err(KernelError::Index { index: i64::from(chunk), axis, size: chunks.len() });
        };
        if index as usize >= chunk.shape()[axis] {
            return Err(KernelError::Index { index: index as i64, axis, size: chunk.shape()[axis] });
        }
    }
    let mut shape: Dims = first.shape().into();
    shape[axis] = which.len();
    let mut out = ChunkMut::new(first.dtype(), &shape);
    if out.is_empty() {
        return Ok(out.freeze());
    }
    let dense: Vec<Chunk> = chunks
        .iter()
        .map(|chunk| if inner_contiguous(chunk, axis) { chunk.clone() } else { to_contiguous(chunk) })
        .collect();
    let item = first.dtype().itemsize();
    let run = shape[axis + 1..].iter().product::<usize>() * item;
    let bases: Vec<Vec<isize>> =
        dense.iter().map(|chunk| offsets(&chunk.shape()[..axis], &chunk.strides()[..axis])).collect();
    (0..shape[..axis].iter().product()).for_each(|i: usize| {
        // SAFETY: chunk numbers and indices were checked above; the output holds outer x which runs.
        unsafe {
            let to = out.as_mut_ptr().add(i * which.len() * run);
            let sources = which.iter().map(|&(number, index)| {
                let chunk = &dense[number as usize];
                let offset = bases[number as usize][i] + index as isize * chunk.strides()[axis];
                chunk.as_ptr().offset(offset * item as isize)
            });
            copy_runs(to, run, sources);
        }
    });
    Ok(out.freeze())
}

/// Writes the source's slices to the given indices along an axis of the target; a later index wins.
pub fn scatter(target: &mut ChunkMut, axis: usize, indices: &[i64], source: &Chunk) -> Result<(), KernelError> {
    if axis >= target.shape().len() {
        return Err(KernelError::Axis { axis, ndim: target.shape().len() });
    }
    let mut shape: Dims = target.shape().into();
    let indices = checked_indices(indices, axis, shape[axis])?;
    shape[axis] = indices.len();
    if source.shape() != shape.as_slice() || source.dtype() != target.dtype() {
        return Err(KernelError::Shape {
            expected: format!("{} values of shape {shape:?}", target.dtype()),
            got: format!("{} of shape {:?}", source.dtype(), source.shape()),
        });
    }
    if source.is_empty() {
        return Ok(());
    }
    let item = source.dtype().itemsize() as isize;
    let to_strides: Vec<isize> = contiguous_strides(target.shape()).iter().map(|stride| stride * item).collect();
    let from_strides: Vec<isize> = source.strides().iter().map(|stride| stride * item).collect();
    shape[axis] = 1;
    for (i, &index) in indices.iter().enumerate() {
        // SAFETY: the index is inside the axis, so both slabs of thickness one are inside their blocks.
        unsafe {
            let to = target.as_mut_ptr().offset(index as isize * to_strides[axis]);
            let from = source.as_ptr().offset(i as isize * from_strides[axis]);
            copy_raw(to, &to_strides, from, &from_strides, &shape, item as usize);
        }
    }
    Ok(())
}

/// The elements at points: `indices[k]` holds the coordinates along `axes[k]` (ascending), all of one length. The points
/// become the first axis of the result, the axes not indexed follow (`vindex`).
pub fn gather_points(chunk: &Chunk, axes: &[usize], indices: &[&[i64]]) -> Result<Chunk, KernelError> {
    let count = indices.first().map_or(0, |list| list.len());
    let ascending = axes.windows(2).all(|pair| pair[0] < pair[1]);
    if axes.is_empty() || axes.len() != indices.len() || !ascending || indices.iter().any(|list| list.len() != count) {
        return Err(KernelError::Shape {
            expected: "one equally long list of indices per ascending axis".to_string(),
            got: format!("{} lists for axes {axes:?}", indices.len()),
        });
    }
    let item = chunk.dtype().itemsize() as isize;
    let mut starts = vec![0isize; count];
    for (&axis, list) in axes.iter().zip(indices) {
        check_axis(chunk, axis)?;
        let list = checked_indices(list, axis, chunk.shape()[axis])?;
        for (start, index) in starts.iter_mut().zip(list) {
            *start += index as isize * chunk.strides()[axis] * item;
        }
    }
    let rest: Vec<usize> = (0..chunk.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let rest_shape: Dims = rest.iter().map(|&axis| chunk.shape()[axis]).collect();
    let mut shape = Dims::from_slice(&[count]);
    shape.extend_from_slice(&rest_shape);
    let mut out = ChunkMut::new(chunk.dtype(), &shape);
    if out.is_empty() {
        return Ok(out.freeze());
    }
    let size = rest_shape.iter().product::<usize>() * item as usize;
    let from_strides: Vec<isize> = rest.iter().map(|&axis| chunk.strides()[axis] * item).collect();
    let to_strides: Vec<isize> = contiguous_strides(&rest_shape).iter().map(|stride| stride * item).collect();
    // SAFETY: every coordinate was checked, so each start is inside the chunk.
    unsafe {
        if rest.is_empty() {
            copy_runs(out.as_mut_ptr(), size, starts.iter().map(|&start| chunk.as_ptr().offset(start)));
        } else {
            for (i, &start) in starts.iter().enumerate() {
                let to = out.as_mut_ptr().add(i * size);
                copy_raw(to, &to_strides, chunk.as_ptr().offset(start), &from_strides, &rest_shape, item as usize);
            }
        }
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::view::transpose;
    use super::*;

    fn cube(shape: [usize; 3], turned: bool) -> (Chunk, impl Fn(usize, usize, usize) -> i32) {
        let [a, b, c] = shape;
        let value = move |i: usize, j: usize, k: usize| ((i * b + j) * c + k) as i32;
        let chunk = if turned {
            let stored: Vec<i32> =
                (0..c).flat_map(|k| (0..b).flat_map(move |j| (0..a).map(move |i| value(i, j, k)))).collect();
            transpose(&Chunk::from_slice(&stored, &[c, b, a]), &[2, 1, 0]).expect("axes")
        } else {
            Chunk::from_slice(&(0..(a * b * c) as i32).collect::<Vec<_>>(), &shape)
        };
        (chunk, value)
    }

    proptest! {
        #[test]
        fn gathers_agree_with_the_index_loop(
            shape in prop::array::uniform3(1usize..6),
            axis in 0usize..3,
            turned in any::<bool>(),
            seeds in prop::collection::vec(any::<u16>(), 0..8),
        ) {
            let (chunk, value) = cube(shape, turned);
            let size = shape[axis] as i64;
            let indices: Vec<i64> = seeds.iter().map(|&seed| i64::from(seed) % (2 * size) - size).collect();
            let got = gather(&chunk, axis, &indices).expect("inside");
            let mut out_shape = shape;
            out_shape[axis] = indices.len();
            let mut expected = Vec::new();
            for i in 0..out_shape[0] {
                for j in 0..out_shape[1] {
                    for k in 0..out_shape[2] {
                        let mut at = [i, j, k];
                        at[axis] = indices[at[axis]].rem_euclid(size) as usize;
                        expected.push(value(at[0], at[1], at[2]));
                    }
                }
            }
            prop_assert_eq!(got.as_slice::<i32>().expect("contiguous"), &expected[..]);
            let (other, _) = cube(shape, !turned);
            let which: Vec<(u32, u64)> =
                indices.iter().enumerate().map(|(n, i)| ((n % 2) as u32, i.rem_euclid(size) as u64)).collect();
            let many = gather_many(&[chunk.clone(), other], &which, axis).expect("inside");
            prop_assert_eq!(many.as_slice::<i32>().expect("contiguous"), &expected[..]);
            // Written back to where they came from, they change nothing.
            let mut target = super::super::copy::owned(&chunk);
            scatter(&mut target, axis, &indices, &got).expect("fits");
            let unchanged = to_contiguous(&chunk);
            prop_assert_eq!(target.as_mut_slice::<i32>(), unchanged.as_slice::<i32>().expect("contiguous"));
        }
    }

    #[test]
    fn points_pair_their_coordinates() {
        let (chunk, value) = cube([3, 4, 5], true);
        let points = gather_points(&chunk, &[0, 2], &[&[0, 2, -1], &[4, 0, -2]]).expect("inside");
        assert_eq!(points.shape(), [3, 4]);
        let expected: Vec<i32> = [(0, 4), (2, 0), (2, 3)]
            .iter()
            .flat_map(|&(i, k)| (0..4).map(move |j| (i, j, k)))
            .map(|(i, j, k)| value(i, j, k))
            .collect();
        assert_eq!(points.as_slice::<i32>(), Some(&expected[..]));
        let all = gather_points(&chunk, &[0, 1, 2], &[&[1], &[2], &[3]]).expect("inside");
        assert_eq!(all.as_slice::<i32>(), Some(&[value(1, 2, 3)][..]));
        assert!(gather_points(&chunk, &[0, 1], &[&[0], &[0, 1]]).is_err());
    }

    #[test]
    fn indices_outside_are_named() {
        let (chunk, _) = cube([2, 3, 4], false);
        assert_eq!(gather(&chunk, 1, &[3]).expect_err("outside"), KernelError::Index { index: 3, axis: 1, size: 3 });
        assert_eq!(gather(&chunk, 0, &[-3]).expect_err("outside"), KernelError::Index { index: -3, axis: 0, size: 2 });
        assert!(gather(&chunk, 3, &[0]).is_err());
        assert!(gather_many(std::slice::from_ref(&chunk), &[(1, 0)], 0).is_err());
        assert!(gather_many(&[chunk], &[(0, 2)], 0).is_err());
    }
}
