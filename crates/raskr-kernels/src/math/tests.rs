//! The elementary functions against the standard library: distances in units in the last place, and special values.

use super::*;

/// SplitMix64, so that the inputs are the same everywhere.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / 9007199254740992.0
    }
}

/// Monotone numbering of the floats, so that neighbours differ by one.
fn rank(x: f64) -> i128 {
    let bits = x.to_bits();
    let magnitude = i128::from(bits & !(1 << 63));
    if bits >> 63 == 1 { -magnitude } else { magnitude }
}

fn rank_single(x: f32) -> i128 {
    let magnitude = i128::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -magnitude } else { magnitude }
}

fn distance(a: f64, b: f64) -> i128 {
    if a.is_nan() && b.is_nan() { 0 } else { (rank(a) - rank(b)).abs() }
}

fn distance_single(a: f32, b: f32) -> i128 {
    if a.is_nan() && b.is_nan() { 0 } else { (rank_single(a) - rank_single(b)).abs() }
}

const SPECIALS: [f64; 30] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    10.0,
    1e-300,
    -1e-300,
    1e300,
    -1e300,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1e-310,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    709.782712893384,
    709.7827128933841,
    -745.1332191019411,
    -745.1332191019412,
    1e-20,
    -1e-20,
    0.9999999999999999,
];

/// Inputs over every exponent, over the given range, near the given centre, and the special ones.
fn inputs(low: f64, high: f64, centre: f64) -> Vec<f64> {
    let mut random = Random(7);
    let mut x: Vec<f64> = SPECIALS.to_vec();
    for _ in 0..100_000 {
        x.push(f64::from_bits(random.bits()));
        x.push(random.uniform(low, high));
        x.push(centre + random.uniform(-1.0, 1.0) * 10f64.powf(random.uniform(-18.0, 0.0)));
    }
    x
}

type Unary = fn(&[f64], &mut [f64]);
type UnarySingle = fn(&[f32], &mut [f32]);

fn check(name: &str, function: Unary, reference: fn(f64) -> f64, bound: i128, x: &[f64]) {
    let mut out = vec![9.0; x.len()];
    function(x, &mut out);
    let mut worst = (0, 0.0, 0.0);
    for (&x, &y) in x.iter().zip(&out) {
        let expected = reference(x);
        assert!(expected != 0.0 || expected.to_bits() == y.to_bits(), "{name}({x:e}) = {y:e}, expected {expected:e}");
        let d = distance(y, expected);
        if d > worst.0 {
            worst = (d, x, y);
        }
    }
    println!("{name}: worst {} ulp at {:e}", worst.0, worst.1);
    assert!(worst.0 <= bound, "{name}({:e}) = {:e}: {} ulp off", worst.1, worst.2, worst.0);
}

fn check_single(name: &str, function: UnarySingle, reference: fn(f32) -> f32, x: &[f64]) {
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let mut out = vec![9.0; x.len()];
    function(&x, &mut out);
    let mut worst = (0, 0.0, 0.0);
    for (&x, &y) in x.iter().zip(&out) {
        let expected = reference(x);
        let d = distance_single(y, expected);
        if d > worst.0 {
            worst = (d, x, y);
        }
    }
    println!("{name}: worst {} ulp at {:e}", worst.0, worst.1);
    assert!(worst.0 <= 1, "{name}({:e}) = {:e}: {} ulp off", worst.1, worst.2, worst.0);
}

#[test]
fn exponentials_are_close() {
    let x = inputs(-746.0, 710.0, 0.0);
    check("exp", exp_f64, f64::exp, 1, &x);
    check("expm1", expm1_f64, f64::exp_m1, 2, &x);
    check("expm1", expm1_f64, f64::exp_m1, 2, &inputs(-2.0, 2.0, 0.0));
    check("exp2", exp2_f64, f64::exp2, 1, &inputs(-1080.0, 1026.0, 0.0));
    // The C library's hyperbolic tangent is itself 2 units off at places.
    check("tanh", tanh_f64, f64::tanh, 3, &inputs(-3.0, 3.0, 0.0));
    check("tanh", tanh_f64, f64::tanh, 3, &inputs(-25.0, 25.0, 0.0));
    check_single("expf", exp_f32, f32::exp, &inputs(-110.0, 90.0, 0.0));
    check_single("exp2f", exp2_f32, f32::exp2, &inputs(-160.0, 130.0, 0.0));
    check_single("expm1f", expm1_f32, |x| f64::from(x).exp_m1() as f32, &inputs(-3.0, 3.0, 0.0));
    check_single("tanhf", tanh_f32, |x| f64::from(x).tanh() as f32, &inputs(-3.0, 3.0, 0.0));
}

#[test]
fn logarithms_are_close() {
    let x = inputs(0.0, 100.0, 1.0);
    check("log", log_f64, f64::ln, 1, &x);
    check("log2", log2_f64, f64::log2, 1, &x);
    check("log10", log10_f64, f64::log10, 2, &x);
    check("log1p", log1p_f64, f64::ln_1p, 2, &inputs(-1.0, 2.0, 0.0));
    check("log1p", log1p_f64, f64::ln_1p, 2, &inputs(0.0, 1e6, -1.0));
    check_single("logf", log_f32, f32::ln, &x);
    check_single("log2f", log2_f32, f32::log2, &x);
    check_single("log10f", log10_f32, |x| f64::from(x).log10() as f32, &x);
    check_single("log1pf", log1p_f32, |x| f64::from(x).ln_1p() as f32, &inputs(-1.0, 2.0, 0.0));
}

#[test]
fn powers_of_the_base_are_exact() {
    let tens: Vec<f64> = (0..23).map(|n| 10f64.powi(n)).collect();
    let twos: Vec<f64> = (-1074..1024).map(|n| f64::from(n).exp2()).collect();
    let mut out = vec![0.0; twos.len()];
    log10_f64(&tens, &mut out);
    assert!((0..23).all(|n| out[n] == n as f64), "{:?}", &out[..23]);
    log2_f64(&twos, &mut out);
    assert!((0..twos.len()).all(|n| out[n] == n as f64 - 1074.0));
    let n: Vec<f64> = (-1074..1024).map(f64::from).collect();
    exp2_f64(&n, &mut out);
    assert_eq!(out, twos);
}

#[test]
fn circular_functions_are_close() {
    let mut x = inputs(-1000.0, 1000.0, 0.0);
    for k in -2000..2000 {
        let centre = f64::from(k) * std::f64::consts::FRAC_PI_2;
        x.extend([centre, centre * (1.0 + 2e-16), centre * (1.0 - 2e-16), centre * 523.0]);
    }
    check("sin", sin_f64, f64::sin, 1, &x);
    check("cos", cos_f64, f64::cos, 1, &x);
    check("sin", sin_f64, f64::sin, 1, &inputs(-TRIG_LIMIT, TRIG_LIMIT, 0.0));
    check("cos", cos_f64, f64::cos, 1, &inputs(-TRIG_LIMIT, TRIG_LIMIT, 0.0));
    check_single("sinf", sin_f32, f32::sin, &x);
    check_single("cosf", cos_f32, f32::cos, &x);
    check_single("sinf", sin_f32, f32::sin, &inputs(-2e7, 2e7, 0.0));
}

#[test]
fn turns_are_close() {
    let mut random = Random(3);
    let u: Vec<f64> = (0..100_000).map(|_| random.uniform(0.0, 1.0)).chain([0.0, 0.25, 0.5, 0.75, 1.0]).collect();
    let (mut s, mut c) = (vec![0.0; u.len()], vec![0.0; u.len()]);
    sincos_2pi(&u, &mut s, &mut c);
    for i in 0..u.len() {
        // Subtracting the quadrant first keeps the reference accurate.
        let quadrant = (4.0 * u[i]).round();
        let angle = (u[i] - quadrant / 4.0) * std::f64::consts::TAU;
        let (sine, cosine) = match quadrant as i64 % 4 {
            0 => (angle.sin(), angle.cos()),
            1 => (angle.cos(), -angle.sin()),
            2 => (-angle.sin(), -angle.cos()),
            _ => (-angle.cos(), angle.sin()),
        };
        assert!(distance(s[i], sine) <= 3, "sin(2 pi {}) = {}, not {sine}", u[i], s[i]);
        assert!(distance(c[i], cosine) <= 3, "cos(2 pi {}) = {}, not {cosine}", u[i], c[i]);
    }
}

#[test]
fn powers_are_close() {
    let mut random = Random(11);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for &a in &SPECIALS {
        for &b in &SPECIALS {
            x.push(a);
            y.push(b);
        }
    }
    for _ in 0..200_000 {
        x.push(f64::from_bits(random.bits()));
        y.push(random.uniform(-2.0, 2.0));
        x.push(random.uniform(0.0, 4.0));
        y.push(random.uniform(-500.0, 500.0));
        x.push(random.uniform(-30.0, 30.0));
        y.push(random.uniform(-9.0, 9.0).round());
        x.push(1.0 + random.uniform(-1.0, 1.0) * 10f64.powf(random.uniform(-15.0, 0.0)));
        y.push(random.uniform(-1.0, 1.0) * 10f64.powf(random.uniform(0.0, 17.0)));
    }
    let mut out = vec![9.0; x.len()];
    power_f64(&x, &y, &mut out);
    let mut worst = 0;
    for i in 0..x.len() {
        let expected = x[i].powf(y[i]);
        assert!(expected != 0.0 || expected.to_bits() == out[i].to_bits(), "{:e}^{:e} = {:e}", x[i], y[i], out[i]);
        let d = distance(out[i], expected);
        worst = worst.max(d);
        assert!(d <= 1, "{:e}^{:e} = {:e}, expected {expected:e}", x[i], y[i], out[i]);
    }
    println!("power: worst {worst} ulp");
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let y: Vec<f32> = y.iter().map(|&y| y as f32).collect();
    let mut out = vec![9.0; x.len()];
    power_f32(&x, &y, &mut out);
    for i in 0..x.len() {
        let expected = x[i].powf(y[i]);
        let d = distance_single(out[i], expected);
        assert!(d <= 1, "{:e}^{:e} = {:e}, expected {expected:e}", x[i], y[i], out[i]);
    }
}

#[test]
fn logaddexp_follows_its_definition() {
    let infinity = f64::INFINITY;
    let a = [0.0, infinity, -infinity, infinity, 1000.0, f64::NAN, -1000.0, 3.0, -infinity];
    let b = [0.0, infinity, -infinity, -infinity, 1000.5, 1.0, 5.0, 2.5, 4.0];
    let mut out = [0.0; 9];
    logaddexp_f64(&a, &b, &mut out);
    let expected = [
        std::f64::consts::LN_2,
        infinity,
        -infinity,
        infinity,
        1000.5 + (-0.5f64).exp().ln_1p(),
        f64::NAN,
        5.0,
        3.0 + (-0.5f64).exp().ln_1p(),
        4.0,
    ];
    for i in 0..9 {
        assert!(distance(out[i], expected[i]) <= 1, "{i}: {} not {}", out[i], expected[i]);
    }
    let (a, b) = (a.map(|x| x as f32), b.map(|x| x as f32));
    let mut out = [0.0f32; 9];
    logaddexp_f32(&a, &b, &mut out);
    for i in 0..9 {
        assert!(distance_single(out[i], expected[i] as f32) <= 1, "{i}: {} not {}", out[i], expected[i]);
    }
}

#[test]
fn rare_functions_take_the_right_library_function() {
    let cases: [(Unary, f64, f64); 10] = [
        (tan_f64, 1.0, 1.557407724654902),
        (sinh_f64, 1.0, 1.1752011936438014),
        (cosh_f64, 1.0, 1.543080634815244),
        (arcsin_f64, 0.5, std::f64::consts::FRAC_PI_6),
        (arccos_f64, 0.5, std::f64::consts::FRAC_PI_3),
        (arctan_f64, 1.0, std::f64::consts::FRAC_PI_4),
        (arcsinh_f64, 1.0, 0.881373587019543),
        (arccosh_f64, 2.0, 1.3169578969248166),
        (arctanh_f64, 0.5, 0.5493061443340548),
        (cbrt_f64, 27.0, 3.0),
    ];
    for (i, (function, x, expected)) in cases.into_iter().enumerate() {
        let mut out = [0.0];
        function(&[x], &mut out);
        assert!(distance(out[0], expected) <= 2, "{i}: {} not {expected}", out[0]);
    }
    let mut out = [0.0];
    arctan2_f64(&[1.0], &[-1.0], &mut out);
    assert_eq!(out[0], 3.0 * std::f64::consts::FRAC_PI_4);
    hypot_f64(&[3.0], &[4.0], &mut out);
    assert_eq!(out[0], 5.0);
}
