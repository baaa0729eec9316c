//! Zarr arrays, versions 2 and 3, in folders: opened, read by region, written by region and published whole.
//!
//! Chunk keys, codecs, shards and partial reads are the `zarrs` crate's; metadata, dates, whole uncompressed chunks and
//! error texts are handled here.

mod metadata;
mod read;
mod write;

pub use metadata::{Compressor, ZarrSpec, ZarrVersion};
pub use read::ZarrArray;
pub use write::{ZarrWriter, create_groups};
