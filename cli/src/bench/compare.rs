//! Two benchmarks of the same passes: what got slower, or faster, beyond the noise.

use std::path::Path;

use anyhow::Context;

use super::show::seconds;
use super::{BenchReport, Measurement};
use crate::exit::CliError;

/// A change must exceed so many spreads of both measurements together,
const SPREADS: f64 = 3.0;
/// and this fraction of the old time: machines differ from themselves by that much from one day to the next.
const FRACTION: f64 = 0.05;

/// Reads the JSON that an earlier benchmark printed.
///
/// # Errors
/// Bad input if the file cannot be read or is something else.
pub fn read(path: &Path) -> Result<BenchReport, CliError> {
    let parse = || -> anyhow::Result<BenchReport> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not the output of `memorize bench --json`", path.display()))
    };
    parse().map_err(CliError::BadInput)
}

/// One line a measurement that both reports have.
pub fn text(old: &BenchReport, new: &BenchReport) -> String {
    let mut text = String::new();
    let (mut slower, mut compared) = (0, 0);
    for result in &new.results {
        let Some(before) = old.results.iter().find(|before| key(before) == key(result)) else { continue };
        compared += 1;
        let ratio = result.seconds / before.seconds;
        let verdict = match change(before, result) {
            Change::Slower => {
                slower += 1;
                "SLOWER"
            }
            Change::Faster => "faster",
            Change::Noise => "same",
        };
        text.push_str(&format!(
            "{verdict:<7} {:.2} times the old time: {} {} {} {} {} ({} -> {})\n",
            ratio,
            result.pass,
            result.shape,
            result.dtype,
            result.backend,
            result.isa,
            seconds(before.seconds),
            seconds(result.seconds)
        ));
    }
    text.push_str(&format!("{compared} compared, {slower} slower beyond the noise\n"));
    if old.machine.cpu != new.machine.cpu {
        text.push_str(&format!("note: measured on {} before, on {} now\n", old.machine.cpu, new.machine.cpu));
    }
    text
}

fn key(result: &Measurement) -> (&str, &str, &str, &str, &str, usize) {
    let Measurement { pass, shape, backend, dtype, isa, threads, .. } = result;
    (pass, shape, backend, dtype, isa, *threads)
}

/// What became of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Slower,
    Faster,
    Noise,
}

fn change(before: &Measurement, now: &Measurement) -> Change {
    let difference = now.seconds - before.seconds;
    let noise = SPREADS * (before.spread_seconds + now.spread_seconds);
    if difference.abs() <= noise.max(FRACTION * before.seconds) {
        Change::Noise
    } else if difference > 0.0 {
        Change::Slower
    } else {
        Change::Faster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(seconds: f64, spread_seconds: f64) -> Measurement {
        let text = |text: &str| text.to_owned();
        Measurement {
            pass: text("features"),
            shape: text("1x2x3"),
            backend: text("native"),
            dtype: text("f32"),
            isa: text("avx2"),
            threads: 2,
            seconds,
            spread_seconds,
            fastest_seconds: seconds,
            slowest_seconds: seconds,
            runs: 9,
            gflops: 1.0,
            gbs: 1.0,
            fraction_of_peak: 0.5,
            fraction_of_roofline: 0.5,
            error: 0.0,
        }
    }

    #[test]
    fn only_what_exceeds_the_noise_is_a_change() {
        let old = measurement(1.0, 0.001);
        assert_eq!(change(&old, &measurement(1.04, 0.001)), Change::Noise, "within a day's difference");
        assert_eq!(change(&old, &measurement(1.2, 0.001)), Change::Slower);
        assert_eq!(change(&old, &measurement(0.8, 0.001)), Change::Faster);
        assert_eq!(change(&old, &measurement(1.2, 0.1)), Change::Noise, "within the spread");
    }
}
