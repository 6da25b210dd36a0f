//! A norm of S = W A W^T that the samples give: what they have little of costs less.
//!
//! ```text
//! C = X^T X/n,  c = tr(C)/min(n, d),  lambda = c/32
//! T = ((C + lambda I)/(c + lambda))^(-1/4),  ||S||_T = ||T^-1 S T^-1||_F
//! ```
//!
//! Of all S that meet the targets, the one of least ||.||_T is T^2 A*(alpha) T^2 with A(T^2 A*(alpha) T^2) = y: it is
//! the one of least Frobenius norm for the samples T x_j, seen from the samples themselves, which are not touched. The
//! second moments of T x_j are about C^(1/2) c^(1/2), so that the products x (x) x differ by the square root of what
//! they differ by in size, and searches and descents take fewer steps. Where C is a multiple of the identity, T is the
//! identity.
//!
//! The exponent and lambda were measured on MNIST with noise of 0.01 (60,000 x 784, f <= 1e-5; products of the solver
//! with K by a preconditioner of d landmarks, and the squared error on the test set). With lambda = c/16, exponents of
//! 0, 1/4, 0.3 and 0.35 take 114, 32, 27 and 24 products and leave 1.17, 1.08, 1.26 and 2.12: farther on, what is noise
//! in the samples counts as much as what is not. With the exponent 1/4, a lambda of c/100, c/50, c/16 and c/4 takes 29,
//! 30, 32 and 39 and leaves 1.10, 1.10, 1.08 and 1.08. Conjugate gradients take 310 passes with c/16 and 294 with c/32.

mod moved;

use faer::Mat as Dense;
use memorize_data::dense::{self, Eigen};
use memorize_kernels::{Element, Engine, Mat, Rows, pass};

use crate::error::TrainError;
use crate::features::FeatureLayer;

pub use moved::Moved;

/// lambda/c: what is added to the second moments, as a share of their mean.
const RIDGE: f64 = 1.0 / 32.0;
/// T is the second moments, with what is added, to the power of minus this.
const EXPONENT: f64 = 0.25;
/// Matrices d x d of f64 that are there at once while T is found, with what the decomposition works in, as measured.
const SQUARES: u64 = 6;

/// The norm of S that is least among the matrices that meet the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// ||T^-1 S T^-1||_F, which the samples give.
    #[default]
    Data,
    /// ||S||_F.
    Frobenius,
}

/// T of some samples, by the eigenvectors u_1, ..., u_d of C, the largest moment first.
#[derive(Debug)]
pub struct Metric<T: Element> {
    /// u_i^T, the rows of a d x d matrix.
    vectors: Dense<f64>,
    /// Eigenvalues of T.
    roots: Vec<f64>,
    /// Second moments of u_i^T T x.
    moments: Vec<f64>,
    /// T^2.
    square: Mat<T>,
}

impl<T: Element> Metric<T> {
    /// Of the samples X, n x d, all ranks' together. n d^2 flops and a decomposition of C.
    ///
    /// # Errors
    /// [`TrainError::NoSamples`] for an empty set; [`TrainError::ZeroSamples`] if all are zero;
    /// [`TrainError::Eigenvalues`] if C is not finite or the decomposition fails.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    ///
    /// // C is the identity, and so is T.
    /// let x = Mat::from_slice(2, 2, &[2f64.sqrt(), 0.0, 0.0, 2f64.sqrt()]);
    /// let t = Metric::of(&Engine::best(), &x)?;
    /// assert!((t.moments()[0] - 1.0).abs() < 1e-14 && (t.square().row(0)[0] - 1.0).abs() < 1e-14);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn of<X: Rows<T>>(engine: &Engine, x: &X) -> Result<Self, TrainError> {
        let (spread, d) = (x.spread(), x.cols());
        let n = spread.whole();
        if n == 0 || d == 0 {
            return Err(TrainError::NoSamples);
        }
        let sums = pass::weighted_gram(engine, x, &vec![T::ONE; x.rows()])?;
        let trace: f64 = (0..d).map(|i| sums.row(i)[i].to_f64()).sum();
        if trace == 0.0 {
            return Err(TrainError::ZeroSamples);
        }
        if !trace.is_finite() {
            return Err(TrainError::Eigenvalues(d));
        }
        // By a power of two, so that samples of another scale have the same T to the last bit.
        let scale = 2f64.powi(trace.log2().floor() as i32);
        let scaled = || Dense::from_fn(d, d, |i, k| sums.row(i)[k].to_f64() / scale);
        let found = dense::eigen_among(&spread, d, scaled).ok_or(TrainError::Eigenvalues(d))?;
        Ok(Self::from_moments(found, trace / scale / n.min(d) as f64, scale / n as f64))
    }

    /// From the eigenvalues of C in some unit, with their mean c in it.
    fn from_moments(Eigen { values, vectors }: Eigen, mean: f64, unit: f64) -> Self {
        let d = values.len();
        let vectors = Dense::from_fn(d, d, |i, k| vectors[(k, d - 1 - i)]);
        // Rounding makes a zero negative.
        let values: Vec<f64> = values.into_iter().rev().map(|value| value.max(0.0)).collect();
        let root = |value: f64| ((value / mean + RIDGE) / (1.0 + RIDGE)).powf(-EXPONENT);
        let roots: Vec<f64> = values.iter().map(|&value| root(value)).collect();
        let moments = values.iter().zip(&roots).map(|(value, root)| value * unit * root * root).collect();
        let square = power(&vectors, &roots, 2);
        let square = Mat::from_fn(d, d, |i, k| T::from_f64(square[(i, k)]));
        Self { vectors, roots, moments, square }
    }

    /// Bytes that [`Metric::of`] takes at once, the samples apart, for samples of width d.
    ///
    /// ```
    /// use memorize_train::metric::Metric;
    ///
    /// assert!(Metric::<f32>::bytes(100) < Metric::<f32>::bytes(200));
    /// ```
    pub fn bytes(d: usize) -> u64 {
        (d as u64).saturating_mul(d as u64).saturating_mul(SQUARES * size_of::<f64>() as u64)
    }

    /// Second moments of the coordinates u_i^T T x, largest first.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 3.0]);
    /// let moments = Metric::of(&Engine::best(), &x)?.moments().to_vec();
    /// // 9/2 and 1/2 in C.
    /// assert!(moments[0] > moments[1] && moments[0] < 9.0 * moments[1]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn moments(&self) -> &[f64] {
        &self.moments
    }

    /// T^2, d x d.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    ///
    /// let t = Metric::of(&Engine::best(), &Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 3.0]))?;
    /// // What there is little of grows.
    /// assert!(t.square().row(0)[0] > t.square().row(1)[1]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn square(&self) -> &Mat<T> {
        &self.square
    }

    /// T, d x d.
    fn root(&self) -> Dense<f64> {
        power(&self.vectors, &self.roots, 1)
    }

    /// The first coordinates u_i^T T x of a sample x, as features of power 1.
    ///
    /// # Errors
    /// None that a constructed metric can meet.
    ///
    /// # Panics
    /// If there are not so many.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    ///
    /// let t = Metric::of(&Engine::best(), &Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 3.0]))?;
    /// // The second coordinate has the largest moment.
    /// assert_eq!(t.coordinates(1)?.weights().row(0)[0], 0.0);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn coordinates(&self, count: usize) -> Result<FeatureLayer<T>, TrainError> {
        let along = |i: usize, k: usize| T::from_f64(self.roots[i] * self.vectors[(i, k)]);
        FeatureLayer::new(Mat::from_fn(count, self.roots.len(), along), 1)
    }

    /// T^2 M T^2 for a symmetric M, d x d: 4 d^3 flops.
    ///
    /// # Errors
    /// If M is not d x d.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    ///
    /// let t = Metric::of(&Engine::best(), &Mat::from_slice(2, 1, &[1.0f64, -1.0]))?;
    /// assert_eq!(t.on_both_sides(&Engine::best(), &Mat::from_slice(1, 1, &[5.0]))?.row(0), [5.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn on_both_sides(&self, engine: &Engine, m: &Mat<T>) -> Result<Mat<T>, TrainError> {
        let d = self.square.rows();
        let times = |r: &Mat<T>| -> Result<Mat<T>, TrainError> {
            let mut product = Mat::zeros(d, r.rows());
            pass::features(engine, self.square.as_ref(), &engine.pack_rows(r.as_ref()), 1, product.as_mut())?;
            Ok(product)
        };
        // T^2 M^T, and T^2 of its transpose.
        times(&times(m)?)
    }

    /// T^2 S T^2 in f64 for a symmetric S.
    ///
    /// # Panics
    /// If S is not d x d.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    ///
    /// let t = Metric::of(&Engine::best(), &Mat::from_slice(2, 1, &[1.0f32, -1.0]))?;
    /// assert_eq!(t.outside(&Mat::from_slice(1, 1, &[0.1f64])).row(0), [0.1]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn outside(&self, s: &Mat<f64>) -> Mat<f64> {
        let d = self.roots.len();
        assert_eq!((s.rows(), s.cols()), (d, d), "size of S");
        let square = power(&self.vectors, &self.roots, 2);
        let s = Dense::from_fn(d, d, |i, k| s.row(i)[k]);
        let both = dense::product(dense::product(square.as_ref(), s.as_ref()).as_ref(), square.as_ref());
        Mat::from_fn(d, d, |i, k| 0.5 * (both[(i, k)] + both[(k, i)]))
    }
}

/// T^e from the eigenvectors of T, the rows of a matrix, and its eigenvalues.
fn power(vectors: &Dense<f64>, roots: &[f64], e: i32) -> Dense<f64> {
    let d = roots.len();
    let scaled = Dense::from_fn(d, d, |i, k| roots[i].powi(e) * vectors[(i, k)]);
    let found = dense::product(vectors.transpose(), scaled.as_ref());
    Dense::from_fn(d, d, |i, k| 0.5 * (found[(i, k)] + found[(k, i)]))
}

#[cfg(test)]
mod tests;
