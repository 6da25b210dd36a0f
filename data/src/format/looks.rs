//! A guess at what a file is that was not recognised, so that the message can name the accident.

use std::fmt;

/// Guesses the format of a file that is not recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looks {
    /// A web page.
    Html,
    /// A zip archive.
    Zip,
    /// NumPy's .npz: a zip archive of .npy files.
    Npz,
    /// A file of PyTorch: a zip archive, or pickled Python objects.
    Torch,
    /// Compressed by xz.
    Xz,
    /// Compressed by zstd.
    Zstd,
    /// Compressed by bzip2.
    Bzip2,
    /// Compressed by lz4.
    Lz4,
    /// An archive of 7-Zip.
    SevenZip,
    /// A tar archive.
    Tar,
    /// HDF5, also of MATLAB from 7.3 on and of Keras.
    Hdf5,
    /// A file of MATLAB.
    Matlab,
    /// Parquet.
    Parquet,
    /// Arrow or Feather.
    Arrow,
    /// Pickled Python objects.
    Pickle,
    /// A picture.
    Picture,
    /// Weights, or other tensors, in safetensors.
    Safetensors,
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

/// First bytes that say what a file is.
const BEGINNINGS: [(&[u8], Looks); 18] = [
    (b"\x1f\x8b", Looks::Gzip),
    (b"\xfd7zXZ\0", Looks::Xz),
    (b"\x28\xb5\x2f\xfd", Looks::Zstd),
    (b"BZh", Looks::Bzip2),
    (b"\x04\x22\x4d\x18", Looks::Lz4),
    (b"7z\xbc\xaf\x27\x1c", Looks::SevenZip),
    (b"\x89HDF\r\n\x1a\n", Looks::Hdf5),
    (b"MATLAB 5.0 MAT-file", Looks::Matlab),
    (b"PAR1", Looks::Parquet),
    (b"ARROW1", Looks::Arrow),
    (b"\x80\x02", Looks::Pickle),
    (b"\x80\x03", Looks::Pickle),
    (b"\x80\x04\x95", Looks::Pickle),
    (b"\x80\x05\x95", Looks::Pickle),
    (b"\x89PNG\r\n\x1a\n", Looks::Picture),
    (b"\xff\xd8\xff", Looks::Picture),
    // Text in UTF-16.
    (b"\xff\xfe", Looks::Text),
    (b"\xfe\xff", Looks::Text),
];

impl Looks {
    /// Guesses from the first bytes of a file.
    pub(crate) fn from_prefix(prefix: &[u8]) -> Self {
        let prefix = &prefix[..prefix.len().min(512)];
        let lower = prefix.to_ascii_lowercase();
        let text = lower.trim_ascii_start();
        if prefix.is_empty() {
            Self::Empty
        } else if let Some((_, looks)) = BEGINNINGS.into_iter().find(|(beginning, _)| prefix.starts_with(beginning)) {
            looks
        } else if prefix.starts_with(b"PK\x03\x04") || prefix.starts_with(b"PK\x05\x06") {
            Self::archive(prefix)
        } else if prefix.get(257..262) == Some(b"ustar") {
            Self::Tar
        } else if prefix.get(..10).is_some_and(|start| start[2..8] == [0; 6] && start[8..] == *b"{\"") {
            // The length of the header, in eight bytes, then the header in JSON.
            Self::Safetensors
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

    /// A zip archive by the name of its first member, which stands behind 30 bytes.
    fn archive(prefix: &[u8]) -> Self {
        let length = prefix.get(26..28).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
        let name = prefix.get(30..(30 + length).min(prefix.len())).unwrap_or_default();
        if name.ends_with(b".npy") {
            Self::Npz
        } else if name.ends_with(b"data.pkl") || name.ends_with(b".format_version") {
            Self::Torch
        } else {
            Self::Zip
        }
    }
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Html => {
                "it looks like an HTML page, was the download redirected? Look at it; download the file itself"
            }
            Self::Zip => "it is a zip archive; unpack it (unzip FILE) and name the file that you need",
            Self::Npz => {
                "it is an .npz archive; unpack it (unzip FILE) and name the .npy file that you need, or save that alone: \
                 numpy.save(\"X.npy\", numpy.load(\"FILE\")[\"NAME\"])"
            }
            Self::Torch => {
                "it was saved by PyTorch; save the numbers alone: numpy.save(\"X.npy\", torch.load(\"FILE\").numpy())"
            }
            Self::Xz => "it is compressed by xz; decompress it (xz -dk FILE), or compress it with gzip",
            Self::Zstd => "it is compressed by zstd; decompress it (zstd -d FILE), or compress it with gzip",
            Self::Bzip2 => "it is compressed by bzip2; decompress it (bzip2 -dk FILE), or compress it with gzip",
            Self::Lz4 => "it is compressed by lz4; decompress it (lz4 -d FILE), or compress it with gzip",
            Self::SevenZip => "it is an archive of 7-Zip; unpack it (7z x FILE) and name the file that you need",
            Self::Tar => "it is a tar archive; unpack it (tar -xf FILE) and name the file that you need",
            Self::Hdf5 => {
                "it is HDF5; save one array of it: numpy.save(\"X.npy\", h5py.File(\"FILE\")[\"NAME\"][...])"
            }
            Self::Matlab => {
                "it is a file of MATLAB; save one array of it: numpy.save(\"X.npy\", scipy.io.loadmat(\"FILE\")[\"NAME\"])"
            }
            Self::Parquet => "it is Parquet; save its columns: numpy.save(\"X.npy\", pandas.read_parquet(\"FILE\").to_numpy())",
            Self::Arrow => "it is Arrow or Feather; save its columns: numpy.save(\"X.npy\", pandas.read_feather(\"FILE\").to_numpy())",
            Self::Pickle => {
                "it holds pickled Python objects; save one array of them: numpy.save(\"X.npy\", numpy.load(\"FILE\", allow_pickle=True))"
            }
            Self::Picture => "it is a picture; save its pixels: numpy.save(\"X.npy\", numpy.asarray(PIL.Image.open(\"FILE\")))",
            Self::Safetensors => {
                "it holds tensors (safetensors); save one of them: \
                 numpy.save(\"X.npy\", safetensors.numpy.load_file(\"FILE\")[\"NAME\"])"
            }
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
        let zip = |name: &str| [b"PK\x03\x04", &[0; 22][..], &[name.len() as u8, 0, 0, 0], name.as_bytes()].concat();
        assert_eq!(Looks::from_prefix(&zip("arr_0.npy")), Looks::Npz);
        assert_eq!(Looks::from_prefix(&zip("archive/data.pkl")), Looks::Torch);
        assert_eq!(Looks::from_prefix(&zip("train.csv")), Looks::Zip);
        assert_eq!(Looks::from_prefix(b"\xfd7zXZ\0\0\x04"), Looks::Xz);
        assert_eq!(Looks::from_prefix(b"\x28\xb5\x2f\xfd\x04"), Looks::Zstd);
        assert_eq!(Looks::from_prefix(b"BZh91AY"), Looks::Bzip2);
        assert_eq!(Looks::from_prefix(b"\x89HDF\r\n\x1a\n\0"), Looks::Hdf5);
        assert_eq!(Looks::from_prefix(b"\x80\x04\x95\x01"), Looks::Pickle);
        assert_eq!(Looks::from_prefix(b"\x40\0\0\0\0\0\0\0{\"W\":"), Looks::Safetensors);
        let tar = [&b"X.npy"[..], &[0; 252], b"ustar\0"].concat();
        assert_eq!(Looks::from_prefix(&tar), Looks::Tar);
        assert_eq!(Looks::from_prefix(b"version https://git-lfs.github.com/spec/v1\n"), Looks::LfsPointer);
        assert_eq!(Looks::from_prefix(b"\x7fELF\x02\x01"), Looks::Binary);
        assert_eq!(Looks::from_prefix(b""), Looks::Empty);
    }
}
