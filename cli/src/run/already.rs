//! What is there already of the runs of a command, before it begins any.

use std::path::{Path, PathBuf};

use super::resume::check_settings;
use crate::config::RunConfig;
use crate::exit::CliError;
use crate::run_folder::{
    CONFIG, Completion, Depth, Existing, RunFolder, Summary, completion, read_config, settle_if_free,
};

/// How much of a run is there.
pub enum Already {
    /// All of it.
    Over(Box<Summary>),
    /// A part.
    Stopped,
    /// Nothing, or nothing that is to be kept.
    Nothing,
}

impl Already {
    /// Looks at the folder. Of all runs of a command, those that are there in part or in whole are not begun again; of one alone, only
    /// if `resume` says so. The run there must have the same `strict` settings, whether or not its bits depend on them.
    ///
    /// # Errors
    /// Bad input if the folder has another run in it, or cannot be used.
    pub fn of(
        config: &RunConfig,
        folder: &Path,
        existing: Existing,
        all: bool,
        resume: bool,
        strict: &[&str],
    ) -> Result<Self, CliError> {
        if all && let Some(summary) = complete(config, folder)? {
            return Ok(Self::Over(summary));
        }
        if existing == Existing::Refuse && (all || resume) && folder.join(CONFIG).exists() {
            check_settings(folder, config, strict)?;
            return Ok(Self::Stopped);
        }
        RunFolder::check(folder, existing, config.data.files().iter().map(PathBuf::as_path))?;
        Ok(Self::Nothing)
    }
}

/// What a run of this configuration, on these data, has come to in that folder, if it is complete. A commit in the middle of which the
/// process was killed is ended first.
///
/// # Errors
/// Bad input if data cannot be read.
fn complete(config: &RunConfig, folder: &Path) -> Result<Option<Box<Summary>>, CliError> {
    if !folder.join(CONFIG).is_file() {
        return Ok(None);
    }
    // Where it cannot be ended the run is not complete.
    let _ = settle_if_free(folder);
    let Some(found) = completion(folder, Depth::Contents).ok().filter(Completion::is_complete) else {
        return Ok(None);
    };
    let done = read_config(folder).ok().filter(|done| config.is_done_by(done));
    Ok(done.map(|_| Box::new(found.summary)))
}
