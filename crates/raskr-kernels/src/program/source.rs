//! `Source`: operands without memory, whose value is a function of a linear element index.
// `unsafe` is allowed here: sources write raw tile memory, see `Tile`.
#![allow(unsafe_code)]

use half::f16;
use num_complex::{Complex32, Complex64};
use raskr_base::{DType, Element};
use serde::{Deserialize, Serialize};

use super::scalar::Scalar;
use crate::random::RandomSource;

/// A virtual operand.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Source {
    Constant {
        dtype: DType,
        value: Scalar,
    },
    /// `start + index * step`, computed in `dtype` as NumPy's `arange` does.
    Iota {
        dtype: DType,
        start: Scalar,
        step: Scalar,
    },
    /// 1 where `column - row == k` for `index = row * columns + column`, else 0.
    Diagonal {
        dtype: DType,
        columns: u64,
        k: i64,
    },
    Random(RandomSource),
}

impl Source {
    pub fn dtype(&self) -> DType {
        match self {
            Source::Constant { dtype, .. } | Source::Iota { dtype, .. } | Source::Diagonal { dtype, .. } => *dtype,
            Source::Random(random) => random.dtype(),
        }
    }

    /// Estimated nanoseconds per element.
    pub fn cost_ns(&self) -> f64 {
        match self {
            Source::Constant { .. } => 0.0,
            Source::Iota { .. } => 0.3,
            Source::Diagonal { .. } => 1.0,
            Source::Random(random) => random.cost_ns(),
        }
    }

    /// Are runs of neighbouring indices cheaper than others?
    pub(crate) fn cares_about_step(&self) -> bool {
        match self {
            Source::Constant { .. } | Source::Iota { .. } | Source::Diagonal { .. } => false,
            Source::Random(_) => true,
        }
    }

    /// Writes the elements of index `start`, `start + step`, .. .
    pub(crate) fn fill(&self, start: i64, step: i64, tile: &mut Tile) {
        match self {
            Source::Constant { dtype, value } => {
                let bits = value.store(*dtype);
                // SAFETY: a tile has room for its elements.
                unsafe { bits.splat(*dtype, tile.start, tile.len) };
            }
            Source::Iota { dtype, start: first, step: delta } => fill_iota(*dtype, *first, *delta, start, step, tile),
            Source::Diagonal { dtype, columns, k } => fill_diagonal(*dtype, *columns, *k, start, step, tile),
            Source::Random(random) => fill_random(random, start as u64, step, tile),
        }
    }
}

/// A run of elements to be written.
pub(crate) struct Tile {
    pub start: *mut u8,
    pub len: usize,
    pub dtype: DType,
}

impl Tile {
    /// The elements. Panics when `T` does not store the element type.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        assert!(T::stores(self.dtype), "{} elements written as {}", self.dtype, T::DTYPE);
        // SAFETY: whoever makes a tile has room for `len` aligned elements of its type, which nobody else touches.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast::<T>(), self.len) }
    }
}

fn fill_iota(dtype: DType, first: Scalar, delta: Scalar, start: i64, step: i64, tile: &mut Tile) {
    macro_rules! integers {
        ($type:ty) => {{
            let (first, delta) = (first.as_i64(), delta.as_i64());
            for (i, out) in tile.as_mut_slice::<$type>().iter_mut().enumerate() {
                let index = start.wrapping_add(step.wrapping_mul(i as i64));
                *out = first.wrapping_add(delta.wrapping_mul(index)) as $type;
            }
        }};
    }
    let index = |i: usize| (start + step * i as i64) as f64;
    match dtype.storage() {
        DType::I8 => integers!(i8),
        DType::U8 => integers!(u8),
        DType::I16 => integers!(i16),
        DType::U16 => integers!(u16),
        DType::I32 => integers!(i32),
        DType::U32 => integers!(u32),
        DType::U64 => integers!(u64),
        DType::F16 => {
            for (i, out) in tile.as_mut_slice::<f16>().iter_mut().enumerate() {
                *out = f16::from_f64(first.as_f64() + index(i) * delta.as_f64());
            }
        }
        DType::F32 => {
            let (first, delta) = (first.as_f64() as f32, delta.as_f64() as f32);
            for (i, out) in tile.as_mut_slice::<f32>().iter_mut().enumerate() {
                *out = first + index(i) as f32 * delta;
            }
        }
        DType::F64 => {
            let (first, delta) = (first.as_f64(), delta.as_f64());
            for (i, out) in tile.as_mut_slice::<f64>().iter_mut().enumerate() {
                *out = first + index(i) * delta;
            }
        }
        DType::C64 => {
            for (i, out) in tile.as_mut_slice::<Complex32>().iter_mut().enumerate() {
                let (re, im) =
                    (first.as_f64() + index(i) * delta.as_f64(), first.imaginary() + index(i) * delta.imaginary());
                *out = Complex32::new(re as f32, im as f32);
            }
        }
        DType::C128 => {
            for (i, out) in tile.as_mut_slice::<Complex64>().iter_mut().enumerate() {
                let (re, im) =
                    (first.as_f64() + index(i) * delta.as_f64(), first.imaginary() + index(i) * delta.imaginary());
                *out = Complex64::new(re, im);
            }
        }
        DType::Bool => {
            for (i, out) in tile.as_mut_slice::<u8>().iter_mut().enumerate() {
                *out = u8::from(first.as_f64() + index(i) * delta.as_f64() != 0.0);
            }
        }
        _ => integers!(i64),
    }
}

/// Integers of a temporary run when narrower ones are asked for than the sampler makes.
const NARROWED: usize = 256;

fn fill_random(random: &RandomSource, start: u64, step: i64, tile: &mut Tile) {
    macro_rules! narrowed {
        ($type:ty) => {{
            let mut wide = [0i64; NARROWED];
            for (part, out) in tile.as_mut_slice::<$type>().chunks_mut(NARROWED).enumerate() {
                let first = start.wrapping_add_signed(step.wrapping_mul((part * NARROWED) as i64));
                let wide = &mut wide[..out.len()];
                random.fill_i64(first, step, wide);
                for (out, value) in out.iter_mut().zip(wide) {
                    *out = *value as $type;
                }
            }
        }};
    }
    match tile.dtype.storage() {
        DType::F64 => random.fill_f64(start, step, tile.as_mut_slice::<f64>()),
        DType::F32 => random.fill_f32(start, step, tile.as_mut_slice::<f32>()),
        DType::I64 => random.fill_i64(start, step, tile.as_mut_slice::<i64>()),
        DType::U64 => narrowed!(u64),
        DType::I32 => narrowed!(i32),
        DType::U32 => narrowed!(u32),
        DType::I16 => narrowed!(i16),
        DType::U16 => narrowed!(u16),
        DType::I8 => narrowed!(i8),
        DType::Bool | DType::U8 => narrowed!(u8),
        // No distribution makes half floats or complex numbers.
        other => {
            // SAFETY: a tile has room for its elements.
            unsafe { Scalar::I64(0).store(other).splat(other, tile.start, tile.len) };
        }
    }
}

fn fill_diagonal(dtype: DType, columns: u64, k: i64, start: i64, step: i64, tile: &mut Tile) {
    // SAFETY: a tile has room for its elements.
    unsafe { Scalar::I64(0).store(dtype).splat(dtype, tile.start, tile.len) };
    let one = Scalar::I64(1).store(dtype);
    let columns = columns.max(1) as i64;
    for i in 0..tile.len {
        let index = start + step * i as i64;
        if index % columns - index / columns == k {
            // SAFETY: element i is within the tile.
            unsafe { one.splat(dtype, tile.start.add(i * dtype.itemsize()), 1) };
        }
    }
}
