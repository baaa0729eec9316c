//! `ObjectReader`: a file in a store, read from any place on; who reads on and on gets larger and larger pieces, the next
//! of which is fetched while one is read.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::requests::Asked;
use super::store::ObjectFile;
use crate::error::IoError;

/// Bytes that are asked for at a new place, and at most when they are read in order.
const FIRST: u64 = 16 << 10;
const MOST: u64 = 4 << 20;
/// How much larger each piece is than the one before.
const GROWTH: u64 = 8;

type Answer = Result<(u64, Bytes), object_store::Error>;

pub struct ObjectReader {
    file: ObjectFile,
    size: u64,
    at: u64,
    /// What was fetched, and where it begins.
    window: Bytes,
    begin: u64,
    piece: u64,
    /// What follows it.
    ahead: Option<(u64, Asked<Answer>)>,
}

impl ObjectReader {
    pub(super) fn new(file: ObjectFile, size: u64) -> ObjectReader {
        ObjectReader { file, size, at: 0, window: Bytes::new(), begin: 0, piece: FIRST, ahead: None }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// So many bytes from a place on, or fewer at the file's end; errors call the file `path`.
    pub fn read_at(&mut self, path: &Path, place: u64, count: u64) -> Result<Vec<u8>, IoError> {
        self.at = place;
        let mut bytes = Vec::new();
        self.take(count).read_to_end(&mut bytes).map_err(IoError::system(path, "read"))?;
        Ok(bytes)
    }

    fn window_end(&self) -> u64 {
        self.begin + self.window.len() as u64
    }

    fn following(&self, from: u64) -> Range<u64> {
        from..self.size.min(from + self.piece)
    }

    fn begin_request(&self, from: u64) -> io::Result<Asked<Answer>> {
        Asked::begin(self.file.fetch(self.following(from)))
    }

    /// Has the byte at `at` in the window.
    fn fill(&mut self) -> io::Result<()> {
        let goes_on = self.at == self.window_end() && !self.window.is_empty();
        let ahead = self.ahead.take().filter(|(from, _)| *from == self.at);
        if !goes_on {
            self.piece = FIRST;
        } else if ahead.is_none() {
            self.piece = (self.piece * GROWTH).min(MOST);
        }
        let asked = match ahead {
            Some((_, asked)) => asked,
            None => self.begin_request(self.at)?,
        };
        let answer = asked.wait()?;
        (self.begin, self.window) = answer.map_err(|error| io::Error::other(self.file.failed("read", &error)))?;
        if !(self.begin..self.window_end()).contains(&self.at) {
            let found = self.window_end();
            let message = format!("it has {found} bytes, and had {} when it was opened", self.size);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let next = self.window_end();
        if goes_on && next < self.size {
            self.piece = (self.piece * GROWTH).min(MOST);
            self.ahead = Some((next, self.begin_request(next)?));
        }
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || self.at >= self.size {
            return Ok(0);
        }
        if !(self.begin..self.window_end()).contains(&self.at) {
            self.fill()?;
        }
        let there = &self.window[(self.at - self.begin) as usize..];
        let count = there.len().min(out.len());
        out[..count].copy_from_slice(&there[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the beginning of the file");
        self.at = place.ok_or_else(outside)?;
        Ok(self.at)
    }
}
