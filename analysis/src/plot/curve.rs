//! The training curve as the paper draws it: loss on a log scale, every record faint, their moving mean in front.

use memorize_data::Shown;
use memorize_run::error::Error;
use memorize_run::events;
use memorize_run::run_folder::{CURVE_PNG, CURVE_SVG, SMOOTHING};
use memorize_run::units::number;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{LinearAxis, LogAxis};
use super::canvas::{Frame, INK, LEGEND, Outcome, Pen, QUIET_INK, SAMPLE};
use super::{Drawing, PlotError, png, svg};
use crate::trace::{Point, Trace};

const RAW: RGBColor = RGBColor(0xb9, 0xd4, 0xf1);
const SMOOTH: RGBColor = RGBColor(0x14, 0x5d, 0xb8);

const FRAME: Frame = Frame::BELOW_A_LEGEND;
/// Room between a sample and its name.
const LEGEND_GAP: f64 = 12.0;
/// Room between two entries of the legend.
const LEGEND_SPACE: f64 = 30.0;

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// First line, such as the run's name.
    pub title: &'a str,
    /// Second line, such as the sizes and the optimiser. SVG viewers draw several spaces as one.
    pub subtitle: &'a str,
    /// f(W) over the whole training set at the end; absent = not known.
    pub loss: Option<f64>,
    /// The records as they are drawn.
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

/// Draws the curve that a run leaves in its folder: `curve.svg` and `curve.png`.
///
/// # Errors
/// If drawing fails; the run itself is none the worse for it.
pub fn of_run(run: &events::Curve<'_>) -> Result<events::Pictures, Error> {
    let title = run.name.shown().to_string();
    let subtitle = run.paper.map(|paper| format!("the paper: {paper}")).unwrap_or_default();
    let trace = Trace::of(run.records);
    let curve = Curve { title: &title, subtitle: &subtitle, loss: run.loss, trace: &trace };
    let pictures = render(&curve).map_err(Error::run_failed)?;
    Ok(vec![(CURVE_SVG, pictures.svg.into_bytes()), (CURVE_PNG, pictures.png)])
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
    curve: Curve<'a>,
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
        let (raw, smooth) = (points(&curve.trace.raw), points(curve.trace.mean()));
        let heights = raw.iter().chain(&smooth).map(|point| point.1);
        let y = LogAxis::covering(heights);
        let x = LinearAxis::up_to(curve.trace.last_iteration);
        Self { curve: *curve, x, y, raw, smooth }
    }
}

impl Scene<'_> {
    /// The colour and the thickness of the line of every record: faint behind the mean, not faint alone.
    fn of_records(&self) -> (RGBColor, u32) {
        if self.smooth.is_empty() { (SMOOTH, 2) } else { (RAW, 1) }
    }
}

impl Drawing for Scene<'_> {
    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Outcome<DB> {
        pen.heading(self.curve.title, self.curve.subtitle)?;
        let (x, y) = ((&self.x, "iteration"), (&self.y, "loss f(W)"));
        pen.axes(&FRAME, x, y)?;
        if self.raw.is_empty() && self.smooth.is_empty() {
            pen.notice(&FRAME, "nothing to draw: no finite loss above 0")?;
        }
        let (colour, thickness) = self.of_records();
        curve(pen, self, &self.raw, colour, thickness)?;
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

/// Names the lines that there are, in a row above the frame, where no curve is; and says what no line shows.
fn legend<DB: DrawingBackend>(pen: &Pen<DB>, scene: &Scene) -> Outcome<DB> {
    let mut x = FRAME.left;
    let mean = format!("mean of {SMOOTHING} records");
    let of_records = scene.of_records().0;
    let lines = [(&scene.raw, "every record", of_records, 2), (&scene.smooth, mean.as_str(), SMOOTH, 3)];
    for (_, text, colour, thickness) in lines.into_iter().filter(|(points, ..)| !points.is_empty()) {
        pen.line(&[(x, LEGEND), (x + SAMPLE, LEGEND)], colour, thickness)?;
        x += SAMPLE + LEGEND_GAP;
        pen.text(text, (x, LEGEND), INK, (HPos::Left, VPos::Center))?;
        x += pen.width(text) + LEGEND_SPACE;
    }
    // Not the last value of a line: it is of a batch, or a mean that lags behind.
    let end = scene.curve.loss.map(|loss| (format!("at the end f(W) = {}", number(loss)), INK));
    let left_out = scene.curve.trace.not_drawn().map(|text| (text, QUIET_INK));
    for (text, colour) in end.into_iter().chain(left_out) {
        pen.text(&text, (x, LEGEND), colour, (HPos::Left, VPos::Center))?;
        x += pen.width(&text) + LEGEND_SPACE;
    }
    Ok(())
}

/// The points of one line as (iteration, log10 of the loss).
pub(super) fn points(points: &[Point]) -> Vec<(f64, f64)> {
    points.iter().map(|point| (point.iteration as f64, point.loss.log10())).collect()
}

#[cfg(test)]
mod tests;
