//! Tests of all distributions at once: the same numbers however they are asked for, by whatever registers.

mod fit;
mod kept;
mod moments;

use raskr_base::DType;

use super::draw::Draw;
use super::lanes::Width;
use super::source::FillFloats;
use super::*;

const KEY: [u64; 2] = [0x1234, 0x5678];

fn simple() -> Vec<Distribution> {
    vec![
        Distribution::StandardUniform { single: false },
        Distribution::StandardUniform { single: true },
        Distribution::StandardNormal { single: false },
        Distribution::StandardNormal { single: true },
        Distribution::StandardExponential { single: true },
        Distribution::Integers { low: -5, span: 9, dtype: DType::I64 },
        Distribution::Integers { low: -5, span: 1 << 50, dtype: DType::I64 },
        // Half of the words of this range are rejected.
        Distribution::Integers { low: i64::MIN, span: 1 << 63, dtype: DType::I64 },
        Distribution::Integers { low: 0, span: u64::MAX, dtype: DType::U64 },
        Distribution::Uniform { low: -1.0, high: 3.0 },
        Distribution::Normal { mean: 2.0, sd: 3.0 },
        Distribution::LogNormal { mean: 0.5, sd: 0.5 },
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
        Distribution::StandardGamma { shape: 2.0, single: true },
        Distribution::Gamma { shape: 3.5, scale: 2.0 },
        Distribution::Beta { a: 0.5, b: 2.0 },
        Distribution::Beta { a: 2.0, b: 3.0 },
        Distribution::ChiSquare { freedom: 4.0 },
        Distribution::NoncentralChiSquare { freedom: 3.0, noncentrality: 2.0 },
        Distribution::NoncentralChiSquare { freedom: 0.7, noncentrality: 30.0 },
        Distribution::FisherF { numerator: 5.0, denominator: 20.0 },
        Distribution::NoncentralF { numerator: 5.0, denominator: 20.0, noncentrality: 2.0 },
        Distribution::StudentT { freedom: 9.0 },
        Distribution::Wald { mean: 2.0, scale: 3.0 },
        Distribution::VonMises { mode: 0.5, concentration: 2.0 },
        Distribution::Poisson { mean: 3.0 },
        Distribution::Poisson { mean: 47.5 },
        Distribution::Poisson { mean: 1e12 },
        Distribution::Binomial { n: 12.0, p: 0.4 },
        Distribution::Binomial { n: 100.0, p: 0.97 },
        Distribution::Binomial { n: 1000.0, p: 0.3 },
        Distribution::Binomial { n: 1e12, p: 0.7 },
        Distribution::NegativeBinomial { n: 4.5, p: 0.3 },
        Distribution::Hypergeometric { good: 15.0, bad: 25.0, sample: 5.0 },
        Distribution::Hypergeometric { good: 15.0, bad: 25.0, sample: 36.0 },
        Distribution::Hypergeometric { good: 150.0, bad: 250.0, sample: 90.0 },
        Distribution::Hypergeometric { good: 250.0, bad: 150.0, sample: 300.0 },
        Distribution::LogSeries { p: 0.8 },
        Distribution::Zipf { a: 6.0 },
    ]
}

/// Bits, so that NaN equals itself and signs of zero count.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn numbers_do_not_depend_on_how_they_are_asked_for() {
    for distribution in simple() {
        let source = RandomSource::new(KEY, distribution);
        let mut all = vec![0.0; 5000];
        source.fill_f64(0, 1, &mut all);
        for (start, step, len) in [
            (0, 1, 1),
            (1, 1, 2),
            (1, 1, 1),
            (3, 1, 4000),
            (2, 1, 2999),
            (5, 2, 700),
            (4999, -1, 5000),
            (4000, -3, 1300),
            (7, 0, 9),
            (17, 1, 0),
        ] {
            let mut part = vec![0.0; len];
            source.fill_f64(start, step, &mut part);
            let expected: Vec<f64> = (0..len).map(|k| all[(start as i64 + step * k as i64) as usize]).collect();
            assert_eq!(bits(&part), bits(&expected), "{distribution:?} from {start} by {step}");
            let mut singles = vec![0.0; len];
            source.fill_f32(start, step, &mut singles);
            assert!(singles.iter().zip(&expected).all(|(one, other)| *one == *other as f32), "{distribution:?}");
            let mut integers = vec![0; len];
            source.fill_i64(start, step, &mut integers);
            if distribution.dtype() == DType::U64 {
                assert!(integers.iter().zip(&expected).all(|(one, other)| *one as u64 as f64 == *other));
            } else if distribution.dtype() == DType::I64 {
                assert!(integers.iter().zip(&expected).all(|(one, other)| *one as f64 == *other), "{distribution:?}");
            }
        }
    }
}

/// The numbers are a contract: those of narrow registers and of the portable rounds are those of the widest.
#[test]
fn numbers_do_not_depend_on_the_machine() {
    for distribution in simple() {
        let fill = |engine: Engine, width: Width| {
            let mut out = vec![0.0; 700];
            let draw = Draw { cipher: Cipher::with_engine(KEY, engine), width };
            distribution.visit(FillFloats { draw, start: 3, step: 1, out: &mut out });
            bits(&out)
        };
        let expected = fill(Engine::Portable, Width::Baseline);
        for engine in Engine::available() {
            for width in Width::available() {
                assert_eq!(fill(engine, width), expected, "{distribution:?} by {engine:?}, {width:?}");
            }
        }
    }
}

/// The same distribution by its kind and its parameters, for those that have them.
fn by_kind(distribution: &Distribution) -> Option<(DistributionKind, Vec<f64>)> {
    let kind = *DistributionKind::ALL.iter().find(|kind| kind.name() == distribution.name())?;
    // The debug form lists the parameters in order.
    let text = format!("{distribution:?}");
    let parameters = text.split(": ").skip(1).filter_map(|part| part.split([',', ' ', '}']).next()?.parse().ok());
    Some((kind, parameters.collect()))
}

#[test]
fn arrays_of_equal_parameters_give_the_numbers_of_the_parameters() {
    let mut kinds = std::collections::HashSet::new();
    for distribution in simple() {
        let Some((kind, parameters)) = by_kind(&distribution) else { continue };
        if distribution.dtype() == DType::F32 {
            continue;
        }
        kinds.insert(kind);
        assert_eq!(kind.with(&parameters), Ok(distribution));
        let mut expected = vec![0.0; 77];
        RandomSource::new(KEY, distribution).fill_f64(5, 1, &mut expected);
        let arrays: Vec<Vec<f64>> =
            parameters.iter().enumerate().map(|(j, value)| vec![*value; if j == 0 { 77 } else { 1 }]).collect();
        let slices: Vec<&[f64]> = arrays.iter().map(Vec::as_slice).collect();
        let mut got = vec![0.0; 77];
        fill_with_params(kind, KEY, 5, &slices, &mut got).unwrap();
        assert_eq!(bits(&got), bits(&expected), "{distribution:?}");
        assert!(fill_with_params(kind, KEY, 5, &[[1.0].as_slice(); 4], &mut got).is_err());
    }
    assert_eq!(kinds.len(), DistributionKind::ALL.len(), "every kind is tested");
    let (mut got, mut expected) = (vec![0; 77], vec![0; 77]);
    fill_integers_with_params(KEY, 5, &[-5], &[9; 77], &mut got).unwrap();
    RandomSource::new(KEY, Distribution::Integers { low: -5, span: 9, dtype: DType::I64 }).fill_i64(
        5,
        1,
        &mut expected,
    );
    assert_eq!(got, expected);
}

#[test]
fn refused_parameters_say_what_they_are() {
    for (kind, parameters, text) in [
        (DistributionKind::Normal, vec![0.0, -1.0], "scale < 0: normal got scale = -1"),
        (DistributionKind::Normal, vec![0.0, -0.0], "scale < 0"),
        (DistributionKind::LogNormal, vec![0.0, -1.0], "sigma < 0"),
        (DistributionKind::Exponential, vec![-1.0], "scale < 0"),
        (DistributionKind::Uniform, vec![0.0, f64::INFINITY], "range exceeds valid bounds"),
        (DistributionKind::Uniform, vec![f64::NAN, 1.0], "range exceeds valid bounds"),
        (DistributionKind::Gumbel, vec![0.0, -1.0], "scale < 0"),
        (DistributionKind::Laplace, vec![0.0, -1.0], "scale < 0"),
        (DistributionKind::Logistic, vec![0.0, -1.0], "scale < 0"),
        (DistributionKind::Rayleigh, vec![-1.0], "scale < 0"),
        (DistributionKind::Weibull, vec![-1.0], "a < 0"),
        (DistributionKind::Pareto, vec![0.0], "a <= 0"),
        (DistributionKind::Power, vec![-1.0], "a <= 0"),
        (DistributionKind::Triangular, vec![3.0, 2.0, 4.0], "left > mode"),
        (DistributionKind::Triangular, vec![1.0, 5.0, 4.0], "mode > right"),
        (DistributionKind::Triangular, vec![1.0, 1.0, 1.0], "left == right"),
        (DistributionKind::Geometric, vec![0.0], "p <= 0, p > 1 or p contains NaNs"),
        (DistributionKind::StandardGamma, vec![-1.0], "shape < 0"),
        (DistributionKind::Gamma, vec![-1.0, 1.0], "shape < 0"),
        (DistributionKind::Gamma, vec![1.0, -1.0], "scale < 0"),
        (DistributionKind::Beta, vec![0.0, 1.0], "a <= 0"),
        (DistributionKind::Beta, vec![1.0, 0.0], "b <= 0"),
        (DistributionKind::ChiSquare, vec![0.0], "df <= 0"),
        (DistributionKind::StudentT, vec![0.0], "df <= 0"),
        (DistributionKind::NoncentralChiSquare, vec![0.0, 1.0], "df <= 0"),
        (DistributionKind::NoncentralChiSquare, vec![1.0, -1.0], "nonc < 0"),
        (DistributionKind::FisherF, vec![0.0, 1.0], "dfnum <= 0"),
        (DistributionKind::FisherF, vec![1.0, 0.0], "dfden <= 0"),
        (DistributionKind::NoncentralF, vec![0.0, 1.0, 1.0], "dfnum <= 0"),
        (DistributionKind::NoncentralF, vec![1.0, 0.0, 1.0], "dfden <= 0"),
        (DistributionKind::NoncentralF, vec![1.0, 1.0, -1.0], "nonc < 0"),
        (DistributionKind::Wald, vec![0.0, 1.0], "mean <= 0"),
        (DistributionKind::Wald, vec![1.0, 0.0], "scale <= 0"),
        (DistributionKind::VonMises, vec![0.0, -1.0], "kappa < 0"),
        (DistributionKind::Poisson, vec![f64::NAN], "lam < 0 or lam is NaN"),
        (DistributionKind::Poisson, vec![1e19], "lam value too large"),
        (DistributionKind::Binomial, vec![-1.0, 0.5], "n < 0"),
        (DistributionKind::Binomial, vec![10.0, 1.5], "p < 0, p > 1 or p is NaN"),
        (DistributionKind::NegativeBinomial, vec![0.0, 0.5], "n <= 0"),
        (DistributionKind::NegativeBinomial, vec![1.0, 0.0], "p <= 0, p > 1 or p contains NaNs"),
        (DistributionKind::NegativeBinomial, vec![1.0, 1e-300], "n too large or p too small"),
        (DistributionKind::Hypergeometric, vec![-1.0, 1.0, 1.0], "ngood < 0"),
        (DistributionKind::Hypergeometric, vec![5.0, 5.0, 11.0], "ngood + nbad < nsample"),
        (DistributionKind::LogSeries, vec![1.0], "p < 0, p >= 1 or p is NaN"),
        (DistributionKind::Zipf, vec![1.0], "a <= 1 or a is NaN"),
    ] {
        let error = kind.with(&parameters).unwrap().validate().expect_err(text);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.class(), raskr_base::ErrorClass::Value);
        let slices: Vec<&[f64]> = parameters.chunks(1).collect();
        assert_eq!(fill_with_params(kind, KEY, 0, &slices, &mut [0.0]).expect_err(text).to_string(), error.to_string());
    }
    for (low, span, dtype, text) in [
        (0, 300, DType::I8, "high is out of bounds for int8"),
        (-1, 3, DType::U64, "high is out of bounds for uint64"),
        (-1, 3, DType::U8, "low is out of bounds for uint8"),
        (0, 2, DType::Bool, "high is out of bounds for bool"),
        (0, 2, DType::F64, "Unsupported dtype float64"),
    ] {
        let error = Distribution::Integers { low, span, dtype }.validate().expect_err(text);
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(Distribution::Integers { low: 0, span: u64::MAX, dtype: DType::U64 }.validate().is_ok());
    assert!(Distribution::Integers { low: i64::MIN, span: u64::MAX, dtype: DType::I64 }.validate().is_ok());
}
