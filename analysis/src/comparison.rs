//! Runs beside each other: first in what they were asked to do and where, then what came out.

use std::time::Duration;

use memorize_run::config::RunConfig;
use memorize_run::differences::differences;
use memorize_run::provenance::Provenance;
use memorize_run::run_folder::Summary;
use memorize_run::units::{duration, number, thousands};
use serde::Serialize;

use crate::found::FoundRun;
use crate::text::{Align, NONE, epochs, table};

/// A number of a run that tables show.
pub struct Measure {
    /// Its field in `summary.json`.
    pub field: &'static str,
    /// What tables call it.
    pub label: &'static str,
    /// The number; none if it does not apply.
    pub of: Of,
    /// How it is written.
    pub shown: fn(f64) -> String,
    /// Whether it was known before the run.
    pub is_size: bool,
}

/// The numbers that tables show, in their order.
pub const MEASURES: [Measure; 13] = [
    Measure::result("train_loss", "f(W)", |s| Some(s.train_loss), number),
    Measure::result("train_mse", "train MSE", |s| Some(s.train_mse), number),
    Measure::result("test_mse", "test MSE", |s| s.test_mse, number),
    Measure::result("epochs", "passes", |s| Some(s.epochs), epochs),
    Measure::result("iterations", "iterations", |s| Some(s.iterations as f64), whole),
    Measure::result("wall_seconds", "time", |s| Some(s.wall_seconds), time),
    Measure::result("samples_per_second", "samples/s", |s| Some(s.samples_per_second), whole),
    Measure::result("sigma_min", "sigma_min", |s| s.sigma_min, number),
    Measure::size("n", "n", |s| Some(s.n as f64), whole),
    Measure::size("d", "d", |s| Some(s.d as f64), whole),
    Measure::size("k", "k", |s| s.k.map(|k| k as f64), whole),
    Measure::size("r", "r", |s| Some(s.r as f64), whole),
    Measure::size("parameters_per_sample", "parameters a sample", |s| Some(s.parameters_per_sample), number),
];

type Of = fn(&Summary) -> Option<f64>;

impl Measure {
    const fn result(field: &'static str, label: &'static str, of: Of, shown: fn(f64) -> String) -> Self {
        Self { field, label, of, shown, is_size: false }
    }

    const fn size(field: &'static str, label: &'static str, of: Of, shown: fn(f64) -> String) -> Self {
        Self { field, label, of, shown, is_size: true }
    }

    /// The number of a run; none if it does not apply, is not finite, or the run has no summary.
    pub fn value(&self, run: &FoundRun) -> Option<f64> {
        run.summary.as_ref().and_then(self.of).filter(|value| value.is_finite())
    }

    /// The same as text.
    pub fn text(&self, run: &FoundRun) -> String {
        self.value(run).map_or_else(|| NONE.to_owned(), self.shown)
    }
}

fn whole(value: f64) -> String {
    thousands(value.round() as u64)
}

fn time(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| NONE.to_owned(), duration)
}

/// Runs beside each other.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The runs.
    pub runs: Vec<Named>,
    /// The settings in which they differ, a value for each run as `config.toml` has it.
    pub settings: Vec<Row<String>>,
    /// In what the machines, the compilers and the commits differ.
    pub machine: Vec<Row<String>>,
    /// What came out, as far as it applies to any of them, and the sizes in which they differ.
    pub results: Vec<Row<f64>>,
}

/// A run's name and folder.
#[derive(Debug, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The folder.
    pub folder: String,
}

/// One thing and its value in each run; absent = it does not apply or is not known.
#[derive(Clone, Debug, Serialize)]
pub struct Row<T> {
    /// Key in `config.toml` or field of `summary.json`.
    pub key: String,
    /// The values, a run each.
    pub values: Vec<Option<T>>,
}

impl Comparison {
    /// Compares runs.
    pub fn of(runs: &[FoundRun]) -> Self {
        let configs: Vec<Option<&RunConfig>> = runs.iter().map(|run| run.config.as_ref()).collect();
        let settings = differences(&configs).into_iter().map(|s| Row { key: s.key, values: s.values });
        let results = MEASURES.iter().filter_map(|measure| {
            let values: Vec<Option<f64>> = runs.iter().map(|run| measure.value(run)).collect();
            let differs = values.windows(2).any(|pair| pair[0] != pair[1]);
            let told = values.iter().any(Option::is_some) && (differs || !measure.is_size);
            told.then(|| Row { key: measure.field.to_owned(), values })
        });
        Self {
            runs: runs
                .iter()
                .map(|run| Named { name: run.name.clone(), folder: run.folder.display().to_string() })
                .collect(),
            settings: settings.collect(),
            machine: machine(runs),
            results: results.collect(),
        }
    }

    /// Three tables: settings, machine, results. Of two runs the results have a column with the second over the first.
    pub fn text(&self) -> String {
        let names: Vec<String> = self.runs.iter().map(|run| run.name.clone()).collect();
        let mut text = String::new();
        for (title, rows, none) in self.groups() {
            if rows.is_empty() {
                text.push_str(&format!("{none}\n\n"));
                continue;
            }
            let is_results = title == RESULTS;
            let header = std::iter::once(title.to_owned()).chain(names.iter().cloned());
            let mut lines: Vec<Vec<String>> = vec![header.collect()];
            for Row { key, values } in &rows {
                let shown = values.iter().map(|value| value.clone().unwrap_or_else(|| NONE.to_owned()));
                lines.push(std::iter::once(key.clone()).chain(shown).collect());
            }
            if is_results && names.len() == 2 {
                lines[0].push("2nd / 1st".to_owned());
                lines[1..].iter_mut().zip(&self.results).for_each(|(line, row)| line.push(ratio(&row.values)));
            }
            let mut alignment = vec![if is_results { Align::Right } else { Align::Left }; lines[0].len()];
            alignment[0] = Align::Left;
            text.push_str(&table(&lines, &alignment));
            text.push('\n');
        }
        text
    }

    /// The three tables: title, rows as text, and what is said when there are none.
    pub fn groups(&self) -> [(&'static str, Vec<Row<String>>, &'static str); 3] {
        let results = self.results.iter().filter_map(|row| {
            let measure = MEASURES.iter().find(|measure| measure.field == row.key)?;
            let values = row.values.iter().map(|value| value.map(measure.shown)).collect();
            Some(Row { key: measure.label.to_owned(), values })
        });
        [
            ("settings that differ", self.settings.clone(), "All settings are the same."),
            (
                "machine and program",
                self.machine.clone(),
                "Machine and program are the same, as far as they are known.",
            ),
            (RESULTS, results.collect(), "No results: none of the runs has a summary."),
        ]
    }
}

const RESULTS: &str = "results";

/// The second value over the first.
fn ratio(values: &[Option<f64>]) -> String {
    match values {
        [Some(first), Some(second)] if *first != 0.0 => number(second / first),
        _ => NONE.to_owned(),
    }
}

/// What machine, program and settings of the environment were, where not all runs agree.
fn machine(runs: &[FoundRun]) -> Vec<Row<String>> {
    let rows = ORIGINS.iter().map(|(label, of)| Row {
        key: (*label).to_owned(),
        values: runs.iter().map(|run| run.summary.as_ref().and_then(of)).collect(),
    });
    rows.filter(|row: &Row<String>| row.values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

type Origin = (&'static str, fn(&Summary) -> Option<String>);

/// Where results are from.
pub const ORIGINS: [Origin; 9] = [
    ("processor", |s| provenance(s, |p| p.cpu.clone())),
    ("cores", |s| provenance(s, |p| p.cores.to_string())),
    ("threads", |s| Some(s.threads.to_string())),
    ("instruction set", |s| Some(s.isa.clone())),
    ("backend", |s| {
        Some(s.blas.as_ref().map_or_else(|| s.backend.to_string(), |blas| format!("{} ({blas})", s.backend)))
    }),
    ("type of the numbers", |s| Some(s.dtype.to_string())),
    ("compiler", |s| provenance(s, |p| p.compiler.clone())),
    ("commit", |s| provenance(s, |p| p.commit.clone())),
    ("version", |s| Some(s.version.clone())),
];

fn provenance(summary: &Summary, of: impl Fn(&Provenance) -> String) -> Option<String> {
    summary.provenance.as_ref().map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memorize_run::experiments::{Experiment, Scale};
    use std::path::PathBuf;

    fn run(name: &str, loss: f64, test_mse: Option<f64>, config: Option<RunConfig>) -> FoundRun {
        let summary = Summary { train_loss: loss, test_mse, ..Summary::example() };
        FoundRun {
            folder: PathBuf::from(name),
            name: name.to_owned(),
            config,
            summary: Some(summary),
            failure: None,
            trace: None,
            problems: Vec::new(),
        }
    }

    fn config(seed: u64) -> Option<RunConfig> {
        let mut config = Experiment::Mnist2LayerNoise.config(Scale::Full);
        config.run.seed = seed;
        Some(config)
    }

    #[test]
    fn settings_come_first_and_two_runs_have_a_ratio() {
        let comparison = Comparison::of(&[run("a", 2e-6, Some(1.2), config(0)), run("b", 1e-6, None, config(7))]);
        let text = comparison.text();
        let line = |start: &str| text.lines().position(|line| line.trim_start().starts_with(start)).unwrap();
        assert!(
            line("run.seed") < line("Machine and program are the same") && line("run.seed") < line("f(W)"),
            "{text}"
        );
        let words = |start: &str| text.lines().nth(line(start)).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(words("run.seed"), ["run.seed", "0", "7"]);
        assert_eq!(words("f(W)"), ["f(W)", "2.00e-6", "1.00e-6", "0.500"]);
        assert_eq!(words("test MSE"), ["test", "MSE", "1.20", "-", "-"]);
        assert!(!text.contains("optimizer.kind") && !text.contains("parameters a sample"), "{text}");
    }

    #[test]
    fn the_same_run_twice_says_that_nothing_differs() {
        let text = Comparison::of(&[run("a", 1.0, None, config(0)), run("a", 1.0, None, config(0))]).text();
        assert!(text.contains("All settings are the same."), "{text}");
    }

    #[test]
    fn machines_are_compared_where_they_are_known() {
        let mut ours = run("a", 1.0, None, config(0));
        if let Some(summary) = &mut ours.summary {
            summary.provenance = Some(Provenance::here());
        }
        let comparison = Comparison::of(&[ours, run("b", 1.0, None, None)]);
        let compiler = comparison.machine.iter().find(|row| row.key == "compiler").unwrap();
        assert!(compiler.values[0].is_some() && compiler.values[1].is_none());
        assert!(comparison.machine.iter().all(|row| row.key != "threads"));
    }

    #[test]
    fn as_json_numbers_are_numbers_and_what_is_unknown_is_null() {
        let comparison = Comparison::of(&[run("a", f64::NAN, None, config(0)), run("b", 0.5, None, config(1))]);
        let value = serde_json::to_value(&comparison).unwrap();
        let loss = value["results"].as_array().unwrap().iter().find(|row| row["key"] == "train_loss").unwrap();
        assert!(loss["values"][0].is_null() && loss["values"][1] == 0.5, "{loss}");
        assert_eq!(value["settings"][0]["key"], "run.seed");
        assert_eq!(value["runs"][1]["folder"], "b");
    }
}
