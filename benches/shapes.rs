//! The paper's shapes and the inputs that benchmarks run on.
#![forbid(unsafe_code)]

use memorize_kernels::{Element, Mat};

/// Sizes of a problem.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Samples n (of a batch, or the whole set).
    pub n: usize,
    /// Width d.
    pub d: usize,
    /// Neurons r, or features k.
    pub r: usize,
}

/// Full MNIST through the paper's two-layer net.
pub const MNIST: Shape = Shape { n: 60_000, d: 784, r: 3000 };
/// One mini-batch of it.
pub const BATCH: Shape = Shape { n: 128, ..MNIST };
/// Random features of MNIST's first 100 principal components.
pub const FEATURES: Shape = Shape { n: 60_000, d: 100, r: 750 };
/// The paper's synthetic set.
pub const SYNTHETIC: Shape = Shape { n: 300, d: 100, r: 300 };

/// A matrix of small values without structure that a kernel could profit from.
pub fn matrix<T: Element>(rows: usize, cols: usize) -> Mat<T> {
    Mat::from_fn(rows, cols, |i, j| T::from_f64(((i * 7919 + j * 104_729) % 10_007) as f64 / 100_070.0 - 0.05))
}

/// As many positive as negative signs.
pub fn signs<T: Element>(r: usize) -> Vec<T> {
    (0..r).map(|i| if i < r / 2 { T::ONE } else { -T::ONE }).collect()
}
