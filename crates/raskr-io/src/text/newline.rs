//! What ends a line, and finding it in text that arrives in pieces.

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memchr2_iter};

use super::encoding::Encoding;

/// What ends a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Newline {
    /// `\n`, `\r` or `\r\n`; lines end with `\n` whichever it was if they are to be translated.
    Universal { translate: bool },
    /// This text, which may not be empty.
    Text(String),
}

impl Newline {
    /// The text at which files are cut into regions. A `\r` alone ends a line but is no place for a cut: a file has one
    /// of the three, and looking for two would find the middle of `\r\n`.
    pub(crate) fn cut(&self) -> &str {
        match self {
            Newline::Universal { .. } => "\n",
            Newline::Text(text) => text,
        }
    }
}

enum Kind {
    Translated,
    Universal,
    Byte(u8),
    Bytes(Box<Finder<'static>>),
    /// A text that the encoding cannot hold.
    Never,
}

/// Finds the ends of lines in decoded text.
pub(crate) struct Splitter {
    kind: Kind,
    /// The text before ended with `\r`, which was translated: a `\n` that follows belongs to it.
    after_return: bool,
}

impl Splitter {
    pub(crate) fn new(newline: &Newline, encoding: &Encoding) -> Splitter {
        let kind = match newline {
            Newline::Universal { translate: true } => Kind::Translated,
            Newline::Universal { translate: false } => Kind::Universal,
            Newline::Text(text) => {
                // Decoded text is UTF-8, but for Latin-1, which stays as it is.
                let bytes = match encoding {
                    Encoding::Latin1 => encoding.encode(text),
                    _ => Some(text.as_bytes().to_vec()),
                };
                match bytes.as_deref() {
                    None | Some([]) => Kind::Never,
                    Some(&[byte]) => Kind::Byte(byte),
                    Some(bytes) => Kind::Bytes(Box::new(Finder::new(bytes).into_owned())),
                }
            }
        };
        Splitter { kind, after_return: false }
    }

    /// The byte that is the end of a line, if it is always the same one after [`Splitter::prepare`].
    pub(crate) fn single(&self) -> Option<u8> {
        match self.kind {
            Kind::Translated => Some(b'\n'),
            Kind::Byte(byte) => Some(byte),
            Kind::Universal | Kind::Bytes(_) | Kind::Never => None,
        }
    }

    /// Replaces what ends lines in `text[from..]`, which was just appended, if it is to be replaced.
    pub(crate) fn prepare(&mut self, text: &mut Vec<u8>, from: usize) {
        if matches!(self.kind, Kind::Translated) {
            self.translate(text, from);
        }
    }

    /// Replaces `\r\n` and `\r` in `text[from..]`, which was just appended, by `\n`.
    fn translate(&mut self, text: &mut Vec<u8>, from: usize) {
        let mut read = from;
        if self.after_return && text.get(from) == Some(&b'\n') {
            read += 1;
        }
        if text.len() > from {
            self.after_return = false;
        }
        let mut write = from;
        while let Some(found) = memchr(b'\r', &text[read..]) {
            text.copy_within(read..read + found, write);
            write += found;
            text[write] = b'\n';
            write += 1;
            read += found + 1;
            match text.get(read) {
                Some(b'\n') => read += 1,
                Some(_) => {}
                None => self.after_return = true,
            }
        }
        if read > write {
            let rest = text.len() - read;
            text.copy_within(read.., write);
            text.truncate(write + rest);
        }
    }

    /// Appends the positions behind the ends of lines in `text[from..]` and tells where to go on when more has come.
    pub(crate) fn find(&self, text: &[u8], from: usize, last: bool, ends: &mut Vec<usize>) -> usize {
        match &self.kind {
            Kind::Translated => ends.extend(memchr_iter(b'\n', &text[from..]).map(|at| from + at + 1)),
            Kind::Byte(byte) => ends.extend(memchr_iter(*byte, &text[from..]).map(|at| from + at + 1)),
            Kind::Universal => return find_universal(text, from, last, ends),
            Kind::Bytes(finder) => {
                let mut at = from;
                for found in finder.find_iter(&text[from..]) {
                    at = from + found + finder.needle().len();
                    ends.push(at);
                }
                return at.max((text.len() + 1).saturating_sub(finder.needle().len()));
            }
            Kind::Never => {}
        }
        text.len()
    }
}

fn find_universal(text: &[u8], from: usize, last: bool, ends: &mut Vec<usize>) -> usize {
    let mut skip = usize::MAX;
    for at in memchr2_iter(b'\n', b'\r', &text[from..]).map(|at| from + at) {
        if at == skip {
            continue;
        }
        let end = match (text[at], text.get(at + 1)) {
            (b'\r', Some(b'\n')) => {
                skip = at + 1;
                at + 2
            }
            (b'\r', None) if !last => return at,
            _ => at + 1,
        };
        ends.push(end);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(newline: &Newline, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(newline, &Encoding::Utf8);
        let (mut text, mut ends, mut scanned) = (Vec::new(), Vec::new(), 0);
        for (i, piece) in pieces.iter().enumerate() {
            let from = text.len();
            text.extend_from_slice(piece);
            splitter.prepare(&mut text, from);
            scanned = splitter.find(&text, scanned, i + 1 == pieces.len(), &mut ends);
        }
        if ends.last().copied().unwrap_or(0) < text.len() {
            ends.push(text.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, &end)| text[start..end].to_vec()).collect()
    }

    /// One byte after another, as the words of the definition have it.
    fn model(newline: &Newline, text: &[u8]) -> Vec<Vec<u8>> {
        let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
        while at < text.len() {
            let rest = &text[at..];
            let (length, end): (usize, &[u8]) = match newline {
                Newline::Universal { translate } => {
                    let found = [&b"\r\n"[..], b"\n", b"\r"].into_iter().find(|each| rest.starts_with(each));
                    (found.map_or(0, <[u8]>::len), if *translate { b"\n" } else { found.unwrap_or_default() })
                }
                Newline::Text(end) => (if rest.starts_with(end.as_bytes()) { end.len() } else { 0 }, end.as_bytes()),
            };
            if length == 0 {
                line.push(text[at]);
                at += 1;
            } else {
                line.extend_from_slice(end);
                lines.push(std::mem::take(&mut line));
                at += length;
            }
        }
        lines.extend((!line.is_empty()).then_some(line));
        lines
    }

    fn newlines() -> impl Strategy<Value = Newline> {
        prop_oneof![
            any::<bool>().prop_map(|translate| Newline::Universal { translate }),
            "[\n\ra]{1,3}".prop_map(Newline::Text),
        ]
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_definition_however_the_text_arrives(
            newline in newlines(),
            pieces in proptest::collection::vec("[\n\rab]{0,6}", 0..6),
        ) {
            let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            prop_assert_eq!(lines(&newline, &bytes), model(&newline, pieces.concat().as_bytes()));
        }
    }
}
