//! Counting: how many elements, or what weights, fall into bins between edges, or belong to each whole number.
//!
//! Bins are closed on the left and open on the right, but for the last, which has both its edges (`numpy.histogram`).

use raskr_base::{Chunk, ChunkMut, DType};

use super::copy::to_contiguous;
use super::number::dense;
use crate::error::KernelError;

/// Bins along one axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Bins {
    /// Left edges.
    lower: Vec<f64>,
    /// Right edges; that of the last bin is infinity, since what lies beyond it is left out beforehand.
    upper: Vec<f64>,
    last: f64,
    /// Bins a unit, where all are of about the same width: a guess is then at most one bin off.
    scale: Option<f64>,
}

impl Bins {
    /// Bins between ascending edges, of which there are at least two.
    pub fn new(edges: &[f64]) -> Result<Bins, KernelError> {
        let ascending = edges.windows(2).all(|pair| pair[0] <= pair[1]);
        let (Some(&first), Some(&last), true) = (edges.first(), edges.last(), ascending && edges.len() > 1) else {
            return Err(KernelError::Value(format!("expected two ascending edges of bins or more, got {edges:?}")));
        };
        let count = edges.len() - 1;
        let width = (last - first) / count as f64;
        let even = width.is_finite()
            && width > 0.0
            && (1.0 / width).is_finite()
            && edges.iter().enumerate().all(|(i, edge)| (edge - (first + i as f64 * width)).abs() < 0.25 * width);
        let mut upper = edges[1..].to_vec();
        upper[count - 1] = f64::INFINITY;
        Ok(Bins { lower: edges[..count].to_vec(), upper, last, scale: even.then_some(1.0 / width) })
    }

    pub fn len(&self) -> usize {
        self.lower.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// The edges as they were given.
    pub fn edges(&self) -> Vec<f64> {
        let count = self.upper.len().saturating_sub(1);
        self.lower.iter().take(1).chain(&self.upper[..count]).copied().chain([self.last]).collect()
    }

    /// Writes the bin of each element; the number of bins for what lies in none, NaN included.
    fn places(&self, values: &[f64], places: &mut [u32]) {
        let (first, end) = (self.lower[0], self.lower.len() as u32);
        match self.scale {
            Some(scale) => {
                for (place, &x) in places.iter_mut().zip(values) {
                    let inside = x >= first && x <= self.last;
                    let guess = (((x - first) * scale) as u32).min(end - 1);
                    let guess = guess - u32::from(guess > 0 && x < self.lower[guess as usize]);
                    let guess = guess + u32::from(x >= self.upper[guess as usize]);
                    *place = if inside { guess } else { end };
                }
            }
            None => {
                for (place, &x) in places.iter_mut().zip(values) {
                    let inside = x >= first && x <= self.last;
                    // The last bin has its right edge too, and is the only one that may be empty there.
                    let at = self.upper.partition_point(|edge| *edge <= x) as u32;
                    *place = if inside { at.min(end - 1) } else { end };
                }
            }
        }
    }
}

/// What is counted.
#[derive(Clone, PartialEq, Debug)]
pub enum Counting {
    /// Each whole number from 0 on, at least so many (`numpy.bincount`).
    Numbers { least: usize },
    /// Points of as many coordinates as there are axes (`numpy.histogramdd`).
    Bins(Vec<Bins>),
}

/// Elements that are placed together.
const PIECE: usize = 1024;
/// Up to so many bins are counted in several copies, so that equal neighbours need not wait for each other.
const COPIED_MAX: usize = 1 << 12;
const COPIES: usize = 4;

enum Totals {
    Counts(Vec<i64>),
    Weights(Vec<f64>),
}

/// Counts under way.
pub struct Counter<'a> {
    how: &'a Counting,
    totals: Totals,
    /// Cells, one more than there are bins for what lies in none.
    cells: usize,
    copies: usize,
}

impl<'a> Counter<'a> {
    pub fn new(how: &'a Counting, weighted: bool) -> Result<Counter<'a>, KernelError> {
        let cells = match how {
            Counting::Numbers { least } => Some(*least),
            Counting::Bins(axes) => axes
                .iter()
                .try_fold(1usize, |cells, bins| cells.checked_mul(bins.len()))
                .and_then(|cells| cells.checked_add(1))
                .filter(|cells| u32::try_from(*cells).is_ok()),
        };
        let Some(cells) = cells else {
            return Err(KernelError::Value("expected fewer than 2^32 bins".to_string()));
        };
        let spread = matches!(how, Counting::Bins(_)) && cells <= COPIED_MAX;
        let copies = if spread { COPIES } else { 1 };
        let mut counter = Counter {
            how,
            totals: if weighted { Totals::Weights(Vec::new()) } else { Totals::Counts(Vec::new()) },
            cells: 0,
            copies,
        };
        counter.grow(cells)?;
        Ok(counter)
    }

    fn grow(&mut self, cells: usize) -> Result<(), KernelError> {
        fn lengthen<T: Clone + Default>(totals: &mut Vec<T>, len: usize) -> Result<(), KernelError> {
            totals
                .try_reserve_exact(len.saturating_sub(totals.len()))
                .map_err(|_| KernelError::Value(format!("no memory for the counts of {len} numbers")))?;
            totals.resize(len, T::default());
            Ok(())
        }
        self.cells = cells;
        match &mut self.totals {
            Totals::Counts(totals) => lengthen(totals, cells * self.copies),
            Totals::Weights(totals) => lengthen(totals, cells * self.copies),
        }
    }

    /// Counts elements: an int64 chunk of numbers, or a float64 chunk for each axis of bins; float64 weights of the same
    /// length, if any.
    pub fn add(&mut self, samples: &[Chunk], weights: Option<&Chunk>) -> Result<(), KernelError> {
        let samples: Vec<Chunk> = samples.iter().map(to_contiguous).collect();
        let weights = weights.map(to_contiguous);
        let len = samples.first().map_or(0, Chunk::len);
        let wanted = if matches!(self.how, Counting::Numbers { .. }) { DType::I64 } else { DType::F64 };
        for (index, chunk) in samples.iter().chain(&weights).enumerate() {
            let dtype = if index == samples.len() { DType::F64 } else { wanted };
            if chunk.len() != len || chunk.dtype() != dtype {
                return Err(KernelError::Operand {
                    index,
                    expected: format!("{len} elements of {dtype}"),
                    got: format!("{} elements of {}", chunk.len(), chunk.dtype()),
                });
            }
        }
        let weights = weights.as_ref().map(dense::<f64>);
        match self.how {
            Counting::Numbers { .. } => {
                samples.first().map_or(Ok(()), |chunk| self.add_numbers(dense::<i64>(chunk), weights))
            }
            Counting::Bins(axes) => {
                self.add_points(axes, &samples, weights);
                Ok(())
            }
        }
    }

    fn add_numbers(&mut self, numbers: &[i64], weights: Option<&[f64]>) -> Result<(), KernelError> {
        let (least, greatest) =
            numbers.iter().fold((0, -1), |(least, greatest): (i64, i64), &x| (least.min(x), greatest.max(x)));
        if least < 0 {
            return Err(KernelError::Value(format!("expected no negative numbers to count, got {least}")));
        }
        if greatest >= self.cells as i64 {
            let cells = usize::try_from(greatest).ok().and_then(|n| n.checked_add(1));
            self.grow(cells.ok_or_else(|| KernelError::Value(format!("{greatest} is too large to be counted")))?)?;
        }
        match (&mut self.totals, weights) {
            (Totals::Counts(totals), _) => numbers.iter().for_each(|&x| totals[x as usize] += 1),
            (Totals::Weights(totals), Some(weights)) => {
                numbers.iter().zip(weights).for_each(|(&x, weight)| totals[x as usize] += weight);
            }
            (Totals::Weights(totals), None) => numbers.iter().for_each(|&x| totals[x as usize] += 1.0),
        }
        Ok(())
    }

    fn add_points(&mut self, axes: &[Bins], samples: &[Chunk], weights: Option<&[f64]>) {
        let (mut places, mut along) = ([0u32; PIECE], [0u32; PIECE]);
        let outside = (self.cells - 1) as u32;
        let len = samples.first().map_or(0, Chunk::len);
        for start in (0..len).step_by(PIECE) {
            let count = PIECE.min(len - start);
            for (axis, (bins, chunk)) in axes.iter().zip(samples).enumerate() {
                let values = &dense::<f64>(chunk)[start..start + count];
                if axis == 0 {
                    bins.places(values, &mut places);
                    continue;
                }
                bins.places(values, &mut along);
                let before = axes[..axis].iter().map(Bins::len).product::<usize>() as u32;
                let end = bins.len() as u32;
                for (place, &at) in places.iter_mut().zip(&along[..count]) {
                    *place = if *place >= before || at == end { u32::MAX } else { *place * end + at };
                }
            }
            let places = &mut places[..count];
            places.iter_mut().for_each(|place| *place = (*place).min(outside));
            match &mut self.totals {
                Totals::Counts(totals) if self.copies == COPIES => {
                    let (groups, rest) = places.as_chunks::<COPIES>();
                    for group in groups {
                        for (copy, &place) in group.iter().enumerate() {
                            totals[copy * self.cells + place as usize] += 1;
                        }
                    }
                    rest.iter().for_each(|&place| totals[place as usize] += 1);
                }
                Totals::Counts(totals) => places.iter().for_each(|&place| totals[place as usize] += 1),
                Totals::Weights(totals) => {
                    let weights = weights.unwrap_or_default().get(start..start + count).unwrap_or_default();
                    places.iter().zip(weights).for_each(|(&place, weight)| totals[place as usize] += weight);
                }
            }
        }
    }

    /// The counts (int64) or sums of weights (float64), row-major, as one axis.
    pub fn finish(self) -> Chunk {
        let cells = if matches!(self.how, Counting::Numbers { .. }) { self.cells } else { self.cells - 1 };
        fn merged<T: Copy + std::ops::AddAssign>(out: &mut [T], totals: &[T], stride: usize, copies: usize) {
            out.copy_from_slice(&totals[..out.len()]);
            for copy in 1..copies {
                out.iter_mut().zip(&totals[copy * stride..]).for_each(|(sum, count)| *sum += *count);
            }
        }
        match &self.totals {
            Totals::Counts(totals) => {
                let mut out = ChunkMut::new(DType::I64, &[cells]);
                merged(out.as_mut_slice::<i64>(), totals, self.cells, self.copies);
                out.freeze()
            }
            Totals::Weights(totals) => {
                let mut out = ChunkMut::new(DType::F64, &[cells]);
                merged(out.as_mut_slice::<f64>(), totals, self.cells, self.copies);
                out.freeze()
            }
        }
    }
}

/// The sums of counts, which may have different lengths: what is missing at the end is zero.
pub fn add_counts(parts: Vec<Chunk>) -> Result<Chunk, KernelError> {
    let mut parts = parts;
    // The longest one takes the others in.
    let Some(longest) = (0..parts.len()).max_by_key(|index| (parts[*index].len(), parts.len() - index)) else {
        return Err(KernelError::Value("need at least one block to count".to_string()));
    };
    let mut sum = super::copy::into_owned(parts.swap_remove(longest));
    for part in &parts {
        if part.dtype() != sum.dtype() || part.ndim() != 1 {
            return Err(KernelError::Shape {
                expected: format!("counts of {} along one axis", sum.dtype()),
                got: format!("{} of shape {:?}", part.dtype(), part.shape()),
            });
        }
        let part = to_contiguous(part);
        if part.dtype() == DType::I64 {
            sum.as_mut_slice::<i64>().iter_mut().zip(dense::<i64>(&part)).for_each(|(sum, count)| *sum += count);
        } else {
            sum.as_mut_slice::<f64>().iter_mut().zip(dense::<f64>(&part)).for_each(|(sum, weight)| *sum += weight);
        }
    }
    Ok(sum.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(edges: &[f64], x: f64) -> Option<usize> {
        let count = edges.len() - 1;
        (0..count).find(|&i| x >= edges[i] && (x < edges[i + 1] || (i == count - 1 && x == edges[count])))
    }

    proptest! {
        #[test]
        fn elements_fall_into_the_bins_that_their_edges_say(
            steps in prop::collection::vec(1u32..5, 1..9),
            even in any::<bool>(),
            start in -3.0f64..3.0,
            seeds in prop::collection::vec(-40i32..80, 0..300),
        ) {
            let mut edges = vec![start];
            for step in &steps {
                let next = edges[edges.len() - 1] + if even { 0.7 } else { f64::from(*step) * 0.5 };
                edges.push(next);
            }
            // Many elements are edges themselves.
            let values: Vec<f64> = seeds
                .iter()
                .map(|&seed| match seed {
                    79 => f64::NAN,
                    78 => f64::INFINITY,
                    seed if seed % 3 == 0 => edges[seed.unsigned_abs() as usize % edges.len()],
                    seed => f64::from(seed) * 0.1,
                })
                .collect();
            let how = Counting::Bins(vec![Bins::new(&edges).expect("ascending")]);
            let chunk = Chunk::from_slice(&values, &[values.len()]);
            let mut expected = vec![0i64; steps.len()];
            values.iter().filter_map(|&x| naive(&edges, x)).for_each(|at| expected[at] += 1);
            let mut counter = Counter::new(&how, false).expect("few");
            counter.add(std::slice::from_ref(&chunk), None).expect("fits");
            let counts = counter.finish();
            prop_assert_eq!(counts.as_slice::<i64>(), Some(&expected[..]));
            let mut counter = Counter::new(&how, true).expect("few");
            let weights = Chunk::from_slice(&vec![0.5; values.len()], &[values.len()]);
            counter.add(std::slice::from_ref(&chunk), Some(&weights)).expect("fits");
            let halves: Vec<f64> = expected.iter().map(|&n| n as f64 / 2.0).collect();
            let sums = counter.finish();
            prop_assert_eq!(sums.as_slice::<f64>(), Some(&halves[..]));
            if let Counting::Bins(axes) = &how {
                prop_assert_eq!(axes[0].edges(), edges);
            }
        }
    }

    #[test]
    fn points_are_counted_in_boxes() {
        let axes = vec![Bins::new(&[0.0, 1.0, 2.0]).expect("two"), Bins::new(&[0.0, 1.0, 5.0, 6.0]).expect("three")];
        let how = Counting::Bins(axes);
        let mut counter = Counter::new(&how, false).expect("few");
        let x = Chunk::from_slice(&[0.5, 1.5, 2.0, 3.0, 0.5], &[5]);
        let y = Chunk::from_slice(&[0.5, 4.0, 6.0, 0.0, -1.0], &[5]);
        counter.add(&[x, y], None).expect("fits");
        assert_eq!(counter.finish().as_slice::<i64>(), Some(&[1, 0, 0, 0, 1, 1][..]));
    }

    #[test]
    fn numbers_are_counted_and_counts_of_several_blocks_added() {
        let how = Counting::Numbers { least: 2 };
        let count = |numbers: &[i64]| {
            let mut counter = Counter::new(&how, false).expect("few");
            counter.add(&[Chunk::from_slice(numbers, &[numbers.len()])], None).map(|()| counter.finish())
        };
        let parts = vec![count(&[]).expect("none"), count(&[3, 1, 3]).expect("three"), count(&[0]).expect("one")];
        assert_eq!(add_counts(parts).expect("alike").as_slice::<i64>(), Some(&[1, 1, 0, 2][..]));
        assert!(count(&[-1]).is_err() && count(&[i64::MAX]).is_err());
        assert!(Bins::new(&[1.0]).is_err() && Bins::new(&[2.0, 1.0]).is_err() && Bins::new(&[f64::NAN, 1.0]).is_err());
    }
}
