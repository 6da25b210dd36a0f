//! `[optimizer.theory]`: Algorithm 1 with every constant from the data, as Theorem 4 has it.

use super::check::{Check, ensure, invalid};
use super::{Dtype, OptimizerKind, RunConfig, TheorySection};
use crate::settings::Section;

/// Checks the section, and that nothing is said that the theorem decides.
pub(super) fn check(theory: &TheorySection, config: &RunConfig) -> Check {
    let RunConfig { run, network, optimizer, .. } = config;
    let kind = optimizer.kind;
    ensure(kind == OptimizerKind::Pgd, || {
        let advice = format!("read by --optimizer pgd only, not by {kind}; Adam's epsilon is --adam-epsilon");
        invalid("optimizer.theory", "(given)", advice)
    })?;
    theory.check_ranges()?;
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
            invalid(
                field,
                "(given)",
                format!("with --theory it follows from the data and --theory-epsilon; leave out {flag}"),
            )
        })?;
    }
    ensure(run.dtype == Dtype::F64, || {
        invalid("run.dtype", run.dtype, "the theory's thresholds need f64; leave out --dtype or give --dtype f64")
    })
}
