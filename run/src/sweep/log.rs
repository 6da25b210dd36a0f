//! What a run of a sweep that failed has said: a file beside its folder, unless somebody else's file has that name.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use memorize_data::{output, small};

/// How every log begins.
const MARK: &str = "memorize sweep: what ";

/// Longest end of what a run has said that is kept, in bytes.
const LONGEST: u64 = 1 << 20;

/// Where what a run says may go.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// Beside the run's folder.
    pub fn beside(folder: &Path) -> Self {
        let mut path = folder.as_os_str().to_owned();
        path.push(".log");
        Self { path: path.into() }
    }

    /// The file, if there is one, and a sweep has left it.
    pub fn path(&self) -> Option<&Path> {
        let begins = || {
            let mut begin = Vec::new();
            let file = small::open_regular(&self.path).ok()?;
            file.take(MARK.len() as u64).read_to_end(&mut begin).ok()?;
            Some(begin == MARK.as_bytes())
        };
        let plain = fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.is_file());
        (plain && begins() == Some(true)).then_some(&*self.path)
    }

    /// A file without a name, on the same disk, for a run to write to.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn open(&self) -> io::Result<File> {
        tempfile::tempfile_in(self.path.parent().unwrap_or(Path::new(".")))
    }

    /// Removes what an earlier sweep has left here.
    pub fn remove(&self) {
        if let Some(path) = self.path() {
            let _ = fs::remove_file(path);
        }
    }

    /// Leaves what the run has said. The file is a courtesy: a disk that is full is no second error, and a file of
    /// somebody else stays.
    pub fn keep(&self, said: &str) {
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        if self.path().is_some() || fs::symlink_metadata(&self.path).is_err() {
            let _ = output::write_atomically(&self.path, |file| write!(file, "{MARK}{name} said\n\n{said}"));
        }
    }
}

/// The end of what was written to a file.
pub fn said(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let from = file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(LONGEST));
    let _ = file.seek(io::SeekFrom::Start(from)).and_then(|_| file.take(LONGEST).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_replaces_an_earlier_one_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let log = Log::beside(&root.path().join("seed=1"));
        let path = root.path().join("seed=1.log");
        assert_eq!(log.path(), None);
        for said in ["error: one\n", "error: two\n"] {
            log.keep(said);
            assert_eq!(fs::read_to_string(log.path().unwrap()).unwrap(), format!("{MARK}seed=1 said\n\n{said}"));
        }
        log.remove();
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        log.keep("error: three\n");
        log.remove();
        assert_eq!((log.path(), fs::read_to_string(&path).unwrap().as_str()), (None, "mine"));
        #[cfg(unix)]
        {
            // What a link leads to is not ours to write, whatever it begins with.
            fs::write(root.path().join("target"), MARK).unwrap();
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("target", &path).unwrap();
            log.keep("error: four\n");
            assert_eq!(fs::read_to_string(root.path().join("target")).unwrap(), MARK);
        }
    }

    #[test]
    fn the_end_of_a_long_story_is_what_counts() {
        let root = tempfile::tempdir().unwrap();
        let mut file = Log::beside(&root.path().join("run")).open().unwrap();
        file.write_all(&vec![b'x'; LONGEST as usize]).unwrap();
        file.write_all(b"error: the end").unwrap();
        let said = said(&mut file);
        assert!(said.len() as u64 == LONGEST && said.ends_with("error: the end"));
    }
}
