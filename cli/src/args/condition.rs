//! `memorize condition`

use clap::Args;
use memorize_run::config::{ConditionConfig, ConfigError};
use memorize_run::layer::{COMPUTE, DataLayer, FeaturesLayer};
use memorize_run::units::ByteSize;

use super::ComputeArgs;

/// `memorize condition`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct ConditionArgs {
    /// Which samples, and what happens to them.
    #[command(flatten)]
    pub data: DataLayer,
    /// The fixed first layer of a three-layer network.
    #[command(flatten, next_help_heading = "Network")]
    pub features: FeaturesLayer,
    /// Loss that Theorem 4's constants are computed for; needs targets [default: 0.01]
    #[arg(long, value_name = "F", help_heading = "Theory")]
    pub epsilon: Option<f64>,
    /// Probability of failing that is allowed: of Algorithm 1, and of a bound that holds by chance [default: 0.1, as of `train`]
    #[arg(long, value_name = "X", help_heading = "Theory")]
    pub delta: Option<f64>,
    /// Residual of sigma_min^2, relative to it, at which the iterative eigensolver stops [default: 0.05]
    #[arg(long, value_name = "X", help_heading = "Eigensolver")]
    pub tolerance: Option<f64>,
    /// Most products for sigma_min; each reads the samples twice [default: 600]
    #[arg(long, value_name = "N", help_heading = "Eigensolver")]
    pub max_products: Option<usize>,
    /// Samples that the preconditioner is made of; more take fewer products, and memory [default: four a coordinate]
    #[arg(long, value_name = "N", help_heading = "Eigensolver")]
    pub rank: Option<usize>,
    /// Use the iterative eigensolver also where the set is small enough for a dense decomposition
    #[arg(long, help_heading = "Eigensolver")]
    pub iterative: bool,
    /// Seed of the noise, the random labels, the random features and the start vectors [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64), help_heading = "Eigensolver")]
    pub seed: Option<u64>,
    /// Print one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// No progress on the screen
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
    /// Memory for samples that are kept instead of made again, as in 4GiB; a search that needs more than it is refused, not cut
    /// [default: from what the machine has, and up to 2GiB for the search]
    #[arg(long, value_name = "SIZE", help_heading = COMPUTE)]
    pub memory_budget: Option<ByteSize>,
    /// How to compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

const EXAMPLES: &str = "\
Samples are in general position if no x (x) x is a combination of the others: the smallest
singular value sigma_min of [x_1 (x) x_1, ..., x_n (x) x_n] is above 0, and n <= d(d+1)/2. Then a
network memorises any targets. With --features-k the samples are the features z = (Rx)^p.
Targets are not needed, but for the constants of Theorem 4. All of it is computed in f64.

Small sets are decomposed. For large ones sigma_min is found by products alone, and what is
printed beside it is its residual: a singular value lies that near. That it is the smallest one is
likely and not proved; that sigma_min is not above it is.

Examples:
  memorize condition --inputs X.npy --normalize
  memorize condition --data synthetic --normalize --epsilon 0.1
  memorize condition --data mnist --normalize --noise 0.01 --json
  memorize condition --data mnist --limit 500 --normalize --pca 20 --noise 0.05 --features-k 46";

impl ConditionArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// If something is missing that has no default, or a flag has a value that cannot be used.
    pub fn config(&self) -> Result<ConditionConfig, ConfigError> {
        let default = ConditionConfig::defaults();
        let config = ConditionConfig {
            data: self.data.clone().resolve()?,
            features: self.features.clone().resolve()?,
            epsilon: self.epsilon.unwrap_or(default.epsilon),
            delta: self.delta.unwrap_or(default.delta),
            tolerance: self.tolerance.unwrap_or(default.tolerance),
            max_products: self.max_products.unwrap_or(default.max_products),
            rank: self.rank,
            dense: !self.iterative,
            seed: self.seed.unwrap_or(0),
            memory_budget: self.memory_budget,
            backend: self.compute.backend.unwrap_or_default(),
            isa: self.compute.isa,
            threads: self.compute.threads,
            route: self.compute.route,
        };
        config.validate()?;
        Ok(config)
    }
}
