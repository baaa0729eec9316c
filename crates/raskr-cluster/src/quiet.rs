//! Keeps log lines about peers few: one a peer and 10 seconds, with the number of those left out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

const PAUSE: Duration = Duration::from_secs(10);
/// More peers than these share one line.
const PEERS_MAX: usize = 256;

/// Who is logged about; `None` are peers without a number, and those who are too many.
type Subject = Option<IpAddr>;

#[derive(Default)]
pub(crate) struct Quiet {
    peers: HashMap<Subject, Spoken>,
}

struct Spoken {
    last: Instant,
    left_out: u64,
}

impl Quiet {
    /// May something be logged about a peer now? Then how many lines about it were left out since the last one.
    pub fn ask(&mut self, peer: Subject, now: Instant) -> Option<u64> {
        let peer = match peer {
            known if self.peers.contains_key(&known) => known,
            new if self.peers.len() < PEERS_MAX => new,
            _ => {
                self.peers.retain(|_, spoken| now.duration_since(spoken.last) < PAUSE || spoken.left_out > 0);
                if self.peers.len() < PEERS_MAX { peer } else { None }
            }
        };
        match self.peers.get_mut(&peer) {
            Some(spoken) if now.duration_since(spoken.last) < PAUSE => {
                spoken.left_out += 1;
                None
            }
            Some(spoken) => {
                spoken.last = now;
                Some(std::mem::take(&mut spoken.left_out))
            }
            None => {
                self.peers.insert(peer, Spoken { last: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_logged_once_in_ten_seconds_with_the_number_left_out() {
        let (mut quiet, begin) = (Quiet::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let peer = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        assert_eq!(quiet.ask(peer(1), at(0)), Some(0));
        for second in 1..10 {
            assert_eq!(quiet.ask(peer(1), at(second)), None);
        }
        assert_eq!(quiet.ask(peer(2), at(5)), Some(0), "others have lines of their own");
        assert_eq!(quiet.ask(peer(1), at(10)), Some(9));
        assert_eq!(quiet.ask(peer(1), at(20)), Some(0));
    }

    #[test]
    fn any_number_of_peers_takes_bounded_memory_and_few_lines() {
        let (mut quiet, now) = (Quiet::default(), Instant::now());
        let lines = (0..10_000u32).filter(|n| quiet.ask(Some(IpAddr::from(n.to_be_bytes())), now).is_some()).count();
        assert!(lines <= PEERS_MAX + 1 && quiet.peers.len() <= PEERS_MAX + 1, "{lines}");
    }
}
