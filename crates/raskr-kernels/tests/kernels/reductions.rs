//! Partial, merged and finished reductions against naive ones over any axes.

use proptest::prelude::*;
use raskr_base::{Chunk, DType, ErrorClass};
use raskr_kernels::reduce::{Ending, ReductionKind, combine, finish, reduce_chunk};

use crate::model::{arrangement, chunk, close, elements, index_of, read, read_f64, shape};

/// The kept shape and, for each kept cell, the reduced elements in row-major order.
fn grouped(values: &[f64], shape: &[usize], axes: u32) -> (Vec<usize>, Vec<Vec<f64>>) {
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| axes & (1 << axis) == 0).collect();
    let kept_shape: Vec<usize> = kept.iter().map(|axis| shape[*axis]).collect();
    let mut groups = vec![Vec::new(); elements(&kept_shape)];
    for (number, value) in values.iter().enumerate() {
        let index = index_of(number, shape);
        let cell = kept.iter().fold(0, |at, axis| at * shape[*axis] + index[*axis]);
        groups[cell].push(*value);
    }
    (kept_shape, groups)
}

fn variance(values: &[f64], ddof: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - ddof).max(0.0)
}

/// What NumPy's function of the kind yields; NaN for a mean of nothing.
fn naive(kind: ReductionKind, ending: Ending, values: &[f64]) -> f64 {
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let least = |values: &[f64]| values.iter().fold(f64::INFINITY, |a, b| if b.is_nan() { *b } else { a.min(*b) });
    let most = |values: &[f64]| values.iter().fold(f64::NEG_INFINITY, |a, b| if b.is_nan() { *b } else { a.max(*b) });
    let nan = values.iter().any(|v| v.is_nan());
    match kind {
        ReductionKind::Sum => values.iter().sum::<f64>() + 0.0,
        ReductionKind::Prod => values.iter().product(),
        ReductionKind::Min if nan => f64::NAN,
        ReductionKind::Max if nan => f64::NAN,
        ReductionKind::Min => least(values),
        ReductionKind::Max => most(values),
        ReductionKind::Any => f64::from(u8::from(values.iter().any(|v| *v != 0.0))),
        ReductionKind::All => f64::from(u8::from(values.iter().all(|v| *v != 0.0))),
        ReductionKind::CountNonzero => values.iter().filter(|v| **v != 0.0).count() as f64,
        ReductionKind::Mean => values.iter().sum::<f64>() / values.len() as f64,
        ReductionKind::NanSum => present.iter().sum::<f64>() + 0.0,
        ReductionKind::NanProd => present.iter().product(),
        ReductionKind::NanMin if present.is_empty() => f64::NAN,
        ReductionKind::NanMax if present.is_empty() => f64::NAN,
        ReductionKind::NanMin => least(&present),
        ReductionKind::NanMax => most(&present),
        ReductionKind::NanMean => present.iter().sum::<f64>() / present.len() as f64,
        ReductionKind::Moments2 | ReductionKind::NanMoments2 => {
            let set = if kind == ReductionKind::Moments2 { values } else { &present };
            match ending {
                Ending::Value => set.iter().sum::<f64>() / set.len() as f64,
                Ending::Variance { ddof } => {
                    if kind == ReductionKind::NanMoments2 && set.len() as f64 <= ddof {
                        f64::NAN
                    } else {
                        variance(set, ddof)
                    }
                }
                Ending::Deviation { ddof } => {
                    if kind == ReductionKind::NanMoments2 && set.len() as f64 <= ddof {
                        f64::NAN
                    } else {
                        variance(set, ddof).sqrt()
                    }
                }
            }
        }
    }
}

fn extremum(kind: ReductionKind) -> bool {
    matches!(kind, ReductionKind::Min | ReductionKind::Max | ReductionKind::NanMin | ReductionKind::NanMax)
}

fn any_kind() -> impl Strategy<Value = (ReductionKind, Ending)> {
    (0..ReductionKind::ALL.len(), 0..4usize).prop_map(|(kind, ending)| {
        let kind = ReductionKind::ALL[kind];
        let ending = match (kind, ending) {
            (ReductionKind::Moments2 | ReductionKind::NanMoments2, 1) => Ending::Variance { ddof: 0.0 },
            (ReductionKind::Moments2 | ReductionKind::NanMoments2, 2) => Ending::Variance { ddof: 1.0 },
            (ReductionKind::Moments2 | ReductionKind::NanMoments2, 3) => Ending::Deviation { ddof: 0.0 },
            _ => Ending::Value,
        };
        (kind, ending)
    })
}

fn out_dtype(kind: ReductionKind) -> DType {
    match kind {
        ReductionKind::Any | ReductionKind::All => DType::Bool,
        ReductionKind::CountNonzero => DType::I64,
        _ => DType::F64,
    }
}

/// Numbers around 1 so that products stay finite, with some zeros and, when asked, NaN.
fn numbers(n: usize, seed: u64, nan: bool) -> Vec<f64> {
    (0..n as u64)
        .map(|i| {
            let x = (i.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed)) >> 33;
            match x % 97 {
                0 if nan => f64::NAN,
                1 if seed.is_multiple_of(3) => 0.0,
                y => 0.5 + y as f64 / 96.0,
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_axes_of_any_layout(
        shape in shape(),
        arrangement in arrangement(),
        broadcast in 0u32..8,
        axes in 0u32..16,
        (kind, ending) in any_kind(),
        seed in 0u64..1000,
        nan: bool,
    ) {
        let axes = axes & ((1u32 << shape.len()) - 1);
        let values = numbers(elements(&shape), seed, nan);
        let block = chunk(&values, &shape, arrangement, broadcast);
        let seen = read::<f64>(&block);
        let (kept, groups) = grouped(&seen, &shape, axes);
        let partial = reduce_chunk(kind, &block, axes).unwrap();
        let result = finish(kind, ending, out_dtype(kind), partial);
        if extremum(kind) && groups.iter().any(Vec::is_empty) {
            prop_assert_eq!(result.unwrap_err().class(), ErrorClass::Value);
            return Ok(());
        }
        let result = result.unwrap();
        prop_assert_eq!(result.shape(), &kept[..]);
        prop_assert_eq!(result.dtype(), out_dtype(kind));
        for (got, group) in read_f64(&result).into_iter().zip(&groups) {
            let expected = naive(kind, ending, group);
            prop_assert!(close(got, expected, 1e-11), "{kind:?} {ending:?} of {group:?}: {got}, expected {expected}");
        }
    }

    #[test]
    fn blocks_merge_to_the_whole(
        rows in 1usize..40,
        columns in 1usize..40,
        blocks in 1usize..40,
        axes in 1u32..4,
        (kind, ending) in any_kind(),
        seed in 0u64..1000,
        nan: bool,
    ) {
        let total = rows * blocks;
        let values = numbers(total * columns, seed, nan);
        let partials: Vec<Vec<Chunk>> = (0..blocks)
            .map(|block| {
                let part = &values[block * rows * columns..(block + 1) * rows * columns];
                let chunk = Chunk::from_slice(part, &[rows, columns]);
                // Rows are split among blocks, so axis 0 must be reduced.
                reduce_chunk(kind, &chunk, axes | 1).unwrap()
            })
            .collect();
        let merged = combine(kind, partials).unwrap();
        let result = finish(kind, ending, out_dtype(kind), merged).unwrap();
        let (kept, groups) = grouped(&values, &[total, columns], axes | 1);
        prop_assert_eq!(result.shape(), &kept[..]);
        for (got, group) in read_f64(&result).into_iter().zip(&groups) {
            let expected = naive(kind, ending, group);
            prop_assert!(close(got, expected, 1e-10), "{kind:?} {ending:?}: {got}, expected {expected}");
        }
    }
}

#[test]
fn every_type_of_element() {
    use half::f16;
    fn check<T: raskr_base::Element>(one: T, two: T, three: T) {
        let block = Chunk::from_slice(&[two, three, one, one, three, two], &[2, 3]);
        let value = |kind: ReductionKind| -> Vec<f64> {
            let out = kind.partial_dtypes(block.dtype()).unwrap()[0];
            read_f64(&finish(kind, Ending::Value, out, reduce_chunk(kind, &block, 0b10).unwrap()).unwrap())
        };
        assert_eq!(value(ReductionKind::Sum), [6.0, 6.0], "{}", T::DTYPE);
        assert_eq!(value(ReductionKind::Prod), [6.0, 6.0], "{}", T::DTYPE);
        assert_eq!(value(ReductionKind::Mean), [2.0, 2.0], "{}", T::DTYPE);
        assert_eq!(value(ReductionKind::NanMean), [2.0, 2.0], "{}", T::DTYPE);
        if !T::DTYPE.is_complex() {
            assert_eq!(value(ReductionKind::Min), [1.0, 1.0], "{}", T::DTYPE);
            assert_eq!(value(ReductionKind::NanMax), [3.0, 3.0], "{}", T::DTYPE);
        }
    }
    check::<i8>(1, 2, 3);
    check::<i16>(1, 2, 3);
    check::<i32>(1, 2, 3);
    check::<i64>(1, 2, 3);
    check::<u8>(1, 2, 3);
    check::<u16>(1, 2, 3);
    check::<u32>(1, 2, 3);
    check::<u64>(1, 2, 3);
    check(f16::from_f32(1.0), f16::from_f32(2.0), f16::from_f32(3.0));
    check(1.0f32, 2.0, 3.0);
    check(1.0f64, 2.0, 3.0);
    let complex = |re| num_complex::Complex32::new(re, 0.0);
    check(complex(1.0), complex(2.0), complex(3.0));
    let complex = |re| num_complex::Complex64::new(re, 0.0);
    check(complex(1.0), complex(2.0), complex(3.0));
}

#[test]
fn sums_are_stable() {
    let n = 1_000_000;
    let tenth = vec![0.1f64; n];
    let sum = reduce_chunk(ReductionKind::Sum, &Chunk::from_slice(&tenth, &[n]), 1).unwrap();
    let exact = 0.1f64 * n as f64;
    assert!((sum[0].item::<f64>().unwrap() - exact).abs() <= exact * 2.0 * f64::EPSILON);
    let single = vec![0.1f32; n];
    let by_columns = reduce_chunk(ReductionKind::Sum, &Chunk::from_slice(&single, &[n / 2, 2]), 1).unwrap();
    let exact = f64::from(0.1f32) * (n / 2) as f64;
    for sum in read::<f64>(&by_columns[0]) {
        assert!((sum - exact).abs() <= exact * 4.0 * f64::EPSILON, "{sum} {exact}");
    }
}

#[test]
fn variance_far_from_zero_keeps_its_digits() {
    let values: Vec<f64> = (0..100_000).map(|i| 1e9 + f64::from(i % 10)).collect();
    for (shape, axes) in [(vec![100_000], 1), (vec![1000, 100], 3), (vec![25_000, 4], 3)] {
        let partial = reduce_chunk(ReductionKind::Moments2, &Chunk::from_slice(&values, &shape), axes).unwrap();
        let variance = finish(ReductionKind::Moments2, Ending::Variance { ddof: 0.0 }, DType::F64, partial).unwrap();
        assert!(close(variance.item::<f64>().unwrap(), 8.25, 1e-9), "{variance:?}");
    }
    let columns = Chunk::from_slice(&values, &[10_000, 10]);
    let partial = reduce_chunk(ReductionKind::Moments2, &columns, 1).unwrap();
    let variance = finish(ReductionKind::Moments2, Ending::Variance { ddof: 0.0 }, DType::F64, partial).unwrap();
    assert!(read::<f64>(&variance).iter().all(|v| v.abs() < 1e-6), "{variance:?}");
}

#[test]
fn not_a_time_wins_extremes() {
    use raskr_base::TimeUnit;
    let nat = i64::MIN;
    let dates = Chunk::from_slice(&[5i64, nat, 7, 3, 4, 9], &[2, 3]);
    let dates = dates.reinterpret(DType::DateTime(TimeUnit::Day)).unwrap();
    for (kind, expected) in [(ReductionKind::Min, [nat, 3]), (ReductionKind::Max, [nat, 9])] {
        let partial = reduce_chunk(kind, &dates, 0b10).unwrap();
        let result = finish(kind, Ending::Value, dates.dtype(), partial).unwrap();
        assert_eq!(result.dtype(), dates.dtype());
        assert_eq!(read::<i64>(&result), expected);
    }
    assert!(reduce_chunk(ReductionKind::Sum, &dates, 1).is_err());
}

#[test]
fn axes_outside_the_region_are_refused() {
    let block = Chunk::from_slice(&[1.0, 2.0], &[2]);
    let error = reduce_chunk(ReductionKind::Sum, &block, 0b10).unwrap_err();
    assert!(error.to_string().contains("axis 1"), "{error}");
}
