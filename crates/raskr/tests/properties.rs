//! Random expressions over random chunks against a naive evaluator: every node must hold exactly the same elements.
//!
//! Elements are integers, or floats that stay small multiples of powers of two, so that no order of operations rounds.
// Helpers outside of test functions fail the test that calls them.
#![allow(clippy::expect_used)]

mod naive;

use std::sync::Arc;

use naive::Naive;
use proptest::prelude::*;
use raskr::array::random::Generator;
use raskr::array::{self, Array, Chunks, NEW_AXIS, Options, Pick, by, compute_all, keep};
use raskr::{Chunk, DType};

/// Where random decisions come from: a list of numbers, so that failing cases shrink.
struct Choices {
    numbers: Vec<u32>,
    next: usize,
}

impl Choices {
    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        let number = self.numbers.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        number as usize % count.max(1)
    }

    /// Chunks that add up to a length, now and then with an empty one.
    fn chunks_of(&mut self, len: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut left = len;
        while left > 0 {
            let size = match self.below(8) {
                0 if sizes.len() < 3 => 0,
                1 => left,
                _ => 1 + self.below(left.min(4)),
            };
            sizes.push(size);
            left -= size;
        }
        if sizes.is_empty() {
            sizes.push(0);
        }
        sizes
    }

    fn grid_of(&mut self, shape: &[usize]) -> Chunks {
        shape.iter().map(|len| self.chunks_of(*len)).collect::<Vec<_>>().into()
    }
}

/// One node in both worlds.
#[derive(Clone)]
struct Node {
    lazy: Array,
    naive: Arc<Naive>,
    /// How it was made, for the failure's text.
    made: String,
}

/// The most elements of one node.
const ELEMENTS_MAX: usize = 3000;

struct World {
    choices: Choices,
    nodes: Vec<Node>,
    float: bool,
}

impl World {
    fn new(numbers: Vec<u32>) -> World {
        let mut world = World { choices: Choices { numbers, next: 0 }, nodes: Vec::new(), float: false };
        world.float = world.choices.below(2) == 1;
        for _ in 0..2 {
            world.source();
        }
        world
    }

    fn push(&mut self, lazy: Array, naive: Naive, made: String) {
        if naive.values.len() <= ELEMENTS_MAX && naive.shape.len() <= 4 {
            self.nodes.push(Node { lazy, naive: Arc::new(naive), made });
        }
    }

    /// An earlier node, the latest being likelier.
    fn pick(&mut self) -> (usize, Node) {
        let count = self.nodes.len();
        let back = if self.choices.below(2) == 0 { 0 } else { self.choices.below(count) };
        let index = count - 1 - back;
        (index, self.nodes[index].clone())
    }

    fn source(&mut self) {
        let ndim = self.choices.below(4);
        let shape: Vec<usize> = (0..ndim)
            .map(|_| match self.choices.below(7) {
                0 => 1,
                1 if self.choices.below(4) == 0 => 0,
                _ => 2 + self.choices.below(7),
            })
            .collect();
        let count: usize = shape.iter().product();
        let chunks = self.choices.grid_of(&shape);
        let start = self.choices.below(9) as i64 - 4;
        let salt = self.choices.below(1 << 16) as u64;
        let (lazy, values): (Array, Vec<i64>) = match self.choices.below(5) {
            0 => (array::full(shape.as_slice(), start, chunks), vec![start; count]),
            1 => {
                let line = array::arange(start, start + 3 * count as i64, 3, 4);
                let values = (0..count as i64).map(|k| start + 3 * k).collect();
                (line.reshape(shape.as_slice()).rechunk(chunks), values)
            }
            2 => {
                // What the numbers are is the engine's affair; that each place keeps its own is tested.
                let drawn = |chunks| Generator::new(salt).integers(shape.as_slice(), -10, 11, chunks);
                let alone = drawn(Chunks::WHOLE).compute_with(&Options::new().threads(0)).expect("numbers");
                (drawn(chunks), alone.as_slice::<i64>().expect("row-major").to_vec())
            }
            kind => {
                let mixed = |k: usize| (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ salt) >> 33;
                let values: Vec<i64> = (0..count).map(|k| (mixed(k) % 21) as i64 - 10).collect();
                let lazy = array::from_slice(&values, shape.as_slice(), chunks);
                // Blocks that were computed before are leaves of another kind than memory.
                (if kind == 3 { lazy } else { lazy.persist(&Options::new().threads(0)).expect("memory") }, values)
            }
        };
        let lazy = if self.float { lazy.astype(DType::F64) } else { lazy };
        let values = values.into_iter().map(|value| value as f64).collect();
        self.push(lazy, Naive { shape, values }, "source".to_owned());
    }

    fn step(&mut self) {
        let (at, node) = self.pick();
        let ndim = node.naive.shape.len();
        match self.choices.below(16) {
            0..=2 => self.binary(at, &node),
            3 => self.unary(at, &node),
            4..=5 => self.slice(at, &node),
            6 if ndim > 0 => {
                let mut order: Vec<usize> = (0..ndim).collect();
                let (a, b) = (self.choices.below(ndim), self.choices.below(ndim));
                order.swap(a, b);
                order.rotate_left(self.choices.below(ndim));
                self.push(
                    node.lazy.transpose(&order),
                    node.naive.transpose(&order),
                    format!("transpose {order:?} of {at}"),
                );
            }
            7 => {
                let chunks = self.choices.grid_of(&node.naive.shape);
                let made = format!("rechunk {chunks:?} of {at}");
                self.push(node.lazy.rechunk(chunks), Naive::clone(&node.naive), made);
            }
            8 => self.broadcast(at, &node),
            9 if ndim > 0 => self.concatenate(at, &node),
            10..=11 if ndim > 0 => self.reduce(at, &node),
            12 if ndim > 0 => {
                let axis = self.choices.below(ndim);
                self.push(node.lazy.cumsum(axis as i64), node.naive.cumsum(axis), format!("cumsum {axis} of {at}"));
            }
            13 if ndim > 0 => {
                let axis = self.choices.below(ndim);
                let len = node.naive.shape[axis];
                let wanted = if len == 0 { 0 } else { self.choices.below(9) };
                let places: Vec<i64> = (0..wanted).map(|_| self.choices.below(2 * len) as i64 - len as i64).collect();
                let made = format!("take {places:?} {axis} of {at}");
                self.push(node.lazy.take(&places, axis as i64), node.naive.take(&places, axis), made);
            }
            14 => {
                let flat: Vec<usize> = vec![node.naive.values.len()];
                let shape = if node.naive.values.len() % 6 == 0 && self.choices.below(2) == 0 {
                    vec![2, node.naive.values.len() / 6, 3]
                } else {
                    flat
                };
                let naive = Naive { shape: shape.clone(), values: node.naive.values.clone() };
                self.push(node.lazy.reshape(shape.as_slice()), naive, format!("reshape {shape:?} of {at}"));
            }
            _ => self.source(),
        }
    }

    fn binary(&mut self, at: usize, node: &Node) {
        let (other_at, other) = self.pick();
        let code = self.choices.below(7);
        let Some((a, b)) = Naive::broadcast(&node.naive, &other.naive) else { return };
        let (x, y) = (&node.lazy, &other.lazy);
        let float = self.float;
        let (lazy, naive) = match code {
            0 => (x + y, a.zip(&b, |p, q| p + q)),
            1 => (x - y, a.zip(&b, |p, q| p - q)),
            2 => (x.minimum(y), a.zip(&b, f64::min)),
            3 => (x.maximum(y), a.zip(&b, f64::max)),
            4 => {
                let chosen = a.zip(&b, |p, q| if p < q { q } else { -p });
                (array::where_(x.less(y), y, -x), chosen)
            }
            5 if float => ((x + y) * 0.5, a.zip(&b, |p, q| (p + q) * 0.5)),
            // Halving keeps products of integers from growing beyond what doubles hold exactly.
            _ => {
                let small = a.zip(&b, |p, q| p.clamp(-50.0, 50.0) * q.clamp(-50.0, 50.0));
                let (low, high) = (-50, 50);
                (array::clip(x, low, high) * array::clip(y, low, high), small)
            }
        };
        self.push(lazy, naive, format!("binary {code} of {at} {other_at}"));
    }

    fn unary(&mut self, at: usize, node: &Node) {
        let code = self.choices.below(4);
        let (lazy, naive) = match code {
            0 => (-&node.lazy, node.naive.map(|p| -p)),
            1 => (node.lazy.abs(), node.naive.map(f64::abs)),
            2 => (3 - &node.lazy, node.naive.map(|p| 3.0 - p)),
            _ => {
                // To narrow integers and back: a cast that is no identity.
                let narrow = array::clip(&node.lazy, -100, 100).astype(DType::I8);
                let back = if self.float { DType::F64 } else { DType::I64 };
                (narrow.astype(back), node.naive.map(|p| p.clamp(-100.0, 100.0).trunc()))
            }
        };
        self.push(lazy, naive, format!("unary {code} of {at}"));
    }

    fn slice(&mut self, at: usize, node: &Node) {
        let mut picks: Vec<Pick> = Vec::new();
        let mut taken: Vec<(usize, i64, usize)> = Vec::new();
        let mut shape: Vec<usize> = Vec::new();
        for len in &node.naive.shape {
            if self.choices.below(8) == 0 && shape.len() < 3 {
                picks.push(NEW_AXIS);
                shape.push(1);
            }
            if *len > 0 && self.choices.below(4) == 0 {
                let place = self.choices.below(*len);
                picks.push(Pick::from(place as i64));
                taken.push((place, 1, 1));
                continue;
            }
            let (low, high) = (self.choices.below(len + 1), self.choices.below(len + 1));
            let (low, high) = (low.min(high), low.max(high));
            let step: i64 = [1, 1, 2, 3, -1, -2, -5][self.choices.below(7)];
            let count = (high - low).div_ceil(step.unsigned_abs() as usize);
            if step > 0 {
                picks.push(by(low as i64..high as i64, step));
                taken.push((low, step, count));
            } else if low == 0 {
                // Backwards from high - 1 to the very front.
                picks.push(if high == *len { by(.., step) } else { by(high as i64 - 1.., step) });
                let count = if high == 0 && *len > 0 { len.div_ceil(step.unsigned_abs() as usize) } else { count };
                let start = if high == 0 { *len } else { high };
                taken.push((start.wrapping_sub(1), step, count));
            } else {
                picks.push(by(high as i64 - 1..low as i64 - 1, step));
                taken.push((high.wrapping_sub(1), step, count));
            }
            shape.push(taken.last().map_or(0, |last| last.2));
        }
        let values = node.naive.picked(&taken);
        let made = format!("slice {picks:?} of {at}");
        self.push(node.lazy.slice(picks), Naive { shape, values }, made);
    }

    fn broadcast(&mut self, at: usize, node: &Node) {
        let mut shape = node.naive.shape.clone();
        for len in shape.iter_mut().filter(|len| **len == 1) {
            *len = 1 + self.choices.below(4);
        }
        if shape.len() < 3 {
            shape.insert(0, 1 + self.choices.below(3));
        }
        let naive = node.naive.broadcast_to(&shape);
        self.push(node.lazy.broadcast_to(shape.as_slice()), naive, format!("broadcast {shape:?} of {at}"));
    }

    fn concatenate(&mut self, at: usize, node: &Node) {
        let axis = self.choices.below(node.naive.shape.len());
        let (other_at, mut other) = self.pick();
        let alike = other.naive.shape.len() == node.naive.shape.len()
            && (0..node.naive.shape.len()).all(|d| d == axis || other.naive.shape[d] == node.naive.shape[d]);
        if !alike {
            other = node.clone();
        }
        let lazy = array::concatenate(&[&node.lazy, &other.lazy, &node.lazy], axis as i64);
        let naive = Naive::concatenate(&[&node.naive, &other.naive, &node.naive], axis);
        self.push(lazy, naive, format!("concatenate {axis} of {at} {other_at} alike: {alike}"));
    }

    fn reduce(&mut self, at: usize, node: &Node) {
        let ndim = node.naive.shape.len();
        let mut axes: Vec<usize> = (0..ndim).filter(|_| self.choices.below(2) == 0).collect();
        if axes.is_empty() {
            axes.push(self.choices.below(ndim));
        }
        let keeps = self.choices.below(2) == 0;
        let numbers: Vec<i64> = axes.iter().map(|axis| *axis as i64).collect();
        let wanted = if keeps { keep(numbers.as_slice()) } else { numbers.as_slice().into() };
        let code = self.choices.below(5);
        let extremes = node.naive.shape.iter().all(|len| *len > 0);
        let x = &node.lazy;
        let (lazy, naive) = match code {
            0 if extremes => (x.min(wanted), node.naive.reduce(&axes, keeps, f64::INFINITY, f64::min)),
            1 if extremes => (x.max(wanted), node.naive.reduce(&axes, keeps, f64::NEG_INFINITY, f64::max)),
            2 => {
                let counts = node.naive.map(|p| f64::from(p != 0.0)).reduce(&axes, keeps, 0.0, |p, q| p + q);
                let dtype = if self.float { DType::F64 } else { DType::I64 };
                (x.count_nonzero(wanted).astype(dtype), counts)
            }
            3 if extremes => {
                let dtype = if self.float { DType::F64 } else { DType::I64 };
                let axis = numbers[0];
                let wanted = if keeps { keep(axis) } else { axis.into() };
                let naive = node.naive.argmax(axis as usize, keeps);
                (x.argmax(wanted).astype(dtype), naive)
            }
            _ => (x.sum(wanted), node.naive.reduce(&axes, keeps, 0.0, |p, q| p + q)),
        };
        self.push(lazy, naive, format!("reduce {code} {axes:?} keep {keeps} of {at}"));
    }
}

fn elements(chunk: &Chunk) -> Vec<f64> {
    match chunk.dtype() {
        DType::F64 => chunk.as_slice::<f64>().expect("row-major").to_vec(),
        _ => chunk.as_slice::<i64>().expect("row-major").iter().map(|value| *value as f64).collect(),
    }
}

/// Beyond this sums are no longer exact, nor comparable.
const EXACT: f64 = 1e13;

/// Builds a world and computes its last nodes, and some others, in one run.
fn holds(numbers: Vec<u32>, threads: usize) -> Result<(), TestCaseError> {
    let mut world = World::new(numbers);
    for _ in 0..14 {
        world.step();
    }
    // A node that is too large to be exact takes with it whatever was made of it.
    let exact = world.nodes.iter().take_while(|node| node.naive.values.iter().all(|value| value.abs() < EXACT)).count();
    let nodes = &world.nodes[..exact];
    let mut wanted: Vec<usize> = (exact.saturating_sub(2)..exact).collect();
    wanted.push(world.choices.below(exact));
    let lazy: Vec<&Array> = wanted.iter().map(|index| &nodes[*index].lazy).collect();
    let story = || {
        let lines: Vec<String> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| format!("{index}: {} -> {:?} {:?}", node.made, node.naive.shape, node.lazy))
            .collect();
        format!("wanted {wanted:?}\n{}", lines.join("\n"))
    };
    let chunks = compute_all(&lazy, &Options::new().threads(threads))
        .map_err(|error| TestCaseError::fail(format!("{error}\n{}", story())))?;
    for (index, chunk) in wanted.iter().zip(&chunks) {
        let expected = &nodes[*index].naive;
        prop_assert_eq!(chunk.shape(), expected.shape.as_slice(), "shape of node {}\n{}", index, story());
        prop_assert_eq!(&elements(chunk), &expected.values, "node {}\n{}", index, story());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions_agree_with_the_naive_evaluator(numbers in prop::collection::vec(any::<u32>(), 400)) {
        holds(numbers, 0)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn so_they_do_on_threads(numbers in prop::collection::vec(any::<u32>(), 400)) {
        holds(numbers, 2)?;
    }
}
