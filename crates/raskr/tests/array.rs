//! Arrays as a Rust program uses them: operators, types, mistakes, files.
// Helpers outside of test functions fail the test that calls them.
#![allow(clippy::expect_used)]

use raskr::array::{self, Array, AxisChunks, Chunks, NEW_AXIS, Options, Pick, ZarrOptions, ZarrVersion, by, keep};
use raskr::{Chunk, DType, Error, ErrorClass};

fn ints(array: &Array) -> Vec<i64> {
    array.to_vec::<i64>().expect("integers")
}

fn floats(array: &Array) -> Vec<f64> {
    array.to_vec::<f64>().expect("floats")
}

fn matrix() -> Array {
    array::arange(0, 12, 1, 5).reshape([3, 4])
}

#[test]
fn operators_take_values_references_and_numbers() {
    let x = array::arange(1, 4, 1, 2);
    assert_eq!(ints(&(&x + &x)), [2, 4, 6]);
    assert_eq!(ints(&(x.clone() - 1)), [0, 1, 2]);
    assert_eq!(ints(&(10 - &x)), [9, 8, 7]);
    assert_eq!(ints(&(-&x * 2)), [-2, -4, -6]);
    assert_eq!(floats(&(&x / 2)), [0.5, 1.0, 1.5]);
    assert_eq!(floats(&(1.0 / x.clone())), [1.0, 0.5, 1.0 / 3.0]);
    assert_eq!(ints(&(&x % 2)), [1, 0, 1]);
    assert_eq!(ints(&(&x & 1)), [1, 0, 1]);
    let odd = (&x & 1).equal(1);
    assert_eq!((!&odd | odd.clone()).to_vec::<u8>().expect("truths"), [1, 1, 1]);
}

#[test]
fn element_types_follow_numpy() {
    let dtype = |array: &Array| array.dtype().expect("valid");
    let small = array::arange(0, 4, 1, 2).astype(DType::I8);
    assert_eq!(dtype(&(&small + 1)), DType::I8);
    assert_eq!(dtype(&(&small + 1.0)), DType::F64);
    assert_eq!(dtype(&small.sqrt()), DType::F16);
    assert_eq!(dtype(&(&small / &small)), DType::F64);
    assert_eq!(dtype(&small.sum(..)), DType::I64);
    assert_eq!(dtype(&small.mean(..)), DType::F64);
    assert_eq!(dtype(&small.max(..)), DType::I8);
    assert_eq!(dtype(&small.astype(DType::F32).var(.., 0.0)), DType::F32);
    assert_eq!(dtype(&(small.astype(DType::U16) + small.astype(DType::I16))), DType::I32);
    assert_eq!(dtype(&small.less(2)), DType::Bool);
    assert_eq!(dtype(&small.less(2).sum(..)), DType::I64);
    assert_eq!(dtype(&array::where_(small.less(2), 1, 0.5)), DType::F64);
    assert_eq!(dtype(&array::full(2, true, 1)), DType::Bool);
}

#[test]
fn reductions_take_axes_in_every_form() {
    let x = matrix();
    assert_eq!(ints(&x.sum(..)), [66]);
    assert_eq!(ints(&x.sum(0)), [12, 15, 18, 21]);
    assert_eq!(ints(&x.sum(-1)), [6, 22, 38]);
    assert_eq!(ints(&x.sum([0, 1])), [66]);
    assert_eq!(x.sum(keep([0, 1])).shape().expect("valid"), [1, 1]);
    assert_eq!(x.sum(keep(..)).shape().expect("valid"), [1, 1]);
    assert_eq!(ints(&(x.clone() + 1).prod(1)), [24, 1680, 11880]);
    assert_eq!(floats(&x.mean(1)), [1.5, 5.5, 9.5]);
    assert_eq!(floats(&x.var(1, 1.0)), [5.0 / 3.0; 3]);
    assert_eq!(floats(&x.std(1, 0.0)), [1.25f64.sqrt(); 3]);
    assert_eq!((ints(&x.min(1)), ints(&x.max(0))), (vec![0, 4, 8], vec![8, 9, 10, 11]));
    assert_eq!(x.equal(5).any(1).to_vec::<u8>().expect("truths"), [0, 1, 0]);
    assert_eq!(x.less(8).all(1).to_vec::<u8>().expect("truths"), [1, 1, 0]);
    assert_eq!(ints(&x.count_nonzero(..)), [11]);
    assert_eq!(ints(&(5 - &x).abs().argmin(..)), [5]);
    assert_eq!(ints(&x.argmax(keep(0))), [2; 4]);
    assert_eq!(ints(&x.cumsum(1).slice(1)), [4, 9, 15, 22]);
    assert_eq!(ints(&(x.slice(0) + 1).cumprod(0)), [1, 2, 6, 24]);
}

#[test]
fn empty_blocks_and_axes_are_nobodys_extreme() {
    let cut = array::arange(0, 5, 1, 1).rechunk(vec![vec![1, 0, 3, 0, 1]]);
    assert_eq!((ints(&cut.argmax(0)), ints(&cut.argmin(..)), ints(&cut.max(0))), (vec![4], vec![0], vec![4]));
    assert_eq!(ints(&array::zeros([3, 0], 2).argmax(0)), [0; 0]);
    let one = array::full([2, 1], 7, 1).rechunk(vec![vec![2], vec![0, 0, 1]]);
    assert_eq!(ints(&one.broadcast_to([2, 3])), [7; 6]);
    assert_eq!(ints(&(&one + array::arange(0, 3, 1, 2))), [7, 8, 9, 7, 8, 9]);
    for wrong in [array::zeros(0, 1).argmax(0), array::zeros(0, 1).min(..)] {
        assert_eq!(wrong.compute().expect_err("nothing to choose from").class(), ErrorClass::Value);
    }
}

#[test]
fn slices_are_pythons() {
    let x = matrix();
    assert_eq!(ints(&x.slice(1)), [4, 5, 6, 7]);
    assert_eq!(ints(&x.slice((.., 1..3))), [1, 2, 5, 6, 9, 10]);
    assert_eq!(ints(&x.slice((by(.., -2), -1))), [11, 3]);
    assert_eq!(ints(&x.slice((2.., ..-2))), [8, 9]);
    assert_eq!(x.slice((NEW_AXIS, 0, NEW_AXIS)).shape().expect("valid"), [1, 1, 4]);
    assert_eq!(x.slice(vec![Pick::from(0..0)]).shape().expect("valid"), [0, 4]);
    assert_eq!(ints(&x.slice(0).flip(0)), [3, 2, 1, 0]);
    assert_eq!(ints(&x.take(&[2, -3], 0).slice((.., 0))), [8, 0]);
    assert_eq!(x.transpose(&[1, 0]).shape().expect("valid"), [4, 3]);
    assert_eq!(ints(&array::arange(0, 2, 1, 1).broadcast_to([2, 2])), [0, 1, 0, 1]);
}

#[test]
fn shapes_change_without_changing_the_order() {
    let flat: Vec<i64> = (0..120).collect();
    for (from, chunks) in [(vec![120], vec![7]), (vec![6, 20], vec![4, 6]), (vec![2, 3, 4, 5], vec![1, 2, 3, 2])] {
        let x = array::from_slice(&flat, from.clone(), chunks.as_slice());
        for to in [vec![120], vec![6, 20], vec![20, 6], vec![1, 8, 15, 1], vec![2, 3, 20], vec![120, 1]] {
            let y = x.reshape(to.clone());
            assert_eq!(y.shape().expect("valid"), to);
            assert_eq!(ints(&y), flat, "{from:?} to {to:?}");
        }
    }
    assert_eq!(ints(&array::full([], 3, 1).reshape([1, 1])), [3]);
    assert_eq!(array::zeros([0, 4], 2).reshape([2, 0]).shape().expect("valid"), [2, 0]);
    assert_eq!(ints(&matrix().t().ravel())[..4], [0, 4, 8, 1]);
}

#[test]
fn arrays_are_joined_across_types_and_chunks() {
    let (a, b) = (array::zeros([2, 5], [1, 2]), array::arange(0, 5, 1, 3).reshape([1, 5]));
    let both = array::concatenate(&[&a, &b], 0);
    assert_eq!(both.shape().expect("valid"), [3, 5]);
    assert_eq!(floats(&both.slice(2)), [0.0, 1.0, 2.0, 3.0, 4.0]);
    let stacked = array::stack(&[&b, &b], -1);
    assert_eq!(stacked.shape().expect("valid"), [1, 5, 2]);
    assert_eq!(ints(&stacked), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
}

#[test]
fn products_agree_with_sums_over_pairs() {
    let (a, b) = (matrix(), matrix().t().rechunk([3, 2]));
    assert_eq!(ints(&array::matmul(&a, &b)), [14, 38, 62, 38, 126, 214, 62, 214, 366]);
    assert_eq!(ints(&array::matmul(&a, &array::arange(0, 4, 1, 3))), [14, 38, 62]);
    assert_eq!(ints(&array::tensordot(&a, &a, &[0, 1], &[0, 1])), [506]);
    assert_eq!(array::tensordot(&a, &a, &[], &[]).shape().expect("valid"), [3, 4, 3, 4]);
    let (x, y) = (a.astype(DType::F64), b.astype(DType::F64));
    assert_eq!(floats(&array::matmul(&x, &y).sum(..)), [1134.0]);
}

#[test]
fn sequences_end_where_they_should() {
    assert_eq!(ints(&array::arange(0, 7, 3, 2)), [0, 3, 6]);
    assert_eq!(ints(&array::arange(3, 3, 1, 2)), [0; 0]);
    assert_eq!(ints(&array::arange(i64::MIN, i64::MAX, i64::MAX, 2)), [i64::MIN, -1, i64::MAX - 1]);
    let line = floats(&array::linspace(0.1, 0.7, 11, 4));
    assert_eq!((line[0], line[10]), (0.1, 0.7));
    assert_eq!(floats(&array::linspace(2.0, 5.0, 1, 1)), [2.0]);
    assert_eq!(floats(&array::eye(2, 2, 0, 1)), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(array::empty([2], DType::U16, 1).to_vec::<u16>().expect("valid"), [0, 0]);
}

#[test]
fn mistakes_are_told_where_a_result_is_asked_for_with_the_line_that_made_them() {
    let line = line!() + 1;
    let wrong = array::ones([2, 3], 1) + array::ones([2, 4], 1);
    let later = (wrong.sqrt() * 2).sum(0);
    for error in [later.check(), later.shape().map(|_| ()), later.compute().map(|_| ())] {
        let error = error.expect_err("shapes differ");
        assert_eq!(error.class(), ErrorClass::Value);
        let text = error.to_string();
        assert!(text.contains("(2, 3)") && text.contains("(2, 4)"), "{text}");
        assert!(text.contains(&format!("array.rs:{line}")), "{text}");
    }
    let class = |array: Array| array.check().expect_err("wrong").class();
    let x = matrix();
    assert_eq!(class(x.sum(2)), ErrorClass::Value);
    assert_eq!(class(x.slice((0, 0, 0))), ErrorClass::Value);
    assert_eq!(class(x.slice(3)), ErrorClass::Value);
    assert_eq!(class(x.slice(by(.., 0))), ErrorClass::Value);
    assert_eq!(class(x.reshape([5, 2])), ErrorClass::Value);
    assert_eq!(class(x.rechunk([1])), ErrorClass::Value);
    assert_eq!(class(x.take(&[3], 0)), ErrorClass::Value);
    assert_eq!(class(x.transpose(&[0, 0])), ErrorClass::Value);
    assert_eq!(class(x.broadcast_to([4])), ErrorClass::Value);
    assert_eq!(class(x.broadcast_to([3, 5])), ErrorClass::Value);
    assert_eq!(class(array::concatenate(&[], 0)), ErrorClass::Value);
    assert_eq!(class(array::stack(&[&x, &x.t()], 0)), ErrorClass::Value);
    assert_eq!(class(array::matmul(&x, &x)), ErrorClass::Value);
    assert_eq!(class(array::arange(0, 1, 0, 1)), ErrorClass::Value);
    assert_eq!(class(array::from_slice(&[1.0], 2, 1)), ErrorClass::Value);
    assert_eq!(class(x.astype(DType::U8) + 256), ErrorClass::Value);
    assert_eq!(class(x.less(1) - x.less(2)), ErrorClass::Type);
    assert_eq!(class(array::random::Generator::new(0).normal(1, 0.0, -1.0, 1)), ErrorClass::Value);
    assert_eq!(class(array::random::Generator::new(0).integers(1, 3, 3, 1)), ErrorClass::Value);
    assert!(matches!(x.to_vec::<f64>(), Err(Error::Elements { expected: DType::F64, got: DType::I64 })));
    assert!(matches!(x.item::<i64>(), Err(Error::NotOne { got: 12 })));
}

#[test]
fn failures_of_a_run_name_the_line_of_the_operation() {
    let line = line!() + 1;
    let failing = array::arange(0, 4, 1, 2).pow(array::full(4, -1, 2));
    let error = failing.compute().expect_err("integers to negative powers");
    assert!(error.to_string().contains(&format!("array.rs:{line}")), "{error}");
}

#[test]
fn runs_keep_to_their_options() {
    let x = array::random::Generator::new(5).normal([400, 400], 0.0, 1.0, 50);
    let y = (&x - x.mean(keep(0))).t().rechunk([400, 20]);
    let here = y.compute_with(&Options::new().threads(0)).expect("runs");
    let folder = tempfile::tempdir().expect("a folder");
    let tight = Options::new().threads(2).memory_limit(1 << 20).spill_directory(folder.path());
    let spilled = y.compute_with(&tight).expect("runs");
    assert_eq!(here.as_slice::<f64>(), spilled.as_slice::<f64>());
    let error = y.rechunk(Chunks::WHOLE).cumsum(0).compute_with(&Options::new().memory_limit(1000)).expect_err("small");
    assert_eq!(error.class(), ErrorClass::Memory);
}

#[test]
fn what_is_shared_is_computed_once() {
    let x =
        array::random::Generator::new(9).exponential([300, 30], 2.0, [100, 30]).persist(&Options::new()).expect("runs");
    let results = array::compute_all(&[&x.sum(0), &x, &x.t()], &Options::new()).expect("runs");
    let (whole, turned) = (&results[1], &results[2]);
    assert_eq!((whole.shape(), turned.shape()), (&[300, 30][..], &[30, 300][..]));
    let (whole, turned) = (whole.as_slice::<f64>().expect("row-major"), turned.as_slice::<f64>().expect("row-major"));
    assert!((0..300).all(|i| (0..30).all(|j| whole[i * 30 + j] == turned[j * 300 + i])));
}

#[test]
fn random_numbers_depend_on_the_seed_and_the_place_only() {
    let draw =
        |seed: u64, chunks: Chunks| floats(&array::random::Generator::new(seed).uniform([20, 30], 0.0, 1.0, chunks));
    let first = draw(1, Chunks::WHOLE);
    assert_eq!(first, draw(1, Chunks::from([7, 11])));
    assert_ne!(first, draw(2, Chunks::WHOLE));
    assert_ne!(first, draw(1 << 32, Chunks::WHOLE));
    let mut random = array::random::Generator::new(1);
    assert_eq!(first, floats(&random.uniform([20, 30], 0.0, 1.0, 5)));
    assert_ne!(first, floats(&random.uniform([20, 30], 0.0, 1.0, 5)));
    let dice = ints(&random.integers(6000, 1, 7, 1000));
    assert!((1..7).all(|face| (800..1200).contains(&dice.iter().filter(|n| **n == face).count())));
    assert!((ints(&random.poisson(1000, 4.0, 100)).iter().sum::<i64>() - 4000).abs() < 400);
}

#[test]
fn zarr_arrays_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let x = matrix().rechunk([AxisChunks::Size(2), AxisChunks::Sizes(vec![1, 3])]);
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = folder.path().join(format!("{version:?}"));
        let options = ZarrOptions::new().version(version).chunks(&[2, 3]);
        x.to_zarr(&path, &options).expect("written");
        let back = array::open_zarr(&path).expect("opened");
        assert_eq!(back.chunks().expect("valid"), [vec![2, 1], vec![3, 1]]);
        assert_eq!(ints(&back), ints(&x));
        assert_eq!(x.to_zarr(&path, &options).expect_err("exists").class(), ErrorClass::Value);
        (&x + 1).to_zarr(&path, &options.overwrite(true)).expect("replaced");
        assert_eq!(ints(&array::open_zarr(&path).expect("opened")), ints(&(&x + 1)));
    }
    assert_eq!(array::open_zarr(folder.path().join("none")).expect_err("missing").class(), ErrorClass::Os);
}

#[test]
fn npy_files_and_chunks_in_memory_are_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    matrix().to_npy(&path, false).expect("written");
    assert!(matrix().to_npy(&path, false).is_err());
    let x = array::open_npy(&path, [2, 3]).expect("opened");
    assert_eq!(ints(&(&x - matrix())), [0; 12]);
    assert!(array::open_npy(&path, [2]).is_err());
    let chunk = Chunk::from_slice(&[1.5f32, 2.5], &[2]);
    assert_eq!(array::from_chunk(chunk, 1).to_vec::<f32>().expect("floats"), [1.5, 2.5]);
}

#[test]
fn mathematics_is_that_of_the_standard_library() {
    let x = array::linspace(0.1, 0.9, 9, 4);
    let close = |array: Array, expected: fn(f64) -> f64| {
        for (got, x) in floats(&array).into_iter().zip(floats(&x)) {
            assert!((got - expected(x)).abs() < 1e-14, "{got} for {x}");
        }
    };
    close(x.exp(), f64::exp);
    close(x.log(), f64::ln);
    close(x.sin(), f64::sin);
    close(x.cos(), f64::cos);
    close(x.tan(), f64::tan);
    close(x.arcsin(), f64::asin);
    close(x.arctan(), f64::atan);
    close(x.tanh(), f64::tanh);
    close(x.cbrt(), f64::cbrt);
    close(x.log1p(), f64::ln_1p);
    close(x.hypot(1.0), |x| x.hypot(1.0));
    close(x.arctan2(2.0), |x| x.atan2(2.0));
    close(array::clip(&x, 0.3, 0.5), |x| x.clamp(0.3, 0.5));
    close((x.clone() * 10).floor() / 10, |x| (x * 10.0).floor() / 10.0);
    assert!(x.is_finite().all(..).item::<u8>().expect("one") == 1);
}
