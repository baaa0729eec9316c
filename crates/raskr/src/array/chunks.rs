//! `Shape` and `Chunks`: how large an array is and how it is to be cut, in the forms that users write.

use raskr_array::ArrayError;
use raskr_array::grid::{Axis, Grid};

/// Bytes that a chunk is to have, about, when its size is left to raskr.
const AUTO_BYTES: u64 = 128 << 20;

/// Lengths of axes: `5`, `[3, 4]` or a vector. No axes is `[]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shape(pub(super) Vec<u64>);

impl From<usize> for Shape {
    fn from(length: usize) -> Shape {
        Shape(vec![length as u64])
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(lengths: [usize; N]) -> Shape {
        Shape::from(lengths.as_slice())
    }
}

impl From<&[usize]> for Shape {
    fn from(lengths: &[usize]) -> Shape {
        Shape(lengths.iter().map(|n| *n as u64).collect())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(lengths: Vec<usize>) -> Shape {
        Shape::from(lengths.as_slice())
    }
}

/// How one axis is cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AxisChunks {
    /// Such that chunks have about 128 MiB.
    Auto,
    /// Not at all.
    Whole,
    /// Into chunks of this length, the last possibly shorter.
    Size(usize),
    /// Into chunks of these lengths.
    Sizes(Vec<usize>),
}

/// How an array is cut: one length for all axes (`100`), one for each (`[100, 50]`), all lengths of each axis (a vector
/// of vectors), [`Chunks::AUTO`] or [`Chunks::WHOLE`].
///
/// ```
/// use raskr::array::{self, AxisChunks, Chunks};
///
/// assert_eq!(array::zeros([5, 4], [2, 4]).chunks()?, [vec![2, 2, 1], vec![4]]);
/// let mixed = Chunks::from([AxisChunks::Whole, AxisChunks::Sizes(vec![1, 3])]);
/// assert_eq!(array::zeros([5, 4], mixed).chunks()?, [vec![5], vec![1, 3]]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Chunks {
    /// Every axis alike.
    Every(AxisChunks),
    /// One entry an axis.
    Axes(Vec<AxisChunks>),
}

impl Chunks {
    /// Chunks of about 128 MiB, as near to cubes as the shape allows.
    pub const AUTO: Chunks = Chunks::Every(AxisChunks::Auto);
    /// One chunk.
    pub const WHOLE: Chunks = Chunks::Every(AxisChunks::Whole);

    /// The chunks of an array of this shape, whose elements have `itemsize` bytes.
    pub(super) fn grid(&self, shape: &[u64], itemsize: usize) -> Result<Grid, ArrayError> {
        let every;
        let wanted: &[AxisChunks] = match self {
            Chunks::Every(axis) => {
                every = vec![axis.clone(); shape.len()];
                &every
            }
            Chunks::Axes(axes) if axes.len() == shape.len() => axes,
            Chunks::Axes(axes) => {
                return Err(ArrayError::WrongNumberOfAxes {
                    operation: "chunks",
                    expected: shape.len(),
                    got: axes.len(),
                });
            }
        };
        let mut axes: Vec<Option<Axis>> = Vec::with_capacity(shape.len());
        for (number, (axis, len)) in wanted.iter().zip(shape).enumerate() {
            axes.push(cut(axis, *len, number)?);
        }
        let side = auto_side(shape, &axes, itemsize);
        Grid::new(axes.into_iter().zip(shape).map(|(axis, len)| axis.unwrap_or_else(|| Axis::regular(*len, side))))
    }
}

/// The chunks of an axis; `None` when their size is to be found.
fn cut(axis: &AxisChunks, len: u64, number: usize) -> Result<Option<Axis>, ArrayError> {
    Ok(match axis {
        AxisChunks::Auto => None,
        AxisChunks::Whole => Some(Axis::single(len)),
        AxisChunks::Size(0) if len > 0 => {
            return Err(ArrayError::Unexpected {
                operation: "chunks",
                expected: "chunks of at least one element".to_owned(),
                got: format!("chunks of 0 along axis {number}"),
            });
        }
        AxisChunks::Size(size) => Some(Axis::regular(len, *size as u64)),
        AxisChunks::Sizes(sizes) => {
            let axis = Axis::new(sizes.iter().map(|n| *n as u64).collect::<Vec<_>>());
            if sizes.is_empty() || axis.len() != len {
                return Err(ArrayError::ChunksDontAddUp {
                    axis: number,
                    chunks: axis.to_string(),
                    expected: len,
                    got: axis.len(),
                });
            }
            Some(axis)
        }
    })
}

/// The length, alike on all axes left open, with which chunks stay within [`AUTO_BYTES`]; shorter axes stay whole and
/// leave their share to the others.
fn auto_side(shape: &[u64], axes: &[Option<Axis>], itemsize: usize) -> u64 {
    let fixed: u64 = axes.iter().flatten().map(|axis| axis.max_size().max(1)).product();
    let mut room = (AUTO_BYTES / itemsize.max(1) as u64 / fixed.max(1)).max(1);
    let mut open: Vec<u64> = shape.iter().zip(axes).filter(|(_, axis)| axis.is_none()).map(|(len, _)| *len).collect();
    open.sort_unstable();
    for (taken, len) in open.iter().enumerate() {
        let side = (room as f64).powf(1.0 / (open.len() - taken) as f64) as u64;
        if *len > side {
            return side.max(1);
        }
        room /= (*len).max(1);
    }
    open.last().copied().unwrap_or(1).max(1)
}

impl From<usize> for Chunks {
    fn from(size: usize) -> Chunks {
        Chunks::Every(AxisChunks::Size(size))
    }
}

impl<const N: usize> From<[usize; N]> for Chunks {
    fn from(sizes: [usize; N]) -> Chunks {
        Chunks::from(sizes.as_slice())
    }
}

impl From<&[usize]> for Chunks {
    fn from(sizes: &[usize]) -> Chunks {
        Chunks::Axes(sizes.iter().map(|size| AxisChunks::Size(*size)).collect())
    }
}

impl<const N: usize> From<[AxisChunks; N]> for Chunks {
    fn from(axes: [AxisChunks; N]) -> Chunks {
        Chunks::Axes(axes.into())
    }
}

impl From<Vec<Vec<usize>>> for Chunks {
    fn from(sizes: Vec<Vec<usize>>) -> Chunks {
        Chunks::Axes(sizes.into_iter().map(AxisChunks::Sizes).collect())
    }
}

impl From<&Grid> for Chunks {
    fn from(grid: &Grid) -> Chunks {
        grid.axes().iter().map(|axis| axis.sizes().iter().map(|n| *n as usize).collect()).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_chunks_are_near_cubes_within_their_bytes() {
        let grid = Chunks::AUTO.grid(&[100_000, 100_000], 8).expect("valid");
        let side = grid.axis(0).sizes()[0];
        assert_eq!(side, grid.axis(1).sizes()[0]);
        assert_eq!(side, 4096);
        let grid = Chunks::AUTO.grid(&[1_000_000_000, 10], 8).expect("valid");
        assert_eq!(grid.axis(1).sizes(), [10]);
        assert_eq!(grid.axis(0).sizes()[0], (128 << 20) / 80);
        assert_eq!(Chunks::AUTO.grid(&[3, 0], 8).expect("valid").blocks(), 1);
    }

    #[test]
    fn chunks_that_dont_fit_are_refused() {
        assert!(Chunks::from([2, 2]).grid(&[4], 8).is_err());
        assert!(Chunks::from(0).grid(&[4], 8).is_err());
        assert!(Chunks::from(vec![vec![2, 1]]).grid(&[4], 8).is_err());
        assert!(Chunks::from(vec![vec![]]).grid(&[0], 8).is_err());
    }
}
