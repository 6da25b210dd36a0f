use memorize_kernels::Engine;

use super::*;
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::Silent;
use crate::optim::accelerated::{Acceleration, accelerated_descent};
use crate::optim::negative_curvature::{Escape, escaping_descent};
use crate::optim::pgd::{Training, perturbed_descent};
use crate::optim::{Limits, Settings, full_batch, mini_batch};
use crate::planner::Route;
use crate::schedule::StepDecay;
use crate::theory::constants::Thresholds;

const N: usize = 12;
const D: usize = 5;
const R: usize = 12;

/// Samples with entries of this size, and targets of size 1.
fn problem<T: Element>(scale: f64) -> (Mat<T>, Vec<T>) {
    let x = Network::<f64>::random(N, D, 1.0, 11).unwrap().weights;
    let x = Mat::from_fn(N, D, |j, a| T::from_f64(scale * x.row(j)[a]));
    (x, (0..N).map(|j| T::from_f64((j % 5) as f64 / 2.0 - 1.0)).collect())
}

/// Result of a run: f, or why it ended.
fn run<T: Element>(optimiser: &str, scale: f64, iterations: u64) -> Result<f64, TrainError> {
    let (x, y) = problem::<T>(scale);
    let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    let mut net = Network::<T>::random(R, D, 0.4, 1)?;
    let limits = Limits { iterations, record_every: 1, stop_below: None };
    let settings = |method, rate| Settings { method, schedule: StepDecay::constant(rate), limits };
    match optimiser {
        "gd" => drop(full_batch(&objective, &mut net, &settings(Method::Descent, 0.1), &mut Silent)?),
        "adam, full batch" => drop(full_batch(&objective, &mut net, &settings(Method::ADAM, 0.01), &mut Silent)?),
        "sgd" => drop(mini_batch(&objective, &mut net, &settings(Method::Descent, 0.1), 5, 9, &mut Silent)?),
        "adam, gram" => drop(mini_batch(&objective, &mut net, &settings(Method::ADAM, 0.01), 5, 9, &mut Silent)?),
        "adam, neurons" => {
            let objective = Objective { route: Route::Neuron, ..objective };
            mini_batch(&objective, &mut net, &settings(Method::ADAM, 0.01), 5, 9, &mut Silent)?;
        }
        "pgd" => {
            let thresholds = Thresholds { eta: 0.1, radius: 1e-3, g_thres: 1e-6, f_thres: 1e-9, t_thres: 20 };
            let start = net.weights.clone();
            let mut landscape = Training::new(&objective, net.clone());
            net.weights = perturbed_descent(&mut landscape, start, &thresholds, &limits, 1, &mut Silent)?.weights;
        }
        "accelerated" => {
            let parameters =
                Acceleration { eta: 0.1, theta: 0.1, gamma: 0.1, s: 0.1, radius: 1e-3, g_thres: 1e-9, t_thres: 20 };
            let start = net.weights.clone();
            let mut landscape = Training::new(&objective, net.clone());
            net.weights = accelerated_descent(&mut landscape, start, &parameters, &limits, 1, &mut Silent)?.weights;
        }
        "negative curvature" => {
            let parameters = Escape { g_thres: 0.01, tolerance: 0.0 };
            escaping_descent(&objective, &mut net, &parameters, &limits, &mut Silent)?;
        }
        other => panic!("{other}"),
    }
    assert!(net.weights.is_finite(), "{optimiser} at {scale:e} left weights that are not finite");
    Ok(objective.evaluate(&net)?.loss)
}

const ALL: [&str; 8] =
    ["gd", "adam, full batch", "sgd", "adam, gram", "adam, neurons", "pgd", "accelerated", "negative curvature"];

/// Where the samples' scale makes numbers overflow, a run of any optimiser either diverges or lowers the loss: it never
/// stands still.
fn moves_or_diverges<T: Element>(scales: &[f64]) {
    for &scale in scales {
        let (x, y) = problem::<T>(scale);
        let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
        let start = objective.evaluate(&Network::<T>::random(R, D, 0.4, 1).unwrap()).unwrap().loss;
        for optimiser in ALL {
            match run::<T>(optimiser, scale, 30) {
                Ok(loss) => assert!(loss < start, "{optimiser} in {} at {scale:e}: {start:e} -> {loss:e}", T::NAME),
                Err(TrainError::Diverged { .. }) => {}
                Err(error) => panic!("{optimiser} at {scale:e}: {error}"),
            }
        }
    }
}

#[test]
fn no_optimiser_stands_still_where_numbers_overflow() {
    moves_or_diverges::<f32>(&[1.0, 1e2, 1e4, 1e5, 1e6, 1e8, 1e9, 1e12, 1e18]);
    moves_or_diverges::<f64>(&[1.0, 1e4, 1e20, 1e30, 1e39, 1e50, 1e75, 1e100, 1e150]);
}

#[test]
fn the_first_step_of_adam_is_refused_where_the_square_of_the_gradient_overflows() {
    for optimiser in ["adam, full batch", "adam, gram", "adam, neurons"] {
        // Outputs of 1e10, gradients of 1e25 times the weights: numbers of f32, but not their squares.
        let error = run::<f32>(optimiser, 1e5, 30).unwrap_err();
        let TrainError::Diverged { what, iteration, last_finite, .. } = error else { panic!("{error}") };
        assert_eq!((what, iteration), (Divergence::Moments("f32"), 0), "{optimiser}");
        assert!(last_finite.is_some_and(|loss| loss > 1e18), "{optimiser}: {last_finite:?}");
        assert!(run::<f64>(optimiser, 1e5, 30).is_ok(), "f64 holds them");
        let error = run::<f64>(optimiser, 1e39, 30).unwrap_err();
        assert!(matches!(error, TrainError::Diverged { what: Divergence::Moments("f64"), .. }), "{error}");
    }
}

#[test]
fn a_line_search_does_not_depend_on_the_scale_of_the_samples() {
    // The same problem in other units: W is multiplied by 1e10, and nothing else changes.
    let losses = [1.0, 1e-10, 1e-13].map(|scale| run::<f32>("negative curvature", scale, 200).unwrap());
    assert!(losses.iter().all(|&loss| loss < 1e-6), "{losses:?}");
}

#[test]
fn a_curvature_that_overflows_is_no_second_order_stationary_point() {
    let error = run::<f32>("negative curvature", 1e12, 30).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { what: Divergence::Curvature("f32"), iteration: 0, .. }), "{error}");
}

#[test]
fn a_run_is_looked_at_after_its_first_and_last_step_and_in_between() {
    let looked: Vec<u64> = (1..=1100).filter(|&t| Guard::looks(t, 1100)).collect();
    assert_eq!(looked, [1, 512, 1024, 1100]);
}

/// A loss that f32 cannot tell from rounding is told by f64 before a run stops at it.
#[test]
fn a_target_below_what_f32_resolves_is_reached_in_f64() {
    // Four samples that are nearly orthogonal, so that descent converges fast.
    let noise = Network::<f64>::random(4, 8, 0.05, 11).unwrap().weights;
    let x = Mat::from_fn(4, 8, |j, a| (noise.row(j)[a] + if a == j { 1.0 } else { 0.0 }) as f32);
    let y = [0.7f32, -0.3, 0.9, -1.1];
    let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    let target = 0.02 * objective.resolution();
    for optimiser in ["gd", "batches", "negative curvature"] {
        let mut net = Network::<f32>::random(24, 8, 0.3, 1).unwrap();
        let limits = Limits { iterations: 3000, record_every: 1, stop_below: Some(target) };
        let settings = Settings { method: Method::Descent, schedule: StepDecay::constant(0.3), limits };
        let outcome = match optimiser {
            "gd" => full_batch(&objective, &mut net, &settings, &mut Silent).unwrap(),
            "batches" => mini_batch(&objective, &mut net, &settings, 2, 9, &mut Silent).unwrap(),
            _ => {
                let parameters = Escape { g_thres: 0.01, tolerance: 0.0 };
                escaping_descent(&objective, &mut net, &parameters, &limits, &mut Silent).unwrap().outcome
            }
        };
        let exact = objective.evaluate_in_f64(&net).unwrap().loss;
        let stopped = outcome.reason == crate::observe::StopReason::Target;
        assert_eq!(stopped, exact <= target, "{optimiser}: {exact:e} of {target:e}, {outcome:?}");
        assert!(exact < 10.0 * objective.resolution(), "{optimiser}: {exact:e} of {:e}", objective.resolution());
    }
}
