//! `memorize resume`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::settings::RunLayer;

use super::{Flags, GoingOn, LogArgs};

/// `memorize resume`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct ResumeArgs {
    /// The run's folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// What may differ from before.
    #[command(flatten)]
    pub settings: Flags<RunLayer, GoingOn>,
    /// How much is said on the way.
    #[command(flatten)]
    pub log: LogArgs,
}

const EXAMPLES: &str = "\
Goes on from the newest checkpoint in the run's folder. Losses and final weights are those of a
run that was never stopped, bit for bit. A run that has no checkpoint yet starts over; for one
that is finished there is nothing to do. docs/checkpoints.md has the details.

Examples:
  memorize resume runs/mnist-2layer-noise
  memorize resume runs/mnist-2layer-noise --threads 8 --checkpoint-minutes 2";
