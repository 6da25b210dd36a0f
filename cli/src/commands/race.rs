//! `memorize race`: passes over the data to a loss, optimiser by optimiser.

use std::path::PathBuf;

use memorize_data::Output;

use crate::args::RaceArgs;
use crate::blas;
use crate::config::Dtype;
use crate::exit::{CliError, build_warning};
use crate::progress::{self, Mode, Progress};
use crate::race::run;
use crate::run::machine::Machine;
use crate::run::watch::Interrupt;
use crate::say;

/// Runs the optimisers one after the other and prints how many passes each took.
///
/// # Errors
/// Bad input if a flag or the data are wrong, a failed run if a file cannot be written, interrupted if a signal arrived: what
/// was finished until then is printed first.
pub fn race(arguments: &RaceArgs) -> Result<(), CliError> {
    let config = arguments.config()?;
    let quiet = arguments.quiet || arguments.json;
    let setup = &config.adam.run;
    blas::announce(Some(setup.backend), Mode::detect(quiet))?;
    let inputs = config.adam.data.files();
    let curves = |path| Output::new(path, arguments.overwrite, inputs.iter().map(PathBuf::as_path));
    let curves = arguments.curves.as_deref().map(curves).transpose()?;
    let machine = Machine::new(setup.backend, setup.isa, setup.threads)?;
    if let Some(warning) = build_warning(true).filter(|_| !quiet) {
        say::tell(warning);
    }
    let interrupt = Interrupt::listen().map_err(CliError::run_failed)?;
    let progress = Progress::new(Mode::detect(quiet), progress::Plan::default());
    let found = machine.install(|| match setup.dtype {
        Dtype::F32 => run::<f32>(&config, &machine, progress, curves.as_ref(), &interrupt),
        Dtype::F64 => run::<f64>(&config, &machine, progress, curves.as_ref(), &interrupt),
    })?;
    say::print_either(arguments.json, || found.json(), || found.text())?;
    if interrupt.is_set() { Err(CliError::Interrupted) } else { Ok(()) }
}
