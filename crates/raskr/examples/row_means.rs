//! Means of the rows of a matrix larger than the memory it is given, and of how far they are from what is expected.
#![allow(clippy::print_stdout)]

use raskr::array::{self, random::Generator};
use raskr::array::{Options, keep};

const ROWS: usize = 4_000;
const COLUMNS: usize = 5_000;

pub fn main() -> raskr::Result<()> {
    let matrix = Generator::new(11).normal([ROWS, COLUMNS], 10.0, 2.0, [500, 1_000]);
    let means = matrix.mean(keep(1));
    let spread = (&matrix - &means).square().mean(..).sqrt();
    // The matrix has 160 MB: its chunks are made again where they are needed rather than kept.
    let options = Options::new().memory_limit(64 << 20);
    let results = array::compute_all(&[&means.min(..), &means.max(..), &spread], &options)?;
    let numbers: Vec<f64> = results.iter().filter_map(|chunk| chunk.item::<f64>()).collect();
    let [lowest, highest, spread] = numbers[..] else {
        return Err(raskr::Error::NotOne { got: numbers.len() });
    };
    println!("row means are between {lowest:.3} and {highest:.3}; elements are {spread:.4} away from them");
    // Means have a standard deviation of 2 / sqrt(5000), about 0.028; none of 4000 is six of those away.
    assert!(9.83 < lowest && lowest < 10.0 && 10.0 < highest && highest < 10.17);
    assert!((spread - 2.0).abs() < 0.01);
    Ok(())
}
