//! Files in object stores (S3, Google Cloud Storage, Azure) and on web servers: read by ranges, written whole, listed.
//!
//! Requests are made by a small runtime of this module's own; who asks waits for the answer, and may be any thread.
//! A file is named by its URL and the options of its store, which are those of the crate `object_store`; stores are kept
//! for as long as the process lives, so that connections and credentials are shared.

mod fetched;
mod reader;
mod requests;
mod store;
mod writer;

pub(crate) use fetched::Fetched;
pub use reader::ObjectReader;
pub use store::{Listed, ObjectFile, StoreOptions, list};
pub use writer::ObjectWriter;
