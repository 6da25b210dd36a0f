//! Errors of the data crate: one variant for each way in which a file, a folder or a pair of files can be wrong.
//!
//! Every message names the file, says what was expected and what was found, and what to do about it. Rows and columns
//! are counted from 0.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::format::{ElementType, Format, Looks};
use crate::shown::Shown;

/// Errors between a path and a usable table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    // ---- the file as such
    /// The file could not be opened.
    #[error("cannot open {}: {source}; check the path and its permissions", path.shown())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file was opened but reading it failed.
    #[error("cannot read {}: {source}; check the disk or copy the file again", path.shown())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
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
        /// The format that it resembles.
        looks: Looks,
    },
    /// The file was written to while it was mapped: what was read from it may be neither the old contents nor the new.
    #[error("{} was changed while it was being used; put the old contents back, and replace data files by renaming new ones \
        over them", path.shown())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A rank of several has other numbers in its file than rank 0 has in the same place of its own.
    #[error("rank {rank} has another number than rank 0 in row {row}, column {column} of {}; the ranks must read the same data: copy the \
        file of rank 0's machine to the others", path.shown())]
    RanksDiffer {
        /// The file, or the name of a table in memory.
        path: PathBuf,
        /// The rank.
        rank: usize,
        /// The first number that differs.
        row: usize,
        /// The same.
        column: usize,
    },
    /// More memory is needed than the system gives.
    #[error("{} needs {bytes} bytes of memory, which the system refuses; {advice}", path.shown())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: usize,
        /// How to do with less.
        advice: &'static str,
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
        /// The fault.
        what: String,
    },
    /// An element type that is not read.
    #[error("{}: .npy elements of type {descr} ({what}) are not read; {advice}", path.shown())]
    NpyElementType {
        /// The file.
        path: PathBuf,
        /// The type as the header has it.
        descr: String,
        /// The same in words.
        what: &'static str,
        /// How to convert them, and any loss of that.
        advice: &'static str,
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
    /// Something that is neither padding nor another member follows the compressed stream.
    #[error("{}: the gzip stream is whole, but {extra} other bytes follow its {whole}; cut them off (head -c {whole} FILE > NEW), \
        or find out where they come from", path.shown())]
    GzipTrailing {
        /// The file.
        path: PathBuf,
        /// Bytes of the stream.
        whole: usize,
        /// Bytes behind it.
        extra: usize,
    },
    /// The compressed stream is damaged or cut short.
    #[error("{}: the gzip stream is damaged: {source}; download it again", path.shown())]
    GzipCorrupt {
        /// The file.
        path: PathBuf,
        /// The decompressor's error.
        source: io::Error,
    },
    /// The contents of the compressed file have no format that is read here.
    #[error("{}: what this gzip file holds is neither IDX nor .npy: {looks}", path.shown())]
    GzipNotRecognised {
        /// The file.
        path: PathBuf,
        /// The format that it resembles.
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
    /// More principal components were asked for than there are directions.
    #[error(
        "{asked} principal components of {samples} samples with {width} values each: they have no more than {most} directions; \
         ask for at most {most}",
        most = samples.min(width)
    )]
    TooManyComponents {
        /// How many were asked for.
        asked: usize,
        /// Samples of the training set.
        samples: usize,
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
    #[error("{}: SHA-256 is {found}, expected {expected}; delete the file, or put a good copy in its place", path.shown())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The official sum, in hexadecimal.
        expected: String,
        /// The sum found.
        found: String,
    },
    /// The platform has no cache folder for this user.
    #[error("no folder for the MNIST files: the home folder is unknown; name one in the variable MEMORIZE_DATA_DIR")]
    NoCacheFolder,
    /// The folder for the expanded files cannot be made.
    #[error("cannot create the folder {} for the MNIST files: {source}; name one that can be written in the variable \
        MEMORIZE_DATA_DIR", path.shown())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; {}", path.shown(), crate::output::advice(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// One of the files of MNIST cannot be written to the cache.
    #[error("cannot write {}: {source}; free some space, or name another folder for the MNIST files in the variable \
        MEMORIZE_DATA_DIR", path.shown())]
    WriteCache {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is missing and this build has no copy of it.
    #[error("{} has no {file} (nor {file}.gz), and this build was made without the bundled MNIST files; name a folder that has \
        all four in the variable MEMORIZE_DATA_DIR", dir.shown())]
    MnistMissing {
        /// The folder.
        dir: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// A folder that was named is not there.
    #[error("there is no folder {}; check its name", path.shown())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The path of a folder leads to something else.
    #[error("{} is not a folder; name the folder that the files are in", path.shown())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A folder that was named has none of the four files.
    #[error("{} has none of the four files {}; {}", path.shown(), files.join(", "), elsewhere(below))]
    NoSet {
        /// The folder.
        path: PathBuf,
        /// The files looked for.
        files: [&'static str; 4],
        /// Folders in it that have them.
        below: Vec<PathBuf>,
    },
    /// A folder has some of the four files of a data set: nothing is added to it, which might mix two sets.
    #[error("{} has {} but no {} to go with {}; {}", path.shown(), names(found), missing.join(", "),
        if found.len() == 1 { "it" } else { "them" }, elsewhere(below))]
    IncompleteSet {
        /// The folder.
        path: PathBuf,
        /// The files that it has.
        found: Vec<PathBuf>,
        /// Those that it has not.
        missing: Vec<String>,
        /// Folders in it that have all four.
        below: Vec<PathBuf>,
    },
    /// A folder has the files of more than one data set.
    #[error("{} has the files of {} data sets: {}; name a folder that has the four files of one", path.shown(), sets.len(),
        sets.join(", "))]
    SeveralSets {
        /// The folder.
        path: PathBuf,
        /// Their names.
        sets: Vec<String>,
        /// The files of the first: training images and labels, test images and labels.
        first: Box<[PathBuf; 4]>,
    },
    /// The folder for the expanded files is used for something else.
    #[error("{} is not filled with the MNIST files, because it has something else in it ({}); name a new or an empty folder in the \
        variable MEMORIZE_DATA_DIR, or one that has the four files", path.shown(), std::path::Path::new(other).shown())]
    CacheInUse {
        /// The folder.
        path: PathBuf,
        /// The first name in it that is none of the files.
        other: OsString,
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

/// Where to look instead of in a folder that lacks files.
fn elsewhere(below: &[PathBuf]) -> String {
    match below {
        [] => "name a folder that has all four".to_owned(),
        [one] => format!("name {}, which has all four", one.shown()),
        several => {
            let several: Vec<String> = several.iter().map(|path| path.shown().to_string()).collect();
            format!("name one of these, which have all four: {}", several.join(", "))
        }
    }
}

/// The names of files, without their folder.
fn names(files: &[PathBuf]) -> String {
    let names = files.iter().map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
    names.collect::<Vec<_>>().join(", ")
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
