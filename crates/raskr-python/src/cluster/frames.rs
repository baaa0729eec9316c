//! Tasks of frames on their way to the workers of a cluster, and there.
//!
//! What the tasks of a stage have in common is a body; a task's arguments are its own part and the places of its inputs in
//! the task's list, where each is named once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raskr_base::{Op, TaskContext, TaskError, Value};
use raskr_frame::{Encoder, FrameError, Received};
use raskr_sched::Blob;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::task::BodyCode;
use crate::error::to_python;
use crate::frame::reader_of;

#[derive(Serialize, Deserialize)]
struct FrameArguments {
    places: Vec<u32>,
    own: ByteBuf,
}

/// A task for workers.
pub struct FrameTask {
    /// What it has in common with others: the same bytes, at the same place, as long as the encoder is there.
    pub body: Arc<[u8]>,
    pub arguments: Blob,
}

impl FrameTask {
    /// The code of the task and of those that it has its body in common with.
    pub fn code(&self) -> PyResult<Blob> {
        BodyCode::Frame(ByteBuf::from(self.body.to_vec())).encoded()
    }
}

/// Encodes the tasks of a submission.
#[derive(Default)]
pub struct FrameTasks {
    encoder: Encoder,
}

impl FrameTasks {
    /// Nothing for operations that are not of frames, and for those that only this process can do. `places` are those of
    /// the operation's inputs in the task's list.
    pub fn task(&mut self, py: Python<'_>, op: &dyn Op, places: &[u32]) -> PyResult<Option<FrameTask>> {
        let Some(encoded) = self.encoder.encode(op).map_err(|error| to_python(py, error.into()))? else {
            return Ok(None);
        };
        let arguments = FrameArguments { places: places.to_vec(), own: ByteBuf::from(encoded.own) };
        let arguments = postcard::to_stdvec(&arguments)
            .map_err(|error| PyValueError::new_err(format!("a task of frames can't be encoded: {error}")))?;
        Ok(Some(FrameTask { body: encoded.body, arguments: Blob::from(arguments) }))
    }
}

/// What tasks have in common, as a worker has it.
pub struct FrameBody(Received);

impl FrameBody {
    pub fn decode(bytes: &[u8]) -> Result<FrameBody, FrameError> {
        Received::decode(bytes, &reader_of).map(FrameBody)
    }

    /// Runs a task, without the interpreter held.
    pub fn run(
        &self,
        arguments: &[u8],
        inputs: &[Value],
        cancelled: &AtomicBool,
        memory_limit: Option<u64>,
    ) -> Result<Value, TaskError> {
        let malformed = |reason: String| TaskError::internal(format!("a task of frames can't be decoded: {reason}"));
        let arguments: FrameArguments =
            postcard::from_bytes(arguments).map_err(|error| malformed(error.to_string()))?;
        let op = self.0.task(&arguments.own)?;
        let chosen = arguments.places.iter().map(|&place| inputs.get(place as usize).cloned());
        let mut chosen: Vec<Value> =
            chosen.collect::<Option<_>>().ok_or_else(|| malformed("it has fewer inputs than it takes".to_owned()))?;
        op.run(&TaskContext { index: 0, cancelled, memory_limit }, &mut chosen)
    }
}
