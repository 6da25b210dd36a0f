//! What killed processes have left half-written.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::is_temporary;
use super::lock::{is_lock, remove_if_left};

/// Holds a new temporary file for as long as it is open; `false` if it was taken for a leftover before that, and is gone.
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

/// Removes the temporary files, and folders, of processes that were killed while they wrote in a folder, and says how many. What a process
/// holds that lives stays. The caller has the folder's [`Lock`](super::Lock).
///
/// # Errors
/// If the folder cannot be read, or one of them cannot be removed.
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

fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Lock, TEMPORARY, stage, temporary_in};
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
}
