//! The child's end: calls are read and run one by one; one that waits for something else leaves its turn to another thread.

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde_bytes::ByteBuf;

use super::inbox::{Inbox, Item};
use super::message::{Body, CallMessage, Message};
use super::outbox::{Outbox, leave};
use super::shared::SharedBuffer;
use super::turns::{Successor, Turns};
use crate::threads::STACK_BYTES;

/// Stands for no call in the status word.
pub const NO_CALL: u32 = u32::MAX;

/// This process as its parent's child: a process has one parent.
static SERVING: OnceLock<Arc<Serving>> = OnceLock::new();

thread_local! {
    /// The call that runs on this thread.
    static CALL: Cell<u32> = const { Cell::new(NO_CALL) };
}

/// Tells the parent that the call that runs on this thread waits for something else (`away`), or goes on; false where none
/// does. Another thread takes the calls that come meanwhile.
pub fn tell_away(away: bool) -> bool {
    let id = CALL.get();
    match SERVING.get() {
        Some(serving) if id != NO_CALL => {
            serving.tell_away(id, away);
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

/// What the language above does in a child. Calls run at the same time on several threads, all else on one at a time.
pub trait Handler: Send + Sync {
    fn set_up(&self, setup: &Encoded) -> Result<(), Encoded>;
    fn know(&self, id: u64, body: Encoded);
    fn forget(&self, ids: &[u64]);
    /// Takes what the calls of a batch share.
    fn begin(&self, shared: &Encoded) -> Result<(), Encoded>;
    fn call(&self, call: &[u8], inputs: Vec<Encoded>) -> Result<Encoded, Encoded>;
    /// Nothing is left to do for now.
    fn rest(&self);
}

/// What the threads of a child share.
pub struct Serving {
    inbox: Inbox,
    pub outbox: Outbox,
    turns: Turns,
    handler: Box<dyn Handler>,
    /// Nothing of a batch that could not be begun is run.
    begun: AtomicBool,
}

impl Serving {
    /// Takes calls as long as this thread has the turn.
    fn take_calls(self: &Arc<Serving>, is_main: bool) -> io::Result<()> {
        loop {
            match self.inbox.next(self) {
                Item::Setup(body) => {
                    let mut setup = self.inbox.encoded(body);
                    // The first buffer is the word in which the parent reads what is being called.
                    if !setup.buffers.is_empty() {
                        self.turns.show_in(setup.buffers.remove(0).seen_by_all()?);
                    }
                    let failure = self.handler.set_up(&setup).err();
                    self.outbox.tell(&Message::Ready(failure.map(|encoded| encoded.body())));
                }
                Item::Known(id, body) => self.handler.know(id, self.inbox.encoded(body)),
                Item::Forget(ids, buffers) => {
                    self.handler.forget(&ids);
                    self.inbox.forget(&buffers);
                }
                Item::Begin(body) => {
                    let failure = self.handler.begin(&self.inbox.encoded(body)).err();
                    self.begun.store(failure.is_none(), Ordering::Relaxed);
                    if let Some(failure) = failure {
                        self.outbox.tell(&Message::Unreadable(failure.body()));
                    }
                }
                Item::Call(call) if self.begun.load(Ordering::Relaxed) => {
                    if !self.run(call, is_main) {
                        return Ok(());
                    }
                }
                Item::Call(_) => {}
            }
        }
    }

    /// Runs a call; true when this thread has the turn still.
    fn run(&self, call: CallMessage, is_main: bool) -> bool {
        let inputs = call.inputs.into_iter().map(|body| self.inbox.encoded(body)).collect();
        self.turns.begin(call.id);
        CALL.set(call.id);
        let start = Instant::now();
        let outcome = self.handler.call(&call.call, inputs);
        let took = start.elapsed();
        CALL.set(NO_CALL);
        let kept = self.turns.end(call.id, is_main);
        self.outbox.add(call.id, took, outcome);
        if !kept {
            // Who takes calls may be busy for long.
            self.rest();
        }
        kept
    }

    pub fn rest(&self) {
        self.handler.rest();
        self.outbox.flush();
    }

    fn tell_away(self: &Arc<Serving>, id: u32, away: bool) {
        if away && self.turns.is_running(id) {
            self.pass_on(id);
        } else {
            self.outbox.flush();
            self.outbox.tell(&Message::Away { id, away });
        }
    }

    /// Has another thread take calls while this one goes on, if it runs on the thread that takes them.
    pub fn pass_on(self: &Arc<Serving>, id: u32) {
        match self.turns.successor(id) {
            Successor::NotNeeded => return,
            Successor::Waits => {}
            Successor::Wanted => {
                if self.start_thread().is_err() {
                    // Without one, calls wait for the end of this.
                    self.turns.not_started();
                    return;
                }
            }
        }
        // The parent knows it before another call begins: should the process die, both were running.
        self.outbox.flush();
        self.outbox.tell(&Message::Away { id, away: true });
        self.turns.pass_on(id);
    }

    fn start_thread(self: &Arc<Serving>) -> io::Result<()> {
        let serving = Arc::clone(self);
        let serve = move || {
            loop {
                serving.turns.wait(false);
                let served = catch_unwind(AssertUnwindSafe(|| serving.take_calls(false)));
                if !matches!(served, Ok(Ok(()))) {
                    // A call would never end.
                    leave();
                }
                if !serving.turns.come_back() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("raskr-calls".to_owned()).stack_size(STACK_BYTES).spawn(serve).map(drop)
    }
}

/// Serves the parent at the other end of `stream` until it is gone. Never returns before.
pub fn serve(stream: UnixStream, handler: Box<dyn Handler>) -> io::Result<()> {
    let serving = Arc::new(Serving {
        outbox: Outbox::new(stream.try_clone()?),
        inbox: Inbox::new(stream),
        turns: Turns::default(),
        handler,
        begun: AtomicBool::new(true),
    });
    let _ = SERVING.set(Arc::clone(&serving));
    {
        let serving = Arc::clone(&serving);
        let watch = move || serving.inbox.watch(&serving);
        std::thread::Builder::new().name("raskr-child".to_owned()).spawn(watch)?;
    }
    loop {
        serving.take_calls(true)?;
        serving.turns.wait(true);
    }
}
