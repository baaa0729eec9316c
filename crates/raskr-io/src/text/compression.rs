//! Compressed streams: the formats, and a reader that goes through all members of a file and reports where one is bad.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use liblzma::stream::Stream;

use super::source::{Counted, Meter, TextSource};
use crate::error::IoError;

/// A format of compressed streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Bzip2,
    Xz,
    /// Streams of `xz` and of its predecessor `lzma`, told apart by their first bytes.
    Lzma,
    Zstd,
    Lz4,
    Snappy,
}

impl Compression {
    pub const ALL: [Compression; 7] = [
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Xz,
        Compression::Lzma,
        Compression::Zstd,
        Compression::Lz4,
        Compression::Snappy,
    ];

    /// The name that users pass.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bz2",
            Compression::Xz => "xz",
            Compression::Lzma => "lzma",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::Snappy => "snappy",
        }
    }

    /// What [`Compression::name`] gives, backwards.
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|each| each.name() == name)
    }

    /// By the extension of a path.
    pub fn infer(path: &Path) -> Option<Compression> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "gz" => Some(Compression::Gzip),
            "bz2" => Some(Compression::Bzip2),
            "xz" => Some(Compression::Xz),
            "lzma" => Some(Compression::Lzma),
            "zst" => Some(Compression::Zstd),
            "lz4" => Some(Compression::Lz4),
            "snappy" => Some(Compression::Snappy),
            _ => None,
        }
    }
}

enum Member {
    Gzip(Box<flate2::bufread::GzDecoder<Counted>>),
    Bzip2(bzip2::bufread::BzDecoder<Counted>),
    Lzma(liblzma::bufread::XzDecoder<Counted>),
    Zstd(zstd::stream::read::Decoder<'static, Counted>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<Counted>>),
    Snappy(Box<snap::read::FrameDecoder<Counted>>),
}

impl Member {
    fn open(format: Compression, input: Counted) -> io::Result<Member> {
        Ok(match format {
            Compression::Gzip => Member::Gzip(Box::new(flate2::bufread::GzDecoder::new(input))),
            Compression::Bzip2 => Member::Bzip2(bzip2::bufread::BzDecoder::new(input)),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(u64::MAX, 0)?;
                Member::Lzma(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Compression::Lzma => {
                let stream = Stream::new_auto_decoder(u64::MAX, 0)?;
                Member::Lzma(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Compression::Zstd => Member::Zstd(zstd::stream::read::Decoder::with_buffer(input)?.single_frame()),
            Compression::Lz4 => Member::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(input))),
            Compression::Snappy => Member::Snappy(Box::new(snap::read::FrameDecoder::new(input))),
        })
    }

    fn into_inner(self) -> Counted {
        match self {
            Member::Gzip(decoder) => decoder.into_inner(),
            Member::Bzip2(decoder) => decoder.into_inner(),
            Member::Lzma(decoder) => decoder.into_inner(),
            Member::Zstd(decoder) => decoder.finish(),
            Member::Lz4(decoder) => decoder.into_inner(),
            Member::Snappy(decoder) => decoder.into_inner(),
        }
    }
}

impl Read for Member {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Member::Gzip(decoder) => decoder.read(out),
            Member::Bzip2(decoder) => decoder.read(out),
            Member::Lzma(decoder) => decoder.read(out),
            Member::Zstd(decoder) => decoder.read(out),
            Member::Lz4(decoder) => decoder.read(out),
            Member::Snappy(decoder) => decoder.read(out),
        }
    }
}

enum State {
    Between(Counted),
    Inside {
        member: Member,
        began: u64,
    },
    /// At the end, or after an error.
    Done,
}

/// Reads what the members of a compressed file hold, one after another, with nothing but zeros between and after them.
///
/// Tools ignore what follows the last member where it is no member; here it is an error, since it may as well be a
/// member whose first bytes were damaged.
pub(crate) struct Decompress {
    state: State,
    format: Compression,
    meter: Arc<Meter>,
    path: PathBuf,
    members: u64,
}

impl Decompress {
    pub(crate) fn open(source: &TextSource, format: Compression) -> Result<Decompress, IoError> {
        let (input, meter) = Counted::new(source.open()?);
        let path = source.path().to_path_buf();
        Ok(Decompress { state: State::Between(input), format, meter, path, members: 0 })
    }

    fn truncated(&self) -> IoError {
        IoError::Truncated { path: self.path.clone(), format: self.format.name(), offset: self.meter.consumed() }
    }

    fn corrupt(&self, message: String) -> IoError {
        let (path, format) = (self.path.clone(), self.format.name());
        IoError::Corrupt { path, format, offset: self.meter.consumed(), message }
    }

    fn failed(&self, error: io::Error) -> IoError {
        if self.meter.has_failed() {
            return IoError::system(&self.path, "read")(error);
        }
        // Decoders tell in many ways that there should have been more; all of them have asked for it.
        match error.kind() == io::ErrorKind::UnexpectedEof || self.meter.has_ended() {
            true => self.truncated(),
            false => self.corrupt(error.to_string()),
        }
    }

    /// Skips padding; `None` at the end of the file.
    fn next_member(&mut self, mut input: Counted) -> Result<Option<State>, IoError> {
        loop {
            let bytes = match input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(error)),
            };
            if bytes.is_empty() {
                return if self.members == 0 { Err(self.truncated()) } else { Ok(None) };
            }
            let zeros = if self.members == 0 { 0 } else { bytes.iter().take_while(|&&byte| byte == 0).count() };
            if zeros == 0 {
                break;
            }
            input.consume(zeros);
        }
        let began = self.meter.consumed();
        let member = Member::open(self.format, input).map_err(|error| self.failed(error))?;
        self.members += 1;
        Ok(Some(State::Inside { member, began }))
    }

    fn advance(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Between(input) => match self.next_member(input)? {
                    Some(state) => self.state = state,
                    None => return Ok(0),
                },
                State::Inside { mut member, began } => match member.read(out) {
                    Ok(0) => {
                        // The lz4 decoder takes the end of the file for the end of a frame.
                        if matches!(member, Member::Lz4(_)) && self.meter.has_ended() {
                            return Err(self.truncated());
                        }
                        if self.meter.consumed() == began {
                            return Err(self.corrupt("an empty member".into()));
                        }
                        self.state = State::Between(member.into_inner());
                    }
                    Ok(count) => {
                        self.state = State::Inside { member, began };
                        return Ok(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        self.state = State::Inside { member, began };
                    }
                    Err(error) => return Err(self.failed(error)),
                },
            }
        }
    }
}

impl Read for Decompress {
    /// Errors carry an [`IoError`].
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        self.advance(out).map_err(io::Error::other)
    }
}
