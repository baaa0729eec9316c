//! Elementary functions that are called element by element: rare ones, where the C library's accuracy is worth its time.

macro_rules! plain_unary {
    ($($name:ident($type:ty) = $function:path;)*) => {$(
        #[doc = concat!("`out[i] = ", stringify!($function), "(input[i])`, up to the shorter length.")]
        pub fn $name(input: &[$type], out: &mut [$type]) {
            for (o, &x) in out.iter_mut().zip(input) {
                *o = $function(x);
            }
        }
    )*};
}

macro_rules! plain_binary {
    ($($name:ident($type:ty) = $function:path;)*) => {$(
        #[doc = concat!("`out[i] = ", stringify!($function), "(a[i], b[i])`, up to the shortest length.")]
        pub fn $name(a: &[$type], b: &[$type], out: &mut [$type]) {
            for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *o = $function(a, b);
            }
        }
    )*};
}

/// The library's function answers outside the domain too.
fn arccosh_double(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

fn arccosh_single(x: f32) -> f32 {
    if x < 1.0 { f32::NAN } else { libm::acoshf(x) }
}

plain_unary! {
    tan_f64(f64) = f64::tan;
    sinh_f64(f64) = f64::sinh;
    cosh_f64(f64) = f64::cosh;
    arcsin_f64(f64) = f64::asin;
    arccos_f64(f64) = f64::acos;
    arctan_f64(f64) = f64::atan;
    arcsinh_f64(f64) = libm::asinh;
    arccosh_f64(f64) = arccosh_double;
    arctanh_f64(f64) = libm::atanh;
    cbrt_f64(f64) = f64::cbrt;
    tan_f32(f32) = f32::tan;
    sinh_f32(f32) = f32::sinh;
    cosh_f32(f32) = f32::cosh;
    arcsin_f32(f32) = f32::asin;
    arccos_f32(f32) = f32::acos;
    arctan_f32(f32) = f32::atan;
    arcsinh_f32(f32) = libm::asinhf;
    arccosh_f32(f32) = arccosh_single;
    arctanh_f32(f32) = libm::atanhf;
    cbrt_f32(f32) = f32::cbrt;
}

plain_binary! {
    arctan2_f64(f64) = f64::atan2;
    hypot_f64(f64) = f64::hypot;
    arctan2_f32(f32) = f32::atan2;
    hypot_f32(f32) = f32::hypot;
}
