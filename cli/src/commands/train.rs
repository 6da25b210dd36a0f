//! `memorize train`: any data, network and optimiser.

use std::path::{Path, PathBuf};

use crate::args::TrainArgs;
use crate::blas;
use crate::exit::CliError;
use crate::report;
use crate::run::watch::Interrupt;
use crate::run::{self, Finished, Target};
use crate::run_folder::Existing;
use crate::say;

/// Trains a network as configured by flags, a file, or both.
///
/// # Errors
/// Bad input if a flag, the configuration file, the data or the output folder is wrong; a run that fails or is
/// interrupted.
pub fn train(arguments: &TrainArgs) -> Result<(), CliError> {
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let (finished, path) = finish(arguments, &interrupt)?;
    conclude(&finished, &path)
}

/// Trains, and says nothing in the end.
pub(super) fn finish(arguments: &TrainArgs, interrupt: &Interrupt) -> Result<(Finished, PathBuf), CliError> {
    let config = arguments.config()?;
    let path = arguments.output.folder(&config);
    let existing = Existing::from_flag(arguments.output.overwrite);
    let voice = arguments.output.log.voice();
    blas::announce(Some(config.run.backend), voice.mode)?;
    let inputs: Vec<PathBuf> = arguments.config.iter().cloned().collect();
    let target = Target::New { path: &path, existing, inputs: &inputs, held: None };
    Ok((run::execute(config, target, &voice, interrupt)?, path))
}

/// Reports on a run, and says how it ended.
pub(super) fn conclude(finished: &Finished, path: &Path) -> Result<(), CliError> {
    let printed = say::print(&report::one(&finished.summary, path));
    // The terminal may be gone, which was the reason of an interruption.
    ended(finished).and(printed)
}

/// Whether a run has ended as it should.
pub(super) fn ended(finished: &Finished) -> Result<(), CliError> {
    match finished.failure() {
        _ if finished.interrupted => Err(CliError::Interrupted),
        Some(error) => Err(error),
        None => Ok(()),
    }
}
