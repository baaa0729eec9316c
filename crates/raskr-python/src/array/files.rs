//! Arrays from and to files: Zarr arrays and stacks of npy files.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raskr_array::function::{BlockReader, BlockWriter};
use raskr_array::grid::{Axis, Grid};
use raskr_array::{ElementType, Expr};
use raskr_base::{Chunk, ErrorClass, Op, TaskContext, TaskError, Value};
use raskr_graph::{Call, Collection, Input, Token};
use raskr_io::{Compressor, NpyStack, NpyStackWriter, ZarrArray, ZarrSpec, ZarrVersion, ZarrWriter};
use serde::{Deserialize, Serialize};

use super::expr::{PyExpr, grid_of, raise};
use crate::error::to_python;
use crate::node::Node;

/// Reads regions of an open Zarr array.
struct ZarrReader {
    array: Arc<ZarrArray>,
}

impl BlockReader for ZarrReader {
    fn read(&self, start: &[u64], shape: &[u64]) -> Result<Chunk, TaskError> {
        let region: Vec<_> = start.iter().zip(shape).map(|(at, n)| *at as usize..(*at + *n) as usize).collect();
        Ok(self.array.read_region(&region)?)
    }

    fn token(&self) -> Result<u128, TaskError> {
        file_token("zarr", self.array.path())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Reads blocks of an npy stack.
struct StackReader {
    folder: PathBuf,
    stack: NpyStack,
    axis: Axis,
}

impl BlockReader for StackReader {
    fn read(&self, start: &[u64], _shape: &[u64]) -> Result<Chunk, TaskError> {
        let block = start.get(self.stack.axis()).map_or(0, |at| self.axis.block_of(*at));
        Ok(self.stack.read_block(block)?)
    }

    fn token(&self) -> Result<u128, TaskError> {
        file_token("npy-stack", &self.folder)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Where a reader's files are.
#[derive(Serialize, Deserialize)]
pub enum ReaderCode {
    Zarr(PathBuf),
    Stack(PathBuf),
}

impl ReaderCode {
    pub fn of(reader: &dyn BlockReader) -> Result<ReaderCode, TaskError> {
        let any = reader.as_any();
        if let Some(zarr) = any.and_then(|any| any.downcast_ref::<ZarrReader>()) {
            return Ok(ReaderCode::Zarr(zarr.array.path().to_owned()));
        }
        match any.and_then(|any| any.downcast_ref::<StackReader>()) {
            Some(stack) => Ok(ReaderCode::Stack(stack.folder.clone())),
            None => Err(TaskError::internal("a reader that can't be sent to other processes")),
        }
    }

    /// Opens the files.
    pub fn reader(&self) -> Result<Arc<dyn BlockReader>, TaskError> {
        Ok(match self {
            ReaderCode::Zarr(path) => Arc::new(ZarrReader { array: Arc::new(ZarrArray::open(path)?) }),
            ReaderCode::Stack(folder) => Arc::new(StackReader::open(folder)?),
        })
    }
}

impl StackReader {
    fn open(folder: &Path) -> Result<StackReader, TaskError> {
        let stack = NpyStack::open(folder)?;
        let sizes = stack.chunks().get(stack.axis());
        let sizes = sizes.map_or_else(|| vec![1], |sizes| sizes.iter().map(|n| *n as u64).collect());
        Ok(StackReader { folder: folder.to_owned(), stack, axis: Axis::new(sizes) })
    }
}

/// A token of a path and of when it was last changed.
fn file_token(kind: &str, path: &std::path::Path) -> Result<u128, TaskError> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| TaskError::new(ErrorClass::Os, format!("{}: {error}", path.display())))?;
    let changed = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos() as u64);
    Ok(Token::of(kind, |hasher| {
        hasher.bytes(path.as_os_str().as_encoded_bytes()).u64(changed);
    })
    .0)
}

/// What a writer is made of; it is begun by the first block and ended by the last step of the run.
trait Destination: Send + Sync {
    type Writer: Send + Sync;
    fn begin(&self) -> Result<Self::Writer, TaskError>;
    fn write(&self, writer: &Self::Writer, block: &[u32], start: &[u64], chunk: &Chunk) -> Result<(), TaskError>;
    fn publish(&self, writer: Self::Writer) -> Result<(), TaskError>;
}

struct Sink<D: Destination> {
    destination: D,
    writer: Mutex<Option<Arc<D::Writer>>>,
}

impl<D: Destination> Sink<D> {
    fn writer(&self) -> Result<Arc<D::Writer>, TaskError> {
        let mut slot = self.writer.lock();
        if let Some(writer) = &*slot {
            return Ok(Arc::clone(writer));
        }
        let writer = Arc::new(self.destination.begin()?);
        *slot = Some(Arc::clone(&writer));
        Ok(writer)
    }
}

impl<D: Destination> BlockWriter for Sink<D> {
    fn write(&self, block: &[u32], start: &[u64], chunk: &Chunk) -> Result<(), TaskError> {
        let writer = self.writer()?;
        self.destination.write(&writer, block, start, chunk)
    }
}

/// Gives what was written its name, after all blocks.
struct PublishOp<D: Destination> {
    sink: Arc<Sink<D>>,
}

impl<D: Destination> Op for PublishOp<D> {
    fn name(&self) -> &str {
        "publish"
    }

    fn run(&self, _context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let writer = self.sink.writer()?;
        *self.sink.writer.lock() = None;
        match Arc::try_unwrap(writer) {
            Ok(writer) => self.sink.destination.publish(writer)?,
            Err(_) => return Err(TaskError::internal("blocks are still being written")),
        }
        Ok(Value::Unit)
    }
}

struct ZarrDestination {
    root: PathBuf,
    component: Option<String>,
    spec: ZarrSpec,
    overwrite: bool,
}

impl Destination for ZarrDestination {
    type Writer = ZarrWriter;

    fn begin(&self) -> Result<ZarrWriter, TaskError> {
        let path = match &self.component {
            Some(component) => {
                raskr_io::create_groups(&self.root, component, self.spec.version)?;
                self.root.join(component)
            }
            None => self.root.clone(),
        };
        Ok(ZarrWriter::create(path, &self.spec, self.overwrite)?)
    }

    fn write(&self, writer: &ZarrWriter, _block: &[u32], start: &[u64], chunk: &Chunk) -> Result<(), TaskError> {
        let region: Vec<_> = start.iter().zip(chunk.shape()).map(|(at, n)| *at as usize..*at as usize + n).collect();
        Ok(writer.write_region(&region, chunk)?)
    }

    fn publish(&self, writer: ZarrWriter) -> Result<(), TaskError> {
        Ok(writer.publish()?)
    }
}

struct StackDestination {
    folder: PathBuf,
    dtype: raskr_base::DType,
    chunks: Vec<Vec<usize>>,
    axis: usize,
}

impl Destination for StackDestination {
    type Writer = NpyStackWriter;

    fn begin(&self) -> Result<NpyStackWriter, TaskError> {
        Ok(NpyStackWriter::create(&self.folder, self.dtype, self.chunks.clone(), self.axis, true)?)
    }

    fn write(&self, writer: &NpyStackWriter, block: &[u32], _start: &[u64], chunk: &Chunk) -> Result<(), TaskError> {
        Ok(writer.write_block(block[self.axis] as usize, chunk)?)
    }

    fn publish(&self, writer: NpyStackWriter) -> Result<(), TaskError> {
        Ok(writer.publish()?)
    }
}

/// A node that writes all blocks, then publishes.
fn written<D: Destination + 'static>(expr: &Arc<Expr>, destination: D, label: &str) -> Node {
    let sink = Arc::new(Sink { destination, writer: Mutex::new(None) });
    let writes = expr.write(Arc::clone(&sink) as Arc<dyn BlockWriter>, label);
    let collection: Arc<dyn Collection> = writes;
    let inputs = (0..expr.grid().blocks()).map(|index| Input::Block(Arc::clone(&collection), index)).collect();
    Node::of_call(Call::new(Arc::new(PublishOp { sink }), inputs, None))
}

fn compressor_of(name: Option<&str>) -> PyResult<Compressor> {
    Ok(match name {
        None | Some("none") => Compressor::None,
        Some("zstd") => Compressor::Zstd { level: 1 },
        Some("gzip") => Compressor::Gzip { level: 5 },
        Some(name @ ("lz4" | "lz4hc" | "blosclz" | "zlib")) => {
            Compressor::Blosc { name: name.to_owned(), level: 5, shuffle: true }
        }
        Some("blosc") => Compressor::Blosc { name: "lz4".to_owned(), level: 5, shuffle: true },
        Some(other) => {
            return Err(PyValueError::new_err(format!(
                "unknown compressor {other:?}: expected None, 'zstd', 'gzip', 'blosc', 'lz4', 'lz4hc', 'blosclz' or 'zlib'"
            )));
        }
    })
}

#[pymethods]
impl PyExpr {
    /// An array stored as Zarr, version 2 or 3, in a folder of this machine. `chunks` are those of the file by default.
    #[staticmethod]
    #[pyo3(signature = (path, component=None, chunks=None))]
    fn open_zarr<'py>(
        py: Python<'py>,
        path: PathBuf,
        component: Option<&str>,
        chunks: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<PyExpr> {
        let folder = component.map_or_else(|| path.clone(), |component| path.join(component));
        let array = py.detach(|| ZarrArray::open(&folder)).map_err(|error| to_python(py, TaskError::from(error)))?;
        let grid = match chunks {
            Some(chunks) => grid_of(chunks)?,
            None => Grid::new(
                array.shape().iter().zip(array.chunks()).map(|(n, size)| Axis::regular(*n as u64, *size as u64)),
            )
            .map_err(|error| raise(py, error))?,
        };
        let dtype = array.dtype();
        let expr = Expr::read(Arc::new(ZarrReader { array: Arc::new(array) }), grid, dtype, "from-zarr");
        PyExpr::new(py, expr, "open_zarr", (path, component, chunks).into_pyobject(py)?)
    }

    /// An array stored as a stack of npy files with a JSON description.
    #[staticmethod]
    fn open_npy_stack(py: Python<'_>, path: PathBuf) -> PyResult<PyExpr> {
        let reader = StackReader::open(&path).map_err(|error| to_python(py, error))?;
        let stack = &reader.stack;
        let axes: Vec<Axis> =
            stack.chunks().iter().map(|sizes| Axis::new(sizes.iter().map(|n| *n as u64).collect::<Vec<_>>())).collect();
        let grid = Grid::new(axes).map_err(|error| raise(py, error))?;
        let dtype = stack.dtype();
        PyExpr::new(
            py,
            Expr::read(Arc::new(reader), grid, dtype, "from-npy-stack"),
            "open_npy_stack",
            (path,).into_pyobject(py)?,
        )
    }

    /// A node that writes the array as a new Zarr array, which appears under its name when all of it is there.
    #[pyo3(signature = (path, component=None, chunks=None, version=3, compressor=Some("zstd"), overwrite=false))]
    fn to_zarr(
        &self,
        path: PathBuf,
        component: Option<String>,
        chunks: Option<Vec<usize>>,
        version: u8,
        compressor: Option<&str>,
        overwrite: bool,
    ) -> PyResult<Node> {
        let expr = self.expr();
        let dtype = self.writable("to_zarr")?;
        let shape = expr.grid().shape().iter().map(|n| *n as usize).collect();
        let version = match version {
            2 => ZarrVersion::V2,
            3 => ZarrVersion::V3,
            other => return Err(PyValueError::new_err(format!("Zarr has versions 2 and 3, got {other}"))),
        };
        let chunks = chunks.unwrap_or_else(|| {
            expr.grid().axes().iter().map(|axis| (axis.sizes().first().copied().unwrap_or(1) as usize).max(1)).collect()
        });
        let spec = ZarrSpec { shape, chunks, dtype, version, compressor: compressor_of(compressor)? };
        Ok(written(expr, ZarrDestination { root: path, component, spec, overwrite }, "to-zarr"))
    }

    /// A node that writes the array as a stack of npy files along an axis; other axes have one chunk.
    fn to_npy_stack(&self, path: PathBuf, axis: usize) -> PyResult<Node> {
        let expr = self.expr();
        let dtype = self.writable("to_npy_stack")?;
        let chunks = expr.grid().axes().iter().map(|axis| axis.sizes().iter().map(|n| *n as usize).collect()).collect();
        Ok(written(expr, StackDestination { folder: path, dtype, chunks, axis }, "to-npy-stack"))
    }
}

impl PyExpr {
    /// The element type of an array whose blocks can be stored.
    fn writable(&self, operation: &str) -> PyResult<raskr_base::DType> {
        if !self.expr().grid().is_known() {
            return Err(PyValueError::new_err(format!(
                "{operation}: chunk sizes are unknown; call compute_chunk_sizes() first"
            )));
        }
        match (self.expr().dtype(), self.expr().element()) {
            (Some(dtype), _) => Ok(dtype),
            (None, ElementType::Native(dtype)) => Ok(*dtype),
            (None, ElementType::Foreign(foreign)) => Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "{operation}: expected a native element type, got {}",
                foreign.name
            ))),
        }
    }
}
