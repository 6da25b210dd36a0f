//! Algorithm 1 on a landscape small enough to follow by hand, and on a network.

use memorize_kernels::{Engine, Mat};

use super::*;
use crate::observe::Silent;
use crate::planner::Route;

/// h(x, y) = x^2/2 + (y^2 - 1)^2/4: a saddle at the origin with value 1/4, minima at (0, +-1) with value 0.
struct DoubleWell;

impl Landscape<f64> for DoubleWell {
    fn evaluate(&mut self, w: &Mat<f64>, gradient: &mut Mat<f64>) -> Result<Evaluation, TrainError> {
        let (x, y) = (w.row(0)[0], w.row(0)[1]);
        gradient.row_mut(0).copy_from_slice(&[x, y * (y * y - 1.0)]);
        let value = x * x / 2.0 + (y * y - 1.0).powi(2) / 4.0;
        Ok(Evaluation { loss: value, regularized: value })
    }
}

const THRESHOLDS: Thresholds = Thresholds { eta: 0.1, radius: 0.01, g_thres: 0.05, f_thres: 0.05, t_thres: 80 };

fn limits(iterations: u64) -> Limits {
    Limits { iterations, record_every: 1, stop_below: None }
}

#[derive(Default)]
struct Log {
    losses: Vec<f64>,
    notes: Vec<String>,
}

impl Observer for Log {
    fn record(&mut self, record: &Record) {
        self.losses.push(record.loss);
    }
    fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }
}

/// Worked by hand. From (1, 0) the gradient is (1, 0): no perturbation (1 > 0.05), and each step multiplies x by 0.9,
/// y stays exactly 0. The first t with 0.9^t <= 0.05 is 29 (0.9^28 = 0.0523, 0.9^29 = 0.0471): there the saddle is
/// perturbed. Near the origin y grows by 1.1 a step from at most 0.01, so that within 80 steps it is in a well, and the
/// value has fallen by about 1/4: more than f_thres, the perturbation escaped. At t = 109 = 29 + 80 the algorithm only
/// notes that (t - t_noise > t_thres does not hold yet); at t = 110 the gradient is small again: second perturbation,
/// in a well, from which nothing is won. At t = 190 the algorithm returns the point it was perturbed from.
#[test]
fn a_double_well_takes_every_branch() {
    let mut log = Log::default();
    let start = Mat::from_slice(1, 2, &[1.0, 0.0]);
    let run = perturbed_descent(&mut DoubleWell, start, &THRESHOLDS, &limits(1000), 42, &mut log).unwrap();

    let [first, second] = run.perturbations[..] else { panic!("{:?}", run.perturbations) };
    assert_eq!((first.iteration, second.iteration), (29, 110));
    // Before the first perturbation the path is x_t = 0.9^t exactly as computed by hand.
    let by_hand = |t: i32| 0.9f64.powi(2 * t) / 2.0 + 0.25;
    assert!((0..29).all(|t| (log.losses[t as usize] - by_hand(t)).abs() < 1e-12));
    assert!((first.before - by_hand(29)).abs() < 1e-12);
    assert!(first.after.unwrap() - first.before < -0.2, "the saddle was left: {first:?}");
    assert!(second.after.unwrap() - second.before > -THRESHOLDS.f_thres);
    assert_eq!((run.outcome.reason, run.outcome.iterations), (StopReason::Returned, 190));
    // The point returned is the one before the last perturbation: in a well, with that value.
    let (x, y) = (run.weights.row(0)[0], run.weights.row(0)[1]);
    assert!(x.abs() < 0.01 && (y.abs() - 1.0).abs() < 0.05);
    assert_eq!(x * x / 2.0 + (y * y - 1.0).powi(2) / 4.0, second.before);
    assert_eq!(log.notes.len(), 2);
    assert!(log.notes[0].contains("escaped a saddle") && log.notes[1].contains("did not escape"), "{:?}", log.notes);
}

/// The same landscape, with steps that it takes by itself.
struct Quick;

impl Landscape<f64> for Quick {
    fn evaluate(&mut self, w: &Mat<f64>, gradient: &mut Mat<f64>) -> Result<Evaluation, TrainError> {
        DoubleWell.evaluate(w, gradient)
    }

    fn descend(&mut self, w: &mut Mat<f64>, eta: f64, steps: u64, until: &Until) -> Result<u64, TrainError> {
        let mut gradient = Mat::zeros(1, 2);
        for step in 0..steps {
            let at = self.evaluate(w, &mut gradient)?;
            let flat = until.gradient_norm.is_some_and(|norm| gradient.frobenius_norm() <= norm);
            if flat || until.loss.is_some_and(|loss| at.loss <= loss) {
                return Ok(step);
            }
            w.padded_mut().iter_mut().zip(gradient.padded()).for_each(|(w, &g)| *w -= eta * g);
        }
        Ok(steps)
    }
}

#[test]
fn steps_that_nobody_looks_at_change_nothing() {
    let start = || Mat::from_slice(1, 2, &[1.0, 0.0]);
    for (iterations, record_every, stop_below) in
        [(1000, 1, None), (1000, 1000, None), (1000, 7, None), (45, 1000, None), (1000, 13, Some(0.1))]
    {
        let limits = Limits { iterations, record_every, stop_below };
        let [mut watched, mut unwatched] = [Log::default(), Log::default()];
        let one = perturbed_descent(&mut DoubleWell, start(), &THRESHOLDS, &limits, 42, &mut watched).unwrap();
        let two = perturbed_descent(&mut Quick, start(), &THRESHOLDS, &limits, 42, &mut unwatched).unwrap();
        assert_eq!((one.outcome, &one.perturbations), (two.outcome, &two.perturbations));
        assert_eq!(one.weights.padded(), two.weights.padded());
        assert_eq!((watched.losses, watched.notes), (unwatched.losses, unwatched.notes));
    }
}

#[test]
fn perturbations_lie_in_the_ball_and_fill_it() {
    let (dimension, radius) = (3, 2.0);
    let norms: Vec<f64> = (0..4000)
        .map(|number| {
            let mut w = Mat::<f64>::zeros(1, dimension);
            perturb(&mut w, radius, 7, number, &mut Silent);
            w.frobenius_norm()
        })
        .collect();
    assert!(norms.iter().all(|&norm| norm <= radius * (1.0 + 1e-12)));
    // Uniform in the ball: P(norm <= radius / 2) = 1/8; 4000 draws have a standard deviation of 0.0052.
    let inner = norms.iter().filter(|&&norm| norm <= radius / 2.0).count() as f64 / 4000.0;
    assert!((inner - 0.125).abs() < 0.02, "{inner}");
}

#[test]
fn a_budget_ends_the_run_where_it_stands() {
    let start = Mat::from_slice(1, 2, &[1.0, 0.0]);
    let run = perturbed_descent(&mut DoubleWell, start, &THRESHOLDS, &limits(10), 42, &mut Silent).unwrap();
    assert_eq!((run.outcome.reason, run.outcome.iterations), (StopReason::Budget, 10));
    assert!((run.weights.row(0)[0] - 0.9f64.powi(10)).abs() < 1e-12 && run.perturbations.is_empty());
}

#[test]
fn a_radius_below_the_resolution_is_reported() {
    let mut log = Log::default();
    let thresholds = Thresholds { radius: 1e-30, t_thres: 5, ..THRESHOLDS };
    let start = Mat::from_slice(1, 2, &[0.01, 1.0]);
    perturbed_descent(&mut DoubleWell, start, &thresholds, &limits(50), 1, &mut log).unwrap();
    assert!(log.notes[0].contains("below the resolution"), "{:?}", log.notes);
}

#[test]
fn a_network_started_at_the_saddle_zero_is_memorised() {
    let x = Network::<f64>::random(6, 6, 0.4, 11).unwrap().weights;
    let y = [0.5, -1.0, 0.25, 1.0, -0.5, 0.75];
    let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    let start = Network::zeros(14, 6).unwrap();
    let thresholds = Thresholds { eta: 0.1, radius: 1e-2, g_thres: 1e-4, f_thres: 1e-6, t_thres: 200 };
    let limits = Limits { stop_below: Some(1e-6), ..limits(200_000) };
    let mut landscape = Training::new(&objective, start.clone());
    let run = perturbed_descent(&mut landscape, start.weights.clone(), &thresholds, &limits, 3, &mut Silent).unwrap();
    let net = Network { weights: run.weights, ..start };
    assert!(objective.evaluate(&net).unwrap().loss <= 1e-6, "{:?}", run.outcome);
    assert_eq!(run.perturbations[0].iteration, 0, "W = 0 has no gradient");
}
