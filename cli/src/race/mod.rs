//! `memorize race`: every optimiser on one training set, and what came of each.

mod curves;
mod show;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use memorize_data::Output;
use memorize_kernels::{Element, Rows};
use memorize_run::config::{Batch, OptimizerKind, RaceConfig};
use memorize_run::error::Error;
use memorize_run::interrupt::Interrupt;
use memorize_run::race;
use memorize_run::run::dataset::Dataset;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory;
use memorize_run::units::{number, thousands};
use memorize_train::race::{Recorded, Spectator};
use memorize_train::theory::constants::theorem1_neurons;

use crate::console::Progress;
use curves::Curves;
pub use show::{Course, Entry, Mark};

/// Shortest time between two lines about the same optimiser.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Lets everybody run, one after the other. An optimiser that a signal cuts short is left out.
///
/// # Errors
/// Bad input: data that cannot be used, more memory than there is. A failed run if the curves cannot be written. An
/// optimiser that diverges is no error, it is what came of it.
pub fn run<T: Element>(
    config: &RaceConfig,
    machine: &Machine,
    mut progress: Progress,
    curves: Option<&Output>,
    interrupt: &Interrupt,
) -> Result<Course, Error> {
    let dataset = Dataset::<T>::open(&config.adam, &machine.engine)?;
    dataset.notes.iter().chain(&machine.notes).for_each(|note| progress.note(note));
    let (x, y) = (&dataset.x, &dataset.y[..]);
    let [n, d] = [x.rows(), x.cols()];
    let r = config.neurons.unwrap_or_else(|| theorem1_neurons(d));
    let track = race::track(config, machine, (x, y), r)?;
    let moved = race::moved(config, machine, x)?;
    let in_metric = moved.as_ref().map(|moved| race::track(config, machine, (&moved.samples, y), r)).transpose()?;
    memory::announce().iter().for_each(|line| progress.note(line));
    let source = if config.learning_rate.is_some() { "as given" } else { "1/lambda_max at the start" };
    let step = number(in_metric.as_ref().map_or(track.rate, |track| track.rate));
    progress.note(&format!("race: n = {n}, d = {d}, r = {r}, step size {step} ({source})"));
    let (mut rows, mut entries) = (Curves::new(), Vec::new());
    let mut failed = None;
    for &kind in &config.optimizers {
        let mut watch = Watch { kind, budget: config.passes(), progress, interrupt, shown: Instant::now() };
        let (rate, lap) = match in_metric.as_ref().filter(|_| race::descends(kind)) {
            Some(track) => (track.rate, race::lap(track, kind, config, &mut watch)),
            None => (track.rate, race::lap(&track, kind, config, &mut watch)),
        };
        progress = watch.progress;
        if interrupt.is_set() {
            break;
        }
        let lap = match lap {
            Ok(lap) => lap,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        for record in &lap.records {
            rows.record(kind, record.iteration, record.passes, record.seconds, record.loss)?;
        }
        let entry = Entry::new(kind, settings(kind, config, lap.share * rate, track.rank()), &lap);
        progress.note(&entry.line());
        entries.push(entry);
    }
    progress.finish();
    // Finished optimisers are shown even if another one failed.
    if let Some(curves) = curves {
        rows.write(curves)?;
    }
    if let Some(failed) = failed {
        return Err(failed);
    }
    Ok(Course::new(config, machine, [n, d, r], entries))
}

/// Step sizes and the like, in words.
fn settings(kind: OptimizerKind, config: &RaceConfig, eta: f64, rank: usize) -> String {
    let adam = &config.adam.optimizer;
    let batch = match adam.batch {
        Batch::Full => "full batches".to_owned(),
        Batch::Rows(rows) => format!("batches of {rows}"),
    };
    let eta = number(eta);
    match kind {
        OptimizerKind::Gd => format!("step {eta}"),
        OptimizerKind::Sgd => format!("step {eta}, {batch}"),
        OptimizerKind::Pgd => format!("step {eta}, from W = 0"),
        OptimizerKind::Accelerated => format!("step {eta}, theta {}", memorize_run::layer::DEFAULT_THETA),
        OptimizerKind::NegativeCurvature => "exact line searches".to_owned(),
        OptimizerKind::Adam => {
            let decay = adam.decay_every.map(|every| format!(", x{} every {every}", adam.decay_factor));
            format!("step {}{}, {batch}", adam.learning_rate, decay.unwrap_or_default())
        }
        OptimizerKind::Solve => format!("preconditioner of rank {rank}"),
    }
}

/// Shows how far an optimiser is, and listens for signals.
struct Watch<'a> {
    kind: OptimizerKind,
    budget: u64,
    progress: Progress,
    interrupt: &'a Interrupt,
    shown: Instant,
}

impl Spectator for Watch<'_> {
    fn see(&mut self, recorded: &Recorded) {
        if self.shown.elapsed() >= LINE_EVERY {
            self.shown = Instant::now();
            let (passes, budget) = (thousands(recorded.passes as u64), thousands(self.budget));
            self.progress.note(&format!("{}: {passes} passes of {budget}, loss {}", self.kind, number(recorded.loss)));
        }
    }

    fn goes_on(&mut self) -> bool {
        !self.interrupt.is_set()
    }
}
