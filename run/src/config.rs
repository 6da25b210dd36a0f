//! A run's configuration, with every question answered: what the trainer is given and what `config.toml` records.

mod capacity;
mod certificate;
mod check;
mod choices;
mod condition;
pub mod defaults;
mod error;
mod evaluation;
mod experiment;
mod race;
mod saddles;
mod theory;
mod validate;

use std::path::PathBuf;

use serde::Serialize;

use crate::units::ByteSize;
pub use capacity::{CapacityConfig, Trainer};
pub use certificate::CertifyConfig;
pub use choices::{Backend, Batch, Dtype, IsaName, OptimizerKind, Route, Source};
pub use condition::{ConditionConfig, ConditionDefaults};
pub use error::ConfigError;
pub use evaluation::{EvalConfig, SamplesOf, Stored};
pub use experiment::Experiment;
pub use race::RaceConfig;
pub use saddles::{AcceleratedSection, NegativeCurvatureSection};
pub use theory::TheorySection;
pub use validate::at_most_threads;

/// Everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunConfig {
    /// What is computed with what, and for how long.
    pub run: RunSection,
    /// The training and test sets.
    pub data: DataSection,
    /// The network.
    pub network: NetworkSection,
    /// The algorithm that trains it.
    pub optimizer: OptimizerSection,
}

/// `[data]`: the training and test sets, and what happens to them, in the order of the fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataSection {
    /// Where the samples come from.
    pub source: Source,
    /// Folder with the four MNIST files; absent = the one that the program finds by itself.
    pub dir: Option<PathBuf>,
    /// Training samples (`source = "files"`).
    pub inputs: Option<PathBuf>,
    /// Training targets (`source = "files"`); may be absent with random labels.
    pub targets: Option<PathBuf>,
    /// Test samples (`source = "files"`).
    pub test_inputs: Option<PathBuf>,
    /// Test targets (`source = "files"`).
    pub test_targets: Option<PathBuf>,
    /// Number of samples, n (`source = "synthetic"`).
    pub samples: Option<usize>,
    /// Input width, d (`source = "synthetic"`).
    pub dim: Option<usize>,
    /// Use only the first so many training samples.
    pub limit: Option<usize>,
    /// Scale every sample to length 1.
    pub normalize: bool,
    /// Project to so many principal directions of the training set.
    pub pca: Option<usize>,
    /// Standard deviation sigma1 of the Gaussian noise added to each coordinate of the training samples; 0 = none.
    pub noise: f64,
    /// Replace the targets by digits drawn uniformly from 0 to 9.
    pub random_labels: bool,
}

impl DataSection {
    /// The files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        let named = [&self.inputs, &self.targets, &self.test_inputs, &self.test_targets];
        let of_mnist = self.dir.iter().flat_map(|dir| memorize_data::mnist::files_in(dir));
        named.into_iter().flatten().cloned().chain(of_mnist).collect()
    }
}

/// `[network]`: q(x) = sum_i a_i (w_i . x)^2, or the same over random features of x.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkSection {
    /// Hidden neurons, r; even. Absent = as many as the algorithm finds that it needs.
    pub neurons: Option<usize>,
    /// Standard deviation of the entries of W at the start; absent = chosen by the trainer.
    pub init_scale: Option<f64>,
    /// The fixed first layer of a three-layer network; absent = two layers.
    pub features: Option<FeaturesSection>,
}

/// `[network.features]`: z = (R x)^p, elementwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeaturesSection {
    /// Number of random features.
    pub k: usize,
    /// Power.
    pub p: u32,
    /// Standard deviation sigma2 of the entries of R.
    pub sigma: f64,
}

/// `[optimizer]`: the algorithm and its step sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimizerSection {
    /// Which algorithm.
    pub kind: OptimizerKind,
    /// Step size at the start; 0 and absent from the file = decided by `theory`, or by a line search in each step.
    #[serde(skip_serializing_if = "is_zero")]
    pub learning_rate: f64,
    /// Samples in an iteration.
    pub batch: Batch,
    /// The step size is multiplied by `decay_factor` every so many epochs; absent = never.
    pub decay_every: Option<u64>,
    /// See `decay_every`.
    pub decay_factor: f64,
    /// Adam: decay of the mean of the gradients.
    pub beta1: f64,
    /// Adam: decay of the mean of their squares.
    pub beta2: f64,
    /// Adam: keeps the denominator from zero.
    pub epsilon: f64,
    /// Weight of the regulariser, gamma/2 ||W||_F^2.
    pub gamma: f64,
    /// Perturbed gradient descent: its thresholds; absent = decided by `theory`, or another algorithm.
    pub pgd: Option<PgdSection>,
    /// Perturbed gradient descent as Theorem 4 has it; absent = with thresholds that were given, or another algorithm.
    pub theory: Option<TheorySection>,
    /// Perturbed accelerated gradient descent: its parameters; absent = another algorithm.
    pub accelerated: Option<AcceleratedSection>,
    /// Descent along negative curvature: its parameters; absent = another algorithm.
    pub negative_curvature: Option<NegativeCurvatureSection>,
    /// The linear solver: its settings; absent = another algorithm.
    pub solve: Option<SolveSection>,
}

/// `[optimizer.solve]`: the solver ends at `run.stop_below`, or after `run.iterations` products.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SolveSection {
    /// Samples that the preconditioner is made of; absent = decided from the size of the training set.
    pub rank: Option<usize>,
}

/// `[optimizer.pgd]`: the thresholds of the paper's Algorithm 1, with its names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PgdSection {
    /// Radius r of the ball that perturbations are drawn from.
    pub radius: f64,
    /// g_thres: a gradient shorter than this calls for a perturbation.
    pub g_threshold: f64,
    /// f_thres: the run ends when a perturbation has not lowered the loss by this much.
    pub f_threshold: f64,
    /// t_thres: iterations between a perturbation and the judgement on it.
    pub t_threshold: u64,
}

/// `[run]`: what is computed with what, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSection {
    /// Name of the experiment that this run reproduces; absent = none.
    pub experiment: Option<String>,
    /// Name of the run and of its folder.
    pub name: String,
    /// Seed of every random number.
    pub seed: u64,
    /// Type that numbers are computed in.
    pub dtype: Dtype,
    /// Implementation of the heavy passes.
    pub backend: Backend,
    /// Instruction set; absent = the best that the CPU has, or the one that `MEMORIZE_ISA` names.
    pub isa: Option<IsaName>,
    /// Threads; absent = one for each core that the process may use. The results do not depend on it.
    pub threads: Option<usize>,
    /// How output and gradient are computed.
    pub route: Route,
    /// Stop after so many passes over the training set.
    pub epochs: Option<u64>,
    /// Stop after so many steps. With `epochs` too, whichever comes first.
    pub iterations: Option<u64>,
    /// Stop when the loss f over the whole training set is at most this; looked at once an epoch in mini-batch training.
    pub stop_below: Option<f64>,
    /// Record the loss every so many iterations; 0 = chosen from the iterations that `optimizer.theory` foresees.
    pub record_every: u64,
    /// Write a checkpoint after so many steps; absent = by time alone. The results do not depend on it.
    pub checkpoint_every: Option<u64>,
    /// Write a checkpoint after so many minutes; 0 = never by time. The results do not depend on it.
    pub checkpoint_minutes: f64,
    /// Memory for what can be kept or recomputed; absent = decided from what the machine has. The results do not depend on it.
    pub memory_budget: Option<ByteSize>,
}

/// Settings that say how fast a run is and how often it is kept: its results do not depend on them.
pub const CHANGE_NO_BIT: [&str; 4] =
    ["run.threads", "run.memory_budget", "run.checkpoint_every", "run.checkpoint_minutes"];

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl RunConfig {
    /// The text of `config.toml`.
    ///
    /// # Errors
    /// If a value has no form in TOML: a path that is not UTF-8, a count above 2^63 - 1.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let body = toml::to_string(self).map_err(|error| ConfigError::not_writable(self, &error))?;
        Ok(format!("# Repeat this run with: memorize train --config config.toml --out DIR\n\n{body}"))
    }

    /// Whether a run that has left the configuration `done` has done what this one asks for: the same results, bit for bit.
    /// A setting that a run has filled in counts as asked for; those of [`CHANGE_NO_BIT`] may differ.
    pub fn is_done_by(&self, done: &Self) -> bool {
        let mut asked = self.clone();
        asked.network.init_scale = asked.network.init_scale.or(done.network.init_scale);
        asked.network.neurons = asked.network.neurons.or(done.network.neurons);
        let (asked_run, done_run) = (&mut asked.run, &done.run);
        (asked_run.threads, asked_run.memory_budget) = (done_run.threads, done_run.memory_budget);
        asked_run.checkpoint_every = done_run.checkpoint_every;
        asked_run.checkpoint_minutes = done_run.checkpoint_minutes;
        asked == *done
    }

    /// Checks every value that can be checked without the data.
    ///
    /// # Errors
    /// The first value that cannot be run with, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate::run(self)
    }
}

#[cfg(test)]
mod tests;
