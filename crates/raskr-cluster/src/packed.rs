//! `Packed`: a value as the cluster keeps and sends it: a head that says what it is, and buffers beside it.
//!
//! Nobody here looks into either: whoever runs tasks ([`crate::Runner`]) packs and unpacks.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use raskr_exec::pool::SharedBuffer;
use raskr_sched::Blob;
use serde::{Deserialize, Serialize};

/// Values up to this size travel with the word that they are there.
const SMALL_BYTES_MAX: usize = 16 << 10;
/// Heads from this size on travel as buffers: headers are decoded as a whole.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Memory of an encoded value.
#[derive(Clone)]
pub enum Buffer {
    /// Of this process alone.
    Plain(Bytes),
    /// In a memory file, which child processes can map.
    Shared(Arc<SharedBuffer>),
}

/// So that a message can hold a shared buffer without a copy.
struct Holder(Arc<SharedBuffer>);

impl AsRef<[u8]> for Holder {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Buffer {
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Buffer::Plain(bytes) => bytes,
            Buffer::Shared(buffer) => buffer.as_slice(),
        }
    }

    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, without a copy.
    pub fn bytes(&self) -> Bytes {
        match self {
            Buffer::Plain(bytes) => bytes.clone(),
            Buffer::Shared(buffer) => Bytes::from_owner(Holder(Arc::clone(buffer))),
        }
    }

    /// The buffer in a memory file: a copy when it is not in one.
    pub fn shared(&self) -> io::Result<Arc<SharedBuffer>> {
        match self {
            Buffer::Plain(bytes) => SharedBuffer::copy_of(bytes),
            Buffer::Shared(buffer) => Ok(Arc::clone(buffer)),
        }
    }
}

/// An encoded value. Cheap to clone.
#[derive(Clone, Default)]
pub struct Packed {
    pub head: Bytes,
    pub buffers: Vec<Buffer>,
}

/// A value within a message: its head, unless that is long, and how many of the message's buffers are its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// `None` when the first of its buffers is the head.
    head: Option<Bytes>,
    buffers: u32,
}

impl Packed {
    pub fn nbytes(&self) -> u64 {
        self.head.len() as u64 + self.buffers.iter().map(|buffer| buffer.len() as u64).sum::<u64>()
    }

    /// The value in one piece, where it is small and has no buffers.
    pub fn small(&self) -> Option<&[u8]> {
        (self.buffers.is_empty() && self.head.len() <= SMALL_BYTES_MAX).then_some(&self.head[..])
    }

    /// The value that was [`Packed::small`].
    pub fn of_small(piece: Blob) -> Packed {
        Packed { head: Bytes::from_owner(piece.0), buffers: Vec::new() }
    }

    /// What stands for the value in a header; its buffers go to the end of `buffers`.
    pub fn send(&self, buffers: &mut Vec<Bytes>) -> Sent {
        let before = buffers.len();
        let short = self.head.len() < HEAD_BYTES_MAX;
        if !short {
            buffers.push(self.head.clone());
        }
        buffers.extend(self.buffers.iter().map(Buffer::bytes));
        let head = if short { Some(self.head.clone()) } else { None };
        Sent { head, buffers: (buffers.len() - before) as u32 }
    }

    /// The value that `sent` stands for, with the next of a message's buffers; nothing when the message has too few.
    pub fn receive(sent: Sent, buffers: &mut impl Iterator<Item = Bytes>) -> Option<Packed> {
        let mut own = Vec::new();
        for _ in 0..sent.buffers {
            own.push(buffers.next()?);
        }
        let mut own = own.into_iter();
        let head = match sent.head {
            Some(head) => head,
            None => own.next()?,
        };
        Some(Packed { head, buffers: own.map(Buffer::Plain).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_one_piece() {
        let small = Packed { head: Bytes::from(vec![7; SMALL_BYTES_MAX]), buffers: vec![] };
        let piece = small.small().map(Blob::from).map(Packed::of_small);
        assert_eq!(piece.map(|came| came.head), Some(small.head.clone()));
        let long = Packed { head: Bytes::from(vec![7; SMALL_BYTES_MAX + 1]), buffers: vec![] };
        let parted = Packed { head: small.head, buffers: vec![Buffer::Plain(Bytes::new())] };
        assert_eq!((long.small(), parted.small()), (None, None));
    }

    #[test]
    fn values_come_out_of_a_message_as_they_went_in() -> io::Result<()> {
        let shared = Buffer::Shared(SharedBuffer::copy_of(&[7; 100])?);
        let values = [
            Packed { head: Bytes::from_static(b"short"), buffers: vec![] },
            Packed { head: Bytes::from(vec![1; HEAD_BYTES_MAX]), buffers: vec![shared, Buffer::Plain(Bytes::new())] },
            Packed::default(),
        ];
        let mut buffers = Vec::new();
        let sent: Vec<Sent> = values.iter().map(|value| value.send(&mut buffers)).collect();
        assert_eq!(buffers.len(), 3);
        let mut buffers = buffers.into_iter();
        for (value, sent) in values.iter().zip(sent) {
            let came = Packed::receive(sent, &mut buffers).unwrap_or_default();
            assert_eq!((&came.head, came.nbytes()), (&value.head, value.nbytes()));
            for (one, other) in value.buffers.iter().zip(&came.buffers) {
                assert_eq!(one.as_slice(), other.as_slice());
            }
        }
        assert!(Packed::receive(Sent { head: None, buffers: 1 }, &mut buffers).is_none());
        Ok(())
    }
}
