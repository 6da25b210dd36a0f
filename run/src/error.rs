//! Why something did not end well, with advice for the person who reads it.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use memorize_data::shown::printable;
use memorize_data::{DataError, OutputError, Shown};

use crate::config::ConfigError;
use crate::nearest;

/// Exit code of a run that failed: it diverged, the disk is full, the data vanished.
pub const RUN_FAILED: u8 = 1;
/// Exit code of bad arguments or bad input; clap's own too.
pub const BAD_INPUT: u8 = 2;
/// Exit code of an interrupted run: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Why a run, or what reads runs, did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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

impl Error {
    /// Bad arguments or input.
    pub fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    /// A failed run.
    pub fn run_failed(error: impl Into<anyhow::Error>) -> Self {
        Self::RunFailed(error.into())
    }

    /// A file or folder that is not there: the advice is the one that was meant, if [`nearest::path`] knows, or else
    /// `otherwise`.
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
        let hinted = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<Hinted>().is_some_and(|hinted| hinted.error.is::<Panicked>())
        };
        self.chain().any(|cause| cause.is::<Panicked>() || hinted(cause))
    }

    /// Writes `error: ...`, each cause on a line of its own, and a line `hint: ...` if a cause carries one.
    ///
    /// # Errors
    /// If `out` does.
    pub fn print(&self, out: &mut dyn Write, has_flag: &dyn Fn(&str) -> bool) -> io::Result<()> {
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
        match self.advice(has_flag) {
            Some(hint) => writeln!(out, "hint: {}", printable(hint)),
            None => Ok(()),
        }
    }

    /// What to do about it, if it says so on a line of its own, for somebody who can use these flags.
    pub fn advice(&self, has_flag: &dyn Fn(&str) -> bool) -> Option<&str> {
        let hinted = self.chain().find_map(|cause| cause.downcast_ref::<Hinted>())?;
        hinted.flag.is_none_or(has_flag).then_some(&hinted.hint)
    }

    /// All that it says, its causes and its advice, for whoever looks for words in it.
    pub fn words(&self, has_flag: &dyn Fn(&str) -> bool) -> String {
        let said = self.chain().map(ToString::to_string).chain(self.advice(has_flag).map(str::to_owned));
        said.collect::<Vec<_>>().join("\n")
    }

    /// The error and its causes.
    fn chain(&self) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        let (Self::BadInput(error) | Self::RunFailed(error)) = self else { return None.into_iter().flatten() };
        Some(error.chain()).into_iter().flatten()
    }
}

impl From<ConfigError> for Error {
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

impl From<OutputError> for Error {
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
pub fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        match error {
            // A disk that is full, not input that is wrong.
            DataError::Write { .. } | DataError::WriteCache { .. } => Self::run_failed(error),
            DataError::NoFolder { ref path } => {
                let meant = nearest::path(path);
                Self::missing(error, meant, None)
            }
            DataError::SeveralSets { ref first, .. } => {
                let [inputs, targets, test_inputs, test_targets] =
                    first.each_ref().map(|path| path.shown().to_string());
                let hint = format!(
                    "or name the files, as here those of the first: --inputs {inputs} --targets {targets} \
                     --test-inputs {test_inputs} --test-targets {test_targets}"
                );
                Self::BadInput(error.hint_with("test-inputs", hint))
            }
            DataError::TooManyComponents { samples, width, .. } => {
                Self::BadInput(error.hint_with("pca", format!("pass --pca {} or less", samples.min(width))))
            }
            DataError::NoSet { .. } | DataError::IncompleteSet { .. } => Self::BadInput(
                error.hint_with("data-dir", "without --data-dir, the MNIST that comes with the program is read"),
            ),
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
struct Hinted {
    error: anyhow::Error,
    hint: String,
    /// The flag that the advice is about, if it is of use only to a command that has it.
    flag: Option<&'static str>,
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

    /// The same for commands that have this flag, without its dashes.
    fn hint_with(self, flag: &'static str, hint: impl Into<String>) -> anyhow::Error;
}

impl<E: Into<anyhow::Error>> WithHint for E {
    fn hint(self, hint: impl Into<String>) -> anyhow::Error {
        Hinted { error: self.into(), hint: hint.into(), flag: None }.into()
    }

    fn hint_with(self, flag: &'static str, hint: impl Into<String>) -> anyhow::Error {
        Hinted { error: self.into(), hint: hint.into(), flag: Some(flag) }.into()
    }
}

/// A panic, with its message.
#[derive(Debug, thiserror::Error)]
#[error("the program failed in the middle of a computation: {0}")]
pub struct Panicked(pub String);

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    fn printed(error: &Error) -> String {
        let mut out = Vec::new();
        error.print(&mut out, &|_| true).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn codes_are_the_documented_ones() {
        assert_eq!(Error::run_failed(anyhow!("x")).code(), 1);
        assert_eq!(Error::bad_input(anyhow!("x")).code(), 2);
        assert_eq!(Error::Interrupted.code(), 130);
    }

    #[test]
    fn an_error_shows_its_causes_and_ends_with_the_hint() {
        let disk = io::Error::other("no space left");
        let error = disk.hint("free some space").context("cannot write metrics.csv");
        assert_eq!(
            printed(&Error::RunFailed(error)),
            "error: cannot write metrics.csv\n  caused by: no space left\nhint: free some space\n"
        );
    }

    #[test]
    fn a_hint_does_not_hide_the_causes_below_it() {
        let inner: Result<(), io::Error> = Err(io::Error::other("root"));
        let error = inner.context("middle").unwrap_err().hint("advice").context("top");
        assert_eq!(
            printed(&Error::BadInput(error)),
            "error: top\n  caused by: middle\n  caused by: root\nhint: advice\n"
        );
    }

    #[test]
    fn a_cause_already_told_is_not_told_again() {
        let inner: Result<(), io::Error> = Err(io::Error::other("root"));
        let error = inner.context("top: root").unwrap_err();
        assert_eq!(printed(&Error::BadInput(error)), "error: top: root\n");
    }

    #[test]
    fn advice_on_a_flag_is_for_commands_that_have_it() {
        let error = Error::BadInput(anyhow!("too many").hint_with("pca", "pass --pca 3"));
        assert_eq!(error.advice(&|flag| flag == "pca"), Some("pass --pca 3"));
        assert_eq!(error.advice(&|_| false), None);
    }
}
