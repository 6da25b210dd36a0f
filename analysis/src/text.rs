//! The results of finished runs beside those that the paper reports, as plain text.

use std::path::Path;
use std::time::Duration;

use memorize_data::Shown;
use memorize_run::run_folder::TheorySummary;
use memorize_run::run_folder::{StopReason, Summary};
use memorize_run::units::{duration, number, shortened, thousands};

/// Stands where a value does not apply.
pub const NONE: &str = "-";

/// The report on one run, several lines.
pub fn one(summary: &Summary, folder: &Path) -> String {
    let title = format!(
        "{}: {} after {} epochs, {} iterations, {}",
        summary.name.shown(),
        outcome(summary.stopped),
        epochs(summary.epochs),
        thousands(summary.iterations),
        wall(summary)
    );
    let mut rows = vec![
        ["training loss f(W)".to_owned(), number(summary.train_loss)],
        ["training MSE (4f)".to_owned(), number(summary.train_mse)],
    ];
    rows.extend(summary.test_mse.map(|mse| ["test MSE".to_owned(), number(mse)]));
    rows.extend(summary.paper.as_ref().map(|paper| ["the paper".to_owned(), paper.clone()]));
    rows.extend(summary.instead.as_ref().map(|instead| ["parameters".to_owned(), instead.clone()]));
    rows.extend(summary.sigma_min.map(|sigma| ["sigma_min".to_owned(), number(sigma)]));
    rows.extend(summary.theory.as_ref().map(|theory| ["Theorem 4".to_owned(), promise(summary, theory)]));
    rows.extend(saddles(summary).map(|left| ["saddle points".to_owned(), left]));
    rows.push(["network".to_owned(), network(summary)]);
    let scale =
        if summary.init_scale > 0.0 { format!(", scale {}", number(summary.init_scale)) } else { String::new() };
    rows.push(["weights at start".to_owned(), format!("{}{scale}", summary.init)]);
    rows.push(["computed with".to_owned(), machine(summary)]);
    rows.extend(summary.warnings.iter().map(|warning| ["warning".to_owned(), warning.clone()]));
    rows.push(["results".to_owned(), folder.shown().to_string()]);
    if summary.stopped == StopReason::Interrupted {
        rows.push(["go on with".to_owned(), format!("memorize resume {}", folder.shown())]);
    }
    format!("{title}\n\n{}", table(&rows, &[Align::Left, Align::Left]))
}

/// The report on several runs, a line each.
pub fn many(summaries: &[Summary]) -> String {
    let header = ["run", "epochs", "time", "loss f(W)", "train MSE", "test MSE", "the paper"].map(str::to_owned);
    let rows = summaries.iter().map(|summary| {
        [
            match summary.stopped {
                StopReason::Interrupted | StopReason::Stalled => {
                    format!("{} ({})", summary.name.shown(), outcome(summary.stopped))
                }
                _ => summary.name.shown().to_string(),
            },
            epochs(summary.epochs),
            wall(summary),
            number(summary.train_loss),
            number(summary.train_mse),
            summary.test_mse.map_or_else(|| NONE.to_owned(), number),
            summary.paper.clone().unwrap_or_else(|| NONE.to_owned()),
        ]
    });
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(rows).collect();
    use Align::{Left, Right};
    table(&rows, &[Left, Right, Right, Right, Right, Right, Left])
}

fn outcome(stopped: StopReason) -> &'static str {
    match stopped {
        StopReason::Completed => "done",
        StopReason::StopBelow => "stopped, the loss is low enough,",
        StopReason::Returned => "returned by its own criterion",
        StopReason::Stalled => "did not get anywhere",
        StopReason::Interrupted => "interrupted",
    }
}

/// Epochs: whole ones without decimals.
pub fn epochs(epochs: f64) -> String {
    if epochs.fract() == 0.0 && epochs >= 0.0 { thousands(epochs as u64) } else { format!("{epochs:.1}") }
}

fn wall(summary: &Summary) -> String {
    Duration::try_from_secs_f64(summary.wall_seconds).map_or_else(|_| NONE.to_owned(), duration)
}

/// Whether the loss that was promised is reached, and what it took beside what was foreseen.
fn promise(summary: &Summary, theory: &TheorySummary) -> String {
    let kept = if theory.reached { "f(W) <=" } else { "not kept: f(W) is above" };
    format!(
        "{kept} epsilon = {} after {} iterations, {} perturbations; at least {} and at most {} were foreseen",
        number(theory.epsilon),
        thousands(summary.iterations),
        theory.perturbations,
        number(theory.iterations_at_least),
        number(theory.iterations_at_most)
    )
}

/// What was done about saddle points; with Theorem 4 its own line says so.
fn saddles(summary: &Summary) -> Option<String> {
    let count = |count: Option<u64>, what: &str, rest: &str| {
        count.map(|count| format!("{} {what}{}{rest}", thousands(count), if count == 1 { "" } else { "s" }))
    };
    let perturbations = count(summary.perturbations.filter(|_| summary.theory.is_none()), "perturbation", "");
    let steps = count(summary.escapes, "step", " along negative curvature");
    let parts: Vec<String> = perturbations.into_iter().chain(steps).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn network(summary: &Summary) -> String {
    let shape = match (summary.k, summary.p) {
        (Some(k), Some(p)) => format!("3 layers, d = {}, k = {k}, p = {p}, r = {}", summary.d, summary.r),
        _ => format!("2 layers, d = {}, r = {}", summary.d, summary.r),
    };
    format!("{shape}, {}", parameters(summary.parameters, summary.samples))
}

/// How many weights are trained on how many samples, and on each: the number that the paper is about.
pub fn parameters(parameters: usize, samples: usize) -> String {
    let each = number(parameters as f64 / samples as f64);
    let [parameters, samples] = [parameters, samples].map(|count| thousands(count as u64));
    format!("{parameters} parameters for {samples} samples, {each} a sample")
}

fn machine(summary: &Summary) -> String {
    let Summary { dtype, isa, backend, route, threads, ranks, .. } = summary;
    let ranks = if *ranks == 1 { String::new() } else { format!(" on each of {ranks} ranks") };
    let blas = summary.blas.as_ref().map(|blas| format!(" ({blas})")).unwrap_or_default();
    let noun = if *threads == 1 { "thread" } else { "threads" };
    let speed = if summary.samples_per_second.is_finite() {
        format!(", {} samples/s", thousands(summary.samples_per_second.round() as u64))
    } else {
        String::new()
    };
    format!("{dtype}, {isa}, backend {backend}{blas}, route {route}, {threads} {noun}{ranks}{speed}")
}

/// On which side the cells of a column line up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// On the left: words.
    Left,
    /// On the right: numbers.
    Right,
}

/// Longest cell of a table, in characters.
const LONGEST_CELL: usize = 1000;

/// Rows as lines, columns two spaces apart and as wide as their widest cell.
pub fn table<R: AsRef<[String]>>(rows: &[R], alignment: &[Align]) -> String {
    let shorten = |row: &R| row.as_ref().iter().map(|cell| shortened(cell, LONGEST_CELL).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shorten).collect();
    let mut widths = vec![0; alignment.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).zip(alignment).map(|((cell, width), align)| match align {
            Align::Left => format!("  {cell:<width$}"),
            Align::Right => format!("  {cell:>width$}"),
        });
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_is_reported_beside_the_paper() {
        let text = one(&Summary::example(), Path::new("runs/x"));
        let expected = "\
mnist-2layer-noise: done after 60 epochs, 28,140 iterations, 2 min 31 s

  training loss f(W)  1.23e-6
  training MSE (4f)   4.94e-6
  test MSE            1.21
  the paper           loss falls geometrically below 1e-5 (figures 3a, 7)
  network             2 layers, d = 784, r = 3000, 2,352,000 parameters for 60,000 samples, 39.2 a sample
  weights at start    normal, scale 0.0100
  computed with       f32, avx512, backend native, route neuron, 2 threads, 34,000 samples/s
  results             runs/x
";
        assert_eq!(text, expected);
    }

    #[test]
    fn many_runs_line_up() {
        let synthetic = Summary {
            name: "synthetic".to_owned(),
            epochs: 3000.0,
            wall_seconds: 0.8,
            train_loss: 0.0,
            train_mse: 0.0,
            test_mse: None,
            paper: None,
            ..Summary::example()
        };
        let interrupted =
            Summary { stopped: StopReason::Interrupted, train_loss: f64::NAN, epochs: 1.5, ..Summary::example() };
        let text = many(&[synthetic, interrupted]);
        let expected = "  \
  run                            epochs         time  loss f(W)  train MSE  test MSE  the paper
  synthetic                       3,000       0.80 s          0          0         -  -
  mnist-2layer-noise (interrupted)     1.5  2 min 31 s        NaN    4.94e-6      1.21  loss falls geometrically below 1e-5 (figures 3a, 7)
";
        let normal = |text: &str| {
            text.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(normal(&text), normal(expected));
        let end = |line: &str, word: &str| line.find(word).map(|at| at + word.len());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(end(lines[0], "time"), end(lines[1], "0.80 s"));
        assert_eq!(end(lines[0], "time"), end(lines[2], "31 s"));
        assert!(lines.iter().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn a_cell_of_any_length_is_shown() {
        let rows = [[" ".repeat(70_000) + "x", "y".to_owned()]];
        assert!(table(&rows, &[Align::Left, Align::Left]).ends_with("x  y\n"));
    }

    #[test]
    fn a_clock_that_went_wrong_does_not_panic() {
        let summary = Summary {
            wall_seconds: f64::NAN,
            samples_per_second: f64::INFINITY,
            epochs: f64::NAN,
            ..Summary::example()
        };
        assert!(one(&summary, Path::new("x")).contains(", -\n"));
    }
}
