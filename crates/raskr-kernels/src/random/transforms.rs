//! Distributions that are a function of one word, or of one block for two elements: no rejection, no branches.

use super::lanes::{UNIT, circle_point, exp, exp_minus_one, ln, pow, uniform, uniform_above_zero, uniform_open};

/// A number made of one word.
pub(crate) trait FromWord: Copy {
    fn value(self, word: u64) -> f64;
}

/// Two numbers, for the elements `2 j` and `2 j + 1`, made of block `j`.
pub(crate) trait FromPair: Copy {
    fn values(self, words: [u64; 2]) -> (f64, f64);
}

/// Uniform on a line: `offset + u * range` with u in [0, 1).
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// Range per unit of the word's upper 53 bits, and the offset.
    pub line: [f64; 2],
}

impl Line {
    pub fn new(low: f64, high: f64) -> Line {
        Line { line: [(high - low) * UNIT, low] }
    }
}

impl FromWord for Line {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        ((word >> 11) as f64).mul_add(self.line[0], self.line[1])
    }
}

/// Two independent standard normals (Box and Muller, 1958): a radius and a direction.
#[inline(always)]
pub(crate) fn standard_normals(words: [u64; 2]) -> (f64, f64) {
    let radius = (-2.0 * ln(uniform_above_zero(words[0]))).sqrt();
    let (x, y) = circle_point(words[1]);
    (radius * x, radius * y)
}

#[derive(Clone, Copy)]
pub(crate) struct Normal {
    pub mean: f64,
    pub sd: f64,
}

impl Normal {
    pub const STANDARD: Normal = Normal { mean: 0.0, sd: 1.0 };
}

impl FromPair for Normal {
    #[inline(always)]
    fn values(self, words: [u64; 2]) -> (f64, f64) {
        let (one, other) = standard_normals(words);
        (one.mul_add(self.sd, self.mean), other.mul_add(self.sd, self.mean))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct LogNormal(pub Normal);

impl FromPair for LogNormal {
    #[inline(always)]
    fn values(self, words: [u64; 2]) -> (f64, f64) {
        let (one, other) = self.0.values(words);
        (exp(one), exp(other))
    }
}

/// A standard exponential by inversion.
#[inline(always)]
pub(crate) fn standard_exponential(word: u64) -> f64 {
    // Not a negation, which would make minus zero of the greatest word.
    0.0 - ln(uniform_above_zero(word))
}

#[derive(Clone, Copy)]
pub(crate) struct Exponential {
    pub scale: f64,
}

impl FromWord for Exponential {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        standard_exponential(word) * self.scale
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Gumbel {
    pub location: f64,
    pub scale: f64,
}

impl FromWord for Gumbel {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        (-self.scale).mul_add(ln(-ln(uniform_open(word))), self.location)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Laplace {
    pub location: f64,
    pub scale: f64,
}

impl FromWord for Laplace {
    /// The word's upper bit is the sign, the others an exponential.
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let sign = word & (1 << 63);
        let size = standard_exponential(word << 1);
        f64::from_bits(size.to_bits() ^ sign).mul_add(self.scale, self.location)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Logistic {
    pub location: f64,
    pub scale: f64,
}

impl FromWord for Logistic {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let u = uniform_open(word);
        ln(u / (1.0 - u)).mul_add(self.scale, self.location)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Rayleigh {
    pub scale: f64,
}

impl FromWord for Rayleigh {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        (2.0 * standard_exponential(word)).sqrt() * self.scale
    }
}

/// E^(1 / shape) of an exponential E; zero for a shape of zero.
#[derive(Clone, Copy)]
pub(crate) struct Weibull {
    inverse_shape: f64,
    scale: f64,
}

impl Weibull {
    pub fn new(shape: f64) -> Weibull {
        if shape == 0.0 {
            Weibull { inverse_shape: 0.0, scale: 0.0 }
        } else {
            Weibull { inverse_shape: 1.0 / shape, scale: 1.0 }
        }
    }
}

impl FromWord for Weibull {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        pow(-ln(uniform_open(word)), self.inverse_shape) * self.scale
    }
}

/// The Pareto distribution of the second kind (Lomax), as NumPy draws it.
#[derive(Clone, Copy)]
pub(crate) struct Pareto {
    pub inverse_shape: f64,
}

impl FromWord for Pareto {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        exp_minus_one(standard_exponential(word) * self.inverse_shape)
    }
}

/// The power-function distribution: U^(1 / shape).
#[derive(Clone, Copy)]
pub(crate) struct Power {
    pub inverse_shape: f64,
}

impl FromWord for Power {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        pow(uniform_above_zero(word), self.inverse_shape)
    }
}

/// The slope of a uniformly distributed direction.
#[derive(Clone, Copy)]
pub(crate) struct Cauchy;

impl FromWord for Cauchy {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let (x, y) = circle_point(word);
        // Both coordinates share the sign bit, so the slope's sign comes from the angle alone.
        y / x
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Triangular {
    left: f64,
    right: f64,
    /// The probability of lying left of the mode.
    below: f64,
    rise: f64,
    fall: f64,
}

impl Triangular {
    pub fn new(left: f64, mode: f64, right: f64) -> Triangular {
        let base = right - left;
        Triangular { left, right, below: (mode - left) / base, rise: (mode - left) * base, fall: (right - mode) * base }
    }
}

impl FromWord for Triangular {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let u = uniform(word);
        let rising = self.left + (u * self.rise).sqrt();
        let falling = self.right - ((1.0 - u) * self.fall).sqrt();
        if u <= self.below { rising } else { falling }
    }
}

/// The number of trials until the first success: the exponential rounded up to whole trials.
#[derive(Clone, Copy)]
pub(crate) struct Geometric {
    trials_per_exponential: f64,
}

impl Geometric {
    pub fn new(probability: f64) -> Geometric {
        Geometric { trials_per_exponential: -1.0 / super::functions::ln_1p(-probability) }
    }
}

impl FromWord for Geometric {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let trials = (standard_exponential(word) * self.trials_per_exponential).ceil();
        if trials < 1.0 { 1.0 } else { trials }
    }
}
