//! What comes to the scheduler: connections are accepted and read on tasks of their own, and all that they bring goes
//! through one bounded queue to the task that has the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::connection::{Connection, Message, Receiver, Sender};
use crate::error::CommError;
use crate::handshake::{Peer, Role};
use crate::listener::Listener;
use crate::wire::{ClientHears, ClientSays, WorkerHears, WorkerSays};

/// Batches of messages that wait for the machine; when there are more, connections are read no further.
pub(super) const ARRIVALS_MAX: usize = 256;
/// Messages of one connection that are handed over together.
const BATCH_MAX: usize = 32;

/// Connections are numbered; no number is used twice.
pub(super) type ConnectionId = u32;

pub(super) enum Arrived {
    Worker {
        id: ConnectionId,
        sender: Sender<WorkerHears>,
        peer: Peer,
    },
    Client {
        id: ConnectionId,
        sender: Sender<ClientHears>,
        peer: Peer,
    },
    FromWorker {
        id: ConnectionId,
        messages: Vec<Message<WorkerSays>>,
    },
    FromClient {
        id: ConnectionId,
        messages: Vec<Message<ClientSays>>,
    },
    /// `None`: the other side closed it in all form.
    WorkerEnded {
        id: ConnectionId,
        error: Option<CommError>,
    },
    ClientEnded {
        id: ConnectionId,
    },
}

/// Accepts until listening ends.
pub(super) async fn accept(mut listener: Listener, numbers: Arc<AtomicU32>, arrivals: mpsc::Sender<Arrived>) {
    loop {
        match listener.accept().await {
            Ok(connection) => {
                let id = numbers.fetch_add(1, Ordering::Relaxed);
                if take_in(connection, id, &arrivals).await.is_none() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!("nothing is listened on any more: {error}");
                return;
            }
        }
    }
}

/// Nothing when the machine is gone.
async fn take_in(connection: Connection, id: ConnectionId, arrivals: &mpsc::Sender<Arrived>) -> Option<()> {
    let peer = connection.peer().clone();
    let to = arrivals.clone();
    match peer.role {
        Role::Worker => {
            let (sender, receiver) = connection.split::<WorkerHears, WorkerSays>();
            arrivals.send(Arrived::Worker { id, sender, peer }).await.ok()?;
            tokio::spawn(async move {
                let messages = |messages| Arrived::FromWorker { id, messages };
                let error = read(receiver, &to, messages).await;
                // Nobody is there to be told if this fails.
                let _ = to.send(Arrived::WorkerEnded { id, error }).await;
            });
        }
        Role::Client | Role::Tool => {
            let (sender, receiver) = connection.split::<ClientHears, ClientSays>();
            arrivals.send(Arrived::Client { id, sender, peer }).await.ok()?;
            tokio::spawn(async move {
                let messages = |messages| Arrived::FromClient { id, messages };
                read(receiver, &to, messages).await;
                let _ = to.send(Arrived::ClientEnded { id }).await;
            });
        }
        Role::Scheduler => tracing::warn!("{}: another scheduler connected to this one", peer.address),
    }
    Some(())
}

/// Hands over what comes until the connection ends, and says how it did.
async fn read<R: DeserializeOwned>(
    mut receiver: Receiver<R>,
    to: &mpsc::Sender<Arrived>,
    arrived: impl Fn(Vec<Message<R>>) -> Arrived,
) -> Option<CommError> {
    loop {
        let first = match receiver.recv().await {
            Ok(Some(message)) => message,
            Ok(None) => return None,
            Err(error) => return Some(error),
        };
        let mut messages = vec![first];
        while messages.len() < BATCH_MAX
            && let Ok(Some(message)) = receiver.recv_ready()
        {
            messages.push(message);
        }
        if to.send(arrived(messages)).await.is_err() {
            return None;
        }
    }
}
