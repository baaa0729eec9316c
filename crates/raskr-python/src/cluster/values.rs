//! Values as the cluster keeps and sends them: pickled Python objects, and native values as descriptions and memory.
//!
//! The first byte of a head says which: 0 for a pickled object, whose stream is the rest of the head (or, when that is empty,
//! the first of the buffers), and 1 for a native value, whose description is the rest.
// `unsafe` is allowed here: memory of Python's is shown to Rust through the buffer protocol.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use raskr_base::{Chunk, ChunkMut, DType, ErrorClass, TaskError, Value};
use raskr_cluster::{Buffer, Packed, buffer_of, bytes_of};
use raskr_exec::ForeignCodec;
use raskr_exec::pool::{Encoded, SHARED_BYTES_MIN};
use raskr_frame::Table;
use raskr_kernels::blocks::to_contiguous;
use serde::{Deserialize, Serialize};

use super::plain;
use crate::error::{from_python, to_python};
use crate::interpreter::Unpickle;
use crate::object::{PyForeign, to_object};
use crate::processes;

const OBJECT: u8 = 0;
const NATIVE: u8 = 1;

/// What a native value is made of; each `Chunk`, `Bytes` and `Foreign` takes the next of the buffers.
#[derive(Serialize, Deserialize)]
enum Node {
    Unit,
    Chunk {
        dtype: DType,
        shape: Vec<usize>,
        layout: Option<Layout>,
    },
    Bytes,
    List(Vec<Node>),
    /// An object of another library: which decoder understands it.
    Foreign(String),
}

/// Where the elements of a view lie that shows some of them several times: such views travel as they are.
#[derive(Serialize, Deserialize)]
struct Layout {
    strides: Vec<isize>,
    offset: usize,
}

/// An object, pickled as [`processes::pickle`] does: large buffers are copied to shared memory, which children can map.
pub fn pack_object(_py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<Packed> {
    if let Some(stream) = plain::pickle_scalar(object) {
        return Ok(Packed { head: head_of(OBJECT, &stream), buffers: Vec::new() });
    }
    Ok(packed_of(&processes::pickle(&unmapped(object)?, false)?))
}

/// The object, or the elements of a mapped file as an array: the mapping stays in its process, and what NumPy pickles of it is
/// copied with it, not kept apart.
fn unmapped<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let kind = object.get_type();
    if kind.name()?.to_cow()? != "memmap" || kind.module()?.to_cow()? != "numpy" {
        return Ok(object.clone());
    }
    let array = object.py().import(intern!(object.py(), "numpy"))?.getattr(intern!(object.py(), "ndarray"))?;
    object.call_method1(intern!(object.py(), "view"), (array,))
}

/// An object whose large buffers stay where they are: for sending it at once, while nobody writes to it.
pub fn pack_object_in_place(py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<Packed> {
    let collector = Bound::new(py, Collector { buffers: Mutex::default() })?;
    let stream = processes::dumps_with(&unmapped(object)?, collector.as_any())?;
    let mut buffers = std::mem::take(&mut *collector.get().buffers.lock());
    if stream.as_bytes().len() < SHARED_BYTES_MIN {
        return Ok(Packed { head: head_of(OBJECT, stream.as_bytes()), buffers });
    }
    buffers.insert(0, Buffer::Plain(Bytes::from_owner(View::of(stream.as_any())?)));
    Ok(Packed { head: head_of(OBJECT, &[]), buffers })
}

/// What was pickled for a child, or came from one.
pub fn packed_of(encoded: &Encoded) -> Packed {
    let buffers = encoded.buffers.iter().map(|buffer| Buffer::Shared(buffer.clone())).collect();
    Packed { head: head_of(OBJECT, &encoded.bytes), buffers }
}

/// A value as a task takes it: an object that may write to its memory where that is its process' own (`writable`).
pub fn input_value(py: Python<'_>, packed: &Packed, writable: bool) -> PyResult<Value> {
    let (kind, _) = split_head(packed).map_err(|error| to_python(py, error))?;
    match kind {
        NATIVE => unpack_value(packed).map_err(|error| to_python(py, error)),
        _ => Ok(PyForeign::value(unpack(py, packed, writable)?)),
    }
}

/// The object of a value that nobody else has: it may write to the value's memory, which it keeps.
pub fn unpack_object<'py>(py: Python<'py>, packed: &Packed) -> PyResult<Bound<'py, PyAny>> {
    unpack(py, packed, true)
}

fn unpack<'py>(py: Python<'py>, packed: &Packed, writable: bool) -> PyResult<Bound<'py, PyAny>> {
    let (kind, rest) = split_head(packed).map_err(|error| to_python(py, error))?;
    if kind == NATIVE {
        let value = unpack_value(packed).map_err(|error| to_python(py, error))?;
        return to_object(py, &value);
    }
    processes::loads_with(py, rest, packed.buffers.iter().cloned(), writable)
}

/// A native value, without a copy where its elements lie together; Python objects are pickled.
pub fn pack_value(value: &Value) -> Result<Packed, TaskError> {
    if let Some(pickled) = processes::Packed::of(value) {
        return Ok(packed_of(pickled.encoded()));
    }
    if PyForeign::of(value).is_some() {
        return Python::attach(|py| {
            let packed = to_object(py, value).and_then(|object| pack_object(py, &object));
            packed.map_err(|error| from_python(py, error))
        });
    }
    let mut buffers = Vec::new();
    let node = describe(value, &mut buffers)?;
    let head = postcard::to_extend(&node, vec![NATIVE])
        .map_err(|error| TaskError::internal(format!("a value can't be described: {error}")))?;
    Ok(Packed { head: head.into(), buffers })
}

/// The value that was packed. An object stays pickled, as the values of child processes do.
pub fn unpack_value(packed: &Packed) -> Result<Value, TaskError> {
    let (kind, rest) = split_head(packed)?;
    if kind == OBJECT {
        let shared = packed.buffers.iter().map(Buffer::shared).collect::<std::io::Result<Vec<_>>>();
        return Ok(processes::Packed::value(Encoded::new(rest.to_vec(), shared.map_err(no_memory)?)));
    }
    let node: Node = postcard::from_bytes(rest).map_err(|error| damaged(&error.to_string()))?;
    let mut buffers = packed.buffers.iter();
    rebuild(node, &mut buffers)
}

fn head_of(kind: u8, rest: &[u8]) -> Bytes {
    let mut head = Vec::with_capacity(rest.len() + 1);
    head.push(kind);
    head.extend_from_slice(rest);
    head.into()
}

fn split_head(packed: &Packed) -> Result<(u8, &[u8]), TaskError> {
    match packed.head.split_first() {
        Some((&kind, rest)) if kind == OBJECT || kind == NATIVE => Ok((kind, rest)),
        Some((kind, _)) => Err(damaged(&format!("its kind is {kind}; {OBJECT} and {NATIVE} are known"))),
        None => Err(damaged("it has no head")),
    }
}

fn damaged(reason: &str) -> TaskError {
    TaskError::internal(format!("a value of the cluster can't be read: {reason}"))
}

fn no_memory(error: std::io::Error) -> TaskError {
    TaskError::new(ErrorClass::Os, format!("shared memory: {error}"))
}

fn describe(value: &Value, buffers: &mut Vec<Buffer>) -> Result<Node, TaskError> {
    Ok(match value {
        Value::Unit => Node::Unit,
        Value::Chunk(chunk) => describe_chunk(chunk, buffers),
        Value::Bytes(bytes) => {
            buffers.push(Buffer::Plain(Bytes::from_owner(bytes.clone())));
            Node::Bytes
        }
        Value::List(values) => {
            Node::List(values.iter().map(|value| describe(value, buffers)).collect::<Result<_, _>>()?)
        }
        Value::Foreign(object) => {
            buffers.push(Buffer::Plain(object.encode()?.into()));
            Node::Foreign(object.kind().to_owned())
        }
    })
}

fn describe_chunk(chunk: &Chunk, buffers: &mut Vec<Buffer>) -> Node {
    let dtype = chunk.dtype();
    let shape = chunk.shape().to_vec();
    if !chunk.is_contiguous() && chunk.nbytes() > chunk.buffer().len() {
        buffers.push(Buffer::Plain(bytes_of(chunk.buffer().clone())));
        let layout = Layout { strides: chunk.strides().to_vec(), offset: chunk.offset() };
        return Node::Chunk { dtype, shape, layout: Some(layout) };
    }
    let whole = if chunk.is_contiguous() { chunk.clone() } else { to_contiguous(chunk) };
    let bytes = if whole.is_empty() {
        Bytes::new()
    } else {
        let start = whole.offset() * dtype.itemsize();
        bytes_of(whole.buffer().clone()).slice(start..start + whole.nbytes())
    };
    buffers.push(Buffer::Plain(bytes));
    Node::Chunk { dtype, shape, layout: None }
}

fn rebuild<'a>(node: Node, buffers: &mut impl Iterator<Item = &'a Buffer>) -> Result<Value, TaskError> {
    let mut next = || buffers.next().ok_or_else(|| damaged("a buffer is missing"));
    Ok(match node {
        Node::Unit => Value::Unit,
        Node::Chunk { dtype, shape, layout } => Value::Chunk(rebuild_chunk(dtype, &shape, layout, next()?)?),
        Node::Bytes => Value::Bytes(next()?.as_slice().into()),
        Node::List(nodes) => {
            let mut values = Vec::with_capacity(nodes.len());
            for node in nodes {
                values.push(rebuild(node, buffers)?);
            }
            Value::List(values.into())
        }
        Node::Foreign(kind) if kind == raskr_frame::KIND => {
            Table::decode(next()?.as_slice()).map_err(TaskError::from)?.into_value()
        }
        Node::Foreign(kind) => Value::Foreign(Unpickle.decode(&kind, next()?.as_slice().to_vec())?),
    })
}

fn rebuild_chunk(dtype: DType, shape: &[usize], layout: Option<Layout>, buffer: &Buffer) -> Result<Chunk, TaskError> {
    let layout =
        layout.unwrap_or_else(|| Layout { strides: raskr_base::chunk::contiguous_strides(shape).to_vec(), offset: 0 });
    let over = |memory| Chunk::from_parts(dtype, shape, &layout.strides, layout.offset, memory);
    over(buffer_of(buffer.bytes()))
        .or_else(|| {
            // Memory that does not begin where elements of this type may.
            let mut copy = ChunkMut::new(DType::U8, &[buffer.len()]);
            copy.as_bytes_mut().copy_from_slice(buffer.as_slice());
            over(copy.freeze().buffer().clone())
        })
        .ok_or_else(|| damaged("a chunk does not fit its memory"))
}

/// Collects the buffers of what is being pickled, where they are.
#[pyclass(frozen)]
struct Collector {
    buffers: Mutex<Vec<Buffer>>,
}

#[pymethods]
impl Collector {
    /// True has the pickler keep the buffer in its own stream.
    fn __call__(&self, buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(raw) = buffer.call_method0(intern!(buffer.py(), "raw")) else { return Ok(true) };
        let view = View::of(&raw)?;
        if view.as_ref().len() < SHARED_BYTES_MIN {
            return Ok(true);
        }
        self.buffers.lock().push(Buffer::Plain(Bytes::from_owner(view)));
        Ok(false)
    }
}

/// Bytes of a Python object, which is kept.
struct View(ManuallyDrop<PyBuffer<u8>>);

impl View {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<View> {
        let view = PyBuffer::<u8>::get(object)?;
        if !view.is_c_contiguous() {
            return Err(PyValueError::new_err("expected bytes without gaps"));
        }
        Ok(View(ManuallyDrop::new(view)))
    }
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the view is contiguous and keeps the memory; whoever asked for it sees to it that nobody writes.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast::<u8>(), self.0.len_bytes()) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // An interpreter that is ending frees everything by itself.
        Python::try_attach(|_| {
            // SAFETY: dropped here and never used again.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        });
    }
}
