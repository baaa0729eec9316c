//! bz2 files decoded by several threads: the blocks of a stream do not depend on each other.
//!
//! Blocks begin at any bit, with 48 bits that are looked for; each is then handed to the ordinary decoder as a stream of
//! its own. Those 48 bits may also occur inside a block, once in 10^14 or on purpose. So this is a guess that is
//! verified: every block's checksum by the decoder, the stream's checksum and the order of the parts here. Where
//! anything does not fit, the ordinary decoder starts over, skips what was delivered, and has the last word on what is
//! wrong.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::compression::{Compression, Decompress};
use super::source::{Input, PIECE, TextSource, read_full};
use crate::error::IoError;

const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
const MAGIC_BITS: usize = 48;
/// Beyond this many bits something is wrong: 900,000 symbols of at most 20 bits each, and tables.
const BLOCK_BITS_MAX: usize = 20_000_000;
/// Below this many bytes threads cost more than they save.
const WORTHWHILE: u64 = 400_000;

/// Something that the scanner cannot explain.
struct Doubt;

impl From<io::Error> for Doubt {
    fn from(_: io::Error) -> Doubt {
        Doubt
    }
}

/// For each value of a byte, in which alignments it may be the third (fourth) byte of a magic number: bit `shift` for
/// blocks, bit `8 + shift` for ends.
const fn alignments(byte: usize) -> [u16; 256] {
    let mut table = [0; 256];
    let mut shift = 0;
    while shift < 8 {
        table[(BLOCK >> (40 - 8 * byte + shift)) as usize & 0xff] |= 1 << shift;
        table[(END >> (40 - 8 * byte + shift)) as usize & 0xff] |= 1 << (8 + shift);
        shift += 1;
    }
    table
}

static THIRD: [u16; 256] = alignments(2);
static FOURTH: [u16; 256] = alignments(3);

/// The number in bits `at..at + count` (up to 56), most significant first; they must lie within `bytes`.
fn bits(bytes: &[u8], at: usize, count: usize) -> u64 {
    let mut window = [0; 8];
    let first = at / 8;
    let length = (bytes.len() - first).min(8);
    window[..length].copy_from_slice(&bytes[first..first + length]);
    (u64::from_be_bytes(window) << (at % 8)) >> (64 - count)
}

/// The first bit at `from` or later where a magic number begins, and whether it ends the stream. Looks at whole windows
/// of seven bytes, which a magic number and the checksum behind it fill.
fn find_magic(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    let mut at = from / 8;
    while at + 7 <= bytes.len() {
        let candidates = THIRD[usize::from(bytes[at + 2])] & FOURTH[usize::from(bytes[at + 3])];
        if candidates != 0 {
            for shift in 0..8 {
                let place = 8 * at + shift;
                if candidates >> shift & 0x101 == 0 || place < from {
                    continue;
                }
                match bits(bytes, place, MAGIC_BITS) {
                    BLOCK => return Some((place, false)),
                    END => return Some((place, true)),
                    _ => {}
                }
            }
        }
        at += 1;
    }
    None
}

/// A stream of one block, from bits `from..to`, which begin with its magic number and its checksum.
fn stream_of_one(bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
    let checksum = bits(bytes, from + MAGIC_BITS, 32);
    let mut stream = Vec::with_capacity((to - from) / 8 + 16);
    stream.extend_from_slice(b"BZh9");
    let (first, shift, count) = (from / 8, from % 8, to - from);
    let source = &bytes[first..to.div_ceil(8)];
    if shift == 0 {
        stream.extend_from_slice(&source[..count.div_ceil(8)]);
    } else {
        let joined = source.windows(2).map(|pair| pair[0] << shift | pair[1] >> (8 - shift));
        stream.extend(joined.take(count.div_ceil(8)));
        if stream.len() < 4 + count.div_ceil(8) {
            stream.push(source[source.len() - 1] << shift);
        }
    }
    // The end, from the bit behind the block on.
    let used = count % 8;
    let mut tail = u128::from(END) << 80 | u128::from(checksum) << 48;
    if used > 0 {
        let partial = stream.pop().unwrap_or_default() & !(0xff >> used);
        tail = tail >> used | u128::from(partial) << 120;
    }
    stream.extend_from_slice(&tail.to_be_bytes()[..(used + MAGIC_BITS + 32).div_ceil(8)]);
    stream
}

enum Place {
    /// In front of the header of a stream, or at the end of the file.
    Between,
    /// At a bit of the buffer where a block begins.
    Block(usize),
}

/// Cuts a file into streams of one block each.
struct Scanner {
    input: Box<dyn Input>,
    buffer: Vec<u8>,
    place: Place,
    /// Of the buffer, what was gone through between streams.
    done: usize,
    streams: u64,
    checksum: u32,
}

impl Scanner {
    fn new(input: Box<dyn Input>) -> Scanner {
        Scanner { input, buffer: Vec::new(), place: Place::Between, done: 0, streams: 0, checksum: 0 }
    }

    /// Reads more; false at the end of the file.
    fn more(&mut self) -> io::Result<bool> {
        let kept = self.buffer.len();
        self.buffer.resize(kept + PIECE, 0);
        let filled = read_full(&mut *self.input, &mut self.buffer[kept..]);
        self.buffer.truncate(kept + *filled.as_ref().unwrap_or(&0));
        Ok(filled? > 0)
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Doubt> {
        loop {
            match self.place {
                Place::Between => {
                    if !self.begin()? {
                        return Ok(None);
                    }
                }
                Place::Block(from) => return self.block(from).map(Some),
            }
        }
    }

    /// Goes past the header of a stream; false at the end of the file.
    fn begin(&mut self) -> Result<bool, Doubt> {
        self.buffer.drain(..std::mem::take(&mut self.done));
        while self.buffer.len() < 16 && self.more()? {}
        if self.buffer.is_empty() && self.streams > 0 {
            return Ok(false);
        }
        let [b'B', b'Z', b'h', b'1'..=b'9', ..] = self.buffer[..] else { return Err(Doubt) };
        self.streams += 1;
        self.checksum = 0;
        match find_magic(&self.buffer, 32) {
            Some((32, false)) => self.place = Place::Block(32),
            Some((32, true)) => self.end(32)?,
            _ => return Err(Doubt),
        }
        Ok(true)
    }

    /// The block that begins at bit `from`.
    fn block(&mut self, from: usize) -> Result<Vec<u8>, Doubt> {
        let mut scanned = from + MAGIC_BITS + 32;
        let (to, ends) = loop {
            if let Some(found) = find_magic(&self.buffer, scanned) {
                break found;
            }
            scanned = scanned.max(8 * self.buffer.len().saturating_sub(6));
            if scanned - from > BLOCK_BITS_MAX || !self.more()? {
                return Err(Doubt);
            }
        };
        let checksum = bits(&self.buffer, from + MAGIC_BITS, 32) as u32;
        self.checksum = self.checksum.rotate_left(1) ^ checksum;
        let stream = stream_of_one(&self.buffer, from, to);
        if ends {
            self.end(to)?;
        } else {
            self.buffer.drain(..to / 8);
            self.place = Place::Block(to % 8);
        }
        Ok(stream)
    }

    /// Goes past the end of a stream, which begins at bit `at`.
    fn end(&mut self, at: usize) -> Result<(), Doubt> {
        let behind = (at + MAGIC_BITS + 32).div_ceil(8);
        while self.buffer.len() < behind {
            if !self.more()? {
                return Err(Doubt);
            }
        }
        if bits(&self.buffer, at + MAGIC_BITS, 32) as u32 != self.checksum {
            return Err(Doubt);
        }
        self.done = behind;
        self.place = Place::Between;
        Ok(())
    }
}

fn decode(stream: &[u8]) -> Result<Vec<u8>, Doubt> {
    let mut text = Vec::with_capacity(900_000);
    bzip2::read::BzDecoder::new(stream).read_to_end(&mut text)?;
    Ok(text)
}

/// What the threads share.
struct Work {
    scanner: Scanner,
    /// Numbers of the block that is cut next and of the one that is delivered next.
    next: u64,
    delivered: u64,
    /// No block follows those that were begun.
    exhausted: bool,
    stopped: bool,
    ready: BTreeMap<u64, Result<Vec<u8>, Doubt>>,
}

struct Shared {
    work: Mutex<Work>,
    changed: Condvar,
    /// How many blocks may be decoded ahead of the one that is delivered.
    ahead: u64,
}

impl Shared {
    fn serve(&self) {
        loop {
            let mut work = self.work.lock();
            while !work.stopped && !work.exhausted && work.next >= work.delivered + self.ahead {
                self.changed.wait(&mut work);
            }
            if work.stopped || work.exhausted {
                return;
            }
            let number = work.next;
            let block = match work.scanner.next() {
                Ok(Some(block)) => Ok(block),
                Ok(None) => {
                    work.exhausted = true;
                    self.changed.notify_all();
                    return;
                }
                Err(doubt) => {
                    work.exhausted = true;
                    Err(doubt)
                }
            };
            work.next += 1;
            drop(work);
            // Without an answer the reader would wait for ever.
            let found = block.and_then(|stream| catch_unwind(|| decode(&stream)).unwrap_or(Err(Doubt)));
            let mut work = self.work.lock();
            work.ready.insert(number, found);
            self.changed.notify_all();
        }
    }

    /// The next block in order; `None` behind the last.
    fn deliver(&self) -> Option<Result<Vec<u8>, Doubt>> {
        let mut work = self.work.lock();
        loop {
            let number = work.delivered;
            if let Some(found) = work.ready.remove(&number) {
                work.delivered += 1;
                self.changed.notify_all();
                return Some(found);
            }
            if work.exhausted && number >= work.next {
                return None;
            }
            self.changed.wait(&mut work);
        }
    }
}

/// Reads what a bz2 file holds, decoding with several threads.
pub(crate) struct ParallelBzip2 {
    source: TextSource,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    block: Vec<u8>,
    taken: usize,
    delivered: u64,
    ordinary: Option<Decompress>,
}

impl ParallelBzip2 {
    /// Is a file of this many bytes worth several threads?
    pub(crate) fn is_worthwhile(size: u64, threads: usize) -> bool {
        threads > 1 && size >= WORTHWHILE
    }

    pub(crate) fn open(source: &TextSource, threads: usize) -> Result<ParallelBzip2, IoError> {
        let work = Work {
            scanner: Scanner::new(source.open()?),
            next: 0,
            delivered: 0,
            exhausted: false,
            stopped: false,
            ready: BTreeMap::new(),
        };
        let ahead = 2 * threads as u64;
        let shared = Arc::new(Shared { work: Mutex::new(work), changed: Condvar::new(), ahead });
        let mut reader = ParallelBzip2 {
            source: source.clone(),
            shared,
            threads: Vec::new(),
            block: Vec::new(),
            taken: 0,
            delivered: 0,
            ordinary: None,
        };
        for _ in 0..threads {
            let shared = Arc::clone(&reader.shared);
            let thread = thread::Builder::new().name("raskr-bz2".into()).spawn(move || shared.serve());
            reader.threads.push(thread.map_err(IoError::system(source.path(), "start a thread"))?);
        }
        Ok(reader)
    }

    fn path(&self) -> &Path {
        self.source.path()
    }

    /// The ordinary decoder behind what was delivered.
    fn start_over(&mut self) -> io::Result<Decompress> {
        self.stop();
        let mut ordinary = Decompress::open(&self.source, Compression::Bzip2).map_err(io::Error::other)?;
        let skipped = io::copy(&mut (&mut ordinary).take(self.delivered), &mut io::sink())?;
        if skipped < self.delivered {
            let (path, expected) = (self.path().to_path_buf(), self.delivered);
            let what = " again".to_owned();
            return Err(io::Error::other(IoError::Length { path, expected, found: skipped, what }));
        }
        Ok(ordinary)
    }

    fn stop(&mut self) {
        self.shared.work.lock().stopped = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has delivered nothing wrong.
            let _ = thread.join();
        }
    }
}

impl Read for ParallelBzip2 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if let Some(ordinary) = &mut self.ordinary {
            return ordinary.read(out);
        }
        while self.taken == self.block.len() {
            match self.shared.deliver() {
                None => return Ok(0),
                Some(Ok(block)) => (self.block, self.taken) = (block, 0),
                Some(Err(Doubt)) => {
                    let ordinary = self.start_over()?;
                    return self.ordinary.insert(ordinary).read(out);
                }
            }
        }
        let count = (&self.block[self.taken..]).read(out)?;
        self.taken += count;
        self.delivered += count as u64;
        Ok(count)
    }
}

impl Drop for ParallelBzip2 {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use bzip2::write::BzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// Text that compresses about as text does.
    fn words(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut text = Vec::with_capacity(length + 16);
        while text.len() < length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend_from_slice(format!("{:x} ", state >> 40).as_bytes());
        }
        text.truncate(length);
        text
    }

    fn compressed(text: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
        encoder.write_all(text).expect("write");
        encoder.finish().expect("finish")
    }

    fn source(bytes: &[u8]) -> TextSource {
        TextSource::Bytes { name: PathBuf::from("x.bz2"), bytes: Arc::new(bytes.to_vec()) }
    }

    fn read(bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let mut reader = ParallelBzip2::open(&source(bytes), 2).map_err(io::Error::other)?;
        let mut text = Vec::new();
        reader.read_to_end(&mut text)?;
        Ok((text, reader.ordinary.is_some()))
    }

    #[test]
    fn blocks_of_one_and_of_several_streams_come_in_order_and_without_the_ordinary_decoder() {
        let text = words(1, 1_500_000);
        for bytes in [
            compressed(&text, 1),
            [compressed(&text[..700_000], 1), compressed(&[], 9), compressed(&text[700_000..], 9)].concat(),
        ] {
            let (found, started_over) = read(&bytes).expect("read");
            assert!(found == text);
            assert!(!started_over);
        }
    }

    #[test]
    fn a_magic_number_within_a_block_is_no_harm() {
        // A block says in one bit for each byte which of them occur in it.
        let occurring: Vec<u8> = (0..48u8).filter(|&byte| BLOCK >> (47 - byte) & 1 == 1).collect();
        let text = [words(4, 150_000), occurring.repeat(1000)].concat();
        let bytes = [compressed(&text[..150_000], 1), compressed(&text[150_000..], 1)].concat();
        let (found, started_over) = read(&bytes).expect("read");
        assert!(found == text);
        assert!(started_over);
    }

    #[test]
    fn what_the_scanner_cannot_explain_is_left_to_the_ordinary_decoder() {
        let text = words(2, 300_000);
        let stream = compressed(&text, 1);
        let padded = [&stream[..], &[0; 9], &stream].concat();
        let (found, started_over) = read(&padded).expect("read");
        assert!(found == [&text[..], &text].concat());
        assert!(started_over);
        let followed = [&stream[..], &BLOCK.to_be_bytes()[2..]].concat();
        let error = read(&followed).expect_err("garbage behind the end").to_string();
        assert!(error.contains(&format!("x.bz2: bad bz2 data at byte {}", stream.len() + 1)), "{error}");
    }

    #[test]
    fn damage_is_what_the_ordinary_decoder_says_it_is() {
        let text = words(3, 400_000);
        let bytes = compressed(&text, 1);
        for at in [3, 20, 60_000, bytes.len() / 2, bytes.len() - 3] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let ordinary = Decompress::open(&source(&damaged), Compression::Bzip2).expect("open");
            let expected = io::read_to_string(ordinary).expect_err("damaged").to_string();
            assert_eq!(read(&damaged).expect_err("damaged").to_string(), expected);
            let error = read(&bytes[..at]).expect_err("truncated").to_string();
            assert!(error.contains("the file is truncated"), "{error}");
        }
    }

    #[test]
    fn magic_numbers_are_found_at_every_bit() {
        for shift in 0..8usize {
            for (magic, ends) in [(BLOCK, false), (END, true)] {
                let number = u128::from(magic) << (80 - 24 - shift);
                let bytes = number.to_be_bytes();
                assert_eq!(find_magic(&bytes, 0), Some((24 + shift, ends)));
                assert_eq!(find_magic(&bytes, 24 + shift), Some((24 + shift, ends)));
                assert_eq!(find_magic(&bytes, 25 + shift), None);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn anything_ends_and_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..2000), cut in 0usize..60_000) {
            let _ = read(&noise);
            let mut bytes = compressed(&words(5, 150_000), 1);
            bytes.truncate(cut);
            bytes.extend_from_slice(&noise);
            let _ = read(&bytes);
        }
    }
}
