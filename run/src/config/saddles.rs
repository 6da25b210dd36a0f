//! `[optimizer.accelerated]` and `[optimizer.negative_curvature]`: two more ways to leave a saddle point.

use serde::Serialize;

use super::check::{Check, ensure, finite_non_negative, finite_positive, invalid};
use super::{OptimizerKind, OptimizerSection};

/// Perturbed accelerated gradient descent (Jin et al., 2017), with the paper's names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AcceleratedSection {
    /// theta: a share 1 - theta of the velocity is kept.
    pub theta: f64,
    /// gamma: concavity along the velocity above which it is given up.
    pub gamma: f64,
    /// s: length of the step that is taken along it then.
    pub s: f64,
    /// Radius r of the ball that perturbations are drawn from.
    pub radius: f64,
    /// g_thres: a gradient shorter than this calls for a perturbation.
    pub g_threshold: f64,
    /// t_thres: fewest iterations between two perturbations.
    pub t_threshold: u64,
}

/// Descent that leaves saddle points along Lemma 3's direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NegativeCurvatureSection {
    /// A gradient shorter than this share of ||M|| ||W|| calls for Lemma 3's direction.
    pub g_threshold: f64,
    /// Negative curvature that may be left: the run returns where there is no more.
    pub tolerance: f64,
}

/// Checks both sections, as far as they are there.
pub(super) fn check(optimizer: &OptimizerSection) -> Check {
    let kind = optimizer.kind;
    if let Some(section) = &optimizer.accelerated {
        read_by(OptimizerKind::Accelerated, kind, "optimizer.accelerated")?;
        let theta = section.theta;
        ensure(theta > 0.0 && theta <= 1.0, || {
            let advice = "must be above 0 and at most 1, where no momentum is left (--accelerated-theta)";
            invalid("optimizer.accelerated.theta", theta, advice)
        })?;
        finite_non_negative("optimizer.accelerated.gamma", section.gamma, "--accelerated-gamma")?;
        finite_positive("optimizer.accelerated.s", section.s, "--accelerated-s")?;
        finite_positive("optimizer.accelerated.radius", section.radius, "--accelerated-radius")?;
        finite_non_negative("optimizer.accelerated.g_threshold", section.g_threshold, "--accelerated-g-threshold")?;
        ensure(section.t_threshold > 0, || {
            let advice = "must be at least 1 iteration (--accelerated-t-threshold)";
            invalid("optimizer.accelerated.t_threshold", 0, advice)
        })?;
    }
    if let Some(section) = &optimizer.negative_curvature {
        read_by(OptimizerKind::NegativeCurvature, kind, "optimizer.negative_curvature")?;
        let share = section.g_threshold;
        ensure((0.0..=1.0).contains(&share), || {
            let advice = "must be from 0 to 1: it is a share of ||M|| ||W|| (--curvature-g-threshold)";
            invalid("optimizer.negative_curvature.g_threshold", share, advice)
        })?;
        let tolerance = section.tolerance;
        finite_non_negative("optimizer.negative_curvature.tolerance", tolerance, "--curvature-tolerance")?;
    }
    Ok(())
}

fn read_by(owner: OptimizerKind, kind: OptimizerKind, field: &'static str) -> Check {
    ensure(kind == owner, || invalid(field, "(given)", format!("read by --optimizer {owner} only, not by {kind}")))
}

#[cfg(test)]
mod tests;
