//! The inner loops that turn words into numbers.

use super::ars::{Cipher, element};
use super::integers::Bounded;
use super::lanes::Lanes;
use super::stream::{ElementStream, FromStream};
use super::transforms::{FromPair, FromWord};

/// Words, as the bits of doubles, to numbers in place.
pub(crate) struct Numbers<'a, T>(pub &'a mut [f64], pub T);

impl<T: FromWord> Lanes for Numbers<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for value in self.0 {
            *value = self.1.value(value.to_bits());
        }
    }
}

/// Words to whole numbers in place.
pub(crate) struct WholeNumbers<'a, T>(pub &'a mut [i64], pub T);

impl<T: FromWord> Lanes for WholeNumbers<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for value in self.0 {
            *value = self.1.value(*value as u64) as i64;
        }
    }
}

/// Blocks, as the bits of doubles, to two numbers each in place.
pub(crate) struct Pairs<'a, T>(pub &'a mut [f64], pub T);

impl<T: FromPair> Lanes for Pairs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for pair in self.0.as_chunks_mut::<2>().0 {
            let (one, other) = self.1.values([pair[0].to_bits(), pair[1].to_bits()]);
            *pair = [one, other];
        }
    }
}

/// One word to its number.
pub(crate) struct OneNumber<T>(pub u64, pub T);

impl<T: FromWord> Lanes for OneNumber<T> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        self.1.value(self.0)
    }
}

/// One block to its two numbers.
pub(crate) struct OnePair<T>(pub [u64; 2], pub T);

impl<T: FromPair> Lanes for OnePair<T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self) -> (f64, f64) {
        self.1.values(self.0)
    }
}

/// Words to bounded integers in place; `true` when some word has to be rejected and the integers are void.
pub(crate) struct Integers<'a>(pub &'a mut [i64], pub Bounded);

impl Lanes for Integers<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        self.1.apply(self.0)
    }
}

/// Elements' streams, whose normals and first block of words are known, to numbers.
pub(crate) struct Streams<'a, T> {
    pub cipher: &'a Cipher,
    pub first: u64,
    pub step: i64,
    pub sub: u64,
    pub blocks: &'a [[u64; 2]],
    pub normals: &'a [[f64; 2]],
    pub values: &'a mut [f64],
    pub sampler: T,
}

impl<T: FromStream> Lanes for Streams<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let known = self.blocks.iter().zip(self.normals);
        for (k, (value, (block, normals))) in self.values.iter_mut().zip(known).enumerate() {
            let index = element(self.first, self.step, k);
            let mut stream = ElementStream::known::<T>(self.cipher, index, self.sub, *normals, *block);
            *value = self.sampler.value(&mut stream);
        }
    }
}

/// One element's stream to its number.
pub(crate) struct OneOfStream<'a, T>(pub &'a Cipher, pub u64, pub T);

impl<T: FromStream> Lanes for OneOfStream<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        self.2.value(&mut ElementStream::for_sampler::<T>(self.0, self.1))
    }
}

/// The lower half of a word as a uniform number of 24 bits.
#[inline(always)]
pub(crate) fn single_uniform(word: u64) -> f32 {
    (word as u32 >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
}

/// Words to two uniform `f32` each; of the last word perhaps the first only.
pub(crate) struct Singles<'a>(pub &'a mut [f32], pub &'a [u64]);

impl Lanes for Singles<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (pairs, rest) = self.0.as_chunks_mut::<2>();
        for (pair, word) in pairs.iter_mut().zip(self.1) {
            *pair = [single_uniform(*word), single_uniform(*word >> 32)];
        }
        if let ([value], [.., word]) = (rest, self.1) {
            *value = single_uniform(*word);
        }
    }
}
