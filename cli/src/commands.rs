//! The commands: each resolves and checks its configuration, then hands it to the engine.

use anyhow::anyhow;

use crate::args::{EvalArgs, ReproduceArgs, TrainArgs};
use crate::exit::CliError;
use crate::run_folder::{Existing, RunFolder};

/// `memorize reproduce`: runs the selected experiments and compares them with the paper.
///
/// # Errors
/// Bad input if a flag or the output folder is wrong.
pub fn reproduce(arguments: &ReproduceArgs) -> Result<(), CliError> {
    // All are checked before the first is run.
    for experiment in arguments.experiment.experiments() {
        let config = arguments.config(experiment)?;
        RunFolder::check(&arguments.folder(&config), Existing::from_flag(arguments.output.overwrite))?;
    }
    Err(not_linked())
}

/// `memorize train`: trains a network as configured.
///
/// # Errors
/// Bad input if a flag, the configuration file or the output folder is wrong.
pub fn train(arguments: &TrainArgs) -> Result<(), CliError> {
    let config = arguments.config()?;
    RunFolder::check(&arguments.output.folder(&config), Existing::from_flag(arguments.output.overwrite))?;
    Err(not_linked())
}

/// `memorize eval`: loss, error and gradient of stored weights.
///
/// # Errors
/// Bad input if a flag is wrong.
pub fn eval(arguments: &EvalArgs) -> Result<(), CliError> {
    arguments.config()?;
    Err(not_linked())
}

fn not_linked() -> CliError {
    CliError::run_failed(anyhow!("this build has no training engine"))
}
