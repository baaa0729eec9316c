//! Sizes and durations as people write them: `"128 MiB"`, `"1e6 kB"`, `"300 ms"`.

use std::fmt;

/// Why a size or duration was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SizeError {
    /// The number before the unit is none.
    Number(String),
    ByteUnit(String),
    TimeUnit(String),
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SizeError::Number(text) => write!(f, "Could not interpret '{text}' as a number"),
            SizeError::ByteUnit(text) => write!(f, "Could not interpret '{text}' as a byte unit"),
            SizeError::TimeUnit(text) => {
                write!(f, "Invalid time unit: {text}. Valid units are: ")?;
                for (position, (names, _)) in TIME_UNITS.iter().enumerate() {
                    write!(f, "{}{}", if position == 0 { "" } else { ", " }, names.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for SizeError {}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
    ("b", 1),
    ("", 1),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("p", 1_000_000_000_000_000),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
    ("pi", 1 << 50),
];

const TIME_UNITS: &[(&[&str], f64)] = &[
    (&["s", "second", "seconds"], 1.0),
    (&["ms", "millisecond", "milliseconds"], 1e-3),
    (&["us", "microsecond", "microseconds"], 1e-6),
    (&["ns", "nanosecond", "nanoseconds"], 1e-9),
    (&["m", "minute", "minutes"], 60.0),
    (&["h", "hour", "hours"], 3_600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
];

/// The number and the unit behind it, without spaces; a missing number is one.
fn split(text: &str) -> Result<(f64, String), SizeError> {
    let mut text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if !text.chars().any(|c| c.is_ascii_digit()) {
        text.insert(0, '1');
    }
    let unit = text.trim_end_matches(char::is_alphabetic).len();
    let (number, unit) = text.split_at(unit);
    match number.parse() {
        Ok(value) => Ok((value, unit.to_owned())),
        Err(_) => Err(SizeError::Number(number.to_owned())),
    }
}

/// The number of bytes that a text such as `"5 GiB"` stands for.
pub fn parse_bytes(text: &str) -> Result<i128, SizeError> {
    let (number, unit) = split(text)?;
    let known = unit.to_lowercase();
    match BYTE_UNITS.iter().find(|(name, _)| *name == known) {
        // Exact for whole numbers of the size of integers that a double holds; larger ones are sizes of no machine.
        Some((_, scale)) => Ok((number * *scale as f64) as i128),
        None => Err(SizeError::ByteUnit(unit)),
    }
}

/// The seconds that a text such as `"300 ms"` stands for. Text without a unit is seconds.
pub fn parse_duration(text: &str) -> Result<f64, SizeError> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return Ok(number);
    }
    Ok(number * duration_unit(&unit)?)
}

/// The seconds of one unit of time.
pub fn duration_unit(unit: &str) -> Result<f64, SizeError> {
    let known = unit.to_lowercase();
    TIME_UNITS
        .iter()
        .find(|(names, _)| names.contains(&known.as_str()))
        .map(|(_, seconds)| *seconds)
        .ok_or_else(|| SizeError::TimeUnit(unit.to_owned()))
}

/// Is there a unit behind the number?
pub fn has_unit(text: &str) -> bool {
    text.trim_end().ends_with(char::is_alphabetic)
}

/// A number of bytes for people to read: `"1.25 GiB"`.
pub fn format_bytes(bytes: f64) -> String {
    for (prefix, scale) in [("P", 1u64 << 50), ("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("k", 1 << 10)] {
        if bytes >= scale as f64 * 0.9 {
            return format!("{:.2} {prefix}iB", bytes / scale as f64);
        }
    }
    format!("{bytes} B")
}

/// Seconds for people to read: `"12.30 ms"`, `"11m 40s"`, `"3d 1hr"`.
pub fn format_duration(seconds: f64) -> String {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 3_600.0;
    const DAY: f64 = 86_400.0;
    if seconds > 2.0 * DAY {
        let days = (seconds / DAY).floor();
        return format!("{days}d {}hr", ((seconds - days * DAY) / HOUR).floor());
    }
    if seconds > 2.0 * HOUR {
        let hours = (seconds / HOUR).floor();
        return format!("{hours}hr {}m", ((seconds - hours * HOUR) / MINUTE).floor());
    }
    if seconds > 10.0 * MINUTE {
        let minutes = (seconds / MINUTE).floor();
        return format!("{minutes}m {}s", (seconds - minutes * MINUTE).floor());
    }
    if seconds >= 1.0 {
        return format!("{seconds:.2} s");
    }
    if seconds >= 1e-3 {
        return format!("{:.2} ms", seconds * 1e3);
    }
    format!("{:.2} us", seconds * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("100", 100),
            ("5.4 kB", 5_400),
            ("1kiB", 1_024),
            ("1e6 kB", 1_000_000_000),
            ("MB", 1_000_000),
            ("1.5GiB", 3 << 29),
            (" 12 kB ", 12_000),
            ("-1kB", -1_000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_bytes("5 foos"), Err(SizeError::ByteUnit("foos".into())));
        assert_eq!(parse_bytes("1e3e3"), Err(SizeError::Number("1e3e3".into())));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("3s", 3.0), ("300ms", 0.3), ("1h", 3_600.0), ("3 S", 3.0), ("ns", 1e-9), ("2.5", 2.5)]
        {
            assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        }
        assert_eq!(parse_duration("1 month"), Err(SizeError::TimeUnit("month".into())));
    }

    #[test]
    fn sizes_are_written_in_binary_units() {
        for (bytes, text) in [(921.0, "921 B"), (922.0, "0.90 kiB"), (1024.0, "1.00 kiB"), (1.5e15, "1.33 PiB")] {
            assert_eq!(format_bytes(bytes), text);
        }
    }

    #[test]
    fn durations_are_written_in_fitting_units() {
        for (seconds, text) in [
            (0.0123, "12.30 ms"),
            (75.0, "75.00 s"),
            (700.0, "11m 40s"),
            (7_300.0, "2hr 1m"),
            (264_200.0, "3d 1hr"),
            (1e-6, "1.00 us"),
        ] {
            assert_eq!(format_duration(seconds), text);
        }
    }
}
