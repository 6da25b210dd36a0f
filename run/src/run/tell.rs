//! What a run says about itself before its first step: to programs that read along, and to people who asked for more.

use std::path::Path;

use memorize_data::Shown;
use memorize_kernels::Element;
use memorize_train::metric::Moved;

use super::machine::Machine;
use super::start::needs;
use super::{Run, batch_rows, memory};
use crate::config::{Batch, Route, RunConfig};
use crate::events::{Plan, Start};
use crate::ranks;
use crate::run_folder::CHECKPOINT;
use crate::units::{mebibytes, number, thousands};

/// The start of a run on n samples of width d with r neurons, that takes so many bytes of memory.
pub(super) fn start<'a>(
    folder: &'a Path,
    config: &'a RunConfig,
    machine: &Machine,
    [n, d, r]: [usize; 3],
    route: Route,
    memory: u64,
    plan: Plan,
) -> Start<'a> {
    Start {
        folder,
        version: env!("CARGO_PKG_VERSION"),
        name: &config.run.name,
        n,
        d,
        r,
        dtype: config.run.dtype,
        memory,
        optimizer: config.optimizer.kind,
        learning_rate: config.optimizer.learning_rate,
        batch: config.optimizer.batch,
        seed: config.run.seed,
        backend: config.run.backend,
        isa: machine.isa_name(),
        threads: machine.threads,
        ranks: ranks::count(),
        route,
        plan,
    }
}

/// Details for whoever looks into a run: a line each.
pub(super) fn details<T: Element>(run: &Run<'_, T>) -> Vec<String> {
    let (config, machine, dataset, network) = (&run.config, run.machine, &run.dataset, &run.network);
    let (n, d, r) = (dataset.whole(), dataset.x.cols(), network.neurons());
    let batch = batch_rows(&config.optimizer, n);
    let rows = match config.optimizer.batch {
        Batch::Full => "the whole set at once".to_owned(),
        Batch::Rows(_) => format!("batches of {}", thousands(batch as u64)),
    };
    let needs = needs(config, dataset, r, machine).parts::<T>();
    let moved = run.moved.as_ref().map(|_| ("samples in their metric", Moved::<T>::bytes([dataset.x.rows(), d], r)));
    let needs: Vec<String> =
        needs.iter().copied().chain(moved).map(|(what, bytes)| format!("{what} {}", mebibytes(bytes))).collect();
    let available = memory::available().map_or("unknown".to_owned(), mebibytes);
    let tests =
        dataset.test.as_ref().map_or("none".to_owned(), |(x, _)| format!("{} samples", thousands(x.rows() as u64)));
    let by_steps = config.run.checkpoint_every.map(|every| format!("after every {} steps", thousands(every)));
    let minutes = config.run.checkpoint_minutes;
    let by_time = (minutes > 0.0).then(|| format!("after every {} minutes", number(minutes)));
    let when: Vec<String> = by_steps.into_iter().chain(by_time).collect();
    let when = if when.is_empty() { "only when interrupted".to_owned() } else { when.join(" and ") };
    vec![
        format!(
            "kernels: instruction set {}, backend {}, threads {}, ranks {}",
            machine.isa_name(),
            config.run.backend,
            machine.threads,
            ranks::count()
        ),
        format!("training set: n = {}, d = {d}, SHA-256 {}", thousands(n as u64), dataset.digests.train),
        format!("test set: {tests}"),
        format!(
            "network: r = {}, {} parameters; {}",
            thousands(r as u64),
            thousands(network.parameters() as u64),
            run.init
        ),
        format!(
            "optimiser: {}, {rows}, iterations an epoch: {}",
            config.optimizer.kind,
            thousands(run.iterations_an_epoch)
        ),
        format!("memory: {}; available {available}", needs.join(", ")),
        format!("checkpoints: {when}, to {}", run.folder.file(CHECKPOINT).shown()),
    ]
}
