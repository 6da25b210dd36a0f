//! Every optimiser goes on from any of its states to the bits of a run that was never stopped.

use memorize_kernels::{Backend, Element, Engine, Isa, Mat, Par};

use super::accelerated::{Acceleration, accelerated_descent};
use super::negative_curvature::{Escape, escaping_descent};
use super::pgd::{Training, perturbed_descent};
use super::small::SmallTraining;
use super::*;
use crate::checkpoint::{Frame, Weights, load_state};
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::{Observer, Outcome, Record};
use crate::planner::Route;
use crate::theory::constants::Thresholds;

/// Keeps every state and every record.
#[derive(Default)]
struct Keeper {
    from: Option<State>,
    states: Vec<State>,
    records: Vec<Record>,
}

impl Observer for Keeper {
    fn record(&mut self, record: &Record) {
        self.records.push(*record);
    }
    fn resume(&mut self) -> Option<State> {
        self.from.take()
    }
    fn checkpoint(&mut self, iteration: u64, state: &dyn Fn() -> State) {
        let state = state();
        assert_eq!(state.iteration, iteration);
        self.states.push(state);
    }
}

/// Result of a run, its weights as bits.
#[derive(Debug, PartialEq)]
struct End {
    weights: Vec<u64>,
    outcome: Outcome,
    more: String,
}

fn bits<T: Element>(weights: &Mat<T>) -> Vec<u64> {
    weights.iter().map(|w| w.to_f64().to_bits()).collect()
}

/// Compares a run with runs that go on from its states, each by way of a file.
fn resumes_everywhere(run: impl Fn(&mut Keeper) -> End) {
    let mut whole = Keeper::default();
    let end = run(&mut whole);
    assert!(whole.states.len() > 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let frame = Frame::new(&Weights {
        network: Network::<f64>::zeros(2, 1).unwrap(),
        features: None,
        projection: None,
        normalize: None,
    });
    let step = whole.states.len().div_ceil(12);
    for (i, state) in whole.states.iter().enumerate().filter(|(i, _)| i % step == 0 || i + 1 == whole.states.len()) {
        frame.save(&path, state, "").unwrap();
        let mut rest = Keeper { from: load_state(&path).unwrap().state, ..Keeper::default() };
        assert_eq!(run(&mut rest), end, "from iteration {}", state.iteration);
        assert!(rest.states == whole.states[i..], "other states after iteration {}", state.iteration);
        let before = whole.records.iter().filter(|record| record.iteration < state.iteration).count();
        assert_eq!(rest.records, whole.records[before..], "from iteration {}", state.iteration);
    }
}

fn problem<T: Element>(n: usize, d: usize) -> (Mat<T>, Vec<T>) {
    let x = Network::<T>::random(n + n % 2, d, (1.0 / d as f64).sqrt(), 11).unwrap().weights;
    (x.as_ref().rows_range(0..n).to_owned(), (0..n).map(|j| T::from_f64((j % 10) as f64 / 5.0 - 1.0)).collect())
}

fn limits(iterations: u64) -> Limits {
    Limits { iterations, record_every: 3, stop_below: None }
}

fn settings(method: Method, rate: f64, iterations: u64) -> Settings {
    let schedule = StepDecay { initial: rate, factor: 0.5, every: 2 };
    Settings { method, schedule, limits: limits(iterations) }
}

fn objective<'a, T: Element>(engine: Engine, (x, y): &'a (Mat<T>, Vec<T>), route: Route) -> Objective<'a, T, Mat<T>> {
    Objective { engine, x, y, gamma: 1e-3, route }
}

/// Batches that do not divide the set, neurons that fill no panel, every instruction set, backend and route.
fn batches<T: Element>() {
    let data = problem::<T>(103, 13);
    let native = Isa::available().into_iter().map(|isa| Engine { isa, ..Engine::best() });
    let others = Backend::ALL.iter().map(|&backend| Engine { backend, ..Engine::best() });
    for engine in native.chain(others) {
        for (route, method) in
            [Route::Neuron, Route::Gram].into_iter().flat_map(|r| [(r, Method::ADAM), (r, Method::Descent)])
        {
            resumes_everywhere(|keeper| {
                let mut net = Network::<T>::random(58, 13, 0.3, 1).unwrap();
                let objective = objective(Engine { par: Par::POOL, ..engine }, &data, route);
                let outcome = mini_batch(&objective, &mut net, &settings(method, 0.01, 17), 20, 9, keeper).unwrap();
                End { weights: bits(&net.weights), outcome, more: String::new() }
            });
        }
    }
}

#[test]
fn mini_batches() {
    batches::<f32>();
    batches::<f64>();
}

#[test]
fn full_batches() {
    let data = problem::<f32>(103, 13);
    for (route, method) in [(Route::Neuron, Method::ADAM), (Route::Gram, Method::ADAM), (Route::Gram, Method::Descent)]
    {
        resumes_everywhere(|keeper| {
            let mut net = Network::random(58, 13, 0.3, 1).unwrap();
            let objective = objective(Engine::best(), &data, route);
            let outcome = full_batch(&objective, &mut net, &settings(method, 0.01, 17), keeper).unwrap();
            End { weights: bits(&net.weights), outcome, more: String::new() }
        });
    }
}

/// Perturbations that escape, then one that does not: with the passes and in the loops for tiny problems.
#[test]
fn perturbed_descent_before_between_and_after_its_perturbations() {
    let data = problem::<f64>(6, 6);
    let thresholds = Thresholds { eta: 0.3, radius: 1e-2, g_thres: 2e-3, f_thres: 1e-6, t_thres: 150 };
    for small in [false, true] {
        resumes_everywhere(|keeper| {
            let net = Network::zeros(14, 6).unwrap();
            let objective = objective(Engine::best(), &data, Route::Gram);
            let start = net.weights.clone();
            let found = if small {
                let mut landscape = SmallTraining::new(Isa::best(), objective.x, objective.y, 1e-3, &net).unwrap();
                perturbed_descent(&mut landscape, start, &thresholds, &limits(9000), 3, keeper).unwrap()
            } else {
                let mut landscape = Training::new(&objective, net);
                perturbed_descent(&mut landscape, start, &thresholds, &limits(9000), 3, keeper).unwrap()
            };
            assert!(
                found.perturbations.len() >= 2 && found.outcome.reason == crate::StopReason::Returned,
                "{:?} {:?}",
                found.outcome,
                found.perturbations
            );
            End { weights: bits(&found.weights), outcome: found.outcome, more: format!("{:?}", found.perturbations) }
        });
    }
}

#[test]
fn accelerated_descent_with_its_velocity_and_its_counts() {
    let data = problem::<f64>(6, 6);
    let parameters =
        Acceleration { eta: 0.1, theta: 0.1, gamma: 0.1, s: 0.1, radius: 0.01, g_thres: 1e-2, t_thres: 50 };
    resumes_everywhere(|keeper| {
        let net = Network::zeros(14, 6).unwrap();
        let objective = objective(Engine::best(), &data, Route::Gram);
        let (start, mut landscape) = (net.weights.clone(), Training::new(&objective, net));
        let found = accelerated_descent(&mut landscape, start, &parameters, &limits(200), 3, keeper).unwrap();
        assert!(found.perturbations >= 2 && found.exploitations >= 1);
        let more = format!("{} {}", found.perturbations, found.exploitations);
        End { weights: bits(&found.weights), outcome: found.outcome, more }
    });
}

#[test]
fn descent_along_negative_curvature_with_its_residuals_and_its_direction() {
    let data = problem::<f64>(6, 6);
    let parameters = Escape { g_thres: 1e-2, tolerance: 0.0 };
    resumes_everywhere(|keeper| {
        let mut net = Network::zeros(14, 6).unwrap();
        let objective = objective(Engine::best(), &data, Route::Gram);
        let found = escaping_descent(&objective, &mut net, &parameters, &limits(200), keeper).unwrap();
        assert!(found.escapes >= 1);
        End { weights: bits(&net.weights), outcome: found.outcome, more: found.escapes.to_string() }
    });
}

#[test]
fn a_state_of_another_optimiser_or_network_is_refused() {
    let data = problem::<f64>(20, 5);
    let objective = objective(Engine::best(), &data, Route::Gram);
    let from = |width| {
        let mut keeper = Keeper::default();
        let data = problem::<f64>(20, width);
        let objective = Objective { x: &data.0, y: &data.1, ..objective };
        let mut net = Network::random(12, width, 0.3, 1).unwrap();
        mini_batch(&objective, &mut net, &settings(Method::Descent, 0.01, 2), 5, 9, &mut keeper).unwrap();
        keeper.states.pop()
    };
    let refused = |from: Option<State>, method, words: &str| {
        let mut net = Network::random(12, 5, 0.3, 1).unwrap();
        let mut keeper = Keeper { from, ..Keeper::default() };
        let error = mini_batch(&objective, &mut net, &settings(method, 0.01, 4), 5, 9, &mut keeper).unwrap_err();
        assert!(matches!(error, TrainError::State(_)) && error.to_string().contains(words), "{error}");
    };
    refused(from(4), Method::Descent, "[4, 12] instead of f64 [5, 12]");
    refused(from(5), Method::ADAM, "no tensor `first`");
    let other = from(5).map(|state| State { optimizer: "another".to_owned(), ..state });
    refused(other, Method::Descent, "left by the optimiser another");
}
