//! Whatever the executor, a graph's values are those that a naive evaluator finds.

use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use raskr_base::{ChunkMut, DType, OpKind, TaskError, Value};
use raskr_exec::{run_on_caller, start};

use crate::support::{Row, chunk as chunk_of, function, mixing, naive, number, options, plan_of};

/// Rows of inputs, each of smaller index, with a kind each, and outputs.
#[derive(Clone, Debug)]
pub struct Dag {
    pub rows: Vec<Vec<u32>>,
    pub interpreted: Vec<bool>,
    pub outputs: Vec<u32>,
}

pub fn dags(tasks_max: usize) -> impl Strategy<Value = Dag> {
    (1..tasks_max).prop_flat_map(|tasks| {
        let row = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), any::<bool>());
        (prop::collection::vec(row, tasks), prop::collection::vec(0..tasks as u32, 1..4)).prop_map(|(rows, outputs)| {
            let (rows, interpreted) = rows
                .into_iter()
                .enumerate()
                .map(|(task, (inputs, interpreted))| {
                    let inputs = inputs.iter().filter(|_| task > 0).map(|i| i.index(task) as u32).collect();
                    (inputs, interpreted)
                })
                .unzip();
            Dag { rows, interpreted, outputs }
        })
    })
}

impl Dag {
    pub fn rows(&self, len: usize) -> Vec<Row> {
        let native = mixing(OpKind::Native, len);
        let interpreted = mixing(OpKind::Interpreted, len);
        self.rows
            .iter()
            .zip(&self.interpreted)
            .map(|(row, &python)| Row {
                bytes: 8 * len as u64,
                ..Row::new(if python { &interpreted } else { &native }, row)
            })
            .collect()
    }

    pub fn expected(&self) -> Vec<u64> {
        let numbers = naive(&self.rows);
        self.outputs.iter().map(|&task| numbers[task as usize]).collect()
    }
}

fn numbers(values: &[Value]) -> Vec<u64> {
    values.iter().map(number).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_executor_agrees_with_the_naive_one(dag in dags(60), threads in 0usize..6) {
        let values = start(plan_of(dag.rows(1), &dag.outputs), options(threads)).wait(None).expect("first wait");
        prop_assert_eq!(numbers(&values.expect("no task fails")), dag.expected());
        let values = run_on_caller(plan_of(dag.rows(1), &dag.outputs), options(1), &mut || false);
        prop_assert_eq!(numbers(&values.expect("no task fails")), dag.expected());
    }

    #[test]
    fn outputs_are_handed_over_once_each(dag in dags(30), threads in 0usize..3) {
        let seen: Arc<Mutex<Vec<Option<u64>>>> = Arc::new(Mutex::new(vec![None; dag.outputs.len()]));
        let mut options = options(threads);
        let into = Arc::clone(&seen);
        options.on_output = Some(Arc::new(move |place, value| {
            assert!(into.lock()[place].replace(number(&value)).is_none());
            Ok(())
        }));
        let values = start(plan_of(dag.rows(1), &dag.outputs), options).wait(None).expect("first wait");
        prop_assert!(values.expect("no task fails").iter().all(|value| matches!(value, Value::Unit)));
        let seen: Vec<u64> = seen.lock().iter().map(|seen| seen.expect("handed over")).collect();
        prop_assert_eq!(seen, dag.expected());
    }
}

#[test]
fn an_empty_graph_yields_nothing() {
    for threads in [0, 2] {
        let values = start(plan_of(vec![], &[]), options(threads)).wait(None).expect("first wait");
        assert!(values.expect("nothing fails").is_empty());
    }
}

#[test]
fn many_short_tasks_of_both_kinds() {
    let native = mixing(OpKind::Native, 1);
    let interpreted = mixing(OpKind::Interpreted, 1);
    let rows: Vec<Vec<u32>> = (0..20_000u32)
        .map(|i| if i < 10_000 { vec![] } else { vec![i - 10_000, (i - 5_000) % 10_000, i - 1] })
        .collect();
    let expected = naive(&rows)[19_999];
    for threads in [0, 1, 2, 4] {
        let table = rows.iter().enumerate();
        let table = table.map(|(i, row)| Row::new(if i % 3 == 0 { &interpreted } else { &native }, row)).collect();
        let values = start(plan_of(table, &[19_999]), options(threads)).wait(None).expect("first wait");
        assert_eq!(numbers(&values.expect("no task fails")), [expected]);
    }
}

#[test]
fn runs_nest_in_tasks() {
    let inner = crate::support::function(OpKind::Native, |_, _| {
        let row = Row::new(&mixing(OpKind::Native, 1), &[]);
        let values = start(plan_of(vec![row], &[0]), options(2)).wait(None).expect("first wait");
        Ok(values.expect("no task fails").remove(0))
    });
    let rows = (0..20).map(|_| Row::new(&inner, &[])).collect();
    let values = start(plan_of(rows, &(0..20).collect::<Vec<u32>>()), options(2)).wait(None).expect("first wait");
    assert!(values.expect("no task fails").iter().all(|value| number(value) == 1));
}

#[test]
fn values_live_no_longer_than_their_last_consumer() {
    let len = 16384;
    let op = mixing(OpKind::Native, len);
    // A tree over 128 sources, folded pairwise.
    let mut rows: Vec<Vec<u32>> = (0..128).map(|_| vec![]).collect();
    let mut level: Vec<u32> = (0..128).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| {
                rows.push(pair.to_vec());
                rows.len() as u32 - 1
            })
            .collect();
    }
    let expected = naive(&rows)[rows.len() - 1];
    let table = rows.iter().map(|row| Row { bytes: 8 * len as u64, ..Row::new(&op, row) }).collect();
    let mut handle = start(plan_of(table, &level), options(0));
    assert_eq!(numbers(&handle.wait(None).expect("first wait").expect("no task fails")), [expected]);
    // One waits at each of the seven levels, one is being made, and a batch may be a few tasks ahead.
    assert!(handle.statistics().peak_bytes <= 12 * 8 * len as u64, "{:?}", handle.statistics());
}

#[test]
fn the_last_consumer_owns_what_it_takes() {
    let source = function(OpKind::Native, |_, _| Ok(Value::Chunk(ChunkMut::zeroed(DType::U64, &[9]).freeze())));
    let owns = function(OpKind::Native, |_, inputs| {
        let Some(Value::Chunk(chunk)) = inputs.pop() else { return Err(TaskError::internal("no chunk")) };
        Ok(chunk_of(u64::from(chunk.into_mut().is_ok())))
    });
    let rows = vec![Row::new(&source, &[]), Row::new(&owns, &[0]), Row::new(&owns, &[0]), Row::new(&owns, &[0])];
    let values = start(plan_of(rows, &[1, 2, 3]), options(0)).wait(None).expect("first wait").expect("no task fails");
    assert_eq!(numbers(&values).iter().sum::<u64>(), 1, "the last one alone");
}
