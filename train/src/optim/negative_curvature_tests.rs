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

const PARAMETERS: Escape = Escape { eta: 0.1, g_thres: 1e-3, tolerance: 1e-5 };

fn limits(iterations: u64) -> Limits {
    Limits { iterations, record_every: 1, stop_below: None }
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
    let extreme = extreme_of_moment(&objective, &net).unwrap();
    let z = most_negative_direction(&net, &extreme).unwrap();
    let quartic = Quartic::along(&objective, &net, &z).unwrap();
    // W A Z^T = 0: no odd terms; half the second derivative is -||M||_2 / 2.
    let [_, p1, p2, p3, p4] = quartic.0;
    assert!(p1.abs() < 1e-14 && p3.abs() < 1e-14 && p4 > 0.0);
    assert!((p2 + extreme.value.abs() / 2.0).abs() < 1e-13, "{p2}");
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
        let run =
            escaping_descent(&objective, &mut net, &Escape { eta: 0.03, ..PARAMETERS }, &limits(200_000), &mut Silent)
                .unwrap();
        assert_eq!(run.outcome.reason, StopReason::Returned, "{run:?}");
        assert!(run.escapes >= 1 && run.curvature.unwrap() <= PARAMETERS.tolerance);
        let loss = objective.evaluate(&net).unwrap().loss;
        let sigma = singular_values(&x).unwrap().min;
        assert!(loss <= loss_bound(n, d, PARAMETERS.tolerance, sigma), "{loss} with sigma {sigma}");
    }
}

#[test]
fn every_escape_lowers_the_value_by_what_it_says() {
    let (x, y) = samples(12, 5, 9);
    let objective = objective(&x, &y, 0.01);
    let mut net = Network::<f64>::zeros(12, 5).unwrap();
    for _ in 0..5 {
        let before = objective.evaluate(&net).unwrap().regularized;
        let extreme = extreme_of_moment(&objective, &net).unwrap();
        let won = escape(&objective, &mut net, &extreme).unwrap();
        let after = objective.evaluate(&net).unwrap().regularized;
        assert!(won > 0.0 && (before - after - won).abs() < 1e-12 * before, "{before} {after} {won}");
    }
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
    let wild = Escape { eta: 1e6, ..PARAMETERS };
    let mut net = Network::<f32>::zeros(12, 5).unwrap();
    let error = escaping_descent(&objective, &mut net, &wild, &limits, &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}
