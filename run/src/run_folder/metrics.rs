//! `metrics.csv`: one row a record of the loss, on the disk soon after it was measured.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memorize_data::digest::{self, Hasher};
use memorize_data::{output, small};

use super::{FolderError, METRICS};

/// Records that the smoothed loss is the mean of, as in the paper's figures.
pub const SMOOTHING: usize = 20;

/// Longest time that a record stays in memory only.
pub const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// One record of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Steps done.
    pub iteration: u64,
    /// Passes over the training set done, with the fraction of the current one.
    pub epoch: f64,
    /// The loss f on the samples of this iteration.
    pub loss: f64,
    /// Mean of the last [`SMOOTHING`] records of the loss.
    pub smoothed_loss: f64,
    /// The step size in use.
    pub learning_rate: f64,
    /// Time spent on training since the start.
    pub seconds: f64,
}

/// The mean of the records i-19..i; of all there are, as long as there are fewer.
#[derive(Clone, Debug, Default)]
pub struct Smoother {
    window: VecDeque<f64>,
}

impl Smoother {
    /// Adds a record and returns the mean of the window.
    ///
    /// The window is summed anew each time: a running sum would keep the rounding errors of the large losses at the
    /// start long after they have left the window, and a single infinity for ever.
    pub fn push(&mut self, loss: f64) -> f64 {
        if self.window.len() == SMOOTHING {
            self.window.pop_front();
        }
        self.window.push_back(loss);
        self.window.iter().sum::<f64>() / self.window.len() as f64
    }

    /// A smoother that has seen `losses`, such as those recorded before an interruption.
    pub fn after(losses: impl IntoIterator<Item = f64>) -> Self {
        let mut smoother = Self::default();
        for loss in losses {
            smoother.push(loss);
        }
        smoother
    }
}

/// Writes records as they come: buffered, and flushed every [`FLUSH_EVERY`] and at the end.
#[derive(Debug)]
pub struct MetricsWriter {
    path: PathBuf,
    csv: csv::Writer<Grown>,
    flushed: Instant,
}

const COLUMNS: [&str; 6] = ["iteration", "epoch", "loss", "smoothed_loss", "learning_rate", "seconds"];

impl MetricsWriter {
    /// Creates the file, with its header already on the disk.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(|source| FolderError::Write { path: path.to_owned(), source })?;
        let mut writer = Self::on(path, Grown::after(file, b""));
        let header = writer.csv.write_record(COLUMNS);
        writer.checked(header.map_err(io::Error::from))?;
        writer.flush()?;
        Ok(writer)
    }

    fn on(path: &Path, file: Grown) -> Self {
        Self { path: path.to_owned(), csv: csv::Writer::from_writer(file), flushed: Instant::now() }
    }

    /// Goes on with a file of which the first `kept` bytes count: what comes after them is cut off. Returns their
    /// records, too.
    ///
    /// # Errors
    /// [`MetricsError`] if the file is shorter, or not what was written; it is then left as it is.
    pub fn resume(path: &Path, kept: u64) -> Result<(Self, Vec<Record>), MetricsError> {
        let mut rows = Vec::new();
        small::open_regular(path)?;
        let mut file = File::options().read(true).write(true).open(path)?;
        (&file).take(kept).read_to_end(&mut rows)?;
        let found = rows.len() as u64;
        if found < kept {
            return Err(MetricsError::Short { kept, found });
        }
        let records = parse(&rows)?;
        file.set_len(kept)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self::on(path, Grown::after(file, &rows)), records))
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn write(&mut self, record: &Record) -> Result<(), FolderError> {
        let written = self.csv.write_record(row(record));
        self.checked(written.map_err(io::Error::from))?;
        if self.flushed.elapsed() >= FLUSH_EVERY { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn flush(&mut self) -> Result<(), FolderError> {
        let flushed = self.csv.flush();
        self.flushed = Instant::now();
        self.checked(flushed)
    }

    /// Brings everything to the disk and says how long the file is.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn sync(&mut self) -> Result<u64, FolderError> {
        self.flush()?;
        let Grown { file, bytes, .. } = self.csv.get_ref();
        let synced = file.sync_data().map(|()| *bytes);
        self.checked(synced)
    }

    /// Flushes to the disk and closes the file. Dropping the writer flushes too, but cannot report that it failed. If
    /// somebody has removed or cut off the file meanwhile, it is written again with all `records`, and what was found
    /// is returned. One that was put in its place stays.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn finish(mut self, records: &[Record]) -> Result<Option<String>, FolderError> {
        self.flush()?;
        let synced = self.csv.get_ref().file.sync_all();
        self.checked(synced)?;
        let Grown { file, bytes, digest } = self.csv.get_ref();
        // A file of another length is not read: it may have no end.
        let length = small::open_regular(&self.path).and_then(|file| Ok(file.metadata()?.len()));
        let read = |length: u64| {
            length == *bytes && digest::of_file(&self.path).is_ok_and(|(_, found)| found == digest.clone().finish())
        };
        let what = match length {
            Ok(length) if read(length) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed",
            _ if !output::is_at(file, &self.path) => {
                return Ok(Some(format!(
                    "{METRICS} was replaced while the run wrote it: the records of the run are not in the one that is there"
                )));
            }
            _ => "was changed",
        };
        let again = output::write_atomically(&self.path, |file| {
            let mut csv = csv::Writer::from_writer(file);
            csv.write_record(COLUMNS)?;
            records.iter().try_for_each(|record| csv.write_record(row(record)))?;
            csv.flush()
        });
        self.checked(again)?;
        Ok(Some(format!("{METRICS} {what} while the run wrote it; it was written again, whole")))
    }

    fn checked<V>(&self, outcome: io::Result<V>) -> Result<V, FolderError> {
        outcome.map_err(|source| FolderError::Write { path: self.path.clone(), source })
    }
}

/// Why a run cannot go on with its `metrics.csv`.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file could not be read or cut.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Rows are missing.
    #[error("it has {found} bytes, but the rows before the checkpoint are {kept}")]
    Short {
        /// Bytes that there were.
        kept: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Somebody has changed it.
    #[error("line {line} is not a record of this program")]
    Line {
        /// Counted from 1.
        line: usize,
    },
}

/// The records in the text of a file.
fn parse(text: &[u8]) -> Result<Vec<Record>, MetricsError> {
    let mut reader = csv::Reader::from_reader(text);
    if !text.ends_with(b"\n") || !reader.headers().is_ok_and(|headers| headers == COLUMNS.as_slice()) {
        return Err(MetricsError::Line { line: 1 });
    }
    let record = |row: csv::StringRecord| {
        let float = |column: usize| row[column].parse::<f64>().ok();
        let iteration = row[0].parse().ok()?;
        let [epoch, loss, smoothed_loss] = [float(1)?, float(2)?, float(3)?];
        Some(Record { iteration, epoch, loss, smoothed_loss, learning_rate: float(4)?, seconds: float(5)? })
    };
    let line =
        |(i, row): (usize, Result<_, csv::Error>)| row.ok().and_then(record).ok_or(MetricsError::Line { line: i + 2 });
    reader.records().enumerate().map(line).collect()
}

/// A file that only grows, and what was written to it.
#[derive(Debug)]
struct Grown {
    file: File,
    bytes: u64,
    digest: Hasher,
}

impl Grown {
    /// With this text in it already, after which it goes on.
    fn after(file: File, text: &[u8]) -> Self {
        let mut digest = Hasher::default();
        digest.update(text);
        Self { file, bytes: text.len() as u64, digest }
    }
}

impl Write for Grown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A record as a row.
fn row(record: &Record) -> [String; 6] {
    [
        record.iteration.to_string(),
        format!("{:.4}", record.epoch),
        float(record.loss),
        float(record.smoothed_loss),
        float(record.learning_rate),
        format!("{:.3}", record.seconds),
    ]
}

/// The shortest text that reads back as the same number; scientific where the exponent is large.
fn float(value: f64) -> String {
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smoothed_loss_is_the_mean_of_the_last_twenty() {
        let mut smoother = Smoother::default();
        let smoothed: Vec<f64> = (0..50).map(|i| smoother.push(f64::from(i))).collect();
        assert_eq!(smoothed[0], 0.0);
        assert_eq!(smoothed[1], 0.5, "a window that is not full yet is averaged over what there is");
        assert_eq!(smoothed[19], 9.5);
        assert_eq!(smoothed[20], 10.5, "record 20 is the mean of 1..=20");
        assert_eq!(smoothed[49], 39.5);
    }

    #[test]
    fn large_losses_leave_no_trace_once_they_left_the_window() {
        let mut smoother = Smoother::after([1e30, f64::INFINITY]);
        let last = (0..SMOOTHING).map(|_| smoother.push(1e-9)).last().unwrap();
        assert!((last - 1e-9).abs() < 1e-20, "{last}");
    }

    #[test]
    fn a_resumed_smoother_continues_where_it_was() {
        let losses: Vec<f64> = (0..33).map(|i| f64::from(i * i)).collect();
        let mut whole = Smoother::after(losses.clone());
        let mut resumed = Smoother::after(losses[losses.len() - SMOOTHING..].iter().copied());
        assert_eq!(whole.push(5.0), resumed.push(5.0));
    }

    fn record(iteration: u64, loss: f64) -> Record {
        Record { iteration, epoch: 0.5, loss, smoothed_loss: loss, learning_rate: 0.003, seconds: 1.25 }
    }

    #[test]
    fn rows_read_back_exactly() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("metrics.csv");
        let mut writer = MetricsWriter::create(&path).unwrap();
        let losses = [0.1 + 0.2, 1.5e-310, f64::NAN, 12.0];
        for (i, loss) in losses.into_iter().enumerate() {
            writer.write(&record(5 * i as u64, loss)).unwrap();
        }
        assert_eq!(writer.finish(&[]).unwrap(), None);
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), losses.len());
        for (i, (row, loss)) in rows.iter().zip(losses).enumerate() {
            assert_eq!(row[0].parse::<usize>().unwrap(), 5 * i);
            assert_eq!(row[2].parse::<f64>().unwrap().to_bits(), loss.to_bits());
        }
        assert_eq!(&rows[0][4], "0.003");
    }

    #[test]
    fn a_file_that_is_gone_or_cut_is_written_again_and_another_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("metrics.csv");
        let records: Vec<Record> = (0..50).map(|i| record(i, 1.0 / (i + 1) as f64)).collect();
        let run = |meanwhile: &dyn Fn()| {
            let mut writer = MetricsWriter::create(&path).unwrap();
            let (before, after) = records.split_at(25);
            before.iter().for_each(|record| writer.write(record).unwrap());
            writer.sync().unwrap();
            meanwhile();
            after.iter().for_each(|record| writer.write(record).unwrap());
            let said = writer.finish(&records).unwrap();
            (said.unwrap_or_default(), std::fs::read(&path).unwrap_or_default())
        };
        let (said, whole) = run(&|| {});
        assert_eq!(said, "");
        let (said, again) = run(&|| std::fs::remove_file(&path).unwrap());
        assert!(said.contains("was removed") && again == whole, "{said}");
        let cut = || File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
        let (said, again) = run(&cut);
        assert!(said.contains("was changed") && again == whole, "{said}");
        let replace = || {
            std::fs::write(root.path().join("mine"), "mine").unwrap();
            std::fs::rename(root.path().join("mine"), &path).unwrap();
        };
        let (said, mine) = run(&replace);
        assert!(said.contains("was replaced") && mine == b"mine", "{said}");
    }

    #[test]
    fn the_header_is_there_before_the_first_record_and_a_flush_shows_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("metrics.csv");
        let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
        let mut writer = MetricsWriter::create(&path).unwrap();
        assert_eq!(lines(), 1);
        writer.write(&record(0, 1.0)).unwrap();
        writer.flush().unwrap();
        assert_eq!(lines(), 2);
    }

    #[test]
    fn records_older_than_the_limit_are_flushed_by_the_next_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("metrics.csv");
        let mut writer = MetricsWriter::create(&path).unwrap();
        writer.write(&record(0, 1.0)).unwrap();
        writer.flushed = Instant::now() - FLUSH_EVERY;
        writer.write(&record(5, 0.5)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
