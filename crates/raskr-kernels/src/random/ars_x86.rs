//! The rounds of ARS by AES-NI and by VAES over 256-bit and 512-bit registers.
// `unsafe` is allowed here: stores through pointers into slices whose bounds the loops keep.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::ars::{ROUNDS, Schedule};

#[target_feature(enable = "aes,sse2")]
fn round_keys(schedule: &Schedule) -> [__m128i; ROUNDS + 1] {
    schedule.0.map(|key| _mm_set_epi64x(key[1] as i64, key[0] as i64))
}

/// The blocks of `N` counters, in step, so that the rounds' latencies overlap.
#[inline]
#[target_feature(enable = "aes,sse2")]
fn encrypt<const N: usize>(keys: &[__m128i; ROUNDS + 1], counters: [__m128i; N]) -> [__m128i; N] {
    let mut state = counters;
    for lane in &mut state {
        *lane = _mm_xor_si128(*lane, keys[0]);
    }
    for key in &keys[1..ROUNDS] {
        for lane in &mut state {
            *lane = _mm_aesenc_si128(*lane, *key);
        }
    }
    for lane in &mut state {
        *lane = _mm_aesenclast_si128(*lane, keys[ROUNDS]);
    }
    state
}

#[inline]
#[target_feature(enable = "aes,sse4.1")]
pub fn block(schedule: &Schedule, index: u64, sub: u64) -> [u64; 2] {
    let keys = round_keys(schedule);
    let [state] = encrypt(&keys, [_mm_set_epi64x(sub as i64, index as i64)]);
    [_mm_cvtsi128_si64(state) as u64, _mm_extract_epi64::<1>(state) as u64]
}

/// Blocks of any counters.
#[target_feature(enable = "aes,sse4.1")]
pub fn gather(schedule: &Schedule, counters: &[[u64; 2]], out: &mut [[u64; 2]]) {
    let keys = round_keys(schedule);
    let len = counters.len().min(out.len());
    let mut at = 0;
    while at < len {
        let count = (len - at).min(8);
        let mut lanes = [_mm_setzero_si128(); 8];
        for (lane, counter) in lanes.iter_mut().zip(&counters[at..at + count]) {
            *lane = _mm_set_epi64x(counter[1] as i64, counter[0] as i64);
        }
        let lanes = encrypt(&keys, lanes);
        for (words, lane) in out[at..at + count].iter_mut().zip(lanes) {
            // SAFETY: `words` is sixteen writable bytes; the store has no alignment to keep.
            unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), lane) };
        }
        at += count;
    }
}

/// Consecutive blocks into a slice of even length.
#[target_feature(enable = "aes,sse4.1")]
pub fn blocks_128(schedule: &Schedule, first: u64, sub: u64, out: &mut [u64]) {
    let keys = round_keys(schedule);
    let one = _mm_set_epi64x(0, 1);
    let mut counter = _mm_set_epi64x(sub as i64, first as i64);
    for words in out.chunks_mut(16) {
        let mut lanes = [counter; 8];
        for k in 1..8 {
            lanes[k] = _mm_add_epi64(lanes[k - 1], one);
        }
        counter = _mm_add_epi64(lanes[7], one);
        let lanes = encrypt(&keys, lanes);
        for (pair, lane) in words.chunks_exact_mut(2).zip(lanes) {
            // SAFETY: `pair` is sixteen writable bytes; the store has no alignment to keep.
            unsafe { _mm_storeu_si128(pair.as_mut_ptr().cast(), lane) };
        }
    }
}

/// As [`blocks_128`], two blocks a register.
#[target_feature(enable = "aes,vaes,avx2,sse4.1")]
pub fn blocks_256(schedule: &Schedule, first: u64, sub: u64, out: &mut [u64]) {
    let mut keys = [_mm256_setzero_si256(); ROUNDS + 1];
    for (wide, key) in keys.iter_mut().zip(round_keys(schedule)) {
        *wide = _mm256_broadcastsi128_si256(key);
    }
    let step = _mm256_set_epi64x(0, 2, 0, 2);
    let (sub_lane, low) = (sub as i64, first as i64);
    let mut counter = _mm256_set_epi64x(sub_lane, low.wrapping_add(1), sub_lane, low);
    let mut groups = out.chunks_exact_mut(32);
    let mut done = 0u64;
    for words in &mut groups {
        let mut lanes = [counter; 8];
        for k in 1..8 {
            lanes[k] = _mm256_add_epi64(lanes[k - 1], step);
        }
        counter = _mm256_add_epi64(lanes[7], step);
        for lane in &mut lanes {
            *lane = _mm256_xor_si256(*lane, keys[0]);
        }
        for key in &keys[1..ROUNDS] {
            for lane in &mut lanes {
                *lane = _mm256_aesenc_epi128(*lane, *key);
            }
        }
        for (four, lane) in words.chunks_exact_mut(4).zip(lanes) {
            let lane = _mm256_aesenclast_epi128(lane, keys[ROUNDS]);
            // SAFETY: `four` is 32 writable bytes; the store has no alignment to keep.
            unsafe { _mm256_storeu_si256(four.as_mut_ptr().cast(), lane) };
        }
        done += 16;
    }
    blocks_128(schedule, first.wrapping_add(done), sub, groups.into_remainder());
}

#[inline]
#[target_feature(enable = "aes,avx512f")]
fn wide_keys(schedule: &Schedule) -> [__m512i; ROUNDS + 1] {
    let mut keys = [_mm512_setzero_si512(); ROUNDS + 1];
    for (wide, key) in keys.iter_mut().zip(round_keys(schedule)) {
        *wide = _mm512_broadcast_i32x4(key);
    }
    keys
}

/// Sixteen blocks in step.
#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn encrypt_512(keys: &[__m512i; ROUNDS + 1], counters: [__m512i; 4]) -> [__m512i; 4] {
    let mut lanes = counters;
    for state in &mut lanes {
        *state = _mm512_xor_si512(*state, keys[0]);
    }
    for key in &keys[1..ROUNDS] {
        for state in &mut lanes {
            *state = _mm512_aesenc_epi128(*state, *key);
        }
    }
    for state in &mut lanes {
        *state = _mm512_aesenclast_epi128(*state, keys[ROUNDS]);
    }
    lanes
}

/// As [`blocks_128`], four blocks a register; `UNIFORM` turns each word into `u * line[0] + line[1]`, where `u` is
/// the word's upper 53 bits as an integer, and leaves the bits of that number.
#[target_feature(enable = "aes,vaes,avx512f,avx512dq,sse4.1")]
pub fn blocks_512<const UNIFORM: bool>(schedule: &Schedule, first: u64, sub: u64, out: &mut [u64], line: [f64; 2]) {
    let keys = wide_keys(schedule);
    let (scale, offset) = (_mm512_set1_pd(line[0]), _mm512_set1_pd(line[1]));
    let step = _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    let (sub_lane, low) = (sub as i64, first as i64);
    let lane = |k: i64| low.wrapping_add(k);
    let mut counter = _mm512_set_epi64(sub_lane, lane(3), sub_lane, lane(2), sub_lane, lane(1), sub_lane, lane(0));
    let mut start = out.as_mut_ptr().cast::<i64>();
    let mut left = out.len();
    while left > 0 {
        let mut lanes = [counter; 4];
        for k in 1..4 {
            lanes[k] = _mm512_add_epi64(lanes[k - 1], step);
        }
        counter = _mm512_add_epi64(lanes[3], step);
        let mut lanes = encrypt_512(&keys, lanes);
        for state in &mut lanes {
            if UNIFORM {
                let integer = _mm512_cvtepu64_pd(_mm512_srli_epi64::<11>(*state));
                *state = _mm512_castpd_si512(_mm512_fmadd_pd(integer, scale, offset));
            }
        }
        if left >= 32 {
            for (k, state) in lanes.into_iter().enumerate() {
                // SAFETY: at least 32 words are left at `start`.
                unsafe { _mm512_storeu_epi64(start.add(8 * k), state) };
            }
            // SAFETY: as above; the end of the slice at most.
            start = unsafe { start.add(32) };
            left -= 32;
        } else {
            for (k, state) in lanes.into_iter().enumerate() {
                let count = left.saturating_sub(8 * k).min(8);
                let mask = ((1u32 << count) - 1) as u8;
                // SAFETY: the mask lets through the `left` words at `start` only; masked-out lanes touch no memory.
                unsafe { _mm512_mask_storeu_epi64(start.wrapping_add(8 * k), mask, state) };
            }
            left = 0;
        }
    }
}

/// The blocks of counters a step apart, each shifted right by `SHIFT`, with one sub-counter.
#[target_feature(enable = "aes,vaes,avx512f,avx512dq,sse4.1")]
pub fn blocks_apart_512<const SHIFT: u32>(schedule: &Schedule, start: u64, step: i64, sub: u64, out: &mut [[u64; 2]]) {
    let keys = wide_keys(schedule);
    let at = |k: i64| (start as i64).wrapping_add(step.wrapping_mul(k));
    let subs = _mm512_maskz_set1_epi64(0b1010_1010, sub as i64);
    let advance = _mm512_maskz_set1_epi64(0b0101_0101, step.wrapping_mul(4));
    let mut index = _mm512_set_epi64(0, at(3), 0, at(2), 0, at(1), 0, at(0));
    for blocks in out.chunks_mut(16) {
        let mut lanes = [subs; 4];
        for lane in &mut lanes {
            *lane = _mm512_or_si512(subs, _mm512_srli_epi64::<SHIFT>(index));
            index = _mm512_add_epi64(index, advance);
        }
        let lanes = encrypt_512(&keys, lanes);
        let words = blocks.as_flattened_mut();
        for (k, lane) in lanes.into_iter().enumerate() {
            let count = words.len().saturating_sub(8 * k).min(8);
            let mask = ((1u32 << count) - 1) as u8;
            // SAFETY: the mask lets through the words that are left only; masked-out lanes touch no memory.
            unsafe { _mm512_mask_storeu_epi64(words.as_mut_ptr().wrapping_add(8 * k).cast(), mask, lane) };
        }
    }
}

/// The words of elements a step apart: element `i` has half `i % 2` of block `i / 2`. A block is made for each.
#[target_feature(enable = "aes,vaes,avx512f,avx512dq,sse4.1")]
pub fn words_apart_512(schedule: &Schedule, start: u64, step: i64, out: &mut [u64]) {
    let keys = wide_keys(schedule);
    let zero = _mm512_setzero_si512();
    let at = |k: i64| (start as i64).wrapping_add(step.wrapping_mul(k));
    let mut index = _mm512_set_epi64(at(7), at(6), at(5), at(4), at(3), at(2), at(1), at(0));
    let advance = _mm512_set1_epi64(step.wrapping_mul(8));
    for words in out.chunks_mut(16) {
        let indexes = [index, _mm512_add_epi64(index, advance)];
        index = _mm512_add_epi64(indexes[1], advance);
        let mut lanes = [zero; 4];
        for (pair, index) in lanes.as_chunks_mut::<2>().0.iter_mut().zip(indexes) {
            let block = _mm512_srli_epi64::<1>(index);
            // Counters of the even elements, then of the odd ones.
            *pair = [_mm512_unpacklo_epi64(block, zero), _mm512_unpackhi_epi64(block, zero)];
        }
        let lanes = encrypt_512(&keys, lanes);
        for (k, (pair, index)) in lanes.as_chunks::<2>().0.iter().zip(indexes).enumerate() {
            let (first, second) = (_mm512_unpacklo_epi64(pair[0], pair[1]), _mm512_unpackhi_epi64(pair[0], pair[1]));
            let odd = _mm512_test_epi64_mask(index, _mm512_set1_epi64(1));
            let chosen = _mm512_mask_blend_epi64(odd, first, second);
            let count = words.len().saturating_sub(8 * k).min(8);
            let mask = ((1u32 << count) - 1) as u8;
            // SAFETY: the mask lets through the words that are left only; masked-out lanes touch no memory.
            unsafe { _mm512_mask_storeu_epi64(words.as_mut_ptr().wrapping_add(8 * k).cast(), mask, chosen) };
        }
    }
}
