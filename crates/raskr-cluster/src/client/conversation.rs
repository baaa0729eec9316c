//! The conversation with the scheduler: how it is found, what is heard, what is sent.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use raskr_sched::ToClient;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::data::Peers;
use super::outgoing::Outgoing;
use super::patience::Patience;
use super::table::{Notice, Table};
use super::{Client, ClientOptions, Running, Shared, replied};
use crate::address::Address;
use crate::connection::{Message, Receiver, Sender};
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::files::{ClusterFile, clusters, find};
use crate::handshake::Role;
use crate::security::Security;
use crate::token::Token;
use crate::wire::{ClientHears, ClientSays};

/// Where a scheduler is found when nothing else says; launchers set it for the processes that they start.
pub const ADDRESS_VARIABLE: &str = "RASKR_SCHEDULER_ADDRESS";
/// For connecting, where nobody says how long it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long something that refuses is asked again, where nobody says: it may be starting.
const REFUSED_MAX: Duration = Duration::from_millis(700);
/// How often a place is looked at again where nothing is yet.
const AGAIN: Duration = Duration::from_millis(50);
/// How long the last words may take to be sent.
const CLOSING: Duration = Duration::from_secs(2);

/// What the scheduler said of itself.
#[derive(Clone, Debug)]
pub struct Welcomed {
    /// Where it was reached.
    pub address: Address,
    /// JSON: its id, address, dashboard and version.
    pub about: String,
    pub security: Security,
}

impl Client {
    /// Connects, and waits for the scheduler's welcome.
    pub fn connect(options: ClientOptions) -> Result<Client, CommError> {
        let address = options.address.clone().unwrap_or_else(Address::loopback);
        let failed = |error| CommError::system(&address, "start the threads of a client", error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("raskr-client")
            .enable_all()
            .build()
            .map_err(failed)?;
        let met = runtime.block_on(meet(&options));
        let (sender, receiver, endpoint, welcomed) = match met {
            Ok(met) => met,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let shared = Arc::new(Shared {
            table: Mutex::new(Table::new(options.kept_bytes_max)),
            moved: Condvar::new(),
            moves: Default::default(),
            patience: Patience::default(),
            changed: Notify::new(),
            outgoing: Outgoing::default(),
            peers: Peers::new(endpoint),
            asks: Mutex::default(),
            locates: Mutex::default(),
            requests: Default::default(),
            listeners: Mutex::default(),
        });
        shared.outgoing.connected(sender.clone());
        let speaking = runtime.spawn(Arc::clone(&shared).speak(sender));
        runtime.spawn(Arc::clone(&shared).hear(receiver));
        Ok(Client { shared, running: Mutex::new(Some(Running { runtime, speaking })), welcomed })
    }
}

type Met = (Sender<ClientSays>, Receiver<ClientHears>, Endpoint, Welcomed);

async fn meet(options: &ClientOptions) -> Result<Met, CommError> {
    let timeout = options.timeout.unwrap_or(TIMEOUT);
    let deadline = Instant::now() + timeout;
    let (address, security) = place(options, deadline).await?;
    let mut endpoint = Endpoint::new(Role::Client, security.clone());
    let refused_until = Instant::now() + options.timeout.unwrap_or(REFUSED_MAX);
    let connection = loop {
        endpoint.options.connect_timeout = deadline.saturating_duration_since(Instant::now()).max(AGAIN);
        match endpoint.connect(&address).await {
            Ok(connection) => break connection,
            Err(CommError::Refused { .. }) if Instant::now() + AGAIN < refused_until => tokio::time::sleep(AGAIN).await,
            Err(CommError::Timeout { address, stage, .. }) => {
                return Err(CommError::Timeout { address, after: timeout, stage });
            }
            Err(error) => return Err(error),
        }
    };
    endpoint.options.connect_timeout = TIMEOUT;
    let (sender, mut receiver) = connection.split::<ClientSays, ClientHears>();
    let hello = ClientSays::Hello { name: options.name.as_str().into(), about: options.about.clone() };
    sender.send(&hello, Vec::new()).await?;
    let lost = |reason: &str| CommError::Lost { peer: address.clone(), reason: reason.to_owned() };
    let welcome = match tokio::time::timeout_at(deadline, receiver.recv()).await {
        Ok(heard) => heard?.ok_or_else(|| lost("the scheduler ended it at once"))?.header,
        Err(_) => return Err(CommError::Mute { address, after: timeout }),
    };
    match welcome {
        ClientHears::Welcome { about, .. } => {
            let welcomed = Welcomed { address, about, security };
            Ok((sender, receiver, endpoint, welcomed))
        }
        ClientHears::Closing { reason } => Err(lost(&reason)),
        _ => Err(lost("the scheduler did not welcome this client")),
    }
}

/// Where the scheduler is, and what shows that we belong to it.
async fn place(options: &ClientOptions, deadline: Instant) -> Result<(Address, Security), CommError> {
    if let Some(path) = &options.scheduler_file {
        let file = file(path, deadline).await?;
        let token = options.token.clone().unwrap_or_else(|| file.security.token().clone());
        let security = match &options.pem_files {
            Some(files) => Security::with_pem_files(token, files)?,
            None => file.security,
        };
        return Ok((file.address, security));
    }
    let named = match &options.address {
        Some(address) => Some(address.clone()),
        None => match std::env::var(ADDRESS_VARIABLE) {
            Ok(text) if !text.is_empty() => Some(text.parse()?),
            _ => None,
        },
    };
    let (address, security) = match (named, &options.token) {
        (Some(address), Some(token)) => (address, Security::new(token.clone())),
        // Both sides are this process.
        (Some(address @ Address::Inproc(_)), None) => (address, Security::new(Token::random()?)),
        (Some(address), None) => find(&address)?,
        (None, _) => {
            let latest = clusters()?.into_iter().next();
            let latest = latest.ok_or_else(|| CommError::NoToken { address: Address::loopback() })?;
            (latest.address, latest.security)
        }
    };
    let security = match &options.pem_files {
        Some(files) => Security::with_pem_files(security.token().clone(), files)?,
        None => security,
    };
    Ok((address, if options.insecure { security.insecure() } else { security }))
}

/// A scheduler file, once it is there and whole.
async fn file(path: &Path, deadline: Instant) -> Result<ClusterFile, CommError> {
    loop {
        match ClusterFile::read(path) {
            Err(CommError::File { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && Instant::now() + AGAIN < deadline =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            read => return read,
        }
    }
}

impl Shared {
    /// Sends what there is to say until there is no more.
    async fn speak(self: Arc<Shared>, sender: Sender<ClientSays>) {
        while let Some((message, buffers)) = self.outgoing.next().await {
            match sender.send(&message, buffers).await {
                Ok(()) => {}
                Err(error @ (CommError::TooLarge { .. } | CommError::Encode { .. })) => self.unsent(&message, &error),
                // Why it is lost, whoever receives knows better.
                Err(_) => break,
            }
            self.outgoing.passed();
        }
        // The connection may be gone already.
        let _ = sender.close(CLOSING).await;
    }

    /// A message that no connection takes.
    fn unsent(&self, message: &ClientSays, error: &CommError) {
        let reason = error.to_string();
        match message {
            ClientSays::Batch(batch) => {
                let mut table = self.table.lock();
                for said in batch {
                    if let raskr_sched::FromClient::Submit(submission) = said {
                        submission.wants.iter().for_each(|(_, future)| table.cancel(*future, &reason));
                    }
                }
                drop(table);
                self.tell_waiters();
            }
            ClientSays::Ask { request, .. } => {
                let waits = self.asks.lock().remove(request);
                let refusal = crate::wire::Refusal { class: "ValueError".to_owned(), message: reason };
                // Who gave up waiting is told nothing.
                waits.into_iter().for_each(|waits| drop(waits.send(Err(refusal.clone()))));
            }
            _ => {}
        }
    }

    /// Takes in what the scheduler says, until it is gone.
    async fn hear(self: Arc<Shared>, mut receiver: Receiver<ClientHears>) {
        let reason = loop {
            match receiver.recv().await {
                Ok(Some(message)) => {
                    let mut news = News::default();
                    let mut closing = self.take_in(message, &mut news);
                    // What has come meanwhile wakes those who wait once.
                    while closing.is_none()
                        && let Ok(Some(message)) = receiver.recv_ready()
                    {
                        closing = self.take_in(message, &mut news);
                    }
                    self.spread(news);
                    if let Some(reason) = closing {
                        break format!("the scheduler was closed: {reason}");
                    }
                }
                Ok(None) => break "the scheduler closed the connection".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        self.end(&reason);
    }

    /// A message; why the scheduler ends, if it does.
    fn take_in(self: &Arc<Shared>, message: Message<ClientHears>, news: &mut News) -> Option<String> {
        match message.header {
            ClientHears::Batch(batch) => {
                news.changed = true;
                let mut table = self.table.lock();
                for said in batch {
                    match table.hear(said) {
                        None => {}
                        Some(put @ ToClient::Put { .. }) => news.puts.push(put),
                        Some(ToClient::Located { request, found }) => {
                            let waits = self.locates.lock().remove(&request);
                            // Who gave up waiting is told nothing.
                            waits.into_iter().for_each(|waits| drop(waits.send(found.clone())));
                        }
                        Some(ToClient::KeyConflict { key }) if table.minds(&key) => {
                            news.notices.push(Notice::Conflict(key));
                        }
                        Some(ToClient::Workers(peers)) => self.peers.joined(peers),
                        Some(ToClient::WorkersLeft(workers)) => self.peers.left(&workers),
                        Some(_) => {}
                    }
                }
                let due: Vec<_> = table.take_due().into_iter().filter(|future| table.release(*future)).collect();
                if !due.is_empty() {
                    self.outgoing.release(&due);
                }
            }
            ClientHears::Answer { request, answer } => {
                let waits = self.asks.lock().remove(&request);
                let answer = replied(answer, message.buffers);
                waits.into_iter().for_each(|waits| drop(waits.send(answer.clone())));
            }
            ClientHears::Event { topic } => {
                let event = message.buffers.into_iter().next().unwrap_or_default();
                news.notices.push(Notice::Event { topic, event });
            }
            ClientHears::Closing { reason } => return Some(reason),
            ClientHears::Welcome { .. } => {}
        }
        None
    }

    fn spread(self: &Arc<Shared>, news: News) {
        if news.changed {
            self.tell_waiters();
        }
        if !news.puts.is_empty() {
            self.put(news.puts);
        }
        for notice in &news.notices {
            self.announce(notice);
        }
    }
}

/// What came together.
#[derive(Default)]
struct News {
    changed: bool,
    puts: Vec<ToClient>,
    notices: Vec<Notice>,
}
