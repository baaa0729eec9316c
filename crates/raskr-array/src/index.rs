//! Affine maps: which element of an input each element of a view stands for.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::grid::{Axis, UNKNOWN};

/// A coordinate of the input, in terms of the view's axes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Coordinate {
    /// The same place for every element (a dropped or broadcast axis).
    Fixed(i64),
    /// `start + step * (place on the view's axis)`.
    Along { axis: usize, start: i64, step: i64 },
}

/// One coordinate an axis of the input.
pub type AffineMap = SmallVec<[Coordinate; 4]>;

/// Every element stands for itself.
pub fn identity(ndim: usize) -> AffineMap {
    (0..ndim).map(|axis| Coordinate::Along { axis, start: 0, step: 1 }).collect()
}

pub fn is_identity(map: &[Coordinate], ndim: usize) -> bool {
    map.len() == ndim && map.iter().enumerate().all(|(i, c)| *c == Coordinate::Along { axis: i, start: 0, step: 1 })
}

/// `inner` speaks of a view's axes, `outer` of those of a view of that view: the two in one.
pub fn compose(inner: &[Coordinate], outer: &[Coordinate]) -> AffineMap {
    inner
        .iter()
        .map(|coordinate| match *coordinate {
            Coordinate::Fixed(at) => Coordinate::Fixed(at),
            Coordinate::Along { axis, start, step } => match outer[axis] {
                Coordinate::Fixed(at) => Coordinate::Fixed(start + step * at),
                Coordinate::Along { axis, start: start2, step: step2 } => {
                    Coordinate::Along { axis, start: start + step * start2, step: step * step2 }
                }
            },
        })
        .collect()
}

/// A slice with its length worked out: `count` elements from `start` by `step`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub start: i64,
    pub step: i64,
    pub count: u64,
}

/// Python's meaning of `start:stop:step` on an axis of `len` elements.
pub fn resolve_slice(start: Option<i64>, stop: Option<i64>, step: Option<i64>, len: u64) -> Option<Run> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return None;
    }
    let len = len as i64;
    let clamp = |at: i64, low: i64, high: i64| (if at < 0 { at.saturating_add(len) } else { at }).clamp(low, high);
    let (start, stop) = if step > 0 {
        (start.map_or(0, |at| clamp(at, 0, len)), stop.map_or(len, |at| clamp(at, 0, len)))
    } else {
        (start.map_or(len - 1, |at| clamp(at, -1, len - 1)), stop.map_or(-1, |at| clamp(at, -1, len - 1)))
    };
    let span = if step > 0 { stop - start } else { start - stop };
    let count = if span <= 0 { 0 } else { (span as u64 - 1) / step.unsigned_abs() + 1 };
    Some(Run { start, step, count })
}

/// The chunks of a slice: each block keeps what it has of the elements taken, empty blocks are left out.
pub fn sliced_axis(axis: &Axis, run: Run) -> Axis {
    if !axis.is_known() {
        return axis.clone();
    }
    if run.step == 1 && run.start == 0 && run.count == axis.len() {
        return axis.clone();
    }
    let mut sizes = Vec::new();
    let mut taken = 0u64;
    let blocks: Box<dyn Iterator<Item = usize>> =
        if run.step > 0 { Box::new(0..axis.blocks()) } else { Box::new((0..axis.blocks()).rev()) };
    for block in blocks {
        let low = axis.start(block) as i64;
        let high = low + axis.sizes()[block] as i64;
        // Elements taken up to the far end of this block, counted from the slice's start.
        let reached = if run.step > 0 {
            if high <= run.start { 0 } else { (high - run.start - 1) / run.step + 1 }
        } else if low > run.start {
            0
        } else {
            (run.start - low) / -run.step + 1
        };
        let reached = (reached as u64).min(run.count);
        if reached > taken {
            sizes.push(reached - taken);
            taken = reached;
        }
    }
    Axis::new(if sizes.is_empty() { vec![0] } else { sizes })
}

/// Where along one axis of a source a block of a view lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The source's block.
    pub block: u32,
    /// The first element, counted from the block's start.
    pub offset: i64,
}

/// The block and offset that a coordinate means for the view's block `block` (the coordinate's own axis being `view`).
pub fn place(coordinate: Coordinate, source: &Axis, view: &[Axis], block: &[u32]) -> Place {
    match coordinate {
        Coordinate::Fixed(at) => {
            if !source.is_known() {
                return Place { block: 0, offset: at };
            }
            let found = source.block_of(at.max(0) as u64);
            Place { block: found as u32, offset: at - source.start(found) as i64 }
        }
        Coordinate::Along { axis, start, step } => {
            let number = block[axis];
            let same = |at: usize| {
                source.blocks() == view[axis].blocks()
                    && source.sizes()[at] == view[axis].sizes()[at]
                    && source.start(at) == view[axis].start(at)
            };
            if step == 1 && start == 0 && same(number as usize) {
                return Place { block: number, offset: 0 };
            }
            if !source.is_known() || view[axis].sizes()[number as usize] == UNKNOWN {
                return Place { block: number, offset: 0 };
            }
            let at = start + step * view[axis].start(number as usize) as i64;
            let at = at.clamp(0, (source.len() as i64 - 1).max(0));
            let found = source.block_of(at as u64);
            Place { block: found as u32, offset: at - source.start(found) as i64 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_mean_what_python_means() {
        for len in 0..6i64 {
            for start in -7..7 {
                for stop in -7..7 {
                    for step in [-3, -2, -1, 1, 2, 3] {
                        let run =
                            resolve_slice(Some(start), Some(stop), Some(step), len as u64).expect("step is not 0");
                        let mut want = Vec::new();
                        let fix = |at: i64| if at < 0 { at + len } else { at };
                        let (mut at, end) = if step > 0 {
                            (fix(start).clamp(0, len), fix(stop).clamp(0, len))
                        } else {
                            (fix(start).clamp(-1, len - 1), fix(stop).clamp(-1, len - 1))
                        };
                        while (step > 0 && at < end) || (step < 0 && at > end) {
                            want.push(at);
                            at += step;
                        }
                        let got: Vec<i64> = (0..run.count as i64).map(|i| run.start + i * run.step).collect();
                        assert_eq!(got, want, "{start}:{stop}:{step} of {len}");
                    }
                }
            }
        }
    }

    #[test]
    fn sliced_chunks_follow_their_blocks() {
        let axis = Axis::new([3, 3, 4]);
        let run = |a, b, s| resolve_slice(a, b, Some(s), 10).expect("step");
        assert_eq!(sliced_axis(&axis, run(Some(1), Some(8), 1)).sizes(), [2, 3, 2]);
        assert_eq!(sliced_axis(&axis, run(None, None, -1)).sizes(), [4, 3, 3]);
        assert_eq!(sliced_axis(&axis, run(Some(8), None, -3)).sizes(), [1, 1, 1]);
        assert_eq!(sliced_axis(&axis, run(None, None, 4)).sizes(), [1, 1, 1]);
        assert_eq!(sliced_axis(&axis, run(Some(4), Some(4), 1)).sizes(), [0]);
    }

    #[test]
    fn maps_compose() {
        let every_other = [Coordinate::Along { axis: 0, start: 1, step: 2 }];
        let backwards = [Coordinate::Along { axis: 1, start: 4, step: -1 }];
        assert_eq!(compose(&every_other, &backwards).as_slice(), [Coordinate::Along { axis: 1, start: 9, step: -2 }]);
        assert_eq!(compose(&every_other, &[Coordinate::Fixed(2)]).as_slice(), [Coordinate::Fixed(5)]);
    }
}
