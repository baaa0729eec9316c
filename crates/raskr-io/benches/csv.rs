//! How fast CSV becomes batches on one core, by how many of 29 columns are wanted. Run with `cargo bench --bench csv`.
#![allow(clippy::print_stdout)]

use std::fmt::Write;
use std::time::Instant;

use arrow_schema::DataType;
use raskr_io::csv::{Column, CsvError, Dialect, Parser};

const WIDTH: usize = 29;

/// Fields as those of tables of flights: small integers, codes, numbers that are missing now and then.
fn field(row: usize, position: usize, into: &mut String) {
    let noise = (row * WIDTH + position).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let written = match position {
        0 => write!(into, "2008"),
        8 | 16 | 17 => write!(into, "{}", ["UA", "WN", "AA", "LAX", "JFK", "ORD"][noise % 6]),
        10 => write!(into, "N{}UA", noise % 1000),
        22 => write!(into, "NA"),
        24.. if noise.is_multiple_of(4) => write!(into, "NA"),
        24.. => write!(into, "{}", noise % 30),
        14 | 15 => write!(into, "{}", (noise % 100) as i64 - 20),
        _ => write!(into, "{}", noise % [12, 31, 2400, 1000][position % 4]),
    };
    debug_assert!(written.is_ok());
}

fn text() -> String {
    let mut text = String::new();
    for row in 0..500_000 {
        for position in 0..WIDTH {
            field(row, position, &mut text);
            text.push(if position + 1 < WIDTH { ',' } else { '\n' });
        }
    }
    text
}

fn column(position: usize) -> Column {
    let data_type = match position {
        8 | 10 | 16 | 17 | 22 => DataType::Utf8View,
        11..=15 | 24.. => DataType::Float64,
        _ => DataType::Int64,
    };
    Column { position, name: position.to_string(), data_type }
}

fn main() -> Result<(), CsvError> {
    let text = text();
    for wanted in [vec![], vec![14], vec![0, 8, 14, 18], (0..WIDTH).collect()] {
        let mut least = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            let columns = wanted.iter().map(|&position| column(position)).collect();
            let mut parser = Parser::new(Dialect::default(), WIDTH, columns, 1, 0, 1 << 16)?;
            let mut rows = 0;
            for piece in text.as_bytes().chunks(256 << 10) {
                parser.push(piece)?;
                rows += std::iter::from_fn(|| parser.next_batch()).map(|batch| batch.num_rows()).sum::<usize>();
            }
            parser.finish()?;
            rows += std::iter::from_fn(|| parser.next_batch()).map(|batch| batch.num_rows()).sum::<usize>();
            assert_eq!(rows, 500_000);
            least = least.min(start.elapsed().as_secs_f64());
        }
        println!("{:2} of {WIDTH} columns {:9.0} MB/s", wanted.len(), text.len() as f64 / least / 1e6);
    }
    Ok(())
}
