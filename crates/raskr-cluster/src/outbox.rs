//! The bounded queue between those who send on a connection and what takes messages away: the task that writes to the
//! socket, or, within a process, the other side's receiver.
//!
//! States: open -> closing (what is queued still goes out) -> ended; open or closing -> failed, with the reason. Rules:
//! 1. A message is queued whole or not at all, under the lock, so that an abandoned `send` leaves nothing behind.
//! 2. `messages` and `bytes` count what is queued or taken and not yet written; senders wait while either is at its limit. A
//!    message is let in if nothing is queued, however large it is.
//! 3. Only who set `writing`, under the lock, writes to the socket, and resets it when a frame is whole or when what is left of it
//!    stands first in the queue. Mostly that is the task; a sender who finds nothing queued may write a small message itself.
//! 4. Whoever changes the state wakes everybody who waits for anything: senders, the taker, and those who close.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::address::Address;
use crate::error::CommError;
use crate::frame::{Batch, Fault, Limits};
use crate::options::Options;
use crate::stream::Direct;

/// Messages up to this size may be written by their senders.
const DIRECT_BYTES_MAX: usize = 64 << 10;

/// A message within a process: nothing but its header was encoded.
pub(crate) struct Handed {
    pub header: Vec<u8>,
    pub buffers: Vec<Bytes>,
}

impl Handed {
    fn bytes(&self) -> usize {
        self.header.len() + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }
}

#[derive(Clone)]
pub(crate) enum State {
    Open,
    Closing,
    Ended,
    Failed(CommError),
}

/// What a writer was given.
pub(crate) enum Taken {
    /// So many messages with so many bytes, which are to be released once written.
    Messages {
        messages: usize,
        bytes: usize,
    },
    Nothing,
    /// Nothing, and nothing more will come: time for a goodbye.
    End,
    /// It has ended otherwise already; no goodbye would be true.
    Over,
}

struct Queue {
    /// For a socket.
    batch: Batch,
    /// Within a process.
    handed: VecDeque<Handed>,
    messages: usize,
    bytes: usize,
    state: State,
    writing: bool,
}

/// How messages travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Socket,
    Process,
}

pub(crate) struct Outbox {
    pub peer: Address,
    pub options: Options,
    carrier: Carrier,
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
    changed: Notify,
    stopped: AtomicBool,
    began: Instant,
    heard: AtomicU64,
    /// The socket, where senders may write to it.
    direct: OnceLock<Direct>,
}

impl Outbox {
    pub fn new(peer: Address, options: Options, carrier: Carrier) -> Arc<Outbox> {
        let queue = Queue {
            batch: Batch::default(),
            handed: VecDeque::new(),
            messages: 0,
            bytes: 0,
            state: State::Open,
            writing: false,
        };
        Arc::new(Outbox {
            peer,
            options,
            carrier,
            queue: Mutex::new(queue),
            filled: Notify::new(),
            drained: Notify::new(),
            changed: Notify::new(),
            stopped: AtomicBool::new(false),
            began: Instant::now(),
            heard: AtomicU64::new(0),
            direct: OnceLock::new(),
        })
    }

    pub fn write_directly_to(&self, direct: Direct) {
        // There is one socket.
        let _ = self.direct.set(direct);
    }

    /// When something came from the other side last.
    pub fn last_heard(&self) -> Instant {
        match self.carrier {
            Carrier::Socket => self.began + Duration::from_millis(self.heard.load(Ordering::Relaxed)),
            Carrier::Process => Instant::now(),
        }
    }

    pub fn hear(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
    }

    /// Refuses what the other side would refuse.
    fn check(&self, header: &[u8], buffers: &[Bytes]) -> Result<(), CommError> {
        let head = header.len() as u64 + 8 * buffers.len() as u64;
        let limits = self.options.limits;
        // The numbers of a frame's prefix have 32 bits.
        let limits = Limits { header_bytes_max: limits.header_bytes_max.min(u64::from(u32::MAX)), ..limits };
        limits.check(head, buffers.iter().map(|buffer| buffer.len() as u64)).map_err(|fault| match fault {
            Fault::Oversized { what, found, limit } => {
                CommError::TooLarge { peer: self.peer.clone(), what, found, limit }
            }
            Fault::Malformed(reason) => CommError::Encode { peer: self.peer.clone(), reason },
            Fault::Memory { bytes } => CommError::Memory { peer: self.peer.clone(), bytes },
        })
    }

    /// Queues a message if there is room, as `try_push` does, and writes it at once if it is the only one.
    pub fn try_push_directly(&self, header: &[u8], buffers: Vec<Bytes>) -> Result<Result<(), Vec<Bytes>>, CommError> {
        let Some(direct) = self.direct.get() else { return self.try_push(header, buffers) };
        let size = header.len() + buffers.iter().map(Bytes::len).sum::<usize>();
        {
            let mut queue = self.queue.lock();
            let idle = queue.batch.is_empty() && !queue.writing && matches!(queue.state, State::Open);
            if !idle || size > DIRECT_BYTES_MAX {
                drop(queue);
                return self.try_push(header, buffers);
            }
            queue.writing = true;
        }
        let checked = self.check(header, &buffers);
        let mut batch = Batch::default();
        let mut written = 0;
        if checked.is_ok() {
            batch.push(header, buffers);
            // Longer buffers stay apart, for the task to write.
            if batch.parts.is_empty() {
                written = direct.write(&batch.bytes);
            }
        }
        let mut queue = self.queue.lock();
        queue.writing = false;
        if written < batch.bytes.len() {
            queue.messages += 1;
            queue.bytes += size;
            batch.bytes.drain(..written);
            batch.append(std::mem::take(&mut queue.batch));
            queue.batch = batch;
        }
        // Whoever came meanwhile left it to this thread to wake the task.
        let due = !queue.batch.is_empty() || !matches!(queue.state, State::Open);
        drop(queue);
        if due {
            self.filled.notify_one();
        }
        checked.map(Ok)
    }

    /// Queues a message if there is room; gives the buffers back if there is none.
    pub fn try_push(&self, header: &[u8], buffers: Vec<Bytes>) -> Result<Result<(), Vec<Bytes>>, CommError> {
        self.check(header, &buffers)?;
        let bytes = header.len() + buffers.iter().map(Bytes::len).sum::<usize>();
        let mut queue = self.queue.lock();
        match &queue.state {
            State::Open => {}
            State::Closing | State::Ended => return Err(CommError::Closed { peer: self.peer.clone() }),
            State::Failed(error) => return Err(error.clone()),
        }
        let options = &self.options;
        let fits =
            queue.messages < options.queue_messages_max && queue.bytes.saturating_add(bytes) <= options.queue_bytes_max;
        if !fits && queue.messages > 0 {
            return Ok(Err(buffers));
        }
        queue.messages += 1;
        queue.bytes += bytes;
        let was_idle = match self.carrier {
            Carrier::Socket => {
                let was_idle = queue.batch.is_empty();
                queue.batch.push(header, buffers);
                was_idle
            }
            Carrier::Process => {
                queue.handed.push_back(Handed { header: header.to_vec(), buffers });
                true
            }
        };
        drop(queue);
        if was_idle {
            self.filled.notify_one();
        }
        Ok(Ok(()))
    }

    /// Queues a message as soon as there is room.
    pub async fn push(&self, header: &[u8], mut buffers: Vec<Bytes>) -> Result<(), CommError> {
        loop {
            match self.try_push(header, buffers)? {
                Ok(()) => return Ok(()),
                Err(back) => buffers = back,
            }
            let mut drained = std::pin::pin!(self.drained.notified());
            drained.as_mut().enable();
            match self.try_push(header, buffers)? {
                Ok(()) => return Ok(()),
                Err(back) => buffers = back,
            }
            drained.await;
        }
    }

    /// Exchanges an empty batch for what is queued.
    pub fn take_batch(&self, empty: &mut Batch) -> Taken {
        let mut queue = self.queue.lock();
        if queue.writing {
            return Taken::Nothing;
        }
        std::mem::swap(&mut queue.batch, empty);
        if !empty.is_empty() {
            queue.writing = true;
            return Taken::Messages { messages: queue.messages, bytes: queue.bytes };
        }
        match queue.state {
            State::Open => Taken::Nothing,
            State::Closing => Taken::End,
            State::Ended | State::Failed(_) => Taken::Over,
        }
    }

    /// A message handed over within the process; `Ok(None)` when all were taken and no more will come.
    pub fn take_handed(&self) -> Option<Result<Option<Handed>, CommError>> {
        let mut queue = self.queue.lock();
        if let State::Failed(error) = &queue.state {
            return Some(Err(error.clone()));
        }
        if let Some(handed) = queue.handed.pop_front() {
            queue.messages -= 1;
            queue.bytes -= handed.bytes();
            drop(queue);
            self.drained.notify_waiters();
            return Some(Ok(Some(handed)));
        }
        if matches!(queue.state, State::Open) {
            return None;
        }
        drop(queue);
        self.end(State::Ended);
        Some(Ok(None))
    }

    /// May something be written that is in no queue? Then [`Outbox::wrote`] has to follow.
    pub fn begin_bare(&self) -> bool {
        let mut queue = self.queue.lock();
        let idle = queue.batch.is_empty() && !queue.writing && matches!(queue.state, State::Open);
        queue.writing |= idle;
        idle
    }

    /// What was taken is written.
    pub fn wrote(&self) {
        self.queue.lock().writing = false;
    }

    /// That much was written: others may be queued in its place.
    pub fn release(&self, messages: usize, bytes: usize) {
        let mut queue = self.queue.lock();
        queue.messages = queue.messages.saturating_sub(messages);
        queue.bytes = queue.bytes.saturating_sub(bytes);
        drop(queue);
        self.drained.notify_waiters();
    }

    /// Bytes of messages that are queued or being written.
    pub fn queued(&self) -> usize {
        self.queue.lock().bytes
    }

    /// Waits for something to take.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Accepts no more; what is queued still goes out.
    pub fn close(&self) {
        let mut queue = self.queue.lock();
        if matches!(queue.state, State::Open) {
            queue.state = State::Closing;
        }
        drop(queue);
        self.wake();
    }

    /// Ends it, well or badly. The first end stands, but that what has ended well can be aborted, for the other direction.
    pub fn end(&self, state: State) {
        let mut queue = self.queue.lock();
        let aborts = matches!(state, State::Failed(CommError::Closed { .. })) && matches!(queue.state, State::Ended);
        if aborts || matches!(queue.state, State::Open | State::Closing) {
            queue.state = state;
            let dropped = (std::mem::take(&mut queue.batch), std::mem::take(&mut queue.handed));
            (queue.messages, queue.bytes) = (0, 0);
            drop(queue);
            // Buffers may be large: they are given back outside the lock.
            drop(dropped);
        } else {
            drop(queue);
        }
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        self.filled.notify_one();
        self.drained.notify_waiters();
        self.changed.notify_waiters();
    }

    /// Waits until no more is accepted.
    pub async fn closed(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if !matches!(self.state(), State::Open) {
                return;
            }
            changed.await;
        }
    }

    pub fn state(&self) -> State {
        self.queue.lock().state.clone()
    }

    /// Waits until it has ended, and says how.
    pub async fn ended(&self) -> Result<(), CommError> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.stopped.load(Ordering::Acquire) {
                return match self.state() {
                    State::Failed(error) => Err(error),
                    State::Open | State::Closing | State::Ended => Ok(()),
                };
            }
            changed.await;
        }
    }
}
