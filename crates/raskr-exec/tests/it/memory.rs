//! Limits of memory: the same results within them, little written, and clear words when they can't be kept.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use raskr_base::{Chunk, ErrorClass, Foreign, OpKind, TaskError, Value};
use raskr_exec::{ForeignCodec, RunError, RunOptions, start};

use crate::results::dags;
use crate::support::{OneAtATime, Row, chunk, function, mixing, naive, number, options, plan_of};

/// A folder of one test's own, which must be empty in the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("raskr-memory-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("writable");
        Place(path)
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).expect("there").next().is_none()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn limited(threads: usize, limit: u64, place: &Place) -> RunOptions {
    RunOptions { memory_limit: Some(limit), spill_directory: Some(place.0.clone()), ..options(threads) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_tightest_limit_changes_nothing(
        dag in dags(40), threads in 0usize..4, len in prop::sample::select(vec![1024usize, 16384]),
    ) {
        let place = Place::new("tight");
        let bytes = 8 * len as u64;
        let distinct = |row: &Vec<u32>| row.iter().collect::<std::collections::HashSet<_>>().len() as u64;
        let limit = dag.rows.iter().map(|row| (distinct(row) + 1) * bytes).max().expect("tasks");
        let mut handle = start(plan_of(dag.rows(len), &dag.outputs), limited(threads, limit, &place));
        let values = handle.wait(None).expect("first wait").expect("no task fails");
        let found: Vec<u64> = values.iter().map(number).collect();
        prop_assert_eq!(found, dag.expected());
        prop_assert!(handle.statistics().peak_bytes <= limit, "{:?} of {}", handle.statistics(), limit);
        prop_assert!(handle.statistics().spilled_bytes <= bytes * dag.rows.len() as u64, "no value is written twice");
        prop_assert!(place.is_empty());
    }
}

/// `sources` blocks, their sum, and then each block with the sum, `passes` times over.
fn passes(sources: u32, passes: u32) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = (0..sources).map(|_| vec![]).collect();
    let mut sum: Vec<u32> = (0..sources).collect();
    for _ in 0..passes {
        // Folded pairwise, so that no task needs all blocks at once.
        while sum.len() > 1 {
            let mut next = Vec::new();
            for pair in sum.chunks(2) {
                rows.push(pair.to_vec());
                next.push(rows.len() as u32 - 1);
            }
            sum = next;
        }
        let total = sum[0];
        sum = (0..sources)
            .map(|source| {
                rows.push(vec![source, total]);
                rows.len() as u32 - 1
            })
            .collect();
    }
    while sum.len() > 1 {
        rows.push(vec![sum[0], sum[1]]);
        sum.drain(..2);
        sum.insert(0, rows.len() as u32 - 1);
    }
    rows
}

#[test]
fn blocks_that_are_needed_again_are_written_once() {
    let len = 32768;
    let bytes = 8 * len as u64;
    for threads in [0, 2] {
        let place = Place::new("passes");
        let rows = passes(16, 3);
        let op = mixing(OpKind::Native, len);
        let small = mixing(OpKind::Native, 1);
        let table = rows.iter().enumerate().map(|(i, row)| {
            // Sums are small; blocks, and blocks with the sum, are large.
            let large = row.len() != 2 || row[0] < 16 && row[1] >= 16;
            Row { bytes: if large { bytes } else { 8 }, ..Row::new(if large && i < 16 { &op } else { &small }, row) }
        });
        let last = rows.len() as u32 - 1;
        let mut handle = start(plan_of(table.collect(), &[last]), limited(threads, 8 * bytes, &place));
        let values = handle.wait(None).expect("first wait").expect("no task fails");
        assert_eq!(number(&values[0]), naive(&rows)[last as usize]);
        let statistics = handle.statistics();
        assert!(statistics.peak_bytes <= 8 * bytes, "{statistics:?}");
        assert!(statistics.spilled_bytes >= 8 * bytes && statistics.spilled_bytes <= 16 * bytes, "{statistics:?}");
        assert!(place.is_empty());
    }
}

#[test]
fn what_the_program_takes_itself_is_left_free() {
    let len = 32768;
    let bytes = 8 * len as u64;
    for threads in [0, 2] {
        let place = Place::new("occupied");
        let rows = passes(16, 3);
        let table = rows.iter().map(|row| Row { bytes, ..Row::new(&mixing(OpKind::Native, len), row) }).collect();
        let last = rows.len() as u32 - 1;
        let options = RunOptions { occupied: 8 * bytes, ..limited(threads, 16 * bytes, &place) };
        let mut handle = start(plan_of(table, &[last]), options);
        let values = handle.wait(None).expect("first wait").expect("no task fails");
        assert_eq!(number(&values[0]), naive(&rows)[last as usize]);
        assert!(handle.statistics().peak_bytes <= 8 * bytes, "{:?}", handle.statistics());
    }
    // A task that needs more than is left is run all the same.
    let op = mixing(OpKind::Native, len);
    let rows = vec![Row { bytes, ..Row::new(&op, &[]) }, Row { bytes, ..Row::new(&op, &[0]) }];
    let place = Place::new("occupied-whole");
    let options = RunOptions { occupied: 2 * bytes - 1, ..limited(2, 2 * bytes, &place) };
    assert!(start(plan_of(rows, &[1]), options).wait(None).expect("first wait").is_ok());
}

fn wide(count: u32, len: usize) -> (Vec<Row>, u32) {
    let op = mixing(OpKind::Native, len);
    let bytes = 8 * len as u64;
    let mut rows: Vec<Row> = (0..count).map(|_| Row { bytes, ..Row::new(&op, &[]) }).collect();
    let barrier = function(OpKind::Native, |_, _| Ok(chunk(0)));
    rows.push(Row { bytes: 8, ..Row::new(&barrier, &[]) });
    // Each needs the one before, so that all blocks wait for the first chain to end.
    for i in 0..count {
        rows.push(Row { bytes: 8, ..Row::new(&mixing(OpKind::Native, 1), &[i, count + i]) });
    }
    for i in (0..count).rev() {
        let last = rows.len() as u32 - 1;
        rows.push(Row { bytes: 8, ..Row::new(&mixing(OpKind::Native, 1), &[i, last]) });
    }
    let last = rows.len() as u32 - 1;
    (rows, last)
}

#[test]
fn a_full_disk_is_an_error_that_names_both_limits_and_leaves_nothing() {
    let len = 16384;
    let bytes = 8 * len as u64;
    for threads in [0, 2] {
        let place = Place::new("full");
        let (rows, last) = wide(12, len);
        let mut options = limited(threads, 4 * bytes, &place);
        options.spill_limit = Some(3 * bytes);
        let mut handle = start(plan_of(rows, &[last]), options);
        let error = handle.wait(None).expect("first wait").expect_err("there is no room");
        assert_eq!(error.class(), ErrorClass::Memory);
        let text = error.to_string();
        assert!(text.contains("memory_limit of 512.00 kiB"), "{text}");
        assert!(text.contains("spill_limit is 384.00 kiB"), "{text}");
        assert!(text.contains(&format!("{:?}", place.0)), "{text}");
        assert!(place.is_empty());
    }
}

#[test]
fn a_spill_directory_that_is_a_file_is_named() {
    let place = Place::new("file");
    let file = place.0.join("occupied");
    std::fs::write(&file, b"").expect("writable");
    let (rows, last) = wide(12, 16384);
    let mut options = limited(1, 4 * 8 * 16384, &place);
    options.spill_directory = Some(file.clone());
    let error = start(plan_of(rows, &[last]), options).wait(None).expect("first wait").expect_err("no folder there");
    assert!(matches!(&error, RunError::Memory { folder, .. } if *folder == file), "{error}");
}

#[test]
fn a_task_that_can_never_fit_is_refused_before_anything_runs() {
    let ran = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&ran);
    let op = function(OpKind::Native, move |_, _| {
        mark.store(true, Ordering::Relaxed);
        Ok(chunk(0))
    });
    let rows = || vec![Row { bytes: 600, ..Row::new(&op, &[]) }, Row { bytes: 600, ..Row::new(&op, &[0, 0]) }];
    let place = Place::new("never");
    let error =
        start(plan_of(rows(), &[1]), limited(2, 1199, &place)).wait(None).expect("first").expect_err("too large");
    assert_eq!(
        error.to_string(),
        "task 'table-1' needs 1.17 kiB for its inputs and its result, but memory_limit is 1.17 kiB; raise memory_limit \
         or use smaller chunks"
    );
    assert!(!ran.load(Ordering::Relaxed));
    assert!(start(plan_of(rows(), &[1]), limited(2, 1200, &place)).wait(None).expect("first wait").is_ok());
}

#[test]
fn estimates_that_are_missing_or_wrong_refuse_nothing() {
    let len = 16384;
    for (threads, told) in [(0, 0), (2, 0), (0, 1), (3, 1)] {
        let place = Place::new("wrong");
        let (mut rows, last) = wide(10, len);
        for row in &mut rows {
            row.bytes = told;
        }
        let values = start(plan_of(rows, &[last]), limited(threads, 4 * 8 * len as u64, &place)).wait(None);
        assert_eq!(values.expect("first wait").expect("no task fails").len(), 1);
        assert!(place.is_empty());
    }
}

#[test]
fn views_of_the_users_own_array_count_nothing() {
    let place = Place::new("views");
    let users = Chunk::from_slice(&vec![1u64; 100_000], &[100, 1000]);
    let view = function(OpKind::Native, move |context, _| {
        let row = users.with_layout(&[1000], &[1], 1000 * context.index as usize);
        Ok(Value::Chunk(row.expect("inside")))
    });
    let all = function(OpKind::Native, |_, inputs| Ok(chunk(inputs.iter().map(number).sum())));
    let mut rows: Vec<Row> = (0..100).map(|_| Row::new(&view, &[])).collect();
    rows.push(Row::new(&all, &(0..100).collect::<Vec<u32>>()));
    let mut handle = start(plan_of(rows, &[100]), limited(2, 1000, &place));
    assert_eq!(number(&handle.wait(None).expect("first wait").expect("no task fails")[0]), 100);
    assert_eq!(handle.statistics().spilled_bytes, 0);
    assert!(handle.statistics().peak_bytes < 1000);
}

#[test]
fn a_failure_leaves_no_file_behind() {
    for threads in [0, 2] {
        let place = Place::new("failure");
        let (mut rows, last) = wide(12, 16384);
        let fails = function(OpKind::Native, |_, _| Err(TaskError::value("told to fail")));
        rows[last as usize].op = fails;
        let mut handle = start(plan_of(rows, &[last]), limited(threads, 4 * 8 * 16384, &place));
        let error = handle.wait(None).expect("first wait").expect_err("the last task fails");
        assert_eq!(error.class(), ErrorClass::Value);
        assert!(handle.statistics().spilled_bytes > 0);
        assert!(place.is_empty());
    }
}

#[derive(Debug)]
struct Text(String);

impl Foreign for Text {
    fn nbytes(&self) -> u64 {
        self.0.len() as u64
    }
    fn encode(&self) -> Result<Vec<u8>, TaskError> {
        Ok(self.0.clone().into_bytes())
    }
    fn kind(&self) -> &'static str {
        "text"
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct TextCodec(Arc<AtomicBool>);

impl ForeignCodec for TextCodec {
    fn decode(&self, kind: &str, bytes: Vec<u8>) -> Result<Arc<dyn Foreign>, TaskError> {
        assert_eq!(kind, "text");
        assert!(!self.0.load(Ordering::SeqCst), "nothing is read while the interpreter is held");
        Ok(Arc::new(Text(String::from_utf8(bytes).expect("as encoded"))))
    }
}

#[test]
fn foreign_values_are_spilled_outside_the_interpreter() {
    for threads in [0, 1] {
        let place = Place::new("foreign");
        let source = function(OpKind::Interpreted, |context, _| {
            Ok(Value::Foreign(Arc::new(Text(format!("{}", context.index % 10).repeat(10_000)))))
        });
        let first = function(OpKind::Interpreted, |_, inputs| {
            let digit = |value: &Value| match value {
                Value::Foreign(object) => {
                    let text = object.as_any().downcast_ref::<Text>().expect("text");
                    u64::from(text.0.as_bytes()[9_999] - b'0')
                }
                other => number(other),
            };
            Ok(chunk(inputs.iter().map(digit).sum()))
        });
        let (mut rows, last) = wide(10, 1);
        for (i, row) in rows.iter_mut().enumerate() {
            row.op = Arc::clone(if i < 10 { &source } else { &first });
            row.bytes = if i < 10 { 10_000 } else { 8 };
        }
        let interpreter = Arc::new(OneAtATime::default());
        let mut options = limited(threads, 35_000, &place);
        options.codec = Arc::new(TextCodec(Arc::clone(&interpreter.inside)));
        options.interpreter = interpreter;
        let mut handle = start(plan_of(rows, &[last]), options);
        assert_eq!(number(&handle.wait(None).expect("first wait").expect("no task fails")[0]), 90);
        let spilled = handle.statistics().spilled_bytes;
        assert!((60_000..=100_000).contains(&spilled), "{spilled}");
        assert!(place.is_empty());
    }
}
