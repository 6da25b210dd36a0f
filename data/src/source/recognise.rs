//! Which format a file has, and its header in that format.

use std::path::Path;

use super::header::Header;
use super::{idx, npy};
use crate::error::DataError;
use crate::format::Format;

/// Bytes that are enough to recognise a format and to know the length of its header.
pub(super) const PREFIX_LEN: usize = 12;

/// Recognises a format by its first bytes.
pub(super) fn format_of(prefix: &[u8]) -> Option<Format> {
    if prefix.starts_with(npy::MAGIC) {
        Some(Format::Npy)
    } else if prefix.starts_with(idx::MAGIC) {
        Some(Format::Idx)
    } else {
        None
    }
}

/// Length of the header in bytes. `prefix` is the start of the file: [`PREFIX_LEN`] bytes, or all of a shorter one.
pub(super) fn header_len(format: Format, path: &Path, prefix: &[u8]) -> Result<usize, DataError> {
    match format {
        Format::Idx => idx::header_len(path, prefix),
        Format::Npy => npy::header_len(path, prefix),
    }
}

/// Parses the header. `start` is the start of the file: the whole header, or all of a shorter file.
pub(super) fn parse(format: Format, path: &Path, start: &[u8]) -> Result<Header, DataError> {
    match format {
        Format::Idx => idx::parse(path, start),
        Format::Npy => npy::parse(path, start),
    }
}
