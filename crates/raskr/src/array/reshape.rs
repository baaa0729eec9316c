//! Reshaping: chunks are first made to hold whole runs of the new axes, then each is reshaped on its own.

use std::sync::Arc;

use raskr_array::grid::{Axis, Grid, shape_words};
use raskr_array::{ArrayError, Expr};
use raskr_kernels::program::Scalar;

use super::chunks::Shape;
use super::{Array, Built, native};

/// Neighbouring axes that hold the same elements before and after: axes `from` of the input, `to` of the result.
struct Group {
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
}

/// The smallest groups of axes with equal numbers of elements. Neither shape has an axis of length zero.
fn groups(from: &[u64], to: &[u64]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        let (start_i, start_j) = (i, j);
        let (mut have, mut want) = (1u64, 1u64);
        loop {
            if have <= want && i < from.len() && (have < want || i == start_i) {
                have *= from[i];
                i += 1;
            } else if j < to.len() && (want < have || j == start_j) {
                want *= to[j];
                j += 1;
            } else {
                break;
            }
            if have == want && i > start_i && j > start_j {
                break;
            }
        }
        groups.push(Group { from: start_i..i, to: start_j..j });
    }
    groups
}

/// The first axis of more than one element, along which a group may stay cut.
fn leading(lengths: &[u64]) -> usize {
    lengths.iter().position(|len| *len > 1).unwrap_or(0)
}

/// How a group's axes must be cut before, and are cut after, reshaping: both in equally many blocks, in the same order.
fn cut(grid: &Grid, group: &Group, to: &[u64]) -> (Vec<Axis>, Vec<Axis>) {
    let before = &grid.axes()[group.from.clone()];
    let from: Vec<u64> = before.iter().map(Axis::len).collect();
    let to = &to[group.to.clone()];
    if from == to {
        return (before.to_vec(), before.to_vec());
    }
    let whole = |lengths: &[u64]| -> Vec<Axis> { lengths.iter().map(|len| Axis::single(*len)).collect() };
    let (mut input, mut output) = (whole(&from), whole(to));
    let (lead_in, lead_out) = (leading(&from), leading(to));
    let (Some(axis), true) = (before.get(lead_in), lead_out < to.len()) else { return (input, output) };
    // Elements in one step along the leading axis, on either side.
    let below_in: u64 = from[lead_in + 1..].iter().product();
    let below_out: u64 = to[lead_out + 1..].iter().product();
    let fits = axis.sizes().iter().all(|size| (size * below_in).is_multiple_of(below_out));
    let steps = if fits {
        axis.clone()
    } else {
        // The shortest run of steps that ends where a step of the other side does.
        let unit = lowest_common_multiple(below_in, below_out) / below_in;
        Axis::regular(axis.len(), axis.max_size().max(1).div_ceil(unit) * unit)
    };
    output[lead_out] = Axis::new(steps.sizes().iter().map(|size| size * below_in / below_out).collect::<Vec<_>>());
    input[lead_in] = steps;
    (input, output)
}

fn lowest_common_multiple(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x.max(1) * b
}

fn reshaped(expr: &Arc<Expr>, to: &[u64]) -> Built {
    let from = expr.grid().shape();
    let count = |shape: &[u64]| shape.iter().try_fold(1u64, |product, len| product.checked_mul(*len));
    if count(&from) != count(to) {
        return Err(ArrayError::Unexpected {
            operation: "reshape",
            expected: format!("a shape of as many elements as {}", shape_words(&from)),
            got: shape_words(to),
        });
    }
    if from.as_slice() == to {
        return Ok(Arc::clone(expr));
    }
    if count(to) == Some(0) {
        return Ok(Expr::full(Grid::single(to), native(expr), Scalar::I64(0), "reshape"));
    }
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for group in groups(&from, to) {
        let (before, after) = cut(expr.grid(), &group, to);
        input.extend(before);
        output.extend(after);
    }
    expr.rechunk(Grid::new(input)?)?.reshape_blocks(Grid::new(output)?)
}

impl Array {
    /// The same elements, in row-major order, as another shape.
    ///
    /// ```
    /// let x = raskr::array::arange(0, 24, 1, 5).reshape([4, 6]);
    /// assert_eq!(x.reshape([2, 2, 6]).sum([1, 2]).to_vec::<i64>()?, [66, 210]);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Array {
        let shape = shape.into().0;
        self.derive(|expr| reshaped(expr, &shape))
    }

    /// All elements along one axis, in row-major order.
    #[track_caller]
    pub fn ravel(&self) -> Array {
        self.derive(|expr| reshaped(expr, &[expr.grid().elements().unwrap_or(0)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_grouped_as_tightly_as_can_be() {
        let spans = |from: &[u64], to: &[u64]| -> Vec<((usize, usize), (usize, usize))> {
            groups(from, to).into_iter().map(|g| ((g.from.start, g.from.end), (g.to.start, g.to.end))).collect()
        };
        assert_eq!(spans(&[4, 6], &[2, 2, 6]), [((0, 1), (0, 2)), ((1, 2), (2, 3))]);
        assert_eq!(spans(&[6, 4], &[4, 6]), [((0, 2), (0, 2))]);
        assert_eq!(spans(&[2, 3, 1], &[6]), [((0, 2), (0, 1)), ((2, 3), (1, 1))]);
        assert_eq!(spans(&[], &[1, 1]), [((0, 0), (0, 1)), ((0, 0), (1, 2))]);
    }
}
