//! Writing tables, a row at a time: for users who convert their data, and for tests that read back what was written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::header::{check_dims, count};
use super::{idx, npy};
use crate::error::DataError;
use crate::format::{ByteOrder, ElementType, Format};
use crate::output::{self, Output, Staged};

/// Writes an IDX file of `dims` (rows first) whose numbers are `values` in row-major order.
///
/// The file appears under its name only when it is complete; a file of that name is replaced.
///
/// # Errors
/// `values` are not as many as `dims` say; a value does not exist in `element`; IDX has no room for the element type or
/// the dimensions; the file cannot be written.
///
/// ```
/// use memorize_data::source::write_idx;
/// use memorize_data::{ElementType, Table};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("images-idx3-ubyte");
/// write_idx(&path, ElementType::U8, &[1, 2, 2], &[1.0, 2.0, 3.0, 255.0])?;
/// let table = Table::open(&path)?;
/// assert_eq!((table.row_len(), table.value(0, 3)), (4, 255.0));
/// # Ok::<(), memorize_data::DataError>(())
/// ```
pub fn write_idx(path: &Path, element: ElementType, dims: &[usize], values: &[f64]) -> Result<(), DataError> {
    write_values(path, Format::Idx, element, dims, values)
}

/// Writes a .npy file of `dims` (rows first) whose numbers are `values` in row-major order.
///
/// The file appears under its name only when it is complete; a file of that name is replaced.
///
/// # Errors
/// `values` are not as many as `dims` say; a value does not exist in `element`; there are more
/// than 64 dimensions; the file cannot be written.
///
/// ```
/// use memorize_data::source::write_npy;
/// use memorize_data::{ElementType, Table};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("x.npy");
/// write_npy(&path, ElementType::F32, &[2, 1], &[0.5, -2.0])?;
/// assert_eq!(Table::open(&path)?.value(1, 0), -2.0);
/// // No byte holds a half.
/// assert!(write_npy(&path, ElementType::U8, &[1], &[0.5]).is_err());
/// # Ok::<(), memorize_data::DataError>(())
/// ```
pub fn write_npy(path: &Path, element: ElementType, dims: &[usize], values: &[f64]) -> Result<(), DataError> {
    write_values(path, Format::Npy, element, dims, values)
}

fn write_values(
    path: &Path,
    format: Format,
    element: ElementType,
    dims: &[usize],
    values: &[f64],
) -> Result<(), DataError> {
    let row_len = row_len(path, element, dims)?;
    check_count(path, element, dims, values.len())?;
    write_rows(path, format, element, dims, |i, row| row.copy_from_slice(&values[i * row_len..][..row_len]))
}

/// Writes a file of `dims` (rows first) whose rows `fill` makes, in order: no more than one is in memory. What is left
/// is to [commit](Staged::commit) it.
///
/// # Errors
/// As [`write_rows`].
///
/// ```
/// use memorize_data::format::Format;
/// use memorize_data::source::stage_rows;
/// use memorize_data::{ElementType, Output, Table};
///
/// let folder = tempfile::tempdir().unwrap();
/// let out = Output::new(&folder.path().join("x.npy"), false, []).unwrap();
/// let staged = stage_rows(&out, Format::Npy, ElementType::F64, &[3, 2], |i, row| row.fill(i as f64))?;
/// assert!(!out.path().exists());
/// staged.commit().unwrap();
/// assert_eq!(Table::open(out.path())?.value(2, 1), 2.0);
/// # Ok::<(), memorize_data::DataError>(())
/// ```
pub fn stage_rows(
    out: &Output,
    format: Format,
    element: ElementType,
    dims: &[usize],
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<Staged, DataError> {
    encode_rows(out.path(), format, element, dims, fill, |encode| out.stage(encode))
}

/// Writes a file of `dims` (rows first) whose rows `fill` makes, in order: no more than one is in memory.
///
/// The file appears under its name only when it is complete; a file of that name is replaced.
///
/// # Errors
/// A dimension is zero; a value does not exist in `element`; the format has no room for the element type or the
/// dimensions; the file cannot be written.
///
/// ```
/// use memorize_data::format::Format;
/// use memorize_data::source::write_rows;
/// use memorize_data::{ElementType, Table};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("x.npy");
/// write_rows(&path, Format::Npy, ElementType::F64, &[1000, 2], |i, row| row.fill(i as f64))?;
/// assert_eq!(Table::open(&path)?.value(999, 0), 999.0);
/// # Ok::<(), memorize_data::DataError>(())
/// ```
pub fn write_rows(
    path: &Path,
    format: Format,
    element: ElementType,
    dims: &[usize],
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<(), DataError> {
    let staged = encode_rows(path, format, element, dims, fill, |encode| output::stage(path, encode))?;
    staged.commit().map_err(|source| DataError::Write { path: path.into(), source })
}

/// Hands the bytes of a file to whatever `stage` writes them with.
fn encode_rows(
    path: &Path,
    format: Format,
    element: ElementType,
    dims: &[usize],
    mut fill: impl FnMut(usize, &mut [f64]),
    stage: impl FnOnce(&mut dyn FnMut(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<Staged>,
) -> Result<Staged, DataError> {
    let row_len = row_len(path, element, dims)?;
    let (header, order) = match format {
        Format::Idx => (idx::header_bytes(path, element, dims)?, ByteOrder::Big),
        Format::Npy => (npy::header_bytes(path, element, dims)?, ByteOrder::Little),
    };
    let (mut row, mut bytes) = (vec![0.0; row_len], Vec::with_capacity(row_len * element.size()));
    let mut refused = None;
    let staged = stage(&mut |file| {
        file.write_all(&header)?;
        for i in 0..dims[0] {
            fill(i, &mut row);
            bytes.clear();
            for (j, &value) in row.iter().enumerate() {
                if !element.encode(order, value, &mut bytes) {
                    let index = i * row_len + j;
                    refused = Some(DataError::NotRepresentable { path: path.into(), index, value, element });
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
            file.write_all(&bytes)?;
        }
        Ok(())
    });
    match refused {
        Some(error) => Err(error),
        None => staged.map_err(|source| DataError::Write { path: path.into(), source }),
    }
}

/// Numbers in a row of a file whose sizes multiply.
fn row_len(path: &Path, element: ElementType, dims: &[usize]) -> Result<usize, DataError> {
    check_dims(path, dims)?;
    let overflow = || DataError::SizeOverflow { path: path.into(), dims: dims.into(), element };
    count(dims).and_then(|count| count.checked_mul(element.size())).ok_or_else(overflow)?;
    Ok(dims[1..].iter().product())
}

/// Makes sure that so many values were found as the dimensions say.
pub(super) fn check_count(path: &Path, element: ElementType, dims: &[usize], found: usize) -> Result<(), DataError> {
    check_dims(path, dims)?;
    match count(dims) {
        None => Err(DataError::SizeOverflow { path: path.into(), dims: dims.into(), element }),
        Some(expected) if expected != found => {
            Err(DataError::ValueCount { path: path.into(), dims: dims.into(), expected, found })
        }
        Some(_) => Ok(()),
    }
}

/// The bytes of the rows that `fill` makes.
pub(super) fn encode(
    path: &Path,
    element: ElementType,
    order: ByteOrder,
    dims: &[usize],
    mut fill: impl FnMut(usize, &mut [f64]),
) -> Result<Vec<u8>, DataError> {
    let row_len = row_len(path, element, dims)?;
    let (mut row, mut bytes) = (vec![0.0; row_len], Vec::with_capacity(dims[0] * row_len * element.size()));
    for i in 0..dims[0] {
        fill(i, &mut row);
        for (j, &value) in row.iter().enumerate() {
            if !element.encode(order, value, &mut bytes) {
                let index = i * row_len + j;
                return Err(DataError::NotRepresentable { path: path.into(), index, value, element });
            }
        }
    }
    Ok(bytes)
}
