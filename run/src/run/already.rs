//! What is there already of the runs of a command, before it begins any.

use std::path::{Path, PathBuf};

use memorize_data::Shown;
use memorize_data::output::Lock;

use super::dataset::digests_of;
use super::resume::{SHOWN_DIGITS, check_settings};
use crate::config::RunConfig;
use crate::error::{Error, WithHint};
use crate::run_folder::{
    CONFIG, Completion, Depth, Existing, FolderError, RunFolder, Summary, completion, config_of, tidy,
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
    /// Looks at the folder. Of all runs of a command, those that are there in part or in whole are not begun again; of
    /// one alone, only if `resume` says so. Leftovers of killed processes are removed, and `tell` is told. The run
    /// there must have the same `strict` settings, whether or not its bits depend on them.
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
        tell: &dyn Fn(&str),
    ) -> Result<Self, Error> {
        if all && let Some(summary) = complete(config, folder, tell) {
            match other_data(config, &summary)? {
                None => return Ok(Self::Over(summary)),
                Some(what) if existing == Existing::Refuse => {
                    let error = anyhow::anyhow!("{} holds a run on other data: {what}", folder.shown());
                    let hint =
                        "put back the data, choose another folder with --out DIR, or pass --overwrite to do it again";
                    return Err(Error::BadInput(error.hint(hint)));
                }
                Some(_) => {}
            }
        }
        if existing == Existing::Refuse && (all || resume) && folder.join(CONFIG).exists() {
            check_settings(folder, config, strict)?;
            if let Some(holder) = Lock::holder(folder) {
                return Err(FolderError::Busy { path: folder.to_owned(), holder }.into());
            }
            return Ok(Self::Stopped);
        }
        RunFolder::check(folder, existing, config.data.files().iter().map(PathBuf::as_path))?;
        Ok(Self::Nothing)
    }
}

/// How the data of a run that is complete differ from what they are now; nothing is known of runs of earlier versions.
///
/// # Errors
/// Bad input: files that cannot be used.
fn other_data(config: &RunConfig, summary: &Summary) -> Result<Option<String>, Error> {
    let Some(then) = &summary.data else { return Ok(None) };
    let now = digests_of(&config.data, config.run.seed)?;
    let differs = |what: &str, then: Option<&String>, now: Option<&String>| {
        let digits = |digest: Option<&String>| {
            digest.map_or_else(
                || "none".to_owned(),
                |digest| format!("SHA-256 {}...", digest.chars().take(SHOWN_DIGITS).collect::<String>()),
            )
        };
        (then != now).then(|| format!("the {what} set was {}, and is {} now", digits(then), digits(now)))
    };
    let train = differs("training", Some(then), Some(&now.train));
    Ok(train.or_else(|| differs("test", summary.test_data.as_ref(), now.test.as_ref())))
}

/// What a run of this configuration has come to in that folder, if it is complete. A commit in the middle of which the
/// process was killed is ended first.
fn complete(config: &RunConfig, folder: &Path, tell: &dyn Fn(&str)) -> Option<Box<Summary>> {
    if !folder.join(CONFIG).is_file() {
        return None;
    }
    // Where it cannot be ended the run is not complete.
    tidy(folder).unwrap_or_default().iter().for_each(|line| tell(line));
    let found = completion(folder, Depth::Contents).ok().filter(Completion::is_complete)?;
    let done = config_of(folder).ok()?;
    config.is_done_by(&done).then(|| Box::new(found.summary))
}
