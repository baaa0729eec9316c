//! Selection of elements by index along an axis, from one block or from several, and writing them back.
// `unsafe` is allowed here: indices are checked against the axis before raw addresses are formed from them.
#![allow(unsafe_code)]

use std::ptr;

use raskr_base::chunk::contiguous_strides;
use raskr_base::{Chunk, ChunkMut, Dims, Strides};

use super::copy::{byte_strides, to_contiguous};
use super::strided::copy_raw;
use super::target::Cell;
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

/// Copies runs of `bytes` bytes from addresses to places `step` bytes apart.
///
/// # Safety
/// Each address has `bytes` readable bytes; `to` has room for all runs.
unsafe fn copy_runs(mut to: *mut u8, step: isize, bytes: usize, sources: impl Iterator<Item = *const u8>) {
    macro_rules! typed {
        ($type:ty) => {
            for from in sources {
                // SAFETY: promised by the caller.
                unsafe {
                    to.cast::<$type>().write_unaligned(from.cast::<$type>().read_unaligned());
                }
                to = to.wrapping_offset(step);
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
                }
                to = to.wrapping_offset(step);
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
                copy_runs(to, run as isize, run, indices.iter().map(|&index| start.offset(index as isize * step)));
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
    let shape = checked_sources(chunks, which, axis)?;
    let Some(first) = chunks.first() else { return Err(no_sources()) };
    let mut out = ChunkMut::new(first.dtype(), &shape);
    if !out.is_empty() {
        let strides = byte_strides(&contiguous_strides(&shape), first.dtype().itemsize());
        // SAFETY: chunk numbers and indices were checked; the new block has exactly the shape.
        unsafe { gather_raw(chunks, which, axis, &shape, out.as_mut_ptr(), &strides) };
    }
    Ok(out.freeze())
}

/// As [`gather_many`], to a place of an array under construction; the place has the result's shape.
pub fn gather_many_to(
    chunks: &[Chunk],
    which: &[(u32, u64)],
    axis: usize,
    cell: &mut Cell<'_>,
) -> Result<(), KernelError> {
    let shape = checked_sources(chunks, which, axis)?;
    if shape.as_slice() != cell.shape() || chunks.iter().any(|chunk| chunk.dtype() != cell.dtype()) {
        return Err(KernelError::Shape {
            expected: format!("{} elements of shape {:?}", cell.dtype(), cell.shape()),
            got: format!("{shape:?}"),
        });
    }
    if shape.contains(&0) {
        return Ok(());
    }
    let strides: Strides = cell.strides().into();
    // SAFETY: chunk numbers and indices were checked; the cell has exactly the shape, and one writer.
    unsafe { gather_raw(chunks, which, axis, &shape, cell.as_mut_ptr(), &strides) };
    Ok(())
}

fn no_sources() -> KernelError {
    KernelError::Value("need at least one block to select from".to_string())
}

/// The shape of what is picked, once everything was found to fit.
fn checked_sources(chunks: &[Chunk], which: &[(u32, u64)], axis: usize) -> Result<Dims, KernelError> {
    let first = chunks.first().ok_or_else(no_sources)?;
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
    Ok(shape)
}

/// Copies the elements picked along `axis` to `to`.
///
/// # Safety
/// What [`checked_sources`] checks holds; `to` with `strides` (in bytes) over the shape is writable, by this call alone.
unsafe fn gather_raw(
    chunks: &[Chunk],
    which: &[(u32, u64)],
    axis: usize,
    shape: &[usize],
    to: *mut u8,
    strides: &[isize],
) {
    let dense: Vec<Chunk> = chunks
        .iter()
        .map(|chunk| if inner_contiguous(chunk, axis) { chunk.clone() } else { to_contiguous(chunk) })
        .collect();
    let item = chunks.first().map_or(1, |chunk| chunk.dtype().itemsize());
    let run = shape[axis + 1..].iter().product::<usize>() * item;
    let in_bytes = |chunk: &Chunk| byte_strides(chunk.strides(), item);
    let alike = dense.windows(2).all(|pair| pair[0].strides()[..axis] == pair[1].strides()[..axis]);
    // Where the runs start that the first row of the outer axes consists of.
    let starts: Vec<*const u8> = which
        .iter()
        .map(|&(number, index)| {
            let chunk = &dense[number as usize];
            chunk.as_ptr().wrapping_offset(index as isize * chunk.strides()[axis] * item as isize)
        })
        .collect();
    let places = offsets(&shape[..axis], &strides[..axis]);
    let inner = contiguous_strides(&shape[axis + 1..]);
    let dense_rows = strides[axis + 1..].iter().zip(&inner).all(|(stride, step)| *stride == step * item as isize);
    let sources: Vec<Vec<isize>> = if alike {
        vec![offsets(&shape[..axis], &in_bytes(&dense[0])[..axis])]
    } else {
        dense.iter().map(|chunk| offsets(&shape[..axis], &in_bytes(chunk)[..axis])).collect()
    };
    let inner = byte_strides(&inner, item);
    for (row, place) in places.iter().enumerate() {
        let to = to.wrapping_offset(*place);
        let shift = |number: u32| if alike { sources[0][row] } else { sources[number as usize][row] };
        // SAFETY: promised by the caller: indices are inside the chunks, and the places inside the destination.
        unsafe {
            if dense_rows && alike {
                let shift = sources[0][row];
                copy_runs(to, strides[axis], run, starts.iter().map(|start| start.wrapping_offset(shift)));
            } else if dense_rows {
                let from = starts.iter().zip(which).map(|(start, (number, _))| start.wrapping_offset(shift(*number)));
                copy_runs(to, strides[axis], run, from);
            } else {
                for (at, (start, (number, _))) in starts.iter().zip(which).enumerate() {
                    let from = start.wrapping_offset(shift(*number));
                    let to = to.wrapping_offset(at as isize * strides[axis]);
                    copy_raw(to, &strides[axis + 1..], from, &inner, &shape[axis + 1..], item);
                }
            }
        }
    }
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

/// The elements at points of several chunks: for each point the chunk's number, and its index along each of `axes`
/// (ascending) within that chunk, one list an axis. The points become the first axis of the result, the axes not indexed
/// follow (`vindex`).
pub fn gather_points<L: AsRef<[i64]>>(
    chunks: &[Chunk],
    which: &[u32],
    axes: &[usize],
    indices: &[L],
) -> Result<Chunk, KernelError> {
    let first = chunks.first().ok_or_else(no_sources)?;
    let count = which.len();
    let ascending = axes.windows(2).all(|pair| pair[0] < pair[1]);
    if axes.is_empty()
        || axes.len() != indices.len()
        || !ascending
        || indices.iter().any(|list| list.as_ref().len() != count)
    {
        return Err(KernelError::Shape {
            expected: "one equally long list of indices per ascending axis".to_string(),
            got: format!("{} lists for axes {axes:?}", indices.len()),
        });
    }
    axes.iter().try_for_each(|axis| check_axis(first, *axis))?;
    let rest: Vec<usize> = (0..first.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let rest_shape: Dims = rest.iter().map(|&axis| first.shape()[axis]).collect();
    for chunk in chunks {
        let agrees = chunk.dtype() == first.dtype()
            && chunk.ndim() == first.ndim()
            && rest.iter().all(|&axis| chunk.shape()[axis] == first.shape()[axis]);
        if !agrees {
            return Err(KernelError::Shape {
                expected: format!("{} blocks like {:?} outside axes {axes:?}", first.dtype(), first.shape()),
                got: format!("{} {:?}", chunk.dtype(), chunk.shape()),
            });
        }
    }
    let item = first.dtype().itemsize() as isize;
    let mut starts = Vec::with_capacity(count);
    for (point, &number) in which.iter().enumerate() {
        let Some(chunk) = chunks.get(number as usize) else {
            return Err(KernelError::Index { index: i64::from(number), axis: axes[0], size: chunks.len() });
        };
        let mut offset = 0;
        for (&axis, list) in axes.iter().zip(indices) {
            let (index, size) = (list.as_ref()[point], chunk.shape()[axis]);
            if index < 0 || index >= size as i64 {
                return Err(KernelError::Index { index, axis, size });
            }
            offset += index as isize * chunk.strides()[axis];
        }
        starts.push(chunk.as_ptr().wrapping_offset(offset * item));
    }
    let mut shape = Dims::from_slice(&[count]);
    shape.extend_from_slice(&rest_shape);
    let mut out = ChunkMut::new(first.dtype(), &shape);
    if out.is_empty() {
        return Ok(out.freeze());
    }
    let size = rest_shape.iter().product::<usize>() * item as usize;
    let to_strides = byte_strides(&contiguous_strides(&rest_shape), item as usize);
    let steps: Vec<Strides> =
        chunks.iter().map(|chunk| rest.iter().map(|&axis| chunk.strides()[axis] * item).collect()).collect();
    let runs = steps
        .iter()
        .all(|steps| rest_shape.iter().zip(steps.iter().zip(&to_strides)).all(|(n, (a, b))| *n == 1 || a == b));
    // SAFETY: every coordinate was checked, so each start is inside its chunk.
    unsafe {
        if runs {
            copy_runs(out.as_mut_ptr(), size as isize, size, starts.iter().copied());
        } else {
            for (i, (&start, &number)) in starts.iter().zip(which).enumerate() {
                let to = out.as_mut_ptr().add(i * size);
                copy_raw(to, &to_strides, start, &steps[number as usize], &rest_shape, item as usize);
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
        let (straight, _) = cube([3, 4, 5], false);
        let both = [chunk, straight];
        let lists = [vec![0, 2, 2], vec![4, 0, 3]];
        let points = gather_points(&both, &[0, 1, 0], &[0, 2], &lists).expect("inside");
        assert_eq!(points.shape(), [3, 4]);
        let expected: Vec<i32> = [(0, 4), (2, 0), (2, 3)]
            .iter()
            .flat_map(|&(i, k)| (0..4).map(move |j| (i, j, k)))
            .map(|(i, j, k)| value(i, j, k))
            .collect();
        assert_eq!(points.as_slice::<i32>(), Some(&expected[..]));
        let all = gather_points(&both, &[1], &[0, 1, 2], &[vec![1], vec![2], vec![3]]).expect("inside");
        assert_eq!(all.as_slice::<i32>(), Some(&[value(1, 2, 3)][..]));
        assert!(gather_points(&both, &[0], &[0, 1], &[vec![0], vec![0, 1]]).is_err());
        assert!(gather_points(&both, &[0], &[0], &[vec![3]]).is_err());
        assert!(gather_points(&both, &[2], &[0], &[vec![0]]).is_err());
    }

    #[test]
    fn gathers_go_to_places_of_an_array() {
        let (chunk, value) = cube([3, 4, 5], false);
        let target = super::super::Target::new(chunk.dtype(), &[vec![3], vec![2, 2], vec![5]]);
        for (block, rows) in [(0u32, [3u64, 0]), (1, [1, 1])] {
            let which = rows.map(|row| (0u32, row));
            let filled = target.fill(&[0, block, 0], &[3, 2, 5], |mut cell| {
                gather_many_to(std::slice::from_ref(&chunk), &which, 1, &mut cell)
            });
            assert_eq!(filled, Ok(true));
        }
        let expected: Vec<i32> = (0..3)
            .flat_map(|i| [3, 0, 1, 1].map(move |j| (i, j)))
            .flat_map(|(i, j)| (0..5).map(move |k| (i, j, k)))
            .map(|(i, j, k)| value(i, j, k))
            .collect();
        assert_eq!(target.take().as_slice::<i32>(), Some(&expected[..]));
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
