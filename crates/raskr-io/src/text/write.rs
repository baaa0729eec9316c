//! `TextWriter`: a file of text, compressed or not, that takes its name when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use super::compression::Compression;
use super::source::PIECE;
use crate::error::IoError;
use crate::temporary::Temporary;

type Output = BufWriter<File>;

/// What a stream of snappy frames begins with (its framing format, section 4.1).
const SNAPPY_START: &[u8] = b"\xff\x06\x00\x00sNaPpY";

enum Encoder {
    Plain(Output),
    Gzip(flate2::write::GzEncoder<Output>),
    Bzip2(bzip2::write::BzEncoder<Output>),
    Xz(liblzma::write::XzEncoder<Output>),
    Zstd(zstd::stream::write::Encoder<'static, Output>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<Output>>),
    Snappy(Box<snap::write::FrameEncoder<Output>>),
}

impl Encoder {
    /// With the levels that Python's modules have as their defaults, but for gzip's 9, which takes several times as
    /// long as 6 and saves one percent.
    fn new(format: Option<Compression>, output: Output) -> io::Result<Encoder> {
        Ok(match format {
            None => Encoder::Plain(output),
            Some(Compression::Gzip) => {
                Encoder::Gzip(flate2::write::GzEncoder::new(output, flate2::Compression::new(6)))
            }
            Some(Compression::Bzip2) => {
                Encoder::Bzip2(bzip2::write::BzEncoder::new(output, bzip2::Compression::new(9)))
            }
            Some(Compression::Xz | Compression::Lzma) => Encoder::Xz(liblzma::write::XzEncoder::new(output, 6)),
            Some(Compression::Zstd) => {
                let mut encoder = zstd::stream::write::Encoder::new(output, 3)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
            Some(Compression::Lz4) => {
                let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
                Encoder::Lz4(Box::new(lz4_flex::frame::FrameEncoder::with_frame_info(info, output)))
            }
            Some(Compression::Snappy) => Encoder::Snappy(Box::new(snap::write::FrameEncoder::new(output))),
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Encoder::Plain(output) => output,
            Encoder::Gzip(encoder) => encoder,
            Encoder::Bzip2(encoder) => encoder,
            Encoder::Xz(encoder) => encoder,
            Encoder::Zstd(encoder) => encoder,
            Encoder::Lz4(encoder) => encoder,
            Encoder::Snappy(encoder) => encoder,
        }
    }

    fn finish(self) -> io::Result<()> {
        let mut output = match self {
            Encoder::Plain(output) => output,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Bzip2(encoder) => encoder.finish()?,
            Encoder::Xz(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
            Encoder::Lz4(encoder) => encoder.finish()?,
            Encoder::Snappy(encoder) => {
                let mut output = encoder.into_inner().map_err(|error| error.into_error())?;
                // The encoder begins a stream with the first byte of text; no bytes at all are no stream.
                if output.stream_position()? == 0 {
                    output.write_all(SNAPPY_START)?;
                }
                output
            }
        };
        output.flush()
    }
}

/// Writes beside the target; [`TextWriter::finish`] puts the file in place, and without it nothing remains.
pub struct TextWriter {
    temporary: Temporary,
    encoder: Encoder,
}

impl TextWriter {
    /// What is at `target` stays until the new file is whole, and is replaced then.
    pub fn create(target: &Path, compression: Option<Compression>) -> Result<TextWriter, IoError> {
        let temporary = Temporary::beside(target, true)?;
        let created = File::create(temporary.path())
            .and_then(|file| Encoder::new(compression, BufWriter::with_capacity(PIECE, file)));
        Ok(TextWriter { encoder: created.map_err(IoError::system(target, "write"))?, temporary })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        let result = self.encoder.writer().write_all(bytes);
        result.map_err(IoError::system(self.temporary.target(), "write"))
    }

    pub fn finish(self) -> Result<(), IoError> {
        self.encoder.finish().map_err(IoError::system(self.temporary.target(), "write"))?;
        self.temporary.publish()
    }
}
