//! What is there already of the runs of a command, before it begins any.

use std::path::Path;

use super::resume::check_settings;
use crate::config::RunConfig;
use crate::exit::CliError;
use crate::run_folder::{CONFIG, Existing, FoundRun, RunFolder, StopReason, Summary};

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
        if existing == Existing::Refuse && (all || resume) && folder.join(CONFIG).exists() {
            if let Some(summary) = complete(config, folder).filter(|_| all) {
                return Ok(Self::Over(summary));
            }
            check_settings(folder, config, strict)?;
            return Ok(Self::Stopped);
        }
        RunFolder::check(folder, existing)?;
        Ok(Self::Nothing)
    }
}

/// What a run of this configuration has come to in that folder, if it ran to its end.
fn complete(config: &RunConfig, folder: &Path) -> Option<Box<Summary>> {
    let found = FoundRun::read(folder).ok()?;
    let summary = found.summary.filter(|summary| summary.stopped != StopReason::Interrupted)?;
    found.config.is_some_and(|done| config.is_done_by(&done)).then(|| Box::new(summary))
}
