//! `[optimizer.theory]`: Algorithm 1 with every constant from the data, as Theorem 4 has it.

use serde::Serialize;

use super::check::{Check, ensure, finite_positive, invalid};
use super::{Dtype, OptimizerKind, RunConfig};

/// What Theorem 4 is asked for. Step size, thresholds and regulariser follow from it and the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TheorySection {
    /// Loss f(W*) that the run has to end with.
    pub epsilon: f64,
    /// Probability of failing that is allowed.
    pub delta: f64,
    /// The constant that the theorem leaves open; the step size is c/l.
    pub c: f64,
    /// sigma_min of the samples, where it is known; absent = measured.
    pub sigma_min: Option<f64>,
    /// Start even if the run is hopeless or sigma_min is not known.
    pub force: bool,
}

/// Checks the section, and that nothing is said that the theorem decides.
pub(super) fn check(theory: &TheorySection, config: &RunConfig) -> Check {
    let RunConfig { run, network, optimizer, .. } = config;
    let kind = optimizer.kind;
    ensure(kind == OptimizerKind::Pgd, || {
        let advice = format!("read by --optimizer pgd only, not by {kind}; Adam's epsilon is --adam-epsilon");
        invalid("optimizer.theory", "(given)", advice)
    })?;
    finite_positive("optimizer.theory.epsilon", theory.epsilon, "--epsilon")?;
    ensure(theory.delta > 0.0 && theory.delta < 1.0, || {
        let advice = "must be between 0 and 1: it is the probability of failing (--delta)";
        invalid("optimizer.theory.delta", theory.delta, advice)
    })?;
    ensure(theory.c > 0.0 && theory.c <= 1.0, || {
        invalid("optimizer.theory.c", theory.c, "must be above 0 and at most 1: the step size is c/l (--c)")
    })?;
    if let Some(sigma) = theory.sigma_min {
        finite_positive("optimizer.theory.sigma_min", sigma, "--sigma-min")?;
    }
    let decided = [
        (optimizer.learning_rate != 0.0, "optimizer.learning_rate", "--lr"),
        (optimizer.pgd.is_some(), "optimizer.pgd", "the --pgd-* flags"),
        (optimizer.gamma != 0.0, "optimizer.gamma", "--gamma"),
        (network.init_scale.is_some(), "network.init_scale", "--init-scale"),
        (run.epochs.is_some(), "run.epochs", "--epochs; --iterations may limit the run"),
        (run.stop_below.is_some(), "run.stop_below", "--stop-below"),
    ];
    for (given, field, flag) in decided {
        ensure(!given, || {
            invalid(field, "(given)", format!("with --theory it follows from the data and --epsilon; leave out {flag}"))
        })?;
    }
    ensure(run.dtype == Dtype::F64, || {
        invalid("run.dtype", run.dtype, "the theory's thresholds need f64; leave out --dtype or give --dtype f64")
    })
}
