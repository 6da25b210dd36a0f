//! `memorize certify`

use clap::Args;
use memorize_run::config::{CertifyConfig, ConfigError};
use memorize_run::settings::COMPUTE;
use memorize_run::units::ByteSize;
use memorize_train::theory::lanczos::LanczosOptions;

use super::{ComputeArgs, StoredArgs};

/// `memorize certify`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, next_help_heading = "Input", after_help = EXAMPLES)]
pub struct CertifyArgs {
    /// Weights and samples.
    #[command(flatten)]
    pub stored: StoredArgs,
    /// Smallest singular value of [x_1 (x) x_1, ...], for sets too large to compute it here [default: computed]
    #[arg(long, value_name = "X", help_heading = "Input")]
    pub sigma_min: Option<f64>,
    /// Residual, relative to the eigenvalue, at which the iterative eigensolver stops [default: 1e-8]
    #[arg(long, value_name = "X", help_heading = "Eigensolver")]
    pub tolerance: Option<f64>,
    /// Most products with the Hessian; each reads the samples once [default: 500]
    #[arg(long, value_name = "N", help_heading = "Eigensolver")]
    pub max_products: Option<usize>,
    /// Seed of the eigensolver's start vector [default: 0]
    #[arg(long, value_name = "N", help_heading = "Eigensolver")]
    pub seed: Option<u64>,
    /// Print one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Memory for the eigensolver's basis, as in 512MiB: fewer vectors of it take more products, and end with other
    /// digits within the residual; samples are not kept [default: what it takes, 1GiB at most]
    #[arg(long, value_name = "SIZE", help_heading = COMPUTE)]
    pub memory_budget: Option<ByteSize>,
    /// How to compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

pub(super) const EXAMPLES: &str = "\
Says how far stored weights are from a second-order stationary point of the loss f on these
samples: gradient, most negative curvature, and the bound on f that follows from it. All of it
is computed in f64, whatever type the weights are stored in. With --run the samples are those
that the run was trained on, normalised, perturbed and labelled as its config.toml says; samples
in files are taken as they are.

Examples:
  memorize certify --run runs/synthetic
  memorize certify --weights W.safetensors --inputs X.npy --targets y.npy --normalize --json";

impl CertifyArgs {
    /// The certificate asked for.
    ///
    /// # Errors
    /// If a flag has a value that cannot be used.
    pub fn config(&self) -> Result<CertifyConfig, ConfigError> {
        let default = LanczosOptions::default();
        let config = CertifyConfig {
            stored: self.stored.stored(),
            sigma_min: self.sigma_min,
            eigensolver: LanczosOptions {
                tolerance: self.tolerance.unwrap_or(default.tolerance),
                max_products: self.max_products.unwrap_or(default.max_products),
                seed: self.seed.unwrap_or(default.seed),
                basis_bytes: self.memory_budget.map_or(default.basis_bytes, |budget| budget.0.min(default.basis_bytes)),
            },
            json: self.json,
            backend: self.compute.backend.unwrap_or_default(),
            isa: self.compute.isa,
            threads: self.compute.threads,
            route: self.compute.route.unwrap_or_default(),
        };
        config.validate()?;
        Ok(config)
    }
}
