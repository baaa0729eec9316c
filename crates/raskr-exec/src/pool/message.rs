//! Messages between a process and its children: a header, a body, and memory files passed as descriptors.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::shared::SharedBuffer;

/// Begins every message.
const MAGIC: [u8; 4] = *b"rskr";
const HEADER_BYTES: usize = 16;
/// Descriptors that one message may carry.
pub const DESCRIPTORS_MAX: usize = 64;
#[cfg(target_os = "linux")]
const RECEIVE_FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE_FLAGS: RecvFlags = RecvFlags::empty();
/// A body of this size is made room for before it comes.
const BODY_BYTES_READY: u64 = 64 << 10;
/// No body is longer; a header that says so is not one of ours.
const BODY_BYTES_MAX: u64 = 1 << 36;

/// An encoded value: its own bytes, and the ids of the buffers beside them, which were sent before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    pub bytes: Arc<ByteBuf>,
    pub buffers: Vec<u64>,
}

/// One call of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMessage {
    pub id: u32,
    /// What is called and with which arguments, in the terms of the language above.
    #[serde(with = "serde_bytes")]
    pub call: Vec<u8>,
    /// Values of other tasks.
    pub inputs: Vec<Body>,
}

/// A call that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub id: u32,
    pub nanoseconds: u64,
    /// The result, or the failure.
    pub outcome: Result<Body, Body>,
}

/// Where a buffer lies in the memory file that comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferPlace {
    pub id: u64,
    pub start: u64,
    pub len: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// To a child, first: what the language above needs.
    Setup(Body),
    /// To a child: something that calls will refer to by its id.
    Known {
        id: u64,
        body: Body,
    },
    /// To a child: calls, in this order, with what they share.
    Batch {
        shared: Body,
        calls: Vec<CallMessage>,
    },
    /// To a child: give back what is not begun.
    Retract,
    /// To a child: if this call runs still, it leaves the next ones to another thread.
    PassOn(u32),
    /// To a child: these are not needed any more.
    Forget {
        known: Vec<u64>,
        buffers: Vec<u64>,
    },
    /// From a child: setup is done, or what went wrong.
    Ready(Option<Body>),
    /// From a child: the batch could not be read as a whole.
    Unreadable(Body),
    Ended(Vec<Ended>),
    /// From a child: the answer to `Retract`.
    Retracted(Vec<u32>),
    /// Either way: buffers, each with a memory file.
    Buffers(Vec<BufferPlace>),
    /// From a child: the call waits for something else (`away`) while others run, or goes on.
    Away {
        id: u32,
        away: bool,
    },
}

/// What a stream yields.
#[derive(Debug)]
pub struct Received {
    pub message: Message,
    pub descriptors: Vec<OwnedFd>,
}

/// The message that a body holds; an error when it holds anything else, or more.
pub fn decode(bytes: &[u8]) -> io::Result<Message> {
    let (message, rest) = postcard::take_from_bytes(bytes)
        .map_err(|error| invalid(format!("a message between processes can't be read: {error}")))?;
    if !rest.is_empty() {
        return Err(invalid(format!("a message between processes has {} bytes too many", rest.len())));
    }
    Ok(message)
}

/// The body of a message.
pub fn encode(message: &Message) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(message).map_err(|error| invalid(format!("a message can't be written: {error}")))
}

/// Length of the body and number of descriptors that a header announces.
fn read_header(header: &[u8; HEADER_BYTES]) -> io::Result<(u64, u32)> {
    let &[a, b, c, d, count @ .., l0, l1, l2, l3, l4, l5, l6, l7] = header;
    if [a, b, c, d] != MAGIC {
        return Err(invalid(format!("expected a message between processes, got the bytes {:?}", [a, b, c, d])));
    }
    let (count, len) = (u32::from_le_bytes(count), u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]));
    if len > BODY_BYTES_MAX || count as usize > DESCRIPTORS_MAX {
        return Err(invalid(format!("a message between processes announces {len} bytes and {count} files")));
    }
    Ok((len, count))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Sends one message.
pub fn send(stream: &UnixStream, message: &Message) -> io::Result<()> {
    send_with(stream, message, &[])
}

/// Sends buffers, as many messages as that takes.
pub fn send_buffers(stream: &UnixStream, buffers: &[Arc<SharedBuffer>]) -> io::Result<()> {
    for some in buffers.chunks(DESCRIPTORS_MAX) {
        let some = some.iter().map(SharedBuffer::to_send).collect::<io::Result<Vec<_>>>()?;
        let places = some
            .iter()
            .map(|buffer| BufferPlace { id: buffer.id(), start: buffer.start() as u64, len: buffer.len() as u64 })
            .collect();
        send_with(stream, &Message::Buffers(places), &some)?;
    }
    Ok(())
}

fn send_with(mut stream: &UnixStream, message: &Message, buffers: &[Arc<SharedBuffer>]) -> io::Result<()> {
    let body = encode(message)?;
    let mut header = Vec::with_capacity(HEADER_BYTES + body.len().min(1 << 16));
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&(buffers.len() as u32).to_le_bytes());
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    if buffers.is_empty() {
        if body.len() <= 1 << 16 {
            header.extend_from_slice(&body);
            return stream.write_all(&header);
        }
        stream.write_all(&header)?;
        return stream.write_all(&body);
    }
    let files = buffers.iter().map(|buffer| buffer.descriptor()).collect::<io::Result<Vec<_>>>()?;
    let mut space = vec![std::mem::MaybeUninit::uninit(); SendAncillaryMessage::ScmRights(&files).size()];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&files));
    // Descriptors go with the header, all of which the kernel takes at once.
    let sent = rustix::net::sendmsg(stream, &[IoSlice::new(&header)], &mut ancillary, SendFlags::empty())?;
    if sent != header.len() {
        return Err(io::Error::new(io::ErrorKind::WriteZero, "the header of a message was not taken as a whole"));
    }
    stream.write_all(&body)
}

/// Waits for the next message; `None` when the other side is gone.
pub fn receive(stream: &UnixStream) -> io::Result<Option<Received>> {
    let mut header = [0; HEADER_BYTES];
    let mut descriptors = Vec::new();
    let mut filled = 0;
    while filled < HEADER_BYTES {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut header[filled..])];
        let got = match rustix::net::recvmsg(stream, &mut parts, &mut ancillary, RECEIVE_FLAGS) {
            Ok(got) => got.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                descriptors.extend(files);
            }
        }
        if got == 0 {
            return if filled == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        filled += got;
    }
    let (len, count) = read_header(&header)?;
    if descriptors.len() != count as usize {
        let message = format!(
            "a message announced {count} memory files and came with {}; is the limit of open files (ulimit -n) reached?",
            descriptors.len()
        );
        return Err(invalid(message));
    }
    // What is small is read at once; of memory for what is said to be large there is as much as came.
    let mut body = Vec::with_capacity(len.min(BODY_BYTES_READY) as usize + 1);
    stream.take(len).read_to_end(&mut body)?;
    if (body.len() as u64) < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(Received { message: decode(&body)?, descriptors }))
}

/// The buffers of a `Buffers` message.
pub fn buffers_of(places: &[BufferPlace], descriptors: Vec<OwnedFd>) -> io::Result<Vec<Arc<SharedBuffer>>> {
    if places.len() != descriptors.len() {
        return Err(invalid(format!("{} buffers came with {} memory files", places.len(), descriptors.len())));
    }
    let each = |(place, file): (&BufferPlace, OwnedFd)| {
        SharedBuffer::received(place.id, file, place.start as usize, place.len as usize)
    };
    places.iter().zip(descriptors).map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_buffers_arrive_as_they_were_sent() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let buffers: Vec<_> =
            (0..100u8).map(|i| SharedBuffer::copy_of(&vec![i; 100 + i as usize]).expect("a buffer")).collect();
        let call = CallMessage { id: 3, call: vec![1, 2], inputs: vec![Body::default()] };
        let sent = Message::Batch {
            shared: Body { bytes: Arc::new(vec![9; 200_000].into()), buffers: vec![1] },
            calls: vec![call],
        };
        let copy = sent.clone();
        let writer = std::thread::spawn(move || {
            send_buffers(&here, &buffers).expect("sent");
            send(&here, &copy).expect("sent");
        });
        let mut got = Vec::new();
        while got.len() < 100 {
            let received = receive(&there).expect("a message").expect("not the end");
            let Message::Buffers(places) = received.message else { panic!("buffers come first") };
            got.extend(buffers_of(&places, received.descriptors).expect("mapped"));
        }
        assert!(got.iter().zip(0u8..).all(|(buffer, i)| buffer.as_slice() == vec![i; 100 + i as usize]));
        assert_eq!(receive(&there).expect("a message").expect("not the end").message, sent);
        writer.join().expect("the writer ended");
        assert!(receive(&there).expect("an end").is_none());
    }
}
