//! Event files for TensorBoard: the loss, the step size and the speed of a run, record by record.
//!
//! A file is a row of records, each `length: u64, masked CRC-32C of the length: u32, data, masked CRC-32C of the data:
//! u32`, little-endian, and the data of each is a protocol buffer `Event` (`tensorflow/core/lib/io/record_writer.h`,
//! `tensorflow/core/util/event.proto`). The messages below have the fields of those that are written here.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use memorize_data::{Shown, output, small};
use memorize_run::error::{Error, WithHint};
use memorize_run::run_folder::{FLUSH_EVERY, Record};
use prost::{Message, Oneof};

/// What every file begins with.
const VERSION: &str = "brain.Event:2";

/// CRC-32C, of which CRC-32/ISCSI is another name.
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// Zero is a value, too: the field is there whatever it holds.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct SessionLog {
    /// 1: a session starts, and what an earlier one said of this step and later ones does not count.
    #[prost(int32, tag = "1")]
    status: i32,
}

const START: i32 = 1;

/// The tag of what every record has.
pub const LOSS: &str = "train/loss";

/// The folder with the events of a run.
fn folder_of(folder: &Path, run: &Path) -> PathBuf {
    // `.` and `..` have no name of their own.
    let named = fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    folder.join(named.file_name().unwrap_or("run".as_ref()))
}

fn cannot_write(folder: &Path, source: io::Error) -> Error {
    let wrong = anyhow::Error::new(source).context(format!("cannot write events to {}", folder.shown()));
    Error::BadInput(wrong.hint("choose a folder that you may write to with --tensorboard DIR"))
}

/// Writes the events of one process of a run.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    out: BufWriter<File>,
    flushed: Instant,
    /// Whether a step has been written.
    started: bool,
}

impl EventFile {
    /// Begins a file in `folder/<name of the run's folder>`, beside those of earlier processes of the run.
    ///
    /// # Errors
    /// Bad input if it cannot be written there.
    pub fn create(folder: &Path, run: &Path) -> Result<Self, Error> {
        let folder = folder_of(folder, run);
        let begin = || -> io::Result<Self> {
            fs::create_dir_all(&folder)?;
            let (path, file) = new_file(&folder)?;
            let mut events = Self { path, out: BufWriter::new(file), flushed: Instant::now(), started: false };
            events.write(now(), 0, What::FileVersion(VERSION.to_owned()))?;
            events.flush()?;
            Ok(events)
        };
        begin().map_err(|source| cannot_write(&folder, source))
    }

    /// Makes sure that [`create`](Self::create) could, and changes nothing.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn check(folder: &Path, run: &Path) -> Result<(), Error> {
        let folder = folder_of(folder, run);
        output::check_folder(&folder).map_err(|source| cannot_write(&folder, source))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes numbers of a step. Those of an earlier process that came to this step or further count no longer.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> io::Result<()> {
        self.scalars_at(now(), step, values)
    }

    fn scalars_at(&mut self, time: f64, step: u64, values: &[(&str, f64)]) -> io::Result<()> {
        if !self.started {
            self.started = true;
            self.write(time, step, What::SessionLog(SessionLog { status: START }))?;
        }
        let value = values.iter().map(|&(tag, value)| Value { tag: tag.to_owned(), simple_value: Some(value as f32) });
        self.write(time, step, What::Summary(Summary { value: value.collect() }))?;
        if self.flushed.elapsed() >= FLUSH_EVERY { self.flush() } else { Ok(()) }
    }

    /// Writes what files of earlier processes of the run do not have of its records: all of them, or those after the
    /// last that a killed process has left.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn catch_up(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(latest) = records.last() else { return Ok(()) };
        let there = last_step(&self.path)?;
        let (now, trained) = (now(), latest.seconds);
        for record in records.iter().filter(|record| there.is_none_or(|there| record.iteration > there)) {
            let step_size = Some(("train/learning_rate", record.learning_rate)).filter(|(_, size)| *size > 0.0);
            let known = [Some((LOSS, record.loss)), Some(("train/epoch", record.epoch)), step_size];
            let values: Vec<_> = known.into_iter().flatten().collect();
            self.scalars_at(now - (trained - record.seconds), record.iteration, &values)?;
        }
        self.flush()
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.out.get_ref().sync_data()
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.out.flush()
    }

    fn write(&mut self, wall_time: f64, step: u64, what: What) -> io::Result<()> {
        let event = Event { wall_time, step: i64::try_from(step).unwrap_or(i64::MAX), what: Some(what) };
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        self.out.write_all(&length)?;
        self.out.write_all(&masked(&length).to_le_bytes())?;
        self.out.write_all(&data)?;
        self.out.write_all(&masked(&data).to_le_bytes())
    }
}

/// The last step whose loss is in the files beside this one, as whoever reads them in the order of their names sees it.
fn last_step(own: &Path) -> io::Result<Option<u64>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(own.parent().unwrap_or(Path::new(".")))? {
        let path = entry?.path();
        if path != own && path.file_name().is_some_and(|name| name.to_string_lossy().contains("tfevents")) {
            files.push(path);
        }
    }
    files.sort();
    let mut last = None;
    for file in files {
        let mut reader = BufReader::new(small::open_regular(&file)?);
        // A process that was killed leaves a part of a record.
        while let Some(event) = next_event(&mut reader) {
            let step = u64::try_from(event.step).unwrap_or(0);
            match event.what {
                Some(What::SessionLog(SessionLog { status: START })) => {
                    last = step.checked_sub(1).and_then(|before| last.map(|last: u64| last.min(before)));
                }
                Some(What::Summary(summary)) if summary.value.iter().any(|value| value.tag == LOSS) => {
                    last = last.max(Some(step));
                }
                _ => {}
            }
        }
    }
    Ok(last)
}

/// The next event of a file, if it is there whole.
fn next_event(file: &mut impl Read) -> Option<Event> {
    let mut head = [0; 12];
    file.read_exact(&mut head).ok()?;
    let (length, checksum) = head.split_at(8);
    if checksum != masked(length).to_le_bytes() {
        return None;
    }
    let length = u64::from_le_bytes(length.try_into().ok()?);
    let mut data = Vec::new();
    file.take(length).read_to_end(&mut data).ok()?;
    let mut checksum = [0; 4];
    file.read_exact(&mut checksum).ok()?;
    (checksum == masked(&data).to_le_bytes()).then(|| Event::decode(&data[..]).ok())?
}

/// A file that no other process writes. TensorBoard takes those with `tfevents` in their names, and reads them in the
/// order of them.
fn new_file(folder: &Path) -> io::Result<(PathBuf, File)> {
    let (seconds, process) = (now() as u64, process::id());
    let mut again = 0;
    loop {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.memorize.{process}.{again}"));
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => again += 1,
            file => return file.map(|file| (path, file)),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The checksum, rotated and shifted, so that the checksum of data that holds checksums is no worse.
fn masked(data: &[u8]) -> u32 {
    CHECKSUM.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of every record; the checksums must be right.
    fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            assert_eq!(head[8..], masked(&head[..8]).to_le_bytes());
            let (data, rest) = rest.split_at(length);
            assert_eq!(rest[..4], masked(data).to_le_bytes());
            found.push(data);
            bytes = &rest[4..];
        }
        found
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        // The check value of CRC-32C, and its mask by hand.
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xe306_9283);
        assert_eq!(masked(b"123456789"), 0x2507_c60du32.wrapping_add(0xa282_ead8));

        let value = Value { tag: "a".to_owned(), simple_value: Some(0.0) };
        let event = Event { wall_time: 1.0, step: 3, what: Some(What::Summary(Summary { value: vec![value] })) };
        let wall_time = [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
        let step = [0x10, 3];
        let summary = [0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0, 0];
        assert_eq!(event.encode_to_vec(), [&wall_time[..], &step, &summary].concat());
    }

    #[test]
    fn a_file_has_its_version_a_start_and_the_steps() {
        let root = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(root.path(), Path::new("runs/a")).unwrap();
        events.scalars(7, &[("loss", 0.25), ("rate", 1e-3)]).unwrap();
        events.scalars(8, &[("loss", f64::NAN)]).unwrap();
        events.flush().unwrap();
        assert!(events.path().starts_with(root.path().join("a")), "{:?}", events.path());

        let bytes = fs::read(events.path()).unwrap();
        let found: Vec<Event> = records(&bytes).into_iter().map(|data| Event::decode(data).unwrap()).collect();
        assert_eq!(found[0].what, Some(What::FileVersion(VERSION.to_owned())));
        assert_eq!((found[1].step, &found[1].what), (7, &Some(What::SessionLog(SessionLog { status: START }))));
        let Some(What::Summary(summary)) = &found[2].what else { panic!("{found:?}") };
        let values: Vec<_> = summary.value.iter().map(|value| (value.tag.as_str(), value.simple_value)).collect();
        assert_eq!((found[2].step, values), (7, vec![("loss", Some(0.25)), ("rate", Some(1e-3))]));
        assert_eq!((found.len(), found[3].step), (4, 8), "{found:?}");
    }

    fn record(iteration: u64) -> Record {
        let loss = iteration as f64;
        Record { iteration, epoch: 0.5, loss, smoothed_loss: loss, learning_rate: 0.1, seconds: loss }
    }

    /// The steps that are left when the files are read in order and what a later one starts again is dropped.
    fn steps(folder: &Path) -> Vec<u64> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut steps = Vec::new();
        for file in files {
            let mut reader = BufReader::new(File::open(file).unwrap());
            while let Some(event) = next_event(&mut reader) {
                let step = event.step as u64;
                match event.what {
                    Some(What::SessionLog(_)) => steps.retain(|known| *known < step),
                    Some(What::Summary(_)) => steps.push(step),
                    _ => {}
                }
            }
        }
        steps
    }

    #[test]
    fn what_a_killed_process_has_not_written_is_filled_in() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a");
        let records: Vec<Record> = (0..20).map(|i| record(5 * i)).collect();
        let mut first = EventFile::create(root.path(), Path::new("a")).unwrap();
        first.catch_up(&[]).unwrap();
        records[..12].iter().for_each(|record| first.scalars(record.iteration, &[(LOSS, 1.0)]).unwrap());
        first.flush().unwrap();
        // Killed in the middle of a record.
        let length = fs::metadata(first.path()).unwrap().len();
        File::options().write(true).open(first.path()).unwrap().set_len(length - 3).unwrap();
        assert_eq!(last_step(&folder.join("own")).unwrap(), Some(50));
        let mut second = EventFile::create(root.path(), Path::new("a")).unwrap();
        second.catch_up(&records).unwrap();
        second.scalars(100, &[(LOSS, 1.0)]).unwrap();
        second.flush().unwrap();
        let all: Vec<u64> = (0..=20).map(|i| 5 * i).collect();
        assert_eq!(steps(&folder), all);
        // One that was further than its checkpoint: what comes again replaces it, and nothing is filled in.
        let mut third = EventFile::create(root.path(), Path::new("a")).unwrap();
        third.catch_up(&records[..10]).unwrap();
        third.scalars(50, &[(LOSS, 1.0)]).unwrap();
        third.flush().unwrap();
        assert_eq!(steps(&folder), all[..11]);
        assert_eq!(last_step(&folder.join("own")).unwrap(), Some(50));
        // A run that had no such file before.
        let mut late = EventFile::create(root.path(), Path::new("b")).unwrap();
        late.catch_up(&records).unwrap();
        assert_eq!(steps(&root.path().join("b")), all[..20]);
    }

    #[test]
    fn every_process_has_a_file_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let paths: Vec<_> =
            (0..3).map(|_| EventFile::create(root.path(), Path::new("a")).unwrap().path().to_owned()).collect();
        assert!(paths[0] < paths[1] && paths[1] < paths[2], "{paths:?}");
        assert!(EventFile::create(&paths[0], Path::new("a")).is_err(), "a file is no folder");
    }
}
