//! The cluster's token: 256 random bits that show who belongs to it.
//!
//! Invariants: a token never crosses a connection (both sides prove that they have it, see `handshake`), and no message or
//! log shows it; only files and environments of the user that [`Token::reveal`] writes for hold it.

use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::CommError;

/// The variable that holds the token where no file does.
pub const TOKEN_VARIABLE: &str = "RASKR_TOKEN";
const TOKEN_BYTES: usize = 32;

/// A cluster's secret.
#[derive(Clone)]
pub struct Token([u8; TOKEN_BYTES]);

/// Unpredictable bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], CommError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| CommError::BadToken {
        what: "the system's source of random numbers".into(),
        found: "an error".into(),
    })?;
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Token {
    pub fn random() -> Result<Token, CommError> {
        Ok(Token(random()?))
    }

    /// From 64 hexadecimal digits; `what` says in errors where they come from.
    pub fn parse(text: &str, what: &str) -> Result<Token, CommError> {
        let text = text.trim();
        let bad = |found: String| CommError::BadToken { what: what.to_owned(), found };
        // The text may nearly be a token, so errors don't show it.
        if text.len() != 2 * TOKEN_BYTES || !text.is_ascii() {
            return Err(bad(format!("{} characters", text.chars().count())));
        }
        let mut bytes = [0; TOKEN_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            let (Some(high), Some(low)) = (digit(digits[0]), digit(digits[1])) else {
                return Err(bad("other characters".into()));
            };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Token(bytes))
    }

    /// What `RASKR_TOKEN` holds, if it is set.
    pub fn from_environment() -> Result<Option<Token>, CommError> {
        match std::env::var_os(TOKEN_VARIABLE) {
            Some(text) if !text.is_empty() => Token::parse(&text.to_string_lossy(), TOKEN_VARIABLE).map(Some),
            _ => Ok(None),
        }
    }

    /// The digits, for a file or an environment that only the user can read.
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }

    /// Text that only those who have the token can make, for something that is shown more freely; it tells nothing of the token.
    pub fn derived(&self, purpose: &str) -> String {
        hex(&self.derive(purpose))
    }

    /// A secret of its own for one purpose; it tells nothing of the token.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; TOKEN_BYTES] {
        let mut secret = [0; TOKEN_BYTES];
        secret.copy_from_slice(hmac::sign(&self.key(), purpose.as_bytes()).as_ref());
        secret
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }

    /// Shows knowledge of the token for one conversation.
    pub(crate) fn prove(&self, conversation: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key());
        conversation.iter().for_each(|part| context.update(part));
        let mut proof = [0; 32];
        proof.copy_from_slice(context.sign().as_ref());
        proof
    }

    /// Was the proof made with this token for this conversation? Takes as long whether it was or not.
    pub(crate) fn verify(&self, conversation: &[&[u8]], proof: &[u8]) -> bool {
        hmac::verify(&self.key(), &conversation.concat(), proof).is_ok()
    }

    /// Compares in constant time.
    pub fn is_same(&self, other: &Token) -> bool {
        self.verify(&[b"is it the same?"], &other.prove(&[b"is it the same?"]))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_revealed_and_never_shown() {
        let token = Token::random().expect("random");
        let text = token.reveal();
        assert!(text.len() == 64 && token.is_same(&Token::parse(&format!(" {text}\n"), "a file").expect("parsed")));
        assert!(!token.is_same(&Token::random().expect("random")));
        assert!(!format!("{token:?}").contains(&text[..8]));
    }

    #[test]
    fn what_is_no_token_is_not_shown_either() {
        for text in ["", "secret", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            let error = Token::parse(text, TOKEN_VARIABLE).expect_err(text).to_string();
            assert!(error.contains("RASKR_TOKEN: expected a token of 64 hexadecimal digits"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn proofs_hold_for_one_conversation_and_one_token() {
        let (one, two) = (Token::random().expect("random"), Token::random().expect("random"));
        let proof = one.prove(&[b"ab", b"c"]);
        assert!(one.verify(&[b"ab", b"c"], &proof));
        assert!(!one.verify(&[b"ab", b"d"], &proof) && !two.verify(&[b"ab", b"c"], &proof));
        assert!(!one.verify(&[b"ab", b"c"], &proof[..31]));
        assert_ne!(one.derive("x"), one.derive("y"));
        assert!(one.derived("x") == hex(&one.derive("x")) && one.derived("x") != two.derived("x"));
    }
}
