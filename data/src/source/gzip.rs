//! Decompression of an IDX or .npy file into memory, of exactly the size that its own header says.

use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::header::Header;
use super::map::reserve;
use super::recognise::{self, PREFIX_LEN, format_of};
use crate::error::DataError;
use crate::format::Looks;

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
    let mut decoder = Members::new(path, compressed);
    let mut bytes = Vec::new();
    let mut read_to = |len: usize, bytes: &mut Vec<u8>| -> Result<(), DataError> {
        let missing = len.saturating_sub(bytes.len()) as u64;
        let read = decoder.by_ref().take(missing).read_to_end(bytes);
        read.map(drop).map_err(|source| decoder.error(source))
    };
    read_to(PREFIX_LEN, &mut bytes)?;
    let Some(format) = format_of(&bytes) else {
        read_to(512, &mut bytes)?;
        return Err(DataError::GzipNotRecognised { path: path.into(), looks: Looks::from_prefix(&bytes) });
    };
    read_to(recognise::header_len(format, path, &bytes)?, &mut bytes)?;
    let header = recognise::parse(format, path, &bytes)?;

    let declared = header.total_len;
    let limit = compressed.len().saturating_mul(MAX_EXPANSION).saturating_add(SLACK);
    if declared > limit {
        return Err(DataError::GzipImplausible { path: path.into(), declared, compressed: compressed.len(), limit });
    }
    let missing = declared.saturating_sub(bytes.len());
    reserve(path, &mut bytes, missing, "use an uncompressed file, which is mapped")?;
    read_to(declared, &mut bytes)?;
    if bytes.len() < declared {
        return Err(DataError::GzipTooShort { path: path.into(), expected: declared, found: bytes.len() });
    }
    // One byte more than declared: it must not be there, and looking for it makes the decoder check the CRC.
    // The prefix of a very short file may already have gone beyond its declared length.
    let mut beyond = [0];
    if bytes.len() > declared || decoder.read(&mut beyond).map_err(|source| decoder.error(source))? > 0 {
        return Err(DataError::GzipTooLong { path: path.into(), expected: declared });
    }
    Ok((header, bytes))
}

/// The contents of all members of a file, one after the other. Zeros may stand behind and between them: tapes, and
/// programs that write whole blocks, pad with them.
struct Members<'a> {
    path: &'a Path,
    len: usize,
    decoder: GzDecoder<&'a [u8]>,
    /// Bytes that are no member, at the end.
    extra: usize,
}

impl<'a> Members<'a> {
    fn new(path: &'a Path, compressed: &'a [u8]) -> Self {
        Self { path, len: compressed.len(), decoder: GzDecoder::new(compressed), extra: 0 }
    }

    /// The error.
    fn error(&self, source: io::Error) -> DataError {
        let path = self.path.into();
        match self.extra {
            0 => DataError::GzipCorrupt { path, source },
            extra => DataError::GzipTrailing { path, whole: self.len - extra, extra },
        }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(buffer)?;
            // At its end the decoder has checked the sum, and left what follows where it is.
            let rest: &[u8] = self.decoder.get_ref();
            if read > 0 || buffer.is_empty() || rest.is_empty() {
                return Ok(read);
            }
            let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
            let next = &rest[zeros..];
            if next.is_empty() {
                return Ok(0);
            }
            if !next.starts_with(MAGIC) {
                self.extra = rest.len();
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.decoder = GzDecoder::new(next);
        }
    }
}
