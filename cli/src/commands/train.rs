//! `memorize train`: any data, network and optimiser.

use std::path::{Path, PathBuf};

use memorize_analysis::text;
use memorize_run::error::Error;
use memorize_run::interrupt::Interrupt;
use memorize_run::run::{self, Finished, Target};
use memorize_run::run_folder::{Existing, Summary};
use serde::Serialize;

use super::host;
use crate::args::TrainArgs;
use crate::say;

/// Trains a network as configured by flags, a file, or both.
///
/// # Errors
/// Bad input if a flag, the configuration file, the data or the output folder is wrong; a run that fails or is
/// interrupted.
pub fn train(arguments: &TrainArgs) -> Result<(), Error> {
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let (finished, path) = finish(arguments, &interrupt)?;
    conclude("train", &finished, &path, arguments.output.log.json)
}

/// Trains, and says nothing at the end.
pub(super) fn finish(arguments: &TrainArgs, interrupt: &Interrupt) -> Result<(Finished, PathBuf), Error> {
    let config = arguments.config()?;
    let path = arguments.output.folder(&config);
    let existing = Existing::from_flag(arguments.output.overwrite);
    let voice = arguments.output.log.voice();
    voice.mode.announce_blas(Some(config.run.backend))?;
    let inputs: Vec<PathBuf> = arguments.config.iter().cloned().collect();
    let target = Target::New { path: &path, existing, inputs: &inputs, held: None };
    Ok((run::execute(config, target, &mut host(voice, interrupt))?, path))
}

/// A run that has ended, for programs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ended {
    /// Where its files are.
    folder: String,
    /// Its `summary.json`.
    pub(super) summary: Summary,
}

impl Ended {
    pub(super) fn new(summary: Summary, path: &Path) -> Self {
        Self { folder: path.display().to_string(), summary }
    }
}

/// Reports on a run, and says how it ended.
pub(super) fn conclude(command: &str, finished: &Finished, path: &Path, json: bool) -> Result<(), Error> {
    let summary = &finished.summary;
    let printed = say::print_either(
        json,
        || say::json(command, Some(&summary.computed_with()), &Ended::new(summary.clone(), path)),
        || text::one(summary, path),
    );
    // The terminal may be gone, which was the reason of an interruption.
    ended(finished).and(printed)
}

/// Whether a run has ended as it should.
pub(super) fn ended(finished: &Finished) -> Result<(), Error> {
    match finished.failure() {
        _ if finished.interrupted => Err(Error::Interrupted),
        Some(error) => Err(error),
        None => Ok(()),
    }
}
