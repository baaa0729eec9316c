//! Sorting of a long line where it lies: its elements are dealt out to parts, each above the one before, and every part is
//! then sorted by itself. No more memory is needed than for the result.
//!
//! Parts are separated by elements of a sample (P. Sanders and S. Winkel, "Super Scalar Sample Sort", 2004).

use pulp::{Arch, Simd, WithSimd};
use raskr_base::Chunk;

use super::copy::{concatenate, to_contiguous};
use super::number::dense;
use super::sort::sort_axis;
use super::sort_keys::{Ordered, with_ordered};
use super::take::gather;
use super::target::Cell;
use crate::error::KernelError;

/// Parts that a line may have.
pub const PARTS_MAX: usize = 64;
/// Keys that are compared at a time, so that they stay in registers.
const TOGETHER: usize = 64;

/// Elements, in ascending order, that separate so many parts of about equal size, from samples of the whole line.
pub fn separators(samples: &[Chunk], parts: usize) -> Result<Chunk, KernelError> {
    let sorted = to_contiguous(&sort_axis(concatenate(samples, 0)?, 0)?);
    if sorted.is_empty() {
        return Ok(sorted);
    }
    let places: Vec<i64> = (1..parts.clamp(1, PARTS_MAX)).map(|i| (i * sorted.len() / parts) as i64).collect();
    gather(&sorted, 0, &places)
}

/// Finds for each element how many separators are below it: the number of its part.
struct Choose<'a, T, K: Ordered<T>> {
    elements: &'a [T],
    separators: &'a [K::Key],
    parts: &'a mut [u8],
}

impl<T: Copy, K: Ordered<T>> WithSimd for Choose<'_, T, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (elements, elements_left) = self.elements.as_chunks::<TOGETHER>();
        let (parts, parts_left) = self.parts.as_chunks_mut::<TOGETHER>();
        for (elements, parts) in elements.iter().zip(parts) {
            let mut keys = [K::order(elements[0]); TOGETHER];
            for (key, &x) in keys.iter_mut().zip(elements) {
                *key = K::order(x);
            }
            let mut below = [0i64; TOGETHER];
            for separator in self.separators {
                for (below, key) in below.iter_mut().zip(&keys) {
                    *below += i64::from(key > separator);
                }
            }
            for (part, below) in parts.iter_mut().zip(below) {
                *part = below as u8;
            }
        }
        for (&x, part) in elements_left.iter().zip(parts_left) {
            let key = K::order(x);
            *part = self.separators.iter().filter(|separator| key > **separator).count() as u8;
        }
    }
}

/// Calls `each` with the part of every element of a piece.
macro_rules! with_parts {
    ($piece:expr, $separators:expr, |$elements:ident: $T:ident, $parts:ident| $body:expr) => {{
        let (piece, separators) = (to_contiguous($piece), to_contiguous($separators));
        if piece.dtype() != separators.dtype() || separators.len() >= PARTS_MAX {
            return Err(KernelError::Operand {
                index: 1,
                expected: format!("less than {PARTS_MAX} separators of {}", piece.dtype()),
                got: format!("{} of {}", separators.len(), separators.dtype()),
            });
        }
        let mut parts = vec![0u8; piece.len()];
        with_ordered!(piece.dtype(), $T, K => {
            let separators: Vec<_> = dense::<$T>(&separators).iter().map(|&x| <K as Ordered<$T>>::order(x)).collect();
            let $elements = dense::<$T>(&piece);
            Arch::new().dispatch(Choose::<$T, K> { elements: $elements, separators: &separators, parts: &mut parts });
            let $parts = &parts[..];
            $body
        })
    }};
}

/// Adds to `counts` how many elements of a piece belong to each part.
pub fn count_parts(piece: &Chunk, separators: &Chunk, counts: &mut [i64]) -> Result<(), KernelError> {
    with_parts!(piece, separators, |_elements: T, parts| {
        // Several counters, as one that is raised twice in a row waits for itself.
        let mut all = [[0i64; PARTS_MAX]; 4];
        for four in parts.chunks(4) {
            for (counts, &part) in all.iter_mut().zip(four) {
                counts[usize::from(part) % PARTS_MAX] += 1;
            }
        }
        for (number, count) in counts.iter_mut().enumerate() {
            *count += all.iter().map(|counts| counts.get(number).copied().unwrap_or(0)).sum::<i64>();
        }
    });
    Ok(())
}

/// Writes the elements of a piece to the cells of their parts, from the places in `filled` on, which move along.
pub fn deal(
    piece: &Chunk,
    separators: &Chunk,
    cells: &mut [Cell<'_>],
    filled: &mut [usize],
) -> Result<(), KernelError> {
    let misfit = || KernelError::Value("elements changed between counting and dealing out".to_string());
    with_parts!(piece, separators, |elements: T, parts| {
        let mut rooms = Vec::with_capacity(cells.len());
        for cell in cells.iter_mut() {
            rooms.push(cell.as_mut_slice::<T>().ok_or_else(misfit)?);
        }
        for (&x, &part) in elements.iter().zip(parts) {
            let part = usize::from(part);
            let (Some(room), Some(at)) = (rooms.get_mut(part), filled.get_mut(part)) else { return Err(misfit()) };
            *room.get_mut(*at).ok_or_else(misfit)? = x;
            *at += 1;
        }
    });
    Ok(())
}

/// Sorts the elements of a cell where they are.
pub fn sort_cell(cell: &mut Cell<'_>) -> Result<(), KernelError> {
    let dtype = cell.dtype();
    with_ordered!(dtype, T, K => match cell.as_mut_slice::<T>() {
        Some(line) => <K as Ordered<T>>::sort(line),
        None => {
            return Err(KernelError::Shape {
                expected: format!("a place without gaps for {dtype}"),
                got: format!("strides {:?}", cell.strides()),
            });
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::target::Target;
    use super::*;

    proptest! {
        #[test]
        fn parts_are_counted_dealt_out_and_sorted(
            values in prop::collection::vec(0u8..40, 1..700),
            wanted in 1usize..20,
            sampled in 1usize..40,
        ) {
            let values: Vec<f64> = values.iter().map(|&x| if x == 39 { f64::NAN } else { f64::from(x) - 9.0 }).collect();
            let whole = Chunk::from_slice(&values, &[values.len()]);
            let samples: Vec<Chunk> = values.chunks(sampled).map(|x| Chunk::from_slice(&x[..1], &[1])).collect();
            let separators = separators(&samples, wanted).expect("samples");
            let mut counts = vec![0i64; separators.len() + 1];
            count_parts(&whole, &separators, &mut counts).expect("one type");
            prop_assert_eq!(counts.iter().sum::<i64>(), values.len() as i64);
            let target = Target::new(whole.dtype(), &[counts.iter().map(|count| *count as usize).collect()]);
            let blocks: Vec<[u32; 1]> = (0..counts.len() as u32).map(|part| [part]).collect();
            target
                .fill_all(&blocks, |mut cells| {
                    let mut filled = vec![0; cells.len()];
                    deal(&whole, &separators, &mut cells, &mut filled)?;
                    cells.iter_mut().try_for_each(sort_cell)
                })
                .expect("counted");
            let mut expected = values;
            expected.sort_by_key(|&x| <super::super::key::PlainKey as Ordered<f64>>::order(x));
            let sorted = target.take();
            let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
            prop_assert!(dense::<f64>(&sorted).iter().zip(&expected).all(same));
        }
    }

    #[test]
    fn separators_of_another_type_are_named() {
        let error = count_parts(&Chunk::from_slice(&[1.0], &[1]), &Chunk::from_slice(&[1i64], &[1]), &mut [0, 0]);
        assert!(error.expect_err("another type").to_string().contains("int64"));
    }
}
