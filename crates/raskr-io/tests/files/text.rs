//! Text as a user of the crate meets it: every compression, every cut into regions, damage, encodings, counting.
// Helpers of tests may panic as tests may.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use raskr_base::ErrorClass;
use raskr_io::IoError;
use raskr_io::text::{
    ByteOrder, Compression, Encoding, Errors, Form, LineReader, Newline, Table, TextOptions, TextSource, TextWriter,
};

fn bytes(bytes: &[u8]) -> TextSource {
    TextSource::Bytes { name: PathBuf::from("x.txt"), bytes: Arc::new(bytes.to_vec()) }
}

fn lines(source: &TextSource, options: &TextOptions) -> Result<Vec<Vec<u8>>, IoError> {
    let mut reader = LineReader::open(source, options)?;
    let mut found = Vec::new();
    while let Some(lines) = reader.next_lines()? {
        found.extend(lines.iter().map(<[u8]>::to_vec));
    }
    Ok(found)
}

/// The lines as text, whose number is what counting finds.
fn texts(source: &TextSource, options: &TextOptions) -> Result<Vec<String>, IoError> {
    let found = lines(source, options);
    let count = LineReader::count(source, options);
    match (&found, &count) {
        (Ok(found), Ok(count)) => assert_eq!(found.len() as u64, *count),
        (Err(found), Err(count)) => assert_eq!(found.to_string(), count.to_string()),
        _ => panic!("lines are {found:?} and their number is {count:?}"),
    }
    Ok(found?.into_iter().map(|line| String::from_utf8(line).expect("UTF-8")).collect())
}

fn packed(text: &[u8], compression: Compression) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let mut writer = TextWriter::create(&path, Some(compression)).expect("create");
    // In two pieces, as lines come.
    let (first, second) = text.split_at(text.len() / 2);
    writer.write(first).expect("write");
    writer.write(second).expect("write");
    writer.finish().expect("finish");
    fs::read(path).expect("read")
}

#[test]
fn no_text_comes_back_from_every_format() {
    for format in Compression::ALL {
        let options = TextOptions { compression: Some(format), ..TextOptions::default() };
        assert_eq!(texts(&bytes(&packed(b"", format)), &options).expect("lines"), [""; 0], "{}", format.name());
    }
}

fn text_newline(text: &str) -> TextOptions {
    TextOptions { newline: Newline::Text(text.into()), ..TextOptions::default() }
}

#[test]
fn lines_keep_their_ends_and_the_last_may_have_none() {
    let all = |newline: Newline| {
        texts(&bytes(b"a\nb\r\n\rc"), &TextOptions { newline, ..TextOptions::default() }).expect("lines")
    };
    assert_eq!(all(Newline::Universal { translate: true }), ["a\n", "b\n", "\n", "c"]);
    assert_eq!(all(Newline::Universal { translate: false }), ["a\n", "b\r\n", "\r", "c"]);
    assert_eq!(all(Newline::Text("\n".into())), ["a\n", "b\r\n", "\rc"]);
    assert_eq!(all(Newline::Text("\r".into())), ["a\nb\r", "\n\r", "c"]);
    assert_eq!(all(Newline::Text("\r\n".into())), ["a\nb\r\n", "\rc"]);
    assert_eq!(all(Newline::Text("b\r".into())), ["a\nb\r", "\n\rc"]);
    assert_eq!(texts(&bytes(b""), &TextOptions::default()).expect("lines"), [""; 0]);
}

#[test]
fn what_follows_the_last_end_is_a_line_if_it_is_anything() {
    assert_eq!(texts(&bytes(b"a||b||"), &text_newline("||")).expect("lines"), ["a||", "b||"]);
    assert_eq!(texts(&bytes(b"a||b|"), &text_newline("||")).expect("lines"), ["a||", "b|"]);
    assert_eq!(texts(&bytes(b"a;b;"), &text_newline(";")).expect("lines"), ["a;", "b;"]);
}

#[test]
fn a_line_may_be_longer_than_any_buffer() {
    let text = format!("{}\n{}", "x".repeat(900_000), "y".repeat(700_000));
    let found = texts(&bytes(text.as_bytes()), &TextOptions::default()).expect("lines");
    assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [900_001, 700_000]);
    let crossing = format!("{}\r\n{}\r\n", "x".repeat((256 << 10) - 1), "y".repeat(10));
    let found = texts(&bytes(crossing.as_bytes()), &TextOptions::default()).expect("lines");
    assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [256 << 10, 11]);
}

#[test]
fn a_format_is_known_by_its_extension() {
    for (name, format) in [
        ("a.gz", Some(Compression::Gzip)),
        ("a.b.BZ2", Some(Compression::Bzip2)),
        ("a.xz", Some(Compression::Xz)),
        ("a.zst", Some(Compression::Zstd)),
        ("a.lz4", Some(Compression::Lz4)),
        ("a.txt", None),
        ("gz", None),
    ] {
        assert_eq!(Compression::infer(Path::new(name)), format, "{name}");
    }
    for format in Compression::ALL {
        assert_eq!(Compression::from_name(format.name()), Some(format));
    }
}

#[test]
fn members_follow_each_other_with_nothing_but_zeros_between() {
    for format in Compression::ALL {
        let options = TextOptions { compression: Some(format), ..TextOptions::default() };
        let joined = [packed(b"a\nb", format), packed(b"", format), packed(b"c\n", format)].concat();
        assert_eq!(texts(&bytes(&joined), &options).expect("lines"), ["a\n", "bc\n"], "{format:?}");
        // Snappy has no ends, so that zeros are parts of it there, and bad ones.
        if format != Compression::Snappy {
            let padded = [&joined[..], &[0; 12], &packed(b"d", format), &[0; 4]].concat();
            assert_eq!(texts(&bytes(&padded), &options).expect("lines"), ["a\n", "bc\n", "d"], "{format:?}");
        }
        let garbage = [&joined[..], b"garbage"].concat();
        let error = texts(&bytes(&garbage), &options).expect_err("garbage");
        assert!(matches!(error, IoError::Corrupt { .. } | IoError::Truncated { .. }), "{format:?}: {error}");
        assert_eq!(error.class(), ErrorClass::Os);
    }
}

#[test]
fn a_file_cut_short_at_any_byte_is_an_error_that_says_where() {
    let text: Vec<u8> =
        (0..3000u32).flat_map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    for format in Compression::ALL {
        let options = TextOptions { compression: Some(format), ..TextOptions::default() };
        let first = packed(&text[..100], format);
        let whole = [&first[..], &packed(&text, format)].concat();
        let step = if whole.len() > 2000 { 37 } else { 1 };
        for cut in (0..first.len() + 40).chain((first.len() + 40..whole.len()).step_by(step)) {
            // Behind the first member nothing is missing. Snappy has no ends: what ends with a part is whole.
            let result = lines(&bytes(&whole[..cut]), &options);
            if cut == first.len() || (format == Compression::Snappy && result.is_ok()) {
                continue;
            }
            match result.expect_err("truncated") {
                IoError::Truncated { offset, path, .. } => {
                    assert_eq!(path, Path::new("x.txt"));
                    assert!(offset <= cut as u64 && offset + 300_000 > cut as u64, "{format:?} at {cut}: {offset}");
                }
                error => panic!("{format:?} cut at {cut}: {error}"),
            }
        }
    }
}

#[test]
fn damage_is_found_by_the_checksum() {
    let text: Vec<u8> =
        (0..3000u32).flat_map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    for format in Compression::ALL {
        let options = TextOptions { compression: Some(format), ..TextOptions::default() };
        let whole = packed(&text, format);
        for at in (16..whole.len()).step_by(101) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            // Bits that mean nothing may change; the text may not.
            match lines(&bytes(&damaged), &options) {
                Ok(found) => assert!(found.concat() == text, "{format:?} damaged at {at}"),
                Err(error) => assert_eq!(error.class(), ErrorClass::Os, "{error}"),
            }
        }
    }
}

#[test]
fn threads_change_nothing() {
    let text: Vec<u8> =
        (0..200_000u32).flat_map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    let packed = packed(&text, Compression::Bzip2);
    assert!(packed.len() > 500_000);
    let options = TextOptions { compression: Some(Compression::Bzip2), threads: 3, ..TextOptions::default() };
    assert!(lines(&bytes(&packed), &options).expect("lines").concat() == text);
    let cut = packed.len() - 5;
    let error = LineReader::count(&bytes(&packed[..cut]), &options).expect_err("truncated");
    assert!(matches!(error, IoError::Truncated { offset, .. } if offset == cut as u64), "{error}");
}

#[test]
fn errors_of_decoding_say_where_in_the_uncompressed_file() {
    let good = "caf\u{e9}\r\n".repeat(100_000);
    let bad = [good.as_bytes(), b"x\xe9\n"].concat();
    for (source, compression) in
        [(bytes(&bad), None), (bytes(&packed(&bad, Compression::Gzip)), Some(Compression::Gzip))]
    {
        let options = TextOptions { compression, ..TextOptions::default() };
        let error = texts(&source, &options).expect_err("invalid");
        assert_eq!(error.class(), ErrorClass::Value);
        let IoError::Undecodable { offset, bytes, reason, .. } = error else { panic!("{error}") };
        assert_eq!((offset, &bytes[..], reason), (good.len() as u64 + 1, &b"\xe9"[..], "invalid continuation byte"));
    }
    let region = Some(good.len() as u64 - 20..good.len() as u64 + 2);
    let error = texts(&bytes(&bad), &TextOptions { region, ..TextOptions::default() }).expect_err("invalid");
    assert!(matches!(error, IoError::Undecodable { offset, .. } if offset == good.len() as u64 + 1), "{error}");
    let caller = TextOptions { errors: Errors::Caller, ..TextOptions::default() };
    let mut reader = LineReader::open(&bytes(b"x\xe9\n"), &caller).expect("open");
    let found = reader.next_lines().expect("lines").expect("some");
    assert_eq!((found.form, found.iter().next()), (Form::Unchecked, Some(&b"x\xe9\n"[..])));
}

#[test]
fn byte_order_marks_are_no_text() {
    let utf16 = |order: fn(u16) -> [u8; 2]| "\u{feff}a\u{1f600}\nb".encode_utf16().flat_map(order).collect::<Vec<u8>>();
    for (raw, encoding, first) in [
        (b"\xef\xbb\xbfa\nb".to_vec(), Encoding::Utf8Signature, "a\n"),
        (b"a\nb".to_vec(), Encoding::Utf8Signature, "a\n"),
        (b"\xef\xbb\xbfa\nb".to_vec(), Encoding::Utf8, "\u{feff}a\n"),
        (utf16(u16::to_le_bytes), Encoding::Utf16(ByteOrder::Marked), "a\u{1f600}\n"),
        (utf16(u16::to_be_bytes), Encoding::Utf16(ByteOrder::Marked), "a\u{1f600}\n"),
        (utf16(u16::to_be_bytes), Encoding::Utf16(ByteOrder::Big), "\u{feff}a\u{1f600}\n"),
    ] {
        let options = TextOptions { encoding, ..TextOptions::default() };
        assert_eq!(texts(&bytes(&raw), &options).expect("lines"), [first, "b"], "{options:?}");
        let size = raw.len() as u64;
        let found: Vec<String> = [0..2, 2..5, 5..size]
            .into_iter()
            .flat_map(|region| {
                texts(&bytes(&raw), &TextOptions { region: Some(region), ..options.clone() }).expect("lines")
            })
            .collect();
        assert_eq!(found, [first, "b"], "{options:?}");
    }
}

#[test]
fn latin_1_stays_as_it_is_and_splits_at_its_own_bytes() {
    let options =
        TextOptions { encoding: Encoding::Latin1, newline: Newline::Text("\u{e9}".into()), ..TextOptions::default() };
    let mut reader = LineReader::open(&bytes(b"caf\xe9 au lait"), &options).expect("open");
    let found = reader.next_lines().expect("lines").expect("some");
    assert_eq!(found.form, Form::Latin1);
    assert_eq!(found.iter().collect::<Vec<_>>(), [&b"caf\xe9"[..]]);
    let absent = TextOptions { newline: Newline::Text("\u{20ac}".into()), ..options };
    assert_eq!(LineReader::count(&bytes(b"caf\xe9 au lait"), &absent).expect("count"), 1);
}

#[test]
fn what_is_not_offered_is_refused() {
    let refused = |options: TextOptions| {
        let error = LineReader::open(&bytes(b"a"), &options).err().expect("refused");
        assert_eq!(error.class(), ErrorClass::NotImplemented, "{error}");
    };
    refused(TextOptions { errors: Errors::Replace, ..TextOptions::default() });
    refused(TextOptions {
        encoding: Encoding::Utf16(ByteOrder::Big),
        errors: Errors::Caller,
        ..TextOptions::default()
    });
    refused(text_newline(""));
    refused(TextOptions { compression: Some(Compression::Gzip), region: Some(0..1), ..TextOptions::default() });
    let missing = TextSource::File(PathBuf::from("/no/such/file"));
    let error = LineReader::open(&missing, &TextOptions::default()).err().expect("missing");
    assert!(matches!(error, IoError::Missing { .. }), "{error}");
}

#[test]
fn a_file_takes_its_name_when_it_is_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("deep/x.txt");
    let mut writer = TextWriter::create(&path, None).expect("create");
    writer.write(b"a\n").expect("write");
    assert!(!path.exists());
    writer.finish().expect("finish");
    assert_eq!(texts(&TextSource::File(path.clone()), &TextOptions::default()).expect("lines"), ["a\n"]);
    drop(TextWriter::create(&path, Some(Compression::Zstd)).expect("create"));
    assert_eq!(fs::read(&path).expect("read"), b"a\n");
    assert_eq!(fs::read_dir(path.parent().expect("folder")).expect("read").count(), 1);
}

fn newlines() -> impl Strategy<Value = Newline> {
    prop_oneof![
        any::<bool>().prop_map(|translate| Newline::Universal { translate }),
        "[\n\r;\u{e9}]{1,3}".prop_map(Newline::Text),
    ]
}

fn encodings() -> impl Strategy<Value = Encoding> {
    let mut upside_down = Box::new([None; 256]);
    for byte in 0..=255u8 {
        upside_down[usize::from(byte)] = Some(char::from(255 - byte));
    }
    let table = Arc::new(Table::new("upside-down", upside_down));
    proptest::sample::select(vec![
        Encoding::Utf8,
        Encoding::Latin1,
        Encoding::Table(table),
        Encoding::Utf16(ByteOrder::Little),
        Encoding::Utf16(ByteOrder::Big),
        Encoding::Utf32(ByteOrder::Little),
    ])
}

/// The bytes of a text, by definition rather than by the code under test.
fn encoded(text: &str, encoding: &Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Latin1 => text.chars().map(|c| c as u8).collect(),
        Encoding::Table(_) => text.chars().map(|c| 255 - c as u8).collect(),
        Encoding::Utf16(ByteOrder::Little) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16(_) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Utf32(_) => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        _ => text.as_bytes().to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn regions_that_meet_yield_each_line_once(
        text in "[\n\r;\u{e9}ab]{0,60}",
        newline in newlines(),
        encoding in encodings(),
        mut cuts in proptest::collection::vec(0u64..130, 0..6),
    ) {
        // A `\r` alone is no place for a cut, but within a region it ends a line as anywhere.
        let raw = encoded(&text, &encoding);
        let options = TextOptions { newline, encoding, ..TextOptions::default() };
        let all = lines(&bytes(&raw), &options).expect("lines");
        cuts.extend([0, raw.len() as u64]);
        cuts.retain(|&cut| cut <= raw.len() as u64);
        cuts.sort_unstable();
        let mut found = Vec::new();
        let mut count = 0;
        for pair in cuts.windows(2) {
            let options = TextOptions { region: Some(pair[0]..pair[1]), ..options.clone() };
            found.extend(lines(&bytes(&raw), &options).expect("lines"));
            count += LineReader::count(&bytes(&raw), &options).expect("count");
        }
        prop_assert_eq!(&found, &all);
        prop_assert_eq!(count, all.len() as u64);
    }

    #[test]
    fn what_is_compressed_comes_back(
        text in proptest::collection::vec("[a-z\u{e9}\u{20ac}]{0,20}\n", 0..200),
        format in proptest::sample::select(Compression::ALL.to_vec()),
    ) {
        let options = TextOptions { compression: Some(format), ..TextOptions::default() };
        let source = bytes(&packed(text.concat().as_bytes(), format));
        prop_assert_eq!(texts(&source, &options).expect("lines"), text);
    }

    #[test]
    fn noise_ends_in_an_error_and_never_in_a_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..600),
        place in 0usize..400,
        format in proptest::sample::select(Compression::ALL.to_vec()),
    ) {
        let options = TextOptions { compression: Some(format), encoding: Encoding::Latin1, ..TextOptions::default() };
        let _ = lines(&bytes(&noise), &options);
        // Behind a good beginning the decoders go further.
        let mut damaged = packed(&[b'x'; 300], format);
        let place = place.min(damaged.len());
        let count = noise.len().min(damaged.len() - place);
        damaged[place..place + count].copy_from_slice(&noise[..count]);
        let _ = lines(&bytes(&damaged), &options);
    }

    #[test]
    fn any_bytes_are_lines_or_an_error_in_every_encoding(
        raw in proptest::collection::vec(any::<u8>(), 0..200),
        encoding in encodings(),
        newline in newlines(),
    ) {
        let options = TextOptions { encoding, newline, ..TextOptions::default() };
        match (lines(&bytes(&raw), &options), LineReader::count(&bytes(&raw), &options)) {
            (Ok(found), Ok(count)) => prop_assert_eq!(found.len() as u64, count),
            (Err(IoError::Undecodable { offset, .. }), Err(IoError::Undecodable { offset: again, .. })) => {
                prop_assert_eq!(offset, again);
                prop_assert!((offset as usize) < raw.len());
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
