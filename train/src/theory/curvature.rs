//! The most negative curvature of f, by Lemma 3 and by products with the Hessian.
//!
//! Lemma 3. The Hessian's form is Z -> sum_i a_i z_i^T M z_i + 2/n sum_j (x_j^T W A Z^T x_j)^2. The second term is not
//! negative, the first is at least -||M||_2 ||Z||^2, so lambda_min >= -||M||_2 for any width. With r >= 2d+2 equality
//! holds: let u be the unit eigenvector of M's eigenvalue mu of largest modulus, and take the r/2 >= d+1 neurons with
//! a_i mu < 0. So many vectors w_i in d dimensions are dependent: sum_i c_i w_i = 0 for some c of length 1. With Z = u
//! c^T the matrix W A Z^T = (sum_i a_i c_i w_i) u^T vanishes, and with it the second term; the first is -|mu| =
//! -||M||_2.

use faer::Mat as Dense;
use memorize_data::dense::{self, Eigen, Qr};
use memorize_kernels::team::Carried;
use memorize_kernels::{Mat, Rows};

use super::hessian::HessianOperator;
use super::lanczos::{LanczosOptions, RitzPair, smallest_eigenvalue};
use crate::error::TrainError;
use crate::network::Network;

/// An eigenpair with its error.
#[derive(Clone, Debug)]
pub struct Eigenpair {
    /// mu.
    pub value: f64,
    /// u, of length 1.
    pub vector: Vec<f64>,
    /// ||M u - mu u||.
    pub residual: f64,
}

impl Carried for Eigenpair {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        self.value.bytes(visit);
        self.vector.bytes(visit);
        self.residual.bytes(visit);
    }
}

/// The eigenpair of a symmetric matrix (d x d) whose value has the largest modulus: |mu| = ||M||_2. By a dense
/// decomposition, on one thread so that the bits do not depend on their number.
///
/// # Errors
/// [`TrainError::Eigenvalues`] if the decomposition fails.
///
/// ```
/// use memorize_kernels::Mat;
/// use memorize_train::theory::curvature::extreme_eigenpair;
///
/// let found = extreme_eigenpair(&Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, -3.0]))?;
/// assert!(found.value == -3.0 && found.vector[1].abs() == 1.0);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn extreme_eigenpair(m: &Mat<f64>) -> Result<Eigenpair, TrainError> {
    let d = m.rows();
    let failed = || TrainError::Eigenvalues(d);
    if d == 0 || m.iter().any(|value| !value.is_finite()) {
        return Err(failed());
    }
    let Eigen { values, vectors } =
        dense::eigen(Dense::from_fn(d, d, |i, k| m.row(i)[k]).as_ref()).ok_or_else(failed)?;
    // They are in ascending order.
    let at = if values[0].abs() > values[d - 1].abs() { 0 } else { d - 1 };
    let (value, vector) = (values[at], (0..d).map(|i| vectors[(i, at)]).collect::<Vec<f64>>());
    let defect = |i: usize| m.row(i).iter().zip(&vector).map(|(m, u)| m * u).sum::<f64>() - value * vector[i];
    let residual = (0..d).map(|i| defect(i).powi(2)).sum::<f64>().sqrt();
    Ok(Eigenpair { value, vector, residual })
}

/// Lemma 3's direction: Z^T (r x d) of length 1 with z-form -||M||_2, or `None` if fewer than d+1 neurons have the sign
/// that it needs, or a sign is not +1 or -1. `extreme` is M's [`extreme_eigenpair`].
///
/// ```
/// use memorize_train::Network;
/// use memorize_train::theory::curvature::{Eigenpair, most_negative_direction};
///
/// let extreme = Eigenpair { value: 2.0, vector: vec![1.0], residual: 0.0 };
/// // Among neurons of sign -1, for M's eigenvalue is positive.
/// let z = most_negative_direction(&Network::zeros(4, 1)?, &extreme).unwrap();
/// assert!(z.row(0) == [0.0] && z.row(1) == [0.0] && (z.frobenius_norm() - 1.0).abs() < 1e-15);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn most_negative_direction(net: &Network<f64>, extreme: &Eigenpair) -> Option<Mat<f64>> {
    let (d, sign) = (net.width(), if extreme.value > 0.0 { -1.0 } else { 1.0 });
    let support: Vec<usize> = (0..net.neurons()).filter(|&i| net.signs[i] == sign).take(d + 1).collect();
    if support.len() <= d || net.signs.iter().any(|sign| sign.abs() != 1.0) {
        return None;
    }
    // W_half^T = Q [R; 0]: the last column of Q is orthogonal to every column of W_half^T.
    let q = Qr::new(Dense::from_fn(d + 1, d, |i, k| net.weights.row(support[i])[k])).q(d + 1);
    let mut z = Mat::zeros(net.neurons(), d);
    for (at, &i) in support.iter().enumerate() {
        let c = q[(at, d)];
        z.row_mut(i).iter_mut().zip(&extreme.vector).for_each(|(z, u)| *z = c * u);
    }
    Some(z)
}

/// Whether Lemma 3 speaks of a network: r >= 2d+2, half of the signs +1 and half -1.
///
/// ```
/// use memorize_train::Network;
/// use memorize_train::theory::curvature::lemma3_applies;
///
/// // r >= 2d+2.
/// assert!(lemma3_applies(&Network::zeros(4, 1)?) && !lemma3_applies(&Network::zeros(4, 2)?));
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn lemma3_applies(net: &Network<f64>) -> bool {
    let (r, d) = (net.neurons(), net.width());
    let count = |sign: f64| net.signs.iter().filter(|&&found| found == sign).count();
    r >= 2 * d + 2 && count(1.0) == r / 2 && count(-1.0) == r / 2
}

/// z^T H z for a direction Z^T (r x d) of length 1.
///
/// # Errors
/// If the shapes do not go together.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::curvature::curvature_along;
/// use memorize_train::theory::hessian::HessianOperator;
/// use memorize_train::{Network, Objective, Route};
///
/// let (x, y) = (Mat::from_slice(1, 1, &[1.0]), [1.0]);
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
/// let network = Network::zeros(2, 1)?;
/// let hessian = HessianOperator::new(&objective, &network)?;
/// // At W = 0 it is a_i M = -a_i.
/// assert_eq!(curvature_along(&hessian, &Mat::from_slice(2, 1, &[1.0, 0.0]))?, -1.0);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn curvature_along<X: Rows<f64>>(hessian: &HessianOperator<'_, f64, X>, z: &Mat<f64>) -> Result<f64, TrainError> {
    Ok(hessian.apply(z)?.iter().zip(z.iter()).map(|(product, z)| product * z).sum())
}

/// The smallest eigenvalue of the Hessian from its products alone, with the residual as its error. Knows nothing of
/// Lemma 3.
///
/// # Errors
/// See [`smallest_eigenvalue`].
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::curvature::smallest_curvature;
/// use memorize_train::theory::hessian::HessianOperator;
/// use memorize_train::theory::lanczos::LanczosOptions;
/// use memorize_train::{Network, Objective, Route};
///
/// let (x, y) = (Mat::from_slice(1, 1, &[1.0]), [1.0]);
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
/// let network = Network::zeros(2, 1)?;
/// let hessian = HessianOperator::new(&objective, &network)?;
/// assert!((smallest_curvature(&hessian, &LanczosOptions::default())?.value + 1.0).abs() < 1e-8);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn smallest_curvature<X: Rows<f64>>(
    hessian: &HessianOperator<'_, f64, X>,
    options: &LanczosOptions,
) -> Result<RitzPair, TrainError> {
    let (r, d) = (hessian.network().neurons(), hessian.network().width());
    let apply = |v: &[f64]| Ok(hessian.apply(&Mat::from_slice(r, d, v))?.iter().copied().collect());
    smallest_eigenvalue(apply, r * d, options)
}

#[cfg(test)]
mod tests {
    use faer::Side;
    use memorize_kernels::{Engine, reference};

    use super::*;
    use crate::network::normal_rows;
    use crate::objective::Objective;
    use crate::planner::Route;
    use memorize_data::random::Purpose;

    fn samples(n: usize, d: usize, seed: u64) -> (Mat<f64>, Vec<f64>) {
        let x = normal_rows(n, d, 1.0, seed, Purpose::SyntheticInputs);
        let y = normal_rows::<f64>(n, 1, 1.0, seed, Purpose::SyntheticTargets).iter().copied().collect();
        (x, y)
    }

    /// Runs `check` on the Hessian of a random instance.
    fn on_instance(
        (n, d, r): (usize, usize, usize),
        seed: u64,
        check: impl Fn(&HessianOperator<'_, f64, Mat<f64>>, &Mat<f64>, &[f64]),
    ) {
        let (x, y) = samples(n, d, seed);
        let net = Network::random(r, d, 0.5, seed + 100).unwrap();
        let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
        check(&HessianOperator::new(&objective, &net).unwrap(), &x, &y);
    }

    /// The Hessian (rd x rd) by products with unit matrices.
    fn by_products(hessian: &HessianOperator<'_, f64, Mat<f64>>) -> Dense<f64> {
        let (r, d) = (hessian.network().neurons(), hessian.network().width());
        let columns: Vec<Mat<f64>> = (0..r * d)
            .map(|at| hessian.apply(&Mat::from_fn(r, d, |i, k| f64::from(i * d + k == at))).unwrap())
            .collect();
        Dense::from_fn(r * d, r * d, |row, column| columns[column].row(row / d)[row % d])
    }

    /// The Hessian by its second derivatives: d^2 f / dW_ik dW_lm = [i = l] a_i M_km
    /// + 2/n sum_j a_i (w_i . x_j) x_jk a_l (w_l . x_j) x_jm.
    fn by_formula(net: &Network<f64>, x: &Mat<f64>, y: &[f64]) -> Dense<f64> {
        let (n, r, d) = (x.rows(), net.neurons(), net.width());
        let samples = reference::Dense::from_fn(n, d, |j, k| x.row(j)[k]);
        let w = reference::Dense::from_fn(d, r, |k, i| net.weights.row(i)[k]);
        let m = reference::moment(&samples, &reference::residuals(&samples, y, &w, &net.signs));
        let unit = |i: usize, j: usize| (0..d).map(|k| w.at(k, i) * x.row(j)[k]).sum::<f64>() * net.signs[i];
        Dense::from_fn(r * d, r * d, |row, column| {
            let ((i, k), (l, p)) = ((row / d, row % d), (column / d, column % d));
            let outer: f64 = (0..n).map(|j| unit(i, j) * x.row(j)[k] * unit(l, j) * x.row(j)[p]).sum();
            2.0 / n as f64 * outer + if i == l { net.signs[i] * m.at(k, p) } else { 0.0 }
        })
    }

    #[test]
    fn the_iterative_value_is_that_of_the_dense_hessian() {
        // Below, at and above r = 2d+2.
        for (seed, size) in
            [(9, 3, 4), (12, 3, 8), (6, 4, 10), (20, 5, 6), (15, 2, 12), (1, 1, 2)].into_iter().enumerate()
        {
            on_instance(size, seed as u64, |hessian, x, y| {
                let (products, formula) = (by_products(hessian), by_formula(hessian.network(), x, y));
                let scale = formula.norm_l2();
                assert!((&products - &formula).norm_l2() < 1e-8 * scale, "{size:?}");
                let exact = formula.self_adjoint_eigenvalues(Side::Lower).unwrap()[0];
                let found = smallest_curvature(hessian, &LanczosOptions::default()).unwrap();
                assert!(found.converged && (found.value - exact).abs() < 1e-8 * scale, "{size:?}");
                assert!((found.value - exact).abs() <= found.residual + 1e-13 * scale, "{size:?}");
            });
        }
    }

    #[test]
    fn lemma_3_and_the_iterative_value_agree_and_the_direction_attains_them() {
        for (seed, size) in
            [(10, 3, 8), (30, 4, 10), (8, 5, 16), (40, 6, 14), (3, 2, 6), (5, 1, 4)].into_iter().enumerate()
        {
            on_instance(size, seed as u64, |hessian, _, _| {
                assert!(lemma3_applies(hessian.network()));
                let extreme = extreme_eigenpair(hessian.moment()).unwrap();
                let norm = extreme.value.abs();
                assert!(extreme.residual < 1e-13 * norm.max(1e-300), "{}", extreme.residual);
                let found = smallest_curvature(hessian, &LanczosOptions::default()).unwrap();
                assert!((found.value + norm).abs() <= found.residual + 1e-12 * norm, "{size:?} {}", found.value);
                let z = most_negative_direction(hessian.network(), &extreme).unwrap();
                assert!((z.frobenius_norm() - 1.0).abs() < 1e-14);
                let attained = curvature_along(hessian, &z).unwrap();
                assert!((attained + norm).abs() < 1e-12 * norm, "{size:?}: {attained} instead of {}", -norm);
            });
        }
    }

    #[test]
    fn either_sign_of_the_extreme_eigenvalue_finds_its_half_of_the_neurons() {
        // All targets high or all low: M is negative or positive definite.
        for (target, sign) in [(50.0, 1.0), (-50.0, -1.0)] {
            let (x, _) = samples(12, 3, 4);
            let net = Network::random(8, 3, 0.5, 4).unwrap();
            let y = [target; 12];
            let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
            let hessian = HessianOperator::new(&objective, &net).unwrap();
            let extreme = extreme_eigenpair(hessian.moment()).unwrap();
            assert_eq!(extreme.value.signum(), -sign);
            let z = most_negative_direction(&net, &extreme).unwrap();
            assert!((0..8).all(|i| net.signs[i] == sign || z.row(i).iter().all(|&z| z == 0.0)));
            assert!((curvature_along(&hessian, &z).unwrap() + extreme.value.abs()).abs() < 1e-12 * extreme.value.abs());
        }
    }

    #[test]
    fn too_few_neurons_or_other_signs_have_no_such_direction() {
        let extreme = Eigenpair { value: 1.0, vector: vec![1.0, 0.0, 0.0], residual: 0.0 };
        let narrow = Network::<f64>::random(6, 3, 1.0, 1).unwrap();
        assert!(!lemma3_applies(&narrow) && most_negative_direction(&narrow, &extreme).is_none());
        let mut other = Network::<f64>::random(10, 3, 1.0, 1).unwrap();
        other.signs[9] = -2.0;
        assert!(!lemma3_applies(&other) && most_negative_direction(&other, &extreme).is_none());
        assert!(extreme_eigenpair(&Mat::from_fn(2, 2, |_, _| f64::INFINITY)).is_err());
    }
}
