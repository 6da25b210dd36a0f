//! What the headers of both formats come down to, and the check of their sizes.

use std::fmt;
use std::path::Path;

use super::element::{ByteOrder, ElementType};
use super::{idx, npy};
use crate::error::DataError;

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

/// Bytes that are enough to recognise a format and to know the length of its header.
pub(super) const PREFIX_LEN: usize = 12;

impl Format {
    /// Recognises a format by its first bytes.
    pub(super) fn recognise(prefix: &[u8]) -> Option<Self> {
        if prefix.starts_with(npy::MAGIC) {
            Some(Self::Npy)
        } else if prefix.starts_with(idx::MAGIC) {
            Some(Self::Idx)
        } else {
            None
        }
    }

    /// Length of the header in bytes. `prefix` is the start of the file: [`PREFIX_LEN`] bytes, or all of a shorter one.
    pub(super) fn header_len(self, path: &Path, prefix: &[u8]) -> Result<usize, DataError> {
        match self {
            Self::Idx => idx::header_len(path, prefix),
            Self::Npy => npy::header_len(path, prefix),
        }
    }

    /// Parses the header. `start` is the start of the file: the whole header, or all of a shorter file.
    pub(super) fn parse(self, path: &Path, start: &[u8]) -> Result<Header, DataError> {
        match self {
            Self::Idx => idx::parse(path, start),
            Self::Npy => npy::parse(path, start),
        }
    }
}

/// A parsed header whose sizes multiply without overflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) element: ElementType,
    pub(super) order: ByteOrder,
    /// Whether the first dimension is the fastest, and it matters.
    pub(super) fortran: bool,
    pub(super) dims: Vec<usize>,
    /// Where the numbers start.
    pub(super) data_offset: usize,
    /// Bytes of header and numbers.
    pub(super) total_len: usize,
}

impl Header {
    /// Checks that there is something in the file and that its size can be addressed.
    pub(super) fn new(
        path: &Path,
        format: Format,
        element: ElementType,
        order: ByteOrder,
        dims: Vec<usize>,
        data_offset: usize,
    ) -> Result<Self, DataError> {
        check_dims(path, &dims)?;
        let total_len = count(&dims)
            .and_then(|n| n.checked_mul(element.size()))
            .and_then(|n| n.checked_add(data_offset))
            // A slice may not be longer than isize::MAX bytes.
            .filter(|&n| isize::try_from(n).is_ok());
        match total_len {
            Some(total_len) => Ok(Self { format, element, order, fortran: false, dims, data_offset, total_len }),
            None => Err(DataError::SizeOverflow { path: path.into(), dims, element }),
        }
    }

    /// Checks the size of the whole file against the header.
    pub(super) fn check_len(&self, path: &Path, found: usize) -> Result<(), DataError> {
        let (path, format, dims, element) = (path.into(), self.format, self.dims.clone(), self.element);
        let expected = self.total_len;
        if found < expected {
            Err(DataError::TooShort { path, format, dims, element, expected, found })
        } else if found > expected {
            Err(DataError::TooLong { path, format, dims, element, expected, found })
        } else {
            Ok(())
        }
    }
}

/// Refuses tables without rows or columns.
pub(super) fn check_dims(path: &Path, dims: &[usize]) -> Result<(), DataError> {
    if dims.first().is_none_or(|&rows| rows == 0) {
        return Err(DataError::NoRows { path: path.into(), dims: dims.into() });
    }
    if dims.contains(&0) {
        return Err(DataError::NoColumns { path: path.into(), dims: dims.into() });
    }
    Ok(())
}

/// Product of the dimensions, `None` if it overflows.
pub(super) fn count(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
}
