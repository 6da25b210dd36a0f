//! Files of numbers: their formats, the types of their elements, and guesses about files of other formats.

mod element;
mod looks;

use std::fmt;

pub(crate) use element::ByteOrder;
pub use element::ElementType;
pub use looks::Looks;

/// A file format of uncompressed numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// IDX, the format of the MNIST files.
    Idx,
    /// NumPy's .npy.
    Npy,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idx => "IDX",
            Self::Npy => ".npy",
        })
    }
}
