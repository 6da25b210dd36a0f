//! Files that are written: one rule for all of them.
//!
//! * A link is followed: what it points to is written, and the link stays.
//! * A regular file is replaced as a whole. It is written under a temporary name in its folder, synced and renamed, and
//!   keeps the permissions, and as far as the system lets it the owner, of the file that it replaces.
//! * What is no regular file (a device, a pipe, the standard output by any of its names) is written through, and stays
//!   what it is.
//! * A file that a person names is an [`Output`]: its place is looked at before the work, nothing is replaced unasked,
//!   an input is never replaced, and folders that are missing are made.
//! * Whoever writes a folder or a named file holds its [`Lock`] from before the first byte to after the last; a second
//!   process is told who does, and writes nothing.
//! * Errors name the path that was given, never a temporary one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::NamedTempFile;

mod leftovers;
mod lock;
mod place;

use crate::digest;
use crate::shown::Shown;
pub use leftovers::remove_leftovers;
pub use lock::{Holder, Lock, LockError};
use place::Place;
pub use place::{is_at, is_one_file, stdout_is_taken};

/// How the names of temporary files begin. A process that is killed while it writes leaves one behind.
pub const TEMPORARY: &str = ".memorize-";

/// Whether a file of this name is a temporary one, or a lock.
///
/// ```
/// use memorize_data::output::is_temporary;
///
/// assert!(is_temporary(".memorize-a1b2c3".as_ref()) && !is_temporary("weights.safetensors".as_ref()));
/// ```
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Why nothing can, or may, be written to a path. `path` is the one that was given.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is a file, and nobody said that it may be replaced.
    #[error("{} already exists", path.shown())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// It is, or can only be, a folder.
    #[error("{} is a folder, not a file", path.shown())]
    Folder {
        /// The path.
        path: PathBuf,
    },
    /// It is one of the files that are read.
    #[error("{} is one of the inputs, {}, and would be replaced by the result", path.shown(), input.shown())]
    Input {
        /// The path.
        path: PathBuf,
        /// The input, as it was given.
        input: PathBuf,
    },
    /// Two results have the same place.
    #[error("{} and {} are the same file, and each result needs its own", path.shown(), other.shown())]
    Twice {
        /// The path.
        path: PathBuf,
        /// The other one.
        other: PathBuf,
    },
    /// Another process is writing it.
    #[error("{holder} is writing {}", path.shown())]
    Busy {
        /// The path.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// It could not be written if it came to that.
    #[error("cannot write {}: {source}; {}", path.shown(), advice(source))]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write {}: {source}; {}", path.shown(), advice(source))]
    Write {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Advice about a file that could not be written.
///
/// ```
/// use std::io::{Error, ErrorKind};
///
/// let advice = memorize_data::output::advice(&Error::from(ErrorKind::StorageFull));
/// assert_eq!(advice, "make space on its disk, or write somewhere else");
/// ```
pub fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind::*;
    match error.kind() {
        StorageFull | QuotaExceeded => "make space on its disk, or write somewhere else",
        FileTooLarge => "raise the limit on the size of files (ulimit -f), or write somewhere else",
        NotFound => "its folder is gone, or was never there: make it, or write somewhere else",
        NotADirectory => "a part of the path is a file where a folder is needed; choose another place",
        PermissionDenied | ReadOnlyFilesystem => "choose a place that you may write to",
        IsADirectory => "name a file, not a folder",
        AlreadyExists => "another process has made it in the meantime; choose another name",
        TimedOut => "start what reads it first, or choose another place",
        BrokenPipe => "whoever reads it has stopped to read",
        _ => "check the path, its permissions and the space on its disk",
    }
}

/// Writes a file as a whole: whoever opens `path` finds the old file or the new one, also after a crash or when two
/// processes write it at once. A file that is there is replaced.
///
/// # Errors
/// If any step fails; the old file, if there is one, is then untouched.
///
/// ```
/// use std::io::{Error, Write};
///
/// use memorize_data::output::write_atomically;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("result");
/// write_atomically(&path, |out| out.write_all(b"first"))?;
/// // A write that fails leaves what was there.
/// assert!(write_atomically(&path, |_| Err(Error::other("on purpose"))).is_err());
/// assert_eq!(std::fs::read(&path)?, b"first");
/// # Ok::<(), Error>(())
/// ```
pub fn write_atomically(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    stage(path, fill)?.commit()
}

/// The first half of [`write_atomically`]: everything that a full disk can prevent. A file that is not regular is
/// written now.
///
/// # Errors
/// If any step fails; no file is then left.
///
/// ```
/// use std::io::Write;
///
/// use memorize_data::output::stage;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("result");
/// let staged = stage(&path, |out| out.write_all(b"text"))?;
/// assert!(!path.exists());
/// staged.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"text");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn stage(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<Staged> {
    stage_at(path, true, fill)
}

fn stage_at(
    path: &Path,
    replace: bool,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<Staged> {
    let target = match place::of(path)? {
        Place::File(target) => target,
        through => {
            let file = through.open()?;
            let mut writer = BufWriter::new(&file);
            fill(&mut writer)?;
            writer.flush()?;
            return Ok(Staged(None));
        }
    };
    let temporary = temporary_in(folder_of(&target))?;
    let mut writer = BufWriter::new(temporary.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    place::keep_owner_and_mode(&target, temporary.as_file());
    temporary.as_file().sync_all()?;
    Ok(Staged(Some(Waiting { target, temporary, replace })))
}

/// A file that is on disk, but not yet under its name. It is removed again unless it is committed.
#[derive(Debug)]
#[must_use = "the file has its name only once it is committed"]
pub struct Staged(Option<Waiting>);

#[derive(Debug)]
struct Waiting {
    target: PathBuf,
    temporary: NamedTempFile,
    replace: bool,
}

impl Staged {
    /// Bytes and SHA-256 of the file; `None` of what was no regular file.
    ///
    /// # Errors
    /// If it cannot be read.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use memorize_data::digest::sha256;
    /// use memorize_data::output::stage;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let staged = stage(&folder.path().join("result"), |out| out.write_all(b"text"))?;
    /// assert_eq!(staged.digest()?, Some((4, sha256(b"text"))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn digest(&self) -> io::Result<Option<(u64, String)>> {
        self.0.as_ref().map(|waiting| digest::of_file(waiting.temporary.path())).transpose()
    }

    /// Renames the file to the name that it was written for.
    ///
    /// # Errors
    /// If the system refuses; the old file, if there is one, is then untouched.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use memorize_data::output::stage;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("result");
    /// // What is not committed is gone.
    /// drop(stage(&path, |out| out.write_all(b"text"))?);
    /// assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    /// stage(&path, |out| out.write_all(b"text"))?.commit()?;
    /// assert!(path.is_file());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn commit(self) -> io::Result<()> {
        let Some(Waiting { target, temporary, replace }) = self.0 else { return Ok(()) };
        let renamed = if replace { temporary.persist(&target) } else { rename_to_free(temporary, &target) };
        renamed.map_err(|error| error.error)?;
        // The rename itself is on disk once the folder is; not every file system lets a folder be synced.
        #[cfg(unix)]
        let _ = File::open(folder_of(&target)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// Renames a file to a name that was free, and must be so still.
fn rename_to_free(temporary: NamedTempFile, target: &Path) -> Result<File, tempfile::PersistError> {
    match temporary.persist_noclobber(target) {
        // A file system that cannot do both in one step.
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists && !target.exists() => {
            error.file.persist(target)
        }
        other => other,
    }
}

/// A file that a person has named for a result. No other process writes it as long as it is there.
#[derive(Clone, Debug)]
pub struct Output {
    path: PathBuf,
    overwrite: bool,
    /// Taken at once where the folder is there already, else with the folder.
    lock: Arc<Mutex<Option<Lock>>>,
}

impl Output {
    /// Looks at the place before there is anything to write, and changes nothing. `inputs` are the files that the
    /// result is made of.
    ///
    /// # Errors
    /// [`OutputError`]: there is a file and `overwrite` does not say that it may be replaced, or it is an input; the
    /// path names a folder; the folder cannot be written to, or cannot be made.
    ///
    /// ```
    /// use memorize_data::{Output, OutputError};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let input = folder.path().join("x.npy");
    /// std::fs::write(&input, "numbers").unwrap();
    /// let onto = |overwrite, inputs: &[_]| Output::new(&input, overwrite, inputs.iter().copied()).err();
    /// assert!(matches!(onto(false, &[]), Some(OutputError::Exists { .. })));
    /// assert!(matches!(onto(true, &[&*input]), Some(OutputError::Input { .. })));
    /// assert!(onto(true, &[]).is_none());
    /// ```
    pub fn new<'a>(
        path: &Path,
        overwrite: bool,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, OutputError> {
        let given = || path.to_owned();
        let unwritable = |source: io::Error| match source.kind() {
            io::ErrorKind::IsADirectory => OutputError::Folder { path: given() },
            _ => OutputError::Unwritable { path: given(), source },
        };
        let place = place::of(path).map_err(unwritable)?;
        let is_read = |input: &&Path| matches!(place, Place::File(_)) && is_one_file(input, path);
        if let Some(input) = inputs.into_iter().find(is_read) {
            return Err(OutputError::Input { path: given(), input: input.to_owned() });
        }
        if place.holds_something() && !overwrite {
            return Err(OutputError::Exists { path: given() });
        }
        match &place {
            Place::File(target) => check_folder(folder_of(target)),
            through => through.check(),
        }
        .map_err(unwritable)?;
        let output = Self { path: given(), overwrite, lock: Arc::default() };
        match &place {
            Place::File(target) if folder_of(target).is_dir() => output.lock(target)?,
            _ => {}
        }
        // The one before may have ended between the look and the lock.
        if !overwrite && place.holds_something() {
            return Err(OutputError::Exists { path: given() });
        }
        Ok(output)
    }

    /// Keeps other processes away.
    fn lock(&self, target: &Path) -> Result<(), OutputError> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(());
        }
        match Lock::of_file(target) {
            Ok(lock) => {
                *held = Some(lock);
                leftovers::remove_files(folder_of(target));
            }
            // A result of this process that has the same name: [`differs_from`](Self::differs_from) says so.
            Err(LockError::Held(holder)) if holder.is_this_process() => {}
            Err(LockError::Held(holder)) => return Err(OutputError::Busy { path: self.path.clone(), holder }),
            Err(LockError::Io(source)) => return Err(OutputError::Unwritable { path: self.path.clone(), source }),
        }
        Ok(())
    }

    /// The path that was given.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use memorize_data::Output;
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("result");
    /// assert_eq!(Output::new(&path, false, [])?.path(), path);
    /// # Ok::<(), memorize_data::OutputError>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that two results do not have one place.
    ///
    /// # Errors
    /// [`OutputError::Twice`].
    ///
    /// ```
    /// use memorize_data::{Output, OutputError};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let output = |name| Output::new(&folder.path().join(name), false, []);
    /// let (one, other) = (output("a")?, output("b")?);
    /// assert!(one.differs_from(&other).is_ok());
    /// assert!(matches!(one.differs_from(&output("a")?), Err(OutputError::Twice { .. })));
    /// # Ok::<(), OutputError>(())
    /// ```
    pub fn differs_from(&self, other: &Self) -> Result<(), OutputError> {
        match (place::of(&self.path), place::of(&other.path)) {
            (Ok(Place::File(one)), Ok(Place::File(two))) if place::is_one_place(&one, &two) => {
                Err(OutputError::Twice { path: self.path.clone(), other: other.path.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Writes everything that a full disk can prevent, into folders that are made if they are missing.
    ///
    /// # Errors
    /// If any step fails, or another process has begun to write it; no file is then left.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use memorize_data::Output;
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("new/result");
    /// let staged = Output::new(&path, false, []).unwrap().stage(|out| out.write_all(b"text"))?;
    /// assert!(!path.exists());
    /// staged.commit()?;
    /// assert_eq!(std::fs::read(&path)?, b"text");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stage(&self, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<Staged> {
        self.make_folders()?;
        stage_at(&self.path, self.overwrite, fill)
    }

    /// Writes the file as a whole.
    ///
    /// # Errors
    /// [`OutputError::Write`]; the old file, if there is one, is then untouched.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use memorize_data::Output;
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("new/result");
    /// Output::new(&path, false, [])?.write(|out| out.write_all(b"text"))?;
    /// assert_eq!(std::fs::read(&path).unwrap(), b"text");
    /// # Ok::<(), memorize_data::OutputError>(())
    /// ```
    pub fn write(&self, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<(), OutputError> {
        self.stage(fill).and_then(Staged::commit).map_err(|source| self.failed(source))
    }

    /// The error of a write that failed.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    ///
    /// use memorize_data::Output;
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let output = Output::new(&folder.path().join("result"), false, [])?;
    /// let text = output.failed(Error::from(ErrorKind::StorageFull)).to_string();
    /// assert!(text.starts_with("cannot write ") && text.contains("make space"));
    /// # Ok::<(), memorize_data::OutputError>(())
    /// ```
    pub fn failed(&self, source: io::Error) -> OutputError {
        OutputError::Write { path: self.path.clone(), source }
    }

    fn make_folders(&self) -> io::Result<()> {
        match place::of(&self.path)? {
            Place::File(target) => {
                fs::create_dir_all(folder_of(&target))?;
                self.lock(&target).map_err(io::Error::other)
            }
            _ => Ok(()),
        }
    }
}

/// Makes sure, without leaving anything, that files can be made in a folder, or that it can itself be made, with its
/// parents.
///
/// # Errors
/// Why not.
///
/// ```
/// use memorize_data::output::check_folder;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("file"), "text")?;
/// assert!(check_folder(&folder.path().join("new/one")).is_ok() && !folder.path().join("new").exists());
/// assert!(check_folder(&folder.path().join("file/in")).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let here = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let there = folder.ancestors().map(here).find(|path| fs::symlink_metadata(path).is_ok());
    let there = there.unwrap_or_else(|| ".".into());
    if !fs::metadata(&there)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    temporary_in(&there).map(drop)
}

/// An empty file in a folder, held so that [`remove_leftovers`] of another process leaves it alone. The library puts
/// its path around the system's error, which says nothing to whoever named another one.
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    loop {
        let mut refused = None;
        let made = tempfile::Builder::new().prefix(TEMPORARY).make_in(folder, |path| {
            // As the umask says: this one is to become an ordinary file.
            options.open(path).inspect_err(|error| refused = error.raw_os_error())
        });
        let made = made.map_err(|error| refused.map_or(error, io::Error::from_raw_os_error))?;
        if leftovers::hold(made.as_file())? {
            return Ok(made);
        }
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
