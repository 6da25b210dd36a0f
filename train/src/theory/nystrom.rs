//! A preconditioner for K = (X X^T) squared elementwise: the Nystrom approximation from some of its columns (Williams and
//! Seeger, 2001), with the diagonal that it leaves out put back (Snelson and Ghahramani, 2006).
//!
//! ```text
//! K_nL: the columns of the landmarks L,  K_LL = C C^T,  B = K_nL C^-T,  D_j = K_jj - ||b_j||^2
//! P = (B B^T + D)^-1 = D^-1 (D - B (I + B^T D^-1 B)^-1 B^T) D^-1
//! ```
//!
//! B is a net of two fixed layers: the power p = 2 of X against the landmarks, then p = 1 against C^-1. So the passes that
//! train a three-layer net make it, and I + B^T D^-1 B is a weighted Gram matrix.

use faer::linalg::solvers::{Llt, Solve};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat as Dense, Par, Side};
use memorize_data::random::permutation;
use memorize_kernels::{Element, Engine, Mat, Rows, pass, rows};

use super::gram_operator::{GramOperator, squared_length};
use crate::error::TrainError;
use crate::features::{FeatureLayer, Featured};

/// The first multiple of the rounding errors that is added to a diagonal whose Cholesky decomposition fails without.
const FIRST_RIDGE: f64 = 1.0;
/// By how much it grows until the decomposition succeeds.
const RIDGE_GROWTH: f64 = 100.0;

/// P = (B B^T + D)^-1 for the samples it was made of.
#[derive(Debug)]
pub struct Nystrom<T: Element> {
    engine: Engine,
    /// B, n x rank.
    factor: Mat<T>,
    /// 1/D_j, n.
    inverse_diagonal: Vec<f64>,
    /// The decomposition of I + B^T D^-1 B, rank x rank.
    inner: Llt<f64>,
}

impl<T: Element> Nystrom<T> {
    /// From `rank` landmarks (all samples if there are fewer), drawn without replacement by the seed. It takes n rank
    /// elements of memory and 3 n rank^2 + 2 n d rank flops.
    ///
    /// # Errors
    /// [`TrainError::NoSamples`] for an empty set; [`TrainError::Eigenvalues`] if the samples are not finite or too large.
    pub fn new<X: Rows<T>>(engine: Engine, x: &X, rank: usize, seed: u64) -> Result<Self, TrainError> {
        let (n, rank) = (x.rows(), rank.min(x.rows()));
        if rank == 0 {
            return Err(TrainError::NoSamples);
        }
        let chosen = landmarks(n, rank, seed)?;
        let mut landmarks = Mat::zeros(rank, x.cols());
        x.gather(&chosen, landmarks.as_mut());
        let whitening = FeatureLayer::new(inverse_factor(&landmarks)?, 1)?;
        let columns = Featured::new(x, &FeatureLayer::new(landmarks, 2)?, engine)?;
        let factor = rows::to_mat(engine.par, &Featured::new(columns, &whitening, engine)?);

        let approximated = rows::map(engine.par, &factor, squared_length);
        let diagonal = GramOperator::<T, X>::new(engine, x).diagonal();
        // What rounding leaves of the diagonal where B B^T is exact.
        let floor = T::EPSILON * approximated.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let inverse_diagonal: Vec<f64> =
            diagonal.iter().zip(&approximated).map(|(k, b)| (k - b).max(floor).recip()).collect();
        let weights: Vec<T> = inverse_diagonal.iter().map(|&v| T::from_f64(v)).collect();
        let gram = pass::weighted_gram(&engine, &factor, &weights)?;
        let inner = Dense::from_fn(rank, rank, |i, k| gram.row(i)[k].to_f64() + f64::from(u8::from(i == k)));
        Ok(Self { engine, factor, inverse_diagonal, inner: cholesky::<T>(inner)? })
    }

    /// Number of landmarks.
    pub fn rank(&self) -> usize {
        self.factor.cols()
    }

    /// A lower bound on ||K|| that is close to it: the Rayleigh quotient of B B^T at (1, ..., 1), which no element of K makes
    /// smaller, for they are all squares.
    ///
    /// # Errors
    /// None that a constructed preconditioner can meet; the passes check their shapes.
    pub fn operator_norm(&self) -> Result<f64, TrainError> {
        let sums = pass::transposed_times_vector(&self.engine, &self.factor, &vec![T::ONE; self.factor.rows()])?;
        Ok(squared_length(&sums) / self.factor.rows() as f64)
    }

    /// Bytes that a preconditioner of this rank for n samples keeps.
    pub fn bytes(n: usize, rank: usize) -> u64 {
        let rank = rank.min(n) as u64;
        (n as u64 * size_of::<T>() as u64).saturating_add(rank * 8).saturating_mul(rank)
    }

    /// P v. v: n.
    ///
    /// # Errors
    /// If v does not have n elements.
    pub fn apply(&self, v: &[f64]) -> Result<Vec<f64>, TrainError> {
        let scaled: Vec<f64> = v.iter().zip(&self.inverse_diagonal).map(|(v, inverse)| v * inverse).collect();
        let narrow: Vec<T> = scaled.iter().map(|&v| T::from_f64(v)).collect();
        let coefficients = pass::transposed_times_vector(&self.engine, &self.factor, &narrow)?;
        let mut coefficients = Dense::from_fn(self.rank(), 1, |i, _| coefficients[i].to_f64());
        self.inner.solve_in_place(&mut coefficients);
        let coefficients: Vec<T> = coefficients.col(0).iter().map(|&v| T::from_f64(v)).collect();
        let mut low_rank = narrow;
        pass::times_vector(&self.engine, &self.factor, &coefficients, &mut low_rank)?;
        let finish = |((scaled, low_rank), inverse): ((&f64, &T), &f64)| scaled - low_rank.to_f64() * inverse;
        Ok(scaled.iter().zip(&low_rank).zip(&self.inverse_diagonal).map(finish).collect())
    }
}

/// Row numbers of the landmarks, ascending.
fn landmarks(n: usize, rank: usize, seed: u64) -> Result<Vec<u32>, TrainError> {
    if u32::try_from(n).is_err() {
        return Err(TrainError::TooManySamples(n));
    }
    let mut chosen = permutation(seed, 0, n);
    chosen.truncate(rank);
    chosen.sort_unstable();
    Ok(chosen)
}

/// C^-1 (rank x rank) for K_LL = C C^T.
fn inverse_factor<T: Element>(landmarks: &Mat<T>) -> Result<Mat<T>, TrainError> {
    let (rank, d) = (landmarks.rows(), landmarks.cols());
    let x = Dense::from_fn(rank, d, |i, k| landmarks.row(i)[k].to_f64());
    faer::set_global_parallelism(Par::Seq);
    let products = &x * x.transpose();
    let factor = cholesky::<T>(Dense::from_fn(rank, rank, |i, k| products[(i, k)].powi(2)))?;
    let mut inverse = Dense::identity(rank, rank);
    solve_lower_triangular_in_place(factor.L(), inverse.as_mut(), Par::Seq);
    Ok(Mat::from_fn(rank, rank, |i, k| T::from_f64(inverse[(i, k)])))
}

/// The decomposition of a positive semidefinite matrix that was computed in T: what rounding has made indefinite gets the
/// smallest ridge that helps.
fn cholesky<T: Element>(mut matrix: Dense<f64>) -> Result<Llt<f64>, TrainError> {
    faer::set_global_parallelism(Par::Seq);
    let size = matrix.nrows();
    let trace: f64 = matrix.diagonal().column_vector().iter().sum();
    if !trace.is_finite() {
        return Err(TrainError::Eigenvalues(size));
    }
    let (mut ridge, mut added) = (FIRST_RIDGE * T::EPSILON * trace.max(f64::MIN_POSITIVE), 0.0);
    loop {
        (0..size).for_each(|i| matrix[(i, i)] += ridge - added);
        if let Ok(factor) = matrix.llt(Side::Lower) {
            return Ok(factor);
        }
        (added, ridge) = (ridge, ridge * RIDGE_GROWTH);
        if ridge > trace * RIDGE_GROWTH {
            return Err(TrainError::Eigenvalues(size));
        }
    }
}
