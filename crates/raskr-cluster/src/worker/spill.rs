//! Files of spilled values: one for each, in a folder that goes with the worker.
//!
//! A file holds the lengths of its parts, which part is in shared memory, then the parts: head and buffers. It is read by the
//! process that wrote it and by no other. Invariant: a file disappears with the last handle to it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use raskr_base::Buffer as Memory;
use raskr_exec::pool::SharedBuffer;
use serde::{Deserialize, Serialize};

use crate::buffers::bytes_of;
use crate::packed::{Buffer, Packed};

/// Names that are tried for the folder.
const FOLDER_TRIES: u32 = 1000;

#[derive(Serialize, Deserialize)]
struct Layout {
    head: u64,
    /// Length of each buffer, and whether children can map it.
    buffers: Vec<(u64, bool)>,
}

/// Where files are made, when the first one is.
pub(super) struct SpillFolder {
    base: PathBuf,
    limit: Option<u64>,
    path: Mutex<Option<PathBuf>>,
    next: AtomicU64,
    /// Bytes in files now.
    held: AtomicU64,
}

pub(super) struct SpillFile {
    folder: Arc<SpillFolder>,
    path: PathBuf,
    bytes: u64,
    layout: Layout,
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // A file that can't be removed goes with its folder.
        let _ = fs::remove_file(&self.path);
        self.folder.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        self.remove();
    }
}

impl SpillFolder {
    pub fn new(base: &Path, limit: Option<u64>) -> Arc<SpillFolder> {
        Arc::new(SpillFolder {
            base: base.to_owned(),
            limit,
            path: Mutex::new(None),
            next: AtomicU64::new(0),
            held: AtomicU64::new(0),
        })
    }

    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The most bytes that fit: what was allowed, or what the disk has in all.
    pub fn limit(&self) -> u64 {
        self.limit.unwrap_or_else(|| {
            let disk = rustix::fs::statvfs(&self.base);
            disk.map_or(0, |disk| disk.f_blocks.saturating_mul(disk.f_frsize))
        })
    }

    fn path(&self) -> io::Result<PathBuf> {
        let mut path = self.path.lock();
        if let Some(path) = &*path {
            return Ok(path.clone());
        }
        fs::create_dir_all(&self.base)?;
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let mut number = 0;
        loop {
            let tried = self.base.join(format!("raskr-worker-{}-{number}", std::process::id()));
            match builder.create(&tried) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < FOLDER_TRIES => number += 1,
                Err(error) => return Err(error),
                Ok(()) => {
                    *path = Some(tried.clone());
                    return Ok(tried);
                }
            }
        }
    }

    /// Removes the folder and all that is left in it.
    pub fn remove(&self) {
        if let Some(path) = self.path.lock().take() {
            // What can't be removed is the folder's owner's to tidy up.
            let _ = fs::remove_dir_all(path);
        }
    }

    /// Writes a value; on failure nothing of it is left.
    pub fn write(self: &Arc<SpillFolder>, value: &Packed) -> io::Result<SpillFile> {
        let buffers = value.buffers.iter();
        let buffers = buffers.map(|buffer| (buffer.len() as u64, matches!(buffer, Buffer::Shared(_)))).collect();
        let layout = Layout { head: value.head.len() as u64, buffers };
        let bytes = value.nbytes();
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // From here on the handle takes back what was added, and removes what was written.
        let mut file = SpillFile { folder: Arc::clone(self), path: PathBuf::new(), bytes, layout };
        if self.limit.is_some_and(|limit| held > limit) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        file.path = self.path()?.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut to = File::options().write(true).create_new(true).open(&file.path)?;
        to.write_all(&value.head)?;
        value.buffers.iter().try_for_each(|buffer| to.write_all(buffer.as_slice()))?;
        Ok(file)
    }
}

impl SpillFile {
    pub fn read(&self) -> io::Result<Packed> {
        let mut from = File::open(&self.path)?;
        let mut head = vec![0; self.layout.head as usize];
        from.read_exact(&mut head)?;
        let mut buffers = Vec::with_capacity(self.layout.buffers.len());
        for &(len, shared) in &self.layout.buffers {
            buffers.push(match shared {
                true => Buffer::Shared(SharedBuffer::read_from(&mut from, len as usize)?),
                false => Buffer::Plain(read_plain(&mut from, len as usize)?),
            });
        }
        Ok(Packed { head: head.into(), buffers })
    }
}

fn read_plain(from: &mut File, len: usize) -> io::Result<Bytes> {
    if len == 0 {
        return Ok(Bytes::new());
    }
    let mut memory = Memory::try_recycled(len).ok_or(io::ErrorKind::OutOfMemory)?;
    from.read_exact(memory.as_bytes_mut().ok_or(io::ErrorKind::OutOfMemory)?)?;
    Ok(bytes_of(Arc::new(memory)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(len: usize) -> io::Result<Packed> {
        let shared = Buffer::Shared(SharedBuffer::copy_of(&vec![3; len])?);
        Ok(Packed { head: Bytes::from_static(b"head"), buffers: vec![Buffer::Plain(vec![9; 70_000].into()), shared] })
    }

    #[test]
    fn values_come_back_as_they_were_and_files_go_with_their_handles() -> io::Result<()> {
        let base = std::env::temp_dir().join(format!("raskr-spill-test-{}", std::process::id()));
        let folder = SpillFolder::new(&base, Some(1 << 20));
        let kept = folder.write(&value(100_000)?)?;
        let came = kept.read()?;
        assert_eq!((&came.head[..], came.nbytes()), (&b"head"[..], 170_004));
        assert!(matches!(came.buffers[1], Buffer::Shared(_)) && matches!(came.buffers[0], Buffer::Plain(_)));
        assert_eq!(came.buffers[1].as_slice(), vec![3; 100_000]);
        assert!(folder.write(&value(1 << 20)?).is_err());
        assert_eq!(folder.held.load(Ordering::Relaxed), 170_004);
        drop(kept);
        assert_eq!(folder.held.load(Ordering::Relaxed), 0);
        drop(folder);
        assert_eq!(fs::read_dir(&base)?.count(), 0);
        fs::remove_dir(&base)
    }
}
