//! Connections of the page: how many there may be, and how long one may keep its place without taking anything.
//!
//! One rule covers the slow, the idle and the hostile: a connection to which nothing could be written for a while is
//! closed. The while is short until a request on it has shown the token.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// More wait in the system's queue.
pub(crate) const CONNECTIONS_MAX: usize = 128;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How long a connection may go without taking anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// With those who have not shown the token.
    pub strangers: Duration,
    pub friends: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { strangers: Duration::from_secs(5), friends: Duration::from_secs(60) }
    }
}

/// What requests know of their connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub ip: IpAddr,
    trusted: Arc<AtomicBool>,
}

impl Peer {
    /// A request on it has shown the token.
    pub fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Doorman>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doorman>) -> Peer {
        stream.io().peer.clone()
    }
}

/// Lets in so many at a time.
pub(crate) struct Doorman {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Patience,
}

impl Doorman {
    pub fn new(listener: TcpListener, patience: Patience) -> Doorman {
        Doorman { listener, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)), patience }
    }
}

impl Listener for Doorman {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let Ok(place) = self.places.clone().acquire_owned().await else { continue };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Events are small and wanted at once; a socket that refuses is served all the same.
                    let _ = stream.set_nodelay(true);
                    let guest = Guest {
                        stream,
                        peer: Peer { ip: address.ip(), trusted: Arc::default() },
                        patience: self.patience,
                        deadline: Box::pin(sleep(self.patience.strangers)),
                        _place: place,
                    };
                    return (guest, address);
                }
                // Such as too many open files: others may close some.
                Err(error) => {
                    tracing::debug!("the dashboard could not accept a connection: {error}");
                    sleep_until(Instant::now() + PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its place and its deadline.
pub(crate) struct Guest {
    stream: TcpStream,
    peer: Peer,
    patience: Patience,
    deadline: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            let trusted = self.peer.trusted.load(Ordering::Relaxed);
            let patience = if trusted { self.patience.friends } else { self.patience.strangers };
            self.deadline.as_mut().reset(Instant::now() + patience);
        }
        written
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
