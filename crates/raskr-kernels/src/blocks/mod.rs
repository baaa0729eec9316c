//! Kernels on whole blocks: copies, views, selection, counting, casts, running sums, products of matrices, sorting.
//!
//! Knows: chunks, their layouts and element types. Does not know: grids of chunks, tasks, Python.
//! Invariant: results are new contiguous blocks or views of the input's memory; inputs are never written.
//! Tested beside each module against naive loops over indices.

pub mod argreduce;
pub mod cast;
pub mod copy;
pub mod cumulative;
pub mod histogram;
pub mod key;
pub mod mask;
pub mod matmul;
pub mod number;
pub mod quantile;
pub mod sort;
mod sort_keys;
#[cfg(target_arch = "x86_64")]
mod sort_lanes;
pub mod sort_parts;
pub mod sort_runs;
#[cfg(target_arch = "x86_64")]
mod sort_x86;
pub mod strided;
pub mod take;
pub mod target;
pub mod unique;
pub mod view;

pub use argreduce::{ArgKind, arg_combine, arg_finish, arg_reduce};
pub use cast::{Convert, can_cast, cast};
pub use copy::{
    assemble, concatenate, copied, copy_from_strided, copy_into, copy_out, copy_to_strided, into_owned, owned,
    to_contiguous,
};
pub use cumulative::{CumulativeKind, cumulative, cumulative_last, cumulative_to, diff};
pub use histogram::{Bins, Counter, Counting, add_counts};
pub use mask::{compress, count_true, extract, extract_to, place, put_mask, true_indices};
pub use matmul::{matmul, matmul_into};
pub use quantile::{QuantileMethod, median, quantile};
pub use sort::{Side, argpartition_axis, argsort_axis, partition_axis, searchsorted, sort_axis, top_k};
pub use take::{gather, gather_many, gather_many_to, gather_points, scatter};
pub use target::{Cell, Target};
pub use view::{AxisSlice, broadcast_to, expand, flip, slice, squeeze, transpose};
