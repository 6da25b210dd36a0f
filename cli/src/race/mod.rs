//! How many passes over a training set each optimiser takes to a loss.
//!
//! A pass is what one loss and gradient of the whole set takes: a quadratic form of every sample and their weighted Gram matrix,
//! 2 n d^2 operations. Then an iteration of full-batch descent is one, an epoch of mini-batches is one (each sample is seen
//! once, though by another route), a product of the linear solver is one, and the solver's preconditioner is what its operations
//! come to.

pub mod curves;
mod runner;
mod show;
#[cfg(test)]
mod tests;

use memorize_data::Output;
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, Rows};
use memorize_run::config::{Batch, OptimizerKind, RaceConfig};
use memorize_run::error::Error;
use memorize_run::interrupt::Interrupt;
use memorize_run::layer::{AcceleratedLayer, NegativeCurvatureLayer};
use memorize_run::run::dataset::Dataset;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory;
use memorize_run::run::memory::{Squares, copies_of_weights};
use memorize_run::run::saddles::acceleration;
use memorize_run::units::number;
use memorize_train::network::default_init_scale;
use memorize_train::optim::negative_curvature::Escape;
use memorize_train::optim::pgd::{Training, perturbed_descent};
use memorize_train::optim::{Limits, Method, Settings, accelerated, full_batch, mini_batch, negative_curvature};
use memorize_train::schedule::StepDecay;
use memorize_train::theory::constants::Thresholds;
use memorize_train::theory::constants::theorem1_neurons;
use memorize_train::theory::hessian::HessianOperator;
use memorize_train::{Divergence, Network, Objective, Plan, Route, Samples, TrainError, solve};

use crate::console::Progress;
use curves::Curves;
use runner::Runner;
pub use show::{Course, Entry, Mark};

/// Products with the Hessian that its largest eigenvalue is found by: to a few percent, and the step size allows for twice.
const PRODUCTS: usize = 20;
/// Thresholds of pgd. The radius is that of the perturbation of W = 0; the others are for saddle points on the way, of which none
/// has been met. f_thres is below the losses looked for.
const RADIUS: f64 = 1e-3;
const G_THRES: f64 = 1e-6;
const F_THRES: f64 = 1e-12;
const T_THRES: u64 = 1000;

/// Lets everybody run, one after the other. What a signal cuts short is left out.
///
/// # Errors
/// Bad input: data that cannot be used, more memory than there is. A failed run if the curves cannot be written. An optimiser that
/// diverges is no error, it is what came of it.
pub fn run<T: Element>(
    config: &RaceConfig,
    machine: &Machine,
    mut progress: Progress,
    curves: Option<&Output>,
    interrupt: &Interrupt,
) -> Result<Course, Error> {
    let dataset = Dataset::<T>::open(&config.adam, &machine.engine)?;
    dataset.notes.iter().chain(&machine.notes).for_each(|note| progress.note(note));
    let track = Track::new(config, machine, &dataset)?;
    memory::announce().iter().for_each(|line| progress.note(line));
    progress.note(&track.announce());
    let (mut rows, mut entries) = (Curves::new(), Vec::new());
    let mut failed = None;
    for &kind in &config.optimizers {
        let mut runner = Runner::new(kind, config, progress, interrupt.clone());
        let ended = track.run(kind, &mut runner);
        let (records, marks, rest) = runner.finish();
        progress = rest;
        if interrupt.is_set() {
            break;
        }
        for record in &records {
            rows.record(kind, record.iteration, record.passes, record.seconds, record.loss)?;
        }
        let ended = match ended.map_err(entry_error) {
            Ok(ended) => ended,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        let entry = Entry::new(kind, track.step(kind), &records, marks, ended);
        progress.note(&entry.line());
        entries.push(entry);
    }
    progress.finish();
    // What was finished is not lost with what was not.
    if let Some(curves) = curves {
        rows.write(curves)?;
    }
    if let Some(failed) = failed {
        return Err(failed);
    }
    Ok(Course::new(config, machine, track.describe(), entries))
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

/// What all have in common.
struct Track<'a, T: Element> {
    config: &'a RaceConfig,
    objective: Objective<'a, T, Box<dyn Rows<T>>>,
    start: Network<T>,
    rate: f64,
}

impl<'a, T: Element> Track<'a, T> {
    fn new(config: &'a RaceConfig, machine: &Machine, dataset: &'a Dataset<T>) -> Result<Self, Error> {
        let (x, y) = (&dataset.x, &dataset.y[..]);
        let (n, d) = (x.rows(), x.cols());
        let r = config.neurons.unwrap_or_else(|| theorem1_neurons(d));
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
        let rank = solve::default_rank::<T>(n, d, solve::WORKSPACE);
        let solves = config.optimizers.contains(&OptimizerKind::Solve);
        let solving = if solves { solve::bytes::<T>(n, n, d, rank, machine.threads) } else { 0 };
        let needed = training.bytes::<T>().saturating_add(solving);
        let advice = "use fewer samples (--limit), narrower ones (--pca), or fewer neurons (--neurons)";
        memory::foresee(&format!("a race on {n} samples of width {d}"), needed, advice)?;
        let route = Plan::new(Samples::All(n), d, r, config.adam.run.route.forced()).route;
        let objective = Objective { engine: machine.engine, x, y, gamma: 0.0, route };
        let start = Network::random(r, d, default_init_scale(r), config.adam.run.seed).map_err(Error::bad_input)?;
        if n == 0 {
            return Err(Error::bad_input(TrainError::NoSamples));
        }
        let rate = match config.learning_rate {
            Some(rate) => rate,
            None => 1.0 / largest_curvature(&objective, &start).map_err(Error::run_failed)?,
        };
        Ok(Self { config, objective, start, rate })
    }

    /// Samples, width and neurons.
    fn describe(&self) -> [usize; 3] {
        [self.objective.x.rows(), self.start.width(), self.start.neurons()]
    }

    fn announce(&self) -> String {
        let [n, d, r] = self.describe();
        let source = if self.config.learning_rate.is_some() { "as given" } else { "1/lambda_max at the start" };
        format!("race: n = {n}, d = {d}, r = {r}, step size {} ({source})", number(self.rate))
    }

    /// Step sizes and the like, in words.
    fn step(&self, kind: OptimizerKind) -> String {
        let adam = &self.config.adam.optimizer;
        let batch = match adam.batch {
            Batch::Full => "full batches".to_owned(),
            Batch::Rows(rows) => format!("batches of {rows}"),
        };
        match kind {
            OptimizerKind::Gd => format!("step {}", number(self.rate)),
            OptimizerKind::Sgd => format!("step {}, {batch}", number(self.rate)),
            OptimizerKind::Pgd => format!("step {}, from W = 0", number(self.rate)),
            OptimizerKind::Accelerated => {
                format!("step {}, theta {}", number(self.rate), memorize_run::layer::DEFAULT_THETA)
            }
            OptimizerKind::NegativeCurvature => "exact line searches".to_owned(),
            OptimizerKind::Adam => {
                let decay = adam.decay_every.map(|every| format!(", x{} every {every}", adam.decay_factor));
                format!("step {}{}, {batch}", adam.learning_rate, decay.unwrap_or_default())
            }
            OptimizerKind::Solve => format!("preconditioner of rank {}", self.rank()),
        }
    }

    fn rank(&self) -> usize {
        let [n, d, _] = self.describe();
        solve::default_rank::<T>(n, d, solve::WORKSPACE)
    }

    /// Lets one run. Says f(W) at its end, or that it diverged.
    fn run(&self, kind: OptimizerKind, runner: &mut Runner) -> Result<Option<f64>, TrainError> {
        match self.train(kind, runner) {
            Ok(network) => {
                let forced = self.config.adam.run.route.forced();
                let route =
                    Plan::new(Samples::All(self.objective.x.rows()), network.width(), network.neurons(), forced).route;
                let objective = Objective { route, ..self.objective };
                Ok(Some(objective.evaluate(&network)?.loss).filter(|loss| loss.is_finite()))
            }
            Err(TrainError::Diverged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn train(&self, kind: OptimizerKind, runner: &mut Runner) -> Result<Network<T>, TrainError> {
        let (objective, seed) = (&self.objective, self.config.adam.run.seed);
        let target = self.config.losses.last().copied();
        let limits = |iterations| Limits { iterations, record_every: 1, stop_below: target };
        let passes = self.config.passes();
        let mut network = self.start.clone();
        let constant = StepDecay::constant(self.rate);
        match kind {
            OptimizerKind::Gd => {
                let settings = Settings { method: Method::Descent, schedule: constant, limits: limits(passes) };
                full_batch(objective, &mut network, &settings, runner)?;
            }
            OptimizerKind::Sgd | OptimizerKind::Adam => {
                let adam = &self.config.adam.optimizer;
                let every = adam.decay_every.unwrap_or(0);
                let decay = StepDecay { initial: adam.learning_rate, factor: adam.decay_factor, every };
                let (method, schedule) = match kind {
                    OptimizerKind::Adam => (Method::ADAM, decay),
                    _ => (Method::Descent, constant),
                };
                match adam.batch {
                    Batch::Full => {
                        let settings = Settings { method, schedule, limits: limits(passes) };
                        full_batch(objective, &mut network, &settings, runner)?;
                    }
                    Batch::Rows(rows) => self.mini_batches(&mut network, method, schedule, rows, runner)?,
                }
            }
            OptimizerKind::Pgd => {
                let thresholds =
                    Thresholds { eta: self.rate, radius: RADIUS, g_thres: G_THRES, f_thres: F_THRES, t_thres: T_THRES };
                network = Network::zeros(self.start.neurons(), self.start.width())?;
                let start = network.weights.clone();
                let mut landscape = Training::new(objective, network.clone());
                let found = perturbed_descent(&mut landscape, start, &thresholds, &limits(passes), seed, runner)?;
                network.weights = found.weights;
            }
            OptimizerKind::Accelerated => {
                let section = AcceleratedLayer::default().settle(self.rate);
                let parameters = acceleration(&section, self.rate);
                let mut landscape = Training::new(objective, network.clone());
                let start = network.weights.clone();
                let limits = limits(passes);
                let found =
                    accelerated::accelerated_descent(&mut landscape, start, &parameters, &limits, seed, runner)?;
                network.weights = found.weights;
            }
            OptimizerKind::NegativeCurvature => {
                let section = NegativeCurvatureLayer::default().settle();
                let parameters = Escape { g_thres: section.g_threshold, tolerance: section.tolerance };
                negative_curvature::escaping_descent(objective, &mut network, &parameters, &limits(passes), runner)?;
            }
            OptimizerKind::Solve => network = self.solve(runner)?,
        }
        Ok(network)
    }

    fn mini_batches(
        &self,
        network: &mut Network<T>,
        method: Method,
        schedule: StepDecay,
        rows: usize,
        runner: &mut Runner,
    ) -> Result<(), TrainError> {
        let [n, d, r] = self.describe();
        let rows = rows.clamp(1, n);
        let an_epoch = n.div_ceil(rows) as u64;
        let iterations = self.config.passes().saturating_mul(an_epoch);
        let limits = Limits { iterations, record_every: an_epoch, stop_below: self.config.losses.last().copied() };
        let route = Plan::new(Samples::Batch(rows), d, r, self.config.adam.run.route.forced()).route;
        let objective = Objective { route, ..self.objective };
        runner.batches(an_epoch);
        let settings = Settings { method, schedule, limits };
        mini_batch(&objective, network, &settings, rows, self.config.adam.run.seed, runner)?;
        Ok(())
    }

    fn solve(&self, runner: &mut Runner) -> Result<Network<T>, TrainError> {
        let [n, d, _] = self.describe();
        let rank = self.rank();
        let operations = 3.0 * (n * rank) as f64 * rank as f64 + 2.0 * (n * d) as f64 * rank as f64;
        runner.begin_with(operations / (2.0 * (n * d) as f64 * d as f64));
        let settings = solve::Settings {
            tolerance: self.config.losses.last().copied().unwrap_or(0.0),
            max_products: usize::try_from(self.config.passes()).unwrap_or(usize::MAX),
            rank,
            seed: self.config.adam.run.seed,
            workspace: solve::WORKSPACE,
        };
        let Objective { engine, x, y, .. } = self.objective;
        Ok(solve::solve(engine, x, y, &settings, runner)?.network)
    }
}

/// The largest eigenvalue of the Hessian in modulus, by power iteration from a random direction.
fn largest_curvature<T: Element>(
    objective: &Objective<'_, T, Box<dyn Rows<T>>>,
    at: &Network<T>,
) -> Result<f64, TrainError> {
    let hessian = HessianOperator::new(objective, at)?;
    let mut z = Network::<T>::random(at.neurons(), at.width(), 1.0, 1)?.weights;
    let mut norm = 0.0;
    for _ in 0..PRODUCTS {
        let scale = T::from_f64(1.0 / z.frobenius_norm());
        z.padded_mut().iter_mut().for_each(|z| *z *= scale);
        z = hessian.apply(&z)?;
        norm = z.frobenius_norm();
    }
    if norm.is_finite() && norm > 0.0 {
        return Ok(norm);
    }
    let what = Divergence::Loss(hessian.loss());
    Err(TrainError::Diverged { what, iteration: 0, last_finite: None, learning_rate: 0.0 })
}
