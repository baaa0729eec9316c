//! Sending values of the client's own to workers, where and when the scheduler says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use raskr_sched::{FromClient, FutureId, Key, ScatterItem, TaskId, ToClient, WorkerId};

use super::Shared;
use super::data::Reply;
use crate::packed::Packed;
use crate::wire::DataSays;

/// Values that go in one message.
const MESSAGE_BYTES: u64 = 64 << 20;
const MESSAGE_VALUES: usize = 10_000;

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
        let (mut some, mut bytes) = (Vec::new(), 0);
        for value in values {
            bytes += value.value.nbytes();
            some.push(value);
            if bytes >= MESSAGE_BYTES || some.len() >= MESSAGE_VALUES {
                self.put_some(worker, std::mem::take(&mut some)).await;
                bytes = 0;
            }
        }
        if !some.is_empty() {
            self.put_some(worker, some).await;
        }
    }

    async fn put_some(&self, worker: WorkerId, values: Vec<Sending>) {
        let mut left: HashMap<TaskId, FutureId> = values.iter().map(|value| (value.task, value.future)).collect();
        let request = self.next_request();
        let mut buffers = Vec::new();
        let sent = values.iter().map(|value| (value.task, value.value.send(&mut buffers))).collect();
        drop(values);
        if let Ok(link) = self.peers.link(worker).await
            && let Ok(mut replies) = link.ask(request, &DataSays::Put { request, values: sent }, buffers).await
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
