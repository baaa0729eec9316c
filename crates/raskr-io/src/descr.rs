//! NumPy's short type names (`<f8`, `|b1`, `<M8[ns]`), as npy headers and Zarr 2 write them.

use raskr_base::{DType, TimeUnit};

/// Which byte of a number comes first in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Native,
    Swapped,
}

/// The type that a short name stands for, and its byte order; `None` for types that are not native.
pub(crate) fn parse(descr: &str) -> Option<(DType, Order)> {
    let mut letters = descr.chars();
    let order = match letters.next()? {
        '<' if cfg!(target_endian = "little") => Order::Native,
        '>' if cfg!(target_endian = "big") => Order::Native,
        '<' | '>' => Order::Swapped,
        '|' | '=' => Order::Native,
        _ => return None,
    };
    let dtype = match letters.as_str() {
        "b1" => DType::Bool,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "c8" => DType::C64,
        "c16" => DType::C128,
        rest => {
            let (date, unit) = match rest.strip_prefix("M8") {
                Some(unit) => (true, unit),
                None => (false, rest.strip_prefix("m8")?),
            };
            let unit = match unit {
                "" => TimeUnit::Generic,
                named => TimeUnit::from_code(named.strip_prefix('[')?.strip_suffix(']')?)?,
            };
            if date { DType::DateTime(unit) } else { DType::TimeDelta(unit) }
        }
    };
    Some((dtype, order))
}

/// The type that a short or a long name (`float64`) stands for, in this machine's byte order.
pub(crate) fn parse_native(name: &str) -> Option<DType> {
    const PLAIN: [DType; 14] = [
        DType::Bool,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::F16,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
    ];
    match parse(name) {
        Some((dtype, Order::Native)) => Some(dtype),
        Some((_, Order::Swapped)) => None,
        None => PLAIN.into_iter().find(|dtype| dtype.to_string() == name),
    }
}

/// The short name of a type in this machine's byte order.
pub(crate) fn name(dtype: DType) -> String {
    let order = match dtype.itemsize() {
        1 => '|',
        _ if cfg!(target_endian = "little") => '<',
        _ => '>',
    };
    let kind = match dtype {
        DType::Bool => "b1",
        DType::I8 => "i1",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::U8 => "u1",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
        DType::F16 => "f2",
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::C64 => "c8",
        DType::C128 => "c16",
        DType::DateTime(unit) => return timed(order, "M8", unit),
        DType::TimeDelta(unit) => return timed(order, "m8", unit),
    };
    format!("{order}{kind}")
}

fn timed(order: char, kind: &str, unit: TimeUnit) -> String {
    match unit {
        TimeUnit::Generic => format!("{order}{kind}"),
        unit => format!("{order}{kind}[{}]", unit.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let plain = [DType::Bool, DType::I8, DType::U16, DType::I32, DType::U64, DType::F16, DType::F64, DType::C128];
        let timed = TimeUnit::ALL.into_iter().flat_map(|unit| [DType::DateTime(unit), DType::TimeDelta(unit)]);
        for dtype in plain.into_iter().chain(timed) {
            assert_eq!(parse(&name(dtype)), Some((dtype, Order::Native)), "{}", name(dtype));
        }
    }

    #[test]
    fn other_types_are_not_native() {
        for other in ["|O", "<U5", "|S3", "|V8", "<f16", "<M8[2D]", "<M8[", "f8", "", "<"] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse(">f4"), Some((DType::F32, Order::Swapped)));
        assert_eq!((parse_native("float32"), parse_native("<f4")), (Some(DType::F32), Some(DType::F32)));
        assert_eq!((parse_native("object"), parse_native(">f4")), (None, None));
    }
}
