//! The rounds of ARS by the cryptography extension of ARMv8.
// `unsafe` is allowed here: loads and stores through pointers into slices whose bounds the loops keep.
#![allow(unsafe_code)]

use std::arch::aarch64::*;

use super::ars::{ROUNDS, Schedule};

#[inline]
#[target_feature(enable = "aes,neon")]
fn load(words: [u64; 2]) -> uint8x16_t {
    // SAFETY: two words are sixteen readable bytes.
    unsafe { vreinterpretq_u8_u64(vld1q_u64(words.as_ptr())) }
}

/// The blocks of eight counters, in step. ARM's round adds its key first, x86's last, hence the shift by one.
#[inline]
#[target_feature(enable = "aes,neon")]
fn encrypt<const N: usize>(schedule: &Schedule, counters: [uint8x16_t; N]) -> [uint8x16_t; N] {
    let mut state = counters;
    for key in &schedule.0[..ROUNDS - 1] {
        let key = load(*key);
        for lane in &mut state {
            *lane = vaesmcq_u8(vaeseq_u8(*lane, key));
        }
    }
    let (key, last) = (load(schedule.0[ROUNDS - 1]), load(schedule.0[ROUNDS]));
    for lane in &mut state {
        *lane = veorq_u8(vaeseq_u8(*lane, key), last);
    }
    state
}

#[inline]
#[target_feature(enable = "aes,neon")]
pub fn block(schedule: &Schedule, index: u64, sub: u64) -> [u64; 2] {
    let [state] = encrypt(schedule, [load([index, sub])]);
    let state = vreinterpretq_u64_u8(state);
    [vgetq_lane_u64::<0>(state), vgetq_lane_u64::<1>(state)]
}

/// Blocks of any counters.
#[target_feature(enable = "aes,neon")]
pub fn gather(schedule: &Schedule, counters: &[[u64; 2]], out: &mut [[u64; 2]]) {
    for (counters, out) in counters.chunks(8).zip(out.chunks_mut(8)) {
        let mut lanes = [load([0, 0]); 8];
        for (lane, counter) in lanes.iter_mut().zip(counters) {
            *lane = load(*counter);
        }
        for (words, lane) in out.iter_mut().zip(encrypt(schedule, lanes)) {
            // SAFETY: two words are sixteen writable bytes.
            unsafe { vst1q_u64(words.as_mut_ptr(), vreinterpretq_u64_u8(lane)) };
        }
    }
}

/// Consecutive blocks into a slice of even length.
#[target_feature(enable = "aes,neon")]
pub fn blocks(schedule: &Schedule, first: u64, sub: u64, out: &mut [u64]) {
    let mut index = first;
    for words in out.chunks_mut(16) {
        let mut lanes = [load([0, 0]); 8];
        for lane in &mut lanes {
            *lane = load([index, sub]);
            index = index.wrapping_add(1);
        }
        for (pair, lane) in words.chunks_exact_mut(2).zip(encrypt(schedule, lanes)) {
            // SAFETY: two words are sixteen writable bytes.
            unsafe { vst1q_u64(pair.as_mut_ptr(), vreinterpretq_u64_u8(lane)) };
        }
    }
}
