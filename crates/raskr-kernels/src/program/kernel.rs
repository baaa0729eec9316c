//! Kernels: one monomorphic loop over a run of elements, with views for inputs and a pointer for the output.
//!
//! Loops run in fixed groups of [`LANES`] elements so that a repeated operand (a constant, a broadcast column) is just a
//! view that does not advance: no variant per kind of operand is compiled. The rest of a run goes through small
//! buffers on the stack.
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

/// One input on its way through a run, group by group.
struct Reader<T> {
    start: *const T,
    advance: usize,
    rest: MaybeUninit<[T; LANES]>,
}

impl<T: Element> Reader<T> {
    #[inline(always)]
    fn new(view: View) -> Reader<T> {
        Reader { start: view.start.cast(), advance: view.step * LANES, rest: MaybeUninit::uninit() }
    }

    /// The next group; `left` elements remain.
    ///
    /// # Safety
    /// The view covers the run and `left` is what remains of it.
    #[inline(always)]
    unsafe fn group(&mut self, left: usize) -> &[T; LANES] {
        if left < LANES && self.advance != 0 {
            let rest = self.rest.write([T::default(); LANES]);
            // SAFETY: `left` elements remain in the view, and fit into the buffer.
            unsafe { std::ptr::copy_nonoverlapping(self.start, rest.as_mut_ptr(), left) };
            rest
        } else {
            let start = self.start;
            self.start = start.wrapping_add(self.advance);
            // SAFETY: a whole group remains, or the view repeats its one group.
            unsafe { &*start.cast::<[T; LANES]>() }
        }
    }
}

/// Calls `body` for each group of the output.
///
/// # Safety
/// `out` has room for `count` elements.
#[inline(always)]
unsafe fn groups<O: Element>(out: *mut u8, count: usize, mut body: impl FnMut(usize, &mut [O; LANES])) {
    let mut out = out.cast::<O>();
    let mut left = count;
    let mut rest = MaybeUninit::<[O; LANES]>::uninit();
    while left > 0 {
        let partial = left < LANES;
        let target = if partial { rest.write([O::default(); LANES]) as *mut [O; LANES] } else { out.cast() };
        // SAFETY: either the buffer above or a whole group of the output.
        body(left, unsafe { &mut *target });
        if partial {
            // SAFETY: `left` elements of room remain.
            unsafe { std::ptr::copy_nonoverlapping(target.cast::<O>(), out, left) };
            return;
        }
        out = out.wrapping_add(LANES);
        left -= LANES;
    }
}

#[inline(always)]
unsafe fn unary_loop<K: Unary>(inputs: &[View], out: *mut u8, count: usize) {
    let mut a = Reader::<K::A>::new(inputs[0]);
    // SAFETY: the kernel's contract.
    unsafe {
        groups::<K::O>(out, count, |left, out| {
            let a = a.group(left);
            for i in 0..LANES {
                out[i] = K::apply(a[i]);
            }
        });
    }
}

#[inline(always)]
unsafe fn binary_loop<K: Binary>(inputs: &[View], out: *mut u8, count: usize) {
    let mut a = Reader::<K::A>::new(inputs[0]);
    let mut b = Reader::<K::B>::new(inputs[1]);
    // SAFETY: the kernel's contract.
    unsafe {
        groups::<K::O>(out, count, |left, out| {
            let (a, b) = (a.group(left), b.group(left));
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
        groups::<K::O>(out, count, |left, out| {
            let (a, b, c) = (a.group(left), b.group(left), c.group(left));
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
        // SAFETY: the kernel's contract; a repeated view is read for at most LANES elements, see `binary_plain`.
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

pub(crate) use {binary_kernel, ternary_kernel, unary_kernel};
