//! Elementwise operations: mathematics, comparisons, choices. Inputs broadcast, and are promoted as NumPy does.

use std::panic::Location;
use std::sync::Arc;

use raskr_array::{ArrayError, Expr, Grid};
use raskr_base::DType;
use raskr_kernels::program::{OpCode, Scalar, has_op};

use super::promote::{float_for, own_type, promote, with_scalar};
use super::{Array, Built, native};

/// What an elementwise operation takes: an array, or a plain number.
#[derive(Clone, Debug)]
pub struct Term(TermKind);

#[derive(Clone, Debug)]
enum TermKind {
    Array(Array),
    Scalar(Scalar),
}

impl From<Array> for Term {
    fn from(array: Array) -> Term {
        Term(TermKind::Array(array))
    }
}

impl From<&Array> for Term {
    fn from(array: &Array) -> Term {
        Term(TermKind::Array(array.clone()))
    }
}

macro_rules! scalar_terms {
    ($($type:ty),*) => {$(
        impl From<$type> for Term {
            fn from(value: $type) -> Term {
                Term(TermKind::Scalar(Scalar::from(value)))
            }
        }
    )*};
}
scalar_terms!(bool, i64, f64);

/// The element type in which terms meet.
fn common(operation: &'static str, exprs: &[Option<&Arc<Expr>>], terms: &[Term]) -> Result<DType, ArrayError> {
    let mut arrays = exprs.iter().flatten().map(|expr| native(expr));
    let mut scalars = terms.iter().filter_map(|term| match &term.0 {
        TermKind::Scalar(scalar) => Some(*scalar),
        TermKind::Array(_) => None,
    });
    let together = |a: DType, b: DType| {
        promote(a, b).ok_or_else(|| ArrayError::NoLoop { operation: operation.to_owned(), types: format!("{a}, {b}") })
    };
    let start = match arrays.next() {
        Some(first) => arrays.try_fold(first, together)?,
        None => {
            let own = scalars.next().map_or(DType::F64, own_type);
            return scalars.map(own_type).try_fold(own, together);
        }
    };
    scalars.try_fold(start, |dtype, scalar| with_scalar(operation, dtype, scalar))
}

/// The types that the inputs are converted to: the first for which there is a native loop.
fn loop_types(code: OpCode, exprs: &[Option<&Arc<Expr>>], terms: &[Term]) -> Result<Vec<DType>, ArrayError> {
    let operation = code.name();
    if matches!(code, OpCode::LogicalAnd | OpCode::LogicalOr | OpCode::LogicalXor | OpCode::LogicalNot) {
        return Ok(vec![DType::Bool; terms.len()]);
    }
    if code == OpCode::Where {
        let dtype = common(operation, &exprs[1..], &terms[1..])?;
        return Ok(vec![DType::Bool, dtype, dtype]);
    }
    let dtype = common(operation, exprs, terms)?;
    let no_loop = || ArrayError::NoLoop { operation: operation.to_owned(), types: dtype.to_string() };
    // NumPy refuses these for truths, where converting them first would make something up.
    if dtype == DType::Bool && matches!(code, OpCode::Subtract | OpCode::Negative | OpCode::Positive | OpCode::Sign) {
        return Err(no_loop());
    }
    let mut candidates = vec![dtype];
    if dtype == DType::Bool {
        candidates.push(DType::I8);
    }
    if dtype.is_integer() || dtype == DType::Bool {
        let narrowest = float_for(dtype).itemsize();
        candidates.extend([DType::F16, DType::F32, DType::F64].iter().filter(|f| f.itemsize() >= narrowest));
    }
    candidates
        .into_iter()
        .map(|dtype| vec![dtype; terms.len()])
        .find(|dtypes| has_op(code, dtypes).is_some())
        .ok_or_else(no_loop)
}

/// The operation on terms.
pub(super) fn apply(code: OpCode, terms: &[Term], place: &'static Location<'static>) -> Array {
    let arrays: Vec<&Array> = terms
        .iter()
        .filter_map(|term| match &term.0 {
            TermKind::Array(array) => Some(array),
            TermKind::Scalar(_) => None,
        })
        .collect();
    Array::combine(&arrays, place, |given| build(code, terms, given))
}

fn build(code: OpCode, terms: &[Term], given: &[Arc<Expr>]) -> Built {
    let mut given = given.iter();
    let exprs: Vec<Option<&Arc<Expr>>> = terms
        .iter()
        .map(|term| match &term.0 {
            TermKind::Array(_) => given.next(),
            TermKind::Scalar(_) => None,
        })
        .collect();
    let dtypes = loop_types(code, &exprs, terms)?;
    let inputs: Vec<Arc<Expr>> = exprs
        .into_iter()
        .zip(terms)
        .zip(&dtypes)
        .map(|((expr, term), dtype)| match (expr, &term.0) {
            (Some(expr), _) => Arc::clone(expr),
            (None, TermKind::Scalar(scalar)) => Expr::full(Grid::default(), *dtype, *scalar, "constant"),
            (None, TermKind::Array(_)) => Expr::full(Grid::default(), *dtype, Scalar::I64(0), "constant"),
        })
        .collect();
    Expr::elementwise(code, &inputs, &dtypes, code.name())
}

/// Elements of `if_true` where `condition` holds, of `if_false` elsewhere.
///
/// ```
/// use raskr::array;
///
/// let x = array::arange(0, 4, 1, 2);
/// assert_eq!(array::where_(x.less(2), &x, -1).to_vec::<i64>()?, [0, 1, -1, -1]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn where_(condition: impl Into<Term>, if_true: impl Into<Term>, if_false: impl Into<Term>) -> Array {
    apply(OpCode::Where, &[condition.into(), if_true.into(), if_false.into()], Location::caller())
}

/// Elements limited to `low` and `high`.
#[track_caller]
pub fn clip(array: impl Into<Term>, low: impl Into<Term>, high: impl Into<Term>) -> Array {
    apply(OpCode::Clip, &[array.into(), low.into(), high.into()], Location::caller())
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $code:ident;)*) => {
        /// Functions of each element. Integers become floats where the function needs it.
        impl Array {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> Array {
                apply(OpCode::$code, &[self.into()], Location::caller())
            })*
        }
    };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $code:ident;)*) => {
        /// Functions of pairs of elements, of this array and of another or of a number.
        impl Array {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self, other: impl Into<Term>) -> Array {
                apply(OpCode::$code, &[self.into(), other.into()], Location::caller())
            })*
        }
    };
}

unary! {
    /// The magnitude.
    abs Absolute;
    /// -1, 0 or 1, by the sign.
    sign Sign;
    /// The square root.
    ///
    /// ```
    /// let x = raskr::array::arange(0, 10, 3, 2);
    /// assert_eq!(x.square().sqrt().to_vec::<f64>()?, [0.0, 3.0, 6.0, 9.0]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    sqrt Sqrt;
    /// The square.
    square Square;
    /// The cube root.
    cbrt Cbrt;
    /// One divided by the element.
    reciprocal Reciprocal;
    /// e to the power of the element.
    exp Exp;
    /// 2 to the power of the element.
    exp2 Exp2;
    /// `exp(x) - 1`, exact for small x.
    expm1 Expm1;
    /// The natural logarithm.
    log Log;
    /// The logarithm to base 2.
    log2 Log2;
    /// The logarithm to base 10.
    log10 Log10;
    /// `log(1 + x)`, exact for small x.
    log1p Log1p;
    /// The sine of an angle in radians.
    sin Sin;
    /// The cosine of an angle in radians.
    cos Cos;
    /// The tangent of an angle in radians.
    tan Tan;
    /// The angle whose sine is the element.
    arcsin Arcsin;
    /// The angle whose cosine is the element.
    arccos Arccos;
    /// The angle whose tangent is the element.
    arctan Arctan;
    /// The hyperbolic sine.
    sinh Sinh;
    /// The hyperbolic cosine.
    cosh Cosh;
    /// The hyperbolic tangent.
    tanh Tanh;
    /// The largest whole number not above the element.
    floor Floor;
    /// The smallest whole number not below the element.
    ceil Ceil;
    /// The element without its fraction.
    trunc Trunc;
    /// The nearest whole number, halves to the even one.
    rint Rint;
    /// Is the element not a number?
    is_nan IsNan;
    /// Is the element infinite?
    is_inf IsInf;
    /// Is the element neither infinite nor NaN?
    is_finite IsFinite;
    /// The real part of complex elements.
    real Real;
    /// The imaginary part of complex elements.
    imag Imag;
    /// Complex elements with the sign of their imaginary part turned.
    conj Conjugate;
    /// Is the element zero or false?
    logical_not LogicalNot;
}

binary! {
    /// Is the element equal to the other?
    equal Equal;
    /// Does the element differ from the other?
    not_equal NotEqual;
    /// Is the element less than the other?
    ///
    /// ```
    /// let x = raskr::array::arange(0, 10, 1, 4);
    /// assert_eq!(x.less(3).sum(..).item::<i64>()?, 3);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    less Less;
    /// Is the element less than the other or equal to it?
    less_equal LessEqual;
    /// Is the element greater than the other?
    greater Greater;
    /// Is the element greater than the other or equal to it?
    greater_equal GreaterEqual;
    /// Are both true (not zero)?
    logical_and LogicalAnd;
    /// Is either true (not zero)?
    logical_or LogicalOr;
    /// Is exactly one true (not zero)?
    logical_xor LogicalXor;
    /// The smaller of both; NaN when either is.
    minimum Minimum;
    /// The larger of both; NaN when either is.
    maximum Maximum;
    /// The element to the power of the other.
    pow Power;
    /// The largest whole number not above the quotient.
    floor_divide FloorDivide;
    /// The angle of the point whose ordinate is the element and whose abscissa is the other.
    arctan2 Arctan2;
    /// The length of the hypotenuse over two sides.
    hypot Hypot;
}

impl Array {
    /// The same values as another element type, converted as NumPy's `astype` does.
    ///
    /// ```
    /// let x = raskr::array::linspace(0.0, 2.0, 5, 2).astype(raskr::DType::I32);
    /// assert_eq!(x.to_vec::<i32>()?, [0, 0, 1, 1, 2]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn astype(&self, dtype: DType) -> Array {
        self.derive(|expr| expr.cast(dtype))
    }
}
