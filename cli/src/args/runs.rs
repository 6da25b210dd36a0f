//! `memorize runs`: what there is.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use memorize_analysis::list::Condition;

/// `memorize runs`
#[derive(Args, Debug)]
#[command(after_help = RUNS_EXAMPLES)]
pub struct RunsArgs {
    /// Folders to look through, with all that is below
    #[arg(value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    pub folders: Vec<PathBuf>,
    /// Only runs for which this holds, such as train_loss<1e-3 or noise=0.01; without an operator: whose name has this
    /// in it. May be given several times, and must then hold each time
    #[arg(long, short, value_name = "CONDITION")]
    pub filter: Vec<Condition>,
    /// Order by a field of summary.json or a setting of config.toml; runs without it come last
    #[arg(long, short, value_name = "KEY", default_value = "name")]
    pub sort: String,
    /// Largest first
    #[arg(long)]
    pub reverse: bool,
    /// Print a JSON array with each run's folder, state, configuration and summary
    #[arg(long)]
    pub json: bool,
}

const RUNS_EXAMPLES: &str = "\
A condition is KEY=VALUE, or with !=, <, <=, > or >= in the place of =. A key is `name`, `folder`,
`state` (complete, interrupted, failed, unfinished), a number of summary.json such as train_loss, or
a setting of config.toml; its section may be left out where no other has one of that name.

Examples:
  memorize runs
  memorize runs --sort train_loss
  memorize runs results --filter 'train_loss<1e-3' --filter kind=adam --sort wall_seconds
  memorize runs --filter state=interrupted --json";
