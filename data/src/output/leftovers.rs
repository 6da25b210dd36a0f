//! Half-written files of killed processes.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::lock::{is_lock, remove_if_left};
use super::{TEMPORARY, is_temporary};

/// Holds a new temporary file for as long as it is open; `false` if it was taken for a leftover before that, and is
/// gone.
pub(super) fn hold(file: &File) -> io::Result<bool> {
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Ok(false);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(file.metadata()?.nlink() > 0)
    }
    #[cfg(not(unix))]
    Ok(true)
}

/// Removes the temporary files, and folders, of processes that were killed while they wrote in a folder, and says how
/// many. Files that a living process holds stay. The caller has the folder's [`Lock`](super::Lock).
///
/// # Errors
/// If the folder cannot be read, or one of them cannot be removed.
///
/// ```
/// use memorize_data::output::remove_leftovers;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join(".memorize-a1b2c3"), "half of a file")?;
/// std::fs::write(folder.path().join("result"), "whole")?;
/// assert_eq!(remove_leftovers(folder.path())?, 1);
/// assert!(folder.path().join("result").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn remove_leftovers(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path, kind) = (entry.file_name(), entry.path(), entry.file_type()?);
        if !is_temporary(&name) {
            continue;
        }
        let gone = if kind.is_dir() {
            fs::remove_dir_all(&path)
        } else if is_lock(&name) {
            remove_if_left(path);
            continue;
        } else if kind.is_file() && is_held(&path) {
            continue;
        } else {
            fs::remove_file(&path)
        };
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => removed += 1,
        }
    }
    Ok(removed)
}

/// Removes the temporary files of processes that were killed while they wrote in a folder where the caller has but one
/// file to write: those that nobody holds, and nothing else that begins as they do. Files that cannot be removed stay.
pub(super) fn remove_files(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_named_at_random(&entry.file_name()) && is_file() && !is_held(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is one that the library for temporary files makes up.
fn is_named_at_random(name: &OsStr) -> bool {
    let random = name.as_encoded_bytes().strip_prefix(TEMPORARY.as_bytes());
    random.is_some_and(|random| random.len() == 6 && random.iter().all(u8::is_ascii_alphanumeric))
}

fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Lock, stage, temporary_in};
    use super::*;

    #[test]
    fn leftovers_go_and_what_is_being_written_stays() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let lock = Lock::of_folder(root.path()).unwrap();
        fs::write(at(&format!("{TEMPORARY}abc")), "half").unwrap();
        fs::write(at(".memorize-lock-0123456789abcdef"), "process 1").unwrap();
        fs::create_dir(at(&format!("{TEMPORARY}configs"))).unwrap();
        fs::write(at(&format!("{TEMPORARY}configs")).join("a.toml"), "").unwrap();
        fs::write(at("thesis.tex"), "mine").unwrap();
        let staged = stage(&at("result"), |file| file.write_all(b"whole")).unwrap();
        let empty = temporary_in(root.path()).unwrap();
        assert_eq!(remove_leftovers(root.path()).unwrap(), 2);
        drop(empty);
        staged.commit().unwrap();
        drop(lock);
        let mut left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["result", "thesis.tex"]);
        assert_eq!(fs::read(at("result")).unwrap(), b"whole");
    }

    #[test]
    fn beside_a_single_file_no_more_goes_than_what_is_surely_left() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let kept = [".memorize-summary.json", ".memorize-lock-0123456789abcdef", ".memorize-a", "thesis.tex"];
        kept.iter().for_each(|name| fs::write(at(name), "mine").unwrap());
        fs::create_dir(at(".memorize-folder")).unwrap();
        fs::write(at(".memorize-aB3xyZ"), "half").unwrap();
        let living = temporary_in(root.path()).unwrap();
        remove_files(root.path());
        assert!(living.path().exists() && at(".memorize-folder").is_dir() && !at(".memorize-aB3xyZ").exists());
        assert!(kept.iter().all(|name| at(name).exists()));
    }
}
