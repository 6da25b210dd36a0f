//! `summary.json`: what a run was and what came out of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{TheorySummary, Written};
use crate::blas::Blas;
use crate::config::{Backend, Dtype, Route};
use crate::provenance::{ComputedWith, Provenance};

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// All the epochs or iterations asked for were done.
    Completed,
    /// The loss over the whole training set fell to the value asked for.
    StopBelow,
    /// The algorithm returned by its own criterion.
    Returned,
    /// All was done, or the algorithm returned, and the loss is not below what it was before the first step.
    Stalled,
    /// Interrupted from outside.
    Interrupted,
}

impl From<memorize_train::StopReason> for StopReason {
    fn from(reason: memorize_train::StopReason) -> Self {
        match reason {
            memorize_train::StopReason::Budget => Self::Completed,
            memorize_train::StopReason::Target => Self::StopBelow,
            memorize_train::StopReason::Returned => Self::Returned,
            memorize_train::StopReason::Interrupted => Self::Interrupted,
        }
    }
}

/// Settings and results of a run. A value that does not apply, or that is not finite, is `null` in the file.
/// Fields that a file of an earlier version may lack have a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Experiment of the paper; absent = none.
    pub experiment: Option<String>,
    /// Name of the run.
    pub name: String,
    /// Training samples.
    pub n: usize,
    /// Width of a sample as the network gets it (after a projection).
    pub d: usize,
    /// Random features; absent = two layers.
    pub k: Option<usize>,
    /// Hidden neurons.
    pub r: usize,
    /// Power of the random features; absent = two layers.
    pub p: Option<u32>,
    /// Trained parameters: d r, or k r with three layers.
    pub parameters: usize,
    /// The same for each training sample.
    #[serde(default = "unknown_number", deserialize_with = "number_or_nan")]
    pub parameters_per_sample: f64,
    /// Training samples, again: the number that the paper compares with `parameters`.
    pub samples: usize,
    /// SHA-256 of the training set as it comes from its source; absent in files of earlier versions.
    #[serde(default)]
    pub data: Option<String>,
    /// SHA-256 of the test set as it comes from its source; absent = no test set, and in files of earlier versions.
    #[serde(default)]
    pub test_data: Option<String>,
    /// Seed.
    pub seed: u64,
    /// Type of the numbers.
    pub dtype: Dtype,
    /// Instruction set that ran; not ours to know for a backend that chooses by itself.
    pub isa: String,
    /// Implementation that ran.
    pub backend: Backend,
    /// The library that the backend `blas` called; absent = another backend.
    pub blas: Option<Blas>,
    /// Threads that ran; of each rank, if there were several.
    pub threads: usize,
    /// Ranks: processes that shared the work.
    #[serde(default = "one")]
    pub ranks: usize,
    /// Route that ran.
    pub route: Route,
    /// Passes over the training set that were done.
    #[serde(deserialize_with = "number_or_nan")]
    pub epochs: f64,
    /// Steps that were done.
    pub iterations: u64,
    /// Samples trained on for each second of training.
    #[serde(deserialize_with = "number_or_nan")]
    pub samples_per_second: f64,
    /// Time from start to end, in seconds.
    #[serde(deserialize_with = "number_or_nan")]
    pub wall_seconds: f64,
    /// The loss f over the whole training set, at the end.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_loss: f64,
    /// 4 f.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_mse: f64,
    /// Mean squared error on the test set; absent = no test set.
    pub test_mse: Option<f64>,
    /// Smallest singular value of [x_1 (x) x_1, ..., x_n (x) x_n]; absent = not computed.
    pub sigma_min: Option<f64>,
    /// Theorem 4's constants and what became of its promise; absent = not asked for, or written by a version
    /// that said other things of it.
    #[serde(default, deserialize_with = "theory_if_known")]
    pub theory: Option<TheorySummary>,
    /// Perturbations that were made; absent = an optimiser that makes none.
    pub perturbations: Option<u64>,
    /// Steps along a direction of negative curvature; absent = an optimiser that takes none.
    pub escapes: Option<u64>,
    /// How the weights started, in words.
    pub init: String,
    /// Standard deviation of the weights at the start.
    #[serde(deserialize_with = "number_or_nan")]
    pub init_scale: f64,
    /// Why the run ended.
    pub stopped: StopReason,
    /// The loss f over the whole training set before the first step; absent in files of earlier versions.
    #[serde(default)]
    pub start_loss: Option<f64>,
    /// Variance of the training targets: the mean squared error of the best constant; absent in files of earlier
    /// versions.
    #[serde(default)]
    pub target_variance: Option<f64>,
    /// What was foreseen to go wrong, and what did; empty = nothing.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The paper's result; absent = the run is no experiment of the paper.
    pub paper: Option<String>,
    /// The parameters that the paper names for the experiment and the run's own in their place; absent = the paper
    /// names none that the run does not have.
    #[serde(default)]
    pub instead: Option<String>,
    /// Version of this program.
    pub version: String,
    /// Every file that the run left beside this one; empty in files of earlier versions.
    #[serde(default)]
    pub files: BTreeMap<String, Written>,
    /// Machine, compiler, commit and command line; absent in files of earlier versions.
    #[serde(default)]
    pub provenance: Option<Provenance>,
}

/// A number that is `null` in the file was not finite.
pub(super) fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn theory_if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TheorySummary>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(deserializer)?).ok())
}

fn one() -> usize {
    1
}

fn unknown_number() -> f64 {
    f64::NAN
}

impl Summary {
    /// What the run was computed with.
    pub fn computed_with(&self) -> ComputedWith {
        let Self { dtype, backend, blas, isa, route, threads, ranks, .. } = self;
        ComputedWith {
            dtype: *dtype,
            backend: backend.to_string(),
            blas: blas.clone(),
            isa: isa.clone(),
            route: Some(route.to_string()),
            threads: *threads,
            ranks: *ranks,
        }
    }

    /// The text of `summary.json`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a struct with string keys is always JSON");
        text.push('\n');
        text
    }

    /// A summary to change one field of, for tests of whatever shows summaries.
    #[doc(hidden)]
    pub fn example() -> Self {
        Self {
            experiment: Some("mnist-2layer-noise".to_owned()),
            name: "mnist-2layer-noise".to_owned(),
            n: 60_000,
            d: 784,
            k: None,
            r: 3000,
            p: None,
            parameters: 2_352_000,
            parameters_per_sample: 39.2,
            samples: 60_000,
            data: Some("0f".repeat(32)),
            test_data: None,
            seed: 0,
            dtype: Dtype::F32,
            isa: "avx512".to_owned(),
            backend: Backend::Native,
            blas: None,
            threads: 2,
            ranks: 1,
            route: Route::Neuron,
            epochs: 60.0,
            iterations: 28_140,
            samples_per_second: 34_000.0,
            wall_seconds: 151.0,
            train_loss: 1.234e-6,
            train_mse: 4.936e-6,
            test_mse: Some(1.21),
            sigma_min: None,
            theory: None,
            perturbations: None,
            escapes: None,
            init: "normal".to_owned(),
            init_scale: 0.01,
            stopped: StopReason::Completed,
            start_loss: Some(4.5),
            target_variance: Some(8.35),
            warnings: Vec::new(),
            paper: Some("loss falls geometrically below 1e-5 (figures 3a, 7)".to_owned()),
            instead: None,
            version: "0.1.0".to_owned(),
            files: BTreeMap::new(),
            provenance: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn json(summary: &Summary) -> Value {
        serde_json::from_str(&summary.to_json()).unwrap()
    }

    #[test]
    fn every_promised_field_is_there_and_numbers_are_numbers() {
        let value = json(&Summary::example());
        let numbers = [
            "n",
            "d",
            "r",
            "parameters",
            "parameters_per_sample",
            "samples",
            "seed",
            "threads",
            "epochs",
            "iterations",
            "wall_seconds",
            "train_loss",
            "train_mse",
            "test_mse",
        ];
        for field in numbers {
            assert!(value[field].is_number(), "{field}: {}", value[field]);
        }
        for field in ["experiment", "dtype", "isa", "backend", "route", "init", "paper"] {
            assert!(value[field].is_string(), "{field}: {}", value[field]);
        }
        assert_eq!(value["backend"], "native");
        assert_eq!(value["stopped"], "completed");
    }

    #[test]
    fn what_does_not_apply_is_present_as_null() {
        let value = json(&Summary::example());
        for field in ["k", "p", "sigma_min", "blas", "theory", "perturbations", "escapes", "test_data", "instead"] {
            assert_eq!(value.get(field), Some(&Value::Null), "{field}");
        }
    }

    #[test]
    fn what_is_not_finite_is_null() {
        let summary =
            Summary { train_loss: f64::NAN, train_mse: f64::INFINITY, test_mse: Some(f64::NAN), ..Summary::example() };
        let value = json(&summary);
        for field in ["train_loss", "train_mse", "test_mse"] {
            assert_eq!(value.get(field), Some(&Value::Null), "{field}");
        }
    }

    #[test]
    fn a_summary_reads_back_and_what_was_not_finite_is_nan() {
        let summary = Summary { provenance: Some(Provenance::here()), ..Summary::example() };
        assert_eq!(serde_json::from_str::<Summary>(&summary.to_json()).unwrap(), summary);
        let diverged = Summary { train_loss: f64::INFINITY, ..Summary::example() };
        assert!(serde_json::from_str::<Summary>(&diverged.to_json()).unwrap().train_loss.is_nan());
    }

    #[test]
    fn a_summary_of_an_earlier_version_is_read() {
        let mut value = json(&Summary::example());
        let fields = value.as_object_mut().unwrap();
        let later = ["parameters_per_sample", "theory", "blas", "ranks", "start_loss", "target_variance", "warnings"];
        for field in later.into_iter().chain(["files", "provenance", "data", "test_data", "instead"]) {
            assert!(fields.remove(field).is_some(), "{field}");
        }
        let summary: Summary = serde_json::from_value(value).unwrap();
        assert_eq!((summary.provenance, summary.theory, summary.train_loss), (None, None, 1.234e-6));
    }
}
