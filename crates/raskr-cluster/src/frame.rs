//! Frames: how messages lie in a stream of bytes. Writes batches of them and puts them together again from pieces.
//!
//! A frame is a prefix of 12 bytes (mark, kind, length of the header, number of buffers), the length of each buffer in 8
//! bytes, the header, then the buffers' bytes.
//!
//! Knows bytes and limits. Does not know sockets, what headers mean, or time. Invariants: nothing is allocated for a length
//! that the limits refuse; each buffer is allocated when its turn comes, aligned to 64 bytes, and read into once.
//! Tested here by cutting streams at every byte and damaging them; `make fuzz` does so for longer.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use raskr_base::Buffer;

pub(crate) const PREFIX_BYTES: usize = 12;
/// Not ASCII, not TLS, not zeros: a stream that lost its place, or another protocol, is noticed at the next frame.
const MARK: [u8; 2] = [0xb7, 0x5a];
/// Shorter buffers are copied into the batch: that is cheaper than a vector of their own in the system call.
const COPIED_BYTES_MAX: usize = 1 << 10;
/// How much is read at once where small frames are expected.
const READ_BYTES: usize = 64 << 10;
/// From this size on what is left of a buffer is read straight to its place.
const DIRECT_BYTES_MIN: usize = 32 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    Message = 1,
    /// Says only that the process is alive.
    Heartbeat = 2,
    /// The last frame: nothing was lost when the stream ends after it.
    Goodbye = 3,
}

/// What is accepted, and sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a message's header, the lengths of its buffers included.
    pub header_bytes_max: u64,
    /// Bytes of a message with all its buffers.
    pub message_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { header_bytes_max: 64 << 20, message_bytes_max: 64 << 30 }
    }
}

/// What is wrong with a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Malformed(String),
    Oversized { what: &'static str, found: u64, limit: u64 },
    Memory { bytes: u64 },
}

impl Limits {
    /// Checks the sizes of a message, before anything is allocated or sent.
    pub(crate) fn check(&self, head_bytes: u64, buffers: impl Iterator<Item = u64>) -> Result<(), Fault> {
        if head_bytes > self.header_bytes_max {
            return Err(Fault::Oversized { what: "header", found: head_bytes, limit: self.header_bytes_max });
        }
        let total = buffers.fold(head_bytes, u64::saturating_add);
        if total > self.message_bytes_max {
            return Err(Fault::Oversized { what: "buffers", found: total, limit: self.message_bytes_max });
        }
        Ok(())
    }
}

fn prefix(kind: Kind, header: u32, buffers: u32) -> [u8; PREFIX_BYTES] {
    let mut bytes = [0; PREFIX_BYTES];
    bytes[..2].copy_from_slice(&MARK);
    bytes[2] = kind as u8;
    bytes[4..8].copy_from_slice(&header.to_le_bytes());
    bytes[8..].copy_from_slice(&buffers.to_le_bytes());
    bytes
}

/// A buffer within a batch, and where among the batch's own bytes it stands.
pub(crate) struct Part {
    pub at: usize,
    pub bytes: Bytes,
}

/// Frames to be written together: small things in one piece, large buffers as they are.
#[derive(Default)]
pub(crate) struct Batch {
    pub bytes: Vec<u8>,
    pub parts: Vec<Part>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Frames without content.
    pub fn push_bare(&mut self, kind: Kind) {
        self.bytes.extend_from_slice(&prefix(kind, 0, 0));
    }

    /// A message. Sizes were checked; those of the header and the number of buffers fit 32 bits.
    pub fn push(&mut self, header: &[u8], buffers: Vec<Bytes>) {
        self.bytes.extend_from_slice(&prefix(Kind::Message, header.len() as u32, buffers.len() as u32));
        for buffer in &buffers {
            self.bytes.extend_from_slice(&(buffer.len() as u64).to_le_bytes());
        }
        self.bytes.extend_from_slice(header);
        for bytes in buffers {
            if bytes.len() <= COPIED_BYTES_MAX {
                self.bytes.extend_from_slice(&bytes);
            } else {
                self.parts.push(Part { at: self.bytes.len(), bytes });
            }
        }
    }

    /// Adds what came later.
    pub fn append(&mut self, later: Batch) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&later.bytes);
        self.parts.extend(later.parts.into_iter().map(|part| Part { at: start + part.at, ..part }));
    }

    /// Empties it, keeping memory of moderate size.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.bytes.clear();
        self.bytes.shrink_to(4 * READ_BYTES);
    }
}

/// What the pieces read so far amount to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole message; the header lies at [`Assembly::header`] until the next step.
    Message(Vec<Bytes>),
    Heartbeat,
    Goodbye,
    /// More bytes are needed: read into [`Assembly::room`].
    More,
}

/// Where the header of the message that was put together last is.
enum Header {
    InBuffer(Range<usize>),
    Apart(Vec<u8>),
}

/// A message whose buffers are being read.
struct Partial {
    lengths: VecDeque<u64>,
    buffers: Vec<Bytes>,
    current: Option<(Buffer, usize)>,
}

/// Puts frames together from a stream that comes in pieces.
pub(crate) struct Assembly {
    limits: Limits,
    /// Bytes `start..end` were read and not used yet.
    read: Vec<u8>,
    start: usize,
    end: usize,
    partial: Option<Partial>,
    header: Header,
}

/// Owns the memory of received bytes.
struct Received(Buffer);

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn finished(buffer: Buffer) -> Bytes {
    Bytes::from_owner(Received(buffer))
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut word = [0; N];
    word.copy_from_slice(&bytes[at..at + N]);
    word
}

impl Assembly {
    pub fn new(limits: Limits) -> Assembly {
        Assembly { limits, read: Vec::new(), start: 0, end: 0, partial: None, header: Header::InBuffer(0..0) }
    }

    /// The header of the last message.
    pub fn header(&self) -> &[u8] {
        match &self.header {
            Header::InBuffer(range) => &self.read[range.clone()],
            Header::Apart(bytes) => bytes,
        }
    }

    fn unread(&self) -> usize {
        self.end - self.start
    }

    /// How many bytes of a frame that has begun are missing at least; 0 between frames.
    pub fn missing(&self) -> u64 {
        if let Some(partial) = &self.partial {
            let current = partial.current.as_ref().map_or(0, |(buffer, filled)| buffer.len() - filled);
            let rest = partial.lengths.iter().copied().fold(0, u64::saturating_add);
            return (current as u64).saturating_add(rest).max(1);
        }
        match self.unread() {
            0 => 0,
            have => {
                let need = self.head_bytes().map_or(PREFIX_BYTES as u64, |(_, head)| PREFIX_BYTES as u64 + head);
                need.saturating_sub(have as u64).max(1)
            }
        }
    }

    /// Kind and length of what follows the prefix up to the buffers, where the prefix is there and sound.
    fn head_bytes(&self) -> Option<(u8, u64)> {
        let prefix = self.read.get(self.start..self.end)?.get(..PREFIX_BYTES)?;
        let header = u64::from(u32::from_le_bytes(word(prefix, 4)));
        let buffers = u64::from(u32::from_le_bytes(word(prefix, 8)));
        Some((prefix[2], header + 8 * buffers))
    }

    /// Takes the next frame out of what was read.
    pub fn step(&mut self) -> Result<Step, Fault> {
        if self.partial.is_none() {
            let have = self.unread();
            if have < 2 || have < PREFIX_BYTES && self.read[self.start..self.start + 2] == MARK {
                return Ok(Step::More);
            }
            let found = &self.read[self.start..self.end.min(self.start + PREFIX_BYTES)];
            if found[..2] != MARK || found[3] != 0 {
                return Err(Fault::Malformed(format!("no message begins with the bytes {found:02x?}")));
            }
            let Some((kind, head)) = self.head_bytes() else { return Ok(Step::More) };
            match kind {
                _ if kind == Kind::Message as u8 => {}
                _ if head == 0 && kind == Kind::Heartbeat as u8 => {
                    self.start += PREFIX_BYTES;
                    return Ok(Step::Heartbeat);
                }
                _ if head == 0 && kind == Kind::Goodbye as u8 => {
                    self.start += PREFIX_BYTES;
                    return Ok(Step::Goodbye);
                }
                _ => return Err(Fault::Malformed(format!("a frame of kind {kind} with {head} bytes of header"))),
            }
            self.limits.check(head, std::iter::empty())?;
            if (have as u64) < PREFIX_BYTES as u64 + head {
                return Ok(Step::More);
            }
            let buffers = u32::from_le_bytes(word(&self.read, self.start + 8)) as usize;
            let table = self.start + PREFIX_BYTES;
            let header = table + 8 * buffers..table + head as usize;
            self.start = header.end;
            if buffers == 0 {
                self.header = Header::InBuffer(header);
                return Ok(Step::Message(Vec::new()));
            }
            let lengths: VecDeque<u64> =
                (0..buffers).map(|index| u64::from_le_bytes(word(&self.read, table + 8 * index))).collect();
            self.limits.check(head, lengths.iter().copied())?;
            self.header = Header::Apart(self.read[header].to_vec());
            self.partial = Some(Partial { lengths, buffers: Vec::with_capacity(buffers), current: None });
        }
        let Some(partial) = &mut self.partial else { return Ok(Step::More) };
        loop {
            if let Some((mut buffer, filled)) = partial.current.take() {
                let len = buffer.len();
                let part = (len - filled).min(self.end - self.start);
                if part > 0 {
                    let target = buffer.as_bytes_mut().unwrap_or_default();
                    target[filled..filled + part].copy_from_slice(&self.read[self.start..self.start + part]);
                    self.start += part;
                }
                if filled + part < len {
                    partial.current = Some((buffer, filled + part));
                    return Ok(Step::More);
                }
                partial.buffers.push(finished(buffer));
            }
            let Some(length) = partial.lengths.pop_front() else { break };
            match length {
                0 => partial.buffers.push(Bytes::new()),
                bytes => {
                    let room = usize::try_from(bytes).ok().and_then(Buffer::try_recycled);
                    partial.current = Some((room.ok_or(Fault::Memory { bytes })?, 0));
                }
            }
        }
        let buffers = std::mem::take(&mut partial.buffers);
        self.partial = None;
        Ok(Step::Message(buffers))
    }

    /// Where to read to next; never empty. Say with [`Assembly::filled`] how much was read.
    pub fn room(&mut self) -> &mut [u8] {
        if self.reads_directly() {
            let Some((buffer, filled)) = self.partial.as_mut().and_then(|partial| partial.current.as_mut()) else {
                return &mut [];
            };
            return &mut buffer.as_bytes_mut().unwrap_or_default()[*filled..];
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.read.len() > READ_BYTES {
                self.read = Vec::new();
            }
        }
        // A header in this place was given out and is not asked for again once more is read.
        self.read.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.read.len() {
            // A header longer than the buffer: grows as its bytes come, never ahead of them.
            self.read.resize((2 * self.end).max(READ_BYTES), 0);
        }
        &mut self.read[self.end..]
    }

    fn reads_directly(&self) -> bool {
        self.start == self.end
            && self
                .partial
                .as_ref()
                .and_then(|partial| partial.current.as_ref())
                .is_some_and(|(buffer, filled)| buffer.len() - filled >= DIRECT_BYTES_MIN)
    }

    /// So many bytes were read into [`Assembly::room`].
    pub fn filled(&mut self, bytes: usize) {
        if self.reads_directly() {
            if let Some((_, filled)) = self.partial.as_mut().and_then(|partial| partial.current.as_mut()) {
                *filled += bytes;
            }
        } else {
            self.end += bytes;
        }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
pub(crate) mod tests;
