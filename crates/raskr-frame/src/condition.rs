//! `Condition`: what must hold of a column for a row to be wanted, so that readers may leave out rows of which it can't.

use std::cmp::Ordering;

use arrow::array::ArrayRef;
use datafusion_common::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::expr::{Binary, Expr};

/// A comparison of a column with a constant, which all rows that are wanted satisfy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub column: String,
    comparison: Binary,
    #[serde(with = "crate::wire::scalar")]
    value: ScalarValue,
}

/// Whole numbers beyond may be others as floating-point numbers.
const EXACT: i64 = 1 << 53;

impl Condition {
    /// What a filter by `predicate` says of single columns; all other conditions are left to the filter.
    pub fn all_of(predicate: &Expr) -> Vec<Condition> {
        match predicate {
            Expr::Binary(Binary::And, left, right) => {
                let mut found = Condition::all_of(left);
                found.extend(Condition::all_of(right));
                found
            }
            Expr::Binary(comparison, left, right) => match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value)) => Condition::new(column, *comparison, value),
                (Expr::Literal(value), Expr::Column(column)) => Condition::new(column, flipped(*comparison), value),
                _ => None,
            }
            .into_iter()
            .collect(),
            _ => Vec::new(),
        }
    }

    fn new(column: &str, comparison: Binary, value: &ScalarValue) -> Option<Condition> {
        let bounded = comparison.is_comparison() && comparison != Binary::NotEqual;
        bounded.then(|| Condition { column: column.to_owned(), comparison, value: value.clone() })
    }

    /// Can it hold of any of the values whose least and greatest stand at a place? Where these are not known it can.
    pub fn may_hold(&self, least: &ArrayRef, greatest: &ArrayRef, place: usize) -> bool {
        let against = |bounds: &ArrayRef| {
            ScalarValue::try_from_array(bounds, place).ok().and_then(|bound| compared(&bound, &self.value))
        };
        let least_is = |wanted: &[Ordering]| against(least).is_none_or(|order| wanted.contains(&order));
        let greatest_is = |wanted: &[Ordering]| against(greatest).is_none_or(|order| wanted.contains(&order));
        match self.comparison {
            Binary::Less => least_is(&[Ordering::Less]),
            Binary::LessEqual => least_is(&[Ordering::Less, Ordering::Equal]),
            Binary::Greater => greatest_is(&[Ordering::Greater]),
            Binary::GreaterEqual => greatest_is(&[Ordering::Greater, Ordering::Equal]),
            _ => least_is(&[Ordering::Less, Ordering::Equal]) && greatest_is(&[Ordering::Greater, Ordering::Equal]),
        }
    }
}

fn flipped(comparison: Binary) -> Binary {
    match comparison {
        Binary::Less => Binary::Greater,
        Binary::LessEqual => Binary::GreaterEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterEqual => Binary::LessEqual,
        other => other,
    }
}

/// How values compare; `None` where that is not known for certain.
fn compared(one: &ScalarValue, other: &ScalarValue) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (text(one), text(other)) {
        return Some(one.cmp(other));
    }
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return Some(one.cmp(&other));
    }
    if let (Some(one), Some(other)) = (real(one), real(other)) {
        return one.partial_cmp(&other);
    }
    if matches!(one.data_type(), arrow::datatypes::DataType::Timestamp(..)) && one.data_type() == other.data_type() {
        return if one.is_null() || other.is_null() { None } else { one.partial_cmp(other) };
    }
    None
}

fn text(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

fn whole(value: &ScalarValue) -> Option<i64> {
    Some(match value {
        ScalarValue::Int8(value) => (*value)?.into(),
        ScalarValue::Int16(value) => (*value)?.into(),
        ScalarValue::Int32(value) => (*value)?.into(),
        ScalarValue::Int64(value) => (*value)?,
        ScalarValue::UInt8(value) => (*value)?.into(),
        ScalarValue::UInt16(value) => (*value)?.into(),
        ScalarValue::UInt32(value) => (*value)?.into(),
        ScalarValue::UInt64(value) => i64::try_from((*value)?).ok()?,
        _ => return None,
    })
}

fn real(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float32(value) => (*value).map(f64::from),
        ScalarValue::Float64(value) => *value,
        _ => whole(value).filter(|value| (-EXACT..=EXACT).contains(value)).map(|value| value as f64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn holds(predicate: &Expr, least: i64, greatest: i64) -> bool {
        let bounds = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        Condition::all_of(predicate).iter().all(|condition| condition.may_hold(&bounds(least), &bounds(greatest), 0))
    }

    #[test]
    fn a_range_is_wanted_where_a_value_in_it_may_satisfy_the_comparison() {
        let (column, five) = (|| Expr::column("a"), || Expr::Literal(ScalarValue::Int64(Some(5))));
        for (name, comparison) in Binary::ALL.into_iter().filter(|(_, binary)| binary.is_comparison()) {
            for least in 0..10 {
                for greatest in least..10 {
                    let satisfies = |a: i64, b: i64| match comparison {
                        Binary::Equal => a == b,
                        Binary::Less => a < b,
                        Binary::LessEqual => a <= b,
                        Binary::Greater => a > b,
                        Binary::GreaterEqual => a >= b,
                        _ => true,
                    };
                    let expected = (least..=greatest).any(|value| satisfies(value, 5));
                    let found = holds(&Expr::binary(comparison, column(), five()), least, greatest);
                    assert_eq!(found, expected, "{name} 5 of {least}..={greatest}");
                    let expected = (least..=greatest).any(|value| satisfies(5, value));
                    let found = holds(&Expr::binary(comparison, five(), column()), least, greatest);
                    assert_eq!(found, expected, "5 {name} of {least}..={greatest}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_for_certain_is_wanted() {
        let above = |value| Expr::binary(Binary::Greater, Expr::column("a"), Expr::Literal(value));
        let float = |value| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
        let single = |predicate: &Expr| Condition::all_of(predicate).remove(0);
        let five = single(&above(ScalarValue::Float64(Some(5.0))));
        assert!(!five.may_hold(&float(Some(0.0)), &float(Some(4.0)), 0));
        assert!(five.may_hold(&float(None), &float(None), 0));
        assert!(five.may_hold(&float(Some(f64::NAN)), &float(Some(f64::NAN)), 0));
        // Whole numbers that are not the same as floating-point numbers.
        let large = Arc::new(Int64Array::from(vec![(1 << 60) + 1])) as ArrayRef;
        assert!(single(&above(ScalarValue::Float64(Some(2_f64.powi(60))))).may_hold(&large, &large, 0));
        assert!(single(&above(ScalarValue::from("b"))).may_hold(&large, &large, 0));
        // Only what holds of all rows counts.
        let either = Expr::binary(Binary::Or, above(ScalarValue::Int64(Some(1))), above(ScalarValue::Int64(Some(2))));
        assert!(Condition::all_of(&either).is_empty());
    }
}
