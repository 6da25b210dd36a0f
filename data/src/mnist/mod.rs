//! MNIST, and the data sets that come in the same four files: from a folder of the user's, or from a copy that the
//! program has in it.
//!
//! * A folder that the user names (`--data-dir`, `data.dir`) is read and never written to. It has the four files of one
//!   data set, whatever they contain, as long as they fit together: plain or gzip, IDX or .npy, under the official
//!   names, with a dot (`train-images.idx3-ubyte`), or with a data set's name before them
//!   (`emnist-letters-train-images-idx3-ubyte`); see `folder.rs`. A folder without them is an error, which says where
//!   they are if they are near.
//! * Where none is named, the files are in the cache: the folder in the environment variable `MEMORIZE_DATA_DIR`, else
//!   `memorize/mnist` in the platform's cache folder. The latter is the program's own: each file is checked by size and
//!   SHA-256 whenever it is opened, and written again if it is missing or damaged. The former is filled if it is empty,
//!   new, or has some of the official files and nothing else. One with four files of its own is used as it is, one with
//!   anything else refused.
//!
//! The copy is the program's to bring: a [`Bundled`]. Without one the cache has to be filled already.

mod folder;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use flate2::read::GzDecoder;

use crate::digest::Hasher;
use crate::error::DataError;
use crate::labels::check_pair;
use crate::output::write_atomically;
use crate::source::Table;
use folder::Found;

/// The environment variable that names the folder of the MNIST files where no argument does.
pub const DATA_DIR_VARIABLE: &str = "MEMORIZE_DATA_DIR";

/// The training and the test set.
#[derive(Debug)]
pub struct Mnist {
    /// 60000 x 784 pixels (0 to 255) in the official set.
    pub train_images: Table,
    /// 60000 digits.
    pub train_labels: Table,
    /// 10000 x 784 pixels.
    pub test_images: Table,
    /// 10000 digits.
    pub test_labels: Table,
}

/// One of the four official files.
struct File {
    /// The name that it was published under, without `.gz`.
    name: &'static str,
    /// Bytes, uncompressed.
    len: usize,
    /// SHA-256 of the uncompressed file.
    sha256: &'static str,
}

/// The official files as a program may have them in it, compressed by gzip, in the order of the fields of [`Mnist`].
pub type Bundled = [&'static [u8]; 4];

/// In the order of the fields of [`Mnist`].
static FILES: [File; 4] = [
    File {
        name: "train-images-idx3-ubyte",
        len: 47_040_016,
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    File {
        name: "train-labels-idx1-ubyte",
        len: 60_008,
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    File {
        name: "t10k-images-idx3-ubyte",
        len: 7_840_016,
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    File {
        name: "t10k-labels-idx1-ubyte",
        len: 10_008,
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

impl Mnist {
    /// Opens the four files: those in the folder that is named, or the cache's, which are written there from `bundled`
    /// where they are missing; see the [module](self).
    ///
    /// # Errors
    /// The named folder has not the four files of one data set; a file is damaged or missing and there is no copy to
    /// replace it; the cache cannot be written, or holds other files; the files do not fit together: an image without a
    /// label, labels of more than one number, training and test images of different sizes, values that are not finite.
    ///
    /// ```
    /// use memorize_data::source::write_idx;
    /// use memorize_data::{ElementType, Mnist};
    ///
    /// // A data set of one's own. A program that has the official files passes them as `bundled`.
    /// let folder = tempfile::tempdir().unwrap();
    /// for (name, rows) in [("train", 2), ("t10k", 1)] {
    ///     let path = |what: &str| folder.path().join(format!("{name}-{what}-ubyte"));
    ///     write_idx(&path("images-idx3"), ElementType::U8, &[rows, 1, 2], &vec![9.0; 2 * rows])?;
    ///     write_idx(&path("labels-idx1"), ElementType::U8, &[rows], &vec![4.0; rows])?;
    /// }
    /// let mnist = Mnist::open(Some(folder.path()), None)?;
    /// assert_eq!((mnist.train_images.rows(), mnist.test_labels.value(0, 0)), (2, 4.0));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn open(named: Option<&Path>, bundled: Option<Bundled>) -> Result<Self, DataError> {
        match (named, variable()) {
            (Some(dir), _) => Self::open_named(dir),
            (None, Some(dir)) => Self::open_variable(&dir, bundled),
            (None, None) => Self::open_cache(&cache_folder()?, bundled),
        }
    }

    /// From a folder that belongs to the user, who gets what is there or is told what is missing.
    fn open_named(dir: &Path) -> Result<Self, DataError> {
        let found = Found::in_folder(dir)?;
        match found.the_one()? {
            Some(files) => Self::of_files(files),
            None => Err(found.missing()),
        }
    }

    /// From the folder that the environment names: what is there is used, what is missing is added where nothing else
    /// is.
    fn open_variable(dir: &Path, bundled: Option<Bundled>) -> Result<Self, DataError> {
        // Of a place where no folder can be, making one says why.
        if !dir.exists() {
            return Self::open_cache(dir, bundled);
        }
        let found = Found::in_folder(dir)?;
        if let Some(files) = found.the_one()? {
            return Self::of_files(files);
        }
        for (file, path) in FILES.iter().zip(found.official()) {
            if let Some(own) = path
                && !file.is_official(&Table::open(own)?)
            {
                return Err(found.missing());
            }
        }
        if let Some(other) = found.other {
            return Err(DataError::CacheInUse { path: dir.into(), other });
        }
        let table = |i: usize| match found.official()[i] {
            Some(path) => Table::open(path),
            None => FILES[i].expand_into(dir, bundled.map(|files| files[i])),
        };
        Self::checked([table(0)?, table(1)?, table(2)?, table(3)?])
    }

    /// Whatever is in these files.
    fn of_files(files: [&Path; 4]) -> Result<Self, DataError> {
        let [train_images, train_labels, test_images, test_labels] = files;
        Self::checked([
            Table::open(train_images)?,
            folder::labels(train_labels)?,
            Table::open(test_images)?,
            folder::labels(test_labels)?,
        ])
    }

    /// From the program's own folder: what is missing or not official is written again.
    fn open_cache(dir: &Path, bundled: Option<Bundled>) -> Result<Self, DataError> {
        let table = |i: usize| {
            let (file, bundled) = (&FILES[i], bundled.map(|files| files[i]));
            let path = dir.join(file.name);
            match Table::open(&path) {
                Ok(table) if file.is_official(&table) => Ok(table),
                // Without a bundled copy there is nothing better than to say what is wrong with this one.
                Ok(table) if bundled.is_none() => Err(file.checksum_error(path, table.sha256())),
                Err(error) if bundled.is_none() && path.exists() => Err(error),
                _ => file.expand_into(dir, bundled),
            }
        };
        Self::checked([table(0)?, table(1)?, table(2)?, table(3)?])
    }

    fn checked([train_images, train_labels, test_images, test_labels]: [Table; 4]) -> Result<Self, DataError> {
        check_pair(&train_images, &train_labels)?;
        check_pair(&test_images, &test_labels)?;
        if train_images.row_len() != test_images.row_len() {
            return Err(DataError::WidthMismatch {
                first: train_images.path().into(),
                first_len: train_images.row_len(),
                second: test_images.path().into(),
                second_len: test_images.row_len(),
            });
        }
        for table in [&train_images, &train_labels, &test_images, &test_labels] {
            table.check_finite()?;
        }
        Ok(Self { train_images, train_labels, test_images, test_labels })
    }
}

impl File {
    fn is_official(&self, table: &Table) -> bool {
        table.file_bytes().len() == self.len && table.sha256() == self.sha256
    }

    /// Writes the bundled copy, if there is one, to `dir` under the official name and opens it.
    ///
    /// Two processes may do this at once: each writes a file of its own and renames it, the contents are the same.
    fn expand_into(&self, dir: &Path, bundled: Option<&[u8]>) -> Result<Table, DataError> {
        let Some(compressed) = bundled else {
            return Err(DataError::MnistMissing { dir: dir.into(), file: self.name });
        };
        fs::create_dir_all(dir).map_err(|source| DataError::CreateFolder { path: dir.into(), source })?;
        let path = dir.join(self.name);
        let mut damaged = None;
        let written = write_atomically(&path, |out| {
            let found = copy_hashed(GzDecoder::new(compressed), out)?;
            if found == self.sha256 {
                return Ok(());
            }
            damaged = Some(found);
            Err(io::ErrorKind::InvalidData.into())
        });
        match (written, damaged) {
            (_, Some(found)) => Err(self.checksum_error(path, found)),
            (Err(source), None) => Err(DataError::WriteCache { path, source }),
            (Ok(()), None) => Table::open(&path),
        }
    }

    fn checksum_error(&self, path: PathBuf, found: String) -> DataError {
        DataError::Checksum { path, expected: self.sha256.into(), found }
    }
}

/// The files of data sets that are in a folder, under any of their names.
///
/// ```
/// use memorize_data::mnist::files_in;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("train-labels-idx1-ubyte"), "numbers")?;
/// std::fs::write(folder.path().join("notes.txt"), "text")?;
/// assert_eq!(files_in(folder.path()), [folder.path().join("train-labels-idx1-ubyte")]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn files_in(dir: &Path) -> Vec<PathBuf> {
    Found::in_folder(dir).map(|found| found.files()).unwrap_or_default()
}

/// The folder in the environment variable, if it is set to one.
///
/// ```
/// use memorize_data::mnist::{DATA_DIR_VARIABLE, variable};
///
/// let set = std::env::var_os(DATA_DIR_VARIABLE).is_some_and(|dir| !dir.is_empty());
/// assert_eq!(variable().is_some(), set);
/// ```
pub fn variable() -> Option<PathBuf> {
    std::env::var_os(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// Whether a folder has the four files of a data set that is not MNIST as it was published.
///
/// ```
/// // An empty folder has no set at all.
/// assert!(!memorize_data::mnist::is_another_set(tempfile::tempdir()?.path()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_another_set(dir: &Path) -> bool {
    let Ok(found) = Found::in_folder(dir) else { return false };
    let official = |(file, path): (&File, &Path)| Table::open(path).is_ok_and(|table| file.is_official(&table));
    // The labels are the shorter ones: from behind, another data set is soon known.
    matches!(found.the_one(), Ok(Some(files)) if !FILES.iter().zip(files).rev().all(official))
}

/// Copies everything and returns its SHA-256 in hexadecimal.
fn copy_hashed(mut from: impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            len => {
                hasher.update(&buffer[..len]);
                to.write_all(&buffer[..len])?;
            }
        }
    }
}

/// `memorize/mnist` in the platform's cache folder.
fn cache_folder() -> Result<PathBuf, DataError> {
    let platform = etcetera::choose_base_strategy().map_err(|_| DataError::NoCacheFolder)?;
    Ok(platform.cache_dir().join("memorize").join("mnist"))
}

#[cfg(test)]
mod tests;
