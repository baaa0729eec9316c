//! A bell: wakes a thread that waits for what a child says.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// What rings until the thread that waits hears it.
pub struct Bell {
    rope: UnixStream,
    clapper: UnixStream,
}

impl Bell {
    pub fn new() -> io::Result<Bell> {
        let (rope, clapper) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        clapper.set_nonblocking(true)?;
        Ok(Bell { rope, clapper })
    }

    pub fn ring(&self) {
        // What can't be written was rung often enough.
        let _ = (&self.rope).write(&[1]);
    }

    /// It was heard.
    pub(super) fn quiet(&self) {
        let mut heard = [0; 64];
        while matches!((&self.clapper).read(&mut heard), Ok(bytes) if bytes == heard.len()) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.clapper.as_fd()
    }
}
