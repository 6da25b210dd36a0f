//! Products by plain loops, where no library is built in or the matrices are too large for it.
#![forbid(unsafe_code)]

use super::{Accum, Factor, Product};
use crate::element::Element;

/// C = A B or C += A B, a row of C at a time: c_i (+)= sum_k a_ik b_k.
pub(super) fn gemm<T: Element>(product: Product<'_, T>) {
    let Product { m, k, n, a, b, accum, mut c } = product;
    for i in 0..m {
        let row = c.row_mut(i);
        if accum == Accum::Replace {
            row.fill(T::ZERO);
        }
        for l in 0..k {
            let weight = a.at(i, l);
            match b {
                Factor::Plain(b) => row.iter_mut().zip(b.row(l)).for_each(|(c, &b)| *c += weight * b),
                Factor::Transposed(b) => (0..n).for_each(|j| row[j] += weight * b.row(j)[l]),
            }
        }
    }
}
