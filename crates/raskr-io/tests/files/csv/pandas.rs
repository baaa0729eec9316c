//! The CSV parser against what pandas 3.1 made of the same text, which `csv_cases.jsonl` holds.

use arrow_schema::DataType;
use raskr_io::csv::{CsvError, Dialect};
use serde::Deserialize;

use super::{Value, parse, read, table};

/// A line of the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    /// One field, as text and as what pandas infers.
    Field { field: String, text: Option<String>, r#type: String, value: serde_json::Value },
    /// Two columns of strings, or an error.
    Lines {
        lines: String,
        dialect: serde_json::Map<String, serde_json::Value>,
        rows: Option<Vec<(Option<String>, Option<String>)>>,
        error: Option<String>,
    },
    /// Fields of a column and the type that is inferred from them.
    Column { column: Vec<String>, r#type: String },
}

fn dialect_of(options: &serde_json::Map<String, serde_json::Value>) -> Dialect {
    let mut dialect = Dialect::default();
    for (name, value) in options {
        match (name.as_str(), value) {
            ("skip_blank_lines", value) => dialect.skip_blank_lines = value.as_bool().unwrap(),
            ("doublequote", value) => dialect.double_quote = value.as_bool().unwrap(),
            ("sep", value) => dialect.delimiter = value.as_str().unwrap().as_bytes()[0],
            ("quotechar", value) => dialect.quote = Some(value.as_str().unwrap().as_bytes()[0]),
            ("quoting", _) => dialect.quote = None,
            other => panic!("{other:?}"),
        }
    }
    dialect
}

/// The one field of a column of each type, where it fits.
fn read_field(field: &str, data_type: DataType) -> Option<Value> {
    match read(&format!("{field},0\n"), &[(0, data_type)], 2) {
        Ok(columns) => Some(columns[0][0].clone()),
        Err(CsvError::Mismatch { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn check_field(field: &str, text: Option<String>, inferred: &str, value: &serde_json::Value) {
    assert_eq!(read_field(field, DataType::Utf8View), Some(text.map_or(Value::Null, Value::Text)), "{field:?}");
    let string = value.as_str();
    let float = || string.map(|text| text.parse::<f64>().unwrap().to_bits());
    let integer = || string.map(|text| Value::Int(text.parse().unwrap()));
    let (int64, uint64, float64, boolean) = match inferred {
        "int64" if string.is_some_and(|text| text.starts_with('-')) => (integer(), None, float(), None),
        "int64" => (integer(), integer(), float(), None),
        "uint64" => (None, integer(), float(), None),
        "float64" if value.is_null() => (None, None, None, None),
        "float64" => (None, None, float(), None),
        "bool" => (None, None, None, Some(Value::Bool(value.as_bool().unwrap()))),
        // Integers beyond 64 bits are Python's in pandas.
        "object" => (None, None, string.filter(|text| text.parse::<i128>().is_ok()).and_then(|_| float()), None),
        other => panic!("{other}"),
    };
    let float64 = if inferred == "float64" && value.is_null() { Some(Value::Null) } else { float64.map(Value::Float) };
    // As an integer it has no sign.
    let negative_zero = Some(Value::Float((-0.0_f64).to_bits()));
    let found = read_field(field, DataType::Float64);
    assert!(found == float64 || (found == negative_zero && field == "-0"), "{field:?}: {found:?} {float64:?}");
    assert_eq!(read_field(field, DataType::Int64), int64, "{field:?}");
    assert_eq!(read_field(field, DataType::Boolean), boolean, "{field:?}");
    if field != "-0" {
        assert_eq!(read_field(field, DataType::UInt64), uint64, "{field:?}");
    }
}

fn check_lines(
    lines: &str,
    dialect: &Dialect,
    rows: Option<Vec<(Option<String>, Option<String>)>>,
    error: Option<String>,
) {
    let types = [(0, DataType::Utf8View), (1, DataType::Utf8View)];
    let found = parse(dialect, 2, &types, 0, 100, lines.as_bytes(), &[7]);
    let value = |field: Option<String>| field.map_or(Value::Null, Value::Text);
    let expected: Option<(Vec<_>, Vec<_>)> =
        rows.map(|rows| rows.into_iter().map(|(first, second)| (value(first), value(second))).unzip());
    let found = found.map(|batches| table(&batches, 2)).map_err(|error| error.to_string());
    assert_eq!(
        found,
        expected.map(|(first, second)| vec![first, second]).ok_or(error.unwrap_or_default()),
        "{lines:?}"
    );
}

/// The column is expected to be what it can't be, to be told what it is.
fn check_column(column: &[String], inferred: &str) {
    let text: String = column.iter().map(|field| format!("{field},0\n")).collect();
    let mut told = Vec::new();
    for data_type in [DataType::Int64, DataType::Boolean, DataType::UInt64, DataType::Float64] {
        if let Err(CsvError::Mismatch { columns, .. }) = read(&text, &[(0, data_type)], 2) {
            told.push(columns[0].found.to_string());
        }
    }
    assert!(!told.is_empty() && told.iter().all(|told| told == inferred), "{column:?} is {inferred}: {told:?}");
}

#[test]
fn what_pandas_reads_is_read() {
    for line in include_str!("../data/csv_cases.jsonl").lines() {
        match serde_json::from_str(line).unwrap() {
            Case::Field { field, text, r#type, value } => check_field(&field, text, &r#type, &value),
            Case::Lines { lines, dialect, rows, error } => check_lines(&lines, &dialect_of(&dialect), rows, error),
            Case::Column { column, r#type } => check_column(&column, &r#type),
        }
    }
}
