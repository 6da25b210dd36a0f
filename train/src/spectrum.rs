//! Spectra of small problems by dense decomposition.

use faer::Mat as Dense;
use memorize_data::dense;
use memorize_kernels::{Element, Rows, rows};

use crate::error::TrainError;

/// Largest n for which the n x n matrix of squared inner products is formed and decomposed.
pub const DENSE_SAMPLES: usize = 2000;

/// Smallest and largest singular value of [x_1 (x) x_1, ..., x_n (x) x_n] (d^2 x n).
///
/// Their squares are the extreme eigenvalues of K = (X X^T) squared elementwise (n x n), for
/// (x_i (x) x_i) . (x_j (x) x_j) = (x_i . x_j)^2. The smallest is the paper's sigma when n <= d(d+1)/2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SingularValues {
    /// sigma_min.
    pub min: f64,
    /// sigma_max.
    pub max: f64,
}

/// The extreme singular values by a dense decomposition in f64; sigma_min is exact to about sigma_max times 1e-8, for
/// its square is what the decomposition yields.
///
/// # Errors
/// [`TrainError::NoSamples`] for an empty set, [`TrainError::Eigenvalues`] if the decomposition fails.
///
/// # Panics
/// If there are more than [`DENSE_SAMPLES`] samples.
///
/// ```
/// use memorize_kernels::Mat;
/// use memorize_train::spectrum::singular_values;
///
/// let found = singular_values(&Mat::from_slice(2, 2, &[0.0, 3.0, 2.0, 0.0]))?;
/// assert!((found.min - 4.0).abs() < 1e-12 && (found.max - 9.0).abs() < 1e-12);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn singular_values<T: Element, X: Rows<T>>(x: &X) -> Result<SingularValues, TrainError> {
    let n = x.spread().whole();
    assert!(n <= DENSE_SAMPLES, "{n} samples are too many for a dense decomposition");
    if n == 0 {
        return Err(TrainError::NoSamples);
    }
    let x = rows::whole(memorize_kernels::Par::Seq, x);
    let x = Dense::from_fn(n, x.cols(), |i, j| x.row(i)[j].to_f64());
    let products = dense::times_transpose(x.as_ref());
    let k = Dense::from_fn(n, n, |i, j| products[(i, j)] * products[(i, j)]);
    let eigenvalues = dense::eigenvalues(k.as_ref()).ok_or(TrainError::Eigenvalues(n))?;
    let (min, max) = eigenvalues.iter().fold((f64::INFINITY, 0.0f64), |(min, max), &v| (min.min(v), max.max(v)));
    Ok(SingularValues { min: min.max(0.0).sqrt(), max: max.sqrt() })
}

#[cfg(test)]
mod tests {
    use memorize_kernels::Mat;

    use super::*;

    #[test]
    fn agrees_with_the_svd_of_the_matrix_itself() {
        let x = crate::network::Network::<f64>::random(20, 8, 1.0, 3).unwrap().weights;
        let kronecker = Dense::from_fn(64, 20, |at, j| x.row(j)[at / 8] * x.row(j)[at % 8]);
        let exact = kronecker.singular_values().unwrap();
        let found = singular_values(&x).unwrap();
        assert!((found.max - exact[0]).abs() < 1e-10 * exact[0]);
        assert!((found.min - exact[19]).abs() < 1e-8 * exact[0]);
    }

    #[test]
    fn repeated_samples_are_degenerate() {
        let x = Mat::<f64>::from_fn(4, 3, |i, j| ((i / 2) * 3 + j) as f64);
        assert!(singular_values(&x).unwrap().min < 1e-6);
    }
}
