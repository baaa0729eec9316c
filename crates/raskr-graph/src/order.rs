//! Size-aware depth-first order: which task runs when, so that few bytes are alive at once.
//!
//! Three rules, each linear in tasks and edges:
//! 1. Below a goal, inputs are computed in the order that needs least memory if the graph were a tree: those whose
//!    subtree's peak exceeds its result most come first (Sethi and Ullman 1970, "The generation of optimal code for
//!    arithmetic expressions").
//! 2. What was begun is finished: a task that became ready beside the path runs at once when it, with the chain that
//!    only it feeds, frees more than it leaves behind; the rest of such a chain runs if it frees as much. Each input's
//!    bytes are credited in equal shares to the consumers it still has.
//! 3. Goals of one layer are taken in their natural order, since neighbours share inputs; the layer whose goals are
//!    nearest to the sources goes first.

use crate::csr::Csr;

/// Ready tasks with more inputs than this are not looked at again when one of their inputs loses a consumer.
const RECONSIDERED_INPUTS_MAX: u32 = 16;

/// The tasks of a graph and what their results weigh.
#[derive(Clone, Copy)]
pub struct Dag<'a> {
    pub inputs: &'a Csr,
    pub dependents: &'a Csr,
    /// Estimated bytes of each result; 0 when unknown.
    pub bytes: &'a [u64],
    /// Any topological order.
    pub topological: &'a [u32],
}

/// A topological order of the tasks that `goals` need, given as (group, task): groups are taken nearest to the sources
/// first, goals of a group as listed.
pub fn depth_first(dag: Dag<'_>, goals: &[(u32, u32)]) -> Vec<u32> {
    let tasks = dag.inputs.len();
    let weight: Vec<u64> = dag.bytes.iter().map(|&bytes| bytes.max(1)).collect();
    let mut walk = Walk {
        visits: visiting_order(dag, &weight),
        left_behind: left_behind(dag, &weight),
        pending: (0..tasks as u32).map(|id| dag.dependents.degree(id)).collect(),
        unmet: (0..tasks as u32).map(|id| dag.inputs.degree(id)).collect(),
        done: vec![false; tasks],
        aside: vec![false; tasks],
        order: Vec::with_capacity(tasks),
        eager: Vec::new(),
        weight,
        dag,
    };
    for goal in sorted_goals(dag, goals) {
        walk.reach(goal);
    }
    walk.order
}

/// The most bytes alive at once when `order` is run one task after the other, results being released after their last
/// consumer. `kept` are never released.
pub fn peak_bytes(dag: Dag<'_>, order: &[u32], kept: &[u32]) -> u64 {
    let mut pending: Vec<u32> = (0..dag.inputs.len() as u32).map(|id| dag.dependents.degree(id)).collect();
    for &id in kept {
        pending[id as usize] += 1;
    }
    let (mut live, mut peak) = (0u64, 0u64);
    for &task in order {
        live += dag.bytes[task as usize];
        peak = peak.max(live);
        for &input in dag.inputs.row(task) {
            pending[input as usize] -= 1;
            if pending[input as usize] == 0 {
                live -= dag.bytes[input as usize];
            }
        }
    }
    peak
}

fn sorted_goals(dag: Dag<'_>, goals: &[(u32, u32)]) -> Vec<u32> {
    let groups = goals.iter().map(|&(group, _)| group as usize + 1).max().unwrap_or(0);
    let mut sorted: Vec<(u32, u32)> = goals.to_vec();
    if groups > 1 {
        let mut depth = vec![0u32; dag.inputs.len()];
        for &task in dag.topological {
            depth[task as usize] =
                dag.inputs.row(task).iter().map(|&input| depth[input as usize] + 1).max().unwrap_or(0);
        }
        let mut group_depth = vec![u32::MAX; groups];
        for &(group, task) in goals {
            let nearest = &mut group_depth[group as usize];
            *nearest = (*nearest).min(depth[task as usize]);
        }
        sorted.sort_by_key(|&(group, _)| (group_depth[group as usize], group));
    }
    sorted.into_iter().map(|(_, task)| task).collect()
}

/// Each task's inputs, sorted by rule 1.
fn visiting_order(dag: Dag<'_>, weight: &[u64]) -> Csr {
    let mut visits = dag.inputs.clone();
    let mut peak = vec![0u64; dag.inputs.len()];
    for &task in dag.topological {
        let row = visits.row_mut(task);
        let excess = |id: u32| peak[id as usize].saturating_sub(weight[id as usize]);
        if row.windows(2).any(|pair| excess(pair[0]) < excess(pair[1])) {
            row.sort_by_key(|&id| std::cmp::Reverse(excess(id)));
        }
        let (mut held, mut most) = (0u64, 0u64);
        for &input in row.iter() {
            most = most.max(held.saturating_add(peak[input as usize]));
            held = held.saturating_add(weight[input as usize]);
        }
        peak[task as usize] = most.max(held.saturating_add(weight[task as usize]));
    }
    visits
}

/// Bytes that remain of each task once the chain that it alone feeds has run as far as it shrinks.
fn left_behind(dag: Dag<'_>, weight: &[u64]) -> Vec<u64> {
    let mut left = weight.to_vec();
    for &task in dag.topological.iter().rev() {
        if let [only] = dag.dependents.row(task)
            && dag.inputs.degree(*only) == 1
        {
            left[task as usize] = left[task as usize].min(left[*only as usize]);
        }
    }
    left
}

struct Walk<'a> {
    dag: Dag<'a>,
    weight: Vec<u64>,
    visits: Csr,
    left_behind: Vec<u64>,
    /// Uses of each result that are still to come.
    pending: Vec<u32>,
    /// Inputs of each task that are still to come.
    unmet: Vec<u32>,
    done: Vec<bool>,
    /// Run beside the path, by rule 2.
    aside: Vec<bool>,
    order: Vec<u32>,
    /// Ready tasks beside the path, to be judged by rule 2.
    eager: Vec<u32>,
}

impl Walk<'_> {
    fn reach(&mut self, goal: u32) {
        let mut path: Vec<(u32, usize)> = vec![(goal, self.visits.range(goal).start)];
        while let Some((task, cursor)) = path.last_mut() {
            if self.done[*task as usize] {
                path.pop();
                continue;
            }
            let end = self.visits.range(*task).end;
            while *cursor < end && self.done[self.visits.target(*cursor) as usize] {
                *cursor += 1;
            }
            if *cursor < end {
                let input = self.visits.target(*cursor);
                path.push((input, self.visits.range(input).start));
            } else {
                let task = *task;
                path.pop();
                self.emit(task);
                while let Some(candidate) = self.eager.pop() {
                    if !self.done[candidate as usize] && self.pays(candidate) {
                        self.aside[candidate as usize] = true;
                        self.emit(candidate);
                    }
                }
            }
        }
    }

    fn emit(&mut self, task: u32) {
        self.done[task as usize] = true;
        self.order.push(task);
        for &input in self.dag.inputs.row(task) {
            let pending = &mut self.pending[input as usize];
            *pending -= 1;
            if *pending == 1 {
                let last = self.dag.dependents.row(input).iter().find(|&&d| !self.done[d as usize]);
                if let Some(&last) = last
                    && self.unmet[last as usize] == 0
                    && self.dag.inputs.degree(last) <= RECONSIDERED_INPUTS_MAX
                {
                    self.eager.push(last);
                }
            }
        }
        for &dependent in self.dag.dependents.row(task) {
            let unmet = &mut self.unmet[dependent as usize];
            *unmet -= 1;
            if *unmet == 0 {
                self.eager.push(dependent);
            }
        }
    }

    fn pays(&self, task: u32) -> bool {
        let inputs = self.dag.inputs.row(task);
        let credit: u64 = inputs.iter().fold(0u64, |sum, &input| {
            sum.saturating_add(self.weight[input as usize] / u64::from(self.pending[input as usize].max(1)))
        });
        let left_behind = self.left_behind[task as usize];
        // A chain that was begun is ended though sizes of its last results are not known: what they stand for may be large.
        let ends_chain =
            || matches!(inputs, [input] if self.aside[*input as usize] && self.dag.dependents.degree(*input) == 1);
        credit > left_behind || credit == left_behind && ends_chain()
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
