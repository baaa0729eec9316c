//! Quantiles and medians along an axis, by partitioning rather than sorting.

use half::f16;
use raskr_base::{Chunk, ChunkMut, DType, Dims, Element};
use serde::{Deserialize, Serialize};

use super::cast::Convert;
use super::copy::to_contiguous;
use super::key::{PlainKey, Sortable};
use super::number::{Number, dense};
use super::sort::axis_last;
use crate::error::KernelError;

/// How a quantile between two elements is taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum QuantileMethod {
    Linear,
    Lower,
    Higher,
    Midpoint,
    Nearest,
}

/// Elements along the axis as sortable integers, prepared for repeated partitioning.
struct Line<'a, B> {
    bits: &'a mut [B],
    /// The elements before this place are not partitioned again.
    settled: usize,
}

impl<B: Copy + Ord> Line<'_, B> {
    /// The element at a sorted position; after position p only p itself and positions above are right.
    fn at(&mut self, position: usize) -> B {
        if position >= self.settled {
            self.bits[self.settled..].select_nth_unstable(position - self.settled);
            self.settled = position + 1;
        }
        self.bits[position]
    }
}

/// Collects lines along an axis and calls `finish` with each line without its NaN; where there are none left, or there
/// was one that is not to be skipped, the results are NaN.
fn by_line<T: Number, R: Element>(
    lines: &Chunk,
    results: usize,
    skip_nan: bool,
    nan: R,
    out: &mut [R],
    finish: impl Fn(&mut Line<'_, <PlainKey as Sortable<T>>::Bits>, &mut [R]),
) where
    PlainKey: Sortable<T>,
{
    let len = lines.shape().last().copied().unwrap_or(0);
    let mut buffer = Vec::with_capacity(len);
    for (number, out) in out.chunks_exact_mut(results.max(1)).enumerate() {
        let line = &dense::<T>(lines)[number * len..][..len];
        buffer.clear();
        buffer.extend(line.iter().filter(|x| !x.is_nan()).map(|&x| PlainKey::bits(x)));
        if buffer.is_empty() || buffer.len() < len && !skip_nan {
            out.fill(nan);
        } else {
            finish(&mut Line { bits: &mut buffer, settled: 0 }, out);
        }
    }
}

/// Runs `$body` with `$T` for each real element type.
macro_rules! with_real {
    ($dtype:expr, $operation:literal, $T:ident => $body:expr) => {
        match $dtype {
            DType::Bool | DType::U8 => {
                type $T = u8;
                $body
            }
            DType::I8 => {
                type $T = i8;
                $body
            }
            DType::I16 => {
                type $T = i16;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::U16 => {
                type $T = u16;
                $body
            }
            DType::U32 => {
                type $T = u32;
                $body
            }
            DType::U64 => {
                type $T = u64;
                $body
            }
            DType::F16 => {
                type $T = f16;
                $body
            }
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            other => return Err(KernelError::NoLoop { operation: $operation.to_string(), inputs: vec![other] }),
        }
    };
}

/// The middle element along an axis, or the mean of the two (the axis is kept with length one): `float64`, or the
/// chunk's own type of float. NaN where the line has a NaN, unless they are skipped, or is empty.
pub fn median(chunk: &Chunk, axis: usize, skip_nan: bool) -> Result<Chunk, KernelError> {
    let (lines, _) = axis_last(chunk, axis)?;
    let lines = to_contiguous(&lines);
    let dtype = if chunk.dtype().is_float() { chunk.dtype() } else { DType::F64 };
    let mut shape: Dims = chunk.shape().into();
    shape[axis] = 1;
    let mut middle = vec![0.0f64; shape.iter().product()];
    with_real!(chunk.dtype(), "median", T => by_line::<T, f64>(&lines, 1, skip_nan, f64::NAN, &mut middle, |line, out| {
        let len = line.bits.len();
        let element = <PlainKey as Sortable<T>>::element;
        let (low, high) = (element(line.at((len - 1) / 2)), element(line.at(len / 2)));
        out[0] = if len % 2 == 1 { low.to_f64() } else { mean(low, high, dtype) };
    }));
    let middle = Chunk::from_slice(&middle, &shape);
    super::cast::cast(&middle, dtype)
        .ok_or(KernelError::NoLoop { operation: "median".to_string(), inputs: vec![dtype] })
}

/// The mean of two elements, computed in the result's type as NumPy does.
fn mean<T: Convert>(low: T, high: T, dtype: DType) -> f64 {
    if dtype == DType::F32 {
        f64::from((low.to_f32() + high.to_f32()) / 2.0)
    } else {
        (low.to_f64() + high.to_f64()) / 2.0
    }
}

/// Quantiles along an axis, each from 0 to 1. The quantiles become the first axis of the result, and the axis is kept with
/// length one. `float64`, except that the methods that choose an element keep its type (`float64` for a bool). NaN as in [`median`]; an empty line
/// is an error for types without NaN.
pub fn quantile(
    chunk: &Chunk,
    quantiles: &[f64],
    axis: usize,
    method: QuantileMethod,
    skip_nan: bool,
) -> Result<Chunk, KernelError> {
    if let Some(q) = quantiles.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(KernelError::Value(format!("Quantiles must be in the range [0, 1], got {q}")));
    }
    let (lines, _) = axis_last(chunk, axis)?;
    let lines = to_contiguous(&lines);
    let chooses = matches!(method, QuantileMethod::Lower | QuantileMethod::Higher | QuantileMethod::Nearest);
    if chooses && chunk.shape()[axis] == 0 && !chunk.dtype().is_float() {
        return Err(KernelError::Value("quantile of an empty axis of integers".to_string()));
    }
    let chosen = if chooses && chunk.dtype() != DType::Bool { chunk.dtype() } else { DType::F64 };
    // Ascending, so that each partition continues the one before.
    let mut order: Vec<usize> = (0..quantiles.len()).collect();
    order.sort_by(|&a, &b| quantiles[a].total_cmp(&quantiles[b]));
    let mut shape: Dims = chunk.shape().into();
    shape[axis] = 1;
    let count: usize = shape.iter().product();
    shape.push(quantiles.len());
    let mut out = ChunkMut::new(chosen, &shape);
    if count > 0 && !quantiles.is_empty() {
        with_real!(chunk.dtype(), "quantile", T => {
            let results = quantiles.len();
            let places = |len: usize, q: f64| place(len, q, method);
            let element = <PlainKey as Sortable<T>>::element;
            if chosen == DType::F64 {
                by_line::<T, f64>(&lines, results, skip_nan, f64::NAN, out.as_mut_slice(), |line, out| {
                    for &i in &order {
                        let (low, fraction) = places(line.bits.len(), quantiles[i]);
                        let a = element(line.at(low)).to_f64();
                        out[i] = if fraction == 0.0 {
                            a
                        } else {
                            let b = element(line.at((low + 1).min(line.bits.len() - 1))).to_f64();
                            interpolate(a, b, fraction)
                        };
                    }
                });
            } else {
                by_line::<T, T>(&lines, results, skip_nan, T::NAN_OR_ZERO, out.as_mut_slice(), |line, out| {
                    for &i in &order {
                        out[i] = element(line.at(places(line.bits.len(), quantiles[i]).0));
                    }
                });
            }
        });
    }
    let out = out.freeze();
    let order: Dims = [chunk.ndim()].into_iter().chain(0..chunk.ndim()).collect();
    super::view::transpose(&out, &order)
}

/// The lower element's position and the share of the next one.
fn place(len: usize, q: f64, method: QuantileMethod) -> (usize, f64) {
    let exact = (len - 1) as f64 * q;
    let low = exact.floor();
    let (low, fraction) = match method {
        QuantileMethod::Linear => (low, exact - low),
        QuantileMethod::Lower => (low, 0.0),
        QuantileMethod::Higher => (exact.ceil(), 0.0),
        QuantileMethod::Midpoint => (low, if exact == low { 0.0 } else { 0.5 }),
        QuantileMethod::Nearest => (exact.round_ties_even(), 0.0),
    };
    (low as usize, fraction)
}

/// Between a and b, from the nearer end, so that it is monotone.
fn interpolate(a: f64, b: f64, fraction: f64) -> f64 {
    let difference = b - a;
    if fraction >= 0.5 { b - difference * (1.0 - fraction) } else { a + difference * fraction }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::view::transpose;
    use super::*;

    const METHODS: [QuantileMethod; 5] = [
        QuantileMethod::Linear,
        QuantileMethod::Lower,
        QuantileMethod::Higher,
        QuantileMethod::Midpoint,
        QuantileMethod::Nearest,
    ];

    /// From a sorted copy.
    fn naive(line: &[f64], q: f64, method: QuantileMethod, skip_nan: bool) -> f64 {
        let mut sorted: Vec<f64> = line.iter().copied().filter(|x| !x.is_nan()).collect();
        if sorted.is_empty() || sorted.len() < line.len() && !skip_nan {
            return f64::NAN;
        }
        sorted.sort_by(f64::total_cmp);
        let exact = (sorted.len() - 1) as f64 * q;
        let (below, above) = (sorted[exact.floor() as usize], sorted[exact.ceil() as usize]);
        match method {
            QuantileMethod::Linear => below + (above - below) * (exact - exact.floor()),
            QuantileMethod::Lower => below,
            QuantileMethod::Higher => above,
            QuantileMethod::Midpoint => (below + above) / 2.0,
            QuantileMethod::Nearest => sorted[exact.round_ties_even() as usize],
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 || a.is_nan() && b.is_nan()
    }

    proptest! {
        #[test]
        fn agree_with_sorting(
            shape in prop::array::uniform2(1usize..12),
            axis in 0usize..2,
            method in prop::sample::select(METHODS.to_vec()),
            skip_nan in any::<bool>(),
            turned in any::<bool>(),
            quantiles in prop::collection::vec(0.0f64..=1.0, 0..5),
            seeds in prop::collection::vec(0u8..60, 144),
        ) {
            let values: Vec<f64> = seeds[..shape[0] * shape[1]]
                .iter()
                .map(|&s| if s == 59 { f64::NAN } else { f64::from(s) / 4.0 })
                .collect();
            let stored = Chunk::from_slice(&values, &shape);
            let (chunk, shape) = if turned {
                (transpose(&stored, &[1, 0]).expect("axes"), [shape[1], shape[0]])
            } else {
                (stored, shape)
            };
            let at = |i: usize, j: usize| if turned { values[j * shape[0] + i] } else { values[i * shape[1] + j] };
            let got = to_contiguous(&quantile(&chunk, &quantiles, axis, method, skip_nan).expect("valid"));
            let middle = median(&chunk, axis, skip_nan).expect("valid");
            let rest = shape[1 - axis];
            prop_assert_eq!((got.shape()[0], got.len()), (quantiles.len(), quantiles.len() * rest));
            for other in 0..rest {
                let line: Vec<f64> =
                    (0..shape[axis]).map(|k| if axis == 0 { at(k, other) } else { at(other, k) }).collect();
                for (number, &q) in quantiles.iter().enumerate() {
                    let got = dense::<f64>(&got)[number * rest + other];
                    prop_assert!(close(got, naive(&line, q, method, skip_nan)), "{} of {:?}: {}", q, line, got);
                }
                let expected = naive(&line, 0.5, QuantileMethod::Midpoint, skip_nan);
                prop_assert!(close(dense::<f64>(&middle)[other], expected));
            }
        }
    }

    #[test]
    fn types_and_errors() {
        let bytes = Chunk::from_slice(&[9u8, 1, 5, 3], &[4]);
        let median_of = |chunk: &Chunk| median(chunk, 0, false).expect("valid");
        assert_eq!(median_of(&bytes).item::<f64>(), Some(4.0));
        assert_eq!(median_of(&Chunk::from_slice(&[1.0f32, 2.0], &[2])).item::<f32>(), Some(1.5));
        let lower = quantile(&bytes, &[1.0, 0.0], 0, QuantileMethod::Lower, false).expect("valid");
        assert_eq!((lower.shape(), to_contiguous(&lower).as_slice::<u8>()), (&[2, 1][..], Some(&[9, 1][..])));
        assert!(quantile(&bytes, &[1.5], 0, QuantileMethod::Linear, false).is_err());
        assert!(quantile(&bytes, &[f64::NAN], 0, QuantileMethod::Linear, false).is_err());
        let empty = Chunk::from_slice::<u8>(&[], &[0]);
        assert!(quantile(&empty, &[0.5], 0, QuantileMethod::Lower, false).is_err());
        assert!(median_of(&empty).item::<f64>().expect("one").is_nan());
        let infinite = Chunk::from_slice(&[f64::NEG_INFINITY, 1.0, f64::INFINITY], &[3]);
        let middle = quantile(&infinite, &[0.5], 0, QuantileMethod::Linear, false).expect("valid");
        assert_eq!(middle.item::<f64>(), Some(1.0));
        assert!(median(&Chunk::from_slice(&[num_complex::Complex64::default()], &[1]), 0, false).is_err());
    }
}
