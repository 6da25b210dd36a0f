//! The small files of a run's folder, read back: whoever wrote them.

use std::io;
use std::path::Path;

use memorize_data::small;

use super::{CONFIG, FAILURE, Failure, SUMMARY, Summary};
use crate::config::{ConfigError, RunConfig};
use crate::error::RUN_FAILED;
use crate::layer::Layer;

/// A summary or a configuration that is longer than this is none.
pub(super) const LONGEST_TEXT: u64 = 1 << 20;

pub(super) fn summary_of(folder: &Path) -> io::Result<Summary> {
    Ok(serde_json::from_slice(&small::read(&folder.join(SUMMARY), LONGEST_TEXT)?)?)
}

/// The configuration, with its paths as the file has them: a run that was moved is still the same run.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn config_of(folder: &Path) -> Result<RunConfig, ConfigError> {
    let path = folder.join(CONFIG);
    let text = small::read_text(&path, LONGEST_TEXT).map_err(|source| ConfigError::Read { path, source })?;
    Layer::from_toml(&text)?.resolve()
}

impl Failure {
    /// The record of a failure, if there is one; one that is unreadable says nothing but that there was one.
    pub fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(FAILURE);
        let unreadable = || Self { error: "unknown".to_owned(), hint: None, code: RUN_FAILED, version: String::new() };
        match small::read_text(&path, LONGEST_TEXT) {
            Ok(text) => Some(serde_json::from_str(&text).unwrap_or_else(|_| unreadable())),
            Err(error) => (error.kind() != io::ErrorKind::NotFound && path.is_file()).then(unreadable),
        }
    }
}
