//! What the parameters of a distribution must not be, in NumPy's words.

use raskr_base::DType;

use super::distribution::Distribution;
use super::error::RandomError;

const PROBABILITY: &str = "p < 0, p > 1 or p is NaN";
const PROBABILITY_ABOVE_ZERO: &str = "p <= 0, p > 1 or p contains NaNs";

/// Ten standard deviations below the greatest `i64`.
const POISSON_MEAN_MAX: f64 = 9.223_372_006_484_771e18;

/// NaN passes, as with NumPy, where it makes every number NaN; minus zero counts as negative.
fn negative(value: f64) -> bool {
    value.is_sign_negative() && !value.is_nan()
}

impl Distribution {
    /// Are the parameters ones that the distribution has? Conditions and words are NumPy's.
    pub fn validate(&self) -> Result<(), RandomError> {
        let distribution = self.name();
        let refused = |condition, parameter, value: f64| -> Result<(), RandomError> {
            Err(RandomError::Parameter { distribution, parameter, condition, value })
        };
        let combination = |condition, values: String| -> Result<(), RandomError> {
            Err(RandomError::Combination { distribution, condition, values })
        };
        match *self {
            Distribution::Uniform { low, high } if !(high - low).is_finite() => {
                Err(RandomError::Range { distribution, low, high })
            }
            Distribution::Integers { low, span, dtype } => integer_range(low, span, dtype),
            Distribution::Normal { sd: scale, .. }
            | Distribution::Exponential { scale }
            | Distribution::Gumbel { scale, .. }
            | Distribution::Laplace { scale, .. }
            | Distribution::Logistic { scale, .. }
            | Distribution::Rayleigh { scale }
                if negative(scale) =>
            {
                refused("scale < 0", "scale", scale)
            }
            Distribution::LogNormal { sd, .. } if negative(sd) => refused("sigma < 0", "sigma", sd),
            Distribution::Weibull { shape } if negative(shape) => refused("a < 0", "a", shape),
            Distribution::Pareto { shape } | Distribution::Power { shape } if shape <= 0.0 => {
                refused("a <= 0", "a", shape)
            }
            Distribution::Triangular { left, mode, right } => {
                let values = || format!("left = {left}, mode = {mode}, right = {right}");
                if left > mode {
                    combination("left > mode", values())
                } else if mode > right {
                    combination("mode > right", values())
                } else if left == right {
                    combination("left == right", values())
                } else {
                    Ok(())
                }
            }
            Distribution::Geometric { probability } if !(probability > 0.0 && probability <= 1.0) => {
                refused(PROBABILITY_ABOVE_ZERO, "p", probability)
            }
            Distribution::NegativeBinomial { n, p } => {
                if n <= 0.0 {
                    refused("n <= 0", "n", n)
                } else if !(p > 0.0 && p <= 1.0) {
                    refused(PROBABILITY_ABOVE_ZERO, "p", p)
                } else if (n + 10.0 * n.sqrt()) * (1.0 - p) / p > POISSON_MEAN_MAX {
                    combination(
                        "n too large or p too small, see Generator.negative_binomial Notes",
                        format!("n = {n}, p = {p}"),
                    )
                } else {
                    Ok(())
                }
            }
            Distribution::StandardGamma { shape, .. } if negative(shape) => refused("shape < 0", "shape", shape),
            Distribution::Gamma { shape, scale } => {
                if negative(shape) {
                    refused("shape < 0", "shape", shape)
                } else if negative(scale) {
                    refused("scale < 0", "scale", scale)
                } else {
                    Ok(())
                }
            }
            Distribution::Beta { a, b } => {
                if a <= 0.0 {
                    refused("a <= 0", "a", a)
                } else if b <= 0.0 {
                    refused("b <= 0", "b", b)
                } else {
                    Ok(())
                }
            }
            Distribution::ChiSquare { freedom }
            | Distribution::StudentT { freedom }
            | Distribution::NoncentralChiSquare { freedom, .. }
                if freedom <= 0.0 =>
            {
                refused("df <= 0", "df", freedom)
            }
            Distribution::FisherF { numerator, .. } | Distribution::NoncentralF { numerator, .. }
                if numerator <= 0.0 =>
            {
                refused("dfnum <= 0", "dfnum", numerator)
            }
            Distribution::FisherF { denominator, .. } | Distribution::NoncentralF { denominator, .. }
                if denominator <= 0.0 =>
            {
                refused("dfden <= 0", "dfden", denominator)
            }
            Distribution::NoncentralChiSquare { noncentrality, .. }
            | Distribution::NoncentralF { noncentrality, .. }
                if negative(noncentrality) =>
            {
                refused("nonc < 0", "nonc", noncentrality)
            }
            Distribution::Wald { mean, .. } if mean <= 0.0 => refused("mean <= 0", "mean", mean),
            Distribution::Wald { scale, .. } if scale <= 0.0 => refused("scale <= 0", "scale", scale),
            Distribution::VonMises { concentration, .. } if negative(concentration) => {
                refused("kappa < 0", "kappa", concentration)
            }
            Distribution::Poisson { mean } if mean.is_nan() || negative(mean) => {
                refused("lam < 0 or lam is NaN", "lam", mean)
            }
            Distribution::Poisson { mean } if mean > POISSON_MEAN_MAX => refused("lam value too large", "lam", mean),
            Distribution::Binomial { n, .. } if n < 0.0 || n.is_nan() => refused("n < 0", "n", n),
            Distribution::Binomial { p, .. } if !(0.0..=1.0).contains(&p) => refused(PROBABILITY, "p", p),
            Distribution::Hypergeometric { good, bad, sample } => {
                let values = || format!("ngood = {good}, nbad = {bad}, nsample = {sample}");
                if good < 0.0 || good.is_nan() {
                    refused("ngood < 0", "ngood", good)
                } else if bad < 0.0 || bad.is_nan() {
                    refused("nbad < 0", "nbad", bad)
                } else if sample < 0.0 || sample.is_nan() {
                    refused("nsample < 0", "nsample", sample)
                } else if good + bad < sample {
                    combination("ngood + nbad < nsample", values())
                } else {
                    Ok(())
                }
            }
            Distribution::LogSeries { p } if !(0.0..1.0).contains(&p) => refused("p < 0, p >= 1 or p is NaN", "p", p),
            Distribution::Zipf { a } if a <= 1.0 || a.is_nan() => refused("a <= 1 or a is NaN", "a", a),
            _ => Ok(()),
        }
    }
}

/// Does the integer type hold `low` to `low + span`?
fn integer_range(low: i64, span: u64, dtype: DType) -> Result<(), RandomError> {
    let (least, greatest): (i128, i128) = match dtype {
        DType::Bool => (0, 1),
        DType::U64 => (0, u64::MAX.into()),
        DType::U8 | DType::U16 | DType::U32 => (0, (1 << (8 * dtype.itemsize())) - 1),
        _ => (-1 << (8 * dtype.itemsize() - 1), (1 << (8 * dtype.itemsize() - 1)) - 1),
    };
    let low = if dtype == DType::U64 { i128::from(low as u64) } else { i128::from(low) };
    let high = low + i128::from(span);
    if !(dtype.is_integer() || dtype == DType::Bool) {
        return Err(RandomError::IntegerType { dtype });
    }
    if low < least {
        return Err(RandomError::IntegerRange { bound: "low", dtype, low, high });
    }
    if high > greatest {
        return Err(RandomError::IntegerRange { bound: "high", dtype, low, high });
    }
    Ok(())
}
