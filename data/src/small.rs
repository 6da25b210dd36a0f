//! Small files of other origins, read whole: of a bounded size, and never from a pipe or a device, which may not end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file, by whatever links.
///
/// # Errors
/// If it cannot be opened, or is a folder, a pipe, a socket or a device. None of them is waited for.
///
/// ```
/// use memorize_data::small::open_regular;
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("file"), "text")?;
/// assert!(open_regular(&folder.path().join("file")).is_ok());
/// assert!(open_regular(folder.path()).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    // To open a pipe is to wait for its writer.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// The bytes of a regular file of at most so many.
///
/// # Errors
/// As [`open_regular`]; if it is longer.
///
/// ```
/// use memorize_data::small::read;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("file");
/// std::fs::write(&path, "12345")?;
/// assert_eq!(read(&path, 5)?, b"12345");
/// assert!(read(&path, 4).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One that grows meanwhile, or says that it has no length (as in /proc), is not believed.
    open_regular(path)?.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {longest} bytes")));
    }
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// As [`read`]; if it is not in UTF-8.
///
/// ```
/// use memorize_data::small::read_text;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("file");
/// std::fs::write(&path, "12345")?;
/// assert_eq!(read_text(&path, 100)?, "12345");
/// std::fs::write(&path, [0xff])?;
/// assert!(read_text(&path, 100).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read_text(path: &Path, longest: u64) -> io::Result<String> {
    String::from_utf8(read(path, longest)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_their_limit() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(root.path(), 5).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&root.path().join("none"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_and_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert!(read(path, 5).unwrap_err().to_string().contains("not a regular file"), "{path:?}");
        }
    }
}
