//! The halves of a Unix socket. The system is asked for word of what can be read, and of room to write only while there is
//! none: otherwise whatever the other side reads of it wakes whoever waits for its answer, which costs as much as the answer.
// `unsafe` is allowed here: a descriptor that is registered has to stay the same.
#![allow(unsafe_code)]

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) struct UnixRead(AsyncFd<Arc<UnixStream>>);

pub(crate) struct UnixWrite {
    socket: Arc<UnixStream>,
    /// The socket once more, while room is waited for.
    room: Option<AsyncFd<OwnedFd>>,
}

/// Within a runtime.
pub(crate) fn split(stream: tokio::net::UnixStream) -> io::Result<(UnixRead, UnixWrite)> {
    let socket = Arc::new(stream.into_std()?);
    // SAFETY: the socket is open for as long as it is registered, and always the same descriptor.
    let read = unsafe { AsyncFd::register_with_interest(Arc::clone(&socket), Interest::READABLE) }?;
    Ok((UnixRead(read), UnixWrite { socket, room: None }))
}

impl UnixRead {
    pub async fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|socket| (&**socket.get_ref()).read(into)) {
                Ok(Ok(bytes)) => {
                    // There was no more: the next read need not ask.
                    if bytes > 0 && bytes < into.len() {
                        ready.clear_ready();
                    }
                    return Ok(bytes);
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
    }
}

impl UnixWrite {
    /// The socket, for those who write to it themselves what it takes at once.
    pub fn socket(&self) -> &Arc<UnixStream> {
        &self.socket
    }

    /// Writes some of the slices, as soon as there is room.
    pub async fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match (&*self.socket).write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => return written,
            }
            let room = match &mut self.room {
                Some(room) => room,
                none => {
                    // The system takes a descriptor once.
                    let again = OwnedFd::from(self.socket.try_clone()?);
                    // SAFETY: as above. Whether there is room by now the system says at once.
                    none.insert(unsafe { AsyncFd::register_with_interest(again, Interest::WRITABLE) }?)
                }
            };
            let mut ready = room.writable().await?;
            ready.clear_ready();
        }
    }

    /// All is written that was to be: there is no need of word any more.
    pub fn rest(&mut self) {
        self.room = None;
    }

    pub fn shutdown(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }
}

impl Drop for UnixWrite {
    fn drop(&mut self) {
        // The other side may be gone.
        let _ = self.shutdown();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    const IN: u32 = 0x1;
    const OUT: u32 = 0x4;

    /// What the system is asked to tell of a descriptor, as far as it tells what it is asked.
    fn asked(descriptor: i32) -> Option<u32> {
        let of = |text: String| {
            text.lines().find_map(|line| {
                let mut words = line.strip_prefix("tfd:")?.split_whitespace();
                (words.next()?.parse() == Ok(descriptor)).then_some(())?;
                u32::from_str_radix(words.nth(1)?, 16).ok()
            })
        };
        let files = std::fs::read_dir("/proc/self/fdinfo").ok()?;
        files.flatten().filter_map(|file| std::fs::read_to_string(file.path()).ok()).find_map(of)
    }

    #[tokio::test]
    async fn room_to_write_is_told_only_while_it_is_waited_for() {
        let (here, there) = tokio::net::UnixStream::pair().expect("a pair");
        let (_read, mut write) = split(here).expect("two halves");
        let (back, _other) = split(there).expect("two halves");
        let own = write.socket.as_raw_fd();
        assert_eq!(asked(own).map(|events| events & (IN | OUT)), Some(IN));
        let piece = vec![7; 1 << 20];
        let reading = async {
            let (mut into, mut got) = (vec![0; 1 << 16], 0);
            while got < 8 * piece.len() {
                got += back.read(&mut into).await.expect("read");
            }
            got
        };
        let writing = async {
            let mut waited = false;
            for _ in 0..8 {
                let mut left = &piece[..];
                while !left.is_empty() {
                    let written = write.write(&[IoSlice::new(left)]).await.expect("written");
                    left = &left[written..];
                    if let Some(room) = &write.room {
                        waited = true;
                        assert_eq!(asked(room.as_raw_fd()).map(|events| events & (IN | OUT)), Some(OUT));
                    }
                }
            }
            write.rest();
            waited
        };
        let (got, waited) = tokio::join!(reading, writing);
        assert!(waited && got == 8 << 20);
        assert_eq!(asked(own).map(|events| events & (IN | OUT)), Some(IN));
        assert!(write.room.is_none());
        // Its end is told.
        drop(write);
        assert_eq!(back.read(&mut [0; 8]).await.expect("read"), 0);
    }
}
