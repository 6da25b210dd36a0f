//! What `memorize race` is asked to do, checked.

use super::check::{ensure, finite_positive, invalid};
use super::validate::no_test_set;
use super::{ConfigError, Metric, OptimizerKind, RunConfig};

/// Several optimisers on one training set.
#[derive(Clone, Debug, PartialEq)]
pub struct RaceConfig {
    /// The run of Adam: data, network and length are those of all.
    pub adam: RunConfig,
    /// Hidden neurons; absent = 2d+2.
    pub neurons: Option<usize>,
    /// The optimisers, in this order.
    pub optimizers: Vec<OptimizerKind>,
    /// Losses to reach, in descending order.
    pub losses: Vec<f64>,
    /// Step size of those that have one and are not Adam; absent = from the curvature at the start.
    pub learning_rate: Option<f64>,
    /// By what descents and the solver measure a step; absent = as `train` does, by the sum of squares and by the
    /// samples.
    pub metric: Option<Metric>,
}

impl RaceConfig {
    /// Checks every value that can be checked without the data.
    ///
    /// # Errors
    /// The first value that cannot be used, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ensure(!self.losses.is_empty(), || invalid("losses", "(none)", "give at least one loss to reach (--losses)"))?;
        self.losses.iter().try_for_each(|&loss| finite_positive("losses", loss, "--losses"))?;
        if let Some(rate) = self.learning_rate {
            finite_positive("learning rate", rate, "--lr")?;
        }
        let twice = self.optimizers.iter().enumerate().find(|(at, kind)| self.optimizers[..*at].contains(kind));
        ensure(twice.is_none(), || {
            let name = twice.map(|(_, kind)| kind.to_string()).unwrap_or_default();
            invalid("optimizer", name, "takes part once (--optimizer)")
        })?;
        no_test_set(&self.adam.data)?;
        self.adam.validate()
    }

    /// Passes after which an optimiser gives up.
    pub fn passes(&self) -> u64 {
        self.adam.run.epochs.unwrap_or(1)
    }
}
