//! How the program ends: exit codes, and errors as the last thing that a person reads.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use memorize_data::Shown;
use memorize_data::shown::printable;
use memorize_data::{DataError, OutputError};

use crate::advice;
use crate::config::ConfigError;
use crate::nearest;
use crate::progress::Mode;
use crate::progress::events::Event;
use crate::run::panics::Panicked;

/// Exit code of a run that failed: it diverged, the disk is full, the data vanished.
pub const RUN_FAILED: u8 = 1;
/// Exit code of bad arguments or bad input; clap's own too.
pub const BAD_INPUT: u8 = 2;
/// Exit code of an interrupted run: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments or a file given are wrong; nothing was computed.
    #[error("{0:#}")]
    BadInput(anyhow::Error),
    /// The run itself failed.
    #[error("{0:#}")]
    RunFailed(anyhow::Error),
    /// The run was interrupted and has left a checkpoint.
    #[error("interrupted")]
    Interrupted,
}

impl CliError {
    /// Bad arguments or input.
    pub fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    /// A failed run.
    pub fn run_failed(error: impl Into<anyhow::Error>) -> Self {
        Self::RunFailed(error.into())
    }

    /// A file or folder that is not there: the advice is the one that was meant, if [`nearest::path`] knows, or else `otherwise`.
    pub fn missing(error: impl Into<anyhow::Error>, meant: Option<PathBuf>, otherwise: Option<&str>) -> Self {
        let meant = meant.map(|path| format!("did you mean {}?", path.shown()));
        match meant.or(otherwise.map(str::to_owned)) {
            Some(advice) => Self::BadInput(error.hint(advice)),
            None => Self::bad_input(error),
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::BadInput(_) => BAD_INPUT,
            Self::RunFailed(_) => RUN_FAILED,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Whether it is the panic of a run.
    pub fn is_panic(&self) -> bool {
        let Self::RunFailed(error) = self else { return false };
        let hinted = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<Hinted>().is_some_and(|hinted| hinted.error.is::<Panicked>())
        };
        error.chain().any(|cause| cause.is::<Panicked>() || hinted(cause))
    }

    /// Writes `error: ...`, each cause on a line of its own, a line `hint: ...` if a cause carries one, and a
    /// `note: ...` on each flag named that the command does not have.
    ///
    /// # Errors
    /// If `out` does.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let error = match self {
            Self::BadInput(error) | Self::RunFailed(error) => error,
            Self::Interrupted => return writeln!(out, "interrupted"),
        };
        // Words from outside, such as a line of a file, may be in it.
        writeln!(out, "error: {}", printable(&error.to_string()))?;
        let mut last = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Libraries that print their source within their own message would say everything twice.
            if !last.contains(&cause) {
                writeln!(out, "  caused by: {}", printable(&cause).replace('\n', "\n    "))?;
            }
            last = cause;
        }
        let hint = self.advice();
        if let Some(hint) = &hint {
            writeln!(out, "hint: {}", printable(hint))?;
        }
        let all = error.chain().map(ToString::to_string).chain(hint);
        advice::notes(&all.collect::<Vec<_>>().join("\n")).iter().try_for_each(|note| writeln!(out, "note: {note}"))
    }

    /// What to do about it, if it says so on a line of its own.
    pub fn advice(&self) -> Option<String> {
        let (Self::BadInput(error) | Self::RunFailed(error)) = self else { return None };
        error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()).map(|hinted| hinted.hint.clone())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        const OTHERWISE: &str = "`memorize config --default` prints a configuration file to start from";
        match &error {
            ConfigError::Read { path, source } if is_missing(source) => {
                let meant = nearest::path(path);
                Self::missing(error, meant, Some(OTHERWISE))
            }
            ConfigError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::BadInput(error.hint("check its permissions, and those of its folder"))
            }
            ConfigError::Read { .. } => Self::BadInput(error.hint(OTHERWISE)),
            _ => Self::bad_input(error),
        }
    }
}

impl From<OutputError> for CliError {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::Exists { .. } => {
                Self::BadInput(error.hint("name another file, or pass --overwrite to replace it"))
            }
            OutputError::Busy { .. } => {
                Self::BadInput(error.hint("wait for that process to end, or name another file"))
            }
            OutputError::Folder { .. } => Self::BadInput(error.hint("name a file in it")),
            OutputError::Input { .. } | OutputError::Twice { .. } => Self::BadInput(error.hint("name another file")),
            // What has its own advice.
            OutputError::Unwritable { .. } => Self::bad_input(error),
            OutputError::Write { .. } => Self::run_failed(error),
        }
    }
}

/// Whether a file could not be opened because it is not there.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

impl From<DataError> for CliError {
    fn from(error: DataError) -> Self {
        match error {
            // A disk that is full, not input that is wrong.
            DataError::Write { .. } | DataError::WriteCache { .. } => Self::run_failed(error),
            DataError::NoFolder { ref path } => {
                let meant = nearest::path(path);
                Self::missing(error, meant, None)
            }
            DataError::SeveralSets { ref first, .. } if advice::has("test-inputs") => {
                let [inputs, targets, test_inputs, test_targets] =
                    first.each_ref().map(|path| path.shown().to_string());
                let hint = format!(
                    "or name the files, as here those of the first: --inputs {inputs} --targets {targets} \
                     --test-inputs {test_inputs} --test-targets {test_targets}"
                );
                Self::BadInput(error.hint(hint))
            }
            DataError::TooManyComponents { samples, width, .. } if advice::has("pca") => {
                Self::BadInput(error.hint(format!("pass --pca {} or less", samples.min(width))))
            }
            DataError::NoSet { .. } | DataError::IncompleteSet { .. } if advice::has("data-dir") => {
                Self::BadInput(error.hint("without --data-dir, the MNIST that comes with the program is read"))
            }
            DataError::Open { ref path, ref source } if is_missing(source) => {
                let meant = nearest::path(path);
                Self::missing(error, meant, None)
            }
            error => Self::bad_input(error),
        }
    }
}

/// An error with advice for the person who sees it.
#[derive(Debug)]
pub struct Hinted {
    error: anyhow::Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Attaches advice to an error.
pub trait WithHint {
    /// The same with a `hint:` line.
    fn hint(self, hint: impl Into<String>) -> anyhow::Error;
}

impl<E: Into<anyhow::Error>> WithHint for E {
    fn hint(self, hint: impl Into<String>) -> anyhow::Error {
        Hinted { error: self.into(), hint: hint.into() }.into()
    }
}

/// Whether a program reads along, which is then told of the error, too.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Tells the error that ends the program as JSON, too, from now on.
pub fn tell_json() {
    AS_JSON.store(true, Ordering::Relaxed);
}

/// Tells a program that reads along, if there is one, what ends this one.
pub fn send_error(error: &str, hint: Option<&str>, code: u8) {
    if AS_JSON.load(Ordering::Relaxed) {
        Mode::Json.send(&Event::Error { error, hint, code });
    }
}

/// Prints the error, if there is one, and gives the exit code.
pub fn conclude(outcome: Result<(), CliError>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if !matches!(error, CliError::Interrupted) {
        send_error(&error.to_string(), error.advice().as_deref(), error.code());
    }
    // Nobody is left to tell when stderr is closed; the exit code still speaks.
    let _ = error.print(&mut io::stderr().lock());
    ExitCode::from(error.code())
}

/// What to say, if anything, before a run of that size in this build.
pub fn build_warning(full_scale: bool) -> Option<&'static str> {
    (cfg!(debug_assertions) && full_scale).then_some(
        "warning: this program was built without optimisation and will be many times slower than it can be;\n         \
         build it with `cargo build --release` for a full-scale run",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    fn printed(error: &CliError) -> String {
        let mut out = Vec::new();
        error.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn codes_are_the_documented_ones() {
        assert_eq!(CliError::run_failed(anyhow!("x")).code(), 1);
        assert_eq!(CliError::bad_input(anyhow!("x")).code(), 2);
        assert_eq!(CliError::Interrupted.code(), 130);
    }

    #[test]
    fn an_error_shows_its_causes_and_ends_with_the_hint() {
        let disk = io::Error::other("no space left");
        let error = disk.hint("free some space").context("cannot write metrics.csv");
        assert_eq!(
            printed(&CliError::RunFailed(error)),
            "error: cannot write metrics.csv\n  caused by: no space left\nhint: free some space\n"
        );
    }

    #[test]
    fn a_hint_does_not_hide_the_causes_below_it() {
        let inner: Result<(), io::Error> = Err(io::Error::other("root"));
        let error = inner.context("middle").unwrap_err().hint("advice").context("top");
        assert_eq!(
            printed(&CliError::BadInput(error)),
            "error: top\n  caused by: middle\n  caused by: root\nhint: advice\n"
        );
    }

    #[test]
    fn a_cause_already_told_is_not_told_again() {
        let inner: Result<(), io::Error> = Err(io::Error::other("root"));
        let error = inner.context("top: root").unwrap_err();
        assert_eq!(printed(&CliError::BadInput(error)), "error: top: root\n");
    }

    #[test]
    fn only_full_scale_runs_are_warned_about() {
        assert_eq!(build_warning(false), None);
        assert_eq!(build_warning(true).is_some(), cfg!(debug_assertions));
    }
}
