//! The folder that a run leaves behind.
//!
//! Every file except the growing `metrics.csv` is written whole: to a temporary file in the same folder, flushed to the
//! disk, then renamed. Whoever looks at the folder sees the old file or the new one, never half of one. One process at
//! a time writes there: it holds the folder's lock from before the first byte until `summary.json`, the last file,
//! names the digests of the others.

mod commit;
mod error;
mod failure;
mod metrics;
mod read;
mod summary;
mod theory;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memorize_data::output::{self, Lock, LockError};
use memorize_data::{Shown, small};

use crate::layer::{LONGEST, Layer};
pub use commit::{Completion, Depth, Written, completion, settle, tidy};
pub use error::FolderError;
pub use failure::{Failure, record_failure};
pub use metrics::{FLUSH_EVERY, MetricsError, MetricsWriter, Record, SMOOTHING, Smoother};
pub use read::config_of;
pub use summary::{StopReason, Summary};
pub use theory::TheorySummary;

/// The configuration, enough to repeat the run.
pub const CONFIG: &str = "config.toml";
/// One row a record of the loss.
pub const METRICS: &str = "metrics.csv";
/// What came out.
pub const SUMMARY: &str = "summary.json";
/// Why the run failed; absent = it has not.
pub const FAILURE: &str = "failed.json";
/// The training curve as vector graphics.
pub const CURVE_SVG: &str = "curve.svg";
/// The training curve as an image.
pub const CURVE_PNG: &str = "curve.png";
/// The weights.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// One row a training set and optimiser: what `memorize capacity` leaves instead of `metrics.csv`.
pub const CAPACITY_CSV: &str = "capacity.csv";
/// Its loss against the number of samples, as vector graphics.
pub const CAPACITY_SVG: &str = "capacity.svg";
/// The same as an image.
pub const CAPACITY_PNG: &str = "capacity.png";

/// What a sweep leaves above its runs: one row a run.
pub const SWEEP_CSV: &str = "sweep.csv";

/// Everything that a run writes; the only files that overwriting removes, in this order.
const OURS: [&str; 10] =
    [SUMMARY, FAILURE, CHECKPOINT, METRICS, CURVE_SVG, CURVE_PNG, CAPACITY_CSV, CAPACITY_SVG, CAPACITY_PNG, CONFIG];

/// What to do with the results of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave them alone and refuse to run.
    Refuse,
    /// Remove them. Files that no run writes stay.
    Replace,
    /// Remove all but the configuration, which says what is done again.
    Again,
}

impl Existing {
    /// The choice that the flag `--overwrite` makes.
    pub fn from_flag(overwrite: bool) -> Self {
        if overwrite { Self::Replace } else { Self::Refuse }
    }
}

/// A run's folder, created and known to be writable.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held by the one of all ranks that writes.
    lock: Option<Arc<Lock>>,
    /// What is to be told.
    notes: Vec<String>,
}

impl RunFolder {
    /// Checks what [`RunFolder::create`] would do, and changes nothing: so that `reproduce all` finds out that its last
    /// folder is taken before its first experiment runs. `inputs` are the files that are read.
    ///
    /// # Errors
    /// [`FolderError::Busy`], [`FolderError::NotEmpty`], [`FolderError::Input`] and their like.
    pub fn check<'a>(
        path: &Path,
        existing: Existing,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<(), FolderError> {
        if let Some(holder) = Lock::holder(path) {
            return Err(FolderError::Busy { path: path.to_owned(), holder });
        }
        check_contents(path, existing, inputs)
    }

    /// Creates the folder, with its parents, and makes sure that files can be written to it, by writing one without a
    /// name. Its lock, unless it is `held` already, is taken before anything in it is looked at, and held until the
    /// last clone of this is dropped.
    ///
    /// # Errors
    /// If there is something there already (see [`Existing`]), or the folder cannot be created or written to, or
    /// another process is writing there.
    pub fn create<'a>(
        path: &Path,
        existing: Existing,
        inputs: impl IntoIterator<Item = &'a Path> + Clone,
        held: Option<Lock>,
    ) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        if held.is_none() {
            Self::check(path, existing, inputs.clone())?;
            fs::create_dir_all(path).map_err(unusable)?;
        }
        let lock = match held {
            Some(held) => held,
            None => lock(path)?,
        };
        check_contents(path, existing, inputs)?;
        let notes = remove_leftovers(path)?;
        // The summary goes first: without it nobody takes the rest for a whole run.
        for name in OURS {
            if existing == Existing::Again && name == CONFIG {
                continue;
            }
            remove(&path.join(name)).map_err(unusable)?;
        }
        Ok(Self { path: path.to_owned(), lock: Some(Arc::new(lock)), notes })
    }

    /// The folder of a run that is going on. What is no longer so (how the part before ended) and what a killed process
    /// has left half-written is removed.
    ///
    /// # Errors
    /// [`FolderError::Unusable`].
    pub fn reopen(path: &Path, held: Lock) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        check_files(path)?;
        output::check_folder(path).map_err(unusable)?;
        let notes = remove_leftovers(path)?;
        for name in [SUMMARY, FAILURE] {
            remove(&path.join(name)).map_err(unusable)?;
        }
        Ok(Self { path: path.to_owned(), lock: Some(Arc::new(held)), notes })
    }

    /// The folder of a run as a rank sees it that does not write: what is written to it is written by another one.
    pub fn of_another_rank(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None, notes: Vec::new() }
    }

    /// Whether this process writes.
    pub fn writes(&self) -> bool {
        self.lock.is_some()
    }

    /// Notes on the state of the folder, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a whole file into the folder, atomically.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), FolderError> {
        if self.writes() { write_atomically(&self.file(name), contents) } else { Ok(()) }
    }

    /// Starts `metrics.csv`.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn metrics(&self) -> Result<MetricsWriter, FolderError> {
        MetricsWriter::create(&self.file(METRICS))
    }
}

/// Takes the lock of a folder that is there.
///
/// # Errors
/// [`FolderError::Busy`] if another process is writing there, [`FolderError::Unusable`] if nothing can be written
/// there.
pub fn lock(path: &Path) -> Result<Lock, FolderError> {
    Lock::of_folder(path).map_err(|error| match error {
        LockError::Held(holder) => FolderError::Busy { path: path.to_owned(), holder },
        LockError::Io(source) => FolderError::Unusable { path: path.to_owned(), source },
    })
}

/// Whether there is nothing in a folder that somebody put there: what a process has left that was killed before its
/// first file does not count.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_empty(folder: &Path) -> io::Result<bool> {
    let mut entries = fs::read_dir(folder)?;
    Ok(entries.all(|entry| entry.is_ok_and(|entry| output::is_temporary(&entry.file_name()))))
}

fn check_contents<'a>(
    path: &Path,
    existing: Existing,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), FolderError> {
    let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
    match is_empty(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory && path.exists() => {
            return Err(FolderError::NotAFolder { path: path.to_owned() });
        }
        Err(error) => return Err(unusable(error)),
        Ok(true) => {}
        Ok(false) if existing == Existing::Refuse => return Err(FolderError::NotEmpty { path: path.to_owned() }),
        Ok(false) => {
            check_files(path)?;
            check_inputs(path, inputs)?;
            check_config(path)?;
        }
    }
    output::check_folder(path).map_err(unusable)
}

/// Refuses to replace what is read.
fn check_inputs<'a>(folder: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), FolderError> {
    let is_ours = |input: &&Path| OURS.iter().any(|name| output::is_one_file(input, &folder.join(name)));
    match inputs.into_iter().find(is_ours) {
        Some(input) => Err(FolderError::Input { path: input.to_owned() }),
        None => Ok(()),
    }
}

/// Refuses to replace the configuration of another program, and what lies beside it.
fn check_config(folder: &Path) -> Result<(), FolderError> {
    let path = folder.join(CONFIG);
    let foreign = |why: String| Err(FolderError::Foreign { path: path.clone(), why });
    match small::read_text(&path, LONGEST as u64) {
        Ok(text) => Layer::from_toml(&text).map(drop).or_else(|error| foreign(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => foreign(error.to_string()),
    }
}

/// Removes what killed processes have left, and says so.
pub fn remove_leftovers(folder: &Path) -> Result<Vec<String>, FolderError> {
    let unusable = |source| FolderError::Unusable { path: folder.to_owned(), source };
    Ok(match output::remove_leftovers(folder).map_err(unusable)? {
        0 => Vec::new(),
        count => {
            let files = if count == 1 { "a temporary file".to_owned() } else { format!("{count} temporary files") };
            vec![format!("removed {files} of a process that was killed, from {}", folder.shown())]
        }
    })
}

/// Refuses what a run cannot leave its files in the place of: a folder, a device, a pipe.
fn check_files(folder: &Path) -> Result<(), FolderError> {
    let special = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    match OURS.iter().map(|name| folder.join(name)).find(special) {
        Some(path) => Err(FolderError::Special { path }),
        None => Ok(()),
    }
}

/// Removes a file if it is there. A link stays, for the next file of that name; what it leads to is removed.
fn remove(path: &Path) -> io::Result<()> {
    let end = fs::canonicalize(path);
    match end.and_then(fs::remove_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a whole file so that at every moment either the old contents are there or the new ones.
///
/// # Errors
/// [`FolderError::Write`] if any step fails; the old file is then untouched.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), FolderError> {
    output::write_atomically(path, |file| file.write_all(contents))
        .map_err(|source| FolderError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_new_folder_is_created_with_its_parents() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/run");
        let folder = RunFolder::create(&path, Existing::Refuse, [], None).unwrap();
        folder.write(CONFIG, b"x = 1\n").unwrap();
        assert_eq!(fs::read(path.join(CONFIG)).unwrap(), b"x = 1\n");
        assert!(matches!(RunFolder::check(&path, Existing::Replace, []), Err(FolderError::Busy { .. })));
        drop(folder);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "a temporary file or a lock is left behind");
    }

    #[test]
    fn what_a_killed_process_left_before_its_first_file_is_nothing() {
        let root = tempfile::tempdir().unwrap();
        for name in [".memorize-lock", ".memorize-AbCdEf"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let folder = RunFolder::create(root.path(), Existing::Refuse, [], None).unwrap();
        assert!(folder.notes()[0].starts_with("removed a temporary file"), "{:?}", folder.notes());
        drop(folder);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn inputs_and_the_files_of_others_are_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at(CONFIG), "[run]\nseed = 1\n").unwrap();
        fs::write(at("job.toml"), "").unwrap();
        let create = |input: &str| RunFolder::create(root.path(), Existing::Replace, [at(input).as_path()], None);
        assert!(matches!(create(CONFIG).unwrap_err(), FolderError::Input { .. }));
        for foreign in ["[build]\njobs = 2\n", "\u{0}"] {
            fs::write(at(CONFIG), foreign).unwrap();
            let error = create("job.toml").unwrap_err();
            assert!(matches!(error, FolderError::Foreign { .. }), "{error}");
            assert_eq!((fs::read_to_string(at(CONFIG)).unwrap().as_str(), Error::from(error).code()), (foreign, 2));
        }
        fs::write(at(CONFIG), "").unwrap();
        assert!(create("job.toml").is_ok() && !at(CONFIG).exists());
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(METRICS), "precious").unwrap();
        let error = RunFolder::create(root.path(), Existing::Refuse, [], None).unwrap_err();
        assert!(matches!(error, FolderError::NotEmpty { .. }));
        assert_eq!(fs::read_to_string(root.path().join(METRICS)).unwrap(), "precious");
        let mut shown = Vec::new();
        let error = Error::from(error);
        error.print(&mut shown, &|_| true).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(error.code(), 2);
        assert!(shown.contains("--out") && shown.contains("--overwrite"), "{shown}");
    }

    #[test]
    fn overwriting_removes_results_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(SUMMARY), "old").unwrap();
        fs::write(root.path().join("thesis.tex"), "mine").unwrap();
        RunFolder::create(root.path(), Existing::Replace, [], None).unwrap();
        assert!(!root.path().join(SUMMARY).exists());
        assert_eq!(fs::read_to_string(root.path().join("thesis.tex")).unwrap(), "mine");
    }

    #[test]
    fn an_empty_folder_is_used_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        assert!(RunFolder::create(root.path(), Existing::Refuse, [], None).is_ok());
    }

    #[test]
    fn a_file_in_the_way_is_bad_input() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunFolder::create(&file, Existing::Replace, [], None).unwrap_err();
        assert!(matches!(error, FolderError::NotAFolder { .. }), "{error:?}");
        let error = RunFolder::create(&file.join("run"), Existing::Refuse, [], None).unwrap_err();
        assert!(matches!(error, FolderError::Unusable { .. }), "{error:?}");
        assert_eq!(Error::from(error).code(), 2);
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_the_old_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("summary.json");
        write_atomically(&path, b"long old contents").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let missing = root.path().join("gone/summary.json");
        let error = write_atomically(&missing, b"x").unwrap_err();
        assert!(error.to_string().contains("summary.json"));
        assert_eq!(Error::from(error).code(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn results_are_not_private_to_their_owner() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let (ours, plain) = (root.path().join("ours"), root.path().join("plain"));
        write_atomically(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
