//! npy stacks: a folder of npy files `0.npy`, `1.npy`, ... that follow each other along one axis, with a description
//! in `info.json`.
//!
//! Dask writes the description as a pickle in a file `info`, which may run any code when it is read: it is refused.

use std::fs;
use std::path::{Path, PathBuf};

use raskr_base::{Chunk, DType};
use serde::{Deserialize, Serialize};

use crate::descr;
use crate::error::IoError;
use crate::npy::{NpyFile, write_npy};
use crate::temporary::Temporary;

const INFO: &str = "info.json";
const FORMAT: &str = "raskr-npy-stack";

/// What `info.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Info {
    format: String,
    version: u32,
    dtype: String,
    chunks: Vec<Vec<usize>>,
    axis: usize,
}

/// An open stack.
#[derive(Clone, Debug)]
pub struct NpyStack {
    folder: PathBuf,
    dtype: DType,
    chunks: Vec<Vec<usize>>,
    axis: usize,
}

impl NpyStack {
    /// Reads the description; the blocks are opened when they are asked for.
    pub fn open(folder: impl AsRef<Path>) -> Result<NpyStack, IoError> {
        let folder = folder.as_ref();
        let path = folder.join(INFO);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(_) if folder.join("info").is_file() => {
                let message =
                    "the description 'info' of this stack is a Python pickle, as Dask writes it, which may run \
                               any code when it is read; write the stack again with raskr's to_npy_stack, which \
                               describes it in info.json"
                        .to_string();
                return Err(IoError::Metadata { path: folder.to_path_buf(), message });
            }
            Err(error) => return Err(IoError::system(&path, "read it")(error)),
        };
        let damaged = |message: String| IoError::Metadata { path: path.clone(), message };
        let info: Info = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if info.format != FORMAT || info.version != 1 {
            let found = format!("{:?} version {}", info.format, info.version);
            return Err(damaged(format!("expected {FORMAT:?} version 1, found {found}")));
        }
        let Some(dtype) = descr::parse_native(&info.dtype) else {
            return Err(IoError::DType { path, what: format!("type {:?}", info.dtype) });
        };
        let one_elsewhere = info.chunks.iter().enumerate().all(|(axis, n)| axis == info.axis || n.len() == 1);
        if info.axis >= info.chunks.len() || !one_elsewhere {
            let found = format!("axis {} of chunks {:?}", info.axis, info.chunks);
            return Err(damaged(format!("expected one axis with several chunks, found {found}")));
        }
        Ok(NpyStack { folder: folder.to_path_buf(), dtype, chunks: info.chunks, axis: info.axis })
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Lengths of the blocks along each axis.
    pub fn chunks(&self) -> &[Vec<usize>] {
        &self.chunks
    }

    /// The axis along which the files follow each other.
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.chunks[self.axis].len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Block `index`, mapped from its file.
    pub fn read_block(&self, index: usize) -> Result<Chunk, IoError> {
        let path = self.folder.join(format!("{index}.npy"));
        let Some(shape) = block_shape(&self.chunks, self.axis, index) else {
            return Err(IoError::Missing { path });
        };
        let file = NpyFile::open(&path)?;
        check_block(&path, self.dtype, shape, file.chunk())?;
        Ok(file.chunk().clone())
    }
}

fn block_shape(chunks: &[Vec<usize>], axis: usize, index: usize) -> Option<Vec<usize>> {
    chunks.iter().enumerate().map(|(i, n)| n.get(if i == axis { index } else { 0 }).copied()).collect()
}

fn check_block(path: &Path, dtype: DType, shape: Vec<usize>, chunk: &Chunk) -> Result<(), IoError> {
    if chunk.dtype() == dtype && chunk.shape() == shape {
        return Ok(());
    }
    Err(IoError::Block {
        path: path.to_path_buf(),
        shape,
        dtype,
        found_shape: chunk.shape().to_vec(),
        found: chunk.dtype(),
    })
}

/// A stack that is being written; blocks may come in any order and from any thread.
#[derive(Debug)]
pub struct NpyStackWriter {
    temporary: Temporary,
    dtype: DType,
    chunks: Vec<Vec<usize>>,
    axis: usize,
}

impl NpyStackWriter {
    /// Begins a stack of blocks along `axis`; every other axis must have one chunk.
    pub fn create(
        folder: impl AsRef<Path>,
        dtype: DType,
        chunks: Vec<Vec<usize>>,
        axis: usize,
        overwrite: bool,
    ) -> Result<NpyStackWriter, IoError> {
        let folder = folder.as_ref();
        if axis >= chunks.len() || chunks.iter().enumerate().any(|(i, n)| i != axis && n.len() != 1) {
            let message = format!("a stack needs one chunk along every axis but {axis}, found chunks {chunks:?}");
            return Err(IoError::Metadata { path: folder.to_path_buf(), message });
        }
        let temporary = Temporary::beside(folder, overwrite)?;
        fs::create_dir(temporary.path()).map_err(IoError::system(folder, "create the folder"))?;
        Ok(NpyStackWriter { temporary, dtype, chunks, axis })
    }

    pub fn write_block(&self, index: usize, chunk: &Chunk) -> Result<(), IoError> {
        let path = self.temporary.target().join(format!("{index}.npy"));
        match block_shape(&self.chunks, self.axis, index) {
            Some(shape) => check_block(&path, self.dtype, shape, chunk)?,
            None => {
                let shape = self.chunks.iter().map(|n| n.iter().sum()).collect();
                return Err(IoError::Region { path, region: format!("block {index}"), shape });
            }
        }
        write_npy(self.temporary.path().join(format!("{index}.npy")), chunk, true)
    }

    /// Writes the description and gives the stack its name. Every block must have been written.
    pub fn publish(self) -> Result<(), IoError> {
        let target = self.temporary.target().to_path_buf();
        for index in 0..self.chunks[self.axis].len() {
            if !self.temporary.path().join(format!("{index}.npy")).is_file() {
                return Err(IoError::Missing { path: target.join(format!("{index}.npy")) });
            }
        }
        let info = Info {
            format: FORMAT.to_string(),
            version: 1,
            dtype: descr::name(self.dtype),
            chunks: self.chunks,
            axis: self.axis,
        };
        let text = serde_json::to_vec_pretty(&info)
            .map_err(|error| IoError::Metadata { path: target.clone(), message: error.to_string() })?;
        fs::write(self.temporary.path().join(INFO), text).map_err(IoError::system(&target, "write info.json"))?;
        self.temporary.publish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(folder: &Path) -> PathBuf {
        let target = folder.join("stack");
        let writer = NpyStackWriter::create(&target, DType::I16, vec![vec![1, 2], vec![2]], 0, false).expect("create");
        writer.write_block(1, &Chunk::from_slice(&[3i16, 4, 5, 6], &[2, 2])).expect("write");
        writer.write_block(0, &Chunk::from_slice(&[1i16, 2], &[1, 2])).expect("write");
        assert!(!target.exists(), "nothing to see before the end");
        writer.publish().expect("publish");
        target
    }

    #[test]
    fn blocks_round_trip() {
        let folder = tempfile::tempdir().expect("folder");
        let read = NpyStack::open(stack(folder.path())).expect("open");
        assert_eq!((read.dtype(), read.axis(), read.len()), (DType::I16, 0, 2));
        assert_eq!(read.chunks(), [vec![1, 2], vec![2]]);
        assert_eq!(read.read_block(1).expect("block").as_slice::<i16>(), Some(&[3, 4, 5, 6][..]));
        assert!(matches!(read.read_block(2), Err(IoError::Missing { .. })));
    }

    #[test]
    fn wrong_and_missing_blocks_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let target = stack(folder.path());
        let read = NpyStack::open(&target).expect("open");
        write_npy(target.join("0.npy"), &Chunk::scalar(1u8), true).expect("write");
        let error = read.read_block(0).expect_err("wrong").to_string();
        assert!(
            error.contains("0.npy: a block of shape [] and type uint8 was given where shape [1, 2] and type int16"),
            "{error}"
        );
        fs::remove_file(target.join("1.npy")).expect("remove");
        assert!(matches!(read.read_block(1), Err(IoError::Missing { .. })));

        let writer =
            NpyStackWriter::create(folder.path().join("other"), DType::U8, vec![vec![1, 1]], 0, false).expect("create");
        assert!(
            matches!(writer.publish(), Err(IoError::Missing { .. })),
            "a stack without its blocks is not published"
        );
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn pickled_descriptions_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("info"), b"\x80\x04.").expect("write");
        let error = NpyStack::open(folder.path()).expect_err("pickle").to_string();
        assert!(error.contains("Python pickle") && error.contains("to_npy_stack"), "{error}");
    }

    #[test]
    fn damaged_descriptions_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        for text in [
            "",
            "{}",
            r#"{"format":"x","version":1,"dtype":"<f8","chunks":[[1]],"axis":0}"#,
            r#"{"format":"raskr-npy-stack","version":1,"dtype":"|O","chunks":[[1]],"axis":0}"#,
            r#"{"format":"raskr-npy-stack","version":1,"dtype":"<f8","chunks":[[1]],"axis":3}"#,
        ] {
            fs::write(folder.path().join(INFO), text).expect("write");
            let error = NpyStack::open(folder.path()).expect_err("damaged").to_string();
            assert!(error.contains("info.json"), "{error}");
        }
        fs::remove_file(folder.path().join(INFO)).expect("remove");
        assert!(matches!(NpyStack::open(folder.path()), Err(IoError::Missing { .. })));
    }
}
