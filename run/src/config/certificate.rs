//! What `memorize certify` is asked to do, checked.

use memorize_train::theory::lanczos::LanczosOptions;

use super::check::{at_least_one, finite_positive};
use super::validate::check_threads;
use super::{Backend, ConfigError, IsaName, Route, Stored};

/// A certificate for stored weights on given samples.
#[derive(Clone, Debug, PartialEq)]
pub struct CertifyConfig {
    /// Weights and samples.
    pub stored: Stored,
    /// sigma_min, if it is not to be computed.
    pub sigma_min: Option<f64>,
    /// When the iterative eigensolver stops, and where it starts.
    pub eigensolver: LanczosOptions,
    /// Print one JSON object instead of text.
    pub json: bool,
    /// Implementation of the heavy passes.
    pub backend: Backend,
    /// Instruction set; absent = the best that the CPU has, or the one that `MEMORIZE_ISA` names.
    pub isa: Option<IsaName>,
    /// Threads; absent = one for each core that the process may use.
    pub threads: Option<usize>,
    /// How the outputs are computed.
    pub route: Route,
}

impl CertifyConfig {
    /// Checks every value that can be checked without the data.
    ///
    /// # Errors
    /// The first value that cannot be used, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_threads(self.threads)?;
        at_least_one("max-products", Some(self.eigensolver.max_products), "--max-products")?;
        finite_positive("tolerance", self.eigensolver.tolerance, "--tolerance")?;
        self.sigma_min.map_or(Ok(()), |sigma| finite_positive("sigma-min", sigma, "--sigma-min"))
    }
}
