//! Two benchmarks of the same passes: what got slower, or faster, beyond the noise.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use memorize_benches::report::{BenchReport, Measurement, Subject};
use memorize_data::{Shown, small};
use memorize_run::error::{Error, WithHint};
use memorize_run::nearest;
use memorize_run::units::measured;

use crate::text::{Align, table};

/// A file that is longer than this is no benchmark, in bytes.
const LONGEST: u64 = 1 << 26;
/// A change must exceed so many spreads of both measurements together,
const SPREADS: f64 = 3.0;
/// and this fraction of the old time: machines differ from themselves by that much from one day to the next.
const FRACTION: f64 = 0.05;
/// The machine's own limits are noted where they moved by this fraction: bandwidth depends on what else is running.
const LIMIT_FRACTION: f64 = 0.1;

/// Reads the JSON that an earlier benchmark printed.
///
/// # Errors
/// Bad input if the file cannot be read or is something else.
pub fn read(path: &Path) -> Result<BenchReport, Error> {
    const WRITE_ONE: &str = "write one with `memorize bench --json > FILE`, and let it finish";
    let text = small::read_text(path, LONGEST).with_context(|| format!("cannot read {}", path.shown()));
    let text = text.map_err(|error| Error::missing(error, nearest::path(path), Some(WRITE_ONE)))?;
    let parsed =
        serde_json::from_str(&text).map_err(anyhow::Error::from).and_then(|report| check(&report).map(|()| report));
    parsed.map_err(|error| {
        let error = error.context(format!("{} is not the output of `memorize bench --json`", path.shown()));
        Error::BadInput(error.hint(WRITE_ONE))
    })
}

/// Refuses times that no benchmark prints: they would be divided by.
fn check(report: &BenchReport) -> anyhow::Result<()> {
    for (i, result) in report.results.iter().enumerate() {
        let Measurement { seconds, spread_seconds, fastest_seconds, .. } = *result;
        ensure!(seconds > 0.0 && seconds.is_finite(), "results[{i}].seconds is {seconds}");
        ensure!(
            fastest_seconds > 0.0 && fastest_seconds <= seconds,
            "results[{i}].fastest_seconds is {fastest_seconds}"
        );
        ensure!(spread_seconds >= 0.0 && spread_seconds.is_finite(), "results[{i}].spread_seconds is {spread_seconds}");
    }
    Ok(())
}

/// Makes sure that an earlier benchmark has something of what is to be measured, before it is.
///
/// # Errors
/// Bad input if it has not.
pub fn check_overlap(old: &BenchReport, planned: &[Subject]) -> Result<(), Error> {
    let before: Vec<Subject> = old.results.iter().map(Subject::of).collect();
    if planned.iter().any(|subject| before.contains(subject)) {
        return Ok(());
    }
    let example = |subjects: &[Subject]| match subjects {
        [] => "nothing".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    let error = anyhow!("measured then: {}; to be measured now: {}", example(&before), example(planned))
        .context("the benchmark to compare with has nothing of what is to be measured");
    Err(Error::BadInput(error.hint("use the flags of that benchmark (--shape, --threads, --filter), or repeat it")))
}

/// A line a measurement that both reports have, what only one has, and what else may explain a difference.
pub fn text(old: &BenchReport, new: &BenchReport) -> String {
    let header = ["", "pass", "n x d x r", "type", "backend", "isa", "threads", "before", "now", "times as long"];
    let mut rows = vec![header.map(str::to_owned)];
    let mut slower = 0;
    for result in &new.results {
        let subject = Subject::of(result);
        let Some(before) = old.results.iter().find(|before| Subject::of(before) == subject) else { continue };
        let verdict = change(before, result);
        slower += usize::from(verdict == Change::Slower);
        let Subject { pass, shape, dtype, backend, isa, threads } = subject;
        let ratio = format!("{:.2}", result.seconds / before.seconds);
        let (before, now, threads) = (measured(before.seconds), measured(result.seconds), threads.to_string());
        rows.push([verdict.name().to_owned(), pass, shape, dtype, backend, isa, threads, before, now, ratio]);
    }
    use Align::{Left, Right};
    let align = [Left, Left, Left, Left, Left, Left, Right, Right, Right, Right];
    let compared = rows.len() - 1;
    let mut text = table(&rows, &align);
    text.push_str(&format!("{compared} compared, {slower} slower beyond the noise"));
    for (without, which) in [(new.results.len() - compared, "only now"), (old.results.len() - compared, "only before")]
    {
        if without > 0 {
            text.push_str(&format!(", {without} measured {which}"));
        }
    }
    text.push('\n');
    notes(old, new).into_iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
    text
}

/// Differences that are not the program's.
fn notes(old: &BenchReport, new: &BenchReport) -> Vec<String> {
    let (before, now) = (&old.machine, &new.machine);
    let mut notes = Vec::new();
    for (what, before, now) in [("on", &before.cpu, &now.cpu), ("with", &before.compiler, &now.compiler)] {
        if before != now {
            notes.push(format!("measured {what} {before} before, {what} {now} now"));
        }
    }
    let peaks = new
        .peak_gflops
        .iter()
        .filter_map(|(dtype, now)| Some((format!("the peak in {dtype}"), *old.peak_gflops.get(dtype)?, *now)));
    let limits = peaks.chain([
        ("the memory's bandwidth".to_owned(), old.bandwidth_gbs, new.bandwidth_gbs),
        ("the memory's bandwidth for reads".to_owned(), old.read_bandwidth_gbs, new.read_bandwidth_gbs),
    ]);
    for (limit, before, now) in
        limits.filter(|(_, before, now)| *before > 0.0 && (now / before - 1.0).abs() > LIMIT_FRACTION)
    {
        let times = now / before;
        notes.push(format!("{limit} was measured {times:.2} times as high as before: another machine, or a busy one"));
    }
    notes
}

/// What became of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Slower,
    Faster,
    Noise,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Slower => "SLOWER",
            Self::Faster => "faster",
            Self::Noise => "same",
        }
    }
}

/// Beyond the noise is what the spread does not explain, and what not even the best run of the slower side undoes.
fn change(before: &Measurement, now: &Measurement) -> Change {
    let difference = now.seconds - before.seconds;
    let noise = SPREADS * (before.spread_seconds + now.spread_seconds);
    if difference.abs() <= noise.max(FRACTION * before.seconds) {
        Change::Noise
    } else if now.fastest_seconds > before.seconds {
        Change::Slower
    } else if before.fastest_seconds > now.seconds {
        Change::Faster
    } else {
        Change::Noise
    }
}

#[cfg(test)]
mod tests;
