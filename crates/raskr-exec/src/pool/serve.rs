//! The child's end: calls are read and run one by one.
//!
//! The thread that runs calls reads from the parent itself while it has none, so that a call wakes one thread only. While it is
//! busy for longer another thread, the *watcher*, reads in its place: calls can then be taken back, a parent that is gone is
//! noticed, and one that writes is not kept waiting while this process writes to it. Rules:
//! 1. Who holds `reading` reads, and applies what was read before it lets go.
//! 2. The watcher lets go when the other thread is not busy, and then tells it, since it may be waiting for that.
//! 3. The watcher looks every few milliseconds while there are calls, and sleeps after some time without any; who becomes busy
//!    wakes it then.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_bytes::ByteBuf;

use super::message::{self, Body, CallMessage, Ended, Message};
use super::shared::SharedBuffer;

/// How often the watcher looks whether the other thread is busy for long.
const LOOK: Duration = Duration::from_millis(4);
/// After so many looks at which nothing had happened it sleeps.
const IDLE_LOOKS: u32 = 25;
/// Results wait at most this long for others to travel with, while calls are short.
const FLUSH_TIME: Duration = Duration::from_millis(1);
/// Results travel when they have this many bytes together.
const FLUSH_BYTES: usize = 256 << 10;

/// Stands for no call in the status word.
pub const NO_CALL: u32 = u32::MAX;

/// The way to the parent, for what a call itself says, and the call that runs.
static PARENT: OnceLock<Arc<Outbox>> = OnceLock::new();
static RUNNING: AtomicU32 = AtomicU32::new(NO_CALL);

/// Tells the parent that the call that runs here waits for something else (`away`), or goes on; false where none does.
pub fn tell_away(away: bool) -> bool {
    let id = RUNNING.load(Ordering::Relaxed);
    match PARENT.get() {
        Some(outbox) if id != NO_CALL => {
            outbox.flush();
            outbox.tell(&Message::Away { id, away });
            true
        }
        _ => false,
    }
}

/// An encoded value that is about to travel.
#[derive(Clone, Default)]
pub struct Encoded {
    pub bytes: Arc<ByteBuf>,
    pub buffers: Vec<Arc<SharedBuffer>>,
}

impl Encoded {
    pub fn new(bytes: Vec<u8>, buffers: Vec<Arc<SharedBuffer>>) -> Encoded {
        Encoded { bytes: Arc::new(ByteBuf::from(bytes)), buffers }
    }

    /// The value as a part of a message, and its buffers, which are sent before.
    pub fn body(&self) -> Body {
        Body { bytes: Arc::clone(&self.bytes), buffers: self.buffers.iter().map(|buffer| buffer.id()).collect() }
    }

    pub fn nbytes(&self) -> usize {
        self.bytes.len() + self.buffers.iter().map(|buffer| buffer.len()).sum::<usize>()
    }
}

/// What the language above does in a child.
pub trait Handler {
    fn set_up(&mut self, setup: &Encoded) -> Result<(), Encoded>;
    fn know(&mut self, id: u64, body: Encoded);
    fn forget(&mut self, ids: &[u64]);
    /// Takes what the calls of a batch share.
    fn begin(&mut self, shared: &Encoded) -> Result<(), Encoded>;
    fn call(&mut self, call: &[u8], inputs: Vec<Encoded>) -> Result<Encoded, Encoded>;
    /// Nothing is left to do for now.
    fn rest(&mut self);
}

enum Item {
    Setup(Body),
    Known(u64, Body),
    Forget(Vec<u64>, Vec<u64>),
    Begin(Body),
    Call(CallMessage),
}

struct Inbox {
    stream: UnixStream,
    reading: Mutex<()>,
    items: Mutex<VecDeque<Item>>,
    /// Something was added to the items, or nobody reads.
    arrived: Condvar,
    /// How often the thread that runs calls became busy or ran out of them: odd while it is busy.
    turns: AtomicU32,
    watcher: Mutex<Watcher>,
    wanted: Condvar,
    buffers: Mutex<HashMap<u64, Arc<SharedBuffer>>>,
}

#[derive(Default)]
struct Watcher {
    sleeps: bool,
}

impl Inbox {
    fn new(stream: UnixStream) -> Inbox {
        Inbox {
            stream,
            reading: Mutex::default(),
            items: Mutex::default(),
            arrived: Condvar::new(),
            turns: AtomicU32::new(1),
            watcher: Mutex::default(),
            wanted: Condvar::new(),
            buffers: Mutex::default(),
        }
    }

    fn push(&self, new: impl IntoIterator<Item = Item>) {
        self.items.lock().extend(new);
        self.arrived.notify_one();
    }

    fn next(&self, outbox: &Outbox, mut idle: impl FnMut()) -> Item {
        let mut items = self.items.lock();
        if items.is_empty() {
            parking_lot::MutexGuard::unlocked(&mut items, &mut idle);
        }
        if let Some(item) = items.pop_front() {
            return item;
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(item) = items.pop_front() {
                self.begin();
                return item;
            }
            match self.reading.try_lock() {
                Some(reading) => {
                    drop(items);
                    self.read(outbox);
                    drop(reading);
                    items = self.items.lock();
                }
                None => self.arrived.wait(&mut items),
            }
        }
    }

    fn begin(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        if std::mem::take(&mut self.watcher.lock().sleeps) {
            self.wanted.notify_one();
        }
    }

    /// Reads while the other thread is busy for long.
    fn watch(&self, outbox: &Outbox) {
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
            let turns = self.turns.load(Ordering::Relaxed);
            let busy = |turns: u32| !turns.is_multiple_of(2);
            idle = if turns == seen && !busy(turns) { idle + 1 } else { 0 };
            if turns == seen
                && busy(turns)
                && let Some(reading) = self.reading.try_lock()
            {
                while busy(self.turns.load(Ordering::Relaxed)) {
                    self.read(outbox);
                }
                drop(reading);
                // Held for a moment, so that who finds that somebody reads is waiting by now.
                drop(self.items.lock());
                self.arrived.notify_one();
            }
            seen = turns;
        }
    }

    /// Reads a message and does what it says.
    fn read(&self, outbox: &Outbox) {
        if self.read_one(outbox).is_err() {
            // Whether the parent has gone or sends what can't be read: there is nothing left to do.
            leave();
        }
    }

    fn read_one(&self, outbox: &Outbox) -> io::Result<()> {
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
                outbox.flush();
                outbox.tell(&Message::Retracted(given_back));
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

    fn encoded(&self, body: Body) -> Encoded {
        let known = self.buffers.lock();
        Encoded { buffers: body.buffers.iter().filter_map(|id| known.get(id).cloned()).collect(), bytes: body.bytes }
    }
}

/// Results on their way to the parent.
struct Outbox {
    stream: UnixStream,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    ended: Vec<Ended>,
    buffers: Vec<Arc<SharedBuffer>>,
    bytes: usize,
    since: Option<Instant>,
}

impl Outbox {
    fn add(&self, id: u32, took: Duration, outcome: Result<Encoded, Encoded>) {
        let mut waiting = self.waiting.lock();
        let mut take = |encoded: Encoded| {
            let body = encoded.body();
            waiting.bytes += encoded.bytes.len();
            waiting.buffers.extend(encoded.buffers);
            body
        };
        let outcome = match outcome {
            Ok(result) => Ok(take(result)),
            Err(failure) => Err(take(failure)),
        };
        waiting.ended.push(Ended { id, nanoseconds: took.as_nanos() as u64, outcome });
        let since = *waiting.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= FLUSH_TIME || waiting.bytes >= FLUSH_BYTES {
            self.send(&mut waiting);
        }
    }

    fn flush(&self) {
        self.send(&mut self.waiting.lock());
    }

    fn send(&self, waiting: &mut Waiting) {
        let Waiting { ended, buffers, .. } = std::mem::take(waiting);
        if !ended.is_empty() {
            let sent = message::send_buffers(&self.stream, &buffers);
            self.check(sent.and_then(|()| message::send(&self.stream, &Message::Ended(ended))));
        }
    }

    fn tell(&self, message: &Message) {
        let _order = self.waiting.lock();
        self.check(message::send(&self.stream, message));
    }

    /// Without its parent a child has nothing left to do.
    fn check(&self, sent: io::Result<()>) {
        if sent.is_err() {
            leave();
        }
    }
}

/// Ends the process at once, without the language's own ending, which could wait for a call that is running.
fn leave() -> ! {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    std::process::abort()
}

/// Serves the parent at the other end of `stream` until it is gone. Never returns before.
pub fn serve(stream: UnixStream, handler: &mut dyn Handler) -> io::Result<()> {
    let outbox = Arc::new(Outbox { stream: stream.try_clone()?, waiting: Mutex::default() });
    let inbox = Arc::new(Inbox::new(stream));
    // A process has one parent.
    let _ = PARENT.set(Arc::clone(&outbox));
    {
        let (inbox, outbox) = (Arc::clone(&inbox), Arc::clone(&outbox));
        let watch = move || inbox.watch(&outbox);
        std::thread::Builder::new().name("raskr-child".to_owned()).spawn(watch)?;
    }
    // Nothing of a batch that could not be begun is run.
    let mut begun = true;
    let mut shown: Option<Arc<SharedBuffer>> = None;
    loop {
        let idle = || {
            handler.rest();
            outbox.flush();
        };
        match inbox.next(&outbox, idle) {
            Item::Setup(body) => {
                let mut setup = inbox.encoded(body);
                // The first buffer is the word in which the parent reads what is being called.
                if !setup.buffers.is_empty() {
                    shown = Some(setup.buffers.remove(0).seen_by_all()?);
                }
                let failure = handler.set_up(&setup).err();
                outbox.tell(&Message::Ready(failure.map(|encoded| encoded.body())));
            }
            Item::Known(id, body) => handler.know(id, inbox.encoded(body)),
            Item::Forget(ids, buffers) => {
                handler.forget(&ids);
                let mut known = inbox.buffers.lock();
                for id in buffers {
                    known.remove(&id);
                }
            }
            Item::Begin(body) => {
                begun = true;
                if let Err(failure) = handler.begin(&inbox.encoded(body)) {
                    begun = false;
                    outbox.tell(&Message::Unreadable(failure.body()));
                }
            }
            Item::Call(call) if begun => {
                let inputs = call.inputs.into_iter().map(|body| inbox.encoded(body)).collect();
                show(&shown, call.id);
                RUNNING.store(call.id, Ordering::Relaxed);
                let start = Instant::now();
                let outcome = handler.call(&call.call, inputs);
                let took = start.elapsed();
                RUNNING.store(NO_CALL, Ordering::Relaxed);
                show(&shown, NO_CALL);
                outbox.add(call.id, took, outcome);
            }
            Item::Call(_) => {}
        }
    }
}

/// Lets the parent see which call is running, should the process die of it.
fn show(shown: &Option<Arc<SharedBuffer>>, id: u32) {
    if let Some(shown) = shown {
        shown.write_word(id);
    }
}
