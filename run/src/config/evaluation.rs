//! What `memorize eval` is asked to do, checked.

use std::path::PathBuf;

use super::check::finite_non_negative;
use super::validate::check_threads;
use super::{Backend, ConfigError, Dtype, IsaName, Route};

/// Stored weights and the samples they are looked at with.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Weights in safetensors.
    pub weights: PathBuf,
    /// Samples and targets.
    pub samples: SamplesOf,
}

/// Where the samples come from that stored weights are looked at with.
#[derive(Clone, Debug, PartialEq)]
pub enum SamplesOf {
    /// Files.
    Files {
        /// Samples.
        inputs: PathBuf,
        /// Targets.
        targets: PathBuf,
        /// Scale every sample to length 1 first.
        normalize: bool,
    },
    /// The training set of the run in this folder.
    Run(PathBuf),
}

/// An evaluation of stored weights on given samples.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalConfig {
    /// Weights and samples.
    pub stored: Stored,
    /// Type that numbers are computed in.
    pub dtype: Dtype,
    /// Write the gradient there, as .npy.
    pub gradient_out: Option<PathBuf>,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// Print one JSON object instead of text.
    pub json: bool,
    /// Implementation of the heavy passes.
    pub backend: Backend,
    /// Instruction set; absent = the best that the CPU has, or the one that `MEMORIZE_ISA` names.
    pub isa: Option<IsaName>,
    /// Threads; absent = one for each core that the process may use.
    pub threads: Option<usize>,
    /// How output and gradient are computed.
    pub route: Route,
    /// Weight of the regulariser in the value and gradient that are reported.
    pub gamma: f64,
}

impl EvalConfig {
    /// Checks every value that can be checked without the data.
    ///
    /// # Errors
    /// The first value that cannot be used, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_threads(self.threads)?;
        finite_non_negative("gamma", self.gamma, "--gamma")
    }
}
