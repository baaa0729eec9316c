//! Tile programs against loops fused by hand: nanoseconds per element on one thread.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use pulp::Arch;
use raskr_base::{Chunk, DType};
use raskr_kernels::math;
use raskr_kernels::program::{Access, Builder, OpCode, Program, Reduction, ReductionKind, Register, Scalar, Source};
use raskr_kernels::random::{Distribution, RandomSource};
use smallvec::smallvec;

/// Short runs, so that some are not interrupted on a busy machine.
const RUNS: usize = 60;

/// Prints the least times per element of both, measured in turn.
fn compare(name: &str, elements: usize, mut hand: impl FnMut(), mut tiles: impl FnMut()) {
    let (mut by_hand, mut by_tiles) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        let start = Instant::now();
        hand();
        by_hand = by_hand.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        tiles();
        by_tiles = by_tiles.min(start.elapsed().as_secs_f64());
    }
    let (hand, tiles) = (by_hand * 1e9 / elements as f64, by_tiles * 1e9 / elements as f64);
    println!("{name:<24} by hand {hand:6.3} ns, tile program {tiles:6.3} ns, ratio {:5.2}", tiles / hand);
}

fn op(builder: &mut Builder, code: OpCode, inputs: &[Register]) -> Register {
    builder.op(code, inputs).unwrap()
}

fn run(program: &Program, region: &[usize], accesses: &[Access]) -> Vec<Chunk> {
    program.run(region, accesses.to_vec(), &AtomicBool::new(false)).unwrap()
}

fn uniform(key: u64) -> RandomSource {
    RandomSource::new([key, 1], Distribution::StandardUniform { single: false })
}

/// Points inside a quarter of a circle.
fn pi() {
    const N: usize = 400_000;
    let (xs, ys) = (uniform(1), uniform(2));
    let mut builder = Builder::new();
    let x = builder.source(Source::Random(xs.clone()));
    let y = builder.source(Source::Random(ys.clone()));
    let (xx, yy) = (op(&mut builder, OpCode::Multiply, &[x, x]), op(&mut builder, OpCode::Multiply, &[y, y]));
    let sum = op(&mut builder, OpCode::Add, &[xx, yy]);
    let root = op(&mut builder, OpCode::Sqrt, &[sum]);
    let limit = builder.constant(DType::F64, Scalar::F64(1.0));
    let inside = op(&mut builder, OpCode::Less, &[root, limit]);
    let (one, zero) = (builder.constant(DType::I64, Scalar::I64(1)), builder.constant(DType::I64, Scalar::I64(0)));
    let chosen = op(&mut builder, OpCode::Where, &[inside, one, zero]);
    builder.reduce(Reduction { kind: ReductionKind::Sum, axes: 1 }, chosen).unwrap();
    let program = builder.finish();
    let accesses = vec![Access::Virtual { base: 0, strides: smallvec![1] }; 2];
    let tiles = || {
        black_box(run(&program, &[N], &accesses));
    };
    let arch = Arch::new();
    let hand = || {
        let (mut x, mut y) = ([0.0; 512], [0.0; 512]);
        let mut count = 0u64;
        for start in (0..N).step_by(512) {
            let n = 512.min(N - start);
            xs.fill_f64(start as u64, 1, &mut x[..n]);
            ys.fill_f64(start as u64, 1, &mut y[..n]);
            count += arch.dispatch(
                #[inline(always)]
                || x[..n].iter().zip(&y[..n]).map(|(x, y)| u64::from((x * x + y * y).sqrt() < 1.0)).sum::<u64>(),
            );
        }
        black_box(count);
    };
    compare("pi", N, hand, tiles);
}

/// mean(exp(-x) * sin(6 x)^2 + log1p(x) / (1 + x))
fn elementwise() {
    const N: usize = 100_000;
    let values: Vec<f64> = (0..N).map(|i| i as f64 / N as f64).collect();
    let mut builder = Builder::new();
    let x = builder.memory(DType::F64);
    let minus = op(&mut builder, OpCode::Negative, &[x]);
    let decay = op(&mut builder, OpCode::Exp, &[minus]);
    let six = builder.constant(DType::F64, Scalar::F64(6.0));
    let angle = op(&mut builder, OpCode::Multiply, &[six, x]);
    let sine = op(&mut builder, OpCode::Sin, &[angle]);
    let square = op(&mut builder, OpCode::Square, &[sine]);
    let first = op(&mut builder, OpCode::Multiply, &[decay, square]);
    let log = op(&mut builder, OpCode::Log1p, &[x]);
    let one = builder.constant(DType::F64, Scalar::F64(1.0));
    let grown = op(&mut builder, OpCode::Add, &[one, x]);
    let second = op(&mut builder, OpCode::Divide, &[log, grown]);
    let result = op(&mut builder, OpCode::Add, &[first, second]);
    builder.reduce(Reduction { kind: ReductionKind::Mean, axes: 1 }, result).unwrap();
    let program = builder.finish();
    let accesses = vec![Access::Memory(Chunk::from_slice(&values, &[N]))];
    let tiles = || {
        black_box(run(&program, &[N], &accesses));
    };
    struct Fused<'a>(&'a [f64]);
    impl pulp::WithSimd for Fused<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
            let mut lanes = [0.0; 32];
            for group in self.0.as_chunks::<32>().0 {
                for i in 0..32 {
                    let x = group[i];
                    let sine = math::sin_lane(6.0 * x);
                    lanes[i] += math::exp_lane(-x) * (sine * sine) + math::log1p_lane(x) / (1.0 + x);
                }
            }
            lanes.iter().sum()
        }
    }
    let hand = || {
        black_box(Arch::new().dispatch(Fused(&values)) / N as f64);
    };
    compare("elementwise", N, hand, tiles);
}

/// Row means of a matrix in memory, and of one of normals that exists nowhere.
fn row_means() {
    const ROWS: usize = 60;
    const COLUMNS: usize = 4000;
    let values: Vec<f64> = (0..ROWS * COLUMNS).map(|i| (i % 1013) as f64).collect();
    let by_rows = |lanes: &mut [f64; 64], row: &[f64]| {
        for group in row.as_chunks::<64>().0 {
            for i in 0..64 {
                lanes[i] += group[i];
            }
        }
    };
    let arch = Arch::new();
    let hand_memory = || {
        for row in values.chunks(COLUMNS) {
            let mut lanes = [0.0; 64];
            arch.dispatch(
                #[inline(always)]
                || by_rows(&mut lanes, row),
            );
            black_box(lanes.iter().sum::<f64>() / COLUMNS as f64);
        }
    };
    let mut builder = Builder::new();
    let x = builder.memory(DType::F64);
    builder.reduce(Reduction { kind: ReductionKind::Mean, axes: 0b10 }, x).unwrap();
    let program = builder.finish();
    let chunk = Chunk::from_slice(&values, &[ROWS, COLUMNS]);
    let accesses = vec![Access::Memory(chunk.clone())];
    let tiles = || {
        black_box(run(&program, &[ROWS, COLUMNS], &accesses));
    };
    compare("row means of memory", ROWS * COLUMNS, hand_memory, tiles);

    let normals = RandomSource::new([3, 4], Distribution::StandardNormal { single: false });
    let hand_normal = || {
        let mut row = vec![0.0; COLUMNS];
        for i in 0..ROWS {
            normals.fill_f64((i * COLUMNS) as u64, 1, &mut row);
            let mut lanes = [0.0; 64];
            arch.dispatch(
                #[inline(always)]
                || by_rows(&mut lanes, &row),
            );
            black_box(lanes.iter().sum::<f64>() / COLUMNS as f64);
        }
    };
    let mut builder = Builder::new();
    let x = builder.source(Source::Random(normals.clone()));
    builder.reduce(Reduction { kind: ReductionKind::Mean, axes: 0b10 }, x).unwrap();
    let program = builder.finish();
    let accesses = vec![Access::Virtual { base: 0, strides: smallvec![COLUMNS as i64, 1] }];
    let tiles = || {
        black_box(run(&program, &[ROWS, COLUMNS], &accesses));
    };
    compare("row means of normals", ROWS * COLUMNS, hand_normal, tiles);

    // Along columns, the mean and the deviation of standardising.
    let mut builder = Builder::new();
    let x = builder.memory(DType::F64);
    builder.reduce(Reduction { kind: ReductionKind::Mean, axes: 0b01 }, x).unwrap();
    let means = builder.finish();
    let mut builder = Builder::new();
    let x = builder.memory(DType::F64);
    builder.reduce(Reduction { kind: ReductionKind::Moments2, axes: 0b01 }, x).unwrap();
    let moments = builder.finish();
    let accesses = vec![Access::Memory(chunk)];
    let mut hand = || {
        let mut sums = vec![0.0; COLUMNS];
        for row in values.chunks(COLUMNS) {
            arch.dispatch(
                #[inline(always)]
                || sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value),
            );
        }
        black_box(sums);
    };
    let tiles = || {
        black_box(run(&means, &[ROWS, COLUMNS], &accesses));
    };
    compare("column means", ROWS * COLUMNS, &mut hand, tiles);
    let tiles = || {
        black_box(run(&moments, &[ROWS, COLUMNS], &accesses));
    };
    compare("column moments", ROWS * COLUMNS, hand, tiles);
}

/// x + x.T of a square matrix, summed and stored; and a broadcast row and column.
fn layouts() {
    const N: usize = 700;
    let values: Vec<f64> = (0..N * N).map(|i| (i % 1013) as f64).collect();
    let x = Chunk::from_slice(&values, &[N, N]);
    let transposed = x.with_layout(&[N, N], &[1, N as isize], 0).unwrap();
    let mut builder = Builder::new();
    let (a, b) = (builder.memory(DType::F64), builder.memory(DType::F64));
    let sum = op(&mut builder, OpCode::Add, &[a, b]);
    builder.reduce(Reduction { kind: ReductionKind::Sum, axes: 0b11 }, sum).unwrap();
    let program = builder.finish();
    let accesses = vec![Access::Memory(x.clone()), Access::Memory(transposed)];
    let hand = || {
        let mut total = 0.0;
        for i0 in (0..N).step_by(32) {
            for j0 in (0..N).step_by(32) {
                for i in i0..N.min(i0 + 32) {
                    for j in j0..N.min(j0 + 32) {
                        total += values[i * N + j] + values[j * N + i];
                    }
                }
            }
        }
        black_box(total);
    };
    let tiles = || {
        black_box(run(&program, &[N, N], &accesses));
    };
    compare("sum of x + x.T", N * N, hand, tiles);

    let mut builder = Builder::new();
    let (x_in, row, column) = (builder.memory(DType::F64), builder.memory(DType::F64), builder.memory(DType::F64));
    let centred = op(&mut builder, OpCode::Subtract, &[x_in, row]);
    let scaled = op(&mut builder, OpCode::Divide, &[centred, column]);
    builder.output(scaled).unwrap();
    let program = builder.finish();
    let row_view = x.with_layout(&[N, N], &[0, 1], 0).unwrap();
    let column_view = x.with_layout(&[N, N], &[N as isize, 0], 1).unwrap();
    let accesses = vec![Access::Memory(x), Access::Memory(row_view), Access::Memory(column_view)];
    let mut out = vec![0.0; N * N];
    let arch = Arch::new();
    let hand = || {
        for i in 0..N {
            let divisor = values[i * N + 1];
            let (source, target) = (&values[i * N..(i + 1) * N], &mut out[i * N..(i + 1) * N]);
            arch.dispatch(
                #[inline(always)]
                || {
                    for ((out, value), mean) in target.iter_mut().zip(source).zip(&values[..N]) {
                        *out = (value - mean) / divisor;
                    }
                },
            );
        }
        black_box(&mut out);
    };
    let tiles = || {
        black_box(run(&program, &[N, N], &accesses));
    };
    compare("(x - row) / column", N * N, hand, tiles);

    // A small block, where preparing a run is what counts.
    let small = Chunk::from_slice(&values[..16], &[16]);
    let mut builder = Builder::new();
    let a = builder.memory(DType::F64);
    let doubled = op(&mut builder, OpCode::Add, &[a, a]);
    builder.output(doubled).unwrap();
    let program = builder.finish();
    let accesses = vec![Access::Memory(small)];
    let mut each = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..100 {
            black_box(run(&program, &[16], &accesses));
        }
        each = each.min(start.elapsed().as_secs_f64() * 1e9 / 100.0);
    }
    println!("{:<24} {each:.0} ns", "run of 16 elements");
}

fn main() {
    pi();
    elementwise();
    row_means();
    layouts();
}
