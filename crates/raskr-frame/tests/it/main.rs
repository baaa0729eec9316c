//! Plans over tables in memory, run on the calling thread and compared with what is written down or found naively.
#![allow(clippy::unwrap_used, clippy::panic)]

mod groups;
mod joins;
mod made_up;
mod run;

use std::sync::Arc;

use proptest::prelude::*;
use raskr_frame::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringViewArray};
use raskr_frame::arrow::datatypes::{DataType, Float64Type, Int64Type};
use raskr_frame::{Binary, Condition, Expr, FrameError, JoinKind, Measure, Plan, ScalarValue, SortKey, Statistic};

use run::{Column, floats, ints, read, rows_of, texts};

fn key(column: &str) -> SortKey {
    SortKey { column: column.to_owned(), descending: false, missing_first: false }
}

fn measure(name: &str, column: &str, statistic: Statistic) -> Measure {
    Measure { name: name.to_owned(), column: Some(column.to_owned()), statistic }
}

fn number(value: i64) -> Expr {
    Expr::Literal(ScalarValue::Int64(Some(value)))
}

#[test]
fn filters_and_projections_keep_the_order_of_rows() {
    let plan = read(&[
        &[("a", ints(&[Some(1), Some(2), None])), ("t", texts(&["x", "y", "z"]))],
        &[("a", ints(&[Some(4), Some(5)])), ("t", texts(&["u", "v"]))],
    ]);
    let kept = plan.filter(Expr::binary(Binary::Greater, Expr::column("a"), number(1))).unwrap();
    let doubled = Expr::binary(Binary::Multiply, Expr::column("a"), number(2));
    let made = kept.project(vec![("t".to_owned(), Expr::column("t")), ("b".to_owned(), doubled)]).unwrap();
    assert_eq!(rows_of(&made), ["y 4", "u 8", "v 10"]);
}

#[test]
fn comparisons_with_missing_values_are_pandas() {
    let plan = read(&[&[("a", floats(&[1.0, f64::NAN, 3.0]))]]);
    let of = |operation| Expr::binary(operation, Expr::column("a"), Expr::Literal(ScalarValue::Float64(Some(1.0))));
    let made = plan
        .project(vec![
            ("eq".to_owned(), of(Binary::Equal)),
            ("ne".to_owned(), of(Binary::NotEqual)),
            ("na".to_owned(), Expr::IsMissing(Box::new(Expr::column("a")))),
        ])
        .unwrap();
    assert_eq!(rows_of(&made), ["true false false", "false true true", "false true false"]);
}

#[test]
fn zero_has_one_sign_in_comparisons() {
    let plan = read(&[&[("a", floats(&[-0.0, 0.0, 1.0]))]]);
    let zero = Expr::Literal(ScalarValue::Float64(Some(0.0)));
    let of = |operation| Expr::binary(operation, Expr::column("a"), zero.clone());
    let columns = vec![("eq".to_owned(), of(Binary::Equal)), ("lt".to_owned(), of(Binary::Less))];
    assert_eq!(rows_of(&plan.project(columns).unwrap()), ["true false", "true false", "false false"]);
}

#[test]
fn groups_without_a_key_are_left_out_and_sums_of_nothing_are_zero() {
    let plan = read(&[
        &[("k", texts(&["b", "", "a"])), ("v", floats(&[1.0, 2.0, f64::NAN]))],
        &[("k", texts(&["b", "a", "b"])), ("v", floats(&[4.0, f64::NAN, f64::NAN]))],
    ]);
    let measures = vec![
        measure("sum", "v", Statistic::Sum),
        measure("mean", "v", Statistic::Mean),
        measure("count", "v", Statistic::Count),
        Measure { name: "size".to_owned(), column: None, statistic: Statistic::Size },
    ];
    let groups = plan.aggregate(vec!["k".to_owned()], measures, true).unwrap();
    assert_eq!(rows_of(&groups.sort_whole(vec![key("k")]).unwrap()), ["a 0.0 - 0 2", "b 5.0 2.5 2 3"]);
}

#[test]
fn joins_put_the_left_columns_first_and_match_missing_keys() {
    let left = read(&[&[("k", ints(&[Some(1), None, Some(3)])), ("a", ints(&[Some(10), Some(20), Some(30)]))]]);
    let right = read(&[&[("l", ints(&[None, Some(3), Some(3), Some(4)])), ("b", texts(&["n", "p", "q", "r"]))]]);
    let on = vec![("k".to_owned(), "l".to_owned())];
    // Rows without a match follow those that have one.
    let of = |kind| {
        let mut rows = rows_of(&left.join(&right, on.clone(), kind).unwrap());
        rows.sort();
        rows
    };
    assert_eq!(of(JoinKind::Inner), ["- 20 - n", "3 30 3 p", "3 30 3 q"]);
    assert_eq!(of(JoinKind::Left), ["- 20 - n", "1 10 - -", "3 30 3 p", "3 30 3 q"]);
    assert_eq!(of(JoinKind::LeftAnti), ["1 10"]);
    assert_eq!(of(JoinKind::LeftSemi), ["- 20", "3 30"]);
    assert_eq!(of(JoinKind::Outer), ["- - 4 r", "- 20 - n", "1 10 - -", "3 30 3 p", "3 30 3 q"]);
}

#[test]
fn rows_are_cut_at_bounds_that_are_given() {
    let plan = read(&[&[("a", ints(&[Some(3), Some(1), None]))], &[("a", ints(&[Some(2), Some(9), Some(3)]))]]);
    let sorted = plan.sort_at(vec![key("a")], ints(&[Some(2), Some(3)])).unwrap();
    let parts: Vec<usize> = run::tables(&[Arc::clone(&sorted)])[0].iter().map(|table| table.rows()).collect();
    assert_eq!(parts, [1, 1, 4]);
    assert_eq!(rows_of(&sorted), ["1", "2", "3", "3", "9", "-"]);
    let fewer: Vec<usize> = run::tables(&[sorted.regroup(2)])[0].iter().map(|table| table.rows()).collect();
    assert_eq!(fewer, [1, 5]);
    let more: Vec<usize> = run::tables(&[sorted.regroup(5)])[0].iter().map(|table| table.rows()).collect();
    assert_eq!(more, [1, 1, 4, 0, 0]);
    assert!(matches!(plan.sort_at(vec![key("a")], texts(&["x"])), Err(FrameError::NotNative { .. })));
}

#[test]
fn unknown_columns_and_types_are_named() {
    let plan = read(&[&[("a", ints(&[Some(1)])), ("t", texts(&["x"]))]]);
    let Err(FrameError::NoColumn { name, there }) = plan.filter(Expr::column("b")) else { panic!("expected an error") };
    assert_eq!((name.as_str(), there.as_str()), ("b", r#""a", "t""#));
    let mixed = Expr::binary(Binary::Add, Expr::column("a"), Expr::column("t"));
    assert!(matches!(plan.project(vec![("x".to_owned(), mixed)]), Err(FrameError::NotNative { .. })));
    let twice = plan.project(vec![("x".to_owned(), Expr::column("a")), ("x".to_owned(), Expr::column("t"))]);
    assert!(matches!(twice, Err(FrameError::Unexpected { .. })));
}

#[test]
fn readers_are_asked_only_for_columns_that_are_used() {
    let (plan, asked, _) = run::recording(&[&[("a", ints(&[Some(1)])), ("b", ints(&[Some(2)])), ("c", texts(&["x"]))]]);
    let groups = plan.aggregate(vec!["a".to_owned()], vec![measure("s", "b", Statistic::Sum)], true).unwrap();
    assert_eq!(rows_of(&groups), ["1 2"]);
    assert_eq!(*asked.lock(), [vec![0, 1]]);
}

#[test]
fn what_several_plans_need_is_computed_once() {
    let (plan, asked, _) = run::recording(&[&[("a", ints(&[Some(1), Some(2)])), ("b", ints(&[Some(2), Some(3)]))]]);
    let sums = |name: &str| plan.aggregate(Vec::new(), vec![measure("s", name, Statistic::Sum)], false).unwrap();
    assert_eq!(run::rows_of_all(&[sums("a"), sums("b")]), [vec!["3"], vec!["5"]]);
    assert_eq!(asked.lock().len(), 1);
}

#[test]
fn readers_are_told_what_a_filter_asks_for_where_nobody_else_needs_their_rows() {
    let (plan, _, told) = run::recording(&[&[("a", ints(&[Some(1), Some(7)])), ("b", ints(&[Some(2), Some(3)]))]]);
    let above = Expr::binary(Binary::Greater, Expr::column("a"), number(5));
    let below = Expr::binary(Binary::Less, Expr::column("b"), Expr::column("a"));
    let predicate = Expr::binary(Binary::And, above.clone(), below);
    let filtered = plan.filter(predicate).unwrap();
    assert_eq!(rows_of(&filtered), ["7 3"]);
    assert_eq!(*told.lock(), Condition::all_of(&above));
    told.lock().clear();
    assert_eq!(run::rows_of_all(&[filtered, plan]), [vec!["7 3"], vec!["1 2", "7 3"]]);
    assert!(told.lock().is_empty());
}

#[test]
fn columns_of_sorted_rows_are_in_their_order() {
    let parts = [
        &[
            ("a", ints(&[Some(5), None, Some(1)])),
            ("t", texts(&["five", "", "one"])),
            ("x", floats(&[5.0, f64::NAN, 1.0])),
        ],
        &[("a", ints(&[Some(3), Some(2), Some(4)])), ("t", texts(&["three", "two", "four"])), ("x", floats(&[3.0; 3]))],
    ];
    let plan = read(&[&parts[0][..], &parts[1][..]]).sort_whole(vec![key("a")]).unwrap();
    assert_eq!(rows_of(&plan), ["1 one 1.0", "2 two 3.0", "3 three 3.0", "4 four 3.0", "5 five 5.0", "- - -"]);
    for (plan, texts) in [
        (Arc::clone(&plan), ["one", "two", "three", "four", "five", ""]),
        (
            plan.filter(Expr::binary(Binary::NotEqual, Expr::column("a"), number(9))).unwrap(),
            ["one", "two", "three", "four", "five", ""],
        ),
    ] {
        let columns = run::columns(&plan);
        // Whole numbers some of which are missing are floats.
        for (column, last) in [(&columns[0], 5.0), (&columns[2], 5.0)] {
            let values = column.as_chunk().unwrap().as_slice::<f64>().unwrap();
            assert!(values[0] == 1.0 && values[4] == last && values[5].is_nan(), "{values:?}");
        }
        let found = raskr_frame::table_of(&columns[1]).unwrap().whole().unwrap();
        let found: Vec<&str> = found.column(0).as_string::<i64>().iter().map(Option::unwrap_or_default).collect();
        assert_eq!(found, texts);
    }
}

fn parts() -> impl Strategy<Value = Vec<Vec<(Option<i64>, f64)>>> {
    let row = (proptest::option::weighted(0.9, -3..4_i64), prop_oneof![9 => -4.0..4.0, 1 => Just(f64::NAN)]);
    proptest::collection::vec(proptest::collection::vec(row, 0..40), 1..6)
}

fn plan_of(parts: &[Vec<(Option<i64>, f64)>]) -> Arc<Plan> {
    let tables: Vec<Vec<Column>> = parts
        .iter()
        .map(|rows| {
            let keys: ArrayRef = Arc::new(rows.iter().map(|(key, _)| *key).collect::<Int64Array>());
            let values = rows.iter().map(|(_, value)| (!value.is_nan()).then_some(*value)).collect::<Float64Array>();
            vec![("k", keys), ("v", Arc::new(values) as ArrayRef)]
        })
        .collect();
    read(&tables.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn groups_are_those_of_a_naive_loop(parts in parts()) {
        let measures = vec![
            measure("sum", "v", Statistic::Sum),
            measure("min", "v", Statistic::Min),
            measure("var", "v", Statistic::Variance(1)),
            measure("median", "v", Statistic::Median),
        ];
        let plan = plan_of(&parts).aggregate(vec!["k".to_owned()], measures, true).unwrap();
        let found = run::whole(&plan.sort_whole(vec![key("k")]).unwrap());
        let mut groups: std::collections::BTreeMap<i64, Vec<f64>> = Default::default();
        for (key, value) in parts.iter().flatten() {
            if let Some(key) = key {
                let group = groups.entry(*key).or_default();
                if !value.is_nan() { group.push(*value); }
            }
        }
        let keys: Vec<i64> = found.column(0).as_primitive::<Int64Type>().values().to_vec();
        prop_assert_eq!(&keys, &groups.keys().copied().collect::<Vec<_>>());
        let of = |place: usize, row: usize| {
            let column = found.column(place).as_primitive::<Float64Type>();
            raskr_frame::arrow::array::Array::is_valid(column, row).then(|| column.value(row))
        };
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a.is_none() && b.is_none(),
        };
        for (row, mut values) in groups.into_values().enumerate() {
            let count = values.len() as f64;
            let sum: f64 = values.iter().sum();
            prop_assert!(near(of(1, row), Some(sum)));
            prop_assert_eq!(of(2, row), values.iter().copied().reduce(f64::min));
            let spread: f64 = values.iter().map(|value| (value - sum / count).powi(2)).sum();
            prop_assert!(near(of(3, row), (values.len() > 1).then(|| spread / (count - 1.0))));
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            let median = match values.len() {
                0 => None,
                odd if odd % 2 == 1 => Some(values[middle]),
                _ => Some((values[middle - 1] + values[middle]) / 2.0),
            };
            prop_assert!(near(of(4, row), median));
        }
    }

    #[test]
    fn rows_are_sorted_across_partitions_and_equal_ones_stay_in_order(parts in parts()) {
        let numbered: Vec<(Option<i64>, i64)> =
            parts.iter().flatten().enumerate().map(|(row, (key, _))| (*key, row as i64)).collect();
        let mut start = 0;
        let tables: Vec<Vec<Column>> = parts.iter().map(|rows| {
            let own = &numbered[start..start + rows.len()];
            start += rows.len();
            let keys: ArrayRef = Arc::new(own.iter().map(|(key, _)| *key).collect::<Int64Array>());
            let places: ArrayRef = Arc::new(own.iter().map(|(_, place)| Some(*place)).collect::<Int64Array>());
            vec![("k", keys), ("n", places)]
        }).collect();
        let plan = read(&tables.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut expected = numbered.clone();
        expected.sort_by_key(|(key, _)| (key.is_none(), key.map(|key| -key)));
        let keys = vec![SortKey { column: "k".to_owned(), descending: true, missing_first: false }];
        let found = run::whole(&plan.sort(keys).unwrap());
        let places: Vec<i64> = found.column(1).as_primitive::<Int64Type>().values().to_vec();
        prop_assert_eq!(places, expected.iter().map(|(_, place)| *place).collect::<Vec<_>>());
    }

    #[test]
    fn tasks_done_elsewhere_give_the_same_rows(left in parts(), right in parts(), wanted in -3..4_i64) {
        let own = plan_of(&left);
        let chosen = Expr::IsIn(Box::new(Expr::column("k")), vec![ScalarValue::Int64(Some(wanted)), ScalarValue::Int64(None)]);
        let text = Expr::Literal(ScalarValue::Utf8View(Some("a text of more than twelve bytes".to_owned())));
        let other = plan_of(&right)
            .filter(Expr::Not(Box::new(chosen)))
            .unwrap()
            .project(vec![
                ("l".to_owned(), Expr::column("k")),
                ("w".to_owned(), Expr::column("v").cast(DataType::Float32)),
                ("t".to_owned(), text),
            ])
            .unwrap();
        let joined = own.join(&other, vec![("k".to_owned(), "l".to_owned())], JoinKind::Outer).unwrap();
        let measures = vec![measure("sum", "v", Statistic::Sum), measure("last", "t", Statistic::Last)];
        let groups = joined.aggregate(vec!["k".to_owned()], measures, false).unwrap();
        let plans = [joined.sort(vec![key("k")]).unwrap(), groups.sort_whole(vec![key("k")]).unwrap(), own.regroup(2)];
        let sorted = |mut rows: Vec<String>| { rows.sort(); rows };
        for (plan, made) in plans.iter().zip(run::tables_made_elsewhere(&plans)) {
            prop_assert_eq!(sorted(run::shown_tables(plan, &made)), sorted(rows_of(plan)));
        }
    }

    #[test]
    fn joins_are_those_of_two_loops(left in parts(), right in parts()) {
        let own = plan_of(&left);
        let other = plan_of(&right)
            .project(vec![("l".to_owned(), Expr::column("k")), ("w".to_owned(), Expr::column("v"))])
            .unwrap();
        let made = own.join(&other, vec![("k".to_owned(), "l".to_owned())], JoinKind::Inner).unwrap();
        let mut found = rows_of(&made);
        found.sort();
        let text = |key: Option<i64>, value: f64| {
            let key = key.map_or("-".to_owned(), |key| key.to_string());
            let shown = floats(&[value]);
            format!("{key} {}", run::cell(&shown))
        };
        let mut expected: Vec<String> = Vec::new();
        for (key, value) in left.iter().flatten() {
            for (again, other) in right.iter().flatten() {
                if key == again {
                    expected.push(format!("{} {}", text(*key, *value), text(*again, *other)));
                }
            }
        }
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn spilled_tables_come_back() {
    use raskr_base::Foreign;
    let plan = read(&[&[(
        "t",
        Arc::new(StringViewArray::from(vec![Some("a text of more than twelve bytes"), None])) as ArrayRef,
    )]]);
    let table = run::tables(&[plan]).remove(0).remove(0);
    let again = raskr_frame::Table::decode(&table.encode().unwrap()).unwrap();
    assert_eq!(again.whole().unwrap(), table.whole().unwrap());
    assert!(table.nbytes() >= 32 && table.nbytes() < 200);
}
