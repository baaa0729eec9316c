//! ARS-4x32 with seven rounds: a counter-based generator, so that every element's number can be had without its
//! neighbours' (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A block is seven AES rounds over a 128-bit counter with a Weyl sequence as round keys. The counter's low half is an
//! index, its high half a sub-counter. Hardware rounds are used where the machine has them; the portable ones give
//! the same bits.
// `unsafe` is allowed here: calls of functions compiled for instructions whose presence was tested at run time, and the
// view of `f64` memory as words.
#![allow(unsafe_code)]

use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::ars_aarch64 as hardware;
#[cfg(target_arch = "x86_64")]
use super::ars_x86 as hardware;

pub const ROUNDS: usize = 7;

/// Increments of the two halves of the round key: the golden ratio and the square root of three minus one.
const WEYL: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xBB67_AE85_84CA_A73B];

/// Blocks of scattered counters that are made at once.
const APART: usize = 32;

/// The index of element `k` of a run.
#[inline(always)]
pub(crate) fn element(start: u64, step: i64, k: usize) -> u64 {
    start.wrapping_add((step as u64).wrapping_mul(k as u64))
}

/// The round keys that belong to a key: the first whitens the counter.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Schedule(pub [[u64; 2]; ROUNDS + 1]);

impl Schedule {
    pub fn new(key: [u64; 2]) -> Schedule {
        let mut keys = [key; ROUNDS + 1];
        for round in 1..=ROUNDS {
            keys[round] = [keys[round - 1][0].wrapping_add(WEYL[0]), keys[round - 1][1].wrapping_add(WEYL[1])];
        }
        Schedule(keys)
    }
}

/// Which instructions make the blocks. Every engine gives the same numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    Portable,
    /// AES-NI: one block an instruction.
    #[cfg(target_arch = "x86_64")]
    Aes128,
    /// VAES over AVX2 registers: two blocks an instruction.
    #[cfg(target_arch = "x86_64")]
    Aes256,
    /// VAES over AVX-512 registers: four blocks an instruction.
    #[cfg(target_arch = "x86_64")]
    Aes512,
    /// The cryptography extension of ARMv8.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Engine {
    /// Every engine that this machine can run, slowest first.
    pub fn available() -> Vec<Engine> {
        let mut engines = vec![Engine::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("aes") && has!("sse4.1") {
                engines.push(Engine::Aes128);
                if has!("vaes") && has!("avx2") {
                    engines.push(Engine::Aes256);
                    if has!("avx512f") && has!("avx512dq") {
                        engines.push(Engine::Aes512);
                    }
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("aes") {
            engines.push(Engine::Neon);
        }
        engines
    }

    /// The fastest engine of this machine, looked up once.
    pub fn fastest() -> Engine {
        static FASTEST: OnceLock<Engine> = OnceLock::new();
        *FASTEST.get_or_init(|| Engine::available().last().copied().unwrap_or(Engine::Portable))
    }
}

/// The generator under one key.
#[derive(Clone, Copy, Debug)]
pub struct Cipher {
    schedule: Schedule,
    engine: Engine,
}

impl Cipher {
    pub fn new(key: [u64; 2]) -> Cipher {
        Cipher { schedule: Schedule::new(key), engine: Engine::fastest() }
    }

    /// The same numbers made by a certain engine, which must be one of [`Engine::available`]; otherwise the portable
    /// one serves.
    pub fn with_engine(key: [u64; 2], engine: Engine) -> Cipher {
        let engine = if Engine::available().contains(&engine) { engine } else { Engine::Portable };
        Cipher { schedule: Schedule::new(key), engine }
    }

    /// The two words of the block of a counter.
    #[inline]
    pub fn block(&self, index: u64, sub: u64) -> [u64; 2] {
        match self.engine {
            Engine::Portable => portable_block(&self.schedule, [index, sub]),
            // SAFETY: an engine other than the portable one is only ever set after its instructions were detected.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { hardware::block(&self.schedule, index, sub) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            _ => unsafe { hardware::block(&self.schedule, index, sub) },
        }
    }

    /// The words of consecutive counters: block `first + k` goes to `out[2k]` and `out[2k + 1]`. An odd last word is
    /// the first of its block.
    pub fn blocks(&self, first: u64, sub: u64, out: &mut [u64]) {
        let (body, tail) = out.split_at_mut(out.len() & !1);
        match self.engine {
            Engine::Portable => {
                for (index, words) in (first..).zip(body.chunks_exact_mut(2)) {
                    words.copy_from_slice(&portable_block(&self.schedule, [index, sub]));
                }
            }
            // SAFETY: the engine's instructions were detected.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes128 => unsafe { hardware::blocks_128(&self.schedule, first, sub, body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes256 => unsafe { hardware::blocks_256(&self.schedule, first, sub, body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes512 => unsafe { hardware::blocks_512::<false>(&self.schedule, first, sub, body, [0.0; 2]) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Engine::Neon => unsafe { hardware::blocks(&self.schedule, first, sub, body) },
        }
        if let [last] = tail {
            *last = self.block(first.wrapping_add(body.len() as u64 / 2), sub)[0];
        }
    }

    /// As [`Cipher::blocks`], but leaves `uniform * scale + offset` instead of words, when the engine can do so while
    /// the words are in registers; `false` when the caller has to turn words into numbers itself.
    pub(crate) fn uniform_blocks(&self, first: u64, out: &mut [f64], line: [f64; 2]) -> bool {
        match self.engine {
            #[cfg(target_arch = "x86_64")]
            Engine::Aes512 if out.len().is_multiple_of(2) => {
                // SAFETY: the engine's instructions were detected.
                unsafe { hardware::blocks_512::<true>(&self.schedule, first, 0, as_words(out), line) };
                true
            }
            _ => {
                self.blocks(first, 0, as_words(out));
                let _ = line;
                false
            }
        }
    }

    /// The blocks of indexes a step apart, each halved when `halved`, with one sub-counter.
    pub(crate) fn blocks_apart(&self, start: u64, step: i64, halved: bool, sub: u64, out: &mut [[u64; 2]]) {
        #[cfg(target_arch = "x86_64")]
        if self.engine == Engine::Aes512 {
            // SAFETY: the engine's instructions were detected.
            unsafe {
                if halved {
                    hardware::blocks_apart_512::<1>(&self.schedule, start, step, sub, out);
                } else {
                    hardware::blocks_apart_512::<0>(&self.schedule, start, step, sub, out);
                }
            }
            return;
        }
        let mut counters = [[0, sub]; APART];
        for (chunk, out) in out.chunks_mut(APART).enumerate() {
            for (k, counter) in counters.iter_mut().enumerate() {
                counter[0] = element(start, step, chunk * APART + k) >> u32::from(halved);
            }
            self.gather(&counters[..out.len()], out);
        }
    }

    /// The blocks of any counters.
    fn gather(&self, counters: &[[u64; 2]], out: &mut [[u64; 2]]) {
        match self.engine {
            Engine::Portable => {
                for (counter, words) in counters.iter().zip(out) {
                    *words = portable_block(&self.schedule, *counter);
                }
            }
            // SAFETY: the engine's instructions were detected.
            #[cfg(target_arch = "x86_64")]
            _ => unsafe { hardware::gather(&self.schedule, counters, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            _ => unsafe { hardware::gather(&self.schedule, counters, out) },
        }
    }

    /// The word of each of consecutive elements: element `i` has half `i % 2` of block `i / 2`.
    pub fn words(&self, start: u64, out: &mut [u64]) {
        let (head, body) = out.split_at_mut(((start & 1) as usize).min(out.len()));
        if let [first] = head {
            *first = self.block(start >> 1, 0)[1];
        }
        self.blocks(start.div_ceil(2), 0, body);
    }

    /// The words of the elements `start`, `start + step`, ...
    pub(crate) fn words_apart(&self, start: u64, step: i64, out: &mut [u64]) {
        #[cfg(target_arch = "x86_64")]
        if self.engine == Engine::Aes512 {
            // SAFETY: the engine's instructions were detected.
            unsafe { hardware::words_apart_512(&self.schedule, start, step, out) };
            return;
        }
        let mut blocks = [[0; 2]; APART];
        for (chunk, words) in out.chunks_mut(APART).enumerate() {
            let first = element(start, step, chunk * APART);
            self.blocks_apart(first, step, true, 0, &mut blocks[..words.len()]);
            for (k, (word, block)) in words.iter_mut().zip(&blocks).enumerate() {
                *word = block[(element(first, step, k) & 1) as usize];
            }
        }
    }

    /// The word of element `index`: see [`Cipher::words`].
    #[inline]
    pub fn word(&self, index: u64) -> u64 {
        self.block(index >> 1, 0)[(index & 1) as usize]
    }
}

/// The memory of doubles seen as words.
pub(crate) fn as_words(values: &mut [f64]) -> &mut [u64] {
    // SAFETY: both types have eight bytes and the same alignment, and every pattern of bits is a value of either.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// The memory of signed integers seen as words.
pub(crate) fn integers_as_words(values: &mut [i64]) -> &mut [u64] {
    // SAFETY: as in `as_words`.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// A product in the field of 256 elements that AES computes in.
const fn field_product(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// The substitution of FIPS 197: the inverse in the field, then an affine map over bits.
const fn substitution() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut value = 0usize;
    while value < 256 {
        // The inverse is the 254th power.
        let mut inverse = 1u8;
        let mut power = 0;
        while power < 254 {
            inverse = field_product(inverse, value as u8);
            power += 1;
        }
        let bits = inverse;
        table[value] =
            bits ^ bits.rotate_left(1) ^ bits.rotate_left(2) ^ bits.rotate_left(3) ^ bits.rotate_left(4) ^ 0x63;
        value += 1;
    }
    table
}

/// Substitution and column mixing of one byte at once: the column that a byte of row 0 contributes.
const fn mixed_columns(substitution: &[u8; 256]) -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut value = 0;
    while value < 256 {
        let s = substitution[value];
        table[value] = u32::from_le_bytes([field_product(s, 2), s, s, field_product(s, 3)]);
        value += 1;
    }
    table
}

static SUBSTITUTION: [u8; 256] = substitution();
static MIXED: [u32; 256] = mixed_columns(&SUBSTITUTION);

/// One block without special instructions.
fn portable_block(schedule: &Schedule, counter: [u64; 2]) -> [u64; 2] {
    let keys = &schedule.0;
    let mut state = [counter[0] ^ keys[0][0], counter[1] ^ keys[0][1]];
    for (round, key) in keys.iter().enumerate().skip(1) {
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&state[0].to_le_bytes());
        bytes[8..].copy_from_slice(&state[1].to_le_bytes());
        let mut columns = [0u32; 4];
        for (c, column) in columns.iter_mut().enumerate() {
            // Row r of the new column comes from r columns further right.
            let row = |r: usize| bytes[((c + r) % 4) * 4 + r] as usize;
            *column = if round < ROUNDS {
                MIXED[row(0)]
                    ^ MIXED[row(1)].rotate_left(8)
                    ^ MIXED[row(2)].rotate_left(16)
                    ^ MIXED[row(3)].rotate_left(24)
            } else {
                u32::from_le_bytes([0, 1, 2, 3].map(|r| SUBSTITUTION[row(r)]))
            };
        }
        state[0] = (u64::from(columns[0]) | u64::from(columns[1]) << 32) ^ key[0];
        state[1] = (u64::from(columns[2]) | u64::from(columns[3]) << 32) ^ key[1];
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test values that the authors of the generator publish with their library.
    #[test]
    fn blocks_are_the_published_ones() {
        for engine in Engine::available() {
            // Printed there byte by byte.
            let cipher = Cipher::with_engine([1, 0], engine);
            assert_eq!(
                cipher.block(1, 0),
                [0x2b16_2335_0cd2_14dc, 0x7740_1879_9341_1872].map(u64::swap_bytes),
                "{engine:?}"
            );
            assert_eq!(
                cipher.block(256, 0),
                [0x2de6_b66f_a461_b668, 0xf380_126f_32b9_cd22].map(u64::swap_bytes),
                "{engine:?}"
            );
        }
    }

    #[test]
    fn every_engine_gives_the_portable_numbers() {
        for key in [[0, 0], [u64::MAX, 1], [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]] {
            let reference = Cipher::with_engine(key, Engine::Portable);
            for engine in Engine::available() {
                let cipher = Cipher::with_engine(key, engine);
                for first in [0, 1, 17, u64::from(u32::MAX), (1 << 63) - 3] {
                    for len in [0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 64, 71, 257] {
                        for sub in [0, 1, u64::MAX] {
                            let (mut expected, mut got) = (vec![0; len], vec![0; len]);
                            reference.blocks(first, sub, &mut expected);
                            cipher.blocks(first, sub, &mut got);
                            assert_eq!(got, expected, "{engine:?} from {first}, {len} words");
                        }
                    }
                }
                for (step, halved, len) in [(3, true, 37), (-5, false, 16), (0, true, 1), (1 << 40, false, 100)] {
                    let (mut expected, mut got) = (vec![[0; 2]; len], vec![[0; 2]; len]);
                    reference.blocks_apart(1 << 50, step, halved, 7, &mut expected);
                    cipher.blocks_apart(1 << 50, step, halved, 7, &mut got);
                    assert_eq!(got, expected, "{engine:?} by {step}");
                    let (mut expected, mut got) = (vec![0; len], vec![0; len]);
                    reference.words_apart(1 << 50, step, &mut expected);
                    cipher.words_apart(1 << 50, step, &mut got);
                    assert_eq!(got, expected, "{engine:?} by {step}");
                }
            }
        }
    }

    #[test]
    fn words_do_not_depend_on_where_a_run_starts() {
        let cipher = Cipher::new([3, 4]);
        let mut all = vec![0; 101];
        cipher.words(0, &mut all);
        for start in 0..20 {
            for len in 0..20 {
                let mut part = vec![0; len];
                cipher.words(start as u64, &mut part);
                assert_eq!(part, all[start..start + len]);
            }
        }
        assert!((0..101).all(|index| cipher.word(index) == all[index as usize]));
    }
}
