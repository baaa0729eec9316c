//! Graphs written down as tables of inputs, for the tests of this crate.

use std::sync::Arc;

use raskr_base::{Op, TaskContext, TaskError, Value};

use crate::graph::{Annotations, Graph, Layer, LayerId, TaskRef};

struct Nothing;

impl Op for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn run(&self, _: &TaskContext<'_>, _: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(Value::Unit)
    }
}

/// A layer whose tasks take the listed tasks of the same layer.
pub struct Table {
    name: String,
    rows: Vec<Vec<TaskRef>>,
    bytes: Vec<u64>,
    annotations: Vec<Option<Arc<Annotations>>>,
    op: Arc<dyn Op>,
}

impl Table {
    pub fn new(name: &str, rows: &[&[u32]]) -> Table {
        let rows: Vec<Vec<TaskRef>> =
            rows.iter().map(|row| row.iter().map(|&index| TaskRef { layer: LayerId(0), index }).collect()).collect();
        Table {
            name: name.into(),
            bytes: vec![0; rows.len()],
            annotations: vec![None; rows.len()],
            rows,
            op: Arc::new(Nothing),
        }
    }

    pub fn with_input(mut self, index: usize, input: TaskRef) -> Table {
        self.rows[index].push(input);
        self
    }

    pub fn with_op(mut self, op: Arc<dyn Op>) -> Table {
        self.op = op;
        self
    }

    pub fn with_priority(mut self, index: usize, priority: i64) -> Table {
        self.annotations[index] = Some(Arc::new(Annotations { priority, ..Annotations::default() }));
        self
    }
}

impl Layer for Table {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    fn op(&self, _: u32) -> &Arc<dyn Op> {
        &self.op
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        into.extend_from_slice(&self.rows[index as usize]);
    }

    fn bytes(&self, index: u32) -> u64 {
        self.bytes[index as usize]
    }

    fn annotations_of(&self, index: u32) -> Option<&Arc<Annotations>> {
        self.annotations[index as usize].as_ref()
    }
}

pub fn graph_of(rows: &[&[u32]], outputs: &[u32]) -> Graph {
    let mut graph = Graph::default();
    let layer = graph.push(Arc::new(Table::new("t", rows)));
    graph.outputs = outputs.iter().map(|&index| TaskRef { layer, index }).collect();
    graph
}
