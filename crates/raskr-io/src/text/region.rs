//! Where a file may be cut: behind the first end of a line that begins at a place or after it.

use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem::Finder;

use super::source::{PIECE, read_full};

/// A delimiter in the bytes of a file, whose characters begin at multiples of `width`.
pub(crate) struct Cut<'a> {
    pub(crate) delimiter: &'a [u8],
    pub(crate) width: usize,
    /// Bytes of the file.
    pub(crate) size: u64,
}

impl Cut<'_> {
    /// The place of the cut that belongs to `at`: the beginning and the end of the file are their own.
    ///
    /// Lines of a region are those that begin behind its first byte and up to its end, and the first line of the file:
    /// a cut at the beginning of a line moves to the next one, as it does in Dask's blocks.
    pub(crate) fn near(&self, input: &mut (impl Read + Seek + ?Sized), at: u64) -> io::Result<u64> {
        if at == 0 || at >= self.size {
            return Ok(at.min(self.size));
        }
        let mut from = self.certain(input, at)?;
        loop {
            match self.next(input, from)? {
                Some(found) if found < at => from = found + self.delimiter.len() as u64,
                Some(found) => return Ok(found + self.delimiter.len() as u64),
                None => return Ok(self.size),
            }
        }
    }

    /// The last place up to `at` where no delimiter that begins before it reaches across it, so that going on from
    /// there finds the same delimiters as going on from the beginning. Only repetitive ones (`\n\n`) lead far back.
    fn certain(&self, input: &mut (impl Read + Seek + ?Sized), at: u64) -> io::Result<u64> {
        let reach = self.delimiter.len() as u64 - 1;
        if reach == 0 {
            return Ok(at);
        }
        let mut from = at;
        loop {
            let first = from.saturating_sub(reach);
            let mut window = vec![0; (from + reach).min(self.size).saturating_sub(first) as usize];
            input.seek(SeekFrom::Start(first))?;
            let filled = read_full(input, &mut window)?;
            match self.find(&window[..filled], first) {
                Some(found) if found < from => from = found,
                _ => return Ok(from),
            }
        }
    }

    /// The first delimiter that begins at `from` or later.
    fn next(&self, input: &mut (impl Read + Seek + ?Sized), from: u64) -> io::Result<Option<u64>> {
        input.seek(SeekFrom::Start(from))?;
        let keep = self.delimiter.len() - 1;
        let (mut window, mut first) = (Vec::new(), from);
        // Lines are short, most of the time.
        let mut piece = 4 << 10;
        loop {
            let kept = window.len();
            window.resize(kept + piece, 0);
            let filled = read_full(input, &mut window[kept..])?;
            window.truncate(kept + filled);
            if let Some(found) = self.find(&window, first) {
                return Ok(Some(found));
            }
            if filled < piece {
                return Ok(None);
            }
            let done = window.len() - keep;
            window.drain(..done);
            first += done as u64;
            piece = PIECE;
        }
    }

    /// The first delimiter within `window`, which begins at byte `first` of the file.
    fn find(&self, window: &[u8], first: u64) -> Option<u64> {
        let finder = Finder::new(self.delimiter);
        let mut from = 0;
        loop {
            let found = from + finder.find(&window[from..])?;
            let place = first + found as u64;
            if place.is_multiple_of(self.width as u64) {
                return Some(place);
            }
            from = found + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn cuts(text: &[u8], delimiter: &[u8], width: usize) -> Vec<u64> {
        let cut = Cut { delimiter, width, size: text.len() as u64 };
        (0..=text.len() as u64).map(|at| cut.near(&mut Cursor::new(text), at).expect("cut")).collect()
    }

    #[test]
    fn a_cut_lies_behind_the_first_end_that_begins_there_or_later() {
        assert_eq!(cuts(b"ab\nc\n", b"\n", 1), [0, 3, 3, 5, 5, 5]);
        assert_eq!(cuts(b"a||b||c", b"||", 1), [0, 3, 6, 6, 6, 7, 7, 7]);
    }

    #[test]
    fn repetitive_ends_are_paired_from_their_first() {
        assert_eq!(cuts(b"a\n\n\n\n\nb", b"\n\n", 1), [0, 3, 5, 5, 7, 7, 7, 7]);
    }

    #[test]
    fn characters_of_two_bytes_are_not_cut() {
        // The bytes of a newline are there twice: across two characters, and as one.
        let text: Vec<u8> = "\u{a0a}\u{a00}\u{100}\na".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(cuts(&text, b"\n\0", 2), [0, 8, 8, 8, 8, 8, 8, 10, 10, 10, 10]);
    }
}
