//! The tables behind a training or test set, and which of their rows are this rank's.

use std::sync::Arc;

use memorize_data::digest::Hasher;
use memorize_data::{Table, labels};
use memorize_kernels::Spread;

use crate::config::DataSection;
use crate::error::Error;
use crate::ranks;

/// The tables behind a training or test set.
pub struct Tables {
    /// Samples, a row each.
    pub inputs: Arc<Table>,
    /// Targets, if the source has any.
    pub(super) targets: Option<Table>,
    /// Which of all rows they are.
    pub(super) spread: Spread,
    /// What is read, and what it costs: a line each.
    pub said: Vec<String>,
}

impl Tables {
    /// The first `limit` rows of samples and targets, all of them if `None`.
    pub(super) fn new(mut inputs: Table, mut targets: Option<Table>, limit: Option<usize>) -> Result<Self, Error> {
        if let Some(targets) = &targets {
            labels::check_pair(&inputs, targets)?;
        }
        if let Some(rows) = limit {
            inputs.truncate(rows);
            targets.iter_mut().for_each(|targets| targets.truncate(rows));
        }
        let spread = Spread::alone(inputs.rows());
        Ok(Self { inputs: Arc::new(inputs), targets, spread, said: Vec::new() })
    }

    /// This rank's share of the rows.
    pub(super) fn shared(self) -> Self {
        let spread = ranks::spread(self.inputs.rows());
        let own = |mut table: Table| {
            table.keep(spread.range());
            table
        };
        let inputs = Arc::into_inner(self.inputs).expect("nobody else has the table yet");
        Self { inputs: Arc::new(own(inputs)), targets: self.targets.map(own), spread, ..self }
    }

    /// SHA-256 of the samples and of the targets that are used.
    ///
    /// # Errors
    /// Bad input: this rank's share is not what rank 0 has in its place, or another's is not.
    pub(super) fn digest(&self, data: &DataSection) -> Result<String, Error> {
        let rows = ranks::spread(self.inputs.rows()).range();
        let of = |table: &Table| match ranks::team() {
            Some(team) => table.digest_among(team, rows.clone()),
            None => Ok(table.digest()),
        };
        let mut hasher = Hasher::default();
        hasher.piece(of(&self.inputs)?.as_bytes());
        if let Some(targets) = self.targets.as_ref().filter(|_| !data.random_labels) {
            hasher.piece(of(targets)?.as_bytes());
        }
        Ok(hasher.finish())
    }
}
