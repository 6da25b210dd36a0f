//! `memorize race`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::{ConfigError, Metric, OptimizerKind, RaceConfig};
use memorize_run::layer::Layer;

use super::{Flags, Raced, ShownArgs, choice};

/// `memorize race`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct RaceArgs {
    /// Which samples, and with what they are computed.
    #[command(flatten)]
    pub layer: Flags<Layer, Raced>,
    /// Hidden neurons, r; even [default: Theorem 1's 2d+2, of the features' width with three layers]
    #[arg(long, short = 'r', value_name = "R", help_heading = "Network")]
    pub neurons: Option<usize>,
    /// Who takes part, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        value_parser = choice::<OptimizerKind>(),
        default_value = "gd,pgd,accelerated,negative-curvature,adam,solve",
        help_heading = "Race"
    )]
    pub optimizer: Vec<OptimizerKind>,
    /// Losses f(W) to reach, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1e-3,1e-5,1e-8", help_heading = "Race")]
    pub losses: Vec<f64>,
    /// Passes over the training set after which an optimiser gives up
    #[arg(long, value_name = "N", default_value_t = 600, help_heading = "Race")]
    pub passes: u64,
    /// Step size of gd, sgd, pgd and accelerated [default: 1/lambda_max of the Hessian at the random start]
    #[arg(long = "lr", value_name = "LR", help_heading = "Race")]
    pub learning_rate: Option<f64>,
    /// Norm that the solver makes the least, and that descents on the whole set measure a step by: gd, pgd, accelerated
    /// and negative-curvature [default: frobenius for descents, data for solve]
    #[arg(long, value_name = "NORM", value_parser = choice::<Metric>(), help_heading = "Race")]
    pub metric: Option<Metric>,
    /// Step size of Adam at the start [default: 0.003]
    #[arg(long, value_name = "LR", help_heading = "Race")]
    pub adam_lr: Option<f64>,
    /// Multiply Adam's step size by 0.3 every so many passes; the paper: 15 on MNIST [default: never]
    #[arg(long = "adam-decay-every", value_name = "PASSES", help_heading = "Race")]
    pub adam_decay_every: Option<u64>,
    /// Write the losses on the way as CSV: optimizer, iteration, passes, seconds, loss
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub curves: Option<PathBuf>,
    /// Replace the file that --curves names
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// How it is shown.
    #[command(flatten)]
    pub shown: ShownArgs,
}

const EXAMPLES: &str = "\
How many passes over the training set does each optimiser take to a loss? A pass is what one loss
and gradient of the whole set takes: a quadratic form of every sample and their weighted Gram
matrix, 2 n d^2 operations. An epoch of mini-batches is one, a product of the solver is one, and
the arithmetic of the solver's preconditioner is counted in passes too.

All start at the same random weights but pgd, which starts at W = 0 as Algorithm 1 does, and solve,
which starts at none. The step size of those that need one is what the largest curvature at that
start allows; finding it is not counted, nor is looking at the loss after an epoch of Adam. Where
a step of that size diverges it is halved and the optimiser starts again, and all passes count.

Examples:
  memorize race --data synthetic --normalize
  memorize race --data mnist --normalize --noise 0.01 --adam-decay-every 15 --curves race.csv
  memorize race --data mnist --normalize --noise 0.01 --metric data --optimizer negative-curvature
  memorize race --inputs X.npy --targets y.npy --normalize --optimizer adam,solve --losses 1e-4";

impl RaceArgs {
    /// The race asked for. Its network has two neurons where nobody says how many, until the width of the samples is
    /// known.
    ///
    /// # Errors
    /// If something is missing that has no default, or a value cannot be run with.
    pub fn config(&self) -> Result<RaceConfig, ConfigError> {
        let mut layer = Layer::clone(&self.layer);
        layer.network.neurons = Some(self.neurons.unwrap_or(2));
        layer.optimizer.kind = Some(OptimizerKind::Adam);
        (layer.optimizer.learning_rate, layer.optimizer.decay_every) = (self.adam_lr, self.adam_decay_every);
        layer.run.epochs = Some(self.passes);
        layer.make_paths_absolute();
        let mut losses = self.losses.clone();
        losses.sort_by(|a, b| b.total_cmp(a));
        losses.dedup();
        let config = RaceConfig {
            adam: layer.resolve()?,
            neurons: self.neurons,
            optimizers: self.optimizer.clone(),
            losses,
            learning_rate: self.learning_rate,
            metric: self.metric,
        };
        config.validate()?;
        Ok(config)
    }
}
