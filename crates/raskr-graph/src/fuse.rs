//! Linear fusion: chains of interpreted tasks, each the only consumer of the one before, become one task.
//!
//! It pays where handing a value from task to task costs more than running them apart could gain: a chain has no
//! parallelism to lose, and each link saves a turn of the scheduler and, in other processes, a transfer. Native chains
//! are fused better by whoever builds them, as one pass over the data. What it costs is sight (progress counts chains)
//! and that a chain is tried again as a whole, so it is asked for ([`crate::PlanOptions`]), not done always.

use std::sync::Arc;

use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};

use crate::csr::Csr;
use crate::graph::{Annotations, Graph, Layer, LayerId, TaskRef};
use crate::plan::{Listed, layer_of};

/// Names of steps that a fused task's name spells out.
const NAMES_MAX: usize = 4;

/// Several operations run one after the other, each on the result of the one before.
pub struct FusedOp {
    name: String,
    /// The operations, and the index of each within its layer.
    steps: Vec<(Arc<dyn Op>, u32)>,
}

impl FusedOp {
    fn new(steps: Vec<(Arc<dyn Op>, u32)>) -> FusedOp {
        let mut names: Vec<&str> = steps.iter().take(NAMES_MAX).map(|(op, _)| op.name()).collect();
        if steps.len() > NAMES_MAX {
            names.push("...");
        }
        FusedOp { name: names.join(" -> "), steps }
    }
}

impl Op for FusedOp {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> OpKind {
        OpKind::Interpreted
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let mut value = Value::Unit;
        for (place, (op, index)) in self.steps.iter().enumerate() {
            if place > 0 {
                context.check_cancelled()?;
                inputs.clear();
                inputs.push(value);
            }
            let context = TaskContext { index: *index, ..*context };
            value = op.run(&context, inputs).map_err(|error| {
                let error = error.with_note(format!("in {}", op.describe(*index)));
                match op.origin() {
                    Some(origin) => error.with_note(format!("built at {origin}")),
                    None => error,
                }
            })?;
        }
        Ok(value)
    }

    fn describe(&self, _index: u32) -> String {
        format!("{} tasks run as one: {}", self.steps.len(), self.name)
    }
}

/// The fused tasks of a plan.
struct FusedLayer {
    tasks: Vec<FusedTask>,
}

struct FusedTask {
    op: Arc<dyn Op>,
    inputs: Vec<TaskRef>,
    bytes: u64,
    /// Of the last step: what the user sees as the task's.
    key: String,
    annotations: Option<Arc<Annotations>>,
}

impl Layer for FusedLayer {
    fn name(&self) -> &str {
        "fused"
    }

    fn len(&self) -> u32 {
        self.tasks.len() as u32
    }

    fn op(&self, index: u32) -> &Arc<dyn Op> {
        &self.tasks[index as usize].op
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        into.extend_from_slice(&self.tasks[index as usize].inputs);
    }

    fn bytes(&self, index: u32) -> u64 {
        self.tasks[index as usize].bytes
    }

    fn key(&self, index: u32) -> String {
        self.tasks[index as usize].key.clone()
    }

    fn annotations_of(&self, index: u32) -> Option<&Arc<Annotations>> {
        self.tasks[index as usize].annotations.as_ref()
    }
}

/// Replaces chains of interpreted tasks by tasks of a new layer of `graph`.
pub(crate) fn fuse(graph: &mut Graph, listed: Listed) -> Listed {
    let dependents = listed.inputs.transposed();
    let mut wanted = vec![false; listed.tasks.len()];
    for &output in &listed.outputs {
        wanted[output as usize] = true;
    }
    // The one before in a chain, if the task is not its first; and whether it is not its last.
    let before: Vec<Option<u32>> = (0..listed.tasks.len() as u32)
        .map(|task| match *listed.inputs.row(task) {
            [input] if !wanted[input as usize] && input != task && dependents.degree(input) == 1 => {
                fits(graph, listed.tasks[input as usize], listed.tasks[task as usize]).then_some(input)
            }
            _ => None,
        })
        .collect();
    let mut followed = vec![false; listed.tasks.len()];
    for input in before.iter().flatten() {
        followed[*input as usize] = true;
    }

    let layer = LayerId(graph.layers.len() as u32);
    let mut fused = FusedLayer { tasks: Vec::new() };
    // Numbers of the tasks that remain: the last of each chain stands for all of it. A closed chain has no last task and
    // is left as it is, to be found by the check for cycles.
    let closed = in_closed_chain(&before, &followed);
    let mut new_id = vec![u32::MAX; listed.tasks.len()];
    let mut tasks = Vec::new();
    let mut first_of = Vec::new();
    for task in 0..listed.tasks.len() as u32 {
        if followed[task as usize] && !closed[task as usize] {
            continue;
        }
        new_id[task as usize] = tasks.len() as u32;
        let mut chain = vec![task];
        while let (false, Some(input)) = (closed[task as usize], before[chain[chain.len() - 1] as usize]) {
            chain.push(input);
        }
        let first = chain[chain.len() - 1];
        first_of.push(first);
        if chain.len() == 1 {
            tasks.push(listed.tasks[task as usize]);
            continue;
        }
        chain.reverse();
        tasks.push(TaskRef { layer, index: fused.tasks.len() as u32 });
        let steps: Vec<TaskRef> = chain.iter().map(|&step| listed.tasks[step as usize]).collect();
        fused.tasks.push(fused_task(graph, &steps));
    }
    if fused.tasks.is_empty() {
        return listed;
    }
    graph.layers.push(Arc::new(fused));
    let rows: Vec<Vec<u32>> = first_of
        .iter()
        .map(|&first| listed.inputs.row(first).iter().map(|&input| new_id[input as usize]).collect())
        .collect();
    Listed {
        tasks,
        inputs: Csr::from_rows(rows.iter().map(Vec::as_slice)),
        outputs: listed.outputs.iter().map(|&output| new_id[output as usize]).collect(),
    }
}

/// Tasks of chains that are closed to a ring.
fn in_closed_chain(before: &[Option<u32>], followed: &[bool]) -> Vec<bool> {
    let mut open = vec![false; before.len()];
    for last in (0..before.len()).filter(|&task| !followed[task]) {
        let mut at = Some(last as u32);
        while let Some(task) = at {
            open[task as usize] = true;
            at = before[task as usize];
        }
    }
    open.into_iter().map(|open| !open).collect()
}

/// May the two be steps of one task?
fn fits(graph: &Graph, first: TaskRef, second: TaskRef) -> bool {
    let interpreted = |task: TaskRef| layer_of(graph, task).op(task.index).kind() == OpKind::Interpreted;
    let annotations = |task: TaskRef| layer_of(graph, task).annotations_of(task.index).cloned();
    interpreted(first) && interpreted(second) && annotations(first) == annotations(second)
}

fn fused_task(graph: &Graph, steps: &[TaskRef]) -> FusedTask {
    let mut inputs = Vec::new();
    let (first, last) = (steps[0], steps[steps.len() - 1]);
    layer_of(graph, first).inputs(first.index, &mut inputs);
    let op = |task: &TaskRef| (Arc::clone(layer_of(graph, *task).op(task.index)), task.index);
    FusedTask {
        op: Arc::new(FusedOp::new(steps.iter().map(op).collect())),
        inputs,
        // The largest value on the way: as much must be free while the chain runs.
        bytes: steps.iter().map(|task| layer_of(graph, *task).bytes(task.index)).max().unwrap_or(0),
        key: layer_of(graph, last).key(last.index),
        annotations: layer_of(graph, last).annotations_of(last.index).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, PlanOptions};
    use crate::testing::{Table, graph_of};
    use raskr_base::Chunk;
    use std::sync::atomic::AtomicBool;

    const FUSED: PlanOptions = PlanOptions { fuse: true };

    /// Adds its index; fails where told to.
    struct AddIndex(Option<u32>);

    impl Op for AddIndex {
        fn name(&self) -> &str {
            "add-index"
        }
        fn kind(&self) -> OpKind {
            OpKind::Interpreted
        }
        fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
            if self.0 == Some(context.index) {
                return Err(TaskError::value("told to fail"));
            }
            let input = inputs.pop().and_then(|value| value.as_chunk().and_then(|chunk| chunk.item::<u64>()));
            Ok(Value::Chunk(Chunk::scalar(input.unwrap_or(0) + u64::from(context.index))))
        }
    }

    fn plan(table: Table, outputs: &[u32]) -> Plan {
        let mut graph = Graph::default();
        let layer = graph.push(Arc::new(table));
        graph.outputs = outputs.iter().map(|&index| TaskRef { layer, index }).collect();
        Plan::from_graph(graph, FUSED).expect("valid")
    }

    #[test]
    fn a_chain_becomes_one_task_under_the_last_key() {
        // 0 -> 1 -> 2 -> 3 -> {4 -> 6, 5}
        let rows: &[&[u32]] = &[&[], &[0], &[1], &[2], &[3], &[3], &[4]];
        let plan = plan(Table::new("t", rows).with_op(Arc::new(AddIndex(None))), &[6, 5]);
        let mut keys: Vec<String> = (0..plan.len() as u32).map(|id| plan.key(id)).collect();
        keys.sort();
        assert_eq!(keys, ["t-3", "t-5", "t-6"]);
        let outputs: Vec<String> = plan.outputs().iter().map(|&id| plan.key(id)).collect();
        assert_eq!(outputs, ["t-6", "t-5"]);
        let context = TaskContext { index: 0, cancelled: &AtomicBool::new(false), memory_limit: None };
        let value = plan.op(0).run(&context, &mut Vec::new()).expect("adds");
        assert_eq!(value.as_chunk().and_then(|chunk| chunk.item::<u64>()), Some(6), "0 + 1 + 2 + 3");
        assert_eq!(plan.inputs(1), [0]);
        assert_eq!(plan.inputs(2), [0]);
    }

    #[test]
    fn an_error_names_the_step() {
        let rows: &[&[u32]] = &[&[], &[0], &[1]];
        let plan = plan(Table::new("t", rows).with_op(Arc::new(AddIndex(Some(1)))), &[2]);
        let context = TaskContext { index: 0, cancelled: &AtomicBool::new(false), memory_limit: None };
        let error = plan.op(0).run(&context, &mut Vec::new()).expect_err("fails");
        assert_eq!(error.to_string(), "told to fail\n  in add-index (task 1)");
        assert_eq!(plan.op(0).describe(0), "3 tasks run as one: add-index -> add-index -> add-index");
    }

    #[test]
    fn wanted_values_other_hints_and_native_tasks_stay_apart() {
        let rows: &[&[u32]] = &[&[], &[0], &[1]];
        let interpreted = || Table::new("t", rows).with_op(Arc::new(AddIndex(None)));
        assert_eq!(plan(interpreted(), &[2]).len(), 1);
        assert_eq!(plan(interpreted(), &[2, 0]).len(), 2);
        assert_eq!(plan(interpreted().with_priority(1, 3), &[2]).len(), 3);
        assert_eq!(plan(Table::new("t", rows), &[2]).len(), 3);
        let twice: &[&[u32]] = &[&[], &[0, 0]];
        assert_eq!(plan(Table::new("t", twice).with_op(Arc::new(AddIndex(None))), &[1]).len(), 2);
    }

    #[test]
    fn a_ring_is_still_found_to_be_one() {
        let rows: &[&[u32]] = &[&[2], &[0], &[1]];
        let table = Table::new("t", rows).with_op(Arc::new(AddIndex(None)));
        let mut graph = Graph::default();
        let layer = graph.push(Arc::new(table));
        graph.outputs = vec![TaskRef { layer, index: 1 }];
        let error = Plan::from_graph(graph, FUSED).err().expect("a cycle");
        assert!(error.to_string().contains("cycle"), "{error}");
        assert_eq!(Plan::from_graph(graph_of(&[&[]], &[0]), FUSED).expect("valid").len(), 1);
    }
}
