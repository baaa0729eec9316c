//! Numbers as pandas' parser accepts them: white space around, a sign, digits; for floats a point and an exponent.

/// An integer of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    Small(i64),
    /// From 2^63 on.
    Large(u64),
    /// In neither range.
    Huge,
}

/// An integer of few digits: zero, too, has a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShortInteger {
    pub(crate) negative: bool,
    magnitude: i64,
}

impl ShortInteger {
    #[inline(always)]
    pub(crate) fn value(self) -> i64 {
        // As the processor negates, without a branch that it can't foresee.
        let mask = -i64::from(self.negative);
        (self.magnitude ^ mask) - mask
    }

    #[inline(always)]
    pub(crate) fn float(self) -> f64 {
        f64::from_bits((self.magnitude as f64).to_bits() | u64::from(self.negative) << 63)
    }
}

/// The integer of up to eight digits, and perhaps a minus, that is `text[start..end]`, if a few more bytes follow.
#[inline(always)]
pub(crate) fn short_integer(text: &[u8], start: usize, end: usize) -> Option<ShortInteger> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let negative = text[start] == b'-';
    let first = start + usize::from(negative);
    let length = end.wrapping_sub(first);
    if length.wrapping_sub(1) >= 8 {
        return None;
    }
    let bytes = text[first..].first_chunk::<8>()?;
    // The digits to the end, zeros before them.
    let word = u64::from_le_bytes(*bytes) << (64 - 8 * length) | (ZEROS >> (8 * length - 1)) >> 1;
    let digits = word ^ ZEROS;
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Pairs of digits, then fours, then all eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let low = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    Some(ShortInteger { negative, magnitude: (high.wrapping_add(low) >> 32) as i64 })
}

fn trim(field: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r');
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &field[start..end]
}

/// The integer that `field` is.
pub(crate) fn integer(field: &[u8]) -> Option<Integer> {
    let field = trim(field);
    let (negative, digits) = match field.first()? {
        b'-' => (true, &field[1..]),
        b'+' => (false, &field[1..]),
        _ => (false, field),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude =
        digits.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some(match magnitude {
        Some(magnitude) if negative => 0_i64.checked_sub_unsigned(magnitude).map_or(Integer::Huge, Integer::Small),
        Some(magnitude) => i64::try_from(magnitude).map_or(Integer::Large(magnitude), Integer::Small),
        None => Integer::Huge,
    })
}

/// Powers of ten that are floats.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The number of up to 18 digits with a point, and perhaps a minus, that `field` is, if dividing rounds only once.
#[inline(always)]
pub(crate) fn short_decimal(field: &[u8]) -> Option<f64> {
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, field),
    };
    if digits.len() > 19 {
        return None;
    }
    let (mut magnitude, mut point) = (0_u64, None);
    for (place, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    // 2^53: up to there every integer is a float, and the quotient of two floats is rounded exactly.
    let count = digits.len() - usize::from(point.is_some());
    if count == 0 || count > 18 || magnitude > 1 << 53 {
        return None;
    }
    let value = magnitude as f64 / POWERS[point.map_or(0, |place| digits.len() - 1 - place)];
    Some(if negative { -value } else { value })
}

/// The float that `field` is, rounded exactly.
pub(crate) fn float(field: &[u8]) -> Option<f64> {
    // Words are taken without white space around them only.
    for (word, value) in [("inf", f64::INFINITY), ("infinity", f64::INFINITY)] {
        match field {
            [b'-', rest @ ..] if rest.eq_ignore_ascii_case(word.as_bytes()) => return Some(-value),
            [b'+', rest @ ..] | rest if rest.eq_ignore_ascii_case(word.as_bytes()) => return Some(value),
            _ => {}
        }
    }
    let field = trim(field);
    let mut rest = match field {
        [b'-' | b'+', rest @ ..] => rest,
        _ => field,
    };
    let mut digits = |point: bool| {
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest = &rest[count..];
        if point && rest.first() == Some(&b'.') {
            rest = &rest[1..];
            let behind = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest = &rest[behind..];
            return count + behind;
        }
        count
    };
    if digits(true) == 0 {
        return None;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'-' | b'+', exponent @ ..] => exponent,
            _ => exponent,
        };
        if exponent.is_empty() || !exponent.iter().all(u8::is_ascii_digit) {
            return None;
        }
    } else if !rest.is_empty() {
        return None;
    }
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short(text: &str) -> Option<i64> {
        let padded = [text.as_bytes(), &[b'7'; 8]].concat();
        short_integer(&padded, 0, text.len()).map(ShortInteger::value)
    }

    #[test]
    fn short_integers_are_told_from_all_else() {
        for text in ["", "-", "+1", "1a", "a1", " 1", "1 ", "123456789", "1-", "--1", "1\u{ff}", "1:", "1/", "1.5"] {
            assert_eq!(short(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_integers_are_what_they_say(value in -99_999_999_i64..100_000_000) {
            prop_assert_eq!(short(&value.to_string()), Some(value));
            let padded = format!("-{}        ", value.abs());
            let found = short_integer(padded.as_bytes(), 0, padded.len() - 8).map(|found| found.float().to_bits());
            prop_assert_eq!(found, Some((-(value.abs() as f64)).to_bits()));
        }

        #[test]
        fn one_wrong_byte_is_noticed(digits in "[0-9]{1,8}", place in 0_usize..8, byte: u8) {
            let mut bytes = digits.clone().into_bytes();
            let place = place % bytes.len();
            bytes[place] = byte;
            let accepted = bytes.iter().enumerate().all(|(at, byte)| {
                byte.is_ascii_digit() || (at == 0 && *byte == b'-' && bytes.len() > 1)
            });
            let length = bytes.len();
            bytes.extend([b'7'; 8]);
            prop_assert_eq!(short_integer(&bytes, 0, length).is_some(), accepted);
        }

        #[test]
        fn integers_of_any_size_are_classified(value: i128, bits in 0_u32..128) {
            let value = value >> bits;
            let expected = match (i64::try_from(value), u64::try_from(value)) {
                (Ok(small), _) => Integer::Small(small),
                (_, Ok(large)) => Integer::Large(large),
                _ => Integer::Huge,
            };
            prop_assert_eq!(integer(format!(" {value}\t").as_bytes()), Some(expected));
        }

        #[test]
        fn decimals_are_rounded_as_the_standard_library_does(text in "-?[0-9]{0,10}\\.?[0-9]{0,10}") {
            if let Some(value) = short_decimal(text.as_bytes()) {
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
            let expected = text.parse::<f64>().ok();
            prop_assert_eq!(float(text.as_bytes()).map(f64::to_bits), expected.map(f64::to_bits));
        }

        #[test]
        fn floats_come_back(value: f64) {
            prop_assume!(value.is_finite());
            for text in [format!("{value}"), format!("{value:e}")] {
                prop_assert_eq!(float(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()));
            }
        }
    }
}
