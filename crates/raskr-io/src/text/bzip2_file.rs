//! `Bzip2File`: bz2 files, cut at their blocks, which do not depend on each other, and decoded by one or more threads.
//!
//! Blocks begin at any bit, with 48 bits that are looked for. Those may also occur inside a block, once in 10^14 or on
//! purpose. So this is a guess that is verified: every block's end and checksum by its decoder, the stream's checksum
//! and the order of the parts here. Where anything does not fit, the ordinary decoder starts over, skips what was
//! delivered, and has the last word on what is wrong.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::bzip2_block::{BLOCK, Block, BlockDecoder, Doubt, MAGIC_BITS};
use super::compression::{Compression, Decompress};
use super::source::{Input, PIECE, TextSource, read_full};
use crate::error::IoError;

const END: u64 = 0x1772_4538_5090;
/// Beyond this many bits something is wrong: 900,000 symbols of at most 20 bits each, and tables.
const BLOCK_BITS_MAX: usize = 20_000_000;
/// Below this many bytes threads cost more than they save.
const WORTHWHILE: u64 = 400_000;

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

enum Place {
    /// In front of the header of a stream, or at the end of the file.
    Between,
    /// At a bit of the buffer where a block begins.
    Block(usize),
}

/// Cuts a file into its blocks.
struct Scanner {
    input: Box<dyn Input>,
    buffer: Vec<u8>,
    place: Place,
    /// Of the buffer, what was gone through between streams.
    done: usize,
    streams: u64,
    /// Of the stream.
    level: u8,
    checksum: u32,
}

impl Scanner {
    fn new(input: Box<dyn Input>) -> Scanner {
        Scanner { input, buffer: Vec::new(), place: Place::Between, done: 0, streams: 0, level: 0, checksum: 0 }
    }

    /// Reads more; false at the end of the file.
    fn more(&mut self) -> io::Result<bool> {
        let kept = self.buffer.len();
        self.buffer.resize(kept + PIECE, 0);
        let filled = read_full(&mut *self.input, &mut self.buffer[kept..]);
        self.buffer.truncate(kept + *filled.as_ref().unwrap_or(&0));
        Ok(filled? > 0)
    }

    fn next(&mut self) -> Result<Option<Block>, Doubt> {
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

    /// Goes past the header of a stream, and zeros before it unless it is the first; false at the end of the file.
    fn begin(&mut self) -> Result<bool, Doubt> {
        loop {
            self.buffer.drain(..std::mem::take(&mut self.done));
            while self.buffer.len() < 16 && self.more()? {}
            if self.streams > 0 {
                self.done = self.buffer.iter().take_while(|&&byte| byte == 0).count();
            }
            if self.done == 0 {
                break;
            }
        }
        if self.buffer.is_empty() && self.streams > 0 {
            return Ok(false);
        }
        let [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] = self.buffer[..] else { return Err(Doubt) };
        self.level = level - b'0';
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
    fn block(&mut self, from: usize) -> Result<Block, Doubt> {
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
        let first = from / 8;
        let bytes = self.buffer[first..to.div_ceil(8)].to_vec();
        let block = Block { bytes, bits: from - 8 * first..to - 8 * first, level: self.level };
        if ends {
            self.end(to)?;
        } else {
            self.buffer.drain(..to / 8);
            self.place = Place::Block(to % 8);
        }
        Ok(block)
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
        let mut decoder = BlockDecoder::new();
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
            let found =
                block.and_then(|block| catch_unwind(AssertUnwindSafe(|| decoder.decode(&block))).unwrap_or(Err(Doubt)));
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

/// Where decoded blocks come from.
enum Blocks {
    /// The thread that reads decodes them.
    Here(Box<(Scanner, BlockDecoder)>),
    /// Others do.
    Threads(Arc<Shared>, Vec<JoinHandle<()>>),
}

impl Blocks {
    /// The next one; `None` behind the last.
    fn next(&mut self) -> Option<Result<Vec<u8>, Doubt>> {
        match self {
            Blocks::Here(here) => match here.0.next() {
                Ok(block) => block.map(|block| here.1.decode(&block)),
                Err(doubt) => Some(Err(doubt)),
            },
            Blocks::Threads(shared, _) => shared.deliver(),
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let Blocks::Threads(shared, threads) = self else { return };
        shared.work.lock().stopped = true;
        shared.changed.notify_all();
        for thread in threads.drain(..) {
            // A thread that panicked has delivered nothing wrong.
            let _ = thread.join();
        }
    }
}

/// Reads what a bz2 file holds.
pub(crate) struct Bzip2File {
    source: TextSource,
    /// Until there is doubt.
    blocks: Option<Blocks>,
    block: Vec<u8>,
    taken: usize,
    delivered: u64,
    ordinary: Option<Decompress>,
}

impl Bzip2File {
    /// Decodes with so many threads besides the one that reads or, where that does not pay, in the one that reads.
    pub(crate) fn open(source: &TextSource, threads: usize) -> Result<Bzip2File, IoError> {
        let size = source.open()?.seek(SeekFrom::End(0)).map_err(IoError::system(source.path(), "measure"))?;
        Bzip2File::open_with(source, if size < WORTHWHILE { 1 } else { threads })
    }

    fn open_with(source: &TextSource, threads: usize) -> Result<Bzip2File, IoError> {
        let scanner = Scanner::new(source.open()?);
        let mut blocks = if threads > 1 {
            let work =
                Work { scanner, next: 0, delivered: 0, exhausted: false, stopped: false, ready: BTreeMap::new() };
            let ahead = 2 * threads as u64;
            Blocks::Threads(Arc::new(Shared { work: Mutex::new(work), changed: Condvar::new(), ahead }), Vec::new())
        } else {
            Blocks::Here(Box::new((scanner, BlockDecoder::new())))
        };
        if let Blocks::Threads(shared, started) = &mut blocks {
            for _ in 0..threads {
                let shared = Arc::clone(shared);
                let thread = thread::Builder::new().name("raskr-bz2".into()).spawn(move || shared.serve());
                started.push(thread.map_err(IoError::system(source.path(), "start a thread"))?);
            }
        }
        let (source, blocks) = (source.clone(), Some(blocks));
        Ok(Bzip2File { source, blocks, block: Vec::new(), taken: 0, delivered: 0, ordinary: None })
    }

    /// The ordinary decoder behind what was delivered.
    fn start_over(&mut self) -> io::Result<Decompress> {
        self.blocks = None;
        let mut ordinary = Decompress::open(&self.source, Compression::Bzip2).map_err(io::Error::other)?;
        let skipped = io::copy(&mut (&mut ordinary).take(self.delivered), &mut io::sink())?;
        if skipped < self.delivered {
            let (path, expected) = (self.source.path().to_path_buf(), self.delivered);
            let what = " again".to_owned();
            return Err(io::Error::other(IoError::Length { path, expected, found: skipped, what }));
        }
        Ok(ordinary)
    }
}

impl Read for Bzip2File {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if let Some(ordinary) = &mut self.ordinary {
            return ordinary.read(out);
        }
        while self.taken == self.block.len() {
            match self.blocks.as_mut().and_then(Blocks::next) {
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

    fn read_with(bytes: &[u8], threads: usize) -> io::Result<(Vec<u8>, bool)> {
        let mut reader = Bzip2File::open_with(&source(bytes), threads).map_err(io::Error::other)?;
        let mut text = Vec::new();
        reader.read_to_end(&mut text)?;
        Ok((text, reader.ordinary.is_some()))
    }

    /// The text, and was there doubt? By one thread and by several, which must agree.
    fn read(bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let (here, threads) = (read_with(bytes, 1), read_with(bytes, 2));
        match (&here, &threads) {
            (Ok(here), Ok(threads)) => assert!(here == threads),
            (Err(here), Err(threads)) => assert_eq!(here.to_string(), threads.to_string()),
            _ => panic!("one thread {:?}, two {:?}", here.map(|found| found.1), threads.map(|found| found.1)),
        }
        here
    }

    fn read_ordinarily(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let mut ordinary = Decompress::open(&source(bytes), Compression::Bzip2).expect("open");
        ordinary.read_to_end(&mut text).map(|_| text).map_err(|error| error.to_string())
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
        // The bit behind a block's checksum: it was shuffled, says the bit, so the text comes out in another order.
        let mut shuffled = stream.clone();
        shuffled[14] |= 0x80;
        assert_eq!(
            read(&shuffled).expect_err("shuffled").to_string(),
            read_ordinarily(&shuffled).expect_err("shuffled")
        );
        let followed = [&stream[..], &BLOCK.to_be_bytes()[2..]].concat();
        let error = read(&followed).expect_err("garbage behind the end").to_string();
        assert!(error.contains(&format!("x.bz2: bad bz2 data at byte {}", stream.len() + 1)), "{error}");
    }

    #[test]
    fn zeros_between_and_behind_streams_are_skipped() {
        let text = words(2, 300_000);
        let stream = compressed(&text, 1);
        // More than is read at once.
        for zeros in [1, 9, PIECE + 3, 3 * PIECE] {
            let padded = [&stream[..], &vec![0; zeros], &stream, &vec![0; zeros]].concat();
            let (found, started_over) = read(&padded).expect("read");
            assert!(found == [&text[..], &text].concat());
            assert!(!started_over);
        }
        assert!(read(&[&[0], &stream[..]].concat()).is_err());
        assert!(read(&[0; 40]).is_err());
    }

    #[test]
    fn extreme_texts_need_no_doubt() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let noise: Vec<u8> = (0..1_000_000).map(|_| draw() as u8).collect();
        // Each symbol half as often as the one before, in any order: codes of all lengths.
        let halved: Vec<u8> = (0..400_000).map(|_| draw().trailing_zeros() as u8).collect();
        let rare: Vec<u8> = (0..300_000).map(|_| if draw() % 3000 == 0 { draw() as u8 } else { b'x' }).collect();
        let texts = [
            noise,
            halved,
            rare,
            vec![0; 4_000_000],
            vec![b'a'; 255 + 4],
            b"ab".repeat(450_000),
            words(9, 30_000).repeat(40),
            (0..=255).rev().cycle().take(5000).collect(),
            b"x".to_vec(),
            b"aaaa".to_vec(),
            words(8, 2_000_000),
        ];
        for (number, text) in texts.iter().enumerate() {
            for level in [1, 9] {
                let (found, started_over) = read(&compressed(text, level)).expect("read");
                assert!(found == *text, "text {number}, level {level}");
                assert!(!started_over, "text {number}, level {level}");
            }
        }
    }

    #[test]
    fn damage_is_what_the_ordinary_decoder_says_it_is() {
        let text = words(3, 400_000);
        let bytes = compressed(&text, 1);
        for at in [3, 20, 60_000, bytes.len() / 2, bytes.len() - 3] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let expected = read_ordinarily(&damaged).expect_err("damaged");
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

    /// Noise, few symbols, repetitions of pieces, and long runs, in turns.
    fn any_text() -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::collection::vec(any::<u8>(), 0..3000);
        let few = prop::collection::vec(0_u8..4, 0..5000);
        let repeated =
            (prop::collection::vec(any::<u8>(), 1..40), 1..2000_usize).prop_map(|(it, times)| it.repeat(times));
        let run = (any::<u8>(), 1..60_000_usize).prop_map(|(byte, length)| vec![byte; length]);
        let counted = (any::<u64>(), 0..150_000_usize).prop_map(|(seed, length)| words(seed, length));
        prop::collection::vec(prop_oneof![noise, few, repeated, run, counted], 0..5).prop_map(|parts| parts.concat())
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

        #[test]
        fn texts_come_back_at_every_level_without_doubt(text in any_text(), level in 1_u32..=9) {
            let (found, started_over) = read(&compressed(&text, level)).expect("read");
            prop_assert!(found == text);
            prop_assert!(!started_over);
        }

        #[test]
        fn changed_bits_are_judged_as_by_the_ordinary_decoder(
            text in any_text(),
            level in 1_u32..=9,
            places in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        ) {
            let mut bytes = compressed(&text, level);
            for place in places {
                let bit = place.index(8 * bytes.len());
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let found = read(&bytes).map(|(text, _)| text).map_err(|error| error.to_string());
            prop_assert!(found == read_ordinarily(&bytes));
        }
    }
}
