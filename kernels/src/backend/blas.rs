//! Products by the cblas that the program is linked with: GEMM, and SYRK and TRMM where they save half of the flops.
//!
//! The interface counts in 32-bit integers. A matrix with a side or a stride beyond them goes to `matrixmultiply`,
//! or to plain loops where that is not built in.

use cblas_sys::{
    CBLAS_TRANSPOSE, CblasNoTrans, CblasNonUnit, CblasRight, CblasRowMajor, CblasTrans, CblasUpper, cblas_dgemm,
    cblas_dsyrk, cblas_dtrmm, cblas_sgemm, cblas_ssyrk, cblas_strmm,
};

#[cfg(not(feature = "matrixmultiply"))]
use super::loops as others;
#[cfg(feature = "matrixmultiply")]
use super::matrixmultiply as others;
use super::{Accum, Factor, Product, is_f32};
use crate::element::Element;
use crate::mat::{MatMut, MatRef};

// Whatever provider the program chooses through `blas-src` is linked with everything that calls this crate, its own
// tests and examples too. Without a choice that crate is empty, and the program links a cblas in a way of its own.
extern crate blas_src as _;

/// A square matrix of 2^31 rows is not in any memory, and what goes with it are blocks of few rows of the same width.
const FITS: &str = "the sides of a square matrix fit 32-bit integers";

/// C = A B or C += A B.
pub(super) fn gemm<T: Element>(product: Product<'_, T>) {
    let ((at, a), (bt, b)) = (transposition(product.a), transposition(product.b));
    let sizes = [product.m, product.n, product.k, leading(a), leading(b), product.c.stride().max(1)];
    let Some([m, n, k, lda, ldb, ldc]) = integers(sizes) else { return others::gemm(product) };
    let Product { accum, mut c, .. } = product;
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    let add = accum == Accum::Add;
    if is_f32::<T>() {
        let (a, b, beta, c) = (a.cast(), b.cast(), f32::from(add), c.cast());
        // SAFETY: the pointers and strides come from views that hold every element of the shapes that `Product::new`
        // has compared, `c` is borrowed mutably, no stride is shorter than its row or below 1, and T is f32.
        unsafe { cblas_sgemm(CblasRowMajor, at, bt, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc) }
    } else {
        let (a, b, beta, c) = (a.cast(), b.cast(), f64::from(add), c.cast());
        // SAFETY: as above, with T f64.
        unsafe { cblas_dgemm(CblasRowMajor, at, bt, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc) }
    }
}

/// P = X T with an upper triangular T, as the copy of X times T in place.
pub(super) fn times_upper<T: Element>(x: MatRef<'_, T>, t: MatRef<'_, T>, mut p: MatMut<'_, T>) {
    let (b, d) = (x.rows(), x.cols());
    assert!((t.rows(), t.cols()) == (d, d) && (p.rows(), p.cols()) == (b, d), "X T with T {d} x {d}");
    for j in 0..b {
        p.row_mut(j).copy_from_slice(x.row(j));
    }
    let [b, d, ldt, ldp] = integers([b, d, leading(t), p.stride().max(1)]).expect(FITS);
    let (t, p) = (t.as_ptr(), p.as_mut_ptr());
    let (side, triangle, plain, diagonal) = (CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit);
    if is_f32::<T>() {
        let (t, p) = (t.cast(), p.cast());
        // SAFETY: the pointers and strides come from views of the shapes compared above, `p` is borrowed mutably, no
        // stride is shorter than its row or below 1, and T is f32.
        unsafe { cblas_strmm(CblasRowMajor, side, triangle, plain, diagonal, b, d, 1.0, t, ldt, p, ldp) }
    } else {
        let (t, p) = (t.cast(), p.cast());
        // SAFETY: as above, with T f64.
        unsafe { cblas_dtrmm(CblasRowMajor, side, triangle, plain, diagonal, b, d, 1.0, t, ldt, p, ldp) }
    }
}

/// C += sum_j v_j x_j x_j^T in the upper triangle.
///
/// A symmetric product has no weights, so rows are scaled by sqrt|v_j|; those with v_j < 0 are taken from C in a second
/// one. Together the two cost b d^2 flops, half of what a general product of diag(v) X and X does.
pub(super) fn add_gram<T: Element>(x: MatRef<'_, T>, v: &[T], scratch: &mut [T], mut c: MatMut<'_, T>) {
    let (b, d) = (x.rows(), x.cols());
    let scaled = &mut scratch[..b * d];
    // Positive rows from the front, negative ones from the back.
    let (mut positive, mut negative) = (0, b);
    for (j, &v) in v.iter().enumerate() {
        let (at, root) = if v < T::ZERO {
            negative -= 1;
            (negative, (-v).sqrt())
        } else {
            positive += 1;
            (positive - 1, v.sqrt())
        };
        scaled[at * d..][..d].iter_mut().zip(x.row(j)).for_each(|(scaled, &x)| *scaled = root * x);
    }
    let (plus, minus) = scaled.split_at(positive * d);
    syrk(1.0, MatRef::new(plus, positive, d, d), c.reborrow());
    syrk(-1.0, MatRef::new(minus, b - positive, d, d), c);
}

/// C += alpha X^T X in the upper triangle. x: b x d, c: d x d.
fn syrk<T: Element>(alpha: f64, x: MatRef<'_, T>, mut c: MatMut<'_, T>) {
    let (b, d) = (x.rows(), x.cols());
    assert!((c.rows(), c.cols()) == (d, d), "X^T X with X {b} x {d} into {} x {}", c.rows(), c.cols());
    if b == 0 {
        return;
    }
    let [b, d, ldx, ldc] = integers([b, d, leading(x), c.stride().max(1)]).expect(FITS);
    let (x, c) = (x.as_ptr(), c.as_mut_ptr());
    let (triangle, transposed) = (CblasUpper, CblasTrans);
    if is_f32::<T>() {
        let (alpha, x, c) = (alpha as f32, x.cast(), c.cast());
        // SAFETY: the pointers and strides come from views of the shapes compared above, `c` is borrowed mutably, no
        // stride is shorter than its row or below 1, and T is f32.
        unsafe { cblas_ssyrk(CblasRowMajor, triangle, transposed, d, b, alpha, x, ldx, 1.0, c, ldc) }
    } else {
        let (x, c) = (x.cast(), c.cast());
        // SAFETY: as above, with T f64.
        unsafe { cblas_dsyrk(CblasRowMajor, triangle, transposed, d, b, alpha, x, ldx, 1.0, c, ldc) }
    }
}

fn transposition<T: Element>(factor: Factor<'_, T>) -> (CBLAS_TRANSPOSE, MatRef<'_, T>) {
    match factor {
        Factor::Plain(m) => (CblasNoTrans, m),
        Factor::Transposed(m) => (CblasTrans, m),
    }
}

/// The leading dimension of a row-major matrix, which must not be 0 even where there is nothing.
fn leading<T: Element>(m: MatRef<'_, T>) -> usize {
    m.stride().max(1)
}

/// Sizes as the interface counts them; none if one does not fit.
fn integers<const N: usize>(sizes: [usize; N]) -> Option<[i32; N]> {
    let mut integers = [0; N];
    for (integer, size) in integers.iter_mut().zip(sizes) {
        *integer = i32::try_from(size).ok()?;
    }
    Some(integers)
}
