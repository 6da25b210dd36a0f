//! The search for sigma_min as it is asked for, and what it takes.

use memorize_train::TrainError;
use memorize_train::theory::position::Settings;
use memorize_train::theory::{power_position, preconditioner};

use crate::config::ConditionConfig;
use crate::error::Error;
use crate::run::machine::Machine;
use crate::run::memory;
use crate::units::thousands;

/// The settings of the search on n samples of this width, of which `here` are this rank's; with memory enough for it.
///
/// # Errors
/// Bad input with what it takes and what there is; the hint says what would fit.
pub fn settings(
    config: &ConditionConfig,
    machine: &Machine,
    [here, n]: [usize; 2],
    width: usize,
) -> Result<Settings, Error> {
    // The result depends on the samples and on the request, not on the budget.
    let workspace = preconditioner::WORKSPACE;
    let settings = Settings {
        tolerance: config.tolerance,
        max_products: config.max_products,
        rank: config.rank.unwrap_or_else(|| preconditioner::default_rank(n, width, workspace)).min(n),
        seed: config.seed,
        workspace,
        dense: config.dense,
    };
    let lower = "use a lower rank (--rank)";
    if !(settings.dense && power_position::is_dense(n, width, config.power)) {
        let of_all = preconditioner::bytes(n, settings.rank, workspace);
        let own = (u128::from(of_all) * here as u128 / n.max(1) as u128) as u64;
        let what = format!("the preconditioner of rank {}", thousands(settings.rank as u64));
        memory::within_budget(&what, own, config.memory_budget, lower)?;
    }
    memory::foresee(
        &format!("the search for sigma_min of {n} samples of width {width}"),
        power_position::bytes([n, width], config.power, &settings, here, machine.threads),
        "use a lower rank (--rank), narrower samples (--pca), or fewer (--limit)",
    )?;
    Ok(settings)
}

/// Numbers that cannot be computed with are bad input.
pub fn position_error(error: TrainError) -> Error {
    match error {
        TrainError::NotFinite { .. }
        | TrainError::NoSamples
        | TrainError::TooManySamples(_)
        | TrainError::Order { .. }
        | TrainError::PowersOutOfRange { .. }
        | TrainError::SingularValuesOutOfRange { .. } => Error::bad_input(error),
        error => Error::run_failed(error),
    }
}
