//! `memorize completions` and `memorize man`.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;

use memorize_data::output::{self, Staged};
use memorize_data::{Output, OutputError};

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
/// Bad input if a page is there already and may not be replaced, or the folder cannot be written to; a failed run if writing fails.
pub fn man(arguments: &ManArgs) -> Result<(), CliError> {
    let out = &arguments.out;
    let failed = |source| OutputError::Write { path: out.clone(), source };
    let place = |name: &OsStr| Output::new(&out.join(name), arguments.overwrite, []);
    let folder = tempfile::tempdir().map_err(output::plain).map_err(failed)?;
    clap_mangen::generate_to(args::command(), folder.path()).map_err(failed)?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder.path()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        pages.push((place(&entry.file_name())?, fs::read(entry.path()).map_err(failed)?));
    }
    // All or none.
    let staged = pages.iter().map(|(page, text)| page.stage(|file| file.write_all(text)).map_err(|error| page.failed(error)));
    let staged: Vec<Staged> = staged.collect::<Result<_, _>>()?;
    for ((page, _), staged) in pages.iter().zip(staged) {
        staged.commit().map_err(|source| page.failed(source))?;
    }
    print(&format!("pages of the manual: {}\n", out.display()))
}
