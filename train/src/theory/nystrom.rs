//! A preconditioner for K = (X X^T) squared elementwise: the Nystrom approximation from some of its columns (Williams
//! and Seeger, 2001), shifted by the mean of the diagonal that it leaves out.
//!
//! ```text
//! K_nL: the columns of the landmarks L,  K_LL = C C^T,  B = K_nL C^-T,  mu = mean_j (K_jj - ||b_j||^2)
//! P = (B B^T + mu I)^-1 = (I - B (mu I + B^T B)^-1 B^T)/mu
//! ```
//!
//! B is a net of two fixed layers: the power p = 2 of X against the landmarks, then p = 1 against C^-1. So the passes
//! that train a three-layer net make it, and B^T B is a weighted Gram matrix.
//!
//! Giving each sample a mu of its own, its K_jj - ||b_j||^2 (Snelson and Ghahramani, 2006), was measured and is worse:
//! it trusts the landmarks' own rows too much, and takes half as many products again on MNIST with noise.

use faer::Mat as Dense;
use memorize_data::dense;
use memorize_data::random::permutation;
use memorize_kernels::pass::weighted_gram_bytes;
use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, GatherRows, Mat, Spread, rows};

use super::gram_operator::squared_length;
use super::low_rank::{LowRank, cholesky};
use crate::error::TrainError;
use crate::features::{FeatureLayer, Featured};

impl<T: Element> LowRank<T> {
    /// From `rank` landmarks (all samples if there are fewer), drawn without replacement by the seed. It takes n rank
    /// elements of memory and 3 n rank^2 + 2 n d rank flops.
    ///
    /// # Errors
    /// [`TrainError::NoSamples`] for an empty set; [`TrainError::Eigenvalues`] if the samples are not finite or too
    /// large.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// // K is the identity here, and so is its inverse but for a small ridge.
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 1.0]);
    /// let found = LowRank::nystrom(Engine::best(), &x, 2, 1)?.apply(&[1.0, -2.0])?;
    /// assert!((found[0] / found[1] + 0.5).abs() < 1e-6);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn nystrom<X: GatherRows<T>>(engine: Engine, x: &X, rank: usize, seed: u64) -> Result<Self, TrainError> {
        Self::nystrom_of_power(engine, x, rank, seed, 2)
    }

    /// The same of K = (X X^T)^power elementwise, for an even power: K_LL, C and mu are those of this K.
    ///
    /// # Errors
    /// Those of [`LowRank::nystrom`]; [`TrainError::Power`] if the power is zero or above
    /// [`crate::features::MAX_POWER`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// // K = diag(1, 2^4).
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 2f64.sqrt()]);
    /// let found = LowRank::nystrom_of_power(Engine::best(), &x, 2, 1, 4)?.apply(&[1.0, 16.0])?;
    /// assert!((found[0] - 1.0).abs() < 1e-5 && (found[1] - 1.0).abs() < 1e-5, "{found:?}");
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn nystrom_of_power<X: GatherRows<T>>(
        engine: Engine,
        x: &X,
        rank: usize,
        seed: u64,
        power: u32,
    ) -> Result<Self, TrainError> {
        let spread = x.spread();
        let (n, rank) = (spread.whole(), rank.min(spread.whole()));
        if rank == 0 {
            return Err(TrainError::NoSamples);
        }
        let chosen = landmarks(n, rank, seed)?;
        let mut landmarks = Mat::zeros(rank, x.cols());
        rows::gather_whole(x, &chosen, landmarks.as_mut());
        let whitening = FeatureLayer::new(inverse_factor(&spread, &landmarks, power)?, 1)?;
        let columns = Featured::new(x, &FeatureLayer::new(landmarks, power)?, engine)?;
        let factor = rows::to_mat(engine.par, &Featured::new(columns, &whitening, engine)?);
        let factor = Part::new(factor, spread.clone());

        let sum = |values: Vec<f64>| spread.sum(|range| values[range].iter().sum());
        let approximated = sum(rows::map(engine.par, &factor, squared_length));
        let diagonal = sum(rows::map(engine.par, x, |row| squared_length(row).powi(power as i32)));
        // Where B B^T is nearly all of K: P divides the rounding errors of B by the shift.
        let least = T::EPSILON.sqrt() * diagonal;
        let shift = ((diagonal - approximated).max(least) / n as f64).max(f64::MIN_POSITIVE);
        Self::new(engine, factor, shift)
    }
}

/// Bytes that [`LowRank::nystrom`] takes at once, the samples apart, with `here` of n samples of width d on this rank,
/// and so many threads: K_LL with its decomposition and the inverse of that, then B with what it is made by, then
/// B^T B with its decomposition.
///
/// ```
/// use memorize_train::theory::low_rank::LowRank;
/// use memorize_train::theory::nystrom;
///
/// assert!(nystrom::peak::<f32>(1000, 1000, 50, 100, 1) > LowRank::<f32>::bytes(1000, 100));
/// ```
pub fn peak<T: Element>(here: usize, n: usize, d: usize, rank: usize, threads: usize) -> u64 {
    let rank = rank.min(n);
    let (own, wide) = (size_of::<T>() as u64, size_of::<f64>() as u64);
    let product = |factors: [u64; 3]| factors.into_iter().fold(1, u64::saturating_mul);
    let (k, d) = (rank as u64, d as u64);
    let (landmarks, factor) = (product([k, d, own]), product([here as u64, k, own]));
    let first = landmarks.saturating_add(product([k, k, 2 * wide + own])).saturating_add(product([k, d, wide]));
    // Both with their layouts.
    let whitening = product([k, k, 2 * own]);
    let second = factor.saturating_add(whitening).saturating_add(2 * landmarks);
    let decomposed = product([k, k, own + 2 * wide]);
    // Of the first, what lies in pieces that nothing of the third fits into, as measured.
    let pieces = product([k, k, 2 * wide - own]);
    let third = weighted_gram_bytes::<T>(here, rank, threads).max(decomposed).saturating_add(pieces);
    first.max(second).max(factor.saturating_add(whitening).saturating_add(third))
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
fn inverse_factor<T: Element>(space: &Spread, landmarks: &Mat<T>, power: u32) -> Result<Mat<T>, TrainError> {
    let (rank, d) = (landmarks.rows(), landmarks.cols());
    let x = Dense::from_fn(rank, d, |i, k| landmarks.row(i)[k].to_f64());
    let mut products = dense::times_transpose(x.as_ref());
    drop(x);
    for k in 0..rank {
        (0..rank).for_each(|i| products[(i, k)] = products[(i, k)].powi(power as i32));
    }
    let inverse = cholesky::<T>(space, products)?.inverse_lower();
    Ok(Mat::from_fn(rank, rank, |i, k| T::from_f64(inverse[(i, k)])))
}

#[cfg(test)]
mod tests {
    use faer::Side;
    use faer::linalg::solvers::Solve;
    use memorize_data::random::Purpose;
    use memorize_kernels::rows::Narrowed;

    use super::*;
    use crate::network::normal_rows;
    use crate::theory::gram_operator::GramOperator;
    use crate::theory::vector;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        vector::dot(&a.len().into(), a, b)
    }

    fn length(a: &[f64]) -> f64 {
        dot(a, a).sqrt()
    }

    fn samples(n: usize, d: usize) -> Mat<f64> {
        normal_rows(n, d, 1.0 / (d as f64).sqrt(), 11, Purpose::SyntheticInputs)
    }

    fn vector(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|j| ((j * 37 + seed * 11) % 23) as f64 - 11.0).collect()
    }

    #[test]
    fn with_every_sample_a_landmark_it_is_the_inverse() {
        let x = samples(90, 30);
        let p = LowRank::nystrom(Engine::best(), &x, 200, 0).unwrap();
        let v = vector(90, 1);
        let back = p.apply(&GramOperator::new(Engine::best(), &x).apply(&v).unwrap()).unwrap();
        let error: Vec<f64> = back.iter().zip(&v).map(|(back, v)| back - v).collect();
        assert_eq!(p.rank(), 90);
        assert!(length(&error) < 1e-5 * length(&v), "{}", length(&error));
    }

    #[test]
    fn it_is_the_inverse_of_the_shifted_approximation() {
        let (n, rank) = (150, 20);
        let x = samples(n, 12);
        let p = LowRank::nystrom(Engine::best(), &x, rank, 3).unwrap();
        let product = |i: usize, j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(2);
        let chosen = landmarks(n, rank, 3).unwrap();
        let columns = Dense::from_fn(n, rank, |i, l| product(i, chosen[l] as usize));
        let inner = Dense::from_fn(rank, rank, |k, l| columns[(chosen[k] as usize, l)]);
        let approximation = &columns * inner.llt(Side::Lower).unwrap().solve(columns.transpose());
        let left: f64 = (0..n).map(|j| product(j, j) - approximation[(j, j)]).sum::<f64>() / n as f64;
        let v = vector(n, 2);
        let found = p.apply(&v).unwrap();
        for i in 0..n {
            let back = (0..n).map(|j| approximation[(i, j)] * found[j]).sum::<f64>() + left * found[i];
            assert!((back - v[i]).abs() < 1e-9 * length(&v), "{back} {}", v[i]);
        }
    }

    #[test]
    fn it_is_symmetric_and_positive_even_where_the_samples_repeat() {
        let once = samples(30, 10);
        let x = Mat::<f32>::from_fn(90, 10, |j, k| once.row(j / 3)[k] as f32);
        let p = LowRank::nystrom(Engine::best(), &x, 60, 1).unwrap();
        let (v, w) = (vector(90, 3), vector(90, 4));
        let (pv, pw) = (p.apply(&v).unwrap(), p.apply(&w).unwrap());
        assert!(dot(&pv, &v) > 0.0 && dot(&pw, &w) > 0.0);
        assert!((dot(&pv, &w) - dot(&pw, &v)).abs() < 1e-3 * (dot(&pv, &v) * dot(&pw, &w)).sqrt());
    }

    #[test]
    fn of_samples_rounded_to_f32_it_is_nearly_the_same() {
        let (x, v) = (samples(400, 24), vector(400, 5));
        let wide = LowRank::nystrom(Engine::best(), &x, 60, 2).unwrap().apply(&v).unwrap();
        let narrow = LowRank::nystrom(Engine::best(), &Narrowed(&x), 60, 2).unwrap().apply(&v).unwrap();
        let difference: Vec<f64> = wide.iter().zip(&narrow).map(|(wide, narrow)| wide - narrow).collect();
        assert!(length(&difference) < 1e-3 * length(&wide), "{} of {}", length(&difference), length(&wide));
        assert!(length(&difference) > 0.0);
    }

    #[test]
    fn the_norm_is_estimated_from_below_and_closely() {
        let x = samples(200, 20);
        let p = LowRank::nystrom(Engine::best(), &x, 200, 0).unwrap();
        let k = Dense::from_fn(200, 200, |i, j| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(2));
        let exact = k.self_adjoint_eigenvalues(Side::Lower).unwrap()[199];
        let found = p.operator_norm().unwrap();
        assert!(found <= exact * (1.0 + 1e-12) && found > 0.8 * exact, "{found} {exact}");
    }

    #[test]
    fn what_cannot_be_approximated_is_refused() {
        let make = |x: &Mat<f64>, rank| LowRank::nystrom(Engine::best(), x, rank, 0).map(|p| p.rank());
        assert!(matches!(make(&Mat::zeros(0, 3), 5), Err(TrainError::NoSamples)));
        assert!(matches!(make(&samples(4, 3), 0), Err(TrainError::NoSamples)));
        assert!(matches!(make(&Mat::from_fn(4, 3, |_, _| f64::INFINITY), 2), Err(TrainError::Eigenvalues(_))));
        // Samples that are all zero have K = 0; what P does there is nobody's business, as long as it is finite.
        let p = LowRank::nystrom(Engine::best(), &Mat::<f64>::zeros(4, 3), 2, 0).unwrap();
        assert!(p.apply(&[0.0; 4]).unwrap().iter().all(|v| v.is_finite()));
    }
}
