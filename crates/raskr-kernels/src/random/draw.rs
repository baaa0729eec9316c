//! Filling slices: which counters serve which elements, tile by tile.

use super::ars::{Cipher, as_words, element, integers_as_words};
use super::integers::Bounded;
use super::lanes::{Width, vectorised};
use super::loops::{
    Integers, Numbers, OneNumber, OneOfStream, OnePair, Pairs, Singles, Streams, WholeNumbers, single_uniform,
};
use super::stream::{ElementStream, FromStream};
use super::transforms::{FromPair, FromWord, Line, Normal};

/// Elements that are made at once: a tile stays in the first-level cache between its words and its numbers.
const TILE: usize = 1024;
/// Elements that fill the widest registers when two of them come from a block.
const EDGE: usize = 16;
/// Blocks that are gathered at once when elements do not follow each other.
const GATHERED: usize = 64;

/// A generator under a key with the machine's means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub cipher: Cipher,
    pub width: Width,
}

/// Cuts the elements from `start` on into tiles of whole blocks and hands `fill` each tile with its first block. What
/// does not fill the widest registers is made in a tile aside: lanes left over would be computed one by one, at the cost
/// of a whole register each.
#[inline(always)]
fn in_tiles<T: Copy + Default>(start: u64, out: &mut [T], fill: impl Fn(u64, &mut [T])) {
    let mut index = start;
    let (head, body) = out.split_at_mut(if start & 1 == 0 { 0 } else { out.len().min(EDGE - 1) });
    let (body, tail) = body.split_at_mut(body.len() & !(EDGE - 1));
    let mut aside = [T::default(); EDGE];
    if !head.is_empty() {
        fill(index >> 1, &mut aside);
        head.copy_from_slice(&aside[1..=head.len()]);
        index = index.wrapping_add(head.len() as u64);
    }
    for tile in body.chunks_mut(TILE) {
        let count = tile.len() as u64;
        fill(index >> 1, tile);
        index = index.wrapping_add(count);
    }
    if !tail.is_empty() {
        fill(index >> 1, &mut aside);
        tail.copy_from_slice(&aside[..tail.len()]);
    }
}

impl Draw {
    pub fn new(key: [u64; 2]) -> Draw {
        Draw { cipher: Cipher::new(key), width: Width::widest() }
    }

    /// The words of the elements `start`, `start + step`, ...
    pub fn words(&self, start: u64, step: i64, out: &mut [u64]) {
        if step == 1 {
            return self.cipher.words(start, out);
        }
        self.cipher.words_apart(start, step, out);
    }

    pub fn fill_line(&self, start: u64, step: i64, out: &mut [f64], line: Line) {
        if step != 1 {
            return self.fill_words(start, step, out, line);
        }
        in_tiles(start, out, |block, tile| {
            if !self.cipher.uniform_blocks(block, tile, line.line) {
                self.transform(tile, line);
            }
        });
    }

    fn transform<T: FromWord>(&self, tile: &mut [f64], transform: T) {
        vectorised(self.width, Numbers(tile, transform));
    }

    pub fn fill_words<T: FromWord>(&self, start: u64, step: i64, out: &mut [f64], transform: T) {
        if step == 1 {
            return in_tiles(start, out, |block, tile| {
                self.cipher.blocks(block, 0, as_words(tile));
                self.transform(tile, transform);
            });
        }
        for (k, tile) in out.chunks_mut(TILE).enumerate() {
            self.words(element(start, step, k * TILE), step, as_words(tile));
            self.transform(tile, transform);
        }
    }

    pub fn fill_words_as_integers<T: FromWord>(&self, start: u64, step: i64, out: &mut [i64], transform: T) {
        if step == 1 {
            return in_tiles(start, out, |block, tile| {
                self.cipher.blocks(block, 0, integers_as_words(tile));
                vectorised(self.width, WholeNumbers(tile, transform));
            });
        }
        for (k, tile) in out.chunks_mut(TILE).enumerate() {
            self.words(element(start, step, k * TILE), step, integers_as_words(tile));
            vectorised(self.width, WholeNumbers(tile, transform));
        }
    }

    pub fn fill_pairs<T: FromPair>(&self, start: u64, step: i64, out: &mut [f64], transform: T) {
        if step != 1 {
            return self.fill_scattered_pairs(start, step, out, transform);
        }
        in_tiles(start, out, |block, tile| {
            self.cipher.blocks(block, 0, as_words(tile));
            vectorised(self.width, Pairs(tile, transform));
        });
    }

    fn fill_scattered_pairs<T: FromPair>(&self, start: u64, step: i64, out: &mut [f64], transform: T) {
        for (chunk, values) in out.chunks_mut(GATHERED).enumerate() {
            let first = element(start, step, chunk * GATHERED);
            let mut blocks = [[0; 2]; GATHERED];
            let blocks = &mut blocks[..values.len()];
            self.cipher.blocks_apart(first, step, true, 0, blocks);
            let mut pairs = [[0.0; 2]; GATHERED];
            let pairs = &mut pairs[..values.len()];
            for (pair, block) in pairs.iter_mut().zip(blocks) {
                *pair = block.map(f64::from_bits);
            }
            vectorised(self.width, Pairs(pairs.as_flattened_mut(), transform));
            for (k, (value, pair)) in values.iter_mut().zip(pairs).enumerate() {
                *value = pair[(element(first, step, k) & 1) as usize];
            }
        }
    }

    #[inline]
    pub fn one_of_word<T: FromWord>(&self, index: u64, transform: T) -> f64 {
        let word = self.cipher.word(index);
        vectorised(self.width, OneNumber(word, transform))
    }

    #[inline]
    pub fn one_of_pair<T: FromPair>(&self, index: u64, transform: T) -> f64 {
        let words = self.cipher.block(index >> 1, 0);
        let (one, other) = vectorised(self.width, OnePair(words, transform));
        if index & 1 == 0 { one } else { other }
    }

    /// Uniforms of 24 bits: element `i` has half `i % 2` of the word of element `i / 2`.
    pub fn fill_single_uniforms(&self, start: u64, step: i64, out: &mut [f32]) {
        if step != 1 {
            for (k, value) in out.iter_mut().enumerate() {
                let index = element(start, step, k);
                *value = single_uniform(self.cipher.word(index >> 1) >> (32 * (index & 1)));
            }
            return;
        }
        let (head, body) = out.split_at_mut(((start & 1) as usize).min(out.len()));
        if let [first] = head {
            *first = single_uniform(self.cipher.word(start >> 1) >> 32);
        }
        let mut words = [0; TILE / 4];
        let mut index = start.div_ceil(2);
        for values in body.chunks_mut(TILE / 2) {
            let words = &mut words[..values.len().div_ceil(2)];
            self.cipher.words(index, words);
            index += words.len() as u64;
            vectorised(self.width, Singles(values, words));
        }
    }

    pub fn fill_streams<T: FromStream>(&self, start: u64, step: i64, out: &mut [f64], sampler: T) {
        for (chunk, values) in out.chunks_mut(GATHERED).enumerate() {
            let first = element(start, step, chunk * GATHERED);
            let (mut blocks, mut normals) = ([[0; 2]; GATHERED], [[0.0; 2]; GATHERED]);
            let blocks = &mut blocks[..values.len()];
            let mut sub = 1;
            if T::NORMALS {
                self.own_blocks(first, step, sub, blocks);
                for (pair, block) in normals.iter_mut().zip(blocks.iter()) {
                    *pair = block.map(f64::from_bits);
                }
                // Up to a whole register, so that no lanes are left over.
                let count = values.len().next_multiple_of(EDGE / 2);
                vectorised(self.width, Pairs(normals[..count].as_flattened_mut(), Normal::STANDARD));
                sub += 1;
            }
            self.own_blocks(first, step, sub, blocks);
            let (cipher, normals) = (&self.cipher, &normals);
            vectorised(self.width, Streams { cipher, first, step, sub, blocks, normals, values, sampler });
        }
    }

    /// The blocks of a sub-counter of the elements' own.
    fn own_blocks(&self, first: u64, step: i64, sub: u64, blocks: &mut [[u64; 2]]) {
        if step == 1 {
            self.cipher.blocks(first, sub, blocks.as_flattened_mut());
        } else {
            self.cipher.blocks_apart(first, step, false, sub, blocks);
        }
    }

    #[inline]
    pub fn one_of_stream<T: FromStream>(&self, index: u64, sampler: T) -> f64 {
        vectorised(self.width, OneOfStream(&self.cipher, index, sampler))
    }

    pub fn fill_integers(&self, start: u64, step: i64, out: &mut [i64], bounded: Bounded) {
        for (k, tile) in out.chunks_mut(TILE).enumerate() {
            let first = element(start, step, k * TILE);
            self.words(first, step, integers_as_words(tile));
            let rejected = vectorised(self.width, Integers(tile, bounded));
            if rejected {
                self.words(first, step, integers_as_words(tile));
                for (j, value) in tile.iter_mut().enumerate() {
                    *value = bounded.value(*value as u64, || ElementStream::new(&self.cipher, element(first, step, j)));
                }
            }
        }
    }

    pub fn one_integer(&self, index: u64, bounded: Bounded) -> i64 {
        bounded.value(self.cipher.word(index), || ElementStream::new(&self.cipher, index))
    }
}
