//! Tasks of frames on their way to other processes: what the tasks of a stage have in common, and each task's own part.
//!
//! Tasks that read what only this process has (tables in memory) do not travel: their results do.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::aggregates::AggregateMode;
use raskr_base::Op;
use serde::{Deserialize, Serialize};

use crate::choice::Gathered;
use crate::columns::{Columns, ColumnsOp};
use crate::error::FrameError;
use crate::expr::Expr;
use crate::operators::Node;
use crate::plan::{JoinKind, Measure, SortKey};
use crate::reader::PartitionReader;
use crate::stage::{Bounds, Ending, Pick, Stage, StageOp};
use crate::table::Table;
use crate::wire;

/// Makes a reader of the bytes that [`PartitionReader::encoded`] gave.
pub type ReaderOf<'a> = dyn Fn(&[u8]) -> Result<Arc<dyn PartitionReader>, FrameError> + 'a;

/// What a task does, in two parts.
pub struct Encoded {
    /// What many tasks have in common; the same bytes for all tasks of a stage.
    pub body: Arc<[u8]>,
    /// What is the task's own.
    pub own: Vec<u8>,
}

/// Encodes tasks; what those of a stage have in common once.
#[derive(Default)]
pub struct Encoder {
    bodies: HashMap<*const Stage, Arc<[u8]>>,
    /// Stages are kept, so that addresses stay theirs.
    kept: Vec<Arc<Stage>>,
    common: Option<Arc<[u8]>>,
}

impl Encoder {
    /// Nothing for operations that are not of frames, and for those that only this process can do.
    pub fn encode(&mut self, op: &dyn Op) -> Result<Option<Encoded>, FrameError> {
        let Some(op) = op.as_any() else { return Ok(None) };
        if let Some(task) = op.downcast_ref::<StageOp>() {
            let Some(body) = self.stage(&task.stage)? else { return Ok(None) };
            let own = (task.partition, &task.slots, task.estimate);
            return Ok(Some(Encoded { body, own: bytes_of(&own)? }));
        }
        let own = if let Some(pick) = op.downcast_ref::<Pick>() {
            Task::Pick(pick.number)
        } else if let Some(op) = op.downcast_ref::<ColumnsOp>() {
            Task::Columns(op.columns, op.bytes)
        } else if let Some(op) = op.downcast_ref::<Gathered>() {
            Task::Gathered(op.clone())
        } else {
            match op.downcast_ref::<Bounds>() {
                Some(Bounds::Known(table)) => Task::Bounds(table.clone()),
                Some(Bounds::Sampled { keys, count }) => Task::Sampled(keys.clone(), *count),
                None => return Ok(None),
            }
        };
        let body = match &self.common {
            Some(body) => Arc::clone(body),
            None => Arc::clone(self.common.insert(bytes_of(&Common::Tasks)?.into())),
        };
        Ok(Some(Encoded { body, own: bytes_of(&own)? }))
    }

    fn stage(&mut self, stage: &Arc<Stage>) -> Result<Option<Arc<[u8]>>, FrameError> {
        if let Some(body) = self.bodies.get(&Arc::as_ptr(stage)) {
            return Ok(Some(Arc::clone(body)));
        }
        let Some(node) = sent(&stage.node)? else { return Ok(None) };
        let (name, schema, ending) = (stage.name.clone(), Arc::clone(&stage.schema), stage.ending.clone());
        let body: Arc<[u8]> = bytes_of(&Common::Stage { name, node, schema, ending })?.into();
        self.bodies.insert(Arc::as_ptr(stage), Arc::clone(&body));
        self.kept.push(Arc::clone(stage));
        Ok(Some(body))
    }
}

/// The common part of tasks that came from elsewhere.
pub struct Received(Option<Arc<Stage>>);

impl Received {
    pub fn decode(body: &[u8], reader: &ReaderOf<'_>) -> Result<Received, FrameError> {
        Ok(Received(match of_bytes(body)? {
            Common::Tasks => None,
            Common::Stage { name, node, schema, ending } => {
                Some(Arc::new(Stage { name, node: received(node, reader)?, schema, ending }))
            }
        }))
    }

    /// A task by its own part.
    pub fn task(&self, own: &[u8]) -> Result<Arc<dyn Op>, FrameError> {
        if let Some(stage) = &self.0 {
            let (partition, slots, estimate) = of_bytes(own)?;
            return Ok(StageOp::new(stage, partition, slots, estimate));
        }
        Ok(match of_bytes(own)? {
            Task::Pick(number) => Arc::new(Pick { number }),
            Task::Columns(columns, bytes) => Arc::new(ColumnsOp { columns, bytes }),
            Task::Gathered(op) => Arc::new(op),
            Task::Bounds(table) => Arc::new(Bounds::Known(table)),
            Task::Sampled(keys, count) => Arc::new(Bounds::Sampled { keys, count }),
        })
    }
}

#[derive(Serialize, Deserialize)]
enum Common {
    /// Tasks that have nothing in common.
    Tasks,
    Stage {
        name: String,
        node: Sent,
        #[serde(with = "wire::schemas")]
        schema: SchemaRef,
        ending: Ending,
    },
}

#[derive(Serialize, Deserialize)]
enum Task {
    Pick(usize),
    Columns(Columns, u64),
    Gathered(Gathered),
    Bounds(#[serde(with = "wire::tables")] Table),
    Sampled(Vec<SortKey>, usize),
}

/// A [`Node`] without its readers.
#[derive(Serialize, Deserialize)]
enum Sent {
    Read {
        reader: Vec<u8>,
        columns: Vec<usize>,
    },
    Input {
        slot: usize,
        #[serde(with = "wire::schemas")]
        schema: SchemaRef,
    },
    Project {
        input: Box<Sent>,
        columns: Vec<(String, Expr)>,
    },
    Filter {
        input: Box<Sent>,
        predicate: Expr,
    },
    Aggregate {
        input: Box<Sent>,
        mode: Mode,
        keys: Vec<String>,
        measures: Vec<Measure>,
        drop_missing: bool,
        #[serde(with = "wire::schemas")]
        rows: SchemaRef,
    },
    Join {
        left: Box<Sent>,
        right: Box<Sent>,
        on: Vec<(String, String)>,
        kind: JoinKind,
        hold_left: bool,
    },
    Either {
        slot: usize,
        whole: Box<Sent>,
        pieces: Box<Sent>,
    },
}

/// Those of DataFusion's modes that stages have.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Mode {
    Partial,
    Final,
    Single,
}

/// The node with its readers encoded; nothing when one of them does not travel.
fn sent(node: &Node) -> Result<Option<Sent>, FrameError> {
    Ok(Some(match node {
        Node::Read { reader, .. } if !reader.travels() => return Ok(None),
        Node::Read { reader, columns } => Sent::Read { reader: reader.encoded()?, columns: columns.clone() },
        Node::Input { slot, schema } => Sent::Input { slot: *slot, schema: Arc::clone(schema) },
        Node::Project { input, columns } => {
            let Some(input) = sent(input)? else { return Ok(None) };
            Sent::Project { input: Box::new(input), columns: columns.clone() }
        }
        Node::Filter { input, predicate } => {
            let Some(input) = sent(input)? else { return Ok(None) };
            Sent::Filter { input: Box::new(input), predicate: predicate.clone() }
        }
        Node::Aggregate { input, mode, keys, measures, drop_missing, rows } => {
            let Some(input) = sent(input)? else { return Ok(None) };
            let mode = match mode {
                AggregateMode::Partial => Mode::Partial,
                AggregateMode::Final => Mode::Final,
                _ => Mode::Single,
            };
            let (keys, measures, rows) = (keys.clone(), measures.clone(), Arc::clone(rows));
            Sent::Aggregate { input: Box::new(input), mode, keys, measures, drop_missing: *drop_missing, rows }
        }
        Node::Join { left, right, on, kind, hold_left } => {
            let (Some(left), Some(right)) = (sent(left)?, sent(right)?) else { return Ok(None) };
            let (left, right) = (Box::new(left), Box::new(right));
            Sent::Join { left, right, on: on.clone(), kind: *kind, hold_left: *hold_left }
        }
        Node::Either { slot, whole, pieces } => {
            let (Some(whole), Some(pieces)) = (sent(whole)?, sent(pieces)?) else { return Ok(None) };
            Sent::Either { slot: *slot, whole: Box::new(whole), pieces: Box::new(pieces) }
        }
    }))
}

fn received(node: Sent, reader_of: &ReaderOf<'_>) -> Result<Node, FrameError> {
    let inner = |node: Box<Sent>| received(*node, reader_of).map(Box::new);
    Ok(match node {
        Sent::Read { reader, columns } => {
            let reader = reader_of(&reader)?;
            let there = reader.schema().fields().len();
            match columns.iter().find(|&&place| place >= there) {
                Some(place) => return Err(malformed(format!("column {place} of a reader that has {there}"))),
                None => Node::Read { reader, columns },
            }
        }
        Sent::Input { slot, schema } => Node::Input { slot, schema },
        Sent::Project { input, columns } => Node::Project { input: inner(input)?, columns },
        Sent::Filter { input, predicate } => Node::Filter { input: inner(input)?, predicate },
        Sent::Aggregate { input, mode, keys, measures, drop_missing, rows } => {
            let mode = match mode {
                Mode::Partial => AggregateMode::Partial,
                Mode::Final => AggregateMode::Final,
                Mode::Single => AggregateMode::Single,
            };
            Node::Aggregate { input: inner(input)?, mode, keys, measures, drop_missing, rows }
        }
        Sent::Join { left, right, on, kind, hold_left } => {
            Node::Join { left: inner(left)?, right: inner(right)?, on, kind, hold_left }
        }
        Sent::Either { slot, whole, pieces } => Node::Either { slot, whole: inner(whole)?, pieces: inner(pieces)? },
    })
}

fn malformed(message: String) -> FrameError {
    FrameError::Engine { operation: "a task from elsewhere", message }
}

fn bytes_of(value: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    postcard::to_stdvec(value).map_err(|error| malformed(format!("it can't be written: {error}")))
}

fn of_bytes<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(malformed(format!("it has {} bytes too many", rest.len()))),
        Err(error) => Err(malformed(format!("it can't be read: {error}"))),
    }
}
