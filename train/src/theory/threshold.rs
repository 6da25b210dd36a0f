//! Theorem 1's threshold. The output x^T S x is linear in the d(d+1)/2 numbers of the symmetric S = W A W^T, so that
//! many samples in general position can be memorised whatever their targets, and no more.

use super::constants::capacity;

/// Neurons with which every symmetric S is W A W^T for some W: half of them have the sign +1, half -1, and S has up to
/// d eigenvalues of either sign. Theorem 1 asks for two more, so that a saddle always has a direction to leave it by
/// (Lemma 3).
///
/// ```
/// assert_eq!(memorize_train::theory::threshold::neurons_for_every_matrix(10), 20);
/// ```
pub fn neurons_for_every_matrix(d: usize) -> usize {
    2 * d
}

/// Samples whose number is this share of the capacity d(d+1)/2, to the nearest whole number, at least 1.
///
/// ```
/// // Half of d(d+1)/2 = 55, rounded.
/// assert_eq!(memorize_train::theory::threshold::samples_at(0.5, 10), 28);
/// ```
pub fn samples_at(share: f64, d: usize) -> usize {
    // A share that is not a number, or too large for memory, is cast to the nearest end of the range.
    (share * capacity(d) as f64).round().max(1.0) as usize
}

/// The expected value of the least f that any network reaches on n samples of width d in general position, whose
/// targets are drawn independently of the samples and of each other with mean 0 and E y^2 = `mean_square`:
///
/// ```text
/// E min_W f(W) = mean_square/4 (1 - rank/n),  rank = min(n, d(d+1)/2)
/// ```
///
/// The outputs (x_1^T S x_1, ..., x_n^T S x_n) of all symmetric S are a linear space V. Its dimension is the rank of
/// the n x d(d+1)/2 matrix whose rows are the lifted samples. That rank is min(n, d(d+1)/2) with probability 1 when the
/// samples (or, scaled to length 1, their directions) are independent and have a density: as long as the lifted samples
/// so far do not span everything there is a T != 0 that is orthogonal to them, x^T T x is a polynomial that is not zero
/// everywhere, its zeros have measure zero, and so the next lifted sample is almost surely outside of their span.
///
/// With P the orthogonal projection onto V, min f = ||(I - P) y||^2/(4n). P depends on the samples only, so that
/// E ||(I - P) y||^2 = tr((I - P) E y y^T) = mean_square tr(I - P) = mean_square (n - rank).
///
/// At W = 0, f has the expected value mean_square/4: the bracket is the part of it that cannot be memorised. 0 without
/// samples.
///
/// ```
/// use memorize_train::theory::threshold::expected_least_squares_loss;
///
/// assert_eq!(expected_least_squares_loss(55, 10, 1.0), 0.0);
/// assert_eq!(expected_least_squares_loss(110, 10, 1.0), 0.25 * 0.5);
/// ```
pub fn expected_least_squares_loss(n: usize, d: usize, mean_square: f64) -> f64 {
    mean_square / 4.0 * unexplained(n, d) as f64 / n.max(1) as f64
}

/// The standard deviation of what [`expected_least_squares_loss`] is the expected value of, or an upper bound of it.
///
/// With Q = I - P and targets of fourth moment kappa mean_square^2, the variance of y^T Q y is
/// mean_square^2 (2 tr Q^2 + (kappa - 3) sum_j Q_jj^2). Q^2 = Q, so this is at most 2 mean_square^2 (n - rank) for targets
/// with kappa <= 3, such as normal ones (3) and uniform ones (9/5).
///
/// ```
/// use memorize_train::theory::threshold::least_squares_loss_deviation;
///
/// assert_eq!(least_squares_loss_deviation(55, 10, 1.0), 0.0);
/// assert!(least_squares_loss_deviation(110, 10, 1.0) > 0.0);
/// ```
pub fn least_squares_loss_deviation(n: usize, d: usize, mean_square: f64) -> f64 {
    mean_square / 4.0 * (2.0 * unexplained(n, d) as f64).sqrt() / n.max(1) as f64
}

/// n - rank.
fn unexplained(n: usize, d: usize) -> u128 {
    (n as u128).saturating_sub(capacity(d))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use memorize_data::{Preparation, Prepared, synthetic};
    use memorize_kernels::{Engine, Mat, Par, rows};

    use super::*;
    use crate::metric::Norm;
    use crate::network::{Network, default_init_scale};
    use crate::objective::Objective;
    use crate::observe::{Silent, StopReason};
    use crate::optim::{self, Limits, Method, full_batch};
    use crate::planner::Route;
    use crate::schedule::StepDecay;
    use crate::solve::{Settings, Solution, Verdict, WORKSPACE, solve};
    use crate::theory::bounds::Lifted;
    use crate::theory::constants::theorem1_neurons;

    const MEAN_SQUARE: f64 = synthetic::TARGET_MEAN_SQUARE;
    const TOLERANCE: f64 = 1e-12;

    fn engine() -> Engine {
        Engine { par: Par::Seq, ..Engine::best() }
    }

    fn problem(seed: u64, n: usize, d: usize) -> (Mat<f64>, Vec<f64>) {
        let (inputs, _) = synthetic::tables(seed, n, d).unwrap();
        let preparation = Preparation { normalize: true, ..Preparation::default() };
        let prepared = Prepared::<f64>::new(&engine(), Arc::new(inputs), &preparation).unwrap();
        (rows::to_mat(Par::Seq, &prepared), synthetic::targets(seed, n))
    }

    fn exact(x: &Mat<f64>, y: &[f64]) -> f64 {
        Lifted::new(x).unwrap().least_squares_loss(y)
    }

    fn solved(x: &Mat<f64>, y: &[f64]) -> Solution<f64> {
        let settings = Settings {
            tolerance: TOLERANCE,
            max_products: 2000,
            norm: Norm::Frobenius,
            rank: y.len(),
            seed: 0,
            workspace: WORKSPACE,
        };
        solve(engine(), x, y, &settings, &mut Silent).unwrap()
    }

    #[test]
    fn shares_of_the_capacity_are_whole_samples() {
        assert_eq!([0.0, 0.5, 1.0, 1.2].map(|share| samples_at(share, 4)), [1, 5, 10, 12]);
        assert_eq!([samples_at(1.0, 784), samples_at(1e300, 784)], [307_720, usize::MAX]);
    }

    #[test]
    fn the_prediction_at_known_points() {
        assert_eq!([0, 1, 9, 10].map(|n| expected_least_squares_loss(n, 4, 1.0)), [0.0; 4]);
        // Twice the capacity: half of f(0) = 1/4 stays.
        assert_eq!(expected_least_squares_loss(20, 4, 1.0), 0.125);
        assert_eq!(least_squares_loss_deviation(20, 4, 1.0), 20f64.sqrt() / 80.0);
    }

    #[test]
    fn least_squares_losses_of_random_instances_scatter_around_the_prediction_as_far_as_it_says() {
        const SEEDS: u64 = 40;
        for (n, d) in [(4, 2), (12, 3), (30, 6), (22, 6), (80, 8)] {
            let losses: Vec<f64> = (0..SEEDS).map(|seed| problem(seed, n, d)).map(|(x, y)| exact(&x, &y)).collect();
            let mean = losses.iter().sum::<f64>() / SEEDS as f64;
            let expected = expected_least_squares_loss(n, d, MEAN_SQUARE);
            let deviation = least_squares_loss_deviation(n, d, MEAN_SQUARE);
            let of_the_mean = deviation / (SEEDS as f64).sqrt();
            assert!((mean - expected).abs() < 3.0 * of_the_mean, "n {n} d {d}: {mean:e}, expected {expected:e}");
            let variance = losses.iter().map(|loss| (loss - expected).powi(2)).sum::<f64>() / SEEDS as f64;
            assert!(variance.sqrt() < 1.4 * deviation, "n {n} d {d}: {:e} of {deviation:e}", variance.sqrt());
        }
    }

    #[test]
    fn what_cannot_be_memorised_grows_with_every_sample_from_the_capacity_on() {
        for (seed, d) in [(0, 2), (1, 3), (2, 5), (3, 8)] {
            let capacity = capacity(d) as usize;
            let mut before = 0.0;
            for n in 1..=2 * capacity {
                // The first n of one long list, so that each set contains the one before.
                let (x, y) = problem(seed, n, d);
                let squares = exact(&x, &y) * 4.0 * n as f64;
                if n <= capacity {
                    assert!(squares < 1e-20, "n {n} d {d}: {squares:e}");
                } else {
                    assert!(squares > 1e-9 && squares >= before * (1.0 - 1e-9), "n {n} d {d}: {squares:e}");
                }
                before = squares;
            }
        }
    }

    #[test]
    fn the_solver_memorises_up_to_the_capacity_and_no_further() {
        for d in [2, 5, 9] {
            let capacity = capacity(d) as usize;
            for (seed, n) in [1, capacity / 2, capacity, capacity + 1, 2 * capacity].into_iter().enumerate() {
                let (x, y) = problem(seed as u64, n, d);
                let found = solved(&x, &y);
                let (loss, least) = (found.evaluation.loss, exact(&x, &y));
                assert!(found.network.neurons() <= neurons_for_every_matrix(d));
                if n <= capacity {
                    assert!(found.verdict == Verdict::Memorised && loss <= TOLERANCE, "n {n} d {d}: {loss:e}");
                } else {
                    assert_eq!(found.verdict, Verdict::LeastSquares { beyond_capacity: true }, "n {n} d {d}");
                    assert!((loss - least).abs() < 1e-6 * least, "n {n} d {d}: {loss:e}, least {least:e}");
                }
            }
        }
    }

    #[test]
    fn descent_from_a_random_start_finds_the_same_threshold() {
        let d = 8;
        for (seed, share) in [0.3, 0.6, 1.3, 2.0].into_iter().enumerate() {
            let (x, y) = problem(seed as u64, samples_at(share, d), d);
            let least = exact(&x, &y);
            let r = theorem1_neurons(d);
            let mut network = Network::random(r, d, default_init_scale(r), seed as u64).unwrap();
            let objective = Objective { engine: engine(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
            let target = TOLERANCE.max(least * 1.001);
            let limits = Limits { iterations: 5000, record_every: 5000, stop_below: Some(target) };
            let settings = optim::Settings { method: Method::ADAM, schedule: StepDecay::constant(0.01), limits };
            let outcome = full_batch(&objective, &mut network, &settings, &mut Silent).unwrap();
            let loss = objective.evaluate(&network).unwrap().loss;
            assert_eq!(outcome.reason, StopReason::Target, "share {share}: {loss:e}, least {least:e}");
            assert!(loss >= least * (1.0 - 1e-9) && (least > 1e-3) == (share > 1.0), "share {share}: {loss:e}");
        }
    }
}
