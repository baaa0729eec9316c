//! The cluster's page, its health and its metrics, over read-only snapshots.
//!
//! [`Dashboard::start`] serves what a [`Source`] tells, on threads of its own: `/status` is a page that stays live by
//! server-sent events, `/metrics` is for Prometheus, `/info.json` for programs, `/health` for whoever watches processes.
//!
//! Knows: HTTP, who may look. Does not know: the cluster's wire, its machines, Python. Invariants: nothing that is asked
//! here changes anything; the source is asked at most twice a second, and not at all while nobody looks, whatever the number
//! of pages; a slow page holds up nobody; who does not show the token learns nothing but that somebody listens.
//! Tested over sockets in `tests/it`, and looked at with `cargo run -p raskr-dashboard --example demo`.
//!
//! ```
//! use std::sync::Arc;
//! use raskr_dashboard::{Dashboard, Options, Snapshot, Source};
//!
//! struct Nothing;
//! impl Source for Nothing {
//!     fn snapshot(&self, _since: u64, _most: usize) -> Option<Snapshot> {
//!         Some(Snapshot::default())
//!     }
//! }
//!
//! # fn main() -> Result<(), raskr_dashboard::DashboardError> {
//! let options = Options { token: Some("secret".into()), ..Options::default() };
//! let dashboard = Dashboard::start(":0", Arc::new(Nothing), options)?;
//! assert!(dashboard.link().ends_with("/status?token=secret"));
//! # Ok(()) }
//! ```

mod address;
mod connections;
mod error;
mod guard;
mod metrics;
mod page;
mod sampler;
mod server;
mod source;
mod spans;

pub use address::DEFAULT_PORT;
pub use error::DashboardError;
pub use server::{Dashboard, Options};
pub use source::{Cluster, Counters, Group, LogLine, Ran, Snapshot, Source, States, Status, Worker};
