//! 64 bytes at a time: where delimiters, line ends and quotes are, as masks; with AVX2 where the processor has it.
#![allow(unsafe_code)]
// Vector instructions that not every processor has are unsafe to call: `scan` asks for them first.

use super::error::CsvError;
use super::scan::Scanner;
use super::table::Table;

/// The bytes that are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Special {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
}

/// A bit for each of 64 bytes, the first one lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) delimiters: u64,
    pub(crate) ends: u64,
    pub(crate) quotes: u64,
}

/// A way to look at 64 bytes.
pub(crate) trait Lanes {
    fn marks(block: &[u8; 64], special: Special) -> Marks;

    /// The place of the bit that has `n` set ones below it; there must be one.
    fn nth(mask: u64, n: u32) -> u32;
}

/// Eight bytes at a time, with ordinary arithmetic.
pub(crate) struct Portable;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl Portable {
    /// A bit for each byte of `word` that is `byte`.
    #[inline(always)]
    fn equal(word: u64, byte: u8) -> u64 {
        let differences = word ^ (LOW * u64::from(byte));
        let zeros = !(((differences & !HIGH) + !HIGH) | differences) & HIGH;
        (zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}

impl Lanes for Portable {
    #[inline(always)]
    fn marks(block: &[u8; 64], special: Special) -> Marks {
        let mut marks = Marks { delimiters: 0, ends: 0, quotes: 0 };
        for (index, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*bytes);
            let shift = 8 * index;
            marks.delimiters |= Portable::equal(word, special.delimiter) << shift;
            marks.ends |= (Portable::equal(word, b'\n') | Portable::equal(word, b'\r')) << shift;
            if let Some(quote) = special.quote {
                marks.quotes |= Portable::equal(word, quote) << shift;
            }
        }
        marks
    }

    #[inline(always)]
    fn nth(mut mask: u64, n: u32) -> u32 {
        for _ in 0..n {
            mask &= mask.wrapping_sub(1);
        }
        mask.trailing_zeros()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
        _pdep_u64,
    };

    use super::{Lanes, Marks, Special};

    /// Used by code that has seen that the processor has AVX2 and BMI2.
    pub(super) struct Avx2;

    impl Lanes for Avx2 {
        #[inline(always)]
        fn marks(block: &[u8; 64], special: Special) -> Marks {
            // SAFETY: the processor has AVX2 (see `Avx2`), and both halves lie within `block`.
            unsafe {
                let low = _mm256_loadu_si256(block.as_ptr().cast::<__m256i>());
                let high = _mm256_loadu_si256(block.as_ptr().add(32).cast::<__m256i>());
                let equal = |half: __m256i, byte: u8| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte as i8));
                let join = |low: __m256i, high: __m256i| {
                    let (low, high) = (_mm256_movemask_epi8(low) as u32, _mm256_movemask_epi8(high) as u32);
                    u64::from(low) | u64::from(high) << 32
                };
                let end = |half: __m256i| _mm256_or_si256(equal(half, b'\n'), equal(half, b'\r'));
                Marks {
                    delimiters: join(equal(low, special.delimiter), equal(high, special.delimiter)),
                    ends: join(end(low), end(high)),
                    quotes: special.quote.map_or(0, |quote| join(equal(low, quote), equal(high, quote))),
                }
            }
        }

        #[inline(always)]
        fn nth(mask: u64, n: u32) -> u32 {
            // SAFETY: the processor has BMI2 (see `Avx2`).
            unsafe { _pdep_u64(1 << n, mask) }.trailing_zeros()
        }
    }

    pub(super) fn is_there() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
    }
}

/// [`Scanner::scan`] in the best way that the processor knows.
pub(crate) fn scan(scanner: &mut Scanner, text: &[u8], stop: usize, table: &mut Table) -> Result<(), CsvError> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
        fn with_avx2(scanner: &mut Scanner, text: &[u8], stop: usize, table: &mut Table) -> Result<(), CsvError> {
            scanner.scan::<x86::Avx2>(text, stop, table)
        }
        if x86::is_there() {
            // SAFETY: the processor has all of it.
            return unsafe { with_avx2(scanner, text, stop, table) };
        }
    }
    scanner.scan::<Portable>(text, stop, table)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<L: Lanes>(block: [u8; 64], special: Special) {
        let mask = |wanted: &dyn Fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |mask, (index, &byte)| mask | u64::from(wanted(byte)) << index)
        };
        let marks = L::marks(&block, special);
        let delimiters = mask(&|byte| byte == special.delimiter);
        assert_eq!(marks.delimiters, delimiters);
        assert_eq!(marks.ends, mask(&|byte| byte == b'\n' || byte == b'\r'));
        assert_eq!(marks.quotes, mask(&|byte| Some(byte) == special.quote));
        let places = (0..64).filter(|place| delimiters >> place & 1 == 1);
        for (n, place) in places.enumerate() {
            assert_eq!(L::nth(delimiters, n as u32), place);
        }
    }

    proptest! {
        #[test]
        fn masks_have_the_bits_of_the_bytes(
            bytes in prop::collection::vec(prop_oneof![prop::sample::select(b",\"\n\r".to_vec()), any::<u8>()], 64),
            quote in prop::option::of(Just(b'"')),
        ) {
            let block: [u8; 64] = bytes.try_into().unwrap();
            let special = Special { delimiter: b',', quote };
            check::<Portable>(block, special);
            #[cfg(target_arch = "x86_64")]
            if x86::is_there() {
                check::<x86::Avx2>(block, special);
            }
        }
    }
}
