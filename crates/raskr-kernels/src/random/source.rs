//! `RandomSource`: a key and a distribution, from which any element's number can be had.

use raskr_base::DType;
use serde::{Deserialize, Serialize};

use super::ars::element;
use super::continuous::{
    Beta, FisherF, Gamma, NoncentralChiSquare, NoncentralF, StandardGamma, StudentT, VonMises, Wald, chi_square,
};
use super::discrete::{
    Binomial, Hypergeometric, LogSeries, NegativeBinomial, PoissonRejection, PoissonSearch, Zipf, poisson_is_searched,
};
use super::distribution::Distribution;
use super::draw::Draw;
use super::error::RandomError;
use super::integers::Bounded;
use super::stream::FromStream;
use super::transforms::{
    Cauchy, Exponential, FromPair, FromWord, Geometric, Gumbel, Laplace, Line, LogNormal, Logistic, Normal, Pareto,
    Power, Rayleigh, Triangular, Weibull,
};

/// Numbers of a temporary tile when another element type is asked for than the sampler makes.
const CONVERTED: usize = 256;

/// An endless array of random numbers: element `i` is the same number however and wherever it is asked for.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct RandomSource {
    pub key: [u64; 2],
    pub distribution: Distribution,
}

/// What is done with the sampler that a distribution turns out to be; each method is compiled for each sampler.
pub(crate) trait Sink: Sized {
    type Output;
    fn line(self, line: Line) -> Self::Output;
    fn word<T: FromWord>(self, sampler: T) -> Self::Output;
    fn pair<T: FromPair>(self, sampler: T) -> Self::Output;
    fn stream<T: FromStream>(self, sampler: T) -> Self::Output;
    fn integers(self, sampler: Bounded) -> Self::Output;
}

impl Distribution {
    /// Hands the distribution's sampler to a sink.
    #[inline]
    pub(crate) fn visit<S: Sink>(&self, sink: S) -> S::Output {
        match *self {
            Distribution::StandardUniform { .. } => sink.line(Line::new(0.0, 1.0)),
            Distribution::Integers { low, span, dtype } => sink.integers(Bounded::new(low, span).of_type(dtype)),
            Distribution::StandardNormal { .. } => sink.pair(Normal::STANDARD),
            Distribution::StandardExponential { .. } => sink.word(Exponential { scale: 1.0 }),
            Distribution::Uniform { low, high } => sink.line(Line::new(low, high)),
            Distribution::Normal { mean, sd } => sink.pair(Normal { mean, sd }),
            Distribution::LogNormal { mean, sd } => sink.pair(LogNormal(Normal { mean, sd })),
            Distribution::Exponential { scale } => sink.word(Exponential { scale }),
            Distribution::Gumbel { location, scale } => sink.word(Gumbel { location, scale }),
            Distribution::Laplace { location, scale } => sink.word(Laplace { location, scale }),
            Distribution::Logistic { location, scale } => sink.word(Logistic { location, scale }),
            Distribution::Rayleigh { scale } => sink.word(Rayleigh { scale }),
            Distribution::Weibull { shape } => sink.word(Weibull::new(shape)),
            Distribution::Pareto { shape } => sink.word(Pareto { inverse_shape: 1.0 / shape }),
            Distribution::Power { shape } => sink.word(Power { inverse_shape: 1.0 / shape }),
            Distribution::StandardCauchy {} => sink.word(Cauchy),
            Distribution::Triangular { left, mode, right } => sink.word(Triangular::new(left, mode, right)),
            Distribution::Geometric { probability } => sink.word(Geometric::new(probability)),
            Distribution::StandardGamma { shape, .. } => {
                sink.stream(Gamma { standard: StandardGamma::new(shape), scale: 1.0 })
            }
            Distribution::Gamma { shape, scale } => sink.stream(Gamma { standard: StandardGamma::new(shape), scale }),
            Distribution::Beta { a, b } => sink.stream(Beta::new(a, b)),
            Distribution::ChiSquare { freedom } => sink.stream(chi_square(freedom)),
            Distribution::NoncentralChiSquare { freedom, noncentrality } => {
                sink.stream(NoncentralChiSquare::new(freedom, noncentrality))
            }
            Distribution::FisherF { numerator, denominator } => sink.stream(FisherF::new(numerator, denominator)),
            Distribution::NoncentralF { numerator, denominator, noncentrality } => {
                sink.stream(NoncentralF::new(numerator, denominator, noncentrality))
            }
            Distribution::StudentT { freedom } => sink.stream(StudentT::new(freedom)),
            Distribution::Wald { mean, scale } => sink.stream(Wald { mean, scale }),
            Distribution::VonMises { mode, concentration } => sink.stream(VonMises::new(mode, concentration)),
            Distribution::Poisson { mean } if poisson_is_searched(mean) => sink.word(PoissonSearch::new(mean)),
            Distribution::Poisson { mean } => sink.stream(PoissonRejection::new(mean)),
            Distribution::Binomial { n, p } => match Binomial::new(n, p) {
                Binomial::Search(search) => sink.word(search),
                Binomial::Rejection(rejection) => sink.stream(rejection),
            },
            Distribution::NegativeBinomial { n, p } => sink.stream(NegativeBinomial::new(n, p)),
            Distribution::Hypergeometric { good, bad, sample } => sink.stream(Hypergeometric::new(good, bad, sample)),
            Distribution::LogSeries { p } => sink.stream(LogSeries::new(p)),
            Distribution::Zipf { a } => sink.stream(Zipf::new(a)),
        }
    }
}

/// Fills a slice of doubles.
pub(crate) struct FillFloats<'a> {
    pub draw: Draw,
    pub start: u64,
    pub step: i64,
    pub out: &'a mut [f64],
}

impl Sink for FillFloats<'_> {
    type Output = ();

    fn line(self, line: Line) {
        self.draw.fill_line(self.start, self.step, self.out, line);
    }

    fn word<T: FromWord>(self, sampler: T) {
        self.draw.fill_words(self.start, self.step, self.out, sampler);
    }

    fn pair<T: FromPair>(self, sampler: T) {
        self.draw.fill_pairs(self.start, self.step, self.out, sampler);
    }

    fn stream<T: FromStream>(self, sampler: T) {
        self.draw.fill_streams(self.start, self.step, self.out, sampler);
    }

    fn integers(self, sampler: Bounded) {
        let mut integers = [0; CONVERTED];
        for (k, values) in self.out.chunks_mut(CONVERTED).enumerate() {
            let integers = &mut integers[..values.len()];
            self.draw.fill_integers(element(self.start, self.step, k * CONVERTED), self.step, integers, sampler);
            for (value, integer) in values.iter_mut().zip(integers) {
                *value = sampler.double(*integer);
            }
        }
    }
}

/// Fills a slice of integers.
struct FillIntegers<'a> {
    draw: Draw,
    start: u64,
    step: i64,
    out: &'a mut [i64],
}

impl FillIntegers<'_> {
    /// Truncates doubles that another sink makes.
    fn truncated(self, fill: impl Fn(FillFloats<'_>)) {
        let mut floats = [0.0; CONVERTED];
        for (k, values) in self.out.chunks_mut(CONVERTED).enumerate() {
            let out = &mut floats[..values.len()];
            let start = element(self.start, self.step, k * CONVERTED);
            fill(FillFloats { draw: self.draw, start, step: self.step, out });
            for (value, float) in values.iter_mut().zip(&floats) {
                *value = *float as i64;
            }
        }
    }
}

impl Sink for FillIntegers<'_> {
    type Output = ();

    fn line(self, line: Line) {
        self.truncated(|sink| sink.line(line));
    }

    fn word<T: FromWord>(self, sampler: T) {
        self.draw.fill_words_as_integers(self.start, self.step, self.out, sampler);
    }

    fn pair<T: FromPair>(self, sampler: T) {
        self.truncated(|sink| sink.pair(sampler));
    }

    fn stream<T: FromStream>(self, sampler: T) {
        self.truncated(|sink| sink.stream(sampler));
    }

    fn integers(self, sampler: Bounded) {
        self.draw.fill_integers(self.start, self.step, self.out, sampler);
    }
}

impl RandomSource {
    pub fn new(key: [u64; 2], distribution: Distribution) -> RandomSource {
        RandomSource { key, distribution }
    }

    /// The element type that NumPy gives the distribution's numbers.
    pub fn dtype(&self) -> DType {
        self.distribution.dtype()
    }

    /// Nanoseconds that an element takes on one core, about.
    pub fn cost_ns(&self) -> f64 {
        self.distribution.cost_ns()
    }

    /// Are the parameters ones that the distribution has?
    pub fn validate(&self) -> Result<(), RandomError> {
        self.distribution.validate()
    }

    /// The numbers of the elements `start`, `start + step`, ... as doubles: exact for [`DType::F64`], rounded to `f32`
    /// for [`DType::F32`], converted for integers. A step of one is the fast path.
    pub fn fill_f64(&self, start: u64, step: i64, out: &mut [f64]) {
        if self.distribution.is_single() {
            let mut singles = [0.0; CONVERTED];
            for (k, values) in out.chunks_mut(CONVERTED).enumerate() {
                self.fill_f32(element(start, step, k * CONVERTED), step, &mut singles[..values.len()]);
                for (value, single) in values.iter_mut().zip(singles) {
                    *value = f64::from(single);
                }
            }
            return;
        }
        self.distribution.visit(FillFloats { draw: Draw::new(self.key), start, step, out });
    }

    /// The same as `f32`: the exact numbers of a distribution of that type, rounded ones of others.
    pub fn fill_f32(&self, start: u64, step: i64, out: &mut [f32]) {
        let draw = Draw::new(self.key);
        if let Distribution::StandardUniform { single: true } = self.distribution {
            return draw.fill_single_uniforms(start, step, out);
        }
        let mut doubles = [0.0; CONVERTED];
        for (k, values) in out.chunks_mut(CONVERTED).enumerate() {
            let out = &mut doubles[..values.len()];
            self.distribution.visit(FillFloats { draw, start: element(start, step, k * CONVERTED), step, out });
            for (value, double) in values.iter_mut().zip(doubles) {
                *value = double as f32;
            }
        }
    }

    /// The same as integers: those of `uint64` as the `i64` of the same bits, doubles truncated.
    pub fn fill_i64(&self, start: u64, step: i64, out: &mut [i64]) {
        self.distribution.visit(FillIntegers { draw: Draw::new(self.key), start, step, out });
    }
}
