//! Discrete Fourier transforms of blocks along their axes.
//!
//! Lines that lie apart in memory are gathered several at a time: one strided line would fetch a cache line for every
//! element. A transform along several axes works in the block that the first step made.

mod lines;
mod plans;

use num_complex::Complex;
use raskr_base::{Chunk, DType, Element};
use rustfft::FftNum;
use serde::{Deserialize, Serialize};

use crate::error::KernelError;
use lines::{Shape, through, within};
use plans::{Planned, with_plans};

/// What a step does to the lines along its axis, by NumPy's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FourierKind {
    Forward,
    Inverse,
    RealForward,
    RealInverse,
    HermitianForward,
    HermitianInverse,
}

impl FourierKind {
    fn is_inverse(self) -> bool {
        matches!(self, FourierKind::Inverse | FourierKind::RealInverse | FourierKind::HermitianInverse)
    }

    /// Elements of a line of the result, for a transform of length `n`.
    pub fn length(self, n: usize) -> usize {
        match self {
            FourierKind::RealForward | FourierKind::HermitianInverse => n / 2 + 1,
            _ => n,
        }
    }

    /// The result's element type; `None` when there is no native transform of these elements.
    pub fn dtype(self, from: DType) -> Option<DType> {
        use FourierKind as K;
        match (self, from) {
            (K::Forward | K::Inverse, DType::F32 | DType::C64) => Some(DType::C64),
            (K::Forward | K::Inverse, DType::F64 | DType::C128) => Some(DType::C128),
            (K::RealForward | K::HermitianInverse, DType::F32) => Some(DType::C64),
            (K::RealForward | K::HermitianInverse, DType::F64) => Some(DType::C128),
            (K::RealInverse | K::HermitianForward, DType::C64) => Some(DType::F32),
            (K::RealInverse | K::HermitianForward, DType::C128) => Some(DType::F64),
            _ => None,
        }
    }
}

/// Which direction carries the factor 1/n.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scaling {
    Backward,
    Ortho,
    Forward,
}

/// One transform along one axis. Lines are cut, or filled up with zeros, to what a transform of length `n` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    pub kind: FourierKind,
    pub axis: usize,
    pub n: usize,
}

impl Step {
    fn factor(&self, scaling: Scaling) -> f64 {
        let n = self.n as f64;
        match (scaling, self.kind.is_inverse()) {
            (Scaling::Ortho, _) => 1.0 / n.sqrt(),
            (Scaling::Backward, true) | (Scaling::Forward, false) => 1.0 / n,
            _ => 1.0,
        }
    }
}

/// The steps one after another. The chunk's memory is written to when the chunk is its sole owner.
pub fn transform(chunk: Chunk, steps: &[Step], scaling: Scaling) -> Result<Chunk, KernelError> {
    let mut current = chunk;
    for step in steps {
        if step.axis >= current.ndim() {
            return Err(KernelError::Axis { axis: step.axis, ndim: current.ndim() });
        }
        if step.n == 0 {
            return Err(KernelError::Value("Invalid number of data points (0) specified.".to_owned()));
        }
        if step.kind.dtype(current.dtype()).is_none() {
            return Err(KernelError::NoLoop { operation: format!("{:?}", step.kind), inputs: vec![current.dtype()] });
        }
        current = match current.dtype() {
            DType::F32 | DType::C64 => apply::<f32>(current, step, scaling),
            _ => apply::<f64>(current, step, scaling),
        };
    }
    Ok(current)
}

/// A real element type with its complex one.
trait Real: FftNum + Element + num_traits::Float + Planned {
    const COMPLEX: DType;
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    const COMPLEX: DType = DType::C64;

    fn of(value: f64) -> f32 {
        value as f32
    }
}

impl Real for f64 {
    const COMPLEX: DType = DType::C128;

    fn of(value: f64) -> f64 {
        value
    }
}

fn apply<T: Real>(chunk: Chunk, step: &Step, scaling: Scaling) -> Chunk
where
    Complex<T>: Element,
{
    let factor = T::of(step.factor(scaling));
    let n = step.n;
    with_plans(|plans: &mut plans::Plans<T>| match step.kind {
        FourierKind::Forward | FourierKind::Inverse if chunk.dtype() == T::COMPLEX => {
            let plan = plans.complex(n, step.kind.is_inverse());
            within::<Complex<T>>(chunk, step.axis, n, |lines| {
                plan.fft.process_with_scratch(lines, &mut plan.scratch);
                scale(lines, factor);
            })
        }
        FourierKind::Forward | FourierKind::Inverse => {
            // Of real numbers: half is computed, the other half mirrors it.
            let inverse = step.kind.is_inverse();
            let plan = plans.real(n);
            let shape = Shape { read: n.min(chunk.shape()[step.axis]), line: n, out: n };
            through::<T, Complex<T>>(&chunk, step.axis, shape, |line, out| {
                line.iter_mut().for_each(|x| *x = *x * factor);
                plan.forward(line, &mut out[..n / 2 + 1]);
                for k in n / 2 + 1..n {
                    out[k] = out[n - k].conj();
                }
                if inverse {
                    out.iter_mut().for_each(|x| *x = x.conj());
                }
            })
        }
        FourierKind::RealForward | FourierKind::HermitianInverse => {
            let inverse = step.kind.is_inverse();
            let plan = plans.real(n);
            let shape = Shape { read: n.min(chunk.shape()[step.axis]), line: n, out: n / 2 + 1 };
            through::<T, Complex<T>>(&chunk, step.axis, shape, |line, out| {
                line.iter_mut().for_each(|x| *x = *x * factor);
                plan.forward(line, out);
                if inverse {
                    out.iter_mut().for_each(|x| *x = x.conj());
                }
            })
        }
        FourierKind::RealInverse | FourierKind::HermitianForward => {
            let conjugate = step.kind == FourierKind::HermitianForward;
            let plan = plans.hermitian(n);
            let half = n / 2 + 1;
            let shape = Shape { read: half.min(chunk.shape()[step.axis]), line: half, out: n };
            through::<Complex<T>, T>(&chunk, step.axis, shape, |line, out| {
                for x in line.iter_mut() {
                    *x = (if conjugate { x.conj() } else { *x }) * factor;
                }
                // These are real in every transform of real numbers; what is there otherwise doesn't count.
                line[0].im = T::of(0.0);
                if n.is_multiple_of(2) {
                    line[half - 1].im = T::of(0.0);
                }
                plan.inverse(line, out);
            })
        }
    })
    .freeze()
}

fn scale<T: Real>(values: &mut [Complex<T>], factor: T) {
    if factor != T::of(1.0) {
        values.iter_mut().for_each(|x| *x = *x * factor);
    }
}

#[cfg(test)]
mod tests;
