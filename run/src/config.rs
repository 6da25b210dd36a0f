//! A run's configuration, with every question answered: what the trainer is given and what `config.toml` records.

mod capacity;
mod certificate;
mod check;
mod condition;
mod evaluation;
mod experiment;
mod race;
mod saddles;
mod theory;
mod validate;

use serde::Serialize;

pub use crate::settings::{
    AcceleratedSection, Backend, Batch, ConfigError, DataSection, Dtype, FeaturesSection, IsaName, Metric,
    NegativeCurvatureSection, NetworkSection, OptimizerKind, OptimizerSection, PgdSection, Route, RunSection,
    SolveSection, Source, TheorySection,
};
use crate::settings::{Effect, Section};
pub use capacity::{CapacityConfig, Trainer};
pub use certificate::CertifyConfig;
pub use condition::{ConditionConfig, ConditionDefaults};
pub use evaluation::{EvalConfig, SamplesOf, Stored};
pub use experiment::Experiment;
pub use race::RaceConfig;
pub use validate::check_threads;

/// Everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunConfig {
    /// What is computed with what, and for how long.
    pub run: RunSection,
    /// The training and test sets.
    pub data: DataSection,
    /// The network.
    pub network: NetworkSection,
    /// The algorithm that trains it.
    pub optimizer: OptimizerSection,
}

impl RunConfig {
    /// The text of `config.toml`.
    ///
    /// # Errors
    /// If a value has no form in TOML: a path that is not UTF-8, a count above 2^63 - 1.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let body = toml::to_string(self).map_err(|error| ConfigError::not_writable(self, &error))?;
        Ok(format!("# Repeat this run with: memorize train --config config.toml --out DIR\n\n{body}"))
    }

    /// Whether a run that has left the configuration `done` has done what this one asks for: the same results, bit for
    /// bit. A setting that a run has filled in counts as asked for; those that change no bit may differ.
    pub fn is_done_by(&self, done: &Self) -> bool {
        let mut asked = self.clone();
        asked.network.init_scale = asked.network.init_scale.or(done.network.init_scale);
        asked.network.neurons = asked.network.neurons.or(done.network.neurons);
        asked.take(done, Effect::Speed);
        asked == *done
    }

    /// Takes over what has this effect from another configuration.
    fn take(&mut self, other: &Self, effect: Effect) {
        self.run.take(&other.run, effect);
        self.data.take(&other.data, effect);
        self.network.take(&other.network, effect);
        self.optimizer.take(&other.optimizer, effect);
    }

    /// Checks every value that can be checked without the data.
    ///
    /// # Errors
    /// The first value that cannot be run with, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate::run(self)
    }
}

#[cfg(test)]
mod tests;
