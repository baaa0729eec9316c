//! Spill files: values that wait on disk until they are needed.
//!
//! A file is a magic word, the length of a header, the header (what the value is made of, `postcard`) and the payloads
//! one after the other, in the machine's byte order: a file is read by the process that wrote it and by no other.
//! Invariant: a file disappears with the last handle to it, and the folder with the run.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use raskr_base::{Buffer, Chunk, ChunkMut, DType, ErrorClass, TaskError, Value};
use serde::{Deserialize, Serialize};

use crate::options::ForeignCodec;

const MAGIC: &[u8; 8] = b"RASKRSP1";
/// Names that are tried for a run's folder.
const FOLDER_TRIES: u32 = 100;
/// Bytes that are gathered from scattered elements before they are written.
const GATHER_BYTES: usize = 1 << 20;

/// How files are made; a test's disk may be full.
pub trait Disk: Send + Sync {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Write>>;
}

pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Write>> {
        Ok(Box::new(File::options().write(true).create_new(true).open(path)?))
    }
}

/// Why a value could not be spilled.
#[derive(Debug)]
pub enum SpillError {
    /// The value has no encoding; others may still be spilled.
    Encoding,
    /// The disk or the limit on it ended spilling.
    Disk { reason: String },
}

/// A run's folder of spill files, made when the first value is spilled.
pub struct SpillFolder {
    base: PathBuf,
    limit: Option<u64>,
    disk: Box<dyn Disk>,
    folder: Mutex<Option<PathBuf>>,
    next_file: AtomicU64,
    /// Bytes in files now.
    held: AtomicU64,
    /// Bytes written since the run began.
    written: AtomicU64,
}

/// A value in a file.
pub struct SpillFile {
    folder: Arc<SpillFolder>,
    path: PathBuf,
    file_bytes: u64,
    /// Bytes that the value will take in memory.
    pub value_bytes: u64,
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // A file that cannot be removed goes with its folder.
        let _ = fs::remove_file(&self.path);
        self.folder.held.fetch_sub(self.file_bytes, Ordering::Relaxed);
    }
}

impl SpillFolder {
    pub fn new(base: Option<PathBuf>, limit: Option<u64>, disk: Box<dyn Disk>) -> Arc<SpillFolder> {
        Arc::new(SpillFolder {
            base: base.unwrap_or_else(std::env::temp_dir),
            limit,
            disk,
            folder: Mutex::new(None),
            next_file: AtomicU64::new(0),
            held: AtomicU64::new(0),
            written: AtomicU64::new(0),
        })
    }

    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub fn base(&self) -> &Path {
        &self.base
    }

    fn folder(&self) -> io::Result<PathBuf> {
        let mut folder = self.folder.lock();
        if let Some(folder) = &*folder {
            return Ok(folder.clone());
        }
        fs::create_dir_all(&self.base)?;
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let mut number = 0;
        loop {
            let path = self.base.join(format!("raskr-spill-{}-{number}", std::process::id()));
            match builder.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < FOLDER_TRIES => number += 1,
                Err(error) => return Err(error),
                Ok(()) => {
                    *folder = Some(path.clone());
                    return Ok(path);
                }
            }
        }
    }

    /// Writes a value; on failure nothing of it is left.
    pub fn write(self: &Arc<SpillFolder>, value: &Value) -> Result<SpillFile, SpillError> {
        let mut payloads = Vec::new();
        let node = describe(value, &mut payloads).map_err(|_| SpillError::Encoding)?;
        let header = postcard::to_stdvec(&node).map_err(|_| SpillError::Encoding)?;
        let file_bytes = (MAGIC.len() + 8 + header.len()) as u64 + payloads.iter().map(Payload::len).sum::<u64>();
        let failed = |reason: String| SpillError::Disk { reason };
        let held = self.held.fetch_add(file_bytes, Ordering::Relaxed) + file_bytes;
        // From here on the file's handle takes back what was added, and removes what was written.
        let mut file =
            SpillFile { folder: Arc::clone(self), path: PathBuf::new(), file_bytes, value_bytes: value_bytes(value) };
        if let Some(limit) = self.limit
            && held > limit
        {
            let limit = raskr_base::sizes::format_bytes(limit as f64);
            return Err(failed(format!("spill_limit is {limit}")));
        }
        let written = self.folder().and_then(|folder| {
            file.path = folder.join(self.next_file.fetch_add(1, Ordering::Relaxed).to_string());
            let mut to = self.disk.create(&file.path)?;
            to.write_all(MAGIC)?;
            to.write_all(&(header.len() as u64).to_le_bytes())?;
            to.write_all(&header)?;
            payloads.iter().try_for_each(|payload| payload.write(&mut to))?;
            to.flush()
        });
        written.map_err(|error| failed(error.to_string()))?;
        self.written.fetch_add(file_bytes, Ordering::Relaxed);
        Ok(file)
    }

    /// Removes the folder and all that is left in it.
    pub fn remove(&self) {
        if let Some(folder) = self.folder.lock().take() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        self.remove();
    }
}

impl SpillFile {
    pub fn read(&self, codec: &dyn ForeignCodec) -> Result<Value, TaskError> {
        let failed = |reason: &dyn std::fmt::Display| {
            TaskError::new(ErrorClass::Os, format!("a spilled value can't be read back from {:?}: {reason}", self.path))
        };
        let mut file = File::open(&self.path).map_err(|error| failed(&error))?;
        let mut start = [0u8; 16];
        file.read_exact(&mut start).map_err(|error| failed(&error))?;
        let (magic, length) = start.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
        if magic != MAGIC || length > self.file_bytes {
            return Err(failed(&"it is not a spill file"));
        }
        let mut header = vec![0u8; length as usize];
        file.read_exact(&mut header).map_err(|error| failed(&error))?;
        let node: Node = postcard::from_bytes(&header).map_err(|error| failed(&error))?;
        rebuild(&node, &mut file, codec).map_err(|error| match error {
            RebuildError::Disk(error) => failed(&error),
            RebuildError::Layout => failed(&"its layout is inconsistent"),
            RebuildError::Decode(error) => error,
        })
    }
}

/// What a value is made of; the payloads follow in the order of this tree.
#[derive(Serialize, Deserialize)]
enum Node {
    Unit,
    Chunk { dtype: DType, shape: Vec<usize>, whole: Option<Whole> },
    Bytes(u64),
    List(Vec<Node>),
    Foreign { kind: String, len: u64 },
}

/// A view that repeats elements is stored as its buffer with the layout of the view.
#[derive(Serialize, Deserialize)]
struct Whole {
    strides: Vec<isize>,
    offset: usize,
    len: usize,
}

enum Payload<'a> {
    Borrowed(&'a [u8]),
    Owned(Vec<u8>),
    Strided(&'a Chunk),
}

impl Payload<'_> {
    fn len(&self) -> u64 {
        match self {
            Payload::Borrowed(bytes) => bytes.len() as u64,
            Payload::Owned(bytes) => bytes.len() as u64,
            Payload::Strided(chunk) => chunk.nbytes() as u64,
        }
    }

    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Payload::Borrowed(bytes) => to.write_all(bytes),
            Payload::Owned(bytes) => to.write_all(bytes),
            Payload::Strided(chunk) => write_strided(chunk, to),
        }
    }
}

fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::List(values) => values.iter().map(value_bytes).sum(),
        Value::Chunk(chunk) => (chunk.nbytes() as u64).min(chunk.buffer().len() as u64),
        other => other.nbytes(),
    }
}

fn describe<'a>(value: &'a Value, payloads: &mut Vec<Payload<'a>>) -> Result<Node, TaskError> {
    Ok(match value {
        Value::Unit => Node::Unit,
        Value::Chunk(chunk) => {
            let shape = chunk.shape().to_vec();
            let buffer = chunk.buffer().as_bytes();
            let whole = if chunk.is_contiguous() {
                let start = chunk.offset() * chunk.dtype().itemsize();
                payloads.push(Payload::Borrowed(match chunk.is_empty() {
                    true => &[],
                    false => &buffer[start..start + chunk.nbytes()],
                }));
                None
            } else if chunk.nbytes() > buffer.len() {
                payloads.push(Payload::Borrowed(buffer));
                Some(Whole { strides: chunk.strides().to_vec(), offset: chunk.offset(), len: buffer.len() })
            } else {
                payloads.push(Payload::Strided(chunk));
                None
            };
            Node::Chunk { dtype: chunk.dtype(), shape, whole }
        }
        Value::Bytes(bytes) => {
            payloads.push(Payload::Borrowed(bytes));
            Node::Bytes(bytes.len() as u64)
        }
        Value::List(values) => {
            Node::List(values.iter().map(|value| describe(value, payloads)).collect::<Result<_, _>>()?)
        }
        Value::Foreign(object) => {
            let bytes = object.encode()?;
            let len = bytes.len() as u64;
            payloads.push(Payload::Owned(bytes));
            Node::Foreign { kind: object.kind().to_string(), len }
        }
    })
}

/// Writes the elements of a chunk in row-major order, row by row.
fn write_strided(chunk: &Chunk, to: &mut dyn Write) -> io::Result<()> {
    let size = chunk.dtype().itemsize();
    let buffer = chunk.buffer().as_bytes();
    let (Some((&columns, outer)), Some((&step, outer_strides))) =
        (chunk.shape().split_last(), chunk.strides().split_last())
    else {
        return Ok(());
    };
    let mut gathered: Vec<u8> = Vec::with_capacity(GATHER_BYTES);
    let mut index = vec![0usize; outer.len()];
    let rows: usize = outer.iter().product();
    for _ in 0..rows {
        let row: isize = index.iter().zip(outer_strides).map(|(&i, &stride)| i as isize * stride).sum();
        let first = chunk.offset() as isize + row;
        for column in 0..columns as isize {
            let at = (first + column * step) as usize * size;
            gathered.extend_from_slice(&buffer[at..at + size]);
            if gathered.len() >= GATHER_BYTES {
                to.write_all(&gathered)?;
                gathered.clear();
            }
        }
        for (i, &n) in index.iter_mut().zip(outer).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
    to.write_all(&gathered)
}

enum RebuildError {
    Disk(io::Error),
    Layout,
    Decode(TaskError),
}

fn rebuild(node: &Node, from: &mut dyn Read, codec: &dyn ForeignCodec) -> Result<Value, RebuildError> {
    let mut bytes = |len: u64| {
        let mut bytes = vec![0u8; len as usize];
        from.read_exact(&mut bytes).map(|()| bytes).map_err(RebuildError::Disk)
    };
    Ok(match node {
        Node::Unit => Value::Unit,
        Node::Chunk { dtype, shape, whole: None } => {
            let mut chunk = ChunkMut::new(*dtype, shape);
            from.read_exact(chunk.as_bytes_mut()).map_err(RebuildError::Disk)?;
            Value::Chunk(chunk.freeze())
        }
        Node::Chunk { dtype, shape, whole: Some(whole) } => {
            let mut buffer = Buffer::recycled(whole.len);
            let memory = buffer.as_bytes_mut().ok_or(RebuildError::Layout)?;
            from.read_exact(memory).map_err(RebuildError::Disk)?;
            let chunk = Chunk::from_parts(*dtype, shape, &whole.strides, whole.offset, Arc::new(buffer));
            Value::Chunk(chunk.ok_or(RebuildError::Layout)?)
        }
        Node::Bytes(len) => Value::Bytes(bytes(*len)?.into()),
        Node::List(nodes) => {
            let values: Result<Vec<Value>, _> = nodes.iter().map(|node| rebuild(node, from, codec)).collect();
            Value::List(values?.into())
        }
        Node::Foreign { kind, len } => Value::Foreign(codec.decode(kind, bytes(*len)?).map_err(RebuildError::Decode)?),
    })
}

#[cfg(test)]
#[path = "spill_tests.rs"]
mod tests;
