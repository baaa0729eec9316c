//! Sorting of integer keys by AVX-512: quicksort in place, with networks of registers for short pieces.
//!
//! A partition keeps some registers from both ends aside and writes what it reads next into the gaps, so that it neither
//! needs memory nor branches on keys. After M. Blacher, J. Giesen, P. Sanders and J. Wassenberg, "Vectorized and
//! performance-portable Quicksort" (2022), and B. Bramas, "A Novel Hybrid Quicksort Algorithm Vectorized using AVX-512 on
//! Intel Skylake" (2017).
// `unsafe` is allowed here: loads and stores through pointers whose bounds the loops keep, and vector instructions that
// the entry points ask for.
#![allow(unsafe_code)]
// Registers are walked by number, together with their addresses, so that loops unroll.
#![allow(clippy::needless_range_loop)]

use super::sort_lanes::{Lanes, Narrow, Paired, Wide};

/// Registers of a network.
pub(super) const NETWORK: usize = 16;
/// How many times deeper than balanced halves a quicksort may go before it gives up on its pivots.
const DEPTH_FACTOR: u32 = 3;
/// How many registers before they are read keys are asked for.
const AHEAD: usize = 32;
/// Candidates for a pivot.
pub(super) const CANDIDATES: usize = 32;

/// Are the instructions that this module is made of there?
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("popcnt")
}

/// Sorts what each register holds, if it was in no order (`WHOLE`), or rose and then fell.
#[inline(always)]
unsafe fn sort_register<V: Lanes, const WHOLE: bool>(mut v: V) -> V {
    unsafe {
        if WHOLE {
            v = v.order_within::<1>();
            v = v.order_within::<3>().order_within::<1>();
            v = v.order_within::<7>().order_within::<2>().order_within::<1>();
            if V::LANES == 16 {
                v = v.order_within::<15>().order_within::<4>().order_within::<2>().order_within::<1>();
            }
        } else {
            if V::LANES == 16 {
                v = v.order_within::<8>();
            }
            v = v.order_within::<4>().order_within::<2>().order_within::<1>();
        }
        v
    }
}

/// Bitonic sort of `N` registers (K. Batcher 1968).
#[inline(always)]
unsafe fn network<V: Lanes, const N: usize>(v: &mut [V; N]) {
    unsafe {
        for register in v.iter_mut() {
            *register = sort_register::<V, true>(*register);
        }
        let mut half = 1;
        while half < N {
            let mut start = 0;
            while start < N {
                for i in 0..half {
                    let (low, high) = (start + i, start + 2 * half - 1 - i);
                    // Upper registers stay reversed, as the lanes of all of them are sorted anew below.
                    (v[low], v[high]) = v[low].order(v[high].reversed());
                }
                start += 2 * half;
            }
            let mut step = half / 2;
            while step > 0 {
                let mut start = 0;
                while start < N {
                    for i in start..start + step {
                        (v[i], v[i + step]) = v[i].order(v[i + step]);
                    }
                    start += 2 * step;
                }
                step /= 2;
            }
            for register in v.iter_mut() {
                *register = sort_register::<V, false>(*register);
            }
            half *= 2;
        }
    }
}

/// Compares registers pairwise, written out so that each stays in its register.
macro_rules! compare {
    ($v:ident: $($a:literal $b:literal),*) => {{
        $(($v[$a], $v[$b]) = $v[$a].order($v[$b]);)*
    }};
}

/// Does the same to each register.
macro_rules! each {
    ($v:ident: $($a:literal)*, $method:ident::<$x:literal>) => {{
        $($v[$a] = $v[$a].$method::<$x>();)*
    }};
}

/// Compares registers from both ends of a list with lanes of the other exchanged.
macro_rules! across {
    ($v:ident: $x:ident, $($a:literal $b:literal),*) => {{
        $(($v[$a], $v[$b]) = ($v[$a].order_across::<$x>($v[$b]), $v[$b].order_across::<$x>($v[$a]));)*
    }};
}

/// Sorts the columns of `N` registers, joins them two by two, and leaves columns one after the other. The networks are
/// the smallest known (D. Knuth, "The Art of Computer Programming" 3, 5.3.4; the one for sixteen is M. Green's).
#[inline(always)]
unsafe fn columns<V: Lanes, const N: usize>(v: &mut [V; N]) {
    unsafe {
        if N == 8 {
            compare!(v:
                0 2, 1 3, 4 6, 5 7, 0 4, 1 5, 2 6, 3 7, 0 1, 2 3, 4 5, 6 7, 2 4, 3 5, 1 4, 3 6, 1 2, 3 4, 5 6
            );
        } else {
            compare!(v:
                0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 0 2, 4 6, 8 10, 12 14, 1 3, 5 7, 9 11, 13 15, 0 4,
                8 12, 1 5, 9 13, 2 6, 10 14, 3 7, 11 15, 0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15, 5 10, 6 9,
                3 12, 13 14, 4 8, 7 11, 1 2, 1 4, 7 13, 2 8, 11 14, 2 4, 5 6, 9 10, 11 13, 3 8, 7 12, 6 8, 10 12,
                3 5, 7 9, 3 4, 5 6, 7 8, 9 10, 11 12, 6 7, 8 9
            );
        }
        join_columns::<V, N, 1>(v);
        join_columns::<V, N, 3>(v);
        join_columns::<V, N, 7>(v);
        if V::LANES == 16 {
            join_columns::<V, N, 15>(v);
        }
    }
}

/// Joins runs of columns that are in order: `X` tells by its bits how many make the new run.
#[inline(always)]
unsafe fn join_columns<V: Lanes, const N: usize, const X: i32>(v: &mut [V; N]) {
    unsafe {
        if N == 8 {
            across!(v: X, 0 7, 1 6, 2 5, 3 4);
            if X >= 7 {
                each!(v: 0 1 2 3 4 5 6 7, order_within::<2>);
            }
            if X >= 3 {
                each!(v: 0 1 2 3 4 5 6 7, order_within::<1>);
            }
            compare!(v:
                0 4, 1 5, 2 6, 3 7, 0 2, 1 3, 4 6, 5 7, 0 1, 2 3, 4 5, 6 7
            );
        } else {
            across!(v: X, 0 15, 1 14, 2 13, 3 12, 4 11, 5 10, 6 9, 7 8);
            if X >= 15 {
                each!(v: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15, order_within::<4>);
            }
            if X >= 7 {
                each!(v: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15, order_within::<2>);
            }
            if X >= 3 {
                each!(v: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15, order_within::<1>);
            }
            compare!(v:
                0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15, 0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15, 0 2,
                1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15, 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15
            );
        }
    }
}

/// Up to `N` registers of keys in order, the greatest key where there are fewer.
#[inline(always)]
unsafe fn sorted<V: Lanes, const N: usize>(at: V::At, count: usize) -> [V; N] {
    unsafe {
        let mut v = [V::greatest(); N];
        let mut i = 0;
        while i < N {
            let left = count.saturating_sub(i * V::LANES);
            if left >= V::LANES {
                v[i] = V::load(V::at(at, i * V::LANES));
            } else if left > 0 {
                v[i] = V::load_some(V::at(at, i * V::LANES), left);
            }
            i += 1;
        }
        if !N.is_multiple_of(V::LANES) || N < 8 {
            network(&mut v);
            return v;
        }
        columns(&mut v);
        // Of several squares, a column goes on in the next square.
        let squares = N / V::LANES;
        let mut out = v;
        let mut square = 0;
        while square < squares {
            V::transpose(&mut v[square * V::LANES..(square + 1) * V::LANES]);
            let mut i = 0;
            while i < V::LANES {
                out[i * squares + square] = v[square * V::LANES + i];
                i += 1;
            }
            square += 1;
        }
        out
    }
}

#[inline(always)]
unsafe fn write<V: Lanes, const N: usize>(v: &[V; N], at: V::At, count: usize) {
    unsafe {
        let mut i = 0;
        while i < N {
            let left = count.saturating_sub(i * V::LANES);
            if left >= V::LANES {
                v[i].store(V::at(at, i * V::LANES));
            } else if left > 0 {
                v[i].store_some(V::at(at, i * V::LANES), left);
            }
            i += 1;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
pub(super) unsafe fn sort_few<V: Lanes, const N: usize>(at: V::At, count: usize) {
    // SAFETY: `count` keys are there, and no more than `N` registers hold.
    unsafe { write(&sorted::<V, N>(at, count), at, count) }
}

/// Sorts more than `N` registers of keys, and up to twice as many.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn sort_double<V: Lanes, const N: usize>(at: V::At, count: usize) {
    unsafe {
        let half = N * V::LANES;
        let mut low = sorted::<V, N>(at, half);
        write(&low, at, half);
        let mut high = sorted::<V, N>(V::at(at, half), count - half);
        let mut i = 0;
        while i < N {
            low[i] = V::load(V::at(at, i * V::LANES));
            (low[i], high[N - 1 - i]) = low[i].order(high[N - 1 - i].reversed());
            i += 1;
        }
        clean(&mut low);
        write(&low, at, half);
        clean(&mut high);
        write(&high, V::at(at, half), count - half);
    }
}

/// Sorts registers whose keys rise and then fall (or the other way round).
#[inline(always)]
unsafe fn clean<V: Lanes, const N: usize>(v: &mut [V; N]) {
    unsafe {
        if N == 8 {
            compare!(v:
                0 4, 1 5, 2 6, 3 7, 0 2, 1 3, 4 6, 5 7, 0 1, 2 3, 4 5, 6 7
            );
        } else {
            compare!(v:
                0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15, 0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15, 0 2,
                1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15, 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15
            );
        }
        let mut i = 0;
        while i < N {
            v[i] = sort_register::<V, false>(v[i]);
            i += 1;
        }
    }
}

/// Puts keys that are not above the pivot (with `STRICT`: that are below it) before the others; gives their number.
/// There are at least `2 * READ` registers of keys.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn partition<V: Lanes, const STRICT: bool>(at: V::At, count: usize, pivot: V::Key) -> usize {
    unsafe {
        let mut end = count - count % V::LANES;
        let tail = count - end;
        let splat = V::splat(pivot);
        // Keys from `low` to `next` and from `last` to `high` were read and may be written over. Both gaps have room for
        // `READ` registers whenever so many are read, since the smaller one grows by that.
        let (mut low, mut high) = (0, end);
        macro_rules! place {
            ($keys:expr) => {{
                let (keys, first) = $keys.split::<STRICT>(splat);
                keys.store(V::at(at, low));
                keys.store(V::at(at, high - V::LANES));
                low += first;
                high -= V::LANES - first;
            }};
        }
        let kept = V::READ * V::LANES;
        let (mut next, mut last) = (kept, end - kept);
        let mut aside = [V::greatest(); NETWORK];
        for i in 0..V::READ {
            aside[i] = V::load(V::at(at, i * V::LANES));
            aside[V::READ + i] = V::load(V::at(at, last + i * V::LANES));
        }
        while !(last - next).is_multiple_of(kept) {
            let keys = V::load(V::at(at, next));
            next += V::LANES;
            place!(keys);
        }
        while next < last {
            // The processor itself does not foresee which end is read from next.
            let (from, then) = if next - low <= high - last {
                next += kept;
                (next - kept, (next + AHEAD * V::LANES).min(count - kept))
            } else {
                last -= kept;
                (last, last.saturating_sub(AHEAD * V::LANES + kept))
            };
            for i in 0..V::READ {
                V::prefetch(V::at(at, then + i * V::LANES));
            }
            let mut read = [V::greatest(); NETWORK / 2];
            for i in 0..V::READ {
                read[i] = V::load(V::at(at, from + i * V::LANES));
            }
            for i in 0..V::READ {
                place!(read[i]);
            }
        }
        for i in 0..2 * V::READ {
            place!(aside[i]);
        }
        for _ in 0..tail {
            let key = V::key(V::at(at, end));
            if if STRICT { key < pivot } else { key <= pivot } {
                V::put(V::at(at, end), V::key(V::at(at, low)));
                V::put(V::at(at, low), key);
                low += 1;
            }
            end += 1;
        }
        low
    }
}

/// A key that about half of the others are below.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn pivot_of<V: Lanes>(from: V::At, count: usize) -> V::Key {
    unsafe {
        let step = count / CANDIDATES;
        // Not at equal distances, which sorted runs of equal length would answer all alike.
        let jitter = |i: usize| ((i as u32 + 1).wrapping_mul(0x9e37_79b9) as usize * step) >> 32;
        let first = V::key(from);
        let mut keys = [first; CANDIDATES];
        for (i, key) in keys.iter_mut().enumerate() {
            *key = V::key(V::at(from, i * step + jitter(i)));
        }
        V::middle(&mut keys)
    }
}

#[target_feature(enable = "avx512f,avx512dq,popcnt")]
unsafe fn quicksort<V: Lanes>(mut at: V::At, mut count: usize, mut depth: u32) {
    unsafe {
        loop {
            if count <= 2 * V::LANES * V::WIDEST {
                return match (count.div_ceil(V::LANES), V::WIDEST) {
                    (0, _) => {}
                    (1, _) => sort_few::<V, 1>(at, count),
                    (2, _) => sort_few::<V, 2>(at, count),
                    (3 | 4, _) => sort_few::<V, 4>(at, count),
                    (5..=8, _) => sort_few::<V, 8>(at, count),
                    (_, 8) => sort_double::<V, 8>(at, count),
                    (9..=16, _) => sort_few::<V, 16>(at, count),
                    _ => sort_double::<V, 16>(at, count),
                };
            }
            if depth == 0 {
                let mut keys: Vec<V::Key> = (0..count).map(|i| V::key(V::at(at, i))).collect();
                keys.sort_unstable();
                for (i, key) in keys.into_iter().enumerate() {
                    V::put(V::at(at, i), key);
                }
                return;
            }
            depth -= 1;
            let pivot = pivot_of::<V>(at, count);
            let low = partition::<V, false>(at, count, pivot);
            if low == count {
                // The pivot is the greatest key: apart from lesser ones there are only its equals, which are in place.
                count = partition::<V, true>(at, count, pivot);
                continue;
            }
            // The longer part in this loop, so that the stack stays short.
            if low <= count - low {
                quicksort::<V>(at, low, depth);
                at = V::at(at, low);
                count -= low;
            } else {
                quicksort::<V>(V::at(at, low), count - low, depth);
                count = low;
            }
        }
    }
}

fn depth_of(count: usize) -> u32 {
    DEPTH_FACTOR * (count.max(2).ilog2() + 1)
}

/// Sorts keys.
///
/// # Safety
/// [`available`] said yes.
pub unsafe fn sort_wide(keys: &mut [i64]) {
    // SAFETY: the keys are there, and so are the instructions.
    unsafe { quicksort::<Wide>(keys.as_mut_ptr(), keys.len(), depth_of(keys.len())) }
}

/// Sorts keys of 32 bits.
///
/// # Safety
/// [`available`] said yes.
pub unsafe fn sort_narrow(keys: &mut [i32]) {
    // SAFETY: as above.
    unsafe { quicksort::<Narrow>(keys.as_mut_ptr(), keys.len(), depth_of(keys.len())) }
}

/// Sorts pairs by the first and then the second key.
///
/// # Safety
/// [`available`] said yes.
pub unsafe fn sort_pairs(first: &mut [i64], second: &mut [i64]) {
    let count = first.len().min(second.len());
    // SAFETY: as above.
    unsafe { quicksort::<Paired>((first.as_mut_ptr(), second.as_mut_ptr()), count, depth_of(count)) }
}

/// Replaces each element.
///
/// # Safety
/// [`available`] said yes.
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
pub unsafe fn each<T: Copy>(xs: &mut [T], change: impl Fn(T) -> T) {
    for x in xs {
        *x = change(*x);
    }
}
