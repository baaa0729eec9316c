//! The connection to the scheduler, which may not be there.

use raskr_sched::{FromWorker, Incarnation, Link, ToWorker, WorkerId};
use tokio::task::JoinHandle;

use crate::connection::{Message, Receiver, Sender};
use crate::error::CommError;
use crate::wire::{WorkerHears, WorkerSays};

/// With which incarnation the scheduler counts.
pub(super) struct Linked {
    pub worker: WorkerId,
    pub incarnation: Incarnation,
    pub link: Link<FromWorker, ToWorker>,
}

pub(super) type Line = (Sender<WorkerSays>, Receiver<WorkerHears>);

/// The next message; the error of a connection that ended, if it was one.
pub(super) async fn next(
    receiver: &mut Option<Receiver<WorkerHears>>,
) -> Result<Message<WorkerHears>, Option<CommError>> {
    match receiver {
        Some(receiver) => match receiver.recv().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        },
        None => std::future::pending().await,
    }
}

pub(super) async fn made(connecting: &mut Option<JoinHandle<Result<Line, CommError>>>) -> Result<Line, CommError> {
    match connecting {
        Some(task) => match task.await {
            Ok(made) => made,
            // Only the end of the runtime ends it.
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Unlike that of other processes, and of other workers within this one.
pub(super) fn process_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros() as u64;
    let count = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    (u64::from(std::process::id()) << 40) ^ since ^ (count << 56)
}
