//! `SchedulerHandle`: a scheduler in this process, as Python holds it. Waits look for Ctrl-C, and hold no interpreter.

use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyUserWarning};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};
use raskr_base::TaskError;
use raskr_cluster::{Refusal, SchedulerServer};
use raskr_dashboard::Dashboard;

use super::dashboard::start_dashboard;
use super::options::{comm_error, seconds};
use super::scheduler_options::{page_options, server_options};
use crate::enter::enter;

/// How often a call that waits looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(100);

/// A scheduler that runs in this process; it ends when nobody holds it any more.
#[pyclass(frozen, module = "raskr._core")]
pub struct SchedulerHandle {
    server: Option<Arc<SchedulerServer>>,
    dashboard: Mutex<Option<Dashboard>>,
}

/// Starts a scheduler; see the type stub.
#[pyfunction]
pub fn start_scheduler(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<SchedulerHandle> {
    let (page, options) = (page_options(options)?, server_options(py, options)?);
    let server = py.detach(|| SchedulerServer::start(options)).map_err(|error| comm_error(py, error))?;
    let handle = SchedulerHandle { server: Some(Arc::new(server)), dashboard: Mutex::new(None) };
    if let Some((address, prefix)) = page {
        let server = handle.server()?;
        let dashboard = enter(py, || start_dashboard(server, &address, &prefix))?;
        if let Some(words) = dashboard.moved() {
            let words = CString::new(words).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &words, 1)?;
        }
        *handle.dashboard.lock() = Some(dashboard);
    }
    Ok(handle)
}

impl Drop for SchedulerHandle {
    fn drop(&mut self) {
        // Ending takes a while, in which whoever drops this may hold the interpreter that others need to end.
        let (server, dashboard) = (self.server.take(), self.dashboard.lock().take());
        if server.is_some() {
            std::thread::spawn(move || drop((server, dashboard)));
        }
    }
}

impl SchedulerHandle {
    fn server(&self) -> PyResult<&Arc<SchedulerServer>> {
        self.server.as_ref().ok_or_else(|| PyRuntimeError::new_err("the scheduler's handle was dropped"))
    }
}

/// Asks `look` again and again until it has something, the time is up, or Ctrl-C.
fn wait_for<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    look: impl Fn(Duration) -> Option<T> + Send + Sync,
) -> PyResult<Option<T>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map_or(POLL, |deadline| deadline.saturating_duration_since(Instant::now()).min(POLL));
        if let Some(found) = enter(py, || Ok(look(left)))? {
            return Ok(Some(found));
        }
        py.check_signals()?;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
    }
}

/// The exception of Python's own that a refusal names.
fn refused(py: Python<'_>, refusal: Refusal) -> PyErr {
    let class = py.import(intern!(py, "builtins")).and_then(|module| module.getattr(refusal.class.as_str()));
    match class.and_then(|class| Ok(class.cast_into::<PyType>()?)) {
        Ok(class) => PyErr::from_type(class, refusal.message),
        Err(_) => PyRuntimeError::new_err(format!("{}: {}", refusal.class, refusal.message)),
    }
}

#[pymethods]
impl SchedulerHandle {
    #[getter]
    fn address(&self) -> PyResult<String> {
        Ok(self.server()?.address().map(ToString::to_string).unwrap_or_default())
    }

    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(self.server()?.id().to_owned())
    }

    #[getter]
    fn token(&self) -> PyResult<String> {
        Ok(self.server()?.token().reveal())
    }

    #[getter]
    fn dashboard_link(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let server = self.server()?;
        enter(py, || Ok(server.dashboard()))
    }

    #[pyo3(signature = (question, buffers = Vec::new(), timeout = None))]
    fn ask<'py>(
        &self,
        py: Python<'py>,
        question: &str,
        buffers: Vec<Vec<u8>>,
        timeout: Option<f64>,
    ) -> PyResult<(String, Vec<Bound<'py, PyBytes>>)> {
        let timeout = seconds(timeout);
        let asked = self.server()?.ask(question, buffers.into_iter().map(Bytes::from).collect());
        let (answer, buffers) = match wait_for(py, timeout, |left| asked.wait(left))? {
            Some(answered) => answered,
            None => {
                let after = timeout.unwrap_or_default();
                return Err(PyTimeoutError::new_err(format!("the scheduler gave no answer within {after:?}")));
            }
        };
        let answer = answer.map_err(|refusal| refused(py, refusal))?;
        Ok((answer, buffers.iter().map(|buffer| PyBytes::new(py, buffer)).collect()))
    }

    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let (timeout, server) = (seconds(timeout), self.server()?);
        Ok(wait_for(py, timeout, |left| server.wait(Some(left)))?.is_some())
    }

    #[pyo3(signature = (reason = "the scheduler was closed"))]
    fn close(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        let server = self.server()?;
        enter(py, || {
            server.close(reason);
            drop(self.dashboard.lock().take());
            Ok::<(), TaskError>(())
        })
    }

    fn __repr__(&self) -> PyResult<String> {
        Ok(format!("<SchedulerHandle {}>", self.address()?))
    }
}
