//! Selection and assignment by a mask of booleans.
// `unsafe` is allowed here: typed access by element size to blocks whose length and contiguity are checked first.
#![allow(unsafe_code)]

use raskr_base::{Chunk, ChunkMut, DType};

use super::copy::to_contiguous;
use super::take::gather;
use super::view::broadcast_to;
use crate::error::KernelError;

/// The mask's bytes in row-major order.
fn mask_bytes(mask: &Chunk) -> Result<Chunk, KernelError> {
    if mask.dtype() != DType::Bool {
        return Err(KernelError::Operand {
            index: 1,
            expected: "a bool mask".to_string(),
            got: mask.dtype().to_string(),
        });
    }
    Ok(to_contiguous(mask))
}

fn bytes(mask: &Chunk) -> &[u8] {
    mask.as_slice::<u8>().unwrap_or(&[])
}

fn check_shape(mask: &Chunk, shape: &[usize]) -> Result<(), KernelError> {
    if mask.shape() != shape {
        return Err(KernelError::Shape {
            expected: format!("a mask of shape {shape:?}"),
            got: format!("{:?}", mask.shape()),
        });
    }
    Ok(())
}

/// The indices of the true elements of a mask, in row-major order.
pub fn true_indices(mask: &Chunk) -> Result<Vec<i64>, KernelError> {
    let mask = mask_bytes(mask)?;
    Ok(bytes(&mask).iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(i, _)| i as i64).collect())
}

/// How many elements of a mask are true.
pub fn count_true(mask: &Chunk) -> Result<usize, KernelError> {
    let mask = mask_bytes(mask)?;
    // Bytes are summed in bytes as long as they can't overflow.
    Ok(bytes(&mask)
        .chunks(255 * 32)
        .map(|piece| {
            let mut lanes = [0u8; 32];
            let (groups, rest) = piece.as_chunks::<32>();
            for group in groups {
                for (lane, &byte) in lanes.iter_mut().zip(group) {
                    *lane += u8::from(byte != 0);
                }
            }
            lanes.iter().map(|&lane| usize::from(lane)).sum::<usize>() + rest.iter().filter(|byte| **byte != 0).count()
        })
        .sum())
}

/// The slices along an axis whose mask element is true (`numpy.compress`); the mask has as many elements as the axis.
pub fn compress(chunk: &Chunk, axis: usize, mask: &Chunk) -> Result<Chunk, KernelError> {
    if axis >= chunk.ndim() {
        return Err(KernelError::Axis { axis, ndim: chunk.ndim() });
    }
    check_shape(mask, &chunk.shape()[axis..=axis])?;
    gather(chunk, axis, &true_indices(mask)?)
}

/// Runs `$body` with `$type` standing for an unsigned type of the element's size.
macro_rules! by_size {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype.itemsize() {
            1 => {
                type $type = u8;
                $body
            }
            2 => {
                type $type = u16;
                $body
            }
            4 => {
                type $type = u32;
                $body
            }
            8 => {
                type $type = u64;
                $body
            }
            _ => {
                type $type = [u64; 2];
                $body
            }
        }
    };
}

/// # Safety
/// `T` has the element's size and at most its alignment.
unsafe fn elements<T>(chunk: &Chunk) -> &[T] {
    debug_assert!(chunk.is_contiguous() && size_of::<T>() == chunk.dtype().itemsize());
    if chunk.is_empty() {
        return &[];
    }
    // SAFETY: contiguous, initialised, and aligned to its own element type.
    unsafe { std::slice::from_raw_parts(chunk.as_ptr().cast::<T>(), chunk.len()) }
}

/// # Safety
/// `T` has the element's size and at most 64 bytes of alignment.
unsafe fn elements_mut<T>(chunk: &mut ChunkMut) -> &mut [T] {
    debug_assert!(size_of::<T>() == chunk.dtype().itemsize());
    let len = chunk.len();
    // SAFETY: heap memory of `len` elements, aligned to 64 bytes, owned by this borrow.
    unsafe { std::slice::from_raw_parts_mut(chunk.as_mut_ptr().cast::<T>(), len) }
}

/// The elements whose mask element is true, in row-major order, as one dimension (`x[mask]`).
pub fn extract(chunk: &Chunk, mask: &Chunk) -> Result<Chunk, KernelError> {
    let mut out = ChunkMut::new(chunk.dtype(), &[count_true(mask)?]);
    let itemsize = chunk.dtype().itemsize();
    let bytes = out.len() * itemsize;
    extract_to(chunk, mask, &mut out.as_bytes_mut()[..bytes])?;
    Ok(out.freeze())
}

/// Writes the elements whose mask element is true, in row-major order, to the start of `to`, which is aligned to the
/// element type; yields how many bytes were written. A piece of an array can so be selected after the piece before it.
pub fn extract_to(chunk: &Chunk, mask: &Chunk, to: &mut [u8]) -> Result<usize, KernelError> {
    check_shape(mask, chunk.shape())?;
    let mask = mask_bytes(mask)?;
    let chunk = to_aligned(chunk);
    let itemsize = chunk.dtype().itemsize();
    let given = to.len();
    let misfit = || KernelError::Shape {
        expected: format!("aligned room for the selected elements of {itemsize} bytes"),
        got: format!("{given} bytes"),
    };
    if !(to.as_ptr() as usize).is_multiple_of(itemsize.min(8)) {
        return Err(misfit());
    }
    let room = to.len() / itemsize;
    let written = by_size!(chunk.dtype(), T => {
        // SAFETY: `by_size` matches the element's size; `to_aligned` gives its alignment.
        let from = unsafe { elements::<T>(&chunk) };
        // SAFETY: the bytes are aligned as was checked, belong to this borrow, and any bytes make a `T`.
        let to = unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<T>(), room) };
        compact(from, bytes(&mask), to)
    });
    written.map(|count| count * itemsize).ok_or_else(misfit)
}

/// How many elements are looked at together.
const GROUP: usize = 8;

/// Copies the elements whose byte is 1 to the start of `to`; `None` when they don't fit.
fn compact<T: Copy>(from: &[T], mask: &[u8], to: &mut [T]) -> Option<usize> {
    let mut next = 0;
    let (groups, rest) = from.as_chunks::<GROUP>();
    let (flags, rest_flags) = mask.as_chunks::<GROUP>();
    for (group, flags) in groups.iter().zip(flags) {
        if *flags == [0; GROUP] {
            continue;
        }
        if *flags == [1; GROUP] {
            to.get_mut(next..next + GROUP)?.copy_from_slice(group);
            next += GROUP;
            continue;
        }
        if let Some(room) = to.get_mut(next..next + GROUP) {
            // Every element is written and only the chosen ones kept: a branch on random masks would cost far more.
            let mut kept = 0;
            for (&value, &flag) in group.iter().zip(flags) {
                room[kept & (GROUP - 1)] = value;
                kept += usize::from(flag != 0);
            }
            next += kept;
            continue;
        }
        for (&value, _) in group.iter().zip(flags).filter(|(_, flag)| **flag != 0) {
            *to.get_mut(next)? = value;
            next += 1;
        }
    }
    for (&value, _) in rest.iter().zip(rest_flags).filter(|(_, flag)| **flag != 0) {
        *to.get_mut(next)? = value;
        next += 1;
    }
    Some(next)
}

/// Row-major and aligned to eight bytes where the element has eight (complex numbers may be aligned to four).
fn to_aligned(chunk: &Chunk) -> Chunk {
    let align = chunk.dtype().itemsize().min(8);
    let dense = to_contiguous(chunk);
    if (dense.as_ptr() as usize).is_multiple_of(align) { dense } else { super::copy::copied(&dense) }
}

/// Writes, where the mask is true, the value at the same place; the values broadcast to the target's shape
/// (`x = where(mask, values, x)`).
pub fn put_mask(target: &mut ChunkMut, mask: &Chunk, values: &Chunk) -> Result<(), KernelError> {
    check_shape(mask, target.shape())?;
    check_dtype(target, values)?;
    let mask = mask_bytes(mask)?;
    let values = if values.len() == 1 { values.clone() } else { broadcast_to(values, target.shape())? };
    let values = to_aligned(&values);
    by_size!(values.dtype(), T => {
        // SAFETY: `by_size` matches the element's size; `to_aligned` gives its alignment.
        let (from, to) = unsafe { (elements::<T>(&values), elements_mut::<T>(target)) };
        if let [value] = from {
            for (to, &byte) in to.iter_mut().zip(bytes(&mask)) {
                *to = if byte != 0 { *value } else { *to };
            }
        } else {
            for ((to, &byte), &value) in to.iter_mut().zip(bytes(&mask)).zip(from) {
                *to = if byte != 0 { value } else { *to };
            }
        }
    });
    Ok(())
}

/// Writes the values one after another where the mask is true (`x[mask] = values`); there must be as many as true elements.
pub fn place(target: &mut ChunkMut, mask: &Chunk, values: &Chunk) -> Result<(), KernelError> {
    check_shape(mask, target.shape())?;
    check_dtype(target, values)?;
    let mask = mask_bytes(mask)?;
    let values = to_aligned(values);
    let count = bytes(&mask).iter().filter(|byte| **byte != 0).count();
    if count != values.len() {
        return Err(KernelError::Shape {
            expected: format!("{count} values, one for each true element of the mask"),
            got: format!("{}", values.len()),
        });
    }
    by_size!(values.dtype(), T => {
        // SAFETY: `by_size` matches the element's size; `to_aligned` gives its alignment.
        let (from, to) = unsafe { (elements::<T>(&values), elements_mut::<T>(target)) };
        let chosen = to.iter_mut().zip(bytes(&mask)).filter(|(_, byte)| **byte != 0);
        for ((to, _), value) in chosen.zip(from) {
            *to = *value;
        }
    });
    Ok(())
}

fn check_dtype(target: &ChunkMut, values: &Chunk) -> Result<(), KernelError> {
    if target.dtype() != values.dtype() {
        return Err(KernelError::Operand {
            index: 2,
            expected: target.dtype().to_string(),
            got: values.dtype().to_string(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use num_complex::{Complex32, Complex64};
    use raskr_base::Element;

    use super::super::view::transpose;
    use super::*;

    fn mask(bits: &[u8], shape: &[usize]) -> Chunk {
        Chunk::from_slice(bits, shape).reinterpret(DType::Bool).expect("one byte")
    }

    fn every_function<T: Element>(make: fn(u8) -> T) {
        let values: Vec<T> = (0..21).map(make).collect();
        let bits: Vec<u8> = (0..21).map(|i| u8::from(i % 3 == 0 || i > 15)).collect();
        let chunk = Chunk::from_slice(&values, &[3, 7]);
        let chosen: Vec<T> = values.iter().zip(&bits).filter(|(_, b)| **b == 1).map(|(v, _)| *v).collect();
        let got = extract(&chunk, &mask(&bits, &[3, 7])).expect("one shape");
        assert_eq!(got.as_slice::<T>(), Some(&chosen[..]));
        let turned = extract(&transpose(&chunk, &[1, 0]).expect("axes"), &mask(&bits, &[7, 3])).expect("one shape");
        let expected: Vec<T> = (0..21).filter(|i| bits[*i] == 1).map(|i| values[i % 3 * 7 + i / 3]).collect();
        assert_eq!(turned.as_slice::<T>(), Some(&expected[..]));

        let mut target = ChunkMut::zeroed(T::DTYPE, &[3, 7]);
        place(&mut target, &mask(&bits, &[3, 7]), &got).expect("as many");
        let masked: Vec<T> = values.iter().zip(&bits).map(|(v, b)| if *b == 1 { *v } else { T::default() }).collect();
        assert_eq!(target.as_mut_slice::<T>(), &masked[..]);
        let mut target = ChunkMut::zeroed(T::DTYPE, &[3, 7]);
        put_mask(&mut target, &mask(&bits, &[3, 7]), &chunk).expect("one shape");
        assert_eq!(target.as_mut_slice::<T>(), &masked[..]);
        put_mask(&mut target, &mask(&[1; 21], &[3, 7]), &Chunk::scalar(make(9))).expect("broadcasts");
        assert_eq!(target.as_mut_slice::<T>(), &[make(9); 21]);
    }

    #[test]
    fn masks_select_and_assign_elements_of_every_size() {
        every_function::<u8>(|i| i);
        every_function::<i16>(i16::from);
        every_function::<f32>(f32::from);
        every_function::<f64>(f64::from);
        every_function::<Complex32>(|i| Complex32::new(f32::from(i), 1.0));
        every_function::<Complex64>(|i| Complex64::new(f64::from(i), 1.0));
    }

    #[test]
    fn compress_selects_slices() {
        let chunk = Chunk::from_slice(&[1i8, 2, 3, 4, 5, 6], &[2, 3]);
        let got = compress(&chunk, 1, &mask(&[1, 0, 1], &[3])).expect("as long as the axis");
        assert_eq!(got.as_slice::<i8>(), Some(&[1, 3, 4, 6][..]));
        assert_eq!(count_true(&mask(&[1, 0, 1], &[3])), Ok(2));
        assert!(compress(&chunk, 0, &mask(&[1, 0, 1], &[3])).is_err());
        assert!(compress(&chunk, 1, &Chunk::from_slice(&[1u8, 0, 1], &[3])).is_err());
    }

    #[test]
    fn misfits_are_refused() {
        let mut target = ChunkMut::zeroed(DType::I8, &[3]);
        let all = mask(&[1, 1, 0], &[3]);
        assert!(place(&mut target, &all, &Chunk::from_slice(&[1i8], &[1])).is_err());
        assert!(place(&mut target, &all, &Chunk::from_slice(&[1i16, 2], &[2])).is_err());
        assert!(put_mask(&mut target, &all, &Chunk::from_slice(&[1i8, 2], &[2])).is_err());
        assert!(extract(&Chunk::from_slice(&[1i8], &[1]), &all).is_err());
    }
}
