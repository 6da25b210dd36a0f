//! How a run ends: with results, without having got anywhere, or with an error that says what to change.

use memorize_train::TrainError;

use super::prospects::Prospects;
use super::{solution, theory};
use crate::error::{Error, WithHint};
use crate::run_folder::{StopReason, Summary};
use crate::units::{number, thousands};

/// A run that has left its files.
#[derive(Debug)]
pub struct Finished {
    /// What came out.
    pub summary: Summary,
    /// Whether a signal ended it early.
    pub interrupted: bool,
    /// What may help if it has not got anywhere: flags of `memorize train`.
    pub(super) remedies: String,
}

impl Finished {
    /// The error of a run that has left its files but is no success: it has not got anywhere, or not kept the theorem's
    /// promise.
    pub fn failure(&self) -> Option<Error> {
        let Summary { stopped, train_loss, start_loss, iterations, .. } = &self.summary;
        if *stopped != StopReason::Stalled {
            return theory::broken_promise(&self.summary);
        }
        let error = anyhow::anyhow!(
            "the run did not get anywhere: f(W) = {} after {} iterations, {} before the first",
            number(*train_loss),
            thousands(*iterations),
            start_loss.map_or_else(|| "not known".to_owned(), number)
        );
        Some(Error::RunFailed(error.hint(self.remedies.clone())))
    }
}

/// The error of a run that has come to no results.
pub(super) fn diverged_or_failed(error: TrainError, prospects: &Prospects) -> Error {
    match error {
        TrainError::Diverged { iteration, .. } => Error::RunFailed(error.hint(hint(prospects, iteration == 0))),
        TrainError::ZeroSamples => Error::bad_input(error),
        TrainError::WeightsOutOfRange { .. } => solution::out_of_range(error),
        TrainError::NoRoom { .. } => solution::no_room(error),
        error => Error::run_failed(error),
    }
}

/// What to change after a run that went nowhere; whether it took no step at all.
pub(super) fn hint(prospects: &Prospects, at_once: bool) -> String {
    format!("flags of `memorize train`: {}", prospects.remedies(at_once).join(", "))
}
