//! Tokens of large memory, whose pieces several threads hash at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use raskr_graph::Token;

/// Each thread gets so many pieces at least: starting it costs as much as one.
const PIECES_MIN: usize = 2;
/// More threads than this only wait for memory.
const THREADS_MAX: usize = 8;

/// The token of each piece; the caller's thread takes part.
pub fn side_by_side(pieces: &[&[u8]]) -> Vec<Token> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let others = (pieces.len() / PIECES_MIN).min(threads).saturating_sub(1);
    if others == 0 {
        return Token::one_by_one(pieces);
    }
    let next = AtomicUsize::new(0);
    let hash = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(place) else { return done };
            done.push((place, Token::of_piece(piece)));
        }
    };
    let mut tokens = std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().name("raskr-hash".to_owned()).spawn_scoped(scope, hash);
        // Those that can't be started are done without; the others hash what is left.
        let started: Vec<_> = (0..others).map_while(|number| spawn(number).ok()).collect();
        let mut tokens = hash();
        for thread in started {
            match thread.join() {
                Ok(more) => tokens.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        tokens
    });
    tokens.sort_unstable_by_key(|(place, _)| *place);
    tokens.into_iter().map(|(_, token)| token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_one_token_however_many_threads_hash_it() {
        let bytes: Vec<u8> = (0..70_000_u32).map(|i| (i % 251) as u8).collect();
        for len in [0, 1, 3, 40] {
            let pieces: Vec<&[u8]> = bytes.chunks(1700).take(len).collect();
            assert_eq!(side_by_side(&pieces), Token::one_by_one(&pieces));
        }
    }
}
