//! What came of a race: as a table, and as JSON.

use std::time::Duration;

use memorize_analysis::text::{Align, table};
use memorize_run::config::{OptimizerKind, RaceConfig};
use memorize_run::provenance::ComputedWith;
use memorize_run::run::machine::Machine;
use memorize_run::units::{duration, number, thousands};
use memorize_train::race::Lap;
use serde::Serialize;

use crate::say;

/// A loss to reach, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// f(W).
    pub loss: f64,
    /// Passes; null = not reached.
    pub passes: Option<f64>,
    /// Seconds; null = not reached.
    pub seconds: Option<f64>,
}

/// What came of one optimiser.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Which.
    pub optimizer: OptimizerKind,
    /// Its step size and the like, in words.
    pub settings: String,
    /// f(W) at the end, computed from W; null = it diverged.
    pub loss: Option<f64>,
    /// Passes that it did.
    pub passes: f64,
    /// Seconds that they took.
    pub seconds: f64,
    /// The losses to reach.
    pub reached: Vec<Mark>,
}

impl Entry {
    pub(super) fn new(optimizer: OptimizerKind, settings: String, lap: &Lap) -> Self {
        let (passes, seconds) = lap.records.last().map_or((0.0, 0.0), |last| (last.passes, last.seconds));
        let reached = lap.marks.iter().map(|mark| Mark {
            loss: mark.loss,
            passes: mark.reached.map(|reached| reached.passes),
            seconds: mark.reached.map(|reached| reached.seconds),
        });
        Self { optimizer, settings, loss: lap.loss, passes, seconds, reached: reached.collect() }
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let loss = self.loss.map_or_else(|| "diverged".to_owned(), |loss| format!("loss {}", number(loss)));
        format!("{}: {loss} after {:.1} passes, {}", self.optimizer, self.passes, time(self.seconds))
    }
}

/// The whole race, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Course {
    /// Samples.
    pub n: usize,
    /// Width of a sample as the trained layer sees it.
    pub d: usize,
    /// Neurons of all but the solver.
    pub r: usize,
    /// Passes after which an optimiser gave up.
    pub passes: u64,
    /// Seed.
    pub seed: u64,
    /// What ran.
    #[serde(skip)]
    pub computed_with: ComputedWith,
    /// What came of each.
    pub entries: Vec<Entry>,
}

impl Course {
    pub(super) fn new(config: &RaceConfig, machine: &Machine, [n, d, r]: [usize; 3], entries: Vec<Entry>) -> Self {
        Self {
            n,
            d,
            r,
            passes: config.passes(),
            seed: config.adam.run.seed,
            computed_with: machine.computed_with(config.adam.run.dtype, None),
            entries,
        }
    }

    /// One JSON object, on one line.
    pub fn json(&self) -> String {
        say::json("race", Some(&self.computed_with), self)
    }

    /// The race for a person.
    pub fn text(&self) -> String {
        let Self { n, d, r, passes, computed_with, .. } = self;
        format!(
            "n = {}, d = {d}, r = {}; passes over the training set to a loss f(W), at most {} (- = not reached)\n\n{}\n\
             computed with {computed_with}\n",
            thousands(*n as u64),
            thousands(*r as u64),
            thousands(*passes),
            self.table()
        )
    }

    fn table(&self) -> String {
        let Some(first) = self.entries.first() else { return String::new() };
        let mut header = vec!["optimizer".to_owned(), "settings".to_owned()];
        header.extend(first.reached.iter().map(|mark| format!("{:e}", mark.loss)));
        header.extend(["f(W) at the end", "passes", "time"].map(str::to_owned));
        let rows = self.entries.iter().map(|entry| {
            let mut row = vec![entry.optimizer.to_string(), entry.settings.clone()];
            row.extend(entry.reached.iter().map(|mark| mark.passes.map_or_else(|| "-".to_owned(), count)));
            row.push(entry.loss.map_or_else(|| "diverged".to_owned(), number));
            row.extend([count(entry.passes), time(entry.seconds)]);
            row
        });
        let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
        let mut align = vec![Align::Right; rows[0].len()];
        align[..2].fill(Align::Left);
        table(&rows, &align)
    }
}

fn time(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Passes: whole ones without decimals.
fn count(passes: f64) -> String {
    if passes.fract() == 0.0 { thousands(passes as u64) } else { format!("{passes:.1}") }
}
