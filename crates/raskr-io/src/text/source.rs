//! Where text comes from: a local file, one in an object store, or bytes that were fetched before; and the reader that counts what is taken.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::IoError;
use crate::objects::ObjectFile;

/// How much is asked of the system at once.
pub(crate) const PIECE: usize = 256 << 10;

/// Something that can be read from its beginning, more than once.
#[derive(Clone)]
pub enum TextSource {
    File(PathBuf),
    Object(ObjectFile),
    /// Bytes that came from elsewhere, and the name that errors give them.
    Bytes {
        name: PathBuf,
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    },
}

impl fmt::Debug for TextSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextSource::File(path) => out.debug_tuple("File").field(path).finish(),
            TextSource::Object(file) => out.debug_tuple("Object").field(&file.path()).finish(),
            TextSource::Bytes { name, .. } => out.debug_tuple("Bytes").field(name).finish(),
        }
    }
}

/// A source that is open.
pub(crate) trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

struct Shared(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl TextSource {
    /// The path, or the name of what is no file.
    pub fn path(&self) -> &Path {
        match self {
            TextSource::File(path) => path,
            TextSource::Object(file) => file.path(),
            TextSource::Bytes { name, .. } => name,
        }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Input>, IoError> {
        match self {
            TextSource::File(path) => Ok(Box::new(File::open(path).map_err(IoError::system(path, "open"))?)),
            TextSource::Object(file) => Ok(Box::new(file.reader()?)),
            TextSource::Bytes { bytes, .. } => Ok(Box::new(Cursor::new(Shared(Arc::clone(bytes))))),
        }
    }
}

/// What a [`Counted`] reader tells while a decoder owns it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    consumed: AtomicU64,
    ended: AtomicBool,
    failed: AtomicBool,
}

impl Meter {
    /// Bytes taken so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Was more asked for than there is?
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Did the system refuse to read?
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// A buffered reader that counts the bytes taken from it.
pub(crate) struct Counted {
    input: BufReader<Box<dyn Input>>,
    meter: Arc<Meter>,
}

impl Counted {
    pub(crate) fn new(input: Box<dyn Input>) -> (Counted, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (Counted { input: BufReader::with_capacity(PIECE, input), meter: Arc::clone(&meter) }, meter)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.input.fill_buf() {
            Ok(bytes) => {
                self.meter.ended.fetch_or(bytes.is_empty(), Ordering::Relaxed);
                Ok(bytes)
            }
            Err(error) => {
                self.meter.failed.fetch_or(error.kind() != io::ErrorKind::Interrupted, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
        self.meter.consumed.fetch_add(amount as u64, Ordering::Relaxed);
    }
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// Reads until `out` is full or the input ends; tells how much there was.
pub(crate) fn read_full(input: &mut (impl Read + ?Sized), out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match input.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
