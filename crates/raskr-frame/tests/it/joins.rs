//! Joins whose tasks find out how much is left of a side: the rows are the same whichever way they meet, and the way is the right one.

use std::sync::Arc;

use raskr_frame::arrow::array::AsArray;
use raskr_frame::arrow::datatypes::Int64Type;
use raskr_frame::{Binary, Expr, JoinKind, Options, Plan, Table, Way, explain_stages};

use crate::run::{Column, OPTIONS, ints, read, recording, shown_tables, tables_by, tables_made_elsewhere, texts};

const KINDS: [JoinKind; 6] =
    [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Outer, JoinKind::LeftSemi, JoinKind::LeftAnti];
/// Under which a side may take 1 MiB to go whole.
const LIMITED: Options = Options { memory_limit: Some(1 << 20), ..OPTIONS };
const ROWS: i64 = 60;
const PARTS: i64 = 3;

/// What a side consists of.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Held {
    /// Each key once, some missing, in so many partitions.
    Few(i64),
    /// A key five times.
    Repeated,
    /// More than 1 MiB.
    Large,
    Nothing,
}

fn held(held: Held) -> Vec<Vec<Column>> {
    let (parts, keys) = match held {
        Held::Few(parts) => (parts, 2 * ROWS),
        Held::Large => (2, 200_000),
        _ => (2, 2 * ROWS),
    };
    let part = |part: i64| {
        let mut keys: Vec<Option<i64>> = (0..keys).filter(|key| key % 3 > 0 && key % parts == part).map(Some).collect();
        match held {
            Held::Repeated => keys.extend([Some(7); 5]),
            Held::Nothing => keys.clear(),
            _ => {}
        }
        if held != Held::Nothing && part == 0 {
            keys.push(None);
        }
        let words = vec!["a text of more than twelve bytes"; keys.len()];
        vec![("l", ints(&keys)), ("w", texts(&words))]
    };
    (0..parts).map(part).collect()
}

/// Rows numbered in their order, in partitions of `ROWS / PARTS`.
fn passing() -> Vec<Vec<Column>> {
    let part = |part: i64| {
        let numbers = part * ROWS / PARTS..(part + 1) * ROWS / PARTS;
        let keys: Vec<Option<i64>> = numbers.clone().map(|number| (number != 5).then_some(number % 40)).collect();
        vec![("k", ints(&keys)), ("n", ints(&numbers.map(Some).collect::<Vec<_>>()))]
    };
    (0..PARTS).map(part).collect()
}

fn slices(parts: &[Vec<Column>]) -> Vec<&[Column]> {
    parts.iter().map(Vec::as_slice).collect()
}

/// The join of two sides of which nobody knows how large they are, and the same of sides that are known to be small.
fn joins(kind: JoinKind, side: Held) -> (Arc<Plan>, Arc<Plan>) {
    let (passing, held) = (passing(), held(side));
    let of = |passing: Arc<Plan>, held: Arc<Plan>| match kind {
        JoinKind::Right => held.join(&passing, vec![("l".to_owned(), "k".to_owned())], kind).unwrap(),
        _ => passing.join(&held, vec![("k".to_owned(), "l".to_owned())], kind).unwrap(),
    };
    let unknown = of(recording(&slices(&passing)).0, recording(&slices(&held)).0);
    (unknown, of(read(&slices(&passing)), read(&slices(&held))))
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// Are the rows of a partition of the result those of one of the side that was not cut?
fn by_partition(parts: &[Table]) -> bool {
    parts.iter().all(|part| {
        let of = |table: &Table| {
            let rows = table.whole().unwrap();
            let numbers = rows.column_by_name("n").unwrap().as_primitive::<Int64Type>().clone();
            numbers.iter().flatten().map(|number| number / (ROWS / PARTS)).collect::<Vec<_>>()
        };
        of(part).windows(2).all(|pair| pair[0] == pair[1])
    })
}

#[test]
fn rows_are_the_same_whichever_way_they_meet() {
    for kind in KINDS {
        let filters = matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
        for side in [Held::Few(2), Held::Few(23), Held::Repeated, Held::Large, Held::Nothing] {
            let (unknown, known) = joins(kind, side);
            let expected = sorted(shown_tables(&known, &tables_by(&[Arc::clone(&known)], OPTIONS)[0]));
            let found = tables_by(&[Arc::clone(&unknown)], LIMITED).remove(0);
            assert_eq!(sorted(shown_tables(&unknown, &found)), expected, "{kind:?} {side:?}");
            let elsewhere = tables_made_elsewhere(&[Arc::clone(&unknown)]).remove(0);
            assert_eq!(sorted(shown_tables(&unknown, &elsewhere)), expected, "{kind:?} {side:?} elsewhere");
            let whole = match side {
                Held::Few(_) => kind != JoinKind::Outer,
                Held::Repeated => filters,
                Held::Large => false,
                // Of an inner or a semi-join nothing is left either, which is in one partition as well as in any other.
                Held::Nothing => kind != JoinKind::Outer,
            };
            assert_eq!(by_partition(&found), whole, "{kind:?} {side:?}");
            for table in &found {
                assert_eq!(table.schema().fields().len(), unknown.schema().fields().len());
                for (column, field) in table.schema().fields().iter().zip(unknown.schema().fields()) {
                    assert_eq!((column.name(), column.data_type()), (field.name(), field.data_type()));
                }
            }
        }
    }
}

#[test]
fn sides_go_whole_to_partitions_that_are_as_large() {
    let (passing, held) = (passing(), held(Held::Few(2)));
    let plan = |passing: Arc<Plan>| {
        passing.join(&recording(&slices(&held)).0, vec![("k".to_owned(), "l".to_owned())], JoinKind::Left).unwrap()
    };
    let of_unknown = plan(recording(&slices(&passing)).0);
    let of_few_rows = plan(read(&slices(&passing)));
    let found = tables_by(&[of_unknown, of_few_rows], OPTIONS);
    assert!(by_partition(&found[0]));
    assert!(!by_partition(&found[1]));
}

#[test]
fn operations_on_joined_rows_are_done_either_way() {
    for side in [Held::Few(5), Held::Repeated] {
        let (unknown, known) = joins(JoinKind::Inner, side);
        let of = |plan: Arc<Plan>| {
            let large = Expr::binary(Binary::Greater, Expr::column("n"), Expr::column("l"));
            let doubled = Expr::binary(Binary::Add, Expr::column("n"), Expr::column("k"));
            let columns = vec![("w".to_owned(), Expr::column("w")), ("d".to_owned(), doubled)];
            plan.filter(large).unwrap().project(columns).unwrap()
        };
        let plans = [of(unknown), of(known)];
        let found = tables_by(&plans, OPTIONS);
        let [first, second] = [0, 1].map(|number| sorted(shown_tables(&plans[number], &found[number])));
        assert!(!first.is_empty());
        assert_eq!(first, second, "{side:?}");
    }
}

#[test]
fn ways_that_are_told_are_taken() {
    let (passing, held) = (passing(), held(Held::Few(2)));
    let on = || vec![("k".to_owned(), "l".to_owned())];
    let of = |way| read(&slices(&passing)).join_by(&read(&slices(&held)), on(), JoinKind::Inner, way).unwrap();
    let plans = [Way::Chosen, Way::RightWhole, Way::LeftWhole, Way::Exchange].map(of);
    let found = tables_by(&plans, OPTIONS);
    let rows: Vec<_> = plans.iter().zip(&found).map(|(plan, parts)| sorted(shown_tables(plan, parts))).collect();
    assert!(rows.iter().all(|each| *each == rows[0]));
    let partitions: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(partitions, [3, 3, 2, 3]);
    assert_eq!(found.iter().map(|parts| by_partition(parts)).collect::<Vec<_>>(), [true, true, false, false]);
    assert!(plans[3].explain().starts_with("join inner on k = l, both sides exchanged"));
}

#[test]
fn explanations_tell_what_is_chosen_when_it_runs() {
    let text = |plan: &Arc<Plan>| explain_stages(std::slice::from_ref(plan), OPTIONS).unwrap();
    let (unknown, known) = joins(JoinKind::Inner, Held::Few(2));
    let shown = text(&unknown);
    assert!(shown.contains("measured: if no more than 16384 KiB are left"), "{shown}");
    assert_eq!(shown.matches("chosen when it runs").count(), 2, "{shown}");
    assert!(!text(&known).contains("chosen when it runs"));
}
