//! Samples spread over ranks: every optimiser, the solver and the search for sigma_min end with the bits that they have
//! alone.

use std::sync::Arc;

use memorize_data::synthetic;
use memorize_kernels::rows::Part;
use memorize_kernels::team::Team;
use memorize_kernels::{Engine, GatherRows, Mat, Par, Spread};
use memorize_ranks::threads;
use memorize_train::metric::{Moved, Norm};
use memorize_train::optim::accelerated::{Acceleration, accelerated_descent};
use memorize_train::optim::negative_curvature::{Escape, escaping_descent};
use memorize_train::optim::pgd::{Training, perturbed_descent};
use memorize_train::optim::{Limits, Method, Settings, full_batch, mini_batch};
use memorize_train::schedule::StepDecay;
use memorize_train::theory::constants::Thresholds;
use memorize_train::theory::position::{self, examine};
use memorize_train::theory::power_position;
use memorize_train::theory::preconditioner::WORKSPACE;
use memorize_train::{FeatureLayer, Featured, Network, Objective, Observer, Record, Route, State, solve};

const N: usize = 1700;

/// Keeps the losses and the state before one iteration, and may go on from another run's.
#[derive(Default)]
struct Watch {
    losses: Vec<f64>,
    keep: Option<u64>,
    state: Option<State>,
    resume: Option<State>,
}

impl Observer for Watch {
    fn record(&mut self, record: &Record) {
        self.losses.push(record.loss);
    }
    fn resume(&mut self) -> Option<State> {
        self.resume.take()
    }
    fn checkpoint(&mut self, iteration: u64, state: &dyn Fn() -> State) {
        if self.keep == Some(iteration) {
            self.state = Some(state());
        }
    }
}

fn engine() -> Engine {
    Engine { par: Par::Seq, ..Engine::best() }
}

fn samples(d: usize) -> (Mat<f64>, Vec<f64>) {
    samples_of(N, d)
}

fn samples_of(n: usize, d: usize) -> (Mat<f64>, Vec<f64>) {
    (synthetic::inputs(5, n, d), synthetic::targets(5, n))
}

/// Runs `work` on the rows of each rank; what it returns must be the same for every rank and every number of them.
#[track_caller]
fn same_for_all_ranks<R: PartialEq + Send>(d: usize, work: impl Fn(&dyn GatherRows<f64>, &[f64]) -> R + Sync) -> R {
    same_for_all_ranks_with(samples(d), work)
}

#[track_caller]
fn same_for_all_ranks_with<R: PartialEq + Send>(
    (x, y): (Mat<f64>, Vec<f64>),
    work: impl Fn(&dyn GatherRows<f64>, &[f64]) -> R + Sync,
) -> R {
    let alone = work(&x, &y);
    for ranks in [2, 3, 5] {
        let of_rank = |team: &Arc<dyn Team>| {
            let spread = Spread::over(team, x.rows());
            let range = spread.range();
            work(&Part::new(x.as_ref().rows_range(range.clone()), spread), &y[range])
        };
        let teams = threads(ranks);
        std::thread::scope(|scope| {
            let handles: Vec<_> = teams.iter().map(|team| scope.spawn(|| of_rank(team))).collect();
            for (rank, handle) in handles.into_iter().enumerate() {
                assert!(handle.join().unwrap() == alone, "rank {rank} of {ranks}");
            }
        });
    }
    alone
}

type Problem<'a> = Objective<'a, f64, &'a dyn GatherRows<f64>>;

/// Losses and weights, and those of a run that went on from the middle.
type Run = (Vec<f64>, Vec<f64>);

fn train(
    (x, y): (&dyn GatherRows<f64>, &[f64]),
    route: Route,
    optimize: &impl Fn(&Problem<'_>, &mut Network<f64>, &mut Watch),
) -> [Run; 2] {
    let objective = Objective { engine: engine(), x: &x, y, gamma: 1e-4, route };
    let run = |watch: &mut Watch| {
        let mut network = Network::random(60, x.cols(), 0.3, 1).unwrap();
        optimize(&objective, &mut network, watch);
        (std::mem::take(&mut watch.losses), network.weights.padded().to_vec())
    };
    let mut whole = Watch { keep: Some(4), ..Watch::default() };
    let first = run(&mut whole);
    [first, run(&mut Watch { resume: whole.state, ..Watch::default() })]
}

#[track_caller]
fn check(route: Route, optimize: impl Fn(&Problem<'_>, &mut Network<f64>, &mut Watch) + Sync) {
    let [(losses, weights), (later, resumed)] = same_for_all_ranks(11, |x, y| train((x, y), route, &optimize));
    assert!(losses.len() > 5 && losses.last() < losses.first(), "{losses:?}");
    assert!(losses.ends_with(&later) && later.len() < losses.len() && weights == resumed);
}

const LIMITS: Limits = Limits { iterations: 9, record_every: 1, stop_below: None };

#[test]
fn full_batches_on_both_routes() {
    for (route, method, rate) in
        [(Route::Gram, Method::Descent, 0.1), (Route::Neuron, Method::Descent, 0.1), (Route::Gram, Method::ADAM, 0.003)]
    {
        let settings = Settings { method, schedule: StepDecay::constant(rate), limits: LIMITS };
        check(route, |objective, network, watch| {
            full_batch(objective, network, &settings, watch).unwrap();
        });
    }
}

#[test]
fn descent_in_the_metric_of_the_samples() {
    let settings = Settings { method: Method::Descent, schedule: StepDecay::constant(0.1), limits: LIMITS };
    check(Route::Gram, |objective, network, watch| {
        let moved = Moved::new(engine(), objective.x).unwrap();
        full_batch(&moved.objective(objective), network, &settings, &mut moved.observed(watch)).unwrap();
        *network = moved.outside(network);
    });
}

#[test]
fn mini_batches_on_both_routes() {
    for (route, batch) in [(Route::Neuron, 50), (Route::Gram, 1200)] {
        let limits = Limits { iterations: 60, stop_below: Some(1e-9), ..LIMITS };
        let settings = Settings { method: Method::ADAM, schedule: StepDecay::constant(0.003), limits };
        check(route, |objective, network, watch| {
            mini_batch(objective, network, &settings, batch, 9, watch).unwrap();
        });
    }
}

#[test]
fn descents_that_leave_saddle_points() {
    let thresholds = Thresholds { eta: 0.1, radius: 1e-3, g_thres: 1.0, f_thres: 1e-9, t_thres: 3 };
    check(Route::Gram, |objective, network, watch| {
        let mut landscape = Training::new(objective, network.clone());
        let start = network.weights.clone();
        network.weights = perturbed_descent(&mut landscape, start, &thresholds, &LIMITS, 3, watch).unwrap().weights;
    });
    let parameters =
        Acceleration { eta: 0.1, theta: 0.1, gamma: 1e-3, s: 1e-3, radius: 1e-3, g_thres: 1e-3, t_thres: 3 };
    check(Route::Gram, |objective, network, watch| {
        let mut landscape = Training::new(objective, network.clone());
        let start = network.weights.clone();
        network.weights = accelerated_descent(&mut landscape, start, &parameters, &LIMITS, 3, watch).unwrap().weights;
    });
    let parameters = Escape { g_thres: 0.1, tolerance: 1e-9 };
    check(Route::Gram, |objective, network, watch| {
        escaping_descent(objective, network, &parameters, &LIMITS, watch).unwrap();
    });
}

#[test]
fn the_solver_memorises_random_features() {
    // 60 features: 1830 dimensions for 1700 samples.
    for norm in [Norm::Data, Norm::Frobenius] {
        let (tolerance, max_products, workspace) = (1e-12, 60, solve::WORKSPACE);
        let settings = solve::Settings { tolerance, max_products, norm, rank: 300, seed: 2, workspace };
        let layer = FeatureLayer::random(60, 20, 2, 0.3, 7).unwrap();
        let (loss, weights) = same_for_all_ranks(20, |x, y| {
            let z = Featured::new(x, &layer, engine()).unwrap();
            let mut watch = Watch::default();
            let found = solve::solve(engine(), &z, y, &settings, &mut watch).unwrap();
            (found.evaluation.loss, found.network.weights.padded().to_vec())
        });
        assert!(loss < 0.1 && !weights.is_empty(), "{norm:?} {loss}");
    }
}

#[test]
fn samples_that_are_fewer_than_they_have_numbers_each() {
    // Solved for and looked at in coordinates of their span, which every rank has whole.
    for (scale, norm) in [(1.0, Norm::Data), (1e-30, Norm::Frobenius)] {
        let (tolerance, max_products, workspace) = (1e-18, 60, solve::WORKSPACE);
        let settings = solve::Settings { tolerance, max_products, norm, rank: 100, seed: 2, workspace };
        let (x, y) = samples_of(520, 530);
        let x = Mat::from_fn(520, 530, |j, k| scale * x.row(j)[k]);
        let (loss, positive, weights, sigma_min) = same_for_all_ranks_with((x, y), |x, y| {
            let mut watch = Watch::default();
            let found = solve::solve(engine(), &x, y, &settings, &mut watch).unwrap();
            let position = examine(engine(), &x, &SEARCH, |_| true).unwrap();
            let weights = found.network.weights.padded().to_vec();
            (found.evaluation.loss, found.positive, weights, position.min.unwrap().value)
        });
        assert!(loss <= 1e-18 && positive <= 520 && !weights.is_empty() && sigma_min > 0.0, "{loss:e}");
    }
}

const SEARCH: position::Settings =
    position::Settings { tolerance: 1e-2, max_products: 40, rank: 200, seed: 1, workspace: WORKSPACE, dense: false };

#[test]
fn a_search_for_sigma_min() {
    let found = same_for_all_ranks(62, |x, _| examine(engine(), &x, &SEARCH, |_| true).unwrap());
    assert!(found.samples == N && found.min_below > 0.0 && found.nearest.is_some());
}

#[test]
fn a_search_for_sigma_min_of_tensor_powers() {
    let found = same_for_all_ranks(62, |x, _| power_position::examine(engine(), &x, 4, &SEARCH, |_| true).unwrap());
    assert!(found.samples == N && found.order == 4 && found.min.is_some_and(|min| min.value > 0.0));
}

#[test]
fn samples_that_repeat_on_another_rank_are_found() {
    let (x, _) = samples(62);
    let twice = Mat::from_fn(N, 62, |i, k| if i == N - 1 { -x.row(3)[k] } else { x.row(i)[k] });
    let of_rank = |team: &Arc<dyn Team>| {
        let spread = Spread::over(team, N);
        let own = Part::new(twice.as_ref().rows_range(spread.range()), spread);
        examine(engine(), &own, &SEARCH, |_| true).unwrap().verdict
    };
    let repeated = position::Degeneracy::Repeated { first: 3, second: N - 1, count: 1 };
    let teams = threads(3);
    std::thread::scope(|scope| {
        let handles: Vec<_> = teams.iter().map(|team| scope.spawn(|| of_rank(team))).collect();
        for handle in handles {
            assert_eq!(handle.join().unwrap(), position::Verdict::Degenerate(repeated));
        }
    });
}
