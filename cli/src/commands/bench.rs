//! `memorize bench`: how fast this machine runs the passes.

use std::io::IsTerminal;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::ProgressBar;
use memorize_analysis::bench::compare;
use memorize_analysis::bench::roofline::Roofline;
use memorize_analysis::plot::PictureFile;
use memorize_benches::report::{self, Selection, Subject};
use memorize_benches::scaling;
use memorize_data::Output;
use memorize_run::config::{Backend, check_threads};
use memorize_run::error::{Error, WithHint};
use memorize_run::run::machine::Machine;

use crate::args::BenchArgs;
use crate::bench as show;
use crate::console::Mode;
use crate::exit::build_warning;
use crate::say;

/// Measures and prints.
///
/// # Errors
/// Bad input if a flag or the file to compare with is wrong; a failed run if a pass gives wrong results.
pub fn bench(arguments: &BenchArgs) -> Result<(), Error> {
    let old = arguments.compare.as_deref().map(compare::read).transpose()?;
    let place = |plot: &PictureFile| Output::new(plot.path(), arguments.overwrite, arguments.compare.as_deref());
    let place = arguments.plot.as_ref().map(place).transpose()?;
    let compute = &arguments.compute;
    if compute.route.is_some() {
        let error = anyhow!("a benchmark has no route to choose: every pass is of one route");
        return Err(Error::BadInput(error.hint("leave --route out; --filter chooses passes")));
    }
    check_threads(compute.threads)?;
    Mode::detect(false).announce_blas(compute.backend)?;
    let machine = Machine::new(compute.backend.unwrap_or_default(), compute.isa, compute.threads)?;
    if let Some(warning) = build_warning(true) {
        say::tell(warning);
    }
    // A spinner on a terminal; a log needs no word of what is being measured, the table says it.
    let spinner = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    // It turns on a thread of its own: where the system starts none, it stands still.
    if thread::Builder::new().spawn(|| ()).is_ok() {
        spinner.enable_steady_tick(Duration::from_millis(100));
    }
    machine.notes.iter().for_each(|note| say::tell(&format!("note: {note}")));
    let progress = |what: &str| spinner.set_message(format!("measuring {what}"));
    let selection = Selection {
        quick: arguments.quick,
        filter: arguments.filter.clone(),
        shape: arguments.shape,
        dtype: arguments.dtype,
        backend: compute.backend,
        one_isa: compute.isa.is_some(),
    };
    if arguments.scaling {
        if compute.backend.is_some_and(|backend| backend != Backend::Native) {
            let error = anyhow!("--scaling is about the native backend: other libraries cut their products themselves");
            return Err(Error::BadInput(error.hint("leave --backend out")));
        }
        let measured = machine.install(|| scaling::run(&selection, machine.engine, progress));
        spinner.finish_and_clear();
        let measured = measured?;
        return if arguments.json {
            say::print_exact(&say::json("bench", None, &measured))
        } else {
            say::print(&show::scaling(&measured))
        };
    }
    let check = |cases: &[Subject]| old.as_ref().map_or(Ok(()), |old| compare::check_overlap(old, cases));
    let measured = machine.install(|| report::run(&selection, machine.engine, check, progress));
    spinner.finish_and_clear();
    let measured = measured?;

    let mut text = match (arguments.json, arguments.csv) {
        (true, _) => show::json(&measured),
        (_, true) => show::csv(&measured)?,
        _ => show::text(&measured),
    };
    if let Some(old) = old {
        let changes = compare::text(&old, &measured);
        if arguments.json || arguments.csv {
            say::tell(changes.trim_end());
        } else {
            text.push_str(&format!("\n{changes}"));
        }
    }
    let plotted = match arguments.plot.as_ref().zip(place) {
        Some((plot, place)) => plot.write(&Roofline::of(&measured), &place),
        None => Ok(()),
    };
    // The figures are not lost with the picture.
    if arguments.json || arguments.csv {
        say::print_exact(&text)?
    } else {
        say::print(&text)?
    }
    plotted
}
