//! `Unquoter`: what a quoted field says.

use memchr::memchr;

use super::dialect::Dialect;

#[derive(Debug)]
pub(crate) struct Unquoter {
    quote: Option<u8>,
    double_quote: bool,
    /// The last field that had to be put together.
    field: Vec<u8>,
}

impl Unquoter {
    pub(crate) fn new(dialect: &Dialect) -> Unquoter {
        Unquoter { quote: dialect.quote, double_quote: dialect.double_quote, field: Vec::new() }
    }

    /// Where the field `text[start..end]` is without its quotes: in `text` itself where that can be.
    #[inline(always)]
    pub(crate) fn unquote<'a>(&'a mut self, text: &'a [u8], start: usize, end: usize) -> (&'a [u8], usize, usize) {
        match self.quote {
            Some(quote) if start < end && text[start] == quote => self.remove(quote, text, start, end),
            _ => (text, start, end),
        }
    }

    #[inline(never)]
    fn remove<'a>(&'a mut self, quote: u8, text: &'a [u8], start: usize, end: usize) -> (&'a [u8], usize, usize) {
        let inner = &text[start + 1..end];
        let Some(closing) = memchr(quote, inner) else { return (text, start + 1, end) };
        if closing + 1 == inner.len() {
            return (text, start + 1, end - 1);
        }
        self.field.clear();
        let mut quoted = true;
        let mut bytes = inner.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte == quote && quoted {
                true if self.double_quote && bytes.next_if_eq(&quote).is_some() => self.field.push(quote),
                true => quoted = false,
                false => self.field.push(byte),
            }
        }
        (&self.field, 0, self.field.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unquote(field: &str, double_quote: bool) -> String {
        let mut unquoter = Unquoter::new(&Dialect { double_quote, ..Dialect::default() });
        let text = format!(",{field},");
        let (text, start, end) = unquoter.unquote(text.as_bytes(), 1, 1 + field.len());
        String::from_utf8(text[start..end].to_vec()).unwrap()
    }

    #[test]
    fn quotes_are_taken_away_where_they_are_none_of_the_text() {
        for (field, doubled, single) in [
            ("", "", ""),
            ("\"\"", "", ""),
            ("ab", "ab", "ab"),
            ("a\"b\"", "a\"b\"", "a\"b\""),
            ("\"a,b\"", "a,b", "a,b"),
            ("\"a\"\"b\"", "a\"b", "a\"b\""),
            ("\"a\"b\"c", "ab\"c", "ab\"c"),
            ("\"a\"b\"\"c", "ab\"\"c", "ab\"\"c"),
            ("\"\"\"\"", "\"", "\"\""),
        ] {
            assert_eq!((unquote(field, true).as_str(), unquote(field, false).as_str()), (doubled, single), "{field}");
        }
    }
}
