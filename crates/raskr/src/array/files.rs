//! Arrays from and to files: Zarr arrays in folders, npy files.

use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use raskr_array::Expr;
use raskr_array::function::{BlockReader, BlockWriter};
use raskr_array::lower::{as_layer, lower};
use raskr_base::{Chunk, ErrorClass, TaskError};
use raskr_graph::{Builder, TaskRef, Token};
use raskr_io::{Compressor, NpyFile, ZarrArray, ZarrSpec, ZarrVersion, ZarrWriter, write_npy};

use super::chunks::Chunks;
use super::compute::{Options, run};
use super::{Array, native};
use crate::error::Result;

/// Reads regions of an open Zarr array.
struct ZarrReader(ZarrArray);

impl BlockReader for ZarrReader {
    fn read(&self, start: &[u64], shape: &[u64]) -> std::result::Result<Chunk, TaskError> {
        let region: Vec<_> = start.iter().zip(shape).map(|(at, n)| *at as usize..(*at + *n) as usize).collect();
        Ok(self.0.read_region(&region)?)
    }

    fn token(&self) -> std::result::Result<u128, TaskError> {
        let path = self.0.path();
        let changed = std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .map_err(|error| TaskError::new(ErrorClass::Os, format!("{}: {error}", path.display())))?
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64);
        Ok(Token::of("zarr", |hasher| {
            hasher.bytes(path.as_os_str().as_encoded_bytes()).u64(changed);
        })
        .0)
    }
}

/// An array stored as Zarr, version 2 or 3, in a folder. Its chunks are those of the file; `rechunk` cuts it otherwise.
///
/// ```
/// use raskr::array::{self, ZarrOptions};
///
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("x.zarr");
/// array::ones([6, 4], [4, 4]).to_zarr(&path, &ZarrOptions::new())?;
/// assert_eq!(array::open_zarr(&path)?.sum(..).item::<f64>()?, 24.0);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn open_zarr(path: impl AsRef<Path>) -> Result<Array> {
    let array = ZarrArray::open(path)?;
    let dtype = array.dtype();
    let shape: Vec<u64> = array.shape().iter().map(|n| *n as u64).collect();
    let grid = Chunks::from(array.chunks()).grid(&shape, dtype.itemsize());
    let built = Array::built(grid.map(|grid| Expr::read(Arc::new(ZarrReader(array)), grid, dtype, "from-zarr")));
    built.check()?;
    Ok(built)
}

/// An array in an npy file, whose elements are read when they are needed.
#[track_caller]
pub fn open_npy(path: impl AsRef<Path>, chunks: impl Into<Chunks>) -> Result<Array> {
    let file = NpyFile::open(path)?;
    let shape: Vec<u64> = file.shape().iter().map(|n| *n as u64).collect();
    let grid = chunks.into().grid(&shape, file.dtype().itemsize());
    let built = Array::built(grid.and_then(|grid| Expr::memory(file.chunk().clone(), grid, "from-npy")));
    built.check()?;
    Ok(built)
}

/// How an array is written as Zarr: version 3, Zstandard at level 1, chunks like the array's first ones, and nothing
/// replaced, unless other things are said.
#[derive(Clone, Debug)]
pub struct ZarrOptions {
    version: ZarrVersion,
    compressor: Compressor,
    chunks: Option<Vec<usize>>,
    overwrite: bool,
    run: Options,
}

impl Default for ZarrOptions {
    fn default() -> ZarrOptions {
        ZarrOptions {
            version: ZarrVersion::V3,
            compressor: Compressor::Zstd { level: 1 },
            chunks: None,
            overwrite: false,
            run: Options::default(),
        }
    }
}

impl ZarrOptions {
    /// The defaults.
    pub fn new() -> ZarrOptions {
        ZarrOptions::default()
    }

    /// The version of the format.
    pub fn version(mut self, version: ZarrVersion) -> ZarrOptions {
        self.version = version;
        self
    }

    /// How chunks are compressed.
    pub fn compressor(mut self, compressor: Compressor) -> ZarrOptions {
        self.compressor = compressor;
        self
    }

    /// Lengths of one chunk of the file.
    pub fn chunks(mut self, lengths: &[usize]) -> ZarrOptions {
        self.chunks = Some(lengths.to_vec());
        self
    }

    /// Whether what is there already is replaced.
    pub fn overwrite(mut self, overwrite: bool) -> ZarrOptions {
        self.overwrite = overwrite;
        self
    }

    /// How the array is computed.
    pub fn run(mut self, options: Options) -> ZarrOptions {
        self.run = options;
        self
    }
}

/// Takes blocks to a Zarr array. Once the writer was taken out, to be published, nothing is written any more.
struct ZarrSink(RwLock<Option<ZarrWriter>>);

impl BlockWriter for ZarrSink {
    fn write(&self, _block: &[u32], start: &[u64], chunk: &Chunk) -> std::result::Result<(), TaskError> {
        let region: Vec<_> = start.iter().zip(chunk.shape()).map(|(at, n)| *at as usize..*at as usize + n).collect();
        match &*self.0.read() {
            Some(writer) => Ok(writer.write_region(&region, chunk)?),
            None => Err(TaskError::internal("a block came after the array was published")),
        }
    }
}

impl Array {
    /// Computes the array into a new Zarr array in a folder, which appears under its name when all of it is there. At no
    /// time more of it is in memory than the chunks being worked on.
    pub fn to_zarr(&self, path: impl AsRef<Path>, options: &ZarrOptions) -> Result<()> {
        let expr = self.expr()?;
        let grid = expr.grid();
        let first = || grid.axes().iter().map(|axis| (axis.sizes()[0] as usize).max(1)).collect();
        let spec = ZarrSpec {
            shape: self.shape()?,
            chunks: options.chunks.clone().unwrap_or_else(first),
            dtype: native(expr),
            version: options.version,
            compressor: options.compressor.clone(),
        };
        let sink = Arc::new(ZarrSink(RwLock::new(Some(ZarrWriter::create(path, &spec, options.overwrite)?))));
        let writes = expr.write(Arc::clone(&sink) as Arc<dyn BlockWriter>, "to-zarr");
        let mut builder = Builder::new();
        let blocks = lower(std::slice::from_ref(&writes), &mut builder)?.remove(0);
        let layer = as_layer(&writes, &blocks, &mut builder);
        for index in 0..writes.grid().blocks() {
            builder.output(TaskRef { layer, index });
        }
        run(builder, &options.run)?;
        let writer = sink.0.write().take();
        match writer {
            Some(writer) => Ok(writer.publish()?),
            None => Err(TaskError::internal("the Zarr array was published already").into()),
        }
    }

    /// Computes the array and writes it as an npy file, replacing one that is there if `overwrite` says so.
    ///
    /// ```
    /// use raskr::array;
    ///
    /// let folder = tempfile::tempdir().expect("a folder");
    /// let path = folder.path().join("x.npy");
    /// array::arange(0, 6, 1, 4).to_npy(&path, false)?;
    /// assert_eq!(array::open_npy(&path, 2)?.sum(..).item::<i64>()?, 15);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    pub fn to_npy(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<()> {
        Ok(write_npy(path, &self.compute()?, overwrite)?)
    }
}
