//! The linear solver, as a run and as a command.

use memorize_kernels::{Element, Rows};
use memorize_train::TrainError;
use memorize_train::solve::{self, Settings};
use memorize_train::theory::low_rank::LowRank;

use super::dataset::Dataset;
use super::memory;
use crate::config::{OptimizerSection, RunSection};
use crate::error::{Error, WithHint};
use crate::units::{mebibytes, thousands};

/// What the solver is asked for, on n samples of width d. The budget is not looked at: what comes out depends on what
/// is asked for and on the samples.
pub fn settings<T: Element>(run: &RunSection, optimizer: &OptimizerSection, n: usize, d: usize) -> Settings {
    let products = [run.epochs, run.iterations].into_iter().flatten().min().unwrap_or(0);
    let usual = Settings::new::<T>([n, d], run.stop_below.unwrap_or(0.0), products, run.seed);
    let usual = usual.in_norm::<T>([n, d], optimizer.metric.into());
    Settings { rank: optimizer.solve.as_ref().and_then(|solve| solve.rank).unwrap_or(usual.rank), ..usual }
}

/// Makes sure that the solver has the memory that it takes, and says how many bytes that is, the samples apart.
///
/// # Errors
/// Bad input if the system has less, or the budget allows less.
pub fn foresee<T: Element>(
    run: &RunSection,
    optimizer: &OptimizerSection,
    dataset: &Dataset<T>,
    threads: usize,
) -> Result<u64, Error> {
    let (here, n, d) = (dataset.x.rows(), dataset.whole(), dataset.x.cols());
    let settings = settings::<T>(run, optimizer, n, d);
    let rank = settings.rank;
    memory::within_budget(
        &format!("the solver's preconditioner of rank {}", thousands(rank.min(n) as u64)),
        LowRank::<T>::bytes(here, rank).saturating_add(solve::least_search_bytes(here)),
        run.memory_budget,
        "ask for a lower rank (--rank of `solve`, --solve-rank of `train`)",
    )?;
    let needed = solve::bytes::<T>(here, n, d, &settings, threads);
    memory::foresee(
        &format!("solving for the network that memorises {n} samples of width {d}"),
        needed,
        "use a lower rank (--rank of `solve`, --solve-rank of `train`), narrower samples (--pca), fewer (--limit), or descend instead: \
         `memorize train --route neuron` takes no d x d matrix",
    )?;
    Ok(needed)
}

/// Weights that are the answer and no numbers of the run's type.
pub fn out_of_range(error: TrainError) -> Error {
    match &error {
        TrainError::WeightsOutOfRange { dtype: "f32", .. } => Error::BadInput(error.hint("pass --dtype f64")),
        _ => Error::bad_input(error),
    }
}

/// A search that has filled the memory.
pub fn no_room(error: TrainError) -> Error {
    Error::RunFailed(
        error.hint("use fewer samples (--limit), narrower ones (--pca), or a process that may have more memory"),
    )
}

/// Says what the preconditioner will keep in memory.
pub fn announce<T: Element>(n: usize, rank: usize) -> String {
    let rank = rank.min(n);
    let bytes = mebibytes(LowRank::<T>::bytes(n, rank));
    format!("preconditioner: rank {}, {bytes} in memory", thousands(rank as u64))
}
