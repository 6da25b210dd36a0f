//! The loss that remains against the number of samples: a fall to the tolerance on one side of the capacity, the least
//! squares residual on the other.

use memorize_run::capacity::{Report, Row};
use memorize_run::config::Trainer;
use memorize_run::units::{number, thousands};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use crate::plot::Drawing;
use crate::plot::axis::{LinearAxis, LogAxis};
use crate::plot::canvas::{Frame, INK, LEGEND, MARKER, Marker, Outcome, Pen, QUIET_INK, Shape, TEXT_SIZE};

const FRAME: Frame = Frame::BELOW_A_LEGEND;
/// Decades that are shown below the tolerance: a solver that is done is anywhere there.
const BELOW: f64 = 1.0;
/// Decades above the largest loss.
const ABOVE: f64 = 0.5;
/// Room beside the points, as a part of their range.
const BESIDE: f64 = 0.04;
/// Points of the predicted curve, closer together towards the capacity, where it falls off.
const STEPS: i32 = 1000;
/// How many of them the distance to the capacity takes to become a tenth.
const STEPS_A_DECADE: f64 = 50.0;
/// Distance of text from the line that it names.
const GAP: f64 = 8.0;

const PREDICTION: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const CAPACITY: RGBColor = RGBColor(0xb4, 0x23, 0x3c);

/// An experiment as a picture.
pub struct ThresholdPlot<'a> {
    report: &'a Report,
    x: LinearAxis,
    y: LogAxis,
    /// log10 of the tolerance.
    tolerance: f64,
    /// The predicted least loss: ratio, log10.
    predicted: Vec<(f64, f64)>,
    curves: Vec<Curve>,
}

/// An optimiser's losses.
struct Curve {
    optimizer: Trainer,
    /// Every training set: ratio, log10 of the loss.
    dots: Vec<(f64, f64)>,
    /// The medians.
    medians: Vec<(f64, f64)>,
}

impl<'a> ThresholdPlot<'a> {
    /// Chooses axes. Losses below the lower end of the vertical axis, zeros among them, are drawn on it.
    pub fn new(report: &'a Report, rows: &[Row]) -> Self {
        let tolerance = report.stop_below.log10();
        let floor = tolerance - BELOW;
        let height = |loss: f64| loss.log10().max(floor);
        let curve = |&optimizer: &Trainer| Curve {
            optimizer,
            dots: rows.iter().filter(|r| r.optimizer == optimizer).map(|r| (r.ratio, height(r.loss))).collect(),
            medians: report
                .points
                .iter()
                .filter(|p| p.optimizer == optimizer)
                .map(|p| (p.ratio, height(p.loss)))
                .collect(),
        };
        let curves: Vec<Curve> = report.optimizers.iter().map(curve).collect();
        let ratios = || report.points.iter().map(|point| point.ratio).chain([1.0]);
        let (low, high) = (ratios().fold(1.0, f64::min), ratios().fold(1.0, f64::max));
        let margin = BESIDE * (high - low).max(0.1);
        let x = LinearAxis::covering((low - margin).max(0.0), high + margin);
        let heights = curves.iter().flat_map(|curve| &curve.dots).map(|dot| dot.1 + ABOVE);
        let y = LogAxis::covering(heights.chain([floor]));
        // The mean square of the targets is what remains of an infinite number of samples.
        let all = report.points.iter().find(|point| point.predicted_loss > 0.0);
        let at_zero = all.map_or(0.0, |point| point.predicted_loss / (1.0 - point.ratio.recip()));
        let end = x.high;
        let predicted = (0..=STEPS)
            .map(|step| 1.0 + (end - 1.0) * 10f64.powf(f64::from(step - STEPS) / STEPS_A_DECADE))
            .map(|ratio| (ratio, (at_zero * (1.0 - ratio.recip())).log10()))
            .filter(|at| at.1 >= floor)
            .collect();
        Self { report, x, y, tolerance, predicted, curves }
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (FRAME.x(&self.x, x), FRAME.y(&self.y, y))
    }

    fn pixels(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        points.iter().map(|&point| self.pixel(point)).collect()
    }
}

impl Drawing for ThresholdPlot<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        let Report { d, capacity, neurons, seeds, .. } = self.report;
        let title =
            format!("Theorem 1's threshold: d = {d}, r = {neurons}, {} parameters", thousands((d * neurons) as u64));
        let sets = if *seeds == 1 { "1 set" } else { &format!("{seeds} sets") };
        pen.heading(
            &title,
            &format!("random samples and targets, {sets} of each size; a line goes through the medians"),
        )?;
        pen.axes(&FRAME, (&self.x, "samples / (d(d+1)/2)"), (&self.y, "loss f(W)"))?;
        if self.report.points.is_empty() {
            return pen.notice(&FRAME, "nothing to draw: no training set was finished");
        }
        self.lines(pen, *capacity)?;
        // The first that was asked for in front.
        for curve in self.curves.iter().rev() {
            let marker = marker(curve.optimizer);
            if curve.medians.len() > 1 {
                pen.line(&self.pixels(&curve.medians), marker.colour, 2)?;
            }
            for at in self.pixels(&curve.dots) {
                pen.marker(marker, at)?;
            }
        }
        self.legend(pen)
    }
}

impl ThresholdPlot<'_> {
    /// The capacity, the tolerance and the prediction.
    fn lines<DB: DrawingBackend>(&self, pen: &Pen<DB>, capacity: u64) -> Outcome<DB> {
        let half = f64::from(TEXT_SIZE) / 2.0;
        let across = self.pixels(&[(self.x.low, self.tolerance), (self.x.high, self.tolerance)]);
        let down = self.pixels(&[(1.0, self.y.low), (1.0, self.y.high)]);
        pen.line(&across, QUIET_INK, 1)?;
        pen.line(&down, CAPACITY, 2)?;
        // Text stands on the side of the capacity that has more room.
        let line = down[0].0;
        let room_on_the_left = line > (FRAME.left + FRAME.right) / 2.0;
        let (x, anchor) = if room_on_the_left { (line - GAP, HPos::Right) } else { (line + GAP, HPos::Left) };
        let text = format!("capacity d(d+1)/2 = {}", thousands(capacity));
        // Above the losses, which need not fall off at the line exactly.
        pen.text(&text, (x, FRAME.top + half), CAPACITY, (anchor, VPos::Center))?;
        let (tolerance, floor) = (self.report.stop_below, number(10f64.powf(self.tolerance - BELOW)));
        let text = format!("memorised: f <= {tolerance:e}; what is below {floor} is drawn there");
        let at = (if room_on_the_left { line } else { FRAME.right } - GAP, across[0].1 + GAP + half);
        pen.text(&text, at, QUIET_INK, (HPos::Right, VPos::Center))?;
        pen.line(&self.pixels(&self.predicted), PREDICTION, 6)
    }

    /// A row of what there is to see.
    fn legend<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        let mut x = FRAME.left + MARKER;
        for curve in &self.curves {
            pen.marker(marker(curve.optimizer), (x, LEGEND))?;
            let text = match curve.optimizer {
                Trainer::Solve => "solved for",
                Trainer::Adam => "Adam",
                Trainer::Gd => "gradient descent",
            };
            pen.text(text, (x + 16.0, LEGEND), INK, (HPos::Left, VPos::Center))?;
            x += 16.0 + pen.width(text) + 32.0;
        }
        pen.line(&[(x, LEGEND), (x + 34.0, LEGEND)], PREDICTION, 6)?;
        let text = "expected least squares loss, f(0) (1 - capacity/n)";
        pen.text(text, (x + 44.0, LEGEND), INK, (HPos::Left, VPos::Center))
    }
}

fn marker(optimizer: Trainer) -> Marker {
    let (shape, colour) = match optimizer {
        Trainer::Solve => (Shape::Circle, RGBColor(0x14, 0x5d, 0xb8)),
        Trainer::Adam => (Shape::Triangle, RGBColor(0xd3, 0x6b, 0x12)),
        Trainer::Gd => (Shape::Square, RGBColor(0x1b, 0x8a, 0x7a)),
    };
    Marker { shape, colour, filling: WHITE }
}
