//! Numbers whose parameters differ from element to element.

use super::distribution::{Distribution, DistributionKind};
use super::draw::Draw;
use super::error::RandomError;
use super::integers::Bounded;
use super::source::Sink;
use super::stream::FromStream;
use super::transforms::{FromPair, FromWord, Line};

/// Makes the number of one element.
struct One<'a> {
    draw: &'a Draw,
    index: u64,
}

impl Sink for One<'_> {
    type Output = f64;

    fn line(self, line: Line) -> f64 {
        self.draw.one_of_word(self.index, line)
    }

    fn word<T: FromWord>(self, sampler: T) -> f64 {
        self.draw.one_of_word(self.index, sampler)
    }

    fn pair<T: FromPair>(self, sampler: T) -> f64 {
        self.draw.one_of_pair(self.index, sampler)
    }

    fn stream<T: FromStream>(self, sampler: T) -> f64 {
        self.draw.one_of_stream(self.index, sampler)
    }

    fn integers(self, sampler: Bounded) -> f64 {
        self.draw.one_integer(self.index, sampler) as f64
    }
}

/// The standard member of a family of locations and scales, and which of the parameters those are.
fn standardised(kind: DistributionKind) -> Option<(Distribution, Option<usize>, usize)> {
    match kind {
        DistributionKind::Normal => Some((Distribution::Normal { mean: 0.0, sd: 1.0 }, Some(0), 1)),
        DistributionKind::Gumbel => Some((Distribution::Gumbel { location: 0.0, scale: 1.0 }, Some(0), 1)),
        DistributionKind::Laplace => Some((Distribution::Laplace { location: 0.0, scale: 1.0 }, Some(0), 1)),
        DistributionKind::Logistic => Some((Distribution::Logistic { location: 0.0, scale: 1.0 }, Some(0), 1)),
        DistributionKind::Exponential => Some((Distribution::Exponential { scale: 1.0 }, None, 0)),
        DistributionKind::Rayleigh => Some((Distribution::Rayleigh { scale: 1.0 }, None, 0)),
        _ => None,
    }
}

/// Fills `out` with the elements `start`, `start + 1`, ... of a source whose parameters are arrays: element `k` of `out`
/// takes `parameters[j][k]`, or `parameters[j][0]` of a slice of one. With equal parameters the numbers are those of a
/// [`RandomSource`](super::RandomSource) with them. Whole numbers come as doubles.
///
/// Every element's parameters are checked; nothing is promised of `out` after an error.
pub fn fill_with_params(
    kind: DistributionKind,
    key: [u64; 2],
    start: u64,
    parameters: &[&[f64]],
    out: &mut [f64],
) -> Result<(), RandomError> {
    let (distribution, expected) = (kind.name(), kind.parameters().len());
    if parameters.len() != expected {
        return Err(RandomError::ParameterCount { distribution, expected, got: parameters.len() });
    }
    for values in parameters {
        if values.len() != 1 && values.len() != out.len() {
            return Err(RandomError::ParameterLength { distribution, expected: out.len(), got: values.len() });
        }
    }
    let parameter = |j: usize, k: usize| {
        let values: &[f64] = parameters[j];
        if values.len() == 1 { values[0] } else { values[k] }
    };
    let member = |k: usize| -> Result<Distribution, RandomError> {
        let mut of_element = [0.0; 3];
        for (j, value) in of_element[..expected].iter_mut().enumerate() {
            *value = parameter(j, k);
        }
        let member = kind.with(&of_element[..expected])?;
        member.validate()?;
        Ok(member)
    };
    if let Some((standard, location, scale)) = standardised(kind) {
        super::RandomSource::new(key, standard).fill_f64(start, 1, out);
        for (k, value) in out.iter_mut().enumerate() {
            member(k)?;
            let scaled = parameter(scale, k);
            *value = match location {
                Some(location) => value.mul_add(scaled, parameter(location, k)),
                None => *value * scaled,
            };
        }
        return Ok(());
    }
    let draw = Draw::new(key);
    for (k, value) in out.iter_mut().enumerate() {
        *value = member(k)?.visit(One { draw: &draw, index: start.wrapping_add(k as u64) });
    }
    Ok(())
}

/// Fills `out` with integers of ranges that differ from element to element: element `k` is one of `low[k]`, ...,
/// `low[k] + span[k]`, where slices of one serve all elements.
pub fn fill_integers_with_params(
    key: [u64; 2],
    start: u64,
    low: &[i64],
    span: &[u64],
    out: &mut [i64],
) -> Result<(), RandomError> {
    for got in [low.len(), span.len()] {
        if got != 1 && got != out.len() {
            return Err(RandomError::ParameterLength { distribution: "integers", expected: out.len(), got });
        }
    }
    let draw = Draw::new(key);
    for (k, value) in out.iter_mut().enumerate() {
        let low = if low.len() == 1 { low[0] } else { low[k] };
        let span = if span.len() == 1 { span[0] } else { span[k] };
        *value = draw.one_integer(start.wrapping_add(k as u64), Bounded::new(low, span));
    }
    Ok(())
}
