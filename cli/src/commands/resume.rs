//! `memorize resume`: the rest of a run that was stopped.

use std::path::Path;

use memorize_data::Shown;
use memorize_run::config::RunConfig;
use memorize_run::error::Error;
use memorize_run::events::Host;
use memorize_run::interrupt::Interrupt;
use memorize_run::run::resume::{Found, find};
use memorize_run::run::{self, Finished, Target};
use memorize_run::run_folder::{Existing, Summary};
use memorize_run::settings::{Effect, RunLayer, Section};

use super::host;
use super::train::{Ended, conclude};
use crate::args::ResumeArgs;
use crate::console::Mode;
use crate::say;

/// Goes on from the newest checkpoint, or says that there is nothing to do.
///
/// # Errors
/// Bad input if the folder is not that of a run, or of a run with other data, settings or another version; a run that
/// fails or is interrupted.
pub fn resume(arguments: &ResumeArgs) -> Result<(), Error> {
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let json = arguments.log.json;
    match rest(arguments, &interrupt)? {
        // The rank that writes has read it.
        Rest::Nothing { summary, .. } if json => summary.map_or(Ok(()), |summary| {
            let ended = Ended::new(*summary, &arguments.run);
            say::print_exact(&say::json("resume", Some(&ended.summary.computed_with()), &ended))
        }),
        Rest::Nothing { line, .. } => say::print(&format!("{line}\n")),
        Rest::Done(finished) => conclude("resume", &finished, &arguments.run, json),
    }
}

/// The rest of a run, which says nothing at the end.
pub(super) fn rest(arguments: &ResumeArgs, interrupt: &Interrupt) -> Result<Rest, Error> {
    let path = &arguments.run;
    let voice = arguments.log.voice();
    let mode = voice.mode;
    go_on(find(path)?, path, &arguments.settings, mode, &mut host(voice, interrupt))
}

/// What was left to do.
pub(super) enum Rest {
    /// Nothing.
    Nothing {
        /// Why.
        line: String,
        /// What came out before, on the rank that writes.
        summary: Option<Box<Summary>>,
    },
    /// It is done.
    Done(Box<Finished>),
}

/// Does what is left of a run, with what is said about its speed.
pub(super) fn go_on(found: Found, path: &Path, said: &RunLayer, mode: Mode, host: &mut Host) -> Result<Rest, Error> {
    let mut execute = |mut config: RunConfig, target: Target<'_>| {
        config.run.lay(said, &[Effect::Speed]);
        config.validate()?;
        mode.announce_blas(Some(config.run.backend))?;
        run::execute(config, target, host).map(|finished| Rest::Done(Box::new(finished)))
    };
    match found {
        Found::Finished { line, summary } => Ok(Rest::Nothing { line, summary }),
        Found::Nothing { config, why, held } => {
            mode.tell(&format!("{} starts over: {why}", path.shown()));
            execute(*config, Target::New { path, existing: Existing::Again, inputs: &[], held })
        }
        Found::Stopped(stopped) => execute(stopped.config.clone(), Target::Stopped { path, stopped }),
    }
}
