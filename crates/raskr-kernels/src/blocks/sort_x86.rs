//! Sorting of integer keys by AVX-512: quicksort in place, with networks of registers for short pieces.
//!
//! A partition keeps some registers from both ends aside and writes what it reads next into the gaps, so that it neither
//! needs memory nor branches on keys. After M. Blacher, J. Giesen, P. Sanders and J. Wassenberg, "Vectorized and
//! performance-portable Quicksort" (2022), and B. Bramas, "A Novel Hybrid Quicksort Algorithm Vectorized using AVX-512 on
//! Intel Skylake" (2017).
// `unsafe` is allowed here: loads and stores through pointers whose bounds the loops keep, and vector instructions that
// the entry points look for.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

/// Registers of a network.
const NETWORK: usize = 16;
/// How many times deeper than balanced halves a quicksort may go before it gives up on its pivots.
const DEPTH_FACTOR: u32 = 3;
/// Candidates for a pivot.
const CANDIDATES: usize = 32;

/// Are the instructions that this module is made of there?
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("popcnt")
}

/// A register (or several) of keys, and where such keys lie in memory. All of it needs AVX-512.
trait Lanes: Copy {
    const LANES: usize;
    /// Registers of the largest network.
    const WIDEST: usize;
    /// Registers that a partition reads at a time.
    const READ: usize;
    /// Addresses of the keys.
    type At: Copy;
    /// One key.
    type Key: Copy + Ord;

    unsafe fn at(at: Self::At, index: usize) -> Self::At;
    unsafe fn key(at: Self::At) -> Self::Key;
    unsafe fn put(at: Self::At, key: Self::Key);
    unsafe fn splat(key: Self::Key) -> Self;
    unsafe fn greatest() -> Self;
    unsafe fn load(at: Self::At) -> Self;
    unsafe fn store(self, at: Self::At);
    /// The first `count` keys, the greatest key in place of the others.
    unsafe fn load_some(at: Self::At, count: usize) -> Self;
    unsafe fn store_some(self, at: Self::At, count: usize);
    /// The lesser and the greater key of each lane.
    unsafe fn order(self, other: Self) -> (Self, Self);
    /// Compares each lane with the one whose number differs by the bits of `X`; the lesser key goes to the lower lane.
    unsafe fn order_within<const X: i32>(self) -> Self;
    /// Compares each lane with the other's lane whose number differs by the bits of `X`: lanes without the highest bit of
    /// `X` take the lesser key, lanes with it the greater.
    unsafe fn order_across<const X: i32>(self, other: Self) -> Self;
    /// Rows to columns, for as many registers as there are lanes; others are left alone.
    unsafe fn transpose(v: &mut [Self]);
    /// The lanes in reverse order.
    unsafe fn reversed(self) -> Self;
    /// Lanes with keys that are not above (or with `STRICT`, that are below) those of the pivot first, then the others;
    /// and how many are first.
    unsafe fn split<const STRICT: bool>(self, pivot: Self) -> (Self, usize);
    /// The middle of some keys.
    unsafe fn middle(keys: &mut [Self::Key; CANDIDATES]) -> Self::Key;
}

/// For each mask of eight lanes: those whose bit is not set, then those whose bit is.
static SPLITS: [[u8; 8]; 256] = {
    let mut all = [[0u8; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut at, mut pass) = (0, 0);
        while pass < 2 {
            let mut lane = 0;
            while lane < 8 {
                if (mask >> lane) & 1 == pass {
                    all[mask][at] = lane as u8;
                    at += 1;
                }
                lane += 1;
            }
            pass += 1;
        }
        mask += 1;
    }
    all
};

/// Lanes that take the greater key where lanes are compared that differ by the bits of `x`: those with its highest bit.
const fn upper(x: i32, lanes: usize) -> u16 {
    let top = 1 << (31 - (x as u32).leading_zeros());
    let (mut mask, mut lane) = (0u16, 0);
    while lane < lanes {
        if lane & top != 0 {
            mask |= 1 << lane;
        }
        lane += 1;
    }
    mask
}

#[inline(always)]
unsafe fn exchanged<const X: i32>(v: __m512i) -> __m512i {
    // SAFETY: the caller has AVX-512.
    unsafe {
        match X {
            1 => _mm512_permutex_epi64::<0b10_11_00_01>(v),
            2 => _mm512_permutex_epi64::<0b01_00_11_10>(v),
            3 => _mm512_permutex_epi64::<0b00_01_10_11>(v),
            4 => _mm512_shuffle_i64x2::<0b01_00_11_10>(v, v),
            _ => _mm512_permutexvar_epi64(_mm512_setr_epi64(7, 6, 5, 4, 3, 2, 1, 0), v),
        }
    }
}

#[inline(always)]
unsafe fn transposed(r: [__m512i; 8]) -> [__m512i; 8] {
    // Written out: a closure would be a function without the instructions.
    macro_rules! quad {
        ($unpack:ident) => {{
            let (a, b) = ($unpack(r[0], r[1]), $unpack(r[2], r[3]));
            let (c, d) = ($unpack(r[4], r[5]), $unpack(r[6], r[7]));
            let (e, f) = (_mm512_shuffle_i64x2::<0b10_00_10_00>(a, b), _mm512_shuffle_i64x2::<0b10_00_10_00>(c, d));
            let (g, h) = (_mm512_shuffle_i64x2::<0b11_01_11_01>(a, b), _mm512_shuffle_i64x2::<0b11_01_11_01>(c, d));
            [
                _mm512_shuffle_i64x2::<0b10_00_10_00>(e, f),
                _mm512_shuffle_i64x2::<0b10_00_10_00>(g, h),
                _mm512_shuffle_i64x2::<0b11_01_11_01>(e, f),
                _mm512_shuffle_i64x2::<0b11_01_11_01>(g, h),
            ]
        }};
    }
    // SAFETY: the caller has AVX-512.
    unsafe {
        let (even, odd) = (quad!(_mm512_unpacklo_epi64), quad!(_mm512_unpackhi_epi64));
        [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
    }
}

/// Keys of 64 bits.
#[derive(Clone, Copy)]
struct Wide(__m512i);

impl Lanes for Wide {
    const LANES: usize = 8;
    const WIDEST: usize = NETWORK;
    const READ: usize = NETWORK / 2;
    type At = *mut i64;
    type Key = i64;

    #[inline(always)]
    unsafe fn at(at: *mut i64, index: usize) -> *mut i64 {
        // SAFETY: within the piece, as the caller says.
        unsafe { at.add(index) }
    }

    #[inline(always)]
    unsafe fn key(at: *mut i64) -> i64 {
        // SAFETY: as above.
        unsafe { *at }
    }

    #[inline(always)]
    unsafe fn put(at: *mut i64, key: i64) {
        // SAFETY: as above.
        unsafe { *at = key }
    }

    #[inline(always)]
    unsafe fn splat(key: i64) -> Wide {
        // SAFETY: the caller has AVX-512; so for all that follow.
        unsafe { Wide(_mm512_set1_epi64(key)) }
    }

    #[inline(always)]
    unsafe fn greatest() -> Wide {
        unsafe { Wide(_mm512_set1_epi64(i64::MAX)) }
    }

    #[inline(always)]
    unsafe fn load(at: *mut i64) -> Wide {
        unsafe { Wide(_mm512_loadu_si512(at.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut i64) {
        unsafe { _mm512_storeu_si512(at.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn load_some(at: *mut i64, count: usize) -> Wide {
        unsafe { Wide(_mm512_mask_loadu_epi64(Wide::greatest().0, ((1u32 << count) - 1) as u8, at)) }
    }

    #[inline(always)]
    unsafe fn store_some(self, at: *mut i64, count: usize) {
        unsafe { _mm512_mask_storeu_epi64(at, ((1u32 << count) - 1) as u8, self.0) }
    }

    #[inline(always)]
    unsafe fn order(self, other: Wide) -> (Wide, Wide) {
        unsafe { (Wide(_mm512_min_epi64(self.0, other.0)), Wide(_mm512_max_epi64(self.0, other.0))) }
    }

    #[inline(always)]
    unsafe fn order_within<const X: i32>(self) -> Wide {
        unsafe { self.order_across::<X>(self) }
    }

    #[inline(always)]
    unsafe fn order_across<const X: i32>(self, other: Wide) -> Wide {
        unsafe {
            let other = exchanged::<X>(other.0);
            let low = _mm512_min_epi64(self.0, other);
            Wide(_mm512_mask_max_epi64(low, upper(X, 8) as u8, self.0, other))
        }
    }

    #[inline(always)]
    unsafe fn transpose(v: &mut [Wide]) {
        unsafe {
            let mut rows = [_mm512_setzero_si512(); 8];
            for (row, register) in rows.iter_mut().zip(v.iter()) {
                *row = register.0;
            }
            for (register, row) in v.iter_mut().zip(transposed(rows)) {
                register.0 = row;
            }
        }
    }

    #[inline(always)]
    unsafe fn reversed(self) -> Wide {
        unsafe { Wide(exchanged::<7>(self.0)) }
    }

    #[inline(always)]
    unsafe fn split<const STRICT: bool>(self, pivot: Wide) -> (Wide, usize) {
        unsafe {
            let above = if STRICT {
                _mm512_cmpge_epi64_mask(self.0, pivot.0)
            } else {
                _mm512_cmpgt_epi64_mask(self.0, pivot.0)
            };
            let places = _mm512_cvtepu8_epi64(_mm_loadl_epi64(SPLITS[above as usize].as_ptr().cast()));
            (Wide(_mm512_permutexvar_epi64(places, self.0)), 8 - above.count_ones() as usize)
        }
    }

    #[inline(always)]
    unsafe fn middle(keys: &mut [i64; CANDIDATES]) -> i64 {
        unsafe {
            sort_few::<Wide, 4>(keys.as_mut_ptr(), CANDIDATES);
            keys[CANDIDATES / 2 - 1]
        }
    }
}

/// Pairs of keys of 64 bits, ordered by the first and then by the second.
#[derive(Clone, Copy)]
struct Paired(__m512i, __m512i);

impl Paired {
    /// Lanes that are less than the other's.
    #[inline(always)]
    unsafe fn less(self, other: Paired) -> __mmask8 {
        unsafe {
            let equal = _mm512_cmpeq_epi64_mask(self.0, other.0);
            _mm512_cmplt_epi64_mask(self.0, other.0) | _mm512_mask_cmplt_epi64_mask(equal, self.1, other.1)
        }
    }

    #[inline(always)]
    unsafe fn chosen(mask: __mmask8, unset: Paired, set: Paired) -> Paired {
        unsafe { Paired(_mm512_mask_mov_epi64(unset.0, mask, set.0), _mm512_mask_mov_epi64(unset.1, mask, set.1)) }
    }
}

impl Lanes for Paired {
    const LANES: usize = 8;
    const WIDEST: usize = NETWORK / 2;
    const READ: usize = NETWORK / 4;
    type At = (*mut i64, *mut i64);
    type Key = (i64, i64);

    #[inline(always)]
    unsafe fn at(at: Self::At, index: usize) -> Self::At {
        unsafe { (at.0.add(index), at.1.add(index)) }
    }

    #[inline(always)]
    unsafe fn key(at: Self::At) -> (i64, i64) {
        unsafe { (*at.0, *at.1) }
    }

    #[inline(always)]
    unsafe fn put(at: Self::At, key: (i64, i64)) {
        unsafe { (*at.0, *at.1) = key }
    }

    #[inline(always)]
    unsafe fn splat(key: (i64, i64)) -> Paired {
        unsafe { Paired(_mm512_set1_epi64(key.0), _mm512_set1_epi64(key.1)) }
    }

    #[inline(always)]
    unsafe fn greatest() -> Paired {
        unsafe { Paired::splat((i64::MAX, i64::MAX)) }
    }

    #[inline(always)]
    unsafe fn load(at: Self::At) -> Paired {
        unsafe { Paired(Wide::load(at.0).0, Wide::load(at.1).0) }
    }

    #[inline(always)]
    unsafe fn store(self, at: Self::At) {
        unsafe {
            Wide(self.0).store(at.0);
            Wide(self.1).store(at.1);
        }
    }

    #[inline(always)]
    unsafe fn load_some(at: Self::At, count: usize) -> Paired {
        unsafe { Paired(Wide::load_some(at.0, count).0, Wide::load_some(at.1, count).0) }
    }

    #[inline(always)]
    unsafe fn store_some(self, at: Self::At, count: usize) {
        unsafe {
            Wide(self.0).store_some(at.0, count);
            Wide(self.1).store_some(at.1, count);
        }
    }

    #[inline(always)]
    unsafe fn order(self, other: Paired) -> (Paired, Paired) {
        unsafe {
            let less = self.less(other);
            (Paired::chosen(less, other, self), Paired::chosen(less, self, other))
        }
    }

    #[inline(always)]
    unsafe fn order_within<const X: i32>(self) -> Paired {
        unsafe { self.order_across::<X>(self) }
    }

    #[inline(always)]
    unsafe fn order_across<const X: i32>(self, other: Paired) -> Paired {
        unsafe {
            let other = Paired(exchanged::<X>(other.0), exchanged::<X>(other.1));
            // A lower lane keeps its pair where it is less, an upper lane where it is not.
            let keeps = self.less(other) ^ upper(X, 8) as u8;
            Paired::chosen(keeps, other, self)
        }
    }

    #[inline(always)]
    unsafe fn transpose(v: &mut [Paired]) {
        unsafe {
            let (mut first, mut second) = ([_mm512_setzero_si512(); 8], [_mm512_setzero_si512(); 8]);
            for (i, register) in v.iter().take(8).enumerate() {
                (first[i], second[i]) = (register.0, register.1);
            }
            let (first, second) = (transposed(first), transposed(second));
            for (i, register) in v.iter_mut().take(8).enumerate() {
                *register = Paired(first[i], second[i]);
            }
        }
    }

    #[inline(always)]
    unsafe fn reversed(self) -> Paired {
        unsafe { Paired(exchanged::<7>(self.0), exchanged::<7>(self.1)) }
    }

    #[inline(always)]
    unsafe fn split<const STRICT: bool>(self, pivot: Paired) -> (Paired, usize) {
        unsafe {
            let above = if STRICT { !self.less(pivot) } else { pivot.less(self) };
            let places = _mm512_cvtepu8_epi64(_mm_loadl_epi64(SPLITS[above as usize].as_ptr().cast()));
            let pair =
                Paired(_mm512_permutexvar_epi64(places, self.0), _mm512_permutexvar_epi64(places, self.1));
            (pair, 8 - above.count_ones() as usize)
        }
    }

    #[inline(always)]
    unsafe fn middle(keys: &mut [(i64, i64); CANDIDATES]) -> (i64, i64) {
        unsafe {
            let (mut first, mut second) = (keys.map(|key| key.0), keys.map(|key| key.1));
            let at = (first.as_mut_ptr(), second.as_mut_ptr());
            sort_few::<Paired, 4>(at, CANDIDATES);
            Paired::key(Paired::at(at, CANDIDATES / 2 - 1))
        }
    }
}

/// Keys of 32 bits.
#[derive(Clone, Copy)]
struct Narrow(__m512i);

#[inline(always)]
unsafe fn exchanged_narrow<const X: i32>(v: __m512i) -> __m512i {
    unsafe {
        match X {
            1 => _mm512_shuffle_epi32::<0b10_11_00_01>(v),
            2 => _mm512_shuffle_epi32::<0b01_00_11_10>(v),
            3 => _mm512_shuffle_epi32::<0b00_01_10_11>(v),
            4 => _mm512_permutex_epi64::<0b01_00_11_10>(v),
            8 => _mm512_shuffle_i64x2::<0b01_00_11_10>(v, v),
            7 => _mm512_permutexvar_epi32(_mm512_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8), v),
            _ => _mm512_permutexvar_epi32(_mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), v),
        }
    }
}

impl Lanes for Narrow {
    const LANES: usize = 16;
    const WIDEST: usize = NETWORK;
    const READ: usize = NETWORK / 2;
    type At = *mut i32;
    type Key = i32;

    #[inline(always)]
    unsafe fn at(at: *mut i32, index: usize) -> *mut i32 {
        unsafe { at.add(index) }
    }

    #[inline(always)]
    unsafe fn key(at: *mut i32) -> i32 {
        unsafe { *at }
    }

    #[inline(always)]
    unsafe fn put(at: *mut i32, key: i32) {
        unsafe { *at = key }
    }

    #[inline(always)]
    unsafe fn splat(key: i32) -> Narrow {
        unsafe { Narrow(_mm512_set1_epi32(key)) }
    }

    #[inline(always)]
    unsafe fn greatest() -> Narrow {
        unsafe { Narrow(_mm512_set1_epi32(i32::MAX)) }
    }

    #[inline(always)]
    unsafe fn load(at: *mut i32) -> Narrow {
        unsafe { Narrow(_mm512_loadu_si512(at.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut i32) {
        unsafe { _mm512_storeu_si512(at.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn load_some(at: *mut i32, count: usize) -> Narrow {
        unsafe { Narrow(_mm512_mask_loadu_epi32(Narrow::greatest().0, ((1u32 << count) - 1) as u16, at)) }
    }

    #[inline(always)]
    unsafe fn store_some(self, at: *mut i32, count: usize) {
        unsafe { _mm512_mask_storeu_epi32(at, ((1u32 << count) - 1) as u16, self.0) }
    }

    #[inline(always)]
    unsafe fn order(self, other: Narrow) -> (Narrow, Narrow) {
        unsafe { (Narrow(_mm512_min_epi32(self.0, other.0)), Narrow(_mm512_max_epi32(self.0, other.0))) }
    }

    #[inline(always)]
    unsafe fn order_within<const X: i32>(self) -> Narrow {
        unsafe { self.order_across::<X>(self) }
    }

    #[inline(always)]
    unsafe fn order_across<const X: i32>(self, other: Narrow) -> Narrow {
        unsafe {
            let other = exchanged_narrow::<X>(other.0);
            let low = _mm512_min_epi32(self.0, other);
            Narrow(_mm512_mask_max_epi32(low, upper(X, 16), self.0, other))
        }
    }

    #[inline(always)]
    unsafe fn transpose(v: &mut [Narrow]) {
        unsafe {
            // Columns of pairs of rows first, which are then moved as keys of 64 bits.
            let mut halves = [[_mm512_setzero_si512(); 8]; 2];
            for i in 0..8 {
                let (a, b) = (v[2 * i].0, v[2 * i + 1].0);
                halves[0][i] = _mm512_unpacklo_epi32(a, b);
                halves[1][i] = _mm512_unpackhi_epi32(a, b);
            }
            let (low, high) = (transposed(halves[0]), transposed(halves[1]));
            for quarter in 0..4 {
                for i in 0..2 {
                    v[4 * quarter + i].0 = low[2 * quarter + i];
                    v[4 * quarter + 2 + i].0 = high[2 * quarter + i];
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn reversed(self) -> Narrow {
        unsafe { Narrow(exchanged_narrow::<15>(self.0)) }
    }

    #[inline(always)]
    unsafe fn split<const STRICT: bool>(self, pivot: Narrow) -> (Narrow, usize) {
        unsafe {
            let above = if STRICT {
                _mm512_cmpge_epi32_mask(self.0, pivot.0)
            } else {
                _mm512_cmpgt_epi32_mask(self.0, pivot.0)
            };
            let first = 16 - above.count_ones();
            let low = _mm512_maskz_compress_epi32(!above, self.0);
            let high = _mm512_maskz_compress_epi32(above, self.0);
            (Narrow(_mm512_mask_expand_epi32(low, (0xffffu32 << first) as u16, high)), first as usize)
        }
    }

    #[inline(always)]
    unsafe fn middle(keys: &mut [i32; CANDIDATES]) -> i32 {
        unsafe {
            sort_few::<Narrow, 2>(keys.as_mut_ptr(), CANDIDATES);
            keys[CANDIDATES / 2 - 1]
        }
    }
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
        if N % V::LANES != 0 || N < 8 {
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
unsafe fn sort_few<V: Lanes, const N: usize>(at: V::At, count: usize) {
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
            let from = if next - low <= high - last {
                next += kept;
                next - kept
            } else {
                last -= kept;
                last
            };
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

