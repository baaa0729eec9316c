//! Files as a user of the crate meets them.

mod csv;
mod text;
mod zarr;
