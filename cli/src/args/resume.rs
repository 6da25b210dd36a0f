//! `memorize resume`, and when checkpoints are written.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::RunSection;
use memorize_run::layer::COMPUTE;
use memorize_run::units::ByteSize;

use super::LogArgs;

/// When checkpoints are written. The results do not depend on it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Checkpoints")]
pub struct CheckpointArgs {
    /// Write a checkpoint after N steps [default: the run's; by time alone]
    #[arg(long, value_name = "N")]
    pub checkpoint_every: Option<u64>,
    /// Write a checkpoint after T minutes, 0 for never by time [default: the run's; 10]
    #[arg(long, value_name = "T")]
    pub checkpoint_minutes: Option<f64>,
}

impl CheckpointArgs {
    /// Lays what was given over a run's settings.
    pub fn apply(&self, run: &mut RunSection) {
        run.checkpoint_every = self.checkpoint_every.or(run.checkpoint_every);
        run.checkpoint_minutes = self.checkpoint_minutes.unwrap_or(run.checkpoint_minutes);
    }
}

/// `memorize resume`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct ResumeArgs {
    /// The run's folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// When checkpoints are written.
    #[command(flatten)]
    pub checkpoints: CheckpointArgs,
    /// Threads; the results do not depend on it [default: as before]
    #[arg(long, short = 't', value_name = "N", help_heading = COMPUTE)]
    pub threads: Option<usize>,
    /// Memory for what can be kept or recomputed, as in 4GiB [default: as before]
    #[arg(long, value_name = "SIZE", help_heading = COMPUTE)]
    pub memory_budget: Option<ByteSize>,
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

impl ResumeArgs {
    /// Lays the flags over a run's settings.
    pub fn apply(&self, run: &mut RunSection) {
        self.checkpoints.apply(run);
        run.threads = self.threads.or(run.threads);
        run.memory_budget = self.memory_budget.or(run.memory_budget);
    }
}
