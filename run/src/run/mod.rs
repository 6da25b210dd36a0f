//! One run from its configuration to the files it leaves: data, network, training, evaluation, report.

pub mod alike;
pub mod already;
pub mod dataset;
mod ending;
pub mod keeper;
pub mod machine;
pub mod memory;
pub mod opened;
pub mod panics;
pub mod prospects;
pub mod resume;
pub mod saddles;
pub mod solution;
mod start;
pub mod tables;
mod tell;
pub mod theory;
pub mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use memorize_data::output::{Lock, Staged};
use memorize_kernels::{Element, GatherRows, Rows};
use memorize_train::metric::Moved;
use memorize_train::optim::prescription::Prescription;
use memorize_train::optim::small::SmallTraining;
use memorize_train::optim::{Limits, Settings, full_batch, mini_batch, pgd};
use memorize_train::theory::constants::Thresholds;
use memorize_train::{
    Divergence, Evaluation, Network, Objective, Observer, Outcome, Plan, Route, Samples, TrainError, checkpoint, solve,
    spectrum,
};

use crate::allocator;
use crate::config::{Batch, Dtype, RunConfig};
use crate::error::Error;
use crate::events::{self, Curve, Draw, Event, Host};
use crate::interrupt;
use crate::provenance::Provenance;
use crate::ranks;
use crate::run_folder::{CHECKPOINT, CONFIG, Existing, Record, RunFolder, StopReason, Summary, record_failure};
use crate::units::{duration, mebibytes, number, thousands};
use dataset::Dataset;
pub use ending::Finished;
use ending::{diverged_or_failed, hint};
use keeper::{Before, Identity, Keeper};
use machine::Machine;
use prospects::Prospects;
use resume::{Reopened, Stopped};
use saddles::Saddles;
pub use start::note_environment;
use start::{batch_rows, budget, initial_network, method, prescribe, schedule};
use watch::{Watch, Watched};

/// Matrices as large as W that there are at the end at once, when the picture is drawn: the start, what came out, and
/// what the optimiser has not given back.
const COPIES_AT_THE_END: u64 = 4;

/// Where a run's results go, and what there is already.
#[derive(Debug)]
pub enum Target<'a> {
    /// A run from its first iteration.
    New {
        /// The folder.
        path: &'a Path,
        /// What to do with the results of an earlier run in it.
        existing: Existing,
        /// Files that are read besides the data: the one that the settings are from.
        inputs: &'a [PathBuf],
        /// The folder's lock, if it was taken before.
        held: Option<Lock>,
    },
    /// The rest of a run.
    Stopped {
        /// Its folder.
        path: &'a Path,
        /// How far it was.
        stopped: Box<Stopped>,
    },
}

impl<'a> Target<'a> {
    fn path(&self) -> &'a Path {
        match self {
            Self::New { path, .. } | Self::Stopped { path, .. } => path,
        }
    }
}

/// Runs `config` and leaves the results in a folder.
///
/// # Errors
/// Bad input if the data or the folder cannot be used, or are not those of the run that was stopped; a failed run if
/// the loss is no longer finite or a file cannot be written.
pub fn execute(mut config: RunConfig, target: Target<'_>, host: &mut Host) -> Result<Finished, Error> {
    note_environment(&mut config);
    alike::settings_of(&config)?;
    let machine = Machine::new(config.run.backend, config.run.isa, config.run.threads)?;
    if config.run.pin {
        machine.pin()?;
    }
    let (path, name) = (target.path().to_owned(), config.run.name.clone());
    let begun = OnceLock::new();
    let run = || match config.run.dtype {
        Dtype::F32 => Run::<f32>::prepare(config, &machine, target, host)?.noted(&begun).train(host),
        Dtype::F64 => Run::<f64>::prepare(config, &machine, target, host)?.noted(&begun).train(host),
    };
    let outcome = panics::caught(&path, || machine.install(run));
    // The folder of what could not begin may be another run's.
    if let (Err(error), Some(folder)) = (&outcome, begun.get()) {
        record_failure(folder, error);
    }
    let failure = outcome.as_ref().ok().and_then(Finished::failure);
    let (summary, error) = (outcome.as_ref().ok().map(|finished| &finished.summary), outcome.as_ref().err());
    host.listener.hear(&Event::End { name: &name, run: &path, summary, error: error.or(failure.as_ref()) });
    outcome
}

/// Everything that is known before the first step.
struct Run<'a, T: Element> {
    config: RunConfig,
    machine: &'a Machine,
    folder: RunFolder,
    identity: Identity,
    reopened: Option<Reopened>,
    dataset: Dataset<T>,
    network: Network<T>,
    /// The samples, and the weights, of a descent in their metric.
    moved: Option<(Moved<T>, Network<T>)>,
    init: &'static str,
    plan: Plan,
    sigma_min: Option<f64>,
    /// The parameters that the paper names for the experiment, and what the run has in their place.
    instead: Option<String>,
    prescription: Option<Prescription>,
    saddles: Saddles,
    iterations: u64,
    iterations_an_epoch: u64,
    started: Instant,
}

impl<'a, T: Element> Run<'a, T> {
    /// Opens the data, builds the network, and creates the folder as the last thing that bad input can prevent.
    fn prepare(
        mut config: RunConfig,
        machine: &'a Machine,
        target: Target<'_>,
        host: &mut Host,
    ) -> Result<Self, Error> {
        let listener = &mut *host.listener;
        let started = Instant::now();
        let path = target.path();
        let data = config.data.files();
        if let (Target::New { path, existing, inputs, held: None }, true) = (&target, ranks::is_first()) {
            RunFolder::check(path, *existing, inputs.iter().chain(&data).map(PathBuf::as_path))?;
        }
        let dataset = Dataset::<T>::open(&config, &machine.engine)?;
        let (here, n, d) = (dataset.x.rows(), dataset.whole(), dataset.x.cols());
        let prescription = prescribe(&mut config, &dataset)?;
        saddles::settle_neurons(&mut config, d)?;
        let batch = batch_rows(&config.optimizer, n);
        let iterations_an_epoch = n.div_ceil(batch) as u64;
        let iterations = budget(&config, iterations_an_epoch);

        // Before the first of them is made.
        let neurons = config.network.neurons.unwrap_or(2);
        let needed = match &config.optimizer.solve {
            Some(_) => solution::foresee::<T>(&config.run, &config.optimizer, &dataset, machine.threads)?,
            None => start::foresee(&config, &dataset, neurons, machine)?,
        };
        let at_the_end = if config.optimizer.solve.is_some() { 2 * n.min(d) } else { neurons };
        memory::foresee_picture(memory::of_weights::<T>(COPIES_AT_THE_END, at_the_end, d))?;
        let (network, init) = initial_network(&mut config, d)?;
        let moved = start::moved(&config, &dataset, machine)?.map(|moved| (moved, network.clone()));
        let network = moved.as_ref().map_or_else(|| network, |(moved, inside)| moved.outside(inside));
        let samples = match config.optimizer.batch {
            Batch::Full => Samples::All(n),
            Batch::Rows(_) => Samples::Batch(batch),
        };
        let plan = Plan::new(samples, d, network.neurons(), config.run.route.forced());
        let sigma_min = match config.run.experiment.as_deref() {
            Some("synthetic") if n <= spectrum::DENSE_SAMPLES => {
                let found = interrupt::ends_at_once(|| spectrum::singular_values(&dataset.x));
                Some(found.map_err(Error::run_failed)?.min)
            }
            _ => prescription.as_ref().map(|prescription| prescription.data.sigma),
        };
        let instead = sigma_min
            .filter(|_| config.run.experiment.as_deref() == Some("synthetic") && prescription.is_none())
            .and_then(|sigma| theory::instead(&config, &dataset.x, &dataset.y, sigma));
        listener.check(path)?;
        // Whatever is wrong with another rank's samples.
        ranks::wait();
        let identify = |text| Identity::new(text, &dataset.digests.train, machine);
        let (folder, identity, reopened) = match target {
            Target::New { path, existing, inputs, held } => {
                let inputs = inputs.iter().chain(&data).map(PathBuf::as_path);
                let folder = match ranks::is_first() {
                    true => RunFolder::create(path, existing, inputs, held)?,
                    false => RunFolder::of_another_rank(path),
                };
                let text = config.to_toml()?;
                folder.write(CONFIG, text.as_bytes())?;
                (folder, identify(text), None)
            }
            Target::Stopped { path, stopped } => {
                let identity = identify(stopped.text.clone());
                stopped.check(path, &identity)?;
                let (reopened, held) = stopped.reopen(path)?;
                let folder =
                    held.map_or_else(|| Ok(RunFolder::of_another_rank(path)), |held| RunFolder::reopen(path, held))?;
                (folder, identity, Some(reopened))
            }
        };
        // Not before there is a configuration: a folder with nothing but events would be nobody's.
        listener.begin(path)?;
        let limit = (iterations < u64::MAX).then_some(iterations);
        let iterations_before = reopened.as_ref().map_or(0, |reopened| reopened.before.iterations);
        let samples_before = (iterations_before as f64 / iterations_an_epoch as f64 * n as f64).round() as u64;
        let decays = config.optimizer.decay_every.is_some();
        let ends =
            events::Plan { iterations: limit, epochs: config.run.epochs, iterations_before, samples_before, decays };
        let sizes = [n, d, network.neurons()];
        listener.hear(&Event::Start(tell::start(path, &config, machine, sizes, plan.route.into(), needed, ends)));
        if reopened.is_some() {
            listener.note(&format!("going on from iteration {}", thousands(iterations_before)));
        }
        folder.notes().iter().chain(&dataset.notes).chain(&machine.notes).for_each(|note| listener.note(note));
        listener.note(&format!("training: at most {} of memory besides the samples", mebibytes(needed)));
        memory::announce().iter().for_each(|line| listener.note(line));
        let power = config.network.features.as_ref().map(|features| features.p);
        let announced = prescription.iter().flat_map(|prescription| theory::announce(prescription, power));
        announced.for_each(|line| listener.note(&line));
        match &config.optimizer.solve {
            Some(_) => {
                let settings = solution::settings::<T>(&config.run, &config.optimizer, n, d);
                listener.note(&solution::announce::<T>(here, settings.rank));
            }
            None if prescription.is_some() && SmallTraining::fits(n, d) => {}
            None => listener.note(&plan.to_string()),
        }
        if let Some(blas) = &machine.blas {
            listener.note(&format!("backend blas: {blas}"));
        }
        if let (Some(sigma), None) = (sigma_min, &prescription) {
            listener.note(&format!("smallest singular value of [x_j (x) x_j]: {}", number(sigma)));
        }
        instead.iter().for_each(|line| listener.note(line));
        let run = Self {
            config,
            machine,
            folder,
            identity,
            reopened,
            dataset,
            network,
            moved,
            init,
            plan,
            sigma_min,
            instead,
            prescription,
            saddles: Saddles::default(),
            iterations,
            iterations_an_epoch,
            started,
        };
        tell::details(&run).iter().for_each(|line| listener.hear(&Event::Detail(line)));
        Ok(run)
    }

    /// Leaves word of the folder that is now this run's.
    fn noted(self, begun: &OnceLock<RunFolder>) -> Self {
        let _ = begun.set(self.folder.clone());
        self
    }

    /// Trains, evaluates, and leaves the files of a run.
    fn train(mut self, host: &mut Host) -> Result<Finished, Error> {
        let Host { listener, draw, interrupt } = host;
        let prepared = self.started.elapsed();
        let reopened = self.reopened.take();
        let before = reopened.as_ref().map_or_else(Before::default, |reopened| reopened.before);
        let (run, identity) = (&self.config.run, self.identity.clone());
        let to_keep = (&self.dataset, &self.network);
        let keeper = Keeper::new(self.folder.file(CHECKPOINT), run, to_keep, identity, before, self.started);
        let (state, metrics, records) = match reopened {
            Some(Reopened { state, metrics, records, .. }) => (Some(state), metrics, records),
            None if self.folder.writes() => (None, Some(self.folder.metrics()?), Vec::new()),
            None => (None, None, Vec::new()),
        };
        let (n, iterations) = (self.dataset.whole(), self.iterations_an_epoch);
        // Before the clock of the training starts.
        let prospects = self.prospects()?;
        let mut watch =
            Watch::new(&mut **listener, metrics, interrupt.clone(), n, iterations, keeper).resume(state, records);
        prospects.warnings().iter().for_each(|warning| watch.note(&format!("warning: {warning}")));
        let outcome = self.optimize(&mut watch);
        let Watched { records, seconds, checkpoint, warning } = watch.finish()?;
        let trained = Instant::now();
        let evaluated = outcome.and_then(|outcome| Ok((self.evaluate(&outcome, &records)?, outcome)));
        let (at, outcome) = match evaluated {
            Ok(evaluated) => evaluated,
            Err(error) => {
                self.plot(*draw, &records, None)?;
                return Err(diverged_or_failed(error, &prospects));
            }
        };
        let evaluated = trained.elapsed();
        let mut summary = self.summarize(at, &outcome, &prospects, before, seconds)?;
        summary.warnings.extend(warning);
        listener.hear(&Event::Result(&summary));
        self.dataset.sources.check_unchanged()?;
        let interrupted = summary.stopped == StopReason::Interrupted;
        let kept = interrupted && checkpoint == Some(outcome.iterations);
        // The larger file first: a disk that is full leaves the checkpoint as it is.
        let weights = if kept || !self.folder.writes() { None } else { Some(self.stage_weights()?) };
        self.plot(*draw, &records, Some(summary.train_loss))?;
        let summary = self.folder.commit(summary, weights)?;
        let training = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let rest = trained.elapsed().saturating_sub(evaluated);
        let [prepared, training, evaluated, rest] = [prepared, training, evaluated, rest].map(duration);
        listener.hear(&Event::Detail(&format!(
            "time: {prepared} to prepare, {training} to train, {evaluated} to evaluate, {rest} for tests and files"
        )));
        Ok(Finished { interrupted, summary, remedies: hint(&prospects, true) })
    }

    /// The prospects before the first step, of a run that goes on, too: its first weights follow from the seed.
    fn prospects(&self) -> Result<Prospects, Error> {
        let objective = Objective { route: self.route(self.dataset.whole()), ..self.objective() };
        let start = objective.evaluate_in_f64(&self.network).map_err(Error::run_failed)?;
        let prospects = Prospects::of(&self.config, &self.dataset, self.network.width(), start);
        if self.computes(start.loss) && start.regularized.is_finite() {
            return Ok(prospects);
        }
        let (what, learning_rate) = (Divergence::Loss(start.regularized), self.config.optimizer.learning_rate);
        let error = TrainError::Diverged { what, iteration: 0, last_finite: None, learning_rate };
        Err(diverged_or_failed(error, &prospects))
    }

    fn objective(&self) -> Objective<'_, T, Box<dyn GatherRows<T>>> {
        let (x, y) = (&self.dataset.x, &self.dataset.y[..]);
        Objective { engine: self.machine.engine, x, y, gamma: self.config.optimizer.gamma, route: self.plan.route }
    }

    fn optimize(&mut self, watch: &mut Watch) -> Result<Outcome, TrainError> {
        let (run, optimizer) = (&self.config.run, &self.config.optimizer);
        let limits = Limits { iterations: self.iterations, record_every: run.record_every, stop_below: run.stop_below };
        let mut network = self.network.clone();
        let objective = self.objective();
        if let Some((moved, inside)) = &self.moved {
            network.clone_from(inside);
            let (objective, mut watch) = (moved.objective(&objective), moved.observed(watch));
            let (outcome, saddles) =
                match saddles::descend(optimizer, &objective, &mut network, &limits, run.seed, &mut watch)? {
                    Some(found) => found,
                    None => {
                        let settings = Settings { method: method(optimizer), schedule: schedule(optimizer), limits };
                        (full_batch(&objective, &mut network, &settings, &mut watch)?, Saddles::default())
                    }
                };
            (self.network, self.saddles) = (moved.outside(&network), saddles);
            return Ok(outcome);
        }
        if let Some((outcome, saddles)) =
            saddles::descend(optimizer, &objective, &mut network, &limits, run.seed, watch)?
        {
            (self.network, self.saddles) = (network, saddles);
            return Ok(outcome);
        }
        let mut perturbations = None;
        let outcome = match (&self.prescription, &optimizer.pgd, &optimizer.solve, optimizer.batch) {
            (Some(prescription), ..) => {
                let data = (objective.x, objective.y);
                let found = prescription.run(objective.engine, data, &limits, run.seed, watch)?;
                (network, perturbations) = (found.network, Some(found.perturbations.len() as u64));
                found.outcome
            }
            (_, _, Some(_), _) => {
                let settings = solution::settings::<T>(run, optimizer, self.dataset.whole(), objective.x.cols());
                let found = solve::solve(objective.engine, objective.x, objective.y, &settings, watch)?;
                watch.note(&found.to_string());
                network = found.network;
                found.outcome
            }
            (_, Some(section), ..) => {
                let thresholds = Thresholds {
                    eta: optimizer.learning_rate,
                    radius: section.radius,
                    g_thres: section.g_threshold,
                    f_thres: section.f_threshold,
                    t_thres: section.t_threshold,
                };
                let mut landscape = pgd::Training::new(&objective, network.clone());
                let start = network.weights.clone();
                let found = pgd::perturbed_descent(&mut landscape, start, &thresholds, &limits, run.seed, watch)?;
                (network.weights, perturbations) = (found.weights, Some(found.perturbations.len() as u64));
                found.outcome
            }
            (None, None, None, batch) => {
                let settings = Settings { method: method(optimizer), schedule: schedule(optimizer), limits };
                match batch {
                    Batch::Full => full_batch(&objective, &mut network, &settings, watch)?,
                    Batch::Rows(rows) => mini_batch(&objective, &mut network, &settings, rows, run.seed, watch)?,
                }
            }
        };
        (self.network, self.saddles.perturbations) = (network, perturbations);
        Ok(outcome)
    }

    /// Whether residuals with this loss are numbers in T, too.
    fn computes(&self, loss: f64) -> bool {
        T::from_f64((4.0 * self.dataset.whole() as f64 * loss).sqrt()).is_finite()
    }

    /// The cheaper route for the final weights and n samples, unless one is forced.
    fn route(&self, n: usize) -> Route {
        Plan::of_network(Samples::All(n), &self.network, self.config.run.route.forced()).route
    }

    /// Evaluates the final weights over the whole training set. Nobody has looked at the last step of a mini-batch run
    /// before: it may be the one that diverged. In f64, for a small loss would be the rounding of the run's type.
    fn evaluate(&self, outcome: &Outcome, records: &[Record]) -> Result<Evaluation, TrainError> {
        let objective = Objective { route: self.route(self.dataset.whole()), ..self.objective() };
        let at = objective.evaluate_in_f64(&self.network)?;
        if self.computes(at.loss) {
            return Ok(at);
        }
        let last = records.last();
        Err(TrainError::Diverged {
            what: Divergence::Loss(at.loss),
            iteration: outcome.iterations,
            last_finite: last.map(|record| record.loss),
            learning_rate: last.map_or(self.config.optimizer.learning_rate, |record| record.learning_rate),
        })
    }

    /// What the run came to; evaluates the final weights over the test set if there is one.
    fn summarize(
        &self,
        at: Evaluation,
        outcome: &Outcome,
        prospects: &Prospects,
        before: Before,
        seconds: f64,
    ) -> Result<Summary, Error> {
        let (n, d, r) = (self.dataset.whole(), self.network.width(), self.network.neurons());
        let test_mse = self.dataset.test_mse(self.machine.engine, &self.network, self.config.run.route.forced())?;
        let RunConfig { run, network, optimizer, .. } = &self.config;
        let features = network.features.as_ref();
        let run_solves = optimizer.solve.is_some();
        let stopped = match outcome.reason.into() {
            reason if self.prescription.is_none() && prospects.is_stalled(reason, at) => StopReason::Stalled,
            reason => reason,
        };
        Ok(Summary {
            experiment: run.experiment.clone(),
            name: run.name.clone(),
            n,
            d: features.map_or(d, |_| self.config.data.pca.unwrap_or(self.dataset.input_width)),
            k: features.map(|features| features.k),
            r,
            p: features.map(|features| features.p),
            parameters: self.network.parameters(),
            parameters_per_sample: self.network.parameters() as f64 / n as f64,
            samples: n,
            data: Some(self.dataset.digests.train.clone()),
            test_data: self.dataset.digests.test.clone(),
            seed: run.seed,
            dtype: run.dtype,
            isa: self.machine.isa_name().to_owned(),
            backend: run.backend,
            blas: self.machine.blas.clone(),
            threads: self.machine.threads,
            ranks: ranks::count(),
            route: if run_solves { self.route(n) } else { self.plan.route }.into(),
            epochs: outcome.epochs,
            iterations: outcome.iterations,
            samples_per_second: outcome.epochs * n as f64 / (before.seconds + seconds).max(f64::MIN_POSITIVE),
            wall_seconds: before.wall_seconds + self.started.elapsed().as_secs_f64(),
            train_loss: at.loss,
            train_mse: at.mse(),
            test_mse,
            sigma_min: self.sigma_min,
            theory: self
                .prescription
                .as_ref()
                .map(|prescription| theory::summarize(prescription, at.loss, self.saddles)),
            perturbations: self.saddles.perturbations,
            escapes: self.saddles.escapes,
            init: self.init.to_owned(),
            init_scale: network.init_scale.unwrap_or(0.0),
            stopped,
            start_loss: Some(prospects.start_loss()),
            target_variance: Some(prospects.target_variance()),
            files: BTreeMap::new(),
            warnings: prospects
                .warnings()
                .into_iter()
                .chain(prospects.above_variance(at))
                .chain(prospects.overflowing_test::<T>(test_mse))
                .collect(),
            paper: self.paper(),
            instead: self.instead.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            provenance: Some(Provenance::here()),
        })
    }

    fn paper(&self) -> Option<String> {
        let name = self.config.run.experiment.as_deref()?;
        crate::experiments::Experiment::from_name(name).map(|experiment| experiment.paper())
    }

    /// The final weights on the disk, but not yet in the place of the checkpoint.
    fn stage_weights(&self) -> Result<Staged, Error> {
        let weights = self.dataset.weights(self.network.clone());
        checkpoint::stage(&self.folder.file(CHECKPOINT), &weights).map_err(Error::run_failed)
    }

    fn plot(&self, draw: Draw, records: &[Record], loss: Option<f64>) -> Result<(), Error> {
        if !self.folder.writes() {
            return Ok(());
        }
        let paper = self.paper();
        allocator::give_back();
        let curve = Curve { name: &self.config.run.name, paper: paper.as_deref(), loss, records };
        for (name, contents) in draw(&curve)? {
            self.folder.write(name, &contents)?;
        }
        Ok(())
    }
}
