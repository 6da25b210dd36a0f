//! `memorize train`: any data, network and optimiser.

use crate::args::TrainArgs;
use crate::blas;
use crate::exit::CliError;
use crate::report;
use crate::run::theory::broken_promise;
use crate::run::watch::Interrupt;
use crate::run::{self, Finished};
use crate::run_folder::Existing;

/// Trains a network as configured by flags, a file, or both.
///
/// # Errors
/// Bad input if a flag, the configuration file, the data or the output folder is wrong; a run that fails or is
/// interrupted.
pub fn train(arguments: &TrainArgs) -> Result<(), CliError> {
    let config = arguments.config()?;
    let path = arguments.output.folder(&config);
    let existing = Existing::from_flag(arguments.output.overwrite);
    blas::announce(Some(config.run.backend), arguments.output.quiet)?;
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let Finished { summary, interrupted } = run::execute(config, &path, existing, arguments.output.quiet, &interrupt)?;
    report::print(&report::one(&summary, &path))?;
    match broken_promise(&summary) {
        _ if interrupted => Err(CliError::Interrupted),
        Some(error) => Err(error),
        None => Ok(()),
    }
}
