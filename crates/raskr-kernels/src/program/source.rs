//! `Source`: operands without memory, whose value is a function of a linear element index.

use raskr_base::DType;
use serde::{Deserialize, Serialize};

use super::scalar::Scalar;

/// A virtual operand.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Source {
    Constant {
        dtype: DType,
        value: Scalar,
    },
    /// `start + index * step`, computed in `dtype` as NumPy's `arange` does.
    Iota {
        dtype: DType,
        start: Scalar,
        step: Scalar,
    },
    /// 1 where `column - row == k` for `index = row * columns + column`, else 0.
    Diagonal {
        dtype: DType,
        columns: u64,
        k: i64,
    },
}

impl Source {
    pub fn dtype(&self) -> DType {
        match self {
            Source::Constant { dtype, .. } | Source::Iota { dtype, .. } | Source::Diagonal { dtype, .. } => *dtype,
        }
    }
}
