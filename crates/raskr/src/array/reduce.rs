//! Reductions over axes, positions of extremes, running sums and products.

use std::ops::RangeFull;

use raskr_array::ArrayError;
use raskr_base::DType;
use raskr_kernels::blocks::{ArgKind, CumulativeKind};
use raskr_kernels::program::ReductionKind;
use raskr_kernels::reduce::Ending;

use super::{Array, axis_of, native};

/// Which axes are reduced: all (`..`), one (`0`, `-1` for the last) or several (`[0, 2]`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Axes {
    which: Option<Vec<i64>>,
    keep: bool,
}

/// Axes that stay, with length one, when they are reduced.
///
/// ```
/// use raskr::array::{self, keep};
///
/// let x = array::arange(0, 6, 1, 3).reshape([2, 3]);
/// let centred = &x - x.mean(keep(1));
/// assert_eq!(centred.to_vec::<f64>()?, [-1.0, 0.0, 1.0, -1.0, 0.0, 1.0]);
/// # Ok::<(), raskr::Error>(())
/// ```
pub fn keep(axes: impl Into<Axes>) -> Axes {
    Axes { keep: true, ..axes.into() }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Axes {
        Axes { which: None, keep: false }
    }
}

impl From<i64> for Axes {
    fn from(axis: i64) -> Axes {
        Axes { which: Some(vec![axis]), keep: false }
    }
}

impl<const N: usize> From<[i64; N]> for Axes {
    fn from(axes: [i64; N]) -> Axes {
        Axes { which: Some(axes.into()), keep: false }
    }
}

impl From<&[i64]> for Axes {
    fn from(axes: &[i64]) -> Axes {
        Axes { which: Some(axes.into()), keep: false }
    }
}

impl Axes {
    fn numbers(&self, operation: &'static str, ndim: usize) -> Result<Vec<usize>, ArrayError> {
        match &self.which {
            None => Ok((0..ndim).collect()),
            Some(axes) => axes.iter().map(|axis| axis_of(operation, *axis, ndim)).collect(),
        }
    }
}

/// The element type of a sum or a product, as NumPy has it.
fn sum_type(dtype: DType) -> DType {
    match dtype {
        DType::Bool => DType::I64,
        dtype if dtype.is_signed_integer() => DType::I64,
        dtype if dtype.is_unsigned_integer() => DType::U64,
        dtype => dtype,
    }
}

/// The element type of a mean.
fn mean_type(dtype: DType) -> DType {
    if dtype.is_integer() || dtype == DType::Bool { DType::F64 } else { dtype }
}

impl Array {
    #[track_caller]
    fn reduce(
        &self,
        kind: ReductionKind,
        ending: Ending,
        axes: Axes,
        label: &'static str,
        types: impl FnOnce(DType) -> (DType, DType),
    ) -> Array {
        self.derive(|expr| {
            let (accumulate, result) = types(native(expr));
            let numbers = axes.numbers(label, expr.ndim())?;
            expr.reduce(kind, ending, &numbers, axes.keep, accumulate, result, None, label)
        })
    }

    /// The sum of the elements.
    ///
    /// ```
    /// let x = raskr::array::ones([3, 4], 2);
    /// assert_eq!(x.sum(0).to_vec::<f64>()?, [3.0; 4]);
    /// assert_eq!(x.sum(..).item::<f64>()?, 12.0);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(&self, axes: impl Into<Axes>) -> Array {
        let types = |dtype| (sum_type(dtype), sum_type(dtype));
        self.reduce(ReductionKind::Sum, Ending::Value, axes.into(), "sum", types)
    }

    /// The product of the elements.
    #[track_caller]
    pub fn prod(&self, axes: impl Into<Axes>) -> Array {
        let types = |dtype| (sum_type(dtype), sum_type(dtype));
        self.reduce(ReductionKind::Prod, Ending::Value, axes.into(), "prod", types)
    }

    /// The mean of the elements.
    #[track_caller]
    pub fn mean(&self, axes: impl Into<Axes>) -> Array {
        let types = |dtype| (mean_type(dtype), mean_type(dtype));
        self.reduce(ReductionKind::Mean, Ending::Value, axes.into(), "mean", types)
    }

    /// The variance: the squared distances from the mean, divided by the number of elements less `ddof`.
    ///
    /// ```
    /// let x = raskr::array::arange(1, 5, 1, 2);
    /// assert_eq!(x.var(.., 0.0).item::<f64>()?, 1.25);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>, ddof: f64) -> Array {
        let types = |dtype| (mean_type(dtype), mean_type(dtype));
        self.reduce(ReductionKind::Moments2, Ending::Variance { ddof }, axes.into(), "var", types)
    }

    /// The standard deviation, the square root of [`Array::var`].
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>, ddof: f64) -> Array {
        let types = |dtype| (mean_type(dtype), mean_type(dtype));
        self.reduce(ReductionKind::Moments2, Ending::Deviation { ddof }, axes.into(), "std", types)
    }

    /// The smallest element; NaN when there is one.
    #[track_caller]
    pub fn min(&self, axes: impl Into<Axes>) -> Array {
        self.reduce(ReductionKind::Min, Ending::Value, axes.into(), "min", |dtype| (dtype, dtype))
    }

    /// The largest element; NaN when there is one.
    #[track_caller]
    pub fn max(&self, axes: impl Into<Axes>) -> Array {
        self.reduce(ReductionKind::Max, Ending::Value, axes.into(), "max", |dtype| (dtype, dtype))
    }

    /// Is any element true (not zero)?
    #[track_caller]
    pub fn any(&self, axes: impl Into<Axes>) -> Array {
        self.reduce(ReductionKind::Any, Ending::Value, axes.into(), "any", |dtype| (dtype, DType::Bool))
    }

    /// Are all elements true (not zero)?
    #[track_caller]
    pub fn all(&self, axes: impl Into<Axes>) -> Array {
        self.reduce(ReductionKind::All, Ending::Value, axes.into(), "all", |dtype| (dtype, DType::Bool))
    }

    /// How many elements are true (not zero).
    #[track_caller]
    pub fn count_nonzero(&self, axes: impl Into<Axes>) -> Array {
        let types = |dtype| (dtype, DType::I64);
        self.reduce(ReductionKind::CountNonzero, Ending::Value, axes.into(), "count_nonzero", types)
    }

    #[track_caller]
    fn positions(&self, kind: ArgKind, axes: Axes, label: &'static str) -> Array {
        self.derive(|expr| {
            let axis = match axes.which.as_deref() {
                None => None,
                Some([axis]) => Some(axis_of(label, *axis, expr.ndim())?),
                Some(several) => {
                    return Err(ArrayError::WrongNumberOfAxes { operation: label, expected: 1, got: several.len() });
                }
            };
            expr.arg_reduce(kind, axis, axes.keep, label)
        })
    }

    /// Where the smallest element is along one axis, or (`..`) in the array's row-major order. The first wins.
    ///
    /// ```
    /// let x = raskr::array::from_slice(&[3, 1, 2, 0], [2, 2], 1);
    /// assert_eq!(x.argmin(1).to_vec::<i64>()?, [1, 1]);
    /// assert_eq!(x.argmin(..).item::<i64>()?, 3);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn argmin(&self, axes: impl Into<Axes>) -> Array {
        self.positions(ArgKind::Min, axes.into(), "argmin")
    }

    /// Where the largest element is, as [`Array::argmin`].
    #[track_caller]
    pub fn argmax(&self, axes: impl Into<Axes>) -> Array {
        self.positions(ArgKind::Max, axes.into(), "argmax")
    }

    /// The sums of all elements up to each, along an axis.
    ///
    /// ```
    /// let x = raskr::array::arange(1, 6, 1, 2);
    /// assert_eq!(x.cumsum(0).to_vec::<i64>()?, [1, 3, 6, 10, 15]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: i64) -> Array {
        self.derive(|expr| {
            let axis = axis_of("cumsum", axis, expr.ndim())?;
            expr.scan(CumulativeKind::Sum, axis, sum_type(native(expr)), "cumsum")
        })
    }

    /// The products of all elements up to each, along an axis.
    #[track_caller]
    pub fn cumprod(&self, axis: i64) -> Array {
        self.derive(|expr| {
            let axis = axis_of("cumprod", axis, expr.ndim())?;
            expr.scan(CumulativeKind::Prod, axis, sum_type(native(expr)), "cumprod")
        })
    }
}
