//! `ZarrArray`: an open array, read by region.
// `unsafe` is allowed here: chunks are decoded straight into the memory of a new block, which nobody else sees yet.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raskr_base::{Chunk, ChunkMut, DType};
use unsafe_cell_slice::UnsafeCellSlice;
use zarrs::array::{Array, ArrayBytesFixedDisjointView, ArrayMetadata, ArraySubset, CodecOptions};
use zarrs::filesystem::FilesystemStore;

use super::metadata::{self, ZarrVersion};
use crate::error::IoError;

/// An open Zarr array. Cheap to share between threads behind an [`Arc`].
#[derive(Debug)]
pub struct ZarrArray {
    /// What the user calls it.
    pub(super) path: PathBuf,
    /// Where its files are: elsewhere as long as it is being written.
    folder: PathBuf,
    pub(super) array: Array<FilesystemStore>,
    version: ZarrVersion,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    pub(super) chunks: Vec<usize>,
    raw: bool,
}

/// Threads belong to the caller: a chunk is coded on the thread that asks for it.
pub(super) fn options() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

impl ZarrArray {
    /// Opens the array in a folder, of either version. Reads its description only.
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrArray, IoError> {
        let path = path.as_ref();
        ZarrArray::described(path, path)
    }

    /// Opens the array in `folder`; errors call it `path`.
    pub(super) fn described(folder: &Path, path: &Path) -> Result<ZarrArray, IoError> {
        let known = metadata::read(folder)?;
        let unsupported = |message: String| IoError::Unsupported { path: path.to_path_buf(), message };
        let damaged = |message: String| IoError::Metadata { path: path.to_path_buf(), message };
        let described: ArrayMetadata = serde_json::from_value(known.plain)
            .map_err(|error| damaged(format!("the description of the array is damaged: {error}")))?;
        let store = FilesystemStore::new(folder).map_err(|error| unsupported(error.to_string()))?;
        let array = Array::new_with_metadata(Arc::new(store), "/", described)
            .map_err(|error| unsupported(error.to_string()))?;
        Ok(ZarrArray {
            path: path.to_path_buf(),
            folder: folder.to_path_buf(),
            array,
            version: known.version,
            dtype: known.dtype,
            shape: known.shape,
            chunks: known.chunks,
            raw: known.raw,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn version(&self) -> ZarrVersion {
        self.version
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Lengths of one chunk as stored (of one shard where there are shards).
    pub fn chunks(&self) -> &[usize] {
        &self.chunks
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The element that stands where no chunk is stored, as a block without dimensions.
    pub fn fill(&self) -> Chunk {
        let mut fill = ChunkMut::zeroed(self.dtype, &[]);
        let bytes = self.array.fill_value().as_ne_bytes();
        if let Some(target) = fill.as_bytes_mut().get_mut(..bytes.len()) {
            target.copy_from_slice(bytes);
        }
        fill.freeze()
    }

    /// Reads one region: one range per axis, inside the shape. Chunks that are not stored give the fill value.
    pub fn read_region(&self, region: &[Range<usize>]) -> Result<Chunk, IoError> {
        self.check_region(region)?;
        let shape: Vec<usize> = region.iter().map(Range::len).collect();
        let mut out = ChunkMut::new(self.dtype, &shape);
        if out.is_empty() {
            return Ok(out.freeze());
        }
        let indices: Vec<u64> = region.iter().zip(&self.chunks).map(|(r, &n)| (r.start / n) as u64).collect();
        let whole = region.iter().zip(&self.chunks).all(|(r, &n)| r.start % n == 0 && r.len() == n);
        if self.raw && !whole {
            self.check_sizes(region)?;
        }
        if self.raw && whole && self.read_raw(&indices, &mut out)? {
            return Ok(out.freeze());
        }
        let size = self.dtype.itemsize();
        let full: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let wanted = ArraySubset::new_with_ranges(&wide(region));
        let len = out.len() * size;
        let bytes = UnsafeCellSlice::new(&mut out.as_bytes_mut()[..len]);
        // SAFETY: the one view of the block's memory, all of it.
        let view =
            unsafe { ArrayBytesFixedDisjointView::new(bytes, size, &full, ArraySubset::new_with_shape(full.clone())) };
        let mut view = view.map_err(|error| self.failed(&indices, error.to_string()))?;
        self.array
            .retrieve_array_subset_into_opt(&wanted, (&mut view).into(), &options())
            .map_err(|error| self.explained(region, error.to_string()))?;
        Ok(out.freeze())
    }

    /// Reads one whole uncompressed chunk straight from its file; false when it is not stored.
    fn read_raw(&self, indices: &[u64], out: &mut ChunkMut) -> Result<bool, IoError> {
        let (file, path) = self.chunk_path(indices);
        let len = out.len() * self.dtype.itemsize();
        let mut file = match File::open(file) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(IoError::system(&path, "open it")(error)),
        };
        let found = file.metadata().map_err(IoError::system(&path, "ask for its size"))?.len();
        if found != len as u64 {
            return Err(IoError::Length {
                path,
                expected: len as u64,
                found,
                what: " in an uncompressed chunk".into(),
            });
        }
        file.read_exact(&mut out.as_bytes_mut()[..len]).map_err(IoError::system(&path, "read it"))?;
        Ok(true)
    }

    /// A part of an uncompressed chunk may be there although the chunk is not whole: that is told, not overlooked.
    fn check_sizes(&self, region: &[Range<usize>]) -> Result<(), IoError> {
        let expected = (self.chunks.iter().product::<usize>() * self.dtype.itemsize()) as u64;
        for indices in super::write::overlapped(region, &self.chunks) {
            let (file, path) = self.chunk_path(&indices);
            match fs::metadata(file).map(|file| file.len()) {
                Ok(found) if found != expected => {
                    return Err(IoError::Length { path, expected, found, what: " in an uncompressed chunk".into() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Where a chunk is, and what to call that place.
    fn chunk_path(&self, indices: &[u64]) -> (PathBuf, PathBuf) {
        let key = self.array.chunk_key(indices);
        (self.folder.join(key.as_str()), self.path.join(key.as_str()))
    }

    pub(super) fn check_region(&self, region: &[Range<usize>]) -> Result<(), IoError> {
        let inside = region.len() == self.shape.len()
            && region.iter().zip(&self.shape).all(|(r, &n)| r.start <= r.end && r.end <= n);
        if inside {
            return Ok(());
        }
        Err(IoError::Region { path: self.path.clone(), region: format!("{region:?}"), shape: self.shape.clone() })
    }

    pub(super) fn failed(&self, indices: &[u64], message: String) -> IoError {
        IoError::Chunk { path: self.path.clone(), key: self.array.chunk_key(indices).to_string(), message }
    }

    /// Names the first chunk of the region that can't be decoded, with the size of its file.
    fn explained(&self, region: &[Range<usize>], message: String) -> IoError {
        for indices in super::write::overlapped(region, &self.chunks) {
            let Ok(found) = fs::metadata(self.chunk_path(&indices).0).map(|file| file.len()) else { continue };
            if let Err(message) = self.decoded(&indices) {
                let expected = self.chunks.iter().product::<usize>() * self.dtype.itemsize();
                return self
                    .failed(&indices, format!("could not be decoded from {found} bytes to {expected}: {message}"));
            }
        }
        let first: Vec<u64> = region.iter().zip(&self.chunks).map(|(r, &n)| (r.start / n) as u64).collect();
        self.failed(&first, message)
    }

    fn decoded(&self, indices: &[u64]) -> Result<Vec<u8>, String> {
        let bytes: zarrs::array::ArrayBytes<'static> =
            self.array.retrieve_chunk_opt(indices, &options()).map_err(|error| error.to_string())?;
        bytes.into_fixed().map(|bytes| bytes.into_owned()).map_err(|error| error.to_string())
    }
}

pub(super) fn wide(region: &[Range<usize>]) -> Vec<Range<u64>> {
    region.iter().map(|r| r.start as u64..r.end as u64).collect()
}
