//! The linear solver, as a run and as a command.

use memorize_kernels::Element;
use memorize_train::solve::{Settings, WORKSPACE, default_rank};
use memorize_train::theory::nystrom::Nystrom;

use super::memory;
use crate::config::{RunSection, SolveSection};
use crate::exit::CliError;
use crate::units::{mebibytes, thousands};

/// What the solver is asked for, on n samples of width d.
pub fn settings<T: Element>(run: &RunSection, section: &SolveSection, n: usize, d: usize) -> Settings {
    let products = [run.epochs, run.iterations].into_iter().flatten().min().unwrap_or(0);
    let workspace = memory::workspace(run.memory_budget, WORKSPACE);
    Settings {
        tolerance: run.stop_below.unwrap_or(0.0),
        max_products: usize::try_from(products).unwrap_or(usize::MAX),
        rank: section.rank.unwrap_or_else(|| default_rank::<T>(n, d, workspace)),
        seed: run.seed,
        workspace,
    }
}

/// Says what the preconditioner will keep in memory.
///
/// # Errors
/// Bad input if the system would not give that much.
pub fn announce<T: Element>(n: usize, rank: usize) -> Result<String, CliError> {
    let rank = rank.min(n);
    memory::ensure::<T>("the preconditioner", &[n, rank], "use a lower rank (--solve-rank)")?;
    let bytes = mebibytes(Nystrom::<T>::bytes(n, rank));
    Ok(format!("preconditioner: rank {}, {bytes} in memory", thousands(rank as u64)))
}
