//! Count, mean and sum of squared deviations.
//!
//! A row is taken in two passes (mean, then deviations) and merged by the formula of Chan, Golub and LeVeque ("Updating
//! formulae and a pairwise algorithm for computing sample variances", 1979); columns follow Welford (1962).
// `unsafe` is allowed here: the loops read raw tile memory and write raw cells, as `Loops` says.
#![allow(unsafe_code)]

use super::sum::{sum_row, tree};
use super::{Cells, Columns, Loops, Rows};
use crate::program::kernel::{Context, LANES};

/// Count, mean and sum of squared deviations of the union of two sets.
#[inline(always)]
pub(crate) fn merge(a: (f64, f64, f64), b: (f64, f64, f64)) -> (f64, f64, f64) {
    if a.0 == 0.0 {
        return b;
    }
    if b.0 == 0.0 {
        return a;
    }
    let count = a.0 + b.0;
    let difference = b.1 - a.1;
    (count, a.1 + difference * (b.0 / count), a.2 + b.2 + difference * difference * (a.0 * (b.0 / count)))
}

#[inline(always)]
fn deviations(values: &[f64], mean: f64) -> f64 {
    if values.len() < LANES {
        return values.iter().fold(0.0, |sum, value| sum + (value - mean) * (value - mean));
    }
    let mut lanes = [0.0; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for i in 0..LANES {
            let deviation = group[i] - mean;
            lanes[i] += deviation * deviation;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        let deviation = value - mean;
        *lane += deviation * deviation;
    }
    tree(lanes)
}

unsafe fn initialise(cells: Cells) {
    // SAFETY: three planes of a word for each cell.
    unsafe { cells.plane::<u64>(0).write_bytes(0, cells.count * 3) };
}

/// Merges a set into a cell.
///
/// # Safety
/// The cell exists and the accumulator has three planes.
#[inline(always)]
unsafe fn merge_cell(cells: Cells, cell: usize, set: (f64, f64, f64)) {
    // SAFETY: the contract above.
    unsafe {
        let (count, mean, squares) =
            (cells.plane::<f64>(0).add(cell), cells.plane::<f64>(1).add(cell), cells.plane::<f64>(2).add(cell));
        (*count, *mean, *squares) = merge((*count, *mean, *squares), set);
    }
}

unsafe fn rows(context: &Context, cells: Cells, tile: Rows) {
    context.widest(
        #[inline(always)]
        || {
            for row in 0..tile.rows {
                // SAFETY: see `Loops`.
                unsafe {
                    let start = tile.values.cast::<f64>().add(row * tile.columns);
                    let values = std::slice::from_raw_parts(start, tile.columns);
                    let mean = sum_row(values) / tile.columns as f64;
                    let set = (tile.columns as f64, mean, deviations(values, mean));
                    merge_cell(cells, tile.first + row * tile.step, set);
                }
            }
        },
    );
}

unsafe fn columns(context: &Context, cells: Cells, run: Columns) {
    // SAFETY: see `Loops`; planes and tile memory are apart.
    let (means, squares, values) = unsafe {
        (
            std::slice::from_raw_parts_mut(cells.plane::<f64>(1).add(run.first), run.count),
            std::slice::from_raw_parts_mut(cells.plane::<f64>(2).add(run.first), run.count),
            std::slice::from_raw_parts(run.values.cast::<f64>(), run.count),
        )
    };
    let share = 1.0 / (run.ordinal + 1) as f64;
    context.widest(
        #[inline(always)]
        || {
            for ((mean, squares), value) in means.iter_mut().zip(squares.iter_mut()).zip(values) {
                let deviation = value - *mean;
                *mean += deviation * share;
                *squares += deviation * (value - *mean);
            }
        },
    );
}

pub(super) const MOMENTS: Loops = Loops { initialise, rows, columns };

#[inline(always)]
fn present(values: &[f64]) -> (f64, f64) {
    if values.len() < LANES {
        let add = |(count, sum), value: &f64| if value.is_nan() { (count, sum) } else { (count + 1.0, sum + value) };
        return values.iter().fold((0.0, 0.0), add);
    }
    let (mut counts, mut sums) = ([0.0; LANES], [0.0; LANES]);
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for i in 0..LANES {
            counts[i] += if group[i].is_nan() { 0.0 } else { 1.0 };
            sums[i] += if group[i].is_nan() { 0.0 } else { group[i] };
        }
    }
    for (i, value) in rest.iter().enumerate() {
        counts[i] += if value.is_nan() { 0.0 } else { 1.0 };
        sums[i] += if value.is_nan() { 0.0 } else { *value };
    }
    (tree(counts), tree(sums))
}

#[inline(always)]
fn present_deviations(values: &[f64], mean: f64) -> f64 {
    if values.len() < LANES {
        let present = values.iter().filter(|value| !value.is_nan());
        return present.fold(0.0, |sum, value| sum + (value - mean) * (value - mean));
    }
    let mut lanes = [0.0; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for i in 0..LANES {
            let deviation = if group[i].is_nan() { 0.0 } else { group[i] - mean };
            lanes[i] += deviation * deviation;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        let deviation = if value.is_nan() { 0.0 } else { value - mean };
        *lane += deviation * deviation;
    }
    tree(lanes)
}

unsafe fn nan_rows(context: &Context, cells: Cells, tile: Rows) {
    context.widest(
        #[inline(always)]
        || {
            for row in 0..tile.rows {
                // SAFETY: see `Loops`.
                unsafe {
                    let start = tile.values.cast::<f64>().add(row * tile.columns);
                    let values = std::slice::from_raw_parts(start, tile.columns);
                    let (count, sum) = present(values);
                    if count > 0.0 {
                        let mean = sum / count;
                        let set = (count, mean, present_deviations(values, mean));
                        merge_cell(cells, tile.first + row * tile.step, set);
                    }
                }
            }
        },
    );
}

unsafe fn nan_columns(context: &Context, cells: Cells, run: Columns) {
    // SAFETY: see `Loops`; planes and tile memory are apart.
    let (counts, means, squares, values) = unsafe {
        (
            std::slice::from_raw_parts_mut(cells.plane::<f64>(0).add(run.first), run.count),
            std::slice::from_raw_parts_mut(cells.plane::<f64>(1).add(run.first), run.count),
            std::slice::from_raw_parts_mut(cells.plane::<f64>(2).add(run.first), run.count),
            std::slice::from_raw_parts(run.values.cast::<f64>(), run.count),
        )
    };
    context.widest(
        #[inline(always)]
        || {
            for (((count, mean), squares), value) in
                counts.iter_mut().zip(means.iter_mut()).zip(squares.iter_mut()).zip(values)
            {
                let nan = value.is_nan();
                let grown = *count + 1.0;
                let deviation = value - *mean;
                let moved = *mean + deviation / grown;
                let added = deviation * (value - moved);
                *count = if nan { *count } else { grown };
                *squares += if nan { 0.0 } else { added };
                *mean = if nan { *mean } else { moved };
            }
        },
    );
}

pub(super) const NAN_MOMENTS: Loops = Loops { initialise, rows: nan_rows, columns: nan_columns };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_sets_have_the_moments_of_their_union() {
        let merged = merge((2.0, 1.5, 0.5), (2.0, 3.5, 0.5));
        assert_eq!(merged, (4.0, 2.5, 5.0));
        assert_eq!(merge((0.0, 0.0, 0.0), (1.0, 7.0, 0.0)), (1.0, 7.0, 0.0));
    }
}
