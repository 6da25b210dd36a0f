//! `memorize condition`

use clap::Args;
use memorize_run::config::{ConditionConfig, ConfigError};
use memorize_run::layer::Layer;

use super::{Flags, Looked, ShownArgs};

/// `memorize condition`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct ConditionArgs {
    /// Which samples, and with what they are computed.
    #[command(flatten)]
    pub layer: Flags<Layer, Looked>,
    /// Look at the tensor powers of this even order instead of x (x) x: at 2p, for Theorem 6 with random features of
    /// power p [default: 2]
    #[arg(long, value_name = "Q", help_heading = "Theory")]
    pub power: Option<u32>,
    /// Loss that Theorem 4's constants are computed for; needs targets [default: 0.01]
    #[arg(long = "theory-epsilon", alias = "epsilon", value_name = "F", help_heading = "Theory")]
    pub epsilon: Option<f64>,
    /// Probability of failing that is allowed: of Algorithm 1, and of a bound that holds by chance [default: 0.1, as of
    /// `train`]
    #[arg(long = "theory-delta", alias = "delta", value_name = "X", help_heading = "Theory")]
    pub delta: Option<f64>,
    /// Residual of sigma_min^2, relative to it, at which the iterative eigensolver stops [default: 0.05]
    #[arg(long, value_name = "X", help_heading = "Eigensolver")]
    pub tolerance: Option<f64>,
    /// Most products for sigma_min; each reads the samples twice [default: 600]
    #[arg(long, value_name = "N", help_heading = "Eigensolver")]
    pub max_products: Option<usize>,
    /// Samples that the preconditioner is made of; more take fewer products, and memory [default: 8 a coordinate, at
    /// least 500]
    #[arg(long, value_name = "N", help_heading = "Eigensolver")]
    pub rank: Option<usize>,
    /// Use the iterative eigensolver also where the set is small enough for a dense decomposition
    #[arg(long, help_heading = "Eigensolver")]
    pub iterative: bool,
    /// Prove a lower bound on sigma_min, by a factorisation of K with all rounding errors in the bound: n^3/3 flops and
    /// 4 n^2 bytes, on one rank
    #[arg(long, help_heading = "Proof")]
    pub prove: bool,
    /// How it is shown.
    #[command(flatten)]
    pub shown: ShownArgs,
}

const EXAMPLES: &str = "\
Samples are in general position if no x (x) x is a combination of the others: the smallest
singular value sigma_min of [x_1 (x) x_1, ..., x_n (x) x_n] is above 0, and n <= d(d+1)/2. Then a
network memorises any targets. With --features-k the samples are the features z = (Rx)^p.
Targets are not needed, but for the constants of Theorem 4. All of it is computed in f64.

Small sets are decomposed. For large ones sigma_min is found by products alone, and what is
printed beside it is its residual: a singular value lies that near. That it is the smallest one is
likely and not proved; that sigma_min is not above it is. With --prove it ends in `proved
sigma_min >= s`, of the samples as they are in memory, or `not proved` with the reason. 60,000
samples take 14.4 GB and 7.5e13 flops.

With --power Q it is the sigma_min of the tensor powers [x_1^(tensor Q), ..., x_n^(tensor Q)], of
which n <= C(d+Q-1, Q) can be independent.

Examples:
  memorize condition --inputs X.npy --normalize
  memorize condition --data synthetic --normalize --theory-epsilon 0.1
  memorize condition --data mnist --normalize --noise 0.01 --json
  memorize condition --data mnist --limit 500 --normalize --pca 20 --noise 0.05 --features-k 46
  memorize condition --data synthetic --normalize --prove
  memorize condition --data mnist --limit 500 --normalize --pca 20 --power 4";

impl ConditionArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// If something is missing that has no default, or a flag has a value that cannot be used.
    pub fn config(&self) -> Result<ConditionConfig, ConfigError> {
        let (default, run) = (ConditionConfig::defaults(), &self.layer.run);
        let config = ConditionConfig {
            data: self.layer.data.clone().resolve()?,
            features: self.layer.network.features.clone().resolve()?,
            power: self.power.unwrap_or(default.power),
            epsilon: self.epsilon.unwrap_or(default.epsilon),
            delta: self.delta.unwrap_or(default.delta),
            tolerance: self.tolerance.unwrap_or(default.tolerance),
            max_products: self.max_products.unwrap_or(default.max_products),
            rank: self.rank,
            dense: !self.iterative,
            prove: self.prove,
            seed: run.seed.unwrap_or(0),
            memory_budget: run.memory_budget,
            backend: run.backend.unwrap_or_default(),
            isa: run.isa,
            threads: run.threads,
            route: run.route,
        };
        config.validate()?;
        Ok(config)
    }
}
