//! `memorize reproduce`: the paper's experiments.

use std::path::{Path, PathBuf};

use crate::args::{ReproduceArgs, Selection};
use crate::blas;
use crate::config::RunConfig;
use crate::exit::{CliError, build_warning};
use crate::page::{self, Focus};
use crate::report;
use crate::run::watch::Interrupt;
use crate::run::{self, Finished};
use crate::run_folder::{Existing, FoundRun, RunFolder, StopReason, Summary};

/// Runs the selected experiments, one after the other, and prints what came out beside what the paper reports. Of all
/// experiments those that are complete already are skipped, and a page about all of them is written.
///
/// # Errors
/// Bad input if a flag or an output folder is wrong: all are checked before the first experiment runs. A run that
/// fails or is interrupted ends the command.
pub fn reproduce(arguments: &ReproduceArgs) -> Result<(), CliError> {
    let existing = Existing::from_flag(arguments.output.overwrite);
    let all = arguments.experiment == Selection::All;
    let mut plans = Vec::new();
    for experiment in arguments.experiment.experiments() {
        let mut config = arguments.config(experiment)?;
        run::note_environment(&mut config);
        let folder = arguments.folder(&config);
        plans.push(Plan::new(config, folder, existing, all)?);
    }
    if all {
        page::check(&arguments.report_folder())?;
    }
    if let Some(warning) = build_warning(!arguments.quick).filter(|_| !arguments.output.quiet) {
        eprintln!("{warning}");
    }
    blas::announce(Some(arguments.compute.backend.unwrap_or_default()), arguments.output.quiet)?;
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let (mut summaries, mut folders, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for Plan { config, folder, complete } in plans {
        let summary = match complete {
            Some(summary) => {
                skipped.push(summary.name.clone());
                *summary
            }
            None => {
                let Finished { summary, interrupted } =
                    run::execute(config, &folder, existing, arguments.output.quiet, &interrupt)?;
                if !all || interrupted {
                    report::print(&report::one(&summary, &folder))?;
                }
                if interrupted {
                    return Err(CliError::Interrupted);
                }
                summary
            }
        };
        summaries.push(summary);
        folders.push(folder);
    }
    if !all {
        return Ok(());
    }
    let index = write_page(&arguments.report_folder(), &folders)?;
    let mut text = report::many(&summaries);
    if !skipped.is_empty() {
        text.push_str(&format!("\ncomplete already, skipped (--overwrite runs them again): {}\n", skipped.join(", ")));
    }
    report::print(&format!("{text}\nreport: {}\n", index.display()))
}

/// One experiment, before anything has run.
struct Plan {
    config: RunConfig,
    folder: PathBuf,
    /// What came out when it ran before; absent = it has to run.
    complete: Option<Box<Summary>>,
}

impl Plan {
    /// Looks at the folder: an experiment that is complete there is not run again, if `skip` and unless it is to be replaced.
    fn new(config: RunConfig, folder: PathBuf, existing: Existing, skip: bool) -> Result<Self, CliError> {
        let complete = (skip && existing == Existing::Refuse).then(|| complete(&config, &folder)).flatten();
        if complete.is_none() {
            RunFolder::check(&folder, existing)?;
        }
        Ok(Self { config, folder, complete })
    }
}

/// What a run of this configuration has come to in that folder, if it ran to its end.
fn complete(config: &RunConfig, folder: &Path) -> Option<Box<Summary>> {
    let found = FoundRun::read(folder).ok()?;
    let summary = found.summary.filter(|summary| summary.stopped != StopReason::Interrupted)?;
    found.config.is_some_and(|done| config.is_done_by(&done)).then(|| Box::new(summary))
}

fn write_page(folder: &Path, runs: &[PathBuf]) -> Result<PathBuf, CliError> {
    let runs: Vec<FoundRun> = runs.iter().map(|run| FoundRun::read(run)).collect::<Result<_, _>>()?;
    page::write(folder, &runs, &[], Focus::Results)
}
