//! `memorize reproduce`: the paper's experiments.

use crate::args::ReproduceArgs;
use crate::blas;
use crate::exit::{CliError, build_warning};
use crate::report;
use crate::run::watch::Interrupt;
use crate::run::{self, Finished};
use crate::run_folder::{Existing, RunFolder};

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
        RunFolder::check(&folder, existing)?;
        runs.push((config, folder));
    }
    if let Some(warning) = build_warning(!arguments.quick).filter(|_| !arguments.output.quiet) {
        eprintln!("{warning}");
    }
    blas::announce(Some(arguments.compute.backend.unwrap_or_default()), arguments.output.quiet)?;
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let mut summaries = Vec::new();
    let single = runs.len() == 1;
    for (config, path) in runs {
        let Finished { summary, interrupted } =
            run::execute(config, &path, existing, arguments.output.quiet, &interrupt)?;
        if single || interrupted {
            report::print(&report::one(&summary, &path))?;
        }
        summaries.push(summary);
        if interrupted {
            return Err(CliError::Interrupted);
        }
    }
    if single { Ok(()) } else { report::print(&report::many(&summaries)) }
}
