//! `memorize race`: every optimiser on one training set, and what came of each.

mod curves;
mod show;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use memorize_data::Output;
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, Rows};
use memorize_run::config::{Batch, ConfigError, OptimizerKind, RaceConfig};
use memorize_run::error::Error;
use memorize_run::interrupt::Interrupt;
use memorize_run::layer::{AcceleratedLayer, NegativeCurvatureLayer};
use memorize_run::run::dataset::Dataset;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory::{self, Squares, copies_of_weights};
use memorize_run::run::saddles::acceleration;
use memorize_run::units::{number, thousands};
use memorize_train::optim::Method;
use memorize_train::optim::negative_curvature::Escape;
use memorize_train::race::{Entrant, Recorded, Rules, Spectator, Track};
use memorize_train::schedule::StepDecay;
use memorize_train::theory::constants::{Thresholds, theorem1_neurons};
use memorize_train::{Route, TrainError, solve};

use crate::console::Progress;
use curves::Curves;
pub use show::{Course, Entry, Mark};

/// Thresholds of pgd. The radius is that of the perturbation of W = 0; the others are for saddle points on the way, of
/// which none has been met. f_thres is below the losses looked for.
const RADIUS: f64 = 1e-3;
const G_THRES: f64 = 1e-6;
const F_THRES: f64 = 1e-12;
const T_THRES: u64 = 1000;

/// Shortest time between two lines about the same optimiser.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Lets everybody run, one after the other. An optimiser that a signal cuts short is left out.
///
/// # Errors
/// Bad input: data that cannot be used, more memory than there is. A failed run if the curves cannot be written. An
/// optimiser that diverges is no error, it is what came of it.
pub fn run<T: Element>(
    config: &RaceConfig,
    machine: &Machine,
    mut progress: Progress,
    curves: Option<&Output>,
    interrupt: &Interrupt,
) -> Result<Course, Error> {
    let dataset = Dataset::<T>::open(&config.adam, &machine.engine)?;
    dataset.notes.iter().chain(&machine.notes).for_each(|note| progress.note(note));
    let (x, y) = (&dataset.x, &dataset.y[..]);
    let [n, d] = [x.rows(), x.cols()];
    let r = config.neurons.unwrap_or_else(|| theorem1_neurons(d));
    foresee::<T>(config, machine, [n, d, r])?;
    let (route, seed) = (config.adam.run.route.forced(), config.adam.run.seed);
    let rules = Rules { losses: config.losses.clone(), passes: config.passes(), route, seed };
    let track = Track::new(machine.engine, (x, y), r, config.learning_rate, rules).map_err(track_error)?;
    memory::announce().iter().for_each(|line| progress.note(line));
    let source = if config.learning_rate.is_some() { "as given" } else { "1/lambda_max at the start" };
    progress.note(&format!("race: n = {n}, d = {d}, r = {r}, step size {} ({source})", number(track.rate)));
    let (mut rows, mut entries) = (Curves::new(), Vec::new());
    let mut failed = None;
    for &kind in &config.optimizers {
        let mut watch = Watch { kind, budget: config.passes(), progress, interrupt, shown: Instant::now() };
        let lap = track.run(entrant(kind, config, track.rate)?, &mut watch);
        progress = watch.progress;
        if interrupt.is_set() {
            break;
        }
        let lap = match lap.map_err(entry_error) {
            Ok(lap) => lap,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        for record in &lap.records {
            rows.record(kind, record.iteration, record.passes, record.seconds, record.loss)?;
        }
        let entry = Entry::new(kind, settings(kind, config, track.rate, track.rank()), &lap);
        progress.note(&entry.line());
        entries.push(entry);
    }
    progress.finish();
    // Finished optimisers are shown even if another one failed.
    if let Some(curves) = curves {
        rows.write(curves)?;
    }
    if let Some(failed) = failed {
        return Err(failed);
    }
    Ok(Course::new(config, machine, [n, d, r], entries))
}

/// A training set or a start that cannot be used.
fn track_error(error: TrainError) -> Error {
    match error {
        TrainError::Diverged { .. } | TrainError::Kernel(_) => Error::run_failed(error),
        error => Error::bad_input(error),
    }
}

/// Numbers that cannot be computed with are bad input.
fn entry_error(error: TrainError) -> Error {
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
        // No state is written.
        copies: copies_of_weights(OptimizerKind::Adam, Route::Neuron) - 4,
        batch: 0,
        activations: ROW_BLOCK,
        squares: Some(Squares::new(machine)),
    };
    let settings = solve::Settings::new::<T>([n, d], 0.0, config.passes(), 0);
    let solves = config.optimizers.contains(&OptimizerKind::Solve);
    let solving = if solves { solve::bytes::<T>(n, n, d, &settings, machine.threads) } else { 0 };
    let needed = training.bytes::<T>().saturating_add(solving);
    let advice = "use fewer samples (--limit), narrower ones (--pca), or fewer neurons (--neurons)";
    memory::foresee(&format!("a race on {n} samples of width {d}"), needed, advice)
}

/// Who takes part under this name, with the step size of full-batch descent.
fn entrant(kind: OptimizerKind, config: &RaceConfig, eta: f64) -> Result<Entrant, ConfigError> {
    let adam = &config.adam.optimizer;
    let rows = match adam.batch {
        Batch::Full => None,
        Batch::Rows(rows) => Some(rows),
    };
    Ok(match kind {
        OptimizerKind::Gd => Entrant::Descent,
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

/// Step sizes and the like, in words.
fn settings(kind: OptimizerKind, config: &RaceConfig, eta: f64, rank: usize) -> String {
    let adam = &config.adam.optimizer;
    let batch = match adam.batch {
        Batch::Full => "full batches".to_owned(),
        Batch::Rows(rows) => format!("batches of {rows}"),
    };
    let eta = number(eta);
    match kind {
        OptimizerKind::Gd => format!("step {eta}"),
        OptimizerKind::Sgd => format!("step {eta}, {batch}"),
        OptimizerKind::Pgd => format!("step {eta}, from W = 0"),
        OptimizerKind::Accelerated => format!("step {eta}, theta {}", memorize_run::layer::DEFAULT_THETA),
        OptimizerKind::NegativeCurvature => "exact line searches".to_owned(),
        OptimizerKind::Adam => {
            let decay = adam.decay_every.map(|every| format!(", x{} every {every}", adam.decay_factor));
            format!("step {}{}, {batch}", adam.learning_rate, decay.unwrap_or_default())
        }
        OptimizerKind::Solve => format!("preconditioner of rank {rank}"),
    }
}

/// Shows how far an optimiser is, and listens for signals.
struct Watch<'a> {
    kind: OptimizerKind,
    budget: u64,
    progress: Progress,
    interrupt: &'a Interrupt,
    shown: Instant,
}

impl Spectator for Watch<'_> {
    fn see(&mut self, recorded: &Recorded) {
        if self.shown.elapsed() >= LINE_EVERY {
            self.shown = Instant::now();
            let (passes, budget) = (thousands(recorded.passes as u64), thousands(self.budget));
            self.progress.note(&format!("{}: {passes} passes of {budget}, loss {}", self.kind, number(recorded.loss)));
        }
    }

    fn goes_on(&mut self) -> bool {
        !self.interrupt.is_set()
    }
}
