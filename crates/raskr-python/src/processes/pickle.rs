//! Pickling with buffers apart, which travel in shared memory, and values that stay pickled until Python asks for them.
// `unsafe` is allowed here: shared memory is shown to Python through the buffer protocol.
#![allow(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::os::raw::c_int;
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use raskr_base::{Foreign, TaskError, Value};
use raskr_cluster::Buffer;
use raskr_exec::pool::{Encoded, SHARED_BYTES_MIN, SharedBuffer};
use raskr_graph::Token;

use crate::error::from_python;

/// What [`Foreign::kind`] says of pickled objects.
pub const PACKED_KIND: &str = "pickled";
/// Arrays from this size on are moved to shared memory rather than copied, so that they are in memory once. glibc maps each
/// allocation of this size by itself, and unmaps it when it is freed; what was moved within its heap would stay.
const MOVED_BYTES_MIN: usize = 32 << 20;
/// How the system names the pages of memory that was moved.
const MOVED_NAME: &str = "/memfd:raskr";
const PROTOCOL: u8 = 5;

/// Collects the buffers of what is being pickled.
#[pyclass(frozen)]
struct Collector {
    buffers: Mutex<Vec<Arc<SharedBuffer>>>,
    /// Whether large arrays may be moved.
    moving: bool,
}

#[pymethods]
impl Collector {
    /// True has the pickler keep the buffer in its own stream.
    fn __call__(&self, buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = buffer.py();
        let Ok(raw) = buffer.call_method0(intern!(py, "raw")) else { return Ok(true) };
        let view = PyBuffer::<u8>::get(&raw)?;
        if view.len_bytes() < SHARED_BYTES_MIN {
            return Ok(true);
        }
        // SAFETY: the view is contiguous and keeps the memory; the interpreter is held, so that Python writes nothing.
        let bytes = unsafe { std::slice::from_raw_parts(view.buf_ptr().cast::<u8>(), view.len_bytes()) };
        let shared = if self.moving && bytes.len() >= MOVED_BYTES_MIN && owns_plain_memory(buffer, bytes) {
            // SAFETY: anonymous private memory of an array that owns it, as was just looked up.
            unsafe { SharedBuffer::moved_from(bytes) }
        } else {
            SharedBuffer::copy_of(bytes)
        };
        self.buffers.lock().push(shared.map_err(no_memory)?);
        Ok(false)
    }
}

/// The token of the bytes that an object shows, in hexadecimal digits.
#[pyfunction]
pub fn digest(buffer: &Bound<'_, PyAny>) -> PyResult<String> {
    let view = PyBuffer::<u8>::get(buffer)?;
    if !view.is_c_contiguous() {
        return Err(PyValueError::new_err("digest: expected bytes without gaps"));
    }
    // SAFETY: the view is contiguous and keeps the memory; the interpreter is held, so that Python writes nothing.
    let bytes = unsafe { std::slice::from_raw_parts(view.buf_ptr().cast::<u8>(), view.len_bytes()) };
    Ok(Token::of_memory(bytes).to_string())
}

/// Does the buffer belong to an array that allocated it, in memory that stands for no file and is shared with nobody?
fn owns_plain_memory(buffer: &Bound<'_, PyAny>, bytes: &[u8]) -> bool {
    let owned = || -> PyResult<bool> {
        let py = buffer.py();
        let owner = py.import(intern!(py, "builtins"))?.getattr("memoryview")?.call1((buffer,))?.getattr("obj")?;
        owner.getattr(intern!(py, "flags"))?.getattr(intern!(py, "owndata"))?.extract()
    };
    owned().unwrap_or(false) && is_anonymous(bytes.as_ptr() as usize, bytes.len())
}

/// Whether the pages of a range are private, writable, and of no file but one that an earlier move made.
fn is_anonymous(start: usize, len: usize) -> bool {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return false };
    let (mut place, end) = (start, start + len);
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(rights), _, _, Some(inode)) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let Some((low, high)) = range.split_once('-') else { continue };
        let (Ok(low), Ok(high)) = (usize::from_str_radix(low, 16), usize::from_str_radix(high, 16)) else { continue };
        if high <= place {
            continue;
        }
        let ours = inode == "0" || fields.next().is_some_and(|name| name == MOVED_NAME);
        if low > place || rights != "rw-p" || !ours {
            return false;
        }
        place = high;
        if place >= end {
            return true;
        }
    }
    false
}

/// The pickled stream of an object, functions of `__main__` and closures included. `collector` is called with each buffer, and
/// says whether it is to be part of the stream.
pub fn dumps_with<'py>(object: &Bound<'py, PyAny>, collector: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = object.py();
    let options = PyDict::new(py);
    options.set_item(intern!(py, "protocol"), PROTOCOL)?;
    options.set_item(intern!(py, "buffer_callback"), collector)?;
    let dumps = py.import(intern!(py, "cloudpickle"))?.getattr(intern!(py, "dumps"))?;
    Ok(dumps.call((object,), Some(&options))?.cast_into::<PyBytes>()?)
}

/// The object of a stream and of the buffers that were collected; an empty stream stands for the first of these. They are not
/// copied, and may be written to when they are `writable`.
pub fn loads_with<'py>(
    py: Python<'py>,
    stream: &[u8],
    buffers: impl Iterator<Item = Buffer>,
    writable: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let mut shown = buffers.map(|buffer| Ok(Bound::new(py, SharedMemory { buffer, writable })?.into_any()));
    let first = if stream.is_empty() { shown.next().transpose()? } else { None };
    let stream = first.unwrap_or_else(|| PyBytes::new(py, stream).into_any());
    let buffers = PyList::new(py, shown.collect::<PyResult<Vec<_>>>()?)?;
    let options = PyDict::new(py);
    options.set_item(intern!(py, "buffers"), buffers)?;
    let loads = py.import(intern!(py, "pickle"))?.getattr(intern!(py, "loads"))?;
    loads.call((stream,), Some(&options))
}

/// Pickles an object; large buffers apart. A long stream is the first of
/// the buffers itself, and travels as they do.
pub fn pickle(object: &Bound<'_, PyAny>, moving: bool) -> PyResult<Encoded> {
    let py = object.py();
    let collector = Bound::new(py, Collector { buffers: Mutex::default(), moving })?;
    let bytes = dumps_with(object, collector.as_any())?;
    let bytes = bytes.as_bytes();
    let mut buffers = std::mem::take(&mut *collector.get().buffers.lock());
    if bytes.len() < SHARED_BYTES_MIN {
        return Ok(Encoded::new(bytes.to_vec(), buffers));
    }
    buffers.insert(0, SharedBuffer::copy_of(bytes).map_err(no_memory)?);
    Ok(Encoded::new(Vec::new(), buffers))
}

fn no_memory(error: std::io::Error) -> PyErr {
    PyOSError::new_err(format!("shared memory: {error}"))
}

/// The object that [`pickle`] encoded. Its buffers are not copied; they may be written to when they are `writable`.
pub fn unpickle<'py>(py: Python<'py>, encoded: &Encoded, writable: bool) -> PyResult<Bound<'py, PyAny>> {
    loads_with(py, &encoded.bytes, encoded.buffers.iter().cloned().map(Buffer::Shared), writable)
}

/// A buffer of a pickled object as Python sees it.
#[pyclass(frozen, module = "raskr._core")]
pub struct SharedMemory {
    buffer: Buffer,
    writable: bool,
}

#[pymethods]
impl SharedMemory {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let bytes = this.buffer.as_slice();
        let len = ffi::Py_ssize_t::try_from(bytes.len()).map_err(|error| PyOSError::new_err(error.to_string()))?;
        // SAFETY: the memory lives as long as `slf`, of which the view takes a reference. It is written to only where its pages
        // are private, or nobody else has the value.
        let filled = unsafe {
            let start = bytes.as_ptr().cast_mut().cast();
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, len, c_int::from(!this.writable), flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// A Python object that came from another process, still pickled.
pub struct Packed(Arc<Encoded>);

impl Packed {
    pub fn value(encoded: Encoded) -> Value {
        Value::Foreign(Arc::new(Packed(Arc::new(encoded))))
    }

    pub fn of(value: &Value) -> Option<&Packed> {
        match value {
            Value::Foreign(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    pub fn encoded(&self) -> &Arc<Encoded> {
        &self.0
    }

    /// The object, anew at each call. Nobody else sees what is written to it.
    pub fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unpickle(py, &self.0, true)
    }

    /// What [`Foreign::encode`] encoded.
    pub fn decode(bytes: &[u8]) -> Result<Packed, TaskError> {
        let (stream, buffers): (Vec<u8>, Vec<Vec<u8>>) = postcard::from_bytes(bytes)
            .map_err(|error| TaskError::internal(format!("a spilled object can't be read: {error}")))?;
        let buffers = buffers
            .iter()
            .map(|bytes| SharedBuffer::copy_of(bytes))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| TaskError::internal(format!("shared memory: {error}")))?;
        Ok(Packed(Arc::new(Encoded::new(stream, buffers))))
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes)", self.0.nbytes())
    }
}

impl Foreign for Packed {
    fn nbytes(&self) -> u64 {
        self.0.nbytes() as u64
    }

    fn encode(&self) -> Result<Vec<u8>, TaskError> {
        let buffers: Vec<&[u8]> = self.0.buffers.iter().map(|buffer| buffer.as_slice()).collect();
        postcard::to_stdvec(&(&self.0.bytes, buffers))
            .map_err(|error| TaskError::internal(format!("an object can't be spilled: {error}")))
    }

    fn kind(&self) -> &'static str {
        PACKED_KIND
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The failure that a child sent: the exception, and where it was raised there.
pub fn failure(py: Python<'_>, encoded: &Encoded) -> TaskError {
    let read = || -> PyResult<(Bound<'_, PyAny>, String)> { unpickle(py, encoded, true)?.extract() };
    match read() {
        Ok((exception, place)) => {
            let error = from_python(py, PyErr::from_value(exception));
            error.with_note(format!("raised in a child process:\n{}", place.trim_end()))
        }
        Err(error) => from_python(py, error).with_note("the exception of a child process can't be read"),
    }
}
