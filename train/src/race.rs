//! How many passes over a training set each optimiser takes to a loss.
//!
//! A pass is what one loss and gradient of the whole set takes: a quadratic form of every sample and their weighted
//! Gram matrix, 2 n d^2 operations. Then an iteration of full-batch descent is one, an epoch of mini-batches is one
//! (each sample is seen once, though by another route), a product of the linear solver is one, and the solver's
//! preconditioner is what its operations come to.

use std::time::Instant;

use memorize_kernels::{Element, Engine, GatherRows, Rows, pass};

use crate::error::{Divergence, TrainError};
use crate::metric::Norm;
use crate::network::{Network, default_init_scale};
use crate::objective::Objective;
use crate::observe::{Observer, Record};
use crate::optim::accelerated::{Acceleration, accelerated_descent};
use crate::optim::negative_curvature::{Escape, escaping_descent};
use crate::optim::pgd::{Training, perturbed_descent};
use crate::optim::{Limits, Method, Settings, full_batch, mini_batch};
use crate::planner::{Plan, Route, Samples};
use crate::schedule::StepDecay;
use crate::solve;
use crate::theory::constants::Thresholds;
use crate::theory::hessian::HessianOperator;

/// Products with the Hessian that its largest eigenvalue is found by: to a few percent, and the step size allows for
/// twice.
const PRODUCTS: usize = 20;
/// Shares of a measured step size below this are not tried.
const SMALLEST_SHARE: f64 = 1e-6;

/// Who takes part, with what is its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entrant {
    /// Gradient descent on the whole set with this step size.
    Descent(f64),
    /// Gradient descent or Adam on batches of so many samples, `None` for the whole set.
    Batches {
        /// Which of the two.
        method: Method,
        /// Its step sizes.
        schedule: StepDecay,
        /// Samples of a batch.
        rows: Option<usize>,
    },
    /// The paper's Algorithm 1, from W = 0.
    Perturbed(Thresholds),
    /// Accelerated descent.
    Accelerated(Acceleration),
    /// Descent along negative curvature.
    NegativeCurvature(Escape),
    /// The linear solver.
    Solver,
}

impl Entrant {
    /// The same with a step that is shorter by this factor, for those whose step size is the track's.
    fn with_share(self, share: f64) -> Self {
        match self {
            Self::Descent(rate) => Self::Descent(share * rate),
            Self::Batches { method: Method::Descent, schedule, rows } => {
                let schedule = StepDecay { initial: share * schedule.initial, ..schedule };
                Self::Batches { method: Method::Descent, schedule, rows }
            }
            Self::Perturbed(thresholds) => Self::Perturbed(Thresholds { eta: share * thresholds.eta, ..thresholds }),
            // gamma = theta^2/eta.
            Self::Accelerated(parameters) => {
                let Acceleration { eta, gamma, .. } = parameters;
                Self::Accelerated(Acceleration { eta: share * eta, gamma: gamma / share, ..parameters })
            }
            other => other,
        }
    }
}

/// Settings of a race.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Losses f(W) to reach, in descending order: an entrant ends at the last.
    pub losses: Vec<f64>,
    /// Passes after which an entrant gives up.
    pub passes: u64,
    /// How outputs and gradients are computed, `None` for the cheaper way.
    pub route: Option<Route>,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Which norm of S the solver makes the least.
    pub norm: Norm,
}

/// A loss of the whole training set on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Steps done.
    pub iteration: u64,
    /// Passes done.
    pub passes: f64,
    /// Seconds since the start.
    pub seconds: f64,
    /// f.
    pub loss: f64,
}

/// A loss to reach, and what it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// f(W).
    pub loss: f64,
    /// The record at that moment; absent = not reached.
    pub reached: Option<Recorded>,
}

/// Result of one entrant.
#[derive(Clone, Debug, PartialEq)]
pub struct Lap {
    /// f(W) at the end, computed from W; absent = it diverged.
    pub loss: Option<f64>,
    /// Every loss on the way.
    pub records: Vec<Recorded>,
    /// The losses to reach.
    pub marks: Vec<Mark>,
    /// The share of the step size that did not diverge: 1, or 1/2, 1/4, ... of one that nobody gave.
    pub share: f64,
}

/// Watches a race.
pub trait Spectator {
    /// Sees a loss of the whole training set.
    fn see(&mut self, recorded: &Recorded);

    /// Whether the entrant may go on.
    fn goes_on(&mut self) -> bool;
}

/// The common part of all entrants.
pub struct Track<'a, T: Element, X> {
    /// The training set.
    pub objective: Objective<'a, T, X>,
    /// Where they start, but for those that have a start of their own.
    pub start: Network<T>,
    /// Step size of full-batch descent.
    pub rate: f64,
    /// Whether it was measured: then it is halved where it makes an entrant diverge.
    measured: bool,
    rules: Rules,
}

impl<'a, T: Element, X: GatherRows<T>> Track<'a, T, X> {
    /// A training set, r neurons, and a step size, `None` for 1/lambda_max at the start.
    ///
    /// # Errors
    /// [`TrainError::NoSamples`], [`TrainError::Neurons`], and [`TrainError::Diverged`] if the Hessian at the start is
    /// not finite.
    ///
    /// ```
    /// use memorize_data::synthetic;
    /// use memorize_kernels::Engine;
    /// use memorize_train::metric::Norm;
    /// use memorize_train::race::{Rules, Track};
    ///
    /// let (x, y) = (synthetic::inputs::<f64>(1, 12, 6), synthetic::targets::<f64>(1, 12));
    /// let rules = Rules { losses: vec![1e-2, 1e-8], passes: 50, route: None, seed: 1, norm: Norm::Data };
    /// let track = Track::new(Engine::best(), (&x, &y), 14, Some(0.5), rules)?;
    /// assert_eq!((track.rate, track.start.neurons()), (0.5, 14));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(
        engine: Engine,
        (x, y): (&'a X, &'a [T]),
        neurons: usize,
        rate: Option<f64>,
        rules: Rules,
    ) -> Result<Self, TrainError> {
        let (n, d) = (x.rows(), x.cols());
        let route = Plan::new(Samples::All(n), d, neurons, rules.route).route;
        let objective = Objective { engine, x, y, gamma: 0.0, route };
        let start = Network::random(neurons, d, default_init_scale(neurons), rules.seed)?;
        if n == 0 {
            return Err(TrainError::NoSamples);
        }
        let measured = rate.is_none();
        let rate = rate.map_or_else(|| largest_curvature(&objective, &start).map(|largest| 1.0 / largest), Ok)?;
        Ok(Self { objective, start, rate, measured, rules })
    }

    /// Rank of the solver's preconditioner.
    ///
    /// ```
    /// use memorize_data::synthetic;
    /// use memorize_kernels::Engine;
    /// use memorize_train::metric::Norm;
    /// use memorize_train::race::{Rules, Track};
    ///
    /// let (x, y) = (synthetic::inputs::<f64>(1, 12, 6), synthetic::targets::<f64>(1, 12));
    /// let rules = Rules { losses: vec![1e-8], passes: 50, route: None, seed: 1, norm: Norm::Data };
    /// // Every sample is a landmark.
    /// assert_eq!(Track::new(Engine::best(), (&x, &y), 14, Some(0.5), rules)?.rank(), 12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn rank(&self) -> usize {
        solve::default_rank::<T>([self.objective.x.rows(), self.start.width()], self.rules.norm, solve::WORKSPACE)
    }

    /// Lets one run. That it diverges with a step size that was given is no error, it is what came of it. One that was
    /// measured at the start is halved then, and the entrant starts again; the passes that it has done count.
    ///
    /// # Errors
    /// Errors that keep an entrant from running at all.
    ///
    /// ```
    /// use memorize_data::synthetic;
    /// use memorize_kernels::Engine;
    /// use memorize_train::metric::Norm;
    /// use memorize_train::race::{Entrant, Recorded, Rules, Spectator, Track};
    ///
    /// struct Nobody;
    ///
    /// impl Spectator for Nobody {
    ///     fn see(&mut self, _: &Recorded) {}
    ///     fn goes_on(&mut self) -> bool {
    ///         true
    ///     }
    /// }
    ///
    /// let (x, y) = (synthetic::inputs::<f64>(1, 12, 6), synthetic::targets::<f64>(1, 12));
    /// let rules = Rules { losses: vec![1e-2, 1e-8], passes: 50, route: None, seed: 1, norm: Norm::Data };
    /// let lap = Track::new(Engine::best(), (&x, &y), 14, Some(0.5), rules)?.run(Entrant::Solver, &mut Nobody)?;
    /// assert!(lap.marks.iter().all(|mark| mark.reached.is_some()));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn run(&self, entrant: Entrant, spectator: &mut dyn Spectator) -> Result<Lap, TrainError> {
        let mut runner = Runner::new(&self.rules, spectator);
        let (mut loss, mut share) = (self.attempt(entrant, &mut runner)?, 1.0);
        // The step of the others is not the track's.
        let shortens = self.measured && entrant.with_share(0.5) != entrant;
        while loss.is_none() && shortens && share > SMALLEST_SHARE && runner.keep_going() {
            share /= 2.0;
            runner.begin_again();
            loss = self.attempt(entrant.with_share(share), &mut runner)?;
        }
        let Runner { records, marks, .. } = runner;
        Ok(Lap { loss, records, marks, share })
    }

    /// The loss at the end; nothing if it diverged.
    fn attempt(&self, entrant: Entrant, runner: &mut Runner<'_>) -> Result<Option<f64>, TrainError> {
        match self.train(entrant, runner) {
            Ok(network) => {
                let route = Plan::of_network(Samples::All(self.objective.x.rows()), &network, self.rules.route).route;
                let objective = Objective { route, ..self.objective };
                Ok(Some(objective.evaluate(&network)?.loss).filter(|loss| loss.is_finite()))
            }
            Err(TrainError::Diverged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn limits(&self, iterations: u64, record_every: u64) -> Limits {
        Limits { iterations, record_every, stop_below: self.rules.losses.last().copied() }
    }

    fn train(&self, entrant: Entrant, runner: &mut Runner<'_>) -> Result<Network<T>, TrainError> {
        let (objective, seed, passes) = (&self.objective, self.rules.seed, self.rules.passes);
        let limits = self.limits(passes, 1);
        let mut network = self.start.clone();
        match entrant {
            Entrant::Descent(rate) => {
                let settings = Settings { method: Method::Descent, schedule: StepDecay::constant(rate), limits };
                full_batch(objective, &mut network, &settings, runner)?;
            }
            Entrant::Batches { method, schedule, rows: None } => {
                full_batch(objective, &mut network, &Settings { method, schedule, limits }, runner)?;
            }
            Entrant::Batches { method, schedule, rows: Some(rows) } => {
                self.mini_batches(&mut network, method, schedule, rows, runner)?;
            }
            Entrant::Perturbed(thresholds) => {
                network = Network::zeros(self.start.neurons(), self.start.width())?;
                let mut landscape = Training::new(objective, network.clone());
                let start = network.weights.clone();
                network.weights = perturbed_descent(&mut landscape, start, &thresholds, &limits, seed, runner)?.weights;
            }
            Entrant::Accelerated(parameters) => {
                let mut landscape = Training::new(objective, network.clone());
                let start = network.weights.clone();
                network.weights =
                    accelerated_descent(&mut landscape, start, &parameters, &limits, seed, runner)?.weights;
            }
            Entrant::NegativeCurvature(parameters) => {
                escaping_descent(objective, &mut network, &parameters, &limits, runner)?;
            }
            Entrant::Solver => network = self.solve(runner)?,
        }
        Ok(network)
    }

    fn mini_batches(
        &self,
        network: &mut Network<T>,
        method: Method,
        schedule: StepDecay,
        rows: usize,
        runner: &mut Runner<'_>,
    ) -> Result<(), TrainError> {
        let n = self.objective.x.rows();
        let rows = rows.clamp(1, n);
        let an_epoch = n.div_ceil(rows) as u64;
        let limits = self.limits(self.rules.passes.saturating_mul(an_epoch), an_epoch);
        let route = Plan::of_network(Samples::Batch(rows), &self.start, self.rules.route).route;
        let objective = Objective { route, ..self.objective };
        runner.batches(an_epoch);
        mini_batch(&objective, network, &Settings { method, schedule, limits }, rows, self.rules.seed, runner)?;
        Ok(())
    }

    fn solve(&self, runner: &mut Runner<'_>) -> Result<Network<T>, TrainError> {
        let Objective { engine, x, y, .. } = self.objective;
        let (size, tolerance) = ([x.rows(), self.start.width()], self.rules.losses.last().copied().unwrap_or(0.0));
        let settings = solve::Settings::new::<T>(size, tolerance, self.rules.passes, self.rules.seed);
        let settings = settings.in_norm::<T>(size, self.rules.norm);
        let [n, d] = size.map(|count| count as f64);
        runner.begin_with(solve::preparation(size, &settings) / (2.0 * n * d * d));
        Ok(solve::solve(engine, x, y, &settings, runner)?.network)
    }
}

/// The largest eigenvalue of the Hessian in modulus, by power iteration from a random direction.
fn largest_curvature<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    at: &Network<T>,
) -> Result<f64, TrainError> {
    let hessian = HessianOperator::new(objective, at)?;
    let mut z = Network::<T>::random(at.neurons(), at.width(), 1.0, 1)?.weights;
    let mut norm = 0.0;
    for _ in 0..PRODUCTS {
        let scale = T::from_f64(1.0 / pass::norm(&objective.engine, z.padded()));
        z.padded_mut().iter_mut().for_each(|z| *z *= scale);
        z = hessian.apply(&z)?;
        norm = pass::norm(&objective.engine, z.padded());
    }
    if norm.is_finite() && norm > 0.0 {
        return Ok(norm);
    }
    let what = Divergence::Loss(hessian.loss());
    Err(TrainError::Diverged { what, iteration: 0, last_finite: None, learning_rate: 0.0 })
}

/// Counts the passes of one entrant.
struct Runner<'a> {
    spectator: &'a mut dyn Spectator,
    budget: f64,
    started: Instant,
    /// Passes before the first iteration.
    before: f64,
    iterations_a_pass: f64,
    /// Whether what is recorded is the loss of a batch.
    records_batches: bool,
    spent: Option<f64>,
    passes: f64,
    records: Vec<Recorded>,
    marks: Vec<Mark>,
}

impl<'a> Runner<'a> {
    /// Starts the clock.
    fn new(rules: &Rules, spectator: &'a mut dyn Spectator) -> Self {
        Self {
            spectator,
            budget: rules.passes as f64,
            started: Instant::now(),
            before: 0.0,
            iterations_a_pass: 1.0,
            records_batches: false,
            spent: None,
            passes: 0.0,
            records: Vec::new(),
            marks: rules.losses.iter().map(|&loss| Mark { loss, reached: None }).collect(),
        }
    }

    /// What was done counts, and iterations start at 0 again.
    fn begin_again(&mut self) {
        (self.before, self.spent) = (self.passes, None);
    }

    /// Counts so many passes as done before the first iteration.
    fn begin_with(&mut self, passes: f64) {
        self.before = passes;
    }

    /// An iteration is one of so many batches; their losses are not those looked for.
    fn batches(&mut self, an_epoch: u64) {
        (self.iterations_a_pass, self.records_batches) = (an_epoch as f64, true);
    }

    /// Takes the loss of the whole training set after so many iterations.
    fn take(&mut self, iteration: u64, loss: f64) {
        let done = self.spent.take().unwrap_or(iteration as f64 / self.iterations_a_pass);
        self.passes = self.before + done;
        let recorded = Recorded { iteration, passes: self.passes, seconds: self.started.elapsed().as_secs_f64(), loss };
        self.records.push(recorded);
        for mark in self.marks.iter_mut().filter(|mark| mark.reached.is_none() && loss <= mark.loss) {
            mark.reached = Some(recorded);
        }
        self.spectator.see(&recorded);
    }
}

impl Observer for Runner<'_> {
    fn record(&mut self, record: &Record) {
        if !self.records_batches {
            self.take(record.iteration, record.loss);
        }
    }

    fn whole(&mut self, record: &Record) {
        self.take(record.iteration, record.loss);
    }

    fn spent(&mut self, passes: f64) {
        self.spent = Some(passes);
    }

    fn keep_going(&mut self) -> bool {
        self.passes < self.budget && self.spectator.goes_on()
    }
}

#[cfg(test)]
#[path = "race_tests.rs"]
mod tests;
