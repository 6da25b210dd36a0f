//! What `summary.json` says of a run by Theorem 4.

use serde::{Deserialize, Serialize};

use super::summary::number_or_nan;

/// `theory` in `summary.json`: Theorem 4's constants and what became of its promise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TheorySummary {
    /// Loss asked for.
    #[serde(deserialize_with = "number_or_nan")]
    pub epsilon: f64,
    /// Probability of failing that was allowed.
    #[serde(deserialize_with = "number_or_nan")]
    pub delta: f64,
    /// The constant that the theorem leaves open.
    #[serde(deserialize_with = "number_or_nan")]
    pub c: f64,
    /// Whether f <= epsilon at the end.
    pub reached: bool,
    /// sigma_min used.
    #[serde(deserialize_with = "number_or_nan")]
    pub sigma_min: f64,
    /// `measured`, `given` or `upper bound`.
    pub sigma_min_source: String,
    /// B, the largest norm of a sample.
    #[serde(deserialize_with = "number_or_nan")]
    pub input_bound: f64,
    /// Y, the largest modulus of a target.
    #[serde(deserialize_with = "number_or_nan")]
    pub target_bound: f64,
    /// f(0).
    #[serde(deserialize_with = "number_or_nan")]
    pub loss_at_zero: f64,
    /// C.
    #[serde(rename = "C", deserialize_with = "number_or_nan")]
    pub big_c: f64,
    /// Regulariser gamma.
    #[serde(deserialize_with = "number_or_nan")]
    pub gamma: f64,
    /// Radius of the ball that descent does not leave.
    #[serde(deserialize_with = "number_or_nan")]
    pub ball: f64,
    /// rho.
    #[serde(deserialize_with = "number_or_nan")]
    pub rho: f64,
    /// l.
    #[serde(deserialize_with = "number_or_nan")]
    pub l: f64,
    /// eps', which Algorithm 1 was called with.
    #[serde(deserialize_with = "number_or_nan")]
    pub epsilon_prime: f64,
    /// chi.
    #[serde(deserialize_with = "number_or_nan")]
    pub chi: f64,
    /// Step size.
    #[serde(deserialize_with = "number_or_nan")]
    pub eta: f64,
    /// Radius of the perturbations.
    #[serde(deserialize_with = "number_or_nan")]
    pub perturbation_radius: f64,
    /// g_thres.
    #[serde(deserialize_with = "number_or_nan")]
    pub g_threshold: f64,
    /// f_thres.
    #[serde(deserialize_with = "number_or_nan")]
    pub f_threshold: f64,
    /// t_thres.
    pub t_threshold: u64,
    /// Fewest iterations that were to be expected.
    #[serde(deserialize_with = "number_or_nan")]
    pub iterations_at_least: f64,
    /// Most iterations by the theorem's way of counting.
    #[serde(deserialize_with = "number_or_nan")]
    pub iterations_at_most: f64,
    /// Perturbations that were made.
    pub perturbations: u64,
    /// What f64 could not resolve.
    pub warnings: Vec<String>,
}
