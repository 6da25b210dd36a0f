//! Sums and products of matrices of weights, for the optimisers that look along a direction.

use memorize_kernels::{Element, Mat};

/// target += factor * v.
pub(super) fn add<T: Element>(target: &mut Mat<T>, factor: f64, v: &Mat<T>) {
    let factor = T::from_f64(factor);
    target.padded_mut().iter_mut().zip(v.padded()).for_each(|(target, &v)| *target += factor * v);
}

/// <a, b>, summed in f64.
pub(super) fn dot<T: Element>(a: &Mat<T>, b: &Mat<T>) -> f64 {
    a.padded().iter().zip(b.padded()).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}
