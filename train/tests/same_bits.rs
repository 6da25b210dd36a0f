//! What is computed has the same bits on any number of threads, from memory or streamed: every optimiser, the solver,
//! the search for sigma_min, the certificate and the features.

use std::ops::Range;

use memorize_data::synthetic;
use memorize_kernels::parallel::threads_at_work;
use memorize_kernels::{Backend, Element, Engine, GatherRows, Isa, Mat, MatMut, MatRef, Par, Rows};
use memorize_train::metric::Norm;
use memorize_train::optim::accelerated::{Acceleration, accelerated_descent};
use memorize_train::optim::negative_curvature::{Escape, escaping_descent};
use memorize_train::optim::pgd::{Training, perturbed_descent};
use memorize_train::optim::{Limits, Method, Settings, full_batch, mini_batch};
use memorize_train::schedule::StepDecay;
use memorize_train::theory::certificate::{self, certify};
use memorize_train::theory::constants::Thresholds;
use memorize_train::theory::lanczos::LanczosOptions;
use memorize_train::theory::position::{self, examine};
use memorize_train::theory::power_position;
use memorize_train::theory::preconditioner::WORKSPACE;
use memorize_train::{FeatureLayer, Featured, Network, Objective, Observer, Record, Route, solve};
use rayon::ThreadPoolBuilder;

/// Three leaves of the reduction tree, the last one of another size.
const N: usize = 1100;
const D: usize = 11;
/// Two panels of neurons at least on any instruction set, the last one not full.
const R: usize = 60;

/// How often a machine may be too busy to wake a second thread.
const TRIES: usize = 50;

/// Rows that are copied whenever they are asked for, as a streamed data set's are decoded.
struct Streamed<'a, T: Element>(&'a Mat<T>);

impl<T: Element> Rows<T> for Streamed<'_, T> {
    fn rows(&self) -> usize {
        self.0.rows()
    }
    fn cols(&self) -> usize {
        self.0.cols()
    }
    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
        for (at, i) in range.clone().enumerate() {
            scratch.row_mut(at).copy_from_slice(self.0.row(i));
        }
        scratch.as_ref().rows_range(0..range.len())
    }
    fn needs_scratch(&self) -> bool {
        true
    }
}

impl<T: Element> GatherRows<T> for Streamed<'_, T> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, T>) {
        self.0.gather(indices, out);
    }
}

/// Samples and targets.
type Set<'a, T> = (&'a dyn GatherRows<T>, &'a [T]);
/// What is computed of them, as bit patterns (an f32 widens to f64 exactly).
type Computation<T> = fn(Engine, Set<'_, T>) -> Vec<u64>;

const LIMITS: Limits = Limits { iterations: 6, record_every: 1, stop_below: None };

#[derive(Default)]
struct Losses(Vec<u64>);

impl Observer for Losses {
    fn record(&mut self, record: &Record) {
        self.0.push(record.loss.to_bits());
    }
}

fn solved<T: Element>(engine: Engine, (x, y): Set<'_, T>, norm: Norm) -> Vec<u64> {
    let (tolerance, max_products, workspace) = (1e-12, 12, solve::WORKSPACE);
    let settings = solve::Settings { tolerance, max_products, norm, rank: 40, seed: 2, workspace };
    let found = solve::solve(engine, &x, y, &settings, &mut Losses::default()).unwrap();
    [vec![found.evaluation.loss.to_bits()], bits(found.network.weights.padded())].concat()
}

fn bits<T: Element>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

/// Losses and weights of an optimiser.
fn trained<T: Element>(
    engine: Engine,
    (x, y): Set<'_, T>,
    route: Route,
    optimize: impl Fn(&Objective<'_, T, &dyn GatherRows<T>>, &mut Network<T>, &mut Losses),
) -> Vec<u64> {
    let objective = Objective { engine, x: &x, y, gamma: 1e-4, route };
    let mut network = Network::random(R, x.cols(), 0.3, 1).unwrap();
    let mut losses = Losses::default();
    optimize(&objective, &mut network, &mut losses);
    assert!(losses.0.len() > 2);
    [losses.0, bits(network.weights.padded())].concat()
}

fn full<T: Element>(engine: Engine, set: Set<'_, T>, route: Route, method: Method) -> Vec<u64> {
    let settings = Settings { method, schedule: StepDecay::constant(0.01), limits: LIMITS };
    trained(engine, set, route, |objective, network, losses| {
        full_batch(objective, network, &settings, losses).unwrap();
    })
}

fn batches<T: Element>(engine: Engine, set: Set<'_, T>, route: Route, method: Method) -> Vec<u64> {
    let settings = Settings { method, schedule: StepDecay::constant(0.01), limits: LIMITS };
    trained(engine, set, route, |objective, network, losses| {
        mini_batch(objective, network, &settings, 300, 9, losses).unwrap();
    })
}

/// The same of a descent over the landscape of a network's weights.
fn descended<T: Element>(
    engine: Engine,
    set: Set<'_, T>,
    descend: impl Fn(&mut Training<'_, '_, T, &dyn GatherRows<T>>, Mat<T>, &mut Losses) -> Mat<T>,
) -> Vec<u64> {
    trained(engine, set, Route::Gram, |objective, network, losses| {
        let mut landscape = Training::new(objective, network.clone());
        network.weights = descend(&mut landscape, network.weights.clone(), losses);
    })
}

/// All that training, the solver and the theory compute with the passes.
fn computations<T: Element>() -> Vec<(&'static str, Computation<T>)> {
    vec![
        ("gd, Gram route", |engine, set| full(engine, set, Route::Gram, Method::Descent)),
        ("gd, neuron route", |engine, set| full(engine, set, Route::Neuron, Method::Descent)),
        ("full-batch Adam", |engine, set| full(engine, set, Route::Gram, Method::ADAM)),
        ("sgd", |engine, set| batches(engine, set, Route::Neuron, Method::Descent)),
        ("Adam, neuron route", |engine, set| batches(engine, set, Route::Neuron, Method::ADAM)),
        ("Adam, Gram route", |engine, set| batches(engine, set, Route::Gram, Method::ADAM)),
        ("pgd", |engine, set| {
            let thresholds = Thresholds { eta: 0.1, radius: 1e-3, g_thres: 1.0, f_thres: 1e-9, t_thres: 3 };
            descended(engine, set, |landscape, start, losses| {
                perturbed_descent(landscape, start, &thresholds, &LIMITS, 3, losses).unwrap().weights
            })
        }),
        ("accelerated", |engine, set| {
            let settings =
                Acceleration { eta: 0.1, theta: 0.1, gamma: 1e-3, s: 1e-3, radius: 1e-3, g_thres: 1e-3, t_thres: 3 };
            descended(engine, set, |landscape, start, losses| {
                accelerated_descent(landscape, start, &settings, &LIMITS, 3, losses).unwrap().weights
            })
        }),
        ("negative curvature", |engine, set| {
            let settings = Escape { g_thres: 0.1, tolerance: 1e-9 };
            trained(engine, set, Route::Gram, |objective, network, losses| {
                escaping_descent(objective, network, &settings, &LIMITS, losses).unwrap();
            })
        }),
        ("features", |engine, (x, _)| {
            let layer = FeatureLayer::random(70, x.cols(), 2, 0.3, 7).unwrap();
            bits(memorize_kernels::rows::to_mat(engine.par, &Featured::new(x, &layer, engine).unwrap()).padded())
        }),
        ("solve", |engine, (x, y)| solved(engine, (x, y), Norm::Frobenius)),
        ("solve in a metric", |engine, (x, y)| solved(engine, (x, y), Norm::Data)),
    ]
}

/// What is computed in f64 whatever the samples are.
fn in_f64_alone() -> Vec<(&'static str, Computation<f64>)> {
    vec![
        ("sigma_min", |engine, (x, _)| {
            // 48 features: 1176 forms for 1100 samples.
            let layer = FeatureLayer::random(48, x.cols(), 2, 0.3, 7).unwrap();
            let z = Featured::new(x, &layer, engine).unwrap();
            let settings = position::Settings {
                tolerance: 1e-2,
                max_products: 6,
                rank: 40,
                seed: 1,
                workspace: WORKSPACE,
                dense: false,
            };
            // All that is found: numbers are printed with all their digits.
            format!("{:?}", examine(engine, &z, &settings, |_| true).unwrap()).bytes().map(u64::from).collect()
        }),
        ("sigma_min of order 4", |engine, (x, _)| {
            let settings = position::Settings {
                tolerance: 1e-2,
                max_products: 6,
                rank: 40,
                seed: 1,
                workspace: WORKSPACE,
                dense: false,
            };
            let found = power_position::examine(engine, &x, 4, &settings, |_| true).unwrap();
            format!("{found:?}").bytes().map(u64::from).collect()
        }),
        ("certificate", |engine, (x, y)| {
            let network = Network::random(R, x.cols(), 0.3, 1).unwrap();
            let eigensolver = LanczosOptions { max_products: 5, ..LanczosOptions::default() };
            let settings = certificate::Settings { eigensolver, sigma_min: Some(0.5), route: None };
            let found = certify(engine, &x, y, &network, &settings).unwrap();
            [found.loss, found.gradient_norm, found.m_norm, found.ritz].map(f64::to_bits).to_vec()
        }),
    ]
}

/// Compares what is computed on one thread, from memory, with everything else.
fn same<T: Element>(computations: &[(&'static str, Computation<T>)]) {
    let (x, y) = (synthetic::inputs::<T>(5, N, D), synthetic::targets::<T>(5, N));
    let natives = Isa::available().into_iter().map(|isa| (isa, Backend::Native));
    let others = Backend::ALL.iter().filter(|&&backend| backend != Backend::Native);
    for (isa, backend) in natives.chain(others.map(|&backend| (Isa::best(), backend))) {
        let alone = Engine { isa, backend, par: Par::Seq };
        let together = Engine { par: Par::ALWAYS, ..alone };
        let expected: Vec<_> = computations.iter().map(|(_, compute)| compute(alone, (&x, &y))).collect();
        for threads in [1, 2, 3, 5, 8, 16] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for ((name, compute), expected) in computations.iter().zip(&expected) {
                let what = format!("{name}, {isa} {backend}, {threads} threads");
                let in_memory = || assert!(compute(together, (&x, &y)) == *expected, "{what}");
                let is_shared = (0..TRIES).any(|_| threads_at_work(&pool, in_memory) >= threads.min(2));
                assert!(is_shared, "{what}: one thread did it all");
                let streamed = Streamed(&x);
                pool.install(|| assert!(compute(together, (&streamed, &y)) == *expected, "{what}: streamed"));
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_f32() {
    same::<f32>(&computations());
}

#[test]
fn any_number_of_threads_gives_the_same_bits_f64() {
    same(&[computations(), in_f64_alone()].concat());
}
