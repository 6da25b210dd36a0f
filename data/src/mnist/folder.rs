//! Which data sets of four files are in a folder.
//!
//! The files of a data set are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
//! `t10k-labels-idx1-ubyte`, with or without `.gz`. Other names are read, too:
//!
//! * a dot before `idx`: `train-images.idx3-ubyte`;
//! * a name before them, the same for all four: `emnist-letters-train-images-idx3-ubyte`;
//! * `test` in place of `t10k`;
//! * labels of QMNIST, `qmnist-train-labels-idx2-int`: of the eight numbers of a row the first is the digit;
//! * a folder that has the name of the file in it: `train-images-idx3-ubyte/train-images-idx3-ubyte`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::source::Table;

/// Contents of the four files, in the order of the fields of [`Mnist`](super::Mnist).
const ROLES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// How the names of labels end that have more than one number a row.
const MANY_LABELS: &str = "idx2-int";

/// Numbers in a row of them.
const MANY: usize = 8;

/// Entries of a folder that are looked at.
const ENTRIES: usize = 10_000;

/// Folders two levels below that are looked into.
const FOLDERS: usize = 1000;

/// Contents of a folder.
#[derive(Debug)]
pub(super) struct Found {
    dir: PathBuf,
    /// The files of each data set, by what stands before their names.
    families: BTreeMap<String, Family>,
    /// Something that belongs to no data set.
    pub(super) other: Option<OsString>,
}

/// The files of one data set: for each, the candidates' preference and path, best first.
#[derive(Debug, Default)]
struct Family([Option<(u8, PathBuf)>; 4]);

impl Family {
    fn whole(&self) -> Option<[&Path; 4]> {
        let [a, b, c, d] = self.paths();
        Some([a?, b?, c?, d?])
    }

    fn paths(&self) -> [Option<&Path>; 4] {
        self.0.each_ref().map(|file| file.as_ref().map(|(_, path)| path.as_path()))
    }
}

/// A file's name, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    /// The part of the name before it.
    prefix: &'a str,
    role: usize,
    /// Which of several files with the same role is taken: the lowest.
    preference: u8,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (name, packed) = name.strip_suffix(".gz").map_or((name, 0), |name| (name, 2));
        for (split, test, preferred) in [("train", 0, 0), ("t10k", 2, 0), ("test", 2, 4)] {
            for (what, role, kind) in
                [("images", 0, "idx3-ubyte"), ("labels", 1, "idx1-ubyte"), ("labels", 1, MANY_LABELS)]
            {
                for (mark, dotted) in [("-", 0), (".", 1)] {
                    if let Some(prefix) = name.strip_suffix(&format!("{split}-{what}{mark}{kind}"))
                        && (prefix.is_empty() || prefix.ends_with(['-', '_', '.']))
                    {
                        return Some(Self { prefix, role: test + role, preference: preferred + packed + dotted });
                    }
                }
            }
        }
        None
    }
}

impl Found {
    /// Looks through a folder.
    ///
    /// # Errors
    /// It is not there, is no folder, or cannot be read.
    pub(super) fn in_folder(dir: &Path) -> Result<Self, DataError> {
        let open_error = |source| DataError::Open { path: dir.into(), source };
        match dir.try_exists() {
            Ok(true) => {}
            Err(error) if error.kind() != io::ErrorKind::NotADirectory => return Err(open_error(error)),
            _ => return Err(DataError::NoFolder { path: dir.into() }),
        }
        if !dir.is_dir() {
            return Err(DataError::NotAFolder { path: dir.into() });
        }
        let mut found = Self { dir: dir.into(), families: BTreeMap::new(), other: None };
        for entry in fs::read_dir(dir).map_err(open_error)?.take(ENTRIES).filter_map(Result::ok) {
            found.add(&entry);
        }
        Ok(found)
    }

    fn add(&mut self, entry: &DirEntry) {
        let name = entry.file_name();
        let known = name.to_str().and_then(Name::parse);
        let path = entry.path();
        match known {
            Some(known) if !path.is_dir() => self.take(&known, known.preference, path),
            Some(known) => {
                let inside = fs::read_dir(&path).into_iter().flatten().take(ENTRIES).filter_map(Result::ok);
                for file in inside.filter(|file| !file.path().is_dir()) {
                    let inner = file.file_name();
                    let same = inner.to_str().and_then(Name::parse);
                    if same.is_some_and(|inner| (inner.prefix, inner.role) == (known.prefix, known.role)) {
                        self.take(&known, 8 + known.preference, file.path());
                    }
                }
            }
            // Files that systems and editors leave do not show the purpose of a folder.
            None if name.to_string_lossy().starts_with('.') || name == "lost+found" => {}
            None => {
                let earlier = self.other.take().filter(|other| *other < name);
                self.other = Some(earlier.unwrap_or(name));
            }
        }
    }

    fn take(&mut self, name: &Name<'_>, preference: u8, path: PathBuf) {
        let place = &mut self.families.entry(name.prefix.to_owned()).or_default().0[name.role];
        if place.as_ref().is_none_or(|(other, _)| preference < *other) {
            *place = Some((preference, path));
        }
    }

    /// The four files of the one data set that has all of them; none if no data set has.
    ///
    /// # Errors
    /// [`DataError::SeveralSets`].
    pub(super) fn the_one(&self) -> Result<Option<[&Path; 4]>, DataError> {
        let whole: Vec<(&String, [&Path; 4])> =
            self.families.iter().filter_map(|(prefix, family)| Some((prefix, family.whole()?))).collect();
        match whole[..] {
            [] => Ok(None),
            [(_, files)] => Ok(Some(files)),
            [(_, first), ..] => Err(DataError::SeveralSets {
                path: self.dir.clone(),
                sets: whole.iter().map(|(prefix, _)| name_of(prefix)).collect(),
                first: Box::new(first.map(Path::to_path_buf)),
            }),
        }
    }

    /// Every file of a data set, whole or not.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.families.values().flat_map(Family::paths).flatten().map(Path::to_path_buf).collect()
    }

    /// The files under their official names.
    pub(super) fn official(&self) -> [Option<&Path>; 4] {
        self.families.get("").map_or([None; 4], Family::paths)
    }

    /// Says what a folder without the four files of a data set has, and where they are if that is near. A file that
    /// cannot be read is the first thing to know.
    pub(super) fn missing(&self) -> DataError {
        let most = self.families.iter().max_by_key(|(_, family)| family.paths().iter().flatten().count());
        let Some((prefix, family)) = most else {
            return DataError::NoSet { path: self.dir.clone(), below: self.below(), files: ROLES };
        };
        if let Some(error) = family.paths().into_iter().flatten().find_map(|path| Table::open(path).err()) {
            return error;
        }
        let paths = family.paths();
        let missing =
            (0..ROLES.len()).filter(|&role| paths[role].is_none()).map(|role| format!("{prefix}{}", ROLES[role]));
        DataError::IncompleteSet {
            path: self.dir.clone(),
            found: paths.into_iter().flatten().map(Path::to_path_buf).collect(),
            missing: missing.collect(),
            below: self.below(),
        }
    }

    /// Folders below that have the four files of a data set: those in this one, or where there are none, those in its
    /// folders.
    fn below(&self) -> Vec<PathBuf> {
        let whole = |path: &PathBuf| {
            Self::in_folder(path).is_ok_and(|found| found.families.values().any(|family| family.whole().is_some()))
        };
        let folders = folders_in(&self.dir);
        let near: Vec<PathBuf> = folders.iter().filter(|path| whole(path)).cloned().collect();
        if !near.is_empty() {
            return near;
        }
        folders.iter().flat_map(|folder| folders_in(folder)).take(FOLDERS).filter(whole).collect()
    }
}

/// The folders in a folder, as far as they can be seen, in the order of their names.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(ENTRIES).filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Name of a data set, by the prefix of its files.
fn name_of(prefix: &str) -> String {
    match prefix.trim_end_matches(['-', '_', '.']) {
        "" => ROLES[0].to_owned(),
        name => name.to_owned(),
    }
}

/// The labels in a file, one number a row.
pub(super) fn labels(path: &Path) -> Result<Table, DataError> {
    let table = Table::open(path)?;
    let many = path.file_name().is_some_and(|name| name.to_string_lossy().contains(MANY_LABELS));
    Ok(if many && table.row_len() == MANY { table.first_column() } else { table })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let parsed = |name| Name::parse(name).map(|Name { prefix, role, preference }| (prefix, role, preference));
        for (role, name) in ROLES.into_iter().enumerate() {
            assert_eq!(parsed(name), Some(("", role, 0)));
        }
        assert_eq!(parsed("train-images.idx3-ubyte"), Some(("", 0, 1)));
        assert_eq!(parsed("t10k-labels-idx1-ubyte.gz"), Some(("", 3, 2)));
        assert_eq!(parsed("emnist-letters-train-images-idx3-ubyte"), Some(("emnist-letters-", 0, 0)));
        assert_eq!(parsed("emnist-letters-test-labels-idx1-ubyte.gz"), Some(("emnist-letters-", 3, 6)));
        assert_eq!(parsed("qmnist-train-labels-idx2-int.gz"), Some(("qmnist-", 1, 2)));
        for other in ["", "train-images", "train-images-idx1-ubyte", "xtrain-images-idx3-ubyte", "mnist.npz", ".gz"] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
