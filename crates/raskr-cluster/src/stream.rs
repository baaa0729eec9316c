//! One type for the three kinds of socket, and its halves.

use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{Shutdown, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp};
use tokio_rustls::TlsStream;

use crate::unix::{self, UnixRead, UnixWrite};

/// After this long without traffic the system asks whether the other machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Small messages go out at once; dead machines are noticed.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = stream.as_fd();
    sockopt::set_socket_keepalive(socket, true)?;
    // Fine tuning that a system may lack.
    let _ = sockopt::set_tcp_keepidle(socket, KEEPALIVE);
    let _ = sockopt::set_tcp_keepintvl(socket, KEEPALIVE / 3);
    let _ = sockopt::set_tcp_keepcnt(socket, 3);
    Ok(())
}

impl Stream {
    /// Something that only the two ends of this very TLS session know; zeros elsewhere.
    pub fn binding(&self) -> Result<[u8; 32], rustls::Error> {
        match self {
            Stream::Tcp(_) | Stream::Unix(_) => Ok([0; 32]),
            Stream::Tls(stream) => {
                let label = b"EXPORTER-raskr-channel-binding";
                match &**stream {
                    TlsStream::Client(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
                    TlsStream::Server(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
                }
            }
        }
    }

    /// The halves; within a runtime.
    pub fn into_split(self) -> io::Result<(ReadHalf, WriteHalf)> {
        Ok(match self {
            Stream::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(Arc::new(write)))
            }
            Stream::Tls(stream) => {
                let (read, write) = tokio::io::split(*stream);
                (ReadHalf::Tls(read), WriteHalf::Tls(write))
            }
            Stream::Unix(stream) => {
                let (read, write) = unix::split(stream)?;
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

pub(crate) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
    Unix(UnixRead),
}

impl ReadHalf {
    /// Reads some bytes, 0 at the end of the stream. Nothing is lost when the future is dropped.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            ReadHalf::Tcp(half) => half.read(into).await,
            ReadHalf::Tls(half) => half.read(into).await,
            ReadHalf::Unix(half) => half.read(into).await,
        }
    }
}

pub(crate) enum WriteHalf {
    Tcp(Arc<tcp::OwnedWriteHalf>),
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
    Unix(UnixWrite),
}

/// For others than the task that writes: what the system takes at once, it takes from whoever has it.
pub(crate) enum Direct {
    Tcp(Weak<tcp::OwnedWriteHalf>),
    Unix(Weak<std::os::unix::net::UnixStream>),
}

impl Direct {
    /// How many of the bytes were taken; errors are the writing task's to find.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let written = match self {
            Direct::Tcp(half) => half.upgrade().map(|half| half.try_write(bytes)),
            Direct::Unix(socket) => socket.upgrade().map(|socket| (&*socket).write(bytes)),
        };
        written.and_then(Result::ok).unwrap_or(0)
    }
}

/// What the system takes of some slices; `None` when it takes nothing now.
fn now(written: io::Result<usize>) -> io::Result<Option<usize>> {
    match written {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl WriteHalf {
    /// Writes all slices; `written` is told of progress.
    pub async fn write_all(&mut self, mut slices: &mut [IoSlice<'_>], written: impl Fn(usize)) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let bytes = match self {
                WriteHalf::Tcp(half) => match now(half.try_write_vectored(slices))? {
                    Some(bytes) => bytes,
                    None => {
                        half.writable().await?;
                        continue;
                    }
                },
                WriteHalf::Tls(half) => half.write_vectored(slices).await?,
                WriteHalf::Unix(half) => half.write(slices).await?,
            };
            // A socket that takes everything keeps nobody from running.
            tokio::task::coop::consume_budget().await;
            if bytes == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            written(bytes);
            IoSlice::advance_slices(&mut slices, bytes);
        }
        Ok(())
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        match self {
            WriteHalf::Tls(half) => half.flush().await,
            WriteHalf::Tcp(_) => Ok(()),
            WriteHalf::Unix(half) => {
                half.rest();
                Ok(())
            }
        }
    }

    /// Tells the other side that nothing more will come.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            WriteHalf::Tcp(half) => {
                let socket: &TcpStream = (**half).as_ref();
                Ok(rustix::net::shutdown(socket, Shutdown::Write)?)
            }
            WriteHalf::Tls(half) => half.shutdown().await,
            WriteHalf::Unix(half) => half.shutdown(),
        }
    }

    /// Nothing where what is written has to be encrypted.
    pub fn direct(&self) -> Option<Direct> {
        match self {
            WriteHalf::Tcp(half) => Some(Direct::Tcp(Arc::downgrade(half))),
            WriteHalf::Tls(_) => None,
            WriteHalf::Unix(half) => Some(Direct::Unix(Arc::downgrade(half.socket()))),
        }
    }
}
