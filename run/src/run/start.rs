//! Decisions before the first step. They are written back to the configuration, so that the file in the run's folder
//! repeats the run.

use std::path::PathBuf;
use std::sync::OnceLock;

use memorize_data::mnist;
use memorize_kernels::arch::ISA_VARIABLE;
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::{Element, Rows};
use memorize_train::metric::Moved;
use memorize_train::optim::Method;
use memorize_train::optim::prescription::Prescription;
use memorize_train::schedule::StepDecay;
use memorize_train::{Network, Plan, Route, Samples, network};

use super::dataset::Dataset;
use super::machine::Machine;
use super::memory::{self, Squares, Training, copies_of_weights, of_threads};
use super::{saddles, theory};
use crate::config::{Batch, Metric, OptimizerKind, OptimizerSection, RunConfig, Source};
use crate::error::Error;
use crate::interrupt::ends_at_once;
use crate::ranks;

/// Writes what the environment decides into the configuration, so that the file in the folder repeats the run
/// elsewhere.
pub fn note_environment(config: &mut RunConfig) {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let (None, Some(name)) = (config.run.isa, set(ISA_VARIABLE)) {
        config.run.isa = name.to_string_lossy().parse().ok();
    }
    if (config.data.source, &config.data.dir) == (Source::Mnist, &None) {
        config.data.dir = another_set();
    }
}

/// The folder in the environment, if it has another data set than MNIST. MNIST itself is the same in whichever cache.
fn another_set() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found =
        || mnist::variable().filter(|dir| mnist::is_another_set(dir)).and_then(|dir| std::path::absolute(dir).ok());
    FOUND.get_or_init(found).clone()
}

/// Rows of a batch, the whole set in full-batch training.
pub(super) fn batch_rows(optimizer: &OptimizerSection, n: usize) -> usize {
    optimizer.batch.rows(n).clamp(1, n.max(1))
}

/// What the memory of the run goes by, for the training set's plan of so many neurons. The final weights are evaluated
/// in full batches, whose route may be another one.
pub(super) fn needs<T: Element>(config: &RunConfig, dataset: &Dataset<T>, r: usize, machine: &Machine) -> Training {
    let (n, d, kind) = (dataset.whole(), dataset.x.cols(), config.optimizer.kind);
    let route = |samples| Plan::new(samples, d, r, config.run.route.forced()).route;
    let batch = if config.optimizer.batch == Batch::Full { 0 } else { batch_rows(&config.optimizer, n) };
    let training = route(if batch == 0 { Samples::All(n) } else { Samples::Batch(batch) });
    let test = dataset.test.as_ref().map(|(x, _)| route(Samples::All(x.spread().whole())));
    let routes = [Some(training), Some(route(Samples::All(n))), test];
    let goes_by = |wanted| routes.iter().flatten().any(|&route| route == wanted);
    let by_squares = goes_by(Route::Gram) || kind == OptimizerKind::NegativeCurvature;
    let of_batches = batch > 0 && training == Route::Gram;
    let squares = Squares { of_batches, ..Squares::new(machine) };
    let by_neurons = training == Route::Neuron;
    // Full gradients of mini-batch methods are taken by the neuron route.
    let evaluated = if batch > 0 || goes_by(Route::Neuron) { ROW_BLOCK } else { 0 };
    let stepped = if batch > 0 && by_neurons { batch } else { 0 };
    let of_library = u64::from(squares.by_library && goes_by(Route::Neuron)) * 2;
    Training {
        n: dataset.x.rows(),
        d,
        r,
        copies: copies_of_weights(kind, training) + of_library,
        batch,
        activations: evaluated + stepped,
        of_threads: if goes_by(Route::Neuron) { of_threads::<T>(machine, [n, d, r]) } else { 0 },
        squares: by_squares.then_some(squares),
    }
}

/// Makes sure that there is memory for the training, and for the samples in their metric if the optimiser descends in
/// it, and says how many bytes that is.
///
/// # Errors
/// Bad input if the system has less.
pub(super) fn foresee<T: Element>(
    config: &RunConfig,
    dataset: &Dataset<T>,
    neurons: usize,
    machine: &Machine,
) -> Result<u64, Error> {
    let needed = needs(config, dataset, neurons, machine).foresee::<T>()?;
    if !descends_in_metric(config) {
        return Ok(needed);
    }
    let (here, d) = (dataset.x.rows(), dataset.x.cols());
    let needed = needed.saturating_add(Moved::<T>::bytes([here, d], neurons));
    let what = format!("training on {here} samples of width {d} in their metric");
    memory::foresee(&what, needed, "use fewer samples (--limit), narrower ones (--pca), or leave out --metric")?;
    Ok(needed)
}

fn descends_in_metric(config: &RunConfig) -> bool {
    config.optimizer.metric == Metric::Data && config.optimizer.solve.is_none()
}

/// The samples in their metric, if the optimiser descends in it.
pub(super) fn moved<T: Element>(
    config: &RunConfig,
    dataset: &Dataset<T>,
    machine: &Machine,
) -> Result<Option<Moved<T>>, Error> {
    if !descends_in_metric(config) {
        return Ok(None);
    }
    ends_at_once(|| Moved::new(machine.engine, &dataset.x)).map(Some).map_err(Error::bad_input)
}

/// Iterations until the first of the limits given.
pub(super) fn budget(config: &RunConfig, iterations_an_epoch: u64) -> u64 {
    let kind = config.optimizer.kind;
    let epochs =
        config.run.epochs.map(|epochs| saddles::iterations_in(epochs, kind).saturating_mul(iterations_an_epoch));
    let endless = if config.optimizer.theory.is_some() { u64::MAX } else { 0 };
    [epochs, config.run.iterations].into_iter().flatten().min().unwrap_or(endless)
}

/// Theorem 4's constants for the training set, if asked for. Their decisions are written back to the configuration.
pub(super) fn prescribe<T: Element>(config: &mut RunConfig, data: &Dataset<T>) -> Result<Option<Prescription>, Error> {
    let Some(section) = &config.optimizer.theory else { return Ok(None) };
    ranks::one_only("training as Theorem 4 prescribes (--theory)")?;
    let prescription = ends_at_once(|| theory::prescribe(section, config.network.neurons, &data.x, &data.y))?;
    config.network.neurons = Some(prescription.neurons);
    if config.run.record_every == 0 {
        config.run.record_every = theory::record_every(&prescription);
    }
    Ok(Some(prescription))
}

/// The weights that training starts from, and how they came about. The scale chosen is written back to the
/// configuration, so that the file in the folder says it.
pub(super) fn initial_network<T: Element>(
    config: &mut RunConfig,
    d: usize,
) -> Result<(Network<T>, &'static str), Error> {
    let Some(r) = config.network.neurons else {
        return Ok((Network::zeros(2, d).map_err(Error::bad_input)?, "none, W is solved for"));
    };
    memory::ensure::<T>("the weights and their two moments", &[3, r, d], "train fewer neurons (--neurons)")?;
    let zero = match config.network.init_scale {
        None if config.optimizer.kind == OptimizerKind::Pgd => Some("W = 0, as in Algorithm 1"),
        Some(0.0) => Some("W = 0, a saddle point"),
        _ => None,
    };
    if let Some(words) = zero {
        return Ok((Network::zeros(r, d).map_err(Error::bad_input)?, words));
    }
    let scale = *config.network.init_scale.get_or_insert_with(|| network::default_init_scale(r));
    let network = Network::random(r, d, scale, config.run.seed).map_err(Error::bad_input)?;
    let words = match config.run.experiment.as_deref() {
        Some("synthetic") => "entries of W normal (W = 0 in Theorem 4, to which the paper refers)",
        _ => "entries of W normal (not stated in the paper)",
    };
    Ok((network, words))
}

/// How the gradient changes the weights.
pub(super) fn method(optimizer: &OptimizerSection) -> Method {
    match optimizer.kind {
        OptimizerKind::Adam => {
            Method::Adam { beta1: optimizer.beta1, beta2: optimizer.beta2, epsilon: optimizer.epsilon }
        }
        _ => Method::Descent,
    }
}

/// Learning rates.
pub(super) fn schedule(optimizer: &OptimizerSection) -> StepDecay {
    StepDecay {
        initial: optimizer.learning_rate,
        factor: optimizer.decay_factor,
        every: optimizer.decay_every.unwrap_or(0),
    }
}
