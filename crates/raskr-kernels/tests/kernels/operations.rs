//! The meaning of operations and conversions: NumPy's, with its answers at the edges.

use std::sync::atomic::AtomicBool;

use half::f16;
use num_complex::Complex64;
use raskr_base::{Chunk, DType, Element, ErrorClass, TimeUnit};
use raskr_kernels::program::{Access, Builder, OpCode, Scalar, has_cast, has_op};

use proptest::prelude::*;

use crate::model::{arrangement, chunk, elements, read, read_f64, shape};

fn apply(code: OpCode, inputs: &[Chunk]) -> Chunk {
    try_apply(code, inputs).unwrap()
}

fn try_apply(code: OpCode, inputs: &[Chunk]) -> Result<Chunk, raskr_kernels::KernelError> {
    let mut builder = Builder::new();
    let registers: Vec<_> = inputs.iter().map(|chunk| builder.memory(chunk.dtype())).collect();
    let result = builder.op(code, &registers)?;
    builder.output(result)?;
    let accesses = inputs.iter().cloned().map(Access::Memory).collect();
    Ok(builder.finish().run(inputs[0].shape(), accesses, &AtomicBool::new(false))?.remove(0))
}

fn list<T: Element>(values: &[T]) -> Chunk {
    Chunk::from_slice(values, &[values.len()])
}

fn cast<T: Element>(chunk: &Chunk, dtype: DType) -> Vec<T> {
    let mut builder = Builder::new();
    let x = builder.memory(chunk.dtype());
    let y = builder.cast(x, dtype).unwrap();
    builder.output(y).unwrap();
    let results =
        builder.finish().run(chunk.shape(), vec![Access::Memory(chunk.clone())], &AtomicBool::new(false)).unwrap();
    read::<T>(&results[0])
}

#[test]
fn integer_division_rounds_down_and_survives_zero() {
    let (x, y) = (list(&[7i32, -7, 7, -7, 5, i32::MIN]), list(&[2i32, 2, -2, -2, 0, -1]));
    assert_eq!(read::<i32>(&apply(OpCode::FloorDivide, &[x.clone(), y.clone()])), [3, -4, -4, 3, 0, i32::MIN]);
    assert_eq!(read::<i32>(&apply(OpCode::Remainder, &[x.clone(), y.clone()])), [1, 1, -1, -1, 0, 0]);
    assert_eq!(read::<i32>(&apply(OpCode::Fmod, &[x.clone(), y.clone()])), [1, -1, 1, -1, 0, 0]);
    let quotient = apply(OpCode::Divide, &[x, y]);
    assert_eq!(quotient.dtype(), DType::F64);
    assert_eq!(read::<f64>(&quotient)[..5], [3.5, -3.5, -3.5, 3.5, f64::INFINITY]);
}

#[test]
fn float_remainder_takes_the_divisors_sign() {
    let (x, y) = (list(&[5.5, -5.5, 5.5, -1.0, 3.0]), list(&[2.0, 2.0, -2.0, f64::INFINITY, 0.0]));
    let remainder = read::<f64>(&apply(OpCode::Remainder, &[x.clone(), y.clone()]));
    assert_eq!(remainder[..4], [1.5, 0.5, -0.5, f64::INFINITY]);
    assert!(remainder[4].is_nan());
    let quotient = read::<f64>(&apply(OpCode::FloorDivide, &[x, y]));
    assert_eq!(quotient, [2.0, -3.0, -3.0, -1.0, f64::INFINITY]);
}

#[test]
fn integers_wrap_and_shift_as_numpys() {
    assert_eq!(read::<u8>(&apply(OpCode::Add, &[list(&[250u8]), list(&[10u8])])), [4]);
    assert_eq!(read::<i8>(&apply(OpCode::Negative, &[list(&[-128i8])])), [-128]);
    let shifts = list(&[1i8, 7, 8, 100]);
    assert_eq!(read::<i8>(&apply(OpCode::LeftShift, &[list(&[1i8; 4]), shifts.clone()])), [2, -128, 0, 0]);
    assert_eq!(read::<i8>(&apply(OpCode::RightShift, &[list(&[-100i8; 4]), shifts])), [-50, -1, -1, -1]);
    assert_eq!(read::<u16>(&apply(OpCode::RightShift, &[list(&[1000u16]), list(&[16u16])])), [0]);
    assert_eq!(read::<i64>(&apply(OpCode::Gcd, &[list(&[-12i64, 0]), list(&[18i64, -5])])), [6, 5]);
    assert_eq!(read::<i64>(&apply(OpCode::Lcm, &[list(&[-4i64, 0]), list(&[6i64, 5])])), [12, 0]);
}

#[test]
fn integer_powers_wrap_and_refuse_negative_exponents() {
    assert_eq!(read::<i16>(&apply(OpCode::Power, &[list(&[-3i16, 2, 5]), list(&[3i16, 15, 0])])), [-27, -32768, 1]);
    assert_eq!(read::<u64>(&apply(OpCode::Power, &[list(&[3u64]), list(&[1u64 << 62])])), [1]);
    let error = try_apply(OpCode::Power, &[list(&[2i64]), list(&[-1i64])]).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Value);
    assert_eq!(error.to_string(), "Integers to negative integer powers are not allowed.");
}

#[test]
fn constant_powers_are_products() {
    for (exponent, expected) in [(2.0, 2.25), (3.0, 3.375), (4.0, 5.0625), (0.5, 1.5f64.sqrt()), (-1.0, 1.0 / 1.5)] {
        let mut builder = Builder::new();
        let x = builder.memory(DType::F64);
        let exponent = builder.constant(DType::F64, Scalar::F64(exponent));
        let y = builder.op(OpCode::Power, &[x, exponent]).unwrap();
        builder.output(y).unwrap();
        let program = builder.finish();
        let results = program.run(&[1], vec![Access::Memory(list(&[1.5]))], &AtomicBool::new(false)).unwrap();
        assert_eq!(results[0].item::<f64>(), Some(expected));
        assert!(program.cost_ns() < 3.0, "no general power is left");
    }
}

#[test]
fn nan_wins_or_loses() {
    let nan = f32::NAN;
    let (x, y) = (list(&[1.0f32, nan, 1.0, nan]), list(&[2.0f32, 2.0, nan, nan]));
    let bits = |code| -> Vec<u32> {
        let values = read::<f32>(&apply(code, &[x.clone(), y.clone()]));
        values.iter().map(|v| if v.is_nan() { 9 } else { *v as u32 }).collect()
    };
    assert_eq!(bits(OpCode::Maximum), [2, 9, 9, 9]);
    assert_eq!(bits(OpCode::Minimum), [1, 9, 9, 9]);
    assert_eq!(bits(OpCode::Fmax), [2, 2, 1, 9]);
    assert_eq!(bits(OpCode::Fmin), [1, 2, 1, 9]);
}

#[test]
fn booleans_have_their_own_arithmetic() {
    let truth = |values: &[u8]| list(values).reinterpret(DType::Bool).unwrap();
    let (x, y) = (truth(&[0, 0, 1, 1]), truth(&[0, 1, 0, 1]));
    assert_eq!(read::<u8>(&apply(OpCode::Add, &[x.clone(), y.clone()])), [0, 1, 1, 1]);
    assert_eq!(read::<u8>(&apply(OpCode::Multiply, &[x.clone(), y.clone()])), [0, 0, 0, 1]);
    assert_eq!(read::<u8>(&apply(OpCode::Invert, std::slice::from_ref(&x))), [1, 1, 0, 0]);
    assert_eq!(read::<u8>(&apply(OpCode::Greater, &[x.clone(), y.clone()])), [0, 0, 1, 0]);
    assert_eq!(has_op(OpCode::Subtract, &[DType::Bool, DType::Bool]), None);
    let both = apply(OpCode::LogicalAnd, &[list(&[0.0, 2.0, f64::NAN]), list(&[1.0, 3.0, 1.0])]);
    assert_eq!((both.dtype(), read::<u8>(&both)), (DType::Bool, vec![0, 1, 1]));
}

#[test]
fn half_floats_round_after_each_operation() {
    let half = |values: &[f32]| list(&values.iter().map(|v| f16::from_f32(*v)).collect::<Vec<_>>());
    let sum = apply(OpCode::Add, &[half(&[2048.0, 0.1]), half(&[1.0, 0.2])]);
    assert_eq!(sum.dtype(), DType::F16);
    assert_eq!(read_f64(&sum), [2048.0, f64::from(f16::from_f32(0.1) + f16::from_f32(0.2))]);
    let less = apply(OpCode::Less, &[half(&[1.0]), half(&[2.0])]);
    assert_eq!((less.dtype(), read::<u8>(&less)), (DType::Bool, vec![1]));
    let max = apply(OpCode::Clip, &[half(&[1.0, 5.0]), half(&[2.0, 2.0]), half(&[3.0, 3.0])]);
    assert_eq!(read_f64(&max), [2.0, 3.0]);
}

#[test]
fn complex_numbers() {
    let z = |re, im| Complex64::new(re, im);
    let (x, y) = (list(&[z(1.0, 2.0), z(-4.0, 0.0)]), list(&[z(3.0, -1.0), z(0.0, 2.0)]));
    assert_eq!(read::<Complex64>(&apply(OpCode::Multiply, &[x.clone(), y.clone()])), [z(5.0, 5.0), z(0.0, -8.0)]);
    assert_eq!(read::<Complex64>(&apply(OpCode::Divide, &[x.clone(), y.clone()]))[1], z(0.0, 2.0));
    assert_eq!(read::<Complex64>(&apply(OpCode::Sqrt, std::slice::from_ref(&x)))[1], z(0.0, 2.0));
    assert_eq!(read::<Complex64>(&apply(OpCode::Square, std::slice::from_ref(&x))), [z(-3.0, 4.0), z(16.0, 0.0)]);
    assert_eq!(read::<u8>(&apply(OpCode::NotEqual, &[x.clone(), y.clone()])), [1, 1]);
    let size = apply(OpCode::Absolute, &[list(&[z(3.0, 4.0)])]);
    assert_eq!((size.dtype(), read::<f64>(&size)), (DType::F64, vec![5.0]));
    assert_eq!(read::<f64>(&apply(OpCode::Imag, std::slice::from_ref(&x))), [2.0, 0.0]);
    assert_eq!(read::<f64>(&apply(OpCode::Angle, std::slice::from_ref(&x)))[1], std::f64::consts::PI);
    assert_eq!(has_op(OpCode::Less, &[DType::C128, DType::C128]), None);
    assert_eq!(read::<f64>(&apply(OpCode::Imag, &[list(&[1.0])])), [0.0]);
}

#[test]
fn dates_and_durations() {
    let (day, span) = (DType::DateTime(TimeUnit::Day), DType::TimeDelta(TimeUnit::Day));
    let nat = i64::MIN;
    let dates = list(&[10i64, nat, 30]).reinterpret(day).unwrap();
    let later = list(&[12i64, 5, 25]).reinterpret(day).unwrap();
    let difference = apply(OpCode::Subtract, &[later.clone(), dates.clone()]);
    assert_eq!((difference.dtype(), read::<i64>(&difference)), (span, vec![2, nat, -5]));
    assert_eq!(read::<i64>(&apply(OpCode::Add, &[dates.clone(), difference])), [12, nat, 25]);
    assert_eq!(read::<u8>(&apply(OpCode::Greater, &[later.clone(), dates.clone()])), [1, 0, 0]);
    assert_eq!(read::<u8>(&apply(OpCode::NotEqual, &[dates.clone(), dates.clone()])), [0, 1, 0]);
    assert_eq!(read::<u8>(&apply(OpCode::IsNat, std::slice::from_ref(&dates))), [0, 1, 0]);
    assert_eq!(read::<i64>(&apply(OpCode::Maximum, &[dates.clone(), later.clone()])), [12, nat, 30]);
    assert_eq!(read::<i64>(&apply(OpCode::Fmax, &[dates, later])), [12, 5, 30]);
    assert_eq!(has_op(OpCode::Add, &[day, day]), None);
    assert!(has_cast(day, DType::I64) && !has_cast(day, DType::DateTime(TimeUnit::Hour)));
}

#[test]
fn choices_and_predicates() {
    let mask = list(&[1u8, 0, 1]).reinterpret(DType::Bool).unwrap();
    let chosen = apply(OpCode::Where, &[mask, list(&[1i16, 2, 3]), list(&[7i16, 8, 9])]);
    assert_eq!(read::<i16>(&chosen), [1, 8, 3]);
    let x = list(&[f64::NAN, f64::INFINITY, -0.0, 1.0]);
    assert_eq!(read::<u8>(&apply(OpCode::IsNan, std::slice::from_ref(&x))), [1, 0, 0, 0]);
    assert_eq!(read::<u8>(&apply(OpCode::IsFinite, std::slice::from_ref(&x))), [0, 0, 1, 1]);
    assert_eq!(read::<u8>(&apply(OpCode::Signbit, &[list(&[-0.0, 1.0])])), [1, 0]);
    assert_eq!(read::<u8>(&apply(OpCode::IsNan, &[list(&[1i32, 2])])), [0, 0]);
    assert_eq!(read::<f64>(&apply(OpCode::Heaviside, &[list(&[-1.0, 0.0, 2.0]), list(&[0.5; 3])])), [0.0, 0.5, 1.0]);
    assert_eq!(read::<f64>(&apply(OpCode::Rint, &[list(&[0.5, 1.5, -2.5])])), [0.0, 2.0, -2.0]);
    assert_eq!(read::<f32>(&apply(OpCode::Nextafter, &[list(&[1.0f32]), list(&[2.0f32])])), [1.000_000_1]);
    assert_eq!(read::<f64>(&apply(OpCode::Ldexp, &[list(&[1.5, 1.0]), list(&[3i64, i64::MIN])])), [12.0, 0.0]);
    let degrees = read::<f64>(&apply(OpCode::Degrees, &[list(&[std::f64::consts::PI])]));
    assert_eq!(degrees, [180.0]);
}

#[test]
fn conversions() {
    let x = list(&[-1.5, 255.9, 300.7, f64::NAN]);
    assert_eq!(cast::<u8>(&x, DType::U8), [255, 255, 44, 0]);
    assert_eq!(cast::<i64>(&x, DType::I64), [-1, 255, 300, i64::MIN]);
    assert_eq!(cast::<u8>(&x, DType::Bool), [1, 1, 1, 1]);
    assert_eq!(cast::<Complex64>(&list(&[-3i8]), DType::C128), [Complex64::new(-3.0, 0.0)]);
    assert_eq!(cast::<i16>(&list(&[Complex64::new(7.9, 3.0)]), DType::I16), [7]);
    assert_eq!(cast::<i64>(&list(&[-1i8]), DType::I64), [-1]);
    assert_eq!(cast::<u64>(&list(&[-1i8]), DType::U64), [u64::MAX]);
    assert_eq!(cast::<f32>(&list(&[u64::MAX]), DType::F32), [18_446_744_073_709_551_615.0]);
    assert_eq!(cast::<f16>(&list(&[3i32]), DType::F16), [f16::from_f32(3.0)]);
    for from in ALL {
        for to in ALL {
            assert!(has_cast(from, to), "{from} to {to}");
        }
    }
}

/// A block of small whole numbers of any type, in any arrangement.
fn block(dtype: DType, values: &[f64], shape: &[usize], like: crate::model::Arrangement, broadcast: u32) -> Chunk {
    macro_rules! of {
        ($type:ty, $convert:expr) => {
            chunk::<$type>(&values.iter().map($convert).collect::<Vec<_>>(), shape, like, broadcast)
        };
    }
    let made = match dtype {
        DType::Bool => of!(u8, |v| u8::from(*v != 0.0)),
        DType::I8 => of!(i8, |v| *v as i8),
        DType::I16 => of!(i16, |v| *v as i16),
        DType::I32 => of!(i32, |v| *v as i32),
        DType::I64 => of!(i64, |v| *v as i64),
        DType::U8 => of!(u8, |v| *v as u8),
        DType::U16 => of!(u16, |v| *v as u16),
        DType::U32 => of!(u32, |v| *v as u32),
        DType::U64 => of!(u64, |v| *v as u64),
        DType::F16 => of!(f16, |v| f16::from_f64(*v)),
        DType::F32 => of!(f32, |v| *v as f32),
        DType::C64 => of!(num_complex::Complex32, |v| num_complex::Complex32::new(*v as f32, 0.0)),
        _ => of!(f64, |v| *v),
    };
    made.reinterpret(dtype).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn small_whole_numbers_are_exact_in_every_type(
        shape in shape(),
        from in 0usize..13,
        to in 0usize..13,
        code in 0usize..7,
        like in arrangement(),
        broadcast in 0u32..16,
    ) {
        let (from, to) = (ALL[from], ALL[to]);
        let n = elements(&shape);
        let limit = if from == DType::Bool { 2 } else { 11 };
        let xs: Vec<f64> = (0..n).map(|i| (i * 7 % limit) as f64).collect();
        let ys: Vec<f64> = (0..n).map(|i| (i * 5 % limit) as f64).collect();
        let (x, y) = (block(from, &xs, &shape, like, broadcast), block(from, &ys, &shape, like, broadcast >> 2));
        let (seen_x, seen_y) = (read_f64(&x), read_f64(&y));
        let mut builder = Builder::new();
        let (a, b) = (builder.memory(from), builder.memory(from));
        let converted = builder.cast(a, to).unwrap();
        builder.output(converted).unwrap();
        let (code, apply): (OpCode, fn(f64, f64) -> f64) = match code {
            0 => (OpCode::Add, |x, y| x + y),
            1 => (OpCode::Multiply, |x, y| x * y),
            2 => (OpCode::Equal, |x, y| f64::from(u8::from(x == y))),
            3 => (OpCode::NotEqual, |x, y| f64::from(u8::from(x != y))),
            4 => (OpCode::Maximum, f64::max),
            5 => (OpCode::Less, |x, y| f64::from(u8::from(x < y))),
            _ => (OpCode::LogicalAnd, |x, y| f64::from(u8::from(x != 0.0 && y != 0.0))),
        };
        let computed = builder.op(code, &[a, b]);
        prop_assert_eq!(computed.is_ok(), !from.is_complex() || !matches!(code, OpCode::Maximum | OpCode::Less));
        if let Ok(register) = computed {
            builder.output(register).unwrap();
        }
        let results =
            builder.finish().run(&shape, vec![Access::Memory(x), Access::Memory(y)], &AtomicBool::new(false)).unwrap();
        prop_assert_eq!(results[0].dtype(), to);
        let truth = |value: f64| if to == DType::Bool { f64::from(u8::from(value != 0.0)) } else { value };
        let expected: Vec<f64> = seen_x.iter().map(|value| truth(*value)).collect();
        prop_assert_eq!(read_f64(&results[0]), expected);
        if let Some(result) = results.get(1) {
            let cap = |value: f64| if from == DType::Bool { value.min(1.0) } else { value };
            let expected: Vec<f64> = seen_x.iter().zip(&seen_y).map(|(x, y)| cap(apply(*x, *y))).collect();
            prop_assert_eq!(read_f64(result), expected);
        }
    }
}

const ALL: [DType; 13] = [
    DType::Bool,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::F16,
    DType::F32,
    DType::F64,
    DType::C64,
];

#[test]
fn every_operation_has_a_loop_for_doubles_or_says_what_it_wants() {
    for code in OpCode::ALL {
        let integers = matches!(
            code,
            OpCode::Gcd
                | OpCode::Lcm
                | OpCode::LeftShift
                | OpCode::RightShift
                | OpCode::BitwiseAnd
                | OpCode::BitwiseOr
                | OpCode::BitwiseXor
                | OpCode::Invert
        );
        let mut inputs = vec![if integers { DType::I64 } else { DType::F64 }; code.arity()];
        match code {
            OpCode::Where => inputs[0] = DType::Bool,
            OpCode::Ldexp => inputs[1] = DType::I64,
            OpCode::IsNat => inputs[0] = DType::DateTime(TimeUnit::Second),
            _ => {}
        }
        assert!(has_op(*code, &inputs).is_some(), "{}", code.name());
    }
    assert_eq!(has_op(OpCode::Add, &[DType::F64]), None, "too few inputs");
    assert_eq!(has_op(OpCode::Add, &[DType::F64, DType::F32]), None, "promotion is the caller's");
}

#[test]
fn rests_of_groups_are_computed_like_whole_ones() {
    for n in [0, 1, 63, 64, 65, 127, 200, 1023, 1024, 1025, 3000] {
        let x: Vec<f64> = (0..n).map(|i| 0.01 * f64::from(i)).collect();
        let y: Vec<f64> = (0..n).map(|i| f64::from(i % 7) - 3.0).collect();
        let (a, b) = (list(&x), list(&y));
        let sum = read::<f64>(&apply(OpCode::Add, &[a.clone(), b.clone()]));
        let exp = read::<f64>(&apply(OpCode::Exp, std::slice::from_ref(&a)));
        let power = read::<f64>(&apply(OpCode::Power, &[a.clone(), b.clone()]));
        let less = read::<u8>(&apply(OpCode::LessEqual, &[a, b]));
        for i in 0..x.len() {
            assert_eq!(sum[i], x[i] + y[i]);
            assert_eq!(less[i], u8::from(x[i] <= y[i]));
            assert!((exp[i] - x[i].exp()).abs() <= 4.0 * f64::EPSILON * exp[i]);
            let expected = x[i].powf(y[i]);
            assert!(power[i] == expected || (power[i] - expected).abs() <= 8.0 * f64::EPSILON * expected.abs());
        }
    }
}
