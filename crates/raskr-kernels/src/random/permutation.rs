//! Random permutations of 0..n of which any part can be had alone.

use super::ars::Cipher;
use super::integers::Bounded;
use super::stream::ElementStream;

/// Up to this length the permutation is shuffled and kept; beyond it is computed place by place.
const SHUFFLED_MAX: u64 = 1 << 16;
/// Halves of at least eight bits are mixed so often that a full table of them shows no trace of the structure.
const ROUNDS: usize = 10;

/// A permutation of 0..n that depends on a key alone.
#[derive(Clone, Debug)]
pub struct Permutation {
    len: u64,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// Every permutation is equally likely (Fisher and Yates).
    Shuffled(Vec<u32>),
    /// A Feistel network over the next power of two, walked until it comes back below n.
    Network { keys: [u64; ROUNDS], high_bits: u32, low_bits: u32 },
}

impl Permutation {
    pub fn new(key: [u64; 2], len: u64) -> Permutation {
        let cipher = Cipher::new(key);
        if len <= SHUFFLED_MAX {
            let mut places: Vec<u32> = (0..len as u32).collect();
            let mut words = vec![0; places.len()];
            cipher.words(0, &mut words);
            for last in (1..places.len()).rev() {
                let partner =
                    Bounded::new(0, last as u64).value(words[last], || ElementStream::new(&cipher, last as u64));
                places.swap(last, partner as usize);
            }
            return Permutation { len, form: Form::Shuffled(places) };
        }
        let mut keys = [0; ROUNDS];
        cipher.words(0, &mut keys);
        let bits = u64::BITS - (len - 1).leading_zeros();
        Permutation { len, form: Form::Network { keys, high_bits: bits / 2, low_bits: bits - bits / 2 } }
    }

    /// How many places there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands at a place; `None` outside of 0..n.
    pub fn at(&self, place: u64) -> Option<u64> {
        if place >= self.len {
            return None;
        }
        match &self.form {
            Form::Shuffled(places) => places.get(place as usize).map(|value| u64::from(*value)),
            Form::Network { keys, high_bits, low_bits } => {
                let mut value = place;
                loop {
                    value = network(keys, *high_bits, *low_bits, value);
                    if value < self.len {
                        return Some(value);
                    }
                }
            }
        }
    }

    /// What stands at the places `start`, `start + 1`, ..., as far as there are such places; how many there were.
    pub fn fill(&self, start: u64, out: &mut [i64]) -> usize {
        let count = self.len.saturating_sub(start).min(out.len() as u64) as usize;
        for (place, value) in (start..).zip(&mut out[..count]) {
            *value = self.at(place).unwrap_or_default() as i64;
        }
        count
    }
}

/// One pass through the network: each half in turn is masked with a hash of the other, which can be undone, so values
/// never meet.
#[inline]
fn network(keys: &[u64; ROUNDS], high_bits: u32, low_bits: u32, value: u64) -> u64 {
    let (high_mask, low_mask) = ((1 << high_bits) - 1, (1 << low_bits) - 1);
    let (mut high, mut low) = (value >> low_bits, value & low_mask);
    for pair in keys.as_chunks::<2>().0 {
        high ^= hash(low, pair[0]) & high_mask;
        low ^= hash(high, pair[1]) & low_mask;
    }
    high << low_bits | low
}

/// A keyed hash: two multiplications whose products' upper bits are folded down.
#[inline]
fn hash(value: u64, key: u64) -> u64 {
    let once = (value ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let twice = (once ^ once >> 32).wrapping_mul(key | 1);
    twice ^ twice >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_stands_at_one_place() {
        for len in [0, 1, 2, 3, 10, 1000, SHUFFLED_MAX, SHUFFLED_MAX + 1, 100_000, 300_000] {
            let permutation = Permutation::new([1, len], len);
            let mut values = vec![-1; len as usize + 2];
            assert_eq!(permutation.fill(0, &mut values), len as usize);
            let mut part = vec![0; 5];
            let count = permutation.fill(len / 2, &mut part);
            assert_eq!(part[..count], values[len as usize / 2..][..count]);
            values.truncate(len as usize);
            values.sort_unstable();
            assert!(values.into_iter().eq(0..len as i64), "{len}");
            assert_eq!(permutation.at(len), None);
        }
        let huge = Permutation::new([3, 4], u64::MAX);
        assert!(huge.at(u64::MAX - 1).is_some_and(|value| value < u64::MAX));
    }

    /// Where value v goes must not depend on v: means, neighbours and fixed points of many keys.
    #[test]
    fn networks_mix() {
        let len = SHUFFLED_MAX + 1234;
        let (mut fixed, mut rising, mut followers, mut products) = (0, 0, 0, 0.0);
        let keys = 20;
        for key in 0..keys {
            let permutation = Permutation::new([key, 9], len);
            let mut values = vec![0; len as usize];
            permutation.fill(0, &mut values);
            fixed += values.iter().enumerate().filter(|(place, value)| *place as i64 == **value).count();
            rising += values.windows(2).filter(|pair| pair[0] < pair[1]).count();
            followers += values.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
            let middle = (len - 1) as f64 / 2.0;
            products += values.iter().enumerate().map(|(p, v)| (p as f64 - middle) * (*v as f64 - middle)).sum::<f64>();
        }
        let pairs = (keys * len) as f64;
        // Fixed points and followers are Poisson of mean one a permutation; rises have variance (n + 1) / 12.
        assert!((4..=42).contains(&fixed) && (4..=42).contains(&followers), "{fixed} fixed, {followers} followers");
        assert!((rising as f64 - pairs / 2.0).abs() < 5.0 * (pairs / 12.0).sqrt(), "{rising} rises");
        let variance = (len as f64).powi(2) / 12.0;
        assert!((products / variance).abs() < 5.0 * pairs.sqrt(), "correlation {}", products / variance / pairs);
    }

    #[test]
    fn shuffles_are_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        let keys = 24_000;
        for key in 0..keys {
            let permutation = Permutation::new(super::super::derive_key(&[key], 0), 4);
            let mut values = [0; 4];
            permutation.fill(0, &mut values);
            *counts.entry(values).or_insert(0) += 1;
        }
        let expected = f64::from(keys) / 24.0;
        let chi_square: f64 = counts.values().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // 23 degrees of freedom: beyond 60 once in 30,000 keys' sets.
        assert!(counts.len() == 24 && chi_square < 60.0, "{} orders, {chi_square}", counts.len());
    }
}
