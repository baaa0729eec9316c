//! `Array`: a lazy array and what can be asked of it without computing it.
//!
//! Operations never fail where they are written: an array that could not be built carries its [`Error`], which passes
//! through everything made of it and is told by whatever asks for a shape or a result, with the line that made it.

mod chunks;
mod compute;
mod create;
mod elementwise;
mod files;
mod join;
mod operators;
mod products;
mod promote;
pub mod random;
mod reduce;
mod reshape;
mod structure;

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use raskr_array::expr::Place;
use raskr_array::{ArrayError, Expr};
use raskr_base::DType;

use crate::error::{Error, Result};

pub use chunks::{AxisChunks, Chunks, Shape};
pub use compute::{Options, compute_all};
pub use create::{arange, empty, eye, from_chunk, from_slice, full, linspace, ones, zeros};
pub use elementwise::{Term, clip, where_};
pub use files::{ZarrOptions, open_npy, open_zarr};
pub use join::{concatenate, stack};
pub use products::{matmul, tensordot};
pub use raskr_io::{Compressor, ZarrVersion};
pub use reduce::{Axes, keep};
pub use structure::{NEW_AXIS, Pick, Picks, by};

/// A lazy array, cut into chunks. Cloning is cheap, and a clone is the same array: it is computed once.
///
/// ```
/// use raskr::array;
///
/// let x = array::arange(0, 6, 1, 2).reshape([2, 3]);
/// assert_eq!(x.shape()?, [2, 3]);
/// assert_eq!(x.t().to_vec::<i64>()?, [0, 3, 1, 4, 2, 5]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[derive(Clone)]
pub struct Array {
    state: std::result::Result<Arc<Expr>, Arc<Error>>,
}

/// A line of a Rust program.
struct Line {
    location: &'static Location<'static>,
    text: OnceLock<String>,
}

impl Place for Line {
    fn text(&self) -> Option<&str> {
        Some(self.text.get_or_init(|| format!("{}:{}", self.location.file(), self.location.line())))
    }
}

/// What a constructor of expressions gives.
type Built = std::result::Result<Arc<Expr>, ArrayError>;

impl Array {
    /// The array that was built, or the one that tells why it was not.
    #[track_caller]
    fn built(built: Built) -> Array {
        Array::built_at(built, Location::caller())
    }

    fn built_at(built: Built, place: &'static Location<'static>) -> Array {
        match built {
            Ok(mut expr) => {
                if let Some(expr) = Arc::get_mut(&mut expr) {
                    expr.set_origin(Arc::new(Line { location: place, text: OnceLock::new() }));
                }
                Array { state: Ok(expr) }
            }
            Err(error) => Array { state: Err(Arc::new(Error::Build { error, place })) },
        }
    }

    /// The array that `build` makes of this one's expression.
    #[track_caller]
    fn derive(&self, build: impl FnOnce(&Arc<Expr>) -> Built) -> Array {
        let place = Location::caller();
        match &self.state {
            Ok(expr) => Array::built_at(build(expr), place),
            Err(error) => Array { state: Err(Arc::clone(error)) },
        }
    }

    /// The array that `build` makes of the expressions of several; the first that failed speaks for all.
    fn combine(
        arrays: &[&Array],
        place: &'static Location<'static>,
        build: impl FnOnce(&[Arc<Expr>]) -> Built,
    ) -> Array {
        let exprs: std::result::Result<Vec<Arc<Expr>>, Arc<Error>> =
            arrays.iter().map(|array| array.state.clone()).collect();
        match exprs {
            Ok(exprs) => Array::built_at(build(&exprs), place),
            Err(error) => Array { state: Err(error) },
        }
    }

    /// The expression, for those who build on the crates below.
    pub fn expr(&self) -> Result<&Arc<Expr>> {
        self.state.as_ref().map_err(|error| Error::clone(error))
    }

    /// Was every operation given what it can take?
    ///
    /// ```
    /// assert!(raskr::array::ones([2, 3], 1).sum(5).check().is_err());
    /// ```
    pub fn check(&self) -> Result<()> {
        self.expr().map(|_| ())
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> Result<Vec<usize>> {
        Ok(self.expr()?.grid().shape().iter().map(|n| *n as usize).collect())
    }

    /// Number of axes.
    pub fn ndim(&self) -> Result<usize> {
        Ok(self.expr()?.ndim())
    }

    /// Number of elements.
    pub fn size(&self) -> Result<usize> {
        Ok(self.shape()?.iter().product())
    }

    /// The element type.
    pub fn dtype(&self) -> Result<DType> {
        Ok(native(self.expr()?))
    }

    /// Lengths of the chunks along each axis.
    pub fn chunks(&self) -> Result<Vec<Vec<usize>>> {
        let grid = self.expr()?.grid();
        Ok(grid.axes().iter().map(|axis| axis.sizes().iter().map(|n| *n as usize).collect()).collect())
    }
}

/// The element type of an expression of this crate's, all of which are native.
fn native(expr: &Expr) -> DType {
    expr.dtype().unwrap_or(DType::F64)
}

impl From<Arc<Expr>> for Array {
    /// An array of an expression that was built with the crates below; its blocks are native chunks.
    fn from(expr: Arc<Expr>) -> Array {
        if expr.is_native() && expr.grid().is_known() {
            return Array { state: Ok(expr) };
        }
        Array::built(Err(ArrayError::Unexpected {
            operation: "Array::from",
            expected: "an expression of a native element type and of known chunks".to_owned(),
            got: format!("{} in chunks {:?}", expr.element(), expr.grid()),
        }))
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Ok(expr) => write!(f, "Array({}, {}, chunks {:?})", expr.label(), expr.element(), expr.grid().axes()),
            Err(error) => write!(f, "Array(error: {error})"),
        }
    }
}

/// An axis counted from the front, negative ones from the back.
fn axis_of(operation: &'static str, axis: i64, ndim: usize) -> std::result::Result<usize, ArrayError> {
    let counted = if axis < 0 { axis + ndim as i64 } else { axis };
    if (0..ndim as i64).contains(&counted) {
        return Ok(counted as usize);
    }
    Err(ArrayError::Unexpected {
        operation,
        expected: format!("an axis of an array of {ndim} dimensions"),
        got: format!("axis {axis}"),
    })
}
