//! The commands: each resolves and checks its configuration, then runs it.

mod bench;
mod capacity;
mod certify;
mod condition;
mod config;
mod data;
mod eval;
mod race;
mod report;
mod reproduce;
mod resume;
mod runs;
mod shell;
mod solve;
mod stored;
mod sweep;
mod train;

use std::ffi::OsString;

use clap::Parser;
use memorize_analysis::plot;
use memorize_run::error::Error;
use memorize_run::events::Host;
use memorize_run::interrupt::Interrupt;

use crate::args::{Cli, Command};
use crate::console::{Console, Voice};
use crate::exit;
pub use bench::bench;
pub use capacity::capacity;
pub use certify::certify;
pub use condition::condition;
pub use config::config;
pub use data::data;
pub use eval::eval;
pub use race::race;
pub use report::{compare, report};
pub use reproduce::reproduce;
pub use resume::resume;
pub use runs::runs;
pub use shell::{completions, man};
pub use solve::solve;
pub use sweep::sweep;
pub use train::train;

/// The parts of this program that a run uses.
fn host(voice: Voice, interrupt: &Interrupt) -> Host {
    Host { listener: Box::new(Console::new(voice)), draw: plot::of_run, interrupt: interrupt.clone() }
}

/// Runs `train` or `resume` in this process, with these arguments, and prints no results.
///
/// # Errors
/// As those commands, with what the process would have said.
fn in_this_process(arguments: &[OsString], interrupt: &Interrupt) -> Result<(), (Error, String)> {
    within(arguments, interrupt).map_err(|error| {
        let mut said = Vec::new();
        // Memory does not fail to be written.
        let _ = exit::print(&error, &mut said);
        (error, String::from_utf8_lossy(&said).into_owned())
    })
}

fn within(arguments: &[OsString], interrupt: &Interrupt) -> Result<(), Error> {
    let all = std::iter::once(OsString::from("memorize")).chain(arguments.iter().cloned());
    match Cli::try_parse_from(all).map_err(Error::bad_input)?.command {
        Command::Train(arguments) => {
            train::finish(&arguments, interrupt).and_then(|(finished, _)| train::ended(&finished))
        }
        Command::Resume(arguments) => match resume::rest(&arguments, interrupt)? {
            resume::Rest::Nothing { .. } => Ok(()),
            resume::Rest::Done(finished) => train::ended(&finished),
        },
        _ => Err(Error::bad_input(anyhow::anyhow!("only `train` and `resume` can be done within another command"))),
    }
}
