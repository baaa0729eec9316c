//! `Plan`: the tasks that a graph's outputs need, listed, checked and numbered in the order they had best run.
//!
//! A task's id is its place in a topological order, so that comparing ids compares urgency and every input has a smaller
//! id than its consumer. About 40 bytes per task and 8 per edge.

use std::collections::HashMap;
use std::sync::Arc;

use raskr_base::{Op, OpKind};

use crate::csr::Csr;
use crate::error::GraphError;
use crate::fuse;
use crate::graph::{Annotations, Graph, Layer, TaskRef};
use crate::order::{self, Dag};

/// Layers longer than this are numbered by hashing: most of such a layer is likely not reached.
const DENSE_LAYER_MAX: u32 = 1 << 26;

/// What [`Plan::from_graph`] may do beyond listing the tasks.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// Run chains of interpreted tasks as one task each.
    pub fuse: bool,
}

/// Tasks with dense ids in running order.
pub struct Plan {
    graph: Graph,
    tasks: Vec<TaskRef>,
    inputs: Csr,
    dependents: Csr,
    bytes: Vec<u64>,
    interpreted: Vec<bool>,
    outputs: Vec<u32>,
}

impl Plan {
    /// Lists the tasks that the outputs of `graph` need, checks them and puts them in order.
    pub fn from_graph(mut graph: Graph, options: PlanOptions) -> Result<Plan, GraphError> {
        let mut listed = Listed::from_graph(&graph)?;
        if options.fuse {
            listed = fuse::fuse(&mut graph, listed);
        }
        let dependents = listed.inputs.transposed();
        let topological = topological(&listed.inputs, &dependents);
        if topological.len() < listed.tasks.len() {
            return Err(cycle(&graph, &listed, &topological));
        }
        let bytes: Vec<u64> = listed.tasks.iter().map(|task| layer_of(&graph, *task).bytes(task.index)).collect();
        let goals: Vec<(u32, u32)> = listed.outputs.iter().map(|&id| (listed.tasks[id as usize].layer.0, id)).collect();
        let dag = Dag { inputs: &listed.inputs, dependents: &dependents, bytes: &bytes, topological: &topological };
        let mut sequence = order::depth_first(dag, &goals);
        drop(topological);
        by_priority(&graph, &listed, &mut sequence);

        let mut new_id = vec![0u32; sequence.len()];
        for (id, &old) in sequence.iter().enumerate() {
            new_id[old as usize] = id as u32;
        }
        let tasks: Vec<TaskRef> = sequence.iter().map(|&old| listed.tasks[old as usize]).collect();
        let inputs = listed.inputs.renumbered(&sequence, &new_id);
        Ok(Plan {
            dependents: inputs.transposed(),
            inputs,
            bytes: sequence.iter().map(|&old| bytes[old as usize]).collect(),
            interpreted: tasks
                .iter()
                .map(|task| layer_of(&graph, *task).op(task.index).kind() == OpKind::Interpreted)
                .collect(),
            outputs: listed.outputs.iter().map(|&old| new_id[old as usize]).collect(),
            tasks,
            graph,
        })
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where the task stands in the graph that the plan was made from.
    pub fn task(&self, id: u32) -> TaskRef {
        self.tasks[id as usize]
    }

    /// Ids of the task's inputs, in the order its operation takes them.
    pub fn inputs(&self, id: u32) -> &[u32] {
        self.inputs.row(id)
    }

    /// Ids of the tasks that take this one's value, ascending; one that takes it twice is listed twice.
    pub fn dependents(&self, id: u32) -> &[u32] {
        self.dependents.row(id)
    }

    pub fn all_inputs(&self) -> &Csr {
        &self.inputs
    }

    pub fn all_dependents(&self) -> &Csr {
        &self.dependents
    }

    /// Estimated bytes of the task's result; 0 when unknown.
    pub fn bytes(&self, id: u32) -> u64 {
        self.bytes[id as usize]
    }

    pub fn all_bytes(&self) -> &[u64] {
        &self.bytes
    }

    pub fn is_interpreted(&self, id: u32) -> bool {
        self.interpreted[id as usize]
    }

    /// Ids of the wanted tasks, in the order of the graph's outputs; a task wanted twice is listed twice.
    pub fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// How often each task's value is used: once per input position that takes it and per output.
    pub fn uses(&self) -> Vec<u32> {
        let mut uses: Vec<u32> = (0..self.len() as u32).map(|id| self.dependents.degree(id)).collect();
        for &id in &self.outputs {
            uses[id as usize] += 1;
        }
        uses
    }

    pub fn op(&self, id: u32) -> &Arc<dyn Op> {
        let task = self.task(id);
        layer_of(&self.graph, task).op(task.index)
    }

    pub fn key(&self, id: u32) -> String {
        key(&self.graph, self.task(id))
    }

    pub fn layer_name(&self, id: u32) -> &str {
        layer_of(&self.graph, self.task(id)).name()
    }

    pub fn annotations(&self, id: u32) -> Option<&Arc<Annotations>> {
        let task = self.task(id);
        layer_of(&self.graph, task).annotations_of(task.index)
    }

    /// The most bytes alive at once when the tasks run one after the other, by the estimates.
    pub fn peak_bytes(&self) -> u64 {
        let sequence: Vec<u32> = (0..self.len() as u32).collect();
        let dag =
            Dag { inputs: &self.inputs, dependents: &self.dependents, bytes: &self.bytes, topological: &sequence };
        order::peak_bytes(dag, &sequence, &self.outputs)
    }
}

pub(crate) fn layer_of(graph: &Graph, task: TaskRef) -> &dyn Layer {
    graph.layers[task.layer.0 as usize].as_ref()
}

fn key(graph: &Graph, task: TaskRef) -> String {
    layer_of(graph, task).key(task.index)
}

/// Reached tasks in the order of their discovery.
pub(crate) struct Listed {
    pub tasks: Vec<TaskRef>,
    pub inputs: Csr,
    pub outputs: Vec<u32>,
}

/// From a task's index within its layer to its id plus one.
enum Numbers {
    /// Empty until the layer is reached.
    Dense(Vec<u32>),
    Sparse(HashMap<u32, u32>),
}

impl Numbers {
    fn new(len: u32) -> Numbers {
        if len <= DENSE_LAYER_MAX { Numbers::Dense(Vec::new()) } else { Numbers::Sparse(HashMap::new()) }
    }

    /// The place that holds the id of task `index` plus one, or 0.
    fn place(&mut self, index: u32, len: u32) -> &mut u32 {
        match self {
            Numbers::Dense(ids) => {
                if ids.is_empty() {
                    // Zeroed memory is mapped only where it is touched, so a layer that is hardly reached costs little.
                    *ids = vec![0; len as usize];
                }
                &mut ids[index as usize]
            }
            Numbers::Sparse(ids) => ids.entry(index).or_default(),
        }
    }
}

impl Listed {
    fn from_graph(graph: &Graph) -> Result<Listed, GraphError> {
        let lens: Vec<u32> = graph.layers.iter().map(|layer| layer.len()).collect();
        let mut numbers: Vec<Numbers> = lens.iter().map(|&len| Numbers::new(len)).collect();
        let mut tasks: Vec<TaskRef> = Vec::new();
        let mut number = |task: TaskRef, tasks: &mut Vec<TaskRef>| -> Option<u32> {
            let layer = task.layer.0 as usize;
            let len = *lens.get(layer)?;
            if task.index >= len {
                return None;
            }
            let place = numbers[layer].place(task.index, len);
            if *place == 0 {
                tasks.push(task);
                *place = tasks.len() as u32;
            }
            Some(*place - 1)
        };
        let mut outputs = Vec::with_capacity(graph.outputs.len());
        for (output, &task) in graph.outputs.iter().enumerate() {
            let id = number(task, &mut tasks).ok_or_else(|| GraphError::MissingOutput {
                output,
                layer: match graph.layers.get(task.layer.0 as usize) {
                    Some(layer) => format!("'{}'", layer.name()),
                    None => format!("number {}", task.layer.0),
                },
                index: task.index,
            })?;
            outputs.push(id);
        }
        let mut starts: Vec<u32> = vec![0];
        let mut targets: Vec<u32> = Vec::new();
        let mut inputs: Vec<TaskRef> = Vec::new();
        let mut next = 0;
        while next < tasks.len() {
            let task = tasks[next];
            inputs.clear();
            layer_of(graph, task).inputs(task.index, &mut inputs);
            for &input in &inputs {
                targets.push(number(input, &mut tasks).ok_or_else(|| missing(graph, task, input))?);
            }
            if tasks.len() >= u32::MAX as usize {
                return Err(GraphError::TooLarge { what: "tasks", limit: u32::MAX });
            }
            let edges = u32::try_from(targets.len())
                .map_err(|_| GraphError::TooLarge { what: "inputs of tasks", limit: u32::MAX })?;
            starts.push(edges);
            next += 1;
        }
        Ok(Listed { tasks, inputs: Csr::new(starts, targets), outputs })
    }
}

fn missing(graph: &Graph, task: TaskRef, input: TaskRef) -> GraphError {
    match graph.layers.get(input.layer.0 as usize) {
        Some(layer) => GraphError::MissingTask {
            task: key(graph, task),
            layer: layer.name().to_string(),
            index: input.index,
            len: layer.len(),
        },
        None => GraphError::MissingLayer { task: key(graph, task), layer: input.layer.0, layers: graph.layers.len() },
    }
}

/// A topological order of as many tasks as there are outside and before cycles.
pub(crate) fn topological(inputs: &Csr, dependents: &Csr) -> Vec<u32> {
    let mut unmet: Vec<u32> = (0..inputs.len() as u32).map(|id| inputs.degree(id)).collect();
    let mut sequence: Vec<u32> = (0..inputs.len() as u32).filter(|&id| unmet[id as usize] == 0).collect();
    sequence.reserve(inputs.len() - sequence.len());
    let mut next = 0;
    while next < sequence.len() {
        for &dependent in dependents.row(sequence[next]) {
            unmet[dependent as usize] -= 1;
            if unmet[dependent as usize] == 0 {
                sequence.push(dependent);
            }
        }
        next += 1;
    }
    sequence
}

/// Names one cycle. Every task that has no place in `topological` has an input that has none either, so a walk along
/// such inputs must come back to where it has been.
fn cycle(graph: &Graph, listed: &Listed, topological: &[u32]) -> GraphError {
    let mut placed = vec![false; listed.tasks.len()];
    for &id in topological {
        placed[id as usize] = true;
    }
    let mut seen_at: HashMap<u32, usize> = HashMap::new();
    let mut walk: Vec<u32> = Vec::new();
    let mut at = placed.iter().position(|placed| !placed).unwrap_or(0) as u32;
    while !seen_at.contains_key(&at) {
        seen_at.insert(at, walk.len());
        walk.push(at);
        match listed.inputs.row(at).iter().find(|&&input| !placed[input as usize]) {
            Some(&input) => at = input,
            None => break,
        }
    }
    let from = seen_at.get(&at).copied().unwrap_or(0);
    GraphError::Cycle { keys: walk[from..].iter().map(|&id| key(graph, listed.tasks[id as usize])).collect() }
}

/// Puts tasks of higher priority, and all that they need, first; the order stays topological, since what an urgent task
/// needs is as urgent.
fn by_priority(graph: &Graph, listed: &Listed, sequence: &mut [u32]) {
    let own = |task: &TaskRef| layer_of(graph, *task).annotations_of(task.index).map_or(0, |a| a.priority);
    let mut urgency: Vec<i64> = listed.tasks.iter().map(own).collect();
    if urgency.iter().all(|&urgent| urgent == 0) {
        return;
    }
    for &task in sequence.iter().rev() {
        let urgent = urgency[task as usize];
        for &input in listed.inputs.row(task) {
            let input = &mut urgency[input as usize];
            *input = (*input).max(urgent);
        }
    }
    sequence.sort_by_key(|&task| std::cmp::Reverse(urgency[task as usize]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::LayerId;
    use crate::testing::{Table, graph_of};

    #[test]
    fn only_what_the_outputs_need_is_listed() {
        let plan = Plan::from_graph(graph_of(&[&[], &[0], &[0], &[1]], &[3]), PlanOptions::default()).expect("valid");
        let keys: Vec<String> = (0..plan.len() as u32).map(|id| plan.key(id)).collect();
        assert_eq!(keys, ["t-0", "t-1", "t-3"]);
        assert_eq!(plan.outputs(), [2]);
        assert_eq!(plan.uses(), [1, 1, 1]);
    }

    #[test]
    fn repeated_inputs_and_outputs_are_counted_as_often_as_they_are_used() {
        let plan = Plan::from_graph(graph_of(&[&[], &[0, 0]], &[1, 0, 1]), PlanOptions::default()).expect("valid");
        assert_eq!(plan.inputs(1), [0, 0]);
        assert_eq!(plan.dependents(0), [1, 1]);
        assert_eq!(plan.outputs(), [1, 0, 1]);
        assert_eq!(plan.uses(), [3, 2]);
    }

    #[test]
    fn a_cycle_is_named_in_order() {
        let error = Plan::from_graph(graph_of(&[&[], &[0, 3], &[1], &[2], &[3]], &[4]), PlanOptions::default())
            .err()
            .expect("there is a cycle");
        assert_eq!(error, GraphError::Cycle { keys: vec!["t-3".into(), "t-2".into(), "t-1".into()] });
        assert_eq!(
            error.to_string(),
            "the graph has a cycle, so none of its tasks can run first: 't-3' -> 't-2' -> 't-1' -> 't-3'"
        );
        let own = Plan::from_graph(graph_of(&[&[0]], &[0]), PlanOptions::default()).err().expect("a task takes itself");
        assert_eq!(own, GraphError::Cycle { keys: vec!["t-0".into()] });
    }

    #[test]
    fn tasks_that_do_not_exist_are_named_with_who_takes_them() {
        let fails = |graph| Plan::from_graph(graph, PlanOptions::default()).err().expect("invalid").to_string();
        assert_eq!(fails(graph_of(&[&[7]], &[0])), "task 't-0' takes task 7 of layer 't', which has 1 tasks");
        assert_eq!(fails(graph_of(&[&[]], &[3])), "output 0 of the graph is task 3 of layer 't', which does not exist");
        let mut graph = graph_of(&[&[]], &[0]);
        graph.outputs[0].layer = LayerId(4);
        assert_eq!(fails(graph), "output 0 of the graph is task 0 of layer number 4, which does not exist");
        let foreign = Table::new("t", &[&[]]).with_input(0, TaskRef { layer: LayerId(9), index: 0 });
        let mut graph = Graph::default();
        let layer = graph.push(Arc::new(foreign));
        graph.outputs.push(TaskRef { layer, index: 0 });
        assert_eq!(fails(graph), "task 't-0' takes a task of layer number 9, but the graph has 1 layers");
    }

    #[test]
    fn a_chain_of_a_million_tasks_does_not_overflow_the_stack() {
        let rows: Vec<Vec<u32>> = (0..1_000_000u32).map(|i| i.checked_sub(1).into_iter().collect()).collect();
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        let plan = Plan::from_graph(graph_of(&rows, &[999_999]), PlanOptions::default()).expect("valid");
        assert_eq!(plan.len(), 1_000_000);
        assert!((1..1_000_000).all(|id| plan.inputs(id) == [id - 1]));
    }

    #[test]
    fn urgent_tasks_and_what_they_need_come_first() {
        // 0 <- 1, 2 <- 3; the second pair is urgent through its consumer alone.
        let table = Table::new("t", &[&[], &[0], &[], &[2]]).with_priority(3, 5).with_priority(0, -1);
        let mut graph = Graph::default();
        let layer = graph.push(Arc::new(table));
        graph.outputs = vec![TaskRef { layer, index: 1 }, TaskRef { layer, index: 3 }];
        let plan = Plan::from_graph(graph, PlanOptions::default()).expect("valid");
        let indices: Vec<u32> = (0..4).map(|id| plan.task(id).index).collect();
        assert_eq!(indices, [2, 3, 0, 1]);
    }

    #[test]
    fn a_hardly_reached_huge_layer_costs_nothing() {
        struct Huge(Table);
        impl crate::Layer for Huge {
            fn name(&self) -> &str {
                "huge"
            }
            fn len(&self) -> u32 {
                u32::MAX
            }
            fn op(&self, _: u32) -> &Arc<dyn Op> {
                self.0.op(0)
            }
            fn inputs(&self, _: u32, _: &mut Vec<TaskRef>) {}
        }
        let mut graph = Graph::default();
        let layer = graph.push(Arc::new(Huge(Table::new("t", &[&[]]))));
        graph.outputs.push(TaskRef { layer, index: u32::MAX - 1 });
        assert_eq!(Plan::from_graph(graph, PlanOptions::default()).expect("valid").len(), 1);
    }
}
