//! The last half of decoding a block: repetitions that were shortened before all else, and the checksum.

use super::Doubt;

/// So many equal bytes are followed by the number of more of them.
const REPEATED: usize = 4;
/// Bytes that are looked at together.
const STEP: usize = 64;

/// Appends `text` with its repetitions to `out`.
pub(super) fn expand(text: &[u8], out: &mut Vec<u8>) -> Result<(), Doubt> {
    let mut at = 0;
    while let Some(place) = find_repeated(text, at) {
        let behind = place + REPEATED;
        out.extend_from_slice(&text[at..behind]);
        let more = *text.get(behind).ok_or(Doubt)?;
        out.resize(out.len() + usize::from(more), text[place]);
        at = behind + 1;
    }
    out.extend_from_slice(&text[at..]);
    Ok(())
}

/// The first place at `at` or later where equal bytes begin.
fn find_repeated(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some(window) = text.get(at..).and_then(|rest| rest.first_chunk::<{ STEP + REPEATED - 1 }>()) {
        // Without a way out of the loop it becomes a few instructions for all of the bytes.
        let mut any = false;
        for k in 0..STEP {
            any |= (window[k] == window[k + 1]) & (window[k + 1] == window[k + 2]) & (window[k + 2] == window[k + 3]);
        }
        if any {
            break;
        }
        at += STEP;
    }
    let mut windows = text.get(at..)?.array_windows::<REPEATED>();
    windows.position(|[first, rest @ ..]| rest.iter().all(|byte| byte == first)).map(|place| at + place)
}

const POLYNOMIAL: u32 = 0x04c1_1db7;
/// Bytes that are looked up independently of each other.
const SLICES: usize = 16;

/// For each byte what it makes of a checksum of zero with so many more zeros behind it.
static SLICE: [[u32; 256]; SLICES] = {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let mut value = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = value << 1 ^ if value >> 31 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut slice = 1;
    while slice < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = before << 8 ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
};

/// The checksum of a block: CRC-32, most significant bit first.
pub(super) fn checksum(text: &[u8]) -> u32 {
    let mut value = !0_u32;
    let (chunks, rest) = text.as_chunks::<SLICES>();
    for chunk in chunks {
        let mut chunk = *chunk;
        for (byte, before) in chunk.iter_mut().zip(value.to_be_bytes()) {
            *byte ^= before;
        }
        value = 0;
        for (byte, slice) in chunk.iter().zip(SLICE.iter().rev()) {
            value ^= slice[usize::from(*byte)];
        }
    }
    for &byte in rest {
        value = value << 8 ^ SLICE[0][usize::from(byte ^ (value >> 24) as u8)];
    }
    !value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // The check value of CRC-32/BZIP2.
        assert_eq!(checksum(b"123456789"), 0xfc89_1918);
        assert_eq!(checksum(b""), 0);
        let bytes: Vec<u8> = (0..1000_u32).map(|k| ((k * k) >> 3) as u8).collect();
        let bitwise = bytes.iter().fold(!0_u32, |value, &byte| {
            (0..8).fold(value ^ u32::from(byte) << 24, |value, _| (value << 1) ^ ((value >> 31) * POLYNOMIAL))
        });
        assert_eq!(checksum(&bytes), !bitwise);
    }

    proptest! {
        #[test]
        fn four_equal_bytes_stand_for_more(runs in prop::collection::vec((any::<u8>(), 1..300_usize), 0..60)) {
            let (mut shortened, mut expected) = (Vec::new(), Vec::new());
            let (mut last, mut equal) = (None, 0);
            for (byte, length) in runs {
                // What encoders do: up to 255 more behind four, then anew.
                let mut left = length;
                expected.extend(std::iter::repeat_n(byte, length));
                while left > 0 {
                    equal = if last == Some(byte) { equal + 1 } else { 1 };
                    last = Some(byte);
                    shortened.push(byte);
                    left -= 1;
                    if equal == REPEATED {
                        let more = left.min(255);
                        shortened.push(more as u8);
                        left -= more;
                        last = None;
                    }
                }
            }
            let mut out = Vec::new();
            prop_assert!(expand(&shortened, &mut out).is_ok());
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn repetitions_without_their_number_are_no_text() {
        for length in [4, 60, 64, 67, 200] {
            let mut text: Vec<u8> = (0..length).collect();
            let from = text.len() - REPEATED;
            text[from..].fill(b'x');
            assert!(expand(&text, &mut Vec::new()).is_err());
        }
    }
}
