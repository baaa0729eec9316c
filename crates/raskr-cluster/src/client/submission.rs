//! Large graphs are submitted in parts, each of which fits a message.

use raskr_sched::{BodySpec, FutureId, Input, RequestId, Submission, TaskSpec};

use super::table::Table;

/// Bytes of a part, roughly, and tasks: while the scheduler takes one in, others wait for it.
const PART_BYTES: usize = 4 << 20;
const PART_TASKS: u32 = 5000;

/// A graph that is to be submitted, and whose values are wanted.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub bodies: Vec<BodySpec>,
    pub annotations: Vec<raskr_sched::Annotations>,
    pub tasks: Vec<TaskSpec>,
    /// By their places; a task may be wanted several times.
    pub wants: Vec<u32>,
    /// Keys say what their tasks yield, however they are made: nothing is said of two tasks of one key.
    pub quiet: bool,
}

/// What is sent of a draft.
pub struct Parts {
    pub submissions: Vec<Submission>,
    /// Futures that hold what later parts take, until those have been sent.
    pub passing: Vec<FutureId>,
    /// For each of the wants.
    pub futures: Vec<FutureId>,
}

impl Draft {
    /// Divides the draft. Futures of what is wanted are taken from the table; `next_request` numbers the parts.
    pub fn into_parts(self, table: &mut Table, mut next_request: impl FnMut() -> RequestId) -> Parts {
        let Draft { bodies, annotations, tasks, wants, quiet } = self;
        let cuts = cuts(&tasks);
        let mut wanted: Vec<Vec<(u32, FutureId)>> = vec![Vec::new(); cuts.len()];
        table.reserve(wants.len());
        let mut futures = Vec::with_capacity(wants.len());
        let mut ranges = vec![(u64::MAX, 0); cuts.len()];
        for task in wants {
            let taken = table.take(&tasks[task as usize].key);
            futures.push(taken.future);
            if quiet {
                table.quiet(taken.future);
            }
            if taken.new {
                let part = part_of(&cuts, task);
                wanted[part].push((task, taken.future));
                let (start, end) = ranges[part];
                ranges[part] = (start.min(taken.future.0), end.max(taken.future.0 + 1));
            }
        }
        let passing = if cuts.len() > 1 { hold_passing(table, &tasks, &cuts, &mut wanted) } else { Vec::new() };
        let keys: Vec<_> =
            if cuts.len() > 1 { tasks.iter().map(|task| task.key.clone()).collect() } else { Vec::new() };
        let mut submissions = Vec::with_capacity(cuts.len());
        let mut tasks = tasks.into_iter();
        for (part, &end) in cuts.iter().enumerate() {
            let start = if part == 0 { 0 } else { cuts[part - 1] };
            let mut own: Vec<TaskSpec> = tasks.by_ref().take((end - start) as usize).collect();
            for input in own.iter_mut().flat_map(|task| &mut task.inputs) {
                if let Input::Here(place) = input {
                    *input = match place.checked_sub(start) {
                        Some(place) => Input::Here(place),
                        None => Input::Known(keys[*place as usize].clone()),
                    };
                }
            }
            let request = next_request();
            table.requested(request, ranges[part].0..ranges[part].1);
            let bodies = if cuts.len() == 1 { bodies.clone() } else { used_bodies(&bodies, &mut own) };
            let wants = wanted[part].iter().map(|&(task, future)| (task - start, future)).collect();
            submissions.push(Submission { request, bodies, annotations: annotations.clone(), tasks: own, wants });
        }
        Parts { submissions, passing, futures }
    }
}

/// Where parts end. There is one at least.
fn cuts(tasks: &[TaskSpec]) -> Vec<u32> {
    let (mut cuts, mut bytes) = (Vec::new(), 0);
    for (place, task) in tasks.iter().enumerate() {
        bytes +=
            task.key.len() + task.arguments.as_ref().map_or(0, |found| found.0.len()) + 24 * task.inputs.len() + 24;
        let start = cuts.last().copied().unwrap_or(0);
        if bytes >= PART_BYTES || place as u32 + 1 - start >= PART_TASKS {
            cuts.push(place as u32 + 1);
            bytes = 0;
        }
    }
    if cuts.last() != Some(&(tasks.len() as u32)) {
        cuts.push(tasks.len() as u32);
    }
    cuts
}

fn part_of(cuts: &[u32], task: u32) -> usize {
    cuts.partition_point(|&end| end <= task)
}

/// What nobody wants and no task takes is forgotten as soon as its part is there: what later parts take is wanted until then.
fn hold_passing(
    table: &mut Table,
    tasks: &[TaskSpec],
    cuts: &[u32],
    wanted: &mut [Vec<(u32, FutureId)>],
) -> Vec<FutureId> {
    let mut held = vec![false; tasks.len()];
    for (place, task) in tasks.iter().enumerate() {
        let part = part_of(cuts, place as u32);
        for input in &task.inputs {
            if let Input::Here(input) = input
                && part_of(cuts, *input) < part
            {
                held[*input as usize] = true;
            }
        }
    }
    let mut passing = Vec::new();
    for (place, _) in held.iter().enumerate().filter(|(_, held)| **held) {
        let future = table.number();
        wanted[part_of(cuts, place as u32)].push((place as u32, future));
        passing.push(future);
    }
    passing
}

/// The bodies that some tasks have; the tasks then name them by their places here.
fn used_bodies(bodies: &[BodySpec], tasks: &mut [TaskSpec]) -> Vec<BodySpec> {
    let mut places = vec![u32::MAX; bodies.len()];
    let mut used = Vec::new();
    for task in tasks {
        let place = &mut places[task.body as usize];
        if *place == u32::MAX {
            *place = used.len() as u32;
            used.push(bodies[task.body as usize].clone());
        }
        task.body = *place;
    }
    used
}
