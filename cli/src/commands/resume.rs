//! `memorize resume`: the rest of a run that was stopped.

use std::path::Path;

use memorize_data::Shown;

use crate::args::ResumeArgs;
use crate::blas;
use crate::config::{RunConfig, RunSection};
use crate::exit::CliError;
use crate::progress::Voice;
use crate::run::resume::{Found, find};
use crate::run::watch::Interrupt;
use crate::run::{self, Finished, Target};
use crate::run_folder::{Existing, Summary};
use crate::say;

/// Goes on from the newest checkpoint, or says that there is nothing to do.
///
/// # Errors
/// Bad input if the folder is not that of a run, or of a run with other data, settings or another version; a run that fails or is
/// interrupted.
pub fn resume(arguments: &ResumeArgs) -> Result<(), CliError> {
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    match rest(arguments, &interrupt)? {
        Rest::Nothing { line, .. } => say::print(&format!("{line}\n")),
        Rest::Done(finished) => super::train::conclude(&finished, &arguments.run),
    }
}

/// The rest of a run, which says nothing in the end.
pub(super) fn rest(arguments: &ResumeArgs, interrupt: &Interrupt) -> Result<Rest, CliError> {
    let path = &arguments.run;
    let settings = |run: &mut RunSection| arguments.apply(run);
    go_on(find(path)?, path, settings, &arguments.log.voice(), interrupt)
}

/// What was left to do.
pub(super) enum Rest {
    /// Nothing.
    Nothing {
        /// Why.
        line: String,
        /// What came out before.
        summary: Option<Box<Summary>>,
    },
    /// It is done.
    Done(Box<Finished>),
}

/// Does what is left of a run, with settings of its own for how to compute.
pub(super) fn go_on(
    found: Found,
    path: &Path,
    settings: impl Fn(&mut RunSection),
    voice: &Voice,
    interrupt: &Interrupt,
) -> Result<Rest, CliError> {
    let execute = |mut config: RunConfig, target: Target<'_>| {
        settings(&mut config.run);
        config.validate()?;
        blas::announce(Some(config.run.backend), voice.mode)?;
        run::execute(config, target, voice, interrupt).map(|finished| Rest::Done(Box::new(finished)))
    };
    match found {
        Found::Finished { line, summary } => Ok(Rest::Nothing { line, summary }),
        Found::Nothing { config, why, held } => {
            voice.mode.tell(&format!("{} starts over: {why}", path.shown()));
            execute(*config, Target::New { path, existing: Existing::Again, inputs: &[], held })
        }
        Found::Stopped(stopped) => execute(stopped.config.clone(), Target::Stopped { path, stopped }),
    }
}
