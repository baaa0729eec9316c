//! What can be wrong with a text or with what is asked of it.

use std::fmt;

use arrow_schema::DataType;
use thiserror::Error;

/// The type that all fields of a column would have had, as pandas infers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Int64,
    UInt64,
    Float64,
    Boolean,
    /// Text, or values of several types.
    Object,
}

impl fmt::Display for Found {
    /// NumPy's name.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Found::Int64 => "int64",
            Found::UInt64 => "uint64",
            Found::Float64 => "float64",
            Found::Boolean => "bool",
            Found::Object => "object",
        })
    }
}

/// A column whose fields are not all of the expected type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMismatch {
    pub name: String,
    pub found: Found,
    pub expected: DataType,
    /// The line of the first field that is not.
    pub line: u64,
}

impl fmt::Display for ColumnMismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ColumnMismatch { name, found, expected, line } = self;
        write!(out, "column {name:?} was expected to be {expected}, found {found} (line {line})")
    }
}

/// Lines count as pandas counts them: from 1, blank ones too, but a line end within quotes does not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CsvError {
    #[error("expected {what}, got the byte {byte:#04x}")]
    Dialect { what: &'static str, byte: u8 },

    #[error("expected {expected}, got {found}")]
    Argument { expected: &'static str, found: String },

    #[error("expected column {name:?} at a place of its own below {width}, got {position}")]
    Position { name: String, position: usize, width: usize },

    #[error("column {name:?}: expected integers, floats of 32 or 64 bits, Boolean or Utf8View, got {data_type}")]
    Type { name: String, data_type: DataType },

    #[error("Expected {expected} fields in line {line}, saw {found}")]
    Fields { expected: usize, line: u64, found: usize },

    #[error("EOF inside string starting at row {row}")]
    Unclosed { row: u64 },

    #[error("column {name:?}: line {line}: expected UTF-8, got other bytes")]
    NotUtf8 { name: String, line: u64 },

    #[error("column {name:?}: line {line}: expected a field of less than 2 GiB, got {length} bytes")]
    Length { name: String, line: u64, length: usize },

    #[error("{}", .columns.iter().map(ColumnMismatch::to_string).collect::<Vec<_>>().join("; "))]
    Mismatch { columns: Vec<ColumnMismatch>, line: u64 },

    #[error("expected no more text behind the end that was announced, got {length} bytes")]
    Ended { length: usize },

    #[error("Arrow refused a batch: {message}")]
    Batch { message: String },
}
