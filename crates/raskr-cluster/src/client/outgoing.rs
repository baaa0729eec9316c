//! What a client has to say and has not sent yet: one bounded queue, which goes out in batches and in order.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use raskr_sched::{FromClient, FutureId, Submission};
use tokio::sync::Notify;

use crate::wire::ClientSays;

/// Whoever submits waits while more than this is queued.
const QUEUED_BYTES_MAX: usize = 64 << 20;
/// A message is cut here: the scheduler is to begin with the first tasks while the last are still being sent.
const MESSAGE_BYTES: usize = 256 << 10;

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
}

#[derive(Default)]
pub struct Outgoing {
    queue: Mutex<Queue>,
    filled: Notify,
    room: Condvar,
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
    /// Adds something; nobody waits for it.
    pub fn say(&self, message: FromClient) {
        let bytes = match &message {
            FromClient::Submit(submission) => size_of(submission),
            _ => 64,
        };
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        queue.bytes += bytes;
        queue.items.push_back(Item::Client(message, bytes));
        drop(queue);
        self.filled.notify_one();
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
        queue.bytes += bytes;
        queue.items.push_back(Item::Client(FromClient::Release(futures.to_vec()), bytes));
        drop(queue);
        self.filled.notify_one();
    }

    /// Adds a message of its own.
    pub fn says(&self, message: ClientSays, buffers: Vec<Bytes>) {
        let mut queue = self.queue.lock();
        if !queue.closed {
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

    /// The next message. Nothing once it is closed and everything was sent.
    pub async fn next(&self) -> Option<(ClientSays, Vec<Bytes>)> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue.lock();
                if let Some(message) = queue.take() {
                    drop(queue);
                    self.room.notify_all();
                    return Some(message);
                }
                if queue.closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// Nothing more is taken; what is queued still goes out.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_one();
        self.room.notify_all();
    }
}

impl Queue {
    fn take(&mut self) -> Option<(ClientSays, Vec<Bytes>)> {
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
