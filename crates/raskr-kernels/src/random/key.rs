//! Keys of independent streams, from seeds of any length.

use super::ars::Cipher;

/// Separates keys made here from blocks drawn by users: the digits of pi and of e.
const INITIAL: [u64; 2] = [0x243F_6A88_85A3_08D3, 0xB7E1_5162_8AED_2A6A];

/// The key of stream `stream` of a seed.
///
/// The seed's words, four at a time, then its length and the stream's number are absorbed by a Matyas-Meyer-Oseas chain
/// over the generator itself: the state keys the next block, whose output, mixed with its input, is the next state.
/// Streams of one seed never share a key; seeds differ with overwhelming probability.
pub fn derive_key(seed: &[u32], stream: u64) -> [u64; 2] {
    let mut state = INITIAL;
    let absorb = |state: [u64; 2], input: [u64; 2]| {
        let word = Cipher::new(state).block(input[0], input[1]);
        [word[0] ^ input[0], word[1] ^ input[1]]
    };
    for four in seed.chunks(4) {
        let at = |k: usize| u64::from(four.get(k).copied().unwrap_or(0));
        state = absorb(state, [at(0) | at(1) << 32, at(2) | at(3) << 32]);
    }
    // Without feeding the input forward the last step is one-to-one, so streams cannot collide.
    Cipher::new(state).block(stream, seed.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn seeds_lengths_and_streams_give_different_keys() {
        let mut seen = HashSet::new();
        let seeds: Vec<Vec<u32>> = (0..200)
            .map(|k| vec![k])
            .chain((0..9).map(|len| vec![0; len]))
            .chain((0..9).map(|k| vec![1; k + 2]))
            .collect();
        let mut expected = 0;
        for seed in seeds.iter().collect::<HashSet<_>>() {
            for stream in 0..50 {
                expected += 1;
                seen.insert(derive_key(seed, stream));
            }
        }
        assert_eq!(seen.len(), expected);
    }

    #[test]
    fn neighbouring_seeds_differ_in_half_of_the_bits() {
        let mut total = 0;
        for k in 0..1000 {
            let (one, other) = (derive_key(&[k], 0), derive_key(&[k ^ 1], 0));
            let distance = (one[0] ^ other[0]).count_ones() + (one[1] ^ other[1]).count_ones();
            assert!((30..98).contains(&distance), "seed {k}: {distance} bits");
            total += distance;
        }
        assert!((63_300..64_700).contains(&total), "{total}");
    }

    /// Programs' results depend on these values, so a change is a break and must be meant.
    #[test]
    fn keys_stay_what_they_are() {
        assert_eq!(derive_key(&[42], 0), [12862499002931070385, 15026821084746304818]);
    }
}
