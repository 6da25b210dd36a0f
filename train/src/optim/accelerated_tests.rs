//! Acceleration on landscapes small enough to follow, and away from the saddle W = 0 of a network.

use memorize_kernels::{Engine, Mat};

use super::*;
use crate::network::Network;
use crate::objective::{Evaluation, Objective};
use crate::observe::Silent;
use crate::optim::pgd::Training;
use crate::optim::{Method, Settings, full_batch};
use crate::planner::Route;
use crate::schedule::StepDecay;

/// A function of two variables with its gradient.
struct Plane<F>(F);

impl<F: FnMut(f64, f64) -> (f64, [f64; 2])> Landscape<f64> for Plane<F> {
    fn evaluate(&mut self, w: &Mat<f64>, gradient: &mut Mat<f64>) -> Result<Evaluation, TrainError> {
        let (value, slope) = (self.0)(w.row(0)[0], w.row(0)[1]);
        gradient.row_mut(0).copy_from_slice(&slope);
        Ok(Evaluation { loss: value, regularized: value })
    }
}

const PARAMETERS: Acceleration =
    Acceleration { eta: 0.1, theta: 0.1, gamma: 0.1, s: 0.1, radius: 0.01, g_thres: 0.0, t_thres: 50 };

fn limits(iterations: u64) -> Limits {
    Limits { iterations, record_every: 1, stop_below: None }
}

#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn record(&mut self, record: &Record) {
        self.0.push(record.loss);
    }
}

/// By hand for h = x^2/2: x_1 = 0.9, v_1 = -0.1; y_1 = 0.9 - 0.09 = 0.81, x_2 = 0.729, v_2 = -0.171;
/// y_2 = 0.729 - 0.1539 = 0.5751, x_3 = 0.51759.
#[test]
fn momentum_by_hand() {
    let mut bowl = Plane(|x: f64, _| (x * x / 2.0, [x, 0.0]));
    let start = Mat::from_slice(1, 2, &[1.0, 0.0]);
    let run = accelerated_descent(&mut bowl, start, &PARAMETERS, &limits(3), 1, &mut Silent).unwrap();
    assert!((run.weights.row(0)[0] - 0.51759).abs() < 1e-15);
    // Three gradients, the values of x_1 and x_2 (the start has no velocity), and that of the last point.
    assert_eq!((run.outcome.epochs, run.perturbations, run.exploitations), (4.5, 0, 0));
}

/// An ill-conditioned bowl, (x^2 + y^2/1000)/2, takes far fewer steps than without momentum.
#[test]
fn a_long_valley_is_crossed_faster_than_by_descent() {
    let steps = |theta: f64| {
        let mut valley = Plane(|x: f64, y: f64| ((x * x + y * y / 1000.0) / 2.0, [x, y / 1000.0]));
        let parameters = Acceleration { eta: 0.5, theta, ..PARAMETERS };
        let limits = Limits { stop_below: Some(1e-8), ..limits(100_000) };
        let start = Mat::from_slice(1, 2, &[1.0, 1.0]);
        accelerated_descent(&mut valley, start, &parameters, &limits, 1, &mut Silent).unwrap().outcome.iterations
    };
    let (with, without) = (steps(0.05), steps(1.0));
    assert!(with * 5 < without, "{with} against {without}");
}

/// On h = -y^2/2 + y^4/4 from y = 0.01, x = 0: with a velocity, the chord from x_t to y_t is concave, and the step of
/// length s along the velocity is taken, to the side that is lower, and the velocity forgotten.
#[test]
fn negative_curvature_is_exploited() {
    let saddle = |_: f64, y: f64| (y.powi(4) / 4.0 - y * y / 2.0, [0.0, y.powi(3) - y]);
    let start = Mat::from_slice(1, 2, &[0.0, 0.01]);
    let run = accelerated_descent(&mut Plane(saddle), start.clone(), &PARAMETERS, &limits(2), 1, &mut Silent).unwrap();
    // t = 0: y moves by 0.1 (0.01 - 1e-6), t = 1: the chord is concave, y moves by s.
    let first = 0.01 + 0.1 * (0.01 - 1e-6);
    assert_eq!(run.exploitations, 1);
    assert!((run.weights.row(0)[1] - (first + 0.1)).abs() < 1e-15, "{}", run.weights.row(0)[1]);
    // A velocity above s is only set to zero.
    let fast = Acceleration { s: 1e-6, ..PARAMETERS };
    let run = accelerated_descent(&mut Plane(saddle), start, &fast, &limits(2), 1, &mut Silent).unwrap();
    assert_eq!((run.exploitations, run.weights.row(0)[1]), (1, first));
}

#[test]
fn values_that_are_not_finite_end_the_run() {
    let mut cliff = Plane(|x: f64, _| (x.powi(4), [4.0 * x.powi(3), 0.0]));
    let start = Mat::from_slice(1, 2, &[10.0, 0.0]);
    let error = accelerated_descent(&mut cliff, start, &PARAMETERS, &limits(100), 1, &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { last_finite: Some(_), .. }), "{error}");
}

#[test]
fn the_saddle_zero_is_left_where_descent_stays() {
    let x = Network::<f64>::random(6, 6, 0.4, 11).unwrap().weights;
    let y = [0.5, -1.0, 0.25, 1.0, -0.5, 0.75];
    let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    let start = Network::zeros(14, 6).unwrap();
    let mut losses = Losses::default();
    let schedule = StepDecay { initial: 0.1, factor: 1.0, every: 0 };
    let settings = Settings { method: Method::Descent, schedule, limits: limits(100) };
    full_batch(&objective, &mut start.clone(), &settings, &mut losses).unwrap();
    assert!(losses.0.iter().all(|&loss| loss == losses.0[0]), "W = 0 has no gradient");

    let mut training = Training::new(&objective, start.clone());
    let parameters = Acceleration { g_thres: 1e-4, ..PARAMETERS };
    let limits = Limits { stop_below: Some(1e-8), ..limits(20_000) };
    let run = accelerated_descent(&mut training, start.weights, &parameters, &limits, 3, &mut Silent).unwrap();
    assert_eq!(run.outcome.reason, StopReason::Target);
    assert!(run.perturbations >= 1);
}

/// The floor is below the remainder it stands for, and spares the second evaluation of nearly every step without
/// changing one.
#[test]
fn the_moment_rules_concavity_out() {
    let x = Network::<f64>::random(6, 6, 0.4, 11).unwrap().weights;
    let y = [0.5, -1.0, 0.25, 1.0, -0.5, 0.75];
    let net = Network::<f64>::random(14, 6, 0.5, 1).unwrap();
    let objective = |gamma| Objective { engine: Engine::best(), x: &x, y: &y, gamma, route: Route::Gram };
    let z = Network::<f64>::random(14, 6, 0.1, 2).unwrap().weights;
    for gamma in [0.0, 0.3] {
        let objective = objective(gamma);
        let mut training = Training::new(&objective, net.clone());
        let mut gradient = Mat::zeros(14, 6);
        let here = training.evaluate(&net.weights, &mut gradient).unwrap().regularized;
        let floor = training.curvature_floor(&z).unwrap().unwrap();
        let mut there = net.weights.clone();
        add(&training.engine(), &mut there, 1.0, &z);
        let remainder = training.value(&there).unwrap().regularized - here - dot(&training.engine(), &gradient, &z);
        assert!(floor <= remainder && floor.abs() > 1e-6, "{floor} {remainder}");
        // The difference is 1/(4n) sum_j (b_j + c_j)^2.
        let shifted = Network { weights: there, signs: net.signs.clone() };
        let (q, p) = (objective.outputs(&net).unwrap(), objective.outputs(&shifted).unwrap());
        let squares: f64 = q.iter().zip(&p).map(|(q, p)| (p - q).powi(2)).sum();
        assert!((remainder - floor - squares / 24.0).abs() < 1e-13, "{remainder} {floor}");
    }
    /// A landscape that does not know its floor.
    struct Blind<L>(L);
    impl<L: Landscape<f64>> Landscape<f64> for Blind<L> {
        fn evaluate(&mut self, w: &Mat<f64>, gradient: &mut Mat<f64>) -> Result<Evaluation, TrainError> {
            self.0.evaluate(w, gradient)
        }
        fn value(&mut self, w: &Mat<f64>) -> Result<Evaluation, TrainError> {
            self.0.value(w)
        }
    }
    let objective = objective(0.0);
    let mut training = Training::new(&objective, net.clone());
    let run = |landscape: &mut dyn Landscape<f64>| {
        accelerated_descent(landscape, net.weights.clone(), &PARAMETERS, &limits(200), 1, &mut Silent).unwrap()
    };
    let (seeing, blind) = (run(&mut training), run(&mut Blind(Training::new(&objective, net.clone()))));
    assert_eq!(seeing.weights.padded(), blind.weights.padded());
    assert_eq!(blind.outcome.epochs, 200.0 + 199.0 / 2.0 + 0.5);
    assert!(seeing.outcome.epochs < 230.0, "{}", seeing.outcome.epochs);
}
