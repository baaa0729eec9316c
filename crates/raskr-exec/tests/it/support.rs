//! Graphs of small functions on numbers, and their naive evaluation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use raskr_base::{Chunk, Op, OpKind, TaskContext, TaskError, Value};
use raskr_exec::{Interpreter, RunOptions};
use raskr_graph::{Annotations, Graph, Layer, LayerId, Plan, PlanOptions, TaskRef};

type Body = Box<dyn Fn(&TaskContext<'_>, &mut Vec<Value>) -> Result<Value, TaskError> + Send + Sync>;

/// An operation made of a closure.
pub struct Function {
    pub name: &'static str,
    pub kind: OpKind,
    pub body: Body,
}

impl Op for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> OpKind {
        self.kind
    }

    fn origin(&self) -> Option<&str> {
        Some("script.py:7")
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        (self.body)(context, inputs)
    }
}

pub fn function(
    kind: OpKind,
    body: impl Fn(&TaskContext<'_>, &mut Vec<Value>) -> Result<Value, TaskError> + Send + Sync + 'static,
) -> Arc<dyn Op> {
    Arc::new(Function { name: "function", kind, body: Box::new(body) })
}

/// A task of a [`Table`].
pub struct Row {
    pub op: Arc<dyn Op>,
    pub inputs: Vec<u32>,
    pub bytes: u64,
    pub annotations: Option<Arc<Annotations>>,
}

impl Row {
    pub fn new(op: &Arc<dyn Op>, inputs: &[u32]) -> Row {
        Row { op: Arc::clone(op), inputs: inputs.to_vec(), bytes: 0, annotations: None }
    }
}

/// A layer that lists its tasks, each taking others of the same layer.
pub struct Table(pub Vec<Row>);

impl Layer for Table {
    fn name(&self) -> &str {
        "table"
    }

    fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn op(&self, index: u32) -> &Arc<dyn Op> {
        &self.0[index as usize].op
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        into.extend(self.0[index as usize].inputs.iter().map(|&index| TaskRef { layer: LayerId(0), index }));
    }

    fn bytes(&self, index: u32) -> u64 {
        self.0[index as usize].bytes
    }

    fn annotations_of(&self, index: u32) -> Option<&Arc<Annotations>> {
        self.0[index as usize].annotations.as_ref()
    }
}

pub fn plan_of(rows: Vec<Row>, outputs: &[u32]) -> Plan {
    let mut graph = Graph::default();
    let layer = graph.push(Arc::new(Table(rows)));
    graph.outputs = outputs.iter().map(|&index| TaskRef { layer, index }).collect();
    Plan::from_graph(graph, PlanOptions::default()).expect("a valid graph")
}

/// The number that a task yields, given its inputs' numbers: depends on each and on their order.
pub fn mix(index: u32, inputs: impl Iterator<Item = u64>) -> u64 {
    inputs.fold(u64::from(index) + 1, |sum, x| sum.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(x))
}

/// The number that a value stands for: the first element of its chunk.
pub fn number(value: &Value) -> u64 {
    let chunk = value.as_chunk().expect("chunks only");
    assert!(!chunk.is_empty());
    let elements = chunk.as_slice::<u64>().expect("contiguous");
    assert!(elements.iter().all(|x| *x == elements[0]), "a value was overwritten or badly read back");
    elements[0]
}

/// Every task's number, computed in order of their rows (inputs have smaller indices).
pub fn naive(rows: &[Vec<u32>]) -> Vec<u64> {
    let mut numbers: Vec<u64> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        numbers.push(mix(index as u32, row.iter().map(|&input| numbers[input as usize])));
    }
    numbers
}

/// The operation that computes [`mix`] into a chunk of `len` elements, reusing an input's memory when it may.
pub fn mixing(kind: OpKind, len: usize) -> Arc<dyn Op> {
    function(kind, move |context, inputs| {
        let result = mix(context.index, inputs.iter().map(number));
        let reused = match inputs.pop() {
            Some(Value::Chunk(chunk)) if chunk.len() == len => chunk.into_mut().ok(),
            _ => None,
        };
        let mut chunk = reused.unwrap_or_else(|| raskr_base::ChunkMut::new(raskr_base::DType::U64, &[len]));
        chunk.as_mut_slice::<u64>().fill(result);
        Ok(Value::Chunk(chunk.freeze()))
    })
}

pub fn chunk(number: u64) -> Value {
    Value::Chunk(Chunk::scalar(number))
}

/// An interpreter that one thread at a time is inside, and that notices a second one.
#[derive(Default)]
pub struct OneAtATime {
    lock: parking_lot::Mutex<()>,
    pub inside: Arc<AtomicBool>,
}

impl Interpreter for OneAtATime {
    fn scoped(&self, body: &mut dyn FnMut()) {
        let _held = self.lock.lock();
        assert!(!self.inside.swap(true, Ordering::SeqCst));
        body();
        self.inside.store(false, Ordering::SeqCst);
    }
}

pub fn options(threads: usize) -> RunOptions {
    RunOptions { threads, interpreter: Arc::new(OneAtATime::default()), ..RunOptions::default() }
}
