//! Parquet files as the partitions of a table: values, choices of columns and row groups, and what is not as it should be.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use raskr_base::TaskContext;
use raskr_frame::arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray,
    TimestampMillisecondArray,
};
use raskr_frame::arrow::compute::concat_batches;
use raskr_frame::arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use raskr_frame::{Binary, Condition, Expr, FrameError, PartitionReader, ScalarValue};
use raskr_io::parquet_table::{ParquetColumn, ParquetFile, ParquetPart, ParquetPiece, ParquetTable};

const ROWS: usize = 100;
const GROUP: usize = 40;

/// A file with numbers, texts in two forms and times, in row groups of 40, 40 and 20 rows.
fn written(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let number = |row: usize| Some(row as i64);
    let real = |row: usize| match row % 5 {
        0 => None,
        1 => Some(f64::NAN),
        _ => Some(row as f64 / 2.0),
    };
    let word = |row: usize| (!row.is_multiple_of(7)).then(|| format!("a word that is no short one {}", row % 3));
    let words: Vec<Option<String>> = (0..ROWS).map(word).collect();
    let coded: DictionaryArray<Int32Type> = words.iter().map(Option::as_deref).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new(Int64Array::from_iter((0..ROWS).map(number)))),
        ("real", Arc::new(Float64Array::from_iter((0..ROWS).map(real)))),
        ("word", Arc::new(StringArray::from(words.clone()))),
        ("coded", Arc::new(coded)),
        ("time", Arc::new(TimestampMillisecondArray::from_iter((0..ROWS).map(number)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP)).build();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

fn columns() -> Vec<ParquetColumn> {
    let kinds = [
        ("number", DataType::Int64),
        ("real", DataType::Float64),
        ("word", DataType::Utf8View),
        ("coded", DataType::Utf8View),
        ("time", DataType::Timestamp(TimeUnit::Millisecond, None)),
    ];
    let column = |(place, (name, data_type)): (usize, (&str, DataType))| ParquetColumn {
        name: format!("c{place}"),
        in_file: name.to_owned(),
        data_type,
    };
    kinds.into_iter().enumerate().map(column).collect()
}

fn part(pieces: Vec<(&Path, Option<Vec<usize>>)>) -> ParquetPart {
    let pieces = pieces
        .into_iter()
        .map(|(path, row_groups)| ParquetPiece { file: ParquetFile::Local(path.to_owned()), row_groups });
    ParquetPart { pieces: pieces.collect(), estimate: 0 }
}

fn read(table: &ParquetTable, columns: &[usize]) -> Result<RecordBatch, FrameError> {
    let cancelled = AtomicBool::new(false);
    let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
    let batches = table.read(0, columns, &context)?.collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(table.schema().project(columns).unwrap());
    Ok(concat_batches(&schema, &batches).unwrap())
}

#[test]
fn values_are_those_of_the_file_without_nan() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "a.parquet");
    let table = ParquetTable::new(vec![part(vec![(&path, None)])], columns(), Some("row"));
    let found = read(&table, &[0, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(found.num_rows(), ROWS);
    for row in 0..ROWS {
        assert_eq!(found.column(0).as_primitive::<Int64Type>().value(row), row as i64);
        assert_eq!(found.column(1).is_null(row), row % 5 < 2);
        assert_eq!(found.column(5).as_primitive::<Int64Type>().value(row), row as i64);
    }
    let (word, coded): (&StringViewArray, _) = (found.column(2).as_string_view(), found.column(3).as_string_view());
    assert_eq!(word, coded);
    assert!(word.is_null(7) && word.value(8) == "a word that is no short one 2");
    assert_eq!(*found.column(4).data_type(), DataType::Timestamp(TimeUnit::Millisecond, None));
}

#[test]
fn columns_and_row_groups_are_chosen_and_rows_counted_over_all_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (written(folder.path(), "a.parquet"), written(folder.path(), "b.parquet"));
    let pieces = vec![(a.as_path(), Some(vec![2])), (b.as_path(), Some(vec![0, 1]))];
    let table = ParquetTable::new(vec![part(pieces)], columns(), Some("row"));
    // In another order than that of the file, and with the numbers of rows among them.
    let found = read(&table, &[4, 5, 0]).unwrap();
    let expected: Vec<i64> = (80..100).chain(0..80).collect();
    assert_eq!(found.column(2).as_primitive::<Int64Type>().values(), &expected[..]);
    assert_eq!(found.column(1).as_primitive::<Int64Type>().values(), &(0..100).collect::<Vec<i64>>()[..]);
    // Without any column there are rows nevertheless.
    assert_eq!(read(&table, &[5]).unwrap().num_rows(), 100);
}

#[test]
fn row_groups_that_have_no_wanted_rows_are_passed_over_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (written(folder.path(), "a.parquet"), written(folder.path(), "b.parquet"));
    let table = ParquetTable::new(vec![part(vec![(&a, None), (&b, Some(vec![1, 2]))])], columns(), Some("row"));
    let number = |comparison, value| {
        let value = Expr::Literal(ScalarValue::Int64(Some(value)));
        Expr::binary(comparison, Expr::column("c0"), value)
    };
    let read = |predicate: &Expr| {
        let narrowed = table.with_conditions(&Condition::all_of(predicate)).unwrap();
        let cancelled = AtomicBool::new(false);
        let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
        let batches = narrowed.read(0, &[0, 5], &context).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let of = |place: usize| {
            batches.iter().flat_map(move |batch| batch.column(place).as_primitive::<Int64Type>().values().to_vec())
        };
        of(0).zip(of(1)).collect::<Vec<(i64, i64)>>()
    };
    // The first file's rows are 0 to 99, those of the second 100 to 159.
    let all = || (0..100).zip(0..100).chain((40..100).zip(100..160));
    assert!(read(&number(Binary::GreaterEqual, 0)).into_iter().eq(all()));
    let later = read(&number(Binary::Greater, 79));
    assert_eq!(later, (80..100).zip(80..100).chain((80..100).zip(140..160)).collect::<Vec<_>>());
    let between = Expr::binary(Binary::And, number(Binary::GreaterEqual, 45), number(Binary::Less, 50));
    assert_eq!(read(&between), (40..80).zip(40..80).chain((40..80).zip(100..140)).collect::<Vec<_>>());
    assert!(read(&number(Binary::Less, -1)).is_empty());
}

#[test]
fn what_is_not_as_the_columns_say_is_a_doubt_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "a.parquet");
    let doubt = |path: &Path, columns: Vec<ParquetColumn>| {
        let table = ParquetTable::new(vec![part(vec![(path, None)])], columns, None);
        match read(&table, &[0]) {
            Err(FrameError::Doubt(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let mut other = columns();
    other[0].data_type = DataType::Float64;
    let message = doubt(&path, other);
    assert!(
        message.contains("a.parquet") && message.contains("expected values of type Float64, got Int64"),
        "{message}"
    );
    let mut other = columns();
    other[0].in_file = "none".to_owned();
    assert!(doubt(&path, other).contains("a.parquet"));
    assert!(doubt(&folder.path().join("missing.parquet"), columns()).contains("missing.parquet"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn files_that_are_damaged_are_read_or_doubted(at in 0.0..1.0f64, byte: u8, cut: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), "a.parquet");
        let mut bytes = std::fs::read(&path).unwrap();
        let place = (at * bytes.len() as f64) as usize;
        if cut { bytes.truncate(place) } else { bytes[place] ^= byte }
        std::fs::write(&path, &bytes).unwrap();
        let table = ParquetTable::new(vec![part(vec![(&path, None)])], columns(), None);
        match read(&table, &[0, 1, 2, 3, 4]) {
            Ok(_) => {}
            Err(FrameError::Doubt(message)) => prop_assert!(message.contains("a.parquet"), "{}", message),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
