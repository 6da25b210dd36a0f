//! The quartic against the objective, its minimiser against a search, and the way from the saddle W = 0.

use memorize_data::random::Purpose;
use memorize_kernels::Engine;

use super::*;
use crate::network::normal_rows;
use crate::observe::Silent;
use crate::planner::Route;
use crate::spectrum::singular_values;
use crate::theory::bounds::loss_bound;

fn samples(n: usize, d: usize, seed: u64) -> (Mat<f64>, Vec<f64>) {
    let x = normal_rows(n, d, 0.5, seed, Purpose::SyntheticInputs);
    let y = normal_rows::<f64>(n, 1, 1.0, seed, Purpose::SyntheticTargets).iter().copied().collect();
    (x, y)
}

fn objective<'a>(x: &'a Mat<f64>, y: &'a [f64], gamma: f64) -> Objective<'a, f64, Mat<f64>> {
    Objective { engine: Engine::best(), x, y, gamma, route: Route::Gram }
}

const PARAMETERS: Escape = Escape { g_thres: 1e-3, tolerance: 1e-5 };
const PARAMETERS_TO_THE_END: Escape = Escape { tolerance: 0.0, ..PARAMETERS };

fn limits(iterations: u64) -> Limits {
    Limits { iterations, record_every: 1, stop_below: None }
}

fn point<'a, 'b>(
    objective: &'a Objective<'b, f64, Mat<f64>>,
    net: &'a mut Network<f64>,
) -> Point<'a, 'b, f64, Mat<f64>> {
    let mut point = Point { objective, net, delta: Vec::new(), stale: 0, passes: 0.0 };
    point.refresh().unwrap();
    point
}

fn moved(net: &Network<f64>, t: f64, z: &Mat<f64>) -> Network<f64> {
    let weights = Mat::from_fn(z.rows(), z.cols(), |i, a| net.weights.row(i)[a] + t * z.row(i)[a]);
    Network { weights, signs: net.signs.clone() }
}

#[test]
fn the_quartic_is_the_objective_along_a_direction() {
    let (x, y) = samples(23, 5, 1);
    let net = Network::<f64>::random(12, 5, 0.5, 2).unwrap();
    let z = Network::<f64>::random(12, 5, 1.0, 3).unwrap().weights;
    for gamma in [0.0, 0.3] {
        let objective = objective(&x, &y, gamma);
        let quartic = Quartic::along(&objective, &net, &z).unwrap();
        for t in [-3.0, -1.0, -0.1, 0.0, 0.2, 1.0, 5.0] {
            let exact = objective.evaluate(&moved(&net, t, &z)).unwrap().regularized;
            assert!((quartic.value(t) - exact).abs() < 1e-11 * exact.max(1.0), "{t}: {} {exact}", quartic.value(t));
        }
        // The slope at 0 is that of the gradient.
        let mut gradient = Mat::zeros(12, 5);
        objective.gradient(&net, &mut gradient).unwrap();
        let slope: f64 = gradient.iter().zip(z.iter()).map(|(g, z)| g * z).sum();
        assert!((quartic.0[1] - slope).abs() < 1e-12 * slope.abs());
    }
}

#[test]
fn lemma_3s_direction_has_its_curvature_in_the_quartic() {
    let (x, y) = samples(23, 5, 4);
    let net = Network::<f64>::random(12, 5, 0.5, 5).unwrap();
    let objective = objective(&x, &y, 0.0);
    let mut moved = net.clone();
    let mut at = point(&objective, &mut moved);
    let moment = at.gradient().unwrap().0;
    let (norm, z) = at.way_out(&moment, 0.0).unwrap();
    let z = z.unwrap();
    assert!(at.way_out(&moment, norm).unwrap().1.is_none());
    let quartic = Quartic::along(&objective, &net, &z).unwrap();
    // W A Z^T = 0: no odd terms; half the second derivative is -||M||_2 / 2.
    let [_, p1, p2, p3, p4] = quartic.0;
    assert!(p1.abs() < 1e-14 && p3.abs() < 1e-14 && p4 > 0.0);
    assert!((p2 + norm / 2.0).abs() < 1e-13, "{p2}");
}

#[test]
fn the_minimiser_is_the_lowest_point() {
    let by_roots = |scale: f64, roots: [f64; 3]| {
        // The antiderivative of scale (t - a)(t - b)(t - c).
        let [a, b, c] = roots;
        Quartic([0.0, -a * b * c, (a * b + b * c + c * a) / 2.0, -(a + b + c) / 3.0, 0.25].map(|p| scale * p))
    };
    for (quartic, expected) in [
        (by_roots(1.0, [-2.0, 0.5, 1.0]), -2.0),
        (by_roots(1e-9, [-1.0, -0.5, 3.0]), 3.0),
        (by_roots(1e9, [1e-4, 2e-4, 9e-4]), 9e-4),
        (by_roots(1.0, [2.0, 2.0, 2.0]), 2.0),
        // Two wells of one depth: the larger.
        (by_roots(1.0, [-1.0, 0.0, 1.0]), 1.0),
        // One stationary point: t + t^4 at -(1/4)^(1/3), and t^2 + t^4 at 0.
        (Quartic([0.0, 1.0, 0.0, 0.0, 1.0]), -(0.25f64).cbrt()),
        (Quartic([0.0, 0.0, 1.0, 0.0, 1.0]), 0.0),
        (Quartic([5.0, -4.0, 1.0, 0.0, 0.0]), 2.0),
    ] {
        let found = quartic.minimiser().unwrap();
        assert!((found - expected).abs() < 1e-6 * expected.abs().max(1e-9), "{quartic:?}: {found}");
    }
    for seed in 0..200 {
        let random: Mat<f64> = normal_rows(1, 5, 1.0, seed, Purpose::Probe);
        let mut p: [f64; 5] = std::array::from_fn(|i| random.row(0)[i]);
        p[4] = p[4].abs() + 1e-3;
        let quartic = Quartic(p);
        let lowest = quartic.value(quartic.minimiser().unwrap());
        let reach = 2.0 + 4.0 * p.iter().map(|p| p.abs()).sum::<f64>() / p[4];
        let grid = (-2_000..=2_000).map(|at| quartic.value(f64::from(at) / 2_000.0 * reach));
        assert!(grid.fold(f64::INFINITY, f64::min) >= lowest - 1e-9 * lowest.abs().max(1.0), "{p:?}");
    }
    for p in [[0.0, 0.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.0, 0.0, 0.0], [f64::NAN, 0.0, 0.0, 0.0, 1.0]] {
        assert_eq!(Quartic(p).minimiser(), None);
    }
}

#[test]
fn the_saddle_zero_is_left_by_the_first_step_and_the_data_memorised() {
    let (n, d) = (8, 5);
    for seed in 0..5 {
        let (x, y) = samples(n, d, seed);
        let objective = objective(&x, &y, 0.0);
        let mut net = Network::<f64>::zeros(2 * d + 2, d).unwrap();
        let run = escaping_descent(&objective, &mut net, &PARAMETERS, &limits(2_000), &mut Silent).unwrap();
        assert_eq!(run.outcome.reason, StopReason::Returned, "{run:?}");
        assert!(run.escapes >= 1);
        let curvature = extreme_eigenpair(point(&objective, &mut net).gradient().as_ref().map(|(m, _)| m).unwrap());
        assert!(curvature.unwrap().value.abs() <= PARAMETERS.tolerance);
        let loss = objective.evaluate(&net).unwrap().loss;
        let sigma = singular_values(&x).unwrap().min;
        assert!(loss <= loss_bound(n, d, PARAMETERS.tolerance, sigma), "{loss} with sigma {sigma}");
    }
}

#[test]
fn every_step_lowers_the_value_by_what_it_says() {
    let (x, y) = samples(12, 5, 9);
    let objective = objective(&x, &y, 0.01);
    let mut net = Network::<f64>::zeros(12, 5).unwrap();
    let mut at = point(&objective, &mut net);
    for step in 0..8 {
        let before = objective.evaluate(at.net).unwrap().regularized;
        let (moment, gradient) = at.gradient().unwrap();
        let z = if step % 2 == 0 {
            at.way_out(&moment, 0.0).unwrap().1.unwrap()
        } else {
            Conjugate::after(&Engine::best(), None, gradient).z
        };
        let won = at.descend(&z).unwrap().expect("finite numbers");
        let after = objective.evaluate(at.net).unwrap();
        assert!(won > 0.0 && (before - after.regularized - won).abs() < 1e-12 * before, "{before} {won}");
        assert!((at.loss() - after.loss).abs() < 1e-12 * before, "the residuals follow W");
    }
    // Before it began, one quadratic form; with every step a weighted Gram matrix and two forms.
    assert_eq!(at.passes, 0.5 + 8.0 * 1.5);
}

#[test]
fn residuals_that_follow_are_those_of_the_weights_at_the_end() {
    let (x, y) = samples(12, 5, 2);
    let objective = objective(&x, &y, 0.0);
    let mut net = Network::<f64>::random(12, 5, 0.3, 1).unwrap();
    let limits = Limits { stop_below: Some(1e-20), ..limits(10_000) };
    let run = escaping_descent(&objective, &mut net, &PARAMETERS_TO_THE_END, &limits, &mut Silent).unwrap();
    assert_eq!(run.outcome.reason, StopReason::Target, "{run:?}");
    assert!(objective.evaluate(&net).unwrap().loss <= 1e-20);
    assert!(run.outcome.iterations < 2_000, "{run:?}");
}

/// The Quartic's conjugate gradients on a quadratic: two steps for two dimensions.
#[test]
fn directions_are_conjugate() {
    let gradient = |w: [f64; 2]| Mat::from_slice(1, 2, &[w[0], 10.0 * w[1]]);
    let mut w = [1.0, 1.0];
    let mut conjugate = None;
    for _ in 0..2 {
        let next = Conjugate::after(&Engine::best(), conjugate, gradient(w));
        let z = [next.z.row(0)[0], next.z.row(0)[1]];
        let slope = w[0] * z[0] + 10.0 * w[1] * z[1];
        let step = -slope / (z[0] * z[0] + 10.0 * z[1] * z[1]);
        w = [w[0] + step * z[0], w[1] + step * z[1]];
        conjugate = Some(next);
    }
    assert!(w[0].abs() < 1e-14 && w[1].abs() < 1e-14, "{w:?}");
}

#[test]
fn single_precision_escapes_too_and_bad_input_is_refused() {
    let (x, y) = samples(12, 5, 1);
    let (x, y) = (Mat::from_fn(12, 5, |j, a| x.row(j)[a] as f32), y.iter().map(|&y| y as f32).collect::<Vec<_>>());
    let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    let mut net = Network::<f32>::zeros(12, 5).unwrap();
    let limits = Limits { stop_below: Some(1e-5), ..limits(100_000) };
    let run = escaping_descent(&objective, &mut net, &PARAMETERS, &limits, &mut Silent).unwrap();
    assert_eq!(run.outcome.reason, StopReason::Target);
    let mut narrow = Network::<f32>::zeros(10, 5).unwrap();
    let error = escaping_descent(&objective, &mut narrow, &PARAMETERS, &limits, &mut Silent).unwrap_err();
    assert!(error.to_string().contains("12"), "{error}");
    let y = [f32::NAN; 12];
    let objective = Objective { y: &y, ..objective };
    let error = escaping_descent(&objective, &mut net, &PARAMETERS, &limits, &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}
