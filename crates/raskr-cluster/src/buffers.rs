//! Received bytes as the engine's buffers and the other way round, without copies.
// `unsafe` is allowed here: a buffer borrows the memory of bytes that it keeps alive.
#![allow(unsafe_code)]

use std::sync::Arc;

use bytes::Bytes;
use raskr_base::Buffer;

struct Owner(Arc<Buffer>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A buffer to be sent.
pub fn bytes_of(buffer: Arc<Buffer>) -> Bytes {
    Bytes::from_owner(Owner(buffer))
}

/// Bytes that were received, as a buffer that nobody writes to.
pub fn buffer_of(bytes: Bytes) -> Arc<Buffer> {
    let (start, len) = (bytes.as_ptr(), bytes.len());
    // SAFETY: `Bytes` never change and never move what they point to, and they live as long as the buffer.
    Arc::new(unsafe { Buffer::borrowed(start, len, false, Box::new(bytes)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_buffers_share_their_memory() {
        let buffer = Arc::new(Buffer::zeroed(1000));
        let start = buffer.as_ptr();
        let bytes = bytes_of(buffer);
        assert_eq!((bytes.as_ptr(), bytes.len()), (start, 1000));
        let part = buffer_of(bytes.slice(10..20));
        drop(bytes);
        assert_eq!((part.as_bytes(), part.as_ptr() as usize), (&[0; 10][..], start as usize + 10));
        assert!(!part.is_writable());
        assert!(buffer_of(Bytes::new()).is_empty());
    }
}
