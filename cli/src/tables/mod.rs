//! Data files as such: what is in them, the same in another format, a sample of them.
//!
//! Nothing here trains, and no more than a row is in memory at once.

mod info;
mod picture;
mod sample;

use std::path::Path;

use memorize_data::Shown;
use memorize_data::format::Format;
use memorize_data::output::Staged;
use memorize_data::source::stage_rows;
use memorize_data::{DataError, ElementType, Mnist, Output, Table};
use memorize_run::error::{Error, WithHint};
use memorize_run::nearest;
use memorize_run::run::opened;

use crate::args::{MNIST, SYNTHETIC, Source, WrittenArgs};
use crate::say;
pub use info::{FileInfo, text};
pub use sample::draw;

impl Source {
    /// The table, and the targets that belong to it by nature.
    ///
    /// # Errors
    /// Bad input: a file that cannot be used, a set that is made and not read.
    pub fn open(&self) -> Result<(Table, Option<Table>), Error> {
        match self {
            Self::Mnist => {
                let Mnist { train_images, train_labels, .. } = opened::mnist(None)?;
                Ok((train_images, Some(train_labels)))
            }
            Self::Synthetic => Err(Error::BadInput(
                anyhow::anyhow!("the synthetic set is made, not read")
                    .hint("write it to a file: `memorize data sample synthetic --rows 300 --out X.npy`"),
            )),
            Self::File(path) => Ok((open(path)?, None)),
        }
    }
}

/// The table in a file.
fn open(path: &Path) -> Result<Table, Error> {
    Table::open(path).map_err(|error| missing(path, error))
}

/// Says something that is no result.
pub fn tell(line: &str) {
    say::tell(&format!("note: {line}"));
}

/// A name that is no file's may be one of the sets', mistyped.
fn missing(path: &Path, error: DataError) -> Error {
    let typed = path.to_string_lossy();
    match nearest::name(&typed, [MNIST, SYNTHETIC]).filter(|_| !path.exists()) {
        Some(name) => Error::BadInput(error.hint(format!("did you mean `{name}`?"))),
        None => error.into(),
    }
}

/// Writes a table in another format or type.
///
/// # Errors
/// Bad input if the name or a number does not fit; a failed run if the file cannot be written.
pub fn convert(table: &Table, out: &Path, written: WrittenArgs) -> Result<(), Error> {
    let out = Output::new(out, written.overwrite, [table.path()])?;
    let fill = |row: usize, numbers: &mut [f64]| table.decode_row(row, numbers);
    let staged = stage(&out, written, table.element_type(), table.dims(), fill)?;
    table.check_unchanged().map_err(Error::run_failed)?;
    commit(&out, staged)
}

/// Gives a file its name.
fn commit(out: &Output, staged: Staged) -> Result<(), Error> {
    Ok(staged.commit().map_err(|source| out.failed(source))?)
}

/// Writes rows to a file that is yet to get its name, in the format that the name or the flag says, as the type of the
/// flag or else `element`.
fn stage(
    place: &Output,
    written: WrittenArgs,
    element: ElementType,
    dims: &[usize],
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<Staged, Error> {
    let out = place.path();
    let format = written.format.or_else(|| format_of(out)).ok_or_else(|| {
        Error::BadInput(
            anyhow::anyhow!("the name {} does not say which format to write", out.shown())
                .hint("end it in .npy or .idx, or pass --format npy or --format idx"),
        )
    })?;
    Ok(stage_rows(place, format, written.element.unwrap_or(element), dims, fill)?)
}

fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    if name.ends_with(".npy") {
        Some(Format::Npy)
    } else if name.ends_with(".idx") || name.ends_with("ubyte") {
        Some(Format::Idx)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_formats_and_sources() {
        let formats = ["X.npy", "a/X.NPY", "x.idx", "train-images-idx3-ubyte", "x.gz", "npy", ""];
        let found = formats.map(|name| format_of(Path::new(name)));
        let (npy, idx) = (Some(Format::Npy), Some(Format::Idx));
        assert_eq!(found, [npy, npy, idx, idx, None, None, None]);
        assert_eq!("mnist".parse(), Ok(Source::Mnist));
        assert_eq!("./mnist".parse(), Ok(Source::File("./mnist".into())));
    }
}
