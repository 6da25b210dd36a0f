//! A layer: the part of a configuration that somebody has spelled out, in flags or in a file. Everything is optional.
//!
//! One declaration of each setting serves both: see [`settings`](crate::settings). [`Layer::resolve`] fills the holes
//! and gives a [`RunConfig`](crate::config::RunConfig).

mod merge;
mod resolve;
mod template;

use serde::{Deserialize, Serialize};

pub use crate::settings::defaults::*;
pub use crate::settings::{
    AcceleratedLayer, DataLayer, FeaturesLayer, NegativeCurvatureLayer, NetworkLayer, OptimizerLayer, PgdLayer,
    RunLayer, SolveLayer, TheoryLayer,
};
use crate::settings::{Effect, Given, Group, Setting};
pub use merge::{LONGEST, text_of, text_of_bytes, text_of_run};
pub use resolve::seeded;
pub use template::template;

/// Everything that flags or a file may say about a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// `[data]`
    pub data: DataLayer,
    /// `[network]`
    pub network: NetworkLayer,
    /// `[optimizer]`
    pub optimizer: OptimizerLayer,
    /// `[run]`
    pub run: RunLayer,
}

impl Group for Layer {
    fn settings() -> Vec<&'static Setting> {
        [DataLayer::settings(), NetworkLayer::settings(), OptimizerLayer::settings(), RunLayer::settings()].concat()
    }

    fn give(&mut self, setting: &Setting, value: &Given) {
        self.data.give(setting, value);
        self.network.give(setting, value);
        self.optimizer.give(setting, value);
        self.run.give(setting, value);
    }
}

/// What another value changes of the setting that has this path in a configuration file, if there is one.
pub fn effect_of(path: &str) -> Option<Effect> {
    setting(path).map(|setting| setting.effect)
}

/// The setting that has this path in a configuration file, as `data.noise`.
pub fn setting(path: &str) -> Option<&'static Setting> {
    Layer::settings().into_iter().find(|setting| setting.path == path)
}

#[cfg(test)]
mod tests;
