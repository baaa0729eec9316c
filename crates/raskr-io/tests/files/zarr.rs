//! Zarr arrays as a user of the crate meets them: round trips, regions, writers that meet, damage.
// Regions of one axis are arrays of one range here, not ranges of numbers; helpers of tests may panic as tests may.
#![allow(clippy::single_range_in_vec_init, clippy::expect_used)]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use raskr_base::{Chunk, ChunkMut, DType, ErrorClass, TimeUnit};

use raskr_io::{Compressor, IoError, ZarrArray, ZarrSpec, ZarrVersion, ZarrWriter, create_groups};

const COMPRESSORS: [fn() -> Compressor; 4] = [
    || Compressor::None,
    || Compressor::Zstd { level: 1 },
    || Compressor::Gzip { level: 1 },
    || Compressor::Blosc { name: "lz4".into(), level: 5, shuffle: true },
];

fn spec(shape: &[usize], chunks: &[usize], dtype: DType) -> ZarrSpec {
    let (version, compressor) = (ZarrVersion::V3, Compressor::None);
    ZarrSpec { shape: shape.to_vec(), chunks: chunks.to_vec(), dtype, version, compressor }
}

/// Elements 1, 2, 3, ... in their bytes.
fn counted(dtype: DType, shape: &[usize]) -> Chunk {
    let mut chunk = ChunkMut::zeroed(dtype, shape);
    let size = dtype.itemsize();
    let len = chunk.len();
    for (i, element) in chunk.as_bytes_mut()[..len * size].chunks_exact_mut(size).enumerate() {
        element[0] = if dtype == DType::Bool { (i % 2) as u8 } else { (i + 1) as u8 };
        if size > 1 && !dtype.is_float() && !dtype.is_complex() {
            element[1] = ((i + 1) >> 8) as u8;
        }
    }
    chunk.freeze()
}

fn everything(shape: &[usize]) -> Vec<Range<usize>> {
    shape.iter().map(|&n| 0..n).collect()
}

fn bytes(chunk: &Chunk) -> &[u8] {
    let start = chunk.offset() * chunk.dtype().itemsize();
    &chunk.buffer().as_bytes()[start..start + chunk.nbytes()]
}

fn write(path: &Path, spec: &ZarrSpec, chunk: &Chunk) {
    let writer = ZarrWriter::create(path, spec, false).expect("create");
    writer.write_region(&everything(&spec.shape), chunk).expect("write");
    writer.publish().expect("publish");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_type_version_and_compressor_round_trips() {
    let folder = tempfile::tempdir().expect("folder");
    let dtypes = [
        DType::Bool,
        DType::I8,
        DType::U8,
        DType::I16,
        DType::U32,
        DType::I64,
        DType::F16,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
        DType::DateTime(TimeUnit::Nanosecond),
        DType::TimeDelta(TimeUnit::Generic),
    ];
    for dtype in dtypes {
        for version in [ZarrVersion::V2, ZarrVersion::V3] {
            for compressor in COMPRESSORS {
                let spec = ZarrSpec { version, compressor: compressor(), ..spec(&[5, 7], &[2, 3], dtype) };
                let chunk = counted(dtype, &[5, 7]);
                let path = folder.path().join("x.zarr");
                write(&path, &spec, &chunk);
                let array = ZarrArray::open(&path).expect("open");
                assert_eq!((array.dtype(), array.shape(), array.chunks()), (dtype, &[5, 7][..], &[2, 3][..]));
                let read = array.read_region(&everything(&[5, 7])).expect("read");
                assert_eq!(bytes(&read), bytes(&chunk), "{spec:?}");
                let one = array.read_region(&[2..4, 3..6]).expect("one chunk");
                assert_eq!(one.len(), 6);
                fs::remove_dir_all(&path).expect("remove");
            }
        }
    }
}

#[test]
fn strided_blocks_are_written_in_their_order() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let chunk = Chunk::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3]);
    let transposed = chunk.with_layout(&[3, 2], &[1, 3], 0).expect("view");
    write(&path, &spec(&[3, 2], &[2, 2], DType::I32), &transposed);
    let read = ZarrArray::open(&path).expect("open").read_region(&[0..3, 0..2]).expect("read");
    assert_eq!(read.as_slice::<i32>(), Some(&[1, 4, 2, 5, 3, 6][..]));
}

#[test]
fn arrays_without_dimensions_or_elements_round_trip() {
    let folder = tempfile::tempdir().expect("folder");
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let scalar = folder.path().join(format!("scalar-{version:?}"));
        write(&scalar, &ZarrSpec { version, ..spec(&[], &[], DType::F64) }, &Chunk::scalar(2.5));
        let read = ZarrArray::open(&scalar).expect("open").read_region(&[]).expect("read");
        assert_eq!(read.item::<f64>(), Some(2.5));
        let empty = folder.path().join(format!("empty-{version:?}"));
        write(&empty, &ZarrSpec { version, ..spec(&[0, 3], &[1, 3], DType::F64) }, &counted(DType::F64, &[0, 3]));
        let array = ZarrArray::open(&empty).expect("open");
        assert_eq!(array.shape(), [0, 3]);
        assert!(array.read_region(&[0..0, 0..3]).expect("read").is_empty());
    }
}

#[test]
fn nothing_is_seen_before_publishing_nor_left_without_it() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let spec = spec(&[4], &[2], DType::I64);
    let writer = ZarrWriter::create(&path, &spec, false).expect("create");
    writer.write_region(&[0..2], &Chunk::from_slice(&[1i64, 2], &[2])).expect("write");
    assert!(!path.exists());
    let back = writer.array().read_region(&[0..4]).expect("what is written so far");
    assert_eq!(back.as_slice::<i64>(), Some(&[1, 2, 0, 0][..]));
    drop(writer);
    assert_eq!(files(folder.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn an_existing_array_stays_until_it_is_replaced() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let spec = spec(&[2], &[2], DType::U8);
    write(&path, &spec, &Chunk::from_slice(&[1u8, 1], &[2]));
    let error = ZarrWriter::create(&path, &spec, false).expect_err("exists");
    assert_eq!(error.class(), ErrorClass::Value);
    assert!(error.to_string().ends_with("x: exists already; pass overwrite=True to replace it"), "{error}");
    let writer = ZarrWriter::create(&path, &spec, true).expect("create");
    writer.write_region(&[0..2], &Chunk::from_slice(&[2u8, 2], &[2])).expect("write");
    let read = || ZarrArray::open(&path).expect("open").read_region(&[0..2]).expect("read");
    assert_eq!(read().as_slice::<u8>(), Some(&[1, 1][..]));
    writer.publish().expect("publish");
    assert_eq!(read().as_slice::<u8>(), Some(&[2, 2][..]));
}

#[test]
fn writers_that_meet_in_a_chunk_keep_each_others_elements() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let spec = ZarrSpec { compressor: Compressor::Zstd { level: 1 }, ..spec(&[300], &[64], DType::U16) };
    let writer = Arc::new(ZarrWriter::create(&path, &spec, false).expect("create"));
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let writer = Arc::clone(&writer);
            scope.spawn(move || {
                for i in (thread..300).step_by(4) {
                    writer.write_region(&[i..i + 1], &Chunk::from_slice(&[i as u16 + 1], &[1])).expect("write");
                }
            });
        }
    });
    Arc::into_inner(writer).expect("sole owner").publish().expect("publish");
    let read = ZarrArray::open(&path).expect("open").read_region(&[0..300]).expect("read");
    assert_eq!(read.as_slice::<u16>(), Some(&(1..=300u16).collect::<Vec<_>>()[..]));
}

#[test]
fn regions_of_an_existing_array_are_written_in_place() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    write(&path, &spec(&[4], &[3], DType::I8), &Chunk::from_slice(&[1i8, 2, 3, 4], &[4]));
    let writer = ZarrWriter::open(&path).expect("open");
    writer.write_region(&[1..4], &Chunk::from_slice(&[7i8, 8, 9], &[3])).expect("write");
    writer.publish().expect("nothing to publish");
    let read = ZarrArray::open(&path).expect("open").read_region(&[0..4]).expect("read");
    assert_eq!(read.as_slice::<i8>(), Some(&[1, 7, 8, 9][..]));
}

#[test]
fn chunks_that_are_not_stored_give_the_fill_value() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    fs::create_dir(&path).expect("create");
    let text = r#"{"zarr_format": 2, "shape": [3], "chunks": [2], "dtype": "<f4", "compressor": null, "fill_value": "NaN",
        "order": "C", "filters": null}"#;
    fs::write(path.join(".zarray"), text).expect("write");
    let array = ZarrArray::open(&path).expect("open");
    assert!(array.fill().item::<f32>().is_some_and(f32::is_nan));
    let read = array.read_region(&[0..2]).expect("read");
    assert!(read.as_slice::<f32>().expect("contiguous").iter().all(|x| x.is_nan()));
}

#[test]
fn truncated_chunks_are_named_with_what_was_expected() {
    let folder = tempfile::tempdir().expect("folder");
    for (number, compressor) in COMPRESSORS.iter().enumerate() {
        for version in [ZarrVersion::V2, ZarrVersion::V3] {
            let path = folder.path().join(format!("{number}-{version:?}"));
            let spec = ZarrSpec { version, compressor: compressor(), ..spec(&[4, 4], &[4, 2], DType::I32) };
            write(&path, &spec, &counted(DType::I32, &[4, 4]));
            let key = if version == ZarrVersion::V2 { "0.1" } else { "c/0/1" };
            let whole = fs::read(path.join(key)).expect("chunk");
            fs::write(path.join(key), &whole[..whole.len() - 5]).expect("truncate");
            let array = ZarrArray::open(&path).expect("open");
            assert!(array.read_region(&[0..4, 0..2]).is_ok(), "the other chunk is whole");
            for region in [[0..4, 2..4], [0..4, 0..4], [1..2, 1..3]] {
                let error = array.read_region(&region).expect_err("truncated");
                assert_eq!(error.class(), ErrorClass::Value);
                let text = error.to_string();
                assert!(text.contains(key), "{text}");
                assert!(text.contains(&(whole.len() - 5).to_string()) && text.contains("32"), "{text}");
            }
        }
    }
}

#[test]
fn wrong_regions_and_blocks_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("x");
    let spec = spec(&[4], &[2], DType::I64);
    let writer = ZarrWriter::create(&path, &spec, false).expect("create");
    let block = Chunk::from_slice(&[1i64, 2], &[2]);
    assert!(matches!(writer.write_region(&[3..5], &block), Err(IoError::Region { .. })));
    assert!(matches!(writer.write_region(&[0..1], &block), Err(IoError::Block { .. })));
    assert!(matches!(writer.write_region(&[0..2, 0..1], &block), Err(IoError::Region { .. })));
    assert!(matches!(
        writer.write_region(&[0..2], &Chunk::from_slice(&[1.0f64, 2.0], &[2])),
        Err(IoError::Block { .. })
    ));
    let zero = ZarrSpec { chunks: vec![0], ..spec };
    assert!(matches!(ZarrWriter::create(folder.path().join("y"), &zero, false), Err(IoError::Metadata { .. })));
}

#[test]
fn groups_are_described_down_to_an_array() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("store");
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        create_groups(&root, "a/b", version).expect("groups");
        let path = root.join("a/b");
        let writer =
            ZarrWriter::create(&path, &ZarrSpec { version, ..spec(&[1], &[1], DType::U8) }, true).expect("create");
        writer.publish().expect("publish");
        assert!(ZarrArray::open(&path).is_ok());
        let error = ZarrArray::open(&root).expect_err("a group").to_string();
        assert!(error.contains("is a Zarr group, not an array") && error.ends_with(": a"), "{error}");
    }
    for wrong in ["", "/x", "../x", "a/../b"] {
        assert!(create_groups(&root, wrong, ZarrVersion::V3).is_err(), "{wrong}");
    }
    assert!(create_groups(&root, "a/b/c", ZarrVersion::V3).is_err(), "an array holds no arrays");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_region_reads_as_the_whole_does(
        shape in prop::collection::vec(1usize..9, 1..4),
        cuts in prop::collection::vec((0.0f64..1.0, 0.0f64..1.0, 1usize..6), 3),
        compressed: bool,
    ) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x");
        let chunks: Vec<usize> = shape.iter().zip(&cuts).map(|(_, cut)| cut.2).collect();
        let compressor = if compressed { Compressor::Zstd { level: 1 } } else { Compressor::None };
        let chunk = counted(DType::U32, &shape);
        write(&path, &ZarrSpec { compressor, ..spec(&shape, &chunks, DType::U32) }, &chunk);
        let region: Vec<Range<usize>> = shape.iter().zip(&cuts).map(|(&n, cut)| {
            let start = (cut.0 * n as f64) as usize;
            start..start + (cut.1 * (n - start + 1) as f64) as usize
        }).collect();
        let read = ZarrArray::open(&path).expect("open").read_region(&region).expect("read");
        let all = chunk.as_slice::<u32>().expect("contiguous");
        let strides = chunk.strides();
        let mut expected = vec![0usize];
        for (r, &stride) in region.iter().zip(strides) {
            expected = expected.iter().flat_map(|&at| r.clone().map(move |i| at + i * stride as usize)).collect();
        }
        let expected: Vec<u32> = expected.into_iter().map(|at| all[at]).collect();
        prop_assert_eq!(read.as_slice::<u32>(), Some(&expected[..]));
    }

    #[test]
    fn arbitrary_descriptions_never_panic(text in r#"[{}\[\]":, a-z0-9_.<>|-]{0,80}"#, at in 0usize..400, letter: u8) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x");
        let writer = ZarrWriter::create(&path, &spec(&[4], &[2], DType::I64), false).expect("create");
        writer.publish().expect("publish");
        let mut damaged = fs::read(path.join("zarr.json")).expect("description");
        let at = at % damaged.len();
        damaged[at] = letter;
        fs::write(path.join("zarr.json"), &damaged).expect("write");
        if let Ok(array) = ZarrArray::open(&path) {
            let _ = array.read_region(&[0..1]);
        }
        fs::write(path.join("zarr.json"), text).expect("write");
        prop_assert!(ZarrArray::open(&path).is_err());
    }
}
