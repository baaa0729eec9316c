//! The CSV parser against a reader that goes from character to character.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod pandas;

use std::fmt::Debug;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use proptest::prelude::*;
use raskr_io::csv::{Column, CsvError, Dialect, Parser};

/// A value of a batch, or of the reader that is compared with.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Int(i128),
    /// As bits, so that zeros differ by their sign.
    Float(u64),
    Bool(bool),
    Text(String),
}

fn values(array: &ArrayRef) -> Vec<Value> {
    let at = |row: usize| match array.data_type() {
        _ if array.is_null(row) => Value::Null,
        DataType::Int8 => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt64 => Value::Int(array.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Float32 => Value::Float(f64::from(array.as_primitive::<Float32Type>().value(row)).to_bits()),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Utf8View => Value::Text(array.as_string_view().value(row).to_owned()),
        other => panic!("{other}"),
    };
    (0..array.len()).map(at).collect()
}

fn columns(types: &[(usize, DataType)]) -> Vec<Column> {
    let column = |(position, data_type): &(usize, DataType)| Column {
        position: *position,
        name: format!("c{position}"),
        data_type: data_type.clone(),
    };
    types.iter().map(column).collect()
}

/// Batches of `rows` rows of the text in pieces, each as long as the next of `cuts` says, in a circle.
fn parse(
    dialect: &Dialect,
    width: usize,
    types: &[(usize, DataType)],
    skip: usize,
    rows: usize,
    text: &[u8],
    cuts: &[usize],
) -> Result<Vec<RecordBatch>, CsvError> {
    let mut parser = Parser::new(dialect.clone(), width, columns(types), 1, skip, rows)?;
    let mut batches = Vec::new();
    let mut rest = text;
    for &cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        parser.push(piece)?;
        batches.extend(std::iter::from_fn(|| parser.next_batch()));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    parser.finish()?;
    batches.extend(std::iter::from_fn(|| parser.next_batch()));
    for batch in &batches {
        for column in batch.columns() {
            column.to_data().validate_full().expect("a valid array");
        }
    }
    let full = batches.len().saturating_sub(1);
    assert!(batches[..full].iter().all(|batch| batch.num_rows() == rows));
    assert!(batches.iter().all(|batch| (1..=rows).contains(&batch.num_rows())));
    Ok(batches)
}

/// The values of each column.
fn table(batches: &[RecordBatch], width: usize) -> Vec<Vec<Value>> {
    (0..width).map(|index| batches.iter().flat_map(|batch| values(batch.column(index))).collect()).collect()
}

/// The fields of all lines, as a reader of one character at a time finds them; or the row where an open quote begins.
fn naive(dialect: &Dialect, text: &str) -> Result<Vec<(u64, Vec<String>)>, u64> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut lines, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut at, mut number, mut raw) = (At::Start, 1, String::new());
    let mut characters = text.chars().peekable();
    loop {
        let next = characters.next();
        let quote = next.is_some() && next == dialect.quote.map(char::from);
        at = match (at, next) {
            (At::Quoted, None) => return Err(number - 1),
            (At::Quoted, Some(_)) if quote => {
                if dialect.double_quote {
                    At::Closed
                } else {
                    At::Plain
                }
            }
            (At::Start, Some(_)) if quote => At::Quoted,
            (At::Closed, Some(character)) if quote => {
                field.push(character);
                At::Quoted
            }
            (At::Quoted, Some(character)) => {
                field.push(character);
                At::Quoted
            }
            (_, Some(character)) if character == char::from(dialect.delimiter) => {
                fields.push(std::mem::take(&mut field));
                At::Start
            }
            (_, None | Some('\n' | '\r')) => {
                if next == Some('\r') {
                    characters.next_if_eq(&'\n');
                }
                if next.is_none() && raw.is_empty() {
                    return Ok(lines);
                }
                fields.push(std::mem::take(&mut field));
                let blank = raw.chars().all(|character| {
                    (character == ' ' || character == '\t') && character != char::from(dialect.delimiter)
                });
                let fields = std::mem::take(&mut fields);
                if !(blank && dialect.skip_blank_lines) {
                    lines.push((number, fields));
                }
                number += 1;
                raw.clear();
                if next.is_none() {
                    return Ok(lines);
                }
                At::Start
            }
            (_, Some(character)) => {
                field.push(character);
                At::Plain
            }
        };
        if !(at == At::Start && matches!(next, Some('\n' | '\r'))) {
            raw.extend(next);
        }
    }
}

/// What a field is as a value of a column, `None` where it is of another type.
fn naive_value(dialect: &Dialect, data_type: &DataType, field: Option<&String>) -> Option<Value> {
    let missing = field.is_none_or(|field| dialect.missing.contains(field));
    let field = field.map_or("", String::as_str);
    let number = field.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let integer = || number.parse::<i128>().ok().filter(|_| !missing);
    Some(match data_type {
        DataType::Utf8View if missing => Value::Null,
        DataType::Float64 | DataType::Float32 if missing => Value::Null,
        DataType::Utf8View => Value::Text(field.to_owned()),
        DataType::Int64 => Value::Int(i64::try_from(integer()?).ok()?.into()),
        DataType::Int8 => Value::Int(i8::try_from(integer()?).ok()?.into()),
        DataType::UInt64 => Value::Int(u64::try_from(integer()?).ok()?.into()),
        DataType::Boolean if missing => return None,
        DataType::Boolean if dialect.true_words.iter().any(|word| word == field) => Value::Bool(true),
        DataType::Boolean if dialect.false_words.iter().any(|word| word == field) => Value::Bool(false),
        DataType::Boolean if field.eq_ignore_ascii_case("true") => Value::Bool(true),
        DataType::Boolean if field.eq_ignore_ascii_case("false") => Value::Bool(false),
        DataType::Float64 | DataType::Float32 => {
            let word = field.trim_start_matches(['+', '-']).to_ascii_lowercase();
            let is_word = (word == "inf" || word == "infinity") && field.len() <= word.len() + 1;
            if !is_word && !number.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
                return None;
            }
            let value: f64 = if is_word { field.parse().ok()? } else { number.parse().ok()? };
            if dialect.missing.iter().any(|word| word.parse() == Ok(value)) {
                return Some(Value::Null);
            }
            Value::Float(if *data_type == DataType::Float32 { f64::from(value as f32) } else { value }.to_bits())
        }
        _ => return None,
    })
}

fn compare<T: PartialEq + Debug>(found: T, expected: T, text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(found, expected, "{:?}", text);
    Ok(())
}

/// Text that is likely to be cut, quoted and wrong in all ways.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => Just(",".to_owned()),
        3 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\r".to_owned()),
        2 => Just("\"".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just(";".to_owned()),
        1 => Just("'".to_owned()),
        1 => Just(" ".to_owned()),
        1 => Just("\t".to_owned()),
        1 => Just("\0".to_owned()),
        2 => "\"[a-z0-9,\n\"]{0,70}\"",
        3 => "[0-9]{1,3}",
        1 => "-?[0-9]{1,20}",
        2 => "[+-]?[0-9]{0,5}\\.[0-9]{0,5}(e[+-]?[0-9]{1,3})?",
        1 => prop::sample::select(vec!["NA", "nan", "None", "True", "false", "inf", "-Infinity", "", "\u{feff}"])
            .prop_map(str::to_owned),
        2 => "[a-zäß€😀 ]{0,6}",
        1 => "[a-zäß€😀]{0,90}",
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

/// Lines of some fields that are mostly proper.
fn tidy_text() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        4 => "-?[0-9]{1,9}",
        2 => "-?[0-9]{1,4}\\.[0-9]{1,4}",
        1 => Just("NA".to_owned()),
        1 => Just(String::new()),
        2 => "[a-z]{1,20}",
        1 => "\"[a-z,\n]{0,20}\"",
        1 => "\"[a-z]{0,3}\"\"[a-z]{0,3}\"",
    ];
    let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let line = prop::collection::vec(field, 1..7).prop_map(|fields| fields.join(","));
    (prop::collection::vec(line, 0..60), end).prop_map(|(lines, end)| lines.join(end))
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    let quote = prop::sample::select(vec![Some(b'"'), Some(b'"'), Some(b'\''), None]);
    let delimiter = prop::sample::select(vec![b',', b',', b';', b'\t', b' ']);
    (quote, delimiter, any::<[bool; 4]>()).prop_map(|(quote, delimiter, [double_quote, skip, ignore, words])| {
        let mut dialect = Dialect {
            delimiter,
            quote,
            double_quote,
            skip_blank_lines: skip,
            ignore_extra_fields: ignore,
            ..Dialect::default()
        };
        if words {
            dialect.missing = ["7", "-1", "0.5", "a"].map(str::to_owned).to_vec();
            dialect.true_words = vec!["1".into()];
            dialect.false_words = vec!["NA".into()];
        }
        dialect
    })
}

fn any_types(width: usize) -> impl Strategy<Value = Vec<(usize, DataType)>> {
    let types = vec![
        DataType::Utf8View,
        DataType::Utf8View,
        DataType::Utf8View,
        DataType::Float64,
        DataType::Float32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Int8,
        DataType::Boolean,
    ];
    let positions = prop::sample::subsequence((0..width).collect::<Vec<_>>(), 0..=width).prop_shuffle();
    positions.prop_flat_map(move |positions| {
        let types = prop::collection::vec(prop::sample::select(types.clone()), positions.len());
        types.prop_map(move |types| positions.iter().copied().zip(types).collect())
    })
}

fn any_request() -> impl Strategy<Value = (usize, Vec<(usize, DataType)>)> {
    (1_usize..9).prop_flat_map(|width| (Just(width), any_types(width)))
}

proptest! {
    #[test]
    fn any_text_in_any_dialect_is_read_as_one_character_at_a_time(
        text in prop_oneof![any_text(), tidy_text()],
        dialect in any_dialect(),
        (width, types) in any_request(),
        skip in 0_usize..3,
        rows in 1_usize..40,
        cuts in prop::collection::vec(1_usize..200, 1..6),
    ) {
        let found = parse(&dialect, width, &types, skip, rows, text.as_bytes(), &cuts);
        let lines = naive(&dialect, &text);
        // The first line with too many fields comes before a quote that is not closed.
        let complete = match &lines {
            Ok(lines) => lines.clone(),
            Err(row) => {
                let closed = format!("{text}{}", char::from(dialect.quote.unwrap()));
                let all = naive(&dialect, &closed).unwrap();
                all.into_iter().filter(|(number, _)| number <= row).collect()
            }
        };
        let complete = &complete[skip.min(complete.len())..];
        let long = complete.iter().find(|(_, fields)| fields.len() > width && !dialect.ignore_extra_fields);
        if let Some((line, fields)) = long {
            let expected = CsvError::Fields { expected: width, line: *line, found: fields.len() };
            return compare(found, Err(expected), &text);
        }
        if let Err(row) = lines {
            return compare(found, Err(CsvError::Unclosed { row }), &text);
        }
        let mut wrong = Vec::new();
        let mut columns = Vec::new();
        for (position, data_type) in &types {
            let mut column = Vec::new();
            for (number, fields) in complete {
                match naive_value(&dialect, data_type, fields.get(*position)) {
                    Some(value) => column.push(value),
                    None => {
                        wrong.push((format!("c{position}"), data_type.clone(), *number));
                        break;
                    }
                }
            }
            columns.push(column);
        }
        match found {
            Err(CsvError::Mismatch { columns, line }) => {
                let found: Vec<_> =
                    columns.iter().map(|column| (column.name.clone(), column.expected.clone(), column.line)).collect();
                compare(Some(line), wrong.iter().map(|(_, _, number)| *number).min(), &text)?;
                compare(found, wrong, &text)?;
            }
            Err(error) => prop_assert!(false, "{error} in {text:?}"),
            Ok(batches) => {
                prop_assert!(wrong.is_empty(), "{wrong:?} in {text:?}");
                let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
                compare(total, complete.len(), &text)?;
                compare(table(&batches, types.len()), columns, &text)?;
            }
        }
    }

    #[test]
    fn cuts_change_nothing(
        text in tidy_text(),
        (width, types) in any_request(),
        rows in 1_usize..40,
        cuts in prop::collection::vec(1_usize..70, 1..6),
    ) {
        let dialect = Dialect { ignore_extra_fields: true, ..Dialect::default() };
        let whole = parse(&dialect, width, &types, 0, rows, text.as_bytes(), &[usize::MAX]);
        let cut = parse(&dialect, width, &types, 0, rows, text.as_bytes(), &cuts);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => compare(table(&cut, types.len()), table(&whole, types.len()), &text)?,
            (whole, cut) => compare(cut.map(|_| ()), whole.map(|_| ()), &text)?,
        }
    }

    #[test]
    fn damaged_bytes_are_read_or_refused(
        text in prop_oneof![any_text().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..400)],
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        dialect in any_dialect(),
        (width, types) in any_request(),
        rows in 1_usize..40,
        cuts in prop::collection::vec(1_usize..200, 1..6),
    ) {
        let mut text = text;
        for (place, byte) in damage {
            if !text.is_empty() {
                let place = place.index(text.len());
                text[place] = byte;
            }
        }
        let whole = parse(&dialect, width, &types, 0, rows, &text, &[usize::MAX]);
        let cut = parse(&dialect, width, &types, 0, rows, &text, &cuts);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => prop_assert_eq!(table(&cut, types.len()), table(&whole, types.len())),
            (whole, cut) => prop_assert_eq!(cut.map(|_| ()), whole.map(|_| ())),
        }
    }
}

fn read(text: &str, types: &[(usize, DataType)], width: usize) -> Result<Vec<Vec<Value>>, CsvError> {
    let batches = parse(&Dialect::default(), width, types, 0, 1000, text.as_bytes(), &[usize::MAX])?;
    Ok(table(&batches, types.len()))
}

#[test]
fn a_field_longer_than_pieces_comes_through() {
    let long = "0123456789".repeat(200_000);
    for text in [format!("1,{long},2\n"), format!("1,\"{long}\",2\n"), format!("1,\"{long},\n{long}\",2\n")] {
        for cut in [4096, 1 << 20] {
            let types = [(2, DataType::Int64), (1, DataType::Utf8View)];
            let batches = parse(&Dialect::default(), 3, &types, 0, 10, text.as_bytes(), &[cut]).unwrap();
            let expected = text[2..text.len() - 3].trim_matches('"').to_owned();
            assert_eq!(table(&batches, 2), [[Value::Int(2)], [Value::Text(expected)]]);
        }
    }
}

#[test]
fn no_columns_give_counts_of_rows() {
    let batches = parse(&Dialect::default(), 2, &[], 1, 3, b"a,b\n1,2\n\n3\n5,6\n7,8", &[5]).unwrap();
    assert_eq!(
        batches.iter().map(|batch| (batch.num_rows(), batch.num_columns())).collect::<Vec<_>>(),
        [(3, 0), (1, 0)]
    );
}

#[test]
fn what_is_below_missing_floats_is_nan() {
    let batches = parse(&Dialect::default(), 1, &[(0, DataType::Float64)], 0, 9, b"1\nNA\n", &[9]).unwrap();
    assert!(batches[0].column(0).as_primitive::<Float64Type>().values()[1].is_nan());
}

#[test]
fn words_that_are_numbers_are_missing_from_floats_however_they_are_written() {
    let dialect = Dialect { missing: vec!["-999".into()], ..Dialect::default() };
    let float = |text: &str, value: f64| {
        let batches = parse(&dialect, 1, &[(0, DataType::Float64)], 0, 9, text.as_bytes(), &[9]).unwrap();
        (table(&batches, 1)[0][0].clone(), Value::Float(value.to_bits()))
    };
    for text in ["-999", "-999.0", " -999", "-9.99e2", "\"-999.\""] {
        assert_eq!(float(text, 0.0).0, Value::Null, "{text}");
    }
    let (found, expected) = float("-999.5", -999.5);
    assert_eq!(found, expected);
    // Integers are missing only as they stand there.
    let read = |text: &str| parse(&dialect, 1, &[(0, DataType::Int64)], 0, 9, text.as_bytes(), &[9]);
    assert_eq!(table(&read(" -999").unwrap(), 1)[0], [Value::Int(-999)]);
    assert!(matches!(read("-999"), Err(CsvError::Mismatch { .. })));
}

#[test]
fn types_that_do_not_fit_are_listed_with_those_that_would() {
    let types = [(2, DataType::Boolean), (0, DataType::Int64), (1, DataType::Float64), (3, DataType::Int8)];
    let text = "1,1,True,1\n-2,2,True,2\n1.5,x,no,3\nNA,4,True,4\n";
    let error = read(text, &types, 4).unwrap_err();
    let message = "column \"c2\" was expected to be Boolean, found object (line 3); column \"c0\" was expected to be \
                   Int64, found float64 (line 3); column \"c1\" was expected to be Float64, found object (line 3)";
    assert_eq!(error.to_string(), message);
    let CsvError::Mismatch { columns, line } = error else { panic!() };
    assert_eq!((columns.len(), line), (3, 3));
}

#[test]
fn an_error_stays() {
    let mut parser = Parser::new(Dialect::default(), 1, columns(&[]), 1, 0, 10).unwrap();
    let text = "1\n1,2\n".repeat(20);
    let error = parser.push(text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "Expected 1 fields in line 2, saw 2");
    assert_eq!(parser.push(b"1\n"), Err(error.clone()));
    assert_eq!(parser.finish(), Err(error));
}

#[test]
fn nothing_follows_the_end() {
    let mut parser = Parser::new(Dialect::default(), 1, columns(&[]), 1, 0, 10).unwrap();
    parser.finish().unwrap();
    assert_eq!(parser.push(b"1"), Err(CsvError::Ended { length: 1 }));
}

#[test]
fn impossible_requests_are_refused() {
    let new = |width, types: &[(usize, DataType)], rows| {
        Parser::new(Dialect::default(), width, columns(types), 1, 0, rows).err().map(|error| error.to_string())
    };
    let text = DataType::Utf8View;
    for (refused, part) in [
        (new(0, &[], 1), "one column or more"),
        (new(1, &[], 0), "rows a batch"),
        (new(1, &[(1, text.clone())], 1), "below 1, got 1"),
        (new(2, &[(1, text.clone()), (1, text)], 1), "a place of its own"),
        (new(1, &[(0, DataType::Date32)], 1), "got Date32"),
    ] {
        assert!(refused.as_ref().is_some_and(|message| message.contains(part)), "{refused:?}");
    }
}
