//! `memorize completions` and `memorize man`.

use std::fs;

use memorize_data::DataError;

use crate::args::{self, CompletionsArgs, ManArgs};
use crate::exit::CliError;
use crate::report::print;

/// Prints a shell's script for completing the program's commands and flags.
///
/// # Errors
/// If standard output cannot be written to.
pub fn completions(arguments: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut args::command(), "memorize", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes a page of the manual for the program and for each of its commands.
///
/// # Errors
/// A failed run if the folder cannot be written to.
pub fn man(arguments: &ManArgs) -> Result<(), CliError> {
    let out = &arguments.out;
    let error = |source| DataError::Write { path: out.clone(), source };
    fs::create_dir_all(out).map_err(error)?;
    clap_mangen::generate_to(args::command(), out).map_err(error)?;
    print(&format!("pages of the manual: {}\n", out.display()))
}
