//! Products by the crate `matrixmultiply`.

use super::{Accum, Factor, Product, is_f32};
use crate::element::Element;

/// C = A B or C += A B.
pub(super) fn gemm<T: Element>(product: Product<'_, T>) {
    let Product { m, k, n, a, b, accum, mut c } = product;
    let ((a, rsa, csa), (b, rsb, csb)) = (strided(a), strided(b));
    let (rsc, c) = (c.stride() as isize, c.as_mut_ptr());
    let add = accum == Accum::Add;
    if is_f32::<T>() {
        let beta = f32::from(add);
        // SAFETY: the pointers and strides come from views that hold every element of the shapes that `Product::new`
        // has compared, `c` is borrowed mutably, and T is f32.
        unsafe { matrixmultiply::sgemm(m, k, n, 1.0, a.cast(), rsa, csa, b.cast(), rsb, csb, beta, c.cast(), rsc, 1) }
    } else {
        let beta = f64::from(add);
        // SAFETY: as above, with T f64.
        unsafe { matrixmultiply::dgemm(m, k, n, 1.0, a.cast(), rsa, csa, b.cast(), rsb, csb, beta, c.cast(), rsc, 1) }
    }
}

/// (pointer, row stride, column stride).
fn strided<T: Element>(factor: Factor<'_, T>) -> (*const T, isize, isize) {
    match factor {
        Factor::Plain(m) => (m.as_ptr(), m.stride() as isize, 1),
        Factor::Transposed(m) => (m.as_ptr(), 1, m.stride() as isize),
    }
}
