//! Repeated measurements of one piece of work.

use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Measure until so much time has passed.
    pub time: Duration,
    /// But at least so often,
    pub at_least: usize,
    /// and at most so often.
    pub at_most: usize,
}

/// What repeated runs took, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Median.
    pub median: f64,
    /// Fastest run.
    pub fastest: f64,
    /// Slowest run.
    pub slowest: f64,
    /// Half of the runs lie within this distance of the median (median absolute deviation).
    pub spread: f64,
    /// Runs measured.
    pub runs: usize,
}

/// Times `work`, after one run that is not counted.
pub fn time(effort: Effort, mut work: impl FnMut()) -> Timing {
    work();
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < effort.at_least.max(1) || (begun.elapsed() < effort.time && seconds.len() < effort.at_most) {
        let start = Instant::now();
        work();
        seconds.push(start.elapsed().as_secs_f64());
    }
    summarize(&mut seconds)
}

fn summarize(seconds: &mut [f64]) -> Timing {
    let median = median(seconds);
    let mut distances: Vec<f64> = seconds.iter().map(|value| (value - median).abs()).collect();
    let (fastest, slowest) = (seconds[0], seconds[seconds.len() - 1]);
    Timing { median, fastest, slowest, spread: self::median(&mut distances), runs: seconds.len() }
}

/// Sorts, and returns the middle (the mean of the two in the middle).
///
/// # Panics
/// If there are no values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_known_values() {
        let timing = summarize(&mut [5.0, 1.0, 2.0, 100.0]);
        assert_eq!((timing.median, timing.fastest, timing.slowest, timing.spread), (3.5, 1.0, 100.0, 2.0));
        assert_eq!(summarize(&mut [3.0]), Timing { median: 3.0, fastest: 3.0, slowest: 3.0, spread: 0.0, runs: 1 });
    }

    #[test]
    fn effort_is_bounded_on_both_sides() {
        let mut runs = 0;
        let effort = Effort { time: Duration::ZERO, at_least: 3, at_most: 10 };
        assert_eq!(time(effort, || runs += 1).runs, 3);
        assert_eq!(runs, 4, "one run is not counted");
        let effort = Effort { time: Duration::from_secs(3600), at_least: 3, at_most: 10 };
        assert_eq!(time(effort, || ()).runs, 10);
    }
}
