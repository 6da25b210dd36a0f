//! Theorem 1's threshold made visible: random training sets of several sizes around the capacity d(d+1)/2, the loss that
//! remains on each, and the least that could remain.

pub(crate) mod plot;
mod record;
pub mod show;

use std::sync::{Arc, Mutex};

use memorize_data::{Preparation, Prepared, synthetic};
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, Engine, Mat, Par, rows};
use memorize_run::config::{Backend, CapacityConfig, OptimizerKind, Trainer};
use memorize_run::error::{Error, WithHint};
use memorize_run::interrupt::Interrupt;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory::{self, Squares, copies_of_weights};
use memorize_run::run_folder::RunFolder;
use memorize_train::network::default_init_scale;
use memorize_train::optim::{self, Limits, Method, full_batch};
use memorize_train::schedule::StepDecay;
use memorize_train::solve::{self, Solution, Verdict};
use memorize_train::theory::constants::capacity;
use memorize_train::theory::threshold::expected_least_squares_loss;
use memorize_train::{Network, Objective, Observer, Plan, Record, Route, Samples, StopReason, TrainError};
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde::Serialize;

use crate::console::Progress;
pub use record::COLUMNS;
use record::Recorder;

/// Descent ends when it is this near to the least squares loss, as a factor of it: it comes as near as one waits.
const NEAR: f64 = 1.001;

/// Adam has so many step sizes one after the other, each the paper's factor of the one before.
const STAGES: u64 = 5;
const DECAY: f64 = 0.3;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The loss is what was asked for.
    Memorised,
    /// It is not, and no network does better (within 0.1 % for descent).
    LeastSquares,
    /// Rounding errors keep the solver above the tolerance.
    Resolution,
    /// All iterations were used.
    Budget,
}

/// One optimiser on one training set. The fields are the columns of `capacity.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// n over the capacity.
    pub ratio: f64,
    /// Samples.
    pub n: usize,
    /// Width of a sample.
    pub d: usize,
    /// Neurons: those given to descent, or those that the solver needed.
    pub r: usize,
    /// d(d+1)/2.
    pub capacity: u64,
    /// Seed of the samples, the targets and the random start.
    pub seed: u64,
    /// What was tried.
    pub optimizer: Trainer,
    /// How it ended.
    pub ended: Ending,
    /// f(W) of the network returned.
    pub loss: f64,
    /// f of the solver's network on the same samples: the least of any network, unless that is below the tolerance, where
    /// the solver ends, or the solver was at the end of its iterations or of the precision.
    pub least_squares_loss: f64,
    /// The expected value of the least f, from n and d alone.
    pub predicted_loss: f64,
    /// Iterations of descent, products of the solver.
    pub iterations: u64,
    /// Trained parameters, d r.
    pub parameters: usize,
    /// The same for each sample.
    pub parameters_per_sample: f64,
}

/// Tries everything on every training set, several of them at a time, and writes `capacity.csv` as rows become known.
/// Returns the rows, in the order of sizes, seeds and optimisers whatever the number of threads; fewer if interrupted.
///
/// # Errors
/// Bad input if the sizes need more memory than there is; a failed run if a step size lets descent diverge or a file cannot
/// be written.
pub fn run<T: Element>(
    config: &CapacityConfig,
    machine: &Machine,
    folder: &RunFolder,
    progress: Progress,
    interrupt: &Interrupt,
) -> Result<Vec<Row>, Error> {
    let sizes = config.sizes();
    let sets: Vec<(usize, u64)> =
        sizes.iter().flat_map(|&n| (0..config.seeds).map(move |i| (n, config.seed + i))).collect();
    let recorder = Mutex::new(Recorder::create(folder, progress, sets.len())?);
    // A whole training set is a thread's: they are small and many.
    let engine = Engine { par: Par::Seq, ..machine.engine };
    let tried = machine.install(|| {
        sets.iter().enumerate().par_bridge().try_for_each(|(at, &(n, seed))| {
            let rows = Set::<T>::new(config, engine, n, seed)?.trials(interrupt)?;
            // Poisoned only by a panic, which ends the program.
            let mut recorder = recorder.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Ok::<(), Error>(recorder.record(at, rows)?)
        })
    });
    // What was finished is written, whatever became of the rest.
    let rows = recorder.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).finish();
    tried?;
    Ok(rows?)
}

/// Refuses sizes that need more memory than there is.
///
/// # Errors
/// Bad input, with the advice what to ask for instead.
pub fn check_memory<T: Element>(config: &CapacityConfig, threads: usize) -> Result<(), Error> {
    let (d, r, n) = (config.dim, config.neurons, config.sizes().last().copied().unwrap_or(0));
    let advice = "use narrower samples (--dim), smaller --ratios or fewer --threads";
    // Sizes that cannot even be counted.
    memory::ensure::<f64>("the training sets", &[2, threads, n, d], advice)?;
    memory::ensure::<T>("the weights and their two moments", &[5, threads, r, d], advice)?;
    let rank = solve::default_rank::<T>(n, d, solve::WORKSPACE);
    let descent = memory::Training {
        n,
        d,
        r,
        copies: copies_of_weights(OptimizerKind::Gd, Route::Neuron),
        batch: 0,
        activations: ROW_BLOCK,
        squares: Some(Squares { threads: 1, by_library: config.backend != Backend::Native, of_batches: false }),
    };
    // Of the samples there is a copy in f64 and one in T.
    let set = (n as u64).saturating_mul(16).saturating_mul(d as u64);
    let each = solve::bytes::<T>(n, n, d, rank, 1).max(descent.bytes::<T>()).saturating_add(set);
    memory::foresee(
        &format!("training sets of up to {n} samples on {threads} threads"),
        each.saturating_add(each / 3).saturating_mul(threads as u64),
        advice,
    )
}

/// A random training set: the rows that `memorize train --data synthetic --normalize` has with the same seed.
struct Set<'a, T: Element> {
    config: &'a CapacityConfig,
    engine: Engine,
    x: Mat<T>,
    y: Vec<T>,
    seed: u64,
}

impl<'a, T: Element> Set<'a, T> {
    fn new(config: &'a CapacityConfig, engine: Engine, n: usize, seed: u64) -> Result<Self, Error> {
        let (inputs, _) = synthetic::tables(seed, n, config.dim)?;
        let preparation = Preparation { normalize: true, ..Preparation::default() };
        let prepared = Prepared::<T>::new(&engine, Arc::new(inputs), &preparation)?;
        let x = rows::to_mat(Par::Seq, &prepared);
        Ok(Self { config, engine, x, y: synthetic::targets(seed, n), seed })
    }

    /// The solver, whose loss the others are measured by, then descent. What an interruption has cut short is left out.
    fn trials(&self, interrupt: &Interrupt) -> Result<Vec<Row>, Error> {
        let mut observer = Listening(interrupt);
        if interrupt.is_set() {
            return Ok(Vec::new());
        }
        let settings = solve::Settings {
            tolerance: self.config.tolerance,
            max_products: usize::try_from(self.config.iterations).unwrap_or(usize::MAX),
            rank: solve::default_rank::<T>(self.y.len(), self.config.dim, solve::WORKSPACE),
            seed: self.seed,
            workspace: solve::WORKSPACE,
        };
        let solution =
            solve::solve(self.engine, &self.x, &self.y, &settings, &mut observer).map_err(Error::run_failed)?;
        let mut rows = Vec::new();
        for &optimizer in &self.config.optimizers {
            let row = match optimizer {
                Trainer::Solve => self.solved(&solution),
                Trainer::Adam => self.descended(optimizer, Method::ADAM, &solution, &mut observer)?,
                Trainer::Gd => self.descended(optimizer, Method::Descent, &solution, &mut observer)?,
            };
            rows.extend(row);
        }
        Ok(rows)
    }

    fn solved(&self, solution: &Solution<T>) -> Option<Row> {
        let ended = match solution.verdict {
            Verdict::Memorised => Ending::Memorised,
            Verdict::LeastSquares { .. } => Ending::LeastSquares,
            Verdict::Resolution => Ending::Resolution,
            Verdict::Budget => Ending::Budget,
            Verdict::Interrupted => return None,
        };
        let (loss, iterations) = (solution.evaluation.loss, solution.outcome.iterations);
        Some(self.row(Trainer::Solve, &solution.network, ended, loss, loss, iterations))
    }

    fn descended(
        &self,
        optimizer: Trainer,
        method: Method,
        solution: &Solution<T>,
        observer: &mut Listening<'_>,
    ) -> Result<Option<Row>, Error> {
        let CapacityConfig { dim, neurons, iterations, tolerance, .. } = *self.config;
        let least = solution.evaluation.loss;
        let near = matches!(solution.verdict, Verdict::LeastSquares { .. }).then_some(NEAR * least);
        let limits =
            Limits { iterations, record_every: iterations, stop_below: Some(near.unwrap_or(tolerance).max(tolerance)) };
        let rate = self.config.learning_rate.unwrap_or_else(|| optimizer.default_learning_rate(dim));
        let settings = optim::Settings { method, schedule: schedule(optimizer, rate, iterations), limits };
        let plan = Plan::new(Samples::All(self.y.len()), dim, neurons, self.config.route.forced());
        let objective = Objective { engine: self.engine, x: &self.x, y: &self.y, gamma: 0.0, route: plan.route };
        let mut network =
            Network::random(neurons, dim, default_init_scale(neurons), self.seed).map_err(Error::bad_input)?;
        let outcome = full_batch(&objective, &mut network, &settings, observer).map_err(descent_error)?;
        let loss = objective.evaluate(&network).map_err(Error::run_failed)?.loss;
        let ended = match outcome.reason {
            StopReason::Interrupted => return Ok(None),
            _ if loss <= tolerance => Ending::Memorised,
            StopReason::Target => Ending::LeastSquares,
            StopReason::Budget | StopReason::Returned => Ending::Budget,
        };
        Ok(Some(self.row(optimizer, &network, ended, loss, least, outcome.iterations)))
    }

    fn row(
        &self,
        optimizer: Trainer,
        network: &Network<T>,
        ended: Ending,
        loss: f64,
        least_squares_loss: f64,
        iterations: u64,
    ) -> Row {
        let (n, d) = (self.y.len(), self.config.dim);
        let capacity = capacity_of(d);
        Row {
            ratio: n as f64 / capacity as f64,
            n,
            d,
            r: network.neurons(),
            capacity,
            seed: self.seed,
            optimizer,
            ended,
            loss,
            least_squares_loss,
            predicted_loss: expected_least_squares_loss(n, d, synthetic::TARGET_MEAN_SQUARE),
            iterations,
            parameters: network.parameters(),
            parameters_per_sample: network.parameters() as f64 / n as f64,
        }
    }
}

/// d(d+1)/2; as much as 64 bits hold, which is beyond any training set.
fn capacity_of(d: usize) -> u64 {
    u64::try_from(capacity(d)).unwrap_or(u64::MAX)
}

/// Ends whatever runs when a signal arrives.
struct Listening<'a>(&'a Interrupt);

impl Observer for Listening<'_> {
    fn record(&mut self, _: &Record) {}

    fn keep_going(&mut self) -> bool {
        !self.0.is_set()
    }
}

/// Adam's steps have a length of their own, and where the loss is flat in most directions, as it is close to the capacity,
/// they end in oscillations unless they become shorter. Gradient descent has no need of that.
fn schedule(optimizer: Trainer, rate: f64, iterations: u64) -> StepDecay {
    match optimizer {
        Trainer::Adam => StepDecay { initial: rate, factor: DECAY, every: iterations.div_ceil(STAGES) },
        Trainer::Gd | Trainer::Solve => StepDecay::constant(rate),
    }
}

fn descent_error(error: TrainError) -> Error {
    match error {
        TrainError::Diverged { .. } => Error::RunFailed(error.hint("a flag of `memorize capacity`: --lr X")),
        error => Error::run_failed(error),
    }
}
