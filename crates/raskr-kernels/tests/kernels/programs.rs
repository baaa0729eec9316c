//! Whole programs over regions of any shape and operands of any layout.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use raskr_base::{Chunk, DType};
use raskr_kernels::KernelError;
use raskr_kernels::program::{Access, Builder, OpCode, Program, Reduction, ReductionKind, Scalar, Source};
use smallvec::{SmallVec, smallvec};

use crate::model::{Arrangement, arrangement, chunk, close, elements, index_of, read, shape};

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

/// (x + y) * 2 - sqrt(|x|), as f32 too, and its sum.
fn example() -> Program {
    let mut builder = Builder::new();
    let (x, y) = (builder.memory(DType::F64), builder.memory(DType::F64));
    let sum = builder.op(OpCode::Add, &[x, y]).unwrap();
    let two = builder.constant(DType::F64, Scalar::F64(2.0));
    let doubled = builder.op(OpCode::Multiply, &[sum, two]).unwrap();
    let size = builder.op(OpCode::Absolute, &[x]).unwrap();
    let root = builder.op(OpCode::Sqrt, &[size]).unwrap();
    let result = builder.op(OpCode::Subtract, &[doubled, root]).unwrap();
    let single = builder.cast(result, DType::F32).unwrap();
    builder.output(result).unwrap();
    builder.output(single).unwrap();
    builder.reduce(Reduction { kind: ReductionKind::Sum, axes: 0 }, result).unwrap();
    builder.finish()
}

fn numbers(n: usize, seed: i64) -> Vec<f64> {
    (0..n as i64).map(|i| ((i * 7919 + seed * 104_729) % 2003 - 1001) as f64 / 8.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn layouts_and_broadcasting_do_not_change_results(
        shape in shape(),
        a in arrangement(),
        b in arrangement(),
        broadcast in 0u32..16,
        other in 0u32..16,
    ) {
        let n = elements(&shape);
        let (xs, ys) = (numbers(n, 1), numbers(n, 2));
        let x = chunk(&xs, &shape, a, broadcast);
        let y = chunk(&ys, &shape, b, other);
        let (seen_x, seen_y) = (read::<f64>(&x), read::<f64>(&y));
        let results = example().run(&shape, vec![Access::Memory(x), Access::Memory(y)], &never()).unwrap();
        prop_assert_eq!(results.len(), 3);
        prop_assert!(results[0].is_contiguous());
        prop_assert_eq!(results[0].shape(), &shape[..]);
        let expected: Vec<f64> =
            seen_x.iter().zip(&seen_y).map(|(x, y)| (x + y) * 2.0 - x.abs().sqrt()).collect();
        prop_assert_eq!(results[0].as_slice::<f64>().unwrap(), &expected[..]);
        let singles: Vec<f32> = expected.iter().map(|value| *value as f32).collect();
        prop_assert_eq!(results[1].as_slice::<f32>().unwrap(), &singles[..]);
        // Nothing is reduced: the partial sum is the block itself.
        prop_assert_eq!(read::<f64>(&results[2]), expected);
    }

    #[test]
    fn fused_pairs_round_like_separate_operations(
        shape in shape(),
        codes in prop::collection::vec((0usize..6, 0usize..4, 0usize..4), 1..8),
        a in arrangement(),
        broadcast in 0u32..16,
    ) {
        // Any chain of additions, subtractions, products, quotients and roots over three operands.
        let n = elements(&shape);
        let operands: Vec<Chunk> = [(a, broadcast), (Arrangement::Rows, 0), (Arrangement::Rows, broadcast >> 1)]
            .iter()
            .enumerate()
            .map(|(seed, (arrangement, broadcast))| chunk(&numbers(n, seed as i64), &shape, *arrangement, *broadcast))
            .collect();
        let mut builder = Builder::new();
        let mut registers: Vec<_> = operands.iter().map(|_| builder.memory(DType::F64)).collect();
        let mut values: Vec<Vec<f64>> = operands.iter().map(read::<f64>).collect();
        for (code, x, y) in codes {
            let (x, y) = (registers.len() - 1 - x % registers.len(), registers.len() - 1 - y % registers.len());
            let (code, apply): (OpCode, fn(f64, f64) -> f64) = match code {
                0 => (OpCode::Add, |x, y| x + y),
                1 => (OpCode::Subtract, |x, y| x - y),
                2 | 3 => (OpCode::Multiply, |x, y| x * y),
                4 => (OpCode::Divide, |x, y| x / y),
                _ => (OpCode::Sqrt, |x, _| x.sqrt()),
            };
            let inputs = [registers[x], registers[y]];
            registers.push(builder.op(code, &inputs[..code.arity()]).unwrap());
            values.push(values[x].iter().zip(&values[y]).map(|(x, y)| apply(*x, *y)).collect());
        }
        builder.output(registers[registers.len() - 1]).unwrap();
        let accesses = operands.into_iter().map(Access::Memory).collect();
        let results = builder.finish().run(&shape, accesses, &never()).unwrap();
        let expected = values.pop().unwrap_or_default();
        for (got, expected) in results[0].as_slice::<f64>().unwrap().iter().zip(&expected) {
            prop_assert!(got == expected || (got.is_nan() && expected.is_nan()), "{got}, expected {expected}");
        }
    }

    #[test]
    fn virtual_operands_follow_their_index(
        shape in shape(),
        base in -50i64..50,
        seed in 0usize..1000,
    ) {
        let strides: SmallVec<[i64; 4]> = (0..shape.len())
            .map(|axis| [0, 1, -1, 5, shape.iter().product::<usize>() as i64][(seed + axis * 7) % 5])
            .collect();
        let mut builder = Builder::new();
        let iota = Source::Iota { dtype: DType::I64, start: Scalar::I64(3), step: Scalar::I64(2) };
        let iota = builder.source(iota);
        let memory = builder.memory(DType::I64);
        let sum = builder.op(OpCode::Add, &[iota, memory]).unwrap();
        builder.output(sum).unwrap();
        let n = elements(&shape);
        let values: Vec<i64> = (0..n as i64).collect();
        let arrangement = if seed % 2 == 0 { Arrangement::Rows } else { Arrangement::Columns };
        let accesses = vec![
            Access::Virtual { base, strides: strides.clone() },
            Access::Memory(chunk(&values, &shape, arrangement, 0)),
        ];
        let results = builder.finish().run(&shape, accesses, &never()).unwrap();
        let expected: Vec<i64> = (0..n)
            .map(|number| {
                let index = index_of(number, &shape);
                let linear = base + index.iter().zip(&strides).map(|(i, s)| *i as i64 * s).sum::<i64>();
                3 + 2 * linear + number as i64
            })
            .collect();
        prop_assert_eq!(results[0].as_slice::<i64>().unwrap(), &expected[..]);
    }

    #[test]
    fn random_operands_do_not_depend_on_the_walk(rows in 1usize..80, columns in 1usize..80, transposed: bool) {
        use raskr_kernels::random::{Distribution, RandomSource};
        let source = RandomSource::new([7, 9], Distribution::Uniform { low: -1.0, high: 1.0 });
        let mut all = vec![0.0; rows * columns];
        source.fill_f64(0, 1, &mut all);
        let mut builder = Builder::new();
        let x = builder.source(Source::Random(source));
        let y = builder.memory(DType::F64);
        let sum = builder.op(OpCode::Subtract, &[x, y]).unwrap();
        builder.output(sum).unwrap();
        let shape = [rows, columns];
        let (strides, index): (SmallVec<[i64; 4]>, fn(usize, usize, usize, usize) -> usize) = if transposed {
            (smallvec![1, rows as i64], |i, j, rows, _| i + j * rows)
        } else {
            (smallvec![columns as i64, 1], |i, j, _, columns| i * columns + j)
        };
        let zeros = chunk(&vec![0.0; rows * columns], &shape, Arrangement::Rows, 0);
        let accesses = vec![Access::Virtual { base: 0, strides }, Access::Memory(zeros)];
        let results = builder.finish().run(&shape, accesses, &never()).unwrap();
        let expected: Vec<f64> = (0..rows * columns)
            .map(|number| all[index(number / columns, number % columns, rows, columns)])
            .collect();
        prop_assert_eq!(results[0].as_slice::<f64>().unwrap(), &expected[..]);
    }
}

#[test]
fn programs_survive_encoding() {
    let program = example();
    let bytes = postcard::to_allocvec(&program).unwrap();
    let back: Program = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(back, program);
    assert!(program.cost_ns() > 0.5);
}

#[test]
fn identity_and_matrix_of_ones_on_a_diagonal() {
    let mut builder = Builder::new();
    let eye = builder.source(Source::Diagonal { dtype: DType::F32, columns: 5, k: 1 });
    builder.output(eye).unwrap();
    // Rows 1 to 3 and columns 1 to 4 of a 5 by 5 matrix.
    let access = Access::Virtual { base: 6, strides: smallvec![5, 1] };
    let results = builder.finish().run(&[3, 4], vec![access], &never()).unwrap();
    let expected = [0.0f32, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    assert_eq!(results[0].as_slice::<f32>(), Some(&expected[..]));
}

#[test]
fn constants_fill_blocks_and_sum() {
    let mut builder = Builder::new();
    let one = builder.source(Source::Constant { dtype: DType::F64, value: Scalar::F64(1.5) });
    builder.output(one).unwrap();
    builder.reduce(Reduction { kind: ReductionKind::Sum, axes: 0b11 }, one).unwrap();
    let access = Access::Virtual { base: 0, strides: smallvec![0, 0] };
    let results = builder.finish().run(&[30, 100], vec![access], &never()).unwrap();
    assert!(results[0].as_slice::<f64>().unwrap().iter().all(|value| *value == 1.5));
    assert_eq!(results[1].item::<f64>(), Some(4500.0));
}

#[test]
fn a_sole_owners_memory_becomes_the_output() {
    let mut builder = Builder::new();
    let x = builder.memory(DType::F64);
    let y = builder.op(OpCode::Negative, &[x]).unwrap();
    builder.output(y).unwrap();
    let program = builder.finish();
    let values = numbers(5000, 3);
    let chunk = Chunk::from_slice(&values, &[50, 100]);
    let start = chunk.as_ptr();
    let shared = chunk.clone();
    let kept = program.run(&[50, 100], vec![Access::Memory(chunk)], &never()).unwrap();
    assert_ne!(kept[0].as_ptr(), start);
    assert_eq!(shared.as_slice::<f64>(), Some(&values[..]), "a shared operand is left alone");
    let reused = program.run(&[50, 100], vec![Access::Memory(shared)], &never()).unwrap();
    assert_eq!(reused[0].as_ptr(), start);
    assert_eq!(reused[0].as_slice::<f64>(), kept[0].as_slice::<f64>());
}

#[test]
fn an_operand_that_is_read_again_is_not_overwritten() {
    let mut builder = Builder::new();
    let x = builder.memory(DType::F64);
    let exp = builder.op(OpCode::Negative, &[x]).unwrap();
    let square = builder.op(OpCode::Square, &[x]).unwrap();
    builder.output(exp).unwrap();
    builder.output(square).unwrap();
    let values = numbers(3000, 4);
    let access = Access::Memory(Chunk::from_slice(&values, &[3000]));
    let results = builder.finish().run(&[3000], vec![access], &never()).unwrap();
    let (minus, squares) = (results[0].as_slice::<f64>().unwrap(), results[1].as_slice::<f64>().unwrap());
    for i in 0..3000 {
        assert_eq!((minus[i], squares[i]), (-values[i], values[i] * values[i]));
    }
}

#[test]
fn an_output_may_be_an_operand_or_appear_twice() {
    let mut builder = Builder::new();
    let x = builder.memory(DType::I32);
    let y = builder.op(OpCode::Add, &[x, x]).unwrap();
    for register in [x, y, y] {
        builder.output(register).unwrap();
    }
    let access = Access::Memory(Chunk::from_slice(&[1i32, 2, 3], &[3]));
    let results = builder.finish().run(&[3], vec![access], &never()).unwrap();
    assert_eq!(results[0].as_slice::<i32>(), Some(&[1, 2, 3][..]));
    assert_eq!(results[1].as_slice::<i32>(), Some(&[2, 4, 6][..]));
    assert_eq!(results[2].as_slice::<i32>(), Some(&[2, 4, 6][..]));
}

#[test]
fn wrong_operands_are_named() {
    let program = example();
    let x = Chunk::from_slice(&[1.0, 2.0], &[2]);
    let error = program.run(&[2], vec![Access::Memory(x.clone())], &never()).unwrap_err();
    assert_eq!(error, KernelError::OperandCount { expected: 2, got: 1 });
    let single = Chunk::from_slice(&[1.0f32, 2.0], &[2]);
    let error = program.run(&[2], vec![Access::Memory(x.clone()), Access::Memory(single)], &never()).unwrap_err();
    assert!(error.to_string().contains("float64 chunk of shape [2], got a float32 chunk"), "{error}");
    let error = program.run(&[3], vec![Access::Memory(x.clone()), Access::Memory(x)], &never()).unwrap_err();
    assert!(error.to_string().contains("shape [3]"), "{error}");
}

#[test]
fn cancelled_runs_end_with_that_error() {
    let program = example();
    let x = Access::Memory(Chunk::from_slice(&[1.0, 2.0], &[2]));
    let error = program.run(&[2], vec![x.clone(), x], &AtomicBool::new(true)).unwrap_err();
    assert_eq!(error, KernelError::Cancelled);
}

#[test]
fn deep_expressions_compile() {
    let mut builder = Builder::new();
    let mut x = builder.memory(DType::F64);
    let y = x;
    for _ in 0..20_000 {
        x = builder.op(OpCode::Add, &[x, y]).unwrap();
    }
    builder.output(x).unwrap();
    let access = Access::Memory(Chunk::from_slice(&[0.5], &[1]));
    let results = builder.finish().run(&[1], vec![access], &never()).unwrap();
    assert!(close(results[0].item::<f64>().unwrap(), 0.5 * 20_001.0, 1e-12));
}
