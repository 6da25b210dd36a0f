//! `memorize race`: passes over the data to a loss, optimiser by optimiser.

use std::path::PathBuf;

use memorize_data::Output;
use memorize_run::config::Dtype;
use memorize_run::error::Error;
use memorize_run::events::Plan;
use memorize_run::interrupt::Interrupt;
use memorize_run::run::machine::Machine;

use crate::args::RaceArgs;
use crate::console::{Mode, Progress};
use crate::exit::build_warning;
use crate::race::run;
use crate::say;

/// Runs the optimisers one after the other and prints how many passes each took.
///
/// # Errors
/// Bad input if a flag or the data are wrong, a failed run if a file cannot be written, interrupted if a signal
/// arrived: what was finished until then is printed first.
pub fn race(arguments: &RaceArgs) -> Result<(), Error> {
    let config = arguments.config()?;
    let quiet = arguments.shown.quiet || arguments.shown.json;
    let setup = &config.adam.run;
    Mode::detect(quiet).announce_blas(Some(setup.backend))?;
    let inputs = config.adam.data.files();
    let curves = |path| Output::new(path, arguments.overwrite, inputs.iter().map(PathBuf::as_path));
    let curves = arguments.curves.as_deref().map(curves).transpose()?;
    let machine = Machine::new(setup.backend, setup.isa, setup.threads)?;
    if let Some(warning) = build_warning(true).filter(|_| !quiet) {
        say::tell(warning);
    }
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let progress = Progress::new(Mode::detect(quiet), Plan::default());
    let found = machine.install(|| match setup.dtype {
        Dtype::F32 => run::<f32>(&config, &machine, progress, curves.as_ref(), &interrupt),
        Dtype::F64 => run::<f64>(&config, &machine, progress, curves.as_ref(), &interrupt),
    })?;
    say::print_either(arguments.shown.json, || found.json(), || found.text())?;
    if interrupt.is_set() { Err(Error::Interrupted) } else { Ok(()) }
}
