//! Why a run's folder could not be had, and what to do about it.

use std::io;
use std::path::PathBuf;

use memorize_data::Shown;
use memorize_data::output::{self, Holder};

use crate::error::{Error, WithHint};

/// Why a folder or a file in it could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder has files in it.
    #[error("{} already exists and is not empty", path.shown())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There is something else of that name.
    #[error("{} exists and is not a folder", path.shown())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder could not be created, read or written to.
    #[error("cannot use {} as the folder for the results", path.shown())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process is writing there.
    #[error("{holder} is writing the results in {}", path.shown())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// A file that is read would be replaced by a result.
    #[error("{} is one of the inputs, and the run writes a file of that name", path.shown())]
    Input {
        /// The file.
        path: PathBuf,
    },
    /// A file has the name of a run's configuration, and is none.
    #[error("{} was not written by memorize: {why}", path.shown())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is not.
        why: String,
    },
    /// There is something of a file's name that is no file.
    #[error("{} is there already and is no regular file", path.shown())]
    Special {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.shown())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::NotEmpty { .. } => Self::BadInput(
                error.hint(
                "choose another folder with --out DIR, pass --overwrite to replace the results in it, or go on with a run that \
                 was stopped: memorize resume DIR",
            )),
            FolderError::NotAFolder { .. } => Self::BadInput(error.hint("choose another folder with --out DIR")),
            FolderError::Unusable { .. } => {
                Self::BadInput(error.hint("choose a folder that you may write to with --out DIR"))
            }
            FolderError::Busy { .. } => {
                Self::BadInput(error.hint("wait for that process to end, or end it; its results are not touched"))
            }
            FolderError::Input { .. } => {
                Self::BadInput(error.hint("choose another folder with --out DIR, or give a copy of the file that is elsewhere"))
            }
            FolderError::Foreign { .. } => {
                Self::BadInput(error.hint("choose another folder with --out DIR, or move the file away"))
            }
            FolderError::Special { .. } => Self::BadInput(error.hint("remove it, or choose another folder with --out DIR")),
            FolderError::Write { ref source, .. } => {
                let advice = output::advice(source);
                Self::RunFailed(error.hint(advice))
            }
        }
    }
}
