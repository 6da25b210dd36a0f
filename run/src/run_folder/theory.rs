//! What `summary.json` says of a run by Theorem 4.

use serde::Serialize;

/// `theory` in `summary.json`: Theorem 4's constants and what became of its promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TheorySummary {
    /// Loss asked for.
    pub epsilon: f64,
    /// Probability of failing that was allowed.
    pub delta: f64,
    /// The constant that the theorem leaves open.
    pub c: f64,
    /// Whether f <= epsilon at the end.
    pub reached: bool,
    /// sigma_min used.
    pub sigma_min: f64,
    /// `measured`, `given` or `upper bound`.
    pub sigma_min_source: &'static str,
    /// B, the largest norm of a sample.
    pub input_bound: f64,
    /// Y, the largest modulus of a target.
    pub target_bound: f64,
    /// f(0).
    pub loss_at_zero: f64,
    /// C.
    #[serde(rename = "C")]
    pub big_c: f64,
    /// Regulariser gamma.
    pub gamma: f64,
    /// Radius of the ball that descent does not leave.
    pub ball: f64,
    /// rho.
    pub rho: f64,
    /// l.
    pub l: f64,
    /// eps', which Algorithm 1 was called with.
    pub epsilon_prime: f64,
    /// chi.
    pub chi: f64,
    /// Step size.
    pub eta: f64,
    /// Radius of the perturbations.
    pub perturbation_radius: f64,
    /// g_thres.
    pub g_threshold: f64,
    /// f_thres.
    pub f_threshold: f64,
    /// t_thres.
    pub t_threshold: u64,
    /// Fewest iterations that were to be expected.
    pub iterations_at_least: f64,
    /// Most iterations by the theorem's way of counting.
    pub iterations_at_most: f64,
    /// Perturbations that were made.
    pub perturbations: u64,
    /// What f64 could not resolve.
    pub warnings: Vec<String>,
}
