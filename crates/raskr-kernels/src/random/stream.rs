//! The stream of words that belongs to one element, for samplers that need an unknown number of them.

use super::ars::Cipher;
use super::lanes::{uniform, uniform_above_zero, uniform_open};
use super::transforms::{standard_exponential, standard_normals};

/// Words of the counters (index, 1), (index, 2), ...; sub-counter zero belongs to the samplers of one word. For samplers
/// that say so the first block is two normals, which are made for many elements at once.
pub(crate) struct ElementStream<'a> {
    cipher: &'a Cipher,
    index: u64,
    sub: u64,
    words: [u64; 2],
    words_left: usize,
    normals: [f64; 2],
    normals_left: usize,
}

/// A number made of as many words as it takes.
pub(crate) trait FromStream: Copy {
    /// Does every number need a normal or two?
    const NORMALS: bool;

    fn value(self, stream: &mut ElementStream<'_>) -> f64;
}

impl<'a> ElementStream<'a> {
    #[inline]
    pub fn new(cipher: &'a Cipher, index: u64) -> ElementStream<'a> {
        ElementStream { cipher, index, sub: 0, words: [0; 2], words_left: 0, normals: [0.0; 2], normals_left: 0 }
    }

    /// The stream as a sampler expects it.
    #[inline(always)]
    pub fn for_sampler<T: FromStream>(cipher: &'a Cipher, index: u64) -> ElementStream<'a> {
        let mut stream = ElementStream::new(cipher, index);
        if T::NORMALS {
            stream.make_normals();
        }
        stream
    }

    /// The same when its normals, if the sampler wants them, and the words of block `sub` are known.
    #[inline(always)]
    pub fn known<T: FromStream>(
        cipher: &'a Cipher,
        index: u64,
        sub: u64,
        normals: [f64; 2],
        words: [u64; 2],
    ) -> ElementStream<'a> {
        let normals_left = if T::NORMALS { 2 } else { 0 };
        ElementStream { cipher, index, sub, words, words_left: 2, normals, normals_left }
    }

    #[inline(always)]
    fn make_normals(&mut self) {
        self.sub += 1;
        let (one, other) = standard_normals(self.cipher.block(self.index, self.sub));
        self.normals = [one, other];
        self.normals_left = 2;
    }

    #[inline(always)]
    pub fn word(&mut self) -> u64 {
        if self.words_left == 0 {
            self.sub += 1;
            self.words = self.cipher.block(self.index, self.sub);
            self.words_left = 2;
        }
        self.words_left -= 1;
        self.words[1 - self.words_left]
    }

    /// A standard normal.
    #[inline(always)]
    pub fn normal(&mut self) -> f64 {
        if self.normals_left == 0 {
            self.make_normals();
        }
        self.normals_left -= 1;
        self.normals[1 - self.normals_left]
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
}
