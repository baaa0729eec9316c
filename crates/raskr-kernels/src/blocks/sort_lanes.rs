//! Registers of AVX-512 that hold keys to be sorted: of 64 bits, of 32 bits, and pairs of 64 bits.
// `unsafe` is allowed here: vector instructions that whoever calls has looked for, and loads and stores at its addresses.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::sort_x86::{CANDIDATES, NETWORK, sort_few};

/// A register (or several) of keys, and where such keys lie in memory.
///
/// SAFETY, for all implementations below: callers have AVX-512 F and DQ, and as many keys at an address as a method reads or
/// writes there.
pub trait Lanes: Copy {
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
    /// Brings a register's keys nearer.
    unsafe fn prefetch(at: Self::At);
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
pub struct Wide(__m512i);

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
    unsafe fn prefetch(at: *mut i64) {
        // SAFETY: prefetching touches nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
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
pub struct Paired(__m512i, __m512i);

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
    unsafe fn prefetch(at: Self::At) {
        // SAFETY: prefetching touches nothing.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(at.0.cast());
            _mm_prefetch::<_MM_HINT_T0>(at.1.cast());
        }
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
            let pair = Paired(_mm512_permutexvar_epi64(places, self.0), _mm512_permutexvar_epi64(places, self.1));
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
pub struct Narrow(__m512i);

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
    unsafe fn prefetch(at: *mut i32) {
        // SAFETY: prefetching touches nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
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
