//! Principal components: the top directions of the training set, onto which training and test sets are projected.

use faer::{Mat as Dense, Side};
use memorize_kernels::{Element, Engine, Mat, Par, Rows, pass};

use crate::error::DataError;

/// A centred orthogonal projection x -> B (x - mean).
#[derive(Clone, Debug)]
pub struct Projection {
    /// B, m x d: orthonormal rows, in order of falling variance; the element of largest modulus in each is positive.
    pub basis: Mat<f64>,
    /// Mean of the training set, d.
    pub mean: Vec<f64>,
    /// Variance of the training set along each row of B, m.
    pub variances: Vec<f64>,
}

impl Projection {
    /// The m directions of largest variance of `x` (n x d): the leading eigenvectors of the covariance
    /// 1/n sum_j x_j x_j^T - mean mean^T. Always in f64, on one thread where the order of operations could depend on
    /// the number of threads, so that every run sees the same directions.
    ///
    /// # Errors
    /// [`DataError::TooManyComponents`] if m > d, [`DataError::Eigenvectors`] if the decomposition fails.
    pub fn fit(engine: &Engine, x: &impl Rows<f64>, m: usize) -> Result<Self, DataError> {
        let (n, d) = (x.spread().whole(), x.cols());
        if m > d {
            return Err(DataError::TooManyComponents { asked: m, width: d });
        }
        let weight = 1.0 / n.max(1) as f64;
        let second = pass::weighted_gram(engine, x, &vec![weight; x.rows()]).expect("a weight for every sample");
        let mean = mean(x);
        let covariance = Dense::from_fn(d, d, |i, k| second.row(i)[k] - mean[i] * mean[k]);
        faer::set_global_parallelism(faer::Par::Seq);
        let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|_| DataError::Eigenvectors { width: d })?;
        // faer sorts the eigenvalues in ascending order.
        let (vectors, values) = (eigen.U(), eigen.S().column_vector());
        let mut basis = Mat::from_fn(m, d, |i, k| vectors[(k, d - 1 - i)]);
        (0..m).for_each(|i| orient(basis.row_mut(i)));
        Ok(Self { basis, mean, variances: (0..m).map(|i| values[d - 1 - i]).collect() })
    }

    /// Number of directions m.
    pub fn components(&self) -> usize {
        self.basis.rows()
    }

    /// B mean: what is subtracted from B x.
    pub fn offset(&self) -> Vec<f64> {
        let dot = |row: &[f64]| row.iter().zip(&self.mean).map(|(b, mean)| b * mean).sum();
        (0..self.components()).map(|i| dot(self.basis.row(i))).collect()
    }

    /// B rounded to T.
    pub fn basis_as<T: Element>(&self) -> Mat<T> {
        Mat::from_fn(self.basis.rows(), self.basis.cols(), |i, k| T::from_f64(self.basis.row(i)[k]))
    }
}

/// Mean of the rows, block after block in order.
fn mean(x: &impl Rows<f64>) -> Vec<f64> {
    let (spread, d) = (x.spread(), x.cols());
    let block = memorize_kernels::block::ROW_BLOCK;
    let sums_of = |range: std::ops::Range<usize>| {
        let mut scratch = Mat::zeros(if x.needs_scratch() { block } else { 0 }, d);
        let mut sums = vec![0.0; d];
        for first in range.clone().step_by(block) {
            let rows = first..range.end.min(first + block);
            let view = x.block(rows.clone(), &mut scratch);
            for i in 0..rows.len() {
                sums.iter_mut().zip(view.row(i)).for_each(|(sum, value)| *sum += value);
            }
        }
        sums
    };
    let add = |mut left: Vec<f64>, right: Vec<f64>| {
        left.iter_mut().zip(right).for_each(|(sum, value)| *sum += value);
        left
    };
    let sums = spread.reduce(Par::Rayon, &|| vec![0.0; d], &sums_of, &add);
    sums.iter().map(|sum| sum / spread.whole().max(1) as f64).collect()
}

/// Fixes the sign of an eigenvector: its first element of largest modulus becomes positive.
fn orient(row: &mut [f64]) {
    let largest = row.iter().fold(0.0f64, |largest, v| if v.abs() > largest.abs() { *v } else { largest });
    if largest < 0.0 {
        row.iter_mut().for_each(|v| *v = -*v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on an ellipsoid's axes, shifted: variances 8, 2 and 1/2 along known directions.
    fn points() -> Mat<f64> {
        let axes = [[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]];
        let lengths = [24f64.sqrt(), 6f64.sqrt(), 1.5f64.sqrt()];
        Mat::from_fn(6, 3, |i, k| {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            sign * lengths[i / 2] * axes[i / 2][k] + [5.0, -3.0, 2.0][k]
        })
    }

    #[test]
    fn directions_variances_and_mean_are_found() {
        let projection = Projection::fit(&Engine::best(), &points(), 2).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} against {b}");
        [5.0, -3.0, 2.0].into_iter().zip(&projection.mean).for_each(|(a, &b)| close(a, b));
        [8.0, 2.0].into_iter().zip(&projection.variances).for_each(|(a, &b)| close(a, b));
        [0.6, 0.8, 0.0].into_iter().zip(projection.basis.row(0)).for_each(|(a, &b)| close(a, b));
        [0.8, -0.6, 0.0].into_iter().zip(projection.basis.row(1)).for_each(|(a, &b)| close(a, b));
    }

    #[test]
    fn more_directions_than_there_are_is_an_error() {
        let error = Projection::fit(&Engine::best(), &points(), 4).unwrap_err();
        assert!(matches!(error, DataError::TooManyComponents { asked: 4, width: 3 }), "{error}");
    }
}
