//! `ObjectWriter`: a file that is sent in parts, and is there once it is finished.

use std::mem;
use std::sync::Arc;

use object_store::buffered::BufWriter;
use tokio::io::AsyncWriteExt;

use super::requests::ask;
use super::store::ObjectFile;
use crate::error::IoError;

/// Bytes that are sent in one request.
const PART: usize = 8 << 20;

pub struct ObjectWriter {
    file: ObjectFile,
    /// Nothing once it is finished or given up.
    upload: Option<BufWriter>,
    part: Vec<u8>,
}

impl ObjectWriter {
    pub fn new(file: ObjectFile) -> ObjectWriter {
        let (store, key) = file.place();
        let upload = BufWriter::with_capacity(Arc::clone(&store), key, PART).with_max_concurrency(4);
        ObjectWriter { file, upload: Some(upload), part: Vec::new() }
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), IoError> {
        let message = || "is finished already".to_owned();
        let closed = || IoError::Unsupported { path: self.file.path().to_path_buf(), message: message() };
        let mut upload = self.upload.take().ok_or_else(closed)?;
        let part = mem::take(&mut self.part);
        let (upload, sent) = ask(async move {
            let sent = upload.put(part.into()).await;
            (upload, sent)
        })
        .map_err(IoError::system(self.file.path(), "write"))?;
        self.upload = Some(upload);
        sent.map_err(|error| self.file.failed("write", &error))
    }

    /// The file is there when this returns without an error, and not otherwise.
    pub fn finish(&mut self) -> Result<(), IoError> {
        self.send()?;
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let ended = ask(async move { upload.shutdown().await }).map_err(IoError::system(self.file.path(), "write"))?;
        ended.map_err(|error| match error.downcast::<object_store::Error>() {
            Ok(error) => self.file.failed("write", &error),
            Err(error) => IoError::system(self.file.path(), "write")(error),
        })
    }

    /// Nothing is kept of what was sent.
    pub fn give_up(&mut self) -> Result<(), IoError> {
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        self.file.asked("give up writing", async move { upload.abort().await })
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        // Stores take parts that belong to nothing away by themselves, if they are not told.
        let _ = self.give_up();
    }
}
