//! `[optimizer.accelerated]` and `[optimizer.negative_curvature]`: two more ways to leave a saddle point.

use super::check::{Check, ensure, invalid};
use super::{OptimizerKind, OptimizerSection};
use crate::settings::Section;

/// Checks both sections, as far as they are there.
pub(super) fn check(optimizer: &OptimizerSection) -> Check {
    let kind = optimizer.kind;
    if let Some(section) = &optimizer.accelerated {
        read_by(OptimizerKind::Accelerated, kind, "optimizer.accelerated")?;
        section.check_ranges()?;
    }
    if let Some(section) = &optimizer.negative_curvature {
        read_by(OptimizerKind::NegativeCurvature, kind, "optimizer.negative_curvature")?;
        section.check_ranges()?;
    }
    Ok(())
}

fn read_by(owner: OptimizerKind, kind: OptimizerKind, field: &'static str) -> Check {
    ensure(kind == owner, || invalid(field, "(given)", format!("read by --optimizer {owner} only, not by {kind}")))
}

#[cfg(test)]
mod tests;
