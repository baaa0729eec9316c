//! Times of the block kernels on one thread. Run with `cargo bench --bench blocks`.

use std::hint::black_box;
use std::time::Instant;

use raskr_base::{Chunk, DType};
use raskr_kernels::KernelError;
use raskr_kernels::blocks::*;

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

fn report(name: &str, milliseconds: f64, per: f64, unit: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{name:32} {milliseconds:9.3} ms {:9.3} {unit}", milliseconds * 1e6 / per);
}

fn main() -> Result<(), KernelError> {
    const SIDE: usize = 2048;
    let count = (SIDE * SIDE) as f64;
    let values: Vec<f64> = (0..SIDE * SIDE).map(|i| ((i * 2_654_435_761) % 1_000_003) as f64 / 1e3).collect();
    let square = Chunk::from_slice(&values, &[SIDE, SIDE]);
    let turned = transpose(&square, &[1, 0])?;
    let odd = Chunk::from_slice(&values[..2000 * 2000], &[2000, 2000]);
    let odd_turned = transpose(&odd, &[1, 0])?;
    let ns = "ns each";
    report("copy", best(|| Ok(copied(&square)))?, count, ns);
    report("transpose 2048", best(|| Ok(copied(&turned)))?, count, ns);
    report("transpose 2000", best(|| Ok(copied(&odd_turned)))?, 4e6, ns);
    let single = cast(&square, DType::F32).ok_or(KernelError::Cancelled)?;
    let single_turned = transpose(&single, &[1, 0])?;
    report("transpose 2048 f32", best(|| Ok(copied(&single_turned)))?, count, ns);
    let byte = cast(&square, DType::U8).ok_or(KernelError::Cancelled)?;
    let byte_turned = transpose(&byte, &[1, 0])?;
    report("transpose 2048 u8", best(|| Ok(copied(&byte_turned)))?, count, ns);
    let flipped = flip(&square, &[1])?;
    report("flip", best(|| Ok(copied(&flipped)))?, count, ns);
    report("cast f64 -> f32", best(|| Ok(cast(&square, DType::F32)))?, count, ns);
    report("cast f64 -> i64", best(|| Ok(cast(&square, DType::I64)))?, count, ns);
    report("cast f64 -> i32", best(|| Ok(cast(&square, DType::I32)))?, count, ns);
    for axis in [0, 1] {
        let name = |what: &str| format!("{what} axis {axis}");
        report(&name("cumsum"), best(|| cumulative(CumulativeKind::Sum, &square, axis, None))?, count, ns);
        report(&name("cummax"), best(|| cumulative(CumulativeKind::Max, &square, axis, None))?, count, ns);
        let whole = [SIDE, SIDE];
        report(&name("argmin"), best(|| arg_reduce(ArgKind::Min, &square, Some(axis), &[0, 0], &whole))?, count, ns);
        let indices: Vec<i64> = (0..SIDE as i64).map(|i| i * 7 % SIDE as i64).collect();
        report(&name("gather"), best(|| gather(&square, axis, &indices))?, count, ns);
        report(&name("sort"), best(|| sort_axis(square.clone(), axis))?, count, ns);
        report(&name("median"), best(|| median(&square, axis, false))?, count, ns);
        report(&name("top 10"), best(|| top_k(&square, 10, axis, None))?, count, ns);
        report(&name("diff"), best(|| diff(&square, axis))?, count, ns);
    }
    let bits: Vec<u8> = values.iter().map(|&x| u8::from(x > 500.0)).collect();
    let mask = Chunk::from_slice(&bits, &[SIDE, SIDE]).reinterpret(DType::Bool).ok_or(KernelError::Cancelled)?;
    report("x[mask]", best(|| extract(&square, &mask))?, count, ns);
    let flops = 2.0 * (SIDE as f64).powi(3);
    let per_flop = "ns per flop";
    let other = copied(&square);
    report("matmul f64", best(|| matmul(&square, &other))?, flops, per_flop);
    report("matmul f64, transposed", best(|| matmul(&transpose(&other, &[1, 0])?, &square))?, flops, per_flop);
    report("x @ x.T f64", best(|| matmul(&square, &turned))?, flops, per_flop);
    report("matmul f32", best(|| matmul(&single, &single))?, flops, per_flop);
    let small = slice(&square, &[AxisSlice::full(256); 2])?;
    let integers = cast(&copied(&small), DType::I64).ok_or(KernelError::Cancelled)?;
    report("matmul i64 256", best(|| matmul(&integers, &integers))?, 2.0 * 256f64.powi(3), per_flop);
    Ok(())
}
