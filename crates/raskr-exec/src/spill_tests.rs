//! Tests of spill files: what was written is read back, and nothing stays behind.

use super::*;
use crate::options::NoCodec;
use raskr_base::Foreign;
use std::any::Any;

/// A folder that is unique to one test.
fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("raskr-spill-test-{}-{name}", std::process::id()))
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn values_come_back_as_they_went() {
    let base = place("round");
    let folder = SpillFolder::new(Some(base.clone()), None, Box::new(RealDisk));
    let grid = Chunk::from_slice(&(0..24i64).collect::<Vec<_>>(), &[4, 6]);
    let turned = grid.with_layout(&[6, 4], &[1, 6], 0).expect("inside");
    let backwards = grid.with_layout(&[3, 2], &[6, -2], 4).expect("inside");
    let repeated = grid.with_layout(&[100, 6], &[0, 1], 6).expect("inside");
    let part = grid.with_layout(&[6], &[1], 12).expect("inside");
    let empty = grid.with_layout(&[0, 6], &[6, 1], 0).expect("inside");
    let elements = |chunk: &Chunk| -> Vec<i64> {
        let mut bytes = Vec::new();
        write_strided(chunk, &mut bytes).expect("memory");
        bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes"))).collect()
    };
    for chunk in [grid, turned, backwards, repeated, part, empty] {
        let file = folder.write(&Value::Chunk(chunk.clone())).expect("room on disk");
        let Value::Chunk(back) = file.read(&NoCodec).expect("readable") else { panic!("a chunk comes back") };
        assert_eq!((back.dtype(), back.shape()), (chunk.dtype(), chunk.shape()));
        assert_eq!(elements(&back), elements(&chunk));
        assert!(back.buffer().len() <= 24 * 8, "a view that repeats elements stays small");
    }
    let scalar = Chunk::scalar(7u8);
    let list = Value::List([Value::Unit, Value::Bytes(vec![1, 2, 3].into()), Value::Chunk(scalar)].into());
    let file = folder.write(&list).expect("room on disk");
    let Value::List(back) = file.read(&NoCodec).expect("readable") else { panic!("a list comes back") };
    assert!(matches!(back[0], Value::Unit));
    assert!(matches!(&back[1], Value::Bytes(bytes) if bytes[..] == [1, 2, 3]));
    assert_eq!(back[2].as_chunk().and_then(|chunk| chunk.item::<u8>()), Some(7));
    assert_eq!(entries(&base), 1);
    drop((file, folder));
    assert_eq!(entries(&base), 0);
    fs::remove_dir(base).expect("ours and empty");
}

#[cfg(unix)]
#[test]
fn the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let base = place("mode");
    let folder = SpillFolder::new(Some(base.clone()), None, Box::new(RealDisk));
    let file = folder.write(&Value::Unit).expect("room on disk");
    let path = folder.folder().expect("made");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
    drop((file, folder));
    fs::remove_dir(base).expect("ours and empty");
}

struct FullAfter(u64);

struct Filling<W>(W, u64);

impl<W: Write> Write for Filling<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let room = bytes.len().min(self.1 as usize);
        self.1 -= room as u64;
        self.0.write(&bytes[..room])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Disk for FullAfter {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Write>> {
        Ok(Box::new(Filling(RealDisk.create(path)?, self.0)))
    }
}

#[test]
fn a_full_disk_is_told_and_the_begun_file_removed() {
    let base = place("full");
    let folder = SpillFolder::new(Some(base.clone()), None, Box::new(FullAfter(1000)));
    let value = Value::Bytes(vec![0; 5000].into());
    let Err(SpillError::Disk { reason }) = folder.write(&value) else { panic!("it is full") };
    assert!(reason.contains("space") || reason.contains("full"), "{reason}");
    assert_eq!(entries(&folder.folder().expect("made")), 0);
    assert_eq!(folder.held.load(Ordering::Relaxed), 0);
    drop(folder);
    fs::remove_dir(base).expect("ours and empty");
}

#[test]
fn the_limit_holds_for_what_is_on_disk_at_once() {
    let base = place("limit");
    let folder = SpillFolder::new(Some(base.clone()), Some(1500), Box::new(RealDisk));
    let value = Value::Bytes(vec![0; 1000].into());
    let first = folder.write(&value).expect("the first fits");
    assert!(matches!(folder.write(&value), Err(SpillError::Disk { .. })));
    drop(first);
    let again = folder.write(&value).expect("it fits again");
    assert!(folder.written() > 2000);
    drop((again, folder));
    fs::remove_dir(base).expect("ours and empty");
}

#[derive(Debug)]
struct Secret;

impl Foreign for Secret {
    fn nbytes(&self) -> u64 {
        8
    }
    fn encode(&self) -> Result<Vec<u8>, TaskError> {
        Err(TaskError::value("a lock can't be encoded"))
    }
    fn kind(&self) -> &'static str {
        "secret"
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn what_has_no_encoding_is_refused_without_a_trace() {
    let base = place("secret");
    let folder = SpillFolder::new(Some(base.clone()), None, Box::new(RealDisk));
    assert!(matches!(folder.write(&Value::Foreign(Arc::new(Secret))), Err(SpillError::Encoding)));
    assert!(!base.exists());
}
