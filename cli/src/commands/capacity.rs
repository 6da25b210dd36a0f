//! `memorize capacity`: the threshold of Theorem 1.

use std::time::Instant;

use memorize_analysis::plot;
use memorize_analysis::threshold::ThresholdPlot;
use memorize_run::allocator;
use memorize_run::capacity::{Report, check_memory, run};
use memorize_run::config::Dtype;
use memorize_run::error::Error;
use memorize_run::events::Plan;
use memorize_run::interrupt::Interrupt;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory;
use memorize_run::run_folder::{CAPACITY_PNG, CAPACITY_SVG, Existing, RunFolder};

use crate::args::CapacityArgs;
use crate::capacity::{json, text};
use crate::console::{Mode, Progress};
use crate::exit::build_warning;
use crate::say;

/// Trains on random data of several sizes, leaves a folder with the losses and their picture, and prints them.
///
/// # Errors
/// Bad input if a flag or the folder is wrong, a failed run if descent diverges or a file cannot be written,
/// interrupted if a signal arrived: what was finished until then is written and printed first.
pub fn capacity(arguments: &CapacityArgs) -> Result<(), Error> {
    let started = Instant::now();
    let config = arguments.config()?;
    let existing = Existing::from_flag(arguments.overwrite);
    let out = arguments.folder();
    RunFolder::check(&out, existing, [])?;
    let quiet = arguments.shown.quiet || arguments.shown.json;
    Mode::detect(quiet).announce_blas(Some(config.backend))?;
    let machine = Machine::new(config.backend, config.isa, config.threads)?;
    match config.dtype {
        Dtype::F32 => check_memory::<f32>(&config, machine.threads)?,
        Dtype::F64 => check_memory::<f64>(&config, machine.threads)?,
    }
    if let Some(warning) = build_warning(true).filter(|_| !quiet) {
        say::tell(warning);
    }
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let folder = RunFolder::create(&out, existing, [], None)?;
    let mut progress = Progress::new(Mode::detect(quiet), Plan::default());
    memory::announce().iter().for_each(|line| progress.note(line));
    folder.notes().iter().chain(&machine.notes).for_each(|note| progress.note(note));
    let tell = |line: &str| progress.note(line);
    let rows = match config.dtype {
        Dtype::F32 => run::<f32>(&config, &machine, &folder, tell, &interrupt),
        Dtype::F64 => run::<f64>(&config, &machine, &folder, tell, &interrupt),
    };
    progress.finish();
    let rows = rows?;
    let interrupted = interrupt.is_set();
    let report = Report::new(&config, &machine, &rows, interrupted, started.elapsed());
    allocator::give_back();
    let drawing = ThresholdPlot::new(&report, &rows);
    folder.write(CAPACITY_SVG, plot::svg(&drawing).map_err(Error::run_failed)?.as_bytes())?;
    folder.write(CAPACITY_PNG, &plot::png(&drawing).map_err(Error::run_failed)?)?;
    let found = Report { files: folder.files(None)?, ..report.clone() };
    folder.commit_text(&found.summary(), None)?;
    say::print_either(arguments.shown.json, || json(&found), || text(&found, folder.path()))?;
    if interrupted { Err(Error::Interrupted) } else { Ok(()) }
}
