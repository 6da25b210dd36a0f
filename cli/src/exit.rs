//! How the program ends: with an exit code, and an error as the last thing that a person reads.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use memorize_run::error::Error;

use crate::advice;
use crate::console::{Line, Mode};

/// Whether a program reads along, which is then told of the error, too.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Tells the error that ends the program as JSON, too, from now on.
pub fn tell_json() {
    AS_JSON.store(true, Ordering::Relaxed);
}

/// Tells a program that reads along, if there is one, what ends this one.
pub fn send_error(error: &str, hint: Option<&str>, code: u8) {
    if AS_JSON.load(Ordering::Relaxed) {
        Mode::Json.send(&Line::Error { error, hint, code });
    }
}

/// Writes an error, and a `note: ...` on each flag named that the command does not have.
///
/// # Errors
/// If `out` does.
pub fn print(error: &Error, out: &mut dyn Write) -> io::Result<()> {
    error.print(out, &advice::has)?;
    advice::notes(&error.words(&advice::has)).iter().try_for_each(|note| writeln!(out, "note: {note}"))
}

/// Prints the error, if there is one, and gives the exit code.
pub fn conclude(outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if !matches!(error, Error::Interrupted) {
        send_error(&error.to_string(), error.advice(&advice::has), error.code());
    }
    // Nobody is left to tell when stderr is closed; the exit code still speaks.
    let _ = print(&error, &mut io::stderr().lock());
    ExitCode::from(error.code())
}

/// A warning, if one is due, before a run of that size in this build.
pub fn build_warning(full_scale: bool) -> Option<&'static str> {
    (cfg!(debug_assertions) && full_scale).then_some(
        "warning: this program was built without optimisation and will be many times slower than it can be;\n         \
         build it with `cargo build --release` for a full-scale run",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_scale_runs_are_warned_about() {
        assert_eq!(build_warning(false), None);
        assert_eq!(build_warning(true).is_some(), cfg!(debug_assertions));
    }
}
