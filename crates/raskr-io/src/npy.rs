//! npy files: NumPy's own format for one array. Read through a memory map, without a copy where the layout allows it.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. A header is a Python literal
//! of three known entries; it is parsed here as just that, never evaluated, and pickled contents are refused.
// `unsafe` is allowed here: the map of a file becomes the memory of a block, which keeps the map alive.
#![allow(unsafe_code)]

mod header;

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use raskr_base::chunk::contiguous_strides;
use raskr_base::{Buffer, Chunk, ChunkMut, DType};

use crate::bytes;
use crate::descr::Order;
use crate::error::IoError;
use crate::temporary::Temporary;

/// An open npy file. Cloning shares the map.
#[derive(Clone, Debug)]
pub struct NpyFile {
    path: PathBuf,
    chunk: Chunk,
    mapped: bool,
}

impl NpyFile {
    /// Opens a file and maps it. Nothing is read but the header, unless the numbers are of the other byte order or lie
    /// unaligned in the file: they are copied then.
    ///
    /// The file must not be shortened while it is open: the system ends a process that reads mapped memory whose file
    /// is gone.
    pub fn open(path: impl AsRef<Path>) -> Result<NpyFile, IoError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(IoError::system(path, "open it"))?;
        let size = file.metadata().map_err(IoError::system(path, "ask for its size"))?.len();
        if size == 0 {
            // An empty file can't be mapped.
            return Err(header::parse(path, &[]).err().unwrap_or(IoError::Missing { path: path.to_path_buf() }));
        }
        // SAFETY: the map is private to this process and read only; that the file stays as it is, is asked of the caller.
        let map = unsafe { Mmap::map(&file) }.map_err(IoError::system(path, "map it into memory"))?;
        let found = header::parse(path, &map)?;
        let elements = found.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
        let expected = elements.and_then(|n| n.checked_mul(found.dtype.itemsize()));
        let expected = match expected {
            Some(bytes) if bytes <= isize::MAX as usize => bytes,
            _ => {
                let message = format!("an array of shape {:?} is larger than any memory", found.shape);
                return Err(IoError::Metadata { path: path.to_path_buf(), message });
            }
        };
        let data = map.get(found.data..).unwrap_or(&[]);
        if data.len() < expected {
            return Err(IoError::Length {
                path: path.to_path_buf(),
                expected: expected as u64,
                found: data.len() as u64,
                what: format!(" behind the header, for shape {:?} of {}", found.shape, found.dtype),
            });
        }
        let strides = match found.column_major {
            true => bytes::column_major_strides(&found.shape),
            false => contiguous_strides(&found.shape),
        };
        let data = &data[..expected];
        let component = if found.dtype.is_complex() { found.dtype.itemsize() / 2 } else { found.dtype.itemsize() };
        let mapped = found.order == Order::Native && (data.as_ptr() as usize).is_multiple_of(component);
        let buffer = if mapped {
            let (start, len) = (data.as_ptr(), data.len());
            // SAFETY: the bytes belong to the map, which does not move and which the buffer keeps; the map is read only.
            Arc::new(unsafe { Buffer::borrowed(start, len, false, Box::new(map)) })
        } else {
            let mut copy = Buffer::recycled(expected);
            if let Some(bytes) = copy.as_bytes_mut() {
                bytes.copy_from_slice(data);
                if found.order == Order::Swapped {
                    bytes::swap_bytes(bytes, component);
                }
            }
            Arc::new(copy)
        };
        let Some(chunk) = Chunk::from_parts(found.dtype, &found.shape, &strides, 0, buffer) else {
            let message = format!("an array of shape {:?} does not fit its own bytes", found.shape);
            return Err(IoError::Metadata { path: path.to_path_buf(), message });
        };
        Ok(NpyFile { path: path.to_path_buf(), chunk, mapped })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn shape(&self) -> &[usize] {
        self.chunk.shape()
    }

    pub fn dtype(&self) -> DType {
        self.chunk.dtype()
    }

    /// Are the elements read from the file as they are asked for, rather than copied when it was opened?
    pub fn is_mapped(&self) -> bool {
        self.mapped
    }

    /// The whole array.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// A part of the array, without a copy.
    pub fn read_region(&self, region: &[Range<usize>]) -> Result<Chunk, IoError> {
        let inside = region.len() == self.chunk.ndim() && region.iter().all(|r| r.start <= r.end);
        inside.then(|| bytes::part(&self.chunk, region)).flatten().ok_or_else(|| IoError::Region {
            path: self.path.clone(),
            region: format!("{region:?}"),
            shape: self.shape().to_vec(),
        })
    }
}

/// Writes a block as an npy file (row-major, this machine's byte order). The file appears when it is whole.
pub fn write_npy(path: impl AsRef<Path>, chunk: &Chunk, overwrite: bool) -> Result<(), IoError> {
    let path = path.as_ref();
    let temporary = Temporary::beside(path, overwrite)?;
    let doing = "write it";
    let mut file = File::create_new(temporary.path()).map_err(IoError::system(path, "create it"))?;
    file.write_all(&header::write(chunk.dtype(), chunk.shape())).map_err(IoError::system(path, doing))?;
    file.write_all(&bytes::row_major(chunk)).map_err(IoError::system(path, doing))?;
    drop(file);
    temporary.publish()
}

/// Reads a whole npy file into memory that a sole owner may write to.
pub fn read_npy(path: impl AsRef<Path>) -> Result<Chunk, IoError> {
    let file = NpyFile::open(path)?;
    if !file.mapped {
        return Ok(file.chunk);
    }
    let mut out = ChunkMut::new(file.dtype(), file.shape());
    out.as_bytes_mut()[..file.chunk.nbytes()].copy_from_slice(&bytes::row_major(&file.chunk));
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(chunk: &Chunk) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.npy");
        write_npy(&path, chunk, false).expect("write");
        (folder, path)
    }

    #[test]
    fn what_is_written_is_read_from_the_map() {
        let chunk = Chunk::from_slice(&[1.5f64, 2.5, 3.5, 4.5, 5.5, 6.5], &[2, 3]);
        let (_folder, path) = written(&chunk);
        let file = NpyFile::open(&path).expect("open");
        assert!(file.is_mapped());
        assert_eq!((file.shape(), file.dtype()), (&[2, 3][..], DType::F64));
        assert_eq!(file.chunk().as_slice::<f64>(), chunk.as_slice::<f64>());
        let part = file.read_region(&[1..2, 0..2]).expect("part");
        assert_eq!(part.as_slice::<f64>(), Some(&[4.5, 5.5][..]));
        assert!(matches!(file.read_region(&[0..3, 0..1]), Err(IoError::Region { .. })));
    }

    #[test]
    fn a_truncated_file_says_how_much_is_missing() {
        let (_folder, path) = written(&Chunk::from_slice(&[1i32, 2, 3, 4], &[4]));
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, &whole[..whole.len() - 6]).expect("write");
        let error = NpyFile::open(&path).expect_err("truncated").to_string();
        assert!(error.ends_with("x.npy: 10 bytes where 16 were expected behind the header, for shape [4] of int32: the file is truncated or damaged"), "{error}");
    }

    #[test]
    fn scalars_and_empty_arrays_have_files_too() {
        for chunk in [Chunk::scalar(7u8), Chunk::from_slice::<f32>(&[], &[0, 4])] {
            let (_folder, path) = written(&chunk);
            let read = read_npy(&path).expect("read");
            assert_eq!((read.shape(), read.dtype()), (chunk.shape(), chunk.dtype()));
        }
    }

    #[test]
    fn an_existing_file_is_kept() {
        let (_folder, path) = written(&Chunk::scalar(1u8));
        assert!(matches!(write_npy(&path, &Chunk::scalar(2u8), false), Err(IoError::Exists { .. })));
        write_npy(&path, &Chunk::scalar(2u8), true).expect("overwrite");
        assert_eq!(read_npy(&path).expect("read").item::<u8>(), Some(2));
    }
}
