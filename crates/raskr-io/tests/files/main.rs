//! Files as a user of the crate meets them.

mod text;
mod zarr;
