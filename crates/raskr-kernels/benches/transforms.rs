//! Times of Fourier transforms and factorisations on one thread. Run with `cargo bench --profile dev --bench transforms`.

use std::hint::black_box;
use std::time::Instant;

use raskr_base::{Chunk, DType};
use raskr_kernels::KernelError;
use raskr_kernels::blocks::cast;
use raskr_kernels::fft::{FourierKind, Scaling, Step, transform};
use raskr_kernels::linalg;

/// The best of several runs, in milliseconds.
fn best<T>(mut run: impl FnMut() -> Result<T, KernelError>) -> Result<f64, KernelError> {
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(run()?);
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(least)
}

fn report(name: &str, milliseconds: f64, work: f64, unit: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{name:32} {milliseconds:9.3} ms {:9.3} {unit}", work / milliseconds / 1e6);
}

fn main() -> Result<(), KernelError> {
    let values: Vec<f64> = (0..500 * 5000).map(|i| ((i * 2_654_435_761_usize) % 1_000_003) as f64 / 1e6).collect();
    let wide = Chunk::from_slice(&values, &[500, 5000]);
    let high = Chunk::from_slice(&values, &[5000, 500]);
    let complex = cast(&wide, DType::C128).ok_or(KernelError::Cancelled)?;
    let run = |chunk: &Chunk, kind, axis: usize| {
        let n = chunk.shape()[axis];
        best(|| transform(chunk.clone(), &[Step { kind, axis, n }], Scaling::Backward))
    };
    // The customary count of operations, half of it for real lines.
    let work = 2.5e6 * 5.0 * 5000f64.log2();
    report("rfft, last axis", run(&wide, FourierKind::RealForward, 1)?, work / 2.0, "GFlop/s");
    report("rfft, first axis", run(&high, FourierKind::RealForward, 0)?, work / 2.0, "GFlop/s");
    report("fft of reals, last axis", run(&wide, FourierKind::Forward, 1)?, work / 2.0, "GFlop/s");
    report("fft of reals, first axis", run(&high, FourierKind::Forward, 0)?, work / 2.0, "GFlop/s");
    report("fft of complex, last axis", run(&complex, FourierKind::Forward, 1)?, work, "GFlop/s");
    for columns in [20, 100, 400] {
        let rows = 6_250_000 / columns;
        let values: Vec<f64> =
            (0..rows * columns).map(|i| ((i * 2_654_435_761_usize) % 1_000_003) as f64 / 1e6).collect();
        let tall = Chunk::from_slice(&values, &[rows, columns]);
        let work = 2.0 * (rows * columns * columns) as f64;
        report(&format!("R of {rows} x {columns}"), best(|| linalg::triangle(&tall))?, work, "GFlop/s");
        report(&format!("reflectors of {rows} x {columns}"), best(|| linalg::factor(&tall))?, work, "GFlop/s");
        let (reflectors, _) = linalg::factor(&tall)?;
        report(
            &format!("Q of {rows} x {columns}"),
            best(|| linalg::orthogonal(&reflectors, None))?,
            2.0 * work,
            "GFlop/s",
        );
    }
    Ok(())
}
