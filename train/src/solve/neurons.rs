//! From the matrix S to a network with x^T S x as its output: W with W A W^T = S by the eigendecomposition of S.

use faer::Mat as Dense;
use memorize_data::dense::{self, Eigen};
use memorize_kernels::{Mat, Spread};

use crate::error::TrainError;
use crate::network::{self, Network};

/// A network made of the eigenvectors of a symmetric matrix.
#[derive(Debug)]
pub(super) struct Spectral {
    /// r = 2 max(n_+, n_-) neurons, at least 2.
    pub network: Network<f64>,
    /// n_+, eigenvalues above zero.
    pub positive: usize,
    /// n_-, eigenvalues below zero.
    pub negative: usize,
}

/// S = sum_i lambda_i u_i u_i^T as neurons sqrt|lambda_i| u_i with the sign of lambda_i, largest modulus first.
/// Eigenvalues below the share `resolution` of the largest are zeros. The sign that has fewer is filled up with neurons
/// that are zero. All ranks keep those that rank 0 does.
///
/// # Errors
/// [`TrainError::Eigenvalues`] if the decomposition fails.
pub(super) fn from_matrix(space: &Spread, s: &Mat<f64>, resolution: f64) -> Result<Spectral, TrainError> {
    let d = s.rows();
    let failed = || TrainError::Eigenvalues(d);
    if s.iter().any(|value| !value.is_finite()) {
        return Err(failed());
    }
    let matrix = || Dense::from_fn(d, d, |i, k| s.row(i)[k]);
    let Eigen { values, vectors } = dense::eigen_among(space, d, matrix).ok_or_else(failed)?;
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    // In ascending order: those below zero from the front, those above from the back.
    let negative: Vec<usize> = (0..d).filter(|&i| values[i] < -resolution * largest).collect();
    let positive: Vec<usize> = (0..d).rev().filter(|&i| values[i] > resolution * largest).collect();

    let half = positive.len().max(negative.len()).max(1);
    let mut weights = Mat::zeros(2 * half, d);
    for (first, chosen) in [(0, &positive), (half, &negative)] {
        for (at, &i) in chosen.iter().enumerate() {
            let root = values[i].abs().sqrt();
            let row = weights.row_mut(first + at);
            row.iter_mut().enumerate().for_each(|(k, w)| *w = root * vectors[(k, i)]);
        }
    }
    let network = Network { weights, signs: network::signs(2 * half)? };
    Ok(Spectral { network, positive: positive.len(), negative: negative.len() })
}

#[cfg(test)]
mod tests {
    use memorize_kernels::{Engine, pass};

    use super::*;

    fn matrix(values: &[f64]) -> Mat<f64> {
        // Reflected, so that it is not diagonal: (I - 2 u u^T) diag(values) (I - 2 u u^T).
        let d = values.len();
        let u: Vec<f64> = (0..d).map(|i| (i + 1) as f64).collect();
        let length: f64 = u.iter().map(|u| u * u).sum();
        let q = |i: usize, k: usize| f64::from(u8::from(i == k)) - 2.0 * u[i] * u[k] / length;
        Mat::from_fn(d, d, |i, k| (0..d).map(|l| q(i, l) * values[l] * q(l, k)).sum())
    }

    #[test]
    fn the_network_is_the_matrix() {
        for values in [&[3.0, -1.0, 0.5, 0.0][..], &[2.0, 1.0, 4.0], &[-1.0], &[0.0, 0.0]] {
            let s = matrix(values);
            let Spectral { network, positive, negative } = from_matrix(&s.rows().into(), &s, f64::EPSILON).unwrap();
            assert_eq!(positive, values.iter().filter(|v| **v > 0.0).count());
            assert_eq!(negative, values.iter().filter(|v| **v < 0.0).count());
            assert_eq!(network.neurons(), 2 * positive.max(negative).max(1));
            let product = pass::network_matrix(&Engine::best(), network.weights.as_ref(), &network.signs).unwrap();
            assert!(product.iter().zip(s.iter()).all(|(found, exact)| (found - exact).abs() < 1e-14 * 10.0));
        }
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let s = Mat::from_slice(1, 1, &[f64::NAN]);
        assert!(matches!(from_matrix(&s.rows().into(), &s, f64::EPSILON), Err(TrainError::Eigenvalues(1))));
    }
}
