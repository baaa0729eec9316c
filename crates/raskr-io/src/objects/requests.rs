//! The runtime of requests, and how threads wait for it.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Requests wait for servers most of the time.
const THREADS: usize = 2;

fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = Builder::new_multi_thread().worker_threads(THREADS).thread_name("raskr-objects").enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// What is being asked for; given up when it is dropped.
pub(super) struct Asked<T> {
    answer: Receiver<T>,
    task: JoinHandle<()>,
}

impl<T: Send + 'static> Asked<T> {
    pub(super) fn begin(work: impl Future<Output = T> + Send + 'static) -> io::Result<Asked<T>> {
        let (sender, answer) = sync_channel(1);
        let task = runtime()?.spawn(async move {
            // Nobody waits any more where it can't be sent.
            let _ = sender.send(work.await);
        });
        Ok(Asked { answer, task })
    }

    pub(super) fn wait(&self) -> io::Result<T> {
        self.answer.recv().map_err(|_| io::Error::other("a request ended without an answer"))
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the answer.
pub(super) fn ask<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
    Asked::begin(work)?.wait()
}
