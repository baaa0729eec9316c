//! `Graph` and `Layer`: what is to be computed, by operation rather than by task.

use std::sync::Arc;

use raskr_base::Op;

/// A layer's number within its graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LayerId(pub u32);

/// A task, by its layer and its index there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TaskRef {
    pub layer: LayerId,
    pub index: u32,
}

/// Hints of the user's for the tasks of a layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// Larger runs sooner.
    pub priority: i64,
    /// How often a failed task is tried again.
    pub retries: u32,
    /// Names, addresses or hosts of a cluster's workers that may run it; any may when there are none.
    pub workers: Vec<String>,
    /// Whether others may run it as long as none of `workers` is there.
    pub allow_other_workers: bool,
    /// What it takes of a worker's resources while it runs, in millionths.
    pub resources: Vec<(String, u64)>,
}

/// Tasks of one kind, listed on demand.
pub trait Layer: Send + Sync {
    /// The user's name of the layer, such as `sum-aggregate`.
    fn name(&self) -> &str;

    /// How many tasks the layer has.
    fn len(&self) -> u32;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What task `index` does.
    fn op(&self, index: u32) -> &Arc<dyn Op>;

    /// Appends the inputs of task `index`, in the order its operation takes them.
    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>);

    /// Estimated bytes of the result of task `index`; 0 when unknown.
    fn bytes(&self, index: u32) -> u64 {
        self.op(index).estimate(index)
    }

    /// The key under which task `index` is shown to the user.
    fn key(&self, index: u32) -> String {
        format!("{}-{index}", self.name())
    }

    fn annotations_of(&self, _index: u32) -> Option<&Arc<Annotations>> {
        None
    }
}

/// Layers and the tasks whose values are wanted. A task may take inputs from any layer.
#[derive(Clone, Default)]
pub struct Graph {
    pub layers: Vec<Arc<dyn Layer>>,
    pub outputs: Vec<TaskRef>,
}

impl Graph {
    /// Adds a layer and gives its number.
    pub fn push(&mut self, layer: Arc<dyn Layer>) -> LayerId {
        self.layers.push(layer);
        LayerId(self.layers.len() as u32 - 1)
    }
}
