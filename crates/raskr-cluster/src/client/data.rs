//! Data connections of a client: to each worker one, made when it is first needed and kept while the worker is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use raskr_sched::{Peer, RequestId, TaskId, WorkerId};
use tokio::sync::mpsc;

use crate::address::Address;
use crate::connection::{Receiver, Sender};
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::loan::Lender;
use crate::packed::Packed;
use crate::wire::{DataHears, DataSays};

/// A worker that cannot be reached for this long cannot be reached.
const REACH_MAX: Duration = Duration::from_secs(10);

/// A part of the answer to a request.
pub enum Reply {
    Values { values: Vec<(TaskId, Packed)>, absent: Vec<TaskId>, last: bool },
    Taken(Vec<TaskId>),
}

/// A connection to a worker.
pub struct DataLink {
    sender: Sender<DataSays>,
    within_process: bool,
    /// Where the worker is another process of this machine.
    lender: Option<Arc<Lender>>,
    /// Closed, and gone, when the connection is.
    waiting: Mutex<Option<HashMap<RequestId, mpsc::UnboundedSender<Reply>>>>,
}

impl DataLink {
    /// Asks, or sends values; the parts of the answer come, and end early when the connection is lost.
    pub async fn ask(
        &self,
        request: RequestId,
        message: &DataSays,
        buffers: Vec<bytes::Bytes>,
    ) -> Result<mpsc::UnboundedReceiver<Reply>, String> {
        let (reply, replies) = mpsc::unbounded_channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => drop(waiting.insert(request, reply)),
            None => return Err("the connection was lost".to_owned()),
        }
        self.sender.send(message, buffers).await.map_err(|error| error.to_string())?;
        Ok(replies)
    }

    /// Are buffers handed over as they are, so that both sides have them?
    pub fn is_within_process(&self) -> bool {
        self.within_process
    }

    /// Who lends memory to the worker, where it can be lent.
    pub fn lender(&self) -> Option<&Arc<Lender>> {
        self.lender.as_ref().filter(|lender| !lender.is_refused())
    }

    fn is_open(&self) -> bool {
        self.waiting.lock().is_some()
    }

    async fn listen(self: Arc<DataLink>, mut receiver: Receiver<DataHears>) {
        while let Ok(Some(message)) = receiver.recv().await {
            let mut buffers = message.buffers.into_iter();
            let (request, reply, last) = match message.header {
                DataHears::Values { request, values, absent, last } => {
                    let values: Option<Vec<_>> = values
                        .into_iter()
                        .map(|(task, sent)| Some((task, Packed::receive(sent, &mut buffers)?)))
                        .collect();
                    // A message with too few buffers is not to be trusted any further.
                    let Some(values) = values else { break };
                    (request, Reply::Values { values, absent, last }, last)
                }
                DataHears::Taken { request, tasks } => (request, Reply::Taken(tasks), true),
            };
            let mut waiting = self.waiting.lock();
            let Some(waiting) = waiting.as_mut() else { break };
            if let Some(listener) = waiting.get(&request) {
                // Who gave up waiting is told nothing.
                drop(listener.send(reply));
            }
            if last {
                waiting.remove(&request);
            }
        }
        *self.waiting.lock() = None;
        self.sender.abort();
    }
}

type Place = Arc<tokio::sync::Mutex<Option<Arc<DataLink>>>>;

/// The workers that the scheduler told of, and the connections to them.
pub struct Peers {
    endpoint: Endpoint,
    known: Mutex<HashMap<WorkerId, Peer>>,
    links: Mutex<HashMap<WorkerId, Place>>,
}

impl Peers {
    pub fn new(endpoint: Endpoint) -> Peers {
        Peers { endpoint, known: Mutex::default(), links: Mutex::default() }
    }

    pub fn joined(&self, peers: Vec<Peer>) {
        let mut known = self.known.lock();
        for peer in peers {
            if known.get(&peer.worker).is_some_and(|before| before.address != peer.address) {
                self.links.lock().remove(&peer.worker);
            }
            known.insert(peer.worker, peer);
        }
    }

    pub fn count(&self) -> usize {
        self.known.lock().len()
    }

    pub fn left(&self, workers: &[WorkerId]) {
        let (mut known, mut links) = (self.known.lock(), self.links.lock());
        for worker in workers {
            known.remove(worker);
            links.remove(worker);
        }
    }

    /// The connection to a worker; the words say why there is none.
    pub async fn link(&self, worker: WorkerId) -> Result<Arc<DataLink>, String> {
        let peer = self.known.lock().get(&worker).cloned();
        let Some(peer) = peer else { return Err("the worker is gone".to_owned()) };
        let place = Arc::clone(self.links.lock().entry(worker).or_default());
        // Held while the connection is made, so that it is made once.
        let mut place = place.lock().await;
        if let Some(link) = place.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        let address: Address = peer.address.parse().map_err(|error: CommError| error.to_string())?;
        let connecting = tokio::time::timeout(REACH_MAX, self.endpoint.connect(&address));
        let connection = match connecting.await {
            Ok(connection) => connection.map_err(|error| error.to_string())?,
            Err(_) => return Err(format!("{address}: not reached within {REACH_MAX:?}")),
        };
        let within_process = matches!(address, Address::Inproc(_));
        let lender = connection.is_near().then(Arc::<Lender>::default);
        let (sender, receiver) = connection.split();
        let waiting = Mutex::new(Some(HashMap::new()));
        let link = Arc::new(DataLink { sender, within_process, lender, waiting });
        tokio::spawn(Arc::clone(&link).listen(receiver));
        *place = Some(Arc::clone(&link));
        Ok(link)
    }

    /// What a worker is called in messages.
    pub fn name(&self, worker: WorkerId) -> String {
        self.known
            .lock()
            .get(&worker)
            .map_or_else(|| worker.to_string(), |peer| format!("{} ({})", peer.name, peer.address))
    }

    /// Ends all connections.
    pub fn close(&self) {
        self.known.lock().clear();
        self.links.lock().clear();
    }
}
