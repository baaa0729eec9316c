//! `Texts`: the strings of a column while a batch grows, in Arrow's layout of views.

#![allow(unsafe_code)]
// Arrow would check all views again; what they show was checked as it came.

use arrow_array::StringViewArray;
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

/// Up to so many bytes are kept in the view itself.
const INLINE_MAX: usize = 12;
/// Buffers for longer ones double from the first of these sizes to the second.
const BUFFER_MIN: usize = 64 << 10;
const BUFFER_MAX: usize = 2 << 20;

/// Why a field is no string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadText {
    NotUtf8,
    Length(usize),
}

/// Invariant: each view is either inline, or shows bytes that are within one of the buffers; what it shows is UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    views: Vec<u128>,
    /// The buffer that grows, and those that are full.
    buffer: Vec<u8>,
    full: Vec<Buffer>,
}

impl Texts {
    pub(crate) fn with_capacity(rows: usize) -> Texts {
        Texts { views: Vec::with_capacity(rows), ..Texts::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.views.clear();
        self.buffer.clear();
        self.full.clear();
    }

    pub(crate) fn push_empty(&mut self) {
        self.views.push(0);
    }

    /// Appends `text[start..end]`; quicker where a few more bytes follow.
    #[inline]
    pub(crate) fn push(&mut self, text: &[u8], start: usize, end: usize) -> Result<(), BadText> {
        let length = end - start;
        if length <= INLINE_MAX {
            let bytes = text[start..].first_chunk::<16>().copied().unwrap_or_else(|| {
                let mut bytes = [0; 16];
                bytes[..length].copy_from_slice(&text[start..end]);
                bytes
            });
            let bytes = u128::from_le_bytes(bytes) & ((1 << (8 * length)) - 1);
            if bytes & (u128::MAX / 255 * 0x80) != 0 && std::str::from_utf8(&text[start..end]).is_err() {
                return Err(BadText::NotUtf8);
            }
            self.views.push(bytes << 32 | length as u128);
            return Ok(());
        }
        self.push_long(&text[start..end])
    }

    fn push_long(&mut self, field: &[u8]) -> Result<(), BadText> {
        std::str::from_utf8(field).map_err(|_| BadText::NotUtf8)?;
        let length = u32::try_from(i32::try_from(field.len()).map_err(|_| BadText::Length(field.len()))?);
        let length = length.map_err(|_| BadText::Length(field.len()))?;
        if self.buffer.capacity() - self.buffer.len() < field.len() {
            let capacity = (2 * self.buffer.capacity()).clamp(BUFFER_MIN, BUFFER_MAX).max(field.len());
            let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(capacity));
            if !full.is_empty() {
                self.full.push(Buffer::from_vec(full));
            }
        }
        let (index, offset) = (self.full.len() as u128, self.buffer.len() as u128);
        self.buffer.extend_from_slice(field);
        let prefix = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
        self.views.push(offset << 96 | index << 64 | u128::from(prefix) << 32 | u128::from(length));
        Ok(())
    }

    /// All strings so far.
    pub(crate) fn take(&mut self, nulls: Option<NullBuffer>) -> StringViewArray {
        let rows = self.views.len();
        let taken = std::mem::replace(self, Texts::with_capacity(rows));
        let mut buffers = taken.full;
        if !taken.buffer.is_empty() {
            buffers.push(Buffer::from_vec(taken.buffer));
        }
        // SAFETY: the views are as Arrow wants them (see the invariant), and whoever gives nulls counts them.
        unsafe { StringViewArray::new_unchecked(ScalarBuffer::from(taken.views), buffers, nulls) }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use proptest::prelude::*;

    use super::*;

    fn padded(text: &str) -> Vec<u8> {
        [text.as_bytes(), &[0xff; 16]].concat()
    }

    #[test]
    fn strings_go_on_in_the_next_buffer() {
        let mut texts = Texts::default();
        let all: Vec<String> = (0..300).map(|size| size.to_string().repeat(size * 11)).collect();
        for text in &all {
            texts.push(&padded(text), 0, text.len()).unwrap();
        }
        let array = texts.take(None);
        array.to_data().validate_full().unwrap();
        assert!(array.data_buffers().len() > 1);
        assert_eq!(array.iter().map(Option::unwrap).collect::<Vec<_>>(), all);
    }

    #[test]
    fn other_bytes_than_utf_8_are_refused() {
        for length in [1, 3, 12, 13, 30] {
            let mut bytes = vec![b'a'; length + 16];
            bytes[length - 1] = 0xc3;
            assert_eq!(Texts::default().push(&bytes, 0, length), Err(BadText::NotUtf8));
        }
    }

    proptest! {
        #[test]
        fn strings_come_back(all in prop::collection::vec(".{0,20}", 0..50)) {
            let mut texts = Texts::default();
            for text in &all {
                texts.push(&padded(text), 0, text.len()).unwrap();
            }
            let array = texts.take(None);
            array.to_data().validate_full().unwrap();
            prop_assert_eq!(array.iter().map(Option::unwrap).collect::<Vec<_>>(), all);
        }
    }
}
