//! Who waits for many futures, or for what others say: notices, in the order in which they came.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raskr_cluster::Notice;

use super::client::{ClusterClient, ids_of};

/// How often a thread that waits looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(100);

/// A queue of notices. Any thread may wait for the next.
#[pyclass(frozen, module = "raskr._core")]
pub struct ClusterListener {
    sender: mpsc::Sender<Notice>,
    receiver: Mutex<mpsc::Receiver<Notice>>,
}

#[pymethods]
impl ClusterListener {
    #[new]
    fn new() -> ClusterListener {
        let (sender, receiver) = mpsc::channel();
        ClusterListener { sender, receiver: Mutex::new(receiver) }
    }

    /// Has the end of each future come here, at once for those that are done.
    fn watch(&self, py: Python<'_>, client: &ClusterClient, futures: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let futures = ids_of(&futures)?;
        let client = client.client();
        py.detach(|| client.watch(&futures, &self.sender));
        Ok(())
    }

    /// Has events, conflicts of keys and the end of the connection come here.
    fn listen(&self, py: Python<'_>, client: &ClusterClient) {
        let client = client.client();
        py.detach(|| client.listen(self.sender.clone()));
    }

    /// Wakes one who waits, with the notice `("woken", None)`.
    fn wake(&self) {
        // There is always a receiver: it is ours.
        drop(self.sender.send(Notice::Woken));
    }

    /// Those that are there and, when there are none, the next one, if it comes in time: pairs of what it is and of what.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Vec<(&'static str, Py<PyAny>)>> {
        let deadline = super::options::seconds(timeout).map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline.map_or(POLL, |deadline| deadline.saturating_duration_since(Instant::now()).min(POLL));
            let found = py.detach(|| {
                let receiver = self.receiver.lock();
                match receiver.recv_timeout(left) {
                    Ok(first) => Some(std::iter::once(first).chain(receiver.try_iter()).collect::<Vec<_>>()),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
                }
            });
            if let Some(found) = found {
                return found.into_iter().map(|notice| shown(py, notice)).collect();
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Vec::new());
            }
        }
    }
}

fn shown(py: Python<'_>, notice: Notice) -> PyResult<(&'static str, Py<PyAny>)> {
    Ok(match notice {
        Notice::Done(future) => ("done", future.0.into_py_any(py)?),
        Notice::Event { topic, event } => ("event", (&*topic, PyBytes::new(py, &event)).into_py_any(py)?),
        Notice::Conflict(key) => ("conflict", key.into_py_any(py)?),
        Notice::Ended(reason) => ("ended", reason.into_py_any(py)?),
        Notice::Woken => ("woken", py.None()),
    })
}
