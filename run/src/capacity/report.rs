//! What came of it, as `summary.json` holds it.

use std::collections::BTreeMap;
use std::time::Duration;

use memorize_train::theory::threshold::neurons_for_every_matrix;
use memorize_train::trial::Ending;
use serde::Serialize;

use super::Row;
use crate::config::{CapacityConfig, Trainer};
use crate::provenance::ComputedWith;
use crate::run::machine::Machine;
use crate::run_folder::Written;
use crate::units::thousands;

/// The whole experiment, as `--json` prints it and `summary.json` holds it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Width of the samples.
    pub d: usize,
    /// d(d+1)/2.
    pub capacity: u64,
    /// Neurons that descent had.
    pub neurons: usize,
    /// Training sets of each size that were asked for.
    pub seeds: u64,
    /// Seed of the first.
    pub seed: u64,
    /// What was tried.
    pub optimizers: Vec<Trainer>,
    /// Most iterations.
    pub iterations: u64,
    /// Loss at which a set was memorised.
    pub stop_below: f64,
    /// Step size at the start; null = each optimiser's own.
    pub learning_rate: Option<f64>,
    /// What ran.
    #[serde(skip)]
    pub computed_with: ComputedWith,
    /// Time from start to end, in seconds.
    pub wall_seconds: f64,
    /// Whether a signal ended it: then training sets are missing.
    pub interrupted: bool,
    /// An entry for each optimiser and size.
    pub points: Vec<Point>,
    /// What to know about the numbers.
    pub notes: Vec<String>,
    /// Every file in the folder beside `summary.json`; empty until they are all there.
    pub files: BTreeMap<String, Written>,
}

/// All training sets of a size by one optimiser.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What was tried.
    pub optimizer: Trainer,
    /// n over the capacity.
    pub ratio: f64,
    /// Samples.
    pub n: usize,
    /// Training sets that were finished.
    pub finished: usize,
    /// Those whose loss is at most `stop_below`.
    pub memorised: usize,
    /// Median of f(W).
    pub loss: f64,
    /// Its smallest value.
    pub loss_min: f64,
    /// Its largest value.
    pub loss_max: f64,
    /// Mean of the least f of any network, on the same sets.
    pub least_squares_loss: f64,
    /// Its expected value.
    pub predicted_loss: f64,
    /// Most iterations.
    pub iterations: u64,
    /// Most neurons.
    pub r: usize,
    /// Most parameters, d r.
    pub parameters: usize,
    /// The same for each sample.
    pub parameters_per_sample: f64,
}

impl Point {
    /// What rows of one optimiser and size have in common; none without rows.
    fn of(rows: &[&Row]) -> Option<Self> {
        let first = rows.first()?;
        let mut losses: Vec<f64> = rows.iter().map(|row| row.loss).collect();
        losses.sort_by(f64::total_cmp);
        let last = losses.len() - 1;
        let widest = rows.iter().max_by_key(|row| row.r).unwrap_or(first);
        Some(Self {
            optimizer: first.optimizer,
            ratio: first.ratio,
            n: first.n,
            finished: rows.len(),
            memorised: rows.iter().filter(|row| row.ended == Ending::Memorised).count(),
            loss: f64::midpoint(losses[last / 2], losses[last.div_ceil(2)]),
            loss_min: losses[0],
            loss_max: losses[last],
            least_squares_loss: rows.iter().map(|row| row.least_squares_loss).sum::<f64>() / rows.len() as f64,
            predicted_loss: first.predicted_loss,
            iterations: rows.iter().map(|row| row.iterations).max().unwrap_or(0),
            r: widest.r,
            parameters: widest.parameters,
            parameters_per_sample: widest.parameters_per_sample,
        })
    }
}

impl Report {
    /// Gathers the rows of an experiment.
    pub fn new(config: &CapacityConfig, machine: &Machine, rows: &[Row], interrupted: bool, wall: Duration) -> Self {
        let sizes = config.sizes();
        let points = config
            .optimizers
            .iter()
            .flat_map(|&optimizer| sizes.iter().map(move |&n| (optimizer, n)))
            .filter_map(|(optimizer, n)| {
                let of_both: Vec<&Row> = rows.iter().filter(|row| row.optimizer == optimizer && row.n == n).collect();
                Point::of(&of_both)
            })
            .collect();
        Self {
            d: config.dim,
            capacity: super::capacity_of(config.dim),
            neurons: config.neurons,
            seeds: config.seeds,
            seed: config.seed,
            optimizers: config.optimizers.clone(),
            iterations: config.iterations,
            stop_below: config.stop_below,
            learning_rate: config.learning_rate,
            computed_with: machine.computed_with(config.dtype, None),
            wall_seconds: wall.as_secs_f64(),
            interrupted,
            points,
            notes: notes(config, rows, interrupted),
            files: BTreeMap::new(),
        }
    }

    /// The text of `summary.json`.
    pub fn summary(&self) -> String {
        #[derive(Serialize)]
        struct Summary<'a> {
            #[serde(flatten)]
            report: &'a Report,
            #[serde(flatten)]
            computed_with: &'a ComputedWith,
            version: &'static str,
        }
        let (computed_with, version) = (&self.computed_with, env!("CARGO_PKG_VERSION"));
        let summary = Summary { report: self, computed_with, version };
        let mut text = serde_json::to_string_pretty(&summary).expect("a struct with string keys is always JSON");
        text.push('\n');
        text
    }
}

fn notes(config: &CapacityConfig, rows: &[Row], interrupted: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let enough = neurons_for_every_matrix(config.dim);
    let descends = config.optimizers.iter().any(|&optimizer| optimizer.descends());
    if config.seeds > 1 {
        notes.push(
            "losses are medians, least squares losses means, iterations and r the largest over the sets".to_owned(),
        );
    }
    if descends && config.neurons < enough {
        let r = config.neurons;
        notes.push(format!(
            "r = {r} neurons are fewer than 2d = {enough}: not every S is W A W^T, descent may stay above the least squares loss"
        ));
    }
    for &optimizer in &config.optimizers {
        let ended = |ending| rows.iter().filter(|row| row.optimizer == optimizer && row.ended == ending).count();
        match ended(Ending::Budget) {
            0 => {}
            sets => notes.push(format!(
                "{optimizer} used all of its {} iterations on {sets} of the training sets; allow more with --iterations",
                thousands(config.iterations)
            )),
        }
        match ended(Ending::Resolution) {
            0 => {}
            sets => notes.push(format!(
                "rounding errors of {} keep the solver above --stop-below on {sets} of the training sets",
                config.dtype
            )),
        }
    }
    if interrupted {
        notes.push("interrupted: training sets that were not finished are missing".to_owned());
    }
    notes
}
