//! `memorize config`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_run::config::{ConfigError, RunConfig};
use memorize_run::layer::Layer;

use super::Flags;

/// `memorize config`
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub struct ConfigArgs {
    /// Print every setting with what it is and its default: a file to start from
    #[arg(long, exclusive = true, help_heading = "Configuration")]
    pub default: bool,
    /// Read settings from a TOML file, such as a run's config.toml; flags override it
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// Everything that a file may say too.
    #[command(flatten)]
    pub layer: Flags<Layer>,
}

const EXAMPLES: &str = "\
Prints what `memorize train` would run with the same flags, and runs nothing. Relative paths in
the output are made absolute.

Examples:
  memorize config --default > job.toml
  memorize config --data mnist --normalize --noise 0.01 -r 3000 --epochs 90 > job.toml
  memorize config --config job.toml --seed 1";

impl ConfigArgs {
    /// The configuration: the flags over the file over the defaults, with absolute paths.
    ///
    /// # Errors
    /// If the file cannot be read, something without a default is missing, or a value cannot be run with.
    pub fn config(&self) -> Result<RunConfig, ConfigError> {
        self.layer.resolve_over(self.config.as_deref())
    }
}
