//! Bits of a slice of bytes, most significant first, as bzip2 packs them.

/// Reads bits. Behind the end of the bytes come zeros, which [`Bits::is_past_end`] tells.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The byte behind those that the promised bits are from.
    next: usize,
    /// Left-aligned. Bits behind the promised ones are those of the bytes too, so that refilling may repeat them.
    buffer: u64,
    promised: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], from: usize) -> Bits<'a> {
        let mut bits = Bits { bytes, next: from / 8, buffer: 0, promised: 0 };
        bits.refill();
        bits.skip((from % 8) as u32);
        bits
    }

    /// Promises 56 bits at least.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let word = match self.bytes.get(self.next..).and_then(<[u8]>::first_chunk) {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => self.last_word(),
        };
        self.buffer |= word >> self.promised;
        self.next += ((63 - self.promised) >> 3) as usize;
        self.promised |= 56;
    }

    #[cold]
    fn last_word(&self) -> u64 {
        let mut window = [0; 8];
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        window[..rest.len()].copy_from_slice(rest);
        u64::from_be_bytes(window)
    }

    /// The next bits, one at least, of those that were promised.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        (self.buffer >> (64 - count)) as usize
    }

    /// Goes past promised bits.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer <<= count & 63;
        self.promised -= count;
    }

    /// Takes 1 to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> usize {
        self.refill();
        let found = self.peek(count);
        self.skip(count);
        found
    }

    /// The place of the next bit.
    pub(super) fn at(&self) -> usize {
        8 * self.next - self.promised as usize
    }

    pub(super) fn is_past_end(&self) -> bool {
        self.at() > 8 * self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_most_significant_first_from_any_place_and_zeros_behind_the_end() {
        let bytes: Vec<u8> = (0..20).map(|k| 37 * k + 11).collect();
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
        for from in 0..100 {
            let mut bits = Bits::new(&bytes, from);
            let mut at = from;
            for count in [1, 7, 20, 32, 3, 24, 31, 9, 16] {
                let expected = (at..at + count).fold(0, |number, at| number << 1 | bit(at));
                assert_eq!(bits.take(count as u32), expected);
                at += count;
                assert_eq!((bits.at(), bits.is_past_end()), (at, at > 160));
            }
        }
    }
}
