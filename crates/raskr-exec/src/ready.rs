//! `Ready`: tasks whose inputs are all there, most urgent first, native and interpreted ones apart.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use raskr_graph::Plan;

/// Ready tasks of one kind. Ids are ranks, so the smallest is the most urgent.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<u32>>,
    /// Tasks without inputs, ascending: read by a cursor, so that a million sources never fill the heap.
    roots: Vec<u32>,
    next_root: usize,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.heap.len() + self.roots.len() - self.next_root
    }

    pub fn peek(&self) -> Option<u32> {
        let root = self.roots.get(self.next_root).copied();
        let other = self.heap.peek().map(|&Reverse(id)| id);
        match (root, other) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub fn pop(&mut self) -> Option<u32> {
        let id = self.peek()?;
        if self.roots.get(self.next_root) == Some(&id) {
            self.next_root += 1;
        } else {
            self.heap.pop();
        }
        Some(id)
    }

    pub fn push(&mut self, id: u32) {
        self.heap.push(Reverse(id));
    }
}

/// The ready tasks of a run.
pub struct Ready {
    pub native: Queue,
    pub interpreted: Queue,
}

impl Ready {
    /// The tasks that need no inputs.
    pub fn of(plan: &Plan) -> Ready {
        let mut ready = Ready { native: Queue::default(), interpreted: Queue::default() };
        for id in 0..plan.len() as u32 {
            if plan.inputs(id).is_empty() {
                ready.queue(plan.is_interpreted(id)).roots.push(id);
            }
        }
        ready
    }

    pub fn queue(&mut self, interpreted: bool) -> &mut Queue {
        if interpreted { &mut self.interpreted } else { &mut self.native }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_others_come_merged_by_rank() {
        let mut queue = Queue { roots: vec![0, 3, 4], ..Queue::default() };
        queue.push(2);
        queue.push(9);
        queue.push(1);
        assert_eq!(queue.len(), 6);
        let all: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 9]);
        assert_eq!((queue.len(), queue.peek()), (0, None));
    }
}
