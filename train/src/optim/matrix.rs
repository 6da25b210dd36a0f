//! Sums and products of matrices of weights, for the optimisers that look along a direction: by all threads, in an
//! order that their shape fixes.

use memorize_kernels::{Element, Engine, Mat, pass};

/// All matrices here have the shape of W, and with it the same padding, of zeros.
const ONE_SHAPE: &str = "matrices of weights have one shape";

/// target += factor * v.
pub(super) fn add<T: Element>(engine: &Engine, target: &mut Mat<T>, factor: f64, v: &Mat<T>) {
    pass::add_scaled(engine, target.padded_mut(), T::from_f64(factor), v.padded()).expect(ONE_SHAPE);
}

/// <a, b>, summed in f64.
pub(super) fn dot<T: Element>(engine: &Engine, a: &Mat<T>, b: &Mat<T>) -> f64 {
    pass::dot(engine, a.padded(), b.padded()).expect(ONE_SHAPE)
}

/// ||a||, the Frobenius norm, summed in f64.
pub(super) fn norm<T: Element>(engine: &Engine, a: &Mat<T>) -> f64 {
    pass::norm(engine, a.padded())
}
