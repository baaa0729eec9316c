//! `Fetched`: ranges of a file in a store that were fetched beforehand, for the reader of Parquet.

use std::io::Read;
use std::ops::Range;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::store::ObjectFile;
use crate::error::IoError;

/// How much of a file's end is fetched in the hope that all of its footer is there.
const TAIL: u64 = 64 << 10;

pub(crate) struct Fetched {
    size: u64,
    /// In order, each with where it begins.
    pieces: Vec<(u64, Bytes)>,
    /// Where what is not among the pieces is.
    file: ObjectFile,
}

impl Fetched {
    /// The end of a file, where the footer is.
    pub(crate) fn tail(file: &ObjectFile) -> std::result::Result<Fetched, IoError> {
        let size = file.size()?;
        Fetched::ranges(file, std::iter::once(size.saturating_sub(TAIL)..size))
    }

    pub(crate) fn ranges(
        file: &ObjectFile,
        ranges: impl Iterator<Item = Range<u64>>,
    ) -> std::result::Result<Fetched, IoError> {
        let mut ranges: Vec<_> = ranges.filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let begins: Vec<u64> = ranges.iter().map(|range| range.start).collect();
        let pieces = if ranges.is_empty() { Vec::new() } else { file.ranges(&ranges)? };
        Ok(Fetched { size: file.size()?, pieces: begins.into_iter().zip(pieces).collect(), file: file.clone() })
    }

    /// What was fetched from `start` on.
    fn from(&self, start: u64) -> Option<Bytes> {
        let at = self.pieces.partition_point(|(begin, _)| *begin <= start).checked_sub(1)?;
        let (begin, piece) = &self.pieces[at];
        let skipped = usize::try_from(start - begin).ok()?;
        (skipped < piece.len()).then(|| piece.slice(skipped..))
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Fetched {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Box<dyn Read>> {
        if let Some(piece) = self.from(start) {
            return Ok(Box::new(piece.reader()));
        }
        let mut reader = self.file.reader().map_err(|error| ParquetError::External(Box::new(error)))?;
        std::io::Seek::seek(&mut reader, std::io::SeekFrom::Start(start))?;
        Ok(Box::new(reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if let Some(piece) = self.from(start).filter(|piece| piece.len() >= length) {
            return Ok(piece.slice(..length));
        }
        let end = start + length as u64;
        let found = self
            .file
            .ranges(std::slice::from_ref(&(start..end)))
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        found.into_iter().next().ok_or_else(|| ParquetError::EOF(format!("nothing was found at byte {start}")))
    }
}
