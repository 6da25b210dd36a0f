//! `memorize solve`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::{ConfigError, Dtype, OptimizerKind, RunConfig};
use memorize_run::layer::{
    COMPUTE, DataLayer, FeaturesLayer, Layer, NetworkLayer, OptimizerLayer, RunLayer, SolveLayer,
};
use memorize_run::units::ByteSize;

use super::ComputeArgs;

/// `memorize solve`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct SolveArgs {
    /// Which samples, and what happens to them.
    #[command(flatten)]
    pub data: DataLayer,
    /// The fixed first layer of a three-layer network.
    #[command(flatten, next_help_heading = "Network")]
    pub features: FeaturesLayer,
    /// Loss f(W) at which the training set is memorised [default: 1e-5]
    #[arg(long, value_name = "F", help_heading = "Solver")]
    pub tolerance: Option<f64>,
    /// Most iterations; each reads the samples twice [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Solver")]
    pub iterations: Option<u64>,
    /// Samples that the preconditioner is made of; more take fewer iterations, and memory [default: four a coordinate]
    #[arg(long, value_name = "N", help_heading = "Solver")]
    pub rank: Option<usize>,
    /// Seed of the noise, the random labels, the random features and the choice of samples [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64), help_heading = "Solver")]
    pub seed: Option<u64>,
    /// Write the weights, as safetensors
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Replace the file that --out names
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Print one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// No progress on the screen
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Type of the numbers [default: f32]
    #[arg(long, value_name = "TYPE", help_heading = COMPUTE)]
    pub dtype: Option<Dtype>,
    /// Memory for samples that are kept instead of made again, as in 4GiB; a search that needs more than it is refused, not cut
    /// [default: from what the machine has, and up to 2GiB for the search]
    #[arg(long, value_name = "SIZE", help_heading = COMPUTE)]
    pub memory_budget: Option<ByteSize>,
    /// How to compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
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
  memorize solve --data mnist --normalize --pca 100 --noise 0.05 --features-k 490 --tolerance 1e-4
  memorize solve --inputs X.npy --targets y.npy --normalize --tolerance 1e-8 --dtype f64 --json";

impl SolveArgs {
    /// The configuration of a run by the solver.
    ///
    /// # Errors
    /// If something is missing that has no default, or a value cannot be run with.
    pub fn config(&self) -> Result<RunConfig, ConfigError> {
        let layer = Layer {
            data: self.data.clone(),
            network: NetworkLayer { features: self.features.clone(), ..NetworkLayer::default() },
            optimizer: OptimizerLayer {
                kind: Some(OptimizerKind::Solve),
                solve: SolveLayer { rank: self.rank },
                ..OptimizerLayer::default()
            },
            run: RunLayer {
                iterations: self.iterations,
                stop_below: self.tolerance,
                seed: self.seed,
                dtype: self.dtype,
                memory_budget: self.memory_budget,
                backend: self.compute.backend,
                isa: self.compute.isa,
                threads: self.compute.threads,
                route: self.compute.route,
                ..RunLayer::default()
            },
        };
        let config = layer.resolve()?;
        config.validate()?;
        Ok(config)
    }
}
