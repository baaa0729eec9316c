//! Elementary functions over slices, vectorised where they are hot.
//!
//! `*_lane` functions are branch-free scalars for use in loops inside a `pulp::Arch::dispatch` closure; the slice
//! functions dispatch by themselves. Results of the vectorised `f64` functions are within 2 units in the last place.
//! Invariant: special values (NaN, infinities, signed zeros, subnormals) give what C99 and NumPy give.

mod lanes;
mod plain;
mod power;
pub mod single;
mod trig;

pub use lanes::{
    exp_lane, exp2_lane, expm1_lane, log_lane, log1p_lane, log2_lane, log10_lane, logaddexp_lane, tanh_lane,
};
pub use plain::*;
pub use power::{power_is_special, power_lane};
use pulp::{Arch, Simd, WithSimd};
pub use trig::{TRIG_LIMIT, cos_lane, sin_lane, sincos_2pi_lane, sincos_lane};

/// Runs a loop with the widest vector instructions of the machine. A closure would do, but a large one is not inlined
/// into the function that enables the instructions, and then each fused multiply-add is a call.
macro_rules! vectorised {
    (<$life:lifetime> ($($field:ident: $type:ty),*) -> $output:ty $body:block) => {{
        struct Task<$life> {
            $($field: $type),*
        }
        impl<$life> WithSimd for Task<$life> {
            type Output = $output;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> $output {
                let Task { $($field),* } = self;
                $body
            }
        }
        Arch::new().dispatch(Task { $($field),* })
    }};
}

/// Functions of one argument that are right for every argument.
macro_rules! unary {
    ($($name:ident($type:ty) = $lane:path;)*) => {$(
        #[doc = concat!("`out[i] = ", stringify!($lane), "(input[i])`, up to the shorter length.")]
        pub fn $name(input: &[$type], out: &mut [$type]) {
            vectorised!(<'a> (input: &'a [$type], out: &'a mut [$type]) -> () {
                for (o, &x) in out.iter_mut().zip(input) {
                    *o = $lane(x);
                }
            });
        }
    )*};
}

unary! {
    exp_f64(f64) = lanes::exp_lane;
    exp2_f64(f64) = lanes::exp2_lane;
    expm1_f64(f64) = lanes::expm1_lane;
    log_f64(f64) = lanes::log_lane;
    log2_f64(f64) = lanes::log2_lane;
    log10_f64(f64) = lanes::log10_lane;
    log1p_f64(f64) = lanes::log1p_lane;
    tanh_f64(f64) = lanes::tanh_lane;
    exp_f32(f32) = single::exp_lane;
    exp2_f32(f32) = single::exp2_lane;
    expm1_f32(f32) = single::expm1_lane;
    log_f32(f32) = single::log_lane;
    log2_f32(f32) = single::log2_lane;
    log10_f32(f32) = single::log10_lane;
    log1p_f32(f32) = single::log1p_lane;
    tanh_f32(f32) = single::tanh_lane;
}

/// Functions whose reduction has a limit: elements beyond it are computed again one by one.
macro_rules! limited {
    ($($name:ident($type:ty, $limit:expr) = $lane:path, $general:path;)*) => {$(
        #[doc = concat!("`out[i] = ", stringify!($general), "(input[i])`, up to the shorter length.")]
        pub fn $name(input: &[$type], out: &mut [$type]) {
            let beyond = vectorised!(<'a> (input: &'a [$type], out: &'a mut [$type]) -> u32 {
                let mut beyond = 0u32;
                for (o, &x) in out.iter_mut().zip(input) {
                    *o = $lane(x);
                    beyond |= u32::from(x.abs() > $limit);
                }
                beyond
            });
            if beyond != 0 {
                for (o, &x) in out.iter_mut().zip(input) {
                    if x.abs() > $limit {
                        *o = $general(x);
                    }
                }
            }
        }
    )*};
}

limited! {
    sin_f64(f64, TRIG_LIMIT) = trig::sin_lane, f64::sin;
    cos_f64(f64, TRIG_LIMIT) = trig::cos_lane, f64::cos;
    sin_f32(f32, single::TRIG_LIMIT) = single::sin_lane, f32::sin;
    cos_f32(f32, single::TRIG_LIMIT) = single::cos_lane, f32::cos;
}

macro_rules! powers {
    ($($name:ident($type:ty) = $lane:path, $special:path;)*) => {$(
        /// `out[i] = x[i]` to the power `y[i]`, up to the shortest length, with C99's rules for special values.
        pub fn $name(x: &[$type], y: &[$type], out: &mut [$type]) {
            let special = vectorised!(<'a> (x: &'a [$type], y: &'a [$type], out: &'a mut [$type]) -> u32 {
                let mut special = 0u32;
                for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    *o = $lane(x, y);
                    special |= u32::from($special(x, y));
                }
                special
            });
            if special != 0 {
                for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    if $special(x, y) {
                        *o = x.powf(y);
                    }
                }
            }
        }
    )*};
}

powers! {
    power_f64(f64) = power::power_lane, power::power_is_special;
    power_f32(f32) = single::power_lane, single::power_is_special;
}

macro_rules! binary {
    ($($name:ident($type:ty) = $lane:path;)*) => {$(
        #[doc = concat!("`out[i] = ", stringify!($lane), "(a[i], b[i])`, up to the shortest length.")]
        pub fn $name(a: &[$type], b: &[$type], out: &mut [$type]) {
            vectorised!(<'a> (a: &'a [$type], b: &'a [$type], out: &'a mut [$type]) -> () {
                for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *o = $lane(a, b);
                }
            });
        }
    )*};
}

binary! {
    logaddexp_f64(f64) = lanes::logaddexp_lane;
    logaddexp_f32(f32) = single::logaddexp_lane;
}

/// Sine and cosine of 2 pi u for u in [0, 1], up to the shortest length.
pub fn sincos_2pi(u: &[f64], sines: &mut [f64], cosines: &mut [f64]) {
    vectorised!(<'a> (u: &'a [f64], sines: &'a mut [f64], cosines: &'a mut [f64]) -> () {
        for ((s, c), &u) in sines.iter_mut().zip(cosines.iter_mut()).zip(u) {
            (*s, *c) = sincos_2pi_lane(u);
        }
    });
}

#[cfg(test)]
mod tests;
