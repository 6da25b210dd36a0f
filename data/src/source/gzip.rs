//! Decompression of an IDX or .npy file into memory, of exactly the size that its own header says.

use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::header::{Format, Header, PREFIX_LEN};
use super::looks::Looks;
use super::map::reserve;
use crate::error::DataError;

/// The first bytes of a gzip file.
pub(super) const MAGIC: &[u8] = &[0x1f, 0x8b];

/// Deflate codes at most 258 bytes in two bits: no stream expands to more than 1032 times its length.
const MAX_EXPANSION: usize = 1032;

/// Room for streams so short that the bound above means little.
const SLACK: usize = 1024;

/// Decompresses `compressed`, the contents of the file `path`.
///
/// # Errors
/// The stream is damaged; it holds no format that is read; its contents are larger or smaller than their header says,
/// or their header says more than can be.
pub(super) fn decompress(path: &Path, compressed: &[u8]) -> Result<(Header, Vec<u8>), DataError> {
    let mut decoder = MultiGzDecoder::new(compressed);
    let mut bytes = Vec::new();
    let mut read_to = |len: usize, bytes: &mut Vec<u8>| -> Result<(), DataError> {
        let missing = len.saturating_sub(bytes.len()) as u64;
        let read = decoder.by_ref().take(missing).read_to_end(bytes);
        read.map(drop).map_err(|source| corrupt(path, source))
    };
    read_to(PREFIX_LEN, &mut bytes)?;
    let Some(format) = Format::recognise(&bytes) else {
        read_to(512, &mut bytes)?;
        return Err(DataError::GzipNotRecognised { path: path.into(), looks: Looks::from_prefix(&bytes) });
    };
    read_to(format.header_len(path, &bytes)?, &mut bytes)?;
    let header = format.parse(path, &bytes)?;

    let declared = header.total_len;
    let limit = compressed.len().saturating_mul(MAX_EXPANSION).saturating_add(SLACK);
    if declared > limit {
        return Err(DataError::GzipImplausible { path: path.into(), declared, compressed: compressed.len(), limit });
    }
    let missing = declared.saturating_sub(bytes.len());
    reserve(path, &mut bytes, missing)?;
    read_to(declared, &mut bytes)?;
    if bytes.len() < declared {
        return Err(DataError::GzipTooShort { path: path.into(), expected: declared, found: bytes.len() });
    }
    // One byte more than declared: it must not be there, and looking for it makes the decoder check the CRC.
    // The prefix of a very short file may already have gone beyond its declared length.
    let mut beyond = [0];
    if bytes.len() > declared || decoder.read(&mut beyond).map_err(|source| corrupt(path, source))? > 0 {
        return Err(DataError::GzipTooLong { path: path.into(), expected: declared });
    }
    Ok((header, bytes))
}

fn corrupt(path: &Path, source: io::Error) -> DataError {
    DataError::GzipCorrupt { path: path.into(), source }
}
