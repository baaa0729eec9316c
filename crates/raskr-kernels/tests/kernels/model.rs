//! A naive model: arrays as lists of numbers in row-major order, and chunks of any layout made from them.

use half::f16;
use num_complex::{Complex32, Complex64};
use proptest::prelude::*;
use raskr_base::{Chunk, DType, Element};

/// How a chunk's memory is arranged, for the same elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrangement {
    Rows,
    Columns,
    Reversed,
    /// Every second element of a larger block, with a gap before.
    Sparse,
}

pub fn arrangement() -> impl Strategy<Value = Arrangement> {
    prop_oneof![
        Just(Arrangement::Rows),
        Just(Arrangement::Columns),
        Just(Arrangement::Reversed),
        Just(Arrangement::Sparse)
    ]
}

pub fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The index along each axis of the element with this row-major number.
pub fn index_of(mut number: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = number % shape[axis];
        number /= shape[axis];
    }
    index
}

/// A chunk of the values; axes in `broadcast` have stride 0, so the element there is that of index 0.
pub fn chunk<T: Element>(values: &[T], shape: &[usize], arrangement: Arrangement, broadcast: u32) -> Chunk {
    let stored: Vec<usize> =
        shape.iter().enumerate().map(|(axis, n)| if broadcast & (1 << axis) != 0 { 1 } else { *n }).collect();
    let order: Vec<usize> = match arrangement {
        Arrangement::Columns => (0..shape.len()).collect(),
        _ => (0..shape.len()).rev().collect(),
    };
    let unit = if arrangement == Arrangement::Sparse { 2 } else { 1 };
    let mut strides = vec![0isize; shape.len()];
    let mut step = unit as isize;
    for axis in order {
        strides[axis] = step;
        step *= stored[axis].max(1) as isize;
    }
    let mut offset = if arrangement == Arrangement::Sparse { 3 } else { 0 };
    if arrangement == Arrangement::Reversed {
        for axis in 0..shape.len() {
            offset += (stored[axis].max(1) - 1) * strides[axis] as usize;
            strides[axis] = -strides[axis];
        }
    }
    let mut memory = vec![T::default(); elements(&stored) * unit + 4];
    let used = if elements(shape) == 0 { 0 } else { elements(&stored) };
    for number in 0..used {
        let index = index_of(number, &stored);
        let place = offset as isize + index.iter().zip(&strides).map(|(i, s)| *i as isize * s).sum::<isize>();
        let full: usize = index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i);
        memory[place as usize] = values[full];
    }
    for (axis, stride) in strides.iter_mut().enumerate() {
        if broadcast & (1 << axis) != 0 {
            *stride = 0;
        }
    }
    let whole = Chunk::from_slice(&memory, &[memory.len()]);
    whole.with_layout(shape, &strides, offset).expect("the layout stays inside")
}

/// The elements of a chunk in row-major order, whatever its strides.
pub fn read<T: Element>(chunk: &Chunk) -> Vec<T> {
    (0..chunk.len())
        .map(|number| {
            let index = index_of(number, chunk.shape());
            let offset = index.iter().zip(chunk.strides()).map(|(i, s)| *i as isize * s).sum::<isize>();
            chunk.with_layout(&[], &[], (chunk.offset() as isize + offset) as usize).unwrap().item::<T>().unwrap()
        })
        .collect()
}

/// Any chunk's elements as doubles (real parts).
pub fn read_f64(chunk: &Chunk) -> Vec<f64> {
    match chunk.dtype() {
        DType::Bool | DType::U8 => read::<u8>(chunk).into_iter().map(f64::from).collect(),
        DType::I8 => read::<i8>(chunk).into_iter().map(f64::from).collect(),
        DType::U16 => read::<u16>(chunk).into_iter().map(f64::from).collect(),
        DType::I16 => read::<i16>(chunk).into_iter().map(f64::from).collect(),
        DType::U32 => read::<u32>(chunk).into_iter().map(f64::from).collect(),
        DType::I32 => read::<i32>(chunk).into_iter().map(f64::from).collect(),
        DType::U64 => read::<u64>(chunk).into_iter().map(|v| v as f64).collect(),
        DType::F16 => read::<f16>(chunk).into_iter().map(f64::from).collect(),
        DType::F32 => read::<f32>(chunk).into_iter().map(f64::from).collect(),
        DType::F64 => read::<f64>(chunk),
        DType::C64 => read::<Complex32>(chunk).into_iter().map(|v| f64::from(v.re)).collect(),
        DType::C128 => read::<Complex64>(chunk).into_iter().map(|v| v.re).collect(),
        _ => read::<i64>(chunk).into_iter().map(|v| v as f64).collect(),
    }
}

/// Small shapes of up to four dimensions with now and then a long or an empty axis.
pub fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        8 => prop::collection::vec(1usize..7, 0..5),
        2 => prop::collection::vec(0usize..3, 1..4),
        2 => (1usize..4, 150usize..1500).prop_map(|(a, b)| vec![a, b]),
        2 => (150usize..700, 1usize..6).prop_map(|(a, b)| vec![a, b]),
        2 => (30usize..70, 30usize..70).prop_map(|(a, b)| vec![a, b]),
        1 => (2usize..4, 20usize..40, 30usize..40).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}
