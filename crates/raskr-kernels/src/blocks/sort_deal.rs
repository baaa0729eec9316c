//! Sorting of long lines of 64 bits: keys are first dealt out to piles, each above the one before, so that all that follows
//! happens in the cache.
//!
//! Piles are separated by keys of a sample, found by a search tree that lies in registers, and filled a cache line at a
//! time (P. Sanders and S. Winkel, "Super Scalar Sample Sort", 2004). Without AVX-512 lines are sorted as they are.
// `unsafe` is allowed here: keys are moved to places that were counted before, elements are seen as integers of their size,
// and vector instructions are looked for first.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use raskr_base::Element;

use super::key::Sortable;
use super::sort_x86::{available, sort_wide};

/// Lines from this length on are dealt out; shorter ones fit the cache as they are.
pub const DEALT_MIN: usize = 1 << 18;
/// Piles that a line is dealt out to.
const PILES: usize = 128;
/// Sampled keys for each pile.
const SAMPLED: usize = 32;
/// Keys that are looked at together.
const PIECE: usize = 1024;
/// Keys of a cache line.
const LINE: usize = 8;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct CacheLine([i64; LINE]);

/// Where each pile begins.
type Starts = [usize; PILES];

/// Sorts the elements of `from` into `out`, which is as long; false where that is not to be had and nothing was done.
pub fn sorted<T: Element, K: Sortable<T, Bits = i64>>(from: &[T], out: &mut [T]) -> bool {
    let aligned = (out.as_ptr() as usize).is_multiple_of(align_of::<CacheLine>());
    if size_of::<T>() != 8 || from.len() != out.len() || from.len() < DEALT_MIN || !aligned || !available() {
        return false;
    }
    // SAFETY: elements of 64 bits, any of which are a key and the other way round; `out` is used through this slice alone.
    let keys = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<i64>(), out.len()) };
    // SAFETY: the instructions are there, and the keys begin a cache line.
    unsafe {
        let ends = deal::<T, K>(from, keys);
        let mut start = 0;
        for end in ends {
            let pile = &mut keys[start..end];
            sort_wide(pile);
            restore::<T, K>(pile);
            start = end;
        }
    }
    true
}

/// Keys become the bits of their elements.
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn restore<T: Element, K: Sortable<T, Bits = i64>>(pile: &mut [i64]) {
    for key in pile {
        // SAFETY: of one size, as `sorted` checked.
        *key = unsafe { std::mem::transmute_copy::<T, i64>(&K::element(*key)) };
    }
}

/// Keys that separate piles of about equal size, as a search tree: the children of entry `i` are entries `2 * i` and
/// `2 * i + 1`, from entry 1 on.
fn separators<T: Element, K: Sortable<T, Bits = i64>>(from: &[T]) -> [i64; PILES] {
    let count = PILES * SAMPLED;
    let part = from.len() / count;
    // Pseudo-random places, one in each of equal parts: regular ones may meet a period of the data.
    let shift = |i: usize| ((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
    let mut sample: Vec<i64> = (0..count).map(|i| K::bits(from[i * part + ((shift(i) * part) >> 32)])).collect();
    sample.sort_unstable();
    let mut tree = [i64::MAX; PILES];
    for (at, entry) in tree.iter_mut().enumerate().skip(1) {
        let level = at.ilog2();
        let place = (2 * (at - (1 << level)) + 1) << (PILES.ilog2() - 1 - level);
        *entry = sample[place * SAMPLED];
    }
    tree
}

/// Writes the keys of `from` in piles and gives where each ends.
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn deal<T: Element, K: Sortable<T, Bits = i64>>(from: &[T], out: &mut [i64]) -> Starts {
    let tree = separators::<T, K>(from);
    let mut piles = vec![0u8; from.len()];
    let mut counts = [[0usize; PILES]; 4];
    let mut keys = [0i64; PIECE];
    for (elements, piles) in from.chunks(PIECE).zip(piles.chunks_mut(PIECE)) {
        for (key, &x) in keys.iter_mut().zip(elements) {
            *key = K::bits(x);
        }
        // SAFETY: the caller has the instructions.
        unsafe { choose(&tree, &keys[..elements.len()], piles) };
        // Several counters, as one that is raised twice in a row waits for itself.
        for four in piles.chunks(4) {
            for (counts, &pile) in counts.iter_mut().zip(four) {
                counts[pile as usize % PILES] += 1;
            }
        }
    }
    let mut starts = [0usize; PILES];
    let mut end = 0;
    for (pile, start) in starts.iter_mut().enumerate() {
        *start = end;
        end += counts.iter().map(|counts| counts[pile]).sum::<usize>();
    }
    assert!(end == out.len(), "the piles don't cover the keys");
    let mut places = starts;
    let mut lines = [CacheLine([0; LINE]); PILES];
    for (elements, piles) in from.chunks(PIECE).zip(piles.chunks(PIECE)) {
        for (key, &x) in keys.iter_mut().zip(elements) {
            *key = K::bits(x);
        }
        for (&key, &pile) in keys.iter().zip(piles) {
            let pile = pile as usize % PILES;
            let place = places[pile];
            places[pile] += 1;
            lines[pile].0[place % LINE] = key;
            if place % LINE == LINE - 1 {
                let first = place + 1 - LINE;
                if first >= starts[pile] {
                    // SAFETY: the line lies within the pile, whose places are below the number of keys, and `out` begins
                    // a cache line.
                    unsafe {
                        let line = _mm512_load_si512(lines[pile].0.as_ptr().cast());
                        _mm512_stream_si512(out.as_mut_ptr().add(first).cast(), line);
                    }
                } else {
                    let start = starts[pile];
                    out[start..=place].copy_from_slice(&lines[pile].0[start % LINE..]);
                }
            }
        }
    }
    for pile in 0..PILES {
        let first = (places[pile] - places[pile] % LINE).max(starts[pile]);
        let count = places[pile] - first;
        out[first..places[pile]].copy_from_slice(&lines[pile].0[first % LINE..][..count]);
    }
    // What was written past the cache is to be seen by all.
    _mm_sfence();
    places
}

/// For each key the number of separators below it.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn choose(tree: &[i64; PILES], keys: &[i64], piles: &mut [u8]) {
    let count = keys.len().min(piles.len());
    let whole = count - count % LINE;
    // SAFETY: tables lie within the tree, and loads and stores end at `whole`.
    unsafe {
        macro_rules! table {
            ($($i:literal)*) => { [$(_mm512_loadu_si512(tree.as_ptr().add(8 * $i).cast())),*] };
        }
        let [top, third] = table!(0 1);
        let (fourth, fifth, sixth) = (table!(2 3), table!(4 5 6 7), table!(8 9 10 11 12 13 14 15));
        let (one, root) = (_mm512_set1_epi64(1), _mm512_set1_epi64(tree[1]));
        let (bit4, bit5) = (_mm512_set1_epi64(16), _mm512_set1_epi64(32));
        let mut i = 0;
        while i < whole {
            let x = _mm512_loadu_si512(keys.as_ptr().add(i).cast());
            let mut at = one;
            macro_rules! descend {
                ($separators:expr) => {{
                    let above = _mm512_cmpgt_epi64_mask(x, $separators);
                    at = _mm512_add_epi64(at, at);
                    at = _mm512_mask_add_epi64(at, above, at, one);
                }};
            }
            macro_rules! pick {
                ($table:ident, $a:literal $b:literal) => {
                    _mm512_permutex2var_epi64($table[$a], at, $table[$b])
                };
            }
            descend!(root);
            descend!(_mm512_permutexvar_epi64(at, top));
            descend!(_mm512_permutexvar_epi64(at, top));
            descend!(_mm512_permutexvar_epi64(at, third));
            descend!(pick!(fourth, 0 1));
            let upper = _mm512_test_epi64_mask(at, bit4);
            descend!(_mm512_mask_mov_epi64(pick!(fifth, 0 1), upper, pick!(fifth, 2 3)));
            let upper = _mm512_test_epi64_mask(at, bit4);
            let low = _mm512_mask_mov_epi64(pick!(sixth, 0 1), upper, pick!(sixth, 2 3));
            let high = _mm512_mask_mov_epi64(pick!(sixth, 4 5), upper, pick!(sixth, 6 7));
            descend!(_mm512_mask_mov_epi64(low, _mm512_test_epi64_mask(at, bit5), high));
            _mm_storel_epi64(piles.as_mut_ptr().add(i).cast(), _mm512_cvtepi64_epi8(at));
            i += LINE;
        }
    }
    for (&key, pile) in keys[whole..count].iter().zip(&mut piles[whole..count]) {
        let mut at = 1;
        while at < PILES {
            at = 2 * at + usize::from(key > tree[at]);
        }
        *pile = at as u8;
    }
}

#[cfg(test)]
mod tests {
    use raskr_base::{ChunkMut, DType};

    use super::super::key::PlainKey;
    use super::*;

    #[test]
    fn long_lines_are_sorted() {
        let count = DEALT_MIN + 12_345;
        let mixed = |i: usize| ((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64;
        let lines: [Vec<f64>; 5] = [
            (0..count).map(mixed).collect(),
            (0..count).map(|i| mixed(i) % 5.0 - 2.0).collect(),
            (0..count).map(|i| if i % 3 == 0 { f64::NAN } else { -mixed(i) }).collect(),
            (0..count).rev().map(|i| i as f64).collect(),
            vec![1.5; count],
        ];
        for line in lines {
            let mut out = ChunkMut::new(DType::F64, &[count]);
            if !sorted::<f64, PlainKey>(&line, out.as_mut_slice()) {
                assert!(!available());
                continue;
            }
            let mut expected = line;
            expected.sort_by_key(|&x| <PlainKey as Sortable<f64>>::bits(x));
            let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
            assert!(out.as_mut_slice::<f64>().iter().zip(&expected).all(same));
        }
    }
}
