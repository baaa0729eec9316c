//! `ClusterClient`: a connection to a scheduler, as Python holds it. Waits look for Ctrl-C, and hold no interpreter.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyo3::exceptions::{PyOSError, PyTimeoutError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use raskr_cluster::{Client, FutureState, Gathered, Missing, Scattered, Until};
use raskr_sched::{FutureId, Keeping, Key};

use super::failure;
use super::future::{ClusterFuture, Handle, Pickling, status_of};
use super::graph;
use super::options::{annotations, client_options, comm_error, seconds};
use super::values::{pack_object, pack_object_in_place, unpack_object};
use super::{plain, submit};

/// How often a call that waits looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(100);

/// A client's connection.
#[pyclass(frozen, module = "raskr._core", weakref)]
pub struct ClusterClient {
    client: Arc<Client>,
    name: String,
}

/// Connects to a scheduler; see the type stub.
#[pyfunction]
pub fn connect(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<ClusterClient> {
    let options = client_options(py, options)?;
    let name = options.name.clone();
    let client = py.detach(|| Client::connect(options)).map_err(|error| comm_error(py, error))?;
    Ok(ClusterClient { client: Arc::new(client), name })
}

/// Asks `look` again and again until it has something, the time is up, or Ctrl-C.
pub fn wait_for<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    mut look: impl FnMut(Duration) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let left = deadline.map_or(POLL, |deadline| deadline.saturating_duration_since(Instant::now()).min(POLL));
        if let Some(found) = py.detach(|| look(left)) {
            return Ok(Some(found));
        }
        py.check_signals()?;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
    }
}

/// The numbers of futures.
pub fn ids_of(futures: &[Bound<'_, PyAny>]) -> PyResult<Vec<FutureId>> {
    futures.iter().map(|future| Ok(future_of(future)?.handle().future())).collect()
}

fn future_of<'a>(future: &'a Bound<'_, PyAny>) -> PyResult<&'a ClusterFuture> {
    match future.cast::<ClusterFuture>() {
        Ok(future) => Ok(future.get()),
        Err(_) => Err(PyTypeError::new_err(format!("expected a future, got {}", future.get_type().name()?))),
    }
}

/// A key as text.
pub fn text_of(key: &Bound<'_, PyAny>) -> PyResult<Key> {
    Ok(Key::from(key.str()?.to_str()?))
}

/// A key that is not its own text.
pub fn other_than_text(key: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
    (!key.is_exact_instance_of::<PyString>()).then(|| key.clone().unbind())
}

impl ClusterClient {
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

#[pymethods]
impl ClusterClient {
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Where the scheduler was reached.
    #[getter]
    fn address(&self) -> String {
        self.client.welcomed().address.to_string()
    }

    /// What the scheduler said of itself, as JSON.
    #[getter]
    fn about(&self) -> &str {
        &self.client.welcomed().about
    }

    /// The cluster's secret, for processes that are to join it.
    fn token(&self) -> String {
        self.client.welcomed().security.token().reveal()
    }

    /// Why nothing can be asked any more; None while it can.
    #[getter]
    fn ended(&self) -> Option<String> {
        self.client.ended().map(|reason| reason.to_string())
    }

    #[pyo3(signature = (timeout=1.0))]
    fn close(&self, py: Python<'_>, timeout: f64) {
        py.detach(|| self.client.close(seconds(Some(timeout)).unwrap_or_default()));
    }

    #[pyo3(signature = (question, buffers=Vec::new(), timeout=None))]
    fn ask<'py>(
        &self,
        py: Python<'py>,
        question: String,
        buffers: Vec<Vec<u8>>,
        timeout: Option<f64>,
    ) -> PyResult<(String, Vec<Bound<'py, PyBytes>>)> {
        let buffers = buffers.into_iter().map(Bytes::from).collect();
        let mut asked = self.client.ask(question, buffers);
        match wait_for(py, seconds(timeout), |within| asked.wait(within))? {
            Some(Ok((answer, buffers))) => {
                Ok((answer, buffers.iter().map(|buffer| PyBytes::new(py, buffer)).collect()))
            }
            Some(Err(refusal)) => Err(named_error(py, &refusal.class, refusal.message)),
            None => {
                let after = timeout.unwrap_or_default();
                Err(PyTimeoutError::new_err(format!("the scheduler did not answer within {after} s")))
            }
        }
    }

    /// One call; see the type stub.
    #[pyo3(signature = (function, args, kwargs=None, key=None, pure=true, options=None))]
    #[allow(clippy::too_many_arguments)]
    fn submit<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        key: Option<&Bound<'py, PyAny>>,
        pure: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<ClusterFuture>> {
        submit::submit(slf, function, args, kwargs, key, pure, options)
    }

    /// A call for each of the items that iterables have at a place; see the type stub.
    #[pyo3(signature = (function, iterables, kwargs=None, keys=None, name=None, pure=true, options=None))]
    #[allow(clippy::too_many_arguments)]
    fn map<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        iterables: Vec<Bound<'py, PyList>>,
        kwargs: Option<&Bound<'py, PyDict>>,
        keys: Option<Vec<Bound<'py, PyAny>>>,
        name: Option<&str>,
        pure: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Py<ClusterFuture>>> {
        submit::map(slf, function, &iterables, kwargs, keys.as_deref(), name, pure, annotations(options)?)
    }

    /// The tasks that items need; see the type stub.
    #[pyo3(signature = (items, options=None, waited_for=false))]
    fn submit_items<'py>(
        slf: &Bound<'py, Self>,
        items: Vec<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
        waited_for: bool,
    ) -> PyResult<Vec<Py<PyAny>>> {
        graph::submit(slf, &items, annotations(options)?, waited_for)
    }

    /// Futures of keys that are known to the scheduler.
    fn want<'py>(slf: &Bound<'py, Self>, keys: Vec<Bound<'py, PyAny>>) -> PyResult<Vec<Py<ClusterFuture>>> {
        let texts = keys.iter().map(text_of).collect::<PyResult<Vec<Key>>>()?;
        let this = slf.get();
        let futures = slf.py().detach(|| this.client.want(&texts));
        let made = futures.into_iter().zip(texts).zip(&keys);
        made.map(|((future, text), key)| this.future(slf, future, text, other_than_text(key))).collect()
    }

    /// Puts objects on workers, under keys or those of their content; `copies` says on how many, None on all.
    #[pyo3(signature = (keys, objects, copies=None, waited_for=false))]
    fn scatter<'py>(
        slf: &Bound<'py, Self>,
        keys: Option<Vec<Bound<'py, PyAny>>>,
        objects: Vec<Bound<'py, PyAny>>,
        copies: Option<u16>,
        waited_for: bool,
    ) -> PyResult<Vec<Py<ClusterFuture>>> {
        let (py, this) = (slf.py(), slf.get());
        let mut values = Vec::with_capacity(objects.len());
        let mut own = Vec::with_capacity(objects.len());
        let mut kept = 0;
        let pickling = Pickling::new();
        let mut holds = Vec::with_capacity(objects.len());
        for (place, object) in objects.iter().enumerate() {
            let mut packed = if waited_for { pack_object_in_place(py, object)? } else { pack_object(py, object)? };
            let under = pickling.taken();
            holds.push((!under.is_empty()).then(|| Arc::new(under)));
            let lasting = !waited_for || this.client.keeps(packed.nbytes(), kept);
            if waited_for && lasting {
                // It is kept, and the object may change.
                packed = owned(&packed);
                kept += packed.nbytes();
            }
            let key = keys.as_ref().map(|keys| {
                let missing = || PyValueError::new_err("scatter: expected a key for each object");
                keys.get(place).ok_or_else(missing)
            });
            let (text, key) = match key.transpose()? {
                Some(key) => (text_of(key)?, other_than_text(key)),
                None => (submit::content_key(&packed, &object.get_type().name()?.to_string()), None),
            };
            let keeping = if lasting { Keeping::Kept } else { Keeping::Given };
            values.push(Scattered { key: text, value: packed, keeping });
            own.push(key);
        }
        let texts: Vec<Key> = values.iter().map(|one| Arc::clone(&one.key)).collect();
        let futures = py.detach(|| this.client.scatter(values, copies.unwrap_or(raskr_cluster::EVERYWHERE)));
        let made = futures.into_iter().zip(texts).zip(own).zip(holds);
        made.map(|(((future, text), key), holds)| {
            let handle = Handle::new(Arc::clone(&this.client), future);
            let future = ClusterFuture::new(slf.clone().unbind(), handle, text).with_key(key);
            Py::new(py, future.holding(holds, None))
        })
        .collect()
    }

    /// Whether all, or any, of some futures are done, in time.
    #[pyo3(signature = (futures, every=true, timeout=None))]
    fn wait(
        &self,
        py: Python<'_>,
        futures: Vec<Bound<'_, PyAny>>,
        every: bool,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let until = if every { Until::All } else { Until::Any };
        let mut waiting = self.client.waiting(ids_of(&futures)?, until);
        let done = wait_for(py, seconds(timeout), |within| waiting.wait(within).then_some(()))?;
        Ok(done.is_some())
    }

    /// How many workers there are.
    #[getter]
    fn workers(&self, py: Python<'_>) -> usize {
        py.detach(|| self.client.workers())
    }

    /// Whether there are so many workers, in time.
    #[pyo3(signature = (workers, timeout=None))]
    fn wait_for_workers(&self, py: Python<'_>, workers: usize, timeout: Option<f64>) -> PyResult<bool> {
        let enough = wait_for(py, seconds(timeout), |within| {
            let there = self.client.wait_for_workers(workers, within);
            (there || self.client.ended().is_some()).then_some(there)
        });
        Ok(enough?.unwrap_or(false))
    }

    /// The values of futures, in their order; see the type stub.
    #[pyo3(signature = (futures, errors="raise", timeout=None))]
    fn gather<'py>(
        &self,
        py: Python<'py>,
        futures: Vec<Bound<'py, PyAny>>,
        errors: &str,
        timeout: Option<f64>,
    ) -> PyResult<(Bound<'py, PyList>, Vec<usize>)> {
        let skip = match errors {
            "raise" => false,
            "skip" => true,
            other => return Err(PyValueError::new_err(format!("errors={other:?}: expected 'raise' or 'skip'"))),
        };
        // Each value is unpacked once, however often it is asked for.
        let mut places: HashMap<FutureId, usize> = HashMap::with_capacity(futures.len());
        let (mut unique, mut place_of) = (Vec::new(), Vec::with_capacity(futures.len()));
        for id in ids_of(&futures)? {
            place_of.push(*places.entry(id).or_insert_with(|| {
                unique.push(id);
                unique.len() - 1
            }));
        }
        let mut gathering = self.client.gather(unique, !skip);
        let Some(gathered) = wait_for(py, seconds(timeout), |within| gathering.wait(within))? else {
            let after = timeout.unwrap_or_default();
            return Err(PyTimeoutError::new_err(format!("{} futures were not there within {after} s", futures.len())));
        };
        let mut texts: Vec<&str> = vec![""; gathered.len()];
        for (future, &place) in futures.iter().zip(&place_of) {
            texts[place] = future_of(future)?.text();
        }
        let error = |one: &Gathered| matches!(one, Err(missing) if !matches!(missing, Missing::NotAwaited));
        if !skip
            && let Some(place) = gathered.iter().position(error)
            && let Err(missing) = &gathered[place]
        {
            return Err(failure::of_missing(py, texts[place], missing));
        }
        let mut objects: Vec<Option<Py<PyAny>>> = Vec::with_capacity(gathered.len());
        for (one, key) in gathered.into_iter().zip(&texts) {
            objects.push(object_of(py, one, key, skip)?);
        }
        let (list, mut missing) = (PyList::empty(py), Vec::new());
        for (number, &place) in place_of.iter().enumerate() {
            match &objects[place] {
                Some(object) => list.append(object)?,
                None => {
                    missing.push(number);
                    list.append(py.None())?;
                }
            }
        }
        Ok((list, missing))
    }

    /// `(key, status)` of every key that this client holds futures of.
    fn keys(&self, py: Python<'_>) -> Vec<(String, &'static str)> {
        let keys = py.detach(|| self.client.keys());
        keys.iter().map(|(key, state)| (key.to_string(), status_of(state))).collect()
    }

    #[pyo3(signature = (futures, force=false))]
    fn cancel(&self, py: Python<'_>, futures: Vec<Bound<'_, PyAny>>, force: bool) -> PyResult<()> {
        let futures = ids_of(&futures)?;
        py.detach(|| self.client.cancel(&futures, force));
        Ok(())
    }

    fn retry(&self, py: Python<'_>, futures: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let futures = ids_of(&futures)?;
        py.detach(|| self.client.retry(&futures));
        Ok(())
    }

    /// Keeps values on so many workers; None: on all.
    #[pyo3(signature = (futures, copies=None))]
    fn replicate(&self, py: Python<'_>, futures: Vec<Bound<'_, PyAny>>, copies: Option<u16>) -> PyResult<()> {
        let futures = ids_of(&futures)?;
        py.detach(|| self.client.replicate(&futures, copies.unwrap_or(raskr_cluster::EVERYWHERE)));
        Ok(())
    }

    fn publish(&self, py: Python<'_>, name: &str, futures: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let futures = ids_of(&futures)?;
        py.detach(|| self.client.publish(name, &futures));
        Ok(())
    }

    fn unpublish(&self, py: Python<'_>, name: &str) {
        py.detach(|| self.client.unpublish(name));
    }

    /// Bytes of a future's value as far as they are known.
    fn nbytes(&self, future: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        Ok(match self.client.state(future_of(future)?.handle().future()) {
            FutureState::Finished { bytes } => Some(bytes),
            _ => None,
        })
    }

    fn __repr__(&self) -> String {
        format!("<ClusterClient {:?} of {}>", self.name, self.client.welcomed().address)
    }
}

impl ClusterClient {
    /// A future as Python holds it; takes over the handle.
    pub fn future(
        &self,
        slf: &Bound<'_, Self>,
        future: FutureId,
        text: Key,
        key: Option<Py<PyAny>>,
    ) -> PyResult<Py<ClusterFuture>> {
        let handle = Handle::new(Arc::clone(&self.client), future);
        Py::new(slf.py(), ClusterFuture::new(slf.clone().unbind(), handle, text).with_key(key))
    }
}

/// The same with memory of its own.
pub fn owned(packed: &raskr_cluster::Packed) -> raskr_cluster::Packed {
    let copy = |buffer: &raskr_cluster::Buffer| raskr_cluster::Buffer::Plain(Bytes::copy_from_slice(buffer.as_slice()));
    raskr_cluster::Packed { head: packed.head.clone(), buffers: packed.buffers.iter().map(copy).collect() }
}

fn object_of(py: Python<'_>, gathered: Gathered, key: &str, skip: bool) -> PyResult<Option<Py<PyAny>>> {
    match gathered {
        Ok(fetched) => {
            if fetched.value.buffers.is_empty()
                && let [0, stream @ ..] = &fetched.value.head[..]
                && let Some(object) = plain::unpickle_scalar(py, stream)
            {
                return Ok(Some(object.unbind()));
            }
            let value = if fetched.own { fetched.value } else { owned(&fetched.value) };
            Ok(Some(unpack_object(py, &value)?.unbind()))
        }
        Err(_) if skip => Ok(None),
        Err(missing) => Err(failure::of_missing(py, key, &missing)),
    }
}

/// An exception of Python's by its name, for what the scheduler refuses.
fn named_error(py: Python<'_>, class: &str, message: String) -> PyErr {
    let found = py.import("builtins").and_then(|builtins| builtins.getattr(class));
    let made = found.and_then(|class| class.call1((message.clone(),)));
    match made {
        Ok(error) if error.is_instance_of::<pyo3::exceptions::PyBaseException>() => PyErr::from_value(error),
        _ => PyOSError::new_err(message),
    }
}
