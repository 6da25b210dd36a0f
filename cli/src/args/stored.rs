//! Stored weights and the samples they are looked at with: what `eval` and `certify` take.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::{SamplesOf, Stored};
use memorize_run::run_folder::CHECKPOINT;

/// Stored weights, samples and targets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct StoredArgs {
    /// Folder of a run: its weights on the training set that its config.toml names, noise and all
    #[arg(
        long,
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        conflicts_with_all = ["inputs", "targets", "normalize"]
    )]
    pub run: Option<PathBuf>,
    /// Weights: safetensors with W (d x r) and a (r), and R (k x d) for three layers [default: those of --run]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "run")]
    pub weights: Option<PathBuf>,
    /// Samples, n x d: .npy or IDX, gzipped or not
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "run")]
    pub inputs: Option<PathBuf>,
    /// Targets, in the same formats: one number a sample
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "run")]
    pub targets: Option<PathBuf>,
    /// Scale every sample to length 1 first
    #[arg(long)]
    pub normalize: bool,
}

impl StoredArgs {
    /// The files, as they are given. The parser has seen to it that they are there.
    pub fn stored(&self) -> Stored {
        let given = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        match &self.run {
            Some(run) => Stored {
                weights: self.weights.clone().unwrap_or_else(|| run.join(CHECKPOINT)),
                samples: SamplesOf::Run(run.clone()),
            },
            None => Stored {
                weights: given(&self.weights),
                samples: SamplesOf::Files {
                    inputs: given(&self.inputs),
                    targets: given(&self.targets),
                    normalize: self.normalize,
                },
            },
        }
    }
}
