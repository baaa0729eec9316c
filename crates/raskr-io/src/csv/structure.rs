//! Tells delimiters and line ends from those that are quoted, 64 bytes at a time.
//!
//! A quote opens at the beginning of a field only; elsewhere in an unquoted field it is an ordinary character. Behind
//! the closing quote the field goes on, unquoted, up to its delimiter.

use super::lanes::Marks;

/// What the next byte may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The first one of a field.
    Start,
    /// One of an unquoted field, or of what follows the closing quote.
    Plain,
    Quoted,
    /// The one behind a closing quote, which is none if this is a quote too.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Structure {
    pub(crate) mode: Mode,
    quote: Option<u8>,
    double_quote: bool,
    delimiter: u8,
}

impl Structure {
    pub(crate) fn new(delimiter: u8, quote: Option<u8>, double_quote: bool) -> Structure {
        Structure { mode: Mode::Start, quote, double_quote, delimiter }
    }

    /// Delimiters and line ends among the first `length` of the next 64 bytes, whose marks are given.
    #[inline(always)]
    pub(crate) fn next(&mut self, block: &[u8; 64], length: usize, marks: Marks) -> (u64, u64) {
        if marks.quotes == 0 {
            if self.mode == Mode::Quoted {
                return (0, 0);
            }
            self.mode = if (marks.delimiters | marks.ends) >> 63 == 1 { Mode::Start } else { Mode::Plain };
            return (marks.delimiters, marks.ends);
        }
        self.next_with_quotes(block, length, marks)
    }

    #[inline(never)]
    fn next_with_quotes(&mut self, block: &[u8; 64], length: usize, marks: Marks) -> (u64, u64) {
        // From each opening quote on, up to where the closing one is: every quote changes sides, if all are proper.
        let quoted = parities(marks.quotes) ^ if self.mode == Mode::Quoted { u64::MAX } else { 0 };
        let (opening, closing) = (marks.quotes & quoted, marks.quotes & !quoted);
        let (delimiters, ends) = (marks.delimiters & !quoted, marks.ends & !quoted);
        let closed = if self.double_quote { closing } else { 0 };
        let first = self.mode == Mode::Start || self.mode == Mode::Closed;
        if opening & !((delimiters | ends | closed) << 1 | u64::from(first)) != 0 {
            return self.next_by_bytes(&block[..length]);
        }
        let last = |mask: u64| mask >> 63 == 1;
        self.mode = match () {
            () if last(quoted) => Mode::Quoted,
            () if last(closed) => Mode::Closed,
            () if last(delimiters | ends) => Mode::Start,
            () => Mode::Plain,
        };
        (delimiters, ends)
    }

    /// With quotes that neither open nor close.
    fn next_by_bytes(&mut self, bytes: &[u8]) -> (u64, u64) {
        let (mut delimiters, mut ends) = (0, 0);
        for (place, &byte) in bytes.iter().enumerate() {
            let is_quote = Some(byte) == self.quote;
            self.mode = match self.mode {
                Mode::Quoted if is_quote && self.double_quote => Mode::Closed,
                Mode::Quoted if is_quote => Mode::Plain,
                Mode::Quoted => Mode::Quoted,
                Mode::Start | Mode::Closed if is_quote => Mode::Quoted,
                _ if byte == self.delimiter => {
                    delimiters |= 1 << place;
                    Mode::Start
                }
                _ if byte == b'\n' || byte == b'\r' => {
                    ends |= 1 << place;
                    Mode::Start
                }
                _ => Mode::Plain,
            };
        }
        (delimiters, ends)
    }
}

/// Each bit tells whether the number of ones up to it is odd.
fn parities(mut mask: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        mask ^= mask << shift;
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lanes::{Lanes, Portable, Special};
    use super::*;

    proptest! {
        #[test]
        fn blocks_are_understood_as_bytes_are(
            text in prop::collection::vec(prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'a')], 0..200),
            double_quote: bool,
        ) {
            let mut by_blocks = Structure::new(b',', Some(b'"'), double_quote);
            let mut by_bytes = Structure::new(b',', Some(b'"'), double_quote);
            for piece in text.chunks(64) {
                let mut block = [0; 64];
                block[..piece.len()].copy_from_slice(piece);
                let marks = Portable::marks(&block, Special { delimiter: b',', quote: Some(b'"') });
                let found = by_blocks.next(&block, piece.len(), marks);
                prop_assert_eq!(found, by_bytes.next_by_bytes(piece));
                if piece.len() == 64 {
                    let same = |mode| if mode == Mode::Closed && !double_quote { Mode::Plain } else { mode };
                    prop_assert_eq!(same(by_blocks.mode), same(by_bytes.mode));
                }
                prop_assert_eq!(by_blocks.mode == Mode::Quoted, by_bytes.mode == Mode::Quoted);
            }
        }
    }
}
