//! The losses on the way, as CSV.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use memorize_data::{Output, OutputError};

use crate::config::OptimizerKind;
use crate::exit::CliError;

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
    /// A failed run if it cannot be written.
    pub fn create(out: &Output) -> Result<Self, CliError> {
        let mut curves = Self { path: out.path().to_owned(), csv: csv::Writer::from_writer(out.grow()?) };
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

    /// Brings everything to the disk, if it goes to one.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        let flushed = self.csv.flush();
        self.checked(flushed)?;
        // A pipe, say, has nothing to bring to a disk.
        let _ = self.csv.get_ref().sync_data();
        Ok(())
    }

    fn row(&mut self, cells: [String; 5]) -> Result<(), CliError> {
        let written = self.csv.write_record(&cells).map_err(io::Error::from);
        self.checked(written)
    }

    fn checked(&self, outcome: io::Result<()>) -> Result<(), CliError> {
        Ok(outcome.map_err(|source| OutputError::Write { path: self.path.clone(), source })?)
    }
}
