//! What can be wrong with the parameters of a distribution.

use raskr_base::{DType, ErrorClass};

/// A refused parameter. `condition` is what holds of it but must not, in the words NumPy uses (`scale < 0`).
#[derive(thiserror::Error, Clone, PartialEq, Debug)]
pub enum RandomError {
    #[error("{condition}: {distribution} got {parameter} = {value}")]
    Parameter { distribution: &'static str, parameter: &'static str, condition: &'static str, value: f64 },
    #[error("{condition}: {distribution} got {values}")]
    Combination { distribution: &'static str, condition: &'static str, values: String },
    #[error("{distribution} takes {expected} parameters, got {got}")]
    ParameterCount { distribution: &'static str, expected: usize, got: usize },
    #[error("{distribution} needs one value or {expected} values of each parameter, got {got}")]
    ParameterLength { distribution: &'static str, expected: usize, got: usize },
    /// NumPy raises an `OverflowError` here.
    #[error("high - low range exceeds valid bounds: {distribution} got low = {low}, high = {high}")]
    Range { distribution: &'static str, low: f64, high: f64 },
    #[error("{bound} is out of bounds for {dtype}: integers got the range from {low} to {high}")]
    IntegerRange { bound: &'static str, dtype: DType, low: i128, high: i128 },
    #[error("Unsupported dtype {dtype} for integers: expected an integer type or bool")]
    IntegerType { dtype: DType },
}

impl RandomError {
    pub fn class(&self) -> ErrorClass {
        match self {
            RandomError::IntegerType { .. } => ErrorClass::Type,
            RandomError::Parameter { .. }
            | RandomError::Combination { .. }
            | RandomError::ParameterCount { .. }
            | RandomError::ParameterLength { .. }
            | RandomError::Range { .. }
            | RandomError::IntegerRange { .. } => ErrorClass::Value,
        }
    }
}
