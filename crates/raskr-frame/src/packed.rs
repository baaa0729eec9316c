//! Several keys in one number a row, which compares as they do: each takes the bits that its range needs, texts those of their ranks
//! among all that there are.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion_common::hash_utils::RandomState;

use crate::error::FrameError;
use crate::order::numbers;

/// Texts are ranked if there are no more than this, or than one in so many rows: to look for each of them takes as long as to
/// compare some dozen rows.
const WORDS_MIN: usize = 1 << 12;
const ROWS_OF_WORD: usize = 8;
/// Texts of so many bytes stand in their views.
const INLINE: u32 = 12;

/// The rows' numbers, batch by batch; `None` where the keys have no numbers, or need more bits than one has.
pub fn packed(
    batches: &[RecordBatch],
    places: &[usize],
    options: &[SortOptions],
) -> Result<Option<Vec<Vec<u64>>>, FrameError> {
    let columns: Vec<Vec<&ArrayRef>> =
        places.iter().map(|&place| batches.iter().map(|batch| batch.column(place)).collect()).collect();
    // Whether all of them fit is known of numbers without a look at texts, which takes longer.
    let mut free = u64::BITS;
    for (parts, options) in columns.iter().zip(options).filter(|(parts, _)| !are_texts(parts)) {
        match spans(parts, *options)? {
            Some((_, bits)) if bits <= free => free -= bits,
            _ => return Ok(None),
        }
    }
    let mut made: Vec<Vec<u64>> = batches.iter().map(|batch| vec![0; batch.num_rows()]).collect();
    for (parts, options) in columns.iter().zip(options) {
        let (lists, bits) = match are_texts(parts) {
            true => match ranks(parts, *options) {
                Some((_, bits)) if bits > free => return Ok(None),
                Some((ranks, bits)) => {
                    free -= bits;
                    (ranks, bits)
                }
                None => return Ok(None),
            },
            false => match spans(parts, *options)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        for (all, own) in made.iter_mut().zip(lists) {
            all.iter_mut().zip(own).for_each(|(all, own)| *all = all.checked_shl(bits).unwrap_or_default() | own);
        }
    }
    Ok(Some(made))
}

fn are_texts(parts: &[&ArrayRef]) -> bool {
    parts.first().is_some_and(|part| *part.data_type() == DataType::Utf8View)
}

/// Numbers from 0 that compare as values of a column do, and the bits that they need.
fn spans(parts: &[&ArrayRef], options: SortOptions) -> Result<Option<(Vec<Vec<u64>>, u32)>, FrameError> {
    let mut lists = Vec::with_capacity(parts.len());
    for part in parts {
        match numbers(part, options)? {
            Some(found) => lists.push(found),
            None => return Ok(None),
        }
    }
    let all = || lists.iter().flatten().copied();
    let (low, high) = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
    lists.iter_mut().flatten().for_each(|number| *number -= low);
    Ok(Some((lists, u64::BITS - (high - low).leading_zeros())))
}

/// The ranks of texts among all that there are, and the bits that they need; `None` where there are too many.
fn ranks(parts: &[&ArrayRef], options: SortOptions) -> Option<(Vec<Vec<u64>>, u32)> {
    let rows: usize = parts.iter().map(|part| part.len()).sum();
    let most = (rows / ROWS_OF_WORD).max(WORDS_MIN);
    let mut words: Vec<&[u8]> = Vec::new();
    let (mut short, mut long) =
        (HashMap::with_hasher(RandomState::default()), HashMap::with_hasher(RandomState::default()));
    let mut lists = Vec::with_capacity(parts.len());
    for part in parts {
        let texts = part.as_string_view();
        let mut list = Vec::with_capacity(texts.len());
        for (row, view) in texts.views().iter().enumerate() {
            if texts.is_null(row) {
                list.push(u64::MAX);
                continue;
            }
            let length = *view as u32;
            let mut new = || {
                words.push(texts.value(row).as_bytes());
                words.len() as u64 - 1
            };
            let code = match length <= INLINE {
                true => *short.entry(view << (96 - 8 * length) >> (96 - 8 * length)).or_insert_with(&mut new),
                false => *long.entry(texts.value(row).as_bytes()).or_insert_with(&mut new),
            };
            list.push(code);
        }
        if words.len() > most {
            return None;
        }
        lists.push(list);
    }
    let mut order: Vec<usize> = (0..words.len()).collect();
    order.sort_unstable_by_key(|&code| words[code]);
    if options.descending {
        order.reverse();
    }
    let first = u64::from(options.nulls_first);
    let missing = if options.nulls_first { 0 } else { words.len() as u64 };
    let mut ranks = vec![0; words.len()];
    order.into_iter().zip(first..).for_each(|(code, rank)| ranks[code] = rank);
    for code in lists.iter_mut().flatten() {
        *code = ranks.get(*code as usize).copied().unwrap_or(missing);
    }
    Some((lists, u64::BITS - (words.len() as u64).leading_zeros()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;
    use crate::order::Order;
    use crate::plan::SortKey;

    proptest! {
        #[test]
        fn rows_are_in_the_order_of_their_keys(
            rows in prop::collection::vec(
                (prop::option::weighted(0.9, "[a-c]{0,2}(b{10,12})?"), -3..4_i32, prop::option::weighted(0.9, "[ß-á]{0,9}")), 0..200,
            ),
            ways in prop::collection::vec((any::<bool>(), any::<bool>()), 3),
            cut in 0..200_usize,
        ) {
            let texts = |column: Vec<Option<&str>>| Arc::new(StringViewArray::from(column)) as ArrayRef;
            let columns: [(&str, ArrayRef); 3] = [
                ("a", texts(rows.iter().map(|row| row.0.as_deref()).collect())),
                ("b", Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int32Array>())),
                ("c", texts(rows.iter().map(|row| row.2.as_deref()).collect())),
            ];
            let keys: Vec<SortKey> = columns
                .iter()
                .zip(&ways)
                .map(|((name, _), (descending, missing_first))| SortKey {
                    column: (*name).to_owned(), descending: *descending, missing_first: *missing_first,
                })
                .collect();
            let whole = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
            let first = cut.min(rows.len());
            let parts = [whole.slice(0, first), whole.slice(first, rows.len() - first)];
            let order = Order::new(&whole.schema(), &keys).unwrap();
            let expected: Vec<usize> = order.by_bytes(&whole).unwrap().all().iter().map(|(_, row)| row).collect();
            let places = order.by_numbers(&parts).unwrap().unwrap();
            let found: Vec<usize> = places.all().iter().map(|(part, row)| part * first + row).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn keys_that_need_more_bits_have_no_number() {
        let words = |count: usize| -> ArrayRef {
            Arc::new((0..count).map(|number| Some(number.to_string())).collect::<StringViewArray>())
        };
        let of = |columns: Vec<ArrayRef>| {
            let named = columns.into_iter().enumerate().map(|(place, column)| (place.to_string(), column, true));
            let batch = RecordBatch::try_from_iter_with_nullable(named).unwrap();
            let places: Vec<usize> = (0..batch.num_columns()).collect();
            let options = vec![SortOptions::default(); places.len()];
            packed(&[batch], &places, &options).unwrap().is_some()
        };
        let wide: ArrayRef =
            Arc::new((0..4000).map(|number| Some(number * 1_000_000 - 2_000_000_000)).collect::<Int32Array>());
        assert!(of(vec![words(4000), words(4000), wide.clone()]));
        assert!(!of(vec![words(4000), wide.clone(), words(4000), words(4000)]));
        assert!(!of(vec![wide.clone(), wide.clone(), words(4000)]));
        assert!(!of(vec![words(50_000)]));
    }
}
