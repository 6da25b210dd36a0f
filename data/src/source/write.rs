//! Writing tables: for users who convert their data, and for tests that read back what was written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::element::{ByteOrder, ElementType};
use super::header::{check_dims, count};
use super::{idx, npy};
use crate::error::DataError;

/// Writes an IDX file of `dims` (rows first) whose numbers are `values` in row-major order.
///
/// The file appears under its name only when it is complete; a file of that name is replaced.
///
/// # Errors
/// `values` are not as many as `dims` say; a value does not exist in `element`; IDX has no room for the element type or
/// the dimensions; the file cannot be written.
pub fn write_idx(path: &Path, element: ElementType, dims: &[usize], values: &[f64]) -> Result<(), DataError> {
    let header = idx::header_bytes(path, element, dims)?;
    write(path, header, element, ByteOrder::Big, dims, values)
}

/// Writes a .npy file of `dims` (rows first) whose numbers are `values` in row-major order.
///
/// The file appears under its name only when it is complete; a file of that name is replaced.
///
/// # Errors
/// `values` are not as many as `dims` say; a value does not exist in `element`; the element type is `i8` or `i16`; the
/// file cannot be written.
pub fn write_npy(path: &Path, element: ElementType, dims: &[usize], values: &[f64]) -> Result<(), DataError> {
    let header = npy::header_bytes(path, element, dims)?;
    write(path, header, element, ByteOrder::Little, dims, values)
}

fn write(
    path: &Path,
    header: Vec<u8>,
    element: ElementType,
    order: ByteOrder,
    dims: &[usize],
    values: &[f64],
) -> Result<(), DataError> {
    let body = encode(path, element, order, dims, values)?;
    write_atomically(path, |file| {
        file.write_all(&header)?;
        file.write_all(&body)
    })
    .map_err(|source| DataError::Write { path: path.into(), source })
}

/// The bytes of `values`, whose number must be the product of `dims`.
pub(super) fn encode(
    path: &Path,
    element: ElementType,
    order: ByteOrder,
    dims: &[usize],
    values: &[f64],
) -> Result<Vec<u8>, DataError> {
    check_dims(path, dims)?;
    let expected =
        count(dims).ok_or_else(|| DataError::SizeOverflow { path: path.into(), dims: dims.into(), element })?;
    if expected != values.len() {
        return Err(DataError::ValueCount { path: path.into(), dims: dims.into(), expected, found: values.len() });
    }
    let mut bytes = Vec::with_capacity(values.len() * element.size());
    for (index, &value) in values.iter().enumerate() {
        if !element.encode(order, value, &mut bytes) {
            return Err(DataError::NotRepresentable { path: path.into(), index, value, element });
        }
    }
    Ok(bytes)
}

/// How the names of temporary files begin. A process that is killed while it writes leaves one behind.
pub const TEMPORARY: &str = ".memorize-";

/// Writes a file under a temporary name in the same folder, syncs it to disk and renames it to `path`: whoever opens
/// `path` finds the old file or the whole new one, also after a crash or when two processes write it at once.
///
/// # Errors
/// If any step fails; the old file, if there is one, is then untouched.
pub fn write_atomically(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    stage(path, fill)?.commit()
}

/// The first half of [`write_atomically`]: everything that a full disk can prevent.
///
/// # Errors
/// If any step fails; nothing is then left.
pub fn stage(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<Staged> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        // Temporary files are private by default; this one is to become an ordinary file, as the umask says.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder_of(path))?;
    let mut writer = BufWriter::new(temporary.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    Ok(Staged { path: path.into(), temporary })
}

/// A file that is on disk, but not yet under its name. It is removed again unless it is committed.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl Staged {
    /// Renames the file to the name that it was written for.
    ///
    /// # Errors
    /// If the system refuses; the old file, if there is one, is then untouched.
    pub fn commit(self) -> io::Result<()> {
        self.temporary.persist(&self.path).map_err(|error| error.error)?;
        // The rename itself is on disk once the folder is; not every file system lets a folder be synced.
        #[cfg(unix)]
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
