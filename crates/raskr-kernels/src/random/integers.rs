//! Integers of a range without bias: multiply, shift, and reject (Lemire, "Fast random integer generation in an
//! interval", 2019).

use raskr_base::DType;

use super::stream::ElementStream;

/// The integers `low`, ..., `low + span`, wrapping around at the ends of 64 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounded {
    low: i64,
    /// How many integers there are; zero stands for 2^64.
    count: u64,
    /// Low halves of the product below this would make some integers likelier than others.
    threshold: u64,
    /// Are the integers to be read as `u64`?
    unsigned: bool,
}

impl Bounded {
    #[inline]
    pub fn new(low: i64, span: u64) -> Bounded {
        let count = span.wrapping_add(1);
        let threshold = if count.is_power_of_two() || count == 0 { 0 } else { count.wrapping_neg() % count };
        Bounded { low, count, threshold, unsigned: false }
    }

    /// The same integers, read as `u64` when that is the element type.
    pub fn of_type(self, dtype: DType) -> Bounded {
        Bounded { unsigned: dtype == DType::U64, ..self }
    }

    /// An integer's value as a double.
    #[inline(always)]
    pub fn double(self, integer: i64) -> f64 {
        if self.unsigned { integer as u64 as f64 } else { integer as f64 }
    }

    /// Turns words into integers; `true` when some word has to be rejected and the integers are void.
    #[inline(always)]
    pub fn apply(self, words: &mut [i64]) -> bool {
        if self.count == 0 {
            words.iter_mut().for_each(|word| *word = word.wrapping_add(self.low));
            return false;
        }
        let mut rejected = false;
        if let Ok(count) = u32::try_from(self.count) {
            // Products of 32-bit halves, which vector registers have.
            let (count, mask) = (u64::from(count), u64::from(u32::MAX));
            for value in words {
                let word = *value as u64;
                let low = (word & mask) * count;
                let high = (word >> 32) * count + (low >> 32);
                rejected |= (high << 32 | low & mask) < self.threshold;
                *value = self.low.wrapping_add((high >> 32) as i64);
            }
        } else {
            for value in words {
                let product = u128::from(*value as u64) * u128::from(self.count);
                rejected |= (product as u64) < self.threshold;
                *value = self.low.wrapping_add((product >> 64) as i64);
            }
        }
        rejected
    }

    /// The integer of an element: of its first word, or of the first word of its stream that is not rejected.
    #[inline]
    pub fn value<'a>(self, word: u64, stream: impl FnOnce() -> ElementStream<'a>) -> i64 {
        if self.count == 0 {
            return self.low.wrapping_add(word as i64);
        }
        let mut product = u128::from(word) * u128::from(self.count);
        if (product as u64) < self.threshold {
            let mut stream = stream();
            while (product as u64) < self.threshold {
                product = u128::from(stream.word()) * u128::from(self.count);
            }
        }
        self.low.wrapping_add((product >> 64) as i64)
    }
}
