//! Encodings as Python's codecs define them: UTF-8, -16 and -32, Latin-1, and any with one byte for each character.
//!
//! The tables of the latter come from the caller (from Python's own codecs): the ones of the Web standard, which Rust's
//! crates have, differ from Python's under the same names.

use std::str;
use std::sync::Arc;

/// The order of the bytes of a number in UTF-16 and UTF-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The first character of the file tells; little-endian where it does not.
    Marked,
    Little,
    Big,
}

#[derive(Clone, Debug)]
pub enum Encoding {
    Utf8,
    /// UTF-8 that may begin with a byte order mark, which is dropped.
    Utf8Signature,
    Latin1,
    Table(Arc<Table>),
    Utf16(ByteOrder),
    Utf32(ByteOrder),
}

/// An encoding with one byte for each character.
#[derive(Debug)]
pub struct Table {
    name: String,
    characters: Box<[Option<char>; 256]>,
    /// The first half is ASCII.
    extends_ascii: bool,
}

impl Table {
    /// The character of each byte; `None` where there is none.
    pub fn new(name: impl Into<String>, characters: Box<[Option<char>; 256]>) -> Table {
        let extends_ascii = (0..128u8).all(|byte| characters[usize::from(byte)] == Some(char::from(byte)));
        Table { name: name.into(), characters, extends_ascii }
    }

    /// ASCII: bytes from 128 on have no character.
    pub fn ascii() -> Table {
        let mut characters = Box::new([None; 256]);
        for byte in 0..128u8 {
            characters[usize::from(byte)] = Some(char::from(byte));
        }
        Table::new("ascii", characters)
    }
}

/// What to do with bytes that stand for no character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// An error.
    Strict,
    /// U+FFFD.
    Replace,
    Ignore,
    /// UTF-8 only: lines are handed over as they are, for the caller to decode.
    Caller,
}

impl Encoding {
    pub fn name(&self) -> &str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf8Signature => "utf-8-sig",
            Encoding::Latin1 => "latin-1",
            Encoding::Table(table) => &table.name,
            Encoding::Utf16(ByteOrder::Marked) => "utf-16",
            Encoding::Utf16(ByteOrder::Little) => "utf-16-le",
            Encoding::Utf16(ByteOrder::Big) => "utf-16-be",
            Encoding::Utf32(ByteOrder::Marked) => "utf-32",
            Encoding::Utf32(ByteOrder::Little) => "utf-32-le",
            Encoding::Utf32(ByteOrder::Big) => "utf-32-be",
        }
    }

    /// Is this way to treat errors offered for this encoding?
    pub fn supports(&self, errors: Errors) -> bool {
        match self {
            Encoding::Utf8 | Encoding::Utf8Signature => errors != Errors::Replace,
            Encoding::Latin1 => true,
            Encoding::Table(_) => errors != Errors::Caller,
            Encoding::Utf16(_) | Encoding::Utf32(_) => errors == Errors::Strict,
        }
    }

    /// Characters begin at multiples of this many bytes.
    pub(crate) fn width(&self) -> usize {
        match self {
            Encoding::Utf16(_) => 2,
            Encoding::Utf32(_) => 4,
            _ => 1,
        }
    }

    /// The order that the first bytes of a file tell, where the encoding leaves it to them.
    pub(crate) fn marked_by(&self, head: &[u8]) -> Encoding {
        match self {
            Encoding::Utf16(ByteOrder::Marked) if head.starts_with(&[0xfe, 0xff]) => Encoding::Utf16(ByteOrder::Big),
            Encoding::Utf16(ByteOrder::Marked) => Encoding::Utf16(ByteOrder::Little),
            Encoding::Utf32(ByteOrder::Marked) if head.starts_with(&[0, 0, 0xfe, 0xff]) => {
                Encoding::Utf32(ByteOrder::Big)
            }
            Encoding::Utf32(ByteOrder::Marked) => Encoding::Utf32(ByteOrder::Little),
            other => other.clone(),
        }
    }

    /// How many of the first bytes of a file are its byte order mark and no text.
    pub(crate) fn mark_len(&self, head: &[u8]) -> usize {
        match self {
            Encoding::Utf8Signature if head.starts_with(b"\xef\xbb\xbf") => 3,
            Encoding::Utf16(ByteOrder::Marked) if head.starts_with(&[0xff, 0xfe]) => 2,
            Encoding::Utf16(ByteOrder::Marked) if head.starts_with(&[0xfe, 0xff]) => 2,
            Encoding::Utf32(ByteOrder::Marked) if head.starts_with(&[0xff, 0xfe, 0, 0]) => 4,
            Encoding::Utf32(ByteOrder::Marked) if head.starts_with(&[0, 0, 0xfe, 0xff]) => 4,
            _ => 0,
        }
    }

    /// `text` in this encoding (its byte order known); `None` where it lacks one of the characters.
    pub(crate) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let ordered = |little: &[u8], order: ByteOrder| match order {
            ByteOrder::Big => little.iter().rev().copied().collect::<Vec<u8>>(),
            _ => little.to_vec(),
        };
        match self {
            Encoding::Utf8 | Encoding::Utf8Signature => Some(text.as_bytes().to_vec()),
            Encoding::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
            Encoding::Table(table) => text
                .chars()
                .map(|c| table.characters.iter().position(|&found| found == Some(c)).map(|at| at as u8))
                .collect(),
            Encoding::Utf16(order) => {
                Some(text.encode_utf16().flat_map(|unit| ordered(&unit.to_le_bytes(), *order)).collect())
            }
            Encoding::Utf32(order) => {
                Some(text.chars().flat_map(|c| ordered(&u32::from(c).to_le_bytes(), *order)).collect())
            }
        }
    }

    /// Appends what the first bytes of `raw` stand for to `out`, as UTF-8 (Latin-1 stays as it is), and tells how many
    /// they were: all but those of a character that is not complete, unless these are the `last` ones.
    pub(crate) fn decode(&self, errors: Errors, raw: &[u8], last: bool, out: &mut Vec<u8>) -> Result<usize, Bad> {
        match self {
            Encoding::Utf8 | Encoding::Utf8Signature if errors != Errors::Caller => decode_utf8(errors, raw, last, out),
            Encoding::Utf8 | Encoding::Utf8Signature | Encoding::Latin1 => {
                out.extend_from_slice(raw);
                Ok(raw.len())
            }
            Encoding::Table(table) => decode_table(table, errors, raw, out),
            Encoding::Utf16(order) => decode_utf16(*order, raw, last, out),
            Encoding::Utf32(order) => decode_utf32(*order, raw, last, out),
        }
    }
}

/// Bytes `at..at + length` stand for no character.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) at: usize,
    pub(crate) length: usize,
    pub(crate) reason: &'static str,
}

fn decode_utf8(errors: Errors, raw: &[u8], last: bool, out: &mut Vec<u8>) -> Result<usize, Bad> {
    // Asked first because it is many times as fast, and most text is.
    if raw.is_ascii() {
        out.extend_from_slice(raw);
        return Ok(raw.len());
    }
    let mut at = 0;
    loop {
        let error = match str::from_utf8(&raw[at..]) {
            Ok(text) => {
                out.extend_from_slice(text.as_bytes());
                return Ok(raw.len());
            }
            Err(error) => error,
        };
        out.extend_from_slice(&raw[at..at + error.valid_up_to()]);
        at += error.valid_up_to();
        let (length, reason) = match error.error_len() {
            None if !last => return Ok(at),
            None => (raw.len() - at, "unexpected end of data"),
            // The bytes that begin a character of more than one.
            Some(length) if matches!(raw[at], 0xc2..=0xf4) => (length, "invalid continuation byte"),
            Some(length) => (length, "invalid start byte"),
        };
        if errors != Errors::Ignore {
            return Err(Bad { at, length, reason });
        }
        at += length;
    }
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn decode_table(table: &Table, errors: Errors, raw: &[u8], out: &mut Vec<u8>) -> Result<usize, Bad> {
    if table.extends_ascii && raw.is_ascii() {
        out.extend_from_slice(raw);
        return Ok(raw.len());
    }
    for (at, &byte) in raw.iter().enumerate() {
        match (table.characters[usize::from(byte)], errors) {
            (Some(character), _) => push(out, character),
            (None, Errors::Replace) => push(out, char::REPLACEMENT_CHARACTER),
            (None, Errors::Ignore) => {}
            (None, _) if table.name == "ascii" => {
                return Err(Bad { at, length: 1, reason: "ordinal not in range(128)" });
            }
            (None, _) => return Err(Bad { at, length: 1, reason: "character maps to <undefined>" }),
        }
    }
    Ok(raw.len())
}

/// What is left at the end of the data: an error if no more can come.
fn rest(at: usize, raw: &[u8], last: bool, reason: &'static str) -> Result<usize, Bad> {
    if last && at < raw.len() { Err(Bad { at, length: raw.len() - at, reason }) } else { Ok(at) }
}

fn decode_utf16(order: ByteOrder, raw: &[u8], last: bool, out: &mut Vec<u8>) -> Result<usize, Bad> {
    let unit = |at: usize| -> Option<u16> {
        let bytes = [*raw.get(at)?, *raw.get(at + 1)?];
        Some(if order == ByteOrder::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let mut at = 0;
    while let Some(first) = unit(at) {
        if let Some(character) = char::from_u32(u32::from(first)) {
            push(out, character);
            at += 2;
        } else if first >= 0xdc00 {
            return Err(Bad { at, length: 2, reason: "illegal encoding" });
        } else {
            let Some(second) = unit(at + 2) else { return rest(at, raw, last, "unexpected end of data") };
            let Some(Ok(character)) = char::decode_utf16([first, second]).next() else {
                return Err(Bad { at, length: 2, reason: "illegal UTF-16 surrogate" });
            };
            push(out, character);
            at += 4;
        }
    }
    rest(at, raw, last, "truncated data")
}

fn decode_utf32(order: ByteOrder, raw: &[u8], last: bool, out: &mut Vec<u8>) -> Result<usize, Bad> {
    let mut at = 0;
    while let Some(&bytes) = raw.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let number = if order == ByteOrder::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        match char::from_u32(number) {
            Some(character) => push(out, character),
            None => return Err(Bad { at, length: 4, reason: "code point not in range(0x110000), or a surrogate" }),
        }
        at += 4;
    }
    rest(at, raw, last, "truncated data")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: &Encoding, raw: &[u8], step: usize) -> Result<String, Bad> {
        let (mut out, mut from) = (Vec::new(), 0);
        let mut to = 0;
        while from < raw.len() {
            to = (to + step).min(raw.len());
            let at = encoding
                .decode(Errors::Strict, &raw[from..to], to == raw.len(), &mut out)
                .map_err(|bad| Bad { at: from + bad.at, ..bad })?;
            from += at;
        }
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn characters_across_pieces_are_whole() {
        let text = "a\u{e9}\u{20ac}\u{1f600}\nz";
        for encoding in [
            Encoding::Utf8,
            Encoding::Utf16(ByteOrder::Little),
            Encoding::Utf16(ByteOrder::Big),
            Encoding::Utf32(ByteOrder::Little),
            Encoding::Utf32(ByteOrder::Big),
        ] {
            let raw = encoding.encode(text).expect("encode");
            for step in 1..=raw.len() {
                assert_eq!(decode(&encoding, &raw, step).as_deref(), Ok(text), "{encoding:?} by {step}");
            }
        }
    }

    #[test]
    fn bad_bytes_are_found_at_their_place_however_the_data_are_cut() {
        let utf8 = Encoding::Utf8;
        for (raw, at, length, reason) in [
            (&b"abc\xffdef"[..], 3, 1, "invalid start byte"),
            (b"\xc3\xa9\x80", 2, 1, "invalid start byte"),
            (b"ab\xe2\x82z", 2, 2, "invalid continuation byte"),
            (b"ab\xed\xa0\x80", 2, 1, "invalid continuation byte"),
            (b"ab\xf0\x9f\x98", 2, 3, "unexpected end of data"),
        ] {
            for step in 1..=raw.len() {
                assert_eq!(decode(&utf8, raw, step), Err(Bad { at, length, reason }), "{raw:?} by {step}");
            }
        }
        let utf16 = Encoding::Utf16(ByteOrder::Little);
        for (raw, at, length, reason) in [
            (&b"a\0\x00\xdcb\0"[..], 2, 2, "illegal encoding"),
            (b"a\0\x00\xd8b\0", 2, 2, "illegal UTF-16 surrogate"),
            (b"a\0\x00\xd8", 2, 2, "unexpected end of data"),
            (b"a\0b", 2, 1, "truncated data"),
        ] {
            for step in 1..=raw.len() {
                assert_eq!(decode(&utf16, raw, step), Err(Bad { at, length, reason }), "{raw:?} by {step}");
            }
        }
    }

    #[test]
    fn what_is_no_utf8_is_ignored_if_it_is_to_be() {
        let raw = b"a\xff\xe2\x82z\xc3\xa9\xf0\x9f";
        for step in 1..=raw.len() {
            let (mut out, mut from, mut to) = (Vec::new(), 0, 0);
            while from < raw.len() {
                to = (to + step).min(raw.len());
                let piece = &raw[from..to];
                from += Encoding::Utf8.decode(Errors::Ignore, piece, to == raw.len(), &mut out).expect("no error");
            }
            assert_eq!(out, "az\u{e9}".as_bytes(), "by {step}");
        }
    }

    #[test]
    fn tables_replace_and_ignore() {
        let ascii = Encoding::Table(Arc::new(Table::ascii()));
        let all = |errors| {
            let mut out = Vec::new();
            ascii.decode(errors, b"Jos\xe9!", true, &mut out).map(|_| String::from_utf8(out).expect("UTF-8"))
        };
        assert_eq!(all(Errors::Ignore).as_deref(), Ok("Jos!"));
        assert_eq!(all(Errors::Replace).as_deref(), Ok("Jos\u{fffd}!"));
        assert_eq!(all(Errors::Strict), Err(Bad { at: 3, length: 1, reason: "ordinal not in range(128)" }));
        assert_eq!(ascii.encode("\u{e9}"), None);
        assert_eq!(Encoding::Latin1.encode("\u{e9}|").as_deref(), Some(&b"\xe9|"[..]));
    }
}
