//! Theorem 1's threshold made visible: random training sets of several sizes around the capacity d(d+1)/2, the loss
//! that remains on each, and the least that could remain.

mod record;
mod report;

use std::sync::{Arc, Mutex};

use memorize_data::{Preparation, Prepared, synthetic};
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, Engine, Mat, Par, rows};
use memorize_train::theory::constants::capacity;
use memorize_train::theory::threshold::expected_least_squares_loss;
use memorize_train::trial::{self, Ending, Settings, Tried};
use memorize_train::{Observer, Record, Route, TrainError, solve};
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde::{Serialize, Serializer};

use crate::config::{Backend, CapacityConfig, OptimizerKind, Trainer};
use crate::error::{Error, WithHint};
use crate::interrupt::Interrupt;
use crate::run::machine::Machine;
use crate::run::memory::{self, Squares, copies_of_weights};
use crate::run_folder::RunFolder;
pub use record::COLUMNS;
use record::Recorder;
pub use report::{Point, Report};

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
    #[serde(serialize_with = "by_name")]
    pub ended: Ending,
    /// f(W) of the network returned.
    pub loss: f64,
    /// f of the solver's network on the same samples: the least of any network, unless that is below the tolerance,
    /// where the solver ends, or the solver was at the end of its iterations or of the precision.
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

fn by_name<S: Serializer>(ended: &Ending, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(ended.name())
}

/// Tries everything on every training set, several of them at a time, and writes `capacity.csv` as rows become known;
/// `tell` is told of each set. Returns the rows, in the order of sizes, seeds and optimisers whatever the number of
/// threads; fewer if interrupted.
///
/// # Errors
/// Bad input if the sizes need more memory than there is; a failed run if a step size lets descent diverge or a file
/// cannot be written.
pub fn run<T: Element>(
    config: &CapacityConfig,
    machine: &Machine,
    folder: &RunFolder,
    tell: impl FnMut(&str) + Send,
    interrupt: &Interrupt,
) -> Result<Vec<Row>, Error> {
    let sizes = config.sizes();
    let sets: Vec<(usize, u64)> =
        sizes.iter().flat_map(|&n| (0..config.seeds).map(move |i| (n, config.seed + i))).collect();
    let recorder = Mutex::new(Recorder::create(folder, tell, sets.len())?);
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
    // Finished rows are written even if another one failed.
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
    let descent = memory::Training {
        n,
        d,
        r,
        copies: copies_of_weights(OptimizerKind::Gd, Route::Neuron),
        batch: 0,
        activations: ROW_BLOCK,
        of_threads: 0,
        squares: Some(Squares { threads: 1, by_library: config.backend != Backend::Native, of_batches: false }),
    };
    // The samples in T. They are drawn in f64: between what other threads hold, that lies in pieces when it is freed,
    // and so does what is left of smaller sets.
    let drawn = if threads > 1 { size_of::<f64>() } else { 0 };
    let set = [size_of::<T>() + drawn, n, d].into_iter().fold(1, |all: u64, factor| all.saturating_mul(factor as u64));
    let solving = |&n: &usize| {
        solve::bytes::<T>(n, n, d, &solve::Settings::new::<T>([n, d], config.stop_below, config.iterations, 0), 1)
    };
    let solving = config.sizes().iter().map(solving).max().unwrap_or(0);
    let each = solving.max(descent.bytes::<T>()).saturating_add(set);
    let at_once = (config.sizes().len() as u64).saturating_mul(config.seeds).min(threads as u64);
    // What is left of smaller sets lies in pieces, as measured.
    let pieces = if at_once > 1 && config.sizes().len() > 1 { each / 12 } else { 0 };
    let all = each.saturating_add(pieces).saturating_mul(at_once);
    memory::foresee(&format!("training sets of up to {n} samples on {threads} threads"), all, advice)?;
    // Each thread keeps memory that it has freed: as much as was measured.
    memory::foresee_picture(if at_once > 1 { all / 10 * 3 } else { 0 })
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

    /// The solver, whose loss the others are measured by, then descent. A training that an interruption cuts short is
    /// left out.
    fn trials(&self, interrupt: &Interrupt) -> Result<Vec<Row>, Error> {
        if interrupt.is_set() {
            return Ok(Vec::new());
        }
        let &CapacityConfig { dim, neurons, iterations, stop_below, route, ref optimizers, .. } = self.config;
        let settings = Settings { neurons, iterations, tolerance: stop_below, route: route.forced(), seed: self.seed };
        let rate = |trainer: Trainer| self.config.learning_rate.unwrap_or_else(|| trainer.default_learning_rate(dim));
        let trainers: Vec<trial::Trainer> = optimizers
            .iter()
            .map(|&trainer| match trainer {
                Trainer::Solve => trial::Trainer::Solver,
                Trainer::Adam => trial::Trainer::Adam(rate(trainer)),
                Trainer::Gd => trial::Trainer::Descent(rate(trainer)),
            })
            .collect();
        let mut observer = Listening(interrupt);
        let found = trial::trials(self.engine, (&self.x, &self.y), &trainers, &settings, &mut observer);
        let rows = optimizers.iter().zip(found.map_err(descent_error)?);
        Ok(rows.filter_map(|(&optimizer, tried)| tried.map(|tried| self.row(optimizer, &tried))).collect())
    }

    fn row(&self, optimizer: Trainer, tried: &Tried) -> Row {
        let (n, d) = (self.y.len(), self.config.dim);
        let capacity = capacity_of(d);
        Row {
            ratio: n as f64 / capacity as f64,
            n,
            d,
            r: tried.neurons,
            capacity,
            seed: self.seed,
            optimizer,
            ended: tried.ended,
            loss: tried.loss,
            least_squares_loss: tried.least_squares_loss,
            predicted_loss: expected_least_squares_loss(n, d, synthetic::TARGET_MEAN_SQUARE),
            iterations: tried.iterations,
            parameters: tried.parameters,
            parameters_per_sample: tried.parameters as f64 / n as f64,
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

fn descent_error(error: TrainError) -> Error {
    match error {
        TrainError::Diverged { .. } => Error::RunFailed(error.hint("a flag of `memorize capacity`: --lr X")),
        TrainError::Neurons(_) => Error::bad_input(error),
        error => Error::run_failed(error),
    }
}
