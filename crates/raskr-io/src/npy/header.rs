//! The header of an npy file, parsed as the small literal it is.

use std::path::Path;

use raskr_base::DType;

use crate::descr::{self, Order};
use crate::error::IoError;

/// What stands before the header: six letters, two version numbers.
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Where NumPy lets the elements begin: at a multiple of this.
const ALIGNMENT: usize = 64;
/// A header longer than this is not a header of an array that raskr reads.
const LENGTH_MAX: usize = 1 << 16;

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub dtype: DType,
    pub order: Order,
    pub column_major: bool,
    pub shape: Vec<usize>,
    /// Offset of the first element in the file.
    pub data: usize,
}

/// Parses the start of a file.
pub(super) fn parse(path: &Path, file: &[u8]) -> Result<Header, IoError> {
    let malformed = |offset: usize, expected: &str, found: String| IoError::Malformed {
        path: path.to_path_buf(),
        offset,
        expected: expected.to_string(),
        found,
    };
    if file.len() < 8 || &file[..6] != MAGIC {
        let found = format!("{:?}", String::from_utf8_lossy(&file[..file.len().min(8)]));
        return Err(malformed(0, "the letters of an npy file (\\x93NUMPY and a version)", found));
    }
    let (start, length) = match (file[6], file.get(8..12)) {
        (1, Some(&[a, b, _, _])) => (10, usize::from(u16::from_le_bytes([a, b]))),
        (2 | 3, Some(&[a, b, c, d])) => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        (1..=3, None) => return Err(malformed(file.len(), "the length of the header", "the end of the file".into())),
        (other, _) => return Err(malformed(6, "version 1, 2 or 3", format!("version {other}"))),
    };
    if length > LENGTH_MAX {
        return Err(malformed(8, "a header of at most 65536 bytes", format!("{length} bytes")));
    }
    let Some(text) = file.get(start..start + length) else {
        return Err(malformed(file.len(), &format!("a header of {length} bytes"), "the end of the file".into()));
    };
    let mut literal = Literal { text, at: 0 };
    let mut entries = Entries::default();
    literal.entries(&mut entries).map_err(|expected| {
        let found = match text.get(literal.at) {
            Some(&letter) => format!("{:?}", letter as char),
            None => "the end of the header".into(),
        };
        malformed(start + literal.at, expected, found)
    })?;
    let missing = |name: &str| malformed(start, &format!("an entry '{name}'"), "none".into());
    let column_major = entries.column_major.ok_or_else(|| missing("fortran_order"))?;
    let shape = entries.shape.ok_or_else(|| missing("shape"))?;
    let named = match entries.descr.ok_or_else(|| missing("descr"))? {
        Descr::Named(named) => named,
        Descr::Structured => {
            return Err(IoError::DType { path: path.to_path_buf(), what: "a structured type".into() });
        }
    };
    if named.trim_start_matches(['|', '<', '>', '=']).starts_with('O') {
        return Err(IoError::Pickle { path: path.to_path_buf() });
    }
    let Some((dtype, order)) = descr::parse(&named) else {
        return Err(IoError::DType { path: path.to_path_buf(), what: format!("type {named:?}") });
    };
    Ok(Header { dtype, order, column_major, shape, data: start + length })
}

/// The start of a file, padded so that the elements are aligned.
pub(super) fn write(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let mut axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    if axes.len() == 1 {
        axes.push(String::new());
    }
    let axes = axes.join(", ");
    let text =
        format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr::name(dtype), axes.trim_end());
    // Version 1 counts the header in two bytes, which the shape of any array fits.
    let end = (10 + text.len() + 1).next_multiple_of(ALIGNMENT);
    let mut file = Vec::with_capacity(end);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&[1, 0]);
    file.extend_from_slice(&((end - 10) as u16).to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    file.resize(end - 1, b' ');
    file.push(b'\n');
    file
}

enum Descr {
    Named(String),
    Structured,
}

#[derive(Default)]
struct Entries {
    descr: Option<Descr>,
    column_major: Option<bool>,
    shape: Option<Vec<usize>>,
}

/// A reader of the literal; each method fails with what it expected, and `at` is where.
struct Literal<'a> {
    text: &'a [u8],
    at: usize,
}

impl Literal<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, letter: u8) -> bool {
        let found = self.peek() == Some(letter);
        self.at += usize::from(found);
        found
    }

    fn entries(&mut self, into: &mut Entries) -> Result<(), &'static str> {
        if !self.take(b'{') {
            return Err("'{'");
        }
        while !self.take(b'}') {
            let start = self.at;
            let name = self.string()?;
            if !self.take(b':') {
                return Err("':'");
            }
            match name.as_str() {
                "descr" => into.descr = Some(self.descr()?),
                "fortran_order" => into.column_major = Some(self.truth()?),
                "shape" => into.shape = Some(self.shape()?),
                _ => {
                    self.at = start;
                    return Err("one of the entries 'descr', 'fortran_order', 'shape'");
                }
            }
            if !self.take(b',') && self.peek() != Some(b'}') {
                return Err("',' or '}'");
            }
        }
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("nothing behind '}'"),
        }
    }

    fn string(&mut self) -> Result<String, &'static str> {
        let Some(quote @ (b'\'' | b'"')) = self.peek() else { return Err("a quoted name") };
        let rest = &self.text[self.at + 1..];
        let Some(length) = rest.iter().position(|&letter| letter == quote) else {
            self.at = self.text.len();
            return Err("a closing quote");
        };
        let found = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 2;
        Ok(found)
    }

    fn descr(&mut self) -> Result<Descr, &'static str> {
        if self.peek() != Some(b'[') {
            return self.string().map(Descr::Named);
        }
        // A list of fields; which ones does not matter, for it is refused. Brackets within quotes don't count.
        let mut depth = 0usize;
        while let Some(letter) = self.peek() {
            match letter {
                b'[' | b'(' => depth += 1,
                b']' | b')' => depth = depth.saturating_sub(1),
                b'\'' | b'"' => {
                    self.string()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(Descr::Structured);
            }
        }
        Err("']'")
    }

    fn truth(&mut self) -> Result<bool, &'static str> {
        self.peek();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("True or False")
    }

    fn shape(&mut self) -> Result<Vec<usize>, &'static str> {
        if !self.take(b'(') {
            return Err("'('");
        }
        let mut shape = Vec::new();
        while !self.take(b')') {
            shape.push(self.number()?);
            if !self.take(b',') && self.peek() != Some(b')') {
                return Err("',' or ')'");
            }
        }
        Ok(shape)
    }

    fn number(&mut self) -> Result<usize, &'static str> {
        self.peek();
        let digits = self.text[self.at..].iter().take_while(|letter| letter.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]).unwrap_or("");
        let number = text.parse().map_err(|_| "a length that fits in memory")?;
        self.at += digits;
        // Python 2 wrote long integers with an L behind.
        self.take(b'L');
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend_from_slice(&(text.len() as u16).to_le_bytes());
        file.extend_from_slice(text.as_bytes());
        file
    }

    fn parsed(text: &str) -> Result<Header, String> {
        parse(Path::new("x.npy"), &file(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        for (text, expected) in [
            ("  ", "x.npy: at byte 12: expected '{', found the end of the header"),
            ("", "x.npy: at byte 10: expected the length of the header, found the end of the file"),
            ("{'descr': '<f8'", "x.npy: at byte 25: expected ',' or '}', found the end of the header"),
            ("{'descr': '<f8', }", "x.npy: at byte 10: expected an entry 'fortran_order', found none"),
            ("{'shape': (-3,)}", "x.npy: at byte 21: expected a length that fits in memory, found '-'"),
            (
                "{'shape': (99999999999999999999,)}",
                "x.npy: at byte 21: expected a length that fits in memory, found '9'",
            ),
            ("{'fortran_order': 1}", "x.npy: at byte 28: expected True or False, found '1'"),
            (
                "{'command': 1}",
                "x.npy: at byte 11: expected one of the entries 'descr', 'fortran_order', 'shape', found '\\''",
            ),
        ] {
            assert_eq!(parsed(text), Err(expected.to_string()), "{text}");
        }
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let with = |descr: &str| parsed(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}"));
        let pickle = with("'|O'").expect_err("objects");
        assert!(pickle.contains("holds Python objects (pickle)"), "{pickle}");
        assert!(with("'<U5'").expect_err("text").contains("type \"<U5\" is not one of raskr's native types"));
        assert!(with("[('a]', '<f8'), ('b', '<i4', (2, 2))]").expect_err("fields").contains("a structured type"));
    }

    #[test]
    fn files_that_are_not_npy_are_told_so() {
        for other in [&b""[..], b"\x93NUM", b"PK\x03\x04abcdefgh", b"\x93NUMPY\x09\x00\x10\x00"] {
            let error = parse(Path::new("x"), other).expect_err("not npy").to_string();
            assert!(error.starts_with("x: at byte"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn headers_round_trip(shape in prop::collection::vec(0usize..1 << 40, 0..6), swapped: bool) {
            let dtype = if swapped { DType::C128 } else { DType::Bool };
            let file = write(dtype, &shape);
            prop_assert_eq!(file.len() % ALIGNMENT, 0);
            let header = parse(Path::new("x"), &file).expect("own header");
            prop_assert_eq!(header, Header { dtype, order: Order::Native, column_major: false, shape, data: file.len() });
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version in 0u8..5) {
            let mut file = b"\x93NUMPY".to_vec();
            file.push(version);
            file.extend(bytes);
            let _ = parse(Path::new("x"), &file);
        }

        #[test]
        fn damaged_headers_never_panic(at in 0usize..100, letter: u8) {
            let mut file = write(DType::F64, &[3, 4]);
            let at = at % file.len();
            file[at] = letter;
            if let Ok(header) = parse(Path::new("x"), &file) {
                prop_assert!(header.data <= file.len());
            }
        }

        #[test]
        fn arbitrary_literals_never_panic(text in r#"[{}()\[\]':, a-zA-Z0-9<>|"]{0,60}"#) {
            let _ = parsed(&text);
        }
    }
}
