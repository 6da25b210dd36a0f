//! Principal components: the top directions of the training set, onto which training and test sets are projected.
//!
//! The mean is taken off before anything is multiplied: the products of samples far from the origin agree in all of
//! their digits, and what is left of a difference of them is rounding. All of it in f64, on one thread where the order
//! of operations could depend on the number of threads, so that every run sees the same directions.

use std::ops::Range;

use faer::Mat as Dense;
use memorize_kernels::rows::Mapped;
use memorize_kernels::{Element, Engine, Mat, Par, Rows, pass, rows};

use crate::dense::{self, Eigen, Svd};
use crate::error::DataError;

/// Most numbers of a set with n >= d that is decomposed itself, and not its covariance: 128 MiB.
const DENSE_ELEMENTS: usize = 1 << 24;
/// The same for n d min(n, d), what the decomposition costs up to a factor: half a second.
const DENSE_PRODUCTS: usize = 1 << 30;
/// Residual of a decomposition, relative to the largest value, above which it has failed. Rounding leaves some 1e-15.
const RESIDUAL: f64 = 1e-10;

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

/// How the directions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// By the singular value decomposition of X - mean: in the span of the samples where they are fewer than
    /// coordinates, and without squaring the condition number.
    Samples,
    /// By the eigenvectors of the covariance, which one pass over the samples sums up.
    Covariance,
}

impl Method {
    fn of(n: usize, d: usize) -> Self {
        let elements = n.checked_mul(d).filter(|&elements| elements <= DENSE_ELEMENTS);
        let products = elements.and_then(|elements| elements.checked_mul(n.min(d)));
        let small = products.is_some_and(|products| products <= DENSE_PRODUCTS);
        if n < d || small { Self::Samples } else { Self::Covariance }
    }
}

impl Projection {
    /// The m directions of largest variance of `x` (n x d), those of the covariance's largest eigenvalues
    /// 1/n sum_j (x_j - mean)(x_j - mean)^T. n samples span no more than n directions.
    ///
    /// # Errors
    /// [`DataError::TooManyComponents`] if m > min(n, d), [`DataError::Eigenvectors`] if the decomposition fails.
    ///
    /// ```
    /// use memorize_data::Projection;
    /// use memorize_kernels::{Engine, Mat};
    ///
    /// // On a line: one direction has all of the variance.
    /// let x = Mat::from_slice(3, 2, &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    /// let projection = Projection::fit(&Engine::best(), &x, 1)?;
    /// assert!((projection.variances[0] - 4.0 / 3.0).abs() < 1e-12 && projection.mean == [2.0, 2.0]);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn fit(engine: &Engine, x: &impl Rows<f64>, m: usize) -> Result<Self, DataError> {
        let (n, d) = (x.spread().whole(), x.cols());
        if m > n.min(d) {
            return Err(DataError::TooManyComponents { asked: m, samples: n, width: d });
        }
        let mean = mean(x);
        let (mut basis, variances) = match Method::of(n, d) {
            Method::Samples => by_samples(&centred(x, &mean), m),
            Method::Covariance => by_covariance(engine, &centred(x, &mean), m),
        }
        .ok_or(DataError::Eigenvectors { width: d })?;
        (0..m).for_each(|i| orient(basis.row_mut(i)));
        Ok(Self { basis, mean, variances })
    }

    /// Bytes that [`Projection::fit`] takes at once for n samples of width d, at most, with so many threads.
    ///
    /// ```
    /// use memorize_data::Projection;
    ///
    /// // More samples take more, until the covariance is cheaper.
    /// assert!(Projection::bytes(10, 784, 1) < Projection::bytes(100, 784, 1));
    /// ```
    pub fn bytes(samples: usize, width: usize, threads: usize) -> u64 {
        let [n, d, threads] = [samples, width, threads].map(|size| size as u64);
        let numbers = match Method::of(samples, width) {
            // The samples, as they are and as columns, the decomposition's copy, and its vectors; and squares of n.
            Method::Samples => n.saturating_mul(d.saturating_mul(4).saturating_add(n.saturating_mul(17) / 2)),
            // The covariance, a copy, its eigenvectors, and the decomposition's workspace; and the triangles that it is
            // added up of.
            Method::Covariance => d.saturating_mul(d).saturating_mul(threads.saturating_mul(5).saturating_add(20)) / 4,
        };
        numbers.saturating_mul(size_of::<f64>() as u64)
    }

    /// Number of directions m.
    ///
    /// ```
    /// use memorize_data::Projection;
    /// use memorize_kernels::{Engine, Mat};
    ///
    /// let x = Mat::from_fn(5, 3, |i, k| (i * i + k) as f64);
    /// assert_eq!(Projection::fit(&Engine::best(), &x, 2)?.components(), 2);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn components(&self) -> usize {
        self.basis.rows()
    }

    /// B rounded to T.
    ///
    /// ```
    /// use memorize_data::Projection;
    /// use memorize_kernels::{Engine, Mat};
    ///
    /// let x = Mat::from_slice(2, 2, &[0.0, -1.0, 0.0, 1.0]);
    /// let basis = Projection::fit(&Engine::best(), &x, 1)?.basis_as::<f32>();
    /// assert!(basis.row(0)[0].abs() < 1e-6 && (basis.row(0)[1].abs() - 1.0).abs() < 1e-6);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn basis_as<T: Element>(&self) -> Mat<T> {
        Mat::from_fn(self.basis.rows(), self.basis.cols(), |i, k| T::from_f64(self.basis.row(i)[k]))
    }
}

/// Right singular vectors of X - mean, a row each, and the squares of their singular values over n.
fn by_samples(centred: &impl Rows<f64>, m: usize) -> Option<(Mat<f64>, Vec<f64>)> {
    let x = rows::whole(Par::POOL, centred);
    centred.spread().from_first(|| directions_of(&x, m), || room(m, x.cols()))
}

fn directions_of(x: &Mat<f64>, m: usize) -> Option<(Mat<f64>, Vec<f64>)> {
    let (n, d) = (x.rows(), x.cols());
    // As a tall matrix, of which the decomposition makes a triangular one first.
    let tall = if n < d { Dense::from_fn(d, n, |k, j| x.row(j)[k]) } else { Dense::from_fn(n, d, |j, k| x.row(j)[k]) };
    let Svd { u, values, v } = dense::thin_svd(tall.as_ref())?;
    let (directions, others) = if n < d { (u, v) } else { (v, u) };
    let basis = Mat::from_fn(m, d, |i, k| directions[(k, i)]);
    // X v = s u.
    let residual = |i: usize| {
        let defect = |j: usize| dot(x.row(j), basis.row(i)) - values[i] * others[(j, i)];
        (0..n).map(|j| defect(j).powi(2)).sum::<f64>().sqrt()
    };
    let largest = values.first().copied().unwrap_or(0.0);
    let good = |i: usize| residual(i) <= RESIDUAL * largest && (dot(basis.row(i), basis.row(i)) - 1.0).abs() < RESIDUAL;
    (0..m).all(good).then(|| (basis, values[..m].iter().map(|value| value.powi(2) / n as f64).collect()))
}

/// Eigenvectors of the covariance, a row each, and their eigenvalues.
fn by_covariance(engine: &Engine, centred: &impl Rows<f64>, m: usize) -> Option<(Mat<f64>, Vec<f64>)> {
    let (n, d) = (centred.spread().whole(), centred.cols());
    let weights = vec![1.0 / n as f64; centred.rows()];
    let covariance = pass::weighted_gram(engine, centred, &weights).expect("a weight for every sample");
    centred.spread().from_first(|| eigenvectors_of(&covariance, m), || room(m, d))
}

fn eigenvectors_of(covariance: &Mat<f64>, m: usize) -> Option<(Mat<f64>, Vec<f64>)> {
    let d = covariance.rows();
    let covariance_of = |i: usize, k: usize| covariance.row(i)[k];
    // The largest come last.
    let Eigen { values, vectors } = dense::eigen(Dense::from_fn(d, d, covariance_of).as_ref())?;
    let basis = Mat::from_fn(m, d, |i, k| vectors[(k, d - 1 - i)]);
    let residual = |i: usize| {
        let defect = |k: usize| dot(covariance.row(k), basis.row(i)) - values[d - 1 - i] * basis.row(i)[k];
        (0..d).map(|k| defect(k).powi(2)).sum::<f64>().sqrt()
    };
    let good = (0..m).all(|i| residual(i) <= RESIDUAL * values[d - 1]);
    // Rounding can leave a variance of zero a little below.
    good.then(|| (basis, (0..m).map(|i| values[d - 1 - i].max(0.0)).collect()))
}

/// For as many directions and their variances.
fn room(m: usize, d: usize) -> (Mat<f64>, Vec<f64>) {
    (Mat::zeros(m, d), vec![0.0; m])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Samples without their mean.
fn centred<'a, X: Rows<f64>>(x: &'a X, mean: &'a [f64]) -> Mapped<'a, X, impl Fn(&mut [f64]) + Sync> {
    Mapped::new(x, move |row: &mut [f64]| row.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean))
}

/// Mean of the rows: what their sum comes to, and then the mean of what is left when that is taken off.
fn mean(x: &impl Rows<f64>) -> Vec<f64> {
    let first = rough_mean(x);
    let left = rough_mean(&centred(x, &first));
    first.iter().zip(left).map(|(first, left)| first + left).collect()
}

/// Mean of the rows, block after block in order.
fn rough_mean(x: &impl Rows<f64>) -> Vec<f64> {
    let (spread, d) = (x.spread(), x.cols());
    let block = memorize_kernels::block::ROW_BLOCK;
    let sums_of = |range: Range<usize>| {
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
    let sums = spread.reduce(Par::POOL, &|| vec![0.0; d], &sums_of, &add);
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
    fn an_offset_changes_nothing_but_the_mean() {
        // The same points around 1e8 in every coordinate: what is left of products there is rounding.
        for offset in [0.0, 1e6, 1e8] {
            let far = Mat::from_slice(2, 2, &[offset + 1.0, offset, offset, offset + 1.0]);
            let projection = Projection::fit(&Engine::best(), &far, 1).unwrap();
            assert_eq!(projection.mean, [offset + 0.5; 2]);
            let half = 0.5f64.sqrt();
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} against {b}");
            projection.basis.row(0).iter().zip([half, half]).for_each(|(found, exact)| close(found.abs(), exact));
            close(projection.basis.row(0)[0], -projection.basis.row(0)[1]);
            close(projection.variances[0], 0.5);
        }
    }

    #[test]
    fn both_methods_find_the_same_directions_even_far_from_the_origin() {
        let points = Mat::from_fn(60, 7, |j, k| 1e7 + ((j * 37 + k * 11) % 23) as f64 * (k + 1) as f64);
        let mean = mean(&points);
        let centred = centred(&points, &mean);
        let (samples, variances) = by_samples(&centred, 7).unwrap();
        let (covariance, same) = by_covariance(&Engine::best(), &centred, 7).unwrap();
        for i in 0..7 {
            assert!((variances[i] - same[i]).abs() < 1e-12 * variances[0]);
            assert!((dot(samples.row(i), covariance.row(i)).abs() - 1.0).abs() < 1e-10, "direction {i}");
        }
    }

    #[test]
    fn small_variances_are_told_from_rounding() {
        // Standard deviations 1, 1e-6 and 1e-9 along the axes of `points`: squared, the last is below the rounding of
        // the first.
        let axes = [[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]];
        let lengths = [1.0, 1e-6, 1e-9];
        let x = Mat::from_fn(6, 3, |j, k| if j % 2 == 0 { 1.0 } else { -1.0 } * lengths[j / 2] * axes[j / 2][k]);
        let found = Projection::fit(&Engine::best(), &x, 3).unwrap();
        for (i, axis) in axes.iter().enumerate() {
            assert!((dot(found.basis.row(i), axis).abs() - 1.0).abs() < 1e-12, "{:?}", found.basis.row(i));
            assert!((found.variances[i] / (lengths[i].powi(2) / 3.0) - 1.0).abs() < 1e-6, "{:?}", found.variances);
        }
    }

    #[test]
    fn few_wide_samples_are_decomposed_in_their_span() {
        // Two directions of 4000, by hand: x_j = 1 + a_j u + b_j v with u and v orthonormal.
        let (n, d) = (12, 4000);
        let (u, v) = ((d as f64).sqrt().recip(), (d as f64).sqrt().recip());
        let coordinate = |j: usize| [3.0 * (j as f64 - 5.5), if j.is_multiple_of(2) { 1.0 } else { -1.0 }];
        let sign = |k: usize| if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        let x = Mat::from_fn(n, d, |j, k| 1.0 + coordinate(j)[0] * u + coordinate(j)[1] * v * sign(k));
        let found = Projection::fit(&Engine::best(), &x, 2).unwrap();
        let moments = [0, 1].map(|i| (0..n).map(|j| coordinate(j)[i].powi(2)).sum::<f64>() / n as f64);
        let cross = (0..n).map(|j| coordinate(j)[0] * coordinate(j)[1]).sum::<f64>() / n as f64;
        let spread = ((moments[0] - moments[1]).powi(2) / 4.0 + cross.powi(2)).sqrt();
        let middle = (moments[0] + moments[1]) / 2.0;
        for (found, exact) in found.variances.iter().zip([middle + spread, middle - spread]) {
            assert!((found - exact).abs() < 1e-11 * exact, "{found} against {exact}");
        }
        assert!((dot(found.basis.row(0), found.basis.row(1))).abs() < 1e-13);
        // Five times 60,000 x 50, not 60,000 x 60,000.
        assert_eq!(Projection::bytes(50, 60_000, 2), 8 * 50 * (4 * 60_000 + 425));
    }

    #[test]
    fn more_directions_than_there_are_is_an_error() {
        let error = Projection::fit(&Engine::best(), &points(), 4).unwrap_err();
        assert!(matches!(error, DataError::TooManyComponents { asked: 4, samples: 6, width: 3 }), "{error}");
        let wide = Mat::from_fn(3, 5, |j, k| (j * k) as f64);
        let error = Projection::fit(&Engine::best(), &wide, 4).unwrap_err();
        assert!(error.to_string().contains("ask for at most 3"), "{error}");
    }
}
