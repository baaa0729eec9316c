//! `BlockDecoder`: decodes one block of a bz2 stream, several times as fast as the library that has the last word.
//!
//! Knows what is between the head of a block and its checksum; does not know streams and files. Whatever it can't
//! decode to a text with the right checksum, and what encoders no longer write (blocks that were shuffled on purpose),
//! is a [`Doubt`]: what is wrong, if anything, is for the library to say.

mod bits;
mod finish;
mod inverse;
mod symbols;

use std::io;
use std::ops::Range;

use bits::Bits;
use inverse::Inverse;
use symbols::Symbols;

/// The number that a block begins with.
pub(super) const BLOCK: u64 = 0x3141_5926_5359;
pub(super) const MAGIC_BITS: usize = 48;
/// Symbols in a block for each level of compression.
const LEVEL: usize = 100_000;

/// Something that can't be explained here.
#[derive(Debug)]
pub(super) struct Doubt;

impl From<io::Error> for Doubt {
    fn from(_: io::Error) -> Doubt {
        Doubt
    }
}

/// A block that was cut out of a stream.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Where it is in the bytes.
    pub(super) bits: Range<usize>,
    /// Of the stream's compression, 1 to 9.
    pub(super) level: u8,
}

/// Decodes blocks, one after another; some 7 MB, and up to 3 MB more for blocks that hardly shrank.
pub(super) struct BlockDecoder {
    symbols: Symbols,
    inverse: Inverse,
}

impl BlockDecoder {
    pub(super) fn new() -> BlockDecoder {
        BlockDecoder { symbols: Symbols::new(), inverse: Inverse::new() }
    }

    pub(super) fn decode(&mut self, block: &Block) -> Result<Vec<u8>, Doubt> {
        let mut bits = Bits::new(&block.bytes, block.bits.start + MAGIC_BITS);
        let checksum = bits.take(32);
        let (is_shuffled, origin) = (bits.take(1) == 1, bits.take(24));
        if is_shuffled {
            return Err(Doubt);
        }
        self.symbols.decode(&mut bits, usize::from(block.level) * LEVEL)?;
        if bits.at() != block.bits.end || origin >= self.symbols.total {
            return Err(Doubt);
        }
        let short = self.inverse.text(self.symbols.runs(), &self.symbols.counts, origin)?;
        let mut text = Vec::with_capacity(short.len());
        finish::expand(short, &mut text)?;
        match finish::checksum(&text) as usize == checksum {
            true => Ok(text),
            false => Err(Doubt),
        }
    }
}
