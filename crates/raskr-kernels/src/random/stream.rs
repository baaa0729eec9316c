//! The stream of words that belongs to one element, for samplers that need an unknown number of them.

use super::ars::Cipher;
use super::lanes::{uniform, uniform_above_zero, uniform_open};
use super::transforms::{standard_exponential, standard_normals};

/// Words of the counters (index, 1), (index, 2), ...; sub-counter zero belongs to the samplers of one word.
pub(crate) struct ElementStream<'a> {
    cipher: &'a Cipher,
    index: u64,
    sub: u64,
    words: [u64; 2],
    left: usize,
}

/// A number made of as many words as it takes.
pub(crate) trait FromStream: Copy {
    fn value(self, stream: &mut ElementStream<'_>) -> f64;
}

impl<'a> ElementStream<'a> {
    #[inline]
    pub fn new(cipher: &'a Cipher, index: u64) -> ElementStream<'a> {
        ElementStream { cipher, index, sub: 0, words: [0; 2], left: 0 }
    }

    /// A stream whose first block, that of sub-counter 1, is already known.
    #[inline(always)]
    pub fn with_first(cipher: &'a Cipher, index: u64, first: [u64; 2]) -> ElementStream<'a> {
        ElementStream { cipher, index, sub: 1, words: first, left: 2 }
    }

    #[inline(always)]
    pub fn word(&mut self) -> u64 {
        if self.left == 0 {
            self.sub += 1;
            self.words = self.cipher.block(self.index, self.sub);
            self.left = 2;
        }
        self.left -= 1;
        self.words[1 - self.left]
    }

    /// Uniform in [0, 1).
    #[inline(always)]
    pub fn uniform(&mut self) -> f64 {
        uniform(self.word())
    }

    /// Uniform in (0, 1].
    #[inline(always)]
    pub fn uniform_above_zero(&mut self) -> f64 {
        uniform_above_zero(self.word())
    }

    /// Uniform in (0, 1).
    #[inline(always)]
    pub fn uniform_open(&mut self) -> f64 {
        uniform_open(self.word())
    }

    #[inline(always)]
    pub fn exponential(&mut self) -> f64 {
        standard_exponential(self.word())
    }

    /// A standard normal; its twin is thrown away.
    #[inline(always)]
    pub fn normal(&mut self) -> f64 {
        let words = [self.word(), self.word()];
        standard_normals(words).0
    }
}
