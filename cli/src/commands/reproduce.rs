//! `memorize reproduce`: the paper's experiments.

use super::resume::{Rest, go_on};
use crate::args::ReproduceArgs;
use crate::blas;
use crate::exit::{CliError, build_warning};
use crate::report;
use crate::run::resume::{check_settings, find};
use crate::run::watch::Interrupt;
use crate::run::{self, Finished, Target};
use crate::run_folder::{CONFIG, Existing, RunFolder};

/// Runs the selected experiments, one after the other, and prints what came out beside what the paper reports.
///
/// # Errors
/// Bad input if a flag or an output folder is wrong: all are checked before the first experiment runs. A run that
/// fails or is interrupted ends the command.
pub fn reproduce(arguments: &ReproduceArgs) -> Result<(), CliError> {
    let existing = Existing::from_flag(arguments.output.overwrite);
    let mut runs = Vec::new();
    for experiment in arguments.experiment.experiments() {
        let config = arguments.config(experiment)?;
        let folder = arguments.folder(&config);
        let stopped = arguments.resume && folder.join(CONFIG).exists();
        if !stopped {
            RunFolder::check(&folder, existing)?;
        }
        runs.push((config, folder, stopped));
    }
    if let Some(warning) = build_warning(!arguments.quick).filter(|_| !arguments.output.quiet) {
        eprintln!("{warning}");
    }
    blas::announce(Some(arguments.compute.backend.unwrap_or_default()), arguments.output.quiet)?;
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let mut summaries = Vec::new();
    let single = runs.len() == 1;
    for (config, path, stopped) in runs {
        let quiet = arguments.output.quiet;
        let finished = if stopped {
            check_settings(&path, &config)?;
            match go_on(find(&path)?, &path, |run| arguments.apply(run), quiet, &interrupt)? {
                Rest::Nothing(line) => {
                    report::print(&format!("{line}\n"))?;
                    continue;
                }
                Rest::Done(finished) => *finished,
            }
        } else {
            run::execute(config, Target::New { path: &path, existing }, quiet, &interrupt)?
        };
        let Finished { summary, interrupted } = finished;
        if single || interrupted {
            report::print(&report::one(&summary, &path))?;
        }
        summaries.push(summary);
        if interrupted {
            return Err(CliError::Interrupted);
        }
    }
    if single || summaries.is_empty() { Ok(()) } else { report::print(&report::many(&summaries)) }
}
