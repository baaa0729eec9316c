//! Files as a user of the crate meets them.

mod csv;
mod parquet;
mod text;
mod zarr;
