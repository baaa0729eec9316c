//! Calls and collections: the lazily built nodes that users hold, and the builder that makes one graph of them.
//!
//! A [`Call`] is one task with its inputs (a delayed function call); a [`Collection`] is many tasks that are listed only
//! when a graph is made (an array expression). Each may stand on the other. Invariant: a node that is reached on several
//! ways becomes one task.
//! Deep chains are common (a loop that folds a list), so that dropping and walking calls never recurses.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use raskr_base::{Op, TaskError};

use crate::graph::{Annotations, Graph, Layer, LayerId, TaskRef};

/// Many tasks in one: lowered to layers when a graph is built.
pub trait Collection: Send + Sync {
    /// Adds layers to the builder and gives the one whose tasks are the collection's blocks, in row-major order.
    fn lower(self: Arc<Self>, builder: &mut Builder) -> Result<LayerId, TaskError>;

    /// The collection itself, for whoever made it to know it again.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// What a call takes as one of its inputs.
#[derive(Clone)]
pub enum Input {
    /// The result of another call.
    Call(Arc<Call>),
    /// One block of a collection, by its row-major index.
    Block(Arc<dyn Collection>, u32),
}

/// One task to be, with the nodes it takes inputs from.
pub struct Call {
    op: Arc<dyn Op>,
    inputs: Vec<Input>,
    annotations: Option<Arc<Annotations>>,
    key: OnceLock<String>,
    /// Does it stand on a collection, itself or through other calls?
    on_collections: bool,
}

impl Call {
    pub fn new(op: Arc<dyn Op>, inputs: Vec<Input>, annotations: Option<Arc<Annotations>>) -> Arc<Call> {
        let on_collections = inputs.iter().any(|input| match input {
            Input::Call(call) => call.on_collections,
            Input::Block(..) => true,
        });
        Arc::new(Call { op, inputs, annotations, key: OnceLock::new(), on_collections })
    }

    pub fn op(&self) -> &Arc<dyn Op> {
        &self.op
    }

    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    pub fn annotations(&self) -> Option<&Arc<Annotations>> {
        self.annotations.as_ref()
    }

    /// Does it take blocks of collections, itself or through other calls?
    pub fn stands_on_collections(&self) -> bool {
        self.on_collections
    }

    /// The key, made by `make` when it is first asked for.
    pub fn key_or_init(&self, make: impl FnOnce() -> String) -> &str {
        self.key.get_or_init(make)
    }

    pub fn key(&self) -> Option<&str> {
        self.key.get().map(String::as_str)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut waiting: Vec<Input> = std::mem::take(&mut self.inputs);
        while let Some(input) = waiting.pop() {
            if let Input::Call(call) = input
                && let Some(mut call) = Arc::into_inner(call)
            {
                waiting.append(&mut call.inputs);
            }
        }
    }
}

/// The collections that inputs stand on, each once.
pub fn collections_under<'i>(inputs: impl Iterator<Item = &'i Input>) -> Vec<Arc<dyn Collection>> {
    let (mut seen, mut found): (HashSet<*const ()>, _) = (HashSet::new(), Vec::new());
    let mut waiting: Vec<&Input> = inputs.collect();
    while let Some(input) = waiting.pop() {
        match input {
            Input::Call(call) => {
                if call.on_collections && seen.insert(Arc::as_ptr(call).cast()) {
                    waiting.extend(&call.inputs);
                }
            }
            Input::Block(collection, _) => {
                if seen.insert(Arc::as_ptr(collection).cast()) {
                    found.push(Arc::clone(collection));
                }
            }
        }
    }
    found
}

/// The one layer that holds all calls of a graph.
#[derive(Default)]
struct CallLayer {
    calls: Vec<Arc<Call>>,
    starts: Vec<u32>,
    inputs: Vec<TaskRef>,
}

impl Layer for CallLayer {
    fn name(&self) -> &str {
        "calls"
    }

    fn len(&self) -> u32 {
        self.calls.len() as u32
    }

    fn op(&self, index: u32) -> &Arc<dyn Op> {
        self.calls[index as usize].op()
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        let (start, end) = (self.starts[index as usize], self.starts[index as usize + 1]);
        into.extend_from_slice(&self.inputs[start as usize..end as usize]);
    }

    fn key(&self, index: u32) -> String {
        let call = &self.calls[index as usize];
        call.key().map_or_else(|| format!("{}-{index}", call.op().name()), str::to_owned)
    }

    fn annotations_of(&self, index: u32) -> Option<&Arc<Annotations>> {
        self.calls[index as usize].annotations.as_ref()
    }
}

/// Makes one graph of calls and collections, each listed once.
pub struct Builder {
    /// Slot 0 is kept for the calls.
    layers: Vec<Option<Arc<dyn Layer>>>,
    outputs: Vec<TaskRef>,
    calls: CallLayer,
    call_index: HashMap<*const Call, u32>,
    collections: HashMap<*const (), (LayerId, Arc<dyn Collection>)>,
}

const CALLS: LayerId = LayerId(0);

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    pub fn new() -> Builder {
        Builder {
            layers: vec![None],
            outputs: Vec::new(),
            calls: CallLayer { starts: vec![0], ..CallLayer::default() },
            call_index: HashMap::new(),
            collections: HashMap::new(),
        }
    }

    /// Adds a layer and gives its number.
    pub fn push(&mut self, layer: Arc<dyn Layer>) -> LayerId {
        self.layers.push(Some(layer));
        LayerId(self.layers.len() as u32 - 1)
    }

    /// A layer that was added before.
    pub fn layer(&self, id: LayerId) -> Option<&Arc<dyn Layer>> {
        self.layers.get(id.0 as usize).and_then(Option::as_ref)
    }

    /// Marks a task's value as wanted, after those marked before.
    pub fn output(&mut self, task: TaskRef) {
        self.outputs.push(task);
    }

    /// The layer of a collection, lowered when it is first met.
    pub fn collection(&mut self, collection: &Arc<dyn Collection>) -> Result<LayerId, TaskError> {
        let address = Arc::as_ptr(collection).cast::<()>();
        if let Some((id, _)) = self.collections.get(&address) {
            return Ok(*id);
        }
        let id = Arc::clone(collection).lower(self)?;
        // Kept alive, so that no other collection can get the same address while this graph is built.
        self.collections.insert(address, (id, Arc::clone(collection)));
        Ok(id)
    }

    /// Tells that a collection was lowered by other means than [`Builder::collection`].
    pub fn remember(&mut self, collection: Arc<dyn Collection>, id: LayerId) {
        self.collections.insert(Arc::as_ptr(&collection).cast::<()>(), (id, collection));
    }

    /// The task of a call, listed with everything it stands on when it is first met.
    pub fn call(&mut self, call: &Arc<Call>) -> Result<TaskRef, TaskError> {
        // Each entry is a call and how many of its inputs have been visited.
        let mut path: Vec<(Arc<Call>, usize)> = Vec::new();
        if !self.call_index.contains_key(&Arc::as_ptr(call)) {
            path.push((Arc::clone(call), 0));
        }
        while let Some((current, visited)) = path.last_mut() {
            if let Some(input) = current.inputs.get(*visited) {
                *visited += 1;
                match input {
                    Input::Call(needed) if !self.call_index.contains_key(&Arc::as_ptr(needed)) => {
                        let needed = Arc::clone(needed);
                        path.push((needed, 0));
                    }
                    Input::Call(_) => {}
                    Input::Block(collection, _) => {
                        let collection = Arc::clone(collection);
                        self.collection(&collection)?;
                    }
                }
                continue;
            }
            if let Some((current, _)) = path.pop() {
                self.list(current)?;
            }
        }
        Ok(TaskRef { layer: CALLS, index: self.call_index.get(&Arc::as_ptr(call)).copied().unwrap_or_default() })
    }

    /// Appends a call whose inputs are all listed.
    fn list(&mut self, call: Arc<Call>) -> Result<(), TaskError> {
        if self.call_index.contains_key(&Arc::as_ptr(&call)) {
            return Ok(());
        }
        for input in &call.inputs {
            let task = match input {
                Input::Call(needed) => TaskRef {
                    layer: CALLS,
                    index: self.call_index.get(&Arc::as_ptr(needed)).copied().ok_or_else(|| {
                        TaskError::internal(format!("an input of {} was not listed before it", call.op.name()))
                    })?,
                },
                Input::Block(collection, index) => TaskRef { layer: self.collection(collection)?, index: *index },
            };
            self.calls.inputs.push(task);
        }
        self.calls.starts.push(self.calls.inputs.len() as u32);
        self.call_index.insert(Arc::as_ptr(&call), self.calls.calls.len() as u32);
        self.calls.calls.push(call);
        Ok(())
    }

    pub fn finish(self) -> Graph {
        let Builder { layers, outputs, calls, .. } = self;
        let mut calls = Some(Arc::new(calls) as Arc<dyn Layer>);
        let layers = layers.into_iter().filter_map(|layer| layer.or_else(|| calls.take())).collect();
        Graph { layers, outputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskr_base::{TaskContext, Value};

    struct Nothing;
    impl Op for Nothing {
        fn name(&self) -> &str {
            "nothing"
        }
        fn run(&self, _: &TaskContext<'_>, _: &mut Vec<Value>) -> Result<Value, TaskError> {
            Ok(Value::Unit)
        }
    }

    #[test]
    fn a_long_chain_is_built_and_dropped_without_recursion() {
        let op: Arc<dyn Op> = Arc::new(Nothing);
        let mut last = Call::new(Arc::clone(&op), vec![], None);
        for _ in 0..300_000 {
            last = Call::new(Arc::clone(&op), vec![Input::Call(Arc::clone(&last)), Input::Call(last)], None);
        }
        let mut builder = Builder::new();
        let task = builder.call(&last).expect("no collections, no failure");
        assert_eq!(task.index, 300_000);
        builder.output(task);
        let graph = builder.finish();
        assert_eq!(graph.layers[0].len(), 300_001);
        let mut inputs = Vec::new();
        graph.layers[0].inputs(300_000, &mut inputs);
        assert_eq!(inputs, [TaskRef { layer: CALLS, index: 299_999 }; 2]);
    }
}
