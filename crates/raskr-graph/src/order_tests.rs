//! Tests of the order: topological always, and few bytes alive on the shapes that programs have.

use super::*;
use crate::plan::topological;
use proptest::prelude::*;

/// A graph being written down; tasks are added after their inputs.
#[derive(Default)]
struct Shape {
    rows: Vec<Vec<u32>>,
    bytes: Vec<u64>,
    goals: Vec<(u32, u32)>,
}

impl Shape {
    fn task(&mut self, bytes: u64, inputs: &[u32]) -> u32 {
        self.rows.push(inputs.to_vec());
        self.bytes.push(bytes);
        self.rows.len() as u32 - 1
    }

    fn sources(&mut self, count: usize, bytes: u64) -> Vec<u32> {
        (0..count).map(|_| self.task(bytes, &[])).collect()
    }

    fn each(&mut self, bytes: u64, inputs: &[u32]) -> Vec<u32> {
        inputs.iter().map(|&input| self.task(bytes, &[input])).collect()
    }

    /// Combines `every` neighbours until one is left.
    fn tree(&mut self, bytes: u64, every: usize, mut inputs: Vec<u32>) -> u32 {
        while inputs.len() > 1 {
            inputs = inputs.chunks(every).map(|group| self.task(bytes, group)).collect();
        }
        inputs[0]
    }

    fn goals(&mut self, group: u32, tasks: &[u32]) {
        self.goals.extend(tasks.iter().map(|&task| (group, task)));
    }

    fn with_dag<T>(&self, look: impl FnOnce(Dag<'_>) -> T) -> T {
        let inputs = Csr::from_rows(self.rows.iter().map(Vec::as_slice));
        let dependents = inputs.transposed();
        let topological = topological(&inputs, &dependents);
        look(Dag { inputs: &inputs, dependents: &dependents, bytes: &self.bytes, topological: &topological })
    }

    /// The peak of the order found, which is checked to be one.
    fn peak(&self) -> u64 {
        self.with_dag(|dag| {
            let order = depth_first(dag, &self.goals);
            let mut place = vec![usize::MAX; self.rows.len()];
            for (at, &task) in order.iter().enumerate() {
                assert_eq!(place[task as usize], usize::MAX, "task {task} comes once");
                place[task as usize] = at;
                assert!(dag.inputs.row(task).iter().all(|&input| place[input as usize] < at), "inputs come first");
            }
            assert!(self.goals.iter().all(|&(_, goal)| place[goal as usize] < order.len()), "goals are reached");
            let kept: Vec<u32> = self.goals.iter().map(|&(_, goal)| goal).collect();
            peak_bytes(dag, &order, &kept)
        })
    }
}

#[test]
fn chains_hold_two() {
    let mut shape = Shape::default();
    let mut last = shape.task(10, &[]);
    for _ in 0..1000 {
        last = shape.task(10, &[last]);
    }
    shape.goals(0, &[last]);
    assert_eq!(shape.peak(), 20);
}

#[test]
fn a_tree_holds_one_value_a_level() {
    let mut shape = Shape::default();
    let leaves = shape.sources(1024, 10);
    let root = shape.tree(10, 2, leaves);
    shape.goals(0, &[root]);
    assert!(shape.peak() <= 10 * 12, "{}", shape.peak());
}

#[test]
fn a_lopsided_tree_begins_with_its_heavy_side() {
    // Each step folds a fresh source into what there is: begun at the far end only two are alive.
    let mut shape = Shape::default();
    let mut last = shape.task(10, &[]);
    for _ in 0..100 {
        let source = shape.task(10, &[]);
        last = shape.task(10, &[source, last]);
    }
    shape.goals(0, &[last]);
    assert_eq!(shape.peak(), 30);
}

#[test]
fn blocks_of_a_wide_map_and_reduction_stream_through() {
    let mut shape = Shape::default();
    let blocks = shape.sources(500, 1000);
    let mapped = shape.each(1000, &blocks);
    let partial = shape.each(1, &mapped);
    let total = shape.task(1, &partial);
    shape.goals(0, &[total]);
    assert!(shape.peak() <= 2000 + 501, "{}", shape.peak());
}

/// Blocks (i, j) of x plus x transposed.
fn with_transpose(shape: &mut Shape, n: usize) -> Vec<u32> {
    let x = shape.sources(n * n, 1000);
    let mut sums = Vec::new();
    for i in 0..n {
        for j in 0..n {
            let inputs = if i == j { vec![x[i * n + j]] } else { vec![x[i * n + j], x[j * n + i]] };
            sums.push(shape.task(1000, &inputs));
        }
    }
    sums
}

#[test]
fn a_matrix_and_its_transpose_meet_pairwise() {
    let mut shape = Shape::default();
    let sums = with_transpose(&mut shape, 12);
    let partial = shape.each(1, &sums);
    let total = shape.tree(1, 4, partial);
    shape.goals(0, &[total]);
    assert!(shape.peak() <= 4000 + 144, "{}", shape.peak());

    let mut kept = Shape::default();
    let sums = with_transpose(&mut kept, 12);
    kept.goals(0, &sums);
    assert!(kept.peak() <= 144_000 + 3000, "outputs stay, but little else: {}", kept.peak());
}

#[test]
fn several_statistics_share_one_pass() {
    for statistics in 2..6 {
        let mut shape = Shape::default();
        let x = shape.sources(256, 1000);
        for group in 0..statistics {
            // Every second one squares the block first.
            let base = if group % 2 == 1 { shape.each(1000, &x) } else { x.clone() };
            let partial = shape.each(1, &base);
            let total = shape.tree(1, 8, partial);
            shape.goals(group, &[total]);
        }
        assert!(shape.peak() <= 3000 + 256 * u64::from(statistics), "{statistics}: {}", shape.peak());
    }
}

#[test]
fn overlapping_neighbours_keep_a_narrow_front() {
    let mut line = Shape::default();
    let x = line.sources(300, 1000);
    let outs: Vec<u32> = (0..300usize)
        .map(|i| {
            let near: Vec<u32> = (i.saturating_sub(1)..(i + 2).min(300)).map(|k| x[k]).collect();
            let windowed = line.task(1000, &near);
            line.task(1, &[windowed])
        })
        .collect();
    line.goals(0, &outs);
    assert!(line.peak() <= 4000 + 300, "{}", line.peak());

    let n = 30;
    let mut plane = Shape::default();
    let x = plane.sources(n * n, 1000);
    let mut outs = Vec::new();
    for i in 0..n {
        for j in 0..n {
            let near: Vec<u32> = (i.saturating_sub(1)..(i + 2).min(n))
                .flat_map(|k| (j.saturating_sub(1)..(j + 2).min(n)).map(move |l| (k, l)))
                .map(|(k, l)| x[k * n + l])
                .collect();
            let windowed = plane.task(1000, &near);
            outs.push(plane.task(1, &[windowed]));
        }
    }
    plane.goals(0, &outs);
    assert!(plane.peak() <= 1000 * (2 * n as u64 + 5) + 900, "two rows and a little: {}", plane.peak());
}

#[test]
fn what_is_needed_again_costs_no_more_than_itself() {
    // x - x.mean(): all of x waits for the mean.
    let mut shape = Shape::default();
    let x = shape.sources(100, 1000);
    let partial = shape.each(1, &x);
    let mean = shape.tree(1, 8, partial);
    let centred: Vec<u32> = x.iter().map(|&block| shape.task(1000, &[block, mean])).collect();
    let squares = shape.each(1, &centred);
    let total = shape.tree(1, 8, squares);
    shape.goals(0, &[total]);
    assert!(shape.peak() <= 100_000 + 2000 + 200, "{}", shape.peak());
}

#[test]
fn a_matrix_product_finishes_one_result_after_the_other() {
    let n = 10;
    let mut shape = Shape::default();
    let a = shape.sources(n * n, 1000);
    let b = shape.sources(n * n, 1000);
    let mut outs = Vec::new();
    for i in 0..n {
        for j in 0..n {
            let products: Vec<u32> = (0..n).map(|k| shape.task(1000, &[a[i * n + k], b[k * n + j]])).collect();
            let result = shape.tree(1000, 4, products);
            outs.push(shape.task(1, &[result]));
        }
    }
    shape.goals(0, &outs);
    let n = n as u64;
    assert!(shape.peak() <= 1000 * (n * n + n + 10), "one factor, a row of the other, one sum: {}", shape.peak());
}

#[test]
fn pairs_of_sources_are_consumed_as_they_come() {
    // mean(u * v): graphs in which all sources look alike tempt schedulers to load them all.
    let mut shape = Shape::default();
    let u = shape.sources(200, 1000);
    let v = shape.sources(200, 1000);
    let products: Vec<u32> = u.iter().zip(&v).map(|(&u, &v)| shape.task(1000, &[u, v])).collect();
    let partial = shape.each(10, &products);
    let total = shape.tree(10, 16, partial);
    shape.goals(0, &[total]);
    assert!(shape.peak() <= 3000 + 10 * 40, "{}", shape.peak());
}

#[test]
fn reducing_one_axis_of_a_grid_finishes_columns() {
    let (rows, columns) = (40, 20);
    let mut shape = Shape::default();
    let x = shape.sources(rows * columns, 1000);
    let partial = shape.each(100, &x);
    let outs: Vec<u32> = (0..columns)
        .map(|j| {
            let column = (0..rows).map(|i| partial[i * columns + j]).collect();
            shape.tree(100, 4, column)
        })
        .collect();
    shape.goals(0, &outs);
    assert!(shape.peak() <= 2000 + 100 * (20 + 16), "{}", shape.peak());
}

#[test]
fn the_nearest_layer_of_goals_goes_first_in_its_own_order() {
    let mut shape = Shape::default();
    let near = shape.sources(5, 1);
    let mut far = near.clone();
    for _ in 0..3 {
        far = shape.each(1, &far);
    }
    shape.goals(0, &far);
    shape.goals(1, &near);
    let order = shape.with_dag(|dag| depth_first(dag, &shape.goals));
    assert_eq!(order[..5], near);
    let last: Vec<u32> = order.iter().copied().filter(|task| far.contains(task)).collect();
    assert_eq!(last, far);
}

#[test]
fn chains_of_unknown_results_are_ended_one_after_the_other() {
    // Rows change places; then each part is sorted, and written by tasks that do not say what their results weigh.
    let mut shape = Shape::default();
    let lists = shape.sources(8, 1000);
    let written: Vec<u32> = (0..8)
        .map(|_| {
            let pieces = shape.each(0, &lists);
            let sorted = shape.task(1000, &pieces);
            let frame = shape.task(0, &[sorted]);
            shape.task(0, &[frame])
        })
        .collect();
    let end = shape.task(0, &written);
    shape.goals(0, &[end]);
    let order = shape.with_dag(|dag| depth_first(dag, &shape.goals));
    let place = |task: u32| order.iter().position(|other| *other == task).expect("it is needed");
    assert!(written.iter().all(|&last| place(last) == place(last - 2) + 2), "{order:?}");
}

fn shapes() -> impl Strategy<Value = Shape> {
    let row = (prop::collection::vec(any::<prop::sample::Index>(), 0..5), 0u64..100);
    (prop::collection::vec(row, 1..120), prop::collection::vec((0u32..3, any::<prop::sample::Index>()), 1..5)).prop_map(
        |(rows, goals)| {
            let mut shape = Shape::default();
            for (task, (inputs, bytes)) in rows.into_iter().enumerate() {
                let inputs: Vec<u32> = inputs.iter().filter(|_| task > 0).map(|i| i.index(task) as u32).collect();
                shape.task(bytes, &inputs);
            }
            let tasks = shape.rows.len();
            shape.goals = goals.into_iter().map(|(group, i)| (group, i.index(tasks) as u32)).collect();
            shape
        },
    )
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} weighing {:?} for {:?}", self.rows, self.bytes, self.goals)
    }
}

proptest! {
    #[test]
    fn random_graphs_are_ordered_topologically(shape in shapes()) {
        let peak = shape.peak();
        prop_assert!(peak <= shape.bytes.iter().sum::<u64>());
    }
}
