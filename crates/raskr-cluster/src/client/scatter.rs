//! Sending values of the client's own to workers, where and when the scheduler says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raskr_sched::{FromClient, FutureId, Keeping, Key, ScatterItem, TaskId, ToClient, WorkerId};
use tokio::sync::mpsc;

use super::Shared;
use super::data::Reply;
use crate::loan::{LOAN_BYTES, Lender, Loan};
use crate::packed::Packed;
use crate::wire::DataSays;

/// Values that go in one message: a worker has them, and can begin with them, when all of it has come.
const MESSAGE_BYTES: u64 = 16 << 20;
const MESSAGE_VALUES: usize = 10_000;
/// Messages to a worker that are on their way, or not answered, while another is sent.
const MESSAGES_AHEAD: usize = 2;
/// How long memory to lend is waited for: values that are lent are used up in about that time.
const LOAN_PATIENCE: Duration = Duration::from_millis(150);
const LOAN_POLL: Duration = Duration::from_millis(1);
/// After this long without a loan the memory is given back.
const LOAN_IDLE: Duration = Duration::from_secs(2);

/// A value of a client's own.
pub struct Scattered {
    pub key: Key,
    pub value: Packed,
    /// Its memory must stay as it is for as long as it is kept. What is kept, and not lent, is so while there is room.
    pub keeping: Keeping,
}

/// A value that is to be sent to one worker.
#[derive(Clone)]
struct Sending {
    future: FutureId,
    task: TaskId,
    value: Packed,
    lent: bool,
}

/// A message of values that was sent.
struct Put {
    /// What may not have been taken.
    left: HashMap<TaskId, FutureId>,
    /// Where the answer comes, unless there is no connection.
    replies: Option<mpsc::UnboundedReceiver<Reply>>,
    /// Who lent memory for some of them, and all of them again, in case the worker can't reach it.
    lent: Option<(Arc<Lender>, Vec<Sending>)>,
}

impl Shared {
    /// Announces values; they are sent when the scheduler says where to. `copies` is on how many workers.
    pub fn scatter(&self, values: Vec<Scattered>, copies: u16) -> Vec<FutureId> {
        let mut items = Vec::with_capacity(values.len());
        let mut futures = Vec::with_capacity(values.len());
        let mut table = self.table.lock();
        for Scattered { key, value, keeping } in values {
            let taken = table.take(&key);
            futures.push(taken.future);
            if taken.new {
                let bytes = value.nbytes();
                let keeping = table.keep_value(taken.future, value, keeping);
                items.push(ScatterItem { key, future: taken.future, bytes, copies, keeping });
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
                        Some((value, lent)) => {
                            let (value, lent) = (value.clone(), *lent);
                            by_worker.entry(worker).or_default().push(Sending { future, task, value, lent });
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
        let Ok(link) = self.peers.link(worker).await else { return Put { left, replies: None, lent: None } };
        let request = self.next_request();
        let (mut sent, mut buffers, mut loans) = (Vec::with_capacity(values.len()), Vec::new(), Vec::new());
        let mut lent = None;
        for value in &values {
            let before = buffers.len();
            sent.push((value.task, value.value.send(&mut buffers)));
            let Some(lender) = link.lender().filter(|_| value.lent) else { continue };
            for (place, buffer) in buffers.iter_mut().enumerate().skip(before) {
                if let Some(loan) = lend(lender, buffer).await {
                    *buffer = Bytes::new();
                    loans.push((place as u32, loan));
                    lent = Some(Arc::clone(lender));
                }
            }
        }
        let lent = lent.map(|lender| (lender, values));
        let replies = link.ask(request, &DataSays::Put { request, values: sent, loans }, buffers).await.ok();
        Put { left, replies, lent }
    }

    /// Waits for the answer to a message, and tells of values that were not taken.
    async fn put_ended(&self, worker: WorkerId, mut put: Put) {
        loop {
            if let Some(replies) = &mut put.replies
                && let Some(Reply::Taken(tasks)) = replies.recv().await
            {
                for task in tasks {
                    put.left.remove(&task);
                }
            }
            let again = match put.lent.take().filter(|_| !put.left.is_empty()) {
                Some((lender, mut values)) => {
                    lender.refuse();
                    values.retain(|value| put.left.contains_key(&value.task));
                    values
                }
                None => break,
            };
            put = self.put_some(worker, again).await;
        }
        let mut refused: Vec<FutureId> = put.left.into_values().collect();
        refused.sort_unstable();
        for future in refused {
            self.outgoing.say(FromClient::NotPut { future, worker });
        }
    }
}

/// Lends memory for a buffer, as soon as some is free; nothing for sizes that go through the socket, and where none comes free.
async fn lend(lender: &Arc<Lender>, buffer: &Bytes) -> Option<Loan> {
    if !LOAN_BYTES.contains(&buffer.len()) {
        return None;
    }
    let begun = Instant::now();
    let piece = loop {
        if let Some(piece) = lender.piece(buffer.len()) {
            break piece;
        }
        // Where values stay with the worker, waiting once more is in vain.
        if !lender.is_patient() || begun.elapsed() > LOAN_PATIENCE {
            lender.be_patient(false);
            return None;
        }
        tokio::time::sleep(LOAN_POLL).await;
    };
    lender.be_patient(true);
    tend(lender);
    let bytes = buffer.clone();
    tokio::task::spawn_blocking(move || piece.fill(&bytes)).await.ok()
}

/// Has the memory of pieces given back once nothing was lent for a while.
fn tend(lender: &Arc<Lender>) {
    if !lender.begin_to_tend() {
        return;
    }
    let lender = Arc::downgrade(lender);
    tokio::spawn(async move {
        let mut seen = 0;
        loop {
            tokio::time::sleep(LOAN_IDLE).await;
            let Some(lender) = lender.upgrade() else { return };
            let lent = lender.lent();
            if lent == seen && lender.empty() {
                return;
            }
            seen = lent;
        }
    });
}
