//! Draws whose numbers depend on each other: a row of the result has one stream.

use super::ars::Cipher;
use super::continuous::StandardGamma;
use super::discrete::{Hypergeometric, binomial};
use super::error::RandomError;
use super::lanes::{Lanes, Width, exp, vectorised};
use super::stream::{ElementStream, FromStream};

/// By how much probabilities may add up to more than one before that is an error: NumPy's measure.
const EXCESS: f64 = 1e-12;

/// Rows, one after the other, each from its own stream.
struct Rows<'a, T, F> {
    cipher: Cipher,
    first: u64,
    columns: usize,
    out: &'a mut [T],
    row: F,
}

impl<T, F: RowSampler<T>> Lanes for Rows<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, row) in (self.first..).zip(self.out.chunks_exact_mut(self.columns.max(1))) {
            self.row.fill(&mut ElementStream::new(&self.cipher, index), row);
        }
    }
}

/// How a row is drawn from its stream.
trait RowSampler<T> {
    fn fill(&self, stream: &mut ElementStream<'_>, row: &mut [T]);
}

fn fill_rows<T, F: RowSampler<T>>(key: [u64; 2], first: u64, columns: usize, out: &mut [T], row: F) {
    vectorised(Width::widest(), Rows { cipher: Cipher::new(key), first, columns, out, row });
}

struct Multinomial<'a> {
    n: f64,
    probabilities: &'a [f64],
}

impl RowSampler<i64> for Multinomial<'_> {
    /// Each count is binomial, given those before it.
    #[inline(always)]
    fn fill(&self, stream: &mut ElementStream<'_>, row: &mut [i64]) {
        row.fill(0);
        let Some((last, counts)) = row.split_last_mut() else { return };
        let (mut left, mut share) = (self.n, 1.0);
        for (count, probability) in counts.iter_mut().zip(self.probabilities) {
            if left <= 0.0 {
                break;
            }
            let drawn = binomial(left, (probability / share).clamp(0.0, 1.0), stream);
            *count = drawn as i64;
            left -= drawn;
            share -= probability;
            if share <= 0.0 {
                break;
            }
        }
        *last = left as i64;
    }
}

/// Fills rows of counts, from row `first` on, each of `n` trials over outcomes of these probabilities. The length of
/// `out` is a multiple of theirs; the last probability is what the others leave.
pub fn multinomial(
    key: [u64; 2],
    first: u64,
    n: u64,
    probabilities: &[f64],
    out: &mut [i64],
) -> Result<(), RandomError> {
    const NAME: &str = "multinomial";
    check_rows(NAME, probabilities.len(), out.len())?;
    if let Some(value) = probabilities.iter().copied().find(|p| !(0.0..=1.0).contains(p)) {
        let condition = "pvals < 0, pvals > 1 or pvals contains NaNs";
        return Err(RandomError::Parameter { distribution: NAME, parameter: "pvals", condition, value });
    }
    let all_but_last: f64 = probabilities.iter().rev().skip(1).rev().sum();
    if all_but_last > 1.0 + EXCESS {
        let values = format!("a sum of {all_but_last}");
        return Err(RandomError::Combination { distribution: NAME, condition: "sum(pvals[:-1]) > 1.0", values });
    }
    fill_rows(key, first, probabilities.len(), out, Multinomial { n: n as f64, probabilities });
    Ok(())
}

struct MultivariateHypergeometric<'a> {
    sample: u64,
    colours: &'a [u64],
    all: u64,
}

impl RowSampler<i64> for MultivariateHypergeometric<'_> {
    /// Each count is hypergeometric, given those before it.
    #[inline(always)]
    fn fill(&self, stream: &mut ElementStream<'_>, row: &mut [i64]) {
        let (mut left, mut all) = (self.sample, self.all);
        for (count, colour) in row.iter_mut().zip(self.colours) {
            let others = all - colour;
            // What is certain is not drawn: no item of the colour or of the others, or everything taken.
            let drawn = if *colour == 0 || left == 0 {
                0
            } else if others == 0 {
                left
            } else {
                Hypergeometric::new(*colour as f64, others as f64, left as f64).value(stream) as u64
            };
            *count = drawn as i64;
            left -= drawn.min(left);
            all = others;
        }
    }
}

/// Fills rows of counts, from row `first` on: how many of each colour are in a sample without replacement from an urn.
pub fn multivariate_hypergeometric(
    key: [u64; 2],
    first: u64,
    colours: &[u64],
    sample: u64,
    out: &mut [i64],
) -> Result<(), RandomError> {
    const NAME: &str = "multivariate_hypergeometric";
    check_rows(NAME, colours.len(), out.len())?;
    let all = colours.iter().try_fold(0u64, |sum, colour| sum.checked_add(*colour)).unwrap_or(u64::MAX);
    if sample > all {
        let values = format!("nsample = {sample}, a sum of {all}");
        return Err(RandomError::Combination { distribution: NAME, condition: "nsample > sum(colors)", values });
    }
    fill_rows(key, first, colours.len(), out, MultivariateHypergeometric { sample, colours, all });
    Ok(())
}

struct Dirichlet<'a> {
    concentrations: &'a [StandardGamma],
}

impl RowSampler<f64> for Dirichlet<'_> {
    /// Gammas over their sum, by logarithms, so that small concentrations do not end as zero over zero.
    #[inline(always)]
    fn fill(&self, stream: &mut ElementStream<'_>, row: &mut [f64]) {
        let mut greatest = f64::NEG_INFINITY;
        for (value, concentration) in row.iter_mut().zip(self.concentrations) {
            *value = concentration.ln_value(stream);
            greatest = greatest.max(*value);
        }
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = exp(*value - greatest);
            sum += *value;
        }
        row.iter_mut().for_each(|value| *value /= sum);
    }
}

/// Fills rows of shares that add up to one, from row `first` on.
pub fn dirichlet(key: [u64; 2], first: u64, concentrations: &[f64], out: &mut [f64]) -> Result<(), RandomError> {
    const NAME: &str = "dirichlet";
    check_rows(NAME, concentrations.len(), out.len())?;
    if let Some(value) = concentrations.iter().copied().find(|value| value.is_nan() || *value <= 0.0) {
        return Err(RandomError::Parameter { distribution: NAME, parameter: "alpha", condition: "alpha <= 0", value });
    }
    let gammas: Vec<_> = concentrations.iter().map(|shape| StandardGamma::new(*shape)).collect();
    fill_rows(key, first, gammas.len(), out, Dirichlet { concentrations: &gammas });
    Ok(())
}

fn check_rows(distribution: &'static str, columns: usize, len: usize) -> Result<(), RandomError> {
    if (columns == 0 && len != 0) || (columns != 0 && !len.is_multiple_of(columns)) {
        return Err(RandomError::ParameterLength { distribution, expected: len, got: columns });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u64; 2] = [5, 6];
    const ROWS: usize = 20_000;

    /// Means of the columns of rows of three.
    fn means(rows: &[i64]) -> [f64; 3] {
        let mut sums = [0.0; 3];
        for row in rows.chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += *value as f64;
            }
        }
        sums.map(|sum| sum / (rows.len() / 3) as f64)
    }

    #[test]
    fn multinomial_rows_have_their_sum_and_means() {
        let probabilities = [0.2, 0.5, 0.3];
        let mut rows = vec![0; 3 * ROWS];
        multinomial(KEY, 10, 40, &probabilities, &mut rows).unwrap();
        assert!(rows.chunks_exact(3).all(|row| row.iter().sum::<i64>() == 40 && row.iter().all(|v| *v >= 0)));
        for (mean, p) in means(&rows).into_iter().zip(probabilities) {
            let error = (40.0 * p * (1.0 - p) / ROWS as f64).sqrt();
            assert!((mean - 40.0 * p).abs() < 5.0 * error, "{mean} for {p}");
        }
        let mut one = vec![0; 3];
        multinomial(KEY, 10 + 777, 40, &probabilities, &mut one).unwrap();
        assert_eq!(one, rows[3 * 777..3 * 778], "a row does not depend on where the rows start");
    }

    #[test]
    fn multinomial_takes_sure_and_impossible_outcomes() {
        let mut row = vec![7; 4];
        multinomial(KEY, 0, 9, &[0.0, 1.0, 0.0, 0.0], &mut row).unwrap();
        assert_eq!(row, [0, 9, 0, 0]);
        assert!(multinomial(KEY, 0, 9, &[0.8, 0.4, 0.1, 0.0], &mut row).is_err());
        assert!(multinomial(KEY, 0, 9, &[-0.1, 0.4, 0.1, 0.0], &mut row).is_err());
        assert!(multinomial(KEY, 0, 9, &[0.5, 0.3, 0.2], &mut row).is_err());
    }

    #[test]
    fn urns_give_their_sum_and_means() {
        let colours = [16, 8, 40];
        for sample in [5, 30, 60] {
            let mut rows = vec![0; 3 * ROWS];
            multivariate_hypergeometric(KEY, 0, &colours, sample, &mut rows).unwrap();
            for row in rows.chunks_exact(3) {
                assert_eq!(row.iter().sum::<i64>(), sample as i64);
                assert!(row.iter().zip(colours).all(|(count, colour)| (0..=colour as i64).contains(count)));
            }
            for (mean, colour) in means(&rows).into_iter().zip(colours) {
                let (n, share) = (sample as f64, colour as f64 / 64.0);
                let variance = n * share * (1.0 - share) * (64.0 - n) / 63.0;
                assert!((mean - n * share).abs() < 5.0 * (variance / ROWS as f64).sqrt(), "{mean} of {colour}");
            }
        }
        let mut row = [0; 3];
        multivariate_hypergeometric(KEY, 0, &[3, 0, 4], 7, &mut row).unwrap();
        assert_eq!(row, [3, 0, 4]);
        assert!(multivariate_hypergeometric(KEY, 0, &[3, 0, 4], 8, &mut row).is_err());
    }

    #[test]
    fn dirichlet_shares_add_up_and_have_their_means() {
        let alpha = [0.001, 2.0, 5.0];
        let mut rows = vec![0.0; 3 * ROWS];
        dirichlet(KEY, 0, &alpha, &mut rows).unwrap();
        assert!(rows.chunks_exact(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-15));
        let total: f64 = alpha.iter().sum();
        for (column, a) in alpha.into_iter().enumerate() {
            let mean = rows.iter().skip(column).step_by(3).sum::<f64>() / ROWS as f64;
            let share = a / total;
            let error = (share * (1.0 - share) / (total + 1.0) / ROWS as f64).sqrt();
            assert!((mean - share).abs() < 5.0 * error, "{mean} for {share}");
        }
        assert!(dirichlet(KEY, 0, &[0.0, 1.0], &mut rows).is_err());
    }
}
