//! A race from its configuration: the track that all optimisers run on, and each of them with its settings.

use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, GatherRows};
use memorize_train::metric::Moved;
use memorize_train::optim::Method;
use memorize_train::optim::negative_curvature::Escape;
use memorize_train::race::{Entrant, Lap, Rules, Spectator, Track};
use memorize_train::schedule::StepDecay;
use memorize_train::theory::constants::Thresholds;
use memorize_train::{Route, TrainError, solve};

use crate::config::{Batch, ConfigError, Metric, OptimizerKind, RaceConfig};
use crate::error::Error;
use crate::layer::{AcceleratedLayer, NegativeCurvatureLayer};
use crate::run::machine::Machine;
use crate::run::memory::{self, Squares, copies_of_weights};
use crate::run::saddles::acceleration;

/// Thresholds of pgd. The radius is that of the perturbation of W = 0; the others are for saddle points on the way, of
/// which none has been met. f_thres is below the losses looked for.
const RADIUS: f64 = 1e-3;
const G_THRES: f64 = 1e-6;
const F_THRES: f64 = 1e-12;
const T_THRES: u64 = 1000;
/// What to do where the memory is short.
const ADVICE: &str = "use fewer samples (--limit), narrower ones (--pca), or fewer neurons (--neurons)";

/// The track for networks of r neurons on these samples and targets.
///
/// # Errors
/// Bad input: samples or targets that cannot be used, more memory than there is. A failed run if the start diverges.
pub fn track<'a, T: Element, X: GatherRows<T>>(
    config: &RaceConfig,
    machine: &Machine,
    (x, y): (&'a X, &'a [T]),
    r: usize,
) -> Result<Track<'a, T, X>, Error> {
    foresee::<T>(config, machine, [x.rows(), x.cols(), r])?;
    let (route, seed) = (config.adam.run.route.forced(), config.adam.run.seed);
    let norm = config.metric.unwrap_or(Metric::Data).into();
    let rules = Rules { losses: config.losses.clone(), passes: config.passes(), route, seed, norm };
    Track::new(machine.engine, (x, y), r, config.learning_rate, rules).map_err(track_error)
}

/// The samples as descents see them in their metric: nothing where that is the sum of squares.
///
/// # Errors
/// Bad input: samples that have no metric, more memory than there is.
pub fn moved<T: Element, X: GatherRows<T>>(
    config: &RaceConfig,
    machine: &Machine,
    x: &X,
) -> Result<Option<Moved<T>>, Error> {
    if config.metric != Some(Metric::Data) || !config.optimizers.iter().any(|&kind| descends(kind)) {
        return Ok(None);
    }
    let what = format!("{} samples of width {} in their metric", x.rows(), x.cols());
    memory::foresee(&what, Moved::<T>::bytes([x.rows(), x.cols()], 0), ADVICE)?;
    Moved::new(machine.engine, x).map(Some).map_err(track_error)
}

/// Whether an optimiser goes down by gradients of the whole set, in a metric if there is one.
pub fn descends(kind: OptimizerKind) -> bool {
    kind.is_full_batch() && kind != OptimizerKind::Solve
}

/// Lets one optimiser run, with a spectator who may stop it.
///
/// # Errors
/// Bad input: settings that contradict each other, numbers that cannot be computed with. A failed run if a
/// decomposition fails.
pub fn lap<T: Element, X: GatherRows<T>>(
    track: &Track<'_, T, X>,
    kind: OptimizerKind,
    config: &RaceConfig,
    spectator: &mut dyn Spectator,
) -> Result<Lap, Error> {
    track.run(entrant(kind, config, track.rate)?, spectator).map_err(lap_error)
}

/// A training set or a start that cannot be used.
fn track_error(error: TrainError) -> Error {
    match error {
        TrainError::Diverged { .. } | TrainError::Kernel(_) => Error::run_failed(error),
        error => Error::bad_input(error),
    }
}

/// Numbers that cannot be computed with are bad input.
fn lap_error(error: TrainError) -> Error {
    match error {
        TrainError::NotFinite { .. } | TrainError::NoSamples | TrainError::TooFewNeurons { .. } => {
            Error::bad_input(error)
        }
        error => Error::run_failed(error),
    }
}

/// Makes sure that there is memory for each of them, the samples apart.
fn foresee<T: Element>(config: &RaceConfig, machine: &Machine, [n, d, r]: [usize; 3]) -> Result<(), Error> {
    let training = memory::Training {
        n,
        d,
        r,
        // No state is written; by how much less it is for that was measured.
        copies: copies_of_weights(OptimizerKind::Adam, Route::Neuron) - 2,
        batch: 0,
        activations: ROW_BLOCK,
        of_threads: memory::of_threads::<T>(machine, [n, d, r]),
        squares: Some(Squares::new(machine)),
    };
    let settings = solve::Settings::new::<T>([n, d], 0.0, config.passes(), 0);
    let settings = settings.in_norm::<T>([n, d], config.metric.unwrap_or(Metric::Data).into());
    let solves = config.optimizers.contains(&OptimizerKind::Solve);
    let solving = if solves { solve::bytes::<T>(n, n, d, &settings, machine.threads) } else { 0 };
    let needed = training.bytes::<T>().saturating_add(solving);
    memory::foresee(&format!("a race on {n} samples of width {d}"), needed, ADVICE)
}

/// Who takes part under this name, with the step size of full-batch descent.
fn entrant(kind: OptimizerKind, config: &RaceConfig, eta: f64) -> Result<Entrant, ConfigError> {
    let adam = &config.adam.optimizer;
    let rows = match adam.batch {
        Batch::Full => None,
        Batch::Rows(rows) => Some(rows),
    };
    Ok(match kind {
        OptimizerKind::Gd => Entrant::Descent(eta),
        OptimizerKind::Sgd => Entrant::Batches { method: Method::Descent, schedule: StepDecay::constant(eta), rows },
        OptimizerKind::Adam => {
            let every = adam.decay_every.unwrap_or(0);
            let schedule = StepDecay { initial: adam.learning_rate, factor: adam.decay_factor, every };
            Entrant::Batches { method: Method::ADAM, schedule, rows }
        }
        OptimizerKind::Pgd => {
            Entrant::Perturbed(Thresholds { eta, radius: RADIUS, g_thres: G_THRES, f_thres: F_THRES, t_thres: T_THRES })
        }
        OptimizerKind::Accelerated => {
            Entrant::Accelerated(acceleration(&AcceleratedLayer::default().settle(eta)?, eta))
        }
        OptimizerKind::NegativeCurvature => {
            let section = NegativeCurvatureLayer::default().settle()?;
            Entrant::NegativeCurvature(Escape { g_thres: section.g_threshold, tolerance: section.tolerance })
        }
        OptimizerKind::Solve => Entrant::Solver,
    })
}
