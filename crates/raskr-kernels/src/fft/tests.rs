//! Transforms against the defining sum.

use std::f64::consts::TAU;

use num_complex::Complex64;
use proptest::prelude::*;

use super::*;
use crate::blocks::{cast, to_contiguous, transpose};

fn numbers(len: usize, seed: u64) -> Vec<f64> {
    (0..len as u64)
        .map(|i| ((i + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 1e7 - 0.8)
        .collect()
}

/// The sum over a line, cut or filled up to n.
fn by_definition(line: &[Complex64], n: usize, inverse: bool) -> Vec<Complex64> {
    let sign = if inverse { 1.0 } else { -1.0 };
    (0..n)
        .map(|k| {
            line.iter()
                .take(n)
                .enumerate()
                .map(|(j, x)| x * Complex64::from_polar(1.0, sign * TAU * ((j * k) % n) as f64 / n as f64))
                .sum()
        })
        .collect()
}

/// Every line along an axis through a function, by plain indexing.
fn naive(
    values: &[Complex64],
    shape: &[usize],
    axis: usize,
    out: usize,
    line: impl Fn(&[Complex64]) -> Vec<Complex64>,
) -> Vec<Complex64> {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let len = shape[axis];
    let mut result = vec![Complex64::default(); outer * out * inner];
    for o in 0..outer {
        for i in 0..inner {
            let taken: Vec<Complex64> = (0..len).map(|k| values[(o * len + k) * inner + i]).collect();
            for (k, x) in line(&taken).into_iter().enumerate() {
                result[(o * out + k) * inner + i] = x;
            }
        }
    }
    result
}

fn close(got: &Chunk, expected: &[Complex64], tolerance: f64) -> bool {
    let got = cast(got, DType::C128).map(|chunk| to_contiguous(&chunk)).expect("native");
    let got = got.as_slice::<Complex64>().expect("contiguous").to_vec();
    got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).norm() <= tolerance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_kind_is_the_defining_sum(
        shape in prop::collection::vec(1usize..13, 1..4), axis in 0usize..3, n in 1usize..20, seed in any::<u64>(),
        single in any::<bool>(), turned in any::<bool>(), sole in any::<bool>(),
    ) {
        let axis = axis % shape.len();
        let len: usize = shape.iter().product();
        let (real, imaginary) = (numbers(len, seed), numbers(len, seed ^ 77));
        let complex: Vec<Complex64> = real.iter().zip(&imaginary).map(|(a, b)| Complex64::new(*a, *b)).collect();
        let reals: Vec<Complex64> = real.iter().map(|x| Complex64::new(*x, 0.0)).collect();
        let (real_type, complex_type) = if single { (DType::F32, DType::C64) } else { (DType::F64, DType::C128) };
        let tolerance = if single { 1e-3 } else { 1e-9 };
        // The same elements, laid out the other way round in memory.
        let laid = |chunk: Chunk| if turned {
            let order: Vec<usize> = (0..chunk.ndim()).rev().collect();
            let back = to_contiguous(&transpose(&chunk, &order).expect("axes"));
            transpose(&back, &order).expect("axes")
        } else { chunk };
        let run = |kind, values: &[Complex64], dtype| {
            let chunk = laid(cast(&Chunk::from_slice(values, &shape), dtype).expect("native"));
            let kept = if sole { None } else { Some(chunk.clone()) };
            let before = kept.as_ref().map(to_contiguous);
            let result = transform(chunk, &[Step { kind, axis, n }], Scaling::Backward).expect("a transform");
            if let (Some(kept), Some(before)) = (kept, before) {
                let same = cast(&kept, DType::C128).map(|c| to_contiguous(&c)).expect("native");
                let was = cast(&before, DType::C128).expect("native");
                assert_eq!(same.as_slice::<Complex64>(), was.as_slice::<Complex64>(), "an input was changed");
            }
            result
        };
        let scale = 1.0 / n as f64;
        for (values, dtype) in [(&complex, complex_type), (&reals, real_type)] {
            let wanted = naive(values, &shape, axis, n, |line| by_definition(line, n, false));
            prop_assert!(close(&run(FourierKind::Forward, values, dtype), &wanted, tolerance));
            let wanted = naive(values, &shape, axis, n, |line| by_definition(line, n, true).iter().map(|x| x * scale).collect());
            prop_assert!(close(&run(FourierKind::Inverse, values, dtype), &wanted, tolerance));
        }
        let half = n / 2 + 1;
        let wanted = naive(&reals, &shape, axis, half, |line| by_definition(line, n, false)[..half].to_vec());
        prop_assert!(close(&run(FourierKind::RealForward, &reals, real_type), &wanted, tolerance));
        let wanted = naive(&reals, &shape, axis, half, |line| {
            by_definition(line, n, false)[..half].iter().map(|x| x.conj() * scale).collect()
        });
        prop_assert!(close(&run(FourierKind::HermitianInverse, &reals, real_type), &wanted, tolerance));
        // The line that the half of a Hermitian one stands for.
        let mirrored = |line: &[Complex64]| -> Vec<Complex64> {
            let mut whole = vec![Complex64::default(); n];
            for (k, x) in line.iter().take(half).enumerate() {
                whole[k] = *x;
            }
            whole[0].im = 0.0;
            if n % 2 == 0 {
                whole[n / 2].im = 0.0;
            }
            for k in half..n {
                whole[k] = whole[n - k].conj();
            }
            whole
        };
        let wanted = naive(&complex, &shape, axis, n, |line| {
            by_definition(&mirrored(line), n, true).iter().map(|x| Complex64::new(x.re * scale, 0.0)).collect()
        });
        prop_assert!(close(&run(FourierKind::RealInverse, &complex, complex_type), &wanted, tolerance));
        let wanted = naive(&complex, &shape, axis, n, |line| {
            by_definition(&mirrored(line), n, false).iter().map(|x| Complex64::new(x.re, 0.0)).collect()
        });
        prop_assert!(close(&run(FourierKind::HermitianForward, &complex, complex_type), &wanted, tolerance));
    }
}

#[test]
fn scalings_divide_by_the_length_in_one_direction_or_by_its_root_in_both() {
    let chunk = Chunk::from_slice(&[1.0f64; 4], &[4]);
    let first = |kind, scaling| {
        let result = transform(chunk.clone(), &[Step { kind, axis: 0, n: 4 }], scaling).expect("a transform");
        result.as_slice::<Complex64>().expect("contiguous")[0].re
    };
    use FourierKind::{Forward, HermitianInverse, Inverse};
    assert_eq!(first(Forward, Scaling::Backward), 4.0);
    assert_eq!(first(Forward, Scaling::Ortho), 2.0);
    assert_eq!(first(Forward, Scaling::Forward), 1.0);
    assert_eq!(first(Inverse, Scaling::Backward), 1.0);
    assert_eq!(first(HermitianInverse, Scaling::Forward), 4.0);
}

#[test]
fn what_has_no_transform_is_refused() {
    let step = |kind, axis, n| [Step { kind, axis, n }];
    let real = Chunk::from_slice(&[1.0f64, 2.0], &[2]);
    assert!(transform(real.clone(), &step(FourierKind::RealInverse, 0, 2), Scaling::Backward).is_err());
    assert!(transform(real.clone(), &step(FourierKind::Forward, 1, 2), Scaling::Backward).is_err());
    assert!(transform(real, &step(FourierKind::Forward, 0, 0), Scaling::Backward).is_err());
    let integers = Chunk::from_slice(&[1i64, 2], &[2]);
    assert!(transform(integers, &step(FourierKind::Forward, 0, 2), Scaling::Backward).is_err());
}

#[test]
fn several_plans_of_a_thread_do_not_mix() {
    for n in 1..60usize {
        let values = numbers(n, 3);
        let complex: Vec<Complex64> = values.iter().map(|x| Complex64::new(*x, 0.0)).collect();
        let steps = [Step { kind: FourierKind::Forward, axis: 0, n }, Step { kind: FourierKind::Inverse, axis: 0, n }];
        let back = transform(Chunk::from_slice(&values, &[n]), &steps, Scaling::Backward).expect("a transform");
        assert!(close(&back, &complex, 1e-9), "{n}");
    }
}
