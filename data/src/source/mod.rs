//! Tables of numbers in files: IDX and .npy, plain or gzip, recognised by their contents and never by their names.
//!
//! Nothing that a header says is believed before it has been checked against the size of the file: a plain file must
//! have exactly the size that its header implies, and a compressed one must expand to exactly it.
//!
//! # Memory mapping
//!
//! Plain files are mapped into memory ([`Access::Map`]) unless told otherwise. Mapped data sets may be larger than
//! memory. In return, truncating the file while the program runs ends the program (SIGBUS), overwriting it in place
//! changes the data under the computation (see [`Table::check_unchanged`]), and the resident size of the process grows
//! with what it has touched, although the system may drop those pages at any time. Replace data files by renaming, or
//! use [`Access::Read`], which has none of these properties and is as fast for files that fit in memory. Compressed
//! files are always expanded into memory, arrays in Fortran order are copied row by row, and files that the system does
//! not map are read.

mod contents;
mod fortran;
mod gzip;
mod header;
mod idx;
mod map;
mod npy;
mod recognise;
#[cfg(test)]
mod tests;
mod write;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::shown::Shown;
use memorize_kernels::element::Element;
use rayon::prelude::*;

pub use map::Access;
pub use write::{stage_rows, write_idx, write_npy, write_rows};

use crate::digest::sha256;
use crate::error::DataError;
use crate::format::{ByteOrder, ElementType, Format, Looks};
use contents::Pieces;
use header::Header;
use map::Bytes;

/// n rows of `row_len` numbers each, from a file or from memory.
///
/// The first dimension of the file counts the rows; all others are flattened into the row. Values are handed out as
/// they are in the file: pixels from 0 to 255, not from 0 to 1.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    form: Form,
    element: ElementType,
    order: ByteOrder,
    dims: Vec<usize>,
    row_len: usize,
    bytes: Bytes,
    data_offset: usize,
    /// Rows of the file before the first that is here.
    skipped: usize,
    origin: Origin,
    /// What all rows held when their digest was made, if it was.
    pieces: OnceLock<Pieces>,
    notes: Vec<String>,
}

/// Source of the bytes of a table.
#[derive(Debug)]
enum Origin {
    /// They are all of it.
    Whole,
    /// A mapped file, which has them in another order.
    Mapped(Bytes),
    /// Something that is no longer in memory; its SHA-256.
    Gone(String),
}

/// Where a table came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A file as it lies.
    Plain(Format),
    /// A file that was compressed by gzip.
    Compressed(Format),
    /// No file.
    Memory,
}

impl Table {
    /// Opens a file, mapping it into memory if it is not compressed.
    ///
    /// Values are not looked at: see [`check_finite`](Self::check_finite).
    ///
    /// # Errors
    /// The file cannot be opened, is of no known format, or its header and its size contradict each other.
    ///
    /// ```
    /// use memorize_data::source::write_npy;
    /// use memorize_data::{ElementType, Table};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("x.npy");
    /// write_npy(&path, ElementType::F64, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// let table = Table::open(&path)?;
    /// assert_eq!((table.rows(), table.row_len(), table.value(1, 2)), (2, 3, 6.0));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::open_with(path, Access::Map)
    }

    /// Opens a file, with the choice of mapping or reading it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```
    /// use memorize_data::source::write_npy;
    /// use memorize_data::{Access, ElementType, Table};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("x.npy");
    /// write_npy(&path, ElementType::F64, &[2], &[1.0, 2.0])?;
    /// assert!(!Table::open_with(&path, Access::Read)?.is_mapped());
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn open_with(path: &Path, access: Access) -> Result<Self, DataError> {
        Self::parse(path, Bytes::open(path, access)?)
    }

    /// A table from the contents of a file, plain or gzip. `name` stands in messages.
    ///
    /// # Errors
    /// There are none, they are of no known format, or their header and their number contradict each other.
    ///
    /// ```
    /// use memorize_data::{DataError, Table};
    ///
    /// // IDX: two zeros, unsigned bytes, one dimension of two.
    /// let table = Table::from_bytes("labels", vec![0, 0, 8, 1, 0, 0, 0, 2, 7, 9])?;
    /// assert_eq!((table.value(0, 0), table.value(1, 0)), (7.0, 9.0));
    /// assert!(Table::from_bytes("labels", b"<html>".to_vec()).is_err());
    /// # Ok::<(), DataError>(())
    /// ```
    pub fn from_bytes(name: impl Into<PathBuf>, contents: Vec<u8>) -> Result<Self, DataError> {
        let path = name.into();
        if contents.is_empty() {
            return Err(DataError::Empty { path });
        }
        Self::parse(&path, Bytes::Owned(contents))
    }

    fn parse(path: &Path, bytes: Bytes) -> Result<Self, DataError> {
        let mut notes = Vec::new();
        if let Bytes::Read { refused: Some(refused), bytes } = &bytes {
            let len = bytes.len();
            notes.push(format!("{}: not mapped ({refused}) but read, {len} bytes of memory", path.shown()));
        }
        let (form, header, bytes) = if bytes.starts_with(gzip::MAGIC) {
            let (header, expanded) = gzip::decompress(path, &bytes)?;
            (Form::Compressed(header.format), header, Bytes::Owned(expanded))
        } else {
            let format = recognise::format_of(&bytes)
                .ok_or_else(|| DataError::NotRecognised { path: path.into(), looks: Looks::from_prefix(&bytes) })?;
            let header = recognise::parse(format, path, &bytes)?;
            header.check_len(path, bytes.len())?;
            (Form::Plain(format), header, bytes)
        };
        let row_len = header.dims[1..].iter().product();
        let Header { element, order, dims, data_offset, fortran, .. } = header;
        let mut table = Self {
            path: path.into(),
            form,
            element,
            order,
            dims,
            row_len,
            bytes,
            data_offset,
            skipped: 0,
            origin: Origin::Whole,
            pieces: OnceLock::new(),
            notes,
        };
        if fortran {
            table.reorder()?;
        }
        Ok(table)
    }

    /// Puts the numbers of a file in Fortran order, whose first dimension is the fastest, row after row into memory.
    fn reorder(&mut self) -> Result<(), DataError> {
        let numbers = &self.bytes[self.data_offset..];
        let mut rows = Vec::new();
        let advice =
            "it is in Fortran order, and rows are copied into memory: save numpy.ascontiguousarray(a), which is mapped";
        map::reserve(&self.path, &mut rows, numbers.len(), advice)?;
        rows.resize(numbers.len(), 0);
        fortran::to_rows(self.element.size(), &self.dims, numbers, &mut rows);
        let len = rows.len();
        self.notes.push(format!("{}: in Fortran order, its rows copied, {len} bytes of memory", self.path.shown()));
        let whole = std::mem::replace(&mut self.bytes, Bytes::Owned(rows));
        self.origin = match whole {
            Bytes::Mapped { .. } => Origin::Mapped(whole),
            Bytes::Read { .. } | Bytes::Owned(_) => Origin::Gone(sha256(&whole)),
        };
        self.data_offset = 0;
        Ok(())
    }

    /// The same rows with their first number only.
    pub(crate) fn first_column(self) -> Self {
        let size = self.element.size();
        let column = (0..self.rows()).flat_map(|row| &self.row_bytes(row)[..size]).copied().collect();
        let origin = match self.origin {
            Origin::Whole => Origin::Gone(sha256(&self.bytes)),
            other => other,
        };
        let (bytes, pieces) = (Bytes::Owned(column), OnceLock::new());
        Self { dims: vec![self.dims[0]], row_len: 1, bytes, data_offset: 0, origin, pieces, ..self }
    }

    /// What was done to have the rows that costs memory, and somebody may want to know: a line each.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert!(Table::from_memory("t", ElementType::U8, &[1], &[1.0])?.notes().is_empty());
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A table in memory: `dims` (rows first) and as many `values`, in row-major order. `name` stands in messages.
    ///
    /// # Errors
    /// A dimension is zero, the number of values is not the product of the dimensions, or a value does not exist in
    /// `element` (for floats: is finite but rounds to infinity).
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::I16, &[2, 2], &[1.0, 2.0, 3.0, -4.0])?;
    /// assert_eq!(table.value(1, 1), -4.0);
    /// assert!(Table::from_memory("t", ElementType::U8, &[1], &[256.0]).is_err());
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn from_memory(
        name: impl Into<PathBuf>,
        element: ElementType,
        dims: &[usize],
        values: &[f64],
    ) -> Result<Self, DataError> {
        let path = name.into();
        write::check_count(&path, element, dims, values.len())?;
        let row_len: usize = dims[1..].iter().product();
        Self::from_rows(path, element, dims, |row, out| out.copy_from_slice(&values[row * row_len..][..row_len]))
    }

    /// The same, row by row: `fill(row, values)`.
    ///
    /// # Errors
    /// As [`from_memory`](Self::from_memory).
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let table = Table::from_rows("t", ElementType::F64, &[3, 2], |row, values| values.fill(row as f64))?;
    /// assert_eq!(table.value(2, 0), 2.0);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn from_rows(
        name: impl Into<PathBuf>,
        element: ElementType,
        dims: &[usize],
        fill: impl FnMut(usize, &mut [f64]),
    ) -> Result<Self, DataError> {
        let path = name.into();
        let bytes = write::encode(&path, element, ByteOrder::Little, dims, fill)?;
        let row_len = dims[1..].iter().product();
        let (dims, bytes) = (dims.to_vec(), Bytes::Owned(bytes));
        let (form, order) = (Form::Memory, ByteOrder::Little);
        let (data_offset, skipped) = (0, 0);
        let (origin, pieces, notes) = (Origin::Whole, OnceLock::new(), Vec::new());
        Ok(Self { path, form, element, order, dims, row_len, bytes, data_offset, skipped, origin, pieces, notes })
    }

    /// Forgets all rows but the first `rows`. At least one stays.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let mut table = Table::from_memory("t", ElementType::U8, &[3], &[1.0, 2.0, 3.0])?;
    /// table.truncate(2);
    /// assert_eq!(table.rows(), 2);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn truncate(&mut self, rows: usize) {
        self.dims[0] = self.dims[0].min(rows.max(1));
    }

    /// Forgets all rows but these, which may be none: a rank's share. The memory of the others is
    /// given back.
    ///
    /// # Panics
    /// If there are fewer rows.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let mut table = Table::from_memory("t", ElementType::U8, &[3], &[1.0, 2.0, 3.0])?;
    /// table.keep(1..3);
    /// assert_eq!((table.rows(), table.value(0, 0)), (2, 2.0));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn keep(&mut self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.rows(), "rows {range:?} of {}", self.rows());
        let row_bytes = self.row_len * self.element.size();
        let data = self.data_offset + range.start * row_bytes..self.data_offset + range.end * row_bytes;
        self.data_offset = match &mut self.bytes {
            Bytes::Mapped { .. } => data.start,
            Bytes::Read { bytes, .. } | Bytes::Owned(bytes) => {
                // In place: a copy would be as large as the set.
                bytes.truncate(data.end);
                bytes.drain(..data.start);
                bytes.shrink_to_fit();
                0
            }
        };
        self.skipped += range.start;
        self.dims[0] = range.len();
    }

    /// The number that the first row has in the file.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let mut table = Table::from_memory("t", ElementType::U8, &[3], &[1.0, 2.0, 3.0])?;
    /// table.keep(1..3);
    /// assert_eq!(table.first_row(), 1);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn first_row(&self) -> usize {
        self.skipped
    }

    /// Number of rows n, at least 1 but for a share of them.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert_eq!(Table::from_memory("t", ElementType::U8, &[3, 2], &[0.0; 6])?.rows(), 3);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.dims[0]
    }

    /// Numbers in a row, at least 1: the product of all dimensions but the first.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert_eq!(Table::from_memory("t", ElementType::U8, &[1, 28, 28], &[0.0; 784])?.row_len(), 784);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn row_len(&self) -> usize {
        self.row_len
    }

    /// The dimensions as the file has them.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert_eq!(Table::from_memory("t", ElementType::U8, &[1, 28, 28], &[0.0; 784])?.dims(), [1, 28, 28]);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The type of the numbers in the file.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert_eq!(Table::from_memory("t", ElementType::F16, &[1], &[0.5])?.element_type(), ElementType::F16);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn element_type(&self) -> ElementType {
        self.element
    }

    /// The file, or the name of a table in memory.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert_eq!(Table::from_memory("mine", ElementType::U8, &[1], &[0.0])?.path(), Path::new("mine"));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind of file that the table came from, if it came from one.
    ///
    /// ```
    /// use memorize_data::source::Form;
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert_eq!(Table::from_memory("t", ElementType::U8, &[1], &[0.0])?.form(), Form::Memory);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether the rows are read through a memory map.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// assert!(!Table::from_memory("t", ElementType::U8, &[1], &[0.0])?.is_mapped());
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped { .. })
    }

    /// Writes row `i` to `out`: each number as it is in the file, rounded to `T` (by way of f64, which only 64-bit
    /// integers beyond 2^53 can notice). A value too large for `T` becomes infinite: see
    /// [`check_finite_as`](Self::check_finite_as).
    ///
    /// # Panics
    /// If `i >= rows()` or `out.len() != row_len()`.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::U8, &[2, 2], &[1.0, 2.0, 3.0, 4.0])?;
    /// let mut row = [0.0f32; 2];
    /// table.decode_row(1, &mut row);
    /// assert_eq!(row, [3.0, 4.0]);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    #[inline(always)]
    pub fn decode_row<T: Element>(&self, i: usize, out: &mut [T]) {
        assert_eq!(out.len(), self.row_len, "a row of {} has {} numbers", self.path.shown(), self.row_len);
        self.element.decode(self.order, self.row_bytes(i), out);
    }

    /// The number in row `i`, column `j`.
    ///
    /// # Panics
    /// If `i >= rows()` or `j >= row_len()`.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::U8, &[2, 2], &[1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(table.value(1, 0), 3.0);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn value(&self, i: usize, j: usize) -> f64 {
        let size = self.element.size();
        assert!(j < self.row_len, "column {j} of {}, which has {}", self.path.shown(), self.row_len);
        let mut value = [0.0f64];
        self.element.decode(self.order, &self.row_bytes(i)[j * size..][..size], &mut value);
        value[0]
    }

    /// Looks for NaN and infinities. Costs nothing for integers and one trip over the data for floats.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] names the first one.
    ///
    /// ```
    /// use memorize_data::{DataError, ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::F32, &[2, 2], &[1.0, 2.0, f64::NAN, 4.0])?;
    /// assert!(matches!(table.check_finite(), Err(DataError::NotFinite { row: 1, column: 0, .. })));
    /// # Ok::<(), DataError>(())
    /// ```
    pub fn check_finite(&self) -> Result<(), DataError> {
        self.check_finite_as::<f64>()
    }

    /// Looks for values that are NaN or infinite, or become so when they are rounded to `T`.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] or [`DataError::TooLarge`] name the first one.
    ///
    /// ```
    /// use memorize_data::{DataError, ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::F64, &[1], &[1e300])?;
    /// assert!(table.check_finite_as::<f64>().is_ok());
    /// assert!(matches!(table.check_finite_as::<f32>(), Err(DataError::TooLarge { .. })));
    /// # Ok::<(), DataError>(())
    /// ```
    pub fn check_finite_as<T: Element>(&self) -> Result<(), DataError> {
        if !self.element.is_float() {
            return Ok(());
        }
        let first = (0..self.rows()).into_par_iter().find_map_first(|row| self.first_not_finite::<T>(row));
        first.map_or(Ok(()), Err)
    }

    /// The first value of a row that is not finite in `T`, as an error.
    pub(crate) fn first_not_finite<T: Element>(&self, row: usize) -> Option<DataError> {
        let mut numbers = [T::ZERO; 256];
        let chunk_bytes = 256 * self.element.size();
        for (chunk, bytes) in self.row_bytes(row).chunks(chunk_bytes).enumerate() {
            let numbers = &mut numbers[..bytes.len() / self.element.size()];
            self.element.decode(self.order, bytes, numbers);
            if let Some(j) = numbers.iter().position(|number| !number.is_finite()) {
                let (path, column) = (self.path.clone(), 256 * chunk + j);
                let value = self.value(row, column);
                let row = self.skipped + row;
                return Some(if value.is_finite() {
                    DataError::TooLarge { path, row, column, value, element: T::NAME }
                } else {
                    DataError::NotFinite { path, row, column, value }
                });
            }
        }
        None
    }

    /// SHA-256 of the whole file, expanded if it was compressed: what `sha256sum` says of it then. Of a table in
    /// memory, that of its numbers.
    ///
    /// ```
    /// use memorize_data::digest::sha256;
    /// use memorize_data::{ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::U8, &[3], &[97.0, 98.0, 99.0])?;
    /// assert_eq!(table.sha256(), sha256(b"abc"));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn sha256(&self) -> String {
        match &self.origin {
            Origin::Whole => sha256(&self.bytes),
            Origin::Mapped(file) => sha256(file),
            Origin::Gone(sum) => sum.clone(),
        }
    }

    /// Called with rows that are about to be read in whatever order: asks the system to read all of them at once.
    pub(crate) fn read_soon(&self, rows: impl Iterator<Item = usize>) {
        if self.bytes.takes_hints() {
            let len = self.row_len * self.element.size();
            rows.map(|row| self.data_offset + row * len).for_each(|start| self.bytes.will_need(start..start + len));
        }
    }

    /// The bytes of row `i` where they lie.
    pub(crate) fn row_bytes(&self, i: usize) -> &[u8] {
        assert!(i < self.rows(), "row {i} of {}, which has {}", self.path.shown(), self.rows());
        let len = self.row_len * self.element.size();
        &self.bytes[self.data_offset + i * len..][..len]
    }

    /// The whole file as it is on disk, or as it was before compression.
    pub(crate) fn file_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
