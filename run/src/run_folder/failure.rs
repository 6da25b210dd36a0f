//! `failed.json`: how a run ended that came to nothing.

use serde::{Deserialize, Serialize};

use super::{FAILURE, RunFolder};
use crate::error::Error;

/// Why a run failed. It is there until the run goes on, or is done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the program said last.
    pub error: String,
    /// Its advice; absent = none.
    #[serde(default)]
    pub hint: Option<String>,
    /// Its exit code.
    pub code: u8,
    /// Version of the program.
    pub version: String,
}

/// Leaves a record in the folder of a run that failed, so that whoever lists runs later does not take it for one that
/// goes on. The error itself is told anyway: a full disk is no second error.
pub fn record_failure(folder: &RunFolder, error: &Error) {
    if matches!(error, Error::Interrupted) {
        return;
    }
    let failure = Failure {
        error: error.to_string(),
        hint: error.advice(&|_| true).map(str::to_owned),
        code: error.code(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut text = serde_json::to_string_pretty(&failure).expect("a struct with string keys is always JSON");
    text.push('\n');
    let _ = folder.write(FAILURE, text.as_bytes());
}
