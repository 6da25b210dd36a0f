//! Lemmas 1, 4, 5 and 8: what curvature, smoothness and the position of the samples say of the loss.

use faer::{ColRef, Mat as Dense};
use memorize_data::dense::{self, Svd};
use memorize_kernels::{Mat, Rows, rows};

use crate::error::TrainError;
use crate::span::{self, Span, scaled};
use crate::spectrum::{DENSE_SAMPLES, SingularValues};

/// Most elements of the n x d(d+1)/2 matrix that is decomposed: 32 MB, seconds.
pub const DENSE_ELEMENTS: usize = 4 << 20;

/// Lemmas 1 and 4: with lambda_min of the Hessian of f at least -lambda and r >= 2d+2,
///
/// ```text
/// f <= n d lambda^2 / (4 sigma^2)
/// ```
///
/// for then ||M||_2 <= lambda (Lemma 3), sigma ||delta||/n <= ||M||_F <= sqrt(d) ||M||_2 and f = ||delta||^2/(4n).
/// Lemma 4 uses it for g: where the Hessian of g is at least -gamma, that of f is at least -2 gamma, and f <= n d
/// gamma^2/sigma^2.
///
/// ```
/// // n d lambda^2 / (4 sigma^2).
/// assert_eq!(memorize_train::theory::bounds::loss_bound(10, 5, 0.5, 2.0), 10.0 * 5.0 * 0.125 * 0.125);
/// ```
pub fn loss_bound(n: usize, d: usize, lambda: f64, sigma: f64) -> f64 {
    n as f64 * d as f64 * (lambda / (2.0 * sigma)).powi(2)
}

/// Lemma 5: Lipschitz constants of the gradient and of the Hessian of g on the ball ||W||_F <= Gamma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lipschitz {
    /// Of the gradient: 3 B^4 Gamma^2 + Y B^2 + gamma.
    pub gradient: f64,
    /// Of the Hessian: 6 B^4 Gamma.
    pub hessian: f64,
}

impl Lipschitz {
    /// For samples of norm at most B, targets of modulus at most Y, the radius Gamma and the regulariser gamma.
    ///
    /// ```
    /// use memorize_train::theory::bounds::Lipschitz;
    ///
    /// let on_ball = Lipschitz::on_ball(1.0, 2.0, 3.0, 0.5);
    /// assert_eq!((on_ball.gradient, on_ball.hessian), (27.0 + 2.0 + 0.5, 18.0));
    /// ```
    pub fn on_ball(input_bound: f64, target_bound: f64, radius: f64, gamma: f64) -> Self {
        let (b2, b4) = (input_bound.powi(2), input_bound.powi(4));
        Self { gradient: 3.0 * b4 * radius.powi(2) + target_bound * b2 + gamma, hessian: 6.0 * b4 * radius }
    }
}

/// B: the largest norm of a sample.
///
/// ```
/// use memorize_kernels::Mat;
///
/// let x = Mat::from_slice(2, 2, &[3.0, 4.0, 1.0, 1.0]);
/// assert_eq!(memorize_train::theory::bounds::largest_norm(&x), 5.0);
/// ```
pub fn largest_norm<X: Rows<f64>>(x: &X) -> f64 {
    let block = memorize_kernels::block::ROW_BLOCK;
    let mut scratch = Mat::zeros(if x.needs_scratch() { block } else { 0 }, x.cols());
    let mut largest = 0.0f64;
    for first in (0..x.rows()).step_by(block) {
        let range = first..x.rows().min(first + block);
        let view = x.block(range.clone(), &mut scratch);
        for i in 0..range.len() {
            largest = largest.max(view.row(i).iter().map(|v| v * v).sum());
        }
    }
    x.spread().gather(vec![largest]).into_iter().fold(0.0, f64::max).sqrt()
}

/// The matrix whose rows are x_j (x) x_j without its repetitions: x_ja^2 and sqrt(2) x_ja x_jb for a < b, n x d(d+1)/2.
/// It has the singular values of [x_1 (x) x_1, ..., x_n (x) x_n], and decomposing it, not K = (X X^T) squared
/// elementwise, does not square its condition number.
#[derive(Debug)]
pub struct Lifted {
    /// In descending order, min(n, d(d+1)/2) of them.
    values: Vec<f64>,
    /// Left singular vectors, n x min(n, d(d+1)/2).
    vectors: Dense<f64>,
    /// d(d+1)/2, or n(n+1)/2 where n < d: the width of what was decomposed.
    capacity: usize,
    /// Residuals of the smallest and the largest value.
    residuals: SingularValues,
    /// What the matrix was rounded by, as a norm, where that is more than the decomposition's own errors may be.
    rounded: f64,
}

impl Lifted {
    /// Whether n samples of width d are few enough for [`Lifted::new`].
    ///
    /// ```
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// assert!(Lifted::fits(500, 100) && !Lifted::fits(60_000, 784));
    /// ```
    pub fn fits(n: usize, d: usize) -> bool {
        let d = n.min(d);
        let capacity = d.checked_add(1).and_then(|next| d.checked_mul(next)).map(|twice| twice / 2);
        n <= DENSE_SAMPLES
            && capacity.and_then(|columns| columns.checked_mul(n)).is_some_and(|all| all <= DENSE_ELEMENTS)
    }

    /// Decomposes the lifted samples, on one thread so that the bits do not depend on their number: at a scale at which
    /// their products are numbers, and in coordinates of what they span where they are fewer than those.
    ///
    /// # Errors
    /// [`TrainError::NoSamples`] for an empty set, [`TrainError::NotFinite`] if a sample is not finite,
    /// [`TrainError::SingularValuesOutOfRange`] if they are not numbers of f64, [`TrainError::Eigenvalues`] if the
    /// decomposition fails.
    ///
    /// # Panics
    /// If the samples are too many: see [`Lifted::fits`].
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::TrainError;
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// assert!(Lifted::new(&Mat::from_slice(1, 2, &[3.0, 4.0])).is_ok());
    /// assert!(matches!(Lifted::new(&Mat::zeros(0, 2)), Err(TrainError::NoSamples)));
    /// ```
    pub fn new<X: Rows<f64>>(x: &X) -> Result<Self, TrainError> {
        let (n, d) = (x.spread().whole(), x.cols());
        assert!(Self::fits(n, d), "{n} samples of width {d} are too many for a dense decomposition");
        if n == 0 || d == 0 {
            return Err(TrainError::NoSamples);
        }
        let largest = span::largest_modulus(memorize_kernels::Par::Seq, x)?;
        let exponent = span::exponent(largest);
        let scaled = scaled(x, -exponent);
        let mut found = match Span::is_narrower(n, d) {
            true => Self::decompose(&Span::new(&scaled)?.coordinates)?,
            false => Self::decompose(&rows::whole(memorize_kernels::Par::Seq, &scaled))?,
        };
        let back = span::Squared::new(exponent, largest);
        for value in &mut found.values {
            *value = back.apply(*value)?;
        }
        found.residuals.min = back.error(found.residuals.min);
        found.residuals.max = back.error(found.residuals.max);
        Ok(found)
    }

    fn decompose(x: &Mat<f64>) -> Result<Self, TrainError> {
        let (n, d) = (x.rows(), x.cols());
        let pairs: Vec<(usize, usize)> = (0..d).flat_map(|a| (a..d).map(move |b| (a, b))).collect();
        let lifted = Dense::from_fn(n, pairs.len(), |j, at| {
            let (a, b) = pairs[at];
            let once = x.row(j)[a] * x.row(j)[b];
            if a == b { once } else { std::f64::consts::SQRT_2 * once }
        });
        Self::of_matrix(&lifted, 0.0)
    }

    /// Decomposes a matrix whose rows are the lifted samples, whatever they are lifted to, rounded by this as a norm.
    pub(super) fn of_matrix(lifted: &Dense<f64>, rounded: f64) -> Result<Self, TrainError> {
        let n = lifted.nrows();
        let Svd { u, values, v } = dense::thin_svd(lifted.as_ref()).ok_or(TrainError::Eigenvalues(n))?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(TrainError::Eigenvalues(n));
        }
        let residual = |at: usize| residual(lifted, u.col(at), v.col(at), values[at]);
        let residuals = SingularValues { min: residual(values.len() - 1), max: residual(0) };
        Ok(Self { values, vectors: u, capacity: lifted.ncols(), residuals, rounded })
    }

    /// sigma_min and sigma_max of the n columns x_j (x) x_j. With more than d(d+1)/2 samples sigma_min is zero.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// // One column x (x) x, as long as ||x||^2.
    /// let found = Lifted::new(&Mat::from_slice(1, 2, &[3.0, 4.0]))?.singular_values();
    /// assert!((found.min - 25.0).abs() < 1e-12 && (found.max - 25.0).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn singular_values(&self) -> SingularValues {
        let n = self.vectors.nrows();
        let min = if n > self.capacity { 0.0 } else { self.values[n - 1] };
        SingularValues { min, max: self.values[0] }
    }

    /// Errors of the two, from the matrix and the singular vectors: a singular value lies within this distance of each.
    /// Zero for a sigma_min that is zero by rank.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// let lifted = Lifted::new(&Mat::from_slice(2, 2, &[3.0, 4.0, 1.0, 0.0]))?;
    /// assert!(lifted.residuals().max < 1e-12 * lifted.singular_values().max);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn residuals(&self) -> SingularValues {
        let beyond = self.vectors.nrows() > self.capacity;
        if beyond { SingularValues { min: 0.0, ..self.residuals } } else { self.residuals }
    }

    /// Rounding errors of the decomposition: a sigma_min below this cannot be told from zero.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// let lifted = Lifted::new(&Mat::from_slice(2, 2, &[3.0, 4.0, 1.0, 0.0]))?;
    /// assert!(lifted.singular_values().min > lifted.resolution());
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn resolution(&self) -> f64 {
        f64::EPSILON * self.vectors.nrows().max(self.capacity) as f64 * self.values[0] + self.rounded
    }

    /// The least f = 1/(4n) sum_j (x_j^T S x_j - y_j)^2 of any symmetric S: ||y - P y||^2/(4n) with P the projection
    /// onto what outputs can be. Directions whose singular value cannot be told from zero do not count.
    ///
    /// # Panics
    /// If there are not as many targets as samples.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// // Two samples of width one: s x^2 has to be 1 and 3 at x = 1. The best is 2, f = (1 + 1)/8.
    /// let lifted = Lifted::new(&Mat::from_slice(2, 1, &[1.0, 1.0]))?;
    /// assert!((lifted.least_squares_loss(&[1.0, 3.0]) - 0.25).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn least_squares_loss(&self, y: &[f64]) -> f64 {
        let n = self.vectors.nrows();
        assert_eq!(y.len(), n, "number of targets");
        let mut left = y.to_vec();
        for k in (0..self.values.len()).filter(|&k| self.values[k] > self.resolution()) {
            let along: f64 = left.iter().enumerate().map(|(j, y)| self.vectors[(j, k)] * y).sum();
            left.iter_mut().enumerate().for_each(|(j, y)| *y -= along * self.vectors[(j, k)]);
        }
        left.iter().map(|y| y * y).sum::<f64>() / (4.0 * n as f64)
    }

    /// Lemma 8's leave-one-out distances: dist_i is the distance of x_i (x) x_i from the span of the others, and
    /// dist_i^2 = 1/(K^-1)_ii with (K^-1)_ii = sum_k (U_ik/sigma_k)^2. Zero for all when sigma_min is zero to rounding.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::theory::bounds::Lifted;
    ///
    /// // e_1 (x) e_1 and 2 e_2 (x) 2 e_2 are orthogonal: each is as far from the other as it is long.
    /// let found = Lifted::new(&Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]))?.leave_one_out();
    /// assert!((found.distances[0] - 1.0).abs() < 1e-12 && (found.distances[1] - 4.0).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn leave_one_out(&self) -> LeaveOneOut {
        let n = self.vectors.nrows();
        // By a power of two, so that no square leaves the range of f64.
        let [up, down] = [-1, 1].map(|sign| span::power_of_two::<f64>(sign * span::exponent(self.values[0])));
        let distance = |i: usize| {
            let share = |k: usize| self.vectors[(i, k)] / (self.values[k] * up[0] * up[1]);
            let inverse: f64 = (0..n).map(|k| share(k).powi(2)).sum();
            inverse.recip().sqrt() * down[0] * down[1]
        };
        let degenerate = self.singular_values().min <= self.resolution();
        let distances = if degenerate { vec![0.0; n] } else { (0..n).map(distance).collect() };
        let min = distances.iter().copied().fold(f64::INFINITY, f64::min);
        LeaveOneOut { distances, min }
    }
}

/// ((||A v - s u||^2 + ||A^T u - s v||^2)/2)^(1/2) for unit vectors u and v: a singular value of A lies within this
/// distance of s, if it is above it. It is the residual of (u, v)/sqrt 2 as an eigenvector of [[0, A], [A^T, 0]], whose
/// eigenvalues are the singular values of A, their negatives, and zeros.
fn residual(a: &Dense<f64>, u: ColRef<'_, f64>, v: ColRef<'_, f64>, s: f64) -> f64 {
    let apart = |product: Dense<f64>, s_times: ColRef<'_, f64>| -> f64 {
        product.col(0).iter().zip(s_times.iter()).map(|(product, x)| (product - s * x).powi(2)).sum()
    };
    let (along, back) = (dense::product(a.as_ref(), v.as_mat()), dense::product(a.transpose(), u.as_mat()));
    ((apart(along, u) + apart(back, v)) / 2.0).sqrt()
}

/// Distances of each x_i (x) x_i from the span of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaveOneOut {
    /// dist_i, n.
    pub distances: Vec<f64>,
    /// The smallest of them.
    pub min: f64,
}

impl LeaveOneOut {
    /// Lemma 8: min_i dist_i / sqrt(n) <= sigma_min <= min_i dist_i.
    ///
    /// ```
    /// use memorize_train::theory::bounds::LeaveOneOut;
    ///
    /// let found = LeaveOneOut { distances: vec![1.0, 2.0, 3.0, 4.0], min: 1.0 };
    /// assert_eq!(found.sigma_min_bounds(), (0.5, 1.0));
    /// ```
    pub fn sigma_min_bounds(&self) -> (f64, f64) {
        (self.min / (self.distances.len() as f64).sqrt(), self.min)
    }
}

#[cfg(test)]
mod tests {
    use memorize_data::random::Purpose;
    use memorize_kernels::Engine;

    use super::*;
    use crate::network::{Network, normal_rows};
    use crate::objective::Objective;
    use crate::planner::Route;
    use crate::theory::curvature::extreme_eigenpair;
    use crate::theory::hessian::HessianOperator;

    const SIZES: [(usize, usize); 9] = [(1, 1), (1, 3), (3, 2), (5, 3), (6, 3), (10, 5), (20, 8), (36, 8), (7, 12)];

    fn samples(n: usize, d: usize, seed: u64) -> Mat<f64> {
        normal_rows(n, d, 1.0, seed, Purpose::SyntheticInputs)
    }

    #[test]
    fn lemma_1_on_random_instances() {
        let mut slackest: f64 = f64::INFINITY;
        for (n, d) in SIZES {
            for seed in 0..5 {
                let x = samples(n, d, seed);
                let y: Vec<f64> = samples(n, 1, seed + 50).iter().copied().collect();
                let net = Network::random(2 * d + 2, d, 0.3 * seed as f64 + 0.01, seed).unwrap();
                let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
                let hessian = HessianOperator::new(&objective, &net).unwrap();
                let lambda = extreme_eigenpair(hessian.moment()).unwrap().value.abs();
                let sigma = Lifted::new(&x).unwrap().singular_values().min;
                let bound = loss_bound(n, d, lambda, sigma);
                assert!(hessian.loss() <= bound * (1.0 + 1e-9), "n {n} d {d}: {} above {bound}", hessian.loss());
                slackest = slackest.min(bound / hessian.loss());
            }
        }
        // With n = d = 1 it is an equality: a smaller constant would be wrong.
        assert!((slackest - 1.0).abs() < 1e-9, "{slackest}");
    }

    #[test]
    fn lemma_5_on_random_pairs_of_points() {
        for (n, d) in SIZES {
            let x = samples(n, d, 7);
            let y: Vec<f64> = samples(n, 1, 57).iter().copied().collect();
            let target = y.iter().fold(0.0f64, |largest, y| largest.max(y.abs()));
            let points = [1, 2].map(|seed| Network::<f64>::random(4, d, 0.5, seed).unwrap());
            let radius = points.iter().map(|net| net.weights.frobenius_norm()).fold(0.0, f64::max);
            let bound = Lipschitz::on_ball(largest_norm(&x), target, radius, 0.1);
            let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.1, route: Route::Gram };
            let hessians = points.each_ref().map(|net| HessianOperator::new(&objective, net).unwrap());
            let difference =
                |a: &Mat<f64>, b: &Mat<f64>| Mat::from_fn(4, d, |i, k| a.row(i)[k] - b.row(i)[k]).frobenius_norm();
            let apart = difference(&points[0].weights, &points[1].weights);
            let gradients = hessians.each_ref().map(|hessian| hessian.gradient().unwrap());
            assert!(difference(&gradients[0], &gradients[1]) <= bound.gradient * apart);
            let z = Network::<f64>::random(4, d, 1.0, 3).unwrap().weights;
            let products = hessians.each_ref().map(|hessian| hessian.apply(&z).unwrap());
            assert!(difference(&products[0], &products[1]) <= bound.hessian * apart * z.frobenius_norm());
        }
    }

    #[test]
    fn lemma_8_bounds_sigma_min_from_both_sides() {
        for (n, d) in SIZES {
            for seed in 0..5 {
                let lifted = Lifted::new(&samples(n, d, seed)).unwrap();
                let (lower, upper) = lifted.leave_one_out().sigma_min_bounds();
                let sigma = lifted.singular_values().min;
                assert!(lower <= sigma * (1.0 + 1e-9) && sigma <= upper * (1.0 + 1e-9), "{lower} {sigma} {upper}");
            }
        }
    }

    #[test]
    fn distances_are_those_of_the_least_squares_residuals() {
        let (n, d) = (9, 4);
        let x = samples(n, d, 3);
        let lift = |j: usize| Dense::from_fn(d * d, 1, |at, _| x.row(j)[at / d] * x.row(j)[at % d]);
        let found = Lifted::new(&x).unwrap().leave_one_out();
        for i in 0..n {
            let others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            let others = Dense::from_fn(d * d, n - 1, |at, j| lift(others[j])[(at, 0)]);
            let q = others.qr().compute_thin_Q();
            let own = lift(i);
            let residual = &own - &q * (q.transpose() * &own);
            assert!((found.distances[i] - residual.norm_l2()).abs() < 1e-10 * own.norm_l2());
        }
    }

    #[test]
    fn singular_values_are_those_of_the_kronecker_matrix() {
        let x = samples(7, 4, 1);
        let kronecker = Dense::from_fn(16, 7, |at, j| x.row(j)[at / 4] * x.row(j)[at % 4]);
        let exact = kronecker.singular_values().unwrap();
        let found = Lifted::new(&x).unwrap().singular_values();
        assert!((found.max - exact[0]).abs() < 1e-13 * exact[0] && (found.min - exact[6]).abs() < 1e-13 * exact[0]);
    }

    #[test]
    fn samples_of_any_scale_have_singular_values_of_its_square() {
        for (n, d) in [(7, 4), (5, 9)] {
            let x = samples(n, d, 2);
            let (exact, distances) = {
                let lifted = Lifted::new(&x).unwrap();
                (lifted.singular_values(), lifted.leave_one_out().min)
            };
            for e in [-500, -40, 40, 500] {
                let scaled = Mat::from_fn(n, d, |j, k| x.row(j)[k] * 2f64.powi(e));
                let lifted = Lifted::new(&scaled).unwrap();
                let (found, square) = (lifted.singular_values(), 2f64.powi(2 * e));
                assert_eq!((found.min, found.max), (exact.min * square, exact.max * square));
                let close = lifted.leave_one_out().min / (distances * square) - 1.0;
                assert!(close.abs() < 1e-12 && lifted.resolution() < found.min, "{close}");
            }
            for scale in [1e-200, 1e200] {
                let x = Mat::from_fn(n, d, |j, k| x.row(j)[k] * scale);
                assert!(matches!(Lifted::new(&x), Err(TrainError::SingularValuesOutOfRange { .. })));
            }
        }
    }

    #[test]
    fn residuals_bound_the_errors_of_the_extreme_values() {
        for (n, d) in SIZES {
            let x = samples(n, d, 9);
            let lifted = Lifted::new(&x).unwrap();
            let (values, residuals) = (lifted.singular_values(), lifted.residuals());
            assert!(residuals.min < 1e-13 * values.max && residuals.max < 1e-13 * values.max, "{residuals:?}");
            // Vectors and a value that do not belong together have a residual to show for it.
            let matrix = Dense::from_fn(n, d * d, |j, at| x.row(j)[at / d] * x.row(j)[at % d]);
            let exact = matrix.singular_values().unwrap();
            let unit = |length: usize| faer::Col::from_fn(length, |i| if i == 0 { 1.0 } else { 0.0 });
            for value in [0.5 * values.max, 2.0 * values.max] {
                let found = residual(&matrix, unit(n).as_ref(), unit(d * d).as_ref(), value);
                let nearest = exact.iter().map(|s| (s - value).abs()).fold(value, f64::min);
                assert!(nearest <= found * (1.0 + 1e-12), "{nearest} {found}");
            }
        }
    }

    #[test]
    fn samples_beyond_capacity_or_repeated_are_degenerate() {
        let many = Lifted::new(&samples(7, 3, 1)).unwrap();
        assert_eq!((many.singular_values().min, many.leave_one_out().min), (0.0, 0.0));
        let x = samples(3, 4, 1);
        let twice = Mat::from_fn(6, 4, |j, k| x.row(j / 2)[k]);
        let twice = Lifted::new(&twice).unwrap();
        assert!(twice.singular_values().min <= twice.resolution());
        assert_eq!(twice.leave_one_out().min, 0.0);
    }

    #[test]
    fn sizes_that_are_too_large_are_known_before_anything_is_made() {
        assert!(Lifted::fits(300, 100) && Lifted::fits(DENSE_SAMPLES, 60));
        assert!(Lifted::fits(30, 60_000) && Lifted::fits(2, usize::MAX));
        assert!(!Lifted::fits(60_000, 784) && !Lifted::fits(500, usize::MAX) && !Lifted::fits(DENSE_SAMPLES + 1, 1));
        assert!(matches!(Lifted::new(&Mat::<f64>::zeros(0, 3)), Err(TrainError::NoSamples)));
    }
}
