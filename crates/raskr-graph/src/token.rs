//! `Token`: a 128-bit name of content, the same in every process and on every platform.
//!
//! The hash is XXH3 (Collet 2019), by the `xxhash-rust` crate (BSL-1.0): its result is specified independently of the
//! machine, and it reads memory about as fast as it comes, where cryptographic hashes read 1 to 3 GB/s. Equal content is
//! looked for, not forgery: a user who builds a collision deceives only himself.
//! Invariant: every field is hashed with its type and length, so that different sequences of fields differ.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Memory is hashed in pieces of this size, several of which may be hashed at a time.
const PIECE_BYTES: usize = 4 << 20;

/// Gives [`Token::of_piece`] of each of some pieces of memory, in their order.
pub type Hashing = fn(&[&[u8]]) -> Vec<Token>;

static HASHING: OnceLock<Hashing> = OnceLock::new();

/// Has large memory hashed in this way, which may use threads, from now on; the first one counts.
pub fn install_hashing(hashing: Hashing) {
    HASHING.get_or_init(|| hashing);
}

/// A name of content. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u128);

impl Token {
    /// Token of the fields that `write` writes.
    pub fn of(kind: &str, write: impl FnOnce(&mut TokenHasher)) -> Token {
        let mut hasher = TokenHasher::new(kind);
        write(&mut hasher);
        hasher.finish()
    }

    /// Token of memory, of whatever size.
    pub fn of_memory(bytes: &[u8]) -> Token {
        let pieces: Vec<&[u8]> = bytes.chunks(PIECE_BYTES).collect();
        let tokens = match HASHING.get() {
            Some(hashing) => hashing(&pieces),
            None => Token::one_by_one(&pieces),
        };
        Token::of("memory", |hasher| {
            hasher.u64(bytes.len() as u64).list(tokens.len());
            tokens.into_iter().for_each(|token| {
                hasher.token(token);
            });
        })
    }

    /// Token of one piece of memory.
    pub fn of_piece(bytes: &[u8]) -> Token {
        Token(xxh3_128(bytes))
    }

    /// The tokens of pieces, one after the other.
    pub fn one_by_one(pieces: &[&[u8]]) -> Vec<Token> {
        pieces.iter().map(|piece| Token::of_piece(piece)).collect()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

impl FromStr for Token {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Token, Self::Err> {
        u128::from_str_radix(text, 16).map(Token)
    }
}

#[repr(u8)]
enum Field {
    Unsigned = 1,
    Signed,
    Float,
    Bool,
    Text,
    Bytes,
    Token,
    List,
    Nothing,
}

/// Hashes a sequence of typed fields.
#[derive(Clone)]
pub struct TokenHasher {
    state: Xxh3,
}

impl TokenHasher {
    /// `kind` says what is hashed, such as `elementwise`, so that other kinds with equal fields differ.
    pub fn new(kind: &str) -> TokenHasher {
        let mut hasher = TokenHasher { state: Xxh3::new() };
        hasher.str(kind);
        hasher
    }

    fn field(&mut self, field: Field, bytes: &[u8]) -> &mut TokenHasher {
        self.state.update(&[field as u8]);
        self.state.update(bytes);
        self
    }

    fn sized(&mut self, field: Field, bytes: &[u8]) -> &mut TokenHasher {
        self.field(field, &(bytes.len() as u64).to_le_bytes());
        self.state.update(bytes);
        self
    }

    pub fn u64(&mut self, value: u64) -> &mut TokenHasher {
        self.field(Field::Unsigned, &value.to_le_bytes())
    }

    pub fn i64(&mut self, value: i64) -> &mut TokenHasher {
        self.field(Field::Signed, &value.to_le_bytes())
    }

    /// By its bits: zeros of either sign differ, and so do NaNs of different payload.
    pub fn f64(&mut self, value: f64) -> &mut TokenHasher {
        self.field(Field::Float, &value.to_bits().to_le_bytes())
    }

    pub fn bool(&mut self, value: bool) -> &mut TokenHasher {
        self.field(Field::Bool, &[u8::from(value)])
    }

    pub fn str(&mut self, value: &str) -> &mut TokenHasher {
        self.sized(Field::Text, value.as_bytes())
    }

    pub fn bytes(&mut self, value: &[u8]) -> &mut TokenHasher {
        self.sized(Field::Bytes, value)
    }

    /// The token of something nested.
    pub fn token(&mut self, value: Token) -> &mut TokenHasher {
        self.field(Field::Token, &value.0.to_le_bytes())
    }

    /// Begins a list of `len` items, which follow as fields.
    pub fn list(&mut self, len: usize) -> &mut TokenHasher {
        self.field(Field::List, &(len as u64).to_le_bytes())
    }

    /// An absent field.
    pub fn nothing(&mut self) -> &mut TokenHasher {
        self.field(Field::Nothing, &[])
    }

    pub fn finish(&self) -> Token {
        Token(self.state.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_token_of_its_pieces() {
        let bytes: Vec<u8> = (0..9_000_000_u32).map(|i| (i % 251) as u8).collect();
        let token = Token::of_memory(&bytes);
        assert_eq!(token, Token::of_memory(&bytes.clone()));
        let mut other = bytes.clone();
        other[PIECE_BYTES + 7] ^= 1;
        assert!(
            [&other[..], &bytes[1..], &bytes[..PIECE_BYTES], &[]].iter().all(|other| Token::of_memory(other) != token)
        );
    }

    #[test]
    fn tokens_never_change() {
        let token = Token::of("sum", |hasher| {
            hasher.u64(3).i64(-1).f64(0.5).bool(true).str("axis").bytes(&[1, 2]).list(1).nothing();
        });
        assert_eq!(token.to_string(), "d806dad3b3664bb2375075989f3ef511");
        assert_eq!(token.to_string().parse(), Ok(token));
        let nested = Token::of("x", |hasher| {
            hasher.token(token);
        });
        assert_ne!(nested, token);
    }

    #[test]
    fn fields_do_not_run_together() {
        let mut seen = std::collections::HashSet::new();
        let writers: [fn(&mut TokenHasher); 11] = [
            |h| _ = h.str("ab").str("c"),
            |h| _ = h.str("a").str("bc"),
            |h| _ = h.str("abc"),
            |h| _ = h.bytes(b"abc"),
            |h| _ = h.u64(1),
            |h| _ = h.i64(1),
            |h| _ = h.f64(0.0),
            |h| _ = h.f64(-0.0),
            |h| _ = h.list(2).list(0).u64(1),
            |h| _ = h.list(2).u64(1).list(0),
            |h| _ = h.list(1).list(0),
        ];
        for write in writers {
            assert!(seen.insert(Token::of("kind", write)));
        }
        assert_ne!(Token::of("a", |_| ()), Token::of("b", |_| ()));
    }

    #[test]
    fn large_buffers_are_told_apart_by_a_bit() {
        let data: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let whole = Token::of("x", |h| _ = h.bytes(&data));
        let again = Token::of("x", |h| _ = h.bytes(&data.clone()));
        assert_eq!(whole, again);
        let mut other = data.clone();
        other[77_777] ^= 1;
        assert_ne!(Token::of("x", |h| _ = h.bytes(&other)), whole);
    }
}
