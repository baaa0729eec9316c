//! `LineReader`: the lines of a file or of a region of it, a piece at a time, or their number.

use std::io::{Read, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use memchr::memchr_iter;

use super::bzip2_file::Bzip2File;
use super::compression::{Compression, Decompress};
use super::encoding::{Encoding, Errors};
use super::newline::{Newline, Splitter};
use super::region::Cut;
use super::source::{TextSource, read_full};
use crate::error::IoError;

/// How many bytes are decoded at once: the strings that a caller makes of them should fit the cache as well.
const TEXT_PIECE: usize = 64 << 10;

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct TextOptions {
    pub compression: Option<Compression>,
    pub encoding: Encoding,
    pub errors: Errors,
    pub newline: Newline,
    /// Bytes of the file: lines that begin behind the first of them and up to the end, and the first line of the file,
    /// belong to the region. Not for compressed files.
    pub region: Option<Range<u64>>,
    /// Threads for one file, where its format allows for more than one.
    pub threads: usize,
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions {
            compression: None,
            encoding: Encoding::Utf8,
            errors: Errors::Strict,
            newline: Newline::Universal { translate: true },
            region: None,
            threads: 1,
        }
    }
}

/// What the bytes of lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Ascii,
    Utf8,
    /// One byte for each of the first 256 characters of Unicode.
    Latin1,
    /// Meant as UTF-8, but not looked at.
    Unchecked,
}

/// Some lines that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    text: &'a [u8],
    ends: &'a [usize],
    pub form: Form,
}

impl<'a> Lines<'a> {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each line with what ends it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let (text, mut start) = (self.text, 0);
        self.ends.iter().map(move |&end| &text[std::mem::replace(&mut start, end)..end])
    }
}

/// Reads lines; after an error there is nothing more to read.
pub struct LineReader {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    encoding: Encoding,
    errors: Errors,
    splitter: Splitter,
    /// Bytes of the region that are still to come.
    remaining: Option<u64>,
    /// Bytes that were read and not decoded, and the place of the first of them in the uncompressed file.
    raw: Vec<u8>,
    raw_filled: usize,
    raw_place: u64,
    /// Decoded text: lines that were handed out, up to the last of `ends`, and what follows; ends of lines in
    /// `..scanned` are known.
    text: Vec<u8>,
    scanned: usize,
    ends: Vec<usize>,
    done: bool,
}

impl LineReader {
    pub fn open(source: &TextSource, options: &TextOptions) -> Result<LineReader, IoError> {
        let path = source.path().to_path_buf();
        let unsupported = |message: &str| IoError::Unsupported { path: path.clone(), message: message.to_owned() };
        if !options.encoding.supports(options.errors) {
            return Err(unsupported("this way to treat errors is not offered for this encoding"));
        }
        if options.newline == Newline::Text(String::new()) {
            return Err(unsupported("an empty text can't end lines"));
        }
        if options.compression.is_some() && options.region.is_some() {
            return Err(unsupported("regions of compressed files can't be read; read the whole file"));
        }
        let mut reader = LineReader {
            input: Box::new(std::io::empty()),
            path: path.clone(),
            encoding: options.encoding.clone(),
            errors: options.errors,
            splitter: Splitter::new(&options.newline, &options.encoding),
            remaining: None,
            raw: vec![0; TEXT_PIECE],
            raw_filled: 0,
            raw_place: 0,
            text: Vec::new(),
            scanned: 0,
            ends: Vec::new(),
            done: false,
        };
        match (options.compression, &options.region) {
            (None, None) => reader.input = Box::new(source.open()?),
            (None, Some(region)) => {
                reader.open_region(source, region, &options.newline)?;
                return Ok(reader);
            }
            (Some(format), _) => {
                reader.input = match format {
                    Compression::Bzip2 => Box::new(Bzip2File::open(source, options.threads)?),
                    _ => Box::new(Decompress::open(source, format)?),
                };
            }
        }
        let filled =
            read_full(&mut *reader.input, &mut reader.raw[..4]).map_err(|e| IoError::system(&path, "read")(e))?;
        let head = &reader.raw[..filled];
        let mark = reader.encoding.mark_len(head);
        reader.encoding = reader.encoding.marked_by(head);
        reader.raw.copy_within(mark..filled, 0);
        reader.raw_filled = filled - mark;
        reader.raw_place = mark as u64;
        Ok(reader)
    }

    fn open_region(&mut self, source: &TextSource, region: &Range<u64>, newline: &Newline) -> Result<(), IoError> {
        let path = self.path.clone();
        let failed = |doing| IoError::system(&path, doing);
        let mut input = source.open()?;
        let size = input.seek(SeekFrom::End(0)).map_err(failed("measure"))?;
        let mut head = [0; 4];
        input.seek(SeekFrom::Start(0)).map_err(failed("read"))?;
        let filled = read_full(&mut *input, &mut head).map_err(failed("read"))?;
        let mark = self.encoding.mark_len(&head[..filled]) as u64;
        let encoding = self.encoding.marked_by(&head[..filled]);
        let mut ends = [region.start.min(size), region.end.clamp(region.start, size.max(region.start)).min(size)];
        match encoding.encode(newline.cut()) {
            Some(delimiter) => {
                let cut = Cut { delimiter: &delimiter, width: encoding.width(), size };
                for end in &mut ends {
                    *end = cut.near(&mut *input, *end).map_err(failed("read"))?;
                }
            }
            // No line ends, so all of the file is its first one.
            None => ends = ends.map(|end| if end == 0 { 0 } else { size }),
        }
        let [start, end] = [ends[0], ends[1]].map(|end| if end == 0 { mark } else { end });
        input.seek(SeekFrom::Start(start)).map_err(failed("read"))?;
        self.input = input;
        self.encoding = encoding;
        self.remaining = Some(end.saturating_sub(start));
        self.raw_place = start;
        Ok(())
    }

    /// Decodes a piece and appends it to the text; false at the end.
    fn fill(&mut self) -> Result<bool, IoError> {
        if self.done {
            return Ok(false);
        }
        let room = self.raw.len() - self.raw_filled;
        let wanted = self.remaining.map_or(room, |remaining| room.min(usize::try_from(remaining).unwrap_or(room)));
        let target = &mut self.raw[self.raw_filled..self.raw_filled + wanted];
        let count = match self.input.read(target) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => {
                self.done = true;
                return Err(IoError::system(&self.path, "read")(error));
            }
        };
        if let Some(remaining) = &mut self.remaining {
            if count == 0 && *remaining > 0 {
                self.done = true;
                let (found, expected) = (self.raw_place, self.raw_place + *remaining);
                let what = " (it had them when it was opened)".to_owned();
                return Err(IoError::Length { path: self.path.clone(), expected, found, what });
            }
            *remaining -= count as u64;
        }
        self.raw_filled += count;
        self.done = count == 0;
        let from = self.text.len();
        let raw = &self.raw[..self.raw_filled];
        let used = match self.encoding.decode(self.errors, raw, self.done, &mut self.text) {
            Ok(used) => used,
            Err(bad) => {
                self.done = true;
                return Err(IoError::Undecodable {
                    path: self.path.clone(),
                    encoding: self.encoding.name().to_owned(),
                    offset: self.raw_place + bad.at as u64,
                    bytes: raw[bad.at..bad.at + bad.length].to_vec(),
                    reason: bad.reason,
                });
            }
        };
        self.raw.copy_within(used..self.raw_filled, 0);
        self.raw_filled -= used;
        self.raw_place += used as u64;
        self.splitter.prepare(&mut self.text, from);
        Ok(!self.done)
    }

    fn form(&self, text: &[u8]) -> Form {
        match (&self.encoding, self.errors) {
            _ if text.is_ascii() => Form::Ascii,
            (Encoding::Latin1, _) => Form::Latin1,
            (_, Errors::Caller) => Form::Unchecked,
            _ => Form::Utf8,
        }
    }

    /// Some more lines; `None` when there are none.
    pub fn next_lines(&mut self) -> Result<Option<Lines<'_>>, IoError> {
        if let Some(&end) = self.ends.last() {
            self.text.drain(..end);
            self.scanned -= end;
            self.ends.clear();
        }
        let was_done = self.done;
        while self.ends.is_empty() && !was_done {
            let more = self.fill()?;
            self.scanned = self.splitter.find(&self.text, self.scanned, !more, &mut self.ends);
            if !more {
                if self.ends.last().copied().unwrap_or(0) < self.text.len() {
                    self.ends.push(self.text.len());
                    self.scanned = self.text.len();
                }
                break;
            }
        }
        let Some(&end) = self.ends.last() else { return Ok(None) };
        let form = self.form(&self.text[..end]);
        Ok(Some(Lines { text: &self.text, ends: &self.ends, form }))
    }

    /// Some more text as UTF-8, cut anywhere between two characters; `None` when there is none.
    pub fn next_text(&mut self) -> Result<Option<&[u8]>, IoError> {
        self.text.clear();
        while self.text.is_empty() {
            if !self.fill()? && self.text.is_empty() {
                return Ok(None);
            }
        }
        if self.form(&self.text) == Form::Latin1 {
            self.text = self.text.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes();
        }
        Ok(Some(&self.text))
    }

    /// The bytes of the file or of the region, uncompressed but not decoded, without a byte order mark.
    pub fn read(source: &TextSource, options: &TextOptions) -> Result<Vec<u8>, IoError> {
        let mut reader = LineReader::open(source, options)?;
        reader.encoding = Encoding::Latin1;
        reader.splitter = Splitter::new(&Newline::Universal { translate: false }, &Encoding::Latin1);
        while reader.fill()? {}
        Ok(reader.text)
    }

    /// How many lines there are. Text is decoded, so that what can't be read can't be counted.
    pub fn count(source: &TextSource, options: &TextOptions) -> Result<u64, IoError> {
        let newline = match &options.newline {
            // As many lines, and one kind of end to look for.
            Newline::Universal { .. } => Newline::Universal { translate: true },
            other => other.clone(),
        };
        let mut reader = LineReader::open(source, &TextOptions { newline, ..options.clone() })?;
        let mut count = 0;
        let Some(end) = reader.splitter.single() else {
            while let Some(lines) = reader.next_lines()? {
                count += lines.len() as u64;
            }
            return Ok(count);
        };
        let mut line_open = false;
        loop {
            let more = reader.fill()?;
            count += memchr_iter(end, &reader.text).count() as u64;
            line_open = reader.text.last().map_or(line_open, |&last| last != end);
            reader.text.clear();
            if !more {
                return Ok(count + u64::from(line_open));
            }
        }
    }
}
