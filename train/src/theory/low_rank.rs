//! A preconditioner for an n x n matrix K that is positive semidefinite: a matrix of low rank that is close to it,
//! shifted by the mean of the diagonal that it leaves out.
//!
//! ```text
//! K ~ B B^T,  mu = mean_j (K_jj - ||b_j||^2)
//! P = (B B^T + mu I)^-1 = (I - B (mu I + B^T B)^-1 B^T)/mu
//! ```
//!
//! [`super::nystrom`] makes B from columns of K, [`super::pairs`] from the largest coordinates of the samples.

use faer::Mat as Dense;
use memorize_data::dense::Cholesky;
use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, Mat, Rows, Spread, pass};

use super::gram_operator::squared_length;
use crate::error::TrainError;

/// By how much a ridge grows until the decomposition succeeds.
const RIDGE_GROWTH: f64 = 100.0;

/// P = (B B^T + mu I)^-1 for the samples it was made of.
#[derive(Debug)]
pub struct LowRank<T: Element> {
    engine: Engine,
    /// B, n x rank, spread over the ranks as the samples are.
    factor: Part<Mat<T>>,
    /// mu.
    shift: f64,
    /// The decomposition of mu I + B^T B, rank x rank.
    inner: Cholesky,
}

impl<T: Element> LowRank<T> {
    /// From B, n x rank, and the shift mu. n rank^2 flops.
    ///
    /// # Errors
    /// [`TrainError::Eigenvalues`] if B is not finite.
    ///
    /// ```
    /// use memorize_kernels::rows::Part;
    /// use memorize_kernels::{Engine, Mat, Rows};
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// // B B^T + I = diag(5, 1).
    /// let b = Mat::from_slice(2, 1, &[2.0f64, 0.0]);
    /// let spread = b.spread();
    /// let found = LowRank::new(Engine::best(), Part::new(b, spread), 1.0)?.apply(&[5.0, 3.0])?;
    /// assert!((found[0] - 1.0).abs() < 1e-12 && (found[1] - 3.0).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(engine: Engine, factor: Part<Mat<T>>, shift: f64) -> Result<Self, TrainError> {
        let rank = factor.cols();
        let gram = pass::weighted_gram(&engine, &factor, &vec![T::ONE; factor.rows()])?;
        let inner = Dense::from_fn(rank, rank, |i, k| gram.row(i)[k].to_f64() + if i == k { shift } else { 0.0 });
        let inner = cholesky::<T>(&factor.spread(), inner)?;
        Ok(Self { engine, factor, shift, inner })
    }

    /// Number of columns of B: landmarks, or products of coordinates.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// let x = Mat::from_fn(5, 3, |i, k| (1 + i * i + k) as f64);
    /// // No more than there are samples.
    /// assert_eq!(LowRank::nystrom(Engine::best(), &x, 100, 1)?.rank(), 5);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn rank(&self) -> usize {
        self.factor.cols()
    }

    /// A lower bound on ||K|| that is close to it: the Rayleigh quotient of B B^T at (1, ..., 1), which no element of K
    /// makes smaller, for they are all squares.
    ///
    /// # Errors
    /// None that a constructed preconditioner can meet; the passes check their shapes.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// // K is a single number: (x . x)^2 = 25.
    /// let x = Mat::from_slice(1, 2, &[1.0f64, 2.0]);
    /// assert!((LowRank::nystrom(Engine::best(), &x, 1, 1)?.operator_norm()? - 25.0).abs() < 1e-6);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn operator_norm(&self) -> Result<f64, TrainError> {
        let sums = pass::transposed_times_vector(&self.engine, &self.factor, &vec![T::ONE; self.factor.rows()])?;
        Ok(squared_length(&sums) / self.factor.spread().whole() as f64)
    }

    /// Bytes that a preconditioner of this rank for n samples keeps.
    ///
    /// ```
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// // B, n x rank, and the inner matrix, rank x rank in f64.
    /// assert_eq!(LowRank::<f32>::bytes(1000, 100), 1000 * 100 * 4 + 100 * 100 * 8);
    /// ```
    pub fn bytes(n: usize, rank: usize) -> u64 {
        let rank = rank.min(n) as u64;
        (n as u64).saturating_mul(size_of::<T>() as u64).saturating_add(rank * 8).saturating_mul(rank)
    }

    /// P v. v: n.
    ///
    /// # Errors
    /// If v does not have n elements.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::gram_operator::GramOperator;
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// // With every sample as a landmark it inverts K.
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 1.0, 2.0]);
    /// let k = GramOperator::new(Engine::best(), &x);
    /// let found = LowRank::nystrom(Engine::best(), &x, 2, 1)?.apply(&k.apply(&[1.0, 2.0])?)?;
    /// assert!((found[0] - 1.0).abs() < 1e-3 && (found[1] - 2.0).abs() < 1e-3, "{found:?}");
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn apply(&self, v: &[f64]) -> Result<Vec<f64>, TrainError> {
        let mut low_rank: Vec<T> = v.iter().map(|&v| T::from_f64(v)).collect();
        let along = pass::transposed_times_vector(&self.engine, &self.factor, &low_rank)?;
        let mut solved = Dense::from_fn(self.rank(), 1, |i, _| along[i].to_f64());
        self.inner.solve(&mut solved);
        let solved: Vec<T> = solved.col(0).iter().map(|&v| T::from_f64(v)).collect();
        pass::times_vector(&self.engine, &self.factor, &solved, &mut low_rank)?;
        Ok(v.iter().zip(&low_rank).map(|(v, low_rank)| (v - low_rank.to_f64()) / self.shift).collect())
    }
}

/// The decomposition of a positive semidefinite matrix with a ridge on its diagonal: rounding errors of T relative to
/// the trace, or as much more as it takes where rounding has made the matrix indefinite.
pub(super) fn cholesky<T: Element>(space: &Spread, matrix: Dense<f64>) -> Result<Cholesky, TrainError> {
    let size = matrix.nrows();
    let found = space.from_first(|| with_ridge::<T>(matrix), || Cholesky::room(size));
    found.ok_or(TrainError::Eigenvalues(size))
}

fn with_ridge<T: Element>(mut matrix: Dense<f64>) -> Option<Cholesky> {
    let size = matrix.nrows();
    let trace: f64 = matrix.diagonal().column_vector().iter().sum();
    if !trace.is_finite() {
        return None;
    }
    let (mut ridge, mut added) = ((T::EPSILON * trace).max(f64::MIN_POSITIVE), 0.0);
    loop {
        (0..size).for_each(|i| matrix[(i, i)] += ridge - added);
        if let Some(factor) = Cholesky::new(matrix.as_ref()) {
            return Some(factor);
        }
        (added, ridge) = (ridge, ridge * RIDGE_GROWTH);
        if ridge > trace * RIDGE_GROWTH {
            return None;
        }
    }
}
