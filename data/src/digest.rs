//! SHA-256 in hexadecimal: whether files are the ones that they were.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::small::open_regular;

/// Digits of a digest.
pub const HEX_DIGITS: usize = 64;

/// Bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    ///
    /// ```
    /// use memorize_data::digest::{Hasher, sha256};
    ///
    /// let mut hasher = Hasher::default();
    /// hasher.update(b"ab");
    /// hasher.update(b"c");
    /// assert_eq!(hasher.finish(), sha256(b"abc"));
    /// ```
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds bytes with their number before them, so that no two lists of pieces look alike.
    ///
    /// ```
    /// use memorize_data::digest::Hasher;
    ///
    /// let of = |pieces: [&[u8]; 2]| {
    ///     let mut hasher = Hasher::default();
    ///     pieces.iter().for_each(|piece| hasher.piece(piece));
    ///     hasher.finish()
    /// };
    /// assert_ne!(of([b"ab", b"c"]), of([b"a", b"bc"]));
    /// ```
    pub fn piece(&mut self, bytes: &[u8]) {
        self.update(&(bytes.len() as u64).to_le_bytes());
        self.update(bytes);
    }

    /// The digest of everything added.
    ///
    /// ```
    /// use memorize_data::digest::{HEX_DIGITS, Hasher};
    ///
    /// assert_eq!(Hasher::default().finish().len(), HEX_DIGITS);
    /// ```
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The digest of all bytes at once.
///
/// ```
/// use memorize_data::digest::sha256;
///
/// assert!(sha256(b"abc").starts_with("ba7816bf8f01cfea"));
/// ```
pub fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Bytes and digest of a regular file, which is not read into memory.
///
/// # Errors
/// If it cannot be read, or is no regular file.
///
/// ```
/// use memorize_data::digest::{of_file, sha256};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("abc");
/// std::fs::write(&path, "abc")?;
/// assert_eq!(of_file(&path)?, (3, sha256(b"abc")));
/// assert!(of_file(folder.path()).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn of_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = open_regular(path)?;
    let (mut hasher, mut bytes, mut piece) = (Hasher::default(), 0, vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((bytes, hasher.finish())),
            read => {
                hasher.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_ones_and_pieces_do_not_run_together() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        let pieces = |pieces: &[&str]| {
            let mut hasher = Hasher::default();
            pieces.iter().for_each(|piece| hasher.piece(piece.as_bytes()));
            hasher.finish()
        };
        assert_ne!(pieces(&["ab", "c"]), pieces(&["a", "bc"]));
    }
}
