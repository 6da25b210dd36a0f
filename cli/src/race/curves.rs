//! The losses on the way, as CSV.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::config::OptimizerKind;
use crate::exit::{CliError, WithHint};

/// The columns.
pub const COLUMNS: [&str; 5] = ["optimizer", "iteration", "passes", "seconds", "loss"];

/// A file that grows by a row a record.
pub struct Curves {
    path: PathBuf,
    csv: csv::Writer<File>,
}

impl Curves {
    /// Creates the file with its header.
    ///
    /// # Errors
    /// Bad input if it exists and may not be replaced, a failed run if it cannot be written.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, CliError> {
        let mut options = OpenOptions::new();
        options.write(true);
        if overwrite {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let file = options.open(path).map_err(|error| {
            let refused = error.kind() == std::io::ErrorKind::AlreadyExists;
            let error = anyhow::anyhow!("cannot create {}: {error}", path.display());
            let hint = "name another file with --curves FILE, or pass --overwrite to replace it";
            if refused { CliError::BadInput(error.hint(hint)) } else { CliError::bad_input(error) }
        })?;
        let mut curves = Self { path: path.to_owned(), csv: csv::Writer::from_writer(file) };
        curves.row(COLUMNS.map(str::to_owned))?;
        curves.flush()?;
        Ok(curves)
    }

    /// Appends a record.
    pub(super) fn record(
        &mut self,
        optimizer: OptimizerKind,
        iteration: u64,
        passes: f64,
        seconds: f64,
        loss: f64,
    ) -> Result<(), CliError> {
        let (passes, seconds) = (format!("{passes:.2}"), format!("{seconds:.3}"));
        self.row([optimizer.to_string(), iteration.to_string(), passes, seconds, format!("{loss:?}")])
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.csv.flush().map_err(|error| failed(&self.path, &error))
    }

    fn row(&mut self, cells: [String; 5]) -> Result<(), CliError> {
        self.csv.write_record(&cells).map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::run_failed(anyhow::anyhow!("cannot write {}: {error}; check the space on the disk", path.display()))
}
