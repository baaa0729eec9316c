//! What the engine itself costs: nanoseconds per task that does nothing, on several shapes of graph, and the time to
//! make a plan.
#![allow(clippy::print_stdout, clippy::expect_used)]

use std::sync::Arc;
use std::time::Instant;

use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};
use raskr_exec::{RunOptions, start};
use raskr_graph::{Graph, Layer, LayerId, Plan, PlanOptions, TaskRef, Token};

struct Nothing(OpKind);

impl Op for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn kind(&self) -> OpKind {
        self.0
    }

    fn run(&self, _: &TaskContext<'_>, _: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(Value::Unit)
    }
}

/// `len` tasks, task `i` taking tasks `i * every ..` of the layer below, or all that are left.
struct Level {
    op: Arc<dyn Op>,
    len: u32,
    below: Option<(LayerId, u32)>,
    every: u32,
}

impl Layer for Level {
    fn name(&self) -> &str {
        "level"
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn op(&self, _: u32) -> &Arc<dyn Op> {
        &self.op
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        if let Some((layer, len)) = self.below {
            let first = index * self.every;
            into.extend((first..(first + self.every).min(len)).map(|index| TaskRef { layer, index }));
        }
    }
}

/// Task `i` takes task `i - 1` of the same layer.
struct Chain {
    op: Arc<dyn Op>,
    len: u32,
}

impl Layer for Chain {
    fn name(&self) -> &str {
        "chain"
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn op(&self, _: u32) -> &Arc<dyn Op> {
        &self.op
    }

    fn inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        into.extend(index.checked_sub(1).map(|index| TaskRef { layer: LayerId(0), index }));
    }
}

fn graph(shape: &str, tasks: u32, kind: OpKind) -> Graph {
    let op: Arc<dyn Op> = Arc::new(Nothing(kind));
    let mut graph = Graph::default();
    let mut top = match shape {
        "chain" => {
            let layer = graph.push(Arc::new(Chain { op, len: tasks }));
            graph.outputs.push(TaskRef { layer, index: tasks - 1 });
            return graph;
        }
        // The sources are half of a binary tree's tasks, and nearly all of the others'.
        "tree" => (graph.push(Arc::new(Level { op: op.clone(), len: tasks / 2, below: None, every: 1 })), tasks / 2),
        "map" => {
            let source = graph.push(Arc::new(Level { op: op.clone(), len: tasks / 2, below: None, every: 1 }));
            let below = Some((source, tasks / 2));
            let layer = graph.push(Arc::new(Level { op, len: tasks / 2, below, every: 1 }));
            graph.outputs.extend((0..tasks / 2).map(|index| TaskRef { layer, index }));
            return graph;
        }
        _ => (graph.push(Arc::new(Level { op: op.clone(), len: tasks, below: None, every: 1 })), tasks),
    };
    let every = if shape == "tree" { 2 } else { tasks };
    while top.1 > 1 {
        let len = top.1.div_ceil(every);
        top = (graph.push(Arc::new(Level { op: op.clone(), len, below: Some(top), every })), len);
    }
    graph.outputs.push(TaskRef { layer: top.0, index: 0 });
    graph
}

fn main() {
    let buffer = vec![1u8; 400 << 20];
    let begun = Instant::now();
    let token = Token::of("buffer", |hasher| _ = hasher.bytes(&buffer));
    let rate = buffer.len() as f64 / begun.elapsed().as_secs_f64() / 1e9;
    println!("token {token} of 400 MiB: {rate:.1} GB/s");
    println!(
        "{:28} {:>9} {:>12} {:>12} {:>12} {:>12}",
        "shape", "tasks", "plan ns", "caller ns", "1 thread ns", "2 threads ns"
    );
    for kind in [OpKind::Native, OpKind::Interpreted] {
        for shape in ["map", "chain", "tree", "wide reduce"] {
            for tasks in [100_000, 1_000_000] {
                let begun = Instant::now();
                let mut plan =
                    Some(Plan::from_graph(graph(shape, tasks, kind), PlanOptions::default()).expect("valid"));
                let planned = begun.elapsed();
                let mut times = Vec::new();
                for threads in [0, 1, 2] {
                    let plan = plan.take().unwrap_or_else(|| {
                        Plan::from_graph(graph(shape, tasks, kind), PlanOptions::default()).expect("valid")
                    });
                    let begun = Instant::now();
                    let options = RunOptions { threads, memory_limit: Some(8 << 30), ..RunOptions::default() };
                    start(plan, options).wait(None).expect("first wait").expect("nothing fails");
                    times.push(begun.elapsed());
                }
                let per_task = |time: std::time::Duration| time.as_nanos() as f64 / f64::from(tasks);
                println!(
                    "{:28} {:>9} {:>12.0} {:>12.0} {:>12.0} {:>12.0}",
                    format!("{shape}, {kind:?}"),
                    tasks,
                    per_task(planned),
                    per_task(times[0]),
                    per_task(times[1]),
                    per_task(times[2])
                );
            }
        }
    }
}
