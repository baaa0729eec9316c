//! What a child is sent, and who reads it.
//!
//! The thread that takes calls reads from the parent itself while it has none, so that a call wakes one thread only. While it is
//! busy for longer another thread, the *watcher*, reads in its place: calls can then be taken back, a parent that is gone is
//! noticed, and one that writes is not kept waiting while this process writes to it. Rules:
//! 1. Who holds `reading` reads, and applies what was read before it lets go.
//! 2. The watcher lets go when the other thread is not busy, and then tells it, since it may be waiting for that.
//! 3. The watcher looks every few milliseconds while there are calls, and sleeps after some time without any; who becomes busy
//!    wakes it then.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::message::{self, Body, CallMessage, Message};
use super::outbox::leave;
use super::serve::{Encoded, Serving};
use super::shared::SharedBuffer;

/// How often the watcher looks whether the other thread is busy for long.
const LOOK: Duration = Duration::from_millis(4);
/// After so many looks at which nothing had happened it sleeps.
const IDLE_LOOKS: u32 = 25;

/// What is done in the order in which it came.
pub enum Item {
    Setup(Body),
    Known(u64, Body),
    Forget(Vec<u64>, Vec<u64>),
    Begin(Body),
    Call(CallMessage),
}

pub struct Inbox {
    stream: UnixStream,
    reading: Mutex<()>,
    items: Mutex<VecDeque<Item>>,
    /// Something was added to the items, or nobody reads.
    arrived: Condvar,
    /// How often the thread that runs calls became busy or ran out of them: odd while it is busy.
    changes: AtomicU32,
    watcher: Mutex<Watcher>,
    wanted: Condvar,
    buffers: Mutex<HashMap<u64, Arc<SharedBuffer>>>,
}

#[derive(Default)]
struct Watcher {
    sleeps: bool,
}

impl Inbox {
    pub fn new(stream: UnixStream) -> Inbox {
        Inbox {
            stream,
            reading: Mutex::default(),
            items: Mutex::default(),
            arrived: Condvar::new(),
            changes: AtomicU32::new(1),
            watcher: Mutex::default(),
            wanted: Condvar::new(),
            buffers: Mutex::default(),
        }
    }

    fn push(&self, new: impl IntoIterator<Item = Item>) {
        self.items.lock().extend(new);
        self.arrived.notify_one();
    }

    /// The next item, for the thread that takes calls.
    pub fn next(&self, serving: &Arc<Serving>) -> Item {
        let mut items = self.items.lock();
        if items.is_empty() {
            parking_lot::MutexGuard::unlocked(&mut items, || serving.rest());
        }
        if let Some(item) = items.pop_front() {
            return item;
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(item) = items.pop_front() {
                self.begin();
                return item;
            }
            match self.reading.try_lock() {
                Some(reading) => {
                    drop(items);
                    self.read(serving);
                    drop(reading);
                    items = self.items.lock();
                }
                None => self.arrived.wait(&mut items),
            }
        }
    }

    fn begin(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        if std::mem::take(&mut self.watcher.lock().sleeps) {
            self.wanted.notify_one();
        }
    }

    /// Reads while the other thread is busy for long.
    pub fn watch(&self, serving: &Arc<Serving>) {
        let (mut seen, mut idle) = (0, 0);
        loop {
            {
                let mut watcher = self.watcher.lock();
                if idle < IDLE_LOOKS {
                    self.wanted.wait_for(&mut watcher, LOOK);
                } else {
                    watcher.sleeps = true;
                    while watcher.sleeps {
                        self.wanted.wait(&mut watcher);
                    }
                    idle = 0;
                }
            }
            let changes = self.changes.load(Ordering::Relaxed);
            let busy = |changes: u32| !changes.is_multiple_of(2);
            idle = if changes == seen && !busy(changes) { idle + 1 } else { 0 };
            if changes == seen
                && busy(changes)
                && let Some(reading) = self.reading.try_lock()
            {
                while busy(self.changes.load(Ordering::Relaxed)) {
                    self.read(serving);
                }
                drop(reading);
                // Held for a moment, so that who finds that somebody reads is waiting by now.
                drop(self.items.lock());
                self.arrived.notify_one();
            }
            seen = changes;
        }
    }

    /// Reads a message and does what it says.
    fn read(&self, serving: &Arc<Serving>) {
        if self.read_one(serving).is_err() {
            // Whether the parent has gone or sends what can't be read: there is nothing left to do.
            leave();
        }
    }

    fn read_one(&self, serving: &Arc<Serving>) -> io::Result<()> {
        let received = message::receive(&self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match received.message {
            Message::Setup(body) => self.push([Item::Setup(body)]),
            Message::Known { id, body } => self.push([Item::Known(id, body)]),
            Message::Forget { known, buffers } => self.push([Item::Forget(known, buffers)]),
            Message::Batch { shared, calls } => {
                self.push(std::iter::once(Item::Begin(shared)).chain(calls.into_iter().map(Item::Call)));
            }
            Message::Buffers(places) => {
                let buffers = message::buffers_of(&places, received.descriptors)?;
                self.buffers.lock().extend(buffers.into_iter().map(|buffer| (buffer.id(), buffer)));
            }
            Message::Retract => {
                let mut given_back = Vec::new();
                self.items.lock().retain(|item| match item {
                    Item::Call(call) => {
                        given_back.push(call.id);
                        false
                    }
                    _ => true,
                });
                serving.outbox.flush();
                serving.outbox.tell(&Message::Retracted(given_back));
            }
            Message::PassOn(id) => {
                serving.pass_on(id);
            }
            Message::Ready(_)
            | Message::Unreadable(_)
            | Message::Ended(_)
            | Message::Retracted(_)
            | Message::Away { .. } => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    /// A body and its buffers.
    pub fn encoded(&self, body: Body) -> Encoded {
        let known = self.buffers.lock();
        Encoded { buffers: body.buffers.iter().filter_map(|id| known.get(id).cloned()).collect(), bytes: body.bytes }
    }

    /// These buffers are not needed any more.
    pub fn forget(&self, ids: &[u64]) {
        let mut known = self.buffers.lock();
        for id in ids {
            known.remove(id);
        }
    }
}
