//! Nanoseconds per element of the elementary functions beside the standard library's. Run with `cargo bench --bench math`.

use std::hint::black_box;
use std::time::Instant;

use raskr_kernels::math;

const LEN: usize = 4096;
const ROUNDS: usize = 200;

/// The best of several measurements, in nanoseconds per element.
fn best(mut run: impl FnMut()) -> f64 {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                run();
            }
            start.elapsed().as_secs_f64() * 1e9 / (ROUNDS * LEN) as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn report(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

macro_rules! unary {
    ($type:ty; $($name:ident, $reference:path, $low:expr, $high:expr;)*) => {$({
        let x: Vec<$type> = (0..LEN).map(|i| $low + ($high - $low) * ((i * 2_654_435_761) % LEN) as $type / LEN as $type).collect();
        let mut out = vec![0.0; LEN];
        let ours = best(|| math::$name(black_box(&x), black_box(&mut out)));
        let theirs = best(|| {
            for (o, &x) in black_box(&mut out).iter_mut().zip(black_box(&x)) {
                *o = $reference(x);
            }
        });
        report(format_args!("{:14} {ours:7.3} ns   std {theirs:7.3} ns   {:5.1}x", stringify!($name), theirs / ours));
    })*};
}

fn main() {
    unary! { f64;
        exp_f64, f64::exp, -10.0, 10.0;
        exp2_f64, f64::exp2, -10.0, 10.0;
        expm1_f64, f64::exp_m1, -3.0, 3.0;
        log_f64, f64::ln, 0.1, 100.0;
        log1p_f64, f64::ln_1p, -0.5, 3.0;
        log2_f64, f64::log2, 0.1, 100.0;
        log10_f64, f64::log10, 0.1, 100.0;
        sin_f64, f64::sin, -30.0, 30.0;
        cos_f64, f64::cos, -30.0, 30.0;
        tanh_f64, f64::tanh, -3.0, 3.0;
        tan_f64, f64::tan, -3.0, 3.0;
        arctan_f64, f64::atan, -3.0, 3.0;
        arcsin_f64, f64::asin, -1.0, 1.0;
        sinh_f64, f64::sinh, -3.0, 3.0;
        arcsinh_f64, f64::asinh, -3.0, 3.0;
        cbrt_f64, f64::cbrt, -3.0, 3.0;
    }
    unary! { f32;
        exp_f32, f32::exp, -10.0, 10.0;
        expm1_f32, f32::exp_m1, -3.0, 3.0;
        log_f32, f32::ln, 0.1, 100.0;
        log1p_f32, f32::ln_1p, -0.5, 3.0;
        log2_f32, f32::log2, 0.1, 100.0;
        log10_f32, f32::log10, 0.1, 100.0;
        sin_f32, f32::sin, -30.0, 30.0;
        cos_f32, f32::cos, -30.0, 30.0;
        tanh_f32, f32::tanh, -3.0, 3.0;
    }
    let x: Vec<f64> = (0..LEN).map(|i| 0.1 + i as f64 * 0.001).collect();
    let y: Vec<f64> = (0..LEN).map(|i| -3.0 + i as f64 * 0.002).collect();
    let mut out = vec![0.0; LEN];
    let mut second = vec![0.0; LEN];
    let power = best(|| math::power_f64(black_box(&x), black_box(&y), black_box(&mut out)));
    let powf = best(|| {
        for ((o, &x), &y) in black_box(&mut out).iter_mut().zip(black_box(&x)).zip(black_box(&y)) {
            *o = x.powf(y);
        }
    });
    report(format_args!("{:14} {power:7.3} ns   std {powf:7.3} ns   {:5.1}x", "power_f64", powf / power));
    let turns = best(|| math::sincos_2pi(black_box(&x), black_box(&mut out), black_box(&mut second)));
    report(format_args!("{:14} {turns:7.3} ns", "sincos_2pi"));
    let sum = best(|| math::logaddexp_f64(black_box(&x), black_box(&y), black_box(&mut out)));
    report(format_args!("{:14} {sum:7.3} ns", "logaddexp_f64"));
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let y: Vec<f32> = y.iter().map(|&y| y as f32).collect();
    let mut out = vec![0.0f32; LEN];
    let power = best(|| math::power_f32(black_box(&x), black_box(&y), black_box(&mut out)));
    report(format_args!("{:14} {power:7.3} ns", "power_f32"));
}
