//! `memorize capacity`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::{CapacityConfig, ConfigError, Dtype, Trainer};
use memorize_run::layer::seeded;
use memorize_run::settings::COMPUTE;
use memorize_train::theory::constants::theorem1_neurons;

use super::{ComputeArgs, ShownArgs, choice};

/// Where the results go unless `--out` says otherwise.
const FOLDER: &str = "runs/capacity";

/// `memorize capacity`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, next_help_heading = "Experiment", after_help = EXAMPLES)]
pub struct CapacityArgs {
    /// Width of the samples, d: the capacity is d(d+1)/2 samples
    #[arg(long, value_name = "D", default_value_t = 30)]
    pub dim: usize,
    /// Hidden neurons of descent, r; even [default: Theorem 1's 2d+2]
    #[arg(long, short = 'r', value_name = "R")]
    pub neurons: Option<usize>,
    /// Numbers of samples as parts of the capacity, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "0.5,0.7,0.8,0.9,0.95,1,1.05,1.1,1.25,1.5,2"
    )]
    pub ratios: Vec<f64>,
    /// Training sets of each size
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub seeds: u64,
    /// Seed of the first training set and its random start; the others follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How networks are looked for, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        value_parser = choice::<Trainer>(),
        default_value = "solve,adam"
    )]
    pub optimizer: Vec<Trainer>,
    /// Most iterations on a training set
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub iterations: u64,
    /// Loss f(W) at which a training set is memorised
    #[arg(long = "stop-below", alias = "tolerance", value_name = "F", default_value = "1e-10")]
    pub stop_below: f64,
    /// Step size; adam multiplies it by 0.3 after every fifth of the iterations [default: adam 0.01, gd 0.2 sqrt(d)]
    #[arg(long = "lr", value_name = "X")]
    pub learning_rate: Option<f64>,
    /// Folder for the results [default: runs/capacity, or runs/capacity-seedN with a seed N that is not 0]
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Replace the results of an earlier run in that folder
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// How it is shown.
    #[command(flatten)]
    pub shown: ShownArgs,
    /// Type of the numbers; f64 here, where exactness matters more than speed
    #[arg(long, value_name = "TYPE", default_value = "f64", value_parser = choice::<Dtype>(), help_heading = COMPUTE)]
    pub dtype: Dtype,
    /// How to compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

const EXAMPLES: &str = "\
Theorem 1: a two-layer network with r = 2d+2 neurons, 4 parameters for each of d(d+1)/2 samples,
can memorise them whatever their targets, and descent finds how. Here samples and targets are
random (uniform in [-1, 1], samples scaled to length 1), and their number goes through d(d+1)/2.
Below it the loss falls to --stop-below; above it the least squares residual stays, whose
expected value is f(0) (1 - d(d+1)/(2n)).

Descent ends at --stop-below, within 0.1 % of the least squares loss, or after --iterations.
Just below the capacity it needs many more of them: the linear system becomes ill-conditioned.

The folder gets capacity.csv, a row for each training set and optimiser, capacity.svg,
capacity.png and summary.json.

Examples:
  memorize capacity
  memorize capacity --dim 20 --ratios 0.25,0.5,0.9,1.1,2 --seeds 5 --out runs/capacity-20
  memorize capacity --dim 10 --optimizer solve,adam,gd --iterations 100000 --out runs/capacity-10
  memorize capacity --dim 60 --optimizer solve --json --out runs/capacity-60 > capacity.json";

impl CapacityArgs {
    /// `--out`, or a folder that is named after the seed, too, if that is not the default.
    pub fn folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| PathBuf::from(seeded(FOLDER, self.seed)))
    }

    /// The experiment asked for.
    ///
    /// # Errors
    /// If a flag has a value that cannot be used.
    pub fn config(&self) -> Result<CapacityConfig, ConfigError> {
        let mut optimizers = Vec::new();
        for &optimizer in &self.optimizer {
            if !optimizers.contains(&optimizer) {
                optimizers.push(optimizer);
            }
        }
        let config = CapacityConfig {
            dim: self.dim,
            // A width that no memory could hold is refused as such.
            neurons: self.neurons.unwrap_or_else(|| theorem1_neurons(self.dim.min(usize::MAX / 4))),
            ratios: self.ratios.clone(),
            seeds: self.seeds,
            seed: self.seed,
            optimizers,
            iterations: self.iterations,
            stop_below: self.stop_below,
            learning_rate: self.learning_rate,
            dtype: self.dtype,
            backend: self.compute.backend.unwrap_or_default(),
            isa: self.compute.isa,
            threads: self.compute.threads,
            route: self.compute.route.unwrap_or_default(),
        };
        config.validate()?;
        Ok(config)
    }
}
