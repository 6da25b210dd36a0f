//! The training curve as the paper draws it: loss on a log scale, every record faint, their moving mean in front.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{LinearAxis, LogAxis};
use super::canvas::{Frame, INK, Outcome, Pen};
use super::{Drawing, PlotError, png, svg};
use crate::exit::CliError;
use crate::run_folder::{CURVE_PNG, CURVE_SVG, RunFolder, SMOOTHING};
use crate::trace::{Point, Trace};
use crate::units::number;

const RAW: RGBColor = RGBColor(0xb9, 0xd4, 0xf1);
const SMOOTH: RGBColor = RGBColor(0x14, 0x5d, 0xb8);

const FRAME: Frame = Frame::STANDARD;
const LEGEND_PADDING: f64 = 14.0;
const LEGEND_SAMPLE: f64 = 34.0;

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// First line, such as the run's name.
    pub title: &'a str,
    /// Second line, such as the sizes and the optimiser. SVG viewers draw several spaces as one.
    pub subtitle: &'a str,
    /// What there is to be seen of the records.
    pub trace: &'a Trace,
}

/// Both pictures.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Vector graphics.
    pub svg: String,
    /// An image of [`super::WIDTH`] x [`super::HEIGHT`] pixels.
    pub png: Vec<u8>,
}

/// Draws a curve and writes `curve.svg` and `curve.png`.
///
/// # Errors
/// If drawing or writing fails; the run itself is none the worse for it.
pub fn write(folder: &RunFolder, curve: &Curve) -> Result<(), CliError> {
    let pictures = render(curve).map_err(CliError::run_failed)?;
    folder.write(CURVE_SVG, pictures.svg.as_bytes())?;
    folder.write(CURVE_PNG, &pictures.png)?;
    Ok(())
}

/// Draws a curve in memory.
///
/// # Errors
/// If the drawing library or the PNG encoder fails. No data is no error: without records the picture says so.
pub fn render(curve: &Curve) -> Result<Pictures, PlotError> {
    let scene = Scene::of(curve);
    Ok(Pictures { svg: svg(&scene)?, png: png(&scene)? })
}

/// A curve with its axes chosen.
struct Scene<'a> {
    title: &'a str,
    subtitle: &'a str,
    x: LinearAxis,
    y: LogAxis,
    /// Every record, thinned: (iteration, log10 of the loss).
    raw: Vec<(f64, f64)>,
    /// The moving mean.
    smooth: Vec<(f64, f64)>,
}

impl<'a> Scene<'a> {
    /// Chooses axes for a curve and thins it.
    fn of(curve: &Curve<'a>) -> Self {
        let (raw, smooth) = (points(&curve.trace.raw), points(&curve.trace.smooth));
        let heights = raw.iter().chain(&smooth).map(|point| point.1);
        let y = LogAxis::covering(heights);
        let x = LinearAxis::up_to(curve.trace.last_iteration);
        Self { title: curve.title, subtitle: curve.subtitle, x, y, raw, smooth }
    }
}

impl Drawing for Scene<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        pen.heading(self.title, self.subtitle)?;
        let (x, y) = ((&self.x, "iteration"), (&self.y, "loss f(W)"));
        pen.axes(&FRAME, x, y)?;
        if self.raw.is_empty() && self.smooth.is_empty() {
            return pen.notice(&FRAME, "nothing to draw: no finite loss above 0");
        }
        curve(pen, self, &self.raw, RAW, 1)?;
        curve(pen, self, &self.smooth, SMOOTH, 3)?;
        legend(pen, self)
    }
}

/// A line through the points of a curve, or a dot if there is only one.
fn curve<DB: DrawingBackend>(
    pen: &Pen<DB>,
    scene: &Scene,
    points: &[(f64, f64)],
    colour: RGBColor,
    thickness: u32,
) -> Outcome<DB> {
    let place = |&(x, y): &(f64, f64)| (FRAME.x(&scene.x, x), FRAME.y(&scene.y, y));
    match points {
        [] => Ok(()),
        [point] => pen.dot(place(point), colour),
        _ => pen.line(&points.iter().map(place).collect::<Vec<_>>(), colour, thickness),
    }
}

/// Names both lines, top right: a falling curve is not there.
fn legend<DB: DrawingBackend>(pen: &Pen<DB>, scene: &Scene) -> Outcome<DB> {
    let last = scene.smooth.last().map(|point| format!(", last {}", number(10_f64.powf(point.1)))).unwrap_or_default();
    let mean = format!("mean of {SMOOTHING} records{last}");
    let width = pen.width(&mean)? + LEGEND_SAMPLE + 3.0 * LEGEND_PADDING;
    let (left, top) = (FRAME.right - width - 12.0, FRAME.top + 14.0);
    pen.box_with_border((left, top), (left + width, top + 68.0))?;
    let (from, to) = (left + LEGEND_PADDING, left + LEGEND_PADDING + LEGEND_SAMPLE);
    let rows = [("every record".to_owned(), RAW, 2), (mean, SMOOTH, 3)];
    for ((text, colour, thickness), y) in rows.into_iter().zip([top + 20.0, top + 48.0]) {
        pen.line(&[(from, y), (to, y)], colour, thickness)?;
        pen.text(&text, (to + LEGEND_PADDING, y), INK, (HPos::Left, VPos::Center))?;
    }
    Ok(())
}

/// The points of one line as (iteration, log10 of the loss).
pub(super) fn points(points: &[Point]) -> Vec<(f64, f64)> {
    points.iter().map(|point| (point.iteration as f64, point.loss.log10())).collect()
}

#[cfg(test)]
mod tests;
