//! One way out of the scheduler: what a connection's queue does not take waits here, so that the machine never does.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Serialize;

use crate::connection::Sender;
use crate::error::CommError;

pub(super) struct Pipe<H> {
    sender: Sender<H>,
    backlog: VecDeque<(H, Vec<Bytes>)>,
}

impl<H: Serialize> Pipe<H> {
    pub fn new(sender: Sender<H>) -> Pipe<H> {
        Pipe { sender, backlog: VecDeque::new() }
    }

    /// Sends, now or as soon as there is room. An end of the connection is told by who receives on it.
    pub fn send(&mut self, header: H, buffers: Vec<Bytes>) {
        if !self.backlog.is_empty() {
            return self.backlog.push_back((header, buffers));
        }
        match self.sender.try_send_directly(&header, buffers) {
            Ok(Ok(())) => {}
            Ok(Err(buffers)) => self.backlog.push_back((header, buffers)),
            Err(error) => tell(&error),
        }
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) {
        while let Some((header, buffers)) = self.backlog.pop_front() {
            match self.sender.try_send_directly(&header, buffers) {
                Ok(Ok(())) => {}
                Ok(Err(buffers)) => return self.backlog.push_front((header, buffers)),
                Err(error) => tell(&error),
            }
        }
    }

    /// Does the peer take less than is sent?
    pub fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub fn sender(&self) -> &Sender<H> {
        &self.sender
    }
}

fn tell(error: &CommError) {
    if matches!(error, CommError::TooLarge { .. } | CommError::Encode { .. }) {
        tracing::error!("{error}");
    }
}
