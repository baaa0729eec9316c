//! CSV to Arrow: text in pieces of any size goes in, record batches of the wanted columns come out.
//!
//! The meaning is that of pandas' `read_csv` with its C parser: which bytes are a field, which words are missing, what
//! is a number. Differences, all of them deliberate: numbers are rounded exactly, a type that does not fit is reported
//! after the whole text was looked at, with the type that would have fitted, and extra fields are an error whichever
//! columns are wanted (unless the dialect says otherwise).
//!
//! Text is looked at in blocks of 64 bytes (`lanes`): the places of delimiters, line ends and quotes become three masks
//! of 64 bits. `structure` removes what stands within quotes, `scan` walks the bits that are left, passing over fields
//! that nobody wants by counting bits, and `table` turns the others into values, without strings in between.
//!
//! Knows: bytes of UTF-8. Does not know: files, encodings, headers (whose lines it can pass over), threads.
//! Invariants: the same text gives the same batches however it is cut; memory holds a piece of text, the field across
//! its end, and the batches that were not taken; no text makes it panic.
//! Tested beside each module, and in `tests/` against a reader that goes from character to character, and against
//! values that pandas gave.

mod dialect;
mod error;
mod lanes;
mod number;
mod parser;
mod quoted;
mod scan;
mod seen;
mod structure;
mod table;
mod text;

pub use dialect::Dialect;
pub use error::{ColumnMismatch, CsvError, Found};
pub use parser::{Column, Parser};
