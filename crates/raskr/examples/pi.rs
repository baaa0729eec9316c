//! Estimates pi from random points: the share of a square's points that fall within the circle inside it.
#![allow(clippy::print_stdout)]

use raskr::array::random::Generator;

/// Points drawn.
const POINTS: usize = 20_000_000;

pub fn main() -> raskr::Result<()> {
    let mut random = Generator::new(2026);
    let x = random.uniform(POINTS, -1.0, 1.0, 1_000_000);
    let y = random.uniform(POINTS, -1.0, 1.0, 1_000_000);
    let inside = (&x * &x + &y * &y).less_equal(1.0);
    let pi = 4.0 * inside.mean(..).item::<f64>()?;
    println!("pi is about {pi:.5}");
    // Five standard deviations of the estimate.
    let error = 5.0 * (std::f64::consts::PI * (4.0 - std::f64::consts::PI) / POINTS as f64).sqrt();
    assert!((pi - std::f64::consts::PI).abs() < error, "{pi} is no estimate of pi");
    Ok(())
}
