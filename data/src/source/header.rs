//! The common part of the headers of both formats, and the check of their sizes.

use std::path::Path;

use crate::error::DataError;
use crate::format::{ByteOrder, ElementType, Format};

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
