//! `memorize condition`: is a data set in general position?

use std::time::Instant;

use memorize_kernels::Rows;
use memorize_run::condition;
use memorize_run::config::ConditionConfig;
use memorize_run::error::Error;
use memorize_run::events::Plan;
use memorize_run::interrupt::{Interrupt, end_at_once, ends_at_once};
use memorize_run::run::dataset::Inspected;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory;
use memorize_run::units::{duration, mebibytes, percent, scientific, thousands};
use memorize_train::theory::davidson::Step;
use memorize_train::theory::position::{Position, Settings, Verdict};
use memorize_train::theory::proof::{self, Stage};
use memorize_train::theory::{power_position, preconditioner};

use crate::args::ConditionArgs;
use crate::condition::{Proved, Report, Theory};
use crate::console::{Mode, Progress};
use crate::exit::build_warning;
use crate::say;

/// Least seconds between two lines of progress.
const LINE_EVERY: f64 = 10.0;
/// Samples from which a build without optimisation is warned of.
const MANY_SAMPLES: usize = 5000;

/// Looks at a training set and prints what position it is in.
///
/// # Errors
/// Bad input if a flag or a file is wrong, a failed run if a decomposition fails, interrupted if a signal arrived: what
/// was known until then is printed first.
pub fn condition(arguments: &ConditionArgs) -> Result<(), Error> {
    let config = arguments.config()?;
    let quiet = arguments.shown.quiet || arguments.shown.json;
    Mode::detect(quiet).announce_blas(Some(config.backend))?;
    let machine = Machine::new(config.backend, config.isa, config.threads)?;
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let progress = Progress::new(Mode::detect(quiet), Plan::default());
    let found = machine.install(|| look_at(&config, &machine, &interrupt, progress))?;
    say::print_either(arguments.shown.json, || found.json(), || found.text())?;
    if found.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

fn look_at(
    config: &ConditionConfig,
    machine: &Machine,
    interrupt: &Interrupt,
    mut progress: Progress,
) -> Result<Report, Error> {
    let start = Instant::now();
    let samples =
        Inspected::open(&config.data, config.features.as_ref(), config.seed, config.memory_budget, &machine.engine)?;
    samples.notes.iter().chain(&machine.notes).for_each(|note| progress.note(note));
    let (here, n, width) = (samples.x.rows(), samples.x.spread().whole(), samples.x.cols());
    if let Some(warning) = build_warning(n >= MANY_SAMPLES) {
        progress.note(warning);
    }
    let features = samples.features.as_ref().filter(|_| config.power == 2);
    let settings = condition::settings(config, machine, [here, n], width, features)?;
    let room = condition::room_for_proof(config, machine, n, width)?;
    memory::announce().iter().for_each(|line| progress.note(line));
    let mut watch = Watch { progress, interrupt, start, shown: None, settings, n, here };
    // Until the first step of the search nothing is known that could be printed.
    let found = ends_at_once(|| {
        power_position::examine(machine.engine, &samples.x, config.power, &settings, |step| watch.step(step))
    });
    let mut found = found.map_err(condition::position_error)?;
    let proved = room.map(|bytes| prove(machine, &samples, &found, bytes, &mut watch)).transpose()?;
    watch.progress.finish();
    if proved.as_ref().is_some_and(|proved| proved.bound.is_some()) {
        found.verdict = Verdict::GeneralPosition;
    }
    let theory = Theory::of(config, machine.engine, &samples, &settings, &found).map_err(Error::run_failed)?;
    Ok(Report::new(config, machine, &samples, &settings, (&found, proved), theory, start.elapsed()))
}

/// The proof, with so many bytes.
fn prove(
    machine: &Machine,
    samples: &Inspected,
    found: &Position,
    bytes: u64,
    watch: &mut Watch,
) -> Result<Proved, Error> {
    let start = Instant::now();
    if watch.interrupt.is_set() {
        return Ok(Proved::interrupted_before());
    }
    watch.shown = None;
    let proof = proof::prove(machine.engine, &samples.x, found, |stage| watch.stage(stage, start))
        .map_err(condition::position_error)?;
    Ok(Proved::new(&proof, bytes, start.elapsed()))
}

/// Shows how far the search is, and listens for signals.
struct Watch<'a> {
    progress: Progress,
    interrupt: &'a Interrupt,
    start: Instant,
    shown: Option<f64>,
    settings: Settings,
    /// Samples of all ranks, and of this one.
    n: usize,
    here: usize,
}

impl Watch<'_> {
    fn step(&mut self, step: &Step) -> bool {
        end_at_once(false);
        let now = self.start.elapsed().as_secs_f64();
        if self.shown.is_none() {
            let Settings { rank, workspace, .. } = self.settings;
            let of_all = preconditioner::bytes(self.n, rank, workspace);
            let bytes = mebibytes((u128::from(of_all) * self.here as u128 / self.n as u128) as u64);
            let rank = thousands(rank as u64);
            self.progress.note(&format!("preconditioner: rank {rank}, {bytes} in memory"));
        }
        if self.shown.is_none_or(|shown| now - shown >= LINE_EVERY) {
            self.shown = Some(now);
            self.progress.note(&format!(
                "{} products: sigma_min <= {}, residual {} of its square (until {})",
                thousands(step.products as u64),
                scientific(step.value.max(0.0).sqrt()),
                scientific(step.residual / step.value.abs().max(f64::MIN_POSITIVE)),
                scientific(self.settings.tolerance),
            ));
        }
        !self.interrupt.is_set()
    }

    /// The same of a proof that began then.
    fn stage(&mut self, stage: &Stage, start: Instant) -> bool {
        let now = self.start.elapsed().as_secs_f64();
        if self.shown.is_none_or(|shown| now - shown >= LINE_EVERY) {
            self.shown = Some(now);
            let &Stage { factorization, bound, done } = stage;
            self.progress.note(&format!(
                "proof that sigma_min >= {}: factorisation {factorization}, {} done, {}",
                scientific(bound),
                percent(done),
                duration(start.elapsed()),
            ));
        }
        !self.interrupt.is_set()
    }
}
