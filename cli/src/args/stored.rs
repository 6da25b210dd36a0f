//! Stored weights and the samples they are looked at with: what `eval` and `certify` take.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::config::Stored;

/// Stored weights, samples and targets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct StoredArgs {
    /// Weights: safetensors with W (d x r) and a (r), and R (k x d) for three layers
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub weights: PathBuf,
    /// Samples: .npy (f32 or f64, n x d) or IDX
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inputs: PathBuf,
    /// Targets: .npy or IDX, one number a sample
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub targets: PathBuf,
    /// Scale every sample to length 1 first
    #[arg(long)]
    pub normalize: bool,
}

impl StoredArgs {
    /// The files, as they are given.
    pub fn stored(&self) -> Stored {
        Stored {
            weights: self.weights.clone(),
            inputs: self.inputs.clone(),
            targets: self.targets.clone(),
            normalize: self.normalize,
        }
    }
}
