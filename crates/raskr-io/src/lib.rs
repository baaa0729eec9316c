//! Files to blocks and back: npy files, npy stacks, Zarr arrays (versions 2 and 3), text; CSV and Parquet to Arrow; files in object stores.
//!
//! Knows: file layouts, and how a block of an array or of lines lies in them. Does not know: task graphs, which thread asks, Python.
//! Invariants: nothing here unpickles; what is written appears under its name only when it is whole ([`Temporary`]);
//! every error names the file, and what was expected and found there.
//! Tested beside each module, and in `tests/` as a user of the crate: round trips, damaged files, arbitrary headers.

mod bytes;
pub mod csv;
pub mod csv_table;
mod descr;
mod error;
pub mod npy;
pub mod npy_stack;
pub mod objects;
pub mod parquet_table;
mod row_numbers;
mod temporary;
pub mod text;
pub mod zarr;

pub use error::IoError;
pub use npy::{NpyFile, read_npy, write_npy};
pub use npy_stack::{NpyStack, NpyStackWriter};
pub use temporary::Temporary;
pub use zarr::{Compressor, ZarrArray, ZarrSpec, ZarrVersion, ZarrWriter, create_groups};
