//! A guess at what a file is that was not recognised, so that the message can name the accident.

use std::fmt;

/// What a file that is not recognised looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looks {
    /// A web page.
    Html,
    /// A zip archive, such as .npz.
    Zip,
    /// A pointer that Git LFS left in place of the file.
    LfsPointer,
    /// Text.
    Text,
    /// A gzip file inside a gzip file.
    Gzip,
    /// Nothing at all.
    Empty,
    /// None of these.
    Binary,
}

impl Looks {
    /// Guesses from the first bytes of a file.
    pub(crate) fn from_prefix(prefix: &[u8]) -> Self {
        let prefix = &prefix[..prefix.len().min(512)];
        let lower = prefix.to_ascii_lowercase();
        let text = lower.trim_ascii_start();
        if prefix.is_empty() {
            Self::Empty
        } else if prefix.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if prefix.starts_with(b"PK\x03\x04") {
            Self::Zip
        } else if text.starts_with(b"version https://git-lfs") {
            Self::LfsPointer
        } else if [&b"<!doctype"[..], b"<html", b"<head", b"<?xml"].iter().any(|tag| text.starts_with(tag)) {
            Self::Html
        } else if prefix.iter().all(|&byte| (0x20..0x7f).contains(&byte) || byte.is_ascii_whitespace()) {
            Self::Text
        } else {
            Self::Binary
        }
    }
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Html => {
                "it looks like an HTML page, was the download redirected? Look at it; download the file itself"
            }
            Self::Zip => "it looks like a zip archive (.npz?); extract the .npy file that you need",
            Self::LfsPointer => "it is a Git LFS pointer; run `git lfs pull` to get the file itself",
            Self::Text => "it looks like text; convert it to .npy with numpy.save, or check the download",
            Self::Gzip => "it is compressed twice; decompress it once",
            Self::Empty => "it holds nothing; download it again",
            Self::Binary => "its first bytes belong to no known format; check that it is the right file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_accidents_are_named() {
        assert_eq!(Looks::from_prefix(b"\n <!DOCTYPE html><html>"), Looks::Html);
        assert_eq!(Looks::from_prefix(b"1.0,2.0\n"), Looks::Text);
        assert_eq!(Looks::from_prefix(b"PK\x03\x04rest"), Looks::Zip);
        assert_eq!(Looks::from_prefix(b"version https://git-lfs.github.com/spec/v1\n"), Looks::LfsPointer);
        assert_eq!(Looks::from_prefix(b"\x7fELF\x02\x01"), Looks::Binary);
        assert_eq!(Looks::from_prefix(b""), Looks::Empty);
    }
}
