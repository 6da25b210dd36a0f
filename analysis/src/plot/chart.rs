//! Losses over the iterations: two axes and the lines between them, as the pictures and the page draw them.

use plotters::prelude::*;

use super::axis::{LinearAxis, LogAxis};
use super::canvas::{AxesPart, Frame, Outcome, Pen, axes_parts};
use super::line_style::LineStyle;
use crate::trace::Point;

/// Name of the horizontal axis.
const X_NAME: &str = "iteration";
/// Name of the vertical axis.
const Y_NAME: &str = "loss f(W)";

/// Axes and lines.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Iterations.
    pub x: LinearAxis,
    /// log10 of the loss.
    pub y: LogAxis,
    /// The first lies below the others.
    pub lines: Vec<Line>,
}

/// A line through records.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its points: (iteration, log10 of the loss).
    pub points: Vec<(f64, f64)>,
    /// How it looks.
    pub style: LineStyle,
    /// In pixels.
    pub thickness: u32,
}

impl Line {
    /// The line through these points.
    pub fn through(points: &[Point], style: LineStyle, thickness: u32) -> Self {
        let points = points.iter().map(|point| (point.iteration as f64, point.loss.log10())).collect();
        Self { points, style, thickness }
    }

    /// Draws it on a chart.
    pub fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>, frame: &Frame, chart: &Chart) -> Outcome<DB> {
        let points: Vec<_> = self.points.iter().map(|&(x, y)| (frame.x(&chart.x, x), frame.y(&chart.y, y))).collect();
        pen.styled(&points, &self.style, self.thickness)
    }
}

impl Chart {
    /// The chart of these lines, up to an iteration.
    pub fn of(last_iteration: u64, lines: Vec<Line>) -> Self {
        let heights = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        Self { y: LogAxis::covering(heights), x: LinearAxis::up_to(last_iteration), lines }
    }

    /// Draws all of it, or says that there are no lines.
    pub fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>, frame: &Frame) -> Outcome<DB> {
        pen.axes(frame, (&self.x, X_NAME), (&self.y, Y_NAME))?;
        if self.lines.iter().all(|line| line.points.is_empty()) {
            pen.notice(frame, "nothing to draw: no finite loss above 0")?;
        }
        self.lines.iter().try_for_each(|line| line.draw(pen, frame, self))
    }

    /// The parts of its axes.
    pub fn axes(&self) -> impl Iterator<Item = AxesPart<'_>> {
        axes_parts(&self.x, &self.y)
    }

    /// Draws a part of its axes.
    pub fn draw_axes_part<DB: DrawingBackend>(&self, pen: &Pen<DB>, frame: &Frame, part: AxesPart) -> Outcome<DB> {
        pen.axes_part(frame, (&self.x, X_NAME), (&self.y, Y_NAME), part)
    }
}
