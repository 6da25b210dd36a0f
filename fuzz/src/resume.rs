//! Going on from a state that nobody vouches for, on a problem of three samples.

use memorize_kernels::{Element, Engine, Isa, Mat, Par};
use memorize_train::observe::Record;
use memorize_train::optim::accelerated::{Acceleration, accelerated_descent};
use memorize_train::optim::negative_curvature::{Escape, escaping_descent};
use memorize_train::optim::pgd::{Landscape, Training, perturbed_descent};
use memorize_train::optim::small::SmallTraining;
use memorize_train::optim::{Limits, Method, Settings, full_batch, mini_batch};
use memorize_train::schedule::StepDecay;
use memorize_train::theory::constants::Thresholds;
use memorize_train::{Network, Objective, Observer, Outcome, Route, State, TrainError};

/// Samples, their width, neurons (2d+2, as the methods that leave saddle points need) and iterations of the run.
pub const SAMPLES: usize = 3;
pub const WIDTH: usize = 2;
pub const NEURONS: usize = 6;
pub const ITERATIONS: u64 = 40;

/// Iterations that are done here.
const DONE: usize = 4;

const LIMITS: Limits = Limits { iterations: ITERATIONS, record_every: 5, stop_below: Some(1e-12) };

/// Whoever hands over the state, and stops the run soon.
struct GoesOn {
    state: Option<State>,
    asked: usize,
    /// The newest state, if it is wanted.
    pub left: Option<State>,
}

impl Observer for GoesOn {
    fn record(&mut self, _: &Record) {}

    fn resume(&mut self) -> Option<State> {
        self.state.take()
    }

    fn keep_going(&mut self) -> bool {
        self.asked += 1;
        self.asked <= DONE
    }

    fn checkpoint(&mut self, _: u64, state: &dyn Fn() -> State) {
        self.left = Some(state());
    }
}

/// Every optimiser, with numbers of both types, goes on from the state or refuses it.
pub fn everywhere(state: &State) {
    for optimizer in OPTIMIZERS {
        goes_on::<f32>(optimizer, Some(state.clone()));
        goes_on::<f64>(optimizer, Some(state.clone()));
    }
}

/// Every optimiser that leaves a state.
#[derive(Clone, Copy, Debug)]
pub enum Optimizer {
    Adam,
    Sgd,
    GradientDescent,
    Perturbed,
    PerturbedSmall,
    Accelerated,
    NegativeCurvature,
}

pub const OPTIMIZERS: [Optimizer; 7] = [
    Optimizer::Adam,
    Optimizer::Sgd,
    Optimizer::GradientDescent,
    Optimizer::Perturbed,
    Optimizer::PerturbedSmall,
    Optimizer::Accelerated,
    Optimizer::NegativeCurvature,
];

/// The state after a few iterations from `state`, or from the start; `None` if it was refused.
pub fn goes_on<T: Element>(optimizer: Optimizer, state: Option<State>) -> Option<State> {
    let before = state.as_ref().map_or(0, |state| state.iteration);
    let mut observer = GoesOn { state, asked: 0, left: None };
    match run::<T>(optimizer, &mut observer) {
        Ok(outcome) => {
            assert!((before..=ITERATIONS).contains(&outcome.iterations), "{optimizer:?}: {outcome:?} from {before}");
            assert!(outcome.epochs.is_finite() && outcome.epochs >= 0.0, "{optimizer:?}: {outcome:?}");
            assert!(observer.asked <= DONE + 1, "{optimizer:?} does not stop");
            observer.left
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn run<T: Element>(optimizer: Optimizer, observer: &mut GoesOn) -> Result<Outcome, TrainError> {
    let x = Mat::from_fn(SAMPLES, WIDTH, |i, j| T::from_f64(0.5 + i as f64 - 0.7 * j as f64 * i as f64));
    let y = [1.0, -0.5, 0.25].map(T::from_f64);
    let engine = Engine { par: Par::Seq, ..Engine::best() };
    let objective = Objective { engine, x: &x, y: &y, gamma: 1e-3, route: Route::Gram };
    let mut net = Network::<T>::random(NEURONS, WIDTH, 0.3, 1)?;
    let start = net.weights.clone();
    let settings =
        |method| Settings { method, schedule: StepDecay { initial: 0.01, factor: 0.3, every: 2 }, limits: LIMITS };
    let descent = |landscape: &mut dyn Landscape<f64>, observer: &mut GoesOn| {
        let start = Mat::from_fn(NEURONS, WIDTH, |i, j| start.row(i)[j].to_f64());
        perturbed_descent(landscape, start, &THRESHOLDS, &LIMITS, 7, observer).map(|descent| descent.outcome)
    };
    match optimizer {
        Optimizer::Adam => mini_batch(&objective, &mut net, &settings(Method::ADAM), 2, 3, observer),
        Optimizer::Sgd => mini_batch(&objective, &mut net, &settings(Method::Descent), 2, 3, observer),
        Optimizer::GradientDescent => full_batch(&objective, &mut net, &settings(Method::Descent), observer),
        Optimizer::Perturbed => {
            perturbed_descent(&mut Training::new(&objective, net), start, &THRESHOLDS, &LIMITS, 7, observer)
                .map(|descent| descent.outcome)
        }
        Optimizer::PerturbedSmall => {
            let mut small = SmallTraining::new(Isa::best(), &x, &y, 1e-3, &net).expect("three samples are few");
            descent(&mut small, observer)
        }
        Optimizer::Accelerated => {
            let parameters =
                Acceleration { eta: 0.01, theta: 0.5, gamma: 1e-3, s: 0.1, radius: 1e-3, g_thres: 10.0, t_thres: 2 };
            accelerated_descent(&mut Training::new(&objective, net), start, &parameters, &LIMITS, 7, observer)
                .map(|accelerated| accelerated.outcome)
        }
        Optimizer::NegativeCurvature => {
            let parameters = Escape { g_thres: 0.1, tolerance: 1e-9 };
            escaping_descent(&objective, &mut net, &parameters, &LIMITS, observer).map(|escaped| escaped.outcome)
        }
    }
}

/// Thresholds that perturb in the first iterations.
const THRESHOLDS: Thresholds = Thresholds { eta: 0.01, radius: 1e-3, g_thres: 10.0, f_thres: 1e-9, t_thres: 2 };
