//! Locks: one process at a time writes a folder or a file.
//!
//! A lock is a file beside what is written, held by the system for as long as its process lives. It is never renamed
//! over, and only its holder removes it, so that whoever has locked the file that the path leads to is the only one.

use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::place::is_at;
use crate::digest::sha256;
use crate::shown::Shown;

/// The name of a folder's lock, and how those of files begin.
pub(super) const LOCK: &str = ".memorize-lock";

/// Longest description of a holder, in bytes.
const LONGEST: u64 = 1024;

/// Digits of the digest of a file's name in the name of its lock.
const NAME_DIGITS: usize = 16;

/// How often one who waits looks again.
const AGAIN: Duration = Duration::from_millis(20);

/// The right to write to a folder or a file, until it is dropped.
#[derive(Debug)]
#[must_use = "another process may take it once it is dropped"]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

/// Why there is no lock to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{0} is writing there")]
    Held(Holder),
    /// It cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Who has a lock, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    text: String,
}

impl Holder {
    fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { String::new() } else { format!(" on {}", host.trim()) };
        let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
        let command: Vec<String> = std::iter::once("memorize".to_owned()).chain(arguments).collect();
        let mut text = format!("process {}{host} (", std::process::id());
        let rest = LONGEST as usize - text.len().min(LONGEST as usize) - 8;
        let command = command.join(" ");
        text.extend(command.chars().scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes < rest).then_some(c)
        }));
        text.push(')');
        Self { text }
    }

    /// Whether it is this process that has the lock.
    pub(super) fn is_this_process(&self) -> bool {
        *self == Self::this_process()
    }

    fn in_file(file: &mut File) -> Self {
        let mut text = Vec::new();
        let _ = file.rewind().and_then(|()| file.take(LONGEST).read_to_end(&mut text));
        Self { text: String::from_utf8_lossy(&text).into_owned() }
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // It has the lock, but has not yet said who it is.
        if self.text.is_empty() { f.write_str("another process") } else { self.text.shown().fmt(f) }
    }
}

impl Lock {
    /// Takes a folder's lock; the folder must be there.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it, [`LockError::Io`] if no file can be made in the folder.
    ///
    /// ```
    /// use memorize_data::output::{Lock, LockError};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let lock = Lock::of_folder(folder.path()).unwrap();
    /// assert!(matches!(Lock::of_folder(folder.path()), Err(LockError::Held(_))));
    /// drop(lock);
    /// assert!(Lock::of_folder(folder.path()).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of_folder(folder: &Path) -> Result<Self, LockError> {
        Self::take(folder.join(LOCK))
    }

    /// Takes the lock of a file, which need not be there; its folder must be.
    ///
    /// # Errors
    /// As [`of_folder`](Self::of_folder).
    pub(super) fn of_file(path: &Path) -> Result<Self, LockError> {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        Self::take(super::folder_of(path).join(format!("{LOCK}-{}", &sha256(name)[..NAME_DIGITS])))
    }

    /// Who holds a folder's lock, if another process does.
    ///
    /// ```
    /// use memorize_data::output::Lock;
    ///
    /// let folder = tempfile::tempdir()?;
    /// assert!(Lock::holder(folder.path()).is_none());
    /// let lock = Lock::of_folder(folder.path()).unwrap();
    /// assert!(Lock::holder(folder.path()).is_some());
    /// # drop(lock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn holder(folder: &Path) -> Option<Holder> {
        let path = folder.join(LOCK);
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return None;
        }
        let mut file = File::open(path).ok()?;
        // A shared lock is enough to find out, and hinders nobody who does the same.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| Holder::in_file(&mut file))
    }

    /// The same, of one who has not ended after so long.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use memorize_data::output::Lock;
    ///
    /// let folder = tempfile::tempdir()?;
    /// // Nobody holds it: there is nothing to wait for.
    /// assert!(Lock::holder_after(folder.path(), Duration::from_secs(60)).is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn holder_after(folder: &Path, patience: Duration) -> Option<Holder> {
        let begun = Instant::now();
        loop {
            match Self::holder(folder) {
                Some(_) if begun.elapsed() < patience => sleep(AGAIN),
                other => return other,
            }
        }
    }

    fn take(path: PathBuf) -> Result<Self, LockError> {
        loop {
            if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
                return Err(io::Error::other(format!("{} is no regular file", path.shown())).into());
            }
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            // File systems without locks have none that hinder.
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                if is_at(&file, &path) {
                    return Err(LockError::Held(Holder::in_file(&mut file)));
                }
                continue;
            }
            // The one before may have removed it between its being opened and locked.
            if is_at(&file, &path) {
                let said = Holder::this_process().text;
                // Who it is is a courtesy: on a full disk the lock holds all the same.
                let _ = file.set_len(0).and_then(|()| file.write_all(said.as_bytes()));
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before it is given back: who takes it afterwards sees that it is no longer there, and makes another.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a file of this name is a lock.
pub(super) fn is_lock(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(LOCK.as_bytes())
}

/// Removes a lock that nobody holds: its process was killed.
pub(super) fn remove_if_left(path: PathBuf) {
    drop(Lock::take(path));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_at_a_time_has_it_and_says_who_it_is() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Lock::holder(root.path()), None);
        let lock = Lock::of_folder(root.path()).unwrap();
        let Err(LockError::Held(holder)) = Lock::of_folder(root.path()) else { panic!("two have it") };
        assert!(holder.to_string().starts_with(&format!("process {}", std::process::id())), "{holder}");
        assert_eq!(Lock::holder(root.path()), Some(holder));
        // Another folder's, and a file's in the same.
        let file = Lock::of_file(&root.path().join("x")).unwrap();
        assert!(matches!(Lock::of_file(&root.path().join("x")), Err(LockError::Held(_))));
        drop((lock, file));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "a lock is left behind");
        drop(Lock::of_folder(root.path()).unwrap());
    }

    #[test]
    fn what_a_killed_process_has_left_hinders_nobody() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(LOCK), "process 1 on nowhere ()").unwrap();
        assert_eq!(Lock::holder(root.path()), None);
        drop(Lock::of_folder(root.path()).unwrap());
        assert!(!root.path().join(LOCK).exists());
    }

    #[test]
    fn many_who_come_and_go_never_have_it_together() {
        let root = tempfile::tempdir().unwrap();
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Ok(lock) = Lock::of_folder(root.path()) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }

    #[test]
    fn one_who_waits_sees_the_other_end() {
        let root = tempfile::tempdir().unwrap();
        let lock = Lock::of_folder(root.path()).unwrap();
        assert!(Lock::holder_after(root.path(), Duration::ZERO).is_some());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::holder_after(root.path(), Duration::from_secs(60)));
            drop(lock);
            assert_eq!(waiting.join().unwrap(), None);
        });
    }

    #[test]
    fn a_pipe_in_its_place_is_no_lock() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(LOCK)).unwrap();
        assert!(matches!(Lock::of_folder(root.path()), Err(LockError::Io(_))));
        assert_eq!(Lock::holder(root.path()), None);
    }
}
