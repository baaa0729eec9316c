//! Factors by what defines them.

use num_complex::Complex64;
use proptest::prelude::*;
use raskr_base::{Chunk, DType};

use super::*;
use crate::blocks::{cast, matmul, to_contiguous, transpose};

const TYPES: [DType; 4] = [DType::F32, DType::F64, DType::C64, DType::C128];

fn tolerance(dtype: DType) -> f64 {
    if matches!(dtype, DType::F32 | DType::C64) { 2e-3 } else { 1e-9 }
}

fn numbers(rows: usize, columns: usize, dtype: DType, seed: u64) -> Chunk {
    let draw = |i: u64| ((i + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 8e6 - 1.0;
    let values: Vec<Complex64> =
        (0..(rows * columns) as u64).map(|i| Complex64::new(draw(2 * i), draw(2 * i + 1))).collect();
    cast(&Chunk::from_slice(&values, &[rows, columns]), dtype).expect("native")
}

fn complex(chunk: &Chunk) -> Vec<Complex64> {
    let chunk = to_contiguous(&cast(chunk, DType::C128).expect("native"));
    chunk.as_slice::<Complex64>().expect("contiguous").to_vec()
}

fn distance(a: &Chunk, b: &Chunk) -> f64 {
    assert_eq!(a.shape(), b.shape());
    complex(a).iter().zip(complex(b)).fold(0.0, |most, (x, y)| most.max((x - y).norm()))
}

fn identity(size: usize, dtype: DType) -> Chunk {
    let values: Vec<f64> = (0..size * size).map(|i| f64::from(u8::from(i % (size + 1) == 0))).collect();
    cast(&Chunk::from_slice(&values, &[size, size]), dtype).expect("native")
}

fn product(a: &Chunk, b: &Chunk) -> Chunk {
    matmul(a, b).expect("shapes fit")
}

/// Q, R and what is wrong with them, for a matrix.
fn check_qr(a: &Chunk, scale: f64) {
    let limit = tolerance(a.dtype()) * scale;
    let (rows, columns) = (a.shape()[0], a.shape()[1]);
    let (reflectors, r) = factor(a).expect("a matrix");
    let q = orthogonal(&reflectors, None).expect("a matrix");
    assert_eq!(q.shape(), [rows, rows.min(columns)]);
    assert_eq!(r.shape(), [rows.min(columns), columns]);
    assert!(distance(&product(&q, &r), a) < limit, "Q R is another matrix: {rows} x {columns} {}", a.dtype());
    let gram = product(&adjoint(&q).expect("a matrix"), &q);
    assert!(distance(&gram, &identity(rows.min(columns), a.dtype())) < limit, "Q is not orthogonal");
    let entries = complex(&r);
    for i in 0..r.shape()[0] {
        assert!((0..i.min(columns)).all(|j| entries[i * columns + j] == Complex64::default()), "R is no triangle");
        assert!(entries[i * columns + i].im == 0.0, "LAPACK's diagonal is real");
    }
    assert_eq!(complex(&triangle(a).expect("a matrix")), entries, "R alone is another");
    let right = numbers(rows.min(columns), 7, a.dtype(), 3);
    let turned = orthogonal(&reflectors, Some(&right)).expect("shapes fit");
    assert!(distance(&turned, &product(&q, &right)) < limit);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn q_is_orthogonal_r_a_triangle_and_their_product_the_matrix(
        rows in 0usize..140, columns in 0usize..80, which in 0usize..4, seed in any::<u64>(), turned in any::<bool>(),
    ) {
        let a = numbers(rows, columns, TYPES[which], seed);
        let a = if turned { adjoint(&a).expect("a matrix") } else { a };
        check_qr(&a, 1.0 + (rows + columns) as f64);
    }

    #[test]
    fn factors_of_square_matrices_give_them_back(size in 1usize..60, which in 0usize..4, seed in any::<u64>()) {
        let dtype = TYPES[which];
        let a = numbers(size, size, dtype, seed);
        let limit = tolerance(dtype) * (1 + size * size) as f64;
        let (order, factors) = lu(&a, 0).expect("a matrix");
        let packed = complex(&factors);
        let part = |keep: &dyn Fn(usize, usize) -> Option<Complex64>| {
            let values: Vec<Complex64> = (0..size * size)
                .map(|k| keep(k / size, k % size).unwrap_or(packed[k]))
                .collect();
            cast(&Chunk::from_slice(&values, &[size, size]), dtype).expect("native")
        };
        let zero = Complex64::default();
        let lower = part(&|i, j| if i == j { Some(Complex64::new(1.0, 0.0)) } else { (j > i).then_some(zero) });
        let upper = part(&|i, j| (j < i).then_some(zero));
        let p = cast(&permutation(&[order]).expect("an order"), dtype).expect("native");
        prop_assert!(distance(&product(&p, &product(&lower, &upper)), &a) < limit);
        prop_assert!((0..size).all(|i| (0..i).all(|j| packed[i * size + j].norm() <= 1.5)), "pivots are the largest");

        let definite = product(&a, &adjoint(&a).expect("a matrix"));
        let shifted: Vec<Complex64> =
            complex(&definite).iter().zip(complex(&identity(size, dtype))).map(|(x, y)| x + y).collect();
        let definite = cast(&Chunk::from_slice(&shifted, &[size, size]), dtype).expect("native");
        let factor = cholesky(&definite).expect("positive definite");
        prop_assert!(distance(&product(&factor, &adjoint(&factor).expect("a matrix")), &definite) < limit);
        prop_assert!((0..size).all(|i| (i + 1..size).all(|j| complex(&factor)[i * size + j] == zero)));

        let x = numbers(size, 3, dtype, seed ^ 5);
        for (triangle, lower) in [(&factor, true), (&adjoint(&factor).expect("a matrix"), false)] {
            let b = product(triangle, &x);
            let solved = solve_triangular(triangle, b, lower).expect("not singular");
            prop_assert!(distance(&solved, &x) < limit * 10.0);
        }
    }

    #[test]
    fn singular_vectors_are_orthogonal_and_give_the_matrix_back(
        rows in 1usize..30, columns in 1usize..30, which in 0usize..4, seed in any::<u64>(),
    ) {
        let dtype = TYPES[which];
        let a = numbers(rows, columns, dtype, seed);
        let limit = tolerance(dtype) * (10 + rows + columns) as f64;
        for full in [false, true] {
            let Singular { left, values, right } = svd(&a, full).expect("finite");
            let count = rows.min(columns);
            let values = complex(&values);
            prop_assert!(values.windows(2).all(|pair| pair[0].re >= pair[1].re) && values.iter().all(|x| x.re >= 0.0));
            let (wide, high) = (left.shape()[1], right.shape()[0]);
            prop_assert_eq!((wide, high), if full { (rows, columns) } else { (count, count) });
            let diagonal: Vec<Complex64> = (0..wide * high)
                .map(|k| if k / high == k % high { values[k % high] } else { Complex64::default() })
                .collect();
            let diagonal = cast(&Chunk::from_slice(&diagonal, &[wide, high]), dtype).expect("native");
            prop_assert!(distance(&product(&left, &product(&diagonal, &right)), &a) < limit);
            let gram = product(&adjoint(&left).expect("a matrix"), &left);
            prop_assert!(distance(&gram, &identity(wide, dtype)) < limit);
            let alone = complex(&singular_values(&a).expect("finite"));
            prop_assert!(alone.iter().zip(&values).all(|(x, y)| (x - y).norm() < limit));
        }
    }
}

#[test]
fn tall_matrices_go_by_several_panels() {
    for dtype in TYPES {
        check_qr(&numbers(3000, 70, dtype, 9), 300.0);
        check_qr(&numbers(9000, 17, dtype, 11), 300.0);
    }
}

#[test]
fn columns_that_depend_on_each_other_are_no_trouble() {
    let columns = [vec![0.0; 4000], vec![1.0; 4000], vec![1.0; 4000], (0..4000).map(f64::from).collect()];
    let values: Vec<f64> = columns.iter().flatten().copied().collect();
    let a = to_contiguous(&transpose(&Chunk::from_slice(&values, &[4, 4000]), &[1, 0]).expect("axes"));
    check_qr(&a, 1e5);
}

#[test]
fn numbers_whose_squares_overflow_are_factored() {
    for scale in [1e200, 1e-200] {
        let values: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7 + 1) * scale).collect();
        let a = Chunk::from_slice(&values, &[4, 3]);
        let (reflectors, r) = factor(&a).expect("a matrix");
        let back = product(&orthogonal(&reflectors, None).expect("a matrix"), &r);
        assert!(distance(&back, &a) < 1e-12 * scale);
    }
}

#[test]
fn singular_matrices_have_an_lu_and_no_inverse() {
    let a = Chunk::from_slice(&[1.0f64, 2.0, 2.0, 4.0], &[2, 2]);
    let (_, factors) = lu(&a, 0).expect("a matrix");
    assert_eq!(factors.as_slice::<f64>(), Some(&[2.0, 4.0, 0.5, 0.0][..]));
    let upper = Chunk::from_slice(&[2.0f64, 4.0, 0.0, 0.0], &[2, 2]);
    let error = solve_triangular(&upper, Chunk::from_slice(&[1.0f64, 1.0], &[2]), false).expect_err("singular");
    assert_eq!(error.class(), raskr_base::ErrorClass::Matrix);
    assert!(cholesky(&a).is_err() && cholesky(&Chunk::from_slice(&[f64::NAN], &[1, 1])).is_err());
    assert!(singular_values(&Chunk::from_slice(&[f64::NAN], &[1, 1])).is_err());
}

#[test]
fn other_shapes_and_types_are_refused() {
    let integers = Chunk::from_slice(&[1i64, 2, 3, 4], &[2, 2]);
    assert!(factor(&integers).is_err() && svd(&integers, false).is_err() && cholesky(&integers).is_err());
    let line = Chunk::from_slice(&[1.0f64, 2.0], &[2]);
    assert!(triangle(&line).is_err() && lu(&line, 0).is_err() && adjoint(&line).is_err());
    let wide = Chunk::from_slice(&[1.0f64, 2.0], &[1, 2]);
    assert!(cholesky(&wide).is_err() && solve_triangular(&wide, line, true).is_err());
}
