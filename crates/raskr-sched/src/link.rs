//! Makes a connection that loses, repeats and reorders packets one that delivers each message once and in order.
//!
//! Each side numbers its packets, keeps them until the other has acknowledged them, and sends them again when that takes
//! too long or after a connection was made anew. A link lives as long as an incarnation of a worker, or a client; packets
//! of another link are told apart by its number. Over a connection that loses nothing, only acknowledgements are added.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Instant;

/// Packets that arrived before one that is missing: more than this many wait for no longer, and are sent again.
const EARLY_MAX: usize = 1024;

/// What goes over the wire. A packet without messages only acknowledges, and has no number of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packet<M> {
    pub link: u64,
    /// Counts packets with messages from 1; 0 for one without.
    pub number: u64,
    /// The last packet of the other side up to which none is missing.
    pub heard: u64,
    pub messages: Vec<M>,
}

/// One side of a link: what it sends, and what it receives.
#[derive(Debug)]
pub struct Link<Out, In> {
    link: u64,
    resend_after: Duration,
    sent: u64,
    heard: u64,
    owes_acknowledgement: bool,
    unheard: VecDeque<(u64, Instant, Vec<Out>)>,
    early: BTreeMap<u64, Vec<In>>,
}

impl<Out: Clone, In> Link<Out, In> {
    /// `link` is equal on both sides and never used for another.
    pub fn new(link: u64, resend_after: Duration) -> Link<Out, In> {
        Link {
            link,
            resend_after,
            sent: 0,
            heard: 0,
            owes_acknowledgement: false,
            unheard: VecDeque::new(),
            early: BTreeMap::new(),
        }
    }

    /// Packets that were sent and not acknowledged: what a shell bounds.
    pub fn unheard(&self) -> usize {
        self.unheard.len()
    }

    pub fn send(&mut self, messages: Vec<Out>, now: Instant) -> Packet<Out> {
        self.sent += 1;
        self.unheard.push_back((self.sent, now, messages.clone()));
        self.packet(self.sent, messages)
    }

    /// The messages that a packet lets through, in order.
    pub fn receive(&mut self, packet: Packet<In>) -> Vec<In> {
        if packet.link != self.link {
            return Vec::new();
        }
        while self.unheard.front().is_some_and(|(number, ..)| *number <= packet.heard) {
            self.unheard.pop_front();
        }
        if packet.number == 0 {
            return Vec::new();
        }
        self.owes_acknowledgement = true;
        if packet.number <= self.heard || self.early.len() >= EARLY_MAX && packet.number != self.heard + 1 {
            return Vec::new();
        }
        self.early.insert(packet.number, packet.messages);
        let mut messages = Vec::new();
        while let Some(next) = self.early.remove(&(self.heard + 1)) {
            self.heard += 1;
            messages.extend(next);
        }
        messages
    }

    /// What is due: packets that were not acknowledged in time, or an acknowledgement that nothing else carried.
    pub fn due(&mut self, now: Instant) -> Vec<Packet<Out>> {
        self.again(now, self.resend_after)
    }

    /// Everything not acknowledged, for a connection that was made anew.
    pub fn resume(&mut self, now: Instant) -> Vec<Packet<Out>> {
        self.owes_acknowledgement = true;
        self.again(now, Duration::ZERO)
    }

    fn again(&mut self, now: Instant, after: Duration) -> Vec<Packet<Out>> {
        let mut due = Vec::new();
        for (number, sent, messages) in &mut self.unheard {
            if now.since(*sent) >= after {
                *sent = now;
                due.push((*number, messages.clone()));
            }
        }
        let mut packets: Vec<Packet<Out>> =
            due.into_iter().map(|(number, messages)| self.packet(number, messages)).collect();
        if self.owes_acknowledgement {
            packets.push(self.packet(0, Vec::new()));
        }
        packets
    }

    fn packet(&mut self, number: u64, messages: Vec<Out>) -> Packet<Out> {
        self.owes_acknowledgement = false;
        Packet { link: self.link, number, heard: self.heard, messages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESEND: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn messages_arrive_once_and_in_order_whatever_happens_to_packets() {
        let (mut left, mut right) = (Link::<u32, char>::new(7, RESEND), Link::<char, u32>::new(7, RESEND));
        let first = left.send(vec![1, 2], at(0));
        let second = left.send(vec![3], at(1));
        assert_eq!(right.receive(second.clone()), []);
        assert_eq!(right.receive(first.clone()), [1, 2, 3]);
        assert_eq!(right.receive(first), []);
        assert_eq!(right.receive(second), []);
        let acknowledgements = right.due(at(2));
        assert_eq!(acknowledgements.iter().map(|packet| (packet.number, packet.heard)).collect::<Vec<_>>(), [(0, 2)]);
        assert_eq!(left.receive(acknowledgements[0].clone()), []);
        assert_eq!((left.unheard(), left.due(at(500)), right.due(at(500))), (0, vec![], vec![]));
    }

    #[test]
    fn what_was_lost_is_sent_again_in_time_and_at_once_on_a_new_connection() {
        let mut left = Link::<char, ()>::new(7, RESEND);
        let lost = left.send(vec!['a'], at(0));
        assert_eq!(left.due(at(99)), []);
        assert_eq!(left.due(at(100)), std::slice::from_ref(&lost));
        assert_eq!(left.due(at(150)), []);
        assert_eq!(left.resume(at(151)).first(), Some(&lost));
    }

    #[test]
    fn packets_of_another_link_are_not_heard() {
        let (mut left, mut right) = (Link::<u8, u8>::new(7, RESEND), Link::<u8, u8>::new(8, RESEND));
        assert_eq!(right.receive(left.send(vec![1], at(0))), []);
    }
}
