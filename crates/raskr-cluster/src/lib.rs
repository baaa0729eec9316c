//! The cluster's wire: addresses, frames, handshake, security and transports. What runs on it comes on top.
//!
//! An [`Endpoint`] (a role, a [`Security`], [`Options`]) connects to an [`Address`] or listens on one. Either gives a
//! [`Connection`] whose two sides have shown that they belong to one cluster; it is split into a [`Sender`] and a
//! [`Receiver`] of [`Message`]s: a header of the caller's type and buffers behind it, which are not copied on their way out.
//!
//! Knows: sockets, certificates, state files. Does not know: tasks, what messages mean, Python. Invariants: nothing is read,
//! decoded or allocated for a peer before it has proven that it has the cluster's token, but numbers of fixed size; every
//! length is checked before memory is taken; every queue is bounded; every wait for a peer has a limit.
//! Tested beside each module, and in `tests/it` with real sockets, a proxy that damages what passes, and strangers.
//!
//! ```
//! use raskr_cluster::{Address, Endpoint, Role, Security, Token};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let security = Security::new(Token::random()?);
//! let mut listener = Endpoint::new(Role::Scheduler, security.clone()).listen(&Address::loopback()).await?;
//! let client = Endpoint::new(Role::Client, security).connect(listener.address()).await?;
//! let (sender, _receiver) = client.split::<String, ()>();
//! sender.send(&"sum".to_owned(), vec![vec![1, 2, 3].into()]).await?;
//!
//! let (_sender, mut receiver) = listener.accept().await?.split::<(), String>();
//! let message = receiver.recv().await?.ok_or("closed")?;
//! assert_eq!((message.header.as_str(), &message.buffers[0][..]), ("sum", &[1, 2, 3][..]));
//! # Ok(()) })
//! # }
//! ```

mod address;
mod buffers;
mod client;
mod connection;
mod endpoint;
mod error;
mod files;
mod frame;
mod handshake;
mod inproc;
mod interface;
mod listener;
mod loan;
mod near;
mod options;
mod outbox;
mod packed;
mod process;
mod quiet;
mod runner;
mod scheduler;
mod security;
mod stream;
mod token;
mod unix;
mod wire;
mod worker;
mod write;

pub use address::{Address, DEFAULT_PORT, Host};
pub use buffers::{buffer_of, bytes_of};
pub use client::{
    Asking, Client, ClientOptions, Draft, EVERYWHERE, Fetched, FutureState, Gathered, Gathering, Missing, Notice,
    Scattered, Until, Waiting, Welcomed,
};
pub use connection::{Connection, Message, Receiver, Sender};
pub use endpoint::Endpoint;
pub use error::{CommError, Speaks, Stage};
pub use files::{ClusterFile, Published, clusters, find, state_folder};
pub use frame::Limits;
pub use handshake::{PROTOCOL_VERSIONS, Peer, Role};
pub use interface::{interface_address, outward_address};
pub use listener::Listener;
pub use loan::Loan;
pub use options::Options;
pub use packed::{Buffer, Packed, Sent};
pub use process::{listens_on, machine_id};
pub use runner::{Ended, Progress, Runner, Stored, Work};
pub use scheduler::{Asked, ClassSeen, Lag, LogLine, Ran, SchedulerServer, ServerOptions, View, WorkerSeen};
pub use security::{PemFiles, Security};
pub use token::{TOKEN_VARIABLE, Token};
pub use wire::{Answer, ClientHears, ClientSays, DataHears, DataSays, Refusal, WorkerHears, WorkerSays};
pub use worker::{Contact, End, WorkerServer, WorkerSettings};
