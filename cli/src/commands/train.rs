//! `memorize train`: any data, network and optimiser.

use std::path::Path;

use crate::args::TrainArgs;
use crate::blas;
use crate::exit::CliError;
use crate::report;
use crate::run::watch::Interrupt;
use crate::run::{self, Finished, Target};
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
    let voice = arguments.output.log.voice();
    blas::announce(Some(config.run.backend), voice.mode)?;
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let target = Target::New { path: &path, existing };
    conclude(&run::execute(config, target, &voice, &interrupt)?, &path)
}

/// Reports on a run, and says how it ended.
pub(super) fn conclude(finished: &Finished, path: &Path) -> Result<(), CliError> {
    let printed = report::print(&report::one(&finished.summary, path));
    match finished.failure() {
        // The terminal may be gone, which was the reason.
        _ if finished.interrupted => Err(CliError::Interrupted),
        Some(error) => printed.and(Err(error)),
        None => printed,
    }
}
