//! What whoever starts a scheduler may choose.

use std::path::PathBuf;
use std::time::Duration;

use raskr_sched::SchedulerOptions;

use crate::address::Address;
use crate::options::Options;
use crate::security::Security;

#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen; others are told the first one.
    pub addresses: Vec<Address>,
    pub security: Security,
    pub machine: SchedulerOptions,
    pub connections: Options,
    /// Where to write a scheduler file, for clusters of several machines.
    pub scheduler_file: Option<PathBuf>,
    /// Whether the processes of this user find the cluster by its state file.
    pub publish: bool,
    /// Without work, new or old, for so long, the scheduler ends.
    pub idle_timeout: Option<Duration>,
    /// A worker whose connection broke, and of which it cannot be told whether it lives, is lost after so long.
    pub resume_within: Duration,
}

impl ServerOptions {
    pub fn new(address: Address, security: Security) -> ServerOptions {
        ServerOptions {
            addresses: vec![address],
            security,
            machine: SchedulerOptions::default(),
            connections: Options::default(),
            scheduler_file: None,
            publish: false,
            idle_timeout: None,
            resume_within: Duration::from_millis(750),
        }
    }
}
