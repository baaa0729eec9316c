//! The task that writes a connection's queue to its socket, and heartbeats when there is nothing else to write.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{CommError, Stage};
use crate::frame::{Batch, Kind};
use crate::outbox::{Outbox, State, Taken};
use crate::stream::WriteHalf;

/// How many pieces a system call takes at once.
const SLICES_MAX: usize = 64;
/// How long a connection that was closed here may go without getting rid of a byte.
const LINGER: Duration = Duration::from_secs(10);

/// Writes what is queued until the connection ends.
pub(crate) async fn write_all(outbox: Arc<Outbox>, half: WriteHalf) {
    let gauge = Gauge { outbox: &outbox, left: AtomicUsize::new(0), last: Mutex::new(Instant::now()) };
    let mut writer = Writer { outbox: &outbox, half, gauge: &gauge };
    let end = tokio::select! {
        biased;
        _ = outbox.ended() => return,
        written = writer.until_closed() => match written {
            Ok(()) => State::Ended,
            Err(error) => State::Failed(CommError::lost(&outbox.peer, &error)),
        },
        () = stuck(&gauge) => {
            let address = outbox.peer.clone();
            State::Failed(CommError::Timeout { address, after: LINGER, stage: Stage::Close })
        }
    };
    outbox.end(end);
}

/// Waits until the connection was closed here and then nothing could be written for a while.
async fn stuck(gauge: &Gauge<'_>) {
    gauge.outbox.closed().await;
    let closed = Instant::now();
    loop {
        let last = *gauge.last.lock();
        let deadline = last.max(closed) + LINGER;
        if deadline <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(deadline).await;
    }
}

/// What is told of progress.
struct Gauge<'a> {
    outbox: &'a Outbox,
    /// Bytes of the batch at hand that are still counted as queued.
    left: AtomicUsize,
    last: Mutex<Instant>,
}

impl Gauge<'_> {
    fn wrote(&self, bytes: usize) {
        *self.last.lock() = Instant::now();
        // Only the writing task changes the count.
        let left = self.left.load(Ordering::Relaxed);
        let part = bytes.min(left);
        if part > 0 {
            self.left.store(left - part, Ordering::Relaxed);
            self.outbox.release(0, part);
        }
    }
}

struct Writer<'a> {
    outbox: &'a Outbox,
    half: WriteHalf,
    gauge: &'a Gauge<'a>,
}

impl Writer<'_> {
    async fn until_closed(&mut self) -> io::Result<()> {
        let mut batch = Batch::default();
        loop {
            batch.clear();
            match self.outbox.take_batch(&mut batch) {
                Taken::Messages { messages, bytes } => {
                    self.gauge.left.store(bytes, Ordering::Relaxed);
                    self.write(&batch).await?;
                    self.outbox.wrote();
                    self.outbox.release(messages, self.gauge.left.swap(0, Ordering::Relaxed));
                }
                Taken::Nothing => {
                    tokio::select! {
                        () = self.outbox.filled() => continue,
                        () = tokio::time::sleep(self.outbox.options.heartbeat) => {}
                    }
                    if self.outbox.begin_bare() {
                        self.bare(Kind::Heartbeat).await?;
                        self.outbox.wrote();
                    }
                }
                Taken::End => break,
                // Whoever waits for this task sees the end as well.
                Taken::Over => std::future::pending().await,
            }
        }
        self.bare(Kind::Goodbye).await?;
        self.half.shutdown().await
    }

    async fn bare(&mut self, kind: Kind) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.push_bare(kind);
        self.write(&batch).await
    }

    /// Writes a batch. What was counted as queued is released as it goes out.
    async fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut slices = Slices { pieces: Vec::with_capacity(SLICES_MAX.min(2 * batch.parts.len() + 1)) };
        let mut from = 0;
        for part in &batch.parts {
            slices.push(self, &batch.bytes[from..part.at]).await?;
            from = part.at;
            slices.push(self, &part.bytes).await?;
        }
        slices.push(self, &batch.bytes[from..]).await?;
        slices.write(self).await?;
        self.half.flush().await
    }
}

/// Pieces that wait to be written by one call.
struct Slices<'a> {
    pieces: Vec<IoSlice<'a>>,
}

impl<'a> Slices<'a> {
    async fn push(&mut self, writer: &mut Writer<'_>, piece: &'a [u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces.push(IoSlice::new(piece));
        if self.pieces.len() == SLICES_MAX { self.write(writer).await } else { Ok(()) }
    }

    async fn write(&mut self, writer: &mut Writer<'_>) -> io::Result<()> {
        let gauge = writer.gauge;
        writer.half.write_all(&mut self.pieces, |bytes| gauge.wrote(bytes)).await?;
        self.pieces.clear();
        Ok(())
    }
}
