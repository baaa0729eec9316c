//! Prints nanoseconds per element and numbers per second of each distribution, next to filling with a constant.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use raskr_kernels::random::{Distribution, DistributionKind, Permutation, RandomSource, fill_with_params};

/// The best of several runs, in nanoseconds per element.
fn best(elements: usize, mut work: impl FnMut()) -> f64 {
    let repeats = 50;
    work();
    let mut least = f64::INFINITY;
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..repeats {
            work();
        }
        least = least.min(start.elapsed().as_nanos() as f64 / (repeats * elements) as f64);
    }
    least
}

fn report(name: &str, ns: f64) {
    println!("{name:<80} {ns:>8.3} ns/element {:>8.3} G/s", 1.0 / ns);
}

fn main() {
    let mut tile = vec![0.0f64; 1024];
    report("memset of a tile", best(1024, || black_box(&mut tile).fill(black_box(1.5))));
    for distribution in [
        Distribution::StandardUniform { single: false },
        Distribution::Uniform { low: -1.0, high: 3.0 },
        Distribution::StandardNormal { single: false },
        Distribution::LogNormal { mean: 0.0, sd: 1.0 },
        Distribution::Exponential { scale: 2.0 },
        Distribution::Gumbel { location: 1.0, scale: 2.0 },
        Distribution::Laplace { location: 1.0, scale: 2.0 },
        Distribution::Logistic { location: 1.0, scale: 2.0 },
        Distribution::Rayleigh { scale: 2.0 },
        Distribution::Weibull { shape: 1.5 },
        Distribution::Pareto { shape: 9.0 },
        Distribution::Power { shape: 2.5 },
        Distribution::StandardCauchy {},
        Distribution::Triangular { left: -1.0, mode: 0.5, right: 3.0 },
        Distribution::Geometric { probability: 0.3 },
        Distribution::StandardGamma { shape: 0.3, single: false },
        Distribution::StandardGamma { shape: 2.0, single: false },
        Distribution::Beta { a: 0.5, b: 2.0 },
        Distribution::Beta { a: 2.0, b: 3.0 },
        Distribution::ChiSquare { freedom: 4.0 },
        Distribution::NoncentralChiSquare { freedom: 3.0, noncentrality: 2.0 },
        Distribution::FisherF { numerator: 5.0, denominator: 20.0 },
        Distribution::NoncentralF { numerator: 5.0, denominator: 20.0, noncentrality: 2.0 },
        Distribution::StudentT { freedom: 9.0 },
        Distribution::Wald { mean: 2.0, scale: 3.0 },
        Distribution::VonMises { mode: 0.5, concentration: 2.0 },
        Distribution::Poisson { mean: 3.0 },
        Distribution::Poisson { mean: 47.5 },
        Distribution::Binomial { n: 12.0, p: 0.4 },
        Distribution::Binomial { n: 1000.0, p: 0.3 },
        Distribution::NegativeBinomial { n: 4.5, p: 0.3 },
        Distribution::Hypergeometric { good: 15.0, bad: 25.0, sample: 5.0 },
        Distribution::Hypergeometric { good: 150.0, bad: 250.0, sample: 90.0 },
        Distribution::LogSeries { p: 0.8 },
        Distribution::Zipf { a: 2.0 },
    ] {
        let source = RandomSource::new([1, 2], distribution);
        report(&format!("{distribution:?}"), best(1024, || source.fill_f64(0, 1, black_box(&mut tile))));
    }
    for distribution in
        [Distribution::StandardUniform { single: false }, Distribution::StandardNormal { single: false }]
    {
        let source = RandomSource::new([1, 2], distribution);
        report(
            &format!("{}, step 3", source.distribution.name()),
            best(1024, || source.fill_f64(0, 3, black_box(&mut tile))),
        );
        report(
            &format!("{}, rows of 10", source.distribution.name()),
            best(1020, || {
                for (k, row) in black_box(&mut tile)[..1020].chunks_mut(10).enumerate() {
                    source.fill_f64(k as u64 * 1001, 1, row);
                }
            }),
        );
    }
    let (means, mut out) = (vec![1.5; 1024], vec![0.0; 1024]);
    for (kind, parameters) in [
        (DistributionKind::Normal, vec![means.as_slice(), means.as_slice()]),
        (DistributionKind::Uniform, vec![&[0.0], means.as_slice()]),
        (DistributionKind::StandardGamma, vec![means.as_slice()]),
        (DistributionKind::Poisson, vec![means.as_slice()]),
    ] {
        let name = format!("{} of arrays", kind.name());
        report(
            &name,
            best(1024, || {
                let _ = black_box(fill_with_params(kind, [1, 2], 0, &parameters, black_box(&mut out)));
            }),
        );
    }
    let permutation = Permutation::new([1, 2], 10_000_000);
    let mut places = vec![0i64; 1024];
    report(
        "permutation of 10^7",
        best(1024, || {
            permutation.fill(77, black_box(&mut places));
        }),
    );
    let mut singles = vec![0.0f32; 1024];
    let source = RandomSource::new([1, 2], Distribution::StandardUniform { single: true });
    report("random float32, tile", best(1024, || source.fill_f32(0, 1, black_box(&mut singles))));
    let mut integers = vec![0i64; 1024];
    for span in [9, 1 << 40] {
        let distribution = Distribution::Integers { low: 0, span, dtype: raskr_base::DType::I64 };
        let source = RandomSource::new([1, 2], distribution);
        report(&format!("integers to {span}, tile"), best(1024, || source.fill_i64(0, 1, black_box(&mut integers))));
    }
}
