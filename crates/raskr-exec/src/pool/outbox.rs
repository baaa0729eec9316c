//! What a child sends: results, together where calls are short, and words that are sent at once.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::message::{self, Ended, Message};
use super::serve::Encoded;
use super::shared::SharedBuffer;

/// Results wait at most this long for others to travel with, while calls are short.
const FLUSH_TIME: Duration = Duration::from_millis(1);
/// Results travel when they have this many bytes together.
const FLUSH_BYTES: usize = 256 << 10;

/// Results on their way to the parent.
pub struct Outbox {
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
    pub fn new(stream: UnixStream) -> Outbox {
        Outbox { stream, waiting: Mutex::default() }
    }

    pub fn add(&self, id: u32, took: Duration, outcome: Result<Encoded, Encoded>) {
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

    pub fn flush(&self) {
        self.send(&mut self.waiting.lock());
    }

    fn send(&self, waiting: &mut Waiting) {
        let Waiting { ended, buffers, .. } = std::mem::take(waiting);
        if !ended.is_empty() {
            let sent = message::send_buffers(&self.stream, &buffers);
            self.check(sent.and_then(|()| message::send(&self.stream, &Message::Ended(ended))));
        }
    }

    pub fn tell(&self, message: &Message) {
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
pub fn leave() -> ! {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    std::process::abort()
}
