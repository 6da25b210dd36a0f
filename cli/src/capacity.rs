//! What came of `memorize capacity`, for people and for programs.

use std::path::Path;
use std::time::Duration;

use memorize_analysis::text::{Align, table};
use memorize_data::Shown;
use memorize_run::capacity::Report;
use memorize_run::units::{duration, number, thousands};
use memorize_train::theory::constants::theorem1_neurons;

use crate::say;

/// One JSON object, on one line.
pub fn json(report: &Report) -> String {
    say::json("capacity", Some(&report.computed_with), report)
}

/// The report for a person.
pub fn text(report: &Report, folder: &Path) -> String {
    let Report { d, capacity, neurons, seeds, stop_below, .. } = report;
    let sets = if *seeds == 1 { "1 training set".to_owned() } else { format!("{} training sets", thousands(*seeds)) };
    let notes: String = report.notes.iter().map(|note| format!("note: {note}\n")).collect();
    format!(
        "d = {d}: capacity d(d+1)/2 = {} samples; descent has r = {} neurons{}\n\
         {sets} of each size, random samples and targets; memorised: f(W) <= {stop_below:e}\n\n{}\n{notes}\
         computed with {} in {}; results in {}\n",
        thousands(*capacity),
        thousands(*neurons as u64),
        if *neurons == theorem1_neurons(*d) { " (Theorem 1: 2d+2)" } else { "" },
        table_of(report),
        report.computed_with,
        duration(Duration::try_from_secs_f64(report.wall_seconds).unwrap_or_default()),
        folder.shown(),
    )
}

fn table_of(report: &Report) -> String {
    let header = [
        "optimizer",
        "n",
        "n/capacity",
        "memorised",
        "loss f(W)",
        "least squares",
        "predicted",
        "iterations",
        "r",
        "parameters/n",
    ];
    let rows = report.points.iter().map(|point| {
        [
            point.optimizer.to_string(),
            thousands(point.n as u64),
            format!("{:.3}", point.ratio),
            format!("{} of {}", point.memorised, point.finished),
            number(point.loss),
            number(point.least_squares_loss),
            number(point.predicted_loss),
            thousands(point.iterations),
            point.r.to_string(),
            format!("{:.2}", point.parameters_per_sample),
        ]
    });
    let rows: Vec<[String; 10]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    use Align::{Left, Right};
    table(&rows, &[Left, Right, Right, Right, Right, Right, Right, Right, Right, Right])
}
