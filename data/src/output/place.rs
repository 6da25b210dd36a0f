//! The target of a path, once its links are followed.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::folder_of;

/// Links that are followed, one after the other, before they are taken for a circle; as many as Linux follows.
const LINKS: usize = 40;

/// How long a pipe waits for somebody who reads it.
#[cfg(unix)]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether a result goes to the standard output.
static STDOUT_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether a file was written to the standard output: what is said to people must then go somewhere else.
///
/// ```
/// // Nothing was written to /dev/stdout.
/// assert!(!memorize_data::output::stdout_is_taken());
/// ```
pub fn stdout_is_taken() -> bool {
    STDOUT_TAKEN.load(Ordering::Relaxed)
}

/// Target of a path.
#[derive(Debug)]
pub(super) enum Place {
    /// A regular file, or nothing yet. No link is left in the file's own name.
    File(PathBuf),
    /// The standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Another file that the process was started with: what is written goes to its end.
    Inherited(PathBuf),
    /// A device, a pipe or a socket.
    Special(PathBuf, Metadata),
}

/// Follows the links of a path.
///
/// # Errors
/// If it leads to a folder, or can only name one; if a part of it cannot be looked at.
pub(super) fn of(path: &Path) -> io::Result<Place> {
    let text = path.as_os_str().as_encoded_bytes();
    if text.ends_with(b"/") || (path.file_name().is_none() && !text.is_empty()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut end = path.to_owned();
    for _ in 0..LINKS {
        if let Some(inherited) = descriptor(&end) {
            return Ok(inherited);
        }
        match fs::symlink_metadata(&end) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&end)?;
                end = folder_of(&end).join(target);
            }
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() => return Ok(Place::File(end)),
            Ok(metadata) => return Ok(Place::Special(end, metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && end.file_name().is_some() => {
                return Ok(Place::File(end));
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// Which of the process's own open files a path names, if it is one.
fn descriptor(path: &Path) -> Option<Place> {
    let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
    let folder = fs::canonicalize(path.parent()?).ok()?;
    let own = Path::new("/proc").join(std::process::id().to_string()).join("fd");
    if folder != own && folder != Path::new("/dev/fd") {
        return None;
    }
    match number {
        1 => Some(Place::Stdout),
        2 => Some(Place::Stderr),
        _ => Some(Place::Inherited(path.to_owned())),
    }
}

impl Place {
    /// Whether writing takes away what is there.
    pub(super) fn holds_something(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Special(_, metadata) => is_disk(metadata),
            Self::Stdout | Self::Stderr | Self::Inherited(_) => false,
        }
    }

    /// Makes sure that what is no regular file can be written to, as far as that can be known without opening it: who
    /// reads a pipe must not see it open and closed.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Special(path, metadata) => {
                use std::os::unix::fs::FileTypeExt;
                if metadata.file_type().is_socket() {
                    return Err(io::Error::other("it is a socket, which only the program that made it reads"));
                }
                rustix::fs::access(path, rustix::fs::Access::WRITE_OK).map_err(io::Error::from)
            }
            _ => Ok(()),
        }
    }

    /// Opens what is no regular file.
    ///
    /// # Errors
    /// If the system refuses, or nobody reads from a pipe.
    pub(super) fn open(&self) -> io::Result<File> {
        match self {
            #[cfg(unix)]
            Self::Stdout => {
                use std::os::fd::AsFd;
                STDOUT_TAKEN.store(true, Ordering::Relaxed);
                Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
            }
            #[cfg(unix)]
            Self::Stderr => {
                use std::os::fd::AsFd;
                Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
            }
            #[cfg(unix)]
            Self::Special(path, metadata) => {
                use std::os::unix::fs::FileTypeExt;
                // Held until the other is open: the reader would else see an end.
                let _open = if metadata.file_type().is_fifo() { Some(wait_for_a_reader(path)?) } else { None };
                File::options().write(true).open(path)
            }
            Self::Inherited(path) => {
                let regular = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
                File::options().write(true).append(regular).open(path)
            }
            #[cfg(not(unix))]
            Self::Stdout | Self::Stderr => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(not(unix))]
            Self::Special(path, _) => File::options().write(true).open(path),
            Self::File(path) => File::create(path),
        }
    }
}

/// Opening a pipe for writing takes as long as nobody reads it, which may be for ever.
#[cfg(unix)]
fn wait_for_a_reader(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let begun = std::time::Instant::now();
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    loop {
        match File::options().write(true).custom_flags(flags).open(path) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if begun.elapsed() > PATIENCE {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads from this pipe"));
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

#[cfg(unix)]
fn is_disk(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_disk(_: &Metadata) -> bool {
    false
}

/// Whether two paths lead to one file, by whatever names and links.
///
/// ```
/// use memorize_data::output::is_one_file;
///
/// let folder = tempfile::tempdir()?;
/// let path = |name| folder.path().join(name);
/// std::fs::write(path("a"), "text")?;
/// std::fs::hard_link(path("a"), path("b"))?;
/// std::fs::write(path("c"), "text")?;
/// assert!(is_one_file(&path("a"), &path("b")) && !is_one_file(&path("a"), &path("c")));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_one_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let number = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        number(one).is_some_and(|found| Some(found) == number(other))
    }
    #[cfg(not(unix))]
    fs::canonicalize(one).is_ok_and(|found| fs::canonicalize(other).is_ok_and(|other| found == other))
}

/// Whether a path leads to this open file.
///
/// ```
/// use memorize_data::output::is_at;
///
/// let folder = tempfile::tempdir()?;
/// let (old, new) = (folder.path().join("old"), folder.path().join("new"));
/// let file = std::fs::File::create(&old)?;
/// std::fs::rename(&old, &new)?;
/// assert!(is_at(&file, &new) && !is_at(&file, &old));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (Ok(own), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Whether two paths without links, of files that may not be there yet, are one.
pub(super) fn is_one_place(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = folder_of(path);
        let folder =
            fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.into());
        folder.join(path.file_name().unwrap_or_default())
    };
    is_one_file(one, other) || whole(one) == whole(other)
}

/// Gives a new file the permissions, and as far as the system lets it the owner, of the one that it is to replace.
pub(super) fn keep_owner_and_mode(target: &Path, new: &File) {
    #[cfg(unix)]
    if let Ok(old) = fs::metadata(target) {
        use std::os::unix::fs::{MetadataExt, fchown};
        // The group alone can be had by its members. The owner first: a change of it takes permissions away.
        if fchown(new, Some(old.uid()), Some(old.gid())).is_err() {
            let _ = fchown(new, None, Some(old.gid()));
        }
        let _ = new.set_permissions(old.permissions());
    }
    #[cfg(not(unix))]
    let _ = (target, new);
}
