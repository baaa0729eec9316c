//! `Expr`: a value for each row, from the columns of a table, with pandas' meaning of missing values.
//!
//! Missing is null, also for floats: what an operation turns into NaN becomes null, so that NaN never stands in a column.
//! Comparisons with a missing value are false, and true for "not equal", as in pandas.

use arrow::datatypes::{DataType, Schema};
use datafusion_common::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::error::{FrameError, names_of};

/// An operation of two values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    /// The quotient as a floating-point number.
    Divide,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
}

impl Binary {
    pub const ALL: [(&'static str, Binary); 12] = [
        ("add", Binary::Add),
        ("sub", Binary::Subtract),
        ("mul", Binary::Multiply),
        ("truediv", Binary::Divide),
        ("eq", Binary::Equal),
        ("ne", Binary::NotEqual),
        ("lt", Binary::Less),
        ("le", Binary::LessEqual),
        ("gt", Binary::Greater),
        ("ge", Binary::GreaterEqual),
        ("and", Binary::And),
        ("or", Binary::Or),
    ];

    /// The operation of this name, which is that of Python's `operator` module.
    pub fn from_name(name: &str) -> Option<Binary> {
        Binary::ALL.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation)
    }

    pub fn name(self) -> &'static str {
        Binary::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    pub fn is_comparison(self) -> bool {
        use Binary::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }
}

/// A value for each row.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Expr {
    Column(String),
    Literal(#[serde(with = "crate::wire::scalar")] ScalarValue),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    IsMissing(Box<Expr>),
    /// Is the value one of these, which have its type?
    IsIn(Box<Expr>, #[serde(with = "crate::wire::scalars")] Vec<ScalarValue>),
    Cast(Box<Expr>, #[serde(with = "crate::wire::types")] DataType),
    /// The first value, or the second where the first is missing.
    Otherwise(Box<Expr>, Box<Expr>),
}

impl Expr {
    pub fn column(name: impl Into<String>) -> Expr {
        Expr::Column(name.into())
    }

    pub fn binary(operation: Binary, left: Expr, right: Expr) -> Expr {
        Expr::Binary(operation, Box::new(left), Box::new(right))
    }

    pub fn cast(self, to: DataType) -> Expr {
        Expr::Cast(Box::new(self), to)
    }

    fn is_literal(&self) -> bool {
        matches!(self, Expr::Literal(_))
    }

    /// The type of the values, for a table of a schema; an error where the operation is not done natively.
    pub fn data_type(&self, schema: &Schema) -> Result<DataType, FrameError> {
        Ok(match self {
            Expr::Column(name) => match schema.field_with_name(name) {
                Ok(field) => field.data_type().clone(),
                Err(_) => return Err(FrameError::NoColumn { name: name.clone(), there: names_of(schema) }),
            },
            Expr::Literal(value) => value.data_type(),
            Expr::Binary(operation, left, right) => {
                let common = common_type(*operation, left, right, schema)?;
                if operation.is_comparison() { DataType::Boolean } else { common }
            }
            Expr::Not(inner) => match inner.data_type(schema)? {
                DataType::Boolean => DataType::Boolean,
                other => return Err(not_native("not", &[&other])),
            },
            Expr::Negate(inner) => match inner.data_type(schema)? {
                kind if kind.is_signed_integer() || kind.is_floating() => kind,
                other => return Err(not_native("negation", &[&other])),
            },
            Expr::IsMissing(inner) => inner.data_type(schema).map(|_| DataType::Boolean)?,
            Expr::IsIn(inner, values) => {
                let kind = inner.data_type(schema)?;
                match values.iter().find(|value| value.data_type() != kind) {
                    Some(other) => return Err(not_native("isin", &[&kind, &other.data_type()])),
                    None => DataType::Boolean,
                }
            }
            Expr::Cast(inner, to) => {
                let from = inner.data_type(schema)?;
                let numeric = |kind: &DataType| kind.is_numeric() || *kind == DataType::Boolean;
                match from == *to || numeric(&from) && numeric(to) {
                    true => to.clone(),
                    false => return Err(not_native("astype", &[&from, to])),
                }
            }
            Expr::Otherwise(first, second) => {
                let (first, second) = (first.data_type(schema)?, second.data_type(schema)?);
                match first == second {
                    true => first,
                    false => return Err(not_native("fillna", &[&first, &second])),
                }
            }
        })
    }

    /// Adds the columns that the expression needs.
    pub fn columns(&self, into: &mut Vec<String>) {
        match self {
            Expr::Column(name) => {
                if !into.contains(name) {
                    into.push(name.clone());
                }
            }
            Expr::Literal(_) => {}
            Expr::Binary(_, left, right) | Expr::Otherwise(left, right) => {
                left.columns(into);
                right.columns(into);
            }
            Expr::Not(inner)
            | Expr::Negate(inner)
            | Expr::IsMissing(inner)
            | Expr::IsIn(inner, _)
            | Expr::Cast(inner, _) => inner.columns(into),
        }
    }

    /// The same expression of other columns: each is replaced by what `columns` has for its name.
    pub fn over(&self, columns: &dyn Fn(&str) -> Option<Expr>) -> Option<Expr> {
        let inner = |expr: &Expr| expr.over(columns).map(Box::new);
        Some(match self {
            Expr::Column(name) => columns(name)?,
            Expr::Literal(value) => Expr::Literal(value.clone()),
            Expr::Binary(operation, left, right) => Expr::Binary(*operation, inner(left)?, inner(right)?),
            Expr::Not(of) => Expr::Not(inner(of)?),
            Expr::Negate(of) => Expr::Negate(inner(of)?),
            Expr::IsMissing(of) => Expr::IsMissing(inner(of)?),
            Expr::IsIn(of, values) => Expr::IsIn(inner(of)?, values.clone()),
            Expr::Cast(of, to) => Expr::Cast(inner(of)?, to.clone()),
            Expr::Otherwise(first, second) => Expr::Otherwise(inner(first)?, inner(second)?),
        })
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expr::Column(name) => write!(f, "{name}"),
            Expr::Literal(value) => write!(f, "{value}"),
            Expr::Binary(operation, left, right) => write!(f, "{}({left}, {right})", operation.name()),
            Expr::Not(inner) => write!(f, "not({inner})"),
            Expr::Negate(inner) => write!(f, "neg({inner})"),
            Expr::IsMissing(inner) => write!(f, "isna({inner})"),
            Expr::IsIn(inner, values) => write!(f, "isin({inner}, {} values)", values.len()),
            Expr::Cast(inner, to) => write!(f, "astype({inner}, {to})"),
            Expr::Otherwise(first, second) => write!(f, "fillna({first}, {second})"),
        }
    }
}

fn not_native(operation: &str, types: &[&DataType]) -> FrameError {
    let types = types.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" and ");
    FrameError::NotNative { operation: operation.to_owned(), types }
}

/// The type in which an operation of two values is done: NumPy's, where pandas leaves it to NumPy.
pub(crate) fn common_type(
    operation: Binary,
    left: &Expr,
    right: &Expr,
    schema: &Schema,
) -> Result<DataType, FrameError> {
    let (own, other) = (left.data_type(schema)?, right.data_type(schema)?);
    let refuse = || not_native(operation.name(), &[&own, &other]);
    if matches!(operation, Binary::And | Binary::Or) {
        return if own == DataType::Boolean && other == own { Ok(own) } else { Err(refuse()) };
    }
    let numeric = own.is_numeric() && other.is_numeric();
    if !numeric {
        let comparable = matches!(own, DataType::Utf8View | DataType::Boolean | DataType::Timestamp(..));
        return if operation.is_comparison() && comparable && own == other { Ok(own) } else { Err(refuse()) };
    }
    // A number that was written in the program takes the column's type, if it is of the same kind.
    let adapted = match (left.is_literal(), right.is_literal()) {
        (true, false) => adapted(&own, &other),
        (false, true) => adapted(&other, &own),
        _ => None,
    };
    let common = match adapted {
        Some(kind) => kind,
        None => promoted(&own, &other).ok_or_else(refuse)?,
    };
    if operation != Binary::Divide {
        return Ok(common);
    }
    match common {
        DataType::Float32 | DataType::Float64 => Ok(common),
        DataType::Int32 | DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Ok(DataType::Float64),
        // NumPy gives half precision.
        _ => Err(refuse()),
    }
}

fn adapted(literal: &DataType, column: &DataType) -> Option<DataType> {
    let fits = literal.is_integer() || column.is_floating();
    fits.then(|| column.clone())
}

fn promoted(own: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    if own == other {
        return Some(own.clone());
    }
    let bits = |kind: &DataType| kind.primitive_width().unwrap_or(8) * 8;
    let wider = |a: &DataType, b: &DataType| if bits(a) >= bits(b) { a.clone() } else { b.clone() };
    let half = *own == DataType::Float16 || *other == DataType::Float16;
    match (own.is_floating(), other.is_floating()) {
        _ if half => None,
        (true, true) => Some(Float64),
        (true, false) | (false, true) => {
            let (float, integer) = if own.is_floating() { (own, other) } else { (other, own) };
            Some(if *float == Float32 && bits(integer) <= 16 { Float32 } else { Float64 })
        }
        (false, false) if own.is_signed_integer() == other.is_signed_integer() => Some(wider(own, other)),
        (false, false) => {
            let (signed, unsigned) = if own.is_signed_integer() { (own, other) } else { (other, own) };
            let needed = match unsigned {
                UInt8 => Int16,
                UInt16 => Int32,
                UInt32 => Int64,
                UInt64 => return Some(Float64),
                _ => return None,
            };
            matches!(signed, Int8 | Int16 | Int32 | Int64).then(|| wider(signed, &needed))
        }
    }
}
