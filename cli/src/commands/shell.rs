//! `memorize completions` and `memorize man`.

use std::io::Write;

use clap::Command;
use clap_mangen::Man;
use memorize_data::Output;
use memorize_data::Shown;
use memorize_data::output::Staged;
use memorize_run::error::Error;

use crate::args::{self, CompletionsArgs, ManArgs};
use crate::say::{print, print_exact};

/// Prints a shell's script for completing the program's commands and flags.
///
/// # Errors
/// If standard output cannot be written to.
pub fn completions(arguments: &CompletionsArgs) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut args::command(), "memorize", &mut script);
    print_exact(&String::from_utf8_lossy(&script))
}

/// Writes a page of the manual for the program and for each of its commands.
///
/// # Errors
/// Bad input if a page is there already and may not be replaced, or the folder cannot be written to; a failed run if
/// writing fails.
pub fn man(arguments: &ManArgs) -> Result<(), Error> {
    let out = &arguments.out;
    let mut pages = Vec::new();
    for (name, text) in rendered(args::command()) {
        pages.push((Output::new(&out.join(name), arguments.overwrite, [])?, text));
    }
    // All or none.
    let staged =
        pages.iter().map(|(page, text)| page.stage(|file| file.write_all(text)).map_err(|error| page.failed(error)));
    let staged: Vec<Staged> = staged.collect::<Result<_, _>>()?;
    for ((page, _), staged) in pages.iter().zip(staged) {
        staged.commit().map_err(|source| page.failed(source))?;
    }
    print(&format!("pages of the manual: {}\n", out.shown()))
}

/// The pages of a command and of those below it, by the names of their files.
fn rendered(command: Command) -> Vec<(String, Vec<u8>)> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    let mut waiting = vec![command];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|below| !below.is_hide_set()).cloned());
        let page = Man::new(command);
        let mut text = Vec::new();
        page.render(&mut text).expect("a vector takes everything");
        pages.push((page.get_filename(), text));
    }
    pages
}
