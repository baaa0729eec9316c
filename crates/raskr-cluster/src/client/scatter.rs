//! Sending values of the client's own to workers, where and when the scheduler says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use raskr_sched::{FromClient, FutureId, Key, ScatterItem, TaskId, ToClient, WorkerId};
use tokio::sync::mpsc;

use super::Shared;
use super::data::Reply;
use crate::packed::Packed;
use crate::wire::DataSays;

/// Values that go in one message: a worker has them, and can begin with them, when all of it has come.
const MESSAGE_BYTES: u64 = 16 << 20;
const MESSAGE_VALUES: usize = 10_000;
/// Messages to a worker that are on their way, or not answered, while another is sent.
const MESSAGES_AHEAD: usize = 2;

/// A value of a client's own.
pub struct Scattered {
    pub key: Key,
    pub value: Packed,
    /// Whether its memory stays as it is for as long as there is a future of it, so that it may be sent again.
    pub lasting: bool,
}

/// A value that is to be sent to one worker.
struct Sending {
    future: FutureId,
    task: TaskId,
    value: Packed,
}

/// A message of values that was sent.
struct Put {
    /// What may not have been taken.
    left: HashMap<TaskId, FutureId>,
    /// Where the answer comes, unless there is no connection.
    replies: Option<mpsc::UnboundedReceiver<Reply>>,
}

impl Shared {
    /// Announces values; they are sent when the scheduler says where to. `copies` is on how many workers.
    pub fn scatter(&self, values: Vec<Scattered>, copies: u16) -> Vec<FutureId> {
        let mut items = Vec::with_capacity(values.len());
        let mut futures = Vec::with_capacity(values.len());
        let mut table = self.table.lock();
        for Scattered { key, value, lasting } in values {
            let taken = table.take(&key);
            futures.push(taken.future);
            if taken.new {
                let bytes = value.nbytes();
                let resend = table.keep_value(taken.future, value, lasting);
                items.push(ScatterItem { key, future: taken.future, bytes, copies, resend });
            }
        }
        if !items.is_empty() {
            // Said while the table is held: what takes these values must not be said before.
            self.outgoing.say(FromClient::Scatter(items));
        }
        futures
    }

    /// Sends values where the scheduler wants them.
    pub fn put(self: &Arc<Shared>, puts: Vec<ToClient>) {
        let mut by_worker: BTreeMap<WorkerId, Vec<Sending>> = BTreeMap::new();
        {
            let table = self.table.lock();
            for put in puts {
                let ToClient::Put { future, task, workers } = put else { continue };
                let value = table.own_value(future);
                for worker in workers {
                    match &value {
                        Some(value) => {
                            let value = value.clone();
                            by_worker.entry(worker).or_default().push(Sending { future, task, value });
                        }
                        None => self.outgoing.say(FromClient::NotPut { future, worker }),
                    }
                }
            }
        }
        for (worker, values) in by_worker {
            tokio::spawn(Arc::clone(self).put_on(worker, values));
        }
    }

    async fn put_on(self: Arc<Shared>, worker: WorkerId, values: Vec<Sending>) {
        let mut said = VecDeque::new();
        let (mut some, mut bytes) = (Vec::new(), 0);
        for value in values {
            bytes += value.value.nbytes();
            some.push(value);
            if bytes >= MESSAGE_BYTES || some.len() >= MESSAGE_VALUES {
                said.push_back(self.put_some(worker, std::mem::take(&mut some)).await);
                bytes = 0;
            }
            if said.len() > MESSAGES_AHEAD
                && let Some(first) = said.pop_front()
            {
                self.put_ended(worker, first).await;
            }
        }
        if !some.is_empty() {
            said.push_back(self.put_some(worker, some).await);
        }
        for put in said {
            self.put_ended(worker, put).await;
        }
    }

    /// Sends one message of values.
    async fn put_some(&self, worker: WorkerId, values: Vec<Sending>) -> Put {
        let left = values.iter().map(|value| (value.task, value.future)).collect();
        let request = self.next_request();
        let mut buffers = Vec::new();
        let sent = values.iter().map(|value| (value.task, value.value.send(&mut buffers))).collect();
        drop(values);
        let replies = match self.peers.link(worker).await {
            Ok(link) => link.ask(request, &DataSays::Put { request, values: sent }, buffers).await.ok(),
            Err(_) => None,
        };
        Put { left, replies }
    }

    /// Waits for the answer to a message, and tells of values that were not taken.
    async fn put_ended(&self, worker: WorkerId, put: Put) {
        let Put { mut left, replies } = put;
        if let Some(mut replies) = replies
            && let Some(Reply::Taken(tasks)) = replies.recv().await
        {
            for task in tasks {
                left.remove(&task);
            }
        }
        let mut refused: Vec<FutureId> = left.into_values().collect();
        refused.sort_unstable();
        for future in refused {
            self.outgoing.say(FromClient::NotPut { future, worker });
        }
    }
}
