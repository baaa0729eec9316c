//! Random arrays: numbers that depend on a seed and on each element's place only, not on chunks or threads.

use raskr_array::Expr;
use raskr_base::DType;
use raskr_kernels::random::{RandomSource, derive_key};

use super::Array;
use super::chunks::{Chunks, Shape};

pub use raskr_kernels::random::Distribution;

/// A source of random arrays. The same seed and the same sequence of calls give the same numbers on every machine,
/// whatever the chunks; each call draws from a stream of its own.
///
/// ```
/// use raskr::array::random::Generator;
///
/// let a = Generator::new(42).normal(1000, 0.0, 1.0, 100).to_vec::<f64>()?;
/// let b = Generator::new(42).normal(1000, 0.0, 1.0, 33).to_vec::<f64>()?;
/// assert_eq!(a, b);
/// # Ok::<(), raskr::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generator {
    seed: [u32; 2],
    streams: u64,
}

impl Generator {
    /// A source of a seed.
    pub fn new(seed: u64) -> Generator {
        Generator { seed: [seed as u32, (seed >> 32) as u32], streams: 0 }
    }

    /// Numbers of any distribution that the engine has.
    ///
    /// ```
    /// use raskr::array::random::{Distribution, Generator};
    ///
    /// let waits = Generator::new(3).draw(Distribution::Gamma { shape: 2.0, scale: 1.5 }, 10_000, 2500);
    /// assert!((waits.mean(..).item::<f64>()? - 3.0).abs() < 0.1);
    /// # Ok::<(), raskr::Error>(())
    /// ```
    #[track_caller]
    pub fn draw(&mut self, distribution: Distribution, shape: impl Into<Shape>, chunks: impl Into<Chunks>) -> Array {
        let source = RandomSource::new(derive_key(&self.seed, self.streams), distribution);
        self.streams += 1;
        let grid = chunks.into().grid(&shape.into().0, source.dtype().itemsize());
        Array::built(grid.and_then(|grid| Expr::random(grid, source, "random")))
    }

    /// Floats from `low` (included) to `high`, all equally likely.
    #[track_caller]
    pub fn uniform(&mut self, shape: impl Into<Shape>, low: f64, high: f64, chunks: impl Into<Chunks>) -> Array {
        self.draw(Distribution::Uniform { low, high }, shape, chunks)
    }

    /// Normally distributed floats.
    #[track_caller]
    pub fn normal(&mut self, shape: impl Into<Shape>, mean: f64, sd: f64, chunks: impl Into<Chunks>) -> Array {
        self.draw(Distribution::Normal { mean, sd }, shape, chunks)
    }

    /// Exponentially distributed floats, `scale` being their mean.
    #[track_caller]
    pub fn exponential(&mut self, shape: impl Into<Shape>, scale: f64, chunks: impl Into<Chunks>) -> Array {
        self.draw(Distribution::Exponential { scale }, shape, chunks)
    }

    /// Counts of events of which `mean` are expected.
    #[track_caller]
    pub fn poisson(&mut self, shape: impl Into<Shape>, mean: f64, chunks: impl Into<Chunks>) -> Array {
        self.draw(Distribution::Poisson { mean }, shape, chunks)
    }

    /// Integers from `low` (included) to `high` (not included), all equally likely.
    #[track_caller]
    pub fn integers(&mut self, shape: impl Into<Shape>, low: i64, high: i64, chunks: impl Into<Chunks>) -> Array {
        if low >= high {
            return Array::built(Err(raskr_array::ArrayError::Unexpected {
                operation: "integers",
                expected: "low < high".to_owned(),
                got: format!("{low} and {high}"),
            }));
        }
        let span = high.wrapping_sub(low) as u64 - 1;
        self.draw(Distribution::Integers { low, span, dtype: DType::I64 }, shape, chunks)
    }
}
