//! A connection between two processes that know each other: a sender and a receiver of messages.
//!
//! A message is a header of the caller's type and buffers behind it. Senders queue, one task a connection writes: everything
//! that was queued meanwhile goes out together. Receivers read in the caller's own task and can be dropped while they wait.
//! Invariants: messages arrive whole, once and in order; what waits is bounded; a peer that is gone, silent or not to be
//! trusted is an error that names it, and the same error from then on.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::address::Address;
use crate::error::{CommError, Stage};
use crate::frame::{Assembly, Fault, Step};
use crate::handshake::Peer;
use crate::options::Options;
use crate::outbox::{Carrier, Outbox, State};
use crate::stream::{ReadHalf, Stream};
use crate::write::write_all;

/// What was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<R> {
    pub header: R,
    /// Aligned to 64 bytes, except within a process, where they are the sender's own.
    pub buffers: Vec<Bytes>,
}

/// A connection whose two sides have shown who they are.
pub struct Connection {
    peer: Peer,
    held: Arc<Held>,
    inlet: Inlet,
    near: bool,
}

/// Closes the connection when the last sender is dropped.
struct Held {
    outbox: Arc<Outbox>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

/// Where messages come from; closes the connection when it is dropped.
struct Inlet {
    outbox: Arc<Outbox>,
    source: Source,
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.outbox.close();
        self.refuse("the other side has stopped receiving");
    }
}

impl Inlet {
    /// Within a process: has the other side's senders fail from now on.
    fn refuse(&self, reason: &str) {
        if let Source::Process(other) = &self.source {
            let (peer, reason) = (other.peer.clone(), reason.to_owned());
            other.end(State::Failed(CommError::Lost { peer, reason }));
        }
    }
}

enum Source {
    Socket(ReadHalf),
    Process(Arc<Outbox>),
}

impl Connection {
    /// Starts the task that writes; within a runtime.
    pub(crate) fn over(stream: Stream, peer: Peer, options: Options) -> Result<Connection, CommError> {
        let outbox = Outbox::new(peer.address.clone(), options, Carrier::Socket);
        let failed = |error| CommError::system(&peer.address, "use a socket", error);
        let near = matches!(stream, Stream::Unix(_));
        let (read, write) = stream.into_split().map_err(failed)?;
        if let Some(direct) = write.direct() {
            outbox.write_directly_to(direct);
        }
        tokio::spawn(write_all(Arc::clone(&outbox), write));
        Ok(Connection { near, ..Connection::new(peer, outbox, Source::Socket(read)) })
    }

    fn new(peer: Peer, outbox: Arc<Outbox>, source: Source) -> Connection {
        let held = Arc::new(Held { outbox: Arc::clone(&outbox) });
        Connection { peer, held, inlet: Inlet { outbox, source }, near: false }
    }

    /// The two ends of a connection within this process.
    pub(crate) fn pair(one: (Peer, Options), two: (Peer, Options)) -> (Connection, Connection) {
        let outbox = |(peer, options): &(Peer, Options)| Outbox::new(peer.address.clone(), *options, Carrier::Process);
        let (first, second) = (outbox(&one), outbox(&two));
        let end = |peer, outbox: &Arc<Outbox>, other: &Arc<Outbox>| {
            Connection::new(peer, Arc::clone(outbox), Source::Process(Arc::clone(other)))
        };
        (end(one.0, &first, &second), end(two.0, &second, &first))
    }

    /// Who is on the other side.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Is the other side another process of this machine, as a socket in the file system shows?
    pub(crate) fn is_near(&self) -> bool {
        self.near
    }

    /// The two halves: headers of type `S` are sent, of type `R` received.
    pub fn split<S, R>(self) -> (Sender<S>, Receiver<R>) {
        let assembly = Assembly::new(self.inlet.outbox.options.limits);
        let sender = Sender { shared: self.held, _type: PhantomData };
        let now = Instant::now();
        let receiver = Receiver {
            peer: self.peer.address,
            inlet: self.inlet,
            assembly,
            called: now,
            listening: now,
            end: None,
            _type: PhantomData,
        };
        (sender, receiver)
    }
}

/// Sends messages; cheap to clone. When all clones are gone what was sent still goes out, then the connection ends.
pub struct Sender<S> {
    shared: Arc<Held>,
    _type: PhantomData<fn(S)>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Sender<S> {
        Sender { shared: Arc::clone(&self.shared), _type: PhantomData }
    }
}

thread_local! {
    /// Headers are encoded here before the queue is locked: a type's own encoding may take its time, or fail.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Appends to a vector by slices.
struct Tail(Vec<u8>);

impl postcard::ser_flavors::Flavor for Tail {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

fn encode<S: Serialize>(header: &S, peer: &Address) -> Result<Vec<u8>, CommError> {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    postcard::serialize_with_flavor(header, Tail(scratch))
        .map_err(|error| CommError::Encode { peer: peer.clone(), reason: error.to_string() })
}

/// Memory of moderate size serves the next header as well.
fn recycle(scratch: Vec<u8>) {
    if scratch.capacity() <= 64 << 10 {
        SCRATCH.set(scratch);
    }
}

impl<S: Serialize> Sender<S> {
    /// Queues a message, waiting while the queue is full. Dropped while it waits, it has sent nothing.
    pub async fn send(&self, header: &S, buffers: Vec<Bytes>) -> Result<(), CommError> {
        let encoded = encode(header, &self.shared.outbox.peer)?;
        let sent = match self.shared.outbox.try_push(&encoded, buffers)? {
            Ok(()) => Ok(()),
            Err(buffers) => self.shared.outbox.push(&encoded, buffers).await,
        };
        recycle(encoded);
        sent
    }

    /// Queues a message if there is room for it; for callers that must not wait. The buffers come back if there is none.
    pub fn try_send(&self, header: &S, buffers: Vec<Bytes>) -> Result<Result<(), Vec<Bytes>>, CommError> {
        let encoded = encode(header, &self.shared.outbox.peer)?;
        let sent = self.shared.outbox.try_push(&encoded, buffers);
        recycle(encoded);
        sent
    }

    /// The same, and a small message that nothing waits before is written by this very thread: no other has to be woken.
    pub fn try_send_directly(&self, header: &S, buffers: Vec<Bytes>) -> Result<Result<(), Vec<Bytes>>, CommError> {
        let encoded = encode(header, &self.shared.outbox.peer)?;
        let sent = self.shared.outbox.try_push_directly(&encoded, buffers);
        recycle(encoded);
        sent
    }
}

impl<S> Sender<S> {
    /// Sends what is queued, tells the other side that this was all, and waits until that is done; `within` bounds the wait,
    /// after which the connection is aborted.
    pub async fn close(&self, within: Duration) -> Result<(), CommError> {
        self.shared.outbox.close();
        match tokio::time::timeout(within, self.shared.outbox.ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.abort();
                let address = self.shared.outbox.peer.clone();
                Err(CommError::Timeout { address, after: within, stage: Stage::Close })
            }
        }
    }

    /// Ends both directions at once; what is queued is dropped.
    pub fn abort(&self) {
        let outbox = &self.shared.outbox;
        outbox.end(State::Failed(CommError::Closed { peer: outbox.peer.clone() }));
    }

    /// Bytes of messages that wait to be written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.outbox.queued()
    }

    /// When something was received last, a heartbeat at least; only while somebody receives.
    pub fn last_heard(&self) -> Instant {
        self.shared.outbox.last_heard()
    }
}

/// Receives messages, in order. When it is dropped the connection closes, as when all senders are: what the other side sent
/// could pile up unread otherwise.
pub struct Receiver<R> {
    peer: Address,
    inlet: Inlet,
    assembly: Assembly,
    /// When `recv` was called last, and when it was called first after nobody had for long.
    called: Instant,
    listening: Instant,
    /// How it ended, once it has.
    end: Option<Result<(), CommError>>,
    _type: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Receiver<R> {
    /// The next message; `None` when the other side has closed after its last one. Dropped while it waits, it has lost
    /// nothing. After an error the same error comes for ever.
    pub async fn recv(&mut self) -> Result<Option<Message<R>>, CommError> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let received = self.receive().await;
        self.note(&received);
        received
    }

    /// A message that has come already and is whole, without waiting or asking the system: for taking many at once.
    pub fn recv_ready(&mut self) -> Result<Option<Message<R>>, CommError> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let received = match self.next_ready() {
            None => return Ok(None),
            Some(received) => received,
        };
        self.note(&received);
        received
    }

    /// When something was received last, a heartbeat at least.
    pub fn last_heard(&self) -> Instant {
        self.inlet.outbox.last_heard()
    }

    /// Remembers an end, and lets senders know of a bad one.
    fn note(&mut self, received: &Result<Option<Message<R>>, CommError>) {
        match received {
            Ok(Some(_)) => {}
            Ok(None) => self.end = Some(Ok(())),
            Err(error) => {
                self.end = Some(Err(error.clone()));
                self.inlet.outbox.end(State::Failed(error.clone()));
                self.inlet.refuse("the other side has given it up");
            }
        }
    }

    fn decode(&self, header: &[u8], buffers: Vec<Bytes>) -> Result<Message<R>, CommError> {
        let malformed = |reason: String| CommError::Malformed { peer: self.peer.clone(), reason };
        match postcard::take_from_bytes(header) {
            Ok((header, [])) => Ok(Message { header, buffers }),
            Ok((_, rest)) => Err(malformed(format!("a message header with {} bytes too many", rest.len()))),
            Err(error) => Err(malformed(format!("a message header of {} bytes: {error}", header.len()))),
        }
    }

    fn fault(&self, fault: Fault) -> CommError {
        let peer = self.peer.clone();
        match fault {
            Fault::Malformed(reason) => CommError::Malformed { peer, reason },
            Fault::Oversized { what, found, limit } => CommError::Oversized { peer, what, found, limit },
            Fault::Memory { bytes } => CommError::Memory { peer, bytes },
        }
    }

    /// What can be had without waiting, if anything.
    fn next_ready(&mut self) -> Option<Result<Option<Message<R>>, CommError>> {
        if let Source::Process(other) = &self.inlet.source {
            let handed = other.take_handed()?;
            return Some(match handed {
                Ok(Some(handed)) => self.decode(&handed.header, handed.buffers).map(Some),
                Ok(None) => Ok(None),
                Err(_) => {
                    let reason = "the other side aborted it".to_owned();
                    Err(CommError::Lost { peer: self.peer.clone(), reason })
                }
            });
        }
        loop {
            return match self.assembly.step() {
                Ok(Step::More) => None,
                Ok(Step::Heartbeat) => continue,
                Ok(Step::Goodbye) => Some(Ok(None)),
                Ok(Step::Message(buffers)) => Some(self.decode(self.assembly.header(), buffers).map(Some)),
                Err(fault) => Some(Err(self.fault(fault))),
            };
        }
    }

    /// When the other side is to be given up, and after how long a silence. Who comes back after long gives it some time to
    /// be heard: what it sent meanwhile may not have been noticed yet.
    fn deadline(&self) -> Option<(Duration, Instant)> {
        let max = self.inlet.outbox.options.silence_max?;
        Some((max, (self.inlet.outbox.last_heard() + max).max(self.listening + max / 4)))
    }

    async fn receive(&mut self) -> Result<Option<Message<R>>, CommError> {
        let now = Instant::now();
        if self.inlet.outbox.options.silence_max.is_some_and(|max| now - self.called > max / 2) {
            self.listening = now;
        }
        self.called = now;
        loop {
            if let Some(ready) = self.next_ready() {
                return ready;
            }
            let deadline = self.deadline();
            match &mut self.inlet.source {
                Source::Process(other) => {
                    tokio::select! {
                        () = other.filled() => {}
                        error = failure(&self.inlet.outbox) => return Err(error),
                    }
                }
                Source::Socket(half) => {
                    let read = tokio::select! {
                        biased;
                        read = half.read(self.assembly.room()) => read,
                        error = failure(&self.inlet.outbox) => return Err(error),
                        silent = passed(deadline) => {
                            return Err(CommError::Silent { peer: self.peer.clone(), silent });
                        }
                    };
                    match read {
                        Ok(0) => return Err(self.cut()),
                        Ok(bytes) => {
                            self.inlet.outbox.hear();
                            self.assembly.filled(bytes);
                        }
                        Err(error) => return Err(self.broken(&error)),
                    }
                }
            }
        }
    }

    /// The stream ended without a goodbye.
    fn cut(&self) -> CommError {
        let peer = self.peer.clone();
        match self.assembly.missing() {
            0 => CommError::Lost { peer, reason: "the other process is gone".into() },
            missing => CommError::Truncated { peer, missing },
        }
    }

    fn broken(&self, error: &io::Error) -> CommError {
        match (error.kind(), self.assembly.missing()) {
            // TLS notices by itself that a stream was cut.
            (io::ErrorKind::UnexpectedEof, _) => self.cut(),
            (io::ErrorKind::ConnectionReset, 0) => CommError::lost(&self.peer, error),
            (io::ErrorKind::ConnectionReset, missing) => CommError::Truncated { peer: self.peer.clone(), missing },
            _ => CommError::lost(&self.peer, error),
        }
    }
}

/// Waits until the connection is given up on this side. A writer that fails does not end receiving: what the other side sent
/// before it went can still be read.
async fn failure(outbox: &Outbox) -> CommError {
    match outbox.ended().await {
        Err(error @ CommError::Closed { .. }) => error,
        _ => std::future::pending().await,
    }
}

async fn passed(deadline: Option<(Duration, Instant)>) -> Duration {
    match deadline {
        Some((max, at)) => {
            tokio::time::sleep_until(at).await;
            max
        }
        None => std::future::pending().await,
    }
}
