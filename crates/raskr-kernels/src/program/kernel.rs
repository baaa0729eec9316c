//! Kernels: one monomorphic loop over a run of elements, with views for inputs and a pointer for the output.
//!
//! Loops run in fixed groups of [`LANES`] elements so that a repeated operand (a constant, a broadcast column) is just a
//! view that does not advance: no variant per kind of operand is compiled.
// `unsafe` is allowed here: the loops read and write raw tile memory whose extent the caller of a kernel guarantees.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::MaybeUninit;

use pulp::{Arch, Simd, WithSimd};
use raskr_base::Element;

/// Elements per group of a loop: one 512-bit register of bytes, eight of doubles.
pub(crate) const LANES: usize = 64;

/// Where a kernel reads one input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub start: *const u8,
    /// 1 when the elements lie one after another; 0 when the first [`LANES`] elements stand for all.
    pub step: usize,
}

/// What kernels may know about the run they work for.
pub(crate) struct Context {
    arch: Arch,
    /// Set by integer power when it meets a negative exponent.
    pub negative_power: Cell<bool>,
}

/// A loop to be compiled for each width of vectors. As `FnMut`: a closure called as `FnOnce` goes through a shim that is
/// not inlined into the function that enables the instructions, and then the loop is compiled without them.
struct Widest<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Widest<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

impl Context {
    pub fn new() -> Context {
        Context { arch: Arch::new(), negative_power: Cell::new(false) }
    }

    /// Runs a loop with the widest vectors of the machine. The closure must be marked `#[inline(always)]`.
    #[inline(always)]
    pub fn widest<R>(&self, work: impl FnMut() -> R) -> R {
        self.arch.dispatch(Widest(work))
    }
}

/// Computes `count` elements.
///
/// # Safety
/// Each view covers `count` elements ([`LANES`] when its step is 0) and `out` points to room for `count` elements, of the
/// kernel's types and aligned for them; `out` overlaps no view.
pub(crate) type Kernel = unsafe fn(&Context, &[View], *mut u8, usize);

pub(crate) trait Unary {
    type A: Element;
    type O: Element;
    fn apply(a: Self::A) -> Self::O;
}

pub(crate) trait Binary {
    type A: Element;
    type B: Element;
    type O: Element;
    fn apply(a: Self::A, b: Self::B) -> Self::O;
}

pub(crate) trait Ternary {
    type A: Element;
    type B: Element;
    type C: Element;
    type O: Element;
    fn apply(a: Self::A, b: Self::B, c: Self::C) -> Self::O;
}

/// One input of a run.
struct Reader<T> {
    start: *const T,
    step: usize,
    rest: MaybeUninit<[T; LANES]>,
}

impl<T: Element> Reader<T> {
    #[inline(always)]
    fn new(view: View) -> Reader<T> {
        Reader { start: view.start.cast(), step: view.step, rest: MaybeUninit::uninit() }
    }

    /// The group from element `at` on, of a run of `count`.
    ///
    /// # Safety
    /// The view covers the run, and a whole group from `at` on unless the run is shorter than a group.
    #[inline(always)]
    unsafe fn group(&mut self, at: usize, count: usize) -> &[T; LANES] {
        if count < LANES && self.step != 0 {
            let rest = self.rest.write([T::default(); LANES]);
            // SAFETY: the run's elements are in the view, and fit into the buffer.
            unsafe { std::ptr::copy_nonoverlapping(self.start, rest.as_mut_ptr(), count) };
            rest
        } else {
            // SAFETY: a whole group is there, or the view repeats its one group.
            unsafe { &*self.start.wrapping_add(at * self.step).cast::<[T; LANES]>() }
        }
    }
}

/// Calls `body` for each group of the output. The last group of a run that is no multiple of [`LANES`] begins earlier and
/// computes some elements twice, which is cheaper than a loop for the rest; only shorter runs go through buffers.
///
/// # Safety
/// `out` has room for `count` elements.
#[inline(always)]
unsafe fn groups<O: Element>(out: *mut u8, count: usize, mut body: impl FnMut(usize, &mut [O; LANES])) {
    let out = out.cast::<O>();
    let mut rest = MaybeUninit::<[O; LANES]>::uninit();
    let mut done = 0;
    while done < count {
        let partial = count < LANES;
        let at = if partial { 0 } else { done.min(count - LANES) };
        let target =
            if partial { rest.write([O::default(); LANES]) as *mut [O; LANES] } else { out.wrapping_add(at).cast() };
        // SAFETY: either the buffer above or a whole group of the output.
        body(at, unsafe { &mut *target });
        if partial {
            // SAFETY: the output has room for the run.
            unsafe { std::ptr::copy_nonoverlapping(target.cast::<O>(), out, count) };
        }
        done += LANES;
    }
}

/// One input needs no groups: when it is repeated, one group is all that is computed.
#[inline(always)]
unsafe fn unary_loop<K: Unary>(inputs: &[View], out: *mut u8, count: usize) {
    // SAFETY: the kernel's contract; a repeated view is asked for LANES elements at most, which it has.
    let (input, out) = unsafe {
        (
            std::slice::from_raw_parts(inputs[0].start.cast::<K::A>(), count),
            std::slice::from_raw_parts_mut(out.cast::<K::O>(), count),
        )
    };
    for (out, input) in out.iter_mut().zip(input) {
        *out = K::apply(*input);
    }
}

#[inline(always)]
unsafe fn binary_loop<K: Binary>(inputs: &[View], out: *mut u8, count: usize) {
    let mut a = Reader::<K::A>::new(inputs[0]);
    let mut b = Reader::<K::B>::new(inputs[1]);
    // SAFETY: the kernel's contract.
    unsafe {
        groups::<K::O>(out, count, |at, out| {
            let (a, b) = (a.group(at, count), b.group(at, count));
            for i in 0..LANES {
                out[i] = K::apply(a[i], b[i]);
            }
        });
    }
}

#[inline(always)]
unsafe fn ternary_loop<K: Ternary>(inputs: &[View], out: *mut u8, count: usize) {
    let mut a = Reader::<K::A>::new(inputs[0]);
    let mut b = Reader::<K::B>::new(inputs[1]);
    let mut c = Reader::<K::C>::new(inputs[2]);
    // SAFETY: the kernel's contract.
    unsafe {
        groups::<K::O>(out, count, |at, out| {
            let (a, b, c) = (a.group(at, count), b.group(at, count), c.group(at, count));
            for i in 0..LANES {
                out[i] = K::apply(a[i], b[i], c[i]);
            }
        });
    }
}

/// The loop with the widest vectors of the machine.
pub(crate) unsafe fn unary<K: Unary>(context: &Context, inputs: &[View], out: *mut u8, count: usize) {
    // SAFETY: the kernel's contract.
    context.widest(
        #[inline(always)]
        || unsafe { unary_loop::<K>(inputs, out, count) },
    );
}

pub(crate) unsafe fn binary<K: Binary>(context: &Context, inputs: &[View], out: *mut u8, count: usize) {
    // SAFETY: the kernel's contract.
    context.widest(
        #[inline(always)]
        || unsafe { binary_loop::<K>(inputs, out, count) },
    );
}

pub(crate) unsafe fn ternary<K: Ternary>(context: &Context, inputs: &[View], out: *mut u8, count: usize) {
    // SAFETY: the kernel's contract.
    context.widest(
        #[inline(always)]
        || unsafe { ternary_loop::<K>(inputs, out, count) },
    );
}

/// For functions that do not vectorise, such as integer division: compiled once, and never for the padding of a rest
/// (which may be slow, or mean an error).
pub(crate) unsafe fn unary_plain<K: Unary>(_: &Context, inputs: &[View], out: *mut u8, count: usize) {
    let a = inputs[0].start.cast::<K::A>();
    let out = out.cast::<K::O>();
    for i in 0..count {
        // SAFETY: the kernel's contract; a step of 0 reads the first element again.
        unsafe { out.add(i).write(K::apply(a.add(i * inputs[0].step).read())) };
    }
}

pub(crate) unsafe fn binary_plain<K: Binary>(_: &Context, inputs: &[View], out: *mut u8, count: usize) {
    let (a, b) = (inputs[0].start.cast::<K::A>(), inputs[1].start.cast::<K::B>());
    let out = out.cast::<K::O>();
    for i in 0..count {
        // SAFETY: the kernel's contract; a step of 0 reads the first element again.
        unsafe { out.add(i).write(K::apply(a.add(i * inputs[0].step).read(), b.add(i * inputs[1].step).read())) };
    }
}

macro_rules! unary_kernel {
    ($driver:ident, |$x:ident: $a:ty| -> $o:ty $body:block) => {{
        struct Local;
        impl $crate::program::kernel::Unary for Local {
            type A = $a;
            type O = $o;
            #[inline(always)]
            fn apply($x: $a) -> $o $body
        }
        $crate::program::kernel::$driver::<Local> as $crate::program::kernel::Kernel
    }};
    (|$x:ident: $a:ty| -> $o:ty $body:block) => {
        $crate::program::kernel::unary_kernel!(unary, |$x: $a| -> $o $body)
    };
}

/// A kernel over a function of slices.
macro_rules! slice_unary {
    ($input:ty, $out:ty, $function:path) => {{
        unsafe fn kernel(
            _: &$crate::program::kernel::Context,
            inputs: &[$crate::program::kernel::View],
            out: *mut u8,
            count: usize,
        ) {
            // SAFETY: the kernel's contract: `count` elements to read and to write, apart from each other.
            let (input, out) = unsafe {
                (
                    std::slice::from_raw_parts(inputs[0].start.cast::<$input>(), count),
                    std::slice::from_raw_parts_mut(out.cast::<$out>(), count),
                )
            };
            $function(input, out);
        }
        kernel as $crate::program::kernel::Kernel
    }};
}

macro_rules! binary_kernel {
    ($driver:ident, |$x:ident: $a:ty, $y:ident: $b:ty| -> $o:ty $body:block) => {{
        struct Local;
        impl $crate::program::kernel::Binary for Local {
            type A = $a;
            type B = $b;
            type O = $o;
            #[inline(always)]
            fn apply($x: $a, $y: $b) -> $o $body
        }
        $crate::program::kernel::$driver::<Local> as $crate::program::kernel::Kernel
    }};
    (|$x:ident: $a:ty, $y:ident: $b:ty| -> $o:ty $body:block) => {
        $crate::program::kernel::binary_kernel!(binary, |$x: $a, $y: $b| -> $o $body)
    };
}

macro_rules! ternary_kernel {
    (|$x:ident: $a:ty, $y:ident: $b:ty, $z:ident: $c:ty| -> $o:ty $body:block) => {{
        struct Local;
        impl $crate::program::kernel::Ternary for Local {
            type A = $a;
            type B = $b;
            type C = $c;
            type O = $o;
            #[inline(always)]
            fn apply($x: $a, $y: $b, $z: $c) -> $o $body
        }
        $crate::program::kernel::ternary::<Local> as $crate::program::kernel::Kernel
    }};
}

pub(crate) use {binary_kernel, slice_unary, ternary_kernel, unary_kernel};
