//! Sorting of more than one block: what is done with each sorted run, so that runs can be cut at exact ranks and joined.
//!
//! Elements are ordered by value, then by run, then by place in the run, so that equal ones are cut as well. Regular samples
//! of the runs (H. Shi and J. Schaeffer, "Parallel sorting by regular sampling", 1992) bound the place of each cut in each
//! run; the elements between the bounds, the window, decide.

// Runs are walked by number: what belongs to one lies in several lists.
#![allow(clippy::needless_range_loop)]

use raskr_base::{Chunk, ChunkMut, DType};

use super::copy::{into_owned, to_contiguous};
use super::number::dense;
use super::sort::{ascending_keys, complex_order, sort_positions};
use super::sort_keys::{Ordered, sort_pairs, with_ordered};
use super::take::gather;
use crate::error::KernelError;

/// Elements of a joined block that are sorted at a time, so that they fit the cache.
const PART: usize = 1 << 16;
/// Sampled elements for each part of a joined block.
const SAMPLED: usize = 8;

/// Every `step`-th element of a run, from the `step`-th on.
pub fn sample(run: &Chunk, step: usize) -> Result<Chunk, KernelError> {
    let count = run.len() / step;
    let view =
        run.with_layout(&[count], &[step as isize], if count == 0 { run.offset() } else { run.offset() + step - 1 });
    view.map(|view| into_owned(view).freeze()).ok_or_else(|| shape("a run of one dimension", run))
}

fn shape(expected: &str, got: &Chunk) -> KernelError {
    KernelError::Shape { expected: expected.to_string(), got: format!("shape {:?}", got.shape()) }
}

/// For each rank in `ranks` (ascending) and each run, between which two places of the run the elements before that rank end:
/// an `int64` block of shape `(runs, ranks, 2)`. `samples` are those that [`sample`] takes of each run.
pub fn windows(samples: &[Chunk], lengths: &[usize], step: usize, ranks: &[u64]) -> Result<Chunk, KernelError> {
    let runs = samples.len();
    let mut out = ChunkMut::new(DType::I64, &[runs, ranks.len(), 2]);
    let bounds = out.as_mut_slice::<i64>();
    let dtype = samples.first().map_or(DType::I64, Chunk::dtype);
    with_ordered!(dtype, T, K => {
        let mut all: Vec<(<K as Ordered<T>>::Key, u32)> = Vec::with_capacity(samples.iter().map(Chunk::len).sum());
        for (run, sample) in (0u32..).zip(samples) {
            all.extend(dense::<T>(sample).iter().map(|&x| (<K as Ordered<T>>::order(x), run)));
        }
        // Stable, so that samples of a run stay in their order.
        all.sort();
        let mut passed = vec![0usize; runs];
        let mut next = 0;
        // The elements up to the m-th sample are at least `m * step`, and at most `step - 1` more in each run.
        let slack = (runs * (step - 1)) as u64;
        for (number, &rank) in ranks.iter().enumerate() {
            while next < all.len() && (next as u64 + 1) * step as u64 + slack <= rank {
                passed[all[next].1 as usize] += 1;
                next += 1;
            }
            let mut upper = passed.clone();
            let mut after = next;
            while after < all.len() && (after as u64) * (step as u64) < rank {
                upper[all[after].1 as usize] += 1;
                after += 1;
            }
            // Without so many samples, all that is left may be needed.
            let complete = (after as u64) * (step as u64) >= rank;
            for run in 0..runs {
                let place = (run * ranks.len() + number) * 2;
                bounds[place] = (passed[run] * step) as i64;
                let high = if complete { (upper[run] + 1) * step - 1 } else { lengths[run] };
                bounds[place + 1] = high.min(lengths[run]) as i64;
            }
        }
    });
    Ok(out.freeze())
}

/// The elements of a run that lie in its windows, one window after the other.
pub fn in_windows(run: &Chunk, bounds: &Chunk, number: usize) -> Result<Chunk, KernelError> {
    let pieces = window_bounds(bounds, number)?
        .iter()
        .map(|&[low, high]| slice(run, low, high))
        .collect::<Result<Vec<_>, _>>()?;
    if pieces.is_empty() {
        return slice(run, 0, 0);
    }
    super::copy::concatenate(&pieces, 0)
}

/// The windows of one run.
fn window_bounds(bounds: &Chunk, run: usize) -> Result<&[[i64; 2]], KernelError> {
    let &[runs, ranks, 2] = bounds.shape() else { return Err(shape("bounds of windows", bounds)) };
    let (pairs, _) = dense::<i64>(bounds).as_chunks::<2>();
    if run >= runs || pairs.len() != runs * ranks {
        return Err(shape("bounds of windows", bounds));
    }
    Ok(&pairs[run * ranks..(run + 1) * ranks])
}

/// The elements of a run from one place to another.
pub fn slice(run: &Chunk, low: i64, high: i64) -> Result<Chunk, KernelError> {
    let (low, high) = (low.max(0) as usize, high.max(low) as usize);
    let view = run.with_layout(&[high - low], &[1], if high == low { run.offset() } else { run.offset() + low });
    view.filter(|_| high <= run.len()).ok_or_else(|| shape("a run of one dimension", run))
}

/// Where each run ends for each rank: an `int64` block of shape `(runs, ranks)`. `found` are the elements of each run's
/// windows, as [`in_windows`] gives them.
pub fn cuts(found: &[Chunk], bounds: &Chunk, ranks: &[u64]) -> Result<Chunk, KernelError> {
    let runs = found.len();
    let mut out = ChunkMut::new(DType::I64, &[runs, ranks.len()]);
    let places = out.as_mut_slice::<i64>();
    let windows: Vec<&[[i64; 2]]> = (0..runs).map(|run| window_bounds(bounds, run)).collect::<Result<_, _>>()?;
    let dtype = found.first().map_or(DType::I64, Chunk::dtype);
    with_ordered!(dtype, T, K => {
        let mut starts = vec![0usize; runs];
        for (number, &rank) in ranks.iter().enumerate() {
            let mut lines: Vec<Vec<<K as Ordered<T>>::Key>> = Vec::with_capacity(runs);
            let mut wanted = rank as i64;
            for run in 0..runs {
                let [low, high] = windows[run][number];
                let len = (high - low) as usize;
                let line = dense::<T>(&found[run]).get(starts[run]..starts[run] + len);
                let line = line.ok_or_else(|| shape("the elements of the windows", &found[run]))?;
                lines.push(line.iter().map(|&x| <K as Ordered<T>>::order(x)).collect());
                starts[run] += len;
                wanted -= low;
            }
            let mut all: Vec<_> = lines.iter().flatten().copied().collect();
            let Some(last) = (wanted as usize).checked_sub(1).filter(|&last| wanted > 0 && last < all.len()) else {
                // All windows are passed over, or all are taken.
                for run in 0..runs {
                    places[run * ranks.len() + number] = windows[run][number][usize::from(wanted > 0)];
                }
                continue;
            };
            let key = *all.select_nth_unstable(last).1;
            let below: Vec<usize> = lines.iter().map(|line| line.partition_point(|&x| x < key)).collect();
            let mut equal = wanted as usize - below.iter().sum::<usize>();
            for run in 0..runs {
                let equals = lines[run].partition_point(|&x| x <= key) - below[run];
                let taken = equals.min(equal);
                equal -= taken;
                places[run * ranks.len() + number] = windows[run][number][0] + (below[run] + taken) as i64;
            }
        }
    });
    Ok(out.freeze())
}

/// The pieces of sorted runs that make one block, sorted. They are cut into parts that fit the cache by separators from
/// samples, and each part is sorted by itself.
pub fn join(pieces: &[Chunk]) -> Result<Chunk, KernelError> {
    let total = pieces.iter().map(Chunk::len).sum::<usize>();
    let dtype = pieces.first().map_or(DType::I64, Chunk::dtype);
    if let [only] = pieces {
        return Ok(only.clone());
    }
    let mut out = ChunkMut::new(dtype, &[total]);
    with_ordered!(dtype, T, K => {
        let lines: Vec<&[T]> = pieces.iter().map(dense::<T>).collect();
        let mut rest = out.as_mut_slice::<T>();
        for part in parts(&lines, total, &|x: &T| <K as Ordered<T>>::order(*x)) {
            let (these, others) = rest.split_at_mut(part.iter().map(|range| range.len()).sum());
            let mut filled = 0;
            let mut several = 0;
            for (line, range) in lines.iter().zip(part) {
                several += usize::from(!range.is_empty());
                these[filled..filled + range.len()].copy_from_slice(&line[range.clone()]);
                filled += range.len();
            }
            if several > 1 {
                <K as Ordered<T>>::sort(these);
            }
            rest = others;
        }
    });
    Ok(out.freeze())
}

/// Ranges of each sorted line, part by part: all of a part's elements are not above those of the next.
fn parts<T, Key: Copy + Ord>(
    lines: &[&[T]],
    total: usize,
    key: &dyn Fn(&T) -> Key,
) -> Vec<Vec<std::ops::Range<usize>>> {
    let count = total.div_ceil(PART).max(1);
    let step = (total / (count * SAMPLED)).max(1);
    let mut sample: Vec<Key> =
        lines.iter().flat_map(|line| line.iter().skip(step / 2).step_by(step)).map(key).collect();
    sample.sort_unstable();
    let mut from = vec![0usize; lines.len()];
    let mut all = Vec::with_capacity(count);
    for part in 1..=count {
        let separator = sample.get(part * sample.len() / count);
        let ranges = lines.iter().zip(&mut from).map(|(line, from)| {
            let end = match separator {
                Some(separator) if part < count => *from + line[*from..].partition_point(|x| key(x) <= *separator),
                _ => line.len(),
            };
            let range = *from..end;
            *from = end;
            range
        });
        all.push(ranges.collect());
    }
    all
}

/// A run of keys and of the positions that they had: the keys of `argsort`, sorted. Positions count from `from`.
pub fn position_run(elements: &Chunk, from: i64) -> Result<(Chunk, Chunk), KernelError> {
    let line = to_contiguous(elements);
    let mut order = ChunkMut::new(DType::I64, &[line.len()]);
    if let Some((mut keys, short)) = ascending_keys(&line) {
        sort_positions(&mut keys, short, from, order.as_mut_slice::<i64>());
        return Ok((Chunk::from_slice(&keys, &[keys.len()]), order.freeze()));
    }
    let places = complex_order(&line);
    for (out, place) in order.as_mut_slice::<i64>().iter_mut().zip(&places) {
        *out = place + from;
    }
    Ok((gather(&line, 0, &places)?, order.freeze()))
}

/// The positions of pieces of [`position_run`]s that make one block, in the order of their keys. `pieces` are those of runs
/// one after another, so that positions of equal keys are in ascending order already.
pub fn join_positions(keys: &[Chunk], positions: &[Chunk]) -> Result<Chunk, KernelError> {
    let total = keys.iter().map(Chunk::len).sum::<usize>();
    if let [only] = positions {
        return Ok(only.clone());
    }
    let dtype = keys.first().map_or(DType::I64, Chunk::dtype);
    let mut out = ChunkMut::new(DType::I64, &[total]);
    let places: Vec<&[i64]> = positions.iter().map(dense::<i64>).collect();
    with_ordered!(dtype, T, K => {
        let lines: Vec<&[T]> = keys.iter().map(dense::<T>).collect();
        let mut rest = out.as_mut_slice::<i64>();
        for part in parts(&lines, total, &|x: &T| <K as Ordered<T>>::order(*x)) {
            let (these, others) = rest.split_at_mut(part.iter().map(|range| range.len()).sum());
            let mut filled = 0;
            for (place, range) in places.iter().zip(&part) {
                these[filled..filled + range.len()].copy_from_slice(&place[range.clone()]);
                filled += range.len();
            }
            if dtype == DType::I64 {
                let mut own: Vec<i64> = Vec::with_capacity(these.len());
                for (run, range) in part.iter().enumerate() {
                    own.extend_from_slice(&dense::<i64>(&keys[run])[range.clone()]);
                }
                sort_pairs(&mut own, these);
            } else {
                let keys = lines.iter().zip(&part).flat_map(|(line, range)| &line[range.clone()]);
                let mut pairs: Vec<_> = keys.map(|&x| <K as Ordered<T>>::order(x)).zip(these.iter().copied()).collect();
                pairs.sort_unstable();
                for (out, (_, place)) in these.iter_mut().zip(pairs) {
                    *out = place;
                }
            }
            rest = others;
        }
    });
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sort::sort_axis;
    use super::*;

    fn line(values: &[f64]) -> Chunk {
        Chunk::from_slice(values, &[values.len()])
    }

    proptest! {
        #[test]
        fn runs_are_cut_at_exact_ranks_whatever_the_step(
            runs in prop::collection::vec(prop::collection::vec(0u8..12, 0..40), 1..6),
            step in 1usize..9,
            shares in prop::collection::vec(0u8..=100, 0..5),
        ) {
            let runs: Vec<Vec<f64>> = runs
                .iter()
                .map(|run| run.iter().map(|&x| if x == 11 { f64::NAN } else { f64::from(x) }).collect())
                .collect();
            let total = runs.iter().map(Vec::len).sum::<usize>();
            let mut ranks: Vec<u64> = shares.iter().map(|&share| u64::from(share) * total as u64 / 100).collect();
            ranks.sort_unstable();
            let lengths: Vec<usize> = runs.iter().map(Vec::len).collect();
            let sorted: Vec<Chunk> = runs.iter().map(|run| sort_axis(line(run), 0).expect("an axis")).collect();
            let samples: Vec<Chunk> = sorted.iter().map(|run| sample(run, step).expect("a run")).collect();
            let bounds = windows(&samples, &lengths, step, &ranks).expect("samples");
            let found: Vec<Chunk> =
                (0..runs.len()).map(|run| in_windows(&sorted[run], &bounds, run).expect("a run")).collect();
            let places = cuts(&found, &bounds, &ranks).expect("windows");
            let places = dense::<i64>(&places);
            let all: Vec<f64> = runs.concat();
            let expected = sort_axis(line(&all), 0).expect("an axis");
            let mut joined: Vec<f64> = Vec::new();
            for block in 0..=ranks.len() {
                let pieces: Vec<Chunk> = (0..runs.len())
                    .map(|run| {
                        let low = if block == 0 { 0 } else { places[run * ranks.len() + block - 1] };
                        let end = lengths[run] as i64;
                        let high = if block == ranks.len() { end } else { places[run * ranks.len() + block] };
                        slice(&sorted[run], low, high).expect("inside")
                    })
                    .collect();
                joined.extend_from_slice(dense::<f64>(&join(&pieces).expect("pieces")));
                let upto = ranks.get(block).map_or(total, |rank| *rank as usize);
                prop_assert_eq!(joined.len(), upto);
            }
            let same = joined.iter().zip(dense::<f64>(&expected)).all(|(a, b)| a == b || a.is_nan() && b.is_nan());
            prop_assert!(same);
        }

        #[test]
        fn joined_positions_keep_the_order_of_equals(
            runs in prop::collection::vec(prop::collection::vec(0u8..6, 0..40), 1..5),
            wide in any::<bool>(),
        ) {
            let (mut keys, mut positions, mut from) = (Vec::new(), Vec::new(), 0);
            for run in &runs {
                let elements = match wide {
                    true => line(&run.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()),
                    false => Chunk::from_slice(run, &[run.len()]),
                };
                let (run_keys, run_positions) = position_run(&elements, from).expect("a run");
                keys.push(run_keys);
                positions.push(run_positions);
                from += run.len() as i64;
            }
            let all = runs.concat();
            let mut expected: Vec<i64> = (0..all.len() as i64).collect();
            expected.sort_by_key(|&i| all[i as usize]);
            let joined = join_positions(&keys, &positions).expect("pieces");
            prop_assert_eq!(dense::<i64>(&joined), &expected[..]);
        }
    }

    #[test]
    fn large_pieces_are_joined_part_by_part() {
        let values: Vec<f64> = (0..300_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64).collect();
        let pieces: Vec<Chunk> =
            values.chunks(110_000).map(|piece| sort_axis(line(piece), 0).expect("an axis")).collect();
        let expected = sort_axis(line(&values), 0).expect("an axis");
        assert_eq!(dense::<f64>(&join(&pieces).expect("pieces")), dense::<f64>(&expected));
    }
}
