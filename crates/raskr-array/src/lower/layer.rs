//! `OpLayer`: a layer whose tasks all run one operation, their inputs listed by a function of the task's index.

use std::sync::Arc;

use raskr_base::Op;
use raskr_graph::{Layer, TaskRef};

type ListInputs = Box<dyn Fn(u32, &mut Vec<TaskRef>) + Send + Sync>;

pub struct OpLayer {
    name: String,
    tasks: u32,
    op: Arc<dyn Op>,
    inputs: ListInputs,
}

impl OpLayer {
    pub fn new(
        op: Arc<dyn Op>,
        tasks: u32,
        inputs: impl Fn(u32, &mut Vec<TaskRef>) + Send + Sync + 'static,
    ) -> Arc<OpLayer> {
        Arc::new(OpLayer { name: op.name().to_owned(), tasks, op, inputs: Box::new(inputs) })
    }
}

impl Layer for OpLayer {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u32 {
        self.tasks
    }

    fn op(&self, _index: u32) -> &Arc<dyn Op> {
        &self.op
    }

    fn key(&self, index: u32) -> String {
        self.op.key(index).unwrap_or_else(|| format!("{}-{index}", self.name))
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        (self.inputs)(index, into);
    }
}
