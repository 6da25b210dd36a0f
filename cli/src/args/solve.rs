//! `memorize solve`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::{ConfigError, OptimizerKind, RunConfig};
use memorize_run::layer::Layer;

use super::{Flags, ShownArgs, Solved};

/// `memorize solve`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
#[command(mut_arg("run.stop_below", |arg| arg.alias("tolerance")))]
pub struct SolveArgs {
    /// Which samples, and with what they are computed.
    #[command(flatten)]
    pub layer: Flags<Layer, Solved>,
    /// Rank of the preconditioner; more take fewer iterations, and memory [default: 2 a coordinate with the metric
    /// data, 4 with frobenius, at least 500]
    #[arg(long, value_name = "N", help_heading = "Solver")]
    pub rank: Option<usize>,
    /// Write the weights, as safetensors
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Replace the file that --out names
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// How it is shown.
    #[command(flatten)]
    pub shown: ShownArgs,
}

const EXAMPLES: &str = "\
The output of the network is linear in S = W A W^T, so that the S of least norm that meets every
target is the solution of a linear system. Eigenvectors of S are the neurons, at most 2d of them.
Where no S meets every target, the one that comes nearest is found, and the program says so.

The second example has three layers of the sizes of Theorem 5: k = 2 ceil(sqrt n) = 490 random
features for 60,000 samples, and at most r = 2k+2 = 982 neurons. What is reported as parameters
are the trained weights alone: d r of them, or k r.

`memorize train --optimizer solve` and `memorize reproduce EXPERIMENT --optimizer solve` do the
same and leave a run's folder, with the curve.

Examples:
  memorize solve --data mnist --normalize --noise 0.01 --out W.safetensors
  memorize solve --data mnist --normalize --pca 100 --noise 0.05 --features-k 490 --stop-below 1e-4
  memorize solve --inputs X.npy --targets y.npy --normalize --stop-below 1e-8 --dtype f64 --json";

impl SolveArgs {
    /// The configuration of a run by the solver.
    ///
    /// # Errors
    /// If something is missing that has no default, or a value cannot be run with.
    pub fn config(&self) -> Result<RunConfig, ConfigError> {
        let mut layer = Layer::clone(&self.layer);
        layer.optimizer.kind = Some(OptimizerKind::Solve);
        layer.optimizer.solve.rank = self.rank;
        let config = layer.resolve()?;
        config.validate()?;
        Ok(config)
    }
}
