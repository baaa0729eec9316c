//! The distributions and their parameters.

use raskr_base::DType;
use serde::{Deserialize, Serialize};

use super::error::RandomError;

/// Writes the enums and their tables from one list: variant, NumPy's name of the method, parameters (our name, NumPy's
/// name), type of the numbers, and nanoseconds an element takes.
macro_rules! distributions {
    ($($(#[$doc:meta])* $variant:ident $name:literal ($($field:ident $label:literal),*) $dtype:ident $cost:literal;)*) => {
        /// A distribution with its parameters, which are NumPy's. `single` asks for `float32` numbers.
        #[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
        pub enum Distribution {
            /// Uniform on [0, 1).
            StandardUniform { single: bool },
            /// The integers `low`, ..., `low + span` of an integer type or bool; those of `uint64` are read as `i64` of
            /// the same bits.
            Integers { low: i64, span: u64, dtype: DType },
            StandardNormal { single: bool },
            StandardExponential { single: bool },
            StandardGamma { shape: f64, single: bool },
            $($(#[$doc])* $variant { $($field: f64),* },)*
        }

        /// A distribution without its parameters, for parameters that differ from element to element.
        #[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum DistributionKind {
            StandardGamma,
            $($variant,)*
        }

        impl DistributionKind {
            pub const ALL: &[DistributionKind] = &[DistributionKind::StandardGamma, $(DistributionKind::$variant),*];

            /// The name of NumPy's method.
            pub fn name(self) -> &'static str {
                match self {
                    DistributionKind::StandardGamma => "standard_gamma",
                    $(DistributionKind::$variant => $name,)*
                }
            }

            /// NumPy's names of the parameters, in order.
            pub fn parameters(self) -> &'static [&'static str] {
                match self {
                    DistributionKind::StandardGamma => &["shape"],
                    $(DistributionKind::$variant => &[$($label),*],)*
                }
            }

            /// The element type that NumPy gives the numbers.
            pub fn dtype(self) -> DType {
                match self {
                    DistributionKind::StandardGamma => DType::F64,
                    $(DistributionKind::$variant => DType::$dtype,)*
                }
            }

            /// The distribution with these parameters, which are not looked at: see [`Distribution::validate`].
            pub fn with(self, parameters: &[f64]) -> Result<Distribution, RandomError> {
                match (self, parameters) {
                    (DistributionKind::StandardGamma, &[shape]) => {
                        Ok(Distribution::StandardGamma { shape, single: false })
                    }
                    $((DistributionKind::$variant, &[$($field),*]) => Ok(Distribution::$variant { $($field),* }),)*
                    _ => Err(RandomError::ParameterCount {
                        distribution: self.name(),
                        expected: self.parameters().len(),
                        got: parameters.len(),
                    }),
                }
            }
        }

        impl Distribution {
            /// The name of NumPy's method that draws from it.
            pub fn name(&self) -> &'static str {
                match self {
                    Distribution::StandardUniform { .. } => "random",
                    Distribution::Integers { .. } => "integers",
                    Distribution::StandardNormal { .. } => "standard_normal",
                    Distribution::StandardExponential { .. } => "standard_exponential",
                    Distribution::StandardGamma { .. } => "standard_gamma",
                    $(Distribution::$variant { .. } => $name,)*
                }
            }

            /// The element type that NumPy gives the numbers.
            pub fn dtype(&self) -> DType {
                match self {
                    Distribution::Integers { dtype, .. } => *dtype,
                    Distribution::StandardUniform { single }
                    | Distribution::StandardNormal { single }
                    | Distribution::StandardExponential { single }
                    | Distribution::StandardGamma { single, .. } => if *single { DType::F32 } else { DType::F64 },
                    $(Distribution::$variant { .. } => DType::$dtype,)*
                }
            }

            /// Nanoseconds that an element takes on one core, about.
            pub fn cost_ns(&self) -> f64 {
                match self {
                    Distribution::StandardUniform { .. } => 0.4,
                    Distribution::Integers { span, .. } => if *span < 1 << 32 { 0.7 } else { 1.7 },
                    Distribution::StandardNormal { .. } => 1.5,
                    Distribution::StandardExponential { .. } => 1.3,
                    Distribution::StandardGamma { .. } => 12.0,
                    $(Distribution::$variant { .. } => $cost,)*
                }
            }
        }
    };
}

distributions! {
    Uniform "uniform" (low "low", high "high") F64 0.4;
    Normal "normal" (mean "loc", sd "scale") F64 1.5;
    LogNormal "lognormal" (mean "mean", sd "sigma") F64 3.0;
    Exponential "exponential" (scale "scale") F64 1.3;
    Gumbel "gumbel" (location "loc", scale "scale") F64 2.5;
    Laplace "laplace" (location "loc", scale "scale") F64 1.3;
    Logistic "logistic" (location "loc", scale "scale") F64 1.8;
    Rayleigh "rayleigh" (scale "scale") F64 2.0;
    Weibull "weibull" (shape "a") F64 4.7;
    /// The Pareto distribution of the second kind (Lomax).
    Pareto "pareto" (shape "a") F64 3.0;
    Power "power" (shape "a") F64 2.7;
    StandardCauchy "standard_cauchy" () F64 1.1;
    Triangular "triangular" (left "left", mode "mode", right "right") F64 2.3;
    /// The number of trials until the first success.
    Geometric "geometric" (probability "p") I64 1.4;
    Gamma "gamma" (shape "shape", scale "scale") F64 12.0;
    Beta "beta" (a "a", b "b") F64 25.0;
    ChiSquare "chisquare" (freedom "df") F64 12.0;
    NoncentralChiSquare "noncentral_chisquare" (freedom "df", noncentrality "nonc") F64 15.0;
    FisherF "f" (numerator "dfnum", denominator "dfden") F64 15.0;
    NoncentralF "noncentral_f" (numerator "dfnum", denominator "dfden", noncentrality "nonc") F64 30.0;
    StudentT "standard_t" (freedom "df") F64 12.0;
    /// The inverse Gaussian.
    Wald "wald" (mean "mean", scale "scale") F64 8.0;
    VonMises "vonmises" (mode "mu", concentration "kappa") F64 60.0;
    Poisson "poisson" (mean "lam") I64 15.0;
    Binomial "binomial" (n "n", p "p") I64 20.0;
    NegativeBinomial "negative_binomial" (n "n", p "p") I64 40.0;
    Hypergeometric "hypergeometric" (good "ngood", bad "nbad", sample "nsample") I64 60.0;
    LogSeries "logseries" (p "p") I64 15.0;
    Zipf "zipf" (a "a") I64 90.0;
}

impl Distribution {
    pub(crate) fn is_single(&self) -> bool {
        self.dtype() == DType::F32
    }
}
