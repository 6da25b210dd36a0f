//! Where the axes begin and end, and which values they name.

use memorize_run::units::thousands;

/// A labelled position on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Position in the axis' coordinate: an iteration, or a log10.
    pub at: f64,
    /// What is written there; empty for a line without a label.
    pub label: String,
}

/// From values to places, and what is written along it.
pub trait Axis {
    /// The place of a value between 0 and 1.
    fn place(&self, value: f64) -> f64;
    /// Labelled values.
    fn ticks(&self) -> &[Tick];
    /// Lines between the labels.
    fn minor(&self) -> &[Tick];
}

/// An axis whose values are as far apart as they differ.
#[derive(Clone, Debug)]
pub struct LinearAxis {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    ticks: Vec<Tick>,
}

/// Most labels on the axis of iterations: `10,000,000` has to fit between two.
const MOST_X_LABELS: u64 = 8;
/// Most steps between labels of a few digits.
const MOST_SHORT_LABELS: f64 = 12.0;

impl LinearAxis {
    /// The axis from 0 to `last`, labelled at multiples of 1, 2 or 5 times a power of ten.
    pub fn up_to(last: u64) -> Self {
        let high = last.max(1);
        let step = steps().find(|step| high / step <= MOST_X_LABELS).unwrap_or(high);
        let ticks = (0..=high / step).map(|i| Tick { at: (i * step) as f64, label: thousands(i * step) });
        Self { low: 0.0, high: high as f64, ticks: ticks.collect() }
    }

    /// The axis from `low` to `high`, labelled at multiples of 1, 2 or 5 times a power of ten; one around them if they
    /// are the same.
    pub fn covering(low: f64, high: f64) -> Self {
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, low + 0.5) };
        let most = MOST_SHORT_LABELS;
        let exponent = ((high - low) / most).log10().floor();
        let fits = |step: &f64| (high - low) / step <= most;
        let unit = 10f64.powf(exponent);
        let step = [1.0, 2.0, 5.0].map(|digit| digit * unit).into_iter().find(fits).unwrap_or(10.0 * unit);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let ticks = ((low / step).ceil() as i64..=(high / step).floor() as i64)
            .map(|i| Tick { at: i as f64 * step, label: format!("{:.decimals$}", i as f64 * step) });
        Self { low, high, ticks: ticks.collect() }
    }
}

impl Axis for LinearAxis {
    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    fn minor(&self) -> &[Tick] {
        &[]
    }
}

/// 1, 2, 5, 10, 20, 50 and so on, as far as they fit.
fn steps() -> impl Iterator<Item = u64> {
    (0..19).flat_map(|exponent| [1, 2, 5].map(|digit| digit * 10_u64.pow(exponent)))
}

/// An axis in log10.
#[derive(Clone, Debug)]
pub struct LogAxis {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    ticks: Vec<Tick>,
    minor: Vec<Tick>,
}

/// Narrowest axis, in decades: a constant is drawn as a level line and not as magnified rounding errors.
const NARROWEST: f64 = 1.0;
/// Most labels on a logarithmic axis.
const MOST_Y_LABELS: usize = 10;
/// Up to so many decades, 2 and 5 times the powers of ten are labelled too.
const DECADES_WITH_FRACTIONS: f64 = 2.2;
/// Up to so many decades, every multiple of a power of ten has a faint line.
const DECADES_WITH_MINOR_LINES: f64 = 5.0;
/// Room above and below the curve, as a part of the axis.
const PADDING: f64 = 0.04;

impl LogAxis {
    /// An axis that shows all of `heights` (logarithms), or one decade if there are none.
    pub fn covering(heights: impl Iterator<Item = f64>) -> Self {
        let (low, high) = heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), h| (low.min(h), high.max(h)));
        let (low, high) = if low <= high { (low, high) } else { (-1.0, 0.0) };
        let missing = (NARROWEST - (high - low)).max(0.0) / 2.0;
        let (low, high) = (low - missing, high + missing);
        let padding = PADDING * (high - low);
        let (low, high) = (low - padding, high + padding);
        Self { low, high, ticks: labelled(low, high), minor: minor(low, high) }
    }

    /// The same axis with its labels written out: `0.5`, `20`.
    pub fn in_plain_numbers(mut self) -> Self {
        for tick in &mut self.ticks {
            // The shortest form that reads back as the same number.
            tick.label = tick.label.parse::<f64>().map_or_else(|_| tick.label.clone(), |value| value.to_string());
        }
        self
    }
}

impl Axis for LogAxis {
    fn place(&self, height: f64) -> f64 {
        (height - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    fn minor(&self) -> &[Tick] {
        &self.minor
    }
}

fn labelled(low: f64, high: f64) -> Vec<Tick> {
    if high - low < DECADES_WITH_FRACTIONS {
        return multiples(low, high, &[1, 2, 5]);
    }
    let all = multiples(low, high, &[1]);
    let stride = all.len().div_ceil(MOST_Y_LABELS) as i32;
    // Multiples of the stride, so that 1e0 is among the labels whenever it is on the axis.
    all.into_iter().filter(|tick| (tick.at.round() as i32).rem_euclid(stride) == 0).collect()
}

fn minor(low: f64, high: f64) -> Vec<Tick> {
    let digits: &[i32] = if high - low < DECADES_WITH_MINOR_LINES { &[1, 2, 3, 4, 5, 6, 7, 8, 9] } else { &[1] };
    multiples(low, high, digits)
}

/// The values digit * 10^exponent between the ends.
fn multiples(low: f64, high: f64, digits: &[i32]) -> Vec<Tick> {
    (low.floor() as i32..=high.ceil() as i32)
        .flat_map(|exponent| digits.iter().map(move |&digit| (digit, exponent)))
        .map(|(digit, exponent)| Tick {
            at: f64::from(digit).log10() + f64::from(exponent),
            label: format!("{digit}e{exponent}"),
        })
        .filter(|tick| (low..=high).contains(&tick.at))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn iterations_are_labelled_at_round_numbers() {
        assert_eq!(labels(&LinearAxis::up_to(28_140).ticks), ["0", "5,000", "10,000", "15,000", "20,000", "25,000"]);
        assert_eq!(labels(&LinearAxis::up_to(3).ticks), ["0", "1", "2", "3"]);
        assert_eq!(labels(&LinearAxis::up_to(0).ticks), ["0", "1"]);
        for last in [1, 7, 99, 12_345, u64::MAX / 2, u64::MAX] {
            let ticks = LinearAxis::up_to(last).ticks;
            assert!((2..=MOST_X_LABELS as usize + 1).contains(&ticks.len()), "{last}: {ticks:?}");
        }
    }

    #[test]
    fn fractions_are_labelled_at_round_numbers() {
        let axis = LinearAxis::covering(0.44, 1.26);
        assert_eq!(labels(&axis.ticks), ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0", "1.1", "1.2"]);
        assert!(axis.place(0.44) == 0.0 && axis.place(1.26) == 1.0 && (axis.place(0.85) - 0.5).abs() < 1e-12);
        assert_eq!(labels(&LinearAxis::covering(0.0, 30.0).ticks), ["0", "5", "10", "15", "20", "25", "30"]);
        for (low, high) in [(1.0, 1.0), (0.96, 1.04), (0.0, 1e9), (0.999, 1.0)] {
            let axis = LinearAxis::covering(low, high);
            assert!((2..=13).contains(&axis.ticks.len()), "{low} {high}: {axis:?}");
            assert!(axis.ticks.iter().all(|tick| (0.0..=1.0).contains(&axis.place(tick.at))));
        }
    }

    #[test]
    fn losses_are_labelled_at_powers_of_ten() {
        let axis = LogAxis::covering([-5.3, 1.2].into_iter());
        assert_eq!(labels(&axis.ticks), ["1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1e0", "1e1"]);
    }

    #[test]
    fn labels_are_written_out_where_that_reads_better() {
        let axis = LogAxis::covering([-1.4, 0.2].into_iter()).in_plain_numbers();
        assert_eq!(labels(&axis.ticks), ["0.05", "0.1", "0.2", "0.5", "1"]);
        let axis = LogAxis::covering([1.9, 2.4].into_iter()).in_plain_numbers();
        assert_eq!(labels(&axis.ticks), ["50", "100", "200"]);
    }

    #[test]
    fn a_narrow_range_is_labelled_in_between() {
        let axis = LogAxis::covering([0.0, 0.9].into_iter());
        assert_eq!(labels(&axis.ticks), ["1e0", "2e0", "5e0"]);
    }

    #[test]
    fn no_data_a_constant_and_the_whole_range_of_f64_have_an_axis() {
        for heights in [vec![], vec![-2.0; 5], vec![-323.0, 308.0]] {
            let axis = LogAxis::covering(heights.iter().copied());
            assert!(axis.high - axis.low >= NARROWEST);
            assert!((2..=MOST_Y_LABELS + 1).contains(&axis.ticks.len()), "{:?}", axis.ticks);
            assert!(heights.iter().all(|&h| (0.0..=1.0).contains(&axis.place(h))));
        }
    }

    #[test]
    fn the_curve_does_not_touch_the_frame() {
        let axis = LogAxis::covering([-4.0, 0.0].into_iter());
        assert!(axis.place(-4.0) > 0.02 && axis.place(0.0) < 0.98);
    }
}
