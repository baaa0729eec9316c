//! Views and rearrangements: slices, transposes, broadcasting, other chunks, picked elements.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

use raskr_array::ArrayError;
use raskr_array::expr::Index;
use raskr_array::grid::Axis;
use raskr_array::index::resolve_slice;

use super::chunks::{AxisChunks, Chunks, Shape};
use super::{Array, axis_of, native};

/// What is taken of one axis: one place (`3`, `-1` for the last; the axis is dropped), a range (`1..`, `..-1`), a range
/// by a step ([`by`]), or nothing at all, a new axis of length one being put there ([`NEW_AXIS`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pick(PickKind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PickKind {
    At(i64),
    Range { start: Option<i64>, stop: Option<i64>, step: i64 },
    New,
}

/// A new axis of length one.
pub const NEW_AXIS: Pick = Pick(PickKind::New);

/// Every `step`-th element of a range, as Python's `start:stop:step`: a negative step goes backwards.
///
/// ```
/// use raskr::array::{self, by};
///
/// let x = array::arange(0, 10, 1, 4);
/// assert_eq!(x.slice(by(.., -3)).to_vec::<i64>()?, [9, 6, 3, 0]);
/// assert_eq!(x.slice(by(1..8, 3)).to_vec::<i64>()?, [1, 4, 7]);
/// # Ok::<(), raskr::Error>(())
/// ```
pub fn by(range: impl Into<Pick>, step: i64) -> Pick {
    match range.into().0 {
        PickKind::Range { start, stop, .. } => Pick(PickKind::Range { start, stop, step }),
        other => Pick(other),
    }
}

fn range(start: Option<i64>, stop: Option<i64>) -> Pick {
    Pick(PickKind::Range { start, stop, step: 1 })
}

impl From<i64> for Pick {
    fn from(at: i64) -> Pick {
        Pick(PickKind::At(at))
    }
}

impl From<RangeFull> for Pick {
    fn from(_: RangeFull) -> Pick {
        range(None, None)
    }
}

impl From<Range<i64>> for Pick {
    fn from(wanted: Range<i64>) -> Pick {
        range(Some(wanted.start), Some(wanted.end))
    }
}

impl From<RangeFrom<i64>> for Pick {
    fn from(wanted: RangeFrom<i64>) -> Pick {
        range(Some(wanted.start), None)
    }
}

impl From<RangeTo<i64>> for Pick {
    fn from(wanted: RangeTo<i64>) -> Pick {
        range(None, Some(wanted.end))
    }
}

/// What is taken of the axes, from the first on: one pick, a tuple of up to six, or a vector. Axes after those named
/// are taken whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picks(Vec<Pick>);

impl From<Vec<Pick>> for Picks {
    fn from(picks: Vec<Pick>) -> Picks {
        Picks(picks)
    }
}

macro_rules! one_pick {
    ($($type:ty),*) => {$(
        impl From<$type> for Picks {
            fn from(pick: $type) -> Picks {
                Picks(vec![pick.into()])
            }
        }
    )*};
}
one_pick!(Pick, i64, RangeFull, Range<i64>, RangeFrom<i64>, RangeTo<i64>);

macro_rules! tuples {
    ($(($($letter:ident)+))*) => {$(
        impl<$($letter: Into<Pick>),+> From<($($letter,)+)> for Picks {
            #[allow(non_snake_case)]
            fn from(($($letter,)+): ($($letter,)+)) -> Picks {
                Picks(vec![$($letter.into()),+])
            }
        }
    )*};
}
tuples!((A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F));

/// One pick on an axis.
fn index_of(pick: PickKind, axis: &Axis, number: usize) -> Result<Index, ArrayError> {
    match pick {
        PickKind::New => Ok(Index::New),
        PickKind::Range { start: None, stop: None, step: 1 } => Ok(Index::All),
        PickKind::Range { start, stop, step } => {
            resolve_slice(start, stop, Some(step), axis.len()).map(Index::Run).ok_or_else(|| ArrayError::Unexpected {
                operation: "slice",
                expected: "a step that is not zero".to_owned(),
                got: format!("0 on axis {number}"),
            })
        }
        PickKind::At(at) => {
            let len = axis.len() as i64;
            let counted = if at < 0 { at + len } else { at };
            if (0..len).contains(&counted) {
                return Ok(Index::At(counted));
            }
            Err(ArrayError::Unexpected {
                operation: "slice",
                expected: format!("a place on axis {number}, which has length {len}"),
                got: at.to_string(),
            })
        }
    }
}

impl Array {
    /// Elements picked on each axis.
    ///
    /// ```
    /// use raskr::array::{self, NEW_AXIS};
    ///
    /// let x = array::arange(0, 12, 1, 5).reshape([3, 4]);
    /// assert_eq!(x.slice((1.., -1)).to_vec::<i64>()?, [7, 11]);
    /// assert_eq!(x.slice((0, NEW_AXIS, ..2)).shape()?, [1, 2]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, picks: impl Into<Picks>) -> Array {
        let picks = picks.into().0;
        self.derive(|expr| {
            let taken = picks.iter().filter(|pick| pick.0 != PickKind::New).count();
            if taken > expr.ndim() {
                return Err(ArrayError::WrongNumberOfAxes { operation: "slice", expected: expr.ndim(), got: taken });
            }
            let mut axes = expr.grid().axes().iter().enumerate();
            let mut index = Vec::with_capacity(picks.len().max(expr.ndim()));
            for pick in &picks {
                if pick.0 == PickKind::New {
                    index.push(Index::New);
                } else if let Some((number, axis)) = axes.next() {
                    index.push(index_of(pick.0, axis, number)?);
                }
            }
            index.extend(axes.map(|_| Index::All));
            expr.index(&index)
        })
    }

    /// Axes in another order: axis k of the result is axis `order[k]`.
    #[track_caller]
    pub fn transpose(&self, order: &[usize]) -> Array {
        self.derive(|expr| expr.transpose(order))
    }

    /// Axes in reverse order.
    #[track_caller]
    pub fn t(&self) -> Array {
        self.derive(|expr| expr.transpose(&(0..expr.ndim()).rev().collect::<Vec<_>>()))
    }

    /// The same elements in other chunks.
    ///
    /// ```
    /// use raskr::array::{self, Chunks};
    ///
    /// assert_eq!(array::zeros(10, 3).rechunk(5).chunks()?, [[5, 5]]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn rechunk(&self, chunks: impl Into<Chunks>) -> Array {
        let chunks = chunks.into();
        self.derive(|expr| expr.rechunk(chunks.grid(&expr.grid().shape(), native(expr).itemsize())?))
    }

    /// The array repeated, without a copy, to a larger shape: axes of length one and new ones in front.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Array {
        let shape = shape.into().0;
        self.derive(|expr| {
            if expr.ndim() > shape.len() {
                return Err(ArrayError::WrongNumberOfAxes {
                    operation: "broadcast_to",
                    expected: expr.ndim(),
                    got: shape.len(),
                });
            }
            // Axes that stay keep their chunks; the others are cut as new arrays are.
            let ahead = shape.len() - expr.ndim();
            let axes = shape.iter().enumerate().map(|(number, len)| match number.checked_sub(ahead) {
                Some(own) if expr.grid().axis(own).len() == *len => {
                    AxisChunks::Sizes(expr.grid().axis(own).sizes().iter().map(|n| *n as usize).collect())
                }
                _ => AxisChunks::Auto,
            });
            expr.broadcast_to(Chunks::Axes(axes.collect()).grid(&shape, native(expr).itemsize())?)
        })
    }

    /// The elements at `places` of an axis, in that order; negative places count from the end.
    ///
    /// ```
    /// let x = raskr::array::arange(0, 10, 1, 4);
    /// assert_eq!(x.take(&[8, -1, 0, 8], 0).to_vec::<i64>()?, [8, 9, 0, 8]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, places: &[i64], axis: i64) -> Array {
        self.derive(|expr| {
            let axis = axis_of("take", axis, expr.ndim())?;
            let source = expr.grid().axis(axis);
            let len = source.len() as i64;
            let counted: Vec<i64> = places.iter().map(|at| if *at < 0 { at + len } else { *at }).collect();
            let chunks = Axis::regular(places.len() as u64, source.max_size());
            expr.take(axis, counted.into(), chunks)
        })
    }

    /// The elements in reverse order along an axis.
    #[track_caller]
    pub fn flip(&self, axis: i64) -> Array {
        self.derive(|expr| {
            let axis = axis_of("flip", axis, expr.ndim())?;
            let mut index = vec![Index::All; expr.ndim()];
            if let Some(run) = resolve_slice(None, None, Some(-1), expr.grid().axis(axis).len()) {
                index[axis] = Index::Run(run);
            }
            expr.index(&index)
        })
    }
}
