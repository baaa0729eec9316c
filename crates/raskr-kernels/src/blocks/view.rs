//! Views: the same memory with another shape and strides, never a copy.

use raskr_base::{Chunk, Dims, Strides};

use crate::error::KernelError;

/// Start, step (not zero, may be negative) and number of the elements kept along one axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AxisSlice {
    pub start: usize,
    pub step: isize,
    pub len: usize,
}

impl AxisSlice {
    /// All `len` elements in order.
    pub fn full(len: usize) -> AxisSlice {
        AxisSlice { start: 0, step: 1, len }
    }

    fn fits(self, len: usize) -> bool {
        if self.len == 0 {
            return true;
        }
        let last =
            (self.len as isize - 1).checked_mul(self.step).and_then(|span| span.checked_add(self.start as isize));
        self.start < len && last.is_some_and(|last| last >= 0 && (last as usize) < len)
    }
}

fn outside(what: &str, shape: &[usize], got: String) -> KernelError {
    KernelError::Shape { expected: format!("{what} of a block of shape {shape:?}"), got }
}

fn laid_out(chunk: &Chunk, shape: &[usize], strides: &[isize], offset: usize) -> Result<Chunk, KernelError> {
    chunk
        .with_layout(shape, strides, offset)
        .ok_or_else(|| outside("a view", chunk.shape(), format!("shape {shape:?} with strides {strides:?}")))
}

/// The elements that one slice per axis selects.
pub fn slice(chunk: &Chunk, slices: &[AxisSlice]) -> Result<Chunk, KernelError> {
    let mismatch = || outside("one slice inside each axis", chunk.shape(), format!("{slices:?}"));
    if slices.len() != chunk.ndim() {
        return Err(mismatch());
    }
    let mut shape = Dims::new();
    let mut strides = Strides::new();
    let mut offset = chunk.offset() as isize;
    for (slice, (&len, &stride)) in slices.iter().zip(chunk.shape().iter().zip(chunk.strides())) {
        if !slice.fits(len) {
            return Err(mismatch());
        }
        shape.push(slice.len);
        strides.push(stride * slice.step);
        if slice.len > 0 {
            offset += slice.start as isize * stride;
        }
    }
    laid_out(chunk, &shape, &strides, offset.max(0) as usize)
}

/// The axes in another order: axis `i` of the result is axis `order[i]` of the chunk.
pub fn transpose(chunk: &Chunk, order: &[usize]) -> Result<Chunk, KernelError> {
    let mut seen = Dims::from_elem(0, chunk.ndim());
    for &axis in order {
        if let Some(count) = seen.get_mut(axis) {
            *count += 1;
        }
    }
    if order.len() != chunk.ndim() || seen.iter().any(|&count| count != 1) {
        return Err(outside("a permutation of the axes", chunk.shape(), format!("{order:?}")));
    }
    let shape: Dims = order.iter().map(|&axis| chunk.shape()[axis]).collect();
    let strides: Strides = order.iter().map(|&axis| chunk.strides()[axis]).collect();
    laid_out(chunk, &shape, &strides, chunk.offset())
}

/// New axes of length one at the given positions of the result, which count up.
pub fn expand(chunk: &Chunk, positions: &[usize]) -> Result<Chunk, KernelError> {
    let mut shape: Dims = chunk.shape().into();
    let mut strides: Strides = chunk.strides().into();
    for &position in positions {
        if position > shape.len() {
            return Err(KernelError::Axis { axis: position, ndim: shape.len() + 1 });
        }
        shape.insert(position, 1);
        strides.insert(position, 0);
    }
    laid_out(chunk, &shape, &strides, chunk.offset())
}

/// Without the given axes, each of which must have length one.
pub fn squeeze(chunk: &Chunk, axes: &[usize]) -> Result<Chunk, KernelError> {
    for &axis in axes {
        if axis >= chunk.ndim() {
            return Err(KernelError::Axis { axis, ndim: chunk.ndim() });
        }
        if chunk.shape()[axis] != 1 {
            return Err(outside("axes of length one", chunk.shape(), format!("axis {axis}")));
        }
    }
    let kept = (0..chunk.ndim()).filter(|axis| !axes.contains(axis));
    let (shape, strides): (Dims, Strides) = kept.map(|axis| (chunk.shape()[axis], chunk.strides()[axis])).unzip();
    laid_out(chunk, &shape, &strides, chunk.offset())
}

/// Repeated by NumPy's broadcasting rules to a shape.
pub fn broadcast_to(chunk: &Chunk, shape: &[usize]) -> Result<Chunk, KernelError> {
    let mismatch = || KernelError::Shape {
        expected: format!("a shape that {:?} broadcasts to", chunk.shape()),
        got: format!("{shape:?}"),
    };
    let added = shape.len().checked_sub(chunk.ndim()).ok_or_else(mismatch)?;
    let mut strides = Strides::from_elem(0, shape.len());
    for axis in 0..chunk.ndim() {
        let (from, to) = (chunk.shape()[axis], shape[axis + added]);
        if from == to {
            strides[axis + added] = chunk.strides()[axis];
        } else if from != 1 {
            return Err(mismatch());
        }
    }
    laid_out(chunk, shape, &strides, chunk.offset())
}

/// The elements in reverse order along the given axes.
pub fn flip(chunk: &Chunk, axes: &[usize]) -> Result<Chunk, KernelError> {
    let mut slices: Vec<AxisSlice> = chunk.shape().iter().map(|&len| AxisSlice::full(len)).collect();
    for &axis in axes {
        let Some(slice) = slices.get_mut(axis) else {
            return Err(KernelError::Axis { axis, ndim: chunk.ndim() });
        };
        *slice = AxisSlice { start: slice.len.saturating_sub(1), step: -1, len: slice.len };
    }
    self::slice(chunk, &slices)
}

#[cfg(test)]
mod tests {
    use super::super::to_contiguous;
    use super::*;

    fn values(chunk: &Chunk) -> Vec<i64> {
        to_contiguous(chunk).as_slice::<i64>().expect("contiguous").to_vec()
    }

    fn grid() -> Chunk {
        Chunk::from_slice(&(0..12i64).collect::<Vec<_>>(), &[3, 4])
    }

    #[test]
    fn slices_step_and_reverse() {
        let rows = AxisSlice { start: 2, step: -2, len: 2 };
        let columns = AxisSlice { start: 1, step: 2, len: 2 };
        let view = slice(&grid(), &[rows, columns]).expect("inside");
        assert_eq!(values(&view), [9, 11, 1, 3]);
        let again = slice(&view, &[AxisSlice { start: 1, step: -1, len: 2 }, AxisSlice { start: 1, step: 1, len: 1 }]);
        assert_eq!(values(&again.expect("inside")), [3, 11]);
        let outside = AxisSlice { start: 2, step: 1, len: 2 };
        assert!(slice(&grid(), &[outside, AxisSlice::full(4)]).is_err());
        assert!(slice(&grid(), &[AxisSlice { start: 0, step: -1, len: 2 }, AxisSlice::full(4)]).is_err());
        let none = AxisSlice { start: 3, step: 1, len: 0 };
        assert_eq!(slice(&grid(), &[none, AxisSlice::full(4)]).expect("empty").shape(), [0, 4]);
    }

    #[test]
    fn axes_move_appear_and_vanish() {
        let turned = transpose(&grid(), &[1, 0]).expect("a permutation");
        assert_eq!((turned.shape(), values(&turned)[1]), (&[4, 3][..], 4));
        assert!(transpose(&grid(), &[0, 0]).is_err() && transpose(&grid(), &[0]).is_err());
        let wide = expand(&grid(), &[0, 3]).expect("inside");
        assert_eq!(wide.shape(), [1, 3, 4, 1]);
        assert_eq!(squeeze(&wide, &[0, 3]).expect("ones").shape(), [3, 4]);
        assert!(squeeze(&wide, &[1]).is_err() && squeeze(&wide, &[4]).is_err() && expand(&grid(), &[4]).is_err());
    }

    #[test]
    fn broadcasting_repeats_without_memory() {
        let column = slice(&grid(), &[AxisSlice::full(3), AxisSlice { start: 2, step: 1, len: 1 }]).expect("inside");
        let wide = broadcast_to(&column, &[2, 3, 2]).expect("broadcasts");
        assert_eq!(values(&wide), [2, 2, 6, 6, 10, 10, 2, 2, 6, 6, 10, 10]);
        assert!(broadcast_to(&grid(), &[3, 5]).is_err() && broadcast_to(&grid(), &[4]).is_err());
        assert_eq!(broadcast_to(&column, &[3, 0]).expect("empty").shape(), [3, 0]);
    }

    #[test]
    fn flips_reverse_axes() {
        assert_eq!(values(&flip(&grid(), &[0, 1]).expect("axes"))[..3], [11, 10, 9]);
        assert!(flip(&grid(), &[2]).is_err());
        let empty = Chunk::from_slice::<i64>(&[], &[0, 2]);
        assert_eq!(flip(&empty, &[0]).expect("empty").shape(), [0, 2]);
    }
}
