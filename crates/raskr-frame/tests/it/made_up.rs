//! Made-up rows: the same whatever is asked for, in which partitions and where.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use raskr_base::{DType, TaskContext};
use raskr_frame::arrow::array::{AsArray, RecordBatch};
use raskr_frame::arrow::compute::concat_batches;
use raskr_frame::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use raskr_frame::{
    FrameError, MadeUp, MadeUpColumn, MadeUpPart, MadeUpValues, Measure, PartitionReader, Plan, Statistic,
};
use raskr_kernels::random::{Distribution, RandomSource};

use crate::run::rows_of;

fn column(name: &str, data_type: DataType, values: MadeUpValues) -> MadeUpColumn {
    MadeUpColumn { name: name.to_owned(), data_type, values }
}

fn numbers(key: u64, distribution: Distribution, whole: bool) -> MadeUpValues {
    MadeUpValues::Numbers { source: RandomSource::new([key, 7], distribution), whole }
}

fn texts(texts: &[&str]) -> MadeUpValues {
    MadeUpValues::Texts { key: [5, 7], texts: texts.iter().map(|text| Some((*text).to_owned())).collect() }
}

const LONG: &str = "a text that does not fit within its view";

/// Rows in partitions of these sizes, a minute apart.
fn table(sizes: &[u64]) -> Arc<MadeUp> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let columns = vec![
        column("x", DataType::Float64, numbers(1, Distribution::Uniform { low: -1.0, high: 1.0 }, false)),
        column("id", DataType::Int64, numbers(2, Distribution::Poisson { mean: 1000.0 }, true)),
        column("small", DataType::Int32, numbers(3, Distribution::Normal { mean: 0.0, sd: 9.0 }, true)),
        column(
            "flag",
            DataType::Boolean,
            numbers(4, Distribution::Integers { low: 0, span: 1, dtype: DType::I64 }, true),
        ),
        column("name", DataType::Utf8View, texts(&["Ann", "Bob", LONG])),
        column("code", DataType::Utf8View, MadeUpValues::Letters { key: [6, 7], length: 20 }),
        column("time", time, MadeUpValues::Steps),
    ];
    let mut first = 0;
    let parts = sizes.iter().map(|&rows| {
        let part = MadeUpPart { first, rows, start: 60_000_000 * first as i64, step: 60_000_000 };
        first += rows;
        part
    });
    MadeUp::new("made-up", columns, parts.collect()).unwrap()
}

fn read(table: &MadeUp, columns: &[usize]) -> RecordBatch {
    let cancelled = AtomicBool::new(false);
    let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
    let schema = Arc::new(table.schema().project(columns).unwrap());
    let batches: Vec<RecordBatch> = (0..table.partitions())
        .flat_map(|partition| table.read(partition, columns, &context).unwrap().map(Result::unwrap))
        .collect();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 16 << 10));
    concat_batches(&schema, &batches).unwrap()
}

#[test]
fn values_are_the_same_whatever_the_partitions_and_the_columns() {
    let whole = read(&table(&[70_001]), &[0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(read(&table(&[1, 0, 40_000, 30_000]), &[0, 1, 2, 3, 4, 5, 6]), whole);
    assert_eq!(read(&table(&[35_000, 35_001]), &[5, 0]), whole.project(&[5, 0]).unwrap());
    assert_eq!(read(&table(&[50, 7]), &[]).num_columns(), 0);
}

#[test]
fn other_processes_make_the_same_rows() {
    let sent = table(&[20_000, 5]);
    let received = MadeUp::decode(&sent.encoded().unwrap()).unwrap();
    assert_eq!((received.name(), received.schema()), (sent.name(), sent.schema()));
    assert_eq!(read(&received, &[6, 4, 1, 0]), read(&sent, &[6, 4, 1, 0]));
    assert!(MadeUp::decode(&sent.encoded().unwrap()[..40]).is_err());
}

#[test]
fn numbers_have_their_distribution_and_texts_come_equally_often() {
    let rows = 90_000;
    let made = read(&table(&[rows]), &[0, 1, 2, 3, 4, 5, 6]);
    let x = made.column(0).as_primitive::<Float64Type>().values();
    let mean = x.iter().sum::<f64>() / rows as f64;
    assert!(mean.abs() < 0.01 && x.iter().all(|value| (-1.0..1.0).contains(value)));
    let id = made.column(1).as_primitive::<Int64Type>().values();
    let mean = id.iter().sum::<i64>() as f64 / rows as f64;
    let variance = id.iter().map(|&value| (value as f64 - mean).powi(2)).sum::<f64>() / rows as f64;
    assert!((mean - 1000.0).abs() < 0.6 && (variance - 1000.0).abs() < 25.0);
    let small = made.column(2).as_primitive::<Int32Type>().values();
    assert!(
        small.iter().any(|&value| value < -9) && small.iter().map(|&value| f64::from(value)).sum::<f64>().abs() < 1e4
    );
    let third = rows as i64 / 3;
    for (text, often) in [("Ann", third), ("Bob", third), (LONG, third)] {
        let found = made.column(4).as_string_view().iter().filter(|each| *each == Some(text)).count() as i64;
        assert!((found - often).abs() < 800, "{text}: {found}");
    }
    let flags = made.column(3).as_boolean().true_count() as i64;
    assert!((flags - rows as i64 / 2).abs() < 800);
    let codes: HashSet<&str> = made.column(5).as_string_view().iter().flatten().collect();
    assert!(codes.len() == rows as usize && codes.iter().all(|code| code.len() == 20));
    let times = made.column(6).as_primitive::<TimestampMicrosecondType>().values();
    assert!(times.iter().enumerate().all(|(row, &time)| time == 60_000_000 * row as i64));
}

#[test]
fn texts_that_rows_share_do_not_go_along_with_few_rows() {
    let many = (0..50_000).map(|number| Some(format!("a long text with number {number}"))).collect();
    let columns = vec![column("t", DataType::Utf8View, MadeUpValues::Texts { key: [1, 1], texts: many })];
    let part = MadeUpPart { first: 0, rows: 100, start: 0, step: 0 };
    let table = MadeUp::new("made-up", columns, vec![part]).unwrap();
    assert!(read(&table, &[0]).get_array_memory_size() < 20_000);
    assert_eq!(table.estimate(0) / 100, 16 + 28);
}

#[test]
fn groups_of_made_up_rows_are_those_of_rows_in_memory() {
    let plan = Plan::read(table(&[30_000, 20_000]));
    let measure = Measure { name: "n".to_owned(), column: Some("x".to_owned()), statistic: Statistic::Count };
    let groups = plan.aggregate(vec!["name".to_owned()], vec![measure], true).unwrap();
    let made = read(&table(&[50_000]), &[4]);
    let mut expected: Vec<String> = ["Ann", "Bob", LONG]
        .iter()
        .map(|text| {
            let often = made.column(0).as_string_view().iter().filter(|each| each == &Some(*text)).count();
            format!("{text} {often}")
        })
        .collect();
    let mut found = rows_of(&groups);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn columns_of_other_types_and_parameters_that_no_distribution_has_are_refused() {
    let refused = |kind, values| match MadeUp::new("made-up", vec![column("a", kind, values)], Vec::new()) {
        Err(FrameError::Unexpected { expected, .. }) => expected,
        other => panic!("{:?}", other.map(|_| "a table")),
    };
    let uniform = Distribution::Uniform { low: 0.0, high: 1.0 };
    assert_eq!(refused(DataType::Utf8View, numbers(1, uniform, false)), "a column of numbers");
    assert_eq!(refused(DataType::Int64, texts(&["a"])), "a column of texts");
    assert_eq!(refused(DataType::Utf8View, texts(&[])), "texts to choose from");
    assert_eq!(refused(DataType::Utf8View, MadeUpValues::Steps), "a column of numbers or times");
    let negative = numbers(1, Distribution::Poisson { mean: -1.0 }, true);
    assert_eq!(refused(DataType::Int64, negative), "parameters that the distribution has");
}
