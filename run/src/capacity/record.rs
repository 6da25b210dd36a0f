//! `capacity.csv`: rows in their order and soon on the disk, in whatever order the training sets are finished.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::Row;
use crate::run_folder::{CAPACITY_CSV, FolderError, RunFolder};
use crate::units::number;

/// The columns of `capacity.csv`.
pub const COLUMNS: [&str; 14] = [
    "ratio",
    "n",
    "d",
    "r",
    "capacity",
    "seed",
    "optimizer",
    "ended",
    "loss",
    "least_squares_loss",
    "predicted_loss",
    "iterations",
    "parameters",
    "parameters_per_sample",
];

/// Writes rows and tells of them.
pub(super) struct Recorder<F> {
    path: PathBuf,
    csv: csv::Writer<File>,
    tell: F,
    total: usize,
    done: usize,
    /// The training set whose rows are to be written next.
    next: usize,
    /// Rows of later ones.
    waiting: BTreeMap<usize, Vec<Row>>,
    written: Vec<Row>,
}

impl<F: FnMut(&str)> Recorder<F> {
    /// Creates the file, with its header already on the disk, for `total` training sets.
    pub(super) fn create(folder: &RunFolder, tell: F, total: usize) -> Result<Self, FolderError> {
        let path = folder.file(CAPACITY_CSV);
        let file = File::create(&path).map_err(|source| FolderError::Write { path: path.clone(), source })?;
        let csv = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        let (waiting, written) = (BTreeMap::new(), Vec::new());
        let mut recorder = Self { path, csv, tell, total, done: 0, next: 0, waiting, written };
        let header = recorder.csv.write_record(COLUMNS).map_err(io::Error::from);
        recorder.checked(header)?;
        recorder.flush()?;
        Ok(recorder)
    }

    /// Takes the rows of a training set, by its number.
    pub(super) fn record(&mut self, at: usize, rows: Vec<Row>) -> Result<(), FolderError> {
        if !rows.is_empty() {
            self.done += 1;
            (self.tell)(&line(self.done, self.total, &rows));
        }
        self.waiting.insert(at, rows);
        while let Some(rows) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.write(rows)?;
        }
        self.flush()
    }

    /// Writes what is left and returns all rows.
    pub(super) fn finish(mut self) -> Result<Vec<Row>, FolderError> {
        for rows in std::mem::take(&mut self.waiting).into_values() {
            self.write(rows)?;
        }
        self.flush()?;
        let synced = self.csv.get_ref().sync_all();
        self.checked(synced)?;
        Ok(self.written)
    }

    fn write(&mut self, rows: Vec<Row>) -> Result<(), FolderError> {
        for row in rows {
            let written = self.csv.serialize(row).map_err(io::Error::from);
            self.checked(written)?;
            self.written.push(row);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FolderError> {
        let flushed = self.csv.flush();
        self.checked(flushed)
    }

    fn checked(&self, outcome: io::Result<()>) -> Result<(), FolderError> {
        outcome.map_err(|source| FolderError::Write { path: self.path.clone(), source })
    }
}

/// What came of a training set, in one line.
fn line(done: usize, total: usize, rows: &[Row]) -> String {
    let losses: Vec<String> = rows.iter().map(|row| format!("{} {}", row.optimizer, number(row.loss))).collect();
    let Row { n, ratio, seed, .. } = rows[0];
    format!("{done}/{total}  n = {n} ({ratio:.2} of the capacity), seed {seed}: loss f(W) by {}", losses.join(", "))
}

#[cfg(test)]
mod tests {
    use memorize_train::trial::Ending;

    use super::*;
    use crate::config::Trainer;
    use crate::run_folder::Existing;

    fn row(n: usize, loss: f64) -> Row {
        Row {
            ratio: 0.5,
            n,
            d: 4,
            r: 10,
            capacity: 10,
            seed: 0,
            optimizer: Trainer::Adam,
            ended: Ending::LeastSquares,
            loss,
            least_squares_loss: loss,
            predicted_loss: 0.0,
            iterations: 7,
            parameters: 40,
            parameters_per_sample: 8.0,
        }
    }

    #[test]
    fn rows_are_written_in_their_order_as_soon_as_it_is_known() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(root.path(), Existing::Refuse, [], None).unwrap();
        let mut told = 0;
        let mut recorder = Recorder::create(&folder, |_| told += 1, 4).unwrap();
        let numbers = || {
            let mut reader = csv::Reader::from_path(folder.file(CAPACITY_CSV)).unwrap();
            assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
            reader.records().map(|record| record.unwrap()[1].parse().unwrap()).collect::<Vec<usize>>()
        };
        assert!(numbers().is_empty());
        recorder.record(1, vec![row(2, 1e-300), row(2, 0.1)]).unwrap();
        assert!(numbers().is_empty());
        recorder.record(0, vec![row(1, 0.5)]).unwrap();
        assert_eq!(numbers(), [1, 2, 2]);
        // The third was interrupted before it began to be tried, the fourth was not.
        recorder.record(3, vec![row(4, 0.5)]).unwrap();
        let rows = recorder.finish().unwrap();
        assert_eq!(numbers(), [1, 2, 2, 4]);
        assert_eq!((told, rows.iter().map(|row| row.n).collect::<Vec<_>>()), (3, vec![1, 2, 2, 4]));
    }

    #[test]
    fn the_header_names_the_fields() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(row(3, 0.25)).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text.lines().next().unwrap(), COLUMNS.join(","));
        assert!(text.lines().nth(1).unwrap().contains(",adam,least_squares,0.25,"), "{text}");
    }
}
