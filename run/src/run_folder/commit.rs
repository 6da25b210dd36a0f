//! When a run is complete. `summary.json` is written last, and names every other file with its size and its SHA-256.
//!
//! ```text
//! curves ──> weights, on the disk but not yet in the place of the checkpoint ──> PENDING ──> weights ──> summary.json
//! ```
//!
//! [`PENDING`] is the summary under another name. A process that is killed before the weights have their place leaves a
//! run that goes on from its checkpoint, one that is killed after it leaves one whose commit [`settle`] ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use memorize_data::output::{self, Staged};
use memorize_data::{digest, small};
use memorize_train::checkpoint;
use serde::{Deserialize, Serialize};

use super::read::{LONGEST_TEXT, summary_of};
use super::{
    CAPACITY_CSV, CAPACITY_PNG, CAPACITY_SVG, CHECKPOINT, CONFIG, CURVE_PNG, CURVE_SVG, FolderError, METRICS,
    RunFolder, SUMMARY, StopReason, Summary, lock, remove_leftovers,
};
use crate::units::thousands;

/// The summary of a run whose files are getting their names.
const PENDING: &str = ".memorize-summary.json";

/// What a summary speaks for.
const NAMED: [&str; 8] = [CONFIG, METRICS, CHECKPOINT, CURVE_SVG, CURVE_PNG, CAPACITY_CSV, CAPACITY_SVG, CAPACITY_PNG];

/// A file as the run left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl Written {
    fn of(path: &Path) -> io::Result<Self> {
        digest::of_file(path).map(|(bytes, sha256)| Self { bytes, sha256 })
    }
}

/// How closely the files of a run are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Whether they are there, and as long as they were.
    Sizes,
    /// Every byte.
    Contents,
}

/// State of a run that has a summary.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The summary.
    pub summary: Summary,
    /// What is not as the summary says, a line each, beginning with the file's name.
    pub differences: Vec<String>,
}

impl Completion {
    /// Whether the run has come to its end and its weights and settings are those that it ended with. Curves and
    /// records may have been taken away since.
    pub fn is_complete(&self) -> bool {
        let essential = |difference: &String| [CHECKPOINT, CONFIG].iter().any(|name| difference.starts_with(name));
        self.summary.stopped != StopReason::Interrupted && !self.differences.iter().any(essential)
    }
}

/// Whether a run is complete, for every command that asks.
///
/// # Errors
/// If there is no summary, or it cannot be read.
pub fn completion(folder: &Path, depth: Depth) -> io::Result<Completion> {
    let summary = summary_of(folder)?;
    let differences = if summary.files.is_empty() {
        of_earlier_version(folder, &summary)
    } else {
        summary.files.iter().filter_map(|(name, was)| difference(folder, name, was, depth)).collect()
    };
    Ok(Completion { summary, differences })
}

/// How a file differs from what the summary says.
fn difference(folder: &Path, name: &str, was: &Written, depth: Depth) -> Option<String> {
    // Names in a summary that are no files of a run are not looked for.
    let name = NAMED.into_iter().find(|known| *known == name)?;
    let path = folder.join(name);
    let found = small::open_regular(&path).and_then(|file| Ok(file.metadata()?.len())).and_then(|bytes| {
        // A file of another length is not read: it may have no end.
        let read = depth == Depth::Contents && bytes == was.bytes;
        Ok((bytes, if read { Some(digest::of_file(&path)?.1) } else { None }))
    });
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("{name}: it is gone")),
        Err(error) => Some(format!("{name}: {error}")),
        Ok((bytes, _)) if bytes != was.bytes => Some(format!(
            "{name}: it has {} bytes, and had {} when the run ended",
            thousands(bytes),
            thousands(was.bytes)
        )),
        Ok((_, Some(sha256))) if sha256 != was.sha256 => {
            Some(format!("{name}: it has other contents than when the run ended"))
        }
        Ok(_) => None,
    }
}

/// A summary that names no files was written before the final weights, which had no state for the optimiser to go on
/// from.
fn of_earlier_version(folder: &Path, summary: &Summary) -> Vec<String> {
    match checkpoint::has_state(&folder.join(CHECKPOINT)) {
        Ok(true) if summary.stopped != StopReason::Interrupted => {
            vec![format!("{CHECKPOINT}: the final weights are missing, it is of the middle of the run")]
        }
        Ok(_) => Vec::new(),
        Err(error) => vec![format!("{CHECKPOINT}: {error}")],
    }
}

impl RunFolder {
    /// The last step of a run: its weights, if they are not there already, and then the summary, which from then on
    /// speaks for all files. Returns the summary as it is written.
    ///
    /// # Errors
    /// [`FolderError::Write`]; the run can then go on, or its commit is ended by [`settle`].
    pub fn commit(&self, summary: Summary, weights: Option<Staged>) -> Result<Summary, FolderError> {
        if !self.writes() {
            return Ok(summary);
        }
        let summary = Summary { files: self.files(weights.as_ref())?, ..summary };
        self.commit_text(&summary.to_json(), weights)?;
        Ok(summary)
    }

    /// Every file that a summary speaks for, as it is, or, for weights that are not yet in their place, as it will be.
    ///
    /// # Errors
    /// [`FolderError::Write`] if one cannot be read.
    pub fn files(&self, weights: Option<&Staged>) -> Result<BTreeMap<String, Written>, FolderError> {
        let failed = |name: &str, source| FolderError::Write { path: self.file(name), source };
        let mut files = BTreeMap::new();
        for name in NAMED {
            match Written::of(&self.file(name)) {
                Ok(written) => drop(files.insert(name.to_owned(), written)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(name, error)),
            }
        }
        if let Some((bytes, sha256)) =
            weights.map(Staged::digest).transpose().map_err(|error| failed(CHECKPOINT, error))?.flatten()
        {
            files.insert(CHECKPOINT.to_owned(), Written { bytes, sha256 });
        }
        Ok(files)
    }

    /// Writes the text of a summary after everything that it speaks for.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn commit_text(&self, text: &str, weights: Option<Staged>) -> Result<(), FolderError> {
        let failed = |name: &str, source| FolderError::Write { path: self.file(name), source };
        let write = |file: &mut io::BufWriter<&fs::File>| file.write_all(text.as_bytes());
        // What a full disk can prevent comes first.
        let staged = output::stage(&self.file(SUMMARY), write).map_err(|error| failed(SUMMARY, error))?;
        if let Some(weights) = weights {
            output::write_atomically(&self.file(PENDING), write).map_err(|error| failed(SUMMARY, error))?;
            weights.commit().map_err(|error| failed(CHECKPOINT, error))?;
        }
        staged.commit().map_err(|error| failed(SUMMARY, error))?;
        // One that stays is the same as the summary.
        let _ = fs::remove_file(self.file(PENDING));
        Ok(())
    }
}

/// Ends a commit that was cut off and removes what killed processes have left, if there is anything, and no other
/// process is writing there. Returns what was done, a line each.
///
/// # Errors
/// If something cannot be read, written or removed.
pub fn tidy(folder: &Path) -> Result<Vec<String>, FolderError> {
    if !fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| output::is_temporary(&entry.file_name()))))
    {
        return Ok(Vec::new());
    }
    let _lock = lock(folder)?;
    settle(folder).map_err(|source| FolderError::Unusable { path: folder.to_owned(), source })?;
    remove_leftovers(folder)
}

/// Ends the commit of a process that was killed in the middle of it, if all the files that its summary speaks for have
/// their places. The caller has the folder's lock.
///
/// # Errors
/// If a file cannot be read or written.
pub fn settle(folder: &Path) -> io::Result<()> {
    let pending = folder.join(PENDING);
    let text = match small::read(&pending, LONGEST_TEXT) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        // Half of something.
        Err(_) => return fs::remove_file(&pending),
    };
    let is_so = |(name, was): (&String, &Written)| difference(folder, name, was, Depth::Contents).is_none();
    if serde_json::from_slice::<Summary>(&text)
        .is_ok_and(|summary| !summary.files.is_empty() && summary.files.iter().all(is_so))
    {
        output::write_atomically(&folder.join(SUMMARY), |file| file.write_all(&text))?;
    }
    fs::remove_file(&pending)
}

#[cfg(test)]
mod tests {
    use super::super::Existing;
    use super::*;

    fn run() -> (tempfile::TempDir, RunFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(root.path(), Existing::Refuse, [], None).unwrap();
        folder.write(CONFIG, b"[run]\n").unwrap();
        folder.write(METRICS, b"iteration\n").unwrap();
        folder.write(CHECKPOINT, b"state").unwrap();
        (root, folder)
    }

    fn weights(folder: &RunFolder) -> Staged {
        output::stage(&folder.file(CHECKPOINT), |file| file.write_all(b"final")).unwrap()
    }

    #[test]
    fn a_summary_names_the_files_as_they_are_in_the_end() {
        let (root, folder) = run();
        folder.commit(Summary::example(), Some(weights(&folder))).unwrap();
        let found = completion(root.path(), Depth::Contents).unwrap();
        assert!(found.is_complete() && found.differences.is_empty(), "{:?}", found.differences);
        assert_eq!(found.summary.files[CHECKPOINT].sha256, digest::sha256(b"final"));
        assert!(!root.path().join(PENDING).exists());

        fs::write(root.path().join(CHECKPOINT), "FINAL").unwrap();
        assert!(completion(root.path(), Depth::Sizes).unwrap().is_complete());
        let found = completion(root.path(), Depth::Contents).unwrap();
        assert!(!found.is_complete() && found.differences[0].contains("other contents"), "{:?}", found.differences);
        fs::remove_file(root.path().join(CHECKPOINT)).unwrap();
        assert!(!completion(root.path(), Depth::Sizes).unwrap().is_complete());
        fs::write(root.path().join(CHECKPOINT), "final").unwrap();
        fs::write(root.path().join(METRICS), "").unwrap();
        let found = completion(root.path(), Depth::Sizes).unwrap();
        assert!(found.is_complete() && found.differences.len() == 1, "{:?}", found.differences);
    }

    #[test]
    fn a_commit_that_was_cut_off_is_ended_or_undone() {
        // Before the weights had their place: the run goes on.
        let (root, folder) = run();
        let pending = |folder: &RunFolder, weights: &Staged| {
            let files = folder.files(Some(weights)).unwrap();
            let text = Summary { files, ..Summary::example() }.to_json();
            folder.write(PENDING, text.as_bytes()).unwrap();
        };
        let staged = weights(&folder);
        pending(&folder, &staged);
        settle(root.path()).unwrap();
        assert!(!root.path().join(SUMMARY).exists() && !root.path().join(PENDING).exists());
        assert_eq!(fs::read(root.path().join(CHECKPOINT)).unwrap(), b"state");
        // After it.
        pending(&folder, &staged);
        staged.commit().unwrap();
        settle(root.path()).unwrap();
        assert!(completion(root.path(), Depth::Contents).unwrap().is_complete());
        // What is no summary is none.
        fs::remove_file(root.path().join(SUMMARY)).unwrap();
        folder.write(PENDING, b"{").unwrap();
        settle(root.path()).unwrap();
        assert!(!root.path().join(SUMMARY).exists() && !root.path().join(PENDING).exists());
    }
}
