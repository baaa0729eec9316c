//! Unique elements of blocks, with where each is met first and how often, and the joining of such.
//!
//! All NaN are one element, and so are 0 and -0, as for `numpy.unique`. Integers of a short range are counted in a table,
//! everything else is sorted.

use raskr_base::{Chunk, ChunkMut, DType, Element};

use super::copy::to_contiguous;
use super::key::{KeyBits, Keyed, with_key};
use super::number::dense;
use super::sort::{ASCENDING, complex_order, sort_positions};
use super::sort_keys::VectorKey;
use super::take::gather;
use crate::error::KernelError;

/// The longest table that counts integers.
const TABLE_MAX: usize = 1 << 20;

/// Unique elements in ascending order; where asked for, the first position and the number of each.
#[derive(Clone, Debug)]
pub struct Unique {
    pub values: Chunk,
    pub index: Option<Chunk>,
    pub counts: Option<Chunk>,
}

/// What is asked for besides the elements.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub index: bool,
    pub counts: bool,
}

/// Positions of the first of each group of equal keys, and how many there are.
struct Groups {
    places: Vec<i64>,
    counts: Vec<i64>,
}

/// The unique elements of a block in row-major order, whose first element has position `from`.
pub fn unique(chunk: &Chunk, from: i64, wanted: Wanted) -> Result<Unique, KernelError> {
    let line = to_contiguous(chunk);
    let line = line.reshaped(&[line.len()]).unwrap_or(line);
    if line.dtype().is_complex() {
        return unique_complex(&line, from, wanted);
    }
    let mut places: Vec<i64> = Vec::new();
    let mut counts: Vec<i64> = Vec::new();
    let values = with_key!(line.dtype(), T, K => {
        let elements = dense::<T>(&line);
        match counted::<T, K>(elements, wanted) {
            Some((values, groups)) => {
                (places, counts) = (groups.places, groups.counts);
                Chunk::from_slice(&values, &[values.len()])
            }
            None => {
                let mut keys: Vec<i64> =
                    elements.iter().map(|&x| <K as Keyed<T>>::key(x, ASCENDING).narrowed()).collect();
                let short = size_of::<<K as Keyed<T>>::Key>() == 4;
                let mut order = vec![0i64; if wanted.index { keys.len() } else { 0 }];
                if wanted.index {
                    sort_positions(&mut keys, short, 0, &mut order);
                } else {
                    i64::sort(&mut keys);
                }
                let mut values: Vec<T> = Vec::new();
                let mut start = 0;
                while start < keys.len() {
                    let end = start + group_length(&keys[start..]);
                    counts.push((end - start) as i64);
                    places.extend(order.get(start));
                    values.push(element_of::<T, K>(keys[start]));
                    start = end;
                }
                Chunk::from_slice(&values, &[values.len()])
            }
        }
    });
    for place in &mut places {
        *place += from;
    }
    // Times lose their unit as integers.
    let values =
        values.reinterpret(line.dtype()).ok_or_else(|| KernelError::Value("unique: sizes differ".to_string()))?;
    Ok(Unique {
        values,
        index: wanted.index.then(|| Chunk::from_slice(&places, &[places.len()])),
        counts: wanted.counts.then(|| Chunk::from_slice(&counts, &[counts.len()])),
    })
}

/// How many keys at the beginning equal the first. Long groups are leapt over.
fn group_length(keys: &[i64]) -> usize {
    let first = keys[0];
    let mut step = 1;
    while step < keys.len() && keys[step] == first {
        step *= 2;
    }
    let (low, high) = (step / 2, step.min(keys.len()));
    low + keys[low..high].partition_point(|&key| key == first)
}

/// The element that has a key of [`ASCENDING`] order.
fn element_of<T: Element, K: Reversible<T>>(key: i64) -> T {
    K::element(key)
}

/// Keys from which elements can be had back.
pub trait Reversible<T> {
    fn element(key: i64) -> T;
}

macro_rules! reversible_integers {
    ($($type:ty),*) => {$(
        impl Reversible<$type> for super::key::PlainKey {
            #[inline(always)]
            fn element(key: i64) -> $type {
                key as $type
            }
        }
    )*};
}
reversible_integers!(i8, i16, i32, i64, u8, u16, u32);

impl Reversible<u64> for super::key::PlainKey {
    #[inline(always)]
    fn element(key: i64) -> u64 {
        key as u64 ^ (1 << 63)
    }
}

impl Reversible<i64> for super::key::TimeKey {
    #[inline(always)]
    fn element(key: i64) -> i64 {
        if key == i64::MAX { i64::MIN } else { key }
    }
}

impl Reversible<f64> for super::key::PlainKey {
    #[inline(always)]
    fn element(key: i64) -> f64 {
        f64::from_bits((key ^ ((key >> 63) as u64 >> 1) as i64) as u64)
    }
}

impl Reversible<f32> for super::key::PlainKey {
    #[inline(always)]
    fn element(key: i64) -> f32 {
        let key = key as i32;
        f32::from_bits((key ^ ((key >> 31) as u32 >> 1) as i32) as u32)
    }
}

impl Reversible<half::f16> for super::key::PlainKey {
    #[inline(always)]
    fn element(key: i64) -> half::f16 {
        if key == i64::from(i32::MAX) {
            return half::f16::NAN;
        }
        let bits = key.unsigned_abs() as u16 | if key < 0 { 0x8000 } else { 0 };
        half::f16::from_bits(bits)
    }
}

impl Reversible<num_complex::Complex32> for super::key::PlainKey {
    fn element(_key: i64) -> num_complex::Complex32 {
        num_complex::Complex32::default()
    }
}

impl Reversible<num_complex::Complex64> for super::key::PlainKey {
    fn element(_key: i64) -> num_complex::Complex64 {
        num_complex::Complex64::default()
    }
}

/// Unique integers of a short range, by a table; `None` for other elements.
fn counted<T: Element, K: Keyed<T> + Reversible<T>>(elements: &[T], wanted: Wanted) -> Option<(Vec<T>, Groups)> {
    if T::DTYPE.is_float() || elements.is_empty() {
        return None;
    }
    let key = |x: T| K::key(x, ASCENDING).narrowed();
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for &x in elements {
        let key = key(x);
        least = least.min(key);
        greatest = greatest.max(key);
    }
    let range = greatest.checked_sub(least).and_then(|range| usize::try_from(range).ok())?;
    if range >= TABLE_MAX.min(elements.len().saturating_mul(2)) {
        return None;
    }
    let mut counts = vec![0i64; range + 1];
    let mut places: Vec<i64> = Vec::new();
    if wanted.index {
        places.resize(range + 1, 0);
        for (i, &x) in elements.iter().enumerate().rev() {
            let at = (key(x) - least) as usize;
            counts[at] += 1;
            places[at] = i as i64;
        }
    } else {
        for &x in elements {
            counts[(key(x) - least) as usize] += 1;
        }
    }
    let met: Vec<usize> = (0..counts.len()).filter(|&at| counts[at] > 0).collect();
    let values = met.iter().map(|&at| K::element(at as i64 + least)).collect();
    let pick = |table: &[i64]| met.iter().filter_map(|&at| table.get(at).copied()).collect();
    Some((values, Groups { places: pick(&places), counts: pick(&counts) }))
}

/// Complex numbers are unique by both parts; all with NaN are one.
fn unique_complex(line: &Chunk, from: i64, wanted: Wanted) -> Result<Unique, KernelError> {
    let order = complex_order(line);
    let sorted = gather(line, 0, &order)?;
    let (mut firsts, mut counts): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    let mut group = |start: usize, same: bool| match counts.last_mut() {
        Some(last) if same => *last += 1,
        _ => {
            firsts.push(start as i64);
            counts.push(1);
        }
    };
    if line.dtype() == DType::C64 {
        let values = dense::<num_complex::Complex32>(&sorted);
        for i in 0..values.len() {
            let nan = |x: num_complex::Complex32| x.re.is_nan() || x.im.is_nan();
            group(i, i > 0 && (values[i] == values[i - 1] || nan(values[i]) && nan(values[i - 1])));
        }
    } else {
        let values = dense::<num_complex::Complex64>(&sorted);
        for i in 0..values.len() {
            let nan = |x: num_complex::Complex64| x.re.is_nan() || x.im.is_nan();
            group(i, i > 0 && (values[i] == values[i - 1] || nan(values[i]) && nan(values[i - 1])));
        }
    }
    let places: Vec<i64> = firsts.iter().map(|&at| order[at as usize] + from).collect();
    Ok(Unique {
        values: gather(&sorted, 0, &firsts)?,
        index: wanted.index.then(|| Chunk::from_slice(&places, &[places.len()])),
        counts: wanted.counts.then(|| Chunk::from_slice(&counts, &[counts.len()])),
    })
}

/// The unique elements of several sets, given in the order of the blocks that they are of: first positions are the least,
/// numbers are summed up.
pub fn join_unique(parts: &[Unique]) -> Result<Unique, KernelError> {
    if let [only] = parts {
        return Ok(only.clone());
    }
    let values: Vec<Chunk> = parts.iter().map(|part| part.values.clone()).collect();
    let all = super::copy::concatenate(&values, 0)?;
    let joined = unique(&all, 0, Wanted { index: true, counts: false })?;
    let mut result = Unique { values: joined.values, index: None, counts: None };
    let firsts = joined.index.unwrap_or_else(|| Chunk::from_slice::<i64>(&[], &[0]));
    if parts.iter().all(|part| part.index.is_some()) {
        let index: Vec<Chunk> = parts.iter().filter_map(|part| part.index.clone()).collect();
        // Of equal elements the first block's comes first.
        result.index = Some(gather(&super::copy::concatenate(&index, 0)?, 0, dense::<i64>(&firsts))?);
    }
    if parts.iter().all(|part| part.counts.is_some()) {
        let mut total = ChunkMut::zeroed(DType::I64, result.values.shape());
        let sums = total.as_mut_slice::<i64>();
        for part in parts {
            let places = super::sort::searchsorted(&result.values, &part.values, super::sort::Side::Left)?;
            let counts = part.counts.as_ref().map_or(&[][..], |counts| dense::<i64>(counts));
            for (&place, count) in dense::<i64>(&places).iter().zip(counts) {
                if let Some(sum) = sums.get_mut(place as usize) {
                    *sum += count;
                }
            }
        }
        result.counts = Some(total.freeze());
    }
    Ok(result)
}

/// Whether elements are among others, which are sorted. NaN is among nothing.
pub fn is_in(chunk: &Chunk, sorted: &Chunk, invert: bool) -> Result<Chunk, KernelError> {
    let places = super::sort::searchsorted(sorted, chunk, super::sort::Side::Left)?;
    let (line, values) = (to_contiguous(sorted), to_contiguous(chunk));
    let mut out = ChunkMut::new(DType::Bool, chunk.shape());
    let found = out.as_mut_slice::<u8>();
    with_key!(chunk.dtype(), T, K => {
        let line = dense::<T>(&line);
        // Keys serve no purpose here: equality is that of numbers.
        let _: std::marker::PhantomData<K>;
        for ((out, &x), &place) in found.iter_mut().zip(dense::<T>(&values)).zip(dense::<i64>(&places)) {
            *out = u8::from(line.get(place as usize).is_some_and(|&y| y == x) != invert);
        }
    });
    Ok(out.freeze())
}

/// Indices that sort by several keys, the last of which counts most (`numpy.lexsort`), along the last axis of blocks of one
/// shape.
pub fn lexsort(keys: &[Chunk]) -> Result<Chunk, KernelError> {
    let Some(first) = keys.first() else {
        return Err(KernelError::Value("need sequence of keys with len > 0 in lexsort".to_string()));
    };
    let len = first.shape().last().copied().unwrap_or(1).max(1);
    let mut out = ChunkMut::new(DType::I64, first.shape());
    let all = out.as_mut_slice::<i64>();
    for line in all.chunks_exact_mut(len) {
        for (place, i) in line.iter_mut().zip(0..) {
            *place = i;
        }
    }
    for key in keys {
        if key.shape() != first.shape() {
            return Err(KernelError::Shape {
                expected: format!("keys of shape {:?}", first.shape()),
                got: format!("{:?}", key.shape()),
            });
        }
        let key = to_contiguous(key);
        for (number, places) in all.chunks_exact_mut(len).enumerate() {
            let line = key.with_layout(&[len], &[1], key.offset() + number * len).unwrap_or_else(|| key.clone());
            let line = gather(&line, 0, places)?;
            let mut order = vec![0i64; len];
            match super::sort::ascending_keys(&line) {
                Some((mut keys, short)) => sort_positions(&mut keys, short, 0, &mut order),
                None => order = complex_order(&line),
            }
            let sorted: Vec<i64> = order.iter().map(|&i| places[i as usize]).collect();
            places.copy_from_slice(&sorted);
        }
    }
    Ok(out.freeze())
}
