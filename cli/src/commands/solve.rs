//! `memorize solve`: the network that memorises, as the solution of a linear system.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memorize_analysis::text;
use memorize_data::Output;
use memorize_data::Shown;
use memorize_kernels::Element;
use memorize_run::config::{Dtype, Metric, RunConfig};
use memorize_run::error::Error;
use memorize_run::events::{Plan, Snapshot};
use memorize_run::interrupt::{Interrupt, end_at_once};
use memorize_run::provenance::ComputedWith;
use memorize_run::ranks;
use memorize_run::run::dataset::Dataset;
use memorize_run::run::machine::Machine;
use memorize_run::run::memory;
use memorize_run::run::prospects::Prospects;
use memorize_run::run::solution;
use memorize_run::units::{duration, number, thousands};
use memorize_train::solve::{self, Solution, Verdict};
use memorize_train::{Observer, Record, TrainError, checkpoint};
use serde::Serialize;

use crate::args::SolveArgs;
use crate::console::{Mode, Progress};
use crate::say;

/// What `solve` finds. A value that does not apply is null.
#[derive(Clone, Debug, Serialize)]
struct Solved {
    /// f(W), computed from the weights returned.
    loss: f64,
    mse: f64,
    test_mse: Option<f64>,
    /// `memorised`, `least_squares`, `resolution`, `budget` or `interrupted`.
    verdict: &'static str,
    /// The same in words.
    explanation: String,
    /// Products with K.
    iterations: u64,
    neurons: usize,
    /// Eigenvalues of S above and below zero.
    positive: usize,
    negative: usize,
    rank: usize,
    /// The norm of S that is the least.
    metric: Metric,
    /// Trained weights, d r, or k r with three layers.
    parameters: usize,
    parameters_per_sample: f64,
    /// All of it, from opening the data to evaluating the weights.
    wall_seconds: f64,
    n: usize,
    d: usize,
    /// Random features; null with two layers.
    k: Option<usize>,
    seed: u64,
    #[serde(skip)]
    computed_with: ComputedWith,
    /// What was foreseen to go wrong, and what did.
    warnings: Vec<String>,
}

/// Solves for the network and prints what came of it.
///
/// # Errors
/// Bad input if a flag or a file is wrong, a failed run if the weights cannot be written, interrupted if a signal
/// arrived: what was reached until then is written and printed first.
pub fn solve(arguments: &SolveArgs) -> Result<(), Error> {
    let config = arguments.config()?;
    let inputs = config.data.files();
    let named = arguments.out.as_ref().filter(|_| ranks::is_first());
    let out =
        named.map(|path| Output::new(path, arguments.overwrite, inputs.iter().map(PathBuf::as_path))).transpose()?;
    let quiet = arguments.shown.quiet || arguments.shown.json;
    Mode::detect(quiet).announce_blas(Some(config.run.backend))?;
    let machine = Machine::new(config.run.backend, config.run.isa, config.run.threads)?;
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let watch = Watching {
        progress: Progress::new(Mode::detect(quiet), Plan::default()),
        interrupt,
        start: Instant::now(),
        n: 0,
    };
    let found = machine.install(|| match config.run.dtype {
        Dtype::F32 => run::<f32>(&config, &machine, out.as_ref(), watch),
        Dtype::F64 => run::<f64>(&config, &machine, out.as_ref(), watch),
    })?;
    say::print_either(
        arguments.shown.json,
        || say::json("solve", Some(&found.computed_with), &found),
        || text(&found, arguments.out.as_deref()),
    )?;
    if found.verdict == "interrupted" { Err(Error::Interrupted) } else { Ok(()) }
}

fn run<T: Element>(
    config: &RunConfig,
    machine: &Machine,
    out: Option<&Output>,
    mut watch: Watching,
) -> Result<Solved, Error> {
    let dataset = Dataset::<T>::open(config, &machine.engine)?;
    let (here, n, width) = (dataset.x.rows(), dataset.whole(), dataset.x.cols());
    let settings = solution::settings::<T>(&config.run, &config.optimizer, n, width);
    watch.n = n;
    dataset.notes.iter().chain(&machine.notes).for_each(|note| watch.progress.note(note));
    solution::foresee(&config.run, &config.optimizer, &dataset, machine.threads)?;
    memory::announce().iter().for_each(|line| watch.progress.note(line));
    watch.progress.note(&solution::announce::<T>(here, settings.rank));
    let prospects = Prospects::from_zero(config, &dataset, width);
    let mut warnings = prospects.warnings();
    warnings.iter().for_each(|warning| watch.progress.note(&format!("warning: {warning}")));
    let solution = solve::solve(machine.engine, &dataset.x, &dataset.y, &settings, &mut watch);
    watch.progress.finish();
    let Solution { network, evaluation, positive, negative, rank, verdict, outcome } =
        solution.map_err(solution_error)?;
    let test_mse = dataset.test_mse(machine.engine, &network, config.run.route.forced())?;
    warnings.extend(prospects.above_variance(evaluation));
    warnings.extend(prospects.overflowing_test::<T>(test_mse));
    let (neurons, parameters) = (network.neurons(), network.parameters());
    dataset.sources.check_unchanged()?;
    if let Some(out) = out {
        let weights = dataset.weights(network);
        out.write(|file| checkpoint::write(file, &weights))?;
    }
    Ok(Solved {
        loss: evaluation.loss,
        mse: evaluation.mse(),
        test_mse,
        verdict: name(verdict),
        explanation: verdict.to_string(),
        iterations: outcome.iterations,
        neurons,
        positive,
        negative,
        rank,
        metric: config.optimizer.metric,
        parameters,
        parameters_per_sample: parameters as f64 / n as f64,
        wall_seconds: watch.start.elapsed().as_secs_f64(),
        n,
        d: dataset.input_width,
        k: dataset.features.as_ref().map(|layer| layer.weights().rows()),
        seed: config.run.seed,
        computed_with: machine.computed_with(config.run.dtype, None),
        warnings,
    })
}

/// Numbers that cannot be computed with are bad input.
fn solution_error(error: TrainError) -> Error {
    match error {
        TrainError::NotFinite { .. } | TrainError::NoSamples | TrainError::ZeroSamples => Error::bad_input(error),
        TrainError::WeightsOutOfRange { .. } => solution::out_of_range(error),
        TrainError::NoRoom { .. } => solution::no_room(error),
        error => Error::run_failed(error),
    }
}

/// The norm of S in formulas.
fn norm(metric: Metric) -> &'static str {
    match metric {
        Metric::Data => "||T^-1 S T^-1||_F (docs/theory.md)",
        Metric::Frobenius => "||S||_F",
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Memorised => "memorised",
        Verdict::LeastSquares { .. } => "least_squares",
        Verdict::Resolution => "resolution",
        Verdict::Budget => "budget",
        Verdict::Interrupted => "interrupted",
    }
}

/// Shows how far the solver is, and listens for signals.
struct Watching {
    progress: Progress,
    interrupt: Interrupt,
    start: Instant,
    n: usize,
}

impl Observer for Watching {
    fn record(&mut self, record: &Record) {
        self.progress.update(&Snapshot {
            iteration: record.iteration,
            epoch: record.iteration as f64,
            loss: record.loss,
            smoothed_loss: record.loss,
            learning_rate: record.learning_rate,
            samples_seen: record.iteration * self.n as u64,
            elapsed: self.start.elapsed(),
        });
    }

    fn keep_going(&mut self) -> bool {
        !self.interrupt.is_set()
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        let [none] = ranks::any([!memory::has_room(bytes)]);
        !none
    }

    fn busy(&mut self, busy: bool) {
        end_at_once(busy);
    }
}

fn text(found: &Solved, out: Option<&Path>) -> String {
    let mut lines = vec![
        ("result", found.explanation.clone()),
        ("training loss f(W)", number(found.loss)),
        ("training MSE (4f)", number(found.mse)),
    ];
    lines.extend(found.test_mse.map(|mse| ("test MSE", number(mse))));
    let layers = found.k.map_or_else(String::new, |k| format!(", k = {k}"));
    let eigenvalues = format!("{} positive and {} negative eigenvalues", found.positive, found.negative);
    lines.extend([
        ("network", format!("d = {}{layers}, r = {} neurons: {eigenvalues}", found.d, thousands(found.neurons as u64))),
        ("size", text::parameters(found.parameters, found.n)),
        (
            "iterations",
            format!("{}, preconditioner of rank {}", thousands(found.iterations), thousands(found.rank as u64)),
        ),
        ("metric", format!("{}, the least {}", found.metric, norm(found.metric))),
        ("time", duration(Duration::try_from_secs_f64(found.wall_seconds).unwrap_or_default())),
        ("computed with", found.computed_with.to_string()),
    ]);
    lines.extend(found.warnings.iter().map(|warning| ("warning", warning.clone())));
    lines.extend(out.map(|path| ("weights", path.shown().to_string())));
    lines.iter().map(|(name, value)| format!("{name:<19} {value}\n")).collect()
}
