//! Values between workers, and between workers and clients: those who ask are answered, and peers are asked.
//!
//! Each connection is a task of its own that answers one question after the other. Values go in messages of a few MiB, or one
//! each when they are larger, so that whoever asked sees that something comes. Processes of the same machine also meet on a
//! socket in the file system, which is found by the port.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use raskr_sched::{Peer, RequestId, TaskId};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::inputs::Input;
use super::store::Store;
use crate::address::Address;
use crate::connection::{Connection, Receiver, Sender};
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::handshake::Role;
use crate::listener::Listener;
use crate::loan::{Borrower, Loan};
use crate::near;
use crate::packed::{Buffer, Packed};
use crate::runner::{Runner, Stored};
use crate::wire::{DataHears, DataSays};

/// Values are put together up to this size.
const MESSAGE_BYTES: u64 = 4 << 20;
/// How often the machine hears that a large value is still on its way.
const PROGRESS: Duration = Duration::from_secs(1);
/// Connections that nobody used for this long are closed.
const IDLE: Duration = Duration::from_secs(30);

/// Answers whoever asks.
#[derive(Clone)]
pub(super) struct Server {
    pub desk: Arc<Desk>,
    pub store: Arc<Store>,
    pub runner: Arc<dyn Runner>,
}

impl Server {
    pub async fn run(self, mut listener: Listener) {
        while let Ok(connection) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                let peer = connection.peer().address.clone();
                if let Err(error) = server.serve(connection).await {
                    tracing::debug!("{peer}: {error}");
                }
            });
        }
    }

    async fn serve(self, connection: Connection) -> Result<(), CommError> {
        let peer = connection.peer().clone();
        // Clients may write to what they get; within a process that would be our own memory.
        let copies = matches!(peer.address, Address::Inproc(_)) && peer.role == Role::Client;
        let (sender, mut receiver) = connection.split::<DataHears, DataSays>();
        let mut borrower = Borrower::default();
        while let Some(message) = receiver.recv().await? {
            match message.header {
                DataSays::Get { request, tasks } => self.answer(&sender, request, tasks, copies).await?,
                DataSays::Put { request, values, loans } => {
                    let mut buffers = message.buffers;
                    if let Err(error) = borrow(&mut borrower, &mut buffers, &loans) {
                        tracing::debug!("{}: memory that it lends: {error}", peer.address);
                        sender.send(&DataHears::Taken { request, tasks: Vec::new() }, Vec::new()).await?;
                        continue;
                    }
                    let mut buffers = buffers.into_iter();
                    let (mut puts, mut replies) = (Vec::new(), Vec::new());
                    for (task, sent) in values {
                        let value = Packed::receive(sent, &mut buffers).ok_or_else(|| CommError::Malformed {
                            peer: peer.address.clone(),
                            reason: "a value with fewer buffers than it says".to_owned(),
                        })?;
                        let (reply, put) = oneshot::channel();
                        puts.push(Input::Put { request, task, value, reply });
                        replies.push((task, put));
                    }
                    if !self.desk.bring(puts) {
                        return Ok(());
                    }
                    let mut taken = Vec::new();
                    for (task, put) in replies {
                        if put.await.is_ok() {
                            taken.push(task);
                        }
                    }
                    sender.send(&DataHears::Taken { request, tasks: taken }, Vec::new()).await?;
                }
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        sender: &Sender<DataHears>,
        request: RequestId,
        tasks: Vec<TaskId>,
        copies: bool,
    ) -> Result<(), CommError> {
        let (reply, asked) = oneshot::channel();
        self.desk.bring([Input::Asked { request, tasks, reply }]);
        // Without an answer the worker is ending.
        let Ok((present, mut absent)) = asked.await else { return Ok(()) };
        let (mut values, mut buffers, mut bytes) = (Vec::new(), Vec::new(), 0);
        for task in present {
            let Some(mut packed) = self.packed(task).await else {
                absent.push(task);
                continue;
            };
            if copies {
                let copy = |buffer: Buffer| Buffer::Plain(buffer.as_slice().to_vec().into());
                packed.buffers = packed.buffers.into_iter().map(copy).collect();
            }
            if bytes > 0 && bytes + packed.nbytes() > MESSAGE_BYTES {
                let some =
                    DataHears::Values { request, values: std::mem::take(&mut values), absent: Vec::new(), last: false };
                sender.send(&some, std::mem::take(&mut buffers)).await?;
                bytes = 0;
            }
            bytes += packed.nbytes();
            values.push((task, packed.send(&mut buffers)));
        }
        sender.send(&DataHears::Values { request, values, absent, last: true }, buffers).await
    }

    /// A value as it is sent; nothing when it is gone meanwhile, or can't be read.
    async fn packed(&self, task: TaskId) -> Option<Packed> {
        if let Some(Stored::Packed(packed)) = self.store.ready(task) {
            return Some(packed);
        }
        let (store, runner, desk) = (Arc::clone(&self.store), Arc::clone(&self.runner), Arc::clone(&self.desk));
        let read = tokio::task::spawn_blocking(move || match store.read(task, false) {
            Ok(Some(value)) => value.packed(runner.as_ref()).map_err(|reason| reason.to_string()).map(Some),
            Ok(None) => Ok(None),
            Err(error) => {
                desk.bring([Input::Lost { task }]);
                Err(error.to_string())
            }
        });
        match read.await {
            Ok(Ok(value)) => value,
            Ok(Err(reason)) => {
                tracing::warn!("a value that was asked for can't be sent: {reason}");
                None
            }
            Err(_) => None,
        }
    }
}

/// Puts what was lent where the buffers of a message are empty for it.
fn borrow(borrower: &mut Borrower, buffers: &mut [Bytes], loans: &[(u32, Loan)]) -> io::Result<()> {
    for (place, loan) in loans {
        let buffer = buffers.get_mut(*place as usize).filter(|buffer| buffer.is_empty());
        *buffer.ok_or(io::ErrorKind::InvalidData)? = borrower.take(loan)?;
    }
    Ok(())
}

type Line = (Sender<DataSays>, Receiver<DataHears>);

/// Connections to peers, kept while they are of use.
pub(super) struct Peers {
    endpoint: Endpoint,
    /// This machine, as registrations name it.
    host: Arc<str>,
    idle: Mutex<HashMap<Arc<str>, (Instant, Line)>>,
}

impl Peers {
    pub fn new(endpoint: Endpoint, host: Arc<str>) -> Arc<Peers> {
        Arc::new(Peers { endpoint, host, idle: Mutex::default() })
    }

    /// Closes connections that nobody used for a while.
    pub fn tidy(&self) {
        let old: Vec<_> = self.idle.lock().extract_if(|_, (since, _)| since.elapsed() > IDLE).collect();
        drop(old);
    }

    async fn connect(&self, peer: &Peer) -> Result<Line, CommError> {
        let address: Address = peer.address.parse()?;
        if peer.host == self.host
            && let Some(path) = near::beside(&address).filter(|path| path.exists())
            && let Ok(connection) = self.endpoint.connect(&Address::Unix(path)).await
        {
            return Ok(connection.split());
        }
        Ok(self.endpoint.connect(&address).await?.split())
    }

    /// Asks a peer for values, and tells what came of it.
    pub async fn gather(self: Arc<Peers>, request: RequestId, peer: Peer, tasks: Vec<TaskId>, desk: Arc<Desk>) {
        let gathered = async {
            let idle = self.idle.lock().remove(&peer.address);
            if let Some((_, mut line)) = idle
                && let Ok(answer) = ask(&mut line, request, &tasks, &desk).await
            {
                return Ok((answer, line));
            }
            // One that had been idle may have ended meanwhile.
            let mut line = self.connect(&peer).await?;
            let answer = ask(&mut line, request, &tasks, &desk).await?;
            Ok::<_, CommError>((answer, line))
        };
        let told = match gathered.await {
            Ok(((values, absent), line)) => {
                self.idle.lock().insert(Arc::clone(&peer.address), (Instant::now(), line));
                Input::Gathered { request, values, absent }
            }
            Err(error) => {
                tracing::debug!("values of {}: {error}", peer.name);
                Input::GatherFailed { request }
            }
        };
        desk.bring([told]);
    }
}

async fn ask(
    (sender, receiver): &mut Line,
    request: RequestId,
    tasks: &[TaskId],
    desk: &Desk,
) -> Result<(Vec<(TaskId, Packed)>, Vec<TaskId>), CommError> {
    sender.send(&DataSays::Get { request, tasks: tasks.to_vec() }, Vec::new()).await?;
    let (mut came, mut gone) = (Vec::new(), Vec::new());
    loop {
        let message = match tokio::time::timeout(PROGRESS, receiver.recv()).await {
            Ok(message) => message?,
            Err(_) => {
                if receiver.last_heard().elapsed() < PROGRESS {
                    desk.bring([Input::GatherProgressed { request }]);
                }
                continue;
            }
        };
        let lost = |reason: &str| CommError::Lost { peer: Address::Inproc("peer".into()), reason: reason.to_owned() };
        let message = message.ok_or_else(|| lost("it closed the connection"))?;
        let DataHears::Values { request: of, values, absent, last } = message.header else { continue };
        if of != request {
            continue;
        }
        desk.bring([Input::GatherProgressed { request }]);
        let mut buffers = message.buffers.into_iter();
        for (task, sent) in values {
            let value = Packed::receive(sent, &mut buffers);
            came.push((task, value.ok_or_else(|| lost("it sent a value with fewer buffers than it says"))?));
        }
        gone.extend(absent);
        if last {
            return Ok((came, gone));
        }
    }
}
