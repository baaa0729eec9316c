//! Plans of transforms: each thread keeps those it used last, with their scratch memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftNum, FftPlanner};

/// When a thread has so many plans it starts afresh: twiddle factors are as long as the transforms.
const PLANS_MAX: usize = 24;

pub struct ComplexPlan<T> {
    pub fft: Arc<dyn Fft<T>>,
    pub scratch: Vec<Complex<T>>,
}

pub struct RealPlan<T> {
    fft: Arc<dyn RealToComplex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: FftNum> RealPlan<T> {
    /// The first half of a real line's transform; the line's contents are lost.
    pub fn forward(&mut self, line: &mut [T], out: &mut [Complex<T>]) {
        // Lengths are those of the plan, which is all that could be wrong.
        let _ = self.fft.process_with_scratch(line, out, &mut self.scratch);
    }
}

pub struct HermitianPlan<T> {
    fft: Arc<dyn ComplexToReal<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: FftNum> HermitianPlan<T> {
    /// The real line whose transform begins with `line`, whose contents are lost.
    pub fn inverse(&mut self, line: &mut [Complex<T>], out: &mut [T]) {
        // Lengths are those of the plan, and the caller cleared the imaginary parts that may not be there.
        let _ = self.fft.process_with_scratch(line, out, &mut self.scratch);
    }
}

/// The plans of one thread for one precision.
pub struct Plans<T: FftNum> {
    complex_planner: FftPlanner<T>,
    real_planner: RealFftPlanner<T>,
    complex: HashMap<(usize, bool), ComplexPlan<T>>,
    real: HashMap<usize, RealPlan<T>>,
    hermitian: HashMap<usize, HermitianPlan<T>>,
}

impl<T: FftNum> Plans<T> {
    fn new() -> Plans<T> {
        Plans {
            complex_planner: FftPlanner::new(),
            real_planner: RealFftPlanner::new(),
            complex: HashMap::new(),
            real: HashMap::new(),
            hermitian: HashMap::new(),
        }
    }

    fn make_room(&mut self) {
        if self.complex.len() + self.real.len() + self.hermitian.len() >= PLANS_MAX {
            *self = Plans::new();
        }
    }

    pub fn complex(&mut self, n: usize, inverse: bool) -> &mut ComplexPlan<T> {
        if !self.complex.contains_key(&(n, inverse)) {
            self.make_room();
        }
        let planner = &mut self.complex_planner;
        self.complex.entry((n, inverse)).or_insert_with(|| {
            let fft = if inverse { planner.plan_fft_inverse(n) } else { planner.plan_fft_forward(n) };
            let scratch = vec![Complex::new(T::zero(), T::zero()); fft.get_inplace_scratch_len()];
            ComplexPlan { fft, scratch }
        })
    }

    pub fn real(&mut self, n: usize) -> &mut RealPlan<T> {
        if !self.real.contains_key(&n) {
            self.make_room();
        }
        let planner = &mut self.real_planner;
        self.real.entry(n).or_insert_with(|| {
            let fft = planner.plan_fft_forward(n);
            let scratch = fft.make_scratch_vec();
            RealPlan { fft, scratch }
        })
    }

    pub fn hermitian(&mut self, n: usize) -> &mut HermitianPlan<T> {
        if !self.hermitian.contains_key(&n) {
            self.make_room();
        }
        let planner = &mut self.real_planner;
        self.hermitian.entry(n).or_insert_with(|| {
            let fft = planner.plan_fft_inverse(n);
            let scratch = fft.make_scratch_vec();
            HermitianPlan { fft, scratch }
        })
    }
}

/// A precision whose plans threads keep.
pub trait Planned: FftNum {
    fn with<R>(work: impl FnOnce(&mut Plans<Self>) -> R) -> R;
}

macro_rules! planned {
    ($($type:ty),*) => {$(
        impl Planned for $type {
            fn with<R>(work: impl FnOnce(&mut Plans<$type>) -> R) -> R {
                thread_local! {
                    static PLANS: RefCell<Plans<$type>> = RefCell::new(Plans::new());
                }
                PLANS.with(|plans| work(&mut plans.borrow_mut()))
            }
        }
    )*};
}
planned!(f32, f64);

/// Work with this thread's plans.
pub fn with_plans<T: Planned, R>(work: impl FnOnce(&mut Plans<T>) -> R) -> R {
    T::with(work)
}
