//! `Dialect`: how a text separates and quotes its fields, and which words mean what; and sets of such words.

use super::error::CsvError;

/// What pandas takes for missing, unless told otherwise.
const MISSING: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// How a text is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between fields: an ASCII character.
    pub delimiter: u8,
    /// What encloses fields that hold delimiters, line ends or quotes: an ASCII character.
    pub quote: Option<u8>,
    /// Within quotes, two quotes are one that belongs to the text.
    pub double_quote: bool,
    /// Lines of nothing but blanks and tabs are no rows.
    pub skip_blank_lines: bool,
    /// Rows may have more fields than the file has columns: the rest is ignored. pandas allows it with `usecols`.
    pub ignore_extra_fields: bool,
    /// Fields that stand for no value, in columns of every type, quoted or not.
    pub missing: Vec<String>,
    /// Words that are true, besides `true` in upper and lower case.
    pub true_words: Vec<String>,
    pub false_words: Vec<String>,
}

impl Default for Dialect {
    /// That of pandas.
    fn default() -> Dialect {
        Dialect {
            delimiter: b',',
            quote: Some(b'"'),
            double_quote: true,
            skip_blank_lines: true,
            ignore_extra_fields: false,
            missing: MISSING.map(str::to_owned).to_vec(),
            true_words: Vec::new(),
            false_words: Vec::new(),
        }
    }
}

impl Dialect {
    pub(crate) fn check(&self) -> Result<(), CsvError> {
        let refuse = |what: &'static str, byte: u8| Err(CsvError::Dialect { what, byte });
        let ends_line = |byte: u8| byte == b'\n' || byte == b'\r';
        if !self.delimiter.is_ascii() || ends_line(self.delimiter) {
            return refuse("an ASCII character that ends no lines as the delimiter", self.delimiter);
        }
        match self.quote {
            Some(quote) if !quote.is_ascii() || ends_line(quote) || quote == b' ' || quote == b'\t' => {
                refuse("an ASCII character that is no white space as the quote", quote)
            }
            Some(quote) if quote == self.delimiter => refuse("a quote that is not the delimiter", quote),
            _ => Ok(()),
        }
    }
}

/// A set of a few words; most fields are told from them by their length and first byte.
#[derive(Debug)]
pub(crate) struct Words {
    words: Vec<Vec<u8>>,
    /// For each first byte the lengths of the words that begin with it, as bits; the last bit is for all longer ones.
    lengths: Box<[u64; 256]>,
    empty: bool,
}

impl Words {
    pub(crate) fn new(words: &[String]) -> Words {
        let mut lengths = Box::new([0; 256]);
        for word in words.iter().filter_map(|word| Some((word.as_bytes().first()?, word.len()))) {
            lengths[usize::from(*word.0)] |= 1 << word.1.min(63);
        }
        let empty = words.iter().any(String::is_empty);
        Words { words: words.iter().map(|word| word.as_bytes().to_vec()).collect(), lengths, empty }
    }

    #[inline]
    pub(crate) fn contains(&self, field: &[u8]) -> bool {
        match field.first() {
            None => self.empty,
            Some(&first) => {
                self.lengths[usize::from(first)] >> field.len().min(63) & 1 == 1
                    && self.words.iter().any(|word| word == field)
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_and_nothing_else() {
        let long = "x".repeat(100);
        let words = Words::new(&["".into(), "NA".into(), "N/A".into(), long.clone()]);
        for word in ["", "NA", "N/A", &long] {
            assert!(words.contains(word.as_bytes()), "{word}");
        }
        for word in ["N", "NB", "NAN", "MA", &long[1..], &format!("{long}x")] {
            assert!(!words.contains(word.as_bytes()), "{word}");
        }
        assert!(!Words::new(&[]).contains(b""));
    }

    #[test]
    fn delimiters_and_quotes_that_would_be_ambiguous_are_refused() {
        let with = |delimiter, quote| Dialect { delimiter, quote, ..Dialect::default() }.check();
        assert_eq!(with(b';', None), Ok(()));
        for (delimiter, quote) in [(b'\n', None), (b'\r', None), (0xe4, None), (b',', Some(b',')), (b',', Some(b' '))] {
            assert!(with(delimiter, quote).is_err(), "{delimiter} {quote:?}");
        }
    }
}
