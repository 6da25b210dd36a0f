//! The losses on the way, as CSV.

use std::io::{self, Write};

use memorize_data::Output;
use memorize_run::config::OptimizerKind;
use memorize_run::error::Error;

/// The columns.
pub const COLUMNS: [&str; 5] = ["optimizer", "iteration", "passes", "seconds", "loss"];

/// Rows of the optimisers that have finished. The file gets them all at once: what it may replace is there until then.
pub struct Curves {
    csv: csv::Writer<Vec<u8>>,
    rows: usize,
}

impl Curves {
    /// No rows.
    pub(super) fn new() -> Self {
        Self { csv: csv::Writer::from_writer(Vec::new()), rows: 0 }
    }

    /// Appends a record.
    pub(super) fn record(
        &mut self,
        optimizer: OptimizerKind,
        iteration: u64,
        passes: f64,
        seconds: f64,
        loss: f64,
    ) -> Result<(), Error> {
        if self.rows == 0 {
            self.row(COLUMNS.map(str::to_owned))?;
        }
        self.rows += 1;
        let (passes, seconds) = (format!("{passes:.2}"), format!("{seconds:.3}"));
        self.row([optimizer.to_string(), iteration.to_string(), passes, seconds, format!("{loss:?}")])
    }

    /// Writes the file, if there is anything to write.
    ///
    /// # Errors
    /// A failed run if it cannot be written.
    pub(super) fn write(self, out: &Output) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let text = self.csv.into_inner().map_err(|error| Error::run_failed(error.into_error()))?;
        Ok(out.write(|file| file.write_all(&text))?)
    }

    /// Memory does not fail to be written.
    fn row(&mut self, cells: [String; 5]) -> Result<(), Error> {
        self.csv.write_record(&cells).map_err(io::Error::from).map_err(Error::run_failed)
    }
}
