//! What a client has to say and has not sent yet: one bounded queue, which goes out in batches and in order.
//!
//! A task takes it to the connection; so does whoever submits, since that saves waking another thread. Rules:
//! 1. Whoever takes a message sets `passing`, and resets it when the connection has the message or it is back as `unsent`.
//! 2. Who finds nothing to do because of `passing` is not forgotten: whoever resets it looks at the queue again, or tells the task.
//! 3. Releases wait for something else to be said, for some milliseconds: the task looks for them at times while there are any
//!    (`looks`), and is told of them otherwise.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use raskr_sched::{FromClient, FutureId, Submission};
use tokio::sync::Notify;

use crate::connection::Sender;
use crate::wire::ClientSays;

/// Whoever submits waits while more than this is queued.
const QUEUED_BYTES_MAX: usize = 64 << 20;
/// A message is cut here: the scheduler is to begin with the first tasks while the last are still being sent.
const MESSAGE_BYTES: usize = 256 << 10;

/// How long releases wait for something to be said with them.
const RELEASED: Duration = Duration::from_millis(4);
/// After so many looks at which there was no release the task has to be told of the next.
const LOOKS: u32 = 25;

type Message = (ClientSays, Vec<Bytes>);

enum Item {
    /// With the bytes that it takes, roughly.
    Client(FromClient, usize),
    Says(ClientSays, Vec<Bytes>),
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    closed: bool,
    passing: bool,
    unsent: Option<Message>,
    /// Nothing but releases were added since something was taken last.
    lazy: bool,
    /// How often the task still looks for releases unasked.
    looks: u32,
}

#[derive(Default)]
pub struct Outgoing {
    queue: Mutex<Queue>,
    filled: Notify,
    room: Condvar,
    line: OnceLock<Sender<ClientSays>>,
}

/// Bytes that a submission takes on the wire, roughly.
pub fn size_of(submission: &Submission) -> usize {
    let bodies: usize = submission.bodies.iter().map(|body| body.code.0.len() + 64).sum();
    let tasks = submission.tasks.iter().map(|task| {
        task.key.len() + task.arguments.as_ref().map_or(0, |arguments| arguments.0.len()) + 24 * task.inputs.len() + 24
    });
    bodies + tasks.sum::<usize>() + 12 * submission.wants.len()
}

impl Outgoing {
    /// The connection, for those who take messages there themselves.
    pub fn connected(&self, line: Sender<ClientSays>) {
        // There is one connection.
        let _ = self.line.set(line);
    }

    /// Adds something; nobody waits for it.
    pub fn say(&self, message: FromClient) {
        self.add(message);
        self.filled.notify_one();
    }

    /// Adds something that goes out when [`Outgoing::pass`] is called, or before.
    pub fn add(&self, message: FromClient) {
        let bytes = match &message {
            FromClient::Submit(submission) => size_of(submission),
            _ => 64,
        };
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        queue.lazy = false;
        queue.bytes += bytes;
        queue.items.push_back(Item::Client(message, bytes));
    }

    /// Takes what is queued to the connection on this very thread, where that is soon done.
    pub fn pass(&self) {
        let Some(line) = self.line.get() else { return self.filled.notify_one() };
        let message = {
            let mut queue = self.queue.lock();
            if queue.passing {
                return;
            }
            if queue.bytes > MESSAGE_BYTES || queue.items.iter().any(|item| matches!(item, Item::Says(..))) {
                drop(queue);
                return self.filled.notify_one();
            }
            let Some(message) = queue.take() else { return };
            queue.passing = true;
            message
        };
        let sent = line.try_send_directly(&message.0, Vec::new());
        let mut queue = self.queue.lock();
        queue.passing = false;
        if !matches!(sent, Ok(Ok(()))) {
            queue.unsent = Some(message);
        }
        let due = queue.unsent.is_some() || queue.closed || !queue.items.is_empty() && !queue.lazy;
        drop(queue);
        self.room.notify_all();
        if due {
            self.filled.notify_one();
        }
    }

    /// Futures that nobody holds any more; many at a time go as one.
    pub fn release(&self, futures: &[FutureId]) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        if let Some(Item::Client(FromClient::Release(released), bytes)) = queue.items.back_mut() {
            released.extend_from_slice(futures);
            *bytes += 8 * futures.len();
            queue.bytes += 8 * futures.len();
            return;
        }
        let bytes = 16 + 8 * futures.len();
        queue.lazy |= queue.items.is_empty();
        queue.bytes += bytes;
        queue.items.push_back(Item::Client(FromClient::Release(futures.to_vec()), bytes));
        let told = queue.lazy && queue.looks > 0;
        drop(queue);
        if !told {
            self.filled.notify_one();
        }
    }

    /// Adds a message of its own.
    pub fn says(&self, message: ClientSays, buffers: Vec<Bytes>) {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.lazy = false;
            queue.items.push_back(Item::Says(message, buffers));
            drop(queue);
            self.filled.notify_one();
        }
    }

    /// Waits until there is room, `within` at most; false when there is none by then.
    pub fn wait_for_room(&self, within: Duration) -> bool {
        let mut queue = self.queue.lock();
        let full = |queue: &mut Queue| !queue.closed && queue.bytes > QUEUED_BYTES_MAX;
        !self.room.wait_while_for(&mut queue, full, within).timed_out()
    }

    /// The next message; [`Outgoing::passed`] has to follow. Nothing once it is closed and everything was sent.
    pub async fn next(&self) -> Option<Message> {
        loop {
            let looks = {
                let mut queue = self.queue.lock();
                if !queue.passing {
                    let message = queue.unsent.take();
                    let message = message.or_else(|| if queue.lazy && !queue.closed { None } else { queue.take() });
                    if message.is_some() {
                        queue.passing = true;
                        drop(queue);
                        self.room.notify_all();
                        return message;
                    }
                    if queue.closed {
                        return None;
                    }
                }
                if queue.lazy {
                    queue.looks = LOOKS;
                }
                queue.looks > 0
            };
            if !looks {
                self.filled.notified().await;
            } else if tokio::time::timeout(RELEASED, self.filled.notified()).await.is_err() {
                let mut queue = self.queue.lock();
                queue.looks -= 1;
                // They have waited for long enough.
                queue.lazy = false;
            }
        }
    }

    /// The connection has the message that was taken.
    pub fn passed(&self) {
        self.queue.lock().passing = false;
    }

    /// Nothing more is taken; what is queued still goes out.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_one();
        self.room.notify_all();
    }
}

impl Queue {
    fn take(&mut self) -> Option<Message> {
        self.lazy = false;
        let mut batch = Vec::new();
        let mut batched = 0;
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::Says(..) if !batch.is_empty() => {
                    self.items.push_front(item);
                    break;
                }
                Item::Says(message, buffers) => return Some((message, buffers)),
                Item::Client(message, bytes) => {
                    self.bytes -= bytes;
                    batched += bytes;
                    batch.push(message);
                    if batched >= MESSAGE_BYTES {
                        break;
                    }
                }
            }
        }
        (!batch.is_empty()).then_some((ClientSays::Batch(batch), Vec::new()))
    }
}
