//! Text files to lines: decompression, decoding and splitting by streams, whole files or regions of them.
//!
//! A file is read in pieces that fit the processor's cache, each decompressed, checked, and split before the next, so
//! that memory holds one piece and the line across its end, whatever the file's size. Reading goes through `read`, not
//! a memory map: a file that another process cuts short is an error then, where a map would end the process.
//!
//! Invariants: every error names the path and the place in it; a file that ends too early or whose checksum is wrong
//! never passes for a shorter one; regions that meet yield each line once.

mod bzip2_block;
mod bzip2_file;
mod compression;
mod encoding;
mod newline;
mod reader;
mod region;
mod source;
mod write;

pub use compression::Compression;
pub use encoding::{ByteOrder, Encoding, Errors, Table};
pub use newline::Newline;
pub use reader::{Form, LineReader, Lines, TextOptions};
pub use source::TextSource;
pub use write::TextWriter;
