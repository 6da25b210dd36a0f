//! The loss of a run while it trains, drawn in a terminal: a logarithmic scale, in Braille's dots, two by four to a
//! character.
//!
//! Drawn here because of the crates for it rasciigraph has no logarithmic scale, textplots brings one under the MPL,
//! and ratatui wants the terminal for itself.

use memorize_run::units::scientific;

/// Values that are kept; of more, every second is.
const KEPT: usize = 2048;
/// Columns of the scale beside the curve.
const SCALE: usize = 10;
/// Fewest columns that show a curve.
const FEWEST: usize = 8;
/// Dots of a character, by row and column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// The curve so far.
#[derive(Debug)]
pub struct Chart {
    /// log10 of the loss, at even distances.
    values: Vec<f64>,
    /// Losses from one value to the next.
    stride: u64,
    /// Losses so far.
    seen: u64,
}

impl Default for Chart {
    fn default() -> Self {
        Self { values: Vec::new(), stride: 1, seen: 0 }
    }
}

impl Chart {
    /// The next loss. A loss without a logarithm is left out.
    pub fn push(&mut self, loss: f64) {
        if !(loss.is_finite() && loss > 0.0) {
            return;
        }
        if self.seen.is_multiple_of(self.stride) {
            self.values.push(loss.log10());
        }
        self.seen += 1;
        if self.values.len() == KEPT {
            self.values = self.values.iter().step_by(2).copied().collect();
            self.stride *= 2;
        }
    }

    /// The curve in so many columns and lines, its scale at the left; nothing if there is no room, or no two values.
    pub fn draw(&self, width: usize, height: usize) -> Option<String> {
        let columns = width.checked_sub(SCALE).filter(|&columns| columns >= FEWEST)?;
        if height < 2 || self.values.len() < 2 {
            return None;
        }
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (across, down) = (2 * columns, 4 * height);
        let level = |x: usize| {
            let depth = if high > low { (high - self.at(x as f64 / (across - 1) as f64)) / (high - low) } else { 0.5 };
            ((depth * (down - 1) as f64).round() as usize).min(down - 1)
        };
        let mut dots = vec![vec![0; columns]; height];
        let mut before = level(0);
        for x in 0..across {
            let here = level(x);
            for y in before.min(here)..=before.max(here) {
                dots[y / 4][x / 2] |= DOTS[y % 4][x % 2];
            }
            before = here;
        }
        let line = |(row, dots): (usize, &Vec<u8>)| {
            let label = match row {
                0 => scientific(10f64.powf(high)),
                row if row == height - 1 => scientific(10f64.powf(low)),
                _ => String::new(),
            };
            let curve: String = dots.iter().filter_map(|&dots| char::from_u32(0x2800 + u32::from(dots))).collect();
            format!("{label:>8} ┤{curve}")
        };
        Some(dots.iter().enumerate().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// The value at a fraction of the way, between two that are kept.
    fn at(&self, fraction: f64) -> f64 {
        let place = fraction * (self.values.len() - 1) as f64;
        let left = (place as usize).min(self.values.len() - 1);
        let right = (left + 1).min(self.values.len() - 1);
        let share = place - left as f64;
        self.values[left] * (1.0 - share) + self.values[right] * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(losses: impl IntoIterator<Item = f64>) -> Chart {
        let mut chart = Chart::default();
        losses.into_iter().for_each(|loss| chart.push(loss));
        chart
    }

    #[test]
    fn a_geometric_fall_is_a_straight_line() {
        let drawn = chart((0..=6).map(|k| 10f64.powi(-k))).draw(SCALE + 8, 4).unwrap();
        assert_eq!(drawn, "  1.00e0 ┤⠙⢦⡀⠀⠀⠀⠀⠀\n         ┤⠀⠀⠙⢦⡀⠀⠀⠀\n         ┤⠀⠀⠀⠀⠙⢦⡀⠀\n 1.00e-6 ┤⠀⠀⠀⠀⠀⠀⠙⢦");
    }

    #[test]
    fn it_has_the_size_asked_for_however_long_the_run() {
        let long = chart((0..100_000).map(|k| 1.0 / f64::from(k + 1)));
        assert!(long.values.len() < KEPT && long.stride == 64);
        let drawn = long.draw(60, 8).unwrap();
        assert_eq!(drawn.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [60; 8]);
        assert!(drawn.starts_with("  1.00e0 ┤⢹⠀") && drawn.ends_with("⣀⣀"), "{drawn}");
    }

    #[test]
    fn nothing_is_drawn_without_room_or_values_and_a_plateau_is_level() {
        let falling = chart([1.0, 0.5]);
        assert!(falling.draw(SCALE + FEWEST - 1, 4).is_none() && falling.draw(3, 4).is_none());
        assert!(falling.draw(40, 1).is_none() && chart([1.0]).draw(40, 4).is_none());
        let bad = chart([f64::NAN, 0.0, f64::INFINITY, -1.0]);
        assert!(bad.values.is_empty());
        let level = chart([0.5; 9]).draw(SCALE + 8, 3).unwrap();
        assert_eq!(level.lines().nth(1), Some("         ┤⠤⠤⠤⠤⠤⠤⠤⠤"));
    }
}
