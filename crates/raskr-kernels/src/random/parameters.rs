//! Numbers whose parameters differ from element to element.

use super::distribution::{Distribution, DistributionKind};
use super::draw::Draw;
use super::error::RandomError;
use super::integers::Bounded;
use super::source::{RandomSource, Sink};
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
        sampler.double(self.draw.one_integer(self.index, sampler))
    }
}

/// A family of lines of one standard distribution: that distribution, and offset and slope by the parameters.
struct Family {
    standard: Distribution,
    line: fn(&[f64; 3]) -> (f64, f64),
    /// Are these parameters beyond doubt? Others are looked at closely.
    sound: fn(&[f64; 3]) -> bool,
}

fn family(kind: DistributionKind) -> Option<Family> {
    let located = |standard| Family { standard, line: |p| (p[0], p[1]), sound: |p| p[1] > 0.0 };
    let scaled = |standard| Family { standard, line: |p| (0.0, p[0]), sound: |p| p[0] > 0.0 };
    match kind {
        DistributionKind::Uniform => Some(Family {
            standard: Distribution::StandardUniform { single: false },
            line: |p| (p[0], p[1] - p[0]),
            sound: |p| (p[1] - p[0]).is_finite(),
        }),
        DistributionKind::Normal => Some(located(Distribution::StandardNormal { single: false })),
        DistributionKind::Gumbel => Some(located(Distribution::Gumbel { location: 0.0, scale: 1.0 })),
        DistributionKind::Laplace => Some(located(Distribution::Laplace { location: 0.0, scale: 1.0 })),
        DistributionKind::Logistic => Some(located(Distribution::Logistic { location: 0.0, scale: 1.0 })),
        DistributionKind::Exponential => Some(scaled(Distribution::StandardExponential { single: false })),
        DistributionKind::Rayleigh => Some(scaled(Distribution::Rayleigh { scale: 1.0 })),
        _ => None,
    }
}

/// Fills `out` with the elements `start`, `start + 1`, ... of a source whose parameters are arrays: element `k` of `out`
/// takes `parameters[j][k]`, or `parameters[j][0]` of a slice of one. With equal parameters the numbers are those of a
/// [`RandomSource`] with them. Whole numbers come as doubles.
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
    let parameters_of = |k: usize| {
        let mut of_element = [0.0; 3];
        for (value, values) in of_element.iter_mut().zip(parameters) {
            *value = if values.len() == 1 { values[0] } else { values[k] };
        }
        of_element
    };
    let member = |of_element: &[f64; 3]| -> Result<Distribution, RandomError> {
        let member = kind.with(&of_element[..expected])?;
        member.validate()?;
        Ok(member)
    };
    if let Some(family) = family(kind) {
        RandomSource::new(key, family.standard).fill_f64(start, 1, out);
        for (k, value) in out.iter_mut().enumerate() {
            let of_element = parameters_of(k);
            if !(family.sound)(&of_element) {
                member(&of_element)?;
            }
            let (offset, slope) = (family.line)(&of_element);
            *value = value.mul_add(slope, offset);
        }
        return Ok(());
    }
    let draw = Draw::new(key);
    for (k, value) in out.iter_mut().enumerate() {
        let index = start.wrapping_add(k as u64);
        *value = member(&parameters_of(k))?.visit(One { draw: &draw, index });
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
