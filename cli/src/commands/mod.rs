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

use std::ffi::OsString;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::CliError;
use crate::run::watch::Interrupt;

/// Does what a process that was called with these arguments would do, `train` or `resume`, but for what that prints.
///
/// # Errors
/// As those commands.
pub(crate) fn in_this_process(arguments: &[OsString], interrupt: &Interrupt) -> Result<(), CliError> {
    let all = std::iter::once(OsString::from("memorize")).chain(arguments.iter().cloned());
    match Cli::try_parse_from(all).map_err(CliError::bad_input)?.command {
        Command::Train(arguments) => {
            train::finish(&arguments, interrupt).and_then(|(finished, _)| train::ended(&finished))
        }
        Command::Resume(arguments) => match resume::rest(&arguments, interrupt)? {
            resume::Rest::Nothing { .. } => Ok(()),
            resume::Rest::Done(finished) => train::ended(&finished),
        },
        _ => Err(CliError::bad_input(anyhow::anyhow!("only `train` and `resume` can be done within another command"))),
    }
}
