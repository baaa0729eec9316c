//! What can go wrong between two processes: always with whom, what was expected and what came instead.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use raskr_base::{ErrorClass, TaskError};
use thiserror::Error;

use crate::address::Address;

/// The steps of making a connection, which share one deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Connect,
    Tls,
    Handshake,
    Close,
}

impl Stage {
    fn doing(self) -> &'static str {
        match self {
            Stage::Connect => "connecting",
            Stage::Tls => "the TLS handshake",
            Stage::Handshake => "raskr's handshake",
            Stage::Close => "sending what was left before the connection closes",
        }
    }
}

/// What a peer that is not raskr, or not as expected, seems to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    Http,
    Tls,
    Ssh,
    /// Not TLS, where TLS was expected.
    Plain,
    Nothing,
    Unknown,
}

impl Speaks {
    fn describe(self) -> &'static str {
        match self {
            Speaks::Http => "answers like HTTP: is this the dashboard's port?",
            Speaks::Tls => "speaks TLS where a plain connection was expected: say tls:// in place of tcp://",
            Speaks::Ssh => "answers like SSH, not like raskr: is this the right port?",
            Speaks::Plain => "does not speak TLS: if it was started with --insecure, say tcp:// in place of tls://",
            Speaks::Nothing => {
                "closed the connection without an answer: no raskr process listens there, or it is ending"
            }
            Speaks::Unknown => "answers with bytes that are not raskr's: is this the right port?",
        }
    }
}

/// A range of versions, as text.
fn range(versions: (u16, u16)) -> String {
    if versions.0 == versions.1 { versions.0.to_string() } else { format!("{} to {}", versions.0, versions.1) }
}

#[derive(Clone, Debug, Error)]
pub enum CommError {
    #[error(
        "'{text}' is no address: {reason}; expected tcp://host:port, tls://host:port, unix:///path, inproc://name or \
         host:port"
    )]
    Address { text: String, reason: String },

    #[error("no network interface '{name}' with an address; there are {}", known.join(", "))]
    Interface { name: String, known: Vec<String> },

    #[error("{address}: the host name was not found ({source})")]
    Resolve { address: Address, source: Arc<io::Error> },

    #[error("{address}: connection refused: nothing listens there")]
    Refused { address: Address },

    #[error("{address}: could not {doing}: {source}")]
    System { address: Address, doing: &'static str, source: Arc<io::Error> },

    #[error("{address}: no connection within {after:?}: {} took too long", stage.doing())]
    Timeout { address: Address, after: Duration, stage: Stage },

    #[error(
        "{address}: connected, but nothing was answered within {after:?}: is this a raskr process, and is it alive?"
    )]
    Mute { address: Address, after: Duration },

    #[error("{} is in use{}", address.place(), by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    InUse { address: Address, by: Option<String> },

    #[error("{address}: {}", speaks.describe())]
    Foreign { address: Address, speaks: Speaks },

    #[error("{address}: TLS: {reason}")]
    Tls { address: Address, reason: String },

    #[error(
        "{address}: has another token: it belongs to another cluster or another start of it; check RASKR_TOKEN or the \
         scheduler file"
    )]
    WrongToken { address: Address },

    #[error(
        "{address}: no token is known for it: set RASKR_TOKEN to the cluster's token, or use its scheduler file (clusters \
         of this user on this machine are found by themselves)"
    )]
    NoToken { address: Address },

    #[error("{what}: expected a token of 64 hexadecimal digits, found {found}")]
    BadToken { what: String, found: String },

    #[error(
        "{address}: runs raskr {theirs}, which speaks version {} of the protocol; this is raskr {ours}, which speaks {}: \
         install the same version on both sides",
        range(*their_range), range(*our_range)
    )]
    Version { address: Address, ours: String, our_range: (u16, u16), theirs: String, their_range: (u16, u16) },

    #[error(
        "{address}: would be open to the network without encryption: use tls:// or, where the network is trusted, \
         insecure (--insecure)"
    )]
    Insecure { address: Address },

    #[error("{peer}: the connection was lost: {reason}")]
    Lost { peer: Address, reason: String },

    #[error("{peer}: the connection ended within a message, {missing} bytes short")]
    Truncated { peer: Address, missing: u64 },

    #[error("{peer}: nothing was heard for {silent:?}: the process is stopped, or the network is cut")]
    Silent { peer: Address, silent: Duration },

    #[error("{peer}: sent a message with {found} bytes of {what}; at most {limit} are accepted")]
    Oversized { peer: Address, what: &'static str, found: u64, limit: u64 },

    #[error("{peer}: sent what can't be read: {reason}")]
    Malformed { peer: Address, reason: String },

    #[error("a message to {peer} has {found} bytes of {what}; at most {limit} can be sent")]
    TooLarge { peer: Address, what: &'static str, found: u64, limit: u64 },

    #[error("a message to {peer} could not be encoded: {reason}")]
    Encode { peer: Address, reason: String },

    #[error("{peer}: no memory for {bytes} bytes of a message")]
    Memory { peer: Address, bytes: u64 },

    #[error("{peer}: the connection was closed on this side")]
    Closed { peer: Address },

    #[error("{address}: too many open files (the limit is {limit}); raise it with ulimit -n")]
    Files { address: Address, limit: u64 },

    #[error("{}: could not {doing}: {source}", path.display())]
    File { path: PathBuf, doing: &'static str, source: Arc<io::Error> },

    #[error("{}: expected {expected}, found {found}", path.display())]
    Content { path: PathBuf, expected: &'static str, found: String },
}

impl CommError {
    /// Which exception the error becomes.
    pub fn class(&self) -> ErrorClass {
        match self {
            CommError::Address { .. }
            | CommError::Interface { .. }
            | CommError::BadToken { .. }
            | CommError::Insecure { .. }
            | CommError::TooLarge { .. }
            | CommError::Encode { .. }
            | CommError::Content { .. } => ErrorClass::Value,
            CommError::Timeout { .. } | CommError::Mute { .. } => ErrorClass::Timeout,
            CommError::Memory { .. } => ErrorClass::Memory,
            CommError::Resolve { .. }
            | CommError::Refused { .. }
            | CommError::System { .. }
            | CommError::InUse { .. }
            | CommError::Foreign { .. }
            | CommError::Tls { .. }
            | CommError::WrongToken { .. }
            | CommError::NoToken { .. }
            | CommError::Version { .. }
            | CommError::Lost { .. }
            | CommError::Truncated { .. }
            | CommError::Silent { .. }
            | CommError::Oversized { .. }
            | CommError::Malformed { .. }
            | CommError::Closed { .. }
            | CommError::Files { .. }
            | CommError::File { .. } => ErrorClass::Os,
        }
    }

    /// A failed call of the system on a socket; running out of files is told apart.
    pub(crate) fn system(address: &Address, doing: &'static str, source: io::Error) -> CommError {
        match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => CommError::Files {
                address: address.clone(),
                limit: rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(0),
            },
            _ => CommError::System { address: address.clone(), doing, source: Arc::new(source) },
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, doing: &'static str, source: io::Error) -> CommError {
        CommError::File { path: path.into(), doing, source: Arc::new(source) }
    }

    pub(crate) fn lost(peer: &Address, source: &io::Error) -> CommError {
        let reason = match source.kind() {
            io::ErrorKind::ConnectionReset => "the other process ended or aborted it".to_owned(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "the other process is gone".to_owned(),
            _ => source.to_string(),
        };
        CommError::Lost { peer: peer.clone(), reason }
    }
}

impl From<CommError> for TaskError {
    fn from(error: CommError) -> TaskError {
        TaskError::new(error.class(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each, with what its message must name.
    fn every_error() -> Vec<(CommError, ErrorClass, &'static str)> {
        let address: Address = "tcp://10.9.8.7:65".parse().expect("an address");
        let (peer, path, text) = (address.clone(), PathBuf::from("/some/file"), "something".to_owned());
        let source = Arc::new(io::Error::other("reason of the system"));
        let (after, what) = (Duration::from_millis(1500), "header");
        let all = vec![
            CommError::Address { text: text.clone(), reason: "it is no good".into() },
            CommError::Interface { name: text.clone(), known: vec!["lo".into(), "eth0".into()] },
            CommError::Resolve { address: address.clone(), source: source.clone() },
            CommError::Refused { address: address.clone() },
            CommError::System { address: address.clone(), doing: "connect", source: source.clone() },
            CommError::Timeout { address: address.clone(), after, stage: Stage::Tls },
            CommError::Mute { address: address.clone(), after },
            CommError::InUse { address: address.clone(), by: Some("pid 7 (raskr scheduler)".into()) },
            CommError::Foreign { address: address.clone(), speaks: Speaks::Http },
            CommError::Tls { address: address.clone(), reason: text.clone() },
            CommError::WrongToken { address: address.clone() },
            CommError::NoToken { address: address.clone() },
            CommError::BadToken { what: text.clone(), found: "5 characters".into() },
            CommError::Version {
                address: address.clone(),
                ours: "1.0.0".into(),
                our_range: (1, 1),
                theirs: "2.0.0".into(),
                their_range: (2, 3),
            },
            CommError::Insecure { address: address.clone() },
            CommError::Lost { peer: peer.clone(), reason: text.clone() },
            CommError::Truncated { peer: peer.clone(), missing: 5 },
            CommError::Silent { peer: peer.clone(), silent: after },
            CommError::Oversized { peer: peer.clone(), what, found: 6, limit: 5 },
            CommError::Malformed { peer: peer.clone(), reason: text.clone() },
            CommError::TooLarge { peer: peer.clone(), what, found: 6, limit: 5 },
            CommError::Encode { peer: peer.clone(), reason: text.clone() },
            CommError::Memory { peer: peer.clone(), bytes: 5 },
            CommError::Closed { peer },
            CommError::Files { address, limit: 64 },
            CommError::File { path: path.clone(), doing: "read it", source },
            CommError::Content { path, expected: "a key", found: text },
        ];
        let named = |error: &CommError| match error {
            CommError::Address { .. } | CommError::Interface { .. } | CommError::BadToken { .. } => "something",
            CommError::File { .. } | CommError::Content { .. } => "/some/file",
            CommError::InUse { .. } => "10.9.8.7:65 is in use by pid 7 (raskr scheduler)",
            CommError::Version { .. } => {
                "tcp://10.9.8.7:65: runs raskr 2.0.0, which speaks version 2 to 3 of the protocol"
            }
            _ => "tcp://10.9.8.7:65",
        };
        all.into_iter().map(|error| (error.clone(), error.class(), named(&error))).collect()
    }

    #[test]
    fn every_error_says_where_and_keeps_its_class_as_the_error_of_a_task() {
        let all = every_error();
        let kinds: std::collections::HashSet<_> = all.iter().map(|(error, ..)| std::mem::discriminant(error)).collect();
        assert_eq!(kinds.len(), all.len());
        for (error, class, named) in all {
            assert!(error.to_string().contains(named), "{error}");
            let task = TaskError::from(error.clone());
            assert_eq!((task.class, task.message), (class, error.to_string()));
        }
    }

    #[test]
    fn a_system_without_files_is_told_apart() {
        let address = Address::loopback();
        let full = CommError::system(&address, "connect", rustix::io::Errno::MFILE.into());
        assert!(full.to_string().contains("raise it with ulimit -n"), "{full}");
        let other = CommError::system(&address, "connect", rustix::io::Errno::NETUNREACH.into());
        assert!(other.to_string().contains("could not connect: "), "{other}");
    }
}
