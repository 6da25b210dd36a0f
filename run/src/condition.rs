//! The search for sigma_min as it is asked for, and what it takes.

use memorize_train::theory::constants::capacity;
use memorize_train::theory::position::Settings;
use memorize_train::theory::tensor_power::check_order;
use memorize_train::theory::{power_position, preconditioner, proof, random_position, theorem6};
use memorize_train::{FeatureLayer, TrainError};

use crate::config::ConditionConfig;
use crate::error::{Error, WithHint};
use crate::ranks;
use crate::run::machine::Machine;
use crate::run::memory;
use crate::units::thousands;

/// The settings of the search on n samples of this width, of which `here` are this rank's; with memory enough for it,
/// and for what Theorem 6 has computed of the samples before their features, if they have any.
///
/// # Errors
/// Bad input with what it takes and what there is; the hint says what would fit.
pub fn settings(
    config: &ConditionConfig,
    machine: &Machine,
    [here, n]: [usize; 2],
    width: usize,
    features: Option<&FeatureLayer<f64>>,
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
        power_position::bytes([n, width], config.power, &settings, here, machine.threads).max(of_theorem_6(
            features,
            [n, here],
            &settings,
            machine.threads,
        )),
        "use a lower rank (--rank), narrower samples (--pca), or fewer (--limit)",
    )?;
    Ok(settings)
}

/// Bytes that the proof takes, if one is asked for, once the search is over; with memory enough for it.
///
/// # Errors
/// Bad input with what it takes and what there is, or how many ranks there are.
pub fn room_for_proof(
    config: &ConditionConfig,
    machine: &Machine,
    n: usize,
    width: usize,
) -> Result<Option<u64>, Error> {
    if !config.prove {
        return Ok(None);
    }
    let ranks = ranks::count();
    if ranks > 1 {
        let error = anyhow::anyhow!("a proof (--prove) is made by one process, and mpirun has started {ranks}");
        return Err(Error::BadInput(error.hint("leave out --prove, or start it without mpirun")));
    }
    if n as u128 > capacity(width) {
        // There is nothing to prove.
        return Ok(Some(0));
    }
    let bytes = proof::bytes(n, width, machine.threads);
    let what = format!("the proof for {} samples (--prove)", thousands(n as u64));
    memory::within_budget(&what, bytes, config.memory_budget, "leave out --prove, or use fewer samples (--limit)")?;
    memory::foresee(&what, bytes, "leave out --prove, or use fewer samples (--limit)")?;
    Ok(Some(bytes))
}

/// Bytes that Theorem 6 takes once the search is over: the tensor powers of samples that are few enough to be
/// decomposed, then those of the features.
fn of_theorem_6(
    features: Option<&FeatureLayer<f64>>,
    [n, here]: [usize; 2],
    settings: &Settings,
    threads: usize,
) -> u64 {
    let Some(layer) = features else { return 0 };
    let (k, d, p) = (layer.weights().rows(), layer.weights().cols(), layer.power());
    let settings = Settings { dense: true, ..*settings };
    let powers = match random_position::fits(n) && check_order(2 * p).is_ok() {
        true => power_position::bytes([n, d], 2 * p, &settings, here, threads),
        false => 0,
    };
    powers.max(theorem6::bytes(k, d, p))
}

/// Numbers that cannot be computed with are bad input.
pub fn position_error(error: TrainError) -> Error {
    match error {
        TrainError::NotFinite { .. }
        | TrainError::NoSamples
        | TrainError::TooManySamples(_)
        | TrainError::Order { .. }
        | TrainError::SingularValuesOutOfRange { .. } => Error::bad_input(error),
        error @ TrainError::PowersOutOfRange { .. } => {
            let hint = "divide every sample by its norm (--normalize), or ask for a lower order (--power)";
            Error::BadInput(anyhow::Error::from(error).hint(hint))
        }
        error => Error::run_failed(error),
    }
}
