//! Brings the tile of an operand to where kernels can read it: in place, repeated, copied, gathered or generated.
// `unsafe` is allowed here: tiles are copied between raw memory whose extent the layout guarantees.
#![allow(unsafe_code)]

use raskr_base::DType;

use super::kernel::LANES;
use super::scalar::Bits;
use super::source::{Source, Tile};
use crate::blocks::strided::copy_raw;

/// A tile's extent and an operand's strides across it, in elements (of memory) or in index (of a source).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub rows: usize,
    pub columns: usize,
    pub row_step: isize,
    pub column_step: isize,
}

impl Extent {
    /// Do the elements lie one after another in the tile's order?
    pub fn is_dense(&self) -> bool {
        self.column_step == 1 && (self.rows == 1 || self.row_step == self.columns as isize)
    }

    /// Is it one element over and over?
    pub fn is_uniform(&self) -> bool {
        self.column_step == 0 && (self.rows == 1 || self.row_step == 0)
    }

    pub fn len(&self) -> usize {
        self.rows * self.columns
    }
}

/// Copies a strided tile of memory into a dense one.
///
/// # Safety
/// Every element that the extent reaches from `from` is readable and `to` has room for the tile, apart from it.
pub(super) unsafe fn gather(from: *const u8, extent: Extent, itemsize: usize, to: *mut u8) {
    // SAFETY: the contract above.
    unsafe {
        match itemsize {
            1 => gather_as::<u8>(from, extent, to),
            2 => gather_as::<u16>(from, extent, to),
            4 => gather_as::<u32>(from, extent, to),
            8 => gather_as::<u64>(from, extent, to),
            _ => gather_as::<[u64; 2]>(from, extent, to),
        }
    }
}

unsafe fn gather_as<T: Copy>(from: *const u8, extent: Extent, to: *mut u8) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    let Extent { rows, columns, row_step, column_step } = extent;
    // SAFETY: the contract of `gather`.
    unsafe {
        if column_step == 1 {
            for row in 0..rows {
                let start = from.offset(row as isize * row_step);
                std::ptr::copy_nonoverlapping(start, to.add(row * columns), columns);
            }
        } else if column_step == 0 {
            for row in 0..rows {
                let value = from.offset(row as isize * row_step).read();
                std::slice::from_raw_parts_mut(to.add(row * columns), columns).fill(value);
            }
        } else if rows > 1 && row_step.abs() < column_step.abs() {
            let size = size_of::<T>() as isize;
            copy_raw(
                to.cast(),
                &[columns as isize * size, size],
                from.cast(),
                &[row_step * size, column_step * size],
                &[rows, columns],
                size_of::<T>(),
            );
        } else {
            for row in 0..rows {
                let start = from.offset(row as isize * row_step);
                for column in 0..columns {
                    to.add(row * columns + column).write(start.offset(column as isize * column_step).read());
                }
            }
        }
    }
}

/// Copies a dense tile into strided memory.
///
/// # Safety
/// As for [`gather`], the other way.
pub(super) unsafe fn scatter(from: *const u8, extent: Extent, itemsize: usize, to: *mut u8) {
    // SAFETY: the contract above.
    unsafe {
        match itemsize {
            1 => scatter_as::<u8>(from, extent, to),
            2 => scatter_as::<u16>(from, extent, to),
            4 => scatter_as::<u32>(from, extent, to),
            8 => scatter_as::<u64>(from, extent, to),
            _ => scatter_as::<[u64; 2]>(from, extent, to),
        }
    }
}

unsafe fn scatter_as<T: Copy>(from: *const u8, extent: Extent, to: *mut u8) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    let Extent { rows, columns, row_step, column_step } = extent;
    for row in 0..rows {
        // SAFETY: the contract of `scatter`.
        unsafe {
            let (from, to) = (from.add(row * columns), to.offset(row as isize * row_step));
            if column_step == 1 {
                std::ptr::copy_nonoverlapping(from, to, columns);
            } else {
                for column in 0..columns {
                    to.offset(column as isize * column_step).write(from.add(column).read());
                }
            }
        }
    }
}

/// Generates a tile of a source whose first element has the index `base`.
///
/// # Safety
/// `to` has room for the tile; `scratch` for as many elements again.
pub(super) unsafe fn generate(source: &Source, base: i64, extent: Extent, to: *mut u8, scratch: *mut u8) {
    let dtype = source.dtype();
    let size = dtype.itemsize();
    let Extent { rows, columns, row_step, column_step } = extent;
    let (row_step, column_step) = (row_step as i64, column_step as i64);
    let fill =
        |base: i64, step: i64, start: *mut u8, len: usize| source.fill(base, step, &mut Tile { start, len, dtype });
    // SAFETY: offsets stay within the tile; the contract above.
    unsafe {
        if rows == 1 || row_step == column_step * columns as i64 {
            fill(base, column_step, to, rows * columns);
        } else if column_step == 0 {
            fill(base, row_step, scratch, rows);
            for row in 0..rows {
                let bits = Bits::read(dtype, scratch.add(row * size));
                bits.splat(dtype, to.add(row * columns * size), columns);
            }
        } else if row_step == 0 {
            fill(base, column_step, to, columns);
            for row in 1..rows {
                std::ptr::copy_nonoverlapping(to, to.add(row * columns * size), columns * size);
            }
        } else if row_step.abs() == 1 && column_step.abs() != 1 {
            // Runs of neighbouring numbers are cheaper to make; they lie along the tile's columns here.
            for column in 0..columns {
                fill(base + column as i64 * column_step, row_step, scratch.add(column * rows * size), rows);
            }
            let across = Extent { rows, columns, row_step: 1, column_step: rows as isize };
            gather(scratch, across, size, to);
        } else {
            for row in 0..rows {
                fill(base + row as i64 * row_step, column_step, to.add(row * columns * size), columns);
            }
        }
    }
}

/// Writes a repeated element where a repeated view is read.
///
/// # Safety
/// `from` points to an element and `to` has room for [`LANES`] of them.
pub(super) unsafe fn repeat(dtype: DType, from: *const u8, to: *mut u8) {
    // SAFETY: the contract above.
    unsafe { Bits::read(dtype, from).splat(dtype, to, LANES) };
}
