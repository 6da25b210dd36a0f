//! The edge of the program: what reaches the standard streams.
//!
//! * Words for people are cleaned here, in one place: names from files, headers, tensors and folders may hold what
//!   commands a terminal.
//! * Text for programs (JSON, TOML, scripts) is written as it is.
//! * Standard error is a courtesy: one that is closed, or a full disk behind it, ends nothing. Nothing in this program
//!   prints otherwise (a lint), because the macros of the standard library panic there.

use std::io::{self, Write};

use memorize_data::output::stdout_is_taken;
use memorize_data::shown::printable;
use memorize_run::error::Error;
use memorize_run::provenance::ComputedWith;
use memorize_run::ranks;
use serde::Serialize;

/// Says something to people, on standard error.
pub fn tell(line: &str) {
    write_line(&mut io::stderr(), &printable(line));
}

/// Writes a line as it is; an error of writing is ignored.
pub(crate) fn write_line(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints results for people to standard output, once for all ranks. A reader that has gone away, as in `| head`, is no
/// error.
///
/// # Errors
/// If standard output cannot be written to for another reason.
pub fn print(text: &str) -> Result<(), Error> {
    print_exact(&printable(text))
}

/// Prints results as JSON for programs or as text for people.
///
/// # Errors
/// As [`print()`].
pub fn print_either(
    json: bool,
    programs: impl FnOnce() -> String,
    people: impl FnOnce() -> String,
) -> Result<(), Error> {
    if json { print_exact(&programs()) } else { print(&people()) }
}

/// Number of the form of what `--json` prints: it grows when a key changes its name or its meaning.
const SCHEMA: u32 = 1;

/// One JSON object on a line, for programs: what a command has found, behind what every command says first.
pub fn json(command: &str, computed_with: Option<&ComputedWith>, found: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Document<'a, T> {
        schema: u32,
        version: &'static str,
        command: &'a str,
        computed_with: Option<&'a ComputedWith>,
        #[serde(flatten)]
        found: &'a T,
    }
    let document = Document { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), command, computed_with, found };
    let mut text = serde_json::to_string(&document).expect("structs with string keys are always JSON");
    text.push('\n');
    text
}

/// Prints what programs read, as [`print()`] does.
///
/// # Errors
/// As [`print()`].
pub fn print_exact(text: &str) -> Result<(), Error> {
    if !ranks::is_first() {
        return Ok(());
    }
    // A result that goes to the standard output is not to be mixed with words about it.
    let mut out: Box<dyn Write> =
        if stdout_is_taken() { Box::new(io::stderr().lock()) } else { Box::new(io::stdout().lock()) };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::run_failed(anyhow::Error::new(error).context("cannot write to standard output")))
        }
        _ => Ok(()),
    }
}
