//! A layer: the part of a configuration that somebody has spelled out, in flags or in a file. Everything is optional.
//!
//! One set of structs serves both, so that a flag and a key cannot drift apart: the documentation of a field is the help
//! text of its flag. [`Layer::resolve`] fills the holes and gives a [`RunConfig`](crate::config::RunConfig).

mod merge;
mod resolve;
mod saddles;
mod template;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::{Deserialize, Serialize};

pub use crate::config::defaults::*;
use crate::config::{Backend, Batch, Dtype, IsaName, OptimizerKind, Route, Source};
use crate::units::ByteSize;
pub use merge::{LONGEST, text_of, text_of_bytes, text_of_run};
pub use resolve::seeded;
pub use saddles::{AcceleratedLayer, NegativeCurvatureLayer};
pub use template::{key_of, template};

/// Everything that flags or a file may say about a run.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// `[data]`
    #[command(flatten)]
    pub data: DataLayer,
    /// `[network]`
    #[command(flatten)]
    pub network: NetworkLayer,
    /// `[optimizer]`
    #[command(flatten)]
    pub optimizer: OptimizerLayer,
    /// `[run]`
    #[command(flatten)]
    pub run: RunLayer,
}

/// What is said about the data.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[command(next_help_heading = "Data")]
#[serde(deny_unknown_fields, default)]
pub struct DataLayer {
    /// Train on a built-in data set instead of on files
    #[arg(long = "data", value_name = "SET", conflicts_with_all = ["inputs", "targets", "test_inputs", "test_targets"])]
    pub source: Option<Source>,
    /// Folder with the four files of MNIST, or of a data set in the same four files (Fashion-MNIST, EMNIST), gzipped or not [default:
    /// the copy of MNIST that comes with the program]
    #[arg(long = "data-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Training samples, n x d: .npy or IDX, gzipped or not
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inputs: Option<PathBuf>,
    /// Training targets, in the same formats: one number a sample
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub targets: Option<PathBuf>,
    /// Test samples, in the same formats
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub test_inputs: Option<PathBuf>,
    /// Test targets
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub test_targets: Option<PathBuf>,
    /// Number of synthetic samples [default: 300]
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Width of a synthetic sample [default: 100]
    #[arg(long, value_name = "D")]
    pub dim: Option<usize>,
    /// Use only the first N training samples
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Scale every sample to length 1, as the paper does [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub normalize: Option<bool>,
    /// Project to the first M principal directions of the training set
    #[arg(long, value_name = "M")]
    pub pca: Option<usize>,
    /// Add Gaussian noise of this standard deviation to the training samples [default: 0]
    #[arg(long, value_name = "SIGMA1")]
    pub noise: Option<f64>,
    /// Replace the targets by random digits from 0 to 9 [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub random_labels: Option<bool>,
}

/// What is said about the network.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[command(next_help_heading = "Network")]
#[serde(deny_unknown_fields, default)]
pub struct NetworkLayer {
    /// Hidden neurons, an even number; required here or in --config, except by `--optimizer solve`; with --theory and
    /// `--optimizer negative-curvature` at least 2d+2, the default there
    #[arg(long, short = 'r', value_name = "R")]
    pub neurons: Option<usize>,
    /// Standard deviation of the weights at the start; 0 for the optimisers that leave saddle points [default: chosen from the
    /// network's size, 0 for pgd]
    #[arg(long, value_name = "X")]
    pub init_scale: Option<f64>,
    /// `[network.features]`
    #[command(flatten)]
    pub features: FeaturesLayer,
}

/// What is said about the random features of a three-layer network.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeaturesLayer {
    /// Put K random features (Rx)^p before the trained layer: a three-layer network
    #[arg(long = "features-k", value_name = "K")]
    pub k: Option<usize>,
    /// Power of the random features [default: 2]
    #[arg(long = "features-p", value_name = "P")]
    pub p: Option<u32>,
    /// Standard deviation of the entries of R [default: 0.15]
    #[arg(long = "features-sigma", value_name = "SIGMA2")]
    pub sigma: Option<f64>,
}

/// What is said about the optimiser.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[command(next_help_heading = "Optimizer")]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerLayer {
    /// Training algorithm [default: adam]
    #[arg(long = "optimizer", value_name = "NAME")]
    pub kind: Option<OptimizerKind>,
    /// Step size at the start [default: 0.003 for adam, 0.1 for the others; negative-curvature and solve have none]
    #[arg(long = "lr", value_name = "LR")]
    pub learning_rate: Option<f64>,
    /// Samples in a step, or `full` [default: 128 for sgd and adam, full for the others]
    #[arg(long, value_name = "N|full")]
    pub batch: Option<Batch>,
    /// Lower the step size every so many epochs [default: never]
    #[arg(long = "lr-decay-every", value_name = "EPOCHS")]
    pub decay_every: Option<u64>,
    /// Factor by which it is lowered [default: 0.3]
    #[arg(long = "lr-decay-factor", value_name = "X")]
    pub decay_factor: Option<f64>,
    /// Adam: decay of the mean of the gradients [default: 0.9]
    #[arg(long, value_name = "X")]
    pub beta1: Option<f64>,
    /// Adam: decay of the mean of their squares [default: 0.999]
    #[arg(long, value_name = "X")]
    pub beta2: Option<f64>,
    /// Adam: added to the denominator [default: 1e-8]
    #[arg(long = "adam-epsilon", value_name = "X")]
    pub epsilon: Option<f64>,
    /// Weight of the regulariser gamma/2 ||W||^2 [default: 0]
    #[arg(long, value_name = "X")]
    pub gamma: Option<f64>,
    /// `[optimizer.pgd]`
    #[command(flatten)]
    pub pgd: PgdLayer,
    /// `[optimizer.theory]`
    #[command(flatten)]
    pub theory: TheoryLayer,
    /// `[optimizer.accelerated]`
    #[command(flatten)]
    pub accelerated: AcceleratedLayer,
    /// `[optimizer.negative_curvature]`
    #[command(flatten)]
    pub negative_curvature: NegativeCurvatureLayer,
    /// `[optimizer.solve]`
    #[command(flatten)]
    pub solve: SolveLayer,
}

/// What is said about Theorem 4: any of it turns perturbed gradient descent with the theorem's constants on.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TheoryLayer {
    /// PGD: compute the step size, the thresholds and the regulariser from the data as Theorem 4 has them, start at W = 0 and
    /// run until the algorithm returns; needs --epsilon [default: false]
    #[arg(long = "theory", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enabled: Option<bool>,
    /// PGD with --theory: the loss f(W) to end with
    #[arg(id = "theory_epsilon", long = "epsilon", value_name = "E")]
    pub epsilon: Option<f64>,
    /// PGD with --theory: probability of failing that is allowed [default: 0.1]
    #[arg(long, value_name = "D")]
    pub delta: Option<f64>,
    /// PGD with --theory: the constant that the theorem leaves open, at most 1; the step size is c/l [default: 1]
    #[arg(long, value_name = "C")]
    pub c: Option<f64>,
    /// PGD with --theory: the smallest singular value of [x_j (x) x_j], as `memorize certify` reports it [default: measured]
    #[arg(id = "theory_sigma_min", long = "sigma-min", value_name = "X")]
    pub sigma_min: Option<f64>,
    /// PGD with --theory: start even where the run is hopeless or sigma_min is not known [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub force: Option<bool>,
}

impl TheoryLayer {
    /// Whether anything here asks for the theorem's constants.
    pub fn is_asked_for(&self) -> bool {
        self.enabled != Some(false) && *self != Self::default()
    }
}

/// What is said about the linear solver.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SolveLayer {
    /// Solve: samples that the preconditioner is made of; more take fewer iterations, and memory [default: four a coordinate]
    #[arg(long = "solve-rank", value_name = "N")]
    pub rank: Option<usize>,
}

/// What is said about the thresholds of perturbed gradient descent: all four with `pgd`, none with --theory or another
/// optimiser.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PgdLayer {
    /// PGD: radius of the perturbations; `--optimizer pgd` needs all four --pgd-* flags, or --theory
    #[arg(long = "pgd-radius", value_name = "X")]
    pub radius: Option<f64>,
    /// PGD: perturb when the gradient is shorter than this
    #[arg(long = "pgd-g-threshold", value_name = "X")]
    pub g_threshold: Option<f64>,
    /// PGD: stop when a perturbation has lowered the loss by less than this
    #[arg(long = "pgd-f-threshold", value_name = "X")]
    pub f_threshold: Option<f64>,
    /// PGD: iterations between a perturbation and the judgement on it
    #[arg(long = "pgd-t-threshold", value_name = "N")]
    pub t_threshold: Option<u64>,
}

/// What is said about how and for how long to compute.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[command(next_help_heading = "Run")]
#[serde(deny_unknown_fields, default)]
pub struct RunLayer {
    /// Experiment that a file reproduces; written by `reproduce`, not a flag
    #[arg(skip)]
    pub experiment: Option<String>,
    /// Name of the run; its folder is runs/NAME [default: made from data, neurons, optimizer, and a seed that is not 0]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Stop after so many passes over the training set
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Stop after so many steps; with --epochs too, whichever comes first [default: 1000 for solve]
    #[arg(long, value_name = "N")]
    pub iterations: Option<u64>,
    /// Stop when the loss f over the whole training set is at most F; looked at once an epoch in mini-batch training
    /// [default: 1e-5 for solve]
    #[arg(long, value_name = "F")]
    pub stop_below: Option<f64>,
    /// Record the loss every N iterations [default: 5, 1 for solve, some 500 times in all with --theory]
    #[arg(long, value_name = "N")]
    pub record_every: Option<u64>,
    /// Write a checkpoint after N steps, to go on from with `memorize resume` [default: by time alone]
    #[arg(long, value_name = "N")]
    pub checkpoint_every: Option<u64>,
    /// Write a checkpoint after T minutes, 0 for never by time [default: 10]
    #[arg(long, value_name = "T")]
    pub checkpoint_minutes: Option<f64>,
    /// Seed of every random number [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Type of the numbers [default: f32, and f64 with --theory]
    #[arg(long, value_name = "TYPE", help_heading = COMPUTE)]
    pub dtype: Option<Dtype>,
    /// Implementation of the heavy passes [default: native]
    #[arg(long, value_name = "NAME", help_heading = COMPUTE)]
    pub backend: Option<Backend>,
    /// Instruction set [default: the variable MEMORIZE_ISA, else the best that this CPU has]
    #[arg(long, value_name = "NAME", help_heading = COMPUTE)]
    pub isa: Option<IsaName>,
    /// Threads; the results do not depend on it [default: one for each core]
    #[arg(long, short = 't', value_name = "N", help_heading = COMPUTE)]
    pub threads: Option<usize>,
    /// How output and gradient are computed [default: auto]
    #[arg(long, value_name = "NAME", help_heading = COMPUTE)]
    pub route: Option<Route>,
    /// Memory for what can be kept or recomputed, as in 4GiB [default: from what the machine has]
    #[arg(long, value_name = "SIZE", help_heading = COMPUTE)]
    pub memory_budget: Option<ByteSize>,
}

/// Heading of the flags that change how fast a result is computed and not which.
pub const COMPUTE: &str = "Compute";

#[cfg(test)]
mod tests;
