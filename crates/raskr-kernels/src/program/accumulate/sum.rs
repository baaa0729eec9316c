//! Sums of floats, counts of booleans, and complex sums and products.
//!
//! A row of a tile is summed in [`LANES`] lanes and a tree; rows are merged with a compensated addition, so the error
//! does not grow with the length. By columns, sixteen elements of a cell are added plainly before they are merged.
// `unsafe` is allowed here: the loops read raw tile memory and write raw cells, as `Loops` says.
#![allow(unsafe_code)]

use num_complex::Complex64;

use super::{Cells, Columns, Loops, Rows};
use crate::program::kernel::{Context, LANES};

/// Elements of a cell that are added plainly by columns.
const PENDING: u64 = 16;

/// The sum and what its rounding lost (Knuth's two-sum).
#[inline(always)]
pub(crate) fn compensated(sum: f64, lost: f64, value: f64) -> (f64, f64) {
    let total = sum + value;
    let back = total - sum;
    let error = (sum - (total - back)) + (value - back);
    (total, lost + error)
}

/// The value of a compensated sum; infinities leave nothing sensible in the compensation.
#[inline(always)]
pub(crate) fn compensated_value(sum: f64, lost: f64) -> f64 {
    if sum.is_finite() { sum + lost } else { sum }
}

#[inline(always)]
pub(super) fn sum_row(values: &[f64]) -> f64 {
    if values.len() < LANES {
        let mut lanes = [0.0; 4];
        let (groups, rest) = values.as_chunks::<4>();
        for group in groups {
            for i in 0..4 {
                lanes[i] += group[i];
            }
        }
        return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + rest.iter().sum::<f64>();
    }
    let mut lanes = [0.0; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for i in 0..LANES {
            lanes[i] += group[i];
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    tree(lanes)
}

/// The sum of the lanes by halves.
#[inline(always)]
pub(super) fn tree(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// A zero word is the start of all these states but products.
unsafe fn zero<const PLANES: usize>(cells: Cells) {
    // SAFETY: the planes have a word for each cell.
    unsafe { cells.plane::<u64>(0).write_bytes(0, cells.count * PLANES) };
}

unsafe fn float_rows(context: &Context, cells: Cells, tile: Rows) {
    let (sums, losses) = (cells.plane::<f64>(0), cells.plane::<f64>(1));
    context.widest(
        #[inline(always)]
        || {
            for row in 0..tile.rows {
                let cell = tile.first + row * tile.step;
                // SAFETY: see `Loops`.
                unsafe {
                    let start = tile.values.cast::<f64>().add(row * tile.columns);
                    let value = sum_row(std::slice::from_raw_parts(start, tile.columns));
                    let (sum, lost) = compensated(sums.add(cell).read(), losses.add(cell).read(), value);
                    sums.add(cell).write(sum);
                    losses.add(cell).write(lost);
                }
            }
        },
    );
}

unsafe fn float_columns(context: &Context, cells: Cells, run: Columns) {
    // SAFETY: see `Loops`; planes and tile memory are apart.
    let (sums, losses, pending, values) = unsafe {
        (
            std::slice::from_raw_parts_mut(cells.plane::<f64>(0).add(run.first), run.count),
            std::slice::from_raw_parts_mut(cells.plane::<f64>(1).add(run.first), run.count),
            std::slice::from_raw_parts_mut(cells.plane::<f64>(2).add(run.first), run.count),
            std::slice::from_raw_parts(run.values.cast::<f64>(), run.count),
        )
    };
    if run.ordinal % PENDING != PENDING - 1 {
        context.widest(
            #[inline(always)]
            || {
                for (pending, value) in pending.iter_mut().zip(values) {
                    *pending += value;
                }
            },
        );
        return;
    }
    context.widest(
        #[inline(always)]
        || {
            for (((sum, lost), pending), value) in
                sums.iter_mut().zip(losses.iter_mut()).zip(pending.iter_mut()).zip(values)
            {
                (*sum, *lost) = compensated(*sum, *lost, *pending + value);
                *pending = 0.0;
            }
        },
    );
}

pub(super) const SUM_F64: Loops = Loops { initialise: zero::<3>, rows: float_rows, columns: float_columns };

/// Booleans are bytes of 0 or 1: at most 255 groups are added as bytes before they are widened.
#[inline(always)]
fn count_row(values: &[u8]) -> i64 {
    if values.len() < LANES {
        return values.iter().fold(0, |count, value| count + i64::from(*value));
    }
    let mut count = 0i64;
    for part in values.chunks(255 * LANES) {
        let mut lanes = [0u8; LANES];
        let (groups, rest) = part.as_chunks::<LANES>();
        for group in groups {
            for i in 0..LANES {
                lanes[i] += group[i];
            }
        }
        count += lanes.iter().chain(rest).map(|lane| i64::from(*lane)).sum::<i64>();
    }
    count
}

unsafe fn count_rows(context: &Context, cells: Cells, tile: Rows) {
    let plane = cells.plane::<i64>(0);
    context.widest(
        #[inline(always)]
        || {
            for row in 0..tile.rows {
                // SAFETY: see `Loops`.
                unsafe {
                    let values = std::slice::from_raw_parts(tile.values.add(row * tile.columns), tile.columns);
                    *plane.add(tile.first + row * tile.step) += count_row(values);
                }
            }
        },
    );
}

unsafe fn count_columns(context: &Context, cells: Cells, run: Columns) {
    // SAFETY: see `Loops`; cells and tile memory are apart.
    let (counts, values) = unsafe {
        (
            std::slice::from_raw_parts_mut(cells.plane::<i64>(0).add(run.first), run.count),
            std::slice::from_raw_parts(run.values, run.count),
        )
    };
    context.widest(
        #[inline(always)]
        || {
            for (count, value) in counts.iter_mut().zip(values) {
                *count += i64::from(*value);
            }
        },
    );
}

pub(super) const COUNT: Loops = Loops { initialise: zero::<1>, rows: count_rows, columns: count_columns };

/// Feeds one complex value to a cell.
///
/// # Safety
/// The cell exists and the accumulator has four planes.
unsafe fn add_complex(cells: Cells, cell: usize, value: Complex64) {
    for (part, value) in [(0, value.re), (2, value.im)] {
        // SAFETY: the contract above.
        unsafe {
            let (sum, lost) = (cells.plane::<f64>(part).add(cell), cells.plane::<f64>(part + 1).add(cell));
            (*sum, *lost) = compensated(*sum, *lost, value);
        }
    }
}

unsafe fn complex_rows(_: &Context, cells: Cells, tile: Rows) {
    for row in 0..tile.rows {
        // SAFETY: see `Loops`.
        unsafe {
            let start = tile.values.cast::<Complex64>().add(row * tile.columns);
            let values = std::slice::from_raw_parts(start, tile.columns);
            let mut lanes = [Complex64::new(0.0, 0.0); 8];
            let (groups, rest) = values.as_chunks::<8>();
            for group in groups {
                for i in 0..8 {
                    lanes[i] += group[i];
                }
            }
            for (lane, value) in lanes.iter_mut().zip(rest) {
                *lane += value;
            }
            let quarters = [lanes[0] + lanes[4], lanes[1] + lanes[5], lanes[2] + lanes[6], lanes[3] + lanes[7]];
            let sum = (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
            add_complex(cells, tile.first + row * tile.step, sum);
        }
    }
}

unsafe fn complex_columns(_: &Context, cells: Cells, run: Columns) {
    for i in 0..run.count {
        // SAFETY: see `Loops`.
        unsafe { add_complex(cells, run.first + i, run.values.cast::<Complex64>().add(i).read()) };
    }
}

pub(super) const SUM_C128: Loops = Loops { initialise: zero::<4>, rows: complex_rows, columns: complex_columns };

unsafe fn one_complex(cells: Cells) {
    for cell in 0..cells.count {
        // SAFETY: two planes of a word for each cell.
        unsafe {
            cells.plane::<f64>(0).add(cell).write(1.0);
            cells.plane::<f64>(1).add(cell).write(0.0);
        }
    }
}

/// Multiplies a cell by a value.
///
/// # Safety
/// The cell exists and the accumulator has two planes.
unsafe fn multiply_complex(cells: Cells, cell: usize, value: Complex64) {
    // SAFETY: the contract above.
    unsafe {
        let (re, im) = (cells.plane::<f64>(0).add(cell), cells.plane::<f64>(1).add(cell));
        (*re, *im) = (*re * value.re - *im * value.im, *re * value.im + *im * value.re);
    }
}

unsafe fn complex_product_rows(_: &Context, cells: Cells, tile: Rows) {
    for row in 0..tile.rows {
        for column in 0..tile.columns {
            // SAFETY: see `Loops`.
            unsafe {
                let value = tile.values.cast::<Complex64>().add(row * tile.columns + column).read();
                multiply_complex(cells, tile.first + row * tile.step, value);
            }
        }
    }
}

unsafe fn complex_product_columns(_: &Context, cells: Cells, run: Columns) {
    for i in 0..run.count {
        // SAFETY: see `Loops`.
        unsafe { multiply_complex(cells, run.first + i, run.values.cast::<Complex64>().add(i).read()) };
    }
}

pub(super) const PROD_C128: Loops =
    Loops { initialise: one_complex, rows: complex_product_rows, columns: complex_product_columns };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compensation_keeps_what_addition_loses() {
        let (mut sum, mut lost) = (1e16, 0.0);
        for _ in 0..1000 {
            (sum, lost) = compensated(sum, lost, 1.0);
        }
        assert_eq!(compensated_value(sum, lost), 1e16 + 1000.0);
        let (sum, lost) = compensated(f64::INFINITY, 0.0, 1.0);
        assert_eq!(compensated_value(sum, lost), f64::INFINITY);
    }
}
