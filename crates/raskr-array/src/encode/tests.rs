//! Expressions that were encoded and decoded give the same values, and damaged bytes are refused.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use raskr_base::{Chunk, DType, TaskContext, Value};
use raskr_graph::{Builder, Plan, PlanOptions};
use raskr_kernels::blocks::{ArgKind, Bins, Counting, CumulativeKind};
use raskr_kernels::fft::{FourierKind, Scaling, Step};
use raskr_kernels::program::{OpCode, ReductionKind, Scalar};
use raskr_kernels::random::{Distribution, DistributionKind, RandomSource};
use raskr_kernels::reduce::Ending;

use super::*;
use crate::expr::Index;
use crate::grid::{Axis, Grid};
use crate::index::Run;
use crate::lower::results::lower_results;
use crate::ops::ordering::Ordering;

fn grid(axes: &[&[u64]]) -> Grid {
    Grid::new(axes.iter().map(|sizes| Axis::new(*sizes))).expect("few blocks")
}

fn random() -> Arc<Expr> {
    let source = RandomSource::new([3, 4], Distribution::StandardUniform { single: false });
    Expr::random(grid(&[&[3, 4], &[2, 2, 1]]), source, "random").expect("valid")
}

fn memory() -> Arc<Expr> {
    let values: Vec<f64> = (0..35).map(|i| f64::from(i * 17 % 23)).collect();
    Expr::memory(Chunk::from_slice(&values, &[7, 5]), grid(&[&[3, 4], &[2, 3]]), "array").expect("fits")
}

fn less(a: &Arc<Expr>, b: f64) -> Arc<Expr> {
    let limit = Expr::full(Grid::single(&[]), DType::F64, Scalar::F64(b), "full");
    Expr::elementwise(OpCode::Less, &[Arc::clone(a), limit], &[DType::F64; 2], "less").expect("has a loop")
}

fn sum(a: &Arc<Expr>, axes: &[usize]) -> Arc<Expr> {
    a.reduce(ReductionKind::Sum, Ending::Value, axes, false, DType::F64, DType::F64, None, "sum").expect("has a loop")
}

/// One expression of each kind at least, with what it is called.
fn examples() -> Vec<(&'static str, Arc<Expr>)> {
    let (x, m) = (random(), memory());
    let add = Expr::elementwise(OpCode::Add, &[Arc::clone(&x), Arc::clone(&m)], &[DType::F64; 2], "add").expect("loop");
    let line = m.reshape_blocks(grid(&[&[6, 9, 8, 12]])).expect("as many blocks");
    let run = Index::Run(Run { start: 5, step: -2, count: 3 });
    let how = Arc::new(Counting::Bins(vec![Bins::new(&[0.0, 5.0, 9.0, 30.0]).expect("ascending")]));
    let squares = x.transpose(&[1, 0]).expect("two axes");
    let product = Expr::contract(&x, &squares, &[1], &[0], DType::F64, "matmul").expect("fits");
    let step = Step { kind: FourierKind::Forward, axis: 1, n: 5 };
    let whole = m.rechunk(grid(&[&[3, 4], &[5]])).expect("adds up");
    let scale = x.rechunk(grid(&[&[7], &[5]])).expect("adds up");
    let shared = whole.transform(vec![step], Scaling::Ortho, "fft").expect("one block");
    let top: Arc<dyn BlockFunction> = Arc::new(Ordering::Top { axis: 0, k: 2 });
    let group = line.group(top, vec![(0, 4)], true, grid(&[&[2]]), line.element().clone(), true, "topk").expect("fits");
    let alone = sum(&whole, &[1]);
    let instead = sum(&whole.regions(vec![vec![(0, 3), (3, 7)], vec![(0, 5)]]).expect("within"), &[1]);
    let choice = Expr::choice(&alone, &shared, &instead).expect("alike");
    vec![
        ("source", Arc::clone(&x)),
        ("memory", Arc::clone(&m)),
        ("iota", Expr::iota(grid(&[&[4, 3]]), DType::I32, Scalar::I64(2), Scalar::I64(3), "arange")),
        ("eye", Expr::eye(grid(&[&[2, 2], &[3]]), DType::F32, 1).expect("two axes")),
        ("elementwise", Arc::clone(&add)),
        ("cast", add.cast(DType::F32).expect("casts")),
        ("view", m.index(&[run, Index::All, Index::New]).expect("three entries")),
        ("rechunk", add.rechunk(grid(&[&[5, 2], &[5]])).expect("adds up")),
        ("rechunk of blocks", sum(&add, &[]).rechunk(grid(&[&[7], &[1, 4]])).expect("adds up")),
        ("regions", m.regions(vec![vec![(0, 4), (2, 7)], vec![(1, 5)]]).expect("within")),
        ("take", add.take(0, vec![6, 0, 3, 3].into(), Axis::new([1, 3])).expect("within")),
        ("points", m.points(vec![0, 1], vec![vec![6, 0], vec![1, 4]], Axis::new([1, 1])).expect("within")),
        ("filter", m.filter(&less(&m, 11.0), "getitem").expect("same blocks")),
        ("compress", m.compress(&less(&sum(&m, &[1]), 50.0), 0).expect("one axis")),
        ("count", Expr::count(&[Arc::clone(&m)], None, how, DType::I64, "histogram").expect("same blocks")),
        ("select", m.select_blocks(vec![vec![1], vec![1, 0, 1]]).expect("there")),
        ("reshape", Arc::clone(&line)),
        ("relabel", m.relabel(grid(&[&[u64::MAX, u64::MAX], &[2, 3]])).expect("same blocks")),
        ("concatenate", Expr::concatenate(vec![Arc::clone(&m), Arc::clone(&m)], 0).expect("alike")),
        ("reduce", sum(&add, &[0])),
        ("arg", m.arg_reduce(ArgKind::Max, Some(0), true, "argmax").expect("known")),
        ("scan", add.scan(CumulativeKind::Sum, 1, DType::F64, "cumsum").expect("an axis")),
        ("sort", line.sample_sort(false).expect("one axis")),
        ("argsort", line.sample_sort(true).expect("one axis")),
        ("contract", product),
        (
            "random with",
            Expr::random_with(
                DistributionKind::Normal,
                [1, 2],
                vec![Arc::clone(&m), scale],
                m.grid().clone(),
                DType::F64,
                "n",
            )
            .expect("two parameters"),
        ),
        ("blockwise", Arc::clone(&shared)),
        ("group", group),
        ("choice", choice),
        ("constants of unknown lengths", {
            let chosen = m.filter(&less(&m, 11.0), "getitem").expect("same blocks");
            Expr::elementwise(
                OpCode::Add,
                &[chosen, Expr::full(Grid::single(&[]), DType::F64, Scalar::F64(1.0), "one")],
                &[DType::F64; 2],
                "add",
            )
            .expect("has a loop")
        }),
        ("named", Expr::renamed(&add, "mine")),
    ]
}

/// Runs everything that the expressions need, one task after the other.
fn values(exprs: &[Arc<Expr>]) -> Vec<Vec<Value>> {
    let mut builder = Builder::new();
    let lowered = lower_results(exprs, &[], false, &mut builder).expect("lowers");
    let counts: Vec<u32> = lowered.iter().map(|one| one.tasks).collect();
    for one in &lowered {
        (0..one.tasks).for_each(|index| builder.output(raskr_graph::TaskRef { layer: one.layer, index }));
    }
    let plan = Plan::from_graph(builder.finish(), PlanOptions::default()).expect("a graph");
    let cancelled = AtomicBool::new(false);
    let mut done: Vec<Value> = Vec::new();
    for id in 0..plan.len() as u32 {
        let mut inputs: Vec<Value> = plan.inputs(id).iter().map(|input| done[*input as usize].clone()).collect();
        let context = TaskContext { index: plan.task(id).index, cancelled: &cancelled, memory_limit: None };
        done.push(plan.op(id).run(&context, &mut inputs).expect("runs"));
    }
    let mut outputs = plan.outputs().iter().map(|id| done[*id as usize].clone());
    counts.into_iter().map(|many| outputs.by_ref().take(many as usize).collect()).collect()
}

fn text(value: &Value) -> String {
    let Value::Chunk(chunk) = value else { return format!("{value:?}") };
    let whole = raskr_kernels::blocks::copied(chunk);
    format!("{} {:?} {:?}", whole.dtype(), whole.shape(), &whole.buffer().as_bytes()[..whole.nbytes()])
}

fn alike(one: &Value, other: &Value, exact: bool) -> bool {
    let (Value::Chunk(a), Value::Chunk(b)) = (one, other) else { return text(one) == text(other) };
    if exact || a.dtype() != DType::F64 || b.dtype() != DType::F64 {
        return text(one) == text(other);
    }
    let (a, b) = (raskr_kernels::blocks::copied(a), raskr_kernels::blocks::copied(b));
    let close = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-12 * x.abs();
    a.shape() == b.shape() && a.as_slice().into_iter().flatten().zip(b.as_slice().into_iter().flatten()).all(close)
}

fn arrays(roots: &[Root]) -> Vec<Arc<Expr>> {
    let array = |root: &Root| match root {
        Root::Array(expr) => Some(Arc::clone(expr)),
        Root::Value(_) => None,
    };
    roots.iter().filter_map(array).collect()
}

fn trip(exprs: &[Arc<Expr>], memory: Memory) -> Vec<Arc<Expr>> {
    let roots: Vec<Root> = exprs.iter().map(|expr| Root::Array(Arc::clone(expr))).collect();
    let (bytes, beside) = encode(&roots, memory).expect("can be encoded");
    arrays(&decode(&bytes, &beside).expect("can be decoded"))
}

#[test]
fn every_kind_gives_the_same_values_under_the_same_name() {
    for memory in [Memory::Whole, Memory::AsBlocks { above: 64, run: None }] {
        for (what, expr) in examples() {
            let back = trip(std::slice::from_ref(&expr), memory).remove(0);
            assert_eq!(back.name().expect("a name"), expr.name().expect("a name"), "{what}");
            assert_eq!((back.grid(), back.dtype()), (expr.grid(), expr.dtype()), "{what}");
            let (own, theirs) = (values(&[expr]).remove(0), values(&[back]).remove(0));
            assert_eq!(own.len(), theirs.len(), "{what}");
            // Programs over memory are cut as they like, over blocks by the block: sums may differ in their last bits.
            let exact = memory == Memory::Whole;
            assert!(own.iter().zip(&theirs).all(|(a, b)| alike(a, b, exact)), "{what} with {memory:?}");
        }
    }
}

#[test]
fn what_is_encoded_twice_is_the_same_bytes_and_the_same_layers() {
    let exprs: Vec<Arc<Expr>> = examples().into_iter().map(|(_, expr)| expr).collect();
    let roots: Vec<Root> = exprs.iter().map(|expr| Root::Array(Arc::clone(expr))).collect();
    let (bytes, beside) = encode(&roots, Memory::AsBlocks { above: 64, run: None }).expect("can be encoded");
    let back = decode(&bytes, &beside).expect("can be decoded");
    let (again, _) = encode(&back, Memory::AsBlocks { above: 64, run: None }).expect("can be encoded");
    assert_eq!(bytes, again);
    let layers = |roots: &[Root]| -> Vec<(String, u32)> {
        let mut builder = Builder::new();
        lower_results(&arrays(roots), &[], false, &mut builder).expect("lowers");
        builder.finish().layers.iter().map(|layer| (layer.name().to_owned(), layer.len())).collect()
    };
    assert_eq!(layers(&back), layers(&decode(&bytes, &beside).expect("can be decoded")));
}

#[test]
fn what_is_shared_stays_shared_and_a_long_chain_needs_no_stack() {
    let first = random();
    let mut last = Arc::clone(&first);
    for _ in 0..100_000 {
        last = Expr::elementwise(OpCode::Add, &[Arc::clone(&last), last], &[DType::F64; 2], "add").expect("has a loop");
    }
    let back = trip(&[Arc::clone(&last), Arc::clone(&first)], Memory::Whole);
    let mut expr = Arc::clone(&back[0]);
    let mut length = 0;
    loop {
        let inputs: Vec<Arc<Expr>> = expr.inputs().into_iter().cloned().collect();
        let [one, other] = inputs.as_slice() else { break };
        assert!(Arc::ptr_eq(one, other));
        length += 1;
        expr = Arc::clone(one);
    }
    assert_eq!(length, 100_000);
    assert!(Arc::ptr_eq(&expr, &back[1]));
}

#[test]
fn large_memory_becomes_blocks_that_are_there_already() {
    let x = memory();
    let roots = [Root::Array(Arc::clone(&x))];
    let (bytes, beside) = encode(&roots, Memory::AsBlocks { above: 64, run: None }).expect("can be encoded");
    assert!(bytes.len() < 200, "{} bytes", bytes.len());
    let [Held::Blocks(blocks)] = beside.held.as_slice() else { panic!("one array in memory") };
    assert_eq!(blocks.len(), 4);
    let (inside, beside) = encode(&roots, Memory::AsBlocks { above: 1000, run: None }).expect("can be encoded");
    assert!(inside.len() > 280 && beside.held.is_empty());
    let repeated = Chunk::scalar(1.5f64).with_layout(&[1 << 40], &[0], 0).expect("one element");
    let x = Expr::memory(repeated, Grid::single(&[1 << 40]), "array").expect("fits");
    let back = trip(&[x], Memory::AsBlocks { above: 64, run: None }).remove(0);
    let crate::expr::Kind::Memory { chunk } = back.kind() else { panic!("small memory stays memory") };
    assert_eq!((chunk.shape(), chunk.strides()), (&[1 << 40][..], &[0][..]));
}

#[test]
fn large_memory_of_a_run_goes_by_its_number_and_keeps_its_own_token_for_others() {
    let named = |expr: &Arc<Expr>| expr.name().expect("a name");
    let of_run = |expr: &Arc<Expr>, number| {
        let back = trip(std::slice::from_ref(expr), Memory::AsBlocks { above: 64, run: Some(number) });
        named(&back[0])
    };
    for (what, expr) in examples() {
        let (small, one, again, other) = (random(), of_run(&expr, 1), of_run(&expr, 1), of_run(&expr, 2));
        assert_eq!(of_run(&small, 1), named(&small));
        assert_eq!(one, again, "{what}");
        // What stands on no memory is the same in all runs.
        assert!(one != other || one == named(&expr), "{what}");
    }
    let x = memory();
    let total = sum(&x, &[0, 1]);
    assert_ne!(of_run(&total, 1), of_run(&total, 2));
    assert_eq!(named(&total), named(&sum(&memory(), &[0, 1])));
    // Once somebody has asked for the name, runs have it, too.
    assert_eq!(of_run(&total, 1), named(&total));
    // Values are the same, of memory with a token and of memory without.
    let sums = || [sum(&memory(), &[0]), sum(&x, &[1])];
    let back = trip(&sums(), Memory::AsBlocks { above: 64, run: Some(1) });
    let (own, theirs) = (values(&sums()).concat(), values(&back).concat());
    assert_eq!(own.len(), theirs.len());
    assert!(own.iter().zip(&theirs).all(|(a, b)| alike(a, b, false)));
}

#[test]
fn bytes_of_another_kind_are_refused_with_a_reason() {
    let refused = |bytes: &[u8]| decode(bytes, &Beside::default()).err().expect("refused").to_string();
    assert!(refused(&[]).contains("encoded arrays can't be read"));
    let roots = [Root::Array(memory())];
    let (mut bytes, beside) = encode(&roots, Memory::AsBlocks { above: 64, run: None }).expect("can be encoded");
    assert!(refused(&bytes).contains("array 0 do not exist"), "{}", refused(&bytes));
    bytes.push(0);
    assert!(decode(&bytes, &beside).is_err());
    bytes[0] = 9;
    assert!(refused(&bytes).contains("version 9"));
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_still_make_sense(
        which in 0usize..30, places in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..4), kept in 0.3f64..1.3,
    ) {
        let (_, expr) = examples().swap_remove(which);
        let (mut bytes, beside) = encode(&[Root::Array(expr)], Memory::AsBlocks { above: 64, run: None }).expect("can be encoded");
        for (place, byte) in places {
            let place = (bytes.len() as f64 * place) as usize;
            bytes[place] = byte;
        }
        bytes.truncate((bytes.len() as f64 * kept) as usize);
        if let Ok(roots) = decode(&bytes, &beside) {
            prop_assert_eq!(roots.len(), 1);
        }
    }
}
