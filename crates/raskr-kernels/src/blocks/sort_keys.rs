//! Sorting of slices: by vector instructions where they are there, by the standard sort elsewhere; short types by counting.
// `unsafe` is allowed here: elements are seen as integers of their size, and the vector instructions were looked for.
#![allow(unsafe_code)]

use half::f16;
use num_complex::{Complex32, Complex64};
use raskr_base::Element;

use super::key::{PlainKey, Sortable, TimeKey, bits32, bits64};
#[cfg(target_arch = "x86_64")]
use super::sort_x86;

/// Integers that vectors sort.
pub trait VectorKey: Copy + Ord {
    fn sort(keys: &mut [Self]);
}

impl VectorKey for i64 {
    fn sort(keys: &mut [i64]) {
        #[cfg(target_arch = "x86_64")]
        if sort_x86::available() {
            // SAFETY: the instructions are there.
            return unsafe { sort_x86::sort_wide(keys) };
        }
        keys.sort_unstable();
    }
}

impl VectorKey for i32 {
    fn sort(keys: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if sort_x86::available() {
            // SAFETY: the instructions are there.
            return unsafe { sort_x86::sort_narrow(keys) };
        }
        keys.sort_unstable();
    }
}

/// Sorts pairs by the first and then the second key.
pub fn sort_pairs(first: &mut [i64], second: &mut [i64]) {
    #[cfg(target_arch = "x86_64")]
    if sort_x86::available() {
        // SAFETY: the instructions are there.
        return unsafe { sort_x86::sort_pairs(first, second) };
    }
    let mut pairs: Vec<(i64, i64)> = first.iter().copied().zip(second.iter().copied()).collect();
    pairs.sort_unstable();
    for ((first, second), pair) in first.iter_mut().zip(second.iter_mut()).zip(pairs) {
        (*first, *second) = pair;
    }
}

/// The order of elements, and how slices of them are sorted.
pub trait Ordered<T> {
    /// Orders as the elements do.
    type Key: Copy + Ord;
    fn order(x: T) -> Self::Key;
    fn sort(xs: &mut [T]);
}

/// Sorts elements by integers of their own size, in place.
fn sort_as_bits<T: Element, K: Sortable<T>>(xs: &mut [T])
where
    K::Bits: VectorKey,
{
    assert!(size_of::<T>() == size_of::<K::Bits>() && align_of::<T>() == align_of::<K::Bits>(), "sizes differ");
    // SAFETY: of one size, as was checked, and any bits are an element of these types.
    each(xs, |x| unsafe { std::mem::transmute_copy::<K::Bits, T>(&K::bits(x)) });
    // SAFETY: as above; the slice is not used through `xs` meanwhile.
    let keys = unsafe { std::slice::from_raw_parts_mut(xs.as_mut_ptr().cast::<K::Bits>(), xs.len()) };
    K::Bits::sort(keys);
    // SAFETY: as above.
    each(xs, |x| K::element(unsafe { std::mem::transmute_copy::<T, K::Bits>(&x) }));
}

/// Replaces each element, by the widest vectors that there are.
fn each<T: Copy>(xs: &mut [T], change: impl Fn(T) -> T) {
    #[cfg(target_arch = "x86_64")]
    if sort_x86::available() {
        // SAFETY: the instructions are there.
        return unsafe { sort_x86::each(xs, change) };
    }
    for x in xs {
        *x = change(*x);
    }
}

macro_rules! ordered_by_bits {
    ($($type:ty: $key:ty),*) => {$(
        impl Ordered<$type> for $key {
            type Key = <$key as Sortable<$type>>::Bits;

            #[inline(always)]
            fn order(x: $type) -> Self::Key {
                <$key as Sortable<$type>>::bits(x)
            }

            fn sort(xs: &mut [$type]) {
                sort_as_bits::<$type, $key>(xs);
            }
        }
    )*};
}
ordered_by_bits!(i32: PlainKey, u32: PlainKey, f32: PlainKey, i64: PlainKey, u64: PlainKey, f64: PlainKey, i64: TimeKey);

/// Sorts elements whose keys lie in a short range from `least` on.
fn sort_by_counting<T: Element, K: Sortable<T, Bits = i32>>(xs: &mut [T], least: i32, values: usize) {
    if xs.len() < values / 16 {
        let mut keys: Vec<i32> = xs.iter().map(|&x| K::bits(x)).collect();
        i32::sort(&mut keys);
        for (x, key) in xs.iter_mut().zip(keys) {
            *x = K::element(key);
        }
        return;
    }
    let mut counts = vec![0usize; values];
    for &x in xs.iter() {
        counts[(K::bits(x) - least) as usize] += 1;
    }
    let mut rest = xs;
    for (value, count) in counts.into_iter().enumerate() {
        let (these, others) = rest.split_at_mut(count);
        these.fill(K::element(value as i32 + least));
        rest = others;
    }
}

macro_rules! ordered_by_counting {
    ($($type:ty: $least:literal, $values:literal),*) => {$(
        impl Ordered<$type> for PlainKey {
            type Key = i32;

            #[inline(always)]
            fn order(x: $type) -> i32 {
                <PlainKey as Sortable<$type>>::bits(x)
            }

            fn sort(xs: &mut [$type]) {
                sort_by_counting::<$type, PlainKey>(xs, $least, $values);
            }
        }
    )*};
}
ordered_by_counting!(i8: -128, 256, u8: 0, 256, i16: -32768, 65536, u16: 0, 65536, f16: -32768, 65536);

/// Complex numbers by their real and then their imaginary part; those with NaN come last, first where only the imaginary
/// part is NaN, then where only the real part is, as NumPy has it.
macro_rules! ordered_complex {
    ($($type:ty, $part:ty, $bits:ident);*) => {$(
        impl Ordered<$type> for PlainKey {
            type Key = (u8, $part, $part);

            #[inline(always)]
            fn order(x: $type) -> Self::Key {
                let part = |part, nan: bool| if nan { 0 } else { $bits(part) };
                let (re, im) = (x.re.is_nan(), x.im.is_nan());
                (2 * u8::from(re) + u8::from(im), part(x.re, re), part(x.im, im))
            }

            fn sort(xs: &mut [$type]) {
                xs.sort_by_key(|&x| Self::order(x));
            }
        }
    )*};
}
ordered_complex!(Complex32, i32, bits32; Complex64, i64, bits64);

/// Evaluates `$body` with `$T` standing for an element type and `$K` for its [`Ordered`].
macro_rules! with_ordered {
    ($dtype:expr, $T:ident, $K:ident => $body:expr) => {
        $crate::blocks::key::with_key!($dtype, $T, $K => $body)
    };
}
pub(crate) use with_ordered;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, range: u64) -> Vec<i64> {
        (0..count as u64).map(|i| ((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as i64 % range as i64).collect()
    }

    #[test]
    fn keys_of_all_lengths_and_numbers_of_equals_are_sorted() {
        let lengths = (0..300).chain([511, 512, 513, 1000, 4097, 70_000]);
        for count in lengths {
            for range in [1, 2, 17, 1 << 40] {
                let keys = numbers(count, range);
                let mut expected = keys.clone();
                expected.sort_unstable();
                let mut sorted = keys.clone();
                i64::sort(&mut sorted);
                assert_eq!(sorted, expected, "{count} keys below {range}");
                let mut short: Vec<i32> = keys.iter().map(|&key| key as i32).collect();
                i32::sort(&mut short);
                assert!(short.is_sorted() && short.len() == count, "{count} short keys below {range}");
                let (mut first, mut second) = (keys.clone(), (0..count as i64).rev().collect::<Vec<_>>());
                sort_pairs(&mut first, &mut second);
                let mut pairs: Vec<(i64, i64)> = keys.into_iter().zip((0..count as i64).rev()).collect();
                pairs.sort_unstable();
                assert!(first.into_iter().zip(second).eq(pairs), "{count} pairs below {range}");
            }
        }
    }

    #[test]
    fn orderly_keys_are_sorted() {
        let rising: Vec<i64> = (0..100_000).collect();
        for keys in [
            rising.clone(),
            rising.iter().rev().copied().collect(),
            rising.iter().map(|i| i % 317).collect(),
            rising.iter().map(|i| (i - 50_000).abs()).collect(),
            vec![i64::MAX; 5000],
            [i64::MIN, i64::MAX].repeat(3000),
        ] {
            let mut sorted = keys.clone();
            i64::sort(&mut sorted);
            let mut expected = keys;
            expected.sort_unstable();
            assert_eq!(sorted, expected);
        }
    }
}
