//! Errors of the data crate: one variant for each way in which a file, a folder or a pair of files can be wrong.
//!
//! Every message names the file, says what was expected and what was found, and what to do about it. Rows and columns
//! are counted from 0.

use std::io;
use std::path::PathBuf;

use crate::shown::Shown;
use crate::source::{ElementType, Format, Looks};

/// What can go wrong between a path and a usable table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    // ---- the file as such
    /// The file could not be opened.
    #[error("cannot open {}: {source}; check the path and its permissions", path.shown())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was opened but reading it failed.
    #[error("cannot read {}: {source}; check the disk or copy the file again", path.shown())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be mapped into memory.
    #[error("cannot map {} into memory: {source}; read it instead of mapping it, or move it to a local disk",
        path.shown())]
    Map {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder was given where a file is needed.
    #[error("{} is a folder, not a file; name the file inside it", path.shown())]
    IsDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// A pipe, socket or device: it has no size to check a header against.
    #[error("{} is not a regular file; save its contents to a file first", path.shown())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// A file of no bytes.
    #[error("{} is empty (0 bytes); was the download or the copy interrupted?", path.shown())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The first bytes are not those of any format read here.
    #[error("{} is neither IDX, .npy nor gzip: {looks}", path.shown())]
    NotRecognised {
        /// The file.
        path: PathBuf,
        /// What it looks like instead.
        looks: Looks,
    },
    /// The file was written to while it was mapped: what was read from it may be neither the old contents nor the new.
    #[error("{} was changed while it was being used; put the old contents back, and replace data files by renaming new ones \
        over them", path.shown())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// More memory is needed than the system gives.
    #[error("{} needs {bytes} bytes of memory, which the system refuses; use an uncompressed file, which is mapped",
        path.shown())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: usize,
    },

    // ---- IDX headers
    /// The third byte of an IDX file is no element type.
    #[error("{}: IDX element type 0x{code:02X} does not exist (known: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64); \
        the file is damaged or is not IDX", path.shown())]
    IdxElementType {
        /// The file.
        path: PathBuf,
        /// The byte found.
        code: u8,
    },
    /// An IDX file must have 1 to 255 dimensions.
    #[error("{}: IDX holds 1 to 255 dimensions, not {ndims}; the first dimension counts the rows", path.shown())]
    IdxDimensions {
        /// The file.
        path: PathBuf,
        /// The number of dimensions asked for or found.
        ndims: usize,
    },
    /// The file ends inside its IDX header.
    #[error("{}: the IDX header of {ndims} dimensions takes {expected} bytes, the file ends after {found}; \
        download or copy it again", path.shown())]
    IdxHeaderTruncated {
        /// The file.
        path: PathBuf,
        /// Number of dimensions that the fourth byte promises.
        ndims: usize,
        /// Bytes that the header takes.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// A dimension does not fit in IDX's 32 bits (only when writing).
    #[error("{}: a dimension of {dim} does not fit in the 32 bits that IDX has for it; write .npy instead",
        path.shown())]
    IdxDimensionTooLarge {
        /// The file.
        path: PathBuf,
        /// The dimension.
        dim: usize,
    },

    // ---- .npy headers
    /// A version of the .npy format that is not known.
    #[error("{}: .npy version {major}.{minor} is not known (known: 1.0, 2.0, 3.0); save it again with numpy.save",
        path.shown())]
    NpyVersion {
        /// The file.
        path: PathBuf,
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The file ends inside its .npy header.
    #[error("{}: the .npy header takes {expected} bytes, the file ends after {found}; download or copy it again",
        path.shown())]
    NpyHeaderTruncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header takes (at least).
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// A header of a size that no array of numbers needs.
    #[error("{}: the .npy header claims {found} bytes, more than the {limit} that any array of numbers needs; \
        the file is damaged or holds a structured array", path.shown())]
    NpyHeaderTooLong {
        /// The file.
        path: PathBuf,
        /// The length claimed.
        found: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The header is not the dictionary that it should be.
    #[error("{}: bad .npy header: {what}; save it again with numpy.save", path.shown())]
    NpyHeader {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An element type that is not read.
    #[error("{}: .npy element type {descr} is not read (known: f4, f8, u1, i4, i8); \
        convert it with array.astype(numpy.float32)", path.shown())]
    NpyElementType {
        /// The file.
        path: PathBuf,
        /// The type as the header has it.
        descr: String,
    },
    /// Columns are contiguous instead of rows.
    #[error("{}: the array is in Fortran order, rows are needed; save numpy.ascontiguousarray(array)", path.shown())]
    NpyFortranOrder {
        /// The file.
        path: PathBuf,
    },
    /// A single number without any dimension.
    #[error("{}: the array has no dimension (a single number); the first dimension must count the rows",
        path.shown())]
    NpyNoDimensions {
        /// The file.
        path: PathBuf,
    },

    // ---- sizes
    /// The dimensions multiply to more than can be addressed.
    #[error("{}: dimensions {dims:?} of {element} overflow the address space; the header is damaged", path.shown())]
    SizeOverflow {
        /// The file.
        path: PathBuf,
        /// The dimensions.
        dims: Vec<usize>,
        /// The element type.
        element: ElementType,
    },
    /// The file is shorter than its header says.
    #[error("{}: {format} header says {dims:?} of {element}, which takes {expected} bytes with the header, but the file \
        has only {found}; it is truncated: download or copy it again", path.shown())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// The dimensions in its header.
        dims: Vec<usize>,
        /// The element type in its header.
        element: ElementType,
        /// Bytes that the file should have.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// The file is longer than its header says.
    #[error("{}: {format} header says {dims:?} of {element}, which takes {expected} bytes with the header, but the file \
        has {found}; something was appended to it, or the header is wrong", path.shown())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// The dimensions in its header.
        dims: Vec<usize>,
        /// The element type in its header.
        element: ElementType,
        /// Bytes that the file should have.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// A table needs at least one row.
    #[error("{}: no rows (dimensions {dims:?}); at least one sample is needed", path.shown())]
    NoRows {
        /// The file.
        path: PathBuf,
        /// The dimensions.
        dims: Vec<usize>,
    },
    /// A table needs at least one number a row.
    #[error("{}: rows of no numbers (dimensions {dims:?}); at least one a row is needed", path.shown())]
    NoColumns {
        /// The file.
        path: PathBuf,
        /// The dimensions.
        dims: Vec<usize>,
    },

    // ---- gzip
    /// The compressed stream is damaged, cut short, or followed by something else.
    #[error("{}: the gzip stream is damaged: {source}; download it again", path.shown())]
    GzipCorrupt {
        /// The file.
        path: PathBuf,
        /// What the decompressor said.
        source: io::Error,
    },
    /// What was compressed is no format read here.
    #[error("{}: what this gzip file holds is neither IDX nor .npy: {looks}", path.shown())]
    GzipNotRecognised {
        /// The file.
        path: PathBuf,
        /// What it looks like instead.
        looks: Looks,
    },
    /// The inner header claims more than gzip can have compressed into the file.
    #[error("{}: the header inside claims {declared} bytes, but {compressed} bytes of gzip cannot hold more than \
        {limit}; the header is damaged", path.shown())]
    GzipImplausible {
        /// The file.
        path: PathBuf,
        /// Bytes that the inner header claims.
        declared: usize,
        /// Bytes of the compressed file.
        compressed: usize,
        /// The most that those can expand to.
        limit: usize,
    },
    /// The contents end before the inner header says.
    #[error("{}: the header inside says {expected} bytes, but only {found} were compressed; download it again",
        path.shown())]
    GzipTooShort {
        /// The file.
        path: PathBuf,
        /// Bytes that the inner header claims.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The contents go on after the inner header says they end.
    #[error("{}: the header inside says {expected} bytes, but more were compressed; the header is wrong or something \
        was appended", path.shown())]
    GzipTooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that the inner header claims.
        expected: usize,
    },

    // ---- contents
    /// Inputs and targets do not belong together.
    #[error("{} has {input_rows} rows but {} has {target_rows}; each input needs one target",
        inputs.shown(), targets.shown())]
    RowCountMismatch {
        /// The file of inputs.
        inputs: PathBuf,
        /// Its rows.
        input_rows: usize,
        /// The file of targets.
        targets: PathBuf,
        /// Its rows.
        target_rows: usize,
    },
    /// Training and test inputs have different widths.
    #[error("{} has {first_len} numbers a row but {} has {second_len}; training and test inputs must have the same",
        first.shown(), second.shown())]
    WidthMismatch {
        /// One file.
        first: PathBuf,
        /// Its row length.
        first_len: usize,
        /// The other file.
        second: PathBuf,
        /// Its row length.
        second_len: usize,
    },
    /// Targets must be one number a row.
    #[error("{}: targets must have 1 number a row, this file has {row_len} (dimensions {dims:?}); were inputs and \
        targets swapped?", path.shown())]
    TargetsNotScalar {
        /// The file.
        path: PathBuf,
        /// Numbers a row.
        row_len: usize,
        /// The dimensions.
        dims: Vec<usize>,
    },
    /// A row of zeros has no direction.
    #[error("{}: row {row} is all zeros and cannot be scaled to norm 1; remove it (and its target)", path.shown())]
    ZeroRow {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
    },
    /// A row's norm is too large or too small to divide by in single precision.
    #[error("{}: row {row} has norm {norm:e}, outside [{low:e}, {high:e}]; rescale the data", path.shown())]
    NormOutOfRange {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// Its norm.
        norm: f64,
        /// The smallest norm accepted.
        low: f64,
        /// The largest norm accepted.
        high: f64,
    },
    /// More principal components were asked for than there are coordinates.
    #[error("{asked} principal components of rows with {width} values; ask for at most {width}")]
    TooManyComponents {
        /// How many were asked for.
        asked: usize,
        /// Coordinates of a row.
        width: usize,
    },
    /// The eigenvectors of the covariance could not be computed.
    #[error("the principal components of rows with {width} values did not converge; are there values beyond 1e150?")]
    Eigenvectors {
        /// Coordinates of a row.
        width: usize,
    },
    /// Rows of one width, a projection of another.
    #[error("{}: rows have {width} values, the projection was made for {expected}; \
        training and test inputs must have the same shape", path.shown())]
    ProjectionWidth {
        /// The file.
        path: PathBuf,
        /// Values of its rows.
        width: usize,
        /// Values that the projection takes.
        expected: usize,
    },
    /// NaN or infinity.
    #[error("{}: the value at row {row}, column {column} is {value}; remove or replace it", path.shown())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: f64,
    },
    /// A finite value that becomes infinite in the type asked for.
    #[error("{}: the value at row {row}, column {column} is {value:e}, too large for {element}; rescale the data or \
        compute in f64", path.shown())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: f64,
        /// The type.
        element: &'static str,
    },

    // ---- MNIST and its folder
    /// The contents are not the official ones.
    #[error("{}: SHA-256 is {found}, expected {expected}; delete the file, or pass --data-dir with a good copy",
        path.shown())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The official sum, in hexadecimal.
        expected: String,
        /// The sum found.
        found: String,
    },
    /// The platform has no cache folder for this user.
    #[error("no cache folder: the home folder is unknown; pass --data-dir or set MEMORIZE_DATA_DIR")]
    NoCacheFolder,
    /// The folder for the expanded files cannot be made.
    #[error("cannot create the folder {}: {source}; pass --data-dir with a folder that can be written", path.shown())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An expanded file cannot be written to the program's own folder.
    #[error("cannot write {}, an expanded file of MNIST: {source}; make space there, or name another folder with the variable \
        MEMORIZE_DATA_DIR", path.shown())]
    Expand {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; {}", path.shown(), crate::output::advice(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is missing and this build has no copy of it.
    #[error("{} has no {file} (nor {file}.gz), and this build was made without the bundled MNIST files; pass --data-dir \
        with a folder that has all four", dir.shown())]
    MnistMissing {
        /// The folder.
        dir: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// Some files are the user's own and others are missing: filling up would mix two data sets.
    #[error("{} is not the official MNIST file, but there is no {missing} beside it to go with it; add it, or use \
        another folder", own.shown())]
    MnistIncomplete {
        /// A file that is not the official one.
        own: PathBuf,
        /// A file that is missing.
        missing: &'static str,
    },

    // ---- tables made in memory, and writing
    /// The number of values is not the product of the dimensions.
    #[error("{}: dimensions {dims:?} need {expected} values, got {found}", path.shown())]
    ValueCount {
        /// The file or the table's name.
        path: PathBuf,
        /// The dimensions.
        dims: Vec<usize>,
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The format has no such element type.
    #[error("{}: {format} files with elements of {element} are not written; choose another element type",
        path.shown())]
    NotStorable {
        /// The file.
        path: PathBuf,
        /// The format.
        format: Format,
        /// The element type.
        element: ElementType,
    },
    /// A value does not exist in the element type.
    #[error("{}: value {value} at index {index} cannot be stored as {element}; choose a wider element type",
        path.shown())]
    NotRepresentable {
        /// The file or the table's name.
        path: PathBuf,
        /// Index into the values.
        index: usize,
        /// The value.
        value: f64,
        /// The element type.
        element: ElementType,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_file_the_numbers_and_the_remedy() {
        let message = DataError::RowCountMismatch {
            inputs: "x.npy".into(),
            input_rows: 60000,
            targets: "y.npy".into(),
            target_rows: 10000,
        }
        .to_string();
        assert_eq!(message, "x.npy has 60000 rows but y.npy has 10000; each input needs one target");
        let message = DataError::NotRecognised { path: "a.gz".into(), looks: Looks::Html }.to_string();
        assert!(message.contains("a.gz") && message.contains("was the download redirected?"), "{message}");
    }
}
