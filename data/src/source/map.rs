//! The bytes of a file: mapped into memory, or read. The only file of this crate with unsafe code.
//!
//! Risks and uses of mapping:
//!
//! * A file that another process truncates while it is mapped is SIGBUS when a lost page is touched (the program ends
//!   with an error), and zeros in the rest of the last page; a file that is overwritten in place changes under the
//!   computation. Nothing here can prevent either, but [`Bytes::since`] finds both out afterwards. Replace data files
//!   by renaming a new file over the old one, as [`write_idx`](super::write_idx) does: the old contents then live on
//!   for as long as they are mapped, as they do when a file is deleted.
//! * Pages count as resident memory once touched, so the process looks as large as its data. They are the page cache:
//!   the system drops them when memory is needed, and programs that read the same file share them.
//! * On network file systems, read errors also arrive as SIGBUS.
//! * The system guesses what will be read next from the page that is missing. So it is told: that passes read a file
//!   from front to back, for which it then reads ahead; and which rows are in a batch, before the first of them is
//!   touched. Where the file does not fit in memory, each of those would otherwise cost a read of up to megabytes, one
//!   after the other.
//! * Some file systems refuse it (FUSE, network). The file is then read, which [`Table::notes`](super::Table::notes)
//!   tells.
//! * Mapping opens at once whatever the size and allows data sets larger than memory. A file that fits in memory and is
//!   read again and again gains nothing from it: [`Access::Read`] avoids all of the above.
#![allow(unsafe_code)]

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::ops::{Deref, Range};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use memmap2::{Mmap, MmapOptions};

use crate::error::DataError;

/// How the bytes of an uncompressed file are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Map the file into memory; see the [module's warning](crate::source#memory-mapping).
    #[default]
    Map,
    /// Read the whole file into memory.
    Read,
}

/// Bytes of a file from which on the system is told what will be read. Smaller ones are in memory after the first pass.
const HINTS_FROM: usize = 64 << 20;

/// The contents of a file.
#[derive(Debug)]
pub(super) enum Bytes {
    /// The file as it lies.
    Mapped { map: Mmap, file: File, stamp: Mutex<Stamp> },
    /// The file as it was, and why it is not mapped if it was to be.
    Read { bytes: Vec<u8>, refused: Option<io::Error> },
    /// Bytes that were made from a file, or without one.
    Owned(Vec<u8>),
}

/// Metadata that change with a file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    len: u64,
    /// When it was written to; anybody may set it back.
    modified: Option<SystemTime>,
    /// When anything about it was changed, seconds and nanoseconds; nobody can set it.
    changed: Option<(i64, i64)>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok(), changed: changed(metadata) }
    }
}

/// A change of a file.
#[derive(Debug)]
pub(super) enum Since {
    /// Nothing.
    Untouched,
    /// Something that may or may not be its contents; its stamp now.
    Touched(Stamp),
    /// It was written to, or is out of reach.
    Written,
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<(i64, i64)> {
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<(i64, i64)> {
    None
}

/// The numbers of a file's disk and of the file on it.
#[cfg(unix)]
fn number(metadata: &Metadata) -> Option<(u64, u64)> {
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> Option<(u64, u64)> {
    None
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped { map, .. } => map,
            Self::Read { bytes, .. } | Self::Owned(bytes) => bytes,
        }
    }
}

impl Bytes {
    /// Opens a regular file that is not empty.
    ///
    /// # Errors
    /// It cannot be opened or read; it is a folder, a pipe or a device; it is empty.
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, DataError> {
        let open_error = |source| DataError::Open { path: path.into(), source };
        // Asked before opening: to open a pipe is to wait for its writer.
        let metadata = fs::metadata(path).map_err(open_error)?;
        if metadata.is_dir() {
            return Err(DataError::IsDirectory { path: path.into() });
        }
        if !metadata.is_file() {
            return Err(DataError::NotRegular { path: path.into() });
        }
        if metadata.len() == 0 {
            return Err(DataError::Empty { path: path.into() });
        }
        let mut file = File::open(path).map_err(open_error)?;
        let refused = match access {
            Access::Map => match map(&file) {
                Ok(map) => {
                    #[cfg(target_os = "linux")]
                    // Only advice: where it is refused, less is read ahead.
                    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
                    let stamp = file.metadata().map(|metadata| Stamp::of(&metadata)).map_err(open_error)?;
                    let stamp = Mutex::new(stamp);
                    return Ok(Self::Mapped { map, file, stamp });
                }
                Err(refused) => Some(refused),
            },
            Access::Read => None,
        };
        let read_error = |source| DataError::Read { path: path.into(), source };
        let len = usize::try_from(metadata.len()).map_err(|_| read_error(ErrorKind::FileTooLarge.into()))?;
        let mut bytes = Vec::new();
        let advice = match refused {
            Some(_) => "the file system does not let the file be mapped: use a part of it, or copy it to a local disk",
            None => "use a part of the file, or map it into memory",
        };
        reserve(path, &mut bytes, len, advice)?;
        file.read_to_end(&mut bytes).map_err(read_error)?;
        Ok(Self::Read { bytes, refused })
    }

    /// Whether the system is told what will be read: of large mapped files, which may not all be in memory.
    pub(super) fn takes_hints(&self) -> bool {
        matches!(self, Self::Mapped { map, .. } if map.len() >= HINTS_FROM)
    }

    /// Asks the system to start reading a range of a mapped file, as far as there is one, and does not wait for it.
    pub(super) fn will_need(&self, range: Range<usize>) {
        let Self::Mapped { map, .. } = self else { return };
        let (start, end) = (range.start, range.end.min(map.len()));
        #[cfg(unix)]
        if start < end {
            // Only advice: where it is refused, pages are read when they are touched.
            let _ = map.advise_range(memmap2::Advice::WillNeed, start, end - start);
        }
    }

    /// What has happened to the file behind a map since it was opened, or since its stamp was last
    /// [trusted](Self::trust).
    pub(super) fn since(&self) -> Since {
        let Self::Mapped { file, stamp, .. } = self else { return Since::Untouched };
        let then = *stamp.lock().unwrap_or_else(PoisonError::into_inner);
        match file.metadata().map(|metadata| Stamp::of(&metadata)) {
            Ok(now) if now == then => Since::Untouched,
            Ok(now) if (Stamp { changed: then.changed, ..now }) == then => Since::Touched(now),
            _ => Since::Written,
        }
    }

    /// Takes the file to be as it was with this stamp, too.
    pub(super) fn trust(&self, now: Stamp) {
        if let Self::Mapped { stamp, .. } = self {
            *stamp.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
    }

    /// What two processes that have mapped the same file both find, and no two others: the machine as it is booted, the
    /// file's number, its stamp. None where that cannot be told.
    pub(super) fn identity(&self) -> Option<String> {
        let Self::Mapped { file, stamp, .. } = self else { return None };
        let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let number = number(&file.metadata().ok()?)?;
        let stamp = stamp.lock().unwrap_or_else(PoisonError::into_inner);
        Some(format!("{} {number:?} {stamp:?}", machine.trim()))
    }
}

/// Maps a file: as others see it change, or else, on file systems that refuse that, as a private copy of what is not
/// written to.
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private to its owner, and is only ever lent as `&[u8]` of plain bytes, any value
    // of which is valid. That nobody truncates or rewrites the file meanwhile cannot be checked; the module's
    // documentation says what happens then.
    unsafe { Mmap::map(file) }.or_else(|_| {
        // SAFETY: as above.
        unsafe { MmapOptions::new().map_copy_read_only(file) }
    })
}

/// Makes room for `len` bytes, or says that there is none.
pub(super) fn reserve(path: &Path, bytes: &mut Vec<u8>, len: usize, advice: &'static str) -> Result<(), DataError> {
    bytes.try_reserve_exact(len).map_err(|_| DataError::OutOfMemory { path: path.into(), bytes: len, advice })
}
