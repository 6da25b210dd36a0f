//! What is found in a folder that a run has left: by another version, another machine, an interrupted run, or not by a
//! run at all. Whatever can be read is read; the rest is reported.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use memorize_data::{Shown, small};
use memorize_run::config::RunConfig;
use memorize_run::error::{Error, WithHint};
use memorize_run::nearest;
use memorize_run::run_folder::{
    CAPACITY_CSV, CONFIG, Completion, Depth, Failure, METRICS, Record, SUMMARY, SWEEP_CSV, Summary, completion,
    config_of,
};
use memorize_run::units::{shortened, thousands};

use crate::trace::{Trace, Tracer};

/// A row of `metrics.csv` that is longer than this is none.
const LONGEST_ROW: u64 = 1 << 12;

/// Longest name that is shown, in characters; those of sweeps are no longer.
const LONGEST_NAME: usize = 200;

/// A run as its folder tells of it.
#[derive(Clone, Debug)]
pub struct FoundRun {
    /// The folder.
    pub folder: PathBuf,
    /// The run's name, from its summary, else its configuration, else the folder's.
    pub name: String,
    /// What it was asked to do; absent = unreadable.
    pub config: Option<RunConfig>,
    /// What came out; absent = not finished, or unreadable.
    pub summary: Option<Summary>,
    /// Why it failed; absent = it has not, or was killed before it could say so.
    pub failure: Option<Failure>,
    /// Its curve; absent = without records, or unreadable.
    pub trace: Option<Trace>,
    /// What is wrong with the folder.
    pub problems: Vec<String>,
}

/// A folder in which there is nothing of a run.
#[derive(Debug, thiserror::Error)]
pub enum NoRun {
    /// There is no such folder.
    #[error("{} is not a folder", path.shown())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// It has a sweep's table, and the runs below.
    #[error("{path} is the folder of a sweep; name its runs: {path}/*", path = path.shown())]
    Sweep {
        /// The folder.
        path: PathBuf,
    },
    /// It has what `memorize capacity` leaves.
    #[error("{} is the folder of `memorize capacity`, which trains many networks and leaves no run", path.shown())]
    Capacity {
        /// The folder.
        path: PathBuf,
    },
    /// It has neither a summary nor a curve.
    #[error("{} has nothing of a run: {}", path.shown(), problems.join("; "))]
    Nothing {
        /// The folder.
        path: PathBuf,
        /// Why, file by file.
        problems: Vec<String>,
    },
}

impl From<NoRun> for Error {
    fn from(error: NoRun) -> Self {
        const OTHERWISE: &str = "name folders that `memorize train` or `reproduce` have left, such as runs/*";
        match &error {
            NoRun::NotAFolder { path } if !path.exists() => {
                let meant = nearest::path(path);
                Self::missing(error, meant, Some(OTHERWISE))
            }
            _ => Self::BadInput(error.hint(OTHERWISE)),
        }
    }
}

impl FoundRun {
    /// Looks at a folder.
    ///
    /// # Errors
    /// If there is no summary and no curve in it. Everything less is noted in [`FoundRun::problems`].
    pub fn read(folder: &Path) -> Result<Self, NoRun> {
        if !folder.is_dir() {
            return Err(NoRun::NotAFolder { path: folder.to_owned() });
        }
        let mut problems = Vec::new();
        let mut note = |file: &str, problem: &dyn std::fmt::Display| problems.push(format!("{file}: {problem}"));
        let failure = Failure::read(folder);
        let summary = match completion(folder, Depth::Sizes) {
            // A run that failed has none.
            Err(problem) if failure.is_none() || problem.kind() != io::ErrorKind::NotFound => {
                note(SUMMARY, &problem);
                None
            }
            found => found.ok().map(|Completion { summary, differences }| {
                problems.extend(differences);
                summary
            }),
        };
        let mut note = |file: &str, problem: &dyn std::fmt::Display| problems.push(format!("{file}: {problem}"));
        let config = config_of(folder).map_err(|problem| note(CONFIG, &problem)).ok();
        let trace = match read_trace(folder) {
            Ok((trace, noted)) => {
                noted.iter().for_each(|problem| note(METRICS, problem));
                (trace.records > 0).then_some(trace)
            }
            Err(problem) => {
                note(METRICS, &problem);
                None
            }
        };
        if summary.is_none() && trace.is_none() && failure.is_none() {
            if folder.join(CAPACITY_CSV).is_file() {
                return Err(NoRun::Capacity { path: folder.to_owned() });
            }
            if folder.join(SWEEP_CSV).is_file() {
                return Err(NoRun::Sweep { path: folder.to_owned() });
            }
            return Err(NoRun::Nothing { path: folder.to_owned(), problems });
        }
        let own = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = summary.as_ref().map(|summary| summary.name.clone());
        let name = name.or_else(|| config.as_ref().map(|config| config.run.name.clone())).or_else(own);
        let name = name.unwrap_or_else(|| folder.shown().to_string());
        // A name is printed: it must not move the cursor or begin a line.
        let name = shortened(&name.shown().to_string(), LONGEST_NAME).into_owned();
        Ok(Self { folder: folder.to_owned(), name, config, summary, failure, trace, problems })
    }
}

/// Adds the folder to the name of each run that another one of them has: tables and legends tell runs apart by their
/// names.
pub fn distinguish(runs: &mut [FoundRun]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for run in runs {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = format!("{} ({})", run.name, run.folder.shown());
        }
    }
}

/// A curve, and what is wrong with it. Memory is bounded however long the file is.
fn read_trace(folder: &Path) -> io::Result<(Trace, Vec<String>)> {
    let mut reader = BufReader::new(small::open_regular(&folder.join(METRICS))?);
    let mut row = Vec::new();
    let mut cut_short = !next_row(&mut reader, &mut row)?;
    let columns = Columns::of(&row).map_err(io::Error::other)?;
    let mut tracer = Tracer::default();
    let (mut last, mut unreadable) = (None, 0_u64);
    while !cut_short {
        cut_short = !next_row(&mut reader, &mut row)?;
        if row.is_empty() {
            break;
        }
        match columns.record(&row).filter(|record| last.is_none_or(|last| last <= record.iteration)) {
            Some(record) => {
                last = Some(record.iteration);
                tracer.push(&record);
            }
            None if row.trim_ascii().is_empty() => {}
            None => unreadable += 1,
        }
    }
    let trace = tracer.finish();
    let counted = |count: u64, noun: &str| format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" });
    let mut problems = Vec::new();
    if cut_short {
        problems.push(format!("a line of more than {LONGEST_ROW} bytes; it and what comes after it are left out"));
    }
    if unreadable > 0 {
        problems.push(format!("{} cut off, unreadable or out of order, left out", counted(unreadable, "row")));
    }
    if trace.off_scale > 0 {
        let records = counted(trace.off_scale, "record");
        problems.push(format!("{records} not above 0 or not finite, not drawn on the log scale"));
    }
    if trace.records == 0 {
        problems.push("no records".to_owned());
    }
    Ok((trace, problems))
}

/// Reads a row, with its end; none = the file's end. `false` = it is longer than rows are, and no more of it was read.
fn next_row(reader: &mut impl BufRead, row: &mut Vec<u8>) -> io::Result<bool> {
    row.clear();
    reader.take(LONGEST_ROW).read_until(b'\n', row)?;
    Ok((row.len() as u64) < LONGEST_ROW)
}

/// The cells of a row. Numbers and the names of columns are never in quotes.
fn cells(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.trim_ascii_end().split(|&byte| byte == b',')
}

/// Where the columns are.
struct Columns {
    all: usize,
    iteration: usize,
    epoch: usize,
    loss: usize,
    smoothed_loss: usize,
    learning_rate: usize,
    seconds: usize,
}

impl Columns {
    fn of(header: &[u8]) -> Result<Self, String> {
        let place = |name: &str| {
            let found = cells(header).position(|cell| cell == name.as_bytes());
            found.ok_or_else(|| format!("no column `{name}`"))
        };
        Ok(Self {
            all: cells(header).count(),
            iteration: place("iteration")?,
            epoch: place("epoch")?,
            loss: place("loss")?,
            smoothed_loss: place("smoothed_loss")?,
            learning_rate: place("learning_rate")?,
            seconds: place("seconds")?,
        })
    }

    /// A row, unless it is cut off or something else.
    fn record(&self, row: &[u8]) -> Option<Record> {
        fn parsed<T: std::str::FromStr>(cells: &[&[u8]], column: usize) -> Option<T> {
            std::str::from_utf8(cells[column]).ok()?.parse().ok()
        }
        let row: Vec<&[u8]> = cells(row).collect();
        if row.len() != self.all {
            return None;
        }
        Some(Record {
            iteration: parsed(&row, self.iteration)?,
            epoch: parsed(&row, self.epoch)?,
            loss: parsed(&row, self.loss)?,
            smoothed_loss: parsed(&row, self.smoothed_loss)?,
            learning_rate: parsed(&row, self.learning_rate)?,
            seconds: parsed(&row, self.seconds)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memorize_run::experiments::{Experiment, Scale};
    use memorize_run::run_folder::{Existing, RunFolder, lock, record_failure};

    const HEADER: &str = "iteration,epoch,loss,smoothed_loss,learning_rate,seconds\n";

    /// A folder with a good run in it, to spoil.
    fn folder() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(root.path(), Existing::Refuse, [], None).unwrap();
        let config = Experiment::Mnist2LayerNoise.config(Scale::Full);
        folder.write(CONFIG, config.to_toml().unwrap().as_bytes()).unwrap();
        let rows = "0,0.0,8.0,8.0,0.003,0.0\n5,0.01,2.0,5.0,0.003,0.1\n";
        folder.write(METRICS, format!("{HEADER}{rows}").as_bytes()).unwrap();
        folder.commit(Summary::example(), None).unwrap();
        root
    }

    fn spoiled(file: &str, contents: &[u8]) -> FoundRun {
        let root = folder();
        std::fs::write(root.path().join(file), contents).unwrap();
        FoundRun::read(root.path()).unwrap()
    }

    #[test]
    fn a_run_is_read_back() {
        let root = folder();
        let run = FoundRun::read(root.path()).unwrap();
        assert_eq!(run.problems, [""; 0]);
        let files = run.summary.as_ref().unwrap().files.clone();
        assert_eq!(files.keys().collect::<Vec<_>>(), [CONFIG, METRICS]);
        assert_eq!(run.summary, Some(Summary { files, ..Summary::example() }));
        assert_eq!(run.config, Some(Experiment::Mnist2LayerNoise.config(Scale::Full)));
        assert_eq!((run.name.as_str(), run.trace.unwrap().records), ("mnist-2layer-noise", 2));
    }

    #[test]
    fn runs_with_the_same_name_are_told_apart_by_their_folders() {
        let roots = [folder(), folder()];
        let mut runs: Vec<FoundRun> = roots.iter().map(|root| FoundRun::read(root.path()).unwrap()).collect();
        let other = FoundRun { name: "other".to_owned(), ..runs[0].clone() };
        runs.push(other);
        distinguish(&mut runs);
        let named = |i: usize| format!("mnist-2layer-noise ({})", roots[i].path().display());
        let names: Vec<String> = runs.into_iter().map(|run| run.name).collect();
        assert_eq!(names, [named(0), named(1), "other".to_owned()]);
    }

    #[test]
    fn a_run_that_failed_before_its_first_record_is_one() {
        let root = folder();
        for name in [SUMMARY, METRICS] {
            std::fs::remove_file(root.path().join(name)).unwrap();
        }
        assert!(FoundRun::read(root.path()).is_err());
        let reopened = || RunFolder::reopen(root.path(), lock(root.path()).unwrap()).unwrap();
        let run = reopened();
        record_failure(&run, &Error::RunFailed(anyhow::anyhow!("the disk is full").hint("make space")));
        let found = FoundRun::read(root.path()).unwrap();
        let failure = found.failure.unwrap();
        assert_eq!((failure.error.as_str(), failure.hint.as_deref()), ("the disk is full", Some("make space")));
        assert_eq!((failure.code, found.problems.len()), (1, 1), "{:?}", found.problems);
        // It goes on, and has not failed any more.
        record_failure(&run, &Error::Interrupted);
        drop(run);
        drop(reopened());
        assert!(FoundRun::read(root.path()).is_err());
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        let summary = Summary { name: "a\u{1b}[2J\nb".to_owned(), ..Summary::example() };
        assert_eq!(spoiled(SUMMARY, summary.to_json().as_bytes()).name, "\"a\\u{1b}[2J\\nb\"");
    }

    #[test]
    fn a_spoiled_summary_or_configuration_leaves_the_rest() {
        for garbage in [&b""[..], b"{\"name\": \"x\"", b"[]", b"\xff\xfe", b"null", &[b'['; 100_000], &[b' '; 2 << 20]]
        {
            let run = spoiled(SUMMARY, garbage);
            assert!(run.summary.is_none() && run.config.is_some() && run.trace.is_some());
            assert!(run.problems[0].starts_with("summary.json: "), "{:?}", run.problems);
            let run = spoiled(CONFIG, garbage);
            assert!(run.summary.is_some() && run.config.is_none() && run.trace.is_some());
            assert!(run.problems[0].starts_with("config.toml: "), "{:?}", run.problems);
        }
    }

    #[test]
    fn rows_that_are_no_records_are_left_out_and_counted() {
        let text = format!(
            "{HEADER}0,0,1,1,0.1,0\nx,0,1,1,0.1,0\n5,0,1\n\"10,0,2,2,0.1,0\n20,0,2,2,0.1,0\n10,0,2,2,0.1,0\n25,0,NaN,inf,0.1,0\n30,0,0."
        );
        let run = spoiled(METRICS, text.as_bytes());
        let trace = run.trace.unwrap();
        assert_eq!((trace.records, trace.raw.len(), trace.last_iteration), (3, 2, 25));
        let told = |what: &str| run.problems.iter().any(|problem| problem.contains(what));
        assert!(told("5 rows cut off") && told("1 record not above 0 or not finite"), "{:?}", run.problems);
    }

    #[test]
    fn a_line_without_an_end_ends_the_curve() {
        let mut text = format!("{HEADER}0,0,1,1,0.1,0\n").into_bytes();
        text.resize(text.len() + (1 << 20), b'0');
        let run = spoiled(METRICS, &text);
        assert_eq!(run.trace.unwrap().records, 1);
        assert!(run.problems.iter().any(|problem| problem.contains("more than 4096 bytes")), "{:?}", run.problems);
    }

    #[test]
    fn a_curve_without_records_or_columns_is_none() {
        for (text, problem) in [("", "no column"), (HEADER, "no records"), ("a,b\n1,2\n", "no column `iteration`")] {
            let run = spoiled(METRICS, text.as_bytes());
            let told = run.problems.iter().any(|told| told.contains(problem));
            assert!(run.trace.is_none() && told, "{text:?}: {:?}", run.problems);
        }
    }

    #[test]
    fn a_folder_without_a_run_says_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let error = FoundRun::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("summary.json: ") && error.contains("metrics.csv: "), "{error}");
        let error = FoundRun::read(&root.path().join("gone")).unwrap_err();
        assert!(matches!(error, NoRun::NotAFolder { .. }));
        std::fs::create_dir(root.path().join(METRICS)).unwrap();
        assert!(FoundRun::read(root.path()).is_err());
    }
}
