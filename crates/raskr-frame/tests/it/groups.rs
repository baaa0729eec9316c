//! Groups by whole numbers are those by the same keys as texts, which DataFusion makes.

use std::sync::Arc;

use proptest::prelude::*;
use raskr_frame::arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray, UInt64Array};
use raskr_frame::arrow::compute::cast;
use raskr_frame::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use raskr_frame::{Measure, Options, Plan, Statistic, explain_stages};

use crate::run::{Column, floats, ints, read, rows_of, whole};
use crate::{key, measure};

const KINDS: [DataType; 8] = [
    DataType::Int8,
    DataType::UInt8,
    DataType::Int16,
    DataType::UInt32,
    DataType::Int64,
    DataType::UInt64,
    DataType::Date32,
    DataType::Timestamp(TimeUnit::Nanosecond, None),
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let key = || prop::option::weighted(0.8, 0..4_i64);
    let value = prop_oneof![9 => (-40..40_i32).prop_map(|value| f64::from(value) / 8.0), 1 => Just(f64::NAN)];
    let whole = prop::option::weighted(0.9, prop_oneof![9 => -5..5_i64, 1 => any::<i64>()]);
    prop::collection::vec((key(), key(), value, whole), 0..30)
}

type Row = (Option<i64>, Option<i64>, f64, Option<i64>);

/// A partition whose keys are there as numbers, `a` and `b`, and as texts, `c` and `d`.
fn partition(rows: &[Row], kinds: [&DataType; 2]) -> Vec<Column> {
    let text = |value: Option<i64>| value.map(|value| value.to_string());
    let texts = |keys: Vec<Option<i64>>| Arc::new(keys.into_iter().map(text).collect::<StringViewArray>());
    let of_kind = |keys: &[Option<i64>], kind: &DataType| -> ArrayRef {
        let small = cast(&ints(keys), if *kind == DataType::Date32 { &DataType::Int32 } else { &DataType::Int64 });
        cast(&small.unwrap(), kind).unwrap()
    };
    let first: Vec<_> = rows.iter().map(|row| row.0).collect();
    let second: Vec<_> = rows.iter().map(|row| row.1).collect();
    let small: Int64Array = rows.iter().map(|row| row.3.map(|value| value % 100)).collect();
    let unsigned: UInt64Array = rows.iter().map(|row| row.3.map(|value| value as u64)).collect();
    vec![
        ("a", of_kind(&first, kinds[0])),
        ("b", of_kind(&second, kinds[1])),
        ("c", texts(first)),
        ("d", texts(second)),
        ("v", floats(&rows.iter().map(|row| row.2).collect::<Vec<_>>())),
        ("i", ints(&rows.iter().map(|row| row.3).collect::<Vec<_>>())),
        ("s", cast(&(Arc::new(small) as ArrayRef), &DataType::Int16).unwrap()),
        ("u", Arc::new(unsigned)),
    ]
}

fn measures(median: bool) -> Vec<Measure> {
    use Statistic::{Count, Deviation, Max, Mean, Median, Min, Size, Sum, Variance};
    let mut all = vec![Measure { name: "rows".to_owned(), column: None, statistic: Size }];
    let statistics = [Sum, Mean, Min, Max, Count, Variance(0), Variance(1), Deviation(1), Median];
    for column in ["v", "i", "s", "u"] {
        // Squares of the largest numbers leave nothing to compare.
        let fitting = statistics.iter().take(if matches!(column, "v" | "s") { 8 + usize::from(median) } else { 5 });
        all.extend(fitting.map(|statistic| measure(&format!("{column} {statistic:?}"), column, *statistic)));
    }
    all.push(measure("words", "c", Count));
    all
}

fn same(one: &str, other: &str) -> bool {
    let cells = one.split(' ').zip(other.split(' '));
    one.split(' ').count() == other.split(' ').count()
        && cells.into_iter().all(|(one, other)| match (one.parse::<f64>(), other.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            _ => one == other,
        })
}

/// The groups by some columns, in the order of these.
fn groups(plan: &Arc<Plan>, keys: &[&str], median: bool, drop_missing: bool) -> Vec<String> {
    let keys: Vec<String> = keys.iter().map(|name| (*name).to_owned()).collect();
    let made = plan.aggregate(keys.clone(), measures(median), drop_missing).unwrap();
    rows_of(&made.sort_whole(keys.iter().map(|name| key(name)).collect()).unwrap())
}

/// Without the keys, which are shown in different ways.
fn without_keys(rows: Vec<String>, keys: usize) -> Vec<String> {
    rows.into_iter().map(|row| row.splitn(keys + 1, ' ').last().unwrap_or_default().to_owned()).collect()
}

proptest! {
    #[test]
    fn groups_by_numbers_are_those_by_texts(
        parts in prop::collection::vec(rows(), 1..4),
        first in prop::sample::select(&KINDS[..]), second in prop::sample::select(&KINDS[..]),
        both in any::<bool>(), drop_missing in any::<bool>(), median in any::<bool>(),
    ) {
        let tables: Vec<Vec<Column>> = parts.iter().map(|rows| partition(rows, [&first, &second])).collect();
        let tables: Vec<&[Column]> = tables.iter().map(Vec::as_slice).collect();
        let plan = read(&tables);
        let (numbers, texts): (&[&str], &[&str]) =
            if both { (&["a", "b"], &["c", "d"]) } else { (&["a"], &["c"]) };
        let found = without_keys(groups(&plan, numbers, median, drop_missing), numbers.len());
        let expected = without_keys(groups(&plan, texts, median, drop_missing), texts.len());
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert!(same(found, expected), "{}\n{}", found, expected);
        }
    }
}

/// Rows with nearly as many keys go on as they are, and meet those of other partitions all the same.
#[test]
fn keys_of_most_rows_differ() {
    let rows = 100_000_i64;
    let part = |offset: i64| -> Vec<Column> {
        let keys: Vec<Option<i64>> =
            (0..rows).map(|row| (row % 1000 != 7).then_some((row * 7_919 + offset) % 150_000 - 75_000)).collect();
        let values: Vec<f64> = (0..rows).map(|row| if row % 10 == 3 { f64::NAN } else { row as f64 }).collect();
        vec![("k", ints(&keys)), ("v", floats(&values))]
    };
    let parts: Vec<Vec<Column>> = [0, 5, 40_000].map(part).into();
    let mut expected: std::collections::BTreeMap<i64, (i64, i64, f64)> = Default::default();
    for part in &parts {
        let (keys, values) = (part[0].1.as_primitive::<Int64Type>(), part[1].1.as_primitive::<Float64Type>());
        for (key, value) in keys.iter().zip(values) {
            if let Some(key) = key {
                let group = expected.entry(key).or_default();
                group.0 += 1;
                group.1 += i64::from(value.is_some());
                group.2 += value.unwrap_or_default();
            }
        }
    }
    let plan = read(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let measures = vec![
        Measure { name: "rows".to_owned(), column: None, statistic: Statistic::Size },
        measure("count", "v", Statistic::Count),
        measure("sum", "v", Statistic::Sum),
        measure("mean", "v", Statistic::Mean),
    ];
    let made = plan.aggregate(vec!["k".to_owned()], measures, true).unwrap();
    let found = whole(&made.sort_whole(vec![key("k")]).unwrap());
    let wholes = |place: usize| found.column(place).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(wholes(0), expected.keys().copied().collect::<Vec<_>>());
    assert_eq!(wholes(1), expected.values().map(|group| group.0).collect::<Vec<_>>());
    assert_eq!(wholes(2), expected.values().map(|group| group.1).collect::<Vec<_>>());
    let doubles = |place: usize| found.column(place).as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
    assert_eq!(doubles(3), expected.values().map(|group| Some(group.2)).collect::<Vec<_>>());
    let mean = |group: &(i64, i64, f64)| (group.1 > 0).then(|| group.2 / group.1 as f64);
    assert_eq!(doubles(4), expected.values().map(mean).collect::<Vec<_>>());
}

/// Which aggregations are ours.
#[test]
fn groups_by_texts_and_of_first_values_are_left_to_datafusion() {
    let rows = [(Some(1), Some(2), 0.5, Some(3))];
    let kinds = [&DataType::Int64, &DataType::Int32];
    let (first, second) = (partition(&rows, kinds), partition(&rows, kinds));
    let plan = read(&[&first, &second]);
    let stages = |keys: &[&str], statistic| {
        let keys = keys.iter().map(|name| (*name).to_owned()).collect();
        let made = plan.aggregate(keys, vec![measure("f", "v", statistic)], true).unwrap();
        explain_stages(&[made], Options { threads: 2, memory_limit: None, elsewhere: false }).unwrap()
    };
    assert_eq!(stages(&["a", "b"], Statistic::Mean).matches("GroupsExec").count(), 2);
    assert!(!stages(&["a", "c"], Statistic::Mean).contains("GroupsExec"));
    assert!(!stages(&["a"], Statistic::First).contains("GroupsExec"));
    assert_eq!(stages(&["a"], Statistic::Median).matches("GroupsExec").count(), 1);
    assert!(!stages(&[], Statistic::Sum).contains("GroupsExec"));
}

/// Groups come in the order in which they first appear, where one task makes them all.
#[test]
fn groups_of_one_partition_keep_their_order() {
    let keys = [Some(9), None, Some(-3), Some(9), Some(4), None];
    let plan = read(&[&[("k", ints(&keys)), ("v", ints(&[Some(1); 6]))]]);
    let of = |drop_missing| {
        let made = plan.aggregate(vec!["k".to_owned()], vec![measure("sum", "v", Statistic::Sum)], drop_missing);
        rows_of(&made.unwrap())
    };
    assert_eq!(of(true), ["9 2", "-3 1", "4 1"]);
    assert_eq!(of(false), ["9 2", "- 2", "-3 1", "4 1"]);
}
